//! Authentication (seed 000, FIG. 5, 6, 7A, 7B): the device's request. Its answer is a
//! [`crate::registration::AuthenticationReceipt`].

use minicbor::{CborLen, Decode, Encode};

use crate::challenge::Challenge;
use crate::identity::{
    BiometricType, CeremonyId, Code, Evidence, FeatureToken, PairwiseDevice, ServerName, ServiceName,
    TransactionHash, VirtualAccount,
};
use crate::registration::first_difference;
use crate::{Context, Message, ProtocolError};

/// Signed by the service key. It names the device by its pairwise identity alone, so that a relying party on
/// the way learns nothing that another could compare; it is not sealed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct AuthenticationRequest {
    #[n(1)]
    pub ceremony: CeremonyId,
    #[n(2)]
    pub server: ServerName,
    #[n(3)]
    pub service: ServiceName,
    #[n(4)]
    pub device: PairwiseDevice,
    #[n(5)]
    pub virtual_account: VirtualAccount,
    #[n(6)]
    pub biometric: BiometricType,
    #[n(7)]
    pub feature_token: FeatureToken,
    #[n(8)]
    pub code: Code,
    /// Of the text that the server signed and the person was shown, where there was one.
    #[n(9)]
    pub transaction: Option<TransactionHash>,
    #[n(10)]
    pub evidence: Evidence,
}

impl Message for AuthenticationRequest {
    const CONTEXT: Context = Context("vultus/1 authentication-request");
    const CAP: usize = 1024;
}

impl AuthenticationRequest {
    /// Whether this answers that challenge, but for the code, which is compared where it is consumed.
    pub fn answers(&self, challenge: &Challenge) -> Result<(), ProtocolError> {
        let transaction = challenge.transaction.as_ref().map(TransactionHash::of);
        let fields = [
            (self.ceremony == challenge.ceremony, "ceremony"),
            (self.server == challenge.server, "server"),
            (self.service == challenge.service, "service"),
            (self.device == challenge.device, "device"),
            (self.virtual_account == challenge.virtual_account, "account"),
            (self.transaction == transaction, "transaction"),
        ];
        first_difference(&fields)
    }
}
