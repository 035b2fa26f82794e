//! HTTPS as a test speaks it: a relying party's backend of its own, without a shop around it, and bare
//! requests to whoever is asked. It believes one certificate and checks nothing else.

use std::error::Error;
use std::path::Path;

use reqwest::{Certificate, Client, RequestBuilder};
use serde_json::{Value, json};
use vultus_protocol::api::{from_text, to_text};

use crate::client::block_on;
use crate::process::PATIENCE;
use crate::server::Server;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The kinds of ceremonies, as the server's paths have them.
pub const REGISTRATIONS: &str = "registrations";
pub const AUTHENTICATIONS: &str = "authentications";
pub const DEREGISTRATIONS: &str = "deregistrations";

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
}

impl Answer {
    /// The answer, where it is no refusal.
    pub fn accepted(self) -> Result<Self> {
        if self.status == 200 { Ok(self) } else { Err(format!("refused: {self:?}").into()) }
    }

    /// The word of a refusal; empty where nothing was refused, or nobody says why.
    pub fn reason(&self) -> &str {
        self.text("reason")
    }

    pub fn text(&self, field: &str) -> &str {
        self.body[field].as_str().unwrap_or("")
    }

    pub fn packet(&self) -> Result<Vec<u8>> {
        Ok(from_text(self.text("packet"))?)
    }
}

/// A client of whoever shows a certificate.
pub struct Https(Client);

impl Https {
    /// `ca`: the certificate to believe.
    pub fn new(ca: &Path) -> Result<Self> {
        // Another test of this process may have chosen it before.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let roots = Certificate::from_pem_bundle(&std::fs::read(ca)?)?;
        // A connection belongs to the runtime of its request, which ends with it.
        let client = Client::builder().https_only(true).no_proxy().pool_max_idle_per_host(0);
        let client = client.tls_certs_only(roots).timeout(PATIENCE);
        Ok(Self(client.build()?))
    }

    pub fn get(&self, url: &str) -> Result<Answer> {
        answer(self.0.get(url))
    }

    pub fn post(&self, url: &str, key: Option<&str>, body: &Value) -> Result<Answer> {
        let request = self.0.post(url).json(body);
        answer(match key {
            Some(key) => request.bearer_auth(key),
            None => request,
        })
    }
}

fn answer(request: RequestBuilder) -> Result<Answer> {
    block_on(async {
        let response = request.send().await?;
        let status = response.status().as_u16();
        let body = response.text().await?;
        let body = serde_json::from_str(&body).map_err(|e| format!("{e}: {status} {body:?}"))?;
        Ok(Answer { status, body })
    })?
}

/// A service's backend at one instance of a server.
pub struct Backend {
    https: Https,
    api: String,
    key: String,
}

impl Backend {
    pub fn of(server: &Server, service: &str) -> Result<Self> {
        Self::with_key(server, &server.api_key(service)?)
    }

    /// Of the service that has this key.
    pub fn with_key(server: &Server, key: &str) -> Result<Self> {
        let (https, api) = (Https::new(&server.ca())?, server.api_url()?);
        Ok(Self { https, api, key: key.trim().to_owned() })
    }

    /// Opens a ceremony.
    pub fn open(&self, kind: &str, question: &Value) -> Result<Answer> {
        self.https.post(&format!("{}/v1/{kind}", self.api), Some(&self.key), question)
    }

    /// Passes a device's packet on.
    pub fn complete(&self, kind: &str, ceremony: &str, packet: &[u8]) -> Result<Answer> {
        let url = format!("{}/v1/{kind}/{ceremony}", self.api);
        self.https.post(&url, Some(&self.key), &json!({ "packet": to_text(packet) }))
    }

    /// One account, with its keys.
    pub fn account(&self, account: &str) -> Result<Answer> {
        let request = self.https.0.get(format!("{}/v1/accounts/{account}", self.api));
        answer(request.bearer_auth(&self.key))
    }
}

/// How many sets of keys a server publishes.
pub fn published_sets(server: &Server) -> Result<usize> {
    let answer = Https::new(&server.ca())?.get(&format!("{}/v1/keys", server.api_url()?))?;
    Ok(answer.accepted()?.body["packets"].as_array().map_or(0, Vec::len))
}

/// The steps that the server's own shop has seen, the oldest first, as its page draws them.
pub fn events(server: &Server) -> Result<Vec<Value>> {
    let answer = Https::new(&server.ca())?.get(&format!("{}/api/events", server.shop_url()?))?;
    Ok(answer.accepted()?.body["events"].as_array().cloned().unwrap_or_default())
}

/// Why the shop's last ceremony was refused; empty where it was not.
pub fn last_refusal(server: &Server) -> Result<String> {
    let events = events(server)?;
    let last = events.last().ok_or("the shop has seen nothing")?;
    Ok(last["reason"].as_str().unwrap_or("").to_owned())
}
