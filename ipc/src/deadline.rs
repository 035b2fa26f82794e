//! One moment by which an operation ends, handed down so that no step waits longer than the whole.
//!
//! Threat model: M28.

use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::time::Timespec;

use crate::IpcError;

/// A moment on the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    pub fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    /// The earlier of the two.
    #[must_use]
    pub fn or_sooner(self, span: Duration) -> Self {
        self.min(Self::after(span))
    }

    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    pub fn passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// Waits until `fd` is ready for `events` (or has failed, which the next call on it will tell).
    pub fn wait(self, fd: impl std::os::fd::AsFd, events: PollFlags) -> Result<(), IpcError> {
        loop {
            let left = self.remaining();
            if left.is_zero() {
                return Err(IpcError::Timeout);
            }
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            match poll(&mut [PollFd::new(&fd, events)], Some(&timeout)) {
                Ok(0) => return Err(IpcError::Timeout),
                Ok(_) => return Ok(()),
                Err(rustix::io::Errno::INTR) => {}
                Err(e) => return Err(e.into()),
            }
        }
    }
}
