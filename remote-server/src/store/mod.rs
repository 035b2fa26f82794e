//! The server's database: SQLite or PostgreSQL, shared by all instances. It decides whether a code is used up
//! by this request or was before, and makes every change durable together with its audit event before the
//! call returns; whether a packet deserves that is decided elsewhere.
//!
//! ```text
//! ceremonies → Store::…(change, event) → queue → writer → one transaction for all that wait → answers
//! ceremonies → Store::…(question)      → readers
//! ```

mod batch;
mod change;
mod changing;
mod connection;
mod database;
pub mod model;
mod readers;
mod reading;
mod repeated;
mod rows;
mod statements;
mod writer;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use sqlx::migrate::MigrateError;
use tokio::sync::{mpsc, oneshot};
use zeroize::Zeroizing;

pub use crate::audit::Event;
use crate::audit::{Head, LONGEST_INSTANCE};
use change::Change;
use connection::{Connection, values};
use database::{Database, lock_is_held};
use readers::Readers;
use writer::{Job, Writer};

/// The most changes that may wait. At a thousand a second the last of them waits four seconds.
const QUEUE: usize = 4096;

/// Why there is no answer. Named for what the caller does next.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Try later: the database does not answer, or refused. Nothing is known to have changed.
    #[error("the database: {0}")]
    Unavailable(Arc<sqlx::Error>),
    /// Try later: too much waits already.
    #[error("too many changes wait for the database")]
    Busy,
    /// Stop: another process writes under this instance's name. Restart one of them under another.
    #[error("another process writes the audit chain of this instance's name")]
    InstanceTaken,
    /// Somebody must look: the database holds what this program would not write.
    #[error("the database holds {0}")]
    Corrupt(&'static str),
    /// Do not start: the tables cannot be brought up to date.
    #[error("the database's tables: {0}")]
    Migration(Arc<MigrateError>),
    /// Do not start: correct the configuration.
    #[error("{0}")]
    Settings(&'static str),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Arc::new(error))
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        Self::Migration(Arc::new(error))
    }
}

/// What became of a code. Only with `Yes` did anything change, and only then is the event in the audit log.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consumed {
    /// It was used up by this call; with the row that the change is about.
    Yes(i64),
    /// It was used up before.
    Used,
    /// Its window has passed.
    Expired,
    /// There is no such ceremony of this kind.
    Gone,
    /// The service key is suspended or has ended; for a registration: the account is suspended.
    KeyNotActive,
    /// The device is suspended or has ended, or its TPM is.
    DeviceNotActive,
    /// The pairwise secret that a device came with is that of another TPM's device.
    SecretTaken,
}

/// The database of one running instance. Clones share it.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    readers: Readers,
    jobs: mpsc::Sender<Job>,
    instance: String,
    /// Set by the writer when it stops for good.
    taken: Arc<AtomicBool>,
    /// The end of the audit chain after the writer's last commit.
    head: Arc<Mutex<Head>>,
}

impl Store {
    /// Opens `sqlite:PATH` or `postgres://…`, making tables where they are missing. Each running process has
    /// an instance name of its own, under which it writes its audit chain. Needs a Tokio runtime, in which
    /// its writer lives until the last clone is dropped.
    pub async fn open(url: &str, instance: &str) -> Result<Self, StoreError> {
        if instance.is_empty() || instance.len() > LONGEST_INSTANCE || instance.contains(char::is_control) {
            return Err(StoreError::Settings("an instance's name has 1 to 128 bytes, no control characters"));
        }
        let database = Arc::new(Database::parse(url)?);
        database.migrate().await?;
        let mut connection = database.writer(instance).await.map_err(unopened)?;
        make_account_secret(&mut connection).await?;
        let head = writer::read_head(&mut connection, instance).await?;

        let (jobs, queue) = mpsc::channel(QUEUE);
        let taken = Arc::new(AtomicBool::new(false));
        let shown = Arc::new(Mutex::new(head));
        let writer = Writer::new(database.clone(), connection, instance, head, shown.clone(), taken.clone());
        tokio::spawn(writer.run(queue));
        let (readers, instance) = (Readers::new(database), instance.to_owned());
        Ok(Self { shared: Arc::new(Shared { readers, jobs, instance, taken, head: shown }) })
    }

    /// The name under which this process writes its audit chain.
    pub fn instance(&self) -> &str {
        &self.shared.instance
    }

    /// How many changes wait to be written.
    pub fn waiting(&self) -> usize {
        QUEUE - self.shared.jobs.capacity()
    }

    /// Hands a change to the writer and waits until it is on the disk, together with its event.
    async fn submit(&self, change: Change, event: Option<Event>) -> Result<Consumed, StoreError> {
        let line = event.map(Event::into_line).transpose()?;
        let (answer, answered) = oneshot::channel();
        match self.shared.jobs.try_send(Job { change, line, answer }) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(self.writer_is_gone())),
            Err(mpsc::error::TrySendError::Full(_)) => Err(StoreError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(self.writer_is_gone()),
        }
    }

    fn writer_is_gone(&self) -> StoreError {
        if self.is_taken() { StoreError::InstanceTaken } else { sqlx::Error::WorkerCrashed.into() }
    }

    fn is_taken(&self) -> bool {
        self.shared.taken.load(Ordering::SeqCst)
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("instance", &self.shared.instance).finish_non_exhaustive()
    }
}

/// Whoever holds the lock when a store is opened is another process.
fn unopened(error: sqlx::Error) -> StoreError {
    if lock_is_held(&error) { StoreError::InstanceTaken } else { error.into() }
}

/// Whoever comes first makes it; all others find it.
async fn make_account_secret(connection: &mut Connection) -> Result<(), StoreError> {
    let mut secret = Zeroizing::new([0u8; 32]);
    let no_random = |_| sqlx::Error::Io(std::io::Error::other("no random bytes"));
    getrandom::fill(secret.as_mut_slice()).map_err(no_random)?;
    connection.execute(statements::MAKE_ACCOUNT_SECRET, &values![&*secret]).await?;
    Ok(())
}

/// As the database has it; what does not fit never comes.
fn stored(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
