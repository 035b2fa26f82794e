//! One of every message, by fixed keys over fixed bytes: what the tests of this folder begin with. What the
//! TPM would state is written by hand here, in the TPM's own form.
// Each test binary uses a part of it.
#![allow(dead_code)]

pub mod arbitrary;
pub mod described;
pub mod raw;

use std::fmt::Debug;

use p256::ecdsa::signature::hazmat::PrehashSigner;
use p256::ecdsa::{Signature, SigningKey};
use sha2::{Digest, Sha256};
use vultus_protocol::assertion::Assertion;
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::{AuthenticationInfo, Challenge, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::deregistration::DeregistrationRequest;
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, KeyCertification, Receipt, RegistrationReceipt,
    RegistrationRequest,
};
use vultus_protocol::sealed::SealingKey;
use vultus_protocol::server_keys::TimedKey;
use vultus_protocol::{
    AccountName, Audience, BiometricType, CeremonyId, Code, DeviceIdentity, Draft, Evidence, FeatureToken,
    Label, Liveness, Message, PairwiseDevice, PairwiseSecret, Policy, PublicKey, ServerKeys, ServerName,
    ServiceName, Spectrum, TransactionHash, TransactionText, VirtualAccount, Window,
};

use described::Described;

/// When it all happens.
pub const NOW: u64 = 1_800_000_000;
/// When keys end that have no end yet.
pub const LAST: u64 = 253_402_300_799;
/// How many kinds of messages there are.
pub const KINDS: usize = 15;

/// What all contexts begin with.
pub const PREFIX: &str = "vultus/1 ";

// The scalars of the keys: one byte each, 32 times.
pub const SERVER: u8 = 0x11;
pub const NEW_SERVER: u8 = 0x12;
pub const DEVICE: u8 = 0x21;
pub const SERVICE: u8 = 0x31;
pub const ATTESTATION: u8 = 0x41;
pub const AUDIENCE: u8 = 0x51;
/// What the sealing keys follow from.
pub const SEALING: [u8; 32] = [0x61; 32];
pub const NEW_SEALING: [u8; 32] = [0x62; 32];

pub const PAIRWISE_SECRET: [u8; 32] = [0x71; 32];
pub const ACCOUNT_SECRET: [u8; 32] = [0x72; 32];
pub const FACE_KEY: [u8; 32] = [0x73; 32];

/// A key that signs by RFC 6979: the same bytes always get the same signature.
#[derive(Clone)]
pub struct Key {
    pub scalar: [u8; 32],
    key: SigningKey,
}

impl Key {
    pub fn new(byte: u8) -> Self {
        let scalar = [byte; 32];
        Self { scalar, key: SigningKey::from_slice(&scalar).unwrap() }
    }

    pub fn public(&self) -> PublicKey {
        PublicKey::from_slice(self.key.verifying_key().to_sec1_point(false).as_bytes()).unwrap()
    }

    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        self.sign_digest(&Sha256::digest(bytes).into())
    }

    pub fn sign_digest(&self, digest: &[u8; 32]) -> [u8; 64] {
        let signature: Signature = self.key.sign_prehash(digest).unwrap();
        signature.to_bytes().into()
    }

    /// The message in its envelope.
    pub fn packet<M: Message>(&self, message: &M) -> Vec<u8> {
        let draft = Draft::new(message, self.public().id()).unwrap();
        let signature = self.sign_digest(&draft.digest());
        draft.finish(signature).unwrap()
    }
}

/// A message as whoever signs it would write it.
pub struct Sample<M> {
    pub name: &'static str,
    pub key: Key,
    pub message: M,
}

impl<M: Message> Sample<M> {
    pub fn packet(&self) -> Vec<u8> {
        self.key.packet(&self.message)
    }

    /// The kind of the message, as the vectors call it.
    pub fn kind(&self) -> &'static str {
        M::CONTEXT.0.strip_prefix(PREFIX).unwrap()
    }
}

/// What is done with every sample.
pub trait Each {
    fn each<M: Message + Described + Clone + PartialEq + Debug>(&mut self, sample: Sample<M>);
}

/// Every kind of message, and those with optional fields with and without them.
pub fn every(to: &mut impl Each) {
    let sample = |name, signer| (name, Key::new(signer));
    give(to, sample("server-keys-first", SERVER), first_keys());
    give(to, sample("server-keys-second", SERVER), second_keys());
    give(to, sample("enrolment-request", DEVICE), enrolment_request());
    give(to, sample("enrolment-challenge", SERVER), enrolment_challenge());
    give(to, sample("enrolment-proof", DEVICE), enrolment_proof());
    give(to, sample("enrolment-receipt", SERVER), enrolment_receipt());
    give(to, sample("registration-info", SERVER), RegistrationInfo(challenge(None)));
    give(to, sample("registration-request", DEVICE), registration_request());
    give(to, sample("registration-receipt", SERVER), RegistrationReceipt(receipt(None)));
    let (text, hash) = (transaction(), TransactionHash::of(&transaction()));
    give(to, sample("authentication-info", SERVER), AuthenticationInfo(challenge(None)));
    give(to, sample("authentication-info-transaction", SERVER), AuthenticationInfo(challenge(Some(text))));
    give(to, sample("authentication-request", SERVICE), authentication_request(None));
    give(to, sample("authentication-request-transaction", SERVICE), authentication_request(Some(hash)));
    give(to, sample("authentication-receipt", SERVER), AuthenticationReceipt(receipt(None)));
    give(
        to,
        sample("authentication-receipt-transaction", SERVER),
        AuthenticationReceipt(receipt(Some(hash))),
    );
    give(to, sample("deregistration-info", SERVER), DeregistrationInfo(challenge(None)));
    give(to, sample("deregistration-request", SERVICE), deregistration_request());
    give(to, sample("deregistration-receipt", SERVER), DeregistrationReceipt(receipt(None)));
    give(to, sample("assertion", AUDIENCE), assertion());
}

fn give<M: Message + Described + Clone + PartialEq + Debug>(
    to: &mut impl Each,
    (name, key): (&'static str, Key),
    message: M,
) {
    to.each(Sample { name, key, message });
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn ascending<const N: usize>(first: u8) -> [u8; N] {
    std::array::from_fn(|i| first.wrapping_add(i as u8))
}

pub fn server() -> ServerName {
    ServerName::new("auth.example.org").unwrap()
}

pub fn service() -> ServiceName {
    ServiceName::new("shop.example.org:8443").unwrap()
}

pub fn account() -> AccountName {
    AccountName::new("Zoë Müller").unwrap()
}

pub fn transaction() -> TransactionText {
    TransactionText::new("Pay 5.00 € to Bob\nReference 42").unwrap()
}

pub fn device() -> PairwiseDevice {
    PairwiseSecret::new(PAIRWISE_SECRET).device_for(&server(), &service())
}

pub fn virtual_account() -> VirtualAccount {
    VirtualAccount::of(&ACCOUNT_SECRET, &service(), &account())
}

pub fn feature_token() -> FeatureToken {
    FeatureToken::of(&FACE_KEY, &server(), &virtual_account())
}

pub fn device_identity() -> DeviceIdentity {
    DeviceIdentity::of(&Key::new(DEVICE).public())
}

pub fn ceremony() -> CeremonyId {
    CeremonyId::new(ascending(0xa0))
}

pub fn code() -> Code {
    Code::new(ascending(0xc0))
}

pub fn evidence(liveness: Liveness, spectrum: Spectrum) -> Evidence {
    Evidence { liveness, spectrum, software: Label::new("0.1.0").unwrap() }
}

pub fn challenge(transaction: Option<TransactionText>) -> Challenge {
    Challenge {
        ceremony: ceremony(),
        server: server(),
        service: service(),
        account: account(),
        virtual_account: virtual_account(),
        device: device(),
        code: code(),
        window: Window::new(NOW, 60),
        policy: Policy { biometric: BiometricType::Face, liveness: Liveness::Passive },
        transaction,
    }
}

pub fn receipt(transaction: Option<TransactionHash>) -> Receipt {
    Receipt {
        ceremony: ceremony(),
        server: server(),
        service: service(),
        account: account(),
        virtual_account: virtual_account(),
        device: device(),
        biometric: BiometricType::Face,
        at: NOW + 7,
        transaction,
    }
}

pub fn timed(key: PublicKey, not_before: u64, not_after: u64) -> TimedKey {
    TimedKey { key, not_before, not_after }
}

fn sealing(random: &[u8; 32]) -> PublicKey {
    SealingKey::derive(random).public().unwrap()
}

pub fn first_keys() -> ServerKeys {
    ServerKeys {
        server: server(),
        version: 1,
        signing: vec![timed(Key::new(SERVER).public(), NOW, LAST)],
        sealing: vec![timed(sealing(&SEALING), NOW, LAST)],
    }
}

/// New keys begin an hour from now; the old ones end a week later.
pub fn second_keys() -> ServerKeys {
    let (begin, end) = (NOW + 3_600, NOW + 3_600 + 604_800);
    ServerKeys {
        server: server(),
        version: 2,
        signing: vec![
            timed(Key::new(NEW_SERVER).public(), begin, LAST),
            timed(Key::new(SERVER).public(), NOW, end),
        ],
        sealing: vec![timed(sealing(&NEW_SEALING), begin, LAST), timed(sealing(&SEALING), NOW, end)],
    }
}

pub fn enrolment_request() -> EnrolmentRequest {
    let device_key = Key::new(DEVICE).public();
    EnrolmentRequest {
        server: server(),
        device_key,
        device_public: tpm_public(&device_key, false).into(),
        attestation_public: tpm_public(&Key::new(ATTESTATION).public(), true).into(),
        // These two are long in truth, and other than DER and a public area to this crate.
        endorsement_public: ascending::<48>(0x00).to_vec().into(),
        endorsement_certificate: ascending::<64>(0x30).to_vec().into(),
        manufacturer: Label::new("Example Computers").unwrap(),
        model: Label::new("Model 7").unwrap(),
        at: NOW,
    }
}

pub fn enrolment_challenge() -> EnrolmentChallenge {
    EnrolmentChallenge {
        enrolment: ceremony(),
        server: server(),
        device: device_identity(),
        id_object: ascending::<68>(0x01).to_vec().into(),
        encrypted_secret: ascending::<256>(0x02).to_vec().into(),
        nonce: ascending::<32>(0xe0).into(),
        window: Window::new(NOW, 120),
    }
}

pub fn enrolment_proof() -> EnrolmentProof {
    EnrolmentProof {
        enrolment: ceremony(),
        server: server(),
        device: device_identity(),
        secret: ascending::<32>(0x03).to_vec().into(),
        certification: certification(&Key::new(DEVICE).public(), &ascending(0xe0)),
        pairwise_secret: PairwiseSecret::new(PAIRWISE_SECRET),
    }
}

pub fn enrolment_receipt() -> EnrolmentReceipt {
    EnrolmentReceipt { enrolment: ceremony(), server: server(), device: device_identity(), at: NOW + 7 }
}

pub fn registration_request() -> RegistrationRequest {
    let service_key = Key::new(SERVICE).public();
    RegistrationRequest {
        ceremony: ceremony(),
        server: server(),
        service: service(),
        device: device(),
        device_identity: device_identity(),
        virtual_account: virtual_account(),
        biometric: BiometricType::Face,
        feature_token: feature_token(),
        code: code(),
        service_key,
        certification: certification(&service_key, code().as_bytes()),
        evidence: evidence(Liveness::Active, Spectrum::Colour),
    }
}

pub fn authentication_request(transaction: Option<TransactionHash>) -> AuthenticationRequest {
    AuthenticationRequest {
        ceremony: ceremony(),
        server: server(),
        service: service(),
        device: device(),
        virtual_account: virtual_account(),
        biometric: BiometricType::Face,
        feature_token: feature_token(),
        code: code(),
        transaction,
        evidence: evidence(Liveness::Passive, Spectrum::Grey),
    }
}

pub fn deregistration_request() -> DeregistrationRequest {
    DeregistrationRequest {
        ceremony: ceremony(),
        server: server(),
        service: service(),
        device: device(),
        virtual_account: virtual_account(),
        code: code(),
    }
}

pub fn assertion() -> Assertion {
    Assertion {
        audience: Audience::new("org.example.Wallet").unwrap(),
        nonce: ascending::<32>(0xf0).to_vec().into(),
        uid: 1000,
        biometric: BiometricType::Face,
        at: NOW,
        evidence: evidence(Liveness::None, Spectrum::Colour),
    }
}

/// `TPMT_PUBLIC` of a P-256 key for ECDSA over SHA-256 that the TPM made and keeps.
fn tpm_public(key: &PublicKey, restricted: bool) -> Vec<u8> {
    let attributes: u32 = 0x0004_0472 | if restricted { 0x0001_0000 } else { 0 };
    let (x, y) = key.as_bytes()[1..].split_at(32);
    let head: [u8; 4] = [0x00, 0x23, 0x00, 0x0b];
    let middle = [0x00, 0x00, 0x00, 0x10, 0x00, 0x18, 0x00, 0x0b, 0x00, 0x03, 0x00, 0x10];
    [&head[..], &attributes.to_be_bytes(), &middle, &sized(x), &sized(y)].concat()
}

fn sized(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

/// `TPMS_ATTEST` of the kind "certify", signed by the attestation key.
fn certification(key: &PublicKey, qualifying: &[u8; 32]) -> KeyCertification {
    let public = tpm_public(key, false);
    let name = |public: &[u8]| sized(&[&[0x00_u8, 0x0b][..], &Sha256::digest(public)[..]].concat());
    let signer = name(&tpm_public(&Key::new(ATTESTATION).public(), true));
    let attest = [
        vec![0xff, 0x54, 0x43, 0x47, 0x80, 0x17],
        // Whose qualified name this is, and that of the certified key, is not looked at.
        signer,
        sized(qualifying),
        // The TPM's clock and firmware.
        vec![0; 17 + 8],
        name(&public),
        name(&public),
    ]
    .concat();
    let signature = Key::new(ATTESTATION).sign(&attest).to_vec();
    KeyCertification { public: public.into(), attest: attest.into(), signature: signature.into() }
}
