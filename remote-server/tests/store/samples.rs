//! Rows that the cases are made of. Nothing in them is a real key.

use vultus_protocol::challenge::Challenge;
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, Code, DeviceIdentity, FeatureToken, Label, Liveness,
    PairwiseDevice, PairwiseSecret, Policy, PublicKey, ServerName, ServiceName, TransactionText,
    VirtualAccount, Window,
};
use vultus_remote_server::store::model::{
    Ceremony, CeremonyKind, Device, DeviceStatus, Enrolment, NewServiceKey,
};
use vultus_remote_server::store::{Consumed, Event, Store};

pub const NOW: u64 = 1_700_000_000;
/// The first second at which no sample's code counts.
pub const END: u64 = NOW + 60;
/// The SHA-256 of whatever proves an enrolment.
pub const PROOF: [u8; 32] = [6; 32];

pub fn id(n: u32) -> CeremonyId {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    CeremonyId::new(bytes)
}

pub fn shop() -> ServiceName {
    ServiceName::new("shop.example").unwrap()
}

pub fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

pub fn virtual_account(name: &str) -> VirtualAccount {
    VirtualAccount::of(&[9; 32], &shop(), &account(name))
}

pub fn pairwise(device: u8) -> PairwiseDevice {
    PairwiseDevice::new([device; 16])
}

pub fn identity(device: u8) -> DeviceIdentity {
    DeviceIdentity::new([device; 16])
}

pub fn point(n: u8) -> PublicKey {
    let mut point = [n; 65];
    point[0] = 4;
    PublicKey::new(point).unwrap()
}

pub fn event(what: &'static str) -> Event {
    Event {
        at: NOW,
        what,
        service: Some(shop()),
        device: Some(pairwise(1).to_text()),
        virtual_account: Some(virtual_account("alice")),
        ceremony: None,
        reason: None,
        by: "service",
    }
}

pub fn ceremony(n: u32, kind: CeremonyKind, account_key: Option<i64>) -> Ceremony {
    let challenge = Challenge {
        ceremony: id(n),
        server: ServerName::new("auth.example").unwrap(),
        service: shop(),
        account: account("alice"),
        virtual_account: virtual_account("alice"),
        device: pairwise(1),
        code: Code::new([n as u8; 32]),
        window: Window::new(NOW, END - NOW),
        policy: Policy { biometric: BiometricType::Face, liveness: Liveness::Active },
        transaction: TransactionText::new("Pay 5 €\nto Bob").ok(),
    };
    Ceremony { kind, challenge, account_key }
}

pub fn new_key(name: &str, device: u8, key: u8) -> NewServiceKey {
    NewServiceKey {
        service: shop(),
        account: account(name),
        virtual_account: virtual_account(name),
        device: pairwise(device),
        device_identity: identity(device),
        biometric: BiometricType::Face,
        feature_token: FeatureToken::new([key; 32]),
        public_key: point(key),
    }
}

pub fn device(n: u8, endorsement: u8) -> Device {
    Device {
        identity: identity(n),
        public_key: point(n),
        attestation_point: [n; 65],
        pairwise_secret: PairwiseSecret::new([n; 32]),
        manufacturer: Label::new("Maker").unwrap(),
        model: Label::new("Model 1").unwrap(),
        tpm_vendor: "id:00001014 swtpm".to_owned(),
        endorsement: [endorsement; 32],
        status: DeviceStatus::Active,
        enrolled_at: NOW,
    }
}

pub fn enrolment(n: u32, device: &Device) -> Enrolment {
    Enrolment {
        id: id(n),
        device_identity: device.identity,
        device_key: device.public_key,
        device_public: vec![1; 88],
        attestation_public: vec![2; 88],
        secret_hash: [3; 32],
        nonce: [4; 32],
        endorsement: device.endorsement,
        vendor: device.tpm_vendor.clone(),
        manufacturer: device.manufacturer.clone(),
        model: device.model.clone(),
        window: Window::new(NOW, END - NOW),
    }
}

pub async fn open(store: &Store, n: u32, kind: CeremonyKind, account_key: Option<i64>) {
    store.open_ceremony(ceremony(n, kind, account_key), event("opened")).await.unwrap();
}

/// Registers an account on a device in ceremony `n`; the row of its key.
pub async fn registered(store: &Store, n: u32, name: &str, device: u8) -> i64 {
    open(store, n, CeremonyKind::Registration, None).await;
    match store.register(&id(n), NOW, new_key(name, device, n as u8), false, event("registered")).await {
        Ok(Consumed::Yes(key)) => key,
        other => panic!("not registered: {other:?}"),
    }
}

/// Enrols a device in enrolment `n`.
pub async fn enrolled(store: &Store, n: u32, device: Device) -> Consumed {
    store.open_enrolment(enrolment(n, &device), event("enrolment-opened")).await.unwrap();
    store.enrol(&id(n), NOW, device, &PROOF, event("enrolled")).await.unwrap()
}

pub async fn authenticate(store: &Store, n: u32, key: i64) -> Consumed {
    store.authenticate(&id(n), NOW + 1, key, false, event("authenticated")).await.unwrap()
}
