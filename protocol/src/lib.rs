//! What crosses the network: the messages of every ceremony, how they are signed, sealed and checked.
//! It does no I/O and has no clock and no randomness of its own: times and random bytes are arguments.
//!
//! ```text
//! message ─encode→ payload ─Draft::finish→ COSE_Sign1 bytes ─(sealed::seal)→ to the server
//! COSE_Sign1 bytes ─Envelope::parse→ Envelope (untrusted) ─verify(key)→ message
//! ```
//!
//! The fields, step by step, are in `docs/protocol.md`.
#![forbid(unsafe_code)]

pub mod api;
pub mod assertion;
pub mod authentication;
pub mod challenge;
pub mod deregistration;
pub mod encoding;
pub mod enrolment;
pub mod envelope;
pub mod identity;
pub mod key;
pub mod registration;
pub mod sealed;
pub mod server_keys;
pub mod window;

pub use envelope::{Context, Draft, Envelope, Message};
pub use identity::{
    AccountName, Audience, BiometricType, CeremonyId, Code, DeviceIdentity, Evidence, FeatureToken, Label,
    Liveness, PairwiseDevice, PairwiseSecret, Policy, ServerName, ServiceName, Spectrum, TransactionHash,
    TransactionText, VirtualAccount,
};
pub use key::{KeyId, PublicKey};
pub use server_keys::{PinnedServer, ServerKeys};
pub use window::Window;

/// Why bytes are not a message to act upon. Named for what the receiver does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// Close the connection, or answer that the packet is broken: it is not a message of this kind.
    #[error("not a packet of this protocol: {0}")]
    Malformed(&'static str),
    #[error("a packet of {0} bytes is over the cap of its kind")]
    Oversize(usize),
    /// The signature is not of this key over these bytes in this context.
    #[error("the signature does not verify")]
    BadSignature,
    /// The packet names a key that is not pinned, or not known: update the keys, or refuse.
    #[error("the packet was signed by a key that is not known here")]
    UnknownKey,
    /// It was sealed to another key, or altered on its way.
    #[error("the sealed packet cannot be opened")]
    NotOpened,
    /// Ask for a new one: its window has passed.
    #[error("the packet's window has passed")]
    Expired,
    /// Set the clock: it was issued later than now.
    #[error("the packet was issued in the future: a clock is wrong")]
    NotYetValid,
    /// It answers another server, service, device, account or ceremony.
    #[error("the packet is meant for another {0}")]
    Misdirected(&'static str),
    /// A set of server keys that is not newer than the one that is pinned.
    #[error("these server keys are not newer than the known ones")]
    OldKeys,
}
