//! A signed statement of where a chain was at a time. Kept away from the database, it shows what was cut off
//! or written anew before it. What comes after the newest one it cannot show.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use minicbor::bytes::ByteArray;
use minicbor::{CborLen, Decode, Encode};
use vultus_protocol::api::to_text;
use vultus_protocol::{Context, Message, ServerName};

use super::{AuditError, Head};
use crate::store::{Store, StoreError};

/// Signed by the server's signing key.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, CborLen)]
#[cbor(map)]
pub struct Checkpoint {
    #[n(1)]
    pub server: ServerName,
    #[n(2)]
    pub instance: String,
    /// Of the chain's last row.
    #[n(3)]
    pub sequence: u64,
    #[n(4)]
    pub hash: ByteArray<32>,
    /// When it was signed.
    #[n(5)]
    pub at: u64,
}

impl Message for Checkpoint {
    const CONTEXT: Context = Context("vultus/1 audit-checkpoint");
    const CAP: usize = 512;
}

impl Checkpoint {
    pub fn new(server: ServerName, instance: &str, head: Head, at: u64) -> Self {
        let sequence = u64::try_from(head.sequence).unwrap_or(0);
        Self { server, instance: instance.to_owned(), sequence, hash: head.hash.into(), at }
    }

    /// Where an instance's chain ends now, to be signed; nothing where it has no rows.
    pub async fn draft(
        store: &Store,
        server: &ServerName,
        instance: &str,
        at: u64,
    ) -> Result<Option<Self>, StoreError> {
        let end = store.audit_end(instance).await?;
        Ok(end.map(|(sequence, hash)| Self::new(server.clone(), instance, Head { sequence, hash }, at)))
    }

    /// Where the chain ends that this process itself writes, to be signed; nothing where it has no rows. What
    /// the database says must agree: rows that were written since may follow, and none may have changed.
    pub async fn of_writer(store: &Store, server: &ServerName, at: u64) -> Result<Option<Self>, AuditError> {
        let (instance, (sequence, hash)) = (store.instance(), store.head());
        let head = Head { sequence, hash };
        let not_as_written = || AuditError::NotAsWritten { instance: instance.to_owned(), sequence };
        if head == Head::START {
            return Ok(None);
        }
        let rows = store.audit_rows(instance, sequence, 1).await?;
        let found = rows.first().ok_or_else(not_as_written)?;
        if found.sequence != sequence || found.hash != hash {
            return Err(not_as_written());
        }
        Ok(Some(Self::new(server.clone(), instance, head, at)))
    }

    /// Keeps the signed packet in the database, and as a line of base64url in a file, where there is one:
    /// best on another machine.
    pub async fn keep(&self, store: &Store, packet: &[u8], file: Option<&Path>) -> Result<(), AuditError> {
        if let Some(file) = file {
            append(file, packet)?;
        }
        let sequence = i64::try_from(self.sequence).unwrap_or(i64::MAX);
        Ok(store.put_checkpoint(&self.instance, sequence, packet.to_vec()).await?)
    }
}

fn append(path: &Path, packet: &[u8]) -> Result<(), std::io::Error> {
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.write_all(format!("{}\n", to_text(packet)).as_bytes())?;
    file.sync_data()
}
