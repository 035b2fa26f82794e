//! A registry on another machine, asked over TLS in which both sides show certificates. It trusts no
//! authority but the configured one, follows no redirect, and waits for no answer longer than its deadline.

use std::sync::Arc;
use std::time::Duration;

use log::warn;
use reqwest::{Client, Response, StatusCode, Url};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde::Serialize;
use serde::de::DeserializeOwned;
use vultus_protocol::api::{Problem, Refusal};
use vultus_protocol::{DeviceIdentity, ServerName, ServiceName};

use super::admitted;
use super::resolve::{ResolveQuestion, ResolvedDevice, StatusAnswer, StatusQuestion};
use crate::store::model::DeviceStatus;

/// From the question to the last byte of the answer.
const DEADLINE: Duration = Duration::from_secs(3);
const CONNECTING: Duration = Duration::from_secs(1);
/// The most bytes of an answer.
const LONGEST: usize = 8 * 1024;

/// Why the registry cannot be asked at all. The configuration is wrong.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("the registry's address is not an https URL without a path of its own")]
    Address,
    #[error("{0} is not PEM, or holds nothing")]
    Pem(&'static str),
    #[error("TLS: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the client cannot be made: {0}")]
    Client(#[from] reqwest::Error),
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("{0}")]
    Connection(#[from] reqwest::Error),
    #[error("the answer is too long")]
    Oversize,
    #[error("the answer is not of the expected form")]
    Malformed,
    #[error("the status is {0}")]
    Status(StatusCode),
}

/// Cheap to clone; connections are kept for the next question.
#[derive(Clone, Debug)]
pub struct RemoteRegistry {
    client: Client,
    resolve: Url,
    status: Url,
}

impl RemoteRegistry {
    /// `ca`, `certificate` and `key` are PEM: who signs the registry's certificate, and who this server is.
    pub fn new(url: &str, ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<Self, RegistryError> {
        let base = Url::parse(url).map_err(|_| RegistryError::Address)?;
        if base.scheme() != "https" || base.path() != "/" || base.query().is_some() {
            return Err(RegistryError::Address);
        }
        let at = |path| base.join(path).map_err(|_| RegistryError::Address);
        let client = Client::builder()
            .tls_backend_preconfigured(tls(ca, certificate, key)?)
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECTING)
            .timeout(DEADLINE)
            .build()?;
        Ok(Self { client, resolve: at("/registry/v1/resolve")?, status: at("/registry/v1/status")? })
    }

    pub async fn resolve(
        &self,
        server: &ServerName,
        service: &ServiceName,
        identity: &DeviceIdentity,
    ) -> Result<ResolvedDevice, Refusal> {
        let question = ResolveQuestion {
            server: server.as_str().to_owned(),
            service: service.as_str().to_owned(),
            device_identity: identity.to_text(),
        };
        let device: ResolvedDevice = self.ask(&self.resolve, &question).await?;
        admitted(device.status)?;
        Ok(device)
    }

    pub async fn status(&self, identity: &DeviceIdentity) -> Result<DeviceStatus, Refusal> {
        let question = StatusQuestion { device_identity: identity.to_text() };
        let answer: StatusAnswer = self.ask(&self.status, &question).await?;
        Ok(answer.status)
    }

    async fn ask<A: DeserializeOwned>(&self, url: &Url, question: &impl Serialize) -> Result<A, Refusal> {
        let (status, body) = self.exchange(url, question).await.map_err(|why| silent(&why))?;
        if status == StatusCode::OK {
            return serde_json::from_slice(&body).map_err(|_| silent(&Silence::Malformed));
        }
        let problem: Option<Problem> = serde_json::from_slice(&body).ok();
        match problem.map(|p| p.reason) {
            // What a registry decides. Whatever else it says is about this server, not about the device.
            Some(
                reason @ (Refusal::UnknownDevice
                | Refusal::DeviceSuspended
                | Refusal::DeviceRevoked
                | Refusal::DeviceSuperseded),
            ) => Err(reason),
            _ => Err(silent(&Silence::Status(status))),
        }
    }

    async fn exchange(&self, url: &Url, question: &impl Serialize) -> Result<(StatusCode, Vec<u8>), Silence> {
        let response = self.client.post(url.clone()).json(question).send().await?;
        Ok((response.status(), body(response).await?))
    }
}

/// Nothing was decided, so nothing is used up; whoever asked may do so again.
fn silent(why: &Silence) -> Refusal {
    warn!("the device registry gives no answer: {why}");
    Refusal::RegistryUnavailable
}

async fn body(mut response: Response) -> Result<Vec<u8>, Silence> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await? {
        if body.len() + piece.len() > LONGEST {
            return Err(Silence::Oversize);
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

fn tls(ca: &[u8], certificate: &[u8], key: &[u8]) -> Result<ClientConfig, RegistryError> {
    let mut roots = RootCertStore::empty();
    for root in certificates(ca, "the registry's CA")? {
        roots.add(root)?;
    }
    let chain = certificates(certificate, "the certificate for the registry")?;
    let key =
        PrivateKeyDer::from_pem_slice(key).map_err(|_| RegistryError::Pem("the key for the registry"))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?)
}

fn certificates(pem: &[u8], what: &'static str) -> Result<Vec<CertificateDer<'static>>, RegistryError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if !all.is_empty() => Ok(all),
        _ => Err(RegistryError::Pem(what)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    #[test]
    fn only_an_https_address_with_all_its_files_will_do() {
        let (certificate, key) = identity();
        let (certificate, key) = (certificate.as_bytes(), key.as_bytes());
        assert!(RemoteRegistry::new("https://registry.example:8444", certificate, certificate, key).is_ok());
        for url in ["http://registry.example", "https://registry.example/a", "registry.example", ""] {
            let refused = RemoteRegistry::new(url, certificate, certificate, key);
            assert!(matches!(refused, Err(RegistryError::Address)), "{url}");
        }
        let url = "https://registry.example";
        assert!(matches!(RemoteRegistry::new(url, b"", certificate, key), Err(RegistryError::Pem(_))));
        assert!(matches!(RemoteRegistry::new(url, certificate, b"", key), Err(RegistryError::Pem(_))));
        assert!(matches!(
            RemoteRegistry::new(url, certificate, certificate, b""),
            Err(RegistryError::Pem(_))
        ));
    }

    #[tokio::test]
    async fn a_registry_that_is_not_there_is_unavailable() {
        let (certificate, key) = identity();
        let certificate = certificate.as_bytes();
        // Nobody listens on port 9 of this machine.
        let registry = RemoteRegistry::new("https://127.0.0.1:9", certificate, certificate, key.as_bytes());
        let status = registry.unwrap().status(&DeviceIdentity::new([0; 16])).await;
        assert_eq!(status, Err(Refusal::RegistryUnavailable));
    }
}
