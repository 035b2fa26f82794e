//! The changes that the writer knows: what each does, within the transaction that the writer began. A code
//! that is used up already, or too late, is an outcome and not an error.

use vultus_protocol::{AccountName, CeremonyId, DeviceIdentity, ServiceName};

use super::connection::{Connection, values};
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
    pub expires_at: i64,
}

/// A code of an authentication that is about to be consumed.
pub(super) struct Authentication {
    pub id: CeremonyId,
    pub at: i64,
    pub key: i64,
    pub local_registry: bool,
}

/// The first two come in thousands: `batch` makes them many at a time.
pub(super) enum Change {
    Open(Opening),
    Authenticate(Authentication),
    Register {
        id: CeremonyId,
        at: i64,
        key: Box<NewServiceKey>,
    },
    Deregister {
        id: CeremonyId,
        at: i64,
        key: i64,
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
    },
    SetDeviceStatus {
        identity: DeviceIdentity,
        status: DeviceStatus,
        at: i64,
    },
    SetAccountStatus {
        service: ServiceName,
        account: AccountName,
        status: KeyStatus,
        at: i64,
    },
    PutService(Box<Service>),
    SetServiceStatus {
        name: ServiceName,
        status: ServiceStatus,
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
        Change::Register { id, at, key } => register(db, id, *at, key).await,
        Change::Deregister { id, at, key } => deregister(db, id, *at, *key).await,
        Change::Burn { id, at } => burn(db, id, *at).await,
        Change::OpenEnrolment(enrolment) => open_enrolment(db, enrolment).await,
        Change::Enrol { id, at, device } => enrol(db, id, *at, device).await,
        Change::SetDeviceStatus { identity, status, at } => {
            let values = values![identity.as_bytes(), status.number(), *at];
            db.execute(statements::SET_DEVICE_STATUS, &values).await.map(changed)
        }
        Change::SetAccountStatus { service, account, status, at } => {
            let ended = !matches!(status, KeyStatus::Active | KeyStatus::Suspended);
            let ended_at = ended.then_some(*at);
            let values = values![account.as_str(), service.as_str(), status.number(), ended_at];
            db.execute(statements::SET_ACCOUNT_STATUS, &values).await.map(changed)
        }
        Change::PutService(service) => put_service(db, service).await,
        Change::SetServiceStatus { name, status } => {
            let values = values![name.as_str(), status.number()];
            db.execute(statements::SET_SERVICE_STATUS, &values).await.map(changed)
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
) -> Result<Consumed, sqlx::Error> {
    let values = values![id.as_bytes(), at, key.account.as_str(), key.service.as_str()];
    if db.execute(statements::CONSUME_REGISTRATION, &values).await? == 0 {
        return standing(db, id, CeremonyKind::Registration, at, None, false).await;
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
) -> Result<Consumed, sqlx::Error> {
    let values = values![id.as_bytes(), at, key];
    if db.execute(statements::CONSUME_DEREGISTRATION, &values).await? == 0 {
        return standing(db, id, CeremonyKind::Deregistration, at, Some(key), false).await;
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
        &enrolment.secret,
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
) -> Result<Consumed, sqlx::Error> {
    let (identity, endorsement) = (device.identity.as_bytes(), &device.endorsement);
    let values = values![id.as_bytes(), at, endorsement, identity];
    if db.execute(statements::CONSUME_ENROLMENT, &values).await? == 0 {
        return enrolment_standing(db, id, at).await;
    }
    db.execute(statements::SUPERSEDE_DEVICES, &values![endorsement, identity, at]).await?;
    let values = values![
        identity,
        device.public_key.as_bytes(),
        &device.attestation_point,
        device.pairwise_secret.as_bytes(),
        device.manufacturer.as_str(),
        device.model.as_str(),
        &device.tpm_vendor,
        endorsement,
        at,
        stored(device.enrolled_at),
    ];
    db.execute(statements::PUT_DEVICE, &values).await.map(changed)
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
    let active = Some(KeyStatus::Active.number());
    let (used, ends, key_status) = (row.maybe_int(1)?, row.int(2)?, row.maybe_int(3)?);
    Ok(if row.int(0)? != kind.number() {
        Consumed::Gone
    } else if used.is_some() {
        Consumed::Used
    } else if ends <= at {
        Consumed::Expired
    } else if with_device && key_status == active && row.maybe_int(4)? != active {
        Consumed::DeviceNotActive
    } else {
        Consumed::KeyNotActive
    })
}

async fn enrolment_standing(db: &mut Connection, id: &CeremonyId, at: i64) -> Result<Consumed, sqlx::Error> {
    let rows = db.fetch(statements::ENROLMENT_STANDING, &values![id.as_bytes()]).await?;
    let Some(row) = rows.first() else { return Ok(Consumed::Gone) };
    Ok(if row.maybe_int(0)?.is_some() {
        Consumed::Used
    } else if row.int(1)? <= at {
        Consumed::Expired
    } else {
        Consumed::DeviceNotActive
    })
}
