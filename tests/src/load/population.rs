//! Very many registered accounts, each on a device of its own, put into a server's database past the server.
//!
//! They share one service key and one feature token, which spares a million keys and changes nothing for the
//! server: it keeps nothing of a key from one request to the next. Devices, accounts and their names are all
//! different, so that each authentication finds its rows anew.

use std::error::Error;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection, Executor};
use vultus_protocol::api::Opened;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge};
use vultus_protocol::{AccountName, Envelope, FeatureToken, PairwiseDevice, VirtualAccount};

use super::Site;
use super::client::{Failure, packet_of};
use crate::soft_device::{Account, DeviceError, now};

/// Rows of one statement.
const AT_ONCE: usize = 50_000;
/// What is packed for each row: virtual account, pairwise device, device identity, endorsement.
const PACKED: usize = 16 + 16 + 16 + 32;

/// $1: what is packed for the rows. $2: the number of the first of them. $3: how many. $4: the service. $5:
/// the feature token. $6: the public key. $7: the time. Kinds and statuses are the numbers of the store's
/// `model`.
const FILL_KEYS: &str = "INSERT INTO service_keys
         (service, account, virtual_account, device, device_identity, biometric, feature_token, public_key,
          status, registered_at)
     WITH RECURSIVE counted (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < $3)
     SELECT $4, 'account ' || ($2 + i), substr($1, i * 80 + 1, 16), substr($1, i * 80 + 17, 16),
            substr($1, i * 80 + 33, 16), 1, $5, $6, 1, $7
     FROM counted";
/// $1 and $2: the packed parts and their number. $3: what the device says of itself. $4: the public key. $5: the
/// time. A pairwise secret is of parts of the row that are random anyway: no two devices have the same.
const FILL_DEVICES: &str = "INSERT INTO devices
         (identity, public_key, attestation_point, pairwise_secret, manufacturer, model, tpm_vendor,
          endorsement, status, status_at, enrolled_at)
     WITH RECURSIVE counted (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM counted WHERE i + 1 < $2)
     SELECT substr($1, i * 80 + 33, 16), $4, $4, substr($1, i * 80 + 33, 32), $3, $3, $3,
         substr($1, i * 80 + 49, 32), 1, $5, $5
     FROM counted";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Population {
    account: Account,
    devices: Vec<PairwiseDevice>,
    turn: AtomicU64,
}

impl Population {
    pub fn empty() -> Result<Self> {
        let account = Account::new(FeatureToken::new([1; 32]))?;
        Ok(Self { account, devices: Vec::new(), turn: AtomicU64::new(0) })
    }

    /// Registers more accounts, until there are so many. No server should be at work meanwhile.
    pub async fn grow(&mut self, site: &Site, accounts: usize) -> Result<()> {
        // Its connections end with this statement, before the rows are written.
        let secret = site.store("load").await?.account_secret().await?;
        let mut door = Door::open(&site.database).await?;
        while self.devices.len() < accounts {
            let (first, count) = (self.devices.len(), AT_ONCE.min(accounts - self.devices.len()));
            let packed = self.pack(site, &secret, first, count)?;
            door.fill_keys(site, &self.account, &packed, first, count).await?;
            door.fill_devices(&self.account, &packed, count).await?;
        }
        door.settle().await
    }

    /// The parts of the rows that are different in each, and the devices for later.
    fn pack(&mut self, site: &Site, secret: &[u8; 32], first: usize, count: usize) -> Result<Vec<u8>> {
        let mut packed = vec![0; count * PACKED];
        getrandom::fill(&mut packed).map_err(|_| "no random bytes")?;
        for (i, row) in packed.chunks_exact_mut(PACKED).enumerate() {
            let name = AccountName::new(format!("account {}", first + i))?;
            let account = VirtualAccount::of(secret, &site.service, &name);
            row[..16].copy_from_slice(account.as_bytes());
            self.devices.push(PairwiseDevice::from_slice(&row[16..32])?);
        }
        Ok(packed)
    }

    /// Each device once, in an order without a pattern, and then again.
    pub fn pick(&self) -> PairwiseDevice {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        // Steps of the golden ratio: no two that follow each other lie close together in an index.
        let place = (turn.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16) % self.devices.len().max(1) as u64;
        self.devices.get(place as usize).copied().unwrap_or(PairwiseDevice::new([0; 16]))
    }

    /// The packet that answers a challenge. The server's signature is not checked: that would be load on the
    /// wrong side.
    pub fn answer(&self, opened: &Opened) -> std::result::Result<Vec<u8>, Failure> {
        let envelope =
            Envelope::<AuthenticationInfo>::parse(&packet_of(opened)?).map_err(DeviceError::from)?;
        let challenge: Challenge = envelope.claimed().clone().into();
        Ok(self.account.answer(&challenge)?)
    }
}

/// A connection to the tables, without the server's ways of writing.
enum Door {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

/// The same for both engines.
macro_rules! through {
    ($door:expr, $connection:ident => $work:expr) => {
        match $door {
            Door::Sqlite($connection) => {
                $work;
            }
            Door::Postgres($connection) => {
                $work;
            }
        }
    };
}

impl Door {
    async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            // Filling is not what is measured: it waits for no disk, and keeps the indices in memory.
            let options = SqliteConnectOptions::from_str(url)?
                .pragma("synchronous", "OFF")
                .pragma("cache_size", "-400000")
                .disable_statement_logging();
            Ok(Self::Sqlite(options.connect().await?))
        } else {
            let options = PgConnectOptions::from_str(url)?.disable_statement_logging();
            let mut connection = options.connect().await?;
            connection.execute("SET synchronous_commit = off").await?;
            Ok(Self::Postgres(connection))
        }
    }

    async fn fill_keys(
        &mut self,
        site: &Site,
        account: &Account,
        packed: &[u8],
        first: usize,
        count: usize,
    ) -> Result<()> {
        let (token, key) =
            (account.token().as_bytes().as_slice(), account.public_key().as_bytes().as_slice());
        through!(self, connection => {
            sqlx::query(FILL_KEYS)
                .bind(packed)
                .bind(first as i64)
                .bind(count as i64)
                .bind(site.service.as_str())
                .bind(token)
                .bind(key)
                .bind(now() as i64)
                .execute(&mut *connection)
                .await?
        });
        Ok(())
    }

    async fn fill_devices(&mut self, account: &Account, packed: &[u8], count: usize) -> Result<()> {
        let key = account.public_key().as_bytes().as_slice();
        let nobody = "a row of a benchmark";
        through!(self, connection => {
            sqlx::query(FILL_DEVICES)
                .bind(packed)
                .bind(count as i64)
                .bind(nobody)
                .bind(key)
                .bind(now() as i64)
                .execute(&mut *connection)
                .await?
        });
        Ok(())
    }

    /// What would otherwise be done sometime, in the middle of what is measured.
    async fn settle(self) -> Result<()> {
        match self {
            Self::Sqlite(mut connection) => {
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").await?;
                connection.close().await?;
            }
            Self::Postgres(mut connection) => {
                connection.execute("VACUUM (ANALYZE)").await?;
                connection.execute("CHECKPOINT").await?;
                connection.close().await?;
            }
        }
        Ok(())
    }
}

/// Bytes of the database on the disk.
pub async fn size(site: &Site) -> Result<u64> {
    match Door::open(&site.database).await? {
        Door::Sqlite(_) => Ok(std::fs::metadata(site.database_file())?.len()),
        Door::Postgres(mut connection) => {
            let asked = sqlx::query_scalar("SELECT pg_database_size(current_database())");
            let bytes: i64 = asked.fetch_one(&mut connection).await?;
            Ok(u64::try_from(bytes)?)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_device_has_its_turn() {
        let mut population = Population::empty().unwrap();
        population.devices = (0..10_u8).map(|i| PairwiseDevice::new([i; 16])).collect();
        let mut seen: Vec<u8> = (0..1_000).map(|_| population.pick().as_bytes()[0]).collect();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen, (0..10).collect::<Vec<u8>>());
    }
}
