//! Asks the vault: one connection for each request, on a thread that may block, with its guidance
//! handed on as it comes. Dropping the request cancels it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use vultus_ipc::connection::Handle;
use vultus_ipc::vault::{RequestRecord, VaultReply, VaultRequest};
use vultus_ipc::{Connection, Deadline, Guidance, IpcError, Reason, Uid};

/// For connecting and for requests that look at no camera: those wait for the TPM at most.
const SHORT: Duration = Duration::from_secs(20);
/// For requests that have the TPM make keys, one after the other.
const KEYS: Duration = Duration::from_secs(60);
/// How much longer than its own deadline the vault may take to say that it passed.
const MARGIN: Duration = Duration::from_secs(5);
/// The same, where the TPM signs after the person was verified.
const SIGNING: Duration = Duration::from_secs(20);
/// For one message on a connection that stands.
const MESSAGE: Duration = Duration::from_secs(3);

#[derive(Clone, Debug)]
pub struct VaultClient {
    pub socket: PathBuf,
    pub uid: Uid,
    /// How many requests of the bus are under way at a time: the others wait here, so that logins find
    /// a place at the vault.
    turns: Arc<Semaphore>,
    /// How many requests may take their time at once. The next is refused, not kept waiting: the person sits
    /// there already.
    runs: Arc<Semaphore>,
}

/// See [`VaultClient::turns`].
const MOST_REQUESTS: usize = 6;
/// See [`VaultClient::runs`].
const MOST_RUNS: usize = 4;

/// What comes of a request that takes its time.
#[derive(Debug)]
pub enum Event {
    Guide(Guidance),
    /// What the server asks for. Where it has a transaction, nothing is signed before the person agreed to it.
    Request(RequestRecord),
    /// The last one.
    End(Result<VaultReply, Reason>),
}

/// A request that runs. Dropping it hangs up, which cancels it in the vault.
pub struct Running {
    handle: Arc<Handle>,
    /// Its place among those that run, for its whole life.
    _place: OwnedSemaphorePermit,
}

/// The person's consent, to be sent on the connection of the request that waits for it.
pub struct Confirmation {
    handle: Arc<Handle>,
}

impl Running {
    pub fn confirmation(&self) -> Confirmation {
        Confirmation { handle: Arc::clone(&self.handle) }
    }
}

impl Confirmation {
    /// Sends it, while another thread reads from the connection: the person agreed to this very text, which
    /// the vault compares.
    pub async fn send(self, text: String) -> Result<(), Reason> {
        let sent = tokio::task::spawn_blocking(move || {
            self.handle.connection()?.send(&VaultRequest::Confirm { text }, Deadline::after(MESSAGE))
        });
        sent.await.map_err(|_| Reason::Internal)?.map_err(|e| {
            log::warn!("a confirmation did not reach the vault: {e}");
            Reason::NotConfirmed
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.handle.close();
    }
}

impl VaultClient {
    pub fn new(socket: PathBuf, uid: Uid) -> Self {
        let turns = Arc::new(Semaphore::new(MOST_REQUESTS));
        Self { socket, uid, turns, runs: Arc::new(Semaphore::new(MOST_RUNS)) }
    }

    /// A request that answers at once.
    pub async fn ask(&self, request: VaultRequest) -> Result<VaultReply, Reason> {
        let _turn = self.turns.acquire().await.map_err(|_| Reason::Internal)?;
        let client = self.clone();
        let patience = patience(&request);
        let asked = tokio::task::spawn_blocking(move || {
            let deadline = Deadline::after(patience);
            let mut connection = client.connect(deadline)?;
            connection.send(&request, deadline)?;
            connection.receive_from(client.uid, deadline)
        });
        match asked.await {
            Ok(Ok(VaultReply::Refused(reason))) => Err(reason),
            Ok(Ok(reply)) => Ok(reply),
            Ok(Err(e)) => {
                log::warn!("the vault does not answer: {e}");
                Err(Reason::Internal)
            }
            Err(_) => Err(Reason::Internal),
        }
    }

    /// A request that takes up to `wait_ms`, with its events as they come. Refused at once where as many run
    /// as may.
    pub async fn start(
        &self,
        request: VaultRequest,
        wait_ms: u32,
    ) -> Result<(Running, mpsc::Receiver<Event>), Reason> {
        let place = Arc::clone(&self.runs).try_acquire_owned().map_err(|_| Reason::Busy)?;
        let client = self.clone();
        let span = Duration::from_millis(wait_ms.into()) + margin(&request);
        let begun = tokio::task::spawn_blocking(move || {
            let deadline = Deadline::after(SHORT);
            let mut connection = client.connect(deadline)?;
            connection.send(&request, deadline)?;
            Ok::<_, IpcError>((connection.handle()?, connection))
        });
        let (handle, connection) = begun.await.map_err(|_| Reason::Internal)?.map_err(|e| {
            log::warn!("the vault does not answer: {e}");
            Reason::Internal
        })?;
        let (events, received) = mpsc::channel(16);
        let deadline = Deadline::after(span);
        let uid = self.uid;
        tokio::task::spawn_blocking(move || follow(connection, uid, deadline, &events));
        Ok((Running { handle: Arc::new(handle), _place: place }, received))
    }

    pub fn connect(&self, deadline: Deadline) -> Result<Connection, IpcError> {
        Connection::connect(&self.socket, deadline)
    }
}

/// How long a request may take that looks at no camera.
fn patience(request: &VaultRequest) -> Duration {
    match request {
        VaultRequest::BeginDeviceEnrolment { .. } | VaultRequest::AnswerDeviceChallenge { .. } => KEYS,
        _ => SHORT,
    }
}

/// What a request that looks through a camera may take beyond its own time.
fn margin(request: &VaultRequest) -> Duration {
    match request {
        VaultRequest::Perform { .. } | VaultRequest::Assert { .. } => SIGNING,
        _ => MARGIN,
    }
}

/// Reads events until the last. Nobody who stopped listening is waited for.
fn follow(mut connection: Connection, uid: Uid, deadline: Deadline, events: &mpsc::Sender<Event>) {
    loop {
        let event = match connection.receive_from(uid, deadline) {
            Ok(VaultReply::Guide(guidance)) => Event::Guide(guidance),
            Ok(VaultReply::Request(request)) => Event::Request(request),
            Ok(VaultReply::Refused(reason)) => Event::End(Err(reason)),
            Ok(reply) => Event::End(Ok(reply)),
            Err(IpcError::Closed) => Event::End(Err(Reason::Cancelled)),
            Err(_) => Event::End(Err(Reason::Internal)),
        };
        let last = matches!(event, Event::End(_));
        if events.blocking_send(event).is_err() || last {
            return;
        }
    }
}
