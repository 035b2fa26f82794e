//! Deregistration: the device proves by the service key that it may be forgotten. Its answer is a
//! [`crate::registration::DeregistrationReceipt`], upon which the device wipes the key.

use minicbor::{CborLen, Decode, Encode};

use crate::challenge::Challenge;
use crate::identity::{CeremonyId, Code, PairwiseDevice, ServerName, ServiceName, VirtualAccount};
use crate::registration::first_difference;
use crate::{Context, Message, ProtocolError};

/// Signed by the service key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct DeregistrationRequest {
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
    pub code: Code,
}

impl Message for DeregistrationRequest {
    const CONTEXT: Context = Context("vultus/1 deregistration-request");
    const CAP: usize = 512;
}

impl DeregistrationRequest {
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
