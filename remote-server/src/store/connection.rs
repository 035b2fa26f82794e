//! The two engines as one: binds values, runs statements and reads columns, so that every statement has one
//! text. It knows no table, and never decides what an error means for a caller.

use sqlx::postgres::{PgArguments, PgConnection, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnection, SqliteRow};
use sqlx::{Executor, Postgres, Row, Sqlite};

pub(super) enum Connection {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// One parameter of a statement; empty ones have a type too.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Int(Option<i64>),
    Bytes(Option<&'a [u8]>),
    Text(Option<&'a str>),
}

/// One row of an answer, its columns by their places.
pub(super) enum Record {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

/// A statement with its values, for one engine.
macro_rules! bound {
    ($name:ident, $engine:ty, $arguments:ty) => {
        fn $name(sql: &'static str, values: &[Value<'_>]) -> Query<'static, $engine, $arguments> {
            let mut query: Query<'static, $engine, $arguments> = sqlx::query(sql);
            for value in values {
                query = match *value {
                    Value::Int(value) => query.bind(value),
                    Value::Bytes(value) => query.bind(value),
                    Value::Text(value) => query.bind(value),
                };
            }
            query
        }
    };
}
bound!(for_sqlite, Sqlite, SqliteArguments);
bound!(for_postgres, Postgres, PgArguments);

impl Connection {
    /// Begins a transaction that will write.
    pub(super) async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.execute("BEGIN IMMEDIATE").await.map(|_| ()),
            Self::Postgres(connection) => connection.execute("BEGIN").await.map(|_| ()),
        }
    }

    pub(super) async fn commit(&mut self) -> Result<(), sqlx::Error> {
        self.plain("COMMIT").await
    }

    pub(super) async fn roll_back(&mut self) -> Result<(), sqlx::Error> {
        self.plain("ROLLBACK").await
    }

    async fn plain(&mut self, sql: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Self::Sqlite(connection) => connection.execute(sql).await.map(|_| ()),
            Self::Postgres(connection) => connection.execute(sql).await.map(|_| ()),
        }
    }

    /// Runs a prepared statement; how many rows it changed.
    pub(super) async fn execute(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<u64, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                Ok(for_sqlite(sql, values).execute(&mut *connection).await?.rows_affected())
            }
            Self::Postgres(connection) => {
                Ok(for_postgres(sql, values).execute(&mut *connection).await?.rows_affected())
            }
        }
    }

    /// Runs a prepared statement; the rows that it gives.
    pub(super) async fn fetch(
        &mut self,
        sql: &'static str,
        values: &[Value<'_>],
    ) -> Result<Vec<Record>, sqlx::Error> {
        match self {
            Self::Sqlite(connection) => {
                let rows = for_sqlite(sql, values).fetch_all(&mut *connection).await?;
                Ok(rows.into_iter().map(Record::Sqlite).collect())
            }
            Self::Postgres(connection) => {
                let rows = for_postgres(sql, values).fetch_all(&mut *connection).await?;
                Ok(rows.into_iter().map(Record::Postgres).collect())
            }
        }
    }
}

/// A column of a record, whichever engine it is of.
macro_rules! column {
    ($record:expr, $place:expr) => {
        match $record {
            Record::Sqlite(row) => row.try_get($place),
            Record::Postgres(row) => row.try_get($place),
        }
    };
}

impl Record {
    pub(super) fn int(&self, place: usize) -> Result<i64, sqlx::Error> {
        column!(self, place)
    }

    pub(super) fn maybe_int(&self, place: usize) -> Result<Option<i64>, sqlx::Error> {
        column!(self, place)
    }

    pub(super) fn bytes(&self, place: usize) -> Result<&[u8], sqlx::Error> {
        column!(self, place)
    }

    pub(super) fn maybe_bytes(&self, place: usize) -> Result<Option<&[u8]>, sqlx::Error> {
        column!(self, place)
    }

    pub(super) fn text(&self, place: usize) -> Result<&str, sqlx::Error> {
        column!(self, place)
    }
}

/// What a statement's parameters are made of.
macro_rules! value_from {
    ($life:lifetime: $($type:ty => |$given:ident| $value:expr),+ $(,)?) => {
        $(impl<$life> From<$type> for Value<$life> {
            fn from($given: $type) -> Self {
                $value
            }
        })+
    };
}
value_from! {
    'a:
    i64 => |n| Self::Int(Some(n)),
    Option<i64> => |n| Self::Int(n),
    &'a [u8] => |bytes| Self::Bytes(Some(bytes)),
    &'a Vec<u8> => |bytes| Self::Bytes(Some(bytes)),
    Option<&'a [u8]> => |bytes| Self::Bytes(bytes),
    &'a str => |text| Self::Text(Some(text)),
    &'a String => |text| Self::Text(Some(text)),
}

impl<'a, const N: usize> From<&'a [u8; N]> for Value<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Bytes(Some(bytes))
    }
}

/// The parameters of one statement, in order.
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        [$($crate::store::connection::Value::from($value)),*]
    };
}
pub(super) use values;
