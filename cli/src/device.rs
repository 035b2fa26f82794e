//! This device towards servers: root pins and unpins them at the vault itself; everything else goes over
//! D-Bus, with the packets carried by HTTPS from here.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde::Deserialize;
use serde_json::json;
use vultus_cli::bus::RemoteProxy;
use vultus_ipc::Reason;
use vultus_ipc::vault::{VaultReply, VaultRequest};
use vultus_protocol::api::{Packet, from_text, to_text};
use vultus_protocol::{CeremonyId, Envelope, ServerKeys};

use crate::ceremony::{not_taken, refusal};
use crate::commands::{Place, manager, remote};
use crate::foreign::plain;
use crate::https::{Https, HttpsError};
use crate::{Done, Outcome, vault};

type Error = Box<dyn std::error::Error>;

/// What an enrolment leaves behind that the server did not answer.
const NOT_BEGUN: &str = "The enrolment is not finished, and this device keeps the keys that it had.";
/// The same, once the proof was sent.
const UNFINISHED: &str = "The enrolment is not finished on this device. The server may have taken its new keys, and \
                          then counts the older ones no more: enrol again.";
/// What `vultusd` calls a set of keys that is not newer, or that no pinned key vouches for.
const OF_NO_USE: [&str; 2] =
    ["org.vultus.Vultus1.Error.PacketRejected", "org.vultus.Vultus1.Error.UnpinnedKey"];

#[derive(Subcommand)]
pub enum DeviceAction {
    /// Trust a server by its signed sets of keys, a line each, oldest first (root).
    Pin { file: PathBuf },
    /// Trust a server no more; its accounts stay, and cannot be used (root).
    Unpin { server: String },
    /// List the pinned servers (administrators).
    List,
    /// Enrol this device with a pinned server, by the TPM's certificate.
    Enroll {
        server: String,
        /// Where the server answers: https://host:port.
        #[arg(long)]
        url: String,
        /// Trust these root certificates (PEM), and no others.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
    /// Fetch newer keys of a pinned server.
    UpdateKeys {
        server: String,
        /// Where the server answers: https://host:port.
        #[arg(long)]
        url: String,
        /// Trust these root certificates (PEM), and no others.
        #[arg(long)]
        ca: Option<PathBuf>,
    },
    /// Say what a service is told of this device.
    Information { server: String, service: String },
}

pub async fn manage(place: &Place, action: DeviceAction) -> Result<Outcome, Error> {
    match action {
        DeviceAction::Pin { file } => pin(place, &file),
        DeviceAction::Unpin { server } => unpin(place, server),
        DeviceAction::List => list().await,
        DeviceAction::Enroll { server, url, ca } => enroll(&server, &Https::new(&url, ca.as_deref())?).await,
        DeviceAction::UpdateKeys { server, url, ca } => {
            update_keys(&server, &Https::new(&url, ca.as_deref())?).await
        }
        DeviceAction::Information { server, service } => information(&server, &service).await,
    }
}

/// Asks the vault itself.
fn ask_vault(place: &Place, request: &VaultRequest) -> Result<Result<(), Reason>, Error> {
    match vault::ask(place, request)? {
        VaultReply::Done => Ok(Ok(())),
        VaultReply::Refused(reason) => Ok(Err(reason)),
        _ => Err("the vault gave an answer of another kind".into()),
    }
}

/// One signed set of keys. What it says is believed by nobody here: the vault checks the signature.
struct KeySet {
    server: String,
    version: u64,
    packet: Vec<u8>,
}

impl KeySet {
    fn parse(text: &str) -> Result<Self, Error> {
        let packet = from_text(text)?;
        let envelope = Envelope::<ServerKeys>::parse(&packet)?;
        let claimed = envelope.claimed();
        Ok(Self { server: claimed.server.to_string(), version: claimed.version, packet })
    }
}

/// The sets of a file, which must all be of one server.
fn key_sets(text: &str) -> Result<Vec<KeySet>, Error> {
    let mut sets: Vec<KeySet> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let set = KeySet::parse(line).map_err(|e| format!("line {number}: {e}"))?;
        if sets.first().is_some_and(|first| first.server != set.server) {
            return Err(format!("line {number} is of another server, {}", set.server).into());
        }
        sets.push(set);
    }
    if sets.is_empty() { Err("no signed set of keys".into()) } else { Ok(sets) }
}

/// Pins the first set of the file that stands by itself, then follows the later ones.
fn pin(place: &Place, file: &Path) -> Result<Outcome, Error> {
    let named = |e: Error| format!("{}: {e}", file.display());
    let text = std::fs::read_to_string(file).map_err(|e| named(e.into()))?;
    let sets = key_sets(&text).map_err(named)?;
    let mut pinned: Option<KeySet> = None;
    for set in sets {
        let packet = set.packet.clone().into();
        let request = match &pinned {
            None => VaultRequest::PinServer { packet },
            Some(_) => VaultRequest::UpdateServerKeys { packet },
        };
        let Err(reason) = ask_vault(place, &request)? else {
            pinned = Some(set);
            continue;
        };
        match (&pinned, reason) {
            (Some(known), reason) => return Ok(stuck(known, &set, reason)),
            // Signed by a key of a set before it that is not in the file.
            (None, Reason::UnpinnedKey) => {}
            (None, Reason::BadRequest) => return Err(already(&set.server).into()),
            (None, reason) => return Err(reason.into()),
        }
    }
    let set = pinned.ok_or("no set of the file is signed by one of its own keys")?;
    let text = format!("pinned {}, keys of version {}", set.server, set.version);
    let json = json!({ "ok": true, "server": set.server, "version": set.version });
    Ok(Outcome { json, text, done: Done::Yes })
}

fn already(server: &str) -> String {
    format!(
        "{server} is pinned already: `vultus device update-keys` fetches newer keys, and `vultus device \
         unpin` ends the trust in the old ones"
    )
}

/// The server is pinned, but not by its newest keys.
fn stuck(known: &KeySet, next: &KeySet, reason: Reason) -> Outcome {
    let advice = "Unpin the server, and pin a file that begins with a newer set.";
    let text = format!(
        "pinned {}, keys of version {}, but version {} was not taken: {reason}. {advice}",
        known.server, known.version, next.version
    );
    let json = json!({
        "ok": false, "server": known.server, "version": known.version, "not_taken": next.version,
        "reason": reason.to_string(), "advice": advice,
    });
    Outcome { json, text, done: Done::No }
}

fn unpin(place: &Place, server: String) -> Result<Outcome, Error> {
    let text = format!("unpinned {server}");
    match ask_vault(place, &VaultRequest::UnpinServer { server })? {
        Ok(()) => Ok(Outcome { json: json!({ "ok": true }), text, done: Done::Yes }),
        Err(reason) => Err(reason.into()),
    }
}

async fn list() -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let servers = remote(&bus).await?.list_servers().await?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for (server, version, device) in servers {
        let device = Some(device).filter(|device| !device.is_empty());
        let enrolled =
            device.as_deref().map_or("not enrolled".to_owned(), |device| format!("device {device}"));
        lines.push(format!("{server}  (keys of version {version}, {enrolled})"));
        rows.push(json!({ "server": server, "version": version, "device": device }));
    }
    if lines.is_empty() {
        lines.push("no server is pinned; root pins one with `vultus device pin FILE`".into());
    }
    Ok(Outcome { json: json!({ "servers": rows }), text: lines.join("\n"), done: Done::Yes })
}

/// What the server answers to a device's first packet.
#[derive(Deserialize)]
struct Challenge {
    enrolment: String,
    packet: String,
}

/// What the server answers to the second.
#[derive(Deserialize)]
struct Receipt {
    packet: String,
}

async fn enroll(server: &str, https: &Https) -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let remote = remote(&bus).await?;
    // The newest keys first: the challenge is signed by one of them.
    if let Err(e) = fetch_keys(&remote, server, https).await {
        return refusal("the server", e);
    }
    let request = remote.begin_device_enrolment(server).await?;
    let body = Packet { packet: to_text(&request) };
    let challenge: Challenge = match https.post("/v1/devices", None, &body).await {
        Ok(challenge) => challenge,
        Err(e) => return not_taken("the server", e, NOT_BEGUN),
    };
    // It becomes part of a path: only what the protocol calls a name.
    let enrolment = CeremonyId::from_text(&challenge.enrolment)?;
    let proof = remote.answer_device_challenge(&from_text(&challenge.packet)?).await?;
    let (path, body) = (format!("/v1/devices/{enrolment}"), Packet { packet: to_text(&proof) });
    let receipt = match receipt(https, &path, &body).await {
        Ok(receipt) => receipt,
        Err(e) => return not_taken("the server", e, UNFINISHED),
    };
    let taken = async { Ok::<_, Error>(remote.finish_device_enrolment(&from_text(&receipt.packet)?).await?) };
    taken.await.map_err(|e| {
        format!("the server has enrolled the device, but its receipt was not taken: {e}. {UNFINISHED}")
    })?;
    let device = identity(&remote, server).await?;
    let text = format!("enrolled with {server} as {device}");
    Ok(Outcome { json: json!({ "ok": true, "server": server, "device": device }), text, done: Done::Yes })
}

/// The server's receipt for the proof. Where its answer is lost, the very same proof is posted once more: a
/// server that has taken it gives the same receipt again.
async fn receipt(https: &Https, path: &str, proof: &Packet) -> Result<Receipt, HttpsError> {
    match https.post(path, None, proof).await {
        Err(lost) if !matches!(lost, HttpsError::Refused(_)) => https.post(path, None, proof).await,
        answer => answer,
    }
}

/// What a server's registry calls this device.
async fn identity(remote: &RemoteProxy<'_>, server: &str) -> Result<String, Error> {
    let servers = remote.list_servers().await?;
    let found = servers.into_iter().find(|(name, _, _)| name == server);
    Ok(plain(&found.ok_or_else(|| format!("{server} is pinned no more"))?.2))
}

/// All sets that a server has published, oldest first.
#[derive(Deserialize)]
struct Published {
    packets: Vec<String>,
}

/// The sets that the vault took over.
#[derive(Default)]
pub struct Fetched {
    /// Of the last one: it counts now.
    pub version: Option<u64>,
    pub taken: usize,
}

/// Hands every set to the vault, in order. Which version is pinned is for administrators to know: the vault
/// refuses what is not newer.
pub async fn fetch_keys(remote: &RemoteProxy<'_>, server: &str, https: &Https) -> Result<Fetched, Error> {
    let published: Published = https.keys().await?;
    let mut fetched = Fetched::default();
    for text in &published.packets {
        let set = KeySet::parse(text)?;
        if set.server != server {
            return Err(format!("the server at that address calls itself {}", set.server).into());
        }
        match remote.update_server_keys(&set.packet).await {
            Ok(()) => fetched = Fetched { version: Some(set.version), taken: fetched.taken + 1 },
            Err(zbus::Error::MethodError(name, _, _)) if OF_NO_USE.contains(&name.as_str()) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(fetched)
}

async fn update_keys(server: &str, https: &Https) -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let Fetched { version, taken } = match fetch_keys(&remote(&bus).await?, server, https).await {
        Ok(fetched) => fetched,
        Err(e) => return refusal("the server", e),
    };
    let text = match version {
        None => "nothing newer that a pinned key vouches for".to_owned(),
        Some(version) => format!("keys of version {version}"),
    };
    let json = json!({ "ok": true, "server": server, "version": version, "taken": taken });
    Ok(Outcome { json, text, done: Done::Yes })
}

async fn information(server: &str, service: &str) -> Result<Outcome, Error> {
    let (bus, _) = manager().await?;
    let (device, manufacturer, model) = remote(&bus).await?.get_device_information(server, service).await?;
    let device = to_text(&device);
    let text = format!("device        {device}\nmanufacturer  {manufacturer}\nmodel         {model}");
    let json = json!({ "device": device, "manufacturer": manufacturer, "model": model });
    Ok(Outcome { json, text, done: Done::Yes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_sets_is_none() {
        for text in ["", "\n \n", "not base64!", "AAAA"] {
            assert!(key_sets(text).is_err(), "{text:?}");
        }
    }
}
