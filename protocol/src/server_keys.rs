//! The keys of a server: what it publishes, and what a device has pinned. A newer set counts where a key
//! that is pinned signed it; a key that came with a packet never counts.

use minicbor::{CborLen, Decode, Encode};

use crate::encoding;
use crate::identity::ServerName;
use crate::{Context, Envelope, KeyId, Message, ProtocolError, PublicKey};

/// The most keys of one kind in a set.
pub const MOST_KEYS: usize = 8;

/// One key, and when it may be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct TimedKey {
    #[n(1)]
    pub key: PublicKey,
    #[n(2)]
    pub not_before: u64,
    /// The first second at which it counts no more.
    #[n(3)]
    pub not_after: u64,
}

impl TimedKey {
    pub fn counts(&self, now: u64) -> bool {
        self.not_before <= now && now < self.not_after
    }
}

/// Signed by one of the signing keys of the set before it; the first by one of its own.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct ServerKeys {
    #[n(1)]
    pub server: ServerName,
    /// Grows by at least one with each set.
    #[n(2)]
    pub version: u64,
    /// In order of preference; several during a rotation.
    #[n(3)]
    pub signing: Vec<TimedKey>,
    #[n(4)]
    pub sealing: Vec<TimedKey>,
}

impl Message for ServerKeys {
    const CONTEXT: Context = Context("vultus/1 server-keys");
    const CAP: usize = 4096;
}

impl ServerKeys {
    fn check(&self) -> Result<(), ProtocolError> {
        let fits = |keys: &[TimedKey]| !keys.is_empty() && keys.len() <= MOST_KEYS;
        if fits(&self.signing) && fits(&self.sealing) {
            Ok(())
        } else {
            Err(ProtocolError::Malformed("a set without keys, or with too many"))
        }
    }
}

/// What a device knows of a server, because root said so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinnedServer {
    keys: ServerKeys,
}

impl PinnedServer {
    /// Pins a set that root vouches for. It must be signed by one of its own keys.
    pub fn first(packet: &[u8]) -> Result<Self, ProtocolError> {
        let envelope = Envelope::<ServerKeys>::parse(packet)?;
        let own = envelope.claimed().signing.iter().find(|k| k.key.id() == envelope.key()).map(|k| k.key);
        let keys = envelope.verify(&own.ok_or(ProtocolError::UnknownKey)?)?;
        keys.check()?;
        Ok(Self { keys })
    }

    /// Takes over a newer set that a pinned key signed.
    pub fn rotate(&self, packet: &[u8], now: u64) -> Result<Self, ProtocolError> {
        let envelope = Envelope::<ServerKeys>::parse(packet)?;
        let key = *self.signing_key(envelope.key(), now).ok_or(ProtocolError::UnknownKey)?;
        let keys = envelope.verify(&key)?;
        keys.check()?;
        if keys.server != self.keys.server {
            return Err(ProtocolError::Misdirected("server"));
        }
        if keys.version <= self.keys.version {
            return Err(ProtocolError::OldKeys);
        }
        Ok(Self { keys })
    }

    pub fn name(&self) -> &ServerName {
        &self.keys.server
    }

    pub fn version(&self) -> u64 {
        self.keys.version
    }

    /// The pinned signing key of this name, where it counts now.
    pub fn signing_key(&self, id: KeyId, now: u64) -> Option<&PublicKey> {
        self.keys.signing.iter().find(|k| k.key.id() == id && k.counts(now)).map(|k| &k.key)
    }

    /// The key to seal to now.
    pub fn sealing_key(&self, now: u64) -> Option<&PublicKey> {
        self.keys.sealing.iter().find(|k| k.counts(now)).map(|k| &k.key)
    }

    /// For the vault's own state.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ProtocolError> {
        encoding::encode(&self.keys)
    }

    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let keys: ServerKeys = encoding::decode(bytes, ServerKeys::CAP)?;
        keys.check()?;
        Ok(Self { keys })
    }
}
