//! Keys that only this machine's TPM releases. The only crate that names `tss-esapi`; it knows nothing
//! of faces, users or files.
//!
//! Commands run on one thread of their own ([`Tpm`]), because the TPM's library blocks: whoever asks
//! waits no longer than a deadline, and a TPM that does not answer is a typed refusal.
#![forbid(unsafe_code)]

mod device;
mod seal;
mod worker;

pub use seal::SealedKey;
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
    /// Its storage key is not the one that sealed this: another TPM, or one that was cleared.
    #[error("this is not the TPM that sealed the key, or it was cleared")]
    Foreign,
    /// The registers that the policy names have other values than when the key was sealed.
    #[error("the TPM's policy does not release the key")]
    Policy,
    /// What was stored is not what the TPM made.
    #[error("the sealed key was altered")]
    Altered,
    /// The configuration names no TPM that this library knows, or no such register.
    #[error("the TPM configuration is wrong")]
    Configuration,
}
