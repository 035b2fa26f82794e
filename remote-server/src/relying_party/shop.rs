//! The shop's side of every ceremony: it opens them at the server, passes packets on, and lets a person in
//! on a receipt that holds. It never lets anybody in on the server's word around the receipt alone.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Serialize;
use vultus_protocol::api::{Completed, Opened, Packet, Refusal, from_text};
use vultus_protocol::registration::Receipt;
use vultus_protocol::{AccountName, CeremonyId, ServiceName};

use super::api_client::ApiClient;
use super::ceremonies::{Ceremonies, Ceremony, Kind, Wish};
use super::events::{Dance, Event, Events, Outcome};
use super::now;
use super::receipts::Keys;
use super::refused::Refused;
use super::reservations::Reservations;
use super::sessions::{self, Sessions};
use super::steps::{self, Step};

/// How often the server is asked whether it has rotated its keys.
const FOLLOW_KEYS: Duration = Duration::from_secs(15 * 60);

pub struct Shop {
    service: ServiceName,
    api: ApiClient,
    keys: Keys,
    memory: Mutex<Memory>,
    /// First registrations are completed one at a time: else two strangers could both find a name free.
    first: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Memory {
    ceremonies: Ceremonies,
    sessions: Sessions,
    events: Events,
    reservations: Reservations,
}

/// A ceremony that ended well.
pub struct Done {
    /// The receipt, for the device.
    pub packet: String,
    pub account: AccountName,
    /// When the server decided.
    pub at: u64,
    /// What was agreed to, of a payment.
    pub paid: Option<String>,
    /// Of a login.
    pub session: Option<String>,
}

/// What the page shows.
#[derive(Serialize)]
pub struct View {
    service: String,
    server: String,
    now: u64,
    events: Vec<Event>,
    sessions: Vec<sessions::Shown>,
}

/// Who refused, and why. The reason is for the shop's own page.
enum Failure {
    Server(Refusal),
    /// What the server answered does not hold.
    Unbelieved(Refusal),
    /// The account has a key, and the caller no session of it.
    NoSession,
    /// The account may have a key by now: the server did not say.
    Reserved,
    /// The shop has no random bytes.
    NoToken,
}

impl Shop {
    pub fn new(service: ServiceName, api: ApiClient, keys: Keys) -> Self {
        Self { service, api, keys, memory: Mutex::default(), first: tokio::sync::Mutex::new(()) }
    }

    /// `session`: the token that the caller sent.
    pub async fn open(&self, wish: Wish, session: Option<&str>) -> Result<Opened, Refused> {
        let steps = steps::of(wish.kind);
        let dance = self.memory().events.start(wish.kind, &wish.device, wish.account.as_ref());
        self.note(&dance, &steps.asked);
        let opened = self.open_at_server(wish, session, &dance).await;
        match &opened {
            Ok(_) => self.note(&dance, &[steps.opened, steps.handed_on]),
            Err(failure) => self.note_refusal(&dance, failure, steps.opened, steps.handed_on),
        }
        opened.map_err(|failure| failure.told())
    }

    /// Passes a device's packet on, and judges what the server answers.
    pub async fn complete(&self, kind: Kind, id: &CeremonyId, packet: &Packet) -> Result<Done, Refused> {
        let ceremony = self.memory().ceremonies.begin(id, kind, now())?;
        let (steps, dance) = (steps::of(kind), &ceremony.dance);
        self.note(dance, &steps.came);
        // Whoever hangs up in the middle leaves the ceremony taken: it is never completed twice.
        let done = self.complete_at_server(&ceremony, packet).await;
        match &done {
            Ok(done) => self.note_success(&dance.clone().of_account(&done.account), steps),
            Err(failure) => self.note_refusal(dance, failure, steps.answered, steps.told),
        }
        match &done {
            Err(Failure::Server(_) | Failure::Reserved) => self.memory().ceremonies.reopen(id),
            _ => self.memory().ceremonies.close(id),
        }
        done.map_err(|failure| failure.told())
    }

    /// Follows the server's keys, without end: a rotation that was slept through could not be followed later,
    /// since the keys that vouch for the new ones end.
    pub async fn follow_keys(&self) {
        loop {
            tokio::time::sleep(FOLLOW_KEYS).await;
            // Where the server does not answer, the next time will do.
            let _ = self.keys.refresh(&self.api).await;
        }
    }

    pub fn view(&self) -> View {
        let (memory, now) = (self.memory(), now());
        View {
            service: self.service.to_string(),
            server: self.keys.server().to_string(),
            now,
            events: memory.events.all(),
            sessions: memory.sessions.all(now),
        }
    }

    async fn open_at_server(&self, w: Wish, session: Option<&str>, dance: &Dance) -> Result<Opened, Failure> {
        let first = self.is_first(&w, session).await?;
        self.note(dance, &[steps::of(w.kind).asked_server]);
        let opened = self.api.open(&w).await.map_err(Failure::Server)?;
        let id = CeremonyId::from_text(&opened.ceremony).map_err(|e| Failure::Unbelieved(e.into()))?;
        let (dance, expires_at) = (dance.clone(), opened.expires_at);
        let ceremony = Ceremony { id, wish: w, first, dance, expires_at };
        if self.memory().ceremonies.insert(ceremony, now()) {
            Ok(opened)
        } else {
            Err(Failure::Unbelieved(Refusal::Misdirected))
        }
    }

    /// Whether this registers an account's first key. Another key of it needs a session of it.
    async fn is_first(&self, wish: &Wish, session: Option<&str>) -> Result<bool, Failure> {
        let (Kind::Registration, Some(account)) = (wish.kind, &wish.account) else { return Ok(false) };
        if session.is_some_and(|token| self.memory().sessions.is_of(token, account, now())) {
            return Ok(false);
        }
        self.must_be_free(account, None).await.map(|()| true)
    }

    /// `id`: the ceremony by which it may become somebody's.
    async fn must_be_free(&self, account: &AccountName, id: Option<&CeremonyId>) -> Result<(), Failure> {
        if self.memory().reservations.is_for_another(account, id, now()) {
            return Err(Failure::Reserved);
        }
        let taken = self.api.is_taken(account).await.map_err(Failure::Server)?;
        if taken { Err(Failure::NoSession) } else { Ok(()) }
    }

    async fn complete_at_server(&self, ceremony: &Ceremony, packet: &Packet) -> Result<Done, Failure> {
        match ceremony.wish.account.as_ref().filter(|_| ceremony.first) {
            Some(account) => self.complete_first(ceremony, account, packet).await,
            None => self.pass_on(ceremony, packet).await,
        }
    }

    /// Completes the registration of an account's first key, while nobody else completes any such. What may
    /// have come about unseen keeps the name from others until the server's code has ended.
    async fn complete_first(
        &self,
        ceremony: &Ceremony,
        account: &AccountName,
        packet: &Packet,
    ) -> Result<Done, Failure> {
        let _alone = self.first.lock().await;
        self.must_be_free(account, Some(&ceremony.id)).await?;
        // Before the question: whoever hangs up, or waits too long, ends this before there is an answer.
        if !self.memory().reservations.reserve(account, ceremony, now()) {
            return Err(Failure::Reserved);
        }
        let done = self.pass_on(ceremony, packet).await;
        if !done.as_ref().is_err_and(Failure::is_uncertain) {
            self.memory().reservations.release(account, &ceremony.id);
        }
        done
    }

    async fn pass_on(&self, ceremony: &Ceremony, packet: &Packet) -> Result<Done, Failure> {
        let kind = ceremony.wish.kind;
        self.note(&ceremony.dance, &[steps::of(kind).forwarded]);
        let completed = self.api.complete(kind, &ceremony.id, packet).await.map_err(Failure::Server)?;
        let receipt = self.receipt(ceremony, &completed).await.map_err(Failure::Unbelieved)?;
        self.welcome(ceremony, completed.packet, receipt)
    }

    /// The receipt in an answer. What the answer says beside it must not differ.
    async fn receipt(&self, ceremony: &Ceremony, completed: &Completed) -> Result<Receipt, Refusal> {
        let packet = from_text(&completed.packet)?;
        let receipt = self.keys.receipt(&self.api, &self.service, ceremony, &packet).await;
        let receipt = receipt.inspect_err(|reason| log::warn!("a receipt does not hold: {reason}"))?;
        let agrees = completed.ceremony == ceremony.id.to_text()
            && completed.account == receipt.account.as_str()
            && completed.device == receipt.device.to_text();
        if agrees { Ok(receipt) } else { Err(Refusal::Misdirected) }
    }

    /// What a receipt that holds means to the shop.
    fn welcome(&self, ceremony: &Ceremony, packet: String, receipt: Receipt) -> Result<Done, Failure> {
        let (account, at) = (receipt.account, receipt.at);
        let mut session = None;
        match ceremony.wish.kind {
            Kind::Authentication => {
                let opened = self.memory().sessions.open(&account, &receipt.device, now());
                session = Some(opened.ok_or(Failure::NoToken)?);
            }
            Kind::Deregistration => self.memory().sessions.end_of(&account),
            Kind::Registration | Kind::Payment => {}
        }
        let paid = ceremony.wish.text.as_ref().map(|text| text.as_str().to_owned());
        Ok(Done { packet, account, at, paid, session })
    }

    fn note(&self, dance: &Dance, steps: &[Step]) {
        let mut memory = self.memory();
        steps.iter().for_each(|step| memory.events.note(dance, *step, now()));
    }

    fn note_success(&self, dance: &Dance, steps: &steps::Steps) {
        self.note(dance, &[steps.resolved, steps.answered]);
        self.memory().events.end(dance, steps.told, Outcome::Accepted, None, now());
    }

    /// A refusal ends the dance at the server's arrow or at the shop's own.
    fn note_refusal(&self, dance: &Dance, failure: &Failure, by_server: Step, by_shop: Step) {
        let (reason, own) = (Some(failure.word()), !matches!(failure, Failure::Server(_)));
        if matches!(failure, Failure::Unbelieved(_) | Failure::NoToken) {
            self.note(dance, &[by_server]);
        }
        let last = if own { by_shop } else { by_server };
        let last = Step { what: "refused", ..last };
        self.memory().events.end(dance, last, Outcome::Refused, reason, now());
    }

    /// Never held across an await.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Failure {
    /// Whether the server may have done what it was asked for all the same.
    fn is_uncertain(&self) -> bool {
        matches!(self, Self::Server(Refusal::Unavailable | Refusal::Oversize) | Self::Unbelieved(_))
    }

    fn told(&self) -> Refused {
        match self {
            Self::Server(reason) => Refused::of(*reason),
            Self::Unbelieved(_) => Refused::of(Refusal::BadSignature),
            Self::NoSession => Refused::NO_SESSION,
            Self::Reserved | Self::NoToken => Refused::LATER,
        }
    }

    fn word(&self) -> String {
        match self {
            Self::Server(reason) | Self::Unbelieved(reason) => reason.word(),
            Self::NoSession => "no-session".to_owned(),
            Self::Reserved => "reserved".to_owned(),
            Self::NoToken => "no-token".to_owned(),
        }
    }
}
