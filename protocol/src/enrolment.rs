//! Device enrolment: how a registry learns that a device key, and later each service key, is in a TPM whose
//! maker vouches for it. Credential activation ties the endorsement key to the attestation key; the
//! attestation key certifies the others.

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};

use crate::identity::{CeremonyId, DeviceIdentity, Label, PairwiseSecret, ServerName};
use crate::registration::KeyCertification;
use crate::{Context, Message, PublicKey, Window};

/// What the device says of itself and its TPM. Signed by the device key, so that nobody offers the keys of
/// another, then sealed to the registry: an endorsement certificate names a machine for life.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct EnrolmentRequest {
    #[n(1)]
    pub server: ServerName,
    #[n(2)]
    pub device_key: PublicKey,
    /// `TPMT_PUBLIC` of the device key.
    #[n(3)]
    pub device_public: ByteVec,
    /// `TPMT_PUBLIC` of the attestation key.
    #[n(4)]
    pub attestation_public: ByteVec,
    /// `TPMT_PUBLIC` of the endorsement key.
    #[n(5)]
    pub endorsement_public: ByteVec,
    /// Its certificate, DER.
    #[n(6)]
    pub endorsement_certificate: ByteVec,
    /// Self-asserted.
    #[n(7)]
    pub manufacturer: Label,
    /// Self-asserted.
    #[n(8)]
    pub model: Label,
    /// When, by the device's clock: an old request is not answered.
    #[n(9)]
    pub at: u64,
}

impl Message for EnrolmentRequest {
    const CONTEXT: Context = Context("vultus/1 enrolment-request");
    const CAP: usize = 8192;
}

/// Signed by the server: a secret that only the TPM with both keys can read.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct EnrolmentChallenge {
    #[n(1)]
    pub enrolment: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub device: DeviceIdentity,
    /// `TPMS_ID_OBJECT`: the content of a TPM2B_ID_OBJECT.
    #[n(4)]
    pub id_object: ByteVec,
    /// The content of a TPM2B_ENCRYPTED_SECRET.
    #[n(5)]
    pub encrypted_secret: ByteVec,
    /// Qualifying data for the certification of the device key.
    #[n(6)]
    pub nonce: ByteArray<32>,
    #[n(7)]
    pub window: Window,
}

impl Message for EnrolmentChallenge {
    const CONTEXT: Context = Context("vultus/1 enrolment-challenge");
    const CAP: usize = 2048;
}

/// Signed by the device key, then sealed to the server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct EnrolmentProof {
    #[n(1)]
    pub enrolment: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub device: DeviceIdentity,
    /// What credential activation gave.
    #[n(4)]
    pub secret: ByteVec,
    /// The device key, certified by the attestation key over the nonce.
    #[n(5)]
    pub certification: KeyCertification,
    #[n(6)]
    pub pairwise_secret: PairwiseSecret,
}

impl Message for EnrolmentProof {
    const CONTEXT: Context = Context("vultus/1 enrolment-proof");
    const CAP: usize = 2048;
}

/// Signed by the server: the device is in the registry.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct EnrolmentReceipt {
    #[n(1)]
    pub enrolment: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub device: DeviceIdentity,
    #[n(4)]
    pub at: u64,
}

impl Message for EnrolmentReceipt {
    const CONTEXT: Context = Context("vultus/1 enrolment-receipt");
    const CAP: usize = 512;
}
