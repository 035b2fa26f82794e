//! Public keys of the protocol: P-256 points, and the verification of ECDSA signatures (ES256).

use std::fmt;

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Decoder, Encode};
use sha2::{Digest, Sha256};

use crate::ProtocolError;

/// A P-256 point, SEC1 uncompressed: 0x04, x, y. Whether it lies on the curve is checked on each use.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, CborLen)]
#[cbor(transparent)]
pub struct PublicKey(#[n(0)] ByteArray<65>);

/// Names a key: the first 8 bytes of the SHA-256 of its point. A hint for whoever looks a key up, no proof.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(transparent)]
pub struct KeyId(#[n(0)] ByteArray<8>);

impl PublicKey {
    pub fn new(point: [u8; 65]) -> Result<Self, ProtocolError> {
        if point[0] == 4 { Ok(Self(point.into())) } else { Err(ProtocolError::Malformed("not a point")) }
    }

    pub fn from_slice(point: &[u8]) -> Result<Self, ProtocolError> {
        Self::new(point.try_into().map_err(|_| ProtocolError::Malformed("not a point"))?)
    }

    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }

    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(*self.0).into()
    }

    pub fn id(&self) -> KeyId {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&self.digest()[..8]);
        KeyId(bytes.into())
    }

    /// Checks a signature (r ‖ s) over a message.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), ProtocolError> {
        let key = ring::signature::UnparsedPublicKey::new(
            &ring::signature::ECDSA_P256_SHA256_FIXED,
            self.as_bytes(),
        );
        key.verify(message, signature).map_err(|_| ProtocolError::BadSignature)
    }
}

impl<'b, C> Decode<'b, C> for PublicKey {
    fn decode(d: &mut Decoder<'b>, c: &mut C) -> Result<Self, minicbor::decode::Error> {
        let point: ByteArray<65> = Decode::decode(d, c)?;
        Self::new(*point).map_err(|_| minicbor::decode::Error::message("not a point"))
    }
}

impl KeyId {
    pub fn from_slice(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let bytes: [u8; 8] = bytes.try_into().map_err(|_| ProtocolError::Malformed("not a key's name"))?;
        Ok(Self(bytes.into()))
    }

    pub fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}
