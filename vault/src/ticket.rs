//! Tickets: proof that a user's password was right a moment ago, for one action, once. They live in
//! memory only: a restart forgets them all.
//!
//! Threat model: M12.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use vultus_ipc::Reason;
use vultus_ipc::vault::Action;

use crate::{VaultError, random};

/// How long a person has to type the password, and then to use it.
pub const LIFETIME: Duration = Duration::from_secs(120);
/// The most tickets at a time: of all users, and of one.
const MOST: usize = 64;
const MOST_OF_ONE: usize = 4;

type Nonce = [u8; 32];

enum State {
    /// Asked for; no password yet.
    Wanted,
    /// The password was right.
    Redeemed,
}

struct Ticket {
    uid: u32,
    action: Action,
    state: State,
    until: Instant,
}

/// All tickets of this run of the vault.
#[derive(Default)]
pub struct Tickets {
    open: HashMap<Nonce, Ticket>,
}

impl Tickets {
    /// A nonce that a password may redeem for this user and action.
    pub fn request(&mut self, uid: u32, action: Action, now: Instant) -> Result<Nonce, VaultError> {
        self.open.retain(|_, t| t.until > now);
        let own = self.open.values().filter(|t| t.uid == uid).count();
        if self.open.len() >= MOST || own >= MOST_OF_ONE {
            return Err(Reason::Busy.into());
        }
        let nonce = random()?;
        self.open.insert(nonce, Ticket { uid, action, state: State::Wanted, until: now + LIFETIME });
        Ok(nonce)
    }

    /// The password helper says that the password was right, in this very boot.
    pub fn redeem(
        &mut self,
        (uid, action, nonce): (u32, Action, &Nonce),
        (boot, own_boot): (&str, &str),
        now: Instant,
    ) -> Result<(), Reason> {
        let ticket = self.open.get_mut(nonce).ok_or(Reason::PasswordNeeded)?;
        let fits = ticket.uid == uid && ticket.action == action && ticket.until > now && boot == own_boot;
        match ticket.state {
            State::Wanted if fits => {
                ticket.state = State::Redeemed;
                ticket.until = now + LIFETIME;
                Ok(())
            }
            _ => {
                // A ticket that was misused is used up.
                self.open.remove(nonce);
                Err(Reason::PasswordNeeded)
            }
        }
    }

    /// Uses a redeemed ticket up. One that does not fit is gone as well.
    pub fn consume(&mut self, uid: u32, action: Action, nonce: &Nonce, now: Instant) -> Result<(), Reason> {
        match self.open.remove(nonce) {
            Some(Ticket { uid: owner, action: meant, state: State::Redeemed, until })
                if owner == uid && meant == action && until > now =>
            {
                Ok(())
            }
            _ => Err(Reason::PasswordNeeded),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redeemed() -> (Tickets, Nonce, Instant) {
        let now = Instant::now();
        let mut tickets = Tickets::default();
        let nonce = tickets.request(7, Action::Enroll, now).unwrap();
        tickets.redeem((7, Action::Enroll, &nonce), ("b", "b"), now).unwrap();
        (tickets, nonce, now)
    }

    #[test]
    fn a_redeemed_ticket_serves_once() {
        let (mut tickets, nonce, now) = redeemed();
        assert_eq!(tickets.consume(7, Action::Enroll, &nonce, now), Ok(()));
        assert_eq!(tickets.consume(7, Action::Enroll, &nonce, now), Err(Reason::PasswordNeeded));
    }

    #[test]
    fn another_user_action_or_time_is_refused_and_uses_it_up() {
        for (uid, action, later) in [
            (8, Action::Enroll, Duration::ZERO),
            (7, Action::Delete, Duration::ZERO),
            (7, Action::Enroll, LIFETIME),
        ] {
            let (mut tickets, nonce, now) = redeemed();
            assert_eq!(tickets.consume(uid, action, &nonce, now + later), Err(Reason::PasswordNeeded));
            assert_eq!(tickets.consume(7, Action::Enroll, &nonce, now), Err(Reason::PasswordNeeded));
        }
    }

    #[test]
    fn a_ticket_without_a_password_is_nothing() {
        let now = Instant::now();
        let mut tickets = Tickets::default();
        let nonce = tickets.request(7, Action::Enroll, now).unwrap();
        assert_eq!(tickets.consume(7, Action::Enroll, &nonce, now), Err(Reason::PasswordNeeded));
        assert_eq!(tickets.consume(7, Action::Enroll, &[0; 32], now), Err(Reason::PasswordNeeded));
    }

    #[test]
    fn a_password_redeems_what_was_asked_and_nothing_else() {
        let now = Instant::now();
        for (uid, action, boot, later) in [
            (8, Action::Enroll, "b", Duration::ZERO),
            (7, Action::Delete, "b", Duration::ZERO),
            (7, Action::Enroll, "other", Duration::ZERO),
            (7, Action::Enroll, "b", LIFETIME),
        ] {
            let mut tickets = Tickets::default();
            let nonce = tickets.request(7, Action::Enroll, now).unwrap();
            assert!(tickets.redeem((uid, action, &nonce), (boot, "b"), now + later).is_err());
            assert!(tickets.redeem((7, Action::Enroll, &nonce), ("b", "b"), now).is_err());
        }
    }

    #[test]
    fn one_user_cannot_take_all_places() {
        let now = Instant::now();
        let mut tickets = Tickets::default();
        for _ in 0..MOST_OF_ONE {
            tickets.request(7, Action::Enroll, now).unwrap();
        }
        assert!(tickets.request(7, Action::Enroll, now).is_err());
        assert!(tickets.request(8, Action::Enroll, now).is_ok());
        assert!(tickets.request(7, Action::Enroll, now + LIFETIME).is_ok());
    }
}
