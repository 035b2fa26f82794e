//! The shop as a caller of the server's relying-party API, over HTTPS: wishes and packets become requests,
//! and answers become values or typed refusals. It never interprets a packet and never follows a redirect.

use std::time::Duration;

use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vultus_protocol::api::{
    AccountView, Completed, OpenAuthentication, OpenDeregistration, OpenRegistration, Opened, Packet,
    Problem, Refusal, from_text,
};
use vultus_protocol::{AccountName, CeremonyId};

use super::ceremonies::{Kind, Wish};
use super::{Configuration, Error};

/// How long one request may take, from connecting to the last byte of its answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The most bytes of an answer.
const MOST_ANSWER: usize = 64 * 1024;

/// The most bytes of all published key sets.
const MOST_KEYS: usize = 512 * 1024;

pub struct ApiClient {
    http: Client,
    base: Url,
    authorisation: HeaderValue,
}

/// `GET /v1/keys`.
#[derive(Deserialize)]
struct Published {
    packets: Vec<String>,
}

impl ApiClient {
    pub fn new(configuration: &Configuration) -> Result<Self, Error> {
        let base = Url::parse(&configuration.api).map_err(|_| Error::Setting("api"))?;
        if base.scheme() != "https" || base.query().is_some() || base.fragment().is_some() {
            return Err(Error::Setting("api"));
        }
        let http = Client::builder()
            .tls_backend_preconfigured(configuration.client_tls()?)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(DEADLINE)
            .build()?;
        Ok(Self { http, base, authorisation: configuration.authorisation()? })
    }

    /// Opens a ceremony.
    pub async fn open(&self, wish: &Wish) -> Result<Opened, Refusal> {
        let (path, device) = (["v1", collection(wish.kind)], wish.device.to_text());
        let account = wish.account.as_ref().map(AccountName::to_string);
        match wish.kind {
            Kind::Registration => {
                let account = account.ok_or(Refusal::Malformed)?;
                self.post(&path, &OpenRegistration { account, device }).await
            }
            Kind::Authentication | Kind::Payment => {
                let transaction = wish.text.as_ref().map(|text| text.as_str().to_owned());
                self.post(&path, &OpenAuthentication { device, account, transaction }).await
            }
            Kind::Deregistration => {
                let account = account.ok_or(Refusal::Malformed)?;
                self.post(&path, &OpenDeregistration { device, account }).await
            }
        }
    }

    /// Passes the device's packet on.
    pub async fn complete(&self, kind: Kind, id: &CeremonyId, packet: &Packet) -> Result<Completed, Refusal> {
        self.post(&["v1", collection(kind), &id.to_text()], packet).await
    }

    /// Whether an account has keys that stand in the way of a stranger: any but those that its own device
    /// gave up or replaced. A revoked account is not free for the next one to come.
    pub async fn is_taken(&self, account: &AccountName) -> Result<bool, Refusal> {
        let request = self.http.get(self.url(&["v1", "accounts", account.as_str()])?);
        let view: AccountView = match self.send(self.authorised(request), MOST_ANSWER).await {
            Ok(body) => parse(&body)?,
            Err(Refusal::NotFound | Refusal::UnknownAccount) => return Ok(false),
            Err(refusal) => return Err(refusal),
        };
        if view.account != account.as_str() {
            return Err(Refusal::Misdirected);
        }
        let over = |status: &str| matches!(status, "deregistered" | "superseded");
        Ok(view.keys.iter().any(|key| !over(&key.status)))
    }

    /// All key sets that the server publishes, oldest first. They are open to all: no API key goes along.
    pub async fn keys(&self) -> Result<Vec<Vec<u8>>, Refusal> {
        let body = self.send(self.http.get(self.url(&["v1", "keys"])?), MOST_KEYS).await?;
        let published: Published = parse(&body)?;
        published.packets.iter().map(|packet| from_text(packet).map_err(Refusal::from)).collect()
    }

    async fn post<B: Serialize, A: DeserializeOwned>(&self, path: &[&str], body: &B) -> Result<A, Refusal> {
        let request = self.http.post(self.url(path)?).json(body);
        parse(&self.send(self.authorised(request), MOST_ANSWER).await?)
    }

    fn authorised(&self, request: RequestBuilder) -> RequestBuilder {
        request.header(AUTHORIZATION, self.authorisation.clone())
    }

    /// The segments are escaped here; `.` and `..` would be dropped, which is why no account is called so.
    fn url(&self, path: &[&str]) -> Result<Url, Refusal> {
        let mut url = self.base.clone();
        url.path_segments_mut().map_err(|()| Refusal::Malformed)?.pop_if_empty().extend(path);
        Ok(url)
    }

    /// The body of a success, or the reason of a refusal.
    async fn send(&self, request: RequestBuilder, most: usize) -> Result<Vec<u8>, Refusal> {
        let answer = request.send().await.map_err(unavailable)?;
        let success = answer.status().is_success();
        let body = read(answer, most).await?;
        if success {
            return Ok(body);
        }
        Err(serde_json::from_slice::<Problem>(&body).map_or(Refusal::Unavailable, |problem| problem.reason))
    }
}

/// What the ceremonies of a kind are called in paths.
fn collection(kind: Kind) -> &'static str {
    match kind {
        Kind::Registration => "registrations",
        Kind::Authentication | Kind::Payment => "authentications",
        Kind::Deregistration => "deregistrations",
    }
}

async fn read(mut answer: Response, most: usize) -> Result<Vec<u8>, Refusal> {
    let mut body = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(unavailable)? {
        if body.len() + chunk.len() > most {
            return Err(Refusal::Oversize);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An answer that is none of the API's counts as no answer.
fn parse<A: DeserializeOwned>(body: &[u8]) -> Result<A, Refusal> {
    serde_json::from_slice(body).map_err(|_| Refusal::Unavailable)
}

fn unavailable(error: reqwest::Error) -> Refusal {
    // Without the address, which may hold an account's name.
    log::warn!("the authentication server does not answer: {}", error.without_url());
    Refusal::Unavailable
}
