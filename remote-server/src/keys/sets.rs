//! Which keys are published: the first set, the set after another, and whether a row of sets holds together.
//! It decides on values alone.

use vultus_protocol::server_keys::{MOST_KEYS, TimedKey};
use vultus_protocol::{Envelope, PinnedServer, ServerKeys, ServerName};

use super::file::{Held, HeldKey};
use super::state::SigningKey;
use super::{KeyError, Rotation};

/// The version of the first set.
pub const FIRST: u64 = 1;

/// A set that waits for its signature, and the private keys that belong to it.
pub struct Next {
    pub set: ServerKeys,
    pub held: Held,
}

/// The first set, signed by its own key.
pub fn first(name: &ServerName, held: Held) -> Result<Vec<u8>, KeyError> {
    let set = ServerKeys {
        server: name.clone(),
        version: FIRST,
        signing: held.signing.iter().map(HeldKey::timed).collect(),
        sealing: held.sealing.iter().map(HeldKey::timed).collect(),
    };
    let own = held.signing.first().ok_or(KeyError::NoneCounts)?;
    SigningKey::new(own.timed(), &own.secret)?.sign(&set)
}

/// The set after this one: new keys before those that still count, which get an end.
pub fn after(set: &ServerKeys, held: Held, rotation: Rotation, now: u64) -> Result<Next, KeyError> {
    let begin = now.saturating_add(rotation.lead_s);
    let end = begin.saturating_add(rotation.overlap_s);
    let fresh = Held::fresh(begin)?;
    let held = Held {
        version: set.version + 1,
        signing: joined(fresh.signing, &set.signing, held.signing, end, now)?,
        sealing: joined(fresh.sealing, &set.sealing, held.sealing, end, now)?,
    };
    let set = ServerKeys {
        server: set.server.clone(),
        version: held.version,
        signing: held.signing.iter().map(HeldKey::timed).collect(),
        sealing: held.sealing.iter().map(HeldKey::timed).collect(),
    };
    Ok(Next { set, held })
}

/// Private keys that the set does not name, and those that have ended, are left behind.
fn joined(
    mut fresh: Vec<HeldKey>,
    set: &[TimedKey],
    mut held: Vec<HeldKey>,
    end: u64,
    now: u64,
) -> Result<Vec<HeldKey>, KeyError> {
    for timed in set.iter().filter(|timed| now < timed.not_after) {
        if let Some(place) = held.iter().position(|h| h.public == timed.key) {
            let kept = held.swap_remove(place);
            let not_after = timed.not_after.min(end);
            fresh.push(HeldKey { not_before: timed.not_before, not_after, ..kept });
        }
    }
    if fresh.len() <= MOST_KEYS { Ok(fresh) } else { Err(KeyError::TooMany) }
}

/// The newest of the published sets, where each follows from the one before it, as a device checks it.
pub fn newest(name: &ServerName, published: &[Vec<u8>], now: u64) -> Result<ServerKeys, KeyError> {
    let (first, later) = published.split_first().ok_or(KeyError::NoneCounts)?;
    let mut pinned = PinnedServer::first(first).map_err(KeyError::Chain)?;
    for packet in later {
        pinned = pinned.rotate(packet, now).map_err(KeyError::Chain)?;
    }
    if pinned.name() != name {
        return Err(KeyError::OtherServer(pinned.name().clone()));
    }
    // It was verified as the last of the row.
    let last = published.last().unwrap_or(first);
    Ok(Envelope::<ServerKeys>::parse(last).map_err(KeyError::Chain)?.claimed().clone())
}

/// Those of a row that come after what is published here. Sets are compared by what they say: the same keys that
/// were signed anew are the same.
pub fn beyond<'a>(present: &[Vec<u8>], row: &'a [Vec<u8>]) -> Result<&'a [Vec<u8>], KeyError> {
    let said = |packet: &Vec<u8>| -> Result<ServerKeys, KeyError> {
        Ok(Envelope::<ServerKeys>::parse(packet).map_err(KeyError::Chain)?.claimed().clone())
    };
    for (ours, theirs) in present.iter().zip(row) {
        if said(ours)? != said(theirs)? {
            return Err(KeyError::Diverged);
        }
    }
    row.get(present.len()..).ok_or(KeyError::Diverged)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::file::NO_END;

    const NOW: u64 = 1_800_000_000;

    fn name() -> ServerName {
        ServerName::new("auth.example").unwrap()
    }

    fn claimed(packet: &[u8]) -> ServerKeys {
        Envelope::<ServerKeys>::parse(packet).unwrap().claimed().clone()
    }

    #[test]
    fn the_next_set_begins_later_and_ends_the_one_before() {
        let packet = first(&name(), Held::fresh(NOW).unwrap()).unwrap();
        let one = claimed(&packet);
        assert!(one.signing.iter().chain(&one.sealing).all(|key| key.not_after == NO_END));
        let held = Held::fresh(NOW).unwrap();
        let own = ServerKeys {
            signing: held.signing.iter().map(HeldKey::timed).collect(),
            sealing: held.sealing.iter().map(HeldKey::timed).collect(),
            ..one
        };
        let next = after(&own, held, Rotation { lead_s: 10, overlap_s: 100 }, NOW + 1).unwrap().set;
        for (new, old) in [(&next.signing, &own.signing), (&next.sealing, &own.sealing)] {
            assert_eq!((new[0].not_before, new[0].not_after), (NOW + 11, NO_END));
            assert_eq!((new[1].key, new[1].not_before, new[1].not_after), (old[0].key, NOW, NOW + 111));
            assert_eq!(new.len(), 2);
        }
    }

    #[test]
    fn a_set_of_another_server_is_refused() {
        let packet = first(&name(), Held::fresh(NOW).unwrap()).unwrap();
        let other = ServerName::new("other.example").unwrap();
        assert!(newest(&name(), std::slice::from_ref(&packet), NOW).is_ok());
        assert!(matches!(newest(&other, &[packet], NOW), Err(KeyError::OtherServer(_))));
        assert!(newest(&name(), &[], NOW).is_err());
    }

    #[test]
    fn a_set_that_a_stranger_signed_breaks_the_row() {
        let packet = first(&name(), Held::fresh(NOW).unwrap()).unwrap();
        let stranger = Held::fresh(NOW).unwrap();
        let own = stranger.signing.first().unwrap();
        let second = ServerKeys { version: 2, ..claimed(&packet) };
        let second = SigningKey::new(own.timed(), &own.secret).unwrap().sign(&second).unwrap();
        assert!(matches!(newest(&name(), &[packet, second], NOW), Err(KeyError::Chain(_))));
    }
}
