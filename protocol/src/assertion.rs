//! A signed statement for an application on the device itself: this user was verified just now. Each
//! audience has a key of its own, and none of them is the device key.

use minicbor::bytes::ByteVec;
use minicbor::{CborLen, Decode, Encode};

use crate::identity::{Audience, BiometricType, Evidence};
use crate::{Context, Message};

/// The longest nonce, in bytes; the shortest is 16.
pub const LONGEST_NONCE: usize = 64;
pub const SHORTEST_NONCE: usize = 16;

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Assertion {
    #[n(1)]
    pub audience: Audience,
    /// What the application chose, so that an old assertion does not pass for a new one.
    #[n(2)]
    pub nonce: ByteVec,
    /// The user who was verified: the caller's own.
    #[n(3)]
    pub uid: u32,
    #[n(4)]
    pub biometric: BiometricType,
    /// When, by the device's clock.
    #[n(5)]
    pub at: u64,
    #[n(6)]
    pub evidence: Evidence,
}

impl Message for Assertion {
    const CONTEXT: Context = Context("vultus/1 assertion");
    const CAP: usize = 512;
}
