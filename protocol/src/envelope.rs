//! COSE_Sign1 (RFC 9052) around one message: ES256, tag 18, and a context of its own for each kind of
//! message as external data, so that none passes for another. What is parsed is untrusted until it is
//! verified.

use coset::{
    Algorithm, CborSerializable, CoseSign1, CoseSign1Builder, HeaderBuilder, TaggedCborSerializable, iana,
};
use minicbor::{CborLen, Decode, Encode};
use sha2::{Digest, Sha256};

use crate::{KeyId, ProtocolError, PublicKey, encoding};

/// What a signature is for: the external data of its COSE_Sign1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context(pub &'static str);

/// A message that is signed whole.
pub trait Message: Encode<()> + CborLen<()> + for<'b> Decode<'b, ()> {
    const CONTEXT: Context;
    /// The most bytes of its payload.
    const CAP: usize;
}

/// What the envelope adds to a payload, at most.
const FRAME: usize = 128;

/// A message that waits for its signature.
pub struct Draft {
    envelope: CoseSign1,
    to_be_signed: Vec<u8>,
}

impl Draft {
    /// `key` names the key that will sign.
    pub fn new<M: Message>(message: &M, key: KeyId) -> Result<Self, ProtocolError> {
        let payload = encoding::encode(message)?;
        if payload.len() > M::CAP {
            return Err(ProtocolError::Oversize(payload.len()));
        }
        let header =
            HeaderBuilder::new().algorithm(iana::Algorithm::ES256).key_id(key.as_bytes().to_vec()).build();
        let envelope = CoseSign1Builder::new().protected(header).payload(payload).build();
        let to_be_signed = envelope.tbs_data(M::CONTEXT.0.as_bytes());
        Ok(Self { envelope, to_be_signed })
    }

    /// The bytes that a key signs by SHA-256 and ECDSA.
    pub fn to_be_signed(&self) -> &[u8] {
        &self.to_be_signed
    }

    /// Their SHA-256, for keys that sign digests.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(&self.to_be_signed).into()
    }

    /// The packet, with its signature (r ‖ s).
    pub fn finish(mut self, signature: [u8; 64]) -> Result<Vec<u8>, ProtocolError> {
        self.envelope.signature = signature.to_vec();
        self.envelope.to_tagged_vec().map_err(|_| ProtocolError::Malformed("cannot be encoded"))
    }
}

/// A packet that parses as one of `M`. Nothing of it is to be believed before [`Self::verify`].
pub struct Envelope<M> {
    envelope: CoseSign1,
    key: KeyId,
    claimed: M,
}

impl<M: Message> Envelope<M> {
    pub fn parse(bytes: &[u8]) -> Result<Self, ProtocolError> {
        if bytes.len() > M::CAP + FRAME {
            return Err(ProtocolError::Oversize(bytes.len()));
        }
        let malformed = ProtocolError::Malformed("not a COSE_Sign1");
        let envelope = CoseSign1::from_tagged_slice(bytes).map_err(|_| malformed)?;
        let key = key_of(&envelope)?;
        if !envelope.unprotected.is_empty() || envelope.signature.len() != 64 {
            return Err(malformed);
        }
        let payload = envelope.payload.as_deref().ok_or(malformed)?;
        let claimed = encoding::decode(payload, M::CAP)?;
        let again = envelope.clone().to_tagged_vec().map_err(|_| malformed)?;
        if again != bytes {
            return Err(ProtocolError::Malformed("not canonical"));
        }
        Ok(Self { envelope, key, claimed })
    }

    /// The key that the packet says it was signed by.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// What the packet says, for looking up the key that it must be signed by.
    pub fn claimed(&self) -> &M {
        &self.claimed
    }

    /// The message, where this key signed it in its context.
    pub fn verify(self, key: &PublicKey) -> Result<M, ProtocolError> {
        if key.id() != self.key {
            return Err(ProtocolError::UnknownKey);
        }
        let signed = self.envelope.tbs_data(M::CONTEXT.0.as_bytes());
        key.verify(&signed, &self.envelope.signature)?;
        Ok(self.claimed)
    }
}

/// The protected header must be exactly what [`Draft::new`] writes: ES256 and a key, nothing critical.
fn key_of(envelope: &CoseSign1) -> Result<KeyId, ProtocolError> {
    let malformed = ProtocolError::Malformed("an unknown header");
    let header = &envelope.protected.header;
    if header.alg != Some(Algorithm::Assigned(iana::Algorithm::ES256)) {
        return Err(malformed);
    }
    let expected =
        HeaderBuilder::new().algorithm(iana::Algorithm::ES256).key_id(header.key_id.clone()).build();
    let bytes = expected.clone().to_vec().map_err(|_| malformed)?;
    if *header != expected || envelope.protected.original_data.as_deref() != Some(bytes.as_slice()) {
        return Err(malformed);
    }
    KeyId::from_slice(&header.key_id)
}
