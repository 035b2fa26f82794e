//! What crosses a local process boundary: typed requests and replies, size caps, deadlines and peer
//! checks. It decides nothing about a person, and holds no cryptography.
//!
//! Each boundary has one request enum and one reply enum, whose variants have stable numbers:
//!
//! | module | who asks | who answers |
//! |---|---|---|
//! | [`login`] | the PAM module | `vultusd` (refusals), `vultus-vault` (verdicts) |
//! | [`vault`] | `vultusd`, root's tools, `vultus-password` | `vultus-vault` |
//! | [`camera`] | `vultus-vault`, root's tools | `vultus-camera` |
//! | [`password`] | the `vultus` command | `vultus-password` |
#![deny(unsafe_code)]

pub mod camera;
pub mod connection;
pub mod deadline;
pub mod login;
pub mod password;
pub mod peer;
pub mod places;
pub mod private;
pub mod vault;
pub mod verdict;
pub mod wire;

pub use connection::{Connection, Listener};
pub use deadline::Deadline;
pub use peer::{Peer, Uid};
pub use places::{Place, Places};
pub use verdict::{Guidance, Reason, Verdict};
pub use wire::Message;

/// Why a message could not be had or sent. Named for what the caller does next.
#[derive(Debug, thiserror::Error)]
pub enum IpcError {
    /// The other side is not there: nothing listens, or the socket is missing.
    #[error("nobody answers at the socket")]
    Absent,
    /// The other side closed the connection: end the operation.
    #[error("the other side closed the connection")]
    Closed,
    /// The deadline passed: end the operation.
    #[error("the deadline passed")]
    Timeout,
    /// The bytes are not a message of this boundary: close the connection.
    #[error("not a message of this boundary: {0}")]
    Malformed(&'static str),
    /// The message is longer than this boundary allows: close the connection.
    #[error("a message of {0} bytes is over this boundary's cap")]
    Oversize(usize),
    /// A message came from another user than it must: trust nothing of it.
    #[error("the message came from user {0}")]
    WrongSender(u32),
    /// The operating system refused something else.
    #[error("the operating system refused: {0}")]
    System(#[from] rustix::io::Errno),
}
