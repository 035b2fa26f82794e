//! The PAM module's socket: a question is read, its asker's session is looked up, and the connection
//! goes to the vault, which answers it. Nothing of the answer passes through here.
//!
//! Threat model: M11.

use std::time::Duration;

use log::{info, warn};
use tokio::runtime::Handle;
use vultus_ipc::login::{LoginQuestion, LoginReply, LoginRequest};
use vultus_ipc::vault::{VaultReply, VaultRequest};
use vultus_ipc::{Connection, Deadline, Listener, Peer, Places, Reason, Verdict};

use crate::logind::refuse_remote;
use crate::vault_client::VaultClient;

const MESSAGE: Duration = Duration::from_secs(3);
/// Longer than the vault lets any attempt last.
const JUDGEMENT: Duration = Duration::from_secs(90);
/// Logins that are served at a time.
const MOST: usize = 16;
/// Of those, for one user that is not root: no user keeps the others from logging in.
const MOST_OF_ONE: usize = 2;

/// Serves logins on threads of their own. `runtime` is where the bus lives.
pub fn serve(listener: Listener, vault: VaultClient, bus: zbus::Connection, runtime: Handle) {
    let places = Places::new(MOST, MOST_OF_ONE);
    loop {
        let connection = match listener.accept() {
            Ok(connection) => connection,
            Err(e) => {
                warn!("no login can be accepted: {e}");
                return;
            }
        };
        let Some(place) = connection.peer().ok().and_then(|peer| places.take(peer.uid)) else {
            warn!("too many logins at a time: one was closed");
            continue;
        };
        let (vault, bus, runtime) = (vault.clone(), bus.clone(), runtime.clone());
        let spawned = std::thread::Builder::new().name("login".into()).spawn(move || {
            let _place = place;
            converse(connection, &vault, &bus, &runtime);
        });
        if let Err(e) = spawned {
            warn!("no thread for a login: {e}");
        }
    }
}

fn converse(mut asker: Connection, vault: &VaultClient, bus: &zbus::Connection, runtime: &Handle) {
    let deadline = Deadline::after(MESSAGE);
    let (Ok(peer), Ok(LoginRequest::Ask(question))) = (asker.peer(), asker.receive(deadline)) else {
        return;
    };
    let Err(reason) = pass_on(&asker, peer, &question, vault, bus, runtime) else {
        return;
    };
    info!(vultus_uid = question.uid, vultus_service = question.service.as_str(); "login not passed on: {reason}");
    let answer = LoginReply::Answer { question, verdict: Verdict::NotJudged(reason) };
    // An asker that is gone needs no answer.
    let _ = asker.send(&answer, Deadline::after(MESSAGE));
}

/// Hands the connection to the vault and waits until it was answered.
fn pass_on(
    asker: &Connection,
    peer: Peer,
    question: &LoginQuestion,
    vault: &VaultClient,
    bus: &zbus::Connection,
    runtime: &Handle,
) -> Result<(), Reason> {
    runtime.block_on(async {
        tokio::time::timeout(MESSAGE, refuse_remote(bus, peer)).await.unwrap_or(Err(Reason::SessionUnknown))
    })?;
    let failed = |e| {
        warn!("the vault does not take a login: {e}");
        Reason::Internal
    };
    let deadline = Deadline::after(MESSAGE);
    let mut connection = vault.connect(deadline).map_err(failed)?;
    let descriptor = std::os::fd::AsFd::as_fd(asker);
    connection.send_with(&VaultRequest::Login(question.clone()), descriptor, deadline).map_err(failed)?;
    match connection.receive_from(vault.uid, Deadline::after(JUDGEMENT)) {
        Ok(VaultReply::Done) => Ok(()),
        Ok(VaultReply::Refused(reason)) => Err(reason),
        Ok(_) => Err(Reason::Internal),
        Err(e) => Err(failed(e)),
    }
}
