//! JSON over HTTPS (TLS 1.3) to one server or shop: it follows no redirect, uses no proxy, believes no certificate
//! beyond its roots, and waits for no answer longer than ten seconds.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::{Certificate, Client, RequestBuilder, Response, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use vultus_protocol::api::Advice;

use crate::foreign::plain;

/// For one request, from connecting to the last byte.
const PATIENCE: Duration = Duration::from_secs(10);
/// The most bytes of an answer.
const LONGEST: usize = 64 * 1024;
/// The same of all key sets that a server has ever published.
const LONGEST_KEYS: usize = 1024 * 1024;
/// Where those are.
const KEYS: &str = "/v1/keys";

/// Why an answer could not be had.
#[derive(Debug, thiserror::Error)]
pub enum HttpsError {
    /// The other side understood, and refused: do what it advises.
    #[error("{}", .0.message)]
    Refused(Problem),
    /// Correct the address.
    #[error("{0:?} is not the address of an HTTPS server: https://host or https://host:port")]
    Address(String),
    /// Name another file of root certificates.
    #[error("{}: {reason}", .path.display())]
    Roots { path: PathBuf, reason: String },
    #[error("no answer could be had: {0}")]
    Transport(String),
    #[error("the answer has more than {0} bytes")]
    Oversize(usize),
    #[error("the answer is not one of this protocol (status {0})")]
    Protocol(u16),
}

/// What the other side says of a refusal. A relying party may keep the reason to itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Problem {
    pub advice: Advice,
    /// For people; plain text once it was received.
    #[serde(default)]
    pub message: String,
}

/// One server or shop.
pub struct Https {
    client: Client,
    /// Without a slash at its end.
    base: String,
}

impl Https {
    /// `roots` is a file of certificates in PEM; the system's roots count where none is named.
    pub fn new(address: &str, roots: Option<&Path>) -> Result<Self, HttpsError> {
        let url = Url::parse(address).map_err(|_| HttpsError::Address(address.to_owned()))?;
        let bare = url.query().is_none() && url.fragment().is_none();
        let named = !url.username().is_empty() || url.password().is_some();
        if url.scheme() != "https" || !bare || named {
            return Err(HttpsError::Address(address.to_owned()));
        }
        // Where another part of the process has chosen a provider already, that one stays.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .https_only(true)
            .tls_version_min(reqwest::tls::Version::TLS_1_3)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .timeout(PATIENCE);
        if let Some(path) = roots {
            builder = builder.tls_certs_only(certificates(path)?);
        }
        let base = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self { client: builder.build().map_err(transport)?, base })
    }

    /// All sets of keys that a server has published.
    pub async fn keys<T: DeserializeOwned>(&self) -> Result<T, HttpsError> {
        answer(self.client.get(self.url(KEYS)), LONGEST_KEYS).await
    }

    /// `session` is the shop's own token, where it wants one.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        session: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, HttpsError> {
        let request = self.client.post(self.url(path)).json(body);
        let request = match session {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        answer(request, LONGEST).await
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}

async fn answer<T: DeserializeOwned>(request: RequestBuilder, longest: usize) -> Result<T, HttpsError> {
    let response = request.send().await.map_err(transport)?;
    let status = response.status();
    let body = read(response, longest).await?;
    if status.is_success() {
        return serde_json::from_slice(&body).map_err(|_| HttpsError::Protocol(status.as_u16()));
    }
    match serde_json::from_slice::<Problem>(&body) {
        Ok(problem) => Err(HttpsError::Refused(Problem { message: plain(&problem.message), ..problem })),
        Err(_) => Err(HttpsError::Protocol(status.as_u16())),
    }
}

async fn read(mut response: Response, longest: usize) -> Result<Vec<u8>, HttpsError> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(transport)? {
        if body.len() + piece.len() > longest {
            return Err(HttpsError::Oversize(longest));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, HttpsError> {
    let unusable = |reason: String| HttpsError::Roots { path: path.to_owned(), reason };
    let pem = std::fs::read(path).map_err(|e| unusable(e.to_string()))?;
    match Certificate::from_pem_bundle(&pem) {
        Ok(roots) if !roots.is_empty() => Ok(roots),
        _ => Err(unusable("not certificates in PEM".into())),
    }
}

/// The error with its causes: the first alone says little.
fn transport(error: reqwest::Error) -> HttpsError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    HttpsError::Transport(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_https_alone() {
        for bad in ["", "shop.example", "http://shop.example", "https://", "https://a@b", "https://a/?b"] {
            assert!(matches!(Https::new(bad, None), Err(HttpsError::Address(_))), "{bad}");
        }
    }

    #[test]
    fn a_refusal_needs_no_reason() {
        let problem: Problem = serde_json::from_str(r#"{"advice":"start-again","other":1}"#).unwrap();
        assert_eq!((problem.advice, problem.message.as_str()), (Advice::StartAgain, ""));
        assert!(serde_json::from_str::<Problem>(r#"{"advice":"perhaps"}"#).is_err());
    }
}
