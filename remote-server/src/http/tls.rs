//! Reads certificates and keys from their files, and makes of them what a listener shows and what it demands:
//! TLS 1.3, and of clients a certificate where one is asked for. Who the client is, is decided elsewhere.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientCertVerifierBuilder, VerifierBuilderError, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{RootCertStore, ServerConfig};

use crate::configuration::Tls;
use crate::guarded::{self, Forbidden, Unguarded};

/// What a listener asks of its clients. The file holds those who may sign their certificates.
#[derive(Clone, Debug)]
pub enum Clients {
    /// No certificate is asked for.
    Unasked,
    /// A certificate may be shown; one that is shown must be good.
    MayShow(PathBuf),
    /// Without a good certificate there is no connection.
    MustShow(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0}: {1}")]
    Unreadable(PathBuf, pem::Error),
    #[error("{0} holds no certificate")]
    NoCertificate(PathBuf),
    /// A private key that others may read is none.
    #[error("{0}: {1}")]
    Unguarded(PathBuf, Unguarded),
    #[error("{0}: {1}")]
    Unfit(PathBuf, rustls::Error),
    #[error("{0}: {1}")]
    Clients(PathBuf, VerifierBuilderError),
    #[error("TLS 1.3 is not to be had: {0}")]
    NoTls(rustls::Error),
}

/// What a listener needs to begin a conversation.
pub fn configuration(tls: &Tls, clients: &Clients) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_protocol_versions(&[&TLS13]).map_err(TlsError::NoTls)?;
    let builder = match clients {
        Clients::Unasked => builder.with_no_client_auth(),
        Clients::MayShow(ca) => {
            let verifier = verifier(ca, provider)?.allow_unauthenticated().build();
            builder.with_client_cert_verifier(verifier.map_err(|e| TlsError::Clients(ca.clone(), e))?)
        }
        Clients::MustShow(ca) => {
            let verifier = verifier(ca, provider)?.build();
            builder.with_client_cert_verifier(verifier.map_err(|e| TlsError::Clients(ca.clone(), e))?)
        }
    };
    let (chain, key) = (certificates(&tls.certificate)?, private_key(&tls.key)?);
    let mut configuration = builder
        .with_single_cert(chain, key)
        .map_err(|error| TlsError::Unfit(tls.certificate.clone(), error))?;
    configuration.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(configuration))
}

fn verifier(ca: &Path, provider: Arc<CryptoProvider>) -> Result<ClientCertVerifierBuilder, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(ca)? {
        roots.add(certificate).map_err(|error| TlsError::Unfit(ca.to_owned(), error))?;
    }
    Ok(WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider))
}

/// All certificates of a PEM file, of which there must be one.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unreadable = |error| TlsError::Unreadable(path.to_owned(), error);
    let read: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(unreadable)?.collect();
    let certificates = read.map_err(unreadable)?;
    if certificates.is_empty() { Err(TlsError::NoCertificate(path.to_owned())) } else { Ok(certificates) }
}

/// A group of its own may read the key, as distributions like it; everybody may not.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let pem = guarded::read(path, Forbidden::BUT_GROUP_READING)
        .map_err(|error| TlsError::Unguarded(path.to_owned(), error))?;
    PrivateKeyDer::from_pem_slice(&pem).map_err(|error| TlsError::Unreadable(path.to_owned(), error))
}
