//! One camera on the bus: claim it, enrol, verify, list and delete faces. Progress goes to the caller
//! alone, as signals that nobody else receives.

use log::{info, warn};
use tokio::sync::mpsc;
use vultus_ipc::camera::Spectrum;
use vultus_ipc::vault::{PairedCamera, VaultReply, VaultRequest};
use vultus_ipc::{Guidance, Reason, Verdict};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath, interface};

use crate::bus::Shared;
use crate::bus::error::Error;
use crate::bus::manager::ticket_nonce;
use crate::claims::Operation;
use crate::vault_client::Event;

pub struct Camera {
    pub shared: Shared,
    pub path: OwnedObjectPath,
    pub record: PairedCamera,
}

#[interface(name = "org.vultus.Vultus1.Camera")]
impl Camera {
    /// The stable identity.
    #[zbus(property(emits_changed_signal = "const"))]
    fn id(&self) -> String {
        self.record.id.clone()
    }

    /// The name the device gives itself.
    #[zbus(property(emits_changed_signal = "const"))]
    fn name(&self) -> String {
        self.record.label.clone()
    }

    /// `colour` or `grey`.
    #[zbus(property(emits_changed_signal = "const"))]
    fn spectrum(&self) -> String {
        match self.record.spectrum {
            Spectrum::Colour => "colour".into(),
            Spectrum::Grey => "grey".into(),
        }
    }

    /// Reserves the camera for the caller, for one user (its own where `username` is empty).
    async fn claim(
        &self,
        username: &str,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        self.shared.claims().claim(&self.record.id, &caller.name, uid)?;
        // A caller that left while polkit was asking has been forgotten already: its claim must not stay.
        if !is_on_bus(bus, &caller.name).await {
            self.shared.claims().left(&caller.name);
        }
        Ok(())
    }

    /// Gives the camera back; what runs is cancelled.
    async fn release(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        Ok(self.shared.claims().release(&self.record.id, &caller.name)?)
    }

    /// Starts to verify the claimed user; the result comes as `VerifyStatus`.
    async fn verify_start(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.claims().idle(&self.record.id, &caller.name)?;
        if !caller.uid.is_root() && caller.uid.0 != uid {
            return Err(Error::PermissionDenied("only root may verify another user".into()));
        }
        let wait_ms = self.shared.configuration.verify_ms;
        let request = VaultRequest::Verify { uid, camera: Some(self.record.id.clone()), wait_ms };
        info!(vultus_uid = uid, vultus_caller = caller.name.as_str(); "verification begins");
        self.start(bus, &caller.name, Operation::Verify, request, wait_ms).await
    }

    async fn verify_stop(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        Ok(self.shared.claims().stop(&self.record.id, &caller.name, Operation::Verify)?)
    }

    /// Starts to enrol a face of the claimed user under a label, with a ticket for `enroll`; the result
    /// comes as `EnrollStatus`.
    async fn enroll_start(
        &self,
        label: String,
        ticket: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.claims().idle(&self.record.id, &caller.name)?;
        let ticket = ticket_nonce(&ticket)?;
        let wait_ms = self.shared.configuration.enrol_ms;
        let camera = Some(self.record.id.clone());
        let request = VaultRequest::Enroll { uid, label, camera, ticket, wait_ms };
        info!(vultus_uid = uid, vultus_caller = caller.name.as_str(); "enrolment begins");
        self.start(bus, &caller.name, Operation::Enrol, request, wait_ms).await
    }

    async fn enroll_stop(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        Ok(self.shared.claims().stop(&self.record.id, &caller.name, Operation::Enrol)?)
    }

    /// The faces of a user: number, label, camera, good shots.
    async fn list_enrolled_faces(
        &self,
        username: &str,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<Vec<(u32, String, String, u8)>, Error> {
        let caller = self.shared.caller(bus, &header).await?;
        let uid = self.shared.user(bus, &header, &caller, username).await?;
        match self.shared.vault.ask(VaultRequest::ListFaces { uid }).await? {
            VaultReply::Faces(faces) => {
                Ok(faces.into_iter().map(|f| (f.face, f.label, f.camera, f.shots)).collect())
            }
            _ => Err(Error::unexpected()),
        }
    }

    /// Deletes one face of the claimed user, with a ticket for `delete`.
    async fn delete_enrolled_face(
        &self,
        face: u32,
        ticket: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.delete(Some(face), &ticket, bus, &header).await
    }

    /// Deletes all faces of the claimed user, with a ticket for `delete`.
    async fn delete_enrolled_faces(
        &self,
        ticket: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.delete(None, &ticket, bus, &header).await
    }

    /// How a verification stands: `result` is a stable word, and `done` tells that it was the last.
    #[zbus(signal)]
    async fn verify_status(emitter: &SignalEmitter<'_>, result: &str, done: bool) -> zbus::Result<()>;

    /// How an enrolment stands.
    #[zbus(signal)]
    async fn enroll_status(emitter: &SignalEmitter<'_>, result: &str, done: bool) -> zbus::Result<()>;

    /// What the person should do: a stable word and an English sentence; `have` of `need` good shots.
    #[zbus(signal)]
    async fn guidance(
        emitter: &SignalEmitter<'_>,
        word: &str,
        sentence: &str,
        have: u8,
        need: u8,
    ) -> zbus::Result<()>;
}

impl Camera {
    async fn delete(
        &self,
        face: Option<u32>,
        ticket: &[u8],
        bus: &Connection,
        header: &Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, header).await?;
        let uid = self.shared.claims().idle(&self.record.id, &caller.name)?;
        let ticket = ticket_nonce(ticket)?;
        match self.shared.vault.ask(VaultRequest::DeleteFaces { uid, face, ticket }).await? {
            VaultReply::Done => Ok(()),
            _ => Err(Error::unexpected()),
        }
    }

    async fn start(
        &self,
        bus: &Connection,
        caller: &str,
        operation: Operation,
        request: VaultRequest,
        wait_ms: u32,
    ) -> Result<(), Error> {
        let (running, events) = self.shared.vault.start(request, wait_ms).await?;
        // The caller may have gone, or started something else, in the meantime: then this is dropped.
        let run = self.shared.claims().started(&self.record.id, caller, operation, running)?;
        let destination = zbus::names::BusName::try_from(caller.to_owned())?;
        let emitter = SignalEmitter::new(bus, self.path.clone())?.set_destination(destination).into_owned();
        let progress =
            Progress { shared: self.shared.clone(), camera: self.record.id.clone(), run, operation };
        tokio::spawn(progress.tell(events, emitter));
        Ok(())
    }
}

/// One run, whose events go to its caller for as long as it is the one that runs.
struct Progress {
    shared: Shared,
    camera: String,
    run: u64,
    operation: Operation,
}

impl Progress {
    async fn tell(self, mut events: mpsc::Receiver<Event>, emitter: SignalEmitter<'static>) {
        while let Some(event) = events.recv().await {
            if self.shared.claims().current(&self.camera, self.run).is_none() {
                return;
            }
            let told = match event {
                Event::Guide(guidance) => guide(&emitter, guidance).await,
                Event::End(result) => {
                    self.shared.claims().ended(&self.camera, self.run);
                    self.end(&emitter, result).await
                }
            };
            if let Err(e) = told {
                warn!("a signal could not be sent: {e}");
            }
        }
    }

    async fn end(&self, emitter: &SignalEmitter<'_>, result: Result<VaultReply, Reason>) -> zbus::Result<()> {
        match self.operation {
            Operation::Verify => Camera::verify_status(emitter, verify_word(&result), true).await,
            Operation::Enrol => Camera::enroll_status(emitter, enrol_word(&result), true).await,
        }
    }
}

/// Whether a unique name still has its owner; not, where the bus does not say.
async fn is_on_bus(bus: &Connection, name: &str) -> bool {
    let Ok(name) = zbus::names::BusName::try_from(name.to_owned()) else {
        return false;
    };
    match zbus::fdo::DBusProxy::new(bus).await {
        Ok(daemon) => daemon.name_has_owner(name).await.unwrap_or(false),
        Err(_) => false,
    }
}

async fn guide(emitter: &SignalEmitter<'_>, guidance: Guidance) -> zbus::Result<()> {
    let (have, need) = match guidance {
        Guidance::Captured { have, need } => (have, need),
        _ => (0, 0),
    };
    Camera::guidance(emitter, guidance.word(), guidance.sentence(), have, need).await
}

/// The stable word of a verification's end. Only one of them lets anybody in.
fn verify_word(result: &Result<VaultReply, Reason>) -> &'static str {
    match result {
        Ok(VaultReply::Judged(Verdict::Accepted)) => "verify-match",
        Ok(VaultReply::Judged(Verdict::Refused)) => "verify-no-match",
        Ok(VaultReply::Judged(Verdict::LockedOut { .. })) => "verify-locked-out",
        Ok(VaultReply::Judged(Verdict::NotJudged(reason))) | Err(reason) => {
            reason_word(*reason, "verify-unavailable")
        }
        Ok(_) => "verify-unavailable",
    }
}

fn enrol_word(result: &Result<VaultReply, Reason>) -> &'static str {
    match result {
        Ok(VaultReply::Enrolled(_)) => "enroll-completed",
        Err(Reason::PasswordNeeded) => "enroll-password-needed",
        Err(Reason::TooManyFaces) => "enroll-too-many-faces",
        Err(reason) => reason_word(*reason, "enroll-failed"),
        Ok(_) => "enroll-failed",
    }
}

/// Reasons that a program can do something about have a word of their own.
fn reason_word(reason: Reason, otherwise: &'static str) -> &'static str {
    match reason {
        Reason::NoFace => "no-face",
        Reason::NotEnrolled => "not-enrolled",
        Reason::Cancelled => "cancelled",
        Reason::Busy | Reason::CameraBusy => "busy",
        Reason::CameraAbsent | Reason::CameraGone => "camera-gone",
        Reason::CameraUnpaired => "camera-unpaired",
        Reason::OtherCamera => "other-camera",
        Reason::FrameRejected => "frame-rejected",
        Reason::TpmAbsent | Reason::TpmForeign | Reason::TpmPolicy => "tpm-refused",
        Reason::StateTampered | Reason::StateUnavailable => "state-refused",
        _ => otherwise,
    }
}
