//! Counts failures and says how long to wait. It survives restarts, and no clock that can be set
//! plays a part: a delay runs by the time since boot, and starts again in full after a reboot.
//!
//! Threat model: M3.

use minicbor::{CborLen, Decode, Encode};

use crate::clock::Moment;

/// So many failures in a row bring the first delay (NIST SP 800-63B: five without liveness).
pub const FREE_FAILURES: u32 = 5;
const FIRST_DELAY_MS: u64 = 30_000;
const LONGEST_DELAY_MS: u64 = 3_600_000;

/// One user's failures.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct Counter {
    /// Since the last success.
    #[n(0)]
    pub in_a_row: u32,
    /// Since the last password.
    #[n(1)]
    pub in_all: u32,
    /// When the present delay began: the boot, and milliseconds of it.
    #[n(2)]
    pub boot: String,
    #[n(3)]
    pub since_boot_ms: u64,
}

/// Whether an attempt may begin.
#[must_use]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Not for so many milliseconds. Where the delay begins anew in this boot, the counter to store.
    Wait {
        ms: u64,
        store: Option<Counter>,
    },
    Open,
}

impl Counter {
    /// The delay that stands after the failures so far.
    fn delay_ms(&self) -> u64 {
        match self.in_a_row.checked_sub(FREE_FAILURES) {
            None => 0,
            Some(over) => FIRST_DELAY_MS.saturating_mul(1 << over.min(20)).min(LONGEST_DELAY_MS),
        }
    }

    pub fn admission(&self, now: &Moment) -> Admission {
        let delay = self.delay_ms();
        if delay == 0 {
            return Admission::Open;
        }
        let elapsed = now.since_boot_ms.checked_sub(self.since_boot_ms);
        match elapsed {
            Some(elapsed) if self.boot == now.boot => match delay.checked_sub(elapsed) {
                None | Some(0) => Admission::Open,
                Some(ms) => Admission::Wait { ms, store: None },
            },
            // Another boot, or a time before the delay began: it begins now.
            _ => Admission::Wait { ms: delay, store: Some(self.begun(now)) },
        }
    }

    /// With one failure more: stored before the first comparison, so that a kill is not a free try.
    #[must_use]
    pub fn charged(&self, now: &Moment) -> Self {
        Self {
            in_a_row: self.in_a_row.saturating_add(1),
            in_all: self.in_all.saturating_add(1),
            ..self.begun(now)
        }
    }

    /// After a success that was charged: the row ends, and the charge itself is taken back.
    #[must_use]
    pub fn refunded(&self) -> Self {
        Self { in_a_row: 0, in_all: self.in_all.saturating_sub(1), ..self.clone() }
    }

    fn begun(&self, now: &Moment) -> Self {
        Self { boot: now.boot.clone(), since_boot_ms: now.since_boot_ms, ..self.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(boot: &str, since_boot_ms: u64) -> Moment {
        Moment { boot: boot.into(), since_boot_ms }
    }

    fn failed(times: u32, when: &Moment) -> Counter {
        (0..times).fold(Counter::default(), |c, _| c.charged(when))
    }

    #[test]
    fn four_failures_are_free_and_the_fifth_waits() {
        let now = at("a", 1_000);
        assert_eq!(failed(4, &now).admission(&now), Admission::Open);
        assert_eq!(failed(5, &now).admission(&now), Admission::Wait { ms: 30_000, store: None });
    }

    #[test]
    fn the_delay_grows_to_an_hour_and_no_further() {
        let now = at("a", 0);
        let waits: Vec<u64> = (5..15)
            .map(|n| match failed(n, &now).admission(&now) {
                Admission::Wait { ms, .. } => ms,
                Admission::Open => 0,
            })
            .collect();
        assert_eq!(waits[..4], [30_000, 60_000, 120_000, 240_000]);
        assert_eq!(waits[9], 3_600_000);
        assert!(matches!(failed(5_000, &now).admission(&now), Admission::Wait { ms: 3_600_000, .. }));
    }

    #[test]
    fn the_delay_runs_out_within_its_boot() {
        let counter = failed(5, &at("a", 1_000));
        assert_eq!(counter.admission(&at("a", 21_000)), Admission::Wait { ms: 10_000, store: None });
        assert_eq!(counter.admission(&at("a", 31_000)), Admission::Open);
    }

    #[test]
    fn a_reboot_begins_the_delay_anew_once() {
        let counter = failed(5, &at("a", 1_000));
        let rebooted = at("b", 500);
        let Admission::Wait { ms: 30_000, store: Some(stored) } = counter.admission(&rebooted) else {
            panic!("no delay after a reboot");
        };
        assert_eq!(stored.admission(&at("b", 10_500)), Admission::Wait { ms: 20_000, store: None });
        assert_eq!(stored.admission(&at("b", 30_500)), Admission::Open);
    }

    #[test]
    fn a_success_ends_the_row_and_takes_back_its_own_charge() {
        let now = at("a", 1_000);
        let counter = failed(3, &now).charged(&now).refunded();
        assert_eq!((counter.in_a_row, counter.in_all), (0, 3));
    }

    proptest::proptest! {
        #[test]
        fn no_clock_opens_a_delay_early(
            failures in 5u32..40, began in 0u64..1_000_000, now in 0u64..5_000_000, same in proptest::bool::ANY,
        ) {
            let counter = failed(failures, &at("a", began));
            let boot = if same { "a" } else { "b" };
            if counter.admission(&at(boot, now)) == Admission::Open {
                proptest::prop_assert!(same && now >= began + 30_000);
            }
        }
    }
}
