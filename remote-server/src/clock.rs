//! What time it is, in seconds since 1970. It decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The one clock that a server asks.
#[derive(Clone, Debug)]
pub enum Clock {
    System,
    /// For tests: it stands until it is set.
    Fixed(Arc<AtomicU64>),
}

impl Clock {
    pub fn fixed(now: u64) -> Self {
        Self::Fixed(Arc::new(AtomicU64::new(now)))
    }

    /// A system clock before 1970 reads 0: a time at which no key counts, so that nothing is signed.
    pub fn now(&self) -> u64 {
        match self {
            Self::System => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            Self::Fixed(now) => now.load(Ordering::SeqCst),
        }
    }

    /// Sets a fixed clock. The system's is not set from here.
    pub fn set(&self, now: u64) {
        if let Self::Fixed(fixed) = self {
            fixed.store(now, Ordering::SeqCst);
        }
    }
}
