//! The server's own keys: shows which are published, writes them to a file for devices to pin, replaces them,
//! takes over those of another database, and has a TPM seal them. Private keys are not shown, and are written
//! to key files alone.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::{Value, json};
use vultus_protocol::api::{from_text, to_text};
use vultus_protocol::server_keys::TimedKey;
use vultus_protocol::{Envelope, ServerKeys};

use super::{Desk, Error, Outcome, absolute, table};
use crate::configuration::Configuration;
use crate::keys::{self, KeySource, Keys, Rotation};

#[derive(Subcommand)]
pub enum Action {
    /// Show the published keys.
    Show,
    /// Write all published sets to a file, a line of base64url each: what devices pin.
    Export {
        #[arg(long, value_parser = absolute)]
        out: PathBuf,
    },
    /// Make new keys. Devices learn of them before they count; running servers take them over by themselves.
    Rotate {
        /// For how long the keys of now count beside the new ones.
        #[arg(long, default_value_t = 168)]
        overlap_hours: u64,
        /// After how long the new keys count.
        #[arg(long, default_value_t = 60)]
        lead_minutes: u64,
    },
    /// Take over the sets that another database of this server published, from a file that `export` wrote
    /// there. Copy the key file from there first.
    Import {
        #[arg(long, value_parser = absolute)]
        from: PathBuf,
    },
    /// Write the private keys to a new file that this machine's TPM alone opens. The file of now stays.
    Seal {
        /// The TPM, such as device:/dev/tpmrm0.
        #[arg(long)]
        tpm: String,
        #[arg(long, value_parser = absolute)]
        out: PathBuf,
    },
}

pub async fn carry_out(desk: &Desk, configuration: &Configuration, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::Show => show(desk).await,
        Action::Export { out } => export(desk, &out).await,
        Action::Rotate { overlap_hours, lead_minutes } => {
            let rotation = Rotation {
                lead_s: lead_minutes.saturating_mul(60),
                overlap_s: overlap_hours.saturating_mul(3_600),
            };
            let source = configuration.keys.source();
            let keys = Keys::load(&source, &configuration.name, &desk.store, &desk.clock).await?;
            let version = keys.rotate(&desk.store, rotation).await?;
            let text = format!("The keys of version {version} are published. Export them for new devices.");
            Ok(Outcome::done(text, json!({ "ok": true, "version": version })))
        }
        Action::Import { from } => import(desk, configuration, &from).await,
        Action::Seal { tpm, out } => seal(configuration, tpm, out).await,
    }
}

async fn show(desk: &Desk) -> Result<Outcome, Error> {
    let sets = desk.store.key_sets().await?;
    let Some((version, packet)) = sets.last() else {
        return Ok(Outcome::refused("no keys are published yet: start the server"));
    };
    let envelope = Envelope::<ServerKeys>::parse(packet)?;
    let set = envelope.claimed();
    let kinds = [("signing", &set.signing), ("sealing", &set.sealing)];
    let all = kinds.iter().flat_map(|(kind, keys)| keys.iter().map(move |key| (*kind, *key)));
    let (rows, objects): (Vec<_>, Vec<_>) = all.map(|(kind, key)| described(kind, &key)).unzip();
    let text = format!(
        "{}, version {version}\n{}",
        set.server,
        table(&["kind", "key", "not before", "not after"], &rows)
    );
    let server = set.server.as_str();
    Ok(Outcome::done(text, json!({ "ok": true, "server": server, "version": version, "keys": objects })))
}

fn described(kind: &str, key: &TimedKey) -> (Vec<String>, Value) {
    let id = key.key.id().to_string();
    let object = json!({
        "kind": kind,
        "key": id,
        "not_before": key.not_before,
        "not_after": key.not_after,
    });
    (vec![kind.to_owned(), id, key.not_before.to_string(), key.not_after.to_string()], object)
}

async fn export(desk: &Desk, out: &Path) -> Result<Outcome, Error> {
    let sets = desk.store.key_sets().await?;
    if sets.is_empty() {
        return Ok(Outcome::refused("no keys are published yet: start the server"));
    }
    let lines: String = sets.iter().map(|(_, packet)| format!("{}\n", to_text(packet))).collect();
    // Whoever reads it meanwhile reads the old sets or the new ones.
    let mut temporary = out.as_os_str().to_owned();
    temporary.push(".new");
    fs::write(&temporary, lines)?;
    fs::rename(&temporary, out)?;
    let text = format!("{} sets are in {}", sets.len(), out.display());
    Ok(Outcome::done(text, json!({ "ok": true, "sets": sets.len(), "file": out.to_string_lossy() })))
}

async fn import(desk: &Desk, configuration: &Configuration, from: &Path) -> Result<Outcome, Error> {
    let text = fs::read_to_string(from).map_err(|e| format!("{}: {e}", from.display()))?;
    let packets = text.lines().map(from_text).collect::<Result<Vec<_>, _>>()?;
    if packets.is_empty() {
        return Ok(Outcome::refused("the file holds no sets of keys"));
    }
    let (source, name, now) = (configuration.keys.source(), &configuration.name, desk.clock.now());
    let taken = keys::import(&source, name, &desk.store, packets, now).await?;
    let text = format!("{taken} sets were taken over. Running servers follow within a minute.");
    Ok(Outcome::done(text, json!({ "ok": true, "taken": taken })))
}

async fn seal(configuration: &Configuration, tcti: String, out: PathBuf) -> Result<Outcome, Error> {
    let sealed = KeySource::Tpm { tcti, file: out.clone() };
    keys::seal(&configuration.keys.source(), &sealed).await?;
    let text = format!(
        "The keys are sealed in {}. Name it and the TPM under `keys` in the configuration, see that the server \
         starts, then remove the old file.",
        out.display()
    );
    Ok(Outcome::done(text, json!({ "ok": true, "file": out.to_string_lossy() })))
}
