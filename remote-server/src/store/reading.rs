//! The questions that the rest of the server asks of the database. They see what was committed before, and
//! change nothing.

use std::sync::PoisonError;

use vultus_protocol::{AccountName, CeremonyId, DeviceIdentity, PairwiseDevice, ServiceName};
use zeroize::Zeroizing;

use super::connection::{Record, Value, values};
use super::model::{CeremonyState, Device, DeviceStatus, Enrolment, Service, ServiceKey, Spent};
use super::{Store, StoreError, rows, statements};
use crate::audit::Row;

impl Store {
    /// From which virtual accounts follow; the same for all instances on this database.
    pub async fn account_secret(&self) -> Result<Zeroizing<[u8; 32]>, StoreError> {
        let found = self.one(statements::ACCOUNT_SECRET, &[], |r| rows::fixed(r.bytes(0)?)).await?;
        found.map(Zeroizing::new).ok_or(StoreError::Corrupt("no account secret"))
    }

    pub async fn service(&self, name: &ServiceName) -> Result<Option<Service>, StoreError> {
        self.one(statements::SERVICE, &values![name.as_str()], rows::service).await
    }

    /// By the SHA-256 of its API key.
    pub async fn service_by_api_key(&self, hash: &[u8; 32]) -> Result<Option<Service>, StoreError> {
        self.one(statements::SERVICE_BY_API_KEY, &values![hash], rows::service).await
    }

    /// By the SHA-256 of its client certificate.
    pub async fn service_by_certificate(&self, hash: &[u8; 32]) -> Result<Option<Service>, StoreError> {
        self.one(statements::SERVICE_BY_CERTIFICATE, &values![hash], rows::service).await
    }

    pub async fn services(&self) -> Result<Vec<Service>, StoreError> {
        self.all(statements::SERVICES, &[], rows::service).await
    }

    pub async fn ceremony(&self, id: &CeremonyId) -> Result<Option<CeremonyState>, StoreError> {
        self.one(statements::CEREMONY, &values![id.as_bytes()], rows::ceremony_state).await
    }

    /// The ceremony and the service key that it is about, in one question.
    pub async fn ceremony_with_key(
        &self,
        id: &CeremonyId,
    ) -> Result<Option<(CeremonyState, Option<ServiceKey>)>, StoreError> {
        self.one(statements::CEREMONY_WITH_KEY, &values![id.as_bytes()], rows::ceremony_with_key).await
    }

    /// The active, suspended and revoked ones, newest first.
    pub async fn keys_of_device(
        &self,
        service: &ServiceName,
        device: &PairwiseDevice,
    ) -> Result<Vec<ServiceKey>, StoreError> {
        let values = values![device.as_bytes(), service.as_str()];
        self.all(statements::KEYS_OF_DEVICE, &values, |r| rows::service_key(r, 0)).await
    }

    /// Whatever became of them, newest first, a hundred at most.
    pub async fn keys_of_account(
        &self,
        service: &ServiceName,
        account: &AccountName,
    ) -> Result<Vec<ServiceKey>, StoreError> {
        let values = values![account.as_str(), service.as_str()];
        self.all(statements::KEYS_OF_ACCOUNT, &values, |r| rows::service_key(r, 0)).await
    }

    /// Whether a key of the account is suspended.
    pub async fn account_is_suspended(
        &self,
        service: &ServiceName,
        account: &AccountName,
    ) -> Result<bool, StoreError> {
        let values = values![account.as_str(), service.as_str()];
        let found = self.one(statements::SUSPENDED_KEY, &values, |r| Ok(r.int(0)?)).await?;
        Ok(found.is_some())
    }

    /// All keys of a service, oldest first, from the one after that row id. For lists, not for ceremonies.
    pub async fn keys_of_service(
        &self,
        service: &ServiceName,
        after: i64,
        limit: i64,
    ) -> Result<Vec<ServiceKey>, StoreError> {
        let values = values![service.as_str(), after, limit];
        self.all(statements::KEYS_OF_SERVICE, &values, |r| rows::service_key(r, 0)).await
    }

    pub async fn device(&self, identity: &DeviceIdentity) -> Result<Option<Device>, StoreError> {
        self.one(statements::DEVICE, &values![identity.as_bytes()], rows::device).await
    }

    /// Whether a TPM counts: active, suspended or revoked. Nothing where it was never enrolled.
    pub async fn tpm_status(&self, endorsement: &[u8; 32]) -> Result<Option<DeviceStatus>, StoreError> {
        let status = |row: &Record| DeviceStatus::from_number(row.int(0)?);
        self.one(statements::TPM, &values![endorsement], status).await
    }

    /// The identities that a TPM had, newest first, a hundred at most.
    pub async fn device_by_endorsement(&self, endorsement: &[u8; 32]) -> Result<Vec<Device>, StoreError> {
        self.all(statements::DEVICES_BY_ENDORSEMENT, &values![endorsement], rows::device).await
    }

    /// Newest first.
    pub async fn devices(&self, limit: i64, offset: i64) -> Result<Vec<Device>, StoreError> {
        self.all(statements::DEVICES, &values![limit, offset], rows::device).await
    }

    /// An enrolment, and how it was used up, where it was.
    pub async fn enrolment(&self, id: &CeremonyId) -> Result<Option<(Enrolment, Option<Spent>)>, StoreError> {
        self.one(statements::ENROLMENT, &values![id.as_bytes()], rows::enrolment).await
    }

    /// Versions and signed packets, oldest first.
    pub async fn key_sets(&self) -> Result<Vec<(u64, Vec<u8>)>, StoreError> {
        self.all(statements::KEY_SETS, &[], rows::key_set).await
    }

    /// Whether the database answers, and this instance may write.
    pub async fn healthy(&self) -> Result<(), StoreError> {
        if self.is_taken() {
            return Err(StoreError::InstanceTaken);
        }
        let found = self.one(statements::HEALTH, &[], |r| Ok(r.int(0)?)).await?;
        found.map(|_| ()).ok_or(StoreError::Corrupt("no account secret"))
    }

    /// Rows of one instance's audit chain, as they are: `audit::verify` tells what they are worth.
    pub async fn audit_rows(
        &self,
        instance: &str,
        from_sequence: i64,
        limit: i64,
    ) -> Result<Vec<Row>, StoreError> {
        let values = values![instance, from_sequence, limit];
        self.all(statements::AUDIT_ROWS, &values, rows::audit).await
    }

    /// The last row of one instance's audit chain: its sequence and hash.
    pub async fn audit_end(&self, instance: &str) -> Result<Option<(i64, [u8; 32])>, StoreError> {
        self.one(statements::LAST_AUDIT_ROW, &values![instance], rows::audit_end).await
    }

    /// Whoever wrote an audit row.
    pub async fn instances(&self) -> Result<Vec<String>, StoreError> {
        self.all(statements::INSTANCES, &[], |r| Ok(r.text(0)?.to_owned())).await
    }

    /// Instance, sequence and signed packet of every checkpoint.
    pub async fn checkpoints(&self) -> Result<Vec<(String, i64, Vec<u8>)>, StoreError> {
        self.all(statements::CHECKPOINTS, &[], rows::checkpoint).await
    }

    /// Sequence and hash of the last row of this instance's own audit chain, as its writer committed it: not
    /// what the database says now. Sequence 0 and zeros before the first row.
    pub fn head(&self) -> (i64, [u8; 32]) {
        let head = *self.shared.head.lock().unwrap_or_else(PoisonError::into_inner);
        (head.sequence, head.hash)
    }

    async fn one<T>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
        row: impl Fn(&Record) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.shared.readers.fetch(sql, values).await?.first().map(row).transpose()
    }

    async fn all<T>(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
        row: impl Fn(&Record) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        self.shared.readers.fetch(sql, values).await?.iter().map(row).collect()
    }
}
