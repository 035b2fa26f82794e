//! The vault's boundary: the short list of things that can be asked of the safe area.
//!
//! Every request travels on a connection of its own. Closing it cancels what runs.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};

use crate::camera::Spectrum;
use crate::wire::Message;
use crate::{Guidance, Reason, Verdict};

/// The longest label of a face and the longest identity of a camera, in bytes.
pub const LABEL_LENGTH: usize = 64;
pub const CAMERA_ID_LENGTH: usize = 256;
/// The longest packet that is taken in, in bytes.
pub const PACKET_LENGTH: usize = 6 * 1024;

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
        /// Whether the asker shows the colours of guidance: it only lets the vault ask for more, or see more.
        #[n(3)]
        screen: bool,
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
    /// Root: trust the keys of a server, as in this signed set.
    #[n(13)]
    PinServer {
        #[n(0)]
        packet: ByteVec,
    },
    /// Root: trust a server no more. Its accounts stay, and cannot be used.
    #[n(14)]
    UnpinServer {
        #[n(0)]
        server: String,
    },
    /// `vultusd`, root: a newer set of keys, which counts where a pinned key signed it.
    #[n(15)]
    UpdateServerKeys {
        #[n(0)]
        packet: ByteVec,
    },
    /// `vultusd`, root: the pinned servers.
    #[n(16)]
    Servers,
    /// `vultusd`, root: begin to enrol this device with a server: new device and attestation keys.
    #[n(17)]
    BeginDeviceEnrolment {
        #[n(0)]
        server: String,
        #[n(1)]
        manufacturer: String,
        #[n(2)]
        model: String,
    },
    /// `vultusd`, root: answer the server's challenge by the TPM.
    #[n(18)]
    AnswerDeviceChallenge {
        #[n(0)]
        packet: ByteVec,
    },
    /// `vultusd`, root: the server has taken the device in.
    #[n(19)]
    FinishDeviceEnrolment {
        #[n(0)]
        packet: ByteVec,
    },
    /// `vultusd`: what a service is told of this device.
    #[n(20)]
    DeviceInformation {
        #[n(0)]
        server: String,
        #[n(1)]
        service: String,
    },
    /// `vultusd`: verify this user, and only then answer a server's packet with a TPM key.
    #[n(21)]
    Perform {
        #[n(0)]
        uid: u32,
        #[n(1)]
        ceremony: Ceremony,
        #[n(2)]
        packet: ByteVec,
        #[n(3)]
        camera: Option<String>,
        #[n(4)]
        wait_ms: u32,
        /// Whether the asker shows the colours of guidance: it only lets the vault ask for more, or see more.
        #[n(5)]
        screen: bool,
    },
    /// `vultusd`, on the connection of a `Perform` that asked for it: the person agreed to this very text.
    #[n(22)]
    Confirm {
        #[n(0)]
        text: String,
    },
    /// `vultusd`: verify this user, and only then sign an assertion for a local application.
    #[n(23)]
    Assert {
        #[n(0)]
        uid: u32,
        #[n(1)]
        audience: String,
        #[n(2)]
        nonce: ByteVec,
        #[n(3)]
        camera: Option<String>,
        #[n(4)]
        wait_ms: u32,
        /// Whether the asker shows the colours of guidance: it only lets the vault ask for more, or see more.
        #[n(5)]
        screen: bool,
    },
    /// `vultusd`: the public key of an audience's assertions, once there was one.
    #[n(24)]
    AssertionKey {
        #[n(0)]
        audience: String,
    },
    /// `vultusd`: a server's receipt for what `Perform` made.
    #[n(25)]
    FinishCeremony {
        #[n(0)]
        uid: u32,
        #[n(1)]
        ceremony: Ceremony,
        #[n(2)]
        packet: ByteVec,
    },
    /// `vultusd`: the registered accounts of one user.
    #[n(26)]
    Accounts {
        #[n(0)]
        uid: u32,
    },
    /// `vultusd`: wipe the key of an account, whatever its server thinks of it.
    #[n(27)]
    RemoveAccount {
        #[n(0)]
        uid: u32,
        #[n(1)]
        server: String,
        #[n(2)]
        service: String,
        #[n(3)]
        account: String,
        #[n(4)]
        ticket: TicketNonce,
    },
}

/// What a `Perform` is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Ceremony {
    #[n(0)]
    Registration,
    #[n(1)]
    Authentication,
    #[n(2)]
    Deregistration,
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
    /// A packet to be carried to a server, or a signed assertion.
    #[n(9)]
    Packet(#[n(0)] ByteVec),
    /// What is asked for, by a server's word that was checked. Where there is a transaction, it is to be
    /// shown, and `Confirm` sent on this connection once the person agreed to it.
    #[n(10)]
    Request(#[n(0)] RequestRecord),
    #[n(11)]
    Servers(#[n(0)] Vec<ServerRecord>),
    #[n(12)]
    Device(#[n(0)] DeviceRecord),
    /// A public key: a P-256 point, SEC1 uncompressed.
    #[n(13)]
    Key(#[n(0)] ByteArray<65>),
    #[n(14)]
    Accounts(#[n(0)] Vec<AccountRecord>),
}

/// What a server asks of the person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct RequestRecord {
    #[n(0)]
    pub server: String,
    #[n(1)]
    pub service: String,
    #[n(2)]
    pub account: String,
    #[n(3)]
    pub transaction: Option<String>,
}

/// A pinned server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct ServerRecord {
    #[n(0)]
    pub server: String,
    /// The version of its set of keys.
    #[n(1)]
    pub version: u64,
    /// This device's identity in its registry, where it is enrolled.
    #[n(2)]
    pub device: Option<ByteArray<16>>,
}

/// This device, as one service knows it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct DeviceRecord {
    #[n(0)]
    pub device: ByteArray<16>,
    #[n(1)]
    pub manufacturer: String,
    #[n(2)]
    pub model: String,
}

/// A registered account, without its key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
pub struct AccountRecord {
    #[n(0)]
    pub server: String,
    #[n(1)]
    pub service: String,
    #[n(2)]
    pub account: String,
    /// Nothing where the server's receipt has not come.
    #[n(3)]
    pub confirmed: Option<Confirmed>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(index_only)]
pub enum Confirmed {
    #[n(0)]
    ByReceipt,
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
    const CAP: usize = 8 * 1024;
}

impl Message for VaultReply {
    const CAP: usize = 32 * 1024;
}
