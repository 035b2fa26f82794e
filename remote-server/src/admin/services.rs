//! Services of relying parties: adds them, suspends them, gives them new keys. An API key is shown or written
//! once, when it is made; the database keeps its hash alone.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};
use vultus_protocol::{Liveness, ServiceName};

use super::{Desk, Error, Outcome, absolute, service_name, table};
use crate::http::{ApiKey, Fingerprint, tls};
use crate::store::model::{Service, ServiceStatus};

#[derive(Subcommand)]
pub enum Action {
    /// Add a service. It gets an API key, unless it is known by a certificate alone.
    Add {
        #[arg(value_parser = service_name)]
        name: ServiceName,
        /// Write the API key to this new file instead of showing it.
        #[arg(long, value_parser = absolute)]
        api_key_file: Option<PathBuf>,
        /// A PEM file: the certificate by which the service is known.
        #[arg(long, value_parser = absolute)]
        certificate: Option<PathBuf>,
        /// The least liveness that devices must have judged, by their own word.
        #[arg(long, default_value = "none")]
        liveness: Judged,
    },
    /// List all services.
    List,
    /// Refuse a service until it is resumed.
    Suspend {
        #[arg(value_parser = service_name)]
        name: ServiceName,
    },
    /// Let a suspended service in again.
    Resume {
        #[arg(value_parser = service_name)]
        name: ServiceName,
    },
    /// Give a service a new API key; the one before counts no more.
    RotateKey {
        #[arg(value_parser = service_name)]
        name: ServiceName,
        /// Write the API key to this new file instead of showing it.
        #[arg(long, value_parser = absolute)]
        api_key_file: Option<PathBuf>,
    },
}

#[derive(Clone, Copy, ValueEnum)]
pub enum Judged {
    None,
    Passive,
    Active,
}

impl From<Judged> for Liveness {
    fn from(judged: Judged) -> Self {
        match judged {
            Judged::None => Self::None,
            Judged::Passive => Self::Passive,
            Judged::Active => Self::Active,
        }
    }
}

pub async fn carry_out(desk: &Desk, action: Action) -> Result<Outcome, Error> {
    match action {
        Action::Add { name, api_key_file, certificate, liveness } => {
            add(desk, name, api_key_file.as_deref(), certificate.as_deref(), liveness.into()).await
        }
        Action::List => list(desk).await,
        Action::Suspend { name } => set(desk, name, ServiceStatus::Suspended, "service-suspended").await,
        Action::Resume { name } => set(desk, name, ServiceStatus::Active, "service-resumed").await,
        Action::RotateKey { name, api_key_file } => rotate(desk, name, api_key_file.as_deref()).await,
    }
}

async fn add(
    desk: &Desk,
    name: ServiceName,
    key_file: Option<&Path>,
    certificate: Option<&Path>,
    liveness: Liveness,
) -> Result<Outcome, Error> {
    if desk.store.service(&name).await?.is_some() {
        return Ok(Outcome::refused("there is such a service already"));
    }
    let certificate = certificate.map(fingerprint).transpose()?;
    // Who is known by a certificate gets no key that nobody asked for.
    let wanted = certificate.is_none() || key_file.is_some();
    let key = wanted.then(ApiKey::generate).transpose()?;
    let handed = key.as_ref().map(|key| hand_over(key, key_file)).transpose()?;
    let service = Service {
        name: name.clone(),
        status: ServiceStatus::Active,
        api_key_hash: key.as_ref().map(ApiKey::hash),
        certificate,
        policy_liveness: liveness,
        created_at: desk.clock.now(),
    };
    desk.store.put_service(service, desk.event("service-added", Some(name.clone()))).await?;
    Ok(told(&name, "added", handed))
}

async fn rotate(desk: &Desk, name: ServiceName, key_file: Option<&Path>) -> Result<Outcome, Error> {
    if desk.store.service(&name).await?.is_none() {
        return Ok(Outcome::refused("there is no such service"));
    }
    let key = ApiKey::generate()?;
    let handed = hand_over(&key, key_file)?;
    let event = desk.event("service-key-rotated", Some(name.clone()));
    // Its status stays what another command may make of it meanwhile.
    if !desk.store.set_service_api_key(&name, &key.hash(), event).await? {
        return Ok(Outcome::refused("there is no such service"));
    }
    Ok(told(&name, "has a new key", Some(handed)))
}

async fn set(
    desk: &Desk,
    name: ServiceName,
    status: ServiceStatus,
    what: &'static str,
) -> Result<Outcome, Error> {
    let event = desk.event(what, Some(name.clone()));
    let changed = desk.store.set_service_status(&name, status, event).await?;
    if changed || desk.store.service(&name).await?.is_some() {
        return Ok(told(&name, status.word(), None));
    }
    Ok(Outcome::refused("there is no such service"))
}

async fn list(desk: &Desk) -> Result<Outcome, Error> {
    let services = desk.store.services().await?;
    let row = |service: &Service| {
        let certificate = service.certificate.map_or_else(String::new, |c| Fingerprint::from(c).to_string());
        let key = if service.api_key_hash.is_some() { "yes" } else { "no" };
        vec![
            service.name.to_string(),
            service.status.to_string(),
            format!("{:?}", service.policy_liveness).to_lowercase(),
            key.to_owned(),
            certificate,
        ]
    };
    let rows: Vec<Vec<String>> = services.iter().map(row).collect();
    let objects: Vec<Value> = services.iter().zip(&rows).map(object).collect();
    let text = table(&["service", "status", "liveness", "key", "certificate"], &rows);
    Ok(Outcome::done(text, json!({ "ok": true, "services": objects })))
}

fn object((service, row): (&Service, &Vec<String>)) -> Value {
    json!({
        "name": row[0],
        "status": row[1],
        "liveness": row[2],
        "api_key": service.api_key_hash.is_some(),
        "certificate": service.certificate.map(|c| Fingerprint::from(c).to_string()),
        "created_at": service.created_at,
    })
}

/// The first certificate of a PEM file is the one that is shown.
fn fingerprint(path: &Path) -> Result<[u8; 32], Error> {
    let certificates = tls::certificates(path)?;
    let first = certificates.first().ok_or("no certificate")?;
    Ok(*Fingerprint::of(first).as_bytes())
}

/// Where a new key went: to a file that only its owner may read, or else it is to be shown.
enum Handed {
    Written(PathBuf),
    Shown(String),
}

/// The key leaves before its hash is kept: a key that nobody has must not replace one that works.
fn hand_over(key: &ApiKey, file: Option<&Path>) -> Result<Handed, Error> {
    let Some(path) = file else {
        return Ok(Handed::Shown(key.to_text().to_string()));
    };
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut opened = opened.map_err(|e| format!("{}: {e}", path.display()))?;
    opened.write_all(key.to_text().as_bytes())?;
    opened.sync_all()?;
    Ok(Handed::Written(path.to_owned()))
}

fn told(name: &ServiceName, what: &str, handed: Option<Handed>) -> Outcome {
    let mut json = json!({ "ok": true, "service": name.as_str() });
    let mut text = format!("{name}: {what}");
    match handed {
        Some(Handed::Shown(key)) => {
            text.push_str(&format!("\nIts API key, which is shown this once: {key}"));
            json["api_key"] = key.into();
        }
        Some(Handed::Written(path)) => {
            text.push_str(&format!("\nIts API key is in {}", path.display()));
            json["api_key_file"] = path.to_string_lossy().into();
        }
        None => {}
    }
    Outcome::done(text, json)
}
