//! One session with a camera: a thread opens every sealed frame in order, and keeps the newest for
//! whoever looks next. Dropping the link closes the connection, which turns the camera off.

use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use vultus_frames::{Frame, FrameClock, FrameError, Offer, Opener, Opening, SealedFrame};
use vultus_ipc::camera::{CameraRefusal, CameraReply, CameraRequest};
use vultus_ipc::connection::Handle;
use vultus_ipc::{Connection, Deadline, IpcError, Reason, Uid};

use crate::clock::monotonic_us;
use crate::configuration::{CameraPlace, Configuration};
use crate::records::CameraPairing;
use crate::{VaultError, random};

/// How long a camera may take to notice that the session before has ended.
const HAND_OFF: Duration = Duration::from_secs(1);
/// How long a camera may be silent once it streams; its own deadlines are shorter.
const SILENCE: Duration = Duration::from_secs(40);

/// What the reading thread last saw.
enum Slot {
    Empty,
    Fresh(Frame),
    Ended(Reason),
}

type Mailbox = Arc<(Mutex<Slot>, Condvar)>;

/// A camera that streams to this vault.
pub struct CameraLink {
    mailbox: Mailbox,
    connection: Handle,
    reader: Option<JoinHandle<()>>,
}

impl CameraLink {
    /// Opens a session with a paired camera.
    pub fn open(
        pairing: &CameraPairing,
        configuration: &Configuration,
        deadline: Deadline,
    ) -> Result<Self, VaultError> {
        let until = deadline.or_sooner(HAND_OFF);
        loop {
            match Self::open_once(pairing, configuration, deadline) {
                Err(VaultError::Refused(Reason::CameraBusy)) if !until.passed() => {
                    std::thread::sleep(Duration::from_millis(20));
                }
                done => return done,
            }
        }
    }

    fn open_once(
        pairing: &CameraPairing,
        configuration: &Configuration,
        deadline: Deadline,
    ) -> Result<Self, VaultError> {
        let place = configuration
            .cameras
            .iter()
            .find(|p| p.socket == Path::new(&pairing.socket))
            .ok_or(Reason::CameraAbsent)?;
        let deadline = deadline.or_sooner(Duration::from_millis(configuration.camera_opening_ms));
        let sender = Uid(place.uid);
        let mut connection = connect(place, deadline)?;
        let (opening, offer): (Opening, Offer) =
            Opening::offer(&pairing.vault_key, &pairing.id, pairing.camera_key, random()?)?;
        let request =
            CameraRequest::Open { camera: pairing.id.clone(), offer: offer.as_bytes().to_vec().into() };
        let answer = match ask(&mut connection, &request, sender, deadline)? {
            CameraReply::Opened { answer } => answer,
            CameraReply::Refused(refusal) => return Err(reason_of(refusal).into()),
            _ => return Err(Reason::CameraGone.into()),
        };
        let opener = opening
            .finish(&answer, FrameClock { oldest: Duration::from_millis(configuration.oldest_frame_ms) })?;
        Self::start(connection, opener, sender)
    }

    fn start(connection: Connection, opener: Opener, sender: Uid) -> Result<Self, VaultError> {
        let mailbox: Mailbox = Arc::new((Mutex::new(Slot::Empty), Condvar::new()));
        let handle = connection.handle()?;
        let theirs = Arc::clone(&mailbox);
        let reader = std::thread::Builder::new()
            .name("frames".into())
            .spawn(move || read(connection, opener, sender, &theirs))?;
        Ok(Self { mailbox, connection: handle, reader: Some(reader) })
    }

    /// The newest frame that nobody has looked at, or nothing within `patience`.
    pub fn next(&self, patience: Duration) -> Result<Option<Frame>, Reason> {
        let (slot, arrived) = &*self.mailbox;
        let slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut slot, _) = arrived
            .wait_timeout_while(slot, patience, |s| matches!(s, Slot::Empty))
            .unwrap_or_else(PoisonError::into_inner);
        if let Slot::Ended(reason) = *slot {
            return Err(reason);
        }
        match std::mem::replace(&mut *slot, Slot::Empty) {
            Slot::Fresh(frame) => Ok(Some(frame)),
            Slot::Empty | Slot::Ended(_) => Ok(None),
        }
    }
}

impl Drop for CameraLink {
    fn drop(&mut self) {
        self.connection.close();
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has already ended the stream.
            let _ = reader.join();
        }
    }
}

/// Reads until the stream ends, however it does.
fn read(mut connection: Connection, mut opener: Opener, sender: Uid, mailbox: &Mailbox) {
    let (slot, arrived) = &**mailbox;
    loop {
        let next = receive_frame(&mut connection, &mut opener, sender);
        let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
        let ended = next.is_err();
        *slot = match next {
            Ok(frame) => Slot::Fresh(frame),
            Err(reason) => Slot::Ended(reason),
        };
        arrived.notify_all();
        if ended {
            return;
        }
    }
}

fn receive_frame(connection: &mut Connection, opener: &mut Opener, sender: Uid) -> Result<Frame, Reason> {
    let reply = connection.receive_from(sender, Deadline::after(SILENCE)).map_err(|e| match e {
        IpcError::Malformed(_) | IpcError::Oversize(_) | IpcError::WrongSender(_) => Reason::FrameRejected,
        _ => Reason::CameraGone,
    })?;
    match reply {
        CameraReply::Frame { header, ciphertext, signature } => {
            let sealed = SealedFrame {
                header: header.into(),
                ciphertext: ciphertext.into(),
                signature: signature.into(),
            };
            opener.open(sealed, monotonic_us()).map_err(|e: FrameError| {
                log::warn!("frame refused: {e}");
                Reason::FrameRejected
            })
        }
        CameraReply::Refused(refusal) => Err(reason_of(refusal)),
        _ => Err(Reason::FrameRejected),
    }
}

/// Connects to a camera process.
pub fn connect(place: &CameraPlace, deadline: Deadline) -> Result<Connection, VaultError> {
    Connection::connect(&place.socket, deadline).map_err(|e| match e {
        IpcError::Absent | IpcError::Timeout => Reason::CameraAbsent.into(),
        other => other.into(),
    })
}

/// One question and its answer, which must come from the camera process's user.
pub fn ask(
    connection: &mut Connection,
    request: &CameraRequest,
    sender: Uid,
    deadline: Deadline,
) -> Result<CameraReply, VaultError> {
    let answer = connection.send(request, deadline).and_then(|()| connection.receive_from(sender, deadline));
    answer.map_err(|e| match e {
        IpcError::Timeout | IpcError::Closed | IpcError::Absent => Reason::CameraGone.into(),
        IpcError::WrongSender(_) => Reason::FrameRejected.into(),
        other => other.into(),
    })
}

/// What a camera's refusal means to the asker.
pub fn reason_of(refusal: CameraRefusal) -> Reason {
    match refusal {
        CameraRefusal::NoSuchCamera | CameraRefusal::NoFormat => Reason::CameraAbsent,
        CameraRefusal::Busy => Reason::CameraBusy,
        CameraRefusal::Unpaired | CameraRefusal::NotAllowed | CameraRefusal::BadOffer => {
            Reason::CameraUnpaired
        }
        CameraRefusal::Gone | CameraRefusal::Internal => Reason::CameraGone,
    }
}
