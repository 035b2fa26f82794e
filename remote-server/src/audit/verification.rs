//! Reads the audit log from its first row to its last, and says whether it is what was written: every hash is
//! computed again, and every checkpoint's signature and hash compared. It repairs nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use vultus_protocol::api::from_text;
use vultus_protocol::{Envelope, KeyId, PublicKey};

use super::{AuditError, Checkpoint, Head, Row, link};
use crate::store::Store;

/// How many rows are read at a time.
const PAGE: i64 = 1000;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// By their names; those before the flaw, where there is one.
    pub instances: Vec<Chain>,
    /// The first flaw.
    pub broken: Option<Broken>,
    /// How many checkpoints the file has, where they are sound. Those of the database alone prove little.
    pub from_file: usize,
}

/// One instance's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Chain {
    pub instance: String,
    pub rows: u64,
    pub checkpoints: usize,
    /// Where it ends, as every hash was computed again.
    #[serde(skip)]
    pub end: Head,
}

/// Where the log is not what was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Empty where a checkpoint of the file does not say.
    pub instance: String,
    pub sequence: i64,
    pub why: Flaw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    #[error("a row is missing, or was put where none belongs")]
    Gap,
    #[error("the row was changed")]
    Altered,
    #[error("the chain ends before its newest checkpoint")]
    Truncated,
    #[error("the row is not the one that a checkpoint was signed for")]
    Rewritten,
    #[error("a checkpoint is not signed by a key of this server, or is none")]
    Forged,
}

/// For each instance, the signed hashes by sequence.
type Checkpoints = BTreeMap<String, BTreeMap<i64, [u8; 32]>>;

/// Reads everything; `key` finds the public keys that ever signed for this server. `file` has the
/// checkpoints that were kept elsewhere, one a line.
pub async fn verify(
    store: &Store,
    key: impl Fn(KeyId) -> Option<PublicKey>,
    file: Option<&Path>,
) -> Result<Report, AuditError> {
    let mut report = Report { instances: Vec::new(), broken: None, from_file: 0 };
    let checkpoints = match collect(store, &key, file).await? {
        Ok((checkpoints, from_file)) => {
            report.from_file = from_file;
            checkpoints
        }
        Err(broken) => return Ok(Report { broken: Some(broken), ..report }),
    };
    let mut names: BTreeSet<String> = store.instances().await?.into_iter().collect();
    names.extend(checkpoints.keys().cloned());
    let none = BTreeMap::new();
    for instance in names {
        let signed = checkpoints.get(&instance).unwrap_or(&none);
        match walk(store, &instance, signed).await? {
            Ok(end) => {
                let rows = u64::try_from(end.sequence).unwrap_or(0);
                report.instances.push(Chain { instance, rows, checkpoints: signed.len(), end });
            }
            Err((sequence, why)) => {
                report.broken = Some(Broken { instance, sequence, why });
                return Ok(report);
            }
        }
    }
    Ok(report)
}

/// The checkpoints of the database and of the file, where every one of them is signed; and how many the file
/// has.
async fn collect(
    store: &Store,
    key: &impl Fn(KeyId) -> Option<PublicKey>,
    file: Option<&Path>,
) -> Result<Result<(Checkpoints, usize), Broken>, AuditError> {
    let mut checkpoints = Checkpoints::new();
    for (instance, sequence, packet) in store.checkpoints().await? {
        let sound = signed(&packet, key).filter(|c| c.instance == instance && place(c) == sequence);
        if let Err(why) = sound.map_or(Err(Flaw::Forged), |c| add(&mut checkpoints, &c)) {
            return Ok(Err(Broken { instance, sequence, why }));
        }
    }
    let Some(file) = file else { return Ok(Ok((checkpoints, 0))) };
    let mut from_file = 0;
    for line in std::fs::read_to_string(file)?.lines() {
        let sound = from_text(line).ok().and_then(|packet| signed(&packet, key));
        let (instance, sequence) = sound.as_ref().map(|c| (c.instance.clone(), place(c))).unwrap_or_default();
        if let Err(why) = sound.map_or(Err(Flaw::Forged), |c| add(&mut checkpoints, &c)) {
            return Ok(Err(Broken { instance, sequence, why }));
        }
        from_file += 1;
    }
    Ok(Ok((checkpoints, from_file)))
}

fn signed(packet: &[u8], key: &impl Fn(KeyId) -> Option<PublicKey>) -> Option<Checkpoint> {
    let envelope = Envelope::<Checkpoint>::parse(packet).ok()?;
    let key = key(envelope.key())?;
    envelope.verify(&key).ok()
}

/// Two checkpoints of one row that differ are of two histories.
fn add(checkpoints: &mut Checkpoints, checkpoint: &Checkpoint) -> Result<(), Flaw> {
    let of_instance = checkpoints.entry(checkpoint.instance.clone()).or_default();
    let former = of_instance.insert(place(checkpoint), *checkpoint.hash);
    if former.is_none_or(|former| former == *checkpoint.hash) { Ok(()) } else { Err(Flaw::Rewritten) }
}

fn place(checkpoint: &Checkpoint) -> i64 {
    i64::try_from(checkpoint.sequence).unwrap_or(i64::MAX)
}

/// Where a chain ends, or the first row that is not as it was written.
async fn walk(
    store: &Store,
    instance: &str,
    signed: &BTreeMap<i64, [u8; 32]>,
) -> Result<Result<Head, (i64, Flaw)>, AuditError> {
    let mut head = Head::START;
    // What somebody put before the first row is to be seen too.
    let mut from = i64::MIN;
    loop {
        let page = store.audit_rows(instance, from, PAGE).await?;
        for row in &page {
            match follow(head, row, signed) {
                Ok(next) => head = next,
                Err(why) => return Ok(Err((row.sequence, why))),
            }
        }
        if page.is_empty() {
            break;
        }
        from = head.sequence + 1;
    }
    if signed.last_key_value().is_some_and(|(newest, _)| *newest > head.sequence) {
        return Ok(Err((head.sequence + 1, Flaw::Truncated)));
    }
    Ok(Ok(head))
}

/// The end of the chain with that row, where it belongs there.
fn follow(head: Head, row: &Row, signed: &BTreeMap<i64, [u8; 32]>) -> Result<Head, Flaw> {
    if row.sequence != head.sequence + 1 {
        return Err(Flaw::Gap);
    }
    let hash = link(&row.instance, row.sequence, &head.hash, &row.body);
    if row.previous != head.hash || row.hash != hash || row.entry().is_none() {
        return Err(Flaw::Altered);
    }
    if signed.get(&row.sequence).is_some_and(|at_that_time| *at_that_time != hash) {
        return Err(Flaw::Rewritten);
    }
    Ok(Head { sequence: row.sequence, hash })
}
