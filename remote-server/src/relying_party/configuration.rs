//! The sample relying party's part of the configuration file, turned into TLS settings and its API key. It
//! reads secrets and never prints them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use reqwest::header::HeaderValue;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Error;
use crate::guarded::{self, Forbidden, Unguarded};

/// `relying_party = { … }`. Paths are taken as they stand.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// Where applications and browsers reach the shop, by HTTPS.
    pub listen: SocketAddr,
    /// The shop's name at the authentication server.
    pub service: String,
    /// The authentication server: `https://host:port`.
    pub api: String,
    /// PEM: the only certificates that the server's may be, or be issued by.
    pub ca: PathBuf,
    /// Holds `vk_…`; nobody but its owner may read it.
    pub api_key_file: PathBuf,
    pub tls: Tls,
}

/// The shop's own certificate.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// PEM: the certificate, then those that issued it.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
}

impl Configuration {
    /// TLS 1.3 for applications and browsers.
    pub(super) fn server_tls(&self) -> Result<Arc<ServerConfig>, Error> {
        let chain = certificates(&self.tls.certificate)?;
        let pem = read_secret(&self.tls.key, Forbidden::BUT_GROUP_READING)?;
        let key = PrivateKeyDer::from_pem_slice(&pem)
            .map_err(|_| unusable(&self.tls.key, "not a private key in PEM"))?;
        let mut tls = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(tls))
    }

    /// TLS 1.3 to the server, which must show a certificate of the file `ca`. No other root counts.
    pub(super) fn client_tls(&self) -> Result<ClientConfig, Error> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(&self.ca)? {
            roots.add(certificate)?;
        }
        Ok(ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth())
    }

    /// The value of the header `Authorization`, marked so that it is not printed.
    pub(super) fn authorisation(&self) -> Result<HeaderValue, Error> {
        let path = &self.api_key_file;
        let bytes = read_secret(path, Forbidden::ANYTHING)?;
        let key = std::str::from_utf8(&bytes).map_err(|_| unusable(path, "not an API key"))?.trim();
        if !key.starts_with("vk_") || !key.chars().all(|c| c.is_ascii_graphic()) {
            return Err(unusable(path, "not an API key"));
        }
        let bearer = Zeroizing::new(format!("Bearer {key}"));
        let mut value = HeaderValue::from_str(&bearer).map_err(|_| unusable(path, "not an API key"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// All certificates of a file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let pem = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    match chain {
        Ok(chain) if !chain.is_empty() => Ok(chain),
        _ => Err(unusable(path, "not certificates in PEM")),
    }
}

/// A secret that others may read is no secret: it is refused rather than used.
fn read_secret(path: &Path, forbidden: Forbidden) -> Result<Zeroizing<Vec<u8>>, Error> {
    guarded::read(path, forbidden).map_err(|error| match error {
        Unguarded::Io(source) => Error::File { path: path.to_owned(), source },
        Unguarded::NotAFile => unusable(path, "it is no plain file, or too long"),
        Unguarded::Owner => unusable(path, "it belongs neither to this user nor to root"),
        Unguarded::Mode(_) => unusable(path, "others may read or write it: chmod 600"),
    })
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn unusable(path: &Path, why: &'static str) -> Error {
    Error::Unusable { path: path.to_owned(), why }
}
