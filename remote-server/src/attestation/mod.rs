//! Whether a key lives in a TPM whose maker vouches for it: decides that on bytes alone, and never reads a
//! file, asks the clock or talks to a TPM. Every byte may come from an attacker.
//!
//! A registration goes through it in this order:
//! 1. [`public_area`]: the kinds of the three keys, as the device states them;
//! 2. [`ek_certificate::check`]: a maker certified this endorsement key;
//! 3. [`credential::make`]: a secret that comes back only from the TPM that holds the endorsement key, and
//!    only while the attestation key of that name lives in it;
//! 4. [`certification::check`]: the attestation key says that the device's key lives beside it.

pub mod certification;
mod chain;
pub mod credential;
pub mod ek_certificate;
#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod maker;
mod marshalled;
pub mod public_area;
mod vendor;

/// Why a TPM's word is not taken. Named for what the caller does next.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// Refuse the message: it has not the form that its standard prescribes.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Refuse the TPM: it may be sound, but this version does not know its like.
    #[error("not supported: {0}")]
    Unsupported(&'static str),
    /// Refuse the key: its TPM lets it do too much, or too little.
    #[error("the key's attributes are not those of its purpose")]
    WrongAttributes,
    /// Refuse the key: the attestation key did not vouch for it, or not now.
    #[error("the attestation key did not certify this key under this challenge")]
    NotCertified,
    /// Refuse the TPM, and tell the administrator, who may be missing a root of its maker.
    #[error("the certificate does not lead to a configured root: {0}")]
    Untrusted(webpki::Error),
    /// Refuse the certificate: it is sound, but not that of an endorsement key.
    #[error("the certificate is not meant for this use")]
    WrongUse,
    /// Refuse the certificate, and look at the clock: it or one above it is not valid now.
    #[error("a certificate is not valid at this time")]
    Expired,
    /// Refuse the pair: the certificate speaks of another key.
    #[error("the certificate does not belong to the endorsement key")]
    KeyMismatch,
    /// Try again later: the system gave no random numbers.
    #[error("no random numbers")]
    NoRandom,
}
