//! Names of accounts that may be taken already without anybody knowing: the server was asked to register a
//! face for one, and has not said what came of it. Nobody else gets such a name before the ceremony is over.

use std::collections::HashMap;

use vultus_protocol::{AccountName, CeremonyId};

use super::ceremonies::{Ceremony, TOLERANCE_S};

/// The most of them at a time. When there are more, the server has not answered for long.
const MOST: usize = 1024;

#[derive(Default)]
pub struct Reservations {
    names: HashMap<AccountName, (CeremonyId, u64)>,
}

impl Reservations {
    /// Whether a ceremony other than this one may still come to have this name.
    pub fn is_for_another(&self, name: &AccountName, id: Option<&CeremonyId>, now: u64) -> bool {
        self.names.get(name).is_some_and(|(holder, until)| now < *until && Some(holder) != id)
    }

    /// Keeps the name for this ceremony until its window has passed; false where there is no more room.
    #[must_use]
    pub fn reserve(&mut self, name: &AccountName, ceremony: &Ceremony, now: u64) -> bool {
        self.names.retain(|_, (_, until)| now < *until);
        if self.names.len() >= MOST && !self.names.contains_key(name) {
            return false;
        }
        let until = ceremony.expires_at.saturating_add(TOLERANCE_S);
        self.names.insert(name.clone(), (ceremony.id, until));
        true
    }

    /// It is known what came of this ceremony.
    pub fn release(&mut self, name: &AccountName, id: &CeremonyId) {
        if self.names.get(name).is_some_and(|(holder, _)| holder == id) {
            self.names.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use vultus_protocol::PairwiseDevice;

    use super::*;
    use crate::relying_party::ceremonies::{Kind, Wish};
    use crate::relying_party::events::Events;

    fn ceremony(id: u8) -> Ceremony {
        let device = PairwiseDevice::new([1; 16]);
        let dance = Events::default().start(Kind::Registration, &device, None);
        let wish = Wish { kind: Kind::Registration, device, account: None, text: None };
        Ceremony { id: CeremonyId::new([id; 16]), wish, first: true, dance, expires_at: 100 }
    }

    fn name(text: &str) -> AccountName {
        AccountName::new(text).unwrap()
    }

    #[test]
    fn a_name_is_kept_until_the_ceremony_is_over_or_known() {
        let (mut names, one, other) = (Reservations::default(), ceremony(1), ceremony(2));
        let end = 100 + TOLERANCE_S;
        assert!(names.reserve(&name("alice"), &one, 50));
        let taken = |names: &Reservations, of: &Ceremony, now| {
            names.is_for_another(&name("alice"), Some(&of.id), now)
        };
        assert!(taken(&names, &other, 50) && !taken(&names, &one, 50));
        assert!(names.is_for_another(&name("alice"), None, end - 1));
        assert!(!names.is_for_another(&name("bob"), None, 50));
        assert!(!names.is_for_another(&name("alice"), None, end));
        names.release(&name("alice"), &other.id);
        assert!(taken(&names, &other, 50), "only its own ceremony gives it free");
        names.release(&name("alice"), &one.id);
        assert!(!taken(&names, &other, 50));
    }

    #[test]
    fn there_are_so_many_at_a_time() {
        let (mut names, one) = (Reservations::default(), ceremony(1));
        for number in 0..MOST {
            assert!(names.reserve(&name(&format!("n{number}")), &one, 50));
        }
        assert!(!names.reserve(&name("alice"), &one, 50));
        assert!(names.reserve(&name("n0"), &one, 50));
        assert!(names.reserve(&name("alice"), &one, 100 + TOLERANCE_S), "the others are over");
    }
}
