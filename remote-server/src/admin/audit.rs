//! The audit log: checks it from end to end, and signs where its chains end. It changes no row of it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;
use vultus_protocol::api::from_text;
use vultus_protocol::{Envelope, KeyId, PinnedServer, PublicKey, ServerKeys, ServerName};

use super::{Desk, Done, Error, Outcome, absolute, table};
use crate::audit::{AuditError, Broken, Chain, Checkpoint, Flaw, Report, verify};
use crate::configuration::Configuration;
use crate::keys::{self, KeyError, Keys};
use crate::store::Store;

#[derive(Subcommand)]
pub enum Action {
    /// Compute every hash again, and compare every checkpoint.
    Verify(Believed),
    /// Verify, and sign where every chain ends now.
    Checkpoint(Believed),
}

// What the log is compared with. A comment for clap would take the place of the command's own.
#[derive(Args)]
pub struct Believed {
    /// Checkpoints that were kept elsewhere; without it, those of the configuration's file.
    #[arg(long, value_parser = absolute)]
    checkpoints: Option<PathBuf>,
    /// Leave the configuration's file of checkpoints out, such as where there is none yet.
    #[arg(long, conflicts_with = "checkpoints")]
    no_checkpoints: bool,
    /// The exported key sets to believe; without it, those that the keys of the server's key file vouch for.
    #[arg(long, value_parser = absolute)]
    keys: Option<PathBuf>,
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
        Action::Verify(believed) => {
            let report = report(desk, configuration, &believed).await?;
            found(&report, &believed)
        }
        Action::Checkpoint(believed) => sign_all(desk, configuration, &believed).await,
    }
}

/// Reads the whole log. A file of checkpoints that is not there is an error: who took it away may have
/// changed the log as well.
async fn report(desk: &Desk, configuration: &Configuration, believed: &Believed) -> Result<Report, Error> {
    let configured = configuration.audit_checkpoints.as_deref().filter(|_| !believed.no_checkpoints);
    let file = believed.checkpoints.as_deref().or(configured);
    let known = match &believed.keys {
        Some(file) => exported_keys(file, desk.clock.now())?,
        None => own_keys(desk, configuration).await?,
    };
    let verified = verify(&desk.store, |id| known.get(&id).copied(), file).await;
    verified.map_err(|error| match (error, file) {
        (AuditError::File(e), Some(file)) => format!("the checkpoints {}: {e}", file.display()).into(),
        (error, _) => error.into(),
    })
}

fn found(report: &Report, believed: &Believed) -> Result<Outcome, Error> {
    let row =
        |chain: &Chain| vec![chain.instance.clone(), chain.rows.to_string(), chain.checkpoints.to_string()];
    let rows: Vec<Vec<String>> = report.instances.iter().map(row).collect();
    let mut text = table(&["instance", "rows", "checkpoints"], &rows);
    text.push_str(&format!("\ncheckpoints from the file: {}", report.from_file));
    let mut json = json!({ "ok": report.broken.is_none(), "report": serde_json::to_value(report)? });
    let done = match &report.broken {
        None => Done::Yes,
        Some(broken) => {
            let why = flaw(broken, believed);
            text.push_str(&format!("\n{why}"));
            json["error"] = why.into();
            Done::No
        }
    };
    Ok(Outcome { text, json, done })
}

fn flaw(broken: &Broken, believed: &Believed) -> String {
    let why = format!("broken at {:?}, row {}: {}", broken.instance, broken.sequence, broken.why);
    // Keys that ended long ago are in no key file any more.
    let older = broken.why == Flaw::Forged && believed.keys.is_none();
    if older { format!("{why}; if an older key signed it, give the exported sets: --keys FILE") } else { why }
}

/// Signs each chain where it was verified to end, and nothing where any of them is broken.
async fn sign_all(desk: &Desk, configuration: &Configuration, believed: &Believed) -> Result<Outcome, Error> {
    let report = report(desk, configuration, believed).await?;
    if report.broken.is_some() {
        let broken = found(&report, believed)?;
        return Ok(Outcome { text: format!("{}\nnothing is signed", broken.text), ..broken });
    }
    let keys =
        Keys::load(&configuration.keys.source(), &configuration.name, &desk.store, &desk.clock).await?;
    let (name, file) = (&configuration.name, configuration.audit_checkpoints.as_deref());
    let mut rows = Vec::new();
    for Chain { instance, end, .. } in report.instances.iter().filter(|chain| chain.rows > 0) {
        let checkpoint = Checkpoint::new(name.clone(), instance, *end, desk.clock.now());
        checkpoint.keep(&desk.store, &keys.sign(&checkpoint)?, file).await?;
        rows.push(vec![instance.clone(), checkpoint.sequence.to_string()]);
    }
    let objects: Vec<_> = rows.iter().map(|row| json!({ "instance": row[0], "sequence": row[1] })).collect();
    Ok(Outcome::done(table(&["instance", "row"], &rows), json!({ "ok": true, "checkpoints": objects })))
}

/// Signs where the chain of this process ends, by what it wrote itself, and keeps that in the database and
/// the file. The row it is about; nothing where the chain has none.
pub async fn sign_end(
    store: &Store,
    keys: &Keys,
    name: &ServerName,
    file: Option<&Path>,
    at: u64,
) -> Result<Option<u64>, SignError> {
    let Some(checkpoint) = Checkpoint::of_writer(store, name, at).await? else { return Ok(None) };
    let packet = keys.sign(&checkpoint)?;
    checkpoint.keep(store, &packet, file).await?;
    Ok(Some(checkpoint.sequence))
}

/// What a command changed is signed for before it ends, since nobody else writes under its name. That this
/// fails is said, and undoes nothing.
pub async fn sign_off(desk: &Desk, configuration: &Configuration) {
    let signed = async {
        if desk.store.head().0 == 0 {
            return Ok(());
        }
        let source = configuration.keys.source();
        let keys = Keys::load(&source, &configuration.name, &desk.store, &desk.clock).await?;
        let (file, at) = (configuration.audit_checkpoints.as_deref(), desk.clock.now());
        sign_end(&desk.store, &keys, &configuration.name, file, at).await.map(|_| ())
    };
    let signed: Result<(), SignError> = signed.await;
    if let Err(error) = signed {
        eprintln!("vultus-server: done, but no audit checkpoint could be signed: {error}");
    }
}

/// What the keys of the server's own file vouch for: the database alone could say anything.
async fn own_keys(desk: &Desk, configuration: &Configuration) -> Result<HashMap<KeyId, PublicKey>, Error> {
    let sets: Vec<_> = desk.store.key_sets().await?.into_iter().map(|(_, packet)| packet).collect();
    let known = keys::believed(&configuration.keys.source(), &configuration.name, &sets).await;
    known.map_err(|e| format!("{e} (or give the exported sets: --keys FILE)").into())
}

/// Every key of sets that follow from one another, as whoever exported them wrote them down.
fn exported_keys(file: &Path, now: u64) -> Result<HashMap<KeyId, PublicKey>, Error> {
    let text = std::fs::read_to_string(file).map_err(|e| format!("{}: {e}", file.display()))?;
    let mut pinned: Option<PinnedServer> = None;
    let mut known = HashMap::new();
    for line in text.lines() {
        let packet = from_text(line)?;
        pinned = Some(match pinned {
            None => PinnedServer::first(&packet)?,
            Some(before) => before.rotate(&packet, now)?,
        });
        // It was verified just now.
        let envelope = Envelope::<ServerKeys>::parse(&packet)?;
        known.extend(envelope.claimed().signing.iter().map(|timed| (timed.key.id(), timed.key)));
    }
    Ok(known)
}
