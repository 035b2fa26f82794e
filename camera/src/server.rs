//! Answers the vault: lists cameras, pairs them, and streams sealed frames of one camera until the
//! connection closes.
//!
//! Threat model: M18.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use log::{info, warn};
use vultus_frames::{FrameError, PublicKey, SealedFrame, accept};
use vultus_ipc::camera::{CameraRefusal, CameraReply, CameraRequest};
use vultus_ipc::vault::CAMERA_ID_LENGTH;
use vultus_ipc::{Connection, Deadline, IpcError, Listener, Places, Uid};

use crate::keyring::{Keyring, KeyringError};
use crate::source::{RawFrame, Source, Stream};

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From opening a device to its first frame.
    pub first_frame: Duration,
    /// From one frame to the next.
    pub next_frame: Duration,
    /// For one message to the vault.
    pub message: Duration,
}

/// How often a stream looks whether the vault is still there.
const GLANCE: Duration = Duration::from_millis(50);
/// Connections that are served at a time.
const MOST_CONNECTIONS: usize = 16;

pub struct Server<S> {
    pub source: S,
    pub keyring: Keyring,
    /// The vault's user: nobody else pairs or streams.
    pub vault: Uid,
    pub patience: Patience,
    /// Cameras with a stream: each has one at most.
    pub streaming: Mutex<HashSet<String>>,
}

impl<S: Source> Server<S> {
    pub fn new(source: S, keyring: Keyring, vault: Uid, patience: Patience) -> Self {
        Self { source, keyring, vault, patience, streaming: Mutex::new(HashSet::new()) }
    }

    /// Serves connections until the listener fails.
    pub fn serve(self, listener: &Listener) -> Result<(), IpcError> {
        let server = Arc::new(self);
        let places = Places::new(MOST_CONNECTIONS, MOST_CONNECTIONS);
        loop {
            let connection = listener.accept()?;
            // Nobody else gets so much as a thread.
            match connection.peer() {
                Ok(peer) if peer.uid == server.vault || peer.uid.is_root() => {}
                _ => {
                    refuse(connection);
                    continue;
                }
            }
            let Some(place) = places.take(server.vault) else {
                warn!("too many connections: one was closed");
                continue;
            };
            let served = Arc::clone(&server);
            let spawned = std::thread::Builder::new().name("camera".into()).spawn(move || {
                let _place = place;
                served.converse(connection);
            });
            if let Err(e) = spawned {
                warn!("no thread for a connection: {e}");
            }
        }
    }

    fn converse(&self, mut connection: Connection) {
        let deadline = Deadline::after(self.patience.message);
        let (Ok(peer), Ok(request)) = (connection.peer(), connection.receive(deadline)) else {
            return;
        };
        if let Err(refusal) = self.answer(&mut connection, peer.uid, request) {
            warn!(vultus_uid = peer.uid.0; "refused: {refusal}");
            // The vault may be gone: then there is nobody to tell.
            let _ = connection.send(&CameraReply::Refused(refusal), Deadline::after(self.patience.message));
        }
    }

    fn answer(
        &self,
        connection: &mut Connection,
        asker: Uid,
        request: CameraRequest,
    ) -> Result<(), CameraRefusal> {
        let from_vault = asker == self.vault;
        match request {
            CameraRequest::List if from_vault || asker.is_root() => {
                self.send(connection, &CameraReply::Cameras(self.source.list()))
            }
            CameraRequest::Pair { camera, vault_key } if from_vault => {
                self.known(&camera)?;
                let vault_key = PublicKey::from_bytes(&vault_key).map_err(|_| CameraRefusal::BadOffer)?;
                let own = self.keyring.pair(&camera, vault_key).map_err(internal)?;
                info!(vultus_camera = camera.as_str(); "paired");
                self.send(connection, &CameraReply::Paired { camera_key: own.to_bytes().into() })
            }
            CameraRequest::Open { camera, offer } if from_vault => self.stream(connection, &camera, &offer),
            _ => Err(CameraRefusal::NotAllowed),
        }
    }

    fn known(&self, camera: &str) -> Result<(), CameraRefusal> {
        let listed = camera.len() <= CAMERA_ID_LENGTH && self.source.list().iter().any(|c| c.id == camera);
        if listed { Ok(()) } else { Err(CameraRefusal::NoSuchCamera) }
    }

    fn stream(&self, connection: &mut Connection, camera: &str, offer: &[u8]) -> Result<(), CameraRefusal> {
        let pairing = self.keyring.pairing(camera).map_err(|e| match e {
            KeyringError::Unpaired => CameraRefusal::Unpaired,
            other => internal(other),
        })?;
        let _claim = Claim::take(&self.streaming, camera)?;
        let mut stream = self.source.open(camera)?;
        let (answer, mut sealer) =
            accept(pairing.own, pairing.vault, camera, stream.mode(), offer).map_err(|e| {
                warn!(vultus_camera = camera; "offer refused: {e}");
                if e == FrameError::Malformed { CameraRefusal::BadOffer } else { CameraRefusal::Unpaired }
            })?;
        // Only now the light goes on: whoever made the offer is the vault that this camera is paired with.
        stream.start()?;
        self.send(connection, &CameraReply::Opened { answer: answer.into() })?;
        let mut due = Deadline::after(self.patience.first_frame);
        while let Some(frame) = self.next_while_wanted(connection, stream.as_mut(), due)? {
            due = Deadline::after(self.patience.next_frame);
            let sealed = sealer
                .seal(frame.pixels, frame.sequence, frame.captured_us)
                .map_err(|_| CameraRefusal::Gone)?;
            let SealedFrame { header, ciphertext, signature } = sealed;
            let reply = CameraReply::Frame {
                header: header.into(),
                ciphertext: ciphertext.into(),
                signature: signature.into(),
            };
            if self.send(connection, &reply).is_err() {
                break;
            }
        }
        Ok(())
    }

    /// The next frame; nothing once the vault has hung up; an error where none comes in time.
    fn next_while_wanted(
        &self,
        connection: &Connection,
        stream: &mut dyn Stream,
        due: Deadline,
    ) -> Result<Option<RawFrame>, CameraRefusal> {
        while !connection.hung_up() {
            if let Some(frame) = stream.next(due.or_sooner(GLANCE))? {
                return Ok(Some(frame));
            }
            if due.passed() {
                return Err(CameraRefusal::Gone);
            }
        }
        Ok(None)
    }

    fn send(&self, connection: &mut Connection, reply: &CameraReply) -> Result<(), CameraRefusal> {
        connection.send(reply, Deadline::after(self.patience.message)).map_err(|_| CameraRefusal::Gone)
    }
}

fn internal(error: KeyringError) -> CameraRefusal {
    warn!("keyring: {error}");
    CameraRefusal::Internal
}

/// Tells a stranger so, without waiting for anything.
fn refuse(mut connection: Connection) {
    warn!("a stranger was refused");
    // A short message fits into the socket at once, or not at all.
    let _ =
        connection.send(&CameraReply::Refused(CameraRefusal::NotAllowed), Deadline::after(Duration::ZERO));
}

/// A camera that streams, until this is dropped.
struct Claim<'a> {
    streaming: &'a Mutex<HashSet<String>>,
    camera: String,
}

impl<'a> Claim<'a> {
    fn take(streaming: &'a Mutex<HashSet<String>>, camera: &str) -> Result<Self, CameraRefusal> {
        let mut taken = streaming.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.insert(camera.to_owned()) {
            Ok(Self { streaming, camera: camera.to_owned() })
        } else {
            Err(CameraRefusal::Busy)
        }
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.streaming.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.camera);
    }
}
