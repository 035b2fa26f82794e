//! A server on a temporary database, with two services, and what a relying party asks of it.

use std::sync::Arc;

use vultus_protocol::api::{
    Completed, OpenAuthentication, OpenDeregistration, OpenRegistration, Opened, Packet, Refusal, from_text,
};
use vultus_protocol::challenge::{self, AuthenticationInfo, Challenge, DeregistrationInfo, RegistrationInfo};
use vultus_protocol::registration::RegistrationRequest;
use vultus_protocol::{
    AccountName, CeremonyId, Envelope, Liveness, Message, PinnedServer, ServerName, ServiceName,
    VirtualAccount, Window,
};
use vultus_remote_server::attestation::public_area::EndorsementKind;
use vultus_remote_server::ceremonies::{Core, Settings};
use vultus_remote_server::clock::Clock;
use vultus_remote_server::keys::{KeySource, Keys};
use vultus_remote_server::registry::{EndorsementRoots, Registry};
use vultus_remote_server::store::model::{DeviceStatus, Enrolment, KeyStatus, Service, ServiceStatus};
use vultus_remote_server::store::{Consumed, Event, Store};

use crate::device::{Device, Key, label, plain, random, sealed, tpm};

/// In January 2027.
pub const NOW: u64 = 1_800_000_000;
pub const WINDOW: u64 = 60;
pub const INSTANCE: &str = "one";

/// A server with two services.
pub struct World {
    pub folder: tempfile::TempDir,
    pub core: Core,
    pub shop: Service,
    pub bank: Service,
}

impl World {
    pub async fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("vultus-ceremonies-").tempdir().unwrap();
        let core = server(&folder, INSTANCE, &Clock::fixed(NOW), Registry::Local).await;
        let (shop, bank) = (service("shop.example"), service("bank.example"));
        for service in [&shop, &bank] {
            core.store.put_service(service.clone(), event("service-added")).await.unwrap();
        }
        Self { folder, core, shop, bank }
    }

    /// Another process on the same database, with the same keys and the same clock.
    pub async fn another(&self, instance: &str, registry: Registry) -> Core {
        server(&self.folder, instance, &self.core.clock, registry).await
    }

    pub fn set_clock(&self, after: u64) {
        self.core.clock.set(NOW + after);
    }

    pub fn pinned(&self) -> PinnedServer {
        PinnedServer::first(&self.core.keys.published()[0]).unwrap()
    }

    /// Seals to the key that this server would be asked with now.
    pub fn sealed<M: Message>(&self, packet: &[u8]) -> Packet {
        sealed::<M>(packet, self.pinned().sealing_key(self.core.clock.now()).unwrap())
    }

    /// A device that went into the registry by another door than its TPM.
    pub async fn enrolled(&self) -> Device {
        let device = Device::new();
        let id = CeremonyId::new(random());
        let enrolment = Enrolment {
            id,
            device_identity: device.identity(),
            device_key: device.key.public,
            device_public: tpm::public_area(tpm::SIGNING, &device.key.public),
            attestation_public: tpm::public_area(tpm::ATTESTING, &device.attestation.public),
            secret_hash: random(),
            nonce: random(),
            endorsement: device.endorsement,
            vendor: "id:00001014".to_owned(),
            manufacturer: label("maker"),
            model: label("model"),
            window: Window::new(NOW, 120),
        };
        let store = &self.core.store;
        store.open_enrolment(enrolment, event("enrolment-opened")).await.unwrap();
        let done = store.enrol(&id, NOW, device.record(NOW), &random(), event("enrolled")).await.unwrap();
        assert!(matches!(done, Consumed::Yes(_)), "{done:?}");
        device
    }

    pub fn towards(&self, device: &Device, service: &Service) -> String {
        device.towards(&self.core.name, &service.name).to_text()
    }

    pub async fn open_registration(&self, service: &Service, device: &Device, account: &str) -> Challenge {
        let device_text = self.towards(device, service);
        let request = OpenRegistration { account: account.to_owned(), device: device_text };
        let opened = self.core.open_registration(service, request).await.unwrap();
        self.seen_by::<RegistrationInfo>(device, &opened)
    }

    pub async fn open_authentication(&self, service: &Service, device: &Device, account: &str) -> Challenge {
        let opened = self.ask(service, device, Some(account), None).await.unwrap();
        self.seen_by::<AuthenticationInfo>(device, &opened)
    }

    pub async fn ask(
        &self,
        service: &Service,
        device: &Device,
        account: Option<&str>,
        transaction: Option<&str>,
    ) -> Result<Opened, Refusal> {
        let request = OpenAuthentication {
            device: self.towards(device, service),
            account: account.map(str::to_owned),
            transaction: transaction.map(str::to_owned),
        };
        self.core.open_authentication(service, request).await
    }

    pub async fn open_deregistration(&self, device: &Device) -> Result<Challenge, Refusal> {
        let account = "alice".to_owned();
        let request = OpenDeregistration { device: self.towards(device, &self.shop), account };
        let opened = self.core.open_deregistration(&self.shop, request).await?;
        Ok(self.seen_by::<DeregistrationInfo>(device, &opened))
    }

    /// The packet as the device checks it.
    pub fn seen_by<M: Message + Into<Challenge>>(&self, device: &Device, opened: &Opened) -> Challenge {
        let packet = from_text(&opened.packet).unwrap();
        let towards = |service: &ServiceName| device.towards(&self.core.name, service);
        challenge::open::<M>(&packet, &self.pinned(), towards, self.core.clock.now(), 0).unwrap()
    }

    /// A service key of the device for this account.
    pub async fn register(&self, service: &Service, device: &Device, account: &str) -> Key {
        let challenge = self.open_registration(service, device, account).await;
        let key = Key::new();
        let request = device.registration(&challenge, &key);
        self.complete_registration(service, &challenge, device, &request).await.unwrap();
        key
    }

    pub async fn complete_registration(
        &self,
        service: &Service,
        challenge: &Challenge,
        device: &Device,
        request: &RegistrationRequest,
    ) -> Result<Completed, Refusal> {
        let packet = self.sealed::<RegistrationRequest>(&device.key.packet(request));
        self.core.complete_registration(service, &challenge.ceremony.to_text(), packet).await
    }

    pub async fn complete_authentication(
        &self,
        service: &Service,
        challenge: &Challenge,
        packet: &[u8],
    ) -> Result<Completed, Refusal> {
        let ceremony = challenge.ceremony.to_text();
        self.core.complete_authentication(service, &ceremony, plain(packet)).await
    }

    /// An answer to the challenge that is as it should be.
    pub async fn authenticate(
        &self,
        challenge: &Challenge,
        device: &Device,
        key: &Key,
    ) -> Result<Completed, Refusal> {
        let packet = key.packet(&device.authentication(challenge));
        self.complete_authentication(&self.shop, challenge, &packet).await
    }

    pub async fn set_device(&self, device: &Device, status: DeviceStatus) {
        let store = &self.core.store;
        store.set_device_status(&device.identity(), status, NOW, event("device-set")).await.unwrap();
    }

    pub async fn set_account(&self, account: &str, status: KeyStatus) {
        let (store, now) = (&self.core.store, self.core.clock.now());
        let account = AccountName::new(account).unwrap();
        let event = event("account-set");
        store.set_account_status(&self.shop.name, &account, status, now, event).await.unwrap();
    }

    pub async fn audited(&self) -> usize {
        self.core.store.audit_rows(INSTANCE, 0, 100_000).await.unwrap().len()
    }
}

async fn server(folder: &tempfile::TempDir, instance: &str, clock: &Clock, registry: Registry) -> Core {
    let name = ServerName::new("auth.example").unwrap();
    let url = format!("sqlite:{}", folder.path().join("server.db").display());
    let store = Store::open(&url, instance).await.unwrap();
    let keys = Keys::load(&key_file(folder), &name, &store, clock).await.unwrap();
    let endorsement_kinds = vec![EndorsementKind::Rsa2048, EndorsementKind::P384];
    let settings = Settings { code_window_s: WINDOW, endorsement_kinds, ..Settings::default() };
    let roots = EndorsementRoots::default();
    Core::new(name, store, Arc::new(keys), registry, roots, clock.clone(), settings).await.unwrap()
}

pub fn key_file(folder: &tempfile::TempDir) -> KeySource {
    KeySource::File(folder.path().join("keys.toml"))
}

fn service(name: &str) -> Service {
    Service {
        name: ServiceName::new(name).unwrap(),
        status: ServiceStatus::Active,
        api_key_hash: Some(random()),
        certificate: None,
        policy_liveness: Liveness::Passive,
        created_at: NOW,
    }
}

fn event(what: &'static str) -> Event {
    Event {
        at: NOW,
        what,
        service: None,
        device: None,
        virtual_account: None,
        ceremony: None,
        reason: None,
        by: "admin",
    }
}

pub fn receipt<M: Message>(world: &World, completed: &Completed) -> M {
    let packet = from_text(&completed.packet).unwrap();
    let envelope = Envelope::<M>::parse(&packet).unwrap();
    let key = *world.pinned().signing_key(envelope.key(), world.core.clock.now()).unwrap();
    envelope.verify(&key).unwrap()
}

pub fn virtual_account(completed: &Completed) -> VirtualAccount {
    VirtualAccount::from_text(&completed.virtual_account).unwrap()
}
