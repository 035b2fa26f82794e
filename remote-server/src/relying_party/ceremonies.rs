//! Which ceremonies are under way, and what each is about: it decides whether a packet may be passed on for
//! one, and never lets one be completed twice or two at a time.

use std::collections::VecDeque;

use serde::Serialize;
use vultus_protocol::{AccountName, CeremonyId, PairwiseDevice, TransactionText};

use super::events::Dance;

/// The most ceremonies that are remembered; the oldest go first.
pub const MOST: usize = 1024;

/// How long a ceremony is remembered after its end, in seconds: the server's clock may differ.
pub const TOLERANCE_S: u64 = 60;

/// What a ceremony is for. A payment is an authentication with a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    Registration,
    Authentication,
    Payment,
    Deregistration,
}

/// What an application asks for.
#[derive(Clone, Debug)]
pub struct Wish {
    pub kind: Kind,
    pub device: PairwiseDevice,
    /// Missing where the server is to find it by the device.
    pub account: Option<AccountName>,
    /// What the person is to agree to: payments only.
    pub text: Option<TransactionText>,
}

/// A ceremony that the server opened for the shop.
#[derive(Clone, Debug)]
pub struct Ceremony {
    pub id: CeremonyId,
    pub wish: Wish,
    /// A registration without a session: nobody may have taken the account in the meantime.
    pub first: bool,
    pub dance: Dance,
    /// By the server's clock.
    pub expires_at: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Completing,
    Completed,
}

/// Why nothing is passed on for this ceremony.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// None of this name and kind.
    Unknown,
    /// It was completed, or is being.
    Used,
    Expired,
}

#[derive(Default)]
pub struct Ceremonies {
    kept: VecDeque<(Ceremony, State)>,
}

impl Ceremonies {
    /// Remembers one. The answer is false for a name that is remembered already: a server that gives one
    /// out twice could have a packet pass for another's.
    #[must_use]
    pub fn insert(&mut self, ceremony: Ceremony, now: u64) -> bool {
        self.kept.retain(|(kept, _)| !expired(kept, now));
        if self.kept.iter().any(|(kept, _)| kept.id == ceremony.id) {
            return false;
        }
        if self.kept.len() >= MOST {
            self.kept.pop_front();
        }
        self.kept.push_back((ceremony, State::Open));
        true
    }

    /// Takes one up for completion, alone.
    pub fn begin(&mut self, id: &CeremonyId, kind: Kind, now: u64) -> Result<Ceremony, Missing> {
        let found = self.kept.iter_mut().find(|(kept, _)| kept.id == *id && kept.wish.kind == kind);
        let (ceremony, state) = found.ok_or(Missing::Unknown)?;
        if *state != State::Open {
            return Err(Missing::Used);
        }
        if expired(ceremony, now) {
            return Err(Missing::Expired);
        }
        *state = State::Completing;
        Ok(ceremony.clone())
    }

    /// The server refused the packet: whether another may still do is the server's to say.
    pub fn reopen(&mut self, id: &CeremonyId) {
        self.set(id, State::Open);
    }

    /// Nothing more is passed on for it. It is remembered, so that a replay is told from a stranger.
    pub fn close(&mut self, id: &CeremonyId) {
        self.set(id, State::Completed);
    }

    fn set(&mut self, id: &CeremonyId, to: State) {
        if let Some((_, state)) = self.kept.iter_mut().find(|(kept, _)| kept.id == *id) {
            *state = to;
        }
    }
}

fn expired(ceremony: &Ceremony, now: u64) -> bool {
    now >= ceremony.expires_at.saturating_add(TOLERANCE_S)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::relying_party::events::Events;

    fn ceremony(id: u64, expires_at: u64) -> Ceremony {
        let device = PairwiseDevice::new([1; 16]);
        let dance = Events::default().start(Kind::Authentication, &device, None);
        let wish = Wish { kind: Kind::Authentication, device, account: None, text: None };
        Ceremony { id: name(id), wish, first: false, dance, expires_at }
    }

    fn name(id: u64) -> CeremonyId {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&id.to_be_bytes());
        CeremonyId::new(bytes)
    }

    #[test]
    fn one_at_a_time_and_once() {
        let mut ceremonies = Ceremonies::default();
        assert!(ceremonies.insert(ceremony(1, 100), 50));
        assert!(!ceremonies.insert(ceremony(1, 100), 50), "a name that is taken");
        let begin = |c: &mut Ceremonies, kind| c.begin(&name(1), kind, 60).map(|_| ());
        assert_eq!(begin(&mut ceremonies, Kind::Payment), Err(Missing::Unknown));
        assert_eq!(begin(&mut ceremonies, Kind::Authentication), Ok(()));
        assert_eq!(begin(&mut ceremonies, Kind::Authentication), Err(Missing::Used));
        ceremonies.reopen(&name(1));
        assert_eq!(begin(&mut ceremonies, Kind::Authentication), Ok(()));
        ceremonies.close(&name(1));
        assert_eq!(begin(&mut ceremonies, Kind::Authentication), Err(Missing::Used));
    }

    #[test]
    fn they_expire() {
        let mut ceremonies = Ceremonies::default();
        assert!(ceremonies.insert(ceremony(1, 100), 50));
        let begun = ceremonies.begin(&name(1), Kind::Authentication, 100 + TOLERANCE_S);
        assert_eq!(begun.map(|_| ()), Err(Missing::Expired));
        assert!(ceremonies.insert(ceremony(2, 300), 100 + TOLERANCE_S));
        assert_eq!(ceremonies.kept.len(), 1);
    }

    #[test]
    fn the_oldest_go_first() {
        let mut ceremonies = Ceremonies::default();
        for id in 0..=MOST as u64 {
            assert!(ceremonies.insert(ceremony(id, 100), 50));
        }
        assert_eq!(ceremonies.kept.len(), MOST);
        let first = ceremonies.begin(&name(0), Kind::Authentication, 60).map(|_| ());
        assert_eq!(first, Err(Missing::Unknown));
    }
}
