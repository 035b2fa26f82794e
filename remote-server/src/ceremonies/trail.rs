//! What is known of a request while it is decided, and how it ends: in exactly one audit event. It decides
//! nothing. Only what a stranger was refused is not written down.

use log::{error, info};
use vultus_protocol::api::Refusal;
use vultus_protocol::{CeremonyId, PairwiseDevice, ProtocolError, ServiceName, VirtualAccount};

use super::Core;
use crate::keys::KeyError;
use crate::store::model::Service;
use crate::store::{Event, StoreError};

/// What the audit log calls the steps of one kind of ceremony.
pub struct Words {
    opened: &'static str,
    accepted: &'static str,
    refused: &'static str,
}

const fn words(opened: &'static str, accepted: &'static str, refused: &'static str) -> Words {
    Words { opened, accepted, refused }
}

pub const REGISTRATION: Words = words("registration-opened", "registered", "registration-refused");
pub const AUTHENTICATION: Words = words("authentication-opened", "authenticated", "authentication-refused");
pub const DEREGISTRATION: Words = words("deregistration-opened", "deregistered", "deregistration-refused");
pub const REVOCATION: Words = words("", "account-revoked", "revocation-refused");
pub const ENROLMENT: Words = words("enrolment-opened", "enrolled", "enrolment-refused");
pub const RESOLUTION: Words = words("", "device-resolved", "resolution-refused");

/// What is known so far. It holds no account's name, no code and no token.
pub struct Trail {
    words: &'static Words,
    /// Who asked.
    by: &'static str,
    /// Whether a refusal is written into the audit log.
    written: bool,
    pub service: Option<ServiceName>,
    /// The pairwise device, or in the registry's own events its identity there.
    pub device: Option<String>,
    pub virtual_account: Option<VirtualAccount>,
    pub ceremony: Option<CeremonyId>,
}

impl Trail {
    pub fn new(words: &'static Words, by: &'static str) -> Self {
        Self { words, by, written: true, service: None, device: None, virtual_account: None, ceremony: None }
    }

    /// Of a request that anybody may send: until it [verified](Self::verified), its refusal is not written
    /// down. Strangers must not fill the audit log.
    pub fn of_stranger(words: &'static Words, by: &'static str) -> Self {
        Self { written: false, ..Self::new(words, by) }
    }

    /// A signature of whoever asks was good.
    pub fn verified(&mut self) {
        self.written = true;
    }

    pub fn of_service(words: &'static Words, service: &Service) -> Self {
        Self { service: Some(service.name.clone()), ..Self::new(words, "service") }
    }

    pub fn concerns(&mut self, device: &PairwiseDevice, virtual_account: &VirtualAccount) {
        self.device = Some(device.to_text());
        self.virtual_account = Some(*virtual_account);
    }

    pub fn opened(&self, at: u64) -> Event {
        self.event(at, self.words.opened, None)
    }

    pub fn accepted(&self, at: u64) -> Event {
        self.event(at, self.words.accepted, None)
    }

    fn refused(&self, at: u64, reason: Refusal) -> Event {
        self.event(at, self.words.refused, Some(reason))
    }

    fn event(&self, at: u64, what: &'static str, reason: Option<Refusal>) -> Event {
        Event {
            at,
            what,
            service: self.service.clone(),
            device: self.device.clone(),
            virtual_account: self.virtual_account,
            ceremony: self.ceremony,
            reason,
            by: self.by,
        }
    }
}

/// How a request ends that does not get what it asked for.
pub enum Ended {
    /// Nothing changed.
    Refused(Refusal),
    /// The code of the ceremony is used up by it.
    Burnt(CeremonyId, Refusal),
    /// The server has no key to sign or open with.
    Keys(KeyError),
    /// Neither the request nor its refusal could be written down.
    Store(StoreError),
}

impl From<Refusal> for Ended {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<ProtocolError> for Ended {
    fn from(error: ProtocolError) -> Self {
        Self::Refused(error.into())
    }
}

impl From<KeyError> for Ended {
    fn from(error: KeyError) -> Self {
        Self::Keys(error)
    }
}

impl From<StoreError> for Ended {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Core {
    async fn write(&self, trail: &Trail, event: Event) -> Result<(), StoreError> {
        if trail.written { self.store.note(event).await } else { Ok(()) }
    }

    /// Writes a refusal down before it is answered. What was accepted was written down with its change.
    pub(crate) async fn settle<T>(&self, trail: Trail, outcome: Result<T, Ended>) -> Result<T, Refusal> {
        let ended = match outcome {
            Ok(done) => return Ok(done),
            Err(ended) => ended,
        };
        let now = self.clock.now();
        let (refusal, written) = match ended {
            Ended::Refused(refusal) => (refusal, self.write(&trail, trail.refused(now, refusal)).await),
            Ended::Burnt(id, refusal) => {
                (refusal, self.store.burn(&id, now, trail.refused(now, refusal)).await)
            }
            Ended::Keys(e) => {
                error!("the server's keys: {e}");
                let refusal = Refusal::Unavailable;
                (refusal, self.write(&trail, trail.refused(now, refusal)).await)
            }
            Ended::Store(e) => (Refusal::Unavailable, Err(e)),
        };
        let service = trail.service.as_ref().map_or("", ServiceName::as_str);
        if let Err(e) = written {
            error!(vultus_service = service; "{}: the store: {e}", trail.words.refused);
            return Err(Refusal::Unavailable);
        }
        info!(vultus_service = service; "{}: {refusal}", trail.words.refused);
        Err(refusal)
    }
}
