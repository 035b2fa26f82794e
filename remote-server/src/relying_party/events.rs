//! What the page draws: the last steps of all ceremonies. It keeps names of steps, the beginning of the
//! pairwise device, outcomes and reasons, and never a code, a packet or a token.

use std::collections::VecDeque;

use serde::Serialize;
use vultus_protocol::{AccountName, PairwiseDevice};

use super::ceremonies::Kind;
use super::steps::{Lane, Step};

/// The most events that are kept; the oldest go first.
pub const MOST: usize = 100;

/// How much of a pairwise device is shown.
const SHOWN_OF_DEVICE: usize = 6;

/// What all events of one ceremony have in common.
#[derive(Clone, Debug)]
pub struct Dance {
    number: u64,
    kind: Kind,
    device: String,
    account: Option<String>,
}

impl Dance {
    /// Fills in the account that the server found by the device.
    pub fn of_account(mut self, account: &AccountName) -> Self {
        self.account = Some(account.to_string());
        self
    }
}

/// What a ceremony came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    Accepted,
    Refused,
}

/// One arrow that was taken.
#[derive(Clone, Debug, Serialize)]
pub struct Event {
    /// Grows by one with each event.
    sequence: u64,
    /// Which ceremony, by a number of the shop's own.
    dance: u64,
    kind: Kind,
    step: &'static str,
    from: Lane,
    to: Lane,
    what: &'static str,
    seen: bool,
    /// Seconds since 1970.
    at: u64,
    device: String,
    account: Option<String>,
    outcome: Option<Outcome>,
    /// The word of a refusal.
    reason: Option<String>,
}

#[derive(Default)]
pub struct Events {
    kept: VecDeque<Event>,
    sequence: u64,
    dances: u64,
}

impl Events {
    pub fn start(&mut self, kind: Kind, device: &PairwiseDevice, account: Option<&AccountName>) -> Dance {
        self.dances += 1;
        let account = account.map(AccountName::to_string);
        Dance { number: self.dances, kind, device: shown(device), account }
    }

    pub fn note(&mut self, dance: &Dance, step: Step, now: u64) {
        self.push(dance, step, None, None, now);
    }

    /// The last step: `reason` is the word of a refusal.
    pub fn end(&mut self, dance: &Dance, step: Step, outcome: Outcome, reason: Option<String>, now: u64) {
        self.push(dance, step, Some(outcome), reason, now);
    }

    /// Oldest first.
    pub fn all(&self) -> Vec<Event> {
        self.kept.iter().cloned().collect()
    }

    fn push(&mut self, dance: &Dance, s: Step, outcome: Option<Outcome>, reason: Option<String>, at: u64) {
        self.sequence += 1;
        if self.kept.len() >= MOST {
            self.kept.pop_front();
        }
        self.kept.push_back(Event {
            sequence: self.sequence,
            dance: dance.number,
            kind: dance.kind,
            step: s.number,
            from: s.from,
            to: s.to,
            what: s.what,
            seen: s.seen,
            at,
            device: dance.device.clone(),
            account: dance.account.clone(),
            outcome,
            reason,
        });
    }
}

/// The beginning of a pairwise device: enough to tell two of them apart on the page.
pub fn shown(device: &PairwiseDevice) -> String {
    device.to_text().chars().take(SHOWN_OF_DEVICE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relying_party::steps;

    #[test]
    fn the_oldest_events_go_first() {
        let mut events = Events::default();
        let dance = events.start(Kind::Authentication, &PairwiseDevice::new([1; 16]), None);
        for _ in 0..MOST + 5 {
            events.note(&dance, steps::of(Kind::Authentication).opened, 1);
        }
        let all = events.all();
        assert_eq!((all.len(), all[0].sequence), (MOST, 6));
    }

    #[test]
    fn a_device_is_shown_in_part() {
        let device = PairwiseDevice::new([255; 16]);
        assert_eq!(shown(&device), "______");
        assert_ne!(shown(&device), device.to_text());
    }
}
