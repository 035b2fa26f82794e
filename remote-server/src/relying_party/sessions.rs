//! Who is logged in at the shop: it makes session tokens and says whose a token is. It keeps their SHA-256
//! alone, and never prints one.

use std::collections::VecDeque;

use serde::Serialize;
use sha2::{Digest, Sha256};
use vultus_protocol::{AccountName, PairwiseDevice, api};

use super::events;

/// The most sessions; the oldest go first.
pub const MOST: usize = 1024;

/// How long a session lasts.
pub const LIFE_S: u64 = 15 * 60;

struct Session {
    token: [u8; 32],
    account: AccountName,
    device: String,
    since: u64,
}

/// A session as the page shows it.
#[derive(Clone, Debug, Serialize)]
pub struct Shown {
    account: String,
    device: String,
    /// Seconds since 1970.
    since: u64,
    expires_at: u64,
}

#[derive(Default)]
pub struct Sessions {
    kept: VecDeque<Session>,
}

impl Sessions {
    /// A new session's token, for the application alone. None where the system has no random bytes.
    pub fn open(&mut self, account: &AccountName, device: &PairwiseDevice, now: u64) -> Option<String> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).ok()?;
        let text = api::to_text(&bytes);
        self.drop_expired(now);
        if self.kept.len() >= MOST {
            self.kept.pop_front();
        }
        let (token, account) = (digest(&text), account.clone());
        self.kept.push_back(Session { token, account, device: events::shown(device), since: now });
        Some(text)
    }

    /// Whether this is the token of a session of this account that has not ended.
    pub fn is_of(&self, token: &str, account: &AccountName, now: u64) -> bool {
        // Digests are compared: the time that takes tells nothing of the token.
        let token = digest(token);
        self.kept.iter().any(|s| s.token == token && s.account == *account && !ended(s, now))
    }

    /// Ends all sessions of an account.
    pub fn end_of(&mut self, account: &AccountName) {
        self.kept.retain(|session| session.account != *account);
    }

    /// Newest first.
    pub fn all(&self, now: u64) -> Vec<Shown> {
        self.kept.iter().rev().filter(|session| !ended(session, now)).map(show).collect()
    }

    fn drop_expired(&mut self, now: u64) {
        self.kept.retain(|session| !ended(session, now));
    }
}

fn ended(session: &Session, now: u64) -> bool {
    now >= session.since.saturating_add(LIFE_S)
}

fn digest(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn show(session: &Session) -> Shown {
    Shown {
        account: session.account.to_string(),
        device: session.device.clone(),
        since: session.since,
        expires_at: session.since.saturating_add(LIFE_S),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(name: &str) -> AccountName {
        AccountName::new(name).unwrap()
    }

    const DEVICE: [u8; 16] = [1; 16];

    #[test]
    fn a_session_is_of_one_account_and_ends() {
        let mut sessions = Sessions::default();
        let token = sessions.open(&account("alice"), &PairwiseDevice::new(DEVICE), 1_000).unwrap();
        assert!(sessions.is_of(&token, &account("alice"), 1_000));
        assert!(!sessions.is_of(&token, &account("bob"), 1_000));
        assert!(!sessions.is_of("", &account("alice"), 1_000));
        assert!(sessions.is_of(&token, &account("alice"), 1_000 + LIFE_S - 1));
        assert!(!sessions.is_of(&token, &account("alice"), 1_000 + LIFE_S));
        assert!(sessions.all(1_000 + LIFE_S).is_empty());
        sessions.end_of(&account("alice"));
        assert!(!sessions.is_of(&token, &account("alice"), 1_000));
    }

    #[test]
    fn the_oldest_go_first() {
        let mut sessions = Sessions::default();
        let first = sessions.open(&account("first"), &PairwiseDevice::new(DEVICE), 1_000).unwrap();
        for _ in 0..MOST {
            sessions.open(&account("other"), &PairwiseDevice::new(DEVICE), 1_000).unwrap();
        }
        assert_eq!(sessions.all(1_000).len(), MOST);
        assert!(!sessions.is_of(&first, &account("first"), 1_000));
    }
}
