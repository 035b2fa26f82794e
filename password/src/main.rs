//! `vultus-password`: checks a person's password through its own PAM service, and hands the vault a
//! ticket for the one action that the person asked for. It runs as root, so that the vault can tell its
//! word from everybody else's; it knows nothing of faces, and keeps nothing.
//!
//! Threat model: M12, M13.

mod conversation;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use log::{error, info, warn};
use nix::unistd::{Uid as SystemUid, User};
use pam_client2::{Context, Flag};
use vultus_ipc::password::{PasswordRefusal, PasswordReply, PasswordRequest};
use vultus_ipc::private::keep_memory_private;
use vultus_ipc::vault::{Action, TicketNonce, VaultReply, VaultRequest};
use vultus_ipc::{Connection, Deadline, Listener, Places, Uid};

use crate::conversation::Remote;

/// The PAM service: it must not contain `pam_vultus.so`, since a face must not authorise a face.
const SERVICE: &str = "vultus-password";
/// How long a person may take in all.
const CONVERSATION: Duration = Duration::from_secs(120);
const MESSAGE: Duration = Duration::from_secs(5);
/// People who are served at a time.
const MOST: usize = 8;
/// Of those, for one user.
const MOST_OF_ONE: usize = 2;

/// Checks passwords for the Vultus vault.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The socket to listen on.
    #[arg(long, default_value = "/run/vultus/password.sock")]
    socket: PathBuf,
    /// The vault's socket.
    #[arg(long, default_value = "/run/vultus/vault.sock")]
    vault: PathBuf,
    /// The numeric user of the vault.
    #[arg(long)]
    vault_uid: u32,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    vultus_journal::start("vultus-password");
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn serve(arguments: Arguments) -> Result<(), Box<dyn std::error::Error>> {
    keep_memory_private()?;
    let listener = Listener::bind(&arguments.socket, 0o666)?;
    let vault: Arc<(PathBuf, Uid)> = Arc::new((arguments.vault, Uid(arguments.vault_uid)));
    let places = Places::new(MOST, MOST_OF_ONE);
    info!("ready");
    loop {
        let connection = listener.accept()?;
        let Some(place) = connection.peer().ok().and_then(|peer| places.take(peer.uid)) else {
            warn!("too many conversations: one was closed");
            continue;
        };
        let vault = Arc::clone(&vault);
        let spawned = std::thread::Builder::new().name("password".into()).spawn(move || {
            let _place = place;
            let (socket, uid) = &*vault;
            converse(connection, socket, *uid);
        });
        if let Err(e) = spawned {
            warn!("no thread for a conversation: {e}");
        }
    }
}

/// One person's conversation, which ends in a ticket or a refusal.
fn converse(mut connection: Connection, vault: &Path, vault_uid: Uid) {
    let (Ok(peer), Ok(PasswordRequest::Begin { uid, action, nonce })) =
        (connection.peer(), connection.receive(Deadline::after(MESSAGE)))
    else {
        return;
    };
    let result = if peer.uid.0 == uid || peer.uid.is_root() {
        check_password(&mut connection, uid)
            .and_then(|()| hand_over_ticket(vault, vault_uid, (uid, action, nonce)))
    } else {
        Err(PasswordRefusal::NotAllowed)
    };
    let reply = match result {
        Ok(()) => {
            info!(vultus_uid = uid; "password right: ticket for {action:?}");
            PasswordReply::Granted
        }
        Err(refusal) => {
            warn!(vultus_uid = uid, vultus_caller = peer.uid.0; "no ticket for {action:?}: {refusal}");
            PasswordReply::Refused(refusal)
        }
    };
    // Whoever hung up has the ticket or not all the same.
    let _ = connection.send(&reply, Deadline::after(MESSAGE));
}

/// Authentication and account management of the service, both of which must succeed.
fn check_password(connection: &mut Connection, uid: u32) -> Result<(), PasswordRefusal> {
    let user = User::from_uid(SystemUid::from_raw(uid)).ok().flatten().ok_or(PasswordRefusal::Unavailable)?;
    let remote = Remote { connection, deadline: Deadline::after(CONVERSATION) };
    let mut context =
        Context::new(SERVICE, Some(&user.name), remote).map_err(|_| PasswordRefusal::Unavailable)?;
    context.authenticate(Flag::DISALLOW_NULL_AUTHTOK).map_err(|_| PasswordRefusal::WrongPassword)?;
    context.acct_mgmt(Flag::NONE).map_err(|_| PasswordRefusal::WrongPassword)?;
    // A module may have changed the user on the way.
    match context.user() {
        Ok(name) if name == user.name => Ok(()),
        _ => Err(PasswordRefusal::Unavailable),
    }
}

fn hand_over_ticket(
    vault: &Path,
    vault_uid: Uid,
    (uid, action, nonce): (u32, Action, TicketNonce),
) -> Result<(), PasswordRefusal> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .map_err(|_| PasswordRefusal::Unavailable)?;
    let request = VaultRequest::GrantTicket { uid, action, nonce, boot: boot.trim().to_owned() };
    let deadline = Deadline::after(MESSAGE);
    let answer = Connection::connect(vault, deadline).and_then(|mut connection| {
        connection.send(&request, deadline)?;
        connection.receive_from(vault_uid, deadline)
    });
    match answer {
        Ok(VaultReply::Done) => Ok(()),
        _ => Err(PasswordRefusal::NotTaken),
    }
}
