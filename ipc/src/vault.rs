//! The vault's boundary: the short list of things that can be asked of the safe area.
//!
//! Every request travels on a connection of its own. Closing it cancels what runs.

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};

use crate::camera::Spectrum;
use crate::wire::Message;
use crate::{Guidance, Reason, Verdict};

/// The longest label of a face and the longest identity of a camera, in bytes.
pub const LABEL_LENGTH: usize = 64;
pub const CAMERA_ID_LENGTH: usize = 256;

/// What a fresh password is needed for. A ticket serves one of them only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Action {
    #[n(0)]
    Enroll,
    #[n(1)]
    Delete,
    #[n(2)]
    ClearLockout,
}

/// Names one ticket. It proves nothing until `vultus-password` has redeemed it.
pub type TicketNonce = ByteArray<32>;

/// What is asked. The vault checks the asker's user by the kernel's word for each.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum VaultRequest {
    /// `vultusd`, root: how the vault is.
    #[n(0)]
    Status,
    /// `vultusd`, root: the paired cameras.
    #[n(1)]
    Cameras,
    /// `vultusd`, on its word that this user's own session asks.
    #[n(2)]
    Verify {
        #[n(0)]
        uid: u32,
        /// The camera to use; the first paired one that answers where none is named.
        #[n(1)]
        camera: Option<String>,
        #[n(2)]
        wait_ms: u32,
    },
    /// `vultusd`, with the asker's connection attached: the vault reads who asks by itself.
    #[n(3)]
    Login(#[n(0)] crate::login::LoginQuestion),
    /// `vultusd`: enrol one face; the ticket must have been redeemed.
    #[n(4)]
    Enroll {
        #[n(0)]
        uid: u32,
        #[n(1)]
        label: String,
        #[n(2)]
        camera: Option<String>,
        #[n(3)]
        ticket: TicketNonce,
        #[n(4)]
        wait_ms: u32,
    },
    /// `vultusd`: the faces of one user.
    #[n(5)]
    ListFaces {
        #[n(0)]
        uid: u32,
    },
    /// `vultusd`: delete one face, or all where none is named.
    #[n(6)]
    DeleteFaces {
        #[n(0)]
        uid: u32,
        #[n(1)]
        face: Option<u32>,
        #[n(2)]
        ticket: TicketNonce,
    },
    /// `vultusd`: forget a user's failures.
    #[n(7)]
    ClearLockout {
        #[n(0)]
        uid: u32,
        #[n(1)]
        ticket: TicketNonce,
    },
    /// `vultusd`: a nonce for a ticket that a password will redeem.
    #[n(8)]
    RequestTicket {
        #[n(0)]
        uid: u32,
        #[n(1)]
        action: Action,
    },
    /// Root (`vultus-password`): the password of this user was right just now.
    #[n(9)]
    GrantTicket {
        #[n(0)]
        uid: u32,
        #[n(1)]
        action: Action,
        #[n(2)]
        nonce: TicketNonce,
        /// The kernel's boot identity, so that a ticket does not outlive its boot.
        #[n(3)]
        boot: String,
    },
    /// Root: exchange keys with a camera that one of the configured processes offers.
    #[n(10)]
    PairCamera {
        #[n(0)]
        camera: String,
    },
    /// Root: forget a camera's key.
    #[n(11)]
    UnpairCamera {
        #[n(0)]
        camera: String,
    },
    /// Root: the cameras that the configured processes offer, paired or not.
    #[n(12)]
    DiscoverCameras,
}

/// What the vault answers: any number of `Guide`, then one of the others.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub enum VaultReply {
    #[n(0)]
    Done,
    #[n(1)]
    Refused(#[n(0)] Reason),
    #[n(2)]
    Guide(#[n(0)] Guidance),
    #[n(3)]
    Judged(#[n(0)] Verdict),
    #[n(4)]
    Faces(#[n(0)] Vec<FaceRecord>),
    #[n(5)]
    Cameras(#[n(0)] Vec<PairedCamera>),
    #[n(6)]
    Ticket(#[n(0)] TicketNonce),
    #[n(7)]
    Enrolled(#[n(0)] FaceRecord),
    #[n(8)]
    Status(#[n(0)] VaultStatus),
}

/// One enrolled face, without anything of the face itself.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct FaceRecord {
    #[n(0)]
    pub face: u32,
    #[n(1)]
    pub label: String,
    #[n(2)]
    pub camera: String,
    #[n(3)]
    pub shots: u8,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct PairedCamera {
    #[n(0)]
    pub id: String,
    #[n(1)]
    pub label: String,
    #[n(2)]
    pub spectrum: Spectrum,
    #[n(3)]
    pub paired: Pairing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Pairing {
    #[n(0)]
    Unpaired,
    #[n(1)]
    Paired,
}

#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct VaultStatus {
    /// Nothing where the TPM releases the key; else why it does not.
    #[n(0)]
    pub tpm: Option<Reason>,
    #[n(1)]
    pub cameras: u8,
    #[n(2)]
    pub version: String,
}

impl Message for VaultRequest {
    const CAP: usize = 2 * 1024;
}

impl Message for VaultReply {
    const CAP: usize = 32 * 1024;
}
