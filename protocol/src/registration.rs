//! Registration (seed 000, FIG. 2, 3, 4A, 4B): the device's request, and the server's answer to it.

use minicbor::bytes::ByteVec;
use minicbor::{CborLen, Decode, Encode};

use crate::challenge::Challenge;
use crate::identity::{
    BiometricType, CeremonyId, Code, DeviceIdentity, Evidence, FeatureToken, PairwiseDevice, ServerName,
    ServiceName, VirtualAccount,
};
use crate::{Context, Message, ProtocolError, PublicKey};

/// What the TPM says of the new service key: `TPMS_ATTEST` of the kind "certify", signed by the device's
/// attestation key, with the verification code as its qualifying data.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct KeyCertification {
    /// `TPMT_PUBLIC` of the certified key.
    #[n(1)]
    pub public: ByteVec,
    #[n(2)]
    pub attest: ByteVec,
    /// r ‖ s.
    #[n(3)]
    pub signature: ByteVec,
}

/// Signed by the device key, then sealed to the server.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct RegistrationRequest {
    #[n(1)]
    pub ceremony: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub service: ServiceName,
    #[n(4)]
    pub device: PairwiseDevice,
    /// The device as its registry knows it. Nobody between the device and the server may see it.
    #[n(5)]
    pub device_identity: DeviceIdentity,
    #[n(6)]
    pub virtual_account: VirtualAccount,
    #[n(7)]
    pub biometric: BiometricType,
    #[n(8)]
    pub feature_token: FeatureToken,
    #[n(9)]
    pub code: Code,
    #[n(10)]
    pub service_key: PublicKey,
    #[n(11)]
    pub certification: KeyCertification,
    #[n(12)]
    pub evidence: Evidence,
}

impl Message for RegistrationRequest {
    const CONTEXT: Context = Context("vultus/1 registration-request");
    const CAP: usize = 2048;
}

impl RegistrationRequest {
    /// Whether this answers that challenge, but for the code, which is compared where it is consumed.
    pub fn answers(&self, challenge: &Challenge) -> Result<(), ProtocolError> {
        let fields = [
            (self.ceremony == challenge.ceremony, "ceremony"),
            (self.server == challenge.server, "server"),
            (self.service == challenge.service, "service"),
            (self.device == challenge.device, "device"),
            (self.virtual_account == challenge.virtual_account, "account"),
        ];
        first_difference(&fields)
    }
}

/// What came of it, signed by the server, for the relying party and the device to keep.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Receipt {
    #[n(1)]
    pub ceremony: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub service: ServiceName,
    #[n(4)]
    pub account: crate::AccountName,
    #[n(5)]
    pub virtual_account: VirtualAccount,
    #[n(6)]
    pub device: PairwiseDevice,
    #[n(7)]
    pub biometric: BiometricType,
    /// When it was decided.
    #[n(8)]
    pub at: u64,
    /// The transaction that was agreed to, where there was one.
    #[n(9)]
    pub transaction: Option<crate::TransactionHash>,
}

macro_rules! receipt {
    ($(#[$doc:meta])* $name:ident, $context:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
        #[cbor(transparent)]
        pub struct $name(#[n(0)] pub Receipt);

        impl Message for $name {
            const CONTEXT: Context = Context($context);
            const CAP: usize = 1024;
        }
    };
}

receipt! {
    /// The account is registered: the service key counts from now on.
    RegistrationReceipt, "vultus/1 registration-receipt"
}
receipt! {
    /// The person was authenticated.
    AuthenticationReceipt, "vultus/1 authentication-receipt"
}
receipt! {
    /// The account is registered no more: the device wipes its key.
    DeregistrationReceipt, "vultus/1 deregistration-receipt"
}

/// The first field that differs.
pub(crate) fn first_difference(fields: &[(bool, &'static str)]) -> Result<(), ProtocolError> {
    match fields.iter().find(|(same, _)| !same) {
        Some((_, field)) => Err(ProtocolError::Misdirected(field)),
        None => Ok(()),
    }
}
