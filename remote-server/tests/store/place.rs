//! Where a case runs: an empty database of one of the engines, and a second way into it.

use sqlx::{Connection, Executor, PgConnection, Row, SqliteConnection};
use tempfile::TempDir;
use vultus_remote_server::store::Store;

pub struct Place {
    url: String,
    _folder: Option<TempDir>,
}

impl Place {
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("server.db").display());
        Self { url, _folder: Some(folder) }
    }

    pub fn postgres() -> Self {
        Self { url: crate::postgres::database(), _folder: None }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn open(&self, instance: &str) -> Store {
        Store::open(&self.url, instance).await.unwrap()
    }

    /// As somebody who may write into the database.
    pub async fn outside(&self) -> Outside {
        if self.url.starts_with("sqlite:") {
            Outside::Sqlite(SqliteConnection::connect(&self.url).await.unwrap())
        } else {
            Outside::Postgres(PgConnection::connect(&self.url).await.unwrap())
        }
    }
}

pub enum Outside {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Outside {
    pub async fn run(&mut self, sql: &'static str) {
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(|_| ()).unwrap(),
            Self::Postgres(connection) => connection.execute(sql).await.map(|_| ()).unwrap(),
        }
    }

    /// Lets nobody write an audit row until [`Self::release`].
    pub async fn block(&mut self) {
        match self {
            Self::Sqlite(_) => self.run("BEGIN IMMEDIATE").await,
            Self::Postgres(_) => self.run("BEGIN; LOCK TABLE audit IN SHARE MODE").await,
        }
    }

    pub async fn release(&mut self) {
        self.run("COMMIT").await;
    }

    pub async fn count(&mut self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(connection) => sqlx::query(sql).fetch_one(connection).await.unwrap().get(0),
            Self::Postgres(connection) => sqlx::query(sql).fetch_one(connection).await.unwrap().get(0),
        }
    }

    /// Changes one row of the audit log, as somebody would who knows how hashes are made.
    pub async fn rewrite(&mut self, sequence: i64, body: &[u8], previous: &[u8], hash: &[u8]) {
        let sql = "UPDATE audit SET body = $2, previous = $3, hash = $4 WHERE sequence = $1";
        match self {
            Self::Sqlite(connection) => {
                let query = sqlx::query(sql).bind(sequence).bind(body).bind(previous).bind(hash);
                query.execute(connection).await.map(|_| ()).unwrap();
            }
            Self::Postgres(connection) => {
                let query = sqlx::query(sql).bind(sequence).bind(body).bind(previous).bind(hash);
                query.execute(connection).await.map(|_| ()).unwrap();
            }
        }
    }
}

/// Runs a case where tasks really run at the same time.
pub fn run(place: Place, case: impl AsyncFnOnce(&Place)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).enable_all().build().unwrap();
    runtime.block_on(case(&place));
}
