//! Keys that only this machine's TPM releases. The only crate that names `tss-esapi`; it knows nothing
//! of faces, users or files.
//!
//! Commands run on one thread of their own ([`Tpm`]), because the TPM's library blocks: whoever asks
//! waits no longer than a deadline, and a TPM that does not answer is a typed refusal.
#![forbid(unsafe_code)]

mod attestation;
mod device;
mod endorsement;
mod seal;
mod signing;
mod worker;

pub use attestation::{AttestationKey, Certification};
pub use endorsement::{Endorsement, EndorsementKey, TpmDescription};
pub use seal::SealedKey;
pub use signing::{SigningKey, point};
pub use worker::Tpm;

/// Why the TPM did not do it. Named for what the caller tells the person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TpmError {
    /// No TPM answers at the configured place, or it stopped answering.
    #[error("no TPM answers")]
    Absent,
    /// It did not answer in time.
    #[error("the TPM did not answer in time")]
    Silent,
    /// Its storage key is not the one above this key: another TPM, or one that was cleared.
    #[error("this is not the TPM that made or sealed the key, or it was cleared")]
    Foreign,
    /// The registers that the policy names have other values than when the key was sealed.
    #[error("the TPM's policy does not release the key")]
    Policy,
    /// What was stored is not what the TPM made.
    #[error("the stored key was altered")]
    Altered,
    /// The configuration names no TPM that this library knows, or no such register.
    #[error("the TPM configuration is wrong")]
    Configuration,
    /// It carries no word of its maker: enrol where none is asked for.
    #[error("the TPM has no endorsement certificate that this version knows")]
    NoEndorsement,
    /// Ask the registry for another credential.
    #[error("the credential was not made for this TPM and key")]
    Credential,
}
