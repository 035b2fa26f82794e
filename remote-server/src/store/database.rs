//! Where the database is, and how each engine is connected to: makes it, brings its tables up to date, and
//! opens connections whose commits are durable. It never reads or changes what the tables hold.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::str::FromStr;
use std::time::Duration;

use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection as _, Executor};

use super::StoreError;
use super::connection::{Connection, values};

static SQLITE_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/sqlite");
static POSTGRES_MIGRATIONS: Migrator = sqlx::migrate!("./migrations/postgres");

/// How long SQLite waits for another process that is writing.
const BUSY: Duration = Duration::from_secs(5);

/// Commits are durable, and nothing waits for long. Every statement finds its rows by an index; left to
/// itself, PostgreSQL would plan for the empty tables of the first day and keep those plans.
const POSTGRES_SESSION: &str = "
    SET synchronous_commit = on; SET lock_timeout = '5s'; SET statement_timeout = '10s';
    SET idle_in_transaction_session_timeout = '30s';
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan;";

/// Held for as long as the connection lasts, and waited for as long as `lock_timeout` says.
const INSTANCE_LOCK: &str = "SELECT 1 FROM (SELECT pg_advisory_lock(hashtextextended($1, 7310579))) AS held";
const LOCK_NOT_AVAILABLE: &str = "55P03";

/// Where the database is.
pub(super) enum Database {
    Sqlite(Box<SqliteConnectOptions>),
    Postgres(Box<PgConnectOptions>),
}

impl Database {
    pub(super) fn parse(url: &str) -> Result<Self, StoreError> {
        if url.starts_with("sqlite:") && !url.contains(":memory:") {
            let options = SqliteConnectOptions::from_str(url)?
                .busy_timeout(BUSY)
                .pragma("trusted_schema", "OFF")
                .row_buffer_size(256)
                .disable_statement_logging();
            Ok(Self::Sqlite(Box::new(options)))
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Ok(Self::Postgres(Box::new(PgConnectOptions::from_str(url)?.disable_statement_logging())))
        } else {
            Err(StoreError::Settings("the database is neither sqlite:PATH nor postgres://…"))
        }
    }

    /// Makes the database where there is none, and brings its tables up to date.
    pub(super) async fn migrate(&self) -> Result<(), StoreError> {
        // `run` is not general enough for futures that move between threads; this is what it calls.
        match self {
            Self::Sqlite(options) => {
                create_privately(options)?;
                let mut connection = connect_first(&write_ahead(options)).await?;
                // Of two processes that come at the same moment the second waits here.
                let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
                SQLITE_MIGRATIONS.run_direct(None, &mut *transaction, false).await?;
                transaction.commit().await?;
            }
            Self::Postgres(options) => {
                let mut connection = options.connect().await?;
                POSTGRES_MIGRATIONS.run_direct(None, &mut connection, false).await?;
            }
        }
        Ok(())
    }

    /// A connection that may change things, and the only one of its instance: what an older one, of a
    /// process that was killed, still commits must have come to its end before the chain is read.
    /// PostgreSQL may say that the lock is held, SQLite has none.
    pub(super) async fn writer(&self, instance: &str) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let options = write_ahead(options)
                    .synchronous(SqliteSynchronous::Full)
                    .pragma("cache_size", "-32768")
                    .pragma("wal_autocheckpoint", "4000");
                Ok(Connection::Sqlite(options.connect().await?))
            }
            Self::Postgres(options) => {
                let mut connection = postgres(options).await?;
                connection.execute(INSTANCE_LOCK, &values![instance]).await?;
                Ok(connection)
            }
        }
    }

    pub(super) async fn reader(&self) -> Result<Connection, sqlx::Error> {
        match self {
            Self::Sqlite(options) => {
                let options = SqliteConnectOptions::clone(options);
                let options = options.pragma("query_only", "ON").pragma("cache_size", "-16384");
                Ok(Connection::Sqlite(options.connect().await?))
            }
            Self::Postgres(options) => postgres(options).await,
        }
    }

    /// How many connections for reading are worth having: SQLite's readers share this machine.
    pub(super) fn readers(&self) -> usize {
        match self {
            Self::Sqlite(_) => 4,
            Self::Postgres(_) => 16,
        }
    }
}

/// Another connection writes under the instance's name: another process, or this one's own former connection
/// of which the database does not know yet that it broke.
pub(super) fn lock_is_held(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|refused| refused.code().as_deref() == Some(LOCK_NOT_AVAILABLE))
}

fn write_ahead(options: &SqliteConnectOptions) -> SqliteConnectOptions {
    options.clone().journal_mode(SqliteJournalMode::Wal)
}

/// Only this process's user may read the file; SQLite gives its other files the same mode.
fn create_privately(options: &SqliteConnectOptions) -> Result<(), StoreError> {
    // A file that is there is not opened: closing it would release the locks that SQLite holds on it.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(options.get_filename()) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(sqlx::Error::Io(error).into()),
        _ => Ok(()),
    }
}

/// Turning a new file to write-ahead logging does not wait for another process that does it too.
async fn connect_first(options: &SqliteConnectOptions) -> Result<SqliteConnection, sqlx::Error> {
    for _ in 0..50 {
        match options.connect().await {
            Err(sqlx::Error::Database(busy)) if busy.code().as_deref() == Some("5") => {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            connected => return connected,
        }
    }
    options.connect().await
}

async fn postgres(options: &PgConnectOptions) -> Result<Connection, sqlx::Error> {
    let mut connection = options.connect().await?;
    connection.execute(POSTGRES_SESSION).await?;
    Ok(Connection::Postgres(connection))
}
