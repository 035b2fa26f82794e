//! Which cameras there are, and the exchange of keys with one of them. Root asks for it; the vault
//! checks the camera process's user by the kernel's word.
//!
//! Threat model: M18.

use std::path::Path;
use std::time::Duration;

use vultus_frames::{PublicKey, StaticKey};
use vultus_ipc::camera::{CameraRecord, CameraReply, CameraRequest};
use vultus_ipc::vault::{CAMERA_ID_LENGTH, PairedCamera, Pairing};
use vultus_ipc::{Connection, Deadline, Reason, Uid};

use crate::VaultError;
use crate::camera_link::{ask, connect, reason_of};
use crate::configuration::CameraPlace;
use crate::keys::OpenState;
use crate::records::CameraPairing;

/// How long a camera process may take to answer about itself.
const PATIENCE: Duration = Duration::from_secs(5);
/// The most cameras of one process, and the most characters of a name.
const MOST_CAMERAS: usize = 16;
const MOST_LABEL: usize = 48;

/// The cameras that one process offers.
fn offered(place: &CameraPlace) -> Result<Vec<CameraRecord>, VaultError> {
    let deadline = Deadline::after(PATIENCE);
    let mut connection = connect(place, deadline)?;
    match ask(&mut connection, &CameraRequest::List, Uid(place.uid), deadline)? {
        CameraReply::Cameras(cameras) => {
            Ok(cameras.into_iter().take(MOST_CAMERAS).filter_map(sensible).collect())
        }
        _ => Err(Reason::CameraAbsent.into()),
    }
}

/// A camera with a usable identity, and a name that is short and cannot steer a terminal.
fn sensible(mut camera: CameraRecord) -> Option<CameraRecord> {
    let usable = !camera.id.is_empty()
        && camera.id.len() <= CAMERA_ID_LENGTH
        && !camera.id.chars().any(char::is_control);
    camera.label = camera.label.chars().filter(|c| !c.is_control()).take(MOST_LABEL).collect();
    usable.then_some(camera)
}

/// Every camera that answers, with whether it is paired.
pub fn discover(state: &OpenState<'_>, places: &[CameraPlace]) -> Result<Vec<PairedCamera>, VaultError> {
    let paired = state.cameras()?;
    let mut found = Vec::new();
    for place in places {
        // A process that does not answer offers nothing.
        for camera in offered(place).unwrap_or_default() {
            let known = paired.iter().any(|p| p.id == camera.id && Path::new(&p.socket) == place.socket);
            found.push(PairedCamera {
                id: camera.id,
                label: camera.label,
                spectrum: camera.spectrum,
                paired: if known { Pairing::Paired } else { Pairing::Unpaired },
            });
        }
    }
    Ok(found)
}

/// Exchanges keys with the camera of that identity and keeps them.
pub fn pair(state: &OpenState<'_>, places: &[CameraPlace], id: &str) -> Result<(), VaultError> {
    for place in places {
        let cameras = offered(place).unwrap_or_default();
        if let Some(camera) = cameras.into_iter().find(|c| c.id == id) {
            return exchange(state, place, camera);
        }
    }
    Err(Reason::CameraAbsent.into())
}

fn exchange(state: &OpenState<'_>, place: &CameraPlace, camera: CameraRecord) -> Result<(), VaultError> {
    let deadline = Deadline::after(PATIENCE);
    let vault_key = StaticKey::generate()?;
    let request =
        CameraRequest::Pair { camera: camera.id.clone(), vault_key: vault_key.public().to_bytes().into() };
    let mut connection: Connection = connect(place, deadline)?;
    let camera_key = match ask(&mut connection, &request, Uid(place.uid), deadline)? {
        CameraReply::Paired { camera_key } => PublicKey::from_bytes(&camera_key)?,
        CameraReply::Refused(refusal) => return Err(reason_of(refusal).into()),
        _ => return Err(Reason::CameraAbsent.into()),
    };
    let socket = place.socket.to_str().ok_or(Reason::BadRequest)?.to_owned();
    state.put_camera(&CameraPairing {
        id: camera.id,
        label: camera.label,
        spectrum: camera.spectrum,
        socket,
        camera_key,
        vault_key,
    })
}

/// The paired cameras, or the named one of them, in the order of the configuration. None is an error.
pub fn preferred(
    state: &OpenState<'_>,
    places: &[CameraPlace],
    named: Option<&str>,
) -> Result<Vec<CameraPairing>, VaultError> {
    let place = |camera: &CameraPairing| places.iter().position(|p| p.socket == Path::new(&camera.socket));
    let mut paired = state.cameras()?;
    paired.retain(|c| place(c).is_some() && named.is_none_or(|id| c.id == id));
    paired.sort_by_key(place);
    if paired.is_empty() { Err(Reason::CameraUnpaired.into()) } else { Ok(paired) }
}
