//! Says who asks: a service by its API key or its certificate, a registry's client by its certificate, or
//! anyone by their address. Each is counted here before anything is done for them; what they may have is for
//! the ceremonies to say.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use vultus_protocol::PairwiseDevice;
use vultus_protocol::api::Refusal;

use super::problem::Refused;
use super::{ApiKey, Fingerprint, Server, unavailable};
use crate::limits::Origin;
use crate::store::model::{Service, ServiceStatus};
use crate::store::{Store, StoreError};

/// How long a service that was found is not looked up again: so late may its suspension come.
const FRESH: Duration = Duration::from_secs(1);
/// More services than are ever busy within that time.
const MOST_KNOWN: usize = 1024;
/// How many unknown credentials may be looked up side by side.
const QUEUES: usize = 64;

/// Where a request came from: an extension of it, made by the listener.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub address: SocketAddr,
    /// Of the client's certificate. TLS proved that the client holds its key.
    pub certificate: Option<Fingerprint>,
}

impl Peer {
    fn of(parts: &Parts) -> Result<Self, Refused> {
        // Every listener adds it. A request without it came from nowhere that is known.
        parts.extensions.get::<Self>().copied().ok_or_else(|| Refusal::Unauthorised.into())
    }

    fn origin(&self) -> Origin {
        self.address.ip().into()
    }
}

/// Whether anybody on a connection has shown who they are: an extension of its requests, made by the
/// listener.
#[derive(Clone, Debug, Default)]
pub struct Introduced(Arc<AtomicBool>);

impl Introduced {
    pub fn yes(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    fn note(parts: &Parts) {
        if let Some(Self(introduced)) = parts.extensions.get::<Self>() {
            introduced.store(true, Ordering::Relaxed);
        }
    }
}

/// What a service shows of itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Credential {
    ApiKey([u8; 32]),
    Certificate([u8; 32]),
}

impl Credential {
    /// A key in the header is what counts where there is one, also if it turns out to be wrong.
    fn of(headers: &HeaderMap, peer: &Peer) -> Option<Self> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (Some(value), None) => {
                let (scheme, key) = value.to_str().ok()?.split_once(' ')?;
                let key = scheme.eq_ignore_ascii_case("bearer").then(|| ApiKey::parse(key))??;
                Some(Self::ApiKey(key.hash()))
            }
            (None, _) => peer.certificate.map(|certificate| Self::Certificate(*certificate.as_bytes())),
            _ => None,
        }
    }

    fn hash(&self) -> &[u8; 32] {
        match self {
            Self::ApiKey(hash) | Self::Certificate(hash) => hash,
        }
    }
}

/// Services that were found a moment ago, or some time before.
pub struct Known {
    services: Mutex<HashMap<Credential, (Instant, Arc<Service>)>>,
    /// Of many requests with one credential that is not known yet, one asks the database, and the others wait
    /// for its answer: a service that begins with many at once is looked up once.
    queues: [tokio::sync::Mutex<()>; QUEUES],
}

impl Default for Known {
    fn default() -> Self {
        let queues = std::array::from_fn(|_| tokio::sync::Mutex::default());
        Self { services: Mutex::default(), queues }
    }
}

/// What is remembered of a credential.
enum Remembered {
    Fresh(Arc<Service>),
    /// It was a service's some time ago, and must be looked up again.
    Stale,
    /// It may be anybody's invention.
    Nothing,
}

impl Known {
    async fn find(
        &self,
        server: &Server,
        shown: Credential,
        origin: Origin,
    ) -> Result<Option<Arc<Service>>, Refused> {
        match self.remembered(&shown) {
            Remembered::Fresh(service) => Ok(Some(service)),
            Remembered::Stale => self.look_up(&server.core.store, shown).await.map_err(unavailable),
            Remembered::Nothing => self.find_new(server, shown, origin).await,
        }
    }

    /// The database is not asked about many credentials that nobody knows.
    async fn find_new(
        &self,
        server: &Server,
        shown: Credential,
        origin: Origin,
    ) -> Result<Option<Arc<Service>>, Refused> {
        let _queued = self.queues[usize::from(shown.hash()[0]) % QUEUES].lock().await;
        if let Remembered::Fresh(service) = self.remembered(&shown) {
            return Ok(Some(service));
        }
        server.limits.look_up(origin)?;
        self.look_up(&server.core.store, shown).await.map_err(unavailable)
    }

    fn remembered(&self, shown: &Credential) -> Remembered {
        match self.services().get(shown) {
            Some((at, service)) if at.elapsed() < FRESH => Remembered::Fresh(Arc::clone(service)),
            Some(_) => Remembered::Stale,
            None => Remembered::Nothing,
        }
    }

    async fn look_up(&self, store: &Store, shown: Credential) -> Result<Option<Arc<Service>>, StoreError> {
        let now = Instant::now();
        let found = match &shown {
            Credential::ApiKey(hash) => store.service_by_api_key(hash).await?,
            Credential::Certificate(fingerprint) => store.service_by_certificate(fingerprint).await?,
        };
        if found.is_none() {
            self.services().remove(&shown);
        }
        Ok(found.map(|service| self.keep(now, shown, service)))
    }

    /// Only what exists is kept, so that strangers cannot fill this; and only what counts, so that a service
    /// that is let in again need not wait.
    fn keep(&self, now: Instant, shown: Credential, service: Service) -> Arc<Service> {
        let service = Arc::new(service);
        let mut services = self.services();
        if service.status != ServiceStatus::Active {
            services.remove(&shown);
            return service;
        }
        if services.len() >= MOST_KNOWN {
            services.retain(|_, (at, _)| now.saturating_duration_since(*at) < FRESH);
        }
        if services.len() < MOST_KNOWN {
            services.insert(shown, (now, Arc::clone(&service)));
        }
        service
    }

    fn services(&self) -> MutexGuard<'_, HashMap<Credential, (Instant, Arc<Service>)>> {
        self.services.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A service that showed who it is, is not suspended, and has not asked too often.
pub struct Caller {
    pub service: Arc<Service>,
}

impl Caller {
    /// Counts a ceremony that the service opens for a device.
    pub fn opens(&self, server: &Server, device: &str) -> Result<(), Refused> {
        let device = PairwiseDevice::from_text(device).map_err(Refusal::from)?;
        Ok(server.limits.device(&self.service.name, device)?)
    }
}

impl FromRequestParts<Arc<Server>> for Caller {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        let peer = Peer::of(parts)?;
        let found = match Credential::of(&parts.headers, &peer) {
            Some(shown) => server.known.find(server, shown, peer.origin()).await?,
            None => None,
        };
        match found.filter(|service| service.status == ServiceStatus::Active) {
            Some(service) => {
                Introduced::note(parts);
                server.limits.service(&service.name)?;
                Ok(Self { service })
            }
            None => {
                // Nobody tries keys faster than anybody may ask for anything.
                server.limits.origin(peer.origin())?;
                Err(Refusal::Unauthorised.into())
            }
        }
    }
}

/// Anyone whose address has not asked too often.
pub struct Anyone;

impl FromRequestParts<Arc<Server>> for Anyone {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        server.limits.origin(Peer::of(parts)?.origin())?;
        Ok(Self)
    }
}

/// Another authentication server: its certificate is on the registry's list, and it has not asked too often.
pub struct RegistryClient;

impl FromRequestParts<Arc<Server>> for RegistryClient {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, server: &Arc<Server>) -> Result<Self, Refused> {
        let peer = Peer::of(parts)?;
        match peer.certificate {
            Some(certificate) if server.registry_clients.contains(&certificate) => {
                Introduced::note(parts);
                server.limits.registry_client(certificate)?;
                Ok(Self)
            }
            _ => {
                server.limits.origin(peer.origin())?;
                Err(Refusal::Unauthorised.into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn shown(values: &[&str], certificate: Option<[u8; 32]>) -> Option<Credential> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::AUTHORIZATION, HeaderValue::from_str(value).unwrap());
        }
        let peer = Peer { address: ([127, 0, 0, 1], 1).into(), certificate: certificate.map(Into::into) };
        Credential::of(&headers, &peer)
    }

    #[test]
    fn a_key_counts_before_a_certificate_and_two_keys_are_none() {
        let key = ApiKey::generate().unwrap();
        let bearer = format!("Bearer {}", key.to_text().as_str());
        assert!(shown(&[&bearer], Some([1; 32])) == Some(Credential::ApiKey(key.hash())));
        assert!(shown(&[], Some([1; 32])) == Some(Credential::Certificate([1; 32])));
        assert!(shown(&[], None).is_none());
        for wrong in [vec!["Bearer x"], vec!["Basic eDp5"], vec![&*bearer, &*bearer], vec!["Bearer"]] {
            assert!(shown(&wrong, Some([1; 32])).is_none(), "{wrong:?}");
        }
    }
}
