//! Authentication: decides whether the person who registered is there again. What counts is the signature of
//! the registered service key over this ceremony's code; the device's own key is never asked for.

use vultus_protocol::api::{Completed, OpenAuthentication, Opened, Packet, Refusal, from_text};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge};
use vultus_protocol::registration::AuthenticationReceipt;
use vultus_protocol::{AccountName, Envelope, PairwiseDevice, TransactionText, VirtualAccount};

use super::trail::{AUTHENTICATION, Ended, Trail};
use super::{Core, check_policy, completed, consumed, receipt, same_code, usable};
use crate::registry::admitted;
use crate::store::Consumed;
use crate::store::model::{CeremonyKind, KeyStatus, Service, ServiceKey};

impl Core {
    pub async fn open_authentication(
        &self,
        service: &Service,
        request: OpenAuthentication,
    ) -> Result<Opened, Refusal> {
        let mut trail = Trail::of_service(&AUTHENTICATION, service);
        let outcome = self.issue_authentication(service, request, &mut trail).await;
        self.settle(trail, outcome).await
    }

    pub async fn complete_authentication(
        &self,
        service: &Service,
        ceremony: &str,
        packet: Packet,
    ) -> Result<Completed, Refusal> {
        let mut trail = Trail::of_service(&AUTHENTICATION, service);
        let outcome = self.decide_authentication(service, ceremony, &packet, &mut trail).await;
        self.settle(trail, outcome).await
    }

    async fn issue_authentication(
        &self,
        service: &Service,
        request: OpenAuthentication,
        trail: &mut Trail,
    ) -> Result<Opened, Ended> {
        let device = PairwiseDevice::from_text(&request.device)?;
        trail.device = Some(device.to_text());
        let account = request.account.map(AccountName::new).transpose()?;
        let transaction = request.transaction.map(TransactionText::new).transpose()?;
        let key = self.registered_key(service, &device, account.as_ref(), trail).await?;
        let challenge = self.challenge(service, key.account, device, transaction)?;
        self.issue(CeremonyKind::Authentication, AuthenticationInfo, challenge, Some(key.id), trail).await
    }

    /// The key of this device that is meant, where both its account and its device are active.
    pub(super) async fn registered_key(
        &self,
        service: &Service,
        device: &PairwiseDevice,
        account: Option<&AccountName>,
        trail: &mut Trail,
    ) -> Result<ServiceKey, Ended> {
        let named = account.map(|account| self.virtual_account(service, account));
        if let Some(named) = &named {
            trail.concerns(device, named);
        }
        let keys = self.store.keys_of_device(&service.name, device).await?;
        let key = one_of(keys, named.as_ref())?;
        trail.concerns(device, &key.virtual_account);
        usable(key.status)?;
        admitted(self.registry.status(self, &key.device_identity).await?)?;
        Ok(key)
    }

    async fn decide_authentication(
        &self,
        service: &Service,
        ceremony: &str,
        packet: &Packet,
        trail: &mut Trail,
    ) -> Result<Completed, Ended> {
        let envelope = Envelope::<AuthenticationRequest>::parse(&from_text(&packet.packet)?)?;
        let (challenge, key) = self.awaited(service, CeremonyKind::Authentication, ceremony, trail).await?;
        let claimed = envelope.claimed();
        claimed.answers(&challenge)?;
        same_code(&claimed.code, &challenge)?;
        let key = key_of(key, &challenge)?;
        let request = envelope.verify(&key.public_key)?;
        if !request.feature_token.same(&key.feature_token) {
            return Err(Ended::Burnt(challenge.ceremony, Refusal::FeatureTokenChanged));
        }
        check_policy(request.biometric, &request.evidence, &challenge)?;
        usable(key.status)?;
        // A local registry's word is part of the statement that consumes the code.
        if !self.registry.is_local() {
            admitted(self.registry.status(self, &key.device_identity).await?)?;
        }

        let now = self.clock.now();
        let packet = self.keys.sign(&AuthenticationReceipt(receipt(&challenge, now)))?;
        let (id, local) = (&challenge.ceremony, self.registry.is_local());
        let result = self.store.authenticate(id, now, key.id, local, trail.accepted(now)).await?;
        self.explain(result, &challenge, &key).await?;
        Ok(completed(challenge, &packet, now, Some(request.evidence.liveness)))
    }

    /// What became of a code, and which status stood in its way.
    pub(super) async fn explain(
        &self,
        result: Consumed,
        challenge: &Challenge,
        key: &ServiceKey,
    ) -> Result<(), Ended> {
        match result {
            Consumed::KeyNotActive => {
                let present = self.store.ceremony_with_key(&challenge.ceremony).await?;
                let status = present.and_then(|(_, key)| key).map(|key| key.status);
                usable(status.ok_or(Refusal::UnknownAccount)?)?;
            }
            Consumed::DeviceNotActive => {
                admitted(self.registry.status(self, &key.device_identity).await?)?;
            }
            _ => {}
        }
        // A status that stood in the way and does so no more leaves the code for another try.
        Ok(consumed(result)?)
    }
}

/// The key of a ceremony, where it still is what the ceremony says.
pub(super) fn key_of(key: Option<ServiceKey>, challenge: &Challenge) -> Result<ServiceKey, Refusal> {
    let key = key.ok_or(Refusal::UnknownAccount)?;
    let same = key.service == challenge.service
        && key.device == challenge.device
        && key.virtual_account == challenge.virtual_account;
    if same { Ok(key) } else { Err(Refusal::UnknownAccount) }
}

/// The key that is meant, of those of one device, newest first. An account that was revoked does not make
/// another one ambiguous.
fn one_of(keys: Vec<ServiceKey>, named: Option<&VirtualAccount>) -> Result<ServiceKey, Refusal> {
    // The newest of each account: an older one may have been revoked before the device registered anew.
    let mut newest: Vec<ServiceKey> = Vec::new();
    for key in keys {
        let wanted = named.is_none_or(|named| *named == key.virtual_account);
        if wanted && newest.iter().all(|known| known.virtual_account != key.virtual_account) {
            newest.push(key);
        }
    }
    let (revoked, mut standing): (Vec<_>, Vec<_>) =
        newest.into_iter().partition(|key| key.status == KeyStatus::Revoked);
    match (standing.pop(), standing.is_empty(), revoked.is_empty()) {
        (Some(only), true, _) => Ok(only),
        (Some(_), false, _) => Err(Refusal::AmbiguousAccount),
        (None, _, false) => Err(Refusal::AccountRevoked),
        (None, _, true) => Err(Refusal::UnknownAccount),
    }
}
