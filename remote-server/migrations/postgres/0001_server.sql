-- The authentication server's state. Times are seconds since 1970. Kinds, statuses and the like are the
-- numbers of src/store/model.rs; a status of 1 is "active" everywhere.

-- The one row is made by whoever opens the database first. Virtual accounts follow from it.
CREATE TABLE secrets (
    id BIGINT PRIMARY KEY CHECK (id = 1),
    account_secret BYTEA NOT NULL
);

CREATE TABLE services (
    name TEXT COLLATE "C" PRIMARY KEY,
    status BIGINT NOT NULL,
    api_key_hash BYTEA UNIQUE,
    certificate BYTEA UNIQUE,
    policy_liveness BIGINT NOT NULL,
    created_at BIGINT NOT NULL
);

-- One row for each opened ceremony; its code counts while consumed_at is empty and expires_at is not reached.
CREATE TABLE ceremonies (
    id BYTEA PRIMARY KEY,
    kind BIGINT NOT NULL,
    challenge BYTEA NOT NULL,
    account_key BIGINT,
    -- Of registrations alone: an account that is taken away burns them.
    virtual_account BYTEA,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT
);
CREATE INDEX ceremonies_by_end ON ceremonies (expires_at);
CREATE INDEX registrations_by_account ON ceremonies (virtual_account) WHERE virtual_account IS NOT NULL;

-- What is registered. Rows stay when they count no more.
CREATE TABLE service_keys (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    service TEXT COLLATE "C" NOT NULL,
    account TEXT COLLATE "C" NOT NULL,
    virtual_account BYTEA NOT NULL,
    device BYTEA NOT NULL,
    device_identity BYTEA NOT NULL,
    biometric BIGINT NOT NULL,
    feature_token BYTEA NOT NULL,
    public_key BYTEA NOT NULL,
    status BIGINT NOT NULL,
    registered_at BIGINT NOT NULL,
    ended_at BIGINT
);
CREATE INDEX service_keys_by_device ON service_keys (device, service);
CREATE INDEX service_keys_by_account ON service_keys (account, service, id);
CREATE INDEX suspended_service_keys ON service_keys (account, service) WHERE status = 2;
-- One key for each account on each device, whichever instance registers it.
CREATE UNIQUE INDEX one_active_service_key ON service_keys (device, virtual_account, service) WHERE status = 1;

-- Whether a TPM counts, under whichever identity it comes. Its row is also what orders an enrolment and a
-- change of status: the one waits for the other.
CREATE TABLE tpms (
    endorsement BYTEA PRIMARY KEY,
    status BIGINT NOT NULL,
    status_at BIGINT NOT NULL
);

CREATE TABLE devices (
    identity BYTEA PRIMARY KEY,
    public_key BYTEA NOT NULL,
    attestation_point BYTEA NOT NULL,
    pairwise_secret BYTEA NOT NULL,
    manufacturer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    tpm_vendor TEXT COLLATE "C" NOT NULL,
    endorsement BYTEA NOT NULL,
    status BIGINT NOT NULL,
    status_at BIGINT NOT NULL,
    enrolled_at BIGINT NOT NULL
);
CREATE INDEX devices_by_endorsement ON devices (endorsement);
-- One identity for each TPM.
CREATE UNIQUE INDEX one_active_device ON devices (endorsement) WHERE status = 1;
-- What a device is called towards services follows from its secret: no two TPMs have the same.
CREATE INDEX devices_by_secret ON devices (pairwise_secret);
CREATE UNIQUE INDEX one_active_secret ON devices (pairwise_secret) WHERE status = 1;

CREATE TABLE enrolments (
    id BYTEA PRIMARY KEY,
    device_identity BYTEA NOT NULL,
    device_key BYTEA NOT NULL,
    device_public BYTEA NOT NULL,
    attestation_public BYTEA NOT NULL,
    secret_hash BYTEA NOT NULL,
    nonce BYTEA NOT NULL,
    endorsement BYTEA NOT NULL,
    vendor TEXT COLLATE "C" NOT NULL,
    manufacturer TEXT COLLATE "C" NOT NULL,
    model TEXT COLLATE "C" NOT NULL,
    issued_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    consumed_at BIGINT,
    -- SHA-256 of the proof that consumed it.
    proof_hash BYTEA
);
CREATE INDEX enrolments_by_end ON enrolments (expires_at);

CREATE TABLE key_sets (
    version BIGINT PRIMARY KEY,
    packet BYTEA NOT NULL
);

-- A hash chain for each instance: src/audit/chain.rs.
CREATE TABLE audit (
    instance TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    at BIGINT NOT NULL,
    body BYTEA NOT NULL,
    previous BYTEA NOT NULL,
    hash BYTEA NOT NULL,
    PRIMARY KEY (instance, sequence)
);

CREATE TABLE checkpoints (
    instance TEXT COLLATE "C" NOT NULL,
    sequence BIGINT NOT NULL,
    packet BYTEA NOT NULL,
    PRIMARY KEY (instance, sequence)
);
