//! The changes that the rest of the server asks for. Each is on the disk, together with its audit event, when
//! the call returns; where nothing was changed, there is no event either, and a refusal is noted by the
//! caller.

use vultus_protocol::{AccountName, CeremonyId, DeviceIdentity, ServiceName, VirtualAccount, encoding};

use super::change::{Authentication, Change, Fate, Opening};
use super::model::{
    Ceremony, CeremonyKind, Device, DeviceStatus, Enrolment, KeyStatus, NewServiceKey, Service, ServiceStatus,
};
use super::{Consumed, Event, Store, StoreError, stored};

impl Store {
    /// Keeps an opened ceremony under the name in its challenge.
    pub async fn open_ceremony(&self, ceremony: Ceremony, event: Event) -> Result<(), StoreError> {
        let challenge = encoding::encode(&ceremony.challenge)
            .map_err(|_| StoreError::Corrupt("a challenge that cannot be encoded"))?;
        let registers = ceremony.kind == CeremonyKind::Registration;
        let opening = Opening {
            id: ceremony.challenge.ceremony,
            kind: ceremony.kind,
            challenge,
            account_key: ceremony.account_key,
            virtual_account: registers.then_some(ceremony.challenge.virtual_account),
            expires_at: stored(ceremony.challenge.window.expires_at),
        };
        self.submit(Change::Open(opening), Some(event)).await.map(|_| ())
    }

    /// Consumes the code of a registration while the account is not suspended and, where the registry is in
    /// this database, the device is active; supersedes the device's former key of this account, and keeps the
    /// new one. `Yes` has its row id. `KeyNotActive`: the account is suspended.
    pub async fn register(
        &self,
        id: &CeremonyId,
        now: u64,
        key: NewServiceKey,
        local_registry: bool,
        event: Event,
    ) -> Result<Consumed, StoreError> {
        let change = Change::Register { id: *id, at: stored(now), key: Box::new(key), local_registry };
        self.submit(change, Some(event)).await
    }

    /// Consumes the code of an authentication with that service key while the key is active and, where the
    /// registry is in this database, its device is.
    pub async fn authenticate(
        &self,
        id: &CeremonyId,
        now: u64,
        key: i64,
        local_registry: bool,
        event: Event,
    ) -> Result<Consumed, StoreError> {
        let authentication = Authentication { id: *id, at: stored(now), key, local_registry };
        self.submit(Change::Authenticate(authentication), Some(event)).await
    }

    /// Consumes the code of a deregistration while its key is active and, where the registry is in this
    /// database, its device is; and ends the key.
    pub async fn deregister(
        &self,
        id: &CeremonyId,
        now: u64,
        key: i64,
        local_registry: bool,
        event: Event,
    ) -> Result<Consumed, StoreError> {
        let change = Change::Deregister { id: *id, at: stored(now), key, local_registry };
        self.submit(change, Some(event)).await
    }

    /// Uses up the code of a ceremony or enrolment that is refused for good.
    pub async fn burn(&self, id: &CeremonyId, now: u64, event: Event) -> Result<(), StoreError> {
        self.submit(Change::Burn { id: *id, at: stored(now) }, Some(event)).await.map(|_| ())
    }

    /// Writes an event that changes nothing, such as a refusal.
    pub async fn note(&self, event: Event) -> Result<(), StoreError> {
        self.submit(Change::Note, Some(event)).await.map(|_| ())
    }

    pub async fn open_enrolment(&self, enrolment: Enrolment, event: Event) -> Result<(), StoreError> {
        self.submit(Change::OpenEnrolment(Box::new(enrolment)), Some(event)).await.map(|_| ())
    }

    /// Consumes an enrolment and keeps its device as active, whatever status it comes with; former identities
    /// of the same TPM are superseded. The SHA-256 of the proof is kept with the enrolment.
    /// `DeviceNotActive`: the TPM or the identity is suspended or has ended, or the identity is another
    /// TPM's.
    pub async fn enrol(
        &self,
        id: &CeremonyId,
        now: u64,
        device: Device,
        proof: &[u8; 32],
        event: Event,
    ) -> Result<Consumed, StoreError> {
        let change = Change::Enrol { id: *id, at: stored(now), device: Box::new(device), proof: *proof };
        self.submit(change, Some(event)).await
    }

    /// Makes the device's TPM active, suspended or revoked, with every identity of it that is active or
    /// suspended, even where the named one is superseded. Whether the TPM's status was changed: revoked is
    /// final.
    pub async fn set_device_status(
        &self,
        identity: &DeviceIdentity,
        status: DeviceStatus,
        now: u64,
        event: Event,
    ) -> Result<bool, StoreError> {
        let change = Change::SetDeviceStatus { identity: *identity, status, at: stored(now) };
        self.submit(change, Some(event)).await.map(|outcome| outcome != Consumed::Gone)
    }

    /// Uses up every open registration of the account, unless it is made active, and gives its active and
    /// suspended keys that status; how many of both were changed.
    pub async fn set_account_status(
        &self,
        service: &ServiceName,
        account: &AccountName,
        status: KeyStatus,
        now: u64,
        event: Event,
    ) -> Result<u64, StoreError> {
        self.set_account(service, account, Fate::Set(status), now, event).await
    }

    /// The same, but it revokes active keys alone: what is suspended stays so.
    pub async fn end_active_keys(
        &self,
        service: &ServiceName,
        account: &AccountName,
        now: u64,
        event: Event,
    ) -> Result<u64, StoreError> {
        self.set_account(service, account, Fate::End, now, event).await
    }

    async fn set_account(
        &self,
        service: &ServiceName,
        account: &AccountName,
        fate: Fate,
        now: u64,
        event: Event,
    ) -> Result<u64, StoreError> {
        let secret = self.account_secret().await?;
        let virtual_account = VirtualAccount::of(&secret, service, account);
        let (service, account) = (service.clone(), account.clone());
        let change = Change::SetAccount { service, account, virtual_account, fate, at: stored(now) };
        self.submit(change, Some(event)).await.map(rows)
    }

    /// Adds a service, or replaces all of an old one but when it was made.
    pub async fn put_service(&self, service: Service, event: Event) -> Result<(), StoreError> {
        self.submit(Change::PutService(Box::new(service)), Some(event)).await.map(|_| ())
    }

    /// Whether it was changed.
    pub async fn set_service_status(
        &self,
        name: &ServiceName,
        status: ServiceStatus,
        event: Event,
    ) -> Result<bool, StoreError> {
        let change = Change::SetServiceStatus { name: name.clone(), status };
        self.submit(change, Some(event)).await.map(|outcome| outcome != Consumed::Gone)
    }

    /// Gives a service another API key, by its SHA-256, and leaves all else of it. Whether there is such a
    /// service.
    pub async fn set_service_api_key(
        &self,
        name: &ServiceName,
        hash: &[u8; 32],
        event: Event,
    ) -> Result<bool, StoreError> {
        let change = Change::SetServiceApiKey { name: name.clone(), hash: *hash };
        self.submit(change, Some(event)).await.map(|outcome| outcome != Consumed::Gone)
    }

    /// Whether there was no set of this version before, from whichever instance.
    pub async fn add_key_set(&self, version: u64, packet: Vec<u8>, event: Event) -> Result<bool, StoreError> {
        let change = Change::AddKeySet { version: stored(version), packet };
        self.submit(change, Some(event)).await.map(|outcome| outcome != Consumed::Gone)
    }

    /// Keeps a signed checkpoint. It is about the audit log and has no event in it.
    pub async fn put_checkpoint(
        &self,
        instance: &str,
        sequence: i64,
        packet: Vec<u8>,
    ) -> Result<(), StoreError> {
        let change = Change::PutCheckpoint { instance: instance.to_owned(), sequence, packet };
        self.submit(change, None).await.map(|_| ())
    }

    /// Deletes ceremonies and enrolments that ended more than `keep_s` seconds ago; how many.
    pub async fn sweep(&self, now: u64, keep_s: u64) -> Result<u64, StoreError> {
        let before = stored(now.saturating_sub(keep_s));
        let mut swept = 0;
        loop {
            match rows(self.submit(Change::Sweep { before }, None).await?) {
                0 => return Ok(swept),
                more => swept += more,
            }
        }
    }
}

fn rows(outcome: Consumed) -> u64 {
    match outcome {
        Consumed::Yes(rows) => u64::try_from(rows).unwrap_or(0),
        _ => 0,
    }
}
