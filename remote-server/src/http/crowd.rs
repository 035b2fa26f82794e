//! Counts who is connected to one listener, and lets nobody in when it is full or when one address has its
//! share. It knows no requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus_client::metrics::gauge::Gauge;

use crate::limits::Origin;

pub struct Crowd {
    most: usize,
    most_of_one: usize,
    gauge: Gauge,
    present: Mutex<HashMap<Origin, usize>>,
}

/// One connection's place, free again when it is dropped.
pub struct Place {
    crowd: Arc<Crowd>,
    origin: Origin,
}

impl Crowd {
    pub fn new(most: usize, most_of_one: usize, gauge: Gauge) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, gauge, present: Mutex::default() })
    }

    /// A place, where there is one for this origin.
    pub fn enter(self: &Arc<Self>, origin: Origin) -> Option<Place> {
        let mut present = self.present();
        // There are no more origins than connections, so that this sum stays as short as the limit.
        let all: usize = present.values().sum();
        let of_this = present.get(&origin).copied().unwrap_or(0);
        if all >= self.most || of_this >= self.most_of_one {
            return None;
        }
        present.insert(origin, of_this + 1);
        self.gauge.inc();
        Some(Place { crowd: Arc::clone(self), origin })
    }

    fn present(&self) -> MutexGuard<'_, HashMap<Origin, usize>> {
        // Each change is one step, so that a panic elsewhere leaves nothing half done.
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut present = self.crowd.present();
        let left = present.get(&self.origin).map_or(0, |count| count.saturating_sub(1));
        if left == 0 {
            present.remove(&self.origin);
        } else {
            present.insert(self.origin, left);
        }
        self.crowd.gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_share_for_each_and_a_limit_for_all() {
        let gauge = Gauge::default();
        let crowd = Crowd::new(3, 2, gauge.clone());
        let (one, other, third) = (Origin::V4([1; 4]), Origin::V4([2; 4]), Origin::V6([3; 8]));
        let first = crowd.enter(one).unwrap();
        let _second = crowd.enter(one).unwrap();
        assert!(crowd.enter(one).is_none());
        let _third = crowd.enter(other).unwrap();
        assert!(crowd.enter(third).is_none());
        assert_eq!(gauge.get(), 3);
        drop(first);
        assert_eq!(gauge.get(), 2);
        assert!(crowd.enter(one).is_some());
        assert_eq!(gauge.get(), 2);
    }
}
