//! The audit log: what was decided, when, about whom, in one hash chain for each instance, with signed
//! checkpoints. It finds what was changed afterwards; it does not prevent it, and decides no ceremony.
//!
//! Events name services, pairwise devices or device identities, and virtual accounts; never accounts by name,
//! codes, tokens or packets.

mod chain;
pub mod checkpoint;
mod event;
mod verification;

pub(crate) use chain::links;
pub use chain::{Head, link};
pub use checkpoint::Checkpoint;
pub(crate) use event::Line;
pub use event::{Entry, Event};
pub use verification::{Broken, Chain, Flaw, Report, verify};

use crate::store::StoreError;

/// The most bytes of an instance's name.
pub const LONGEST_INSTANCE: usize = 128;

/// One row as the database has it. Nothing of it is to be believed before the chain is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub instance: String,
    /// From 1, without gaps.
    pub sequence: i64,
    pub at: i64,
    /// An [`Entry`] as CBOR.
    pub body: Vec<u8>,
    /// The hash of the row before; zeros before the first.
    pub previous: Vec<u8>,
    pub hash: Vec<u8>,
}

/// Why the log cannot be verified or signed now.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file of checkpoints cannot be read or written.
    #[error("the file of checkpoints: {0}")]
    File(#[from] std::io::Error),
    /// Somebody changed the database: it does not have the row that this process wrote.
    #[error("row {sequence} of {instance} is not in the database as it was written: nothing is signed")]
    NotAsWritten { instance: String, sequence: i64 },
}
