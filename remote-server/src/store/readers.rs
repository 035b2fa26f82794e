//! The connections that read. A question takes a free one and gives it back; it never changes anything, and
//! never waits without bound.
//!
//! sqlx's own pool asks each connection for a sign of life whenever one comes back, which costs as much as
//! the question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::StoreError;
use super::connection::{Connection, Record, Value};
use super::database::Database;

/// How long a question waits for a free connection.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    database: Arc<Database>,
    free: Mutex<Vec<Connection>>,
    permits: Semaphore,
}

impl Readers {
    pub(super) fn new(database: Arc<Database>) -> Self {
        let permits = Semaphore::new(database.readers());
        Self { database, free: Mutex::default(), permits }
    }

    pub(super) async fn fetch(
        &self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Record>, StoreError> {
        let _permit = match timeout(PATIENCE, self.permits.acquire()).await {
            Ok(Ok(permit)) => permit,
            _ => return Err(StoreError::Busy),
        };
        if let Some(mut connection) = self.take() {
            match connection.fetch(sql, values).await {
                // It broke, perhaps long ago, and the others with it: once more on a new one.
                Err(error) if !matches!(error, sqlx::Error::Database(_)) => self.forget(),
                found => {
                    self.give_back(connection);
                    return Ok(found?);
                }
            }
        }
        let mut connection = self.database.reader().await?;
        let found = connection.fetch(sql, values).await?;
        self.give_back(connection);
        Ok(found)
    }

    fn take(&self) -> Option<Connection> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    /// A connection whose question was given up in between does not come back, and is closed.
    fn give_back(&self, connection: Connection) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
    }

    fn forget(&self) {
        self.free.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
