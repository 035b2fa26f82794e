-- The key that seals every row below, itself sealed by the TPM. One row at most.
CREATE TABLE state_key (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    identity  BLOB NOT NULL,
    public    BLOB NOT NULL,
    private   BLOB NOT NULL,
    registers BLOB NOT NULL
) STRICT;

-- Sealed records: templates, failure counters, camera pairings. Kind, owner, item and version are
-- authenticated with each, so that no row passes for another.
CREATE TABLE sealed (
    kind    INTEGER NOT NULL,
    uid     INTEGER NOT NULL,
    item    INTEGER NOT NULL,
    version INTEGER NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (kind, uid, item)
) STRICT;
