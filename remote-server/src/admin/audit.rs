//! The audit log: checks it from end to end, and signs where its chains end. It changes no row of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::json;
use vultus_protocol::api::from_text;
use vultus_protocol::{Envelope, KeyId, PinnedServer, PublicKey, ServerKeys, ServerName};

use super::{Desk, Done, Error, Outcome, absolute, table};
use crate::audit::{AuditError, Chain, Checkpoint, Report, verify};
use crate::configuration::Configuration;
use crate::keys::{KeyError, Keys};
use crate::store::Store;

#[derive(Subcommand)]
pub enum Action {
    /// Compute every hash again, and compare every checkpoint.
    Verify {
        /// Checkpoints that were kept elsewhere; without it, those of the configuration's file.
        #[arg(long, value_parser = absolute)]
        checkpoints: Option<PathBuf>,
        /// The exported key sets to believe; without it, those in the database.
        #[arg(long, value_parser = absolute)]
        keys: Option<PathBuf>,
    },
    /// Sign where every chain ends now.
    Checkpoint,
}

/// Why the end of a chain was not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error("the keys: {0}")]
    Keys(#[from] KeyError),
}

pub async fn carry_out(desk: &Desk, configuration: &Configuration, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::Verify { checkpoints, keys } => {
            let configured = configuration.audit_checkpoints.clone().filter(|file| file.exists());
            let known = known_keys(desk, keys.as_deref()).await?;
            let file = checkpoints.or(configured);
            let report = verify(&desk.store, |id| known.get(&id).copied(), file.as_deref()).await?;
            found(&report)
        }
        Action::Checkpoint => sign_all(desk, configuration).await,
    }
}

fn found(report: &Report) -> Result<Outcome, Error> {
    let row =
        |chain: &Chain| vec![chain.instance.clone(), chain.rows.to_string(), chain.checkpoints.to_string()];
    let rows: Vec<Vec<String>> = report.instances.iter().map(row).collect();
    let mut text = table(&["instance", "rows", "checkpoints"], &rows);
    let mut json = json!({ "ok": report.broken.is_none(), "report": serde_json::to_value(report)? });
    let done = match &report.broken {
        None => Done::Yes,
        Some(broken) => {
            let why = format!("broken at {:?}, row {}: {}", broken.instance, broken.sequence, broken.why);
            text.push_str(&format!("\n{why}"));
            json["error"] = why.into();
            Done::No
        }
    };
    Ok(Outcome { text, json, done })
}

async fn sign_all(desk: &Desk, configuration: &Configuration) -> Result<Outcome, Error> {
    let keys =
        Keys::load(&configuration.keys.source(), &configuration.name, &desk.store, &desk.clock).await?;
    let file = configuration.audit_checkpoints.as_deref();
    let mut rows = Vec::new();
    for instance in desk.store.instances().await? {
        let (name, at) = (&configuration.name, desk.clock.now());
        if let Some(sequence) = sign_end(&desk.store, &keys, name, &instance, file, at).await? {
            rows.push(vec![instance, sequence.to_string()]);
        }
    }
    let objects: Vec<_> = rows.iter().map(|row| json!({ "instance": row[0], "sequence": row[1] })).collect();
    Ok(Outcome::done(table(&["instance", "row"], &rows), json!({ "ok": true, "checkpoints": objects })))
}

/// Signs where one instance's chain ends, and keeps that in the database and the file. The row it is about;
/// nothing where the chain has none.
pub async fn sign_end(
    store: &Store,
    keys: &Keys,
    name: &ServerName,
    instance: &str,
    file: Option<&Path>,
    at: u64,
) -> Result<Option<u64>, SignError> {
    let draft = Checkpoint::draft(store, name, instance, at).await.map_err(AuditError::from)?;
    let Some(checkpoint) = draft else { return Ok(None) };
    let packet = keys.sign(&checkpoint)?;
    checkpoint.keep(store, &packet, file).await?;
    Ok(Some(checkpoint.sequence))
}

/// What a command changed is signed for before it ends, since nobody else writes under its name. That this
/// fails is said, and undoes nothing.
pub async fn sign_off(desk: &Desk, configuration: &Configuration) {
    let signed = async {
        if desk.store.audit_end(desk.store.instance()).await.map_err(AuditError::from)?.is_none() {
            return Ok(());
        }
        let source = configuration.keys.source();
        let keys = Keys::load(&source, &configuration.name, &desk.store, &desk.clock).await?;
        let (file, at) = (configuration.audit_checkpoints.as_deref(), desk.clock.now());
        sign_end(&desk.store, &keys, &configuration.name, desk.store.instance(), file, at).await.map(|_| ())
    };
    let signed: Result<(), SignError> = signed.await;
    if let Err(error) = signed {
        eprintln!("vultus-server: done, but no audit checkpoint could be signed: {error}");
    }
}

/// Every key that ever signed for this server, by sets that follow from one another.
async fn known_keys(desk: &Desk, file: Option<&Path>) -> Result<HashMap<KeyId, PublicKey>, Error> {
    let packets = match file {
        Some(file) => {
            let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
            text.lines().map(from_text).collect::<Result<Vec<_>, _>>()?
        }
        None => desk.store.key_sets().await?.into_iter().map(|(_, packet)| packet).collect(),
    };
    let mut pinned: Option<PinnedServer> = None;
    let mut known = HashMap::new();
    for packet in &packets {
        pinned = Some(match pinned {
            None => PinnedServer::first(packet)?,
            Some(before) => before.rotate(packet, desk.clock.now())?,
        });
        // It was verified just now.
        let envelope = Envelope::<ServerKeys>::parse(packet)?;
        known.extend(envelope.claimed().signing.iter().map(|timed| (timed.key.id(), timed.key)));
    }
    Ok(known)
}
