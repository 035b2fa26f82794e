//! One camera on the bus: claim it, enrol, verify, perform ceremonies, list and delete faces. Progress goes
//! to the caller alone, as signals that nobody else receives.

use log::info;
use vultus_ipc::camera::Spectrum;
use vultus_ipc::vault::{Ceremony, PairedCamera, VaultReply, VaultRequest};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, OwnedObjectPath, interface};

use crate::authorisation::Caller;
use crate::bus::Shared;
use crate::bus::ceremonies::checked_text;
use crate::bus::error::Error;
use crate::bus::manager::ticket_nonce;
use crate::claims::Operation;

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

    /// The caller says whether it shows, all over its window, the colours that `Guidance` names: the next
    /// verification or ceremony may then flash them, twice a second. Not, unless it was said; forgotten with
    /// the claim.
    async fn shows_colours(
        &self,
        shows: bool,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        Ok(self.shared.claims().shows_colours(&self.record.id, &caller.name, shows)?)
    }

    /// Starts to verify the claimed user; the result comes as `VerifyStatus`.
    async fn verify_start(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let (caller, uid, screen) = self.sitter(bus, &header).await?;
        let wait_ms = self.shared.configuration.verify_ms;
        let request = VaultRequest::Verify { uid, camera: Some(self.record.id.clone()), wait_ms, screen };
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

    /// Starts to register an account of a remote service, by the packet of a server; the result comes as
    /// `CeremonyStatus`.
    async fn register_start(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.perform(Ceremony::Registration, packet, bus, &header).await
    }

    /// Starts to authenticate the claimed user towards a remote service, by the packet of a server. A
    /// transaction that the packet holds comes first, with `Request`, and waits for `Confirm`.
    async fn authenticate_start(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.perform(Ceremony::Authentication, packet, bus, &header).await
    }

    /// Starts to deregister an account of a remote service, by the packet of a server.
    async fn deregister_start(
        &self,
        packet: Vec<u8>,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.perform(Ceremony::Deregistration, packet, bus, &header).await
    }

    /// Starts to verify the claimed user, and to sign that for an application of this machine: `nonce` is
    /// of its own choice, and `audience` its name.
    async fn verify_with_assertion_start(
        &self,
        nonce: Vec<u8>,
        audience: String,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        self.assert(nonce, audience, bus, &header).await
    }

    /// The person agrees to the transaction that was shown: `text` is that very text.
    async fn confirm(
        &self,
        text: String,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        checked_text(&text)?;
        let confirmation = self.shared.claims().agree(&self.record.id, &caller.name)?;
        Ok(confirmation.send(text).await?)
    }

    /// Cancels what ends in a `CeremonyStatus`, of which none comes then.
    async fn ceremony_stop(
        &self,
        #[zbus(connection)] bus: &Connection,
        #[zbus(header)] header: Header<'_>,
    ) -> Result<(), Error> {
        let caller = self.shared.caller(bus, &header).await?;
        Ok(self.shared.claims().stop(&self.record.id, &caller.name, Operation::Ceremony)?)
    }

    /// How a verification stands: `result` is a stable word, and `done` tells that it was the last.
    #[zbus(signal)]
    pub(super) async fn verify_status(
        emitter: &SignalEmitter<'_>,
        result: &str,
        done: bool,
    ) -> zbus::Result<()>;

    /// How an enrolment stands.
    #[zbus(signal)]
    pub(super) async fn enroll_status(
        emitter: &SignalEmitter<'_>,
        result: &str,
        done: bool,
    ) -> zbus::Result<()>;

    /// What the person should do: a stable word and an English sentence; `have` of `need` good shots.
    #[zbus(signal)]
    pub(super) async fn guidance(
        emitter: &SignalEmitter<'_>,
        word: &str,
        sentence: &str,
        have: u8,
        need: u8,
    ) -> zbus::Result<()>;

    /// What a server's packet asks for, once it was checked: compare it with what the person wants, and
    /// `CeremonyStop` where it differs. Where `transaction` is not empty, the person is to agree to it
    /// before anything is signed: show it as it is, then `Confirm`, or `CeremonyStop`.
    #[zbus(signal)]
    pub(super) async fn request(
        emitter: &SignalEmitter<'_>,
        server: &str,
        service: &str,
        account: &str,
        transaction: &str,
    ) -> zbus::Result<()>;

    /// How a ceremony stands: `packet` is empty unless `result` is `signed`.
    #[zbus(signal)]
    pub(super) async fn ceremony_status(
        emitter: &SignalEmitter<'_>,
        result: &str,
        done: bool,
        packet: &[u8],
    ) -> zbus::Result<()>;
}

impl Camera {
    /// The caller that has claimed this camera, the user to be verified (its own, unless it is root), and
    /// whether the caller shows colours.
    pub(super) async fn sitter(
        &self,
        bus: &Connection,
        header: &Header<'_>,
    ) -> Result<(Caller, u32, bool), Error> {
        let caller = self.shared.caller(bus, header).await?;
        let uid = self.shared.claims().idle(&self.record.id, &caller.name)?;
        let screen = self.shared.claims().screen(&self.record.id, &caller.name)?;
        if !caller.uid.is_root() && caller.uid.0 != uid {
            return Err(Error::PermissionDenied("only root may verify another user".into()));
        }
        Ok((caller, uid, screen))
    }

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
