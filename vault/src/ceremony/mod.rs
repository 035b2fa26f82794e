//! Ceremonies with servers, and assertions for applications: a packet comes in, is checked against what is
//! pinned, the person is verified, and a TPM key answers. No function here signs for a user without a
//! [`Success`](crate::attempt::Success) of that very attempt.
//!
//! ```text
//! packet ─challenge::open→ Challenge ─attempt→ Success ─TPM→ signed packet
//! ```
//!
//! Threat model: M35, M36, M37.

pub mod accounts;
pub mod assertion;
pub mod authentication;
pub mod device;
pub mod registration;
pub mod requests;
pub mod servers;

use std::time::{SystemTime, UNIX_EPOCH};

use minicbor::bytes::{ByteArray, ByteVec};
use minicbor::{CborLen, Decode, Encode};
use vultus_ipc::{Reason, camera};
use vultus_protocol::challenge::Challenge;
use vultus_protocol::{
    BiometricType, Draft, Evidence, Label, Liveness, Message, PairwiseSecret, PinnedServer, PublicKey,
    Spectrum,
};
use vultus_tpm::{SigningKey, Tpm};

use crate::VaultError;
use crate::attempt::Success;
use crate::ceremony::device::Device;

/// The most liveness that an attempt of this version judges.
const LIVENESS: Liveness = Liveness::Active;

/// What is stored of a key that the TPM alone can use.
#[derive(Clone, Encode, Decode, CborLen)]
pub struct KeyRecord {
    #[n(0)]
    identity: ByteVec,
    #[n(1)]
    public: ByteVec,
    #[n(2)]
    private: ByteVec,
}

impl KeyRecord {
    pub fn of(key: SigningKey) -> Self {
        Self { identity: key.identity.into(), public: key.public.into(), private: key.private.into() }
    }

    pub fn key(&self) -> SigningKey {
        SigningKey {
            identity: self.identity.to_vec(),
            public: self.public.to_vec(),
            private: self.private.to_vec(),
        }
    }
}

/// A server that this device may talk to, and the device as that server's registry knows it.
pub struct Enrolled {
    pub pinned: PinnedServer,
    pub device: Device,
}

impl Enrolled {
    /// Opens a packet of this server that is meant for this device, now.
    pub fn open<M: Message + Into<Challenge>>(
        &self,
        packet: &[u8],
        tolerance: u64,
    ) -> Result<Challenge, VaultError> {
        let name = self.pinned.name().clone();
        let secret: PairwiseSecret = self.device.pairwise_secret();
        let device_for = |service: &_| secret.device_for(&name, service);
        Ok(vultus_protocol::challenge::open::<M>(packet, &self.pinned, device_for, now()?, tolerance)?)
    }
}

/// Refuses what this device cannot do as the server asks.
fn check_policy(challenge: &Challenge) -> Result<(), VaultError> {
    let BiometricType::Face = challenge.policy.biometric;
    if challenge.policy.liveness > LIVENESS { Err(Reason::PolicyUnmet.into()) } else { Ok(()) }
}

/// Refuses to sign what was not checked as the server asks.
fn check_liveness(challenge: &Challenge, success: &Success) -> Result<(), VaultError> {
    let met = success.liveness() >= challenge.policy.liveness;
    if met { Ok(()) } else { Err(Reason::PolicyUnmet.into()) }
}

/// What this attempt checked.
fn evidence(success: &Success) -> Result<Evidence, VaultError> {
    let spectrum = match success.spectrum() {
        camera::Spectrum::Colour => Spectrum::Colour,
        camera::Spectrum::Grey => Spectrum::Grey,
    };
    Ok(Evidence { liveness: success.liveness(), spectrum, software: Label::new(env!("CARGO_PKG_VERSION"))? })
}

/// A packet signed by a TPM key. The signature is checked before it leaves: a TPM that errs is not believed.
fn sign<M: Message>(tpm: &Tpm, key: &SigningKey, message: &M) -> Result<Vec<u8>, VaultError> {
    let public = PublicKey::new(key.point()?)?;
    let draft = Draft::new(message, public.id())?;
    let signature = tpm.sign(key, &draft.digest())?;
    public.verify(draft.to_be_signed(), &signature)?;
    Ok(draft.finish(signature)?)
}

/// Seconds since 1970, by this machine's clock. It is compared with servers' clocks only.
pub fn now() -> Result<u64, VaultError> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(since.map_err(|_| Reason::PacketExpired)?.as_secs())
}

fn bytes<const N: usize>(bytes: &[u8; N]) -> ByteArray<N> {
    (*bytes).into()
}
