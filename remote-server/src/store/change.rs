//! The changes that the writer knows: what each does, within the transaction that the writer began. A code
//! that is used up already, or too late, is an outcome and not an error.

use vultus_protocol::{AccountName, CeremonyId, DeviceIdentity, ServiceName, VirtualAccount};

use super::connection::{Connection, Record, values};
use super::model::{
    CeremonyKind, Device, DeviceStatus, Enrolment, KeyStatus, NewServiceKey, Service, ServiceStatus,
};
use super::rows::{biometric_number, liveness_number};
use super::{Consumed, statements, stored};

/// A ceremony that is about to be opened.
pub(super) struct Opening {
    pub id: CeremonyId,
    pub kind: CeremonyKind,
    /// As CBOR.
    pub challenge: Vec<u8>,
    pub account_key: Option<i64>,
    /// Of a registration.
    pub virtual_account: Option<VirtualAccount>,
    pub expires_at: i64,
}

/// A code of an authentication that is about to be consumed.
pub(super) struct Authentication {
    pub id: CeremonyId,
    pub at: i64,
    pub key: i64,
    pub local_registry: bool,
}

/// What becomes of an account's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Active and suspended ones get this status.
    Set(KeyStatus),
    /// Active ones are revoked.
    End,
}

/// The first two come in thousands: `batch` makes them many at a time.
pub(super) enum Change {
    Open(Opening),
    Authenticate(Authentication),
    Register {
        id: CeremonyId,
        at: i64,
        key: Box<NewServiceKey>,
        local_registry: bool,
    },
    Deregister {
        id: CeremonyId,
        at: i64,
        key: i64,
        local_registry: bool,
    },
    Burn {
        id: CeremonyId,
        at: i64,
    },
    /// Nothing but its event.
    Note,
    OpenEnrolment(Box<Enrolment>),
    Enrol {
        id: CeremonyId,
        at: i64,
        device: Box<Device>,
        /// SHA-256.
        proof: [u8; 32],
    },
    SetDeviceStatus {
        identity: DeviceIdentity,
        status: DeviceStatus,
        at: i64,
    },
    SetAccount {
        service: ServiceName,
        account: AccountName,
        virtual_account: VirtualAccount,
        fate: Fate,
        at: i64,
    },
    PutService(Box<Service>),
    SetServiceStatus {
        name: ServiceName,
        status: ServiceStatus,
    },
    SetServiceApiKey {
        name: ServiceName,
        /// SHA-256.
        hash: [u8; 32],
    },
    AddKeySet {
        version: i64,
        packet: Vec<u8>,
    },
    PutCheckpoint {
        instance: String,
        sequence: i64,
        packet: Vec<u8>,
    },
    Sweep {
        before: i64,
    },
}

impl Change {
    /// The ceremony whose row it changes.
    pub(super) fn ceremony(&self) -> Option<CeremonyId> {
        match self {
            Self::Register { id, .. }
            | Self::Deregister { id, .. }
            | Self::Burn { id, .. }
            | Self::Enrol { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// `Yes` with the number of changed rows, or `Gone` where there was none to change.
fn changed(rows: u64) -> Consumed {
    match i64::try_from(rows) {
        Ok(0) => Consumed::Gone,
        rows => Consumed::Yes(rows.unwrap_or(i64::MAX)),
    }
}

/// Makes one of the changes that come alone.
pub(super) async fn make(change: &Change, db: &mut Connection) -> Result<Consumed, sqlx::Error> {
    match change {
        Change::Open(_) | Change::Authenticate(_) | Change::Note => Ok(Consumed::Yes(0)),
        Change::Register { id, at, key, local_registry } => register(db, id, *at, key, *local_registry).await,
        Change::Deregister { id, at, key, local_registry } => {
            deregister(db, id, *at, *key, *local_registry).await
        }
        Change::Burn { id, at } => burn(db, id, *at).await,
        Change::OpenEnrolment(enrolment) => open_enrolment(db, enrolment).await,
        Change::Enrol { id, at, device, proof } => enrol(db, id, *at, device, proof).await,
        Change::SetDeviceStatus { identity, status, at } => {
            set_device_status(db, identity, *status, *at).await
        }
        Change::SetAccount { service, account, virtual_account, fate, at } => {
            let burnt = burn_registrations(db, virtual_account, *fate, *at).await?;
            let keys = set_keys(db, service, account, *fate, *at).await?;
            Ok(changed(burnt + keys))
        }
        Change::PutService(service) => put_service(db, service).await,
        Change::SetServiceStatus { name, status } => {
            let values = values![name.as_str(), status.number()];
            db.execute(statements::SET_SERVICE_STATUS, &values).await.map(changed)
        }
        Change::SetServiceApiKey { name, hash } => {
            db.execute(statements::SET_SERVICE_API_KEY, &values![name.as_str(), hash]).await.map(changed)
        }
        Change::AddKeySet { version, packet } => {
            db.execute(statements::ADD_KEY_SET, &values![*version, packet]).await.map(changed)
        }
        Change::PutCheckpoint { instance, sequence, packet } => {
            let values = values![instance, *sequence, packet];
            db.execute(statements::PUT_CHECKPOINT, &values).await.map(changed)
        }
        Change::Sweep { before } => {
            let ceremonies = db.execute(statements::SWEEP_CEREMONIES, &values![*before]).await?;
            let enrolments = db.execute(statements::SWEEP_ENROLMENTS, &values![*before]).await?;
            Ok(changed(ceremonies + enrolments))
        }
    }
}

async fn register(
    db: &mut Connection,
    id: &CeremonyId,
    at: i64,
    key: &NewServiceKey,
    local_registry: bool,
) -> Result<Consumed, sqlx::Error> {
    let (account, service) = (key.account.as_str(), key.service.as_str());
    let identity = key.device_identity.as_bytes();
    let values = values![id.as_bytes(), at, account, service, identity, i64::from(local_registry)];
    if db.execute(statements::CONSUME_REGISTRATION, &values).await? == 0 {
        return registration_standing(db, id, at, account, service).await;
    }
    let (device, virtual_account) = (key.device.as_bytes(), key.virtual_account.as_bytes());
    let values = values![device, virtual_account, key.service.as_str(), at];
    db.execute(statements::SUPERSEDE_KEY, &values).await?;
    let values = values![
        key.service.as_str(),
        key.account.as_str(),
        virtual_account,
        device,
        key.device_identity.as_bytes(),
        biometric_number(key.biometric),
        key.feature_token.as_bytes(),
        key.public_key.as_bytes(),
        at,
    ];
    let inserted = db.fetch(statements::INSERT_KEY, &values).await?;
    let row = inserted.first().ok_or(sqlx::Error::RowNotFound)?;
    Ok(Consumed::Yes(row.int(0)?))
}

async fn deregister(
    db: &mut Connection,
    id: &CeremonyId,
    at: i64,
    key: i64,
    local_registry: bool,
) -> Result<Consumed, sqlx::Error> {
    let values = values![id.as_bytes(), at, key, i64::from(local_registry)];
    if db.execute(statements::CONSUME_DEREGISTRATION, &values).await? == 0 {
        return standing(db, id, CeremonyKind::Deregistration, at, Some(key), local_registry).await;
    }
    db.execute(statements::DEREGISTER_KEY, &values![key, at]).await?;
    Ok(Consumed::Yes(key))
}

/// Whichever of the two it names. One that was used up is refused all the same, and that is the event.
async fn burn(db: &mut Connection, id: &CeremonyId, at: i64) -> Result<Consumed, sqlx::Error> {
    let values = values![id.as_bytes(), at];
    if db.execute(statements::BURN_CEREMONY, &values).await? == 0 {
        db.execute(statements::BURN_ENROLMENT, &values).await?;
    }
    Ok(Consumed::Yes(0))
}

async fn open_enrolment(db: &mut Connection, enrolment: &Enrolment) -> Result<Consumed, sqlx::Error> {
    let values = values![
        enrolment.id.as_bytes(),
        enrolment.device_identity.as_bytes(),
        enrolment.device_key.as_bytes(),
        &enrolment.device_public,
        &enrolment.attestation_public,
        &enrolment.secret_hash,
        &enrolment.nonce,
        &enrolment.endorsement,
        &enrolment.vendor,
        enrolment.manufacturer.as_str(),
        enrolment.model.as_str(),
        stored(enrolment.window.issued_at),
        stored(enrolment.window.expires_at),
    ];
    db.execute(statements::OPEN_ENROLMENT, &values).await.map(changed)
}

async fn enrol(
    db: &mut Connection,
    id: &CeremonyId,
    at: i64,
    device: &Device,
    proof: &[u8; 32],
) -> Result<Consumed, sqlx::Error> {
    let (identity, endorsement) = (device.identity.as_bytes(), &device.endorsement);
    // First of all: what is read afterwards was committed before, whoever changed the TPM's status. A row
    // that is left behind, where the code is not consumed, says no more than that nobody took that TPM out.
    if db.execute(statements::HOLD_TPM, &values![endorsement, at]).await? == 0 {
        return enrolment_standing(db, id, at, device).await;
    }
    let secret = device.pairwise_secret.as_bytes();
    let values = values![id.as_bytes(), at, endorsement, identity, secret, proof];
    if db.execute(statements::CONSUME_ENROLMENT, &values).await? == 0 {
        return enrolment_standing(db, id, at, device).await;
    }
    db.execute(statements::SUPERSEDE_DEVICES, &values![endorsement, identity, at]).await?;
    let values = values![
        identity,
        device.public_key.as_bytes(),
        &device.attestation_point,
        secret,
        device.manufacturer.as_str(),
        device.model.as_str(),
        &device.tpm_vendor,
        endorsement,
        at,
        stored(device.enrolled_at),
    ];
    db.execute(statements::PUT_DEVICE, &values).await.map(changed)
}

/// Sets the status of the device's TPM, and thereby of whichever of its identities counts.
async fn set_device_status(
    db: &mut Connection,
    identity: &DeviceIdentity,
    status: DeviceStatus,
    at: i64,
) -> Result<Consumed, sqlx::Error> {
    if status == DeviceStatus::Superseded {
        // Only another identity supersedes one.
        return Ok(Consumed::Gone);
    }
    let found = db.fetch(statements::ENDORSEMENT_OF, &values![identity.as_bytes()]).await?;
    let Some(row) = found.first() else { return Ok(Consumed::Gone) };
    let values = values![row.bytes(0)?, status.number(), at];
    // The TPM first: an enrolment that is under way is waited for, and its device is seen afterwards.
    let tpms = db.execute(statements::SET_TPM_STATUS, &values).await?;
    if tpms > 0 {
        db.execute(statements::SET_DEVICE_STATUSES, &values).await?;
    }
    Ok(changed(tpms))
}

/// What was opened for an account before it was taken away gives it no key afterwards.
async fn burn_registrations(
    db: &mut Connection,
    account: &VirtualAccount,
    fate: Fate,
    at: i64,
) -> Result<u64, sqlx::Error> {
    if fate == Fate::Set(KeyStatus::Active) {
        return Ok(0);
    }
    db.execute(statements::BURN_REGISTRATIONS, &values![account.as_bytes(), at]).await
}

async fn set_keys(
    db: &mut Connection,
    service: &ServiceName,
    account: &AccountName,
    fate: Fate,
    at: i64,
) -> Result<u64, sqlx::Error> {
    let (account, service) = (account.as_str(), service.as_str());
    match fate {
        Fate::Set(status) => {
            let ended = !matches!(status, KeyStatus::Active | KeyStatus::Suspended);
            let values = values![account, service, status.number(), ended.then_some(at)];
            db.execute(statements::SET_ACCOUNT_STATUS, &values).await
        }
        Fate::End => db.execute(statements::END_ACTIVE_KEYS, &values![account, service, at]).await,
    }
}

async fn put_service(db: &mut Connection, service: &Service) -> Result<Consumed, sqlx::Error> {
    let values = values![
        service.name.as_str(),
        service.status.number(),
        service.api_key_hash.as_ref().map(|hash| hash.as_slice()),
        service.certificate.as_ref().map(|hash| hash.as_slice()),
        liveness_number(service.policy_liveness),
        stored(service.created_at),
    ];
    db.execute(statements::PUT_SERVICE, &values).await.map(changed)
}

/// Why a ceremony's code was not consumed; `with_device` where that depended on the device too.
pub(super) async fn standing(
    db: &mut Connection,
    id: &CeremonyId,
    kind: CeremonyKind,
    at: i64,
    key: Option<i64>,
    with_device: bool,
) -> Result<Consumed, sqlx::Error> {
    let rows = db.fetch(statements::CEREMONY_STANDING, &values![id.as_bytes(), key]).await?;
    let Some(row) = rows.first() else { return Ok(Consumed::Gone) };
    if let Some(end) = end_of(row, kind, at)? {
        return Ok(end);
    }
    let active = Some(KeyStatus::Active.number());
    let device_is_amiss = with_device && row.maybe_int(3)? == active && row.maybe_int(4)? != active;
    Ok(if device_is_amiss { Consumed::DeviceNotActive } else { Consumed::KeyNotActive })
}

/// The same for a registration.
async fn registration_standing(
    db: &mut Connection,
    id: &CeremonyId,
    at: i64,
    account: &str,
    service: &str,
) -> Result<Consumed, sqlx::Error> {
    let rows = db.fetch(statements::REGISTRATION_STANDING, &values![id.as_bytes(), account, service]).await?;
    let Some(row) = rows.first() else { return Ok(Consumed::Gone) };
    if let Some(end) = end_of(row, CeremonyKind::Registration, at)? {
        return Ok(end);
    }
    Ok(if row.int(3)? > 0 { Consumed::KeyNotActive } else { Consumed::DeviceNotActive })
}

/// What the ceremony itself says: its kind, its use and its end are the first columns.
fn end_of(row: &Record, kind: CeremonyKind, at: i64) -> Result<Option<Consumed>, sqlx::Error> {
    let (used, ends) = (row.maybe_int(1)?, row.int(2)?);
    Ok(if row.int(0)? != kind.number() {
        Some(Consumed::Gone)
    } else if used.is_some() {
        Some(Consumed::Used)
    } else {
        (ends <= at).then_some(Consumed::Expired)
    })
}

async fn enrolment_standing(
    db: &mut Connection,
    id: &CeremonyId,
    at: i64,
    device: &Device,
) -> Result<Consumed, sqlx::Error> {
    let (identity, secret) = (device.identity.as_bytes(), device.pairwise_secret.as_bytes());
    let values = values![id.as_bytes(), secret, &device.endorsement, identity];
    let rows = db.fetch(statements::ENROLMENT_STANDING, &values).await?;
    let Some(row) = rows.first() else { return Ok(Consumed::Gone) };
    Ok(if row.maybe_int(0)?.is_some() {
        Consumed::Used
    } else if row.int(1)? <= at {
        Consumed::Expired
    } else if row.int(2)? > 0 {
        Consumed::SecretTaken
    } else {
        Consumed::DeviceNotActive
    })
}
