//! The private keys that belong to the newest published set, and which of them serves at a time. It makes
//! no keys and reads no files.

use std::path::Path;

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
    sealing: Vec<(TimedKey, SealingKey)>,
}

/// A key that signs.
pub struct SigningKey {
    timed: TimedKey,
    pair: EcdsaKeyPair,
}

impl SigningKey {
    pub fn new(timed: TimedKey, secret: &SealingKey) -> Result<Self, KeyError> {
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            secret.as_bytes(),
            timed.key.as_bytes(),
            &SystemRandom::new(),
        );
        Ok(Self { timed, pair: pair.map_err(|_| KeyError::NotSigned)? })
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
    /// Checks the published sets, and finds the private half of each key of the newest that has not ended.
    pub fn of(
        path: &Path,
        name: &ServerName,
        published: Vec<Vec<u8>>,
        held: Held,
        now: u64,
    ) -> Result<Self, KeyError> {
        let set = sets::newest(name, &published, now)?;
        let lacking = || KeyError::Incomplete { path: path.to_owned(), version: set.version };
        let signing = paired(&set.signing, held.signing, now).ok_or_else(lacking)?;
        let signing = signing.into_iter().map(|(timed, secret)| SigningKey::new(timed, &secret));
        let signing = signing.collect::<Result<Vec<_>, KeyError>>()?;
        let sealing = paired(&set.sealing, held.sealing, now).ok_or_else(lacking)?;
        Ok(Self { set, published, signing, sealing })
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
        found.map(|(_, private)| private)
    }
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
