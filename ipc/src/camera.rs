//! The camera process's boundary: what cameras there are, pairing, and one stream of sealed frames.
//!
//! The bodies of `open`, `opened` and `frame` belong to the `frames` crate: here they are bytes.

use minicbor::bytes::ByteVec;
use minicbor::{CborLen, Decode, Encode};

use crate::wire::Message;

/// What the vault (or root, for `List`) asks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum CameraRequest {
    /// Which cameras are there?
    #[n(0)]
    List,
    /// Pin this vault key for that camera, and tell the camera's own.
    #[n(1)]
    Pair {
        #[n(0)]
        camera: String,
        #[n(1)]
        vault_key: ByteVec,
    },
    /// Start a session: the stream follows until the connection closes.
    #[n(2)]
    Open {
        #[n(0)]
        camera: String,
        #[n(1)]
        offer: ByteVec,
    },
}

/// What the camera process answers.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum CameraReply {
    #[n(0)]
    Cameras(#[n(0)] Vec<CameraRecord>),
    #[n(1)]
    Paired {
        #[n(0)]
        camera_key: ByteVec,
    },
    #[n(2)]
    Opened {
        #[n(0)]
        answer: ByteVec,
    },
    #[n(3)]
    Frame {
        /// What is authenticated but not hidden: the frame's header.
        #[n(0)]
        header: ByteVec,
        #[n(1)]
        ciphertext: ByteVec,
        #[n(2)]
        signature: ByteVec,
    },
    #[n(4)]
    Refused(#[n(0)] CameraRefusal),
}

/// A camera as its process describes it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct CameraRecord {
    /// The stable identity: bus path, vendor, product and serial; never the free-text name.
    #[n(0)]
    pub id: String,
    /// The name the device gives itself: for people's eyes only.
    #[n(1)]
    pub label: String,
    #[n(2)]
    pub spectrum: Spectrum,
}

/// What light a camera sees, as far as its formats tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Spectrum {
    #[n(0)]
    Colour,
    /// Grey formats only: perhaps infrared.
    #[n(1)]
    Grey,
}

/// Why the camera process refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen, thiserror::Error)]
#[cbor(index_only)]
pub enum CameraRefusal {
    #[n(0)]
    #[error("there is no such camera")]
    NoSuchCamera,
    #[n(1)]
    #[error("the camera is in use")]
    Busy,
    #[n(2)]
    #[error("this camera is not paired with the vault that asks")]
    Unpaired,
    #[n(3)]
    #[error("the caller may not ask this")]
    NotAllowed,
    #[n(4)]
    #[error("the camera offers no format that can be read")]
    NoFormat,
    #[n(5)]
    #[error("the camera stopped, stalled or changed its format")]
    Gone,
    #[n(6)]
    #[error("the offer was not understood")]
    BadOffer,
    #[n(7)]
    #[error("the camera process failed; see the journal")]
    Internal,
}

impl Message for CameraRequest {
    const CAP: usize = 2 * 1024;
}

impl Message for CameraReply {
    /// A frame of the largest mode, 1920 × 1920 RGB, with its header, and some room.
    const CAP: usize = 11 * 1024 * 1024;
}
