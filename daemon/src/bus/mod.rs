//! What stands on the bus: one manager, which also speaks of servers and accounts, and one object for each
//! camera.

pub mod camera;
pub mod ceremonies;
pub mod error;
pub mod manager;
pub mod progress;
pub mod remote;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use vultus_ipc::{Reason, Uid};
use zbus::message::Header;

use crate::authorisation::{Caller, SET_USERNAME, authorise, check};
use crate::bus::error::Error;
use crate::claims::Claims;
use crate::configuration::Configuration;
use crate::vault_client::VaultClient;

pub const NAME: &str = "org.vultus.Vultus1";
pub const MANAGER_PATH: &str = "/org/vultus/Vultus1";

/// What all objects share.
#[derive(Clone)]
pub struct Shared {
    pub configuration: Arc<Configuration>,
    pub vault: VaultClient,
    pub claims: Arc<Mutex<Claims>>,
}

impl Shared {
    pub fn claims(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The caller of a method, where its row of the table allows the call.
    pub async fn caller(&self, bus: &zbus::Connection, header: &Header<'_>) -> Result<Caller, Error> {
        Ok(authorise(bus, header).await?)
    }

    /// The user that a name means: the caller's own where it is empty. Another user than the caller's
    /// own needs leave to act for others.
    pub async fn user(
        &self,
        bus: &zbus::Connection,
        header: &Header<'_>,
        caller: &Caller,
        name: &str,
    ) -> Result<u32, Error> {
        let uid = match name {
            "" => return Ok(caller.uid.0),
            name => user_number(name.to_owned()).await,
        };
        match uid {
            Some(uid) if Uid(uid) == caller.uid => Ok(uid),
            // Whether the name exists is told only to those who may act for it.
            other => {
                check(bus, header, SET_USERNAME).await?;
                other.ok_or(Error::of(Reason::BadRequest))
            }
        }
    }
}

/// Looks a name up on a thread that may block: a directory service may be slow.
async fn user_number(name: String) -> Option<u32> {
    let user = tokio::task::spawn_blocking(move || nix::unistd::User::from_name(&name)).await;
    user.ok()?.ok()?.map(|user| user.uid.as_raw())
}
