//! What root asks of the vault itself, which takes such requests from root alone. Whoever else answers at its
//! socket is not believed.

use std::time::Duration;

use vultus_ipc::vault::{VaultReply, VaultRequest};
use vultus_ipc::{Connection, Deadline, Uid};

use crate::commands::Place;

type Error = Box<dyn std::error::Error>;

/// How long the vault may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The vault's user, where the command line names no number.
const USER: &str = "vultus-vault";

pub fn ask(place: &Place, request: &VaultRequest) -> Result<VaultReply, Error> {
    let vault = user(place)?;
    let deadline = Deadline::after(PATIENCE);
    let mut connection = Connection::connect(&place.runtime.join("vault.sock"), deadline)?;
    connection.send(request, deadline)?;
    Ok(connection.receive_from(vault, deadline)?)
}

fn user(place: &Place) -> Result<Uid, Error> {
    if let Some(uid) = place.vault_uid {
        return Ok(Uid(uid));
    }
    let known = nix::unistd::User::from_name(USER)?;
    let known = known.ok_or_else(|| format!("there is no user {USER}: name the vault's with --vault-uid"))?;
    Ok(Uid(known.uid.as_raw()))
}
