//! Registration: decides whether a service key becomes that of an account. The key must live in the TPM of a
//! device that the registry knows, and the device must have signed for it; no other key is ever stored.

use vultus_protocol::api::{Completed, OpenRegistration, Opened, Packet, Refusal, from_text};
use vultus_protocol::challenge::{Challenge, RegistrationInfo};
use vultus_protocol::registration::{RegistrationReceipt, RegistrationRequest};
use vultus_protocol::{AccountName, DeviceIdentity, PairwiseDevice};

use super::trail::{Ended, REGISTRATION, Trail};
use super::{Core, check_policy, completed, consumed, receipt, same_code};
use crate::attestation::certification;
use crate::attestation::public_area::EccPublic;
use crate::registry::{ResolvedDevice, admitted};
use crate::store::Consumed;
use crate::store::model::{CeremonyKind, NewServiceKey, Service};

impl Core {
    pub async fn open_registration(
        &self,
        service: &Service,
        request: OpenRegistration,
    ) -> Result<Opened, Refusal> {
        let mut trail = Trail::of_service(&REGISTRATION, service);
        let outcome = self.issue_registration(service, request, &mut trail).await;
        self.settle(trail, outcome).await
    }

    pub async fn complete_registration(
        &self,
        service: &Service,
        ceremony: &str,
        packet: Packet,
    ) -> Result<Completed, Refusal> {
        let mut trail = Trail::of_service(&REGISTRATION, service);
        let outcome = self.decide_registration(service, ceremony, &packet, &mut trail).await;
        self.settle(trail, outcome).await
    }

    /// The device is not looked up: only its pairwise identity is known here.
    async fn issue_registration(
        &self,
        service: &Service,
        request: OpenRegistration,
        trail: &mut Trail,
    ) -> Result<Opened, Ended> {
        let account = AccountName::new(request.account)?;
        let device = PairwiseDevice::from_text(&request.device)?;
        let challenge = self.challenge(service, account, device, None)?;
        trail.concerns(&device, &challenge.virtual_account);
        self.check_account(&challenge).await?;
        self.issue(CeremonyKind::Registration, RegistrationInfo, challenge, None, trail).await
    }

    async fn decide_registration(
        &self,
        service: &Service,
        ceremony: &str,
        packet: &Packet,
        trail: &mut Trail,
    ) -> Result<Completed, Ended> {
        let envelope = self.keys.open::<RegistrationRequest>(&from_text(&packet.packet)?)?;
        let (challenge, _) = self.awaited(service, CeremonyKind::Registration, ceremony, trail).await?;
        let claimed = envelope.claimed();
        claimed.answers(&challenge)?;
        same_code(&claimed.code, &challenge)?;
        let device = self.registry.resolve(self, &claimed.device_identity, &service.name).await?;
        let request = envelope.verify(&device.public_key)?;
        check_device(&request, &device)?;
        check_key(&request, &device)?;
        check_policy(request.biometric, &request.evidence, &challenge)?;
        self.check_account(&challenge).await?;

        let now = self.clock.now();
        let packet = self.keys.sign(&RegistrationReceipt(receipt(&challenge, now)))?;
        let (id, liveness) = (challenge.ceremony, request.evidence.liveness);
        let (identity, local) = (request.device_identity, self.registry.is_local());
        let key = new_key(request, &challenge);
        let result = self.store.register(&id, now, key, local, trail.accepted(now)).await?;
        match result {
            Consumed::KeyNotActive => return Err(Refusal::AccountSuspended.into()),
            Consumed::DeviceNotActive => admitted(self.registry.status(self, &identity).await?)?,
            _ => {}
        }
        consumed(result)?;
        Ok(completed(challenge, &packet, now, Some(liveness)))
    }

    /// A suspended account gets no new key. What was opened before a suspension or revocation is used up.
    async fn check_account(&self, challenge: &Challenge) -> Result<(), Ended> {
        if self.store.account_is_suspended(&challenge.service, &challenge.account).await? {
            return Err(Refusal::AccountSuspended.into());
        }
        Ok(())
    }
}

/// The registry's answer must be about the device that signed, and that device the one that the ceremony is
/// about.
fn check_device(request: &RegistrationRequest, device: &ResolvedDevice) -> Result<(), Refusal> {
    let same = DeviceIdentity::of(&device.public_key) == request.device_identity;
    if same && device.pairwise == request.device { Ok(()) } else { Err(Refusal::Misdirected) }
}

/// The device's attestation key vouches for the service key, and does so for this code.
fn check_key(request: &RegistrationRequest, device: &ResolvedDevice) -> Result<(), Refusal> {
    let certified = &request.certification;
    let key = EccPublic::signing_key(&certified.public).map_err(|_| Refusal::KeyNotCertified)?;
    if key.point != *request.service_key.as_bytes() {
        return Err(Refusal::KeyNotCertified);
    }
    let signature: &[u8; 64] =
        certified.signature.as_slice().try_into().map_err(|_| Refusal::KeyNotCertified)?;
    // Enrolment took no key for an attestation key but a restricted one; what it was called is not kept.
    let attestation =
        EccPublic { attributes: 0, name: Vec::new(), point: device.attestation_point, restricted: true };
    certification::check(&certified.attest, signature, &attestation, &key.name, request.code.as_bytes())
        .map(|_| ())
        .map_err(|_| Refusal::KeyNotCertified)
}

fn new_key(request: RegistrationRequest, challenge: &Challenge) -> NewServiceKey {
    NewServiceKey {
        service: challenge.service.clone(),
        account: challenge.account.clone(),
        virtual_account: challenge.virtual_account,
        device: challenge.device,
        device_identity: request.device_identity,
        biometric: request.biometric,
        feature_token: request.feature_token,
        public_key: request.service_key,
    }
}
