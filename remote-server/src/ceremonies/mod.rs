//! The ceremonies between relying parties and devices: decides, for each packet, whether it is what this
//! ceremony of this service waits for. It speaks no HTTP, and what it cannot check it refuses.
//!
//! ```text
//! open_*      names → challenge (a code, a window) ─signed→ the device
//! complete_*  packet → ceremony → window → code → key → signature → evidence → code consumed
//! ```

mod accounts;
mod authentication;
mod deregistration;
mod registration;
mod trail;

use std::sync::Arc;

use vultus_protocol::api::{Completed, Opened, Refusal, to_text};
use vultus_protocol::challenge::Challenge;
use vultus_protocol::registration::Receipt;
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, Code, Evidence, Liveness, Message, PairwiseDevice, Policy,
    ServerName, TransactionHash, TransactionText, VirtualAccount, Window,
};
use zeroize::Zeroizing;

use crate::attestation::public_area::EndorsementKind;
use crate::clock::Clock;
use crate::keys::Keys;
use crate::registry::{EndorsementRoots, Registry};
use crate::store::model::{Ceremony, CeremonyKind, KeyStatus, Service, ServiceKey};
use crate::store::{Consumed, Store, StoreError};
pub(crate) use trail::{ENROLMENT, Ended, RESOLUTION, Trail};

/// For how long what this server issues may be used, by how much others' clocks may be wrong, and which TPMs
/// it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    pub code_window_s: u64,
    pub enrolment_window_s: u64,
    /// Of a device that asks to be enrolled.
    pub device_clock_tolerance_s: u64,
    /// Where a TPM may have certificates of both kinds, only one: it could come back under the one key after
    /// it was revoked under the other.
    pub endorsement_kinds: Vec<EndorsementKind>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            code_window_s: 60,
            enrolment_window_s: 120,
            device_clock_tolerance_s: 300,
            endorsement_kinds: vec![EndorsementKind::Rsa2048],
        }
    }
}

/// All that a decision needs. Several processes with one database decide as one.
pub struct Core {
    pub name: ServerName,
    pub store: Store,
    pub keys: Arc<Keys>,
    pub registry: Registry,
    pub endorsement_roots: EndorsementRoots,
    pub clock: Clock,
    pub settings: Settings,
    /// Which virtual accounts follow from.
    pub account_secret: Zeroizing<[u8; 32]>,
}

impl Core {
    /// Reads the secret of the database; the rest is as given.
    pub async fn new(
        name: ServerName,
        store: Store,
        keys: Arc<Keys>,
        registry: Registry,
        endorsement_roots: EndorsementRoots,
        clock: Clock,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let account_secret = store.account_secret().await?;
        Ok(Self { name, store, keys, registry, endorsement_roots, clock, settings, account_secret })
    }

    fn virtual_account(&self, service: &Service, account: &AccountName) -> VirtualAccount {
        VirtualAccount::of(&self.account_secret, &service.name, account)
    }

    /// A new ceremony about this account and device.
    fn challenge(
        &self,
        service: &Service,
        account: AccountName,
        device: PairwiseDevice,
        transaction: Option<TransactionText>,
    ) -> Result<Challenge, Ended> {
        Ok(Challenge {
            ceremony: CeremonyId::new(random()?),
            server: self.name.clone(),
            service: service.name.clone(),
            virtual_account: self.virtual_account(service, &account),
            account,
            device,
            code: Code::new(random()?),
            window: Window::new(self.clock.now(), self.settings.code_window_s),
            policy: Policy { biometric: BiometricType::Face, liveness: service.policy_liveness },
            transaction,
        })
    }

    /// Signs the packet that opens a ceremony, and keeps what an answer to it must say.
    async fn issue<M: Message>(
        &self,
        kind: CeremonyKind,
        wrap: fn(Challenge) -> M,
        challenge: Challenge,
        account_key: Option<i64>,
        trail: &mut Trail,
    ) -> Result<Opened, Ended> {
        trail.ceremony = Some(challenge.ceremony);
        let opened = Opened {
            ceremony: challenge.ceremony.to_text(),
            packet: to_text(&self.keys.sign(&wrap(challenge.clone()))?),
            expires_at: challenge.window.expires_at,
        };
        let event = trail.opened(challenge.window.issued_at);
        self.store.open_ceremony(Ceremony { kind, challenge, account_key }, event).await?;
        Ok(opened)
    }

    /// The ceremony of this service and kind that waits for an answer, and the key that it is about. When it
    /// was issued is not asked: the instance that issued it may have another clock.
    async fn awaited(
        &self,
        service: &Service,
        kind: CeremonyKind,
        ceremony: &str,
        trail: &mut Trail,
    ) -> Result<(Challenge, Option<ServiceKey>), Ended> {
        let id = CeremonyId::from_text(ceremony).map_err(|_| Refusal::UnknownCeremony)?;
        trail.ceremony = Some(id);
        let (state, key) = self.store.ceremony_with_key(&id).await?.ok_or(Refusal::UnknownCeremony)?;
        let Ceremony { kind: stored, challenge, .. } = state.ceremony;
        if stored != kind || challenge.service != service.name {
            return Err(Refusal::UnknownCeremony.into());
        }
        trail.concerns(&challenge.device, &challenge.virtual_account);
        if self.clock.now() >= challenge.window.expires_at {
            return Err(Refusal::Expired.into());
        }
        if state.consumed {
            return Err(Refusal::CodeUsed.into());
        }
        Ok((challenge, key))
    }
}

fn same_code(code: &Code, challenge: &Challenge) -> Result<(), Refusal> {
    if code.same(&challenge.code) { Ok(()) } else { Err(Refusal::CodeWrong) }
}

/// Whether the local verification was what the challenge asked for. That it was not is definite: the code is
/// used up.
fn check_policy(biometric: BiometricType, evidence: &Evidence, challenge: &Challenge) -> Result<(), Ended> {
    let met = biometric == challenge.policy.biometric && evidence.liveness >= challenge.policy.liveness;
    if met { Ok(()) } else { Err(Ended::Burnt(challenge.ceremony, Refusal::PolicyUnmet)) }
}

/// A key whose account is not active authenticates nobody.
fn usable(status: KeyStatus) -> Result<(), Refusal> {
    match status {
        KeyStatus::Active => Ok(()),
        KeyStatus::Suspended => Err(Refusal::AccountSuspended),
        KeyStatus::Revoked => Err(Refusal::AccountRevoked),
        // The device registered anew, with another key.
        KeyStatus::Superseded => Err(Refusal::UnknownKey),
        KeyStatus::Deregistered => Err(Refusal::UnknownAccount),
    }
}

/// What the store says became of a code.
pub(crate) fn consumed(result: Consumed) -> Result<(), Refusal> {
    match result {
        Consumed::Yes(_) => Ok(()),
        Consumed::Used => Err(Refusal::CodeUsed),
        Consumed::Expired => Err(Refusal::Expired),
        Consumed::Gone => Err(Refusal::UnknownCeremony),
        // Nobody is told which device that is.
        Consumed::SecretTaken => Err(Refusal::KeyNotCertified),
        // Whoever can say which status it is asks before it comes to this.
        Consumed::KeyNotActive | Consumed::DeviceNotActive => Err(Refusal::Unavailable),
    }
}

fn receipt(challenge: &Challenge, at: u64) -> Receipt {
    Receipt {
        ceremony: challenge.ceremony,
        server: challenge.server.clone(),
        service: challenge.service.clone(),
        account: challenge.account.clone(),
        virtual_account: challenge.virtual_account,
        device: challenge.device,
        biometric: challenge.policy.biometric,
        at,
        transaction: challenge.transaction.as_ref().map(TransactionHash::of),
    }
}

/// What the relying party is told, with the signed receipt.
fn completed(challenge: Challenge, packet: &[u8], at: u64, liveness: Option<Liveness>) -> Completed {
    Completed {
        ceremony: challenge.ceremony.to_text(),
        packet: to_text(packet),
        account: challenge.account.as_str().to_owned(),
        virtual_account: challenge.virtual_account.to_text(),
        device: challenge.device.to_text(),
        biometric: match challenge.policy.biometric {
            BiometricType::Face => "face".to_owned(),
        },
        at,
        liveness_self_asserted: liveness.map(|l| liveness_word(l).to_owned()),
    }
}

fn liveness_word(liveness: Liveness) -> &'static str {
    match liveness {
        Liveness::None => "none",
        Liveness::Passive => "passive",
        Liveness::Active => "active",
    }
}

/// Without random numbers nothing can be decided.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Refusal> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::Unavailable)?;
    Ok(bytes)
}
