//! Time that no one can set: which boot this is, and how long it has lasted, suspend included.
//!
//! Threat model: M3.

use crate::VaultError;

/// A moment that can be compared with others of the same boot only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The kernel's identity of this boot.
    pub boot: String,
    /// Milliseconds since the boot.
    pub since_boot_ms: u64,
}

impl Moment {
    pub fn now() -> Result<Self, VaultError> {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let since_boot_ms = now.tv_sec as u64 * 1000 + now.tv_nsec as u64 / 1_000_000;
        Ok(Self { boot, since_boot_ms })
    }
}

/// The monotonic clock in microseconds, by which frames are dated.
pub fn monotonic_us() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000 + now.tv_nsec as u64 / 1_000
}

/// How long the machine has slept since it booted, in milliseconds.
pub fn slept_ms() -> u64 {
    let boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let boot_us = boot.tv_sec as u64 * 1_000_000 + boot.tv_nsec as u64 / 1_000;
    boot_us.saturating_sub(monotonic_us()) / 1_000
}

/// The two clocks behind [`slept_ms`] are read one after the other.
pub const SLEEP_MARGIN_MS: u64 = 250;
