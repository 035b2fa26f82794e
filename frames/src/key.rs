//! The long-lived P-256 keys of a camera and of the vault.

use p256::SecretKey;
use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::FrameError;

/// What a signature is over: a domain of its own for each message type, then the parts in order, each
/// with its length before it.
pub(crate) fn digest(domain: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in std::iter::once(&domain.as_bytes()).chain(parts) {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// A private key. It is wiped when dropped, has no copy and never shows itself.
pub struct StaticKey(SigningKey);

impl StaticKey {
    pub fn generate() -> Result<Self, FrameError> {
        let secret = SecretKey::try_generate().map_err(|_| FrameError::NoRandom)?;
        Ok(Self(SigningKey::from(secret)))
    }

    /// From the 32 bytes that [`Self::to_bytes`] gave.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        // The library would fill up a shorter one.
        if bytes.len() != 32 {
            return Err(FrameError::BadKey);
        }
        SigningKey::from_slice(bytes).map(Self).map_err(|_| FrameError::BadKey)
    }

    /// The secret itself, to be stored by its owner.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.0.to_bytes().into())
    }

    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    pub(crate) fn sign(&self, digest: &[u8; 32]) -> Result<[u8; 64], FrameError> {
        let signature: Signature = self.0.sign_prehash(digest).map_err(|_| FrameError::BadKey)?;
        Ok(signature.to_bytes().into())
    }
}

impl std::fmt::Debug for StaticKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StaticKey(redacted)")
    }
}

/// A public key, as 33 bytes of compressed SEC1 when it travels or is pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FrameError> {
        // One spelling only: compressed, with the parity in its tag.
        if bytes.len() != 33 || !matches!(bytes[0], 2 | 3) {
            return Err(FrameError::BadKey);
        }
        VerifyingKey::from_sec1_bytes(bytes).map(Self).map_err(|_| FrameError::BadKey)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_sec1_point(true).as_bytes().to_vec()
    }

    pub(crate) fn verify(&self, digest: &[u8; 32], signature: &[u8]) -> Result<(), FrameError> {
        let signature = Signature::from_slice(signature).map_err(|_| FrameError::BadSignature)?;
        self.0.verify_prehash(digest, &signature).map_err(|_| FrameError::BadSignature)
    }
}
