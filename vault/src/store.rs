//! The state file: rows as bytes, in SQLite. Every change is one transaction that is on the disk when
//! the call returns; a kill at any moment leaves the old state or the new. It cannot read what it
//! keeps: `keys` seals and opens rows.
//!
//! Threat model: M22, M24, M33.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, Row};
use tokio::runtime::Runtime;
use vultus_tpm::SealedKey;

use crate::VaultError;
use crate::records::{Kind, RowName};

/// A sealed row as it lies on the disk.
pub struct SealedRow {
    pub name: RowName,
    pub version: i64,
    pub content: Vec<u8>,
}

struct Database {
    runtime: Runtime,
    connection: SqliteConnection,
}

pub struct Store {
    database: Mutex<Database>,
}

/// What one transaction does to one row.
pub enum Change {
    Put(SealedRow),
    Delete(RowName),
}

impl Store {
    /// Opens the state in a folder that only this process's user may enter, making both where they
    /// are missing.
    pub fn open(folder: &Path) -> Result<Self, VaultError> {
        check_folder(folder)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let options = SqliteConnectOptions::new()
            .filename(folder.join("vault.db"))
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("secure_delete", "ON")
            .pragma("trusted_schema", "OFF")
            .disable_statement_logging();
        let connection = runtime.block_on(async {
            let mut connection = options.connect().await?;
            refuse_strange_schema(&mut connection).await?;
            sqlx::migrate!("./migrations").run(&mut connection).await?;
            Ok::<_, VaultError>(connection)
        })?;
        Ok(Self { database: Mutex::new(Database { runtime, connection }) })
    }

    /// The state key as the TPM sealed it.
    pub fn state_key(&self) -> Result<Option<SealedKey>, VaultError> {
        self.with(|db| {
            let query =
                sqlx::query("SELECT identity, public, private, registers FROM state_key WHERE id = 1");
            let row = db.runtime.block_on(query.fetch_optional(&mut db.connection))?;
            row.map(|row| {
                Ok(SealedKey {
                    identity: row.try_get(0)?,
                    public: row.try_get(1)?,
                    private: row.try_get(2)?,
                    registers: row.try_get(3)?,
                })
            })
            .transpose()
        })
    }

    /// Keeps the state key, where there is none and nothing was sealed yet.
    pub fn keep_state_key(&self, key: &SealedKey) -> Result<(), VaultError> {
        self.with(|db| {
            let insert = sqlx::query(
                "INSERT INTO state_key (id, identity, public, private, registers)
                 SELECT 1, $1, $2, $3, $4 WHERE NOT EXISTS (SELECT 1 FROM sealed)",
            )
            .bind(&key.identity)
            .bind(&key.public)
            .bind(&key.private)
            .bind(&key.registers);
            let done = db.runtime.block_on(insert.execute(&mut db.connection))?;
            // Sealed rows without the key that sealed them: somebody removed it.
            if done.rows_affected() == 1 { Ok(()) } else { Err(VaultError::Altered) }
        })
    }

    pub fn get(&self, name: RowName) -> Result<Option<SealedRow>, VaultError> {
        self.with(|db| {
            let query = sqlx::query(
                "SELECT kind, uid, item, version, content FROM sealed WHERE kind = $1 AND uid = $2 AND item = $3",
            )
            .bind(name.kind)
            .bind(name.uid)
            .bind(name.item);
            let row = db.runtime.block_on(query.fetch_optional(&mut db.connection))?;
            row.map(|row| sealed_row(&row)).transpose()
        })
    }

    /// All rows of one kind and owner, by item.
    pub fn list(&self, kind: Kind, uid: u32) -> Result<Vec<SealedRow>, VaultError> {
        self.with(|db| {
            let query = sqlx::query(
                "SELECT kind, uid, item, version, content FROM sealed WHERE kind = $1 AND uid = $2 ORDER BY item",
            )
            .bind(kind as i64)
            .bind(i64::from(uid));
            let rows = db.runtime.block_on(query.fetch_all(&mut db.connection))?;
            rows.iter().map(sealed_row).collect()
        })
    }

    /// Makes all changes or none. On return they are on the disk.
    pub fn change(&self, changes: &[Change]) -> Result<(), VaultError> {
        self.with(|db| {
            let Database { runtime, connection } = db;
            runtime.block_on(async {
                let mut transaction = connection.begin().await?;
                for change in changes {
                    let query = match change {
                        Change::Put(row) => sqlx::query(
                            "INSERT INTO sealed (kind, uid, item, version, content) VALUES ($1, $2, $3, $4, $5)
                             ON CONFLICT (kind, uid, item)
                             DO UPDATE SET version = excluded.version, content = excluded.content",
                        )
                        .bind(row.name.kind)
                        .bind(row.name.uid)
                        .bind(row.name.item)
                        .bind(row.version)
                        .bind(&row.content),
                        Change::Delete(name) => {
                            sqlx::query("DELETE FROM sealed WHERE kind = $1 AND uid = $2 AND item = $3")
                                .bind(name.kind)
                                .bind(name.uid)
                                .bind(name.item)
                        }
                    };
                    query.execute(&mut *transaction).await?;
                    stands(&mut transaction, change).await?;
                }
                transaction.commit().await?;
                Ok(())
            })
        })
    }

    /// Moves what the log still holds into the file and empties the log, so that deleted rows are gone
    /// from both.
    pub fn scrub(&self) -> Result<(), VaultError> {
        self.with(|db| {
            let checkpoint = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)");
            db.runtime.block_on(checkpoint.execute(&mut db.connection))?;
            Ok(())
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Database) -> Result<T, VaultError>) -> Result<T, VaultError> {
        // A panic in between left no transaction open: dropping one rolls it back.
        work(&mut self.database.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Refuses a database that does more than keep rows: a trigger could undo a charge or a deletion.
async fn refuse_strange_schema(connection: &mut SqliteConnection) -> Result<(), VaultError> {
    let query = sqlx::query("SELECT 1 FROM sqlite_schema WHERE type NOT IN ('table', 'index') LIMIT 1");
    match query.fetch_optional(connection).await? {
        None => Ok(()),
        Some(_) => Err(VaultError::Altered),
    }
}

/// Reads a change back, within its transaction: what the database says it did is what it did.
async fn stands(connection: &mut SqliteConnection, change: &Change) -> Result<(), VaultError> {
    let name = match change {
        Change::Put(row) => row.name,
        Change::Delete(name) => *name,
    };
    let query = sqlx::query("SELECT version, content FROM sealed WHERE kind = $1 AND uid = $2 AND item = $3")
        .bind(name.kind)
        .bind(name.uid)
        .bind(name.item);
    let found = query.fetch_optional(connection).await?;
    let stands = match (change, found) {
        (Change::Delete(_), None) => true,
        (Change::Put(row), Some(found)) => {
            let (version, content): (i64, Vec<u8>) = (found.try_get(0)?, found.try_get(1)?);
            version == row.version && content == row.content
        }
        _ => false,
    };
    if stands { Ok(()) } else { Err(VaultError::Altered) }
}

fn sealed_row(row: &sqlx::sqlite::SqliteRow) -> Result<SealedRow, VaultError> {
    Ok(SealedRow {
        name: RowName { kind: row.try_get(0)?, uid: row.try_get(1)?, item: row.try_get(2)? },
        version: row.try_get(3)?,
        content: row.try_get(4)?,
    })
}

/// A folder of our own that nobody else may enter: then nobody can plant a link in it.
fn check_folder(folder: &Path) -> Result<(), VaultError> {
    match std::fs::create_dir(folder) {
        Ok(()) => std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?,
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(e) => return Err(e.into()),
    }
    let metadata = std::fs::symlink_metadata(folder)?;
    let owner = std::os::unix::fs::MetadataExt::uid(&metadata);
    let ours = owner == rustix::process::geteuid().as_raw();
    if metadata.is_dir() && ours && metadata.permissions().mode() & 0o077 == 0 {
        Ok(())
    } else {
        Err(std::io::Error::other("the state folder must be a folder of this user's alone (mode 0700)")
            .into())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// What somebody who can write the file puts into it.
    pub(crate) fn tamper(folder: &Path, sql: &'static str) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let file = SqliteConnectOptions::new().filename(folder.join("vault.db"));
            let mut connection = file.connect().await.unwrap();
            sqlx::query(sql).execute(&mut connection).await.unwrap();
            connection.close().await.unwrap();
        });
    }

    pub(crate) fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        folder
    }

    fn row(content: u8) -> SealedRow {
        SealedRow { name: RowName::new(Kind::Counter, 7, 0), version: 1, content: vec![content; 40] }
    }

    fn content(store: &Store) -> Option<u8> {
        store.get(row(0).name).unwrap().map(|row| row.content[0])
    }

    pub(crate) const KEEPS_COUNTERS: &str =
        "CREATE TRIGGER t BEFORE UPDATE ON sealed BEGIN SELECT RAISE(IGNORE); END";
    const KEEPS_ROWS: &str = "CREATE TRIGGER t BEFORE DELETE ON sealed BEGIN SELECT RAISE(IGNORE); END";
    const PUTS_BACK: &str = "CREATE TRIGGER t AFTER UPDATE ON sealed BEGIN
        UPDATE sealed SET content = OLD.content WHERE rowid = NEW.rowid; END";

    #[test]
    fn a_database_that_does_more_than_keep_rows_is_not_opened() {
        for sql in [KEEPS_COUNTERS, KEEPS_ROWS, "CREATE VIEW v AS SELECT * FROM sealed"] {
            let folder = folder();
            drop(Store::open(folder.path()).unwrap());
            tamper(folder.path(), sql);
            assert!(matches!(Store::open(folder.path()), Err(VaultError::Altered)), "{sql}");
        }
    }

    #[test]
    fn a_change_that_was_undone_is_an_error_and_changes_nothing() {
        for (sql, change) in [
            (KEEPS_COUNTERS, Change::Put(row(2))),
            (PUTS_BACK, Change::Put(row(2))),
            (KEEPS_ROWS, Change::Delete(row(1).name)),
        ] {
            let folder = folder();
            let store = Store::open(folder.path()).unwrap();
            store.change(&[Change::Put(row(1))]).unwrap();
            // Under the feet of an open store, where the check at its opening has passed.
            tamper(folder.path(), sql);
            assert!(matches!(store.change(&[change]), Err(VaultError::Altered)), "{sql}");
            assert_eq!(content(&store), Some(1), "{sql}");
        }
    }
}
