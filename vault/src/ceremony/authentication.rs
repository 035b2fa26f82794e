//! Authentication on the device (seed 000, steps 530 to 550): a face that was verified lets the service key
//! of its account answer a server's packet.

use log::info;
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge};
use vultus_protocol::{BiometricType, TransactionHash, challenge};
use vultus_tpm::Tpm;

use crate::VaultError;
use crate::attempt::Success;
use crate::ceremony::accounts::{self, Account};
use crate::ceremony::device::enrolled;
use crate::ceremony::{check_liveness, check_policy, evidence, sign};
use crate::keys::OpenState;

/// An authentication that waits for the person.
pub struct Authentication {
    challenge: Challenge,
    account: Account,
    /// The face that may sign.
    pub face: u32,
}

impl Authentication {
    /// Checks the server's packet and finds the key that it asks for.
    pub fn open(state: &OpenState<'_>, uid: u32, packet: &[u8], tolerance: u64) -> Result<Self, VaultError> {
        let server = challenge::claimed_server::<AuthenticationInfo>(packet)?;
        let challenge = enrolled(state, &server)?.open::<AuthenticationInfo>(packet, tolerance)?;
        check_policy(&challenge)?;
        let (_, account) = accounts::find(state, uid, &challenge)?;
        let face = accounts::face(state, uid, &account)?;
        Ok(Self { challenge, account, face })
    }

    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// The answer of the service key.
    pub fn sign(self, state: &OpenState<'_>, tpm: &Tpm, success: Success) -> Result<Vec<u8>, VaultError> {
        success.check(state)?;
        check_liveness(&self.challenge, &success)?;
        self.account.check_face(&success)?;
        let Self { challenge, account, .. } = self;
        let request = AuthenticationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: account.feature_token(),
            code: challenge.code,
            transaction: challenge.transaction.as_ref().map(TransactionHash::of),
            evidence: evidence(&success)?,
        };
        let packet = sign(tpm, &account.key.key(), &request)?;
        info!(vultus_uid = success.uid(), vultus_service = challenge.service.as_str(); "authentication signed");
        Ok(packet)
    }
}
