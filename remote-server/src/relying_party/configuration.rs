//! The sample relying party's part of the configuration file, turned into TLS settings and its API key. It
//! reads secrets and never prints them.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
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

/// The most bytes of the file that holds the API key.
const MOST_KEY_BYTES: u64 = 1024;

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
        let pem = Zeroizing::new(read(&self.tls.key)?);
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
        let text = read_secret(path)?;
        let key = text.trim();
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
fn read_secret(path: &Path) -> Result<Zeroizing<String>, Error> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let file = File::open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    if !metadata.is_file() || metadata.mode() & 0o077 != 0 {
        return Err(unusable(path, "others may read it: it must be a file of mode 0600"));
    }
    let mut text = Zeroizing::new(String::with_capacity(MOST_KEY_BYTES as usize));
    file.take(MOST_KEY_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(text)
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    std::fs::read(path).map_err(|source| Error::File { path: path.to_owned(), source })
}

fn unusable(path: &Path, why: &'static str) -> Error {
    Error::Unusable { path: path.to_owned(), why }
}
