//! Who may ask what, and the answers. Every request has a connection of its own, whose asker the
//! kernel names; no message says who sent it.
//!
//! Threat model: M7, M8, M29.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

use log::{info, warn};
use vultus_ipc::login::{LoginQuestion, LoginReply, refused_service};
use vultus_ipc::vault::{
    Action, CAMERA_ID_LENGTH, LABEL_LENGTH, PairedCamera, Pairing, TicketNonce, VaultReply, VaultRequest,
    VaultStatus,
};
use vultus_ipc::{Connection, Deadline, Guidance, Listener, Peer, Places, Reason, Uid, Verdict};
use vultus_vision::Observer;

use crate::VaultError;
use crate::attempt::{Asker, Judged, Question, verify};
use crate::clock::Moment;
use crate::configuration::Configuration;
use crate::enrolment::{Order, enrol};
use crate::keys::Keys;
use crate::liveness::Purpose;
use crate::pairing;
use crate::ticket::Tickets;

/// How long one message may take.
const MESSAGE: Duration = Duration::from_secs(3);
/// Connections that are served at a time.
const MOST_CONNECTIONS: usize = 32;
/// Of those, for one user: `vultusd` has many askers, and strangers are refused soon.
const MOST_OF_ONE: usize = 24;
/// How long an attempt waits for the one before it to end.
const QUEUE: Duration = Duration::from_millis(500);

pub struct Vault {
    pub configuration: Configuration,
    pub keys: Keys,
    pub observer: Observer,
    tickets: Mutex<Tickets>,
    /// Held by whoever looks through a camera: one attempt or enrolment at a time.
    looking: Mutex<()>,
    /// See [`Self::change`].
    pub(crate) changing_records: Mutex<()>,
}

/// What an asker is, by the kernel's word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) daemon: bool,
    pub(crate) root: bool,
}

impl Role {
    const STRANGER: Self = Self { daemon: false, root: false };
}

impl Vault {
    pub fn new(configuration: Configuration, keys: Keys, observer: Observer) -> Self {
        Self {
            configuration,
            keys,
            observer,
            tickets: Mutex::default(),
            looking: Mutex::new(()),
            changing_records: Mutex::new(()),
        }
    }

    /// Serves connections until the listener fails.
    pub fn serve(self, listener: &Listener) -> Result<(), VaultError> {
        let vault = Arc::new(self);
        let places = Places::new(MOST_CONNECTIONS, MOST_OF_ONE);
        loop {
            let connection = listener.accept()?;
            // A stranger gets neither a place nor a thread.
            let place = match connection.peer() {
                Ok(peer) if vault.role(peer.uid) != Role::STRANGER => places.take(peer.uid),
                _ => continue,
            };
            let Some(place) = place else {
                warn!("too many connections: one was closed");
                continue;
            };
            let vault = Arc::clone(&vault);
            let spawned = std::thread::Builder::new().name("request".into()).spawn(move || {
                let _place = place;
                vault.converse(connection);
            });
            if let Err(e) = spawned {
                warn!("no thread for a request: {e}");
            }
        }
    }

    fn role(&self, uid: Uid) -> Role {
        // Whoever runs as the vault's own user holds all that it holds already: in a runtime
        // directory of one's own, that user stands for root.
        Role { daemon: uid.0 == self.configuration.daemon_uid, root: uid.is_root() || uid == Uid::own() }
    }

    fn converse(&self, mut connection: Connection) {
        let (Ok(peer), Ok(received)) = (connection.peer(), connection.receive_all(Deadline::after(MESSAGE)))
        else {
            return;
        };
        // The one who connected and the one who wrote must be the same.
        if received.sender != peer.uid {
            warn!(vultus_uid = peer.uid.0; "a request was written by another user than connected");
            return;
        }
        let role = self.role(peer.uid);
        let reply = match (received.message, received.descriptor) {
            (VaultRequest::Login(question), Some(descriptor)) if role.daemon => {
                match Connection::adopt(descriptor) {
                    Ok(asker) => self.login(asker, question),
                    Err(e) => Err(e.into()),
                }
            }
            (_, Some(_)) => Err(Reason::BadRequest.into()),
            (request, None) => self.answer(request, role, &mut connection),
        };
        let reply = reply.unwrap_or_else(|e| {
            info!(vultus_uid = peer.uid.0; "refused: {e}");
            VaultReply::Refused(e.reason())
        });
        if let Err(e) = connection.send(&reply, Deadline::after(MESSAGE)) {
            info!(vultus_uid = peer.uid.0; "nobody took the answer: {e}");
        }
    }

    /// One row for each request: who may ask it, and what is done.
    fn answer(
        &self,
        request: VaultRequest,
        role: Role,
        connection: &mut Connection,
    ) -> Result<VaultReply, VaultError> {
        match request {
            VaultRequest::Status if role.daemon || role.root => Ok(VaultReply::Status(self.status())),
            VaultRequest::Cameras if role.daemon || role.root => self.cameras(),
            VaultRequest::Verify { uid, camera, wait_ms, screen } if role.daemon => {
                self.verify(uid, camera.as_deref(), wait_ms, screen, &mut Caller { connection })
            }
            VaultRequest::Enroll { uid, label, camera, ticket, wait_ms } if role.daemon => {
                checked_label(&label)?;
                checked_camera(camera.as_deref())?;
                let _looking = self.look(Deadline::after(QUEUE))?;
                self.consume(uid, Action::Enroll, &ticket)?;
                let deadline = deadline(wait_ms, self.configuration.longest_enrolment_ms);
                let order = Order { uid, label: &label, camera: camera.as_deref(), deadline };
                let mut asker = Caller { connection };
                enrol(&self.keys, &self.configuration, &self.observer, &order, &mut asker)
                    .map(VaultReply::Enrolled)
            }
            VaultRequest::ListFaces { uid } if role.daemon => {
                let templates = self.keys.open()?.templates(uid)?;
                Ok(VaultReply::Faces(templates.iter().map(|(face, t)| t.record(*face)).collect()))
            }
            VaultRequest::DeleteFaces { uid, face, ticket } if role.daemon => {
                // Not beside an attempt: a face that is deleted opens nothing after that.
                let _looking = self.look(Deadline::after(QUEUE))?;
                // Nor beside a signature.
                let _changing = self.change()?;
                self.consume(uid, Action::Delete, &ticket)?;
                self.delete(uid, face)
            }
            VaultRequest::ClearLockout { uid, ticket } if role.daemon => {
                let _looking = self.look(Deadline::after(QUEUE))?;
                self.consume(uid, Action::ClearLockout, &ticket)?;
                self.keys.open()?.put_counter(uid, &Default::default())?;
                info!(vultus_uid = uid; "failures forgotten after a password");
                Ok(VaultReply::Done)
            }
            VaultRequest::RequestTicket { uid, action } if role.daemon => {
                let nonce = self.tickets().request(uid, action, Instant::now())?;
                Ok(VaultReply::Ticket(nonce.into()))
            }
            VaultRequest::GrantTicket { uid, action, nonce, boot } if role.root => {
                let own_boot = Moment::now()?.boot;
                self.tickets().redeem((uid, action, &nonce), (&boot, &own_boot), Instant::now())?;
                Ok(VaultReply::Done)
            }
            VaultRequest::PairCamera { camera } if role.root => {
                checked_camera(Some(&camera))?;
                pairing::pair(&self.keys.open()?, &self.configuration.cameras, &camera)?;
                info!(vultus_camera = camera.as_str(); "camera paired");
                Ok(VaultReply::Done)
            }
            VaultRequest::UnpairCamera { camera } if role.root => {
                self.keys.open()?.forget_camera(&camera)?.ok_or(Reason::CameraUnpaired)?;
                info!(vultus_camera = camera.as_str(); "camera forgotten");
                Ok(VaultReply::Done)
            }
            VaultRequest::DiscoverCameras if role.root => {
                let state = self.keys.open()?;
                Ok(VaultReply::Cameras(pairing::discover(&state, &self.configuration.cameras)?))
            }
            request => self.answer_ceremony(request, role, connection),
        }
    }

    fn status(&self) -> VaultStatus {
        let cameras = self.keys.open().and_then(|state| state.cameras());
        VaultStatus {
            tpm: cameras.as_ref().err().map(VaultError::reason),
            cameras: cameras.map_or(0, |c| c.len().min(u8::MAX.into()) as u8),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    fn cameras(&self) -> Result<VaultReply, VaultError> {
        let paired = self.keys.open()?.cameras()?;
        let record = |c: crate::records::CameraPairing| PairedCamera {
            id: c.id,
            label: c.label,
            spectrum: c.spectrum,
            paired: Pairing::Paired,
        };
        Ok(VaultReply::Cameras(paired.into_iter().map(record).collect()))
    }

    fn delete(&self, uid: u32, face: Option<u32>) -> Result<VaultReply, VaultError> {
        let state = self.keys.open()?;
        let mut faces: Vec<u32> = state.templates(uid)?.iter().map(|(face, _)| *face).collect();
        if let Some(face) = face {
            faces.retain(|f| *f == face);
        }
        if faces.is_empty() {
            return Err(Reason::NoSuchFace.into());
        }
        state.delete_templates(uid, &faces)?;
        info!(vultus_uid = uid; "{} face(s) deleted", faces.len());
        Ok(VaultReply::Done)
    }

    fn verify(
        &self,
        uid: u32,
        camera: Option<&str>,
        wait_ms: u32,
        screen: bool,
        asker: &mut dyn Asker,
    ) -> Result<VaultReply, VaultError> {
        checked_camera(camera)?;
        let deadline = deadline(wait_ms, self.configuration.longest_attempt_ms);
        let purpose = Purpose::Application;
        let question = Question { uid, camera, face: None, deadline, purpose, screen };
        let look = || self.look_soon();
        let judged = verify(&self.keys, &self.configuration, &self.observer, &question, &look, asker);
        Ok(VaultReply::Judged(verdict_of(judged)))
    }

    /// Judges a login and answers on the asker's own connection, which `vultusd` handed over. Who asks is
    /// read from that connection; what was asked is `vultusd`'s word, so the answer repeats it and the asker
    /// compares.
    fn login(&self, mut asker: Connection, question: LoginQuestion) -> Result<VaultReply, VaultError> {
        let verdict = self.judge_login(&mut asker, &question);
        info!(vultus_uid = question.uid, vultus_service = question.service.as_str(); "login: {verdict:?}");
        let answer = LoginReply::Answer { question, verdict };
        asker.send(&answer, Deadline::after(MESSAGE))?;
        Ok(VaultReply::Done)
    }

    fn judge_login(&self, asker: &mut Connection, question: &LoginQuestion) -> Verdict {
        let refusal = match asker.peer() {
            Ok(peer) => login_refusal(peer, question, &self.configuration.services),
            Err(_) => Some(Reason::Internal),
        };
        if let Some(reason) = refusal {
            return Verdict::NotJudged(reason);
        }
        let deadline = deadline(question.wait_ms, self.configuration.longest_attempt_ms);
        let purpose = Purpose::Login(&question.service);
        let uid = question.uid;
        // A login has no screen that could show anything but its prompt.
        let attempt = Question { uid, camera: None, face: None, deadline, purpose, screen: false };
        // A login waits for whoever looks: those have deadlines too.
        let look = || self.look(deadline);
        let mut asker = LoginAsker { asker };
        verdict_of(verify(&self.keys, &self.configuration, &self.observer, &attempt, &look, &mut asker))
    }

    pub(crate) fn consume(&self, uid: u32, action: Action, ticket: &TicketNonce) -> Result<(), VaultError> {
        Ok(self.tickets().consume(uid, action, ticket, Instant::now())?)
    }

    fn tickets(&self) -> std::sync::MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, for those who do not wait long.
    pub(crate) fn look_soon(&self) -> Result<std::sync::MutexGuard<'_, ()>, VaultError> {
        self.look(Deadline::after(QUEUE))
    }

    /// The right to look through a camera, waited for until then.
    fn look(&self, until: Deadline) -> Result<std::sync::MutexGuard<'_, ()>, VaultError> {
        waited(&self.looking, until)
    }
}

/// A lock, waited for until then and no longer.
pub(crate) fn waited(lock: &Mutex<()>, until: Deadline) -> Result<std::sync::MutexGuard<'_, ()>, VaultError> {
    loop {
        match lock.try_lock() {
            Ok(guard) => return Ok(guard),
            // Whoever panicked holds it no more.
            Err(TryLockError::Poisoned(e)) => return Ok(e.into_inner()),
            Err(TryLockError::WouldBlock) if until.passed() => return Err(Reason::Busy.into()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
}

/// Why this asker gets no judgement, whatever the camera would show.
fn login_refusal(peer: Peer, question: &LoginQuestion, services: &[String]) -> Option<Reason> {
    if !peer.uid.is_root() && peer.uid.0 != question.uid {
        return Some(Reason::NotAllowed);
    }
    refused_service(&question.service, services)
}

/// The end of an operation: what its asker allows, and no longer than the configuration allows.
pub(crate) fn deadline(wait_ms: u32, longest_ms: u64) -> Deadline {
    Deadline::after(Duration::from_millis(u64::from(wait_ms).min(longest_ms)))
}

fn checked_label(label: &str) -> Result<(), VaultError> {
    let fits = !label.is_empty() && label.len() <= LABEL_LENGTH && !label.chars().any(char::is_control);
    if fits { Ok(()) } else { Err(Reason::BadRequest.into()) }
}

pub(crate) fn checked_camera(camera: Option<&str>) -> Result<(), VaultError> {
    match camera {
        Some(id) if id.is_empty() || id.len() > CAMERA_ID_LENGTH => Err(Reason::BadRequest.into()),
        _ => Ok(()),
    }
}

/// A success that nobody signs with is used up as a verdict.
fn verdict_of(judged: Judged) -> Verdict {
    match judged {
        Judged::Accepted(_) => Verdict::Accepted,
        // Only a success accepts.
        Judged::Denied(Verdict::Accepted) => Verdict::NotJudged(Reason::Internal),
        Judged::Denied(verdict) => verdict,
    }
}

/// `vultusd`, waiting on the connection of its request.
pub(crate) struct Caller<'a> {
    pub(crate) connection: &'a mut Connection,
}

impl Asker for Caller<'_> {
    fn guide(&mut self, guidance: Guidance) {
        // Half a message must not be followed by another: the connection ends, and so does the attempt.
        if self.connection.send(&VaultReply::Guide(guidance), Deadline::after(MESSAGE)).is_err() {
            self.connection.close();
        }
    }

    fn gone(&self) -> bool {
        self.connection.hung_up()
    }
}

/// The PAM module, waiting on the connection that was handed over.
struct LoginAsker<'a> {
    asker: &'a mut Connection,
}

impl Asker for LoginAsker<'_> {
    fn guide(&mut self, guidance: Guidance) {
        // As above: no message after half a message.
        if self.asker.send(&LoginReply::Guide(guidance), Deadline::after(MESSAGE)).is_err() {
            self.asker.close();
        }
    }

    fn gone(&self) -> bool {
        self.asker.hung_up()
    }
}
