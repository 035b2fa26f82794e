-- The authentication server's state. Times are seconds since 1970. Kinds, statuses and the like are the
-- numbers of src/store/model.rs; a status of 1 is "active" everywhere.

-- The one row is made by whoever opens the database first. Virtual accounts follow from it.
CREATE TABLE secrets (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    account_secret BLOB NOT NULL
) STRICT;

CREATE TABLE services (
    name TEXT PRIMARY KEY NOT NULL,
    status INTEGER NOT NULL,
    api_key_hash BLOB UNIQUE,
    certificate BLOB UNIQUE,
    policy_liveness INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- One row for each opened ceremony; its code counts while consumed_at is empty and expires_at is not reached.
CREATE TABLE ceremonies (
    id BLOB PRIMARY KEY NOT NULL,
    kind INTEGER NOT NULL,
    challenge BLOB NOT NULL,
    account_key INTEGER,
    -- Of registrations alone: an account that is taken away burns them.
    virtual_account BLOB,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX ceremonies_by_end ON ceremonies (expires_at);
CREATE INDEX registrations_by_account ON ceremonies (virtual_account) WHERE virtual_account IS NOT NULL;

-- What is registered. Rows stay when they count no more.
CREATE TABLE service_keys (
    id INTEGER PRIMARY KEY,
    service TEXT NOT NULL,
    account TEXT NOT NULL,
    virtual_account BLOB NOT NULL,
    device BLOB NOT NULL,
    device_identity BLOB NOT NULL,
    biometric INTEGER NOT NULL,
    feature_token BLOB NOT NULL,
    public_key BLOB NOT NULL,
    status INTEGER NOT NULL,
    registered_at INTEGER NOT NULL,
    ended_at INTEGER
) STRICT;
CREATE INDEX service_keys_by_device ON service_keys (device, service);
CREATE INDEX service_keys_by_account ON service_keys (account, service, id);
CREATE INDEX suspended_service_keys ON service_keys (account, service) WHERE status = 2;
-- One key for each account on each device, whichever instance registers it.
CREATE UNIQUE INDEX one_active_service_key ON service_keys (device, virtual_account, service) WHERE status = 1;

-- Whether a TPM counts, under whichever identity it comes. Its row is also what orders an enrolment and a
-- change of status: the one waits for the other.
CREATE TABLE tpms (
    endorsement BLOB PRIMARY KEY NOT NULL,
    status INTEGER NOT NULL,
    status_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE devices (
    identity BLOB PRIMARY KEY NOT NULL,
    public_key BLOB NOT NULL,
    attestation_point BLOB NOT NULL,
    pairwise_secret BLOB NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    tpm_vendor TEXT NOT NULL,
    endorsement BLOB NOT NULL,
    status INTEGER NOT NULL,
    status_at INTEGER NOT NULL,
    enrolled_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX devices_by_endorsement ON devices (endorsement);
-- One identity for each TPM.
CREATE UNIQUE INDEX one_active_device ON devices (endorsement) WHERE status = 1;
-- What a device is called towards services follows from its secret: no two TPMs have the same.
CREATE INDEX devices_by_secret ON devices (pairwise_secret);
CREATE UNIQUE INDEX one_active_secret ON devices (pairwise_secret) WHERE status = 1;

CREATE TABLE enrolments (
    id BLOB PRIMARY KEY NOT NULL,
    device_identity BLOB NOT NULL,
    device_key BLOB NOT NULL,
    device_public BLOB NOT NULL,
    attestation_public BLOB NOT NULL,
    secret_hash BLOB NOT NULL,
    nonce BLOB NOT NULL,
    endorsement BLOB NOT NULL,
    vendor TEXT NOT NULL,
    manufacturer TEXT NOT NULL,
    model TEXT NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    consumed_at INTEGER,
    -- SHA-256 of the proof that consumed it.
    proof_hash BLOB
) STRICT, WITHOUT ROWID;
CREATE INDEX enrolments_by_end ON enrolments (expires_at);

CREATE TABLE key_sets (
    version INTEGER PRIMARY KEY,
    packet BLOB NOT NULL
) STRICT;

-- A hash chain for each instance: src/audit/chain.rs.
CREATE TABLE audit (
    instance TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL,
    previous BLOB NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (instance, sequence)
) STRICT, WITHOUT ROWID;

CREATE TABLE checkpoints (
    instance TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    packet BLOB NOT NULL,
    PRIMARY KEY (instance, sequence)
) STRICT, WITHOUT ROWID;
