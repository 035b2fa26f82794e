//! From the columns of `statements` to the rows of `model`. What this program would not have written is
//! corrupt, and is never passed on.

use vultus_protocol::challenge::Challenge;
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, DeviceIdentity, FeatureToken, Label, Liveness, PairwiseDevice,
    PairwiseSecret, ProtocolError, PublicKey, ServiceName, VirtualAccount, Window, encoding,
};

use super::StoreError;
use super::connection::Record;
use super::model::{
    Ceremony, CeremonyKind, CeremonyState, Device, DeviceStatus, Enrolment, KeyStatus, Service, ServiceKey,
    ServiceStatus, Spent,
};
use crate::audit::Row;

/// The most bytes of a challenge that is kept.
const LONGEST_CHALLENGE: usize = 2048;

pub(super) fn service(record: &Record) -> Result<Service, StoreError> {
    Ok(Service {
        name: service_name(record, 0)?,
        status: ServiceStatus::from_number(record.int(1)?)?,
        api_key_hash: record.maybe_bytes(2)?.map(fixed).transpose()?,
        certificate: record.maybe_bytes(3)?.map(fixed).transpose()?,
        policy_liveness: liveness(record.int(4)?)?,
        created_at: time(record.int(5)?)?,
    })
}

pub(super) fn ceremony_state(record: &Record) -> Result<CeremonyState, StoreError> {
    let challenge = encoding::decode::<Challenge>(record.bytes(1)?, LONGEST_CHALLENGE);
    let ceremony = Ceremony {
        kind: CeremonyKind::from_number(record.int(0)?)?,
        challenge: sound(challenge, "a challenge that cannot be read")?,
        account_key: record.maybe_int(2)?,
    };
    Ok(CeremonyState { ceremony, consumed: record.maybe_int(3)?.is_some() })
}

/// The service key whose columns begin at that place.
pub(super) fn service_key(record: &Record, from: usize) -> Result<ServiceKey, StoreError> {
    Ok(ServiceKey {
        id: record.int(from)?,
        service: service_name(record, from + 1)?,
        account: sound(AccountName::new(record.text(from + 2)?), "a strange account's name")?,
        virtual_account: sound(VirtualAccount::from_slice(record.bytes(from + 3)?), WRONG_LENGTH)?,
        device: sound(PairwiseDevice::from_slice(record.bytes(from + 4)?), WRONG_LENGTH)?,
        device_identity: device_identity(record, from + 5)?,
        biometric: biometric(record.int(from + 6)?)?,
        feature_token: sound(FeatureToken::from_slice(record.bytes(from + 7)?), WRONG_LENGTH)?,
        public_key: public_key(record, from + 8)?,
        status: KeyStatus::from_number(record.int(from + 9)?)?,
        registered_at: time(record.int(from + 10)?)?,
        ended_at: record.maybe_int(from + 11)?.map(time).transpose()?,
    })
}

/// A ceremony, and the service key beside it, where there is one.
pub(super) fn ceremony_with_key(record: &Record) -> Result<(CeremonyState, Option<ServiceKey>), StoreError> {
    let key = match record.maybe_int(4)? {
        Some(_) => Some(service_key(record, 4)?),
        None => None,
    };
    Ok((ceremony_state(record)?, key))
}

pub(super) fn device(record: &Record) -> Result<Device, StoreError> {
    Ok(Device {
        identity: device_identity(record, 0)?,
        public_key: public_key(record, 1)?,
        attestation_point: fixed(record.bytes(2)?)?,
        pairwise_secret: sound(PairwiseSecret::from_slice(record.bytes(3)?), WRONG_LENGTH)?,
        manufacturer: label(record, 4)?,
        model: label(record, 5)?,
        tpm_vendor: record.text(6)?.to_owned(),
        endorsement: fixed(record.bytes(7)?)?,
        status: DeviceStatus::from_number(record.int(8)?)?,
        enrolled_at: time(record.int(9)?)?,
    })
}

/// The enrolment, and how it was used up.
pub(super) fn enrolment(record: &Record) -> Result<(Enrolment, Option<Spent>), StoreError> {
    let enrolment = Enrolment {
        id: sound(CeremonyId::from_slice(record.bytes(0)?), WRONG_LENGTH)?,
        device_identity: device_identity(record, 1)?,
        device_key: public_key(record, 2)?,
        device_public: record.bytes(3)?.to_vec(),
        attestation_public: record.bytes(4)?.to_vec(),
        secret_hash: fixed(record.bytes(5)?)?,
        nonce: fixed(record.bytes(6)?)?,
        endorsement: fixed(record.bytes(7)?)?,
        vendor: record.text(8)?.to_owned(),
        manufacturer: label(record, 9)?,
        model: label(record, 10)?,
        window: Window { issued_at: time(record.int(11)?)?, expires_at: time(record.int(12)?)? },
    };
    let spent = match record.maybe_int(13)? {
        Some(at) => Some(Spent { at: time(at)?, proof: record.maybe_bytes(14)?.map(fixed).transpose()? }),
        None => None,
    };
    Ok((enrolment, spent))
}

pub(super) fn key_set(record: &Record) -> Result<(u64, Vec<u8>), StoreError> {
    Ok((time(record.int(0)?)?, record.bytes(1)?.to_vec()))
}

/// Verification tells what an audit row is worth: here only its form counts.
pub(super) fn audit(record: &Record) -> Result<Row, StoreError> {
    Ok(Row {
        instance: record.text(0)?.to_owned(),
        sequence: record.int(1)?,
        at: record.int(2)?,
        body: record.bytes(3)?.to_vec(),
        previous: record.bytes(4)?.to_vec(),
        hash: record.bytes(5)?.to_vec(),
    })
}

/// Sequence and hash of a chain's last row.
pub(super) fn audit_end(record: &Record) -> Result<(i64, [u8; 32]), StoreError> {
    Ok((record.int(0)?, fixed(record.bytes(1)?)?))
}

pub(super) fn checkpoint(record: &Record) -> Result<(String, i64, Vec<u8>), StoreError> {
    Ok((record.text(0)?.to_owned(), record.int(1)?, record.bytes(2)?.to_vec()))
}

const WRONG_LENGTH: &str = "a field of another length";

fn sound<T>(parsed: Result<T, ProtocolError>, what: &'static str) -> Result<T, StoreError> {
    parsed.map_err(|_| StoreError::Corrupt(what))
}

/// A field of a fixed length.
pub(super) fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], StoreError> {
    bytes.try_into().map_err(|_| StoreError::Corrupt(WRONG_LENGTH))
}

/// A time or version.
fn time(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| StoreError::Corrupt("a time before 1970, or a version below 0"))
}

fn service_name(record: &Record, place: usize) -> Result<ServiceName, StoreError> {
    sound(ServiceName::new(record.text(place)?), "a strange service's name")
}

fn device_identity(record: &Record, place: usize) -> Result<DeviceIdentity, StoreError> {
    sound(DeviceIdentity::from_slice(record.bytes(place)?), WRONG_LENGTH)
}

fn public_key(record: &Record, place: usize) -> Result<PublicKey, StoreError> {
    sound(PublicKey::from_slice(record.bytes(place)?), "a key that is not a point")
}

fn label(record: &Record, place: usize) -> Result<Label, StoreError> {
    sound(Label::new(record.text(place)?), "a strange label")
}

/// The number by which a liveness is stored.
pub(super) fn liveness_number(liveness: Liveness) -> i64 {
    match liveness {
        Liveness::None => 0,
        Liveness::Passive => 1,
        Liveness::Active => 2,
    }
}

fn liveness(number: i64) -> Result<Liveness, StoreError> {
    match number {
        0 => Ok(Liveness::None),
        1 => Ok(Liveness::Passive),
        2 => Ok(Liveness::Active),
        _ => Err(StoreError::Corrupt("an unknown liveness")),
    }
}

/// The number by which a biometric type is stored.
pub(super) fn biometric_number(biometric: BiometricType) -> i64 {
    match biometric {
        BiometricType::Face => 1,
    }
}

fn biometric(number: i64) -> Result<BiometricType, StoreError> {
    match number {
        1 => Ok(BiometricType::Face),
        _ => Err(StoreError::Corrupt("an unknown biometric type")),
    }
}
