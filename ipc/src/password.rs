//! The password helper's boundary: a person's own conversation with it, which ends in a ticket.

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};

use crate::vault::Action;
use crate::wire::Message;

/// What the person's program sends: `Begin`, then one `Answer` for each `Ask`.
#[derive(Clone, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum PasswordRequest {
    #[n(0)]
    Begin {
        /// Whose password: the caller's own user, unless root asks.
        #[n(0)]
        uid: u32,
        #[n(1)]
        action: Action,
        #[n(2)]
        nonce: ByteArray<32>,
    },
    #[n(1)]
    Answer(#[n(0)] String),
}

impl std::fmt::Debug for PasswordRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Begin { uid, action, .. } => write!(f, "Begin({uid}, {action:?})"),
            Self::Answer(_) => f.write_str("Answer(redacted)"),
        }
    }
}

/// What the helper sends back.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum PasswordReply {
    /// Show the text and send what the person types, unseen unless `echo`.
    #[n(0)]
    Ask {
        #[n(0)]
        text: String,
        #[n(1)]
        echo: Echo,
    },
    #[n(1)]
    Tell(#[n(0)] String),
    /// The vault has the ticket.
    #[n(2)]
    Granted,
    #[n(3)]
    Refused(#[n(0)] PasswordRefusal),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Echo {
    #[n(0)]
    Hidden,
    #[n(1)]
    Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen, thiserror::Error)]
#[cbor(index_only)]
pub enum PasswordRefusal {
    #[n(0)]
    #[error("the password was not accepted")]
    WrongPassword,
    #[n(1)]
    #[error("the caller may not ask for this user")]
    NotAllowed,
    #[n(2)]
    #[error("the vault did not take the ticket")]
    NotTaken,
    #[n(3)]
    #[error("the password could not be checked")]
    Unavailable,
}

impl Message for PasswordRequest {
    const CAP: usize = 1024;
}

impl Message for PasswordReply {
    const CAP: usize = 1024;
}
