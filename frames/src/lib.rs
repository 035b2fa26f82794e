//! Sealing and opening of frames between a camera and the vault. It does no input or output, reads no
//! clock and keeps no file: keys, times and bytes are arguments.
//!
//! Pairing gives each side the other's public key ([`key`]). For each attempt the two agree on a fresh
//! key ([`session`]), and each frame is sealed under it and signed by the camera ([`seal`]). What the
//! vault has opened is a [`Frame`]: raw pixels of a declared size, from a known camera, in order and
//! in time.
#![forbid(unsafe_code)]

mod format;
mod key;
mod seal;
mod session;

pub use format::{Format, Mode};
pub use key::{PublicKey, StaticKey};
pub use seal::{Frame, FrameClock, Opener, SealedFrame, Sealer};
pub use session::{Offer, Opening, accept};

/// Why a session or a frame was refused. Each ends the attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("the bytes are not of this protocol")]
    Malformed,
    #[error("a key is not a point of P-256")]
    BadKey,
    #[error("the signature is not the pinned key's")]
    BadSignature,
    #[error("the message belongs to another camera")]
    OtherCamera,
    #[error("the size or format is not the declared one")]
    OtherFormat,
    #[error("a frame is missing")]
    Gap,
    #[error("a frame came again, or out of order")]
    Repeat,
    #[error("the frame is too old")]
    Late,
    #[error("the frame claims to come from the future, or from before the one before it")]
    OutOfTime,
    #[error("the frame was altered")]
    Altered,
    #[error("the session has sealed all that one key may seal")]
    Exhausted,
    #[error("the random generator of the system failed")]
    NoRandom,
}
