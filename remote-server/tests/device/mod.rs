//! A software stand-in of a device for tests: signs what a vault and its TPM would sign, with keys that are
//! in neither. It checks nothing, so that tests can have it sign what a device would not.

pub mod tpm;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use vultus_protocol::api::{Packet, to_text};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::Challenge;
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::registration::{KeyCertification, RegistrationRequest};
use vultus_protocol::sealed::{self, SealingKey};
use vultus_protocol::{
    BiometricType, DeviceIdentity, Draft, Evidence, FeatureToken, KeyId, Label, Liveness, Message,
    PairwiseDevice, PairwiseSecret, PublicKey, ServerName, ServiceName, Spectrum, TransactionHash,
};
use vultus_remote_server::store::model;

pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// A P-256 key that signs.
pub struct Key {
    pair: EcdsaKeyPair,
    pub public: PublicKey,
}

impl Key {
    pub fn new() -> Self {
        let secret = SealingKey::derive(&random());
        let public = secret.public().unwrap();
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            secret.as_bytes(),
            public.as_bytes(),
            &SystemRandom::new(),
        );
        Self { pair: pair.unwrap(), public }
    }

    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair.sign(&SystemRandom::new(), message).unwrap().as_ref().try_into().unwrap()
    }

    pub fn packet<M: Message>(&self, message: &M) -> Vec<u8> {
        self.packet_as(message, self.public.id())
    }

    /// A packet that says that another key signed it.
    pub fn packet_as<M: Message>(&self, message: &M, key: KeyId) -> Vec<u8> {
        let draft = Draft::new(message, key).unwrap();
        let signature = self.sign(draft.to_be_signed());
        draft.finish(signature).unwrap()
    }
}

/// A device with its keys and one enrolled face.
pub struct Device {
    pub key: Key,
    pub attestation: Key,
    pub pairwise_secret: PairwiseSecret,
    pub face: [u8; 32],
    /// By which its TPM is known again.
    pub endorsement: [u8; 32],
}

impl Device {
    pub fn new() -> Self {
        Self {
            key: Key::new(),
            attestation: Key::new(),
            pairwise_secret: PairwiseSecret::new(random()),
            face: random(),
            endorsement: random(),
        }
    }

    pub fn identity(&self) -> DeviceIdentity {
        DeviceIdentity::of(&self.key.public)
    }

    pub fn towards(&self, server: &ServerName, service: &ServiceName) -> PairwiseDevice {
        self.pairwise_secret.device_for(server, service)
    }

    /// What the registry keeps of it.
    pub fn record(&self, now: u64) -> model::Device {
        model::Device {
            identity: self.identity(),
            public_key: self.key.public,
            attestation_point: *self.attestation.public.as_bytes(),
            pairwise_secret: self.pairwise_secret,
            manufacturer: label("maker"),
            model: label("model"),
            tpm_vendor: "id:00001014".to_owned(),
            endorsement: self.endorsement,
            status: model::DeviceStatus::Active,
            enrolled_at: now,
        }
    }

    /// What its TPM says of a key.
    pub fn certify(&self, key: &Key, qualifying: &[u8]) -> KeyCertification {
        let public = tpm::public_area(tpm::SIGNING, &key.public);
        let attest = tpm::statement(&tpm::name(&public), qualifying);
        let signature = self.attestation.sign(&attest).to_vec();
        KeyCertification { public: public.into(), attest: attest.into(), signature: signature.into() }
    }

    pub fn registration(&self, challenge: &Challenge, key: &Key) -> RegistrationRequest {
        RegistrationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            device_identity: self.identity(),
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: self.token(challenge),
            code: challenge.code,
            service_key: key.public,
            certification: self.certify(key, challenge.code.as_bytes()),
            evidence: evidence(Liveness::Active),
        }
    }

    pub fn authentication(&self, challenge: &Challenge) -> AuthenticationRequest {
        AuthenticationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            virtual_account: challenge.virtual_account,
            biometric: BiometricType::Face,
            feature_token: self.token(challenge),
            code: challenge.code,
            transaction: challenge.transaction.as_ref().map(TransactionHash::of),
            evidence: evidence(Liveness::Active),
        }
    }

    pub fn deregistration(&self, challenge: &Challenge) -> DeregistrationRequest {
        DeregistrationRequest {
            ceremony: challenge.ceremony,
            server: challenge.server.clone(),
            service: challenge.service.clone(),
            device: challenge.device,
            virtual_account: challenge.virtual_account,
            code: challenge.code,
        }
    }

    fn token(&self, challenge: &Challenge) -> FeatureToken {
        FeatureToken::of(&self.face, &challenge.server, &challenge.virtual_account)
    }
}

pub fn label(text: &str) -> Label {
    Label::new(text).unwrap()
}

pub fn evidence(liveness: Liveness) -> Evidence {
    Evidence { liveness, spectrum: Spectrum::Colour, software: label("0.1.0") }
}

pub fn plain(packet: &[u8]) -> Packet {
    Packet { packet: to_text(packet) }
}

/// A packet of a message of the kind `M`, sealed as such.
pub fn sealed<M: Message>(packet: &[u8], to: &PublicKey) -> Packet {
    plain(&sealed::seal(packet, to, M::CONTEXT, &random()).unwrap())
}
