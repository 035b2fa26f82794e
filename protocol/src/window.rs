//! When a packet may be used. Times are seconds since 1970-01-01T00:00:00Z, without leap seconds.

use minicbor::{CborLen, Decode, Encode};

use crate::ProtocolError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Window {
    #[n(1)]
    pub issued_at: u64,
    /// The first second at which it may no longer be used.
    #[n(2)]
    pub expires_at: u64,
}

impl Window {
    pub fn new(issued_at: u64, seconds: u64) -> Self {
        Self { issued_at, expires_at: issued_at.saturating_add(seconds) }
    }

    /// Whether it may be used now, by a clock that may be wrong by `tolerance` seconds in either way.
    pub fn check(&self, now: u64, tolerance: u64) -> Result<(), ProtocolError> {
        if self.expires_at <= self.issued_at {
            return Err(ProtocolError::Malformed("a window that never opens"));
        }
        if self.issued_at > now.saturating_add(tolerance) {
            return Err(ProtocolError::NotYetValid);
        }
        if now >= self.expires_at.saturating_add(tolerance) {
            return Err(ProtocolError::Expired);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_ends_by_the_second() {
        let window = Window::new(1_000, 60);
        for (now, expected) in [
            (999, Err(ProtocolError::NotYetValid)),
            (1_000, Ok(())),
            (1_059, Ok(())),
            (1_060, Err(ProtocolError::Expired)),
        ] {
            assert_eq!(window.check(now, 0), expected, "{now}");
        }
        assert_eq!(window.check(990, 10), Ok(()));
        assert_eq!(window.check(989, 10), Err(ProtocolError::NotYetValid));
        assert_eq!(window.check(1_069, 10), Ok(()));
        assert_eq!(window.check(1_070, 10), Err(ProtocolError::Expired));
        assert!(Window { issued_at: 5, expires_at: 5 }.check(5, 10).is_err());
        assert!(Window { issued_at: u64::MAX, expires_at: u64::MAX }.check(u64::MAX, u64::MAX).is_err());
    }
}
