//! Where devices are: in this server's own database, or at a registry on another machine. It decides whether
//! a device is known and may take part, and never for which account.

mod enrolment;
mod remote;
mod resolve;

use std::sync::{Arc, PoisonError, RwLock};

use vultus_protocol::api::Refusal;
use vultus_protocol::{DeviceIdentity, ServiceName};

use crate::attestation::AttestationError;
use crate::attestation::ek_certificate::Roots;
use crate::ceremonies::Core;
use crate::store::model::DeviceStatus;
pub use enrolment::EnrolmentOpened;
pub use remote::{RegistryError, RemoteRegistry};
pub use resolve::{DeviceAnswer, ResolveQuestion, ResolvedDevice, StatusAnswer, StatusQuestion};

/// Whom this server asks about devices.
#[derive(Clone, Debug)]
pub enum Registry {
    /// Its own database.
    Local,
    Remote(RemoteRegistry),
}

impl Registry {
    pub fn is_local(&self) -> bool {
        matches!(self, Self::Local)
    }

    /// An active device as one service of this server knows it. Every other device is refused, by its reason.
    pub async fn resolve(
        &self,
        core: &Core,
        identity: &DeviceIdentity,
        service: &ServiceName,
    ) -> Result<ResolvedDevice, Refusal> {
        match self {
            Self::Local => resolve::resolved(core, identity, &core.name, service).await,
            Self::Remote(registry) => registry.resolve(&core.name, service, identity).await,
        }
    }

    /// Whether a known device may take part now.
    pub async fn status(&self, core: &Core, identity: &DeviceIdentity) -> Result<DeviceStatus, Refusal> {
        match self {
            Self::Local => Ok(resolve::known(core, identity).await?.status),
            Self::Remote(registry) => registry.status(identity).await,
        }
    }
}

/// Only an active device takes part.
pub fn admitted(status: DeviceStatus) -> Result<(), Refusal> {
    match status {
        DeviceStatus::Active => Ok(()),
        DeviceStatus::Suspended => Err(Refusal::DeviceSuspended),
        DeviceStatus::Revoked => Err(Refusal::DeviceRevoked),
        DeviceStatus::Superseded => Err(Refusal::DeviceSuperseded),
    }
}

/// The makers of TPMs that count. Without any, no device is enrolled.
#[derive(Debug, Default)]
pub struct EndorsementRoots(RwLock<Option<Arc<Roots>>>);

impl EndorsementRoots {
    pub fn new(roots: Option<Roots>) -> Self {
        Self(RwLock::new(roots.map(Arc::new)))
    }

    pub fn replace(&self, roots: Option<Roots>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = roots.map(Arc::new);
    }

    fn get(&self) -> Option<Arc<Roots>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What it means for the device that its TPM's word about a key was not taken.
fn of_key(error: &AttestationError) -> Refusal {
    match error {
        AttestationError::Malformed(_) => Refusal::Malformed,
        AttestationError::NoRandom => Refusal::Unavailable,
        _ => Refusal::KeyNotCertified,
    }
}

/// The same for an endorsement key and its certificate.
fn of_endorsement(error: &AttestationError) -> Refusal {
    match error {
        AttestationError::Malformed(_) => Refusal::Malformed,
        AttestationError::NoRandom => Refusal::Unavailable,
        _ => Refusal::UntrustedEndorsement,
    }
}
