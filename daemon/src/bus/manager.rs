//! The manager object: which cameras there are, how the vault is, tickets, and lockouts.

use std::sync::Mutex;

use log::warn;
use vultus_ipc::Reason;
use vultus_ipc::vault::{Action, PairedCamera, VaultReply, VaultRequest};
use zbus::message::Header;
use zbus::object_server::ObjectServer;
use zbus::{Connection, OwnedObjectPath, interface};

use crate::bus::Shared;
use crate::bus::camera::Camera;
use crate::bus::error::Error;

pub struct Manager {
    pub shared: Shared,
    /// Identities of the cameras that have an object, in the order of their paths.
    pub known: Mutex<Vec<String>>,
}

#[interface(name = "org.vultus.Vultus1.Manager")]
impl Manager {
    /// The paired cameras, in order of preference.
    async fn get_cameras(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(object_server)] objects: &ObjectServer,
    ) -> Result<Vec<OwnedObjectPath>, Error> {
        self.shared.caller(bus, &header).await?;
        self.cameras(objects).await
    }

    /// The first of the paired cameras.
    async fn get_default_camera(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
        #[zbus(object_server)] objects: &ObjectServer,
    ) -> Result<OwnedObjectPath, Error> {
        self.shared.caller(bus, &header).await?;
        self.cameras(objects).await?.into_iter().next().ok_or(Error::of(Reason::CameraUnpaired))
    }

    /// `ready`, or why nothing can be verified; the number of paired cameras; the vault's version.
    async fn get_status(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(String, u8, String), Error> {
        self.shared.caller(bus, &header).await?;
        match self.shared.vault.ask(VaultRequest::Status).await? {
            VaultReply::Status(status) => {
                let state = status.tpm.map_or_else(|| "ready".to_owned(), |reason| reason.to_string());
                Ok((state, status.cameras, status.version))
            }
            _ => Err(Error::unexpected()),
        }
    }

    /// A nonce for `vultus-password` to redeem: `action` is `enroll`, `delete` or `clear-lockout`.
    async fn request_ticket(
        &self,
        username: &str,
        action: &str,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<u8>, Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        let action = match action {
            "enroll" => Action::Enroll,
            "delete" => Action::Delete,
            "clear-lockout" => Action::ClearLockout,
            _ => return Err(Error::of(Reason::BadRequest)),
        };
        match self.shared.vault.ask(VaultRequest::RequestTicket { uid, action }).await? {
            VaultReply::Ticket(nonce) => Ok(nonce.to_vec()),
            _ => Err(Error::unexpected()),
        }
    }

    /// Forgets a user's failures, with a ticket for `clear-lockout`.
    async fn clear_lockout(
        &self,
        username: &str,
        ticket: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        let ticket = ticket_nonce(&ticket)?;
        match self.shared.vault.ask(VaultRequest::ClearLockout { uid, ticket }).await? {
            VaultReply::Done => Ok(()),
            _ => Err(Error::unexpected()),
        }
    }
}

impl Manager {
    /// The objects of all paired cameras; new ones are made, and those of cameras that are paired no
    /// more are taken away.
    async fn cameras(&self, objects: &ObjectServer) -> Result<Vec<OwnedObjectPath>, Error> {
        let VaultReply::Cameras(cameras) = self.shared.vault.ask(VaultRequest::Cameras).await? else {
            return Err(Error::unexpected());
        };
        let gone = self.gone(&cameras);
        for path in gone {
            match objects.remove::<Camera, _>(path).await {
                // It may have been taken away before.
                Ok(_) | Err(zbus::Error::InterfaceNotFound) => {}
                Err(e) => return Err(e.into()),
            }
        }
        let mut paths = Vec::new();
        for camera in cameras {
            let path = self.path(&camera.id)?;
            let object = Camera { shared: self.shared.clone(), path: path.clone(), record: camera };
            // False where the object is there already.
            objects.at(path.clone(), object).await?;
            paths.push(path);
        }
        Ok(paths)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<String>> {
        self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn gone(&self, paired: &[PairedCamera]) -> Vec<String> {
        let known = self.known();
        let gone = known.iter().enumerate().filter(|(_, id)| !paired.iter().any(|c| c.id == **id));
        gone.map(|(place, _)| camera_path(place)).collect()
    }

    /// A camera keeps its path for as long as this process runs.
    fn path(&self, id: &str) -> Result<OwnedObjectPath, Error> {
        let mut known = self.known();
        let place = known.iter().position(|k| k == id).unwrap_or_else(|| {
            known.push(id.to_owned());
            known.len() - 1
        });
        OwnedObjectPath::try_from(camera_path(place)).map_err(|e| {
            warn!("a path cannot be made: {e}");
            Error::unexpected()
        })
    }
}

fn camera_path(place: usize) -> String {
    format!("{}/Camera/{place}", super::MANAGER_PATH)
}

/// The 32 bytes of a ticket's nonce.
pub fn ticket_nonce(bytes: &[u8]) -> Result<vultus_ipc::vault::TicketNonce, Error> {
    let nonce: [u8; 32] = bytes.try_into().map_err(|_| Error::of(Reason::BadRequest))?;
    Ok(nonce.into())
}
