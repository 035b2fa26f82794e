//! The private keys that belong to the newest published set, and which of them serves at a time. It makes
//! no keys and reads no files.

use std::path::Path;
use std::sync::Arc;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use vultus_protocol::sealed::SealingKey;
use vultus_protocol::server_keys::TimedKey;
use vultus_protocol::{Draft, KeyId, Message, PublicKey, ServerKeys, ServerName};

use super::file::{Held, HeldKey};
use super::{CLOCK_TOLERANCE, KeyError, sets};

/// What one loading of the keys came to.
pub struct State {
    /// The newest set.
    pub set: ServerKeys,
    /// Every published set, oldest first.
    pub published: Vec<Vec<u8>>,
    /// In the set's order: the newest first.
    signing: Vec<SigningKey>,
    sealing: Vec<(TimedKey, Arc<SealingKey>)>,
    /// Whether these are all keys of the set that have not ended.
    pub complete: bool,
}

/// A key that signs.
#[derive(Clone)]
pub struct SigningKey {
    timed: TimedKey,
    pair: Arc<EcdsaKeyPair>,
}

impl SigningKey {
    pub fn new(timed: TimedKey, secret: &SealingKey) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            secret.as_bytes(),
            timed.key.as_bytes(),
            &SystemRandom::new(),
        );
        Ok(Self { timed, pair: Arc::new(pair.map_err(|_| KeyError::NotSigned)?) })
    }

    pub fn sign<M: Message>(&self, message: &M) -> Result<Vec<u8>, KeyError> {
        let draft = Draft::new(message, self.timed.key.id()).map_err(|_| KeyError::NotSigned)?;
        let signature = self.pair.sign(&SystemRandom::new(), draft.to_be_signed());
        let signature = signature.map_err(|_| KeyError::NotSigned)?;
        let signature: [u8; 64] = signature.as_ref().try_into().map_err(|_| KeyError::NotSigned)?;
        draft.finish(signature).map_err(|_| KeyError::NotSigned)
    }
}

impl State {
    /// Finds the private half of each key of the newest set that has not ended.
    pub fn of(
        path: &Path,
        set: ServerKeys,
        published: Vec<Vec<u8>>,
        held: Held,
        now: u64,
    ) -> Result<Self, KeyError> {
        // The file is written just before its set is published: it is ahead by one at most.
        if set.version.saturating_add(1) < held.version {
            let (held, found) = (held.version, set.version);
            return Err(KeyError::RolledBack { path: path.to_owned(), held, found });
        }
        let lacking = || KeyError::Incomplete { path: path.to_owned(), version: set.version };
        let signing = paired(&set.signing, held.signing, now).ok_or_else(lacking)?;
        let signing = signing.into_iter().map(|(timed, secret)| SigningKey::new(timed, &secret));
        let signing = signing.collect::<Result<Vec<_>, KeyError>>()?;
        let sealing = paired(&set.sealing, held.sealing, now).ok_or_else(lacking)?;
        let sealing = sealing.into_iter().map(|(timed, secret)| (timed, Arc::new(secret))).collect();
        Ok(Self { set, published, signing, sealing, complete: true })
    }

    /// The newest of these published sets, where they begin with those that are loaded: what was published is
    /// never taken back.
    pub fn next(&self, name: &ServerName, published: &[Vec<u8>], now: u64) -> Result<ServerKeys, KeyError> {
        let set = sets::newest(name, published, now)?;
        if set.version < self.set.version {
            return Err(KeyError::Older { loaded: self.set.version, found: set.version });
        }
        if published.starts_with(&self.published) { Ok(set) } else { Err(KeyError::Rewritten) }
    }

    /// The same keys under a newer set, of which others may be missing here. None is used for longer than
    /// the set says, and one that the set does not name is not used any more.
    pub fn under(&self, set: ServerKeys, published: Vec<Vec<u8>>) -> Self {
        let signing = self.signing.iter().filter_map(|key| {
            let timed = shortened(&key.timed, &set.signing)?;
            Some(SigningKey { timed, ..key.clone() })
        });
        let sealing = self.sealing.iter().filter_map(|(timed, secret)| {
            let timed = shortened(timed, &set.sealing)?;
            Some((timed, Arc::clone(secret)))
        });
        let (signing, sealing) = (signing.collect(), sealing.collect());
        Self { set, published, signing, sealing, complete: false }
    }

    /// The newest key. It signs the next set, so it must count already: a device that knows no other set
    /// than the newest would else not take the next one.
    pub fn newest(&self, now: u64) -> Result<&SigningKey, KeyError> {
        let newest = self.signing.first().ok_or(KeyError::NoneCounts)?;
        if newest.timed.counts(now) { Ok(newest) } else { Err(KeyError::TooSoon(newest.timed.not_before)) }
    }

    /// The newest key that counts for devices with slow clocks too, or else the newest that counts.
    pub fn signing_key(&self, now: u64) -> Option<&SigningKey> {
        let slow = now.saturating_sub(CLOCK_TOLERANCE);
        let settled = self.signing.iter().find(|k| k.timed.counts(now) && k.timed.not_before <= slow);
        settled.or_else(|| self.signing.iter().find(|k| k.timed.counts(now)))
    }

    /// The key of this name, until it ends. One that does not count yet opens too: the device's clock may be
    /// fast.
    pub fn opening_key(&self, id: KeyId, now: u64) -> Option<&SealingKey> {
        let found = self.sealing.iter().find(|(timed, _)| timed.key.id() == id && now < timed.not_after);
        found.map(|(_, private)| private.as_ref())
    }
}

fn shortened(timed: &TimedKey, set: &[TimedKey]) -> Option<TimedKey> {
    let published = set.iter().find(|published| published.key == timed.key)?;
    Some(TimedKey { not_after: timed.not_after.min(published.not_after), ..*timed })
}

/// Each key of a set that has not ended with its private half; nothing where one is missing.
fn paired(set: &[TimedKey], mut held: Vec<HeldKey>, now: u64) -> Option<Vec<(TimedKey, SealingKey)>> {
    let lasting = set.iter().filter(|timed| now < timed.not_after);
    lasting.map(|timed| Some((*timed, take(&mut held, &timed.key)?))).collect()
}

fn take(held: &mut Vec<HeldKey>, key: &PublicKey) -> Option<SealingKey> {
    let place = held.iter().position(|h| h.public == *key)?;
    Some(held.swap_remove(place).secret)
}
