//! The everyday commands, over D-Bus like any other application.

use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use vultus_cli::bus::{CameraProxy, ManagerProxy, RemoteProxy};
use vultus_cli::password::{at_terminal, from_stdin, redeem};
use vultus_ipc::Uid;
use vultus_ipc::vault::Action;
use zbus::Connection;
use zbus::export::ordered_stream::OrderedStreamExt;

use crate::foreign::plain;
use crate::screen::{Screen, ScreenChoice};
use crate::{Done, Outcome};

type Error = Box<dyn std::error::Error>;

/// Where things are, and how to speak.
pub struct Place {
    pub runtime: PathBuf,
    pub json: bool,
    pub password_stdin: bool,
    /// Who must answer at the vault's socket, where it is not the user `vultus-vault`.
    pub vault_uid: Option<u32>,
}

pub async fn manager() -> Result<(Connection, ManagerProxy<'static>), Error> {
    let bus = Connection::system().await?;
    let manager = ManagerProxy::new(&bus).await?;
    Ok((bus, manager))
}

/// Servers and accounts.
pub async fn remote(bus: &Connection) -> Result<RemoteProxy<'static>, Error> {
    Ok(RemoteProxy::new(bus).await?)
}

pub async fn default_camera(
    bus: &Connection,
    manager: &ManagerProxy<'_>,
) -> Result<CameraProxy<'static>, Error> {
    let path = manager.get_default_camera().await?;
    Ok(CameraProxy::builder(bus).path(path).build().await?)
}

fn user_number(user: &str) -> Result<u32, Error> {
    if user.is_empty() {
        return Ok(Uid::own().0);
    }
    let known = nix::unistd::User::from_name(user)?;
    Ok(known.ok_or_else(|| format!("there is no user {user}"))?.uid.as_raw())
}

/// Asks for a nonce, and for the password that makes a ticket of it.
pub async fn ticket(
    place: &Place,
    manager: &ManagerProxy<'_>,
    user: &str,
    action: Action,
) -> Result<Vec<u8>, Error> {
    let name = match action {
        Action::Enroll => "enroll",
        Action::Delete => "delete",
        Action::ClearLockout => "clear-lockout",
    };
    let nonce = manager.request_ticket(user, name).await?;
    let bytes: [u8; 32] = nonce.as_slice().try_into().map_err(|_| "the nonce is not 32 bytes long")?;
    let (socket, uid) = (place.runtime.join("password.sock"), user_number(user)?);
    let answer = if place.password_stdin { from_stdin } else { at_terminal };
    redeem(&socket, Uid::ROOT, (uid, action, bytes), answer)?;
    Ok(nonce)
}

pub async fn enroll(place: &Place, user: &str, label: &str) -> Result<Outcome, Error> {
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let mut guidance = camera.receive_guidance().await?;
    let mut status = camera.receive_enroll_status().await?;
    let ticket = ticket(place, &manager, user, Action::Enroll).await?;
    camera.claim(user).await?;
    camera.enroll_start(label, ticket).await?;
    let at_terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let bar = if place.json { ProgressBar::hidden() } else { ProgressBar::new(5) };
    bar.set_style(ProgressStyle::with_template("{bar:20} {pos}/{len} {msg}")?);
    let result = loop {
        tokio::select! {
            // What is said comes before its end.
            biased;
            Some(signal) = guidance.next() => {
                let said = signal.args()?;
                if said.need > 0 {
                    bar.set_length(said.need.into());
                    bar.set_position(said.have.into());
                }
                let sentence = plain(said.sentence);
                bar.set_message(sentence.clone());
                // A bar is drawn at a terminal only.
                if !at_terminal && !place.json {
                    let count = if said.need > 0 { format!(" {} of {}", said.have, said.need) } else { String::new() };
                    eprintln!("{sentence}{count}");
                }
            }
            Some(signal) = status.next() => {
                let said = signal.args()?;
                if said.done {
                    break plain(said.result);
                }
            }
            else => return Err("the bus closed the connection".into()),
        }
    };
    bar.finish_and_clear();
    camera.release().await?;
    let done = if result == "enroll-completed" { Done::Yes } else { Done::No };
    Ok(Outcome { json: json!({ "ok": done == Done::Yes, "result": result }), text: result, done })
}

pub async fn verify(user: &str, screen: ScreenChoice) -> Result<Outcome, Error> {
    let mut screen = Screen::at_terminal(screen)?;
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let mut guidance = camera.receive_guidance().await?;
    let mut status = camera.receive_verify_status().await?;
    camera.claim(user).await?;
    if screen.shows() {
        camera.shows_colours(true).await?;
    }
    camera.verify_start().await?;
    let result = loop {
        tokio::select! {
            // What is said comes before its end.
            biased;
            Some(signal) = guidance.next() => {
                let said = signal.args()?;
                screen.guide(said.word, said.sentence);
            }
            Some(signal) = status.next() => {
                let said = signal.args()?;
                if said.done {
                    break plain(said.result);
                }
            }
            else => return Err("the bus closed the connection".into()),
        }
    };
    screen.over();
    camera.release().await?;
    let done = if result == "verify-match" { Done::Yes } else { Done::No };
    Ok(Outcome { json: json!({ "ok": done == Done::Yes, "result": result }), text: result, done })
}

pub async fn list(user: &str) -> Result<Outcome, Error> {
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let faces = camera.list_enrolled_faces(user).await?;
    let rows: Vec<_> = faces
        .iter()
        .map(|(face, label, camera, shots)| json!({ "face": face, "label": label, "camera": camera, "shots": shots }))
        .collect();
    let text = match faces.as_slice() {
        [] => "no face is enrolled".to_owned(),
        faces => faces
            .iter()
            .map(|(face, label, camera, shots)| format!("{face:3}  {label}  ({shots} shots, {camera})"))
            .collect::<Vec<_>>()
            .join("\n"),
    };
    Ok(Outcome { json: json!({ "faces": rows }), text, done: Done::Yes })
}

pub async fn remove(place: &Place, user: &str, face: Option<u32>) -> Result<Outcome, Error> {
    let (bus, manager) = manager().await?;
    let camera = default_camera(&bus, &manager).await?;
    let ticket = ticket(place, &manager, user, Action::Delete).await?;
    camera.claim(user).await?;
    match face {
        Some(face) => camera.delete_enrolled_face(face, ticket).await?,
        None => camera.delete_enrolled_faces(ticket).await?,
    }
    camera.release().await?;
    Ok(Outcome { json: json!({ "ok": true }), text: "deleted".into(), done: Done::Yes })
}

pub async fn clear_lockout(place: &Place, user: &str) -> Result<Outcome, Error> {
    let (_, manager) = manager().await?;
    let ticket = ticket(place, &manager, user, Action::ClearLockout).await?;
    manager.clear_lockout(user, ticket).await?;
    Ok(Outcome { json: json!({ "ok": true }), text: "failed attempts are forgotten".into(), done: Done::Yes })
}

pub async fn cameras() -> Result<Outcome, Error> {
    let (bus, manager) = manager().await?;
    let (mut rows, mut lines) = (Vec::new(), Vec::new());
    for path in manager.get_cameras().await? {
        let camera = CameraProxy::builder(&bus).path(path).build().await?;
        let (id, name, spectrum) = (camera.id().await?, camera.name().await?, camera.spectrum().await?);
        lines.push(format!("{id}  ({name}, {spectrum})"));
        rows.push(json!({ "id": id, "name": name, "spectrum": spectrum, "paired": true }));
    }
    if lines.is_empty() {
        lines.push("no camera is paired; root finds and pairs one with `vultus cameras discover`".into());
    }
    Ok(Outcome { json: json!({ "cameras": rows }), text: lines.join("\n"), done: Done::Yes })
}

pub async fn status() -> Result<Outcome, Error> {
    let (_, manager) = manager().await?;
    let (state, cameras, version) = manager.get_status().await?;
    let done = if state == "ready" { Done::Yes } else { Done::No };
    let text = format!("{state}; {cameras} camera(s) paired; vault {version}");
    Ok(Outcome { json: json!({ "state": state, "cameras": cameras, "version": version }), text, done })
}
