//! Registration and deregistration on the device (seed 000, steps 230 to 250): a face makes a service key, or
//! says that it may be forgotten; a server's receipt confirms either.

use log::info;
use vultus_ipc::Reason;
use vultus_ipc::vault::Confirmed;
use vultus_protocol::challenge::{Challenge, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::registration::{
    DeregistrationReceipt, Receipt, RegistrationReceipt, RegistrationRequest,
};
use vultus_protocol::{BiometricType, Envelope, FeatureToken, Message, ProtocolError, PublicKey, challenge};
use vultus_tpm::Tpm;

use crate::VaultError;
use crate::attempt::Success;
use crate::ceremony::accounts::{self, Account};
use crate::ceremony::device::{enrolled, sign_and_seal};
use crate::ceremony::{Enrolled, KeyRecord, check_liveness, check_policy, evidence, now, sign};
use crate::keys::OpenState;

/// A registration that waits for the person.
pub struct Registration {
    enrolled: Enrolled,
    challenge: Challenge,
}

impl Registration {
    /// Checks the server's packet. Nothing is made yet.
    pub fn open(state: &OpenState<'_>, uid: u32, packet: &[u8], tolerance: u64) -> Result<Self, VaultError> {
        let server = challenge::claimed_server::<RegistrationInfo>(packet)?;
        let enrolled = enrolled(state, &server)?;
        let challenge = enrolled.open::<RegistrationInfo>(packet, tolerance)?;
        check_policy(&challenge)?;
        accounts::check_room(state, uid, &challenge)?;
        Ok(Self { enrolled, challenge })
    }

    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    /// Makes the service key of the face that was verified, and the request for it.
    pub fn sign(self, state: &OpenState<'_>, tpm: &Tpm, success: Success) -> Result<Vec<u8>, VaultError> {
        success.check(state)?;
        check_liveness(&self.challenge, &success)?;
        let Self { enrolled: Enrolled { pinned, device }, challenge } = self;
        let token = FeatureToken::of(success.token_key(), &challenge.server, &challenge.virtual_account);
        let key = tpm.create_signing_key()?;
        let request = RegistrationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            device_identity: device.identity()?,
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: token,
            code: challenge.code,
            service_key: PublicKey::new(key.point()?)?,
            certification: device.certify(tpm, &key, challenge.code.as_bytes())?,
            evidence: evidence(&success)?,
        };
        let packet = sign_and_seal(tpm, &device.key(), &pinned, &request)?;
        accounts::keep(state, success.uid(), &Account::new(&challenge, &token, KeyRecord::of(key)))?;
        info!(vultus_uid = success.uid(), vultus_service = challenge.service.as_str(); "registration signed");
        Ok(packet)
    }
}

/// A deregistration that waits for the person.
pub struct Deregistration {
    challenge: Challenge,
    item: u32,
    account: Account,
    /// The face that may sign.
    pub face: u32,
}

impl Deregistration {
    pub fn open(state: &OpenState<'_>, uid: u32, packet: &[u8], tolerance: u64) -> Result<Self, VaultError> {
        let server = challenge::claimed_server::<DeregistrationInfo>(packet)?;
        let challenge = enrolled(state, &server)?.open::<DeregistrationInfo>(packet, tolerance)?;
        check_policy(&challenge)?;
        let (item, account) = accounts::find(state, uid, &challenge)?;
        let face = accounts::face(state, uid, &account)?;
        Ok(Self { challenge, item, account, face })
    }

    pub fn challenge(&self) -> &Challenge {
        &self.challenge
    }

    pub fn sign(mut self, state: &OpenState<'_>, tpm: &Tpm, success: Success) -> Result<Vec<u8>, VaultError> {
        success.check(state)?;
        check_liveness(&self.challenge, &success)?;
        self.account.check_face(&success)?;
        let challenge = &self.challenge;
        let request = DeregistrationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            virtual_account: challenge.virtual_account,
            code: challenge.code,
        };
        let packet = sign(tpm, &self.account.key.key(), &request)?;
        self.account.leaving = Some(super::bytes(challenge.ceremony.as_bytes()));
        accounts::put(state, success.uid(), self.item, &self.account, &[])?;
        Ok(packet)
    }
}

/// The server has taken the key in: from now on it is the only one of its account. A receipt that comes again
/// changes nothing: a newer key may wait for its own.
pub fn confirm(state: &OpenState<'_>, uid: u32, packet: &[u8]) -> Result<(), VaultError> {
    let receipt = receipt::<RegistrationReceipt>(state, packet, |r| r.0)?;
    let own = of_receipt(state, uid, &receipt)?;
    let older: Vec<u32> = own.iter().filter(|(_, a)| a.confirmed.is_some()).map(|(item, _)| *item).collect();
    let named = own.into_iter().find(|(_, a)| *a.ceremony == *receipt.ceremony.as_bytes());
    let (item, mut account) = named.ok_or(Reason::NotRegistered)?;
    if account.confirmed.is_some() {
        return Ok(());
    }
    account.confirmed = Some(Confirmed::ByReceipt);
    accounts::put(state, uid, item, &account, &older)?;
    info!(vultus_uid = uid, vultus_service = receipt.service.as_str(); "registration confirmed");
    Ok(())
}

/// The server has forgotten the account, as this device asked: the key that asked is wiped.
pub fn forget(state: &OpenState<'_>, uid: u32, packet: &[u8]) -> Result<(), VaultError> {
    let receipt = receipt::<DeregistrationReceipt>(state, packet, |r| r.0)?;
    let asked = |a: &Account| a.leaving.as_ref().is_some_and(|c| **c == *receipt.ceremony.as_bytes());
    let own = of_receipt(state, uid, &receipt)?;
    let (item, _) = own.iter().find(|(_, a)| asked(a)).ok_or(Reason::NotRegistered)?;
    accounts::wipe(state, uid, &[*item])?;
    info!(vultus_uid = uid, vultus_service = receipt.service.as_str(); "deregistered: the key was wiped");
    Ok(())
}

fn of_receipt(state: &OpenState<'_>, uid: u32, receipt: &Receipt) -> Result<Vec<(u32, Account)>, VaultError> {
    let mut own = accounts::all(state, uid)?;
    own.retain(|(_, a)| {
        a.server == receipt.server.as_str() && *a.virtual_account == *receipt.virtual_account.as_bytes()
    });
    Ok(own)
}

/// A receipt of a pinned server for this device. It has no window: it only confirms what was signed here.
fn receipt<M: Message + Clone>(
    state: &OpenState<'_>,
    packet: &[u8],
    inner: fn(M) -> Receipt,
) -> Result<Receipt, VaultError> {
    let envelope = Envelope::<M>::parse(packet)?;
    let server = inner(envelope.claimed().clone()).server;
    let Enrolled { pinned, device } = enrolled(state, &server)?;
    let key = *pinned.signing_key(envelope.key(), now()?).ok_or(ProtocolError::UnknownKey)?;
    let receipt = inner(envelope.verify(&key)?);
    if device.pairwise_secret().device_for(&receipt.server, &receipt.service) != receipt.device {
        return Err(ProtocolError::Misdirected("device").into());
    }
    Ok(receipt)
}
