//! A device in software, which says so: its keys lie in this process's memory, and it writes the TPM's
//! statements about them itself. It is put into the registry directly, past the enrolment that would find it
//! out.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use sha2::{Digest, Sha256};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{self, AuthenticationInfo, Challenge, RegistrationInfo};
use vultus_protocol::registration::{KeyCertification, RegistrationRequest};
use vultus_protocol::{
    BiometricType, CeremonyId, Code, DeviceIdentity, Draft, Evidence, FeatureToken, Label, Liveness, Message,
    PairwiseDevice, PairwiseSecret, PinnedServer, ProtocolError, PublicKey, ServiceName, Spectrum,
    TransactionHash, VirtualAccount, Window, sealed,
};
use vultus_remote_server::store::model::{Device, DeviceStatus, Enrolment};
use vultus_remote_server::store::{Consumed, Event, Store, StoreError};

/// What it calls itself, in the registry and in the evidence of every request.
const NAME: &str = "a device in software";
/// TPMA_OBJECT: fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, noDA, sign; and restricted besides.
const SIGNING: u32 = 0x0004_0472;
const ATTESTING: u32 = 0x0005_0472;
/// By how many seconds the server's clock may differ from this one: they are the same.
const CLOCK_TOLERANCE: u64 = 5;

/// Why there is no packet.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    #[error("the server's packet: {0}")]
    Packet(#[from] ProtocolError),
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("the registry did not take the device: {0:?}")]
    NotTaken(Consumed),
    #[error("this account was never registered here")]
    UnknownAccount,
    #[error("the server has no key that counts now")]
    NoKeyCounts,
    #[error("ring made no key or signature")]
    Ring,
    #[error("no random bytes")]
    NoRandom,
}

/// A key whose private half lies in memory.
pub struct Signer {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Signer {
    pub fn generate() -> Result<Self, DeviceError> {
        let (random, algorithm) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).map_err(|_| DeviceError::Ring)?;
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random);
        let pair = pair.map_err(|_| DeviceError::Ring)?;
        let public = PublicKey::from_slice(pair.public_key().as_ref())?;
        Ok(Self { pair, public })
    }

    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// r ‖ s.
    pub fn sign(&self, message: &[u8]) -> Result<[u8; 64], DeviceError> {
        let signature = self.pair.sign(&SystemRandom::new(), message).map_err(|_| DeviceError::Ring)?;
        signature.as_ref().try_into().map_err(|_| DeviceError::Ring)
    }

    fn packet<M: Message>(&self, message: &M) -> Result<Vec<u8>, DeviceError> {
        let draft = Draft::new(message, self.public.id())?;
        let signature = self.sign(draft.to_be_signed())?;
        Ok(draft.finish(signature)?)
    }

    /// The `TPMT_PUBLIC` that a TPM would write for such a key: P-256, ECDSA with SHA-256.
    fn public_area(&self, attributes: u32) -> Vec<u8> {
        let point = self.public.as_bytes();
        let mut area = vec![0x00, 0x23, 0x00, 0x0b];
        area.extend_from_slice(&attributes.to_be_bytes());
        // No policy, no symmetric algorithm, ECDSA with SHA-256, P-256, no key derivation.
        area.extend_from_slice(&[0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10]);
        area.extend(sized(&point[1..33]));
        area.extend(sized(&point[33..]));
        area
    }
}

/// What a TPM calls a key: the name algorithm, SHA-256, and the digest of its public area.
fn name_of(area: &[u8]) -> Vec<u8> {
    let digest: [u8; 32] = Sha256::digest(area).into();
    [[0x00, 0x0b].as_slice(), &digest].concat()
}

/// A TPM2B of less than 256 bytes.
fn sized(bytes: &[u8]) -> Vec<u8> {
    [[0, bytes.len() as u8].as_slice(), bytes].concat()
}

/// One registered account: its service key and the token of the face.
pub struct Account {
    key: Signer,
    token: FeatureToken,
}

impl Account {
    pub fn new(token: FeatureToken) -> Result<Self, DeviceError> {
        Ok(Self { key: Signer::generate()?, token })
    }

    pub fn public_key(&self) -> &PublicKey {
        self.key.public()
    }

    pub fn token(&self) -> &FeatureToken {
        &self.token
    }

    /// The packet that answers a challenge, whoever issued it.
    pub fn answer(&self, challenge: &Challenge) -> Result<Vec<u8>, DeviceError> {
        self.key.packet(&AuthenticationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: self.token,
            code: challenge.code,
            transaction: challenge.transaction.as_ref().map(TransactionHash::of),
            evidence: evidence()?,
        })
    }
}

/// No camera and no person: passive liveness is claimed because the services of the tests ask for it.
fn evidence() -> Result<Evidence, DeviceError> {
    let software = Label::new(NAME)?;
    Ok(Evidence { liveness: Liveness::Passive, spectrum: Spectrum::Colour, software })
}

/// A device of one server. It may be shared between tasks.
pub struct SoftDevice {
    server: PinnedServer,
    device: Signer,
    attestation: Signer,
    pairwise: PairwiseSecret,
    face: [u8; 32],
    accounts: Mutex<HashMap<(ServiceName, VirtualAccount), Arc<Account>>>,
}

impl SoftDevice {
    pub fn new(server: PinnedServer) -> Result<Self, DeviceError> {
        Ok(Self {
            server,
            device: Signer::generate()?,
            attestation: Signer::generate()?,
            pairwise: PairwiseSecret::new(random()?),
            face: random()?,
            accounts: Mutex::default(),
        })
    }

    pub fn identity(&self) -> DeviceIdentity {
        DeviceIdentity::of(self.device.public())
    }

    /// What a service calls it.
    pub fn pairwise(&self, service: &ServiceName) -> PairwiseDevice {
        self.pairwise.device_for(self.server.name(), service)
    }

    /// The key that was made for an account, registered or not.
    pub fn public_key(&self, service: &ServiceName, account: &VirtualAccount) -> Option<PublicKey> {
        self.accounts().get(&(service.clone(), *account)).map(|known| *known.public_key())
    }

    /// Puts it into the registry of this database.
    pub async fn enrol(&self, store: &Store) -> Result<(), DeviceError> {
        let now = now();
        let enrolment = self.enrolment(now)?;
        let (id, device) = (enrolment.id, self.row(&enrolment, now));
        store.open_enrolment(enrolment, self.event(now, "enrolment-opened", id)).await?;
        match store.enrol(&id, now, device, &random()?, self.event(now, "enrolled", id)).await? {
            Consumed::Yes(_) => Ok(()),
            other => Err(DeviceError::NotTaken(other)),
        }
    }

    /// Answers a registration's challenge by a new key for its account: a sealed packet.
    pub fn register(&self, packet: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let challenge = self.open::<RegistrationInfo>(packet)?;
        let token = FeatureToken::of(&self.face, self.server.name(), &challenge.virtual_account);
        let account = Arc::new(Account::new(token)?);
        let request = self.registration(&challenge, &account)?;
        let to = self.server.sealing_key(now()).ok_or(DeviceError::NoKeyCounts)?;
        let packet = self.device.packet(&request)?;
        let sealed = sealed::seal(&packet, to, RegistrationRequest::CONTEXT, &random()?)?;
        self.accounts().insert((challenge.service, challenge.virtual_account), account);
        Ok(sealed)
    }

    /// Answers an authentication's challenge.
    pub fn authenticate(&self, packet: &[u8]) -> Result<Vec<u8>, DeviceError> {
        let challenge = self.open::<AuthenticationInfo>(packet)?;
        let known = self.accounts().get(&(challenge.service.clone(), challenge.virtual_account)).cloned();
        known.ok_or(DeviceError::UnknownAccount)?.answer(&challenge)
    }

    fn open<M: Message + Into<Challenge>>(&self, packet: &[u8]) -> Result<Challenge, DeviceError> {
        let device_for = |service: &ServiceName| self.pairwise(service);
        Ok(challenge::open::<M>(packet, &self.server, device_for, now(), CLOCK_TOLERANCE)?)
    }

    fn registration(
        &self,
        challenge: &Challenge,
        account: &Account,
    ) -> Result<RegistrationRequest, DeviceError> {
        Ok(RegistrationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            device_identity: self.identity(),
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: *account.token(),
            code: challenge.code,
            service_key: *account.public_key(),
            certification: self.certify(&account.key, &challenge.code)?,
            evidence: evidence()?,
        })
    }

    /// What a TPM answers to TPM2_Certify: a `TPMS_ATTEST`, signed by the attestation key.
    fn certify(&self, key: &Signer, code: &Code) -> Result<KeyCertification, DeviceError> {
        let public = key.public_area(SIGNING);
        let (name, signer) = (name_of(&public), name_of(&self.attestation.public_area(ATTESTING)));
        let mut attest = vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x17];
        attest.extend(sized(&signer));
        attest.extend(sized(code.as_bytes()));
        // The clock, two counters, that the clock is safe, and the firmware: there is none of them.
        attest.extend_from_slice(&[0; 8 + 4 + 4]);
        attest.push(1);
        attest.extend_from_slice(&[0; 8]);
        attest.extend(sized(&name));
        attest.extend(sized(&name));
        let signature = self.attestation.sign(&attest)?.to_vec();
        Ok(KeyCertification { public: public.into(), attest: attest.into(), signature: signature.into() })
    }

    fn enrolment(&self, now: u64) -> Result<Enrolment, DeviceError> {
        let label = Label::new(NAME)?;
        Ok(Enrolment {
            id: CeremonyId::new(random()?),
            device_identity: self.identity(),
            device_key: *self.device.public(),
            device_public: self.device.public_area(SIGNING),
            attestation_public: self.attestation.public_area(ATTESTING),
            secret_hash: random()?,
            nonce: random()?,
            endorsement: random()?,
            vendor: "none".to_owned(),
            manufacturer: label.clone(),
            model: label,
            window: Window::new(now, 600),
        })
    }

    fn row(&self, enrolment: &Enrolment, now: u64) -> Device {
        Device {
            identity: enrolment.device_identity,
            public_key: enrolment.device_key,
            attestation_point: *self.attestation.public().as_bytes(),
            pairwise_secret: self.pairwise,
            manufacturer: enrolment.manufacturer.clone(),
            model: enrolment.model.clone(),
            tpm_vendor: enrolment.vendor.clone(),
            endorsement: enrolment.endorsement,
            status: DeviceStatus::Active,
            enrolled_at: now,
        }
    }

    fn event(&self, at: u64, what: &'static str, id: CeremonyId) -> Event {
        Event {
            at,
            what,
            service: None,
            device: Some(self.identity().to_text()),
            virtual_account: None,
            ceremony: Some(id),
            reason: None,
            by: "admin",
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<(ServiceName, VirtualAccount), Arc<Account>>> {
        // Each change is one insertion, so that a panic elsewhere leaves nothing half done.
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Seconds since 1970, by this machine's clock: the servers of the tests have the same.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn random<const N: usize>() -> Result<[u8; N], DeviceError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| DeviceError::NoRandom)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use vultus_remote_server::attestation::certification;
    use vultus_remote_server::attestation::public_area::EccPublic;

    use super::*;

    #[test]
    fn the_server_reads_what_this_writes_in_the_place_of_a_tpm() {
        let (key, attestation) = (Signer::generate().unwrap(), Signer::generate().unwrap());
        let area = key.public_area(SIGNING);
        let read = EccPublic::signing_key(&area).unwrap();
        assert_eq!((read.point, read.name), (*key.public().as_bytes(), name_of(&area)));
        let attesting = EccPublic::attestation_key(&attestation.public_area(ATTESTING)).unwrap();
        assert_eq!(attesting.point, *attestation.public().as_bytes());
    }

    #[test]
    fn the_server_takes_a_certification_for_its_own_code_alone() {
        let device = SoftDevice::new(pinned()).unwrap();
        let account = Account::new(FeatureToken::new([1; 32])).unwrap();
        let made = device.certify(&account.key, &Code::new([7; 32])).unwrap();
        let attesting = EccPublic::attestation_key(&device.attestation.public_area(ATTESTING)).unwrap();
        let name = EccPublic::signing_key(&made.public).unwrap().name;
        let signature: [u8; 64] = made.signature.as_slice().try_into().unwrap();
        let check = |code| certification::check(&made.attest, &signature, &attesting, &name, code);
        assert!(check(&[7; 32]).is_ok());
        assert!(check(&[8; 32]).is_err());
    }

    /// A server that is pinned and does not exist.
    fn pinned() -> PinnedServer {
        use vultus_protocol::server_keys::TimedKey;
        use vultus_protocol::{ServerKeys, ServerName};
        let signer = Signer::generate().unwrap();
        let timed = TimedKey { key: *signer.public(), not_before: 0, not_after: u64::MAX };
        let server = ServerName::new("auth.example").unwrap();
        let set = ServerKeys { server, version: 1, signing: vec![timed], sealing: vec![timed] };
        PinnedServer::first(&signer.packet(&set).unwrap()).unwrap()
    }
}
