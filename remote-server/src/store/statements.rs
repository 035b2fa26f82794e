//! Every statement, in a text that both engines take. It decides nothing: which number means what is in
//! `model`.
//!
//! A code is consumed by one statement that tests everything on which that depends, so that no two requests,
//! tasks or instances can both consume it.
//!
//! "Active" is spelt `status < 2` where a row is found by its primary key: `status = 1` would invite
//! PostgreSQL to read the whole partial index of the active rows while it has no statistics yet.

use super::repeated::Repeated;

/// The columns of one service key, for `rows::service_key`.
macro_rules! key_columns {
    () => {
        "service_keys.id, service_keys.service, service_keys.account, service_keys.virtual_account,
         service_keys.device, service_keys.device_identity, service_keys.biometric,
         service_keys.feature_token, service_keys.public_key, service_keys.status,
         service_keys.registered_at, service_keys.ended_at"
    };
}

/// The columns of one service, for `rows::service`.
macro_rules! service_columns {
    () => {
        "name, status, api_key_hash, certificate, policy_liveness, created_at"
    };
}

/// The columns of one device, for `rows::device`.
macro_rules! device_columns {
    () => {
        "identity, public_key, attestation_point, pairwise_secret, manufacturer, model, tpm_vendor,
         endorsement, status, enrolled_at"
    };
}

// Opening a store.

pub(super) const MAKE_ACCOUNT_SECRET: &str =
    "INSERT INTO secrets (id, account_secret) VALUES (1, $1) ON CONFLICT (id) DO NOTHING";
pub(super) const ACCOUNT_SECRET: &str = "SELECT account_secret FROM secrets WHERE id = 1";
pub(super) const LAST_AUDIT_ROW: &str =
    "SELECT sequence, hash FROM audit WHERE instance = $1 ORDER BY sequence DESC LIMIT 1";

// Reading.

pub(super) const SERVICE: &str = concat!("SELECT ", service_columns!(), " FROM services WHERE name = $1");
pub(super) const SERVICE_BY_API_KEY: &str =
    concat!("SELECT ", service_columns!(), " FROM services WHERE api_key_hash = $1");
pub(super) const SERVICE_BY_CERTIFICATE: &str =
    concat!("SELECT ", service_columns!(), " FROM services WHERE certificate = $1");
pub(super) const SERVICES: &str = concat!("SELECT ", service_columns!(), " FROM services ORDER BY name");

pub(super) const CEREMONY: &str =
    "SELECT kind, challenge, account_key, consumed_at FROM ceremonies WHERE id = $1";
pub(super) const CEREMONY_WITH_KEY: &str = concat!(
    "SELECT ceremonies.kind, ceremonies.challenge, ceremonies.account_key, ceremonies.consumed_at, ",
    key_columns!(),
    " FROM ceremonies LEFT JOIN service_keys ON service_keys.id = ceremonies.account_key
     WHERE ceremonies.id = $1"
);

/// Active, suspended and revoked ones.
pub(super) const KEYS_OF_DEVICE: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM service_keys WHERE device = $1 AND service = $2 AND status IN (1, 2, 3) ORDER BY id DESC"
);
pub(super) const KEYS_OF_ACCOUNT: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM service_keys WHERE account = $1 AND service = $2 ORDER BY id DESC LIMIT 100"
);
pub(super) const SUSPENDED_KEY: &str =
    "SELECT id FROM service_keys WHERE account = $1 AND service = $2 AND status = 2 LIMIT 1";
pub(super) const KEYS_OF_SERVICE: &str = concat!(
    "SELECT ",
    key_columns!(),
    " FROM service_keys WHERE service = $1 AND id > $2 ORDER BY id LIMIT $3"
);

pub(super) const DEVICE: &str = concat!("SELECT ", device_columns!(), " FROM devices WHERE identity = $1");
pub(super) const DEVICES_BY_ENDORSEMENT: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM devices WHERE endorsement = $1 ORDER BY enrolled_at DESC, identity LIMIT 100"
);
pub(super) const TPM: &str = "SELECT status FROM tpms WHERE endorsement = $1";
pub(super) const DEVICES: &str = concat!(
    "SELECT ",
    device_columns!(),
    " FROM devices ORDER BY enrolled_at DESC, identity LIMIT $1 OFFSET $2"
);
pub(super) const ENROLMENT: &str =
    "SELECT id, device_identity, device_key, device_public, attestation_public, secret_hash, nonce,
            endorsement, vendor, manufacturer, model, issued_at, expires_at, consumed_at, proof_hash
     FROM enrolments WHERE id = $1";

pub(super) const KEY_SETS: &str = "SELECT version, packet FROM key_sets ORDER BY version";
pub(super) const HEALTH: &str = "SELECT id FROM secrets WHERE id = 1";

pub(super) const AUDIT_ROWS: &str = "SELECT instance, sequence, at, body, previous, hash FROM audit
     WHERE instance = $1 AND sequence >= $2 ORDER BY sequence LIMIT $3";
/// From each name to the next by the primary key, which does not read every row as DISTINCT does.
pub(super) const INSTANCES: &str = "WITH RECURSIVE names (name) AS (
         SELECT MIN(instance) FROM audit
         UNION ALL
         SELECT (SELECT MIN(instance) FROM audit WHERE instance > names.name) FROM names
         WHERE names.name IS NOT NULL
     )
     SELECT name FROM names WHERE name IS NOT NULL";
pub(super) const CHECKPOINTS: &str =
    "SELECT instance, sequence, packet FROM checkpoints ORDER BY instance, sequence";

// The frequent changes, many rows at a time.

/// Rows of id, kind, challenge, account key, virtual account of a registration, end.
pub(super) static OPEN_CEREMONIES: Repeated = Repeated::new(
    "INSERT INTO ceremonies (id, kind, challenge, account_key, virtual_account, expires_at) VALUES ",
    6,
    "",
);
/// Rows of ceremony, time, service key, and 1 where the device is in this database and must be active too.
pub(super) static AUTHENTICATE: Repeated = Repeated::new(
    "WITH wanted (ceremony, at, account_key, with_device) AS (VALUES ",
    4,
    ")
     UPDATE ceremonies SET consumed_at = wanted.at
     FROM wanted
     JOIN service_keys ON service_keys.id = wanted.account_key
     LEFT JOIN devices ON devices.identity = service_keys.device_identity AND wanted.with_device = 1
     WHERE ceremonies.id = wanted.ceremony AND ceremonies.kind = 2
       AND ceremonies.account_key = wanted.account_key
       AND ceremonies.consumed_at IS NULL AND ceremonies.expires_at > wanted.at
       AND service_keys.status < 2 AND (wanted.with_device = 0 OR devices.status < 2)
     RETURNING ceremonies.id",
);
/// Rows of instance, sequence, time, body, previous hash, hash.
pub(super) static APPEND_AUDIT: Repeated =
    Repeated::new("INSERT INTO audit (instance, sequence, at, body, previous, hash) VALUES ", 6, "");

// The others, one at a time.

/// A suspended account takes no new key: that would lift the suspension. Where $6 is 1, the device is in this
/// database and must be active too.
pub(super) const CONSUME_REGISTRATION: &str = "UPDATE ceremonies SET consumed_at = $2
     WHERE id = $1 AND kind = 1 AND consumed_at IS NULL AND expires_at > $2
       AND NOT EXISTS (
           SELECT 1 FROM service_keys
           WHERE service_keys.account = $3 AND service_keys.service = $4 AND service_keys.status = 2
       )
       AND ($6 = 0 OR EXISTS (
           SELECT 1 FROM devices WHERE devices.identity = $5 AND devices.status < 2
       ))";
pub(super) const SUPERSEDE_KEY: &str = "UPDATE service_keys SET status = 4, ended_at = $4
     WHERE device = $1 AND virtual_account = $2 AND service = $3 AND status = 1";
pub(super) const INSERT_KEY: &str = "INSERT INTO service_keys
         (service, account, virtual_account, device, device_identity, biometric, feature_token, public_key,
          status, registered_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) RETURNING id";

/// Where $4 is 1, the device is in this database and must be active too.
pub(super) const CONSUME_DEREGISTRATION: &str = "UPDATE ceremonies SET consumed_at = $2
     WHERE id = $1 AND kind = 3 AND account_key = $3 AND consumed_at IS NULL AND expires_at > $2
       AND EXISTS (
           SELECT 1 FROM service_keys
           LEFT JOIN devices ON devices.identity = service_keys.device_identity AND $4 = 1
           WHERE service_keys.id = $3 AND service_keys.status < 2 AND ($4 = 0 OR devices.status < 2)
       )";
pub(super) const DEREGISTER_KEY: &str =
    "UPDATE service_keys SET status = 5, ended_at = $2 WHERE id = $1 AND status < 2";

pub(super) const BURN_CEREMONY: &str =
    "UPDATE ceremonies SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL";
pub(super) const BURN_ENROLMENT: &str =
    "UPDATE enrolments SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL";

/// For the reason why a code was not consumed: $2 is the service key it was about.
pub(super) const CEREMONY_STANDING: &str = "SELECT ceremonies.kind, ceremonies.consumed_at,
            ceremonies.expires_at, service_keys.status, devices.status
     FROM ceremonies
     LEFT JOIN service_keys ON service_keys.id = $2
     LEFT JOIN devices ON devices.identity = service_keys.device_identity
     WHERE ceremonies.id = $1";
/// The same for a registration of the account $2 of the service $3: how many of its keys are suspended.
pub(super) const REGISTRATION_STANDING: &str = "SELECT kind, consumed_at, expires_at,
            (SELECT COUNT(*) FROM service_keys
             WHERE service_keys.account = $2 AND service_keys.service = $3 AND service_keys.status = 2)
     FROM ceremonies WHERE id = $1";
/// And how many devices of other TPMs have the secret $2.
pub(super) const ENROLMENT_STANDING: &str = "SELECT consumed_at, expires_at,
            (SELECT COUNT(*) FROM devices
             WHERE devices.pairwise_secret = $2 AND devices.endorsement <> $3 AND devices.identity <> $4)
     FROM enrolments WHERE id = $1";

pub(super) const OPEN_ENROLMENT: &str = "INSERT INTO enrolments
         (id, device_identity, device_key, device_public, attestation_public, secret_hash, nonce,
          endorsement, vendor, manufacturer, model, issued_at, expires_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
/// A TPM that is suspended or revoked does not come back: no row. Whoever changes its status at the same time
/// waits until this transaction has ended, or is waited for.
pub(super) const HOLD_TPM: &str = "INSERT INTO tpms (endorsement, status, status_at) VALUES ($1, 1, $2)
     ON CONFLICT (endorsement) DO UPDATE SET status_at = tpms.status_at WHERE tpms.status = 1";
/// Neither an identity comes back that ended or that is another TPM's ($4), nor another TPM's secret ($5).
pub(super) const CONSUME_ENROLMENT: &str = "UPDATE enrolments SET consumed_at = $2, proof_hash = $6
     WHERE id = $1 AND consumed_at IS NULL AND expires_at > $2
       AND NOT EXISTS (
           SELECT 1 FROM devices
           WHERE devices.identity = $4 AND (devices.status <> 1 OR devices.endorsement <> $3)
       )
       AND NOT EXISTS (
           SELECT 1 FROM devices WHERE devices.pairwise_secret = $5 AND devices.endorsement <> $3
       )";
pub(super) const SUPERSEDE_DEVICES: &str = "UPDATE devices SET status = 4, status_at = $3
     WHERE endorsement = $1 AND identity <> $2 AND status = 1";
pub(super) const PUT_DEVICE: &str = "INSERT INTO devices
         (identity, public_key, attestation_point, pairwise_secret, manufacturer, model, tpm_vendor,
          endorsement, status, status_at, enrolled_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9, $10)
     ON CONFLICT (identity) DO UPDATE SET attestation_point = excluded.attestation_point,
         pairwise_secret = excluded.pairwise_secret, manufacturer = excluded.manufacturer,
         model = excluded.model, tpm_vendor = excluded.tpm_vendor, enrolled_at = excluded.enrolled_at";

pub(super) const ENDORSEMENT_OF: &str = "SELECT endorsement FROM devices WHERE identity = $1";
/// From active or suspended alone: the other statuses are final. So it is with the TPM's devices.
pub(super) const SET_TPM_STATUS: &str = "UPDATE tpms SET status = $2, status_at = $3
     WHERE endorsement = $1 AND status IN (1, 2) AND status <> $2";
pub(super) const SET_DEVICE_STATUSES: &str = "UPDATE devices SET status = $2, status_at = $3
     WHERE endorsement = $1 AND status IN (1, 2) AND status <> $2";
/// A virtual account is one service's. Whoever consumes one of them at the same time is waited for.
pub(super) const BURN_REGISTRATIONS: &str = "UPDATE ceremonies SET consumed_at = $2
     WHERE virtual_account = $1 AND kind = 1 AND consumed_at IS NULL";
/// $4 is the end, where the status is a final one, else nothing.
pub(super) const SET_ACCOUNT_STATUS: &str = "UPDATE service_keys SET status = $3, ended_at = $4
     WHERE account = $1 AND service = $2 AND status IN (1, 2) AND status <> $3";
/// Suspended ones stay: whoever suspended them decides.
pub(super) const END_ACTIVE_KEYS: &str = "UPDATE service_keys SET status = 3, ended_at = $3
     WHERE account = $1 AND service = $2 AND status < 2";

pub(super) const PUT_SERVICE: &str = "INSERT INTO services
         (name, status, api_key_hash, certificate, policy_liveness, created_at)
     VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT (name) DO UPDATE SET status = excluded.status, api_key_hash = excluded.api_key_hash,
         certificate = excluded.certificate, policy_liveness = excluded.policy_liveness";
pub(super) const SET_SERVICE_STATUS: &str =
    "UPDATE services SET status = $2 WHERE name = $1 AND status <> $2";
/// Nothing else of the service: it may be suspended at the same time.
pub(super) const SET_SERVICE_API_KEY: &str = "UPDATE services SET api_key_hash = $2 WHERE name = $1";

pub(super) const ADD_KEY_SET: &str =
    "INSERT INTO key_sets (version, packet) VALUES ($1, $2) ON CONFLICT (version) DO NOTHING";
pub(super) const PUT_CHECKPOINT: &str = "INSERT INTO checkpoints (instance, sequence, packet)
     VALUES ($1, $2, $3) ON CONFLICT (instance, sequence) DO NOTHING";

/// Small pieces, for nothing else is written meanwhile.
pub(super) const SWEEP_CEREMONIES: &str = "DELETE FROM ceremonies WHERE id IN (
         SELECT id FROM ceremonies WHERE expires_at < $1 ORDER BY expires_at LIMIT 500
     )";
pub(super) const SWEEP_ENROLMENTS: &str = "DELETE FROM enrolments WHERE id IN (
         SELECT id FROM enrolments WHERE expires_at < $1 ORDER BY expires_at LIMIT 500
     )";
