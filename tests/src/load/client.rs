//! A relying party's backend as the server's API sees it: requests over HTTPS on connections that are kept,
//! and answers as values or typed failures. It retries nothing.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vultus_protocol::api::{
    Completed, OpenAuthentication, OpenRegistration, Opened, Packet, Problem, Refusal, from_text, to_text,
};
use vultus_protocol::{PairwiseDevice, PinnedServer, ServiceName};

use crate::soft_device::{DeviceError, SoftDevice, now};

/// How long any request may take. Longer than the server gives itself, so that its own answer comes first.
pub const DEADLINE: Duration = Duration::from_secs(20);
const CONNECTING: Duration = Duration::from_secs(5);
/// Shorter than the server keeps an idle connection, so that none is used that it is about to close.
const IDLE: Duration = Duration::from_secs(5);

/// Why there is no success. Named for what is known of the request.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The server decided; or, with `unavailable`, it says that it could not.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// Nobody knows whether it was decided.
    #[error("no answer: {0}")]
    NoAnswer(#[from] reqwest::Error),
    /// The server answered what its API does not know.
    #[error("an answer with status {0} that is none of the API's")]
    Strange(u16),
    #[error("the device: {0}")]
    Device(#[from] DeviceError),
    #[error("a task of the load did not end: {0}")]
    Task(#[from] tokio::task::JoinError),
}

impl Failure {
    /// Whether this, and nothing worse, is what the server said.
    pub fn is(&self, reason: Refusal) -> bool {
        matches!(self, Self::Refused(refusal) if *refusal == reason)
    }
}

/// Where an instance is to be found. It changes when the instance starts again; clones follow.
#[derive(Clone)]
pub struct Target(Arc<RwLock<SocketAddr>>);

impl Target {
    pub fn new(address: SocketAddr) -> Self {
        Self(Arc::new(RwLock::new(address)))
    }

    pub fn set(&self, address: SocketAddr) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = address;
    }

    fn url(&self, path: &str) -> String {
        let address = *self.0.read().unwrap_or_else(PoisonError::into_inner);
        format!("https://{address}{path}")
    }
}

/// Clones share their connections, which belong to the runtime of the first request.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    authorisation: HeaderValue,
    service: ServiceName,
    target: Target,
}

/// `GET /v1/keys`.
#[derive(Deserialize)]
struct Published {
    packets: Vec<String>,
}

impl Client {
    pub fn new(
        http: reqwest::Client,
        authorisation: HeaderValue,
        service: ServiceName,
        target: Target,
    ) -> Self {
        Self { http, authorisation, service, target }
    }

    /// The keys that the server publishes, pinned as they come.
    pub async fn pinned(&self) -> Result<PinnedServer, Failure> {
        let published: Published = read(self.http.get(self.target.url("/v1/keys")).send().await?).await?;
        let mut packets = published.packets.iter().map(|packet| from_text(packet));
        let first = packets.next().ok_or(DeviceError::NoKeyCounts)?.map_err(DeviceError::from)?;
        let mut pinned = PinnedServer::first(&first).map_err(DeviceError::from)?;
        for packet in packets {
            let packet = packet.map_err(DeviceError::from)?;
            pinned = pinned.rotate(&packet, now()).map_err(DeviceError::from)?;
        }
        Ok(pinned)
    }

    pub async fn open_registration(&self, device: &PairwiseDevice, account: &str) -> Result<Opened, Failure> {
        let body = OpenRegistration { account: account.to_owned(), device: device.to_text() };
        self.post("/v1/registrations", &body).await
    }

    pub async fn complete_registration(&self, ceremony: &str, packet: &[u8]) -> Result<Completed, Failure> {
        let body = Packet { packet: to_text(packet) };
        self.post(&format!("/v1/registrations/{ceremony}"), &body).await
    }

    pub async fn open_authentication(
        &self,
        device: &PairwiseDevice,
        account: Option<&str>,
    ) -> Result<Opened, Failure> {
        let (device, account) = (device.to_text(), account.map(str::to_owned));
        self.post("/v1/authentications", &OpenAuthentication { device, account, transaction: None }).await
    }

    pub async fn complete_authentication(&self, ceremony: &str, packet: &[u8]) -> Result<Completed, Failure> {
        let body = Packet { packet: to_text(packet) };
        self.post(&format!("/v1/authentications/{ceremony}"), &body).await
    }

    /// A whole registration.
    pub async fn register(&self, device: &SoftDevice, account: &str) -> Result<Completed, Failure> {
        let opened = self.open_registration(&device.pairwise(&self.service), account).await?;
        let packet = device.register(&packet_of(&opened)?)?;
        self.complete_registration(&opened.ceremony, &packet).await
    }

    /// A whole authentication.
    pub async fn authenticate(&self, device: &SoftDevice, account: &str) -> Result<Completed, Failure> {
        let opened = self.open_authentication(&device.pairwise(&self.service), Some(account)).await?;
        let packet = device.authenticate(&packet_of(&opened)?)?;
        self.complete_authentication(&opened.ceremony, &packet).await
    }

    async fn post<A: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<A, Failure> {
        let request: RequestBuilder = self.http.post(self.target.url(path)).json(body);
        read(request.header(AUTHORIZATION, self.authorisation.clone()).send().await?).await
    }
}

/// The bytes of the packet that opens a ceremony.
pub fn packet_of(opened: &Opened) -> Result<Vec<u8>, Failure> {
    Ok(from_text(&opened.packet).map_err(DeviceError::from)?)
}

async fn read<A: DeserializeOwned>(response: Response) -> Result<A, Failure> {
    let status = response.status();
    let body = response.bytes().await?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| Failure::Strange(status.as_u16()));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(Failure::Refused(problem.reason)),
        Err(_) => Err(Failure::Strange(status.as_u16())),
    }
}

/// What every client connects by: TLS 1.3 to exactly this certificate, connections kept, nothing followed.
pub fn https(tls: rustls::ClientConfig) -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls)
        .https_only(true)
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .tcp_nodelay(true)
        .connect_timeout(CONNECTING)
        .timeout(DEADLINE)
        .pool_idle_timeout(IDLE)
        .build()
}
