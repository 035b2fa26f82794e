//! Deregistration: decides whether a device's key for one account is forgotten, by that key's own signature.
//! It ends no other key of the account.

use vultus_protocol::api::{Completed, OpenDeregistration, Opened, Packet, Refusal, from_text};
use vultus_protocol::challenge::DeregistrationInfo;
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::registration::DeregistrationReceipt;
use vultus_protocol::{AccountName, Envelope, PairwiseDevice};

use super::authentication::key_of;
use super::trail::{DEREGISTRATION, Ended, Trail};
use super::{Core, completed, receipt, same_code, usable};
use crate::registry::admitted;
use crate::store::model::{CeremonyKind, Service};

impl Core {
    pub async fn open_deregistration(
        &self,
        service: &Service,
        request: OpenDeregistration,
    ) -> Result<Opened, Refusal> {
        let mut trail = Trail::of_service(&DEREGISTRATION, service);
        let outcome = self.issue_deregistration(service, request, &mut trail).await;
        self.settle(trail, outcome).await
    }

    pub async fn complete_deregistration(
        &self,
        service: &Service,
        ceremony: &str,
        packet: Packet,
    ) -> Result<Completed, Refusal> {
        let mut trail = Trail::of_service(&DEREGISTRATION, service);
        let outcome = self.decide_deregistration(service, ceremony, &packet, &mut trail).await;
        self.settle(trail, outcome).await
    }

    async fn issue_deregistration(
        &self,
        service: &Service,
        request: OpenDeregistration,
        trail: &mut Trail,
    ) -> Result<Opened, Ended> {
        let device = PairwiseDevice::from_text(&request.device)?;
        trail.device = Some(device.to_text());
        let account = AccountName::new(request.account)?;
        let key = self.registered_key(service, &device, Some(&account), trail).await?;
        let challenge = self.challenge(service, key.account, device, None)?;
        self.issue(CeremonyKind::Deregistration, DeregistrationInfo, challenge, Some(key.id), trail).await
    }

    async fn decide_deregistration(
        &self,
        service: &Service,
        ceremony: &str,
        packet: &Packet,
        trail: &mut Trail,
    ) -> Result<Completed, Ended> {
        let envelope = Envelope::<DeregistrationRequest>::parse(&from_text(&packet.packet)?)?;
        let (challenge, key) = self.awaited(service, CeremonyKind::Deregistration, ceremony, trail).await?;
        let claimed = envelope.claimed();
        claimed.answers(&challenge)?;
        same_code(&claimed.code, &challenge)?;
        let key = key_of(key, &challenge)?;
        envelope.verify(&key.public_key)?;
        usable(key.status)?;
        // A local registry's word is part of the statement that consumes the code.
        if !self.registry.is_local() {
            admitted(self.registry.status(self, &key.device_identity).await?)?;
        }

        let now = self.clock.now();
        let packet = self.keys.sign(&DeregistrationReceipt(receipt(&challenge, now)))?;
        let (id, local) = (&challenge.ceremony, self.registry.is_local());
        let result = self.store.deregister(id, now, key.id, local, trail.accepted(now)).await?;
        self.explain(result, &challenge, &key).await?;
        Ok(completed(challenge, &packet, now, None))
    }
}
