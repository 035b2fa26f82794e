//! How many are served at a time: in all, and of one user, so that nobody takes every place.
//!
//! Threat model: M29.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::Uid;

/// Places at one socket.
#[derive(Debug)]
pub struct Places {
    most: usize,
    most_of_one: usize,
    taken: Mutex<HashMap<Uid, usize>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    uid: Uid,
}

impl Places {
    pub fn new(most: usize, most_of_one: usize) -> Arc<Self> {
        Arc::new(Self { most, most_of_one, taken: Mutex::default() })
    }

    /// A place for a user, or nothing where there is none left. A quarter is left to root, which may
    /// take them all: many users together must not keep root's programs out.
    pub fn take(self: &Arc<Self>, uid: Uid) -> Option<Place> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let own = taken.get(&uid).copied().unwrap_or(0);
        let all = taken.values().sum::<usize>();
        let full = if uid.is_root() {
            all >= self.most
        } else {
            all >= self.most - self.most / 4 || own >= self.most_of_one
        };
        if full {
            return None;
        }
        taken.insert(uid, own + 1);
        Some(Place { places: Arc::clone(self), uid })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = taken.get_mut(&self.uid) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.uid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_user_leaves_room_for_others() {
        let places = Places::new(4, 2);
        let held: Vec<_> = [7, 7].iter().map(|&uid| places.take(Uid(uid)).unwrap()).collect();
        assert!(places.take(Uid(7)).is_none());
        let other = places.take(Uid(8)).unwrap();
        assert!(places.take(Uid(9)).is_none(), "the last place is root's");
        assert!(places.take(Uid::ROOT).is_some());
        drop(held);
        assert!(places.take(Uid(7)).is_some());
        drop(other);
        assert!(places.taken.lock().unwrap().is_empty(), "nothing is left behind");
    }
}
