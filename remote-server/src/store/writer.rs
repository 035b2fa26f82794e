//! The one task of an instance that writes. It takes all jobs that wait, commits them together, and answers
//! each when its change is on the disk. It decides whether a batch was committed where the connection broke
//! in between; what a change does is in `change`.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::batch::{self, Failure};
use super::change::Change;
use super::connection::{Connection, values};
use super::database::Database;
use super::{Consumed, StoreError, rows, statements};
use crate::audit::{Head, Line};

/// The most jobs of one transaction.
const MOST: usize = 256;
/// How long a transaction may take before its connection is given up.
const BOUND: Duration = Duration::from_secs(20);
/// How often a job is tried alone while another instance's transactions get in its way.
const ATTEMPTS: u32 = 5;
/// How long it waits in between: once this, then twice, and so on.
const PAUSE: Duration = Duration::from_millis(5);

/// A change that waits.
pub(super) struct Job {
    pub change: Change,
    /// For the audit log, where the change takes effect.
    pub line: Option<Line>,
    pub answer: oneshot::Sender<Result<Consumed, StoreError>>,
}

pub(super) struct Writer {
    database: Arc<Database>,
    /// Empty after it broke, until the next batch.
    connection: Option<Connection>,
    instance: String,
    /// The end of this instance's audit chain.
    head: Head,
    /// The end it has if the last commit, whose answer was lost, took place.
    uncertain: Option<Head>,
    /// The former for everybody else.
    shown: Arc<Mutex<Head>>,
    taken: Arc<AtomicBool>,
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        connection: Connection,
        instance: &str,
        head: Head,
        shown: Arc<Mutex<Head>>,
        taken: Arc<AtomicBool>,
    ) -> Self {
        let (connection, instance) = (Some(connection), instance.to_owned());
        Self { database, connection, instance, head, uncertain: None, shown, taken }
    }

    /// Ends when the store is dropped, or when the instance's name is taken.
    pub(super) async fn run(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut jobs = Vec::with_capacity(MOST);
        while queue.recv_many(&mut jobs, MOST).await > 0 {
            self.settle(&mut jobs).await;
            if self.taken.load(Ordering::SeqCst) {
                break;
            }
        }
        queue.close();
        while let Some(job) = queue.recv().await {
            reply(job, Err(StoreError::InstanceTaken));
        }
    }

    /// Commits and answers all jobs; together if possible.
    async fn settle(&mut self, jobs: &mut Vec<Job>) {
        match self.commit(jobs).await {
            Ok(outcomes) => {
                for (job, outcome) in jobs.drain(..).zip(outcomes) {
                    reply(job, Ok(outcome));
                }
            }
            Err(Failure::Statement(_)) => {
                for job in jobs.drain(..) {
                    let answer = self.alone(&job).await;
                    reply(job, answer);
                }
            }
            Err(Failure::Whole(error)) => {
                for job in jobs.drain(..) {
                    reply(job, Err(error.clone()));
                }
            }
        }
    }

    async fn alone(&mut self, job: &Job) -> Result<Consumed, StoreError> {
        let mut attempts = 1;
        loop {
            match self.commit(std::slice::from_ref(job)).await {
                Ok(outcomes) => return outcomes.first().copied().ok_or(StoreError::Corrupt("no outcome")),
                Err(Failure::Whole(error)) => return Err(error),
                Err(Failure::Statement(error)) if attempts == ATTEMPTS || !collided(&error) => {
                    return Err(error.into());
                }
                Err(Failure::Statement(_)) => {
                    sleep(PAUSE * attempts).await;
                    attempts += 1;
                }
            }
        }
    }

    async fn commit(&mut self, jobs: &[Job]) -> Result<Vec<Consumed>, Failure> {
        let committed = match timeout(BOUND, self.transaction(jobs)).await {
            Ok(committed) => committed,
            Err(_) => Err(Failure::Whole(sqlx::Error::PoolTimedOut.into())),
        };
        if matches!(committed, Err(Failure::Whole(StoreError::InstanceTaken))) {
            self.taken.store(true, Ordering::SeqCst);
            log::error!(
                "another process writes the audit chain of {}: this one writes no more",
                self.instance
            );
        }
        committed
    }

    /// The connection is taken out meanwhile: it comes back only in a known state.
    async fn transaction(&mut self, jobs: &[Job]) -> Result<Vec<Consumed>, Failure> {
        let mut connection = self.connected().await.map_err(Failure::Whole)?;
        match batch::perform(&mut connection, jobs, &self.instance, self.head).await {
            Ok(done) => {
                self.uncertain = Some(done.head);
                if let Err(error) = connection.commit().await {
                    drop(connection);
                    connection = self.resolve(done.head, error).await?;
                }
                self.advance(done.head);
                self.uncertain = None;
                self.connection = Some(connection);
                Ok(done.outcomes)
            }
            Err(Failure::Statement(error)) => {
                if connection.roll_back().await.is_ok() {
                    self.connection = Some(connection);
                }
                Err(Failure::Statement(error))
            }
            Err(Failure::Whole(StoreError::InstanceTaken)) => {
                Err(Failure::Whole(self.overtaken(connection).await))
            }
            Err(whole) => Err(whole),
        }
    }

    /// Where the chain's next row was there already: whether somebody else really went on with it. The
    /// connection still holds the instance's lock.
    async fn overtaken(&mut self, mut connection: Connection) -> StoreError {
        if let Err(error) = connection.roll_back().await {
            return error.into();
        }
        match read_head(&mut connection, &self.instance).await {
            Ok(found) if found == self.head => {
                self.connection = Some(connection);
                sqlx::Error::Protocol("an audit row was there, and is not now".to_owned()).into()
            }
            Ok(_) => StoreError::InstanceTaken,
            Err(error) => error,
        }
    }

    fn advance(&mut self, head: Head) {
        self.head = head;
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = head;
    }

    /// After a commit without an answer: whether it took place is read from the end of the audit chain. A
    /// new connection, where it did.
    async fn resolve(&mut self, head: Head, error: sqlx::Error) -> Result<Connection, Failure> {
        let connection = self.connected().await.map_err(Failure::Whole)?;
        if self.head == head {
            return Ok(connection);
        }
        self.connection = Some(connection);
        Err(Failure::Whole(error.into()))
    }

    /// The connection, or a new one. The chain must end where this task left it. While the database still
    /// believes in a former connection that broke, the lock is held by that: the next batch tries again.
    async fn connected(&mut self) -> Result<Connection, StoreError> {
        if let Some(connection) = self.connection.take() {
            return Ok(connection);
        }
        let mut connection = self.database.writer(&self.instance).await?;
        let found = read_head(&mut connection, &self.instance).await?;
        match self.uncertain.take() {
            Some(head) if found == head => self.advance(head),
            _ if found == self.head => {}
            _ => return Err(StoreError::InstanceTaken),
        }
        Ok(connection)
    }
}

/// Whoever asked may have gone away; the change stays.
fn reply(job: Job, answer: Result<Consumed, StoreError>) {
    let _ = job.answer.send(answer);
}

/// Another instance's transaction was in the way: a deadlock, or the same row at the same time.
fn collided(error: &sqlx::Error) -> bool {
    let Some(refused) = error.as_database_error() else { return false };
    refused.is_unique_violation() || matches!(refused.code().as_deref(), Some("40001" | "40P01"))
}

/// The end of an instance's audit chain.
pub(super) async fn read_head(db: &mut Connection, instance: &str) -> Result<Head, StoreError> {
    let found = db.fetch(statements::LAST_AUDIT_ROW, &values![instance]).await?;
    match found.first() {
        Some(row) => rows::audit_end(row).map(|(sequence, hash)| Head { sequence, hash }),
        None => Ok(Head::START),
    }
}
