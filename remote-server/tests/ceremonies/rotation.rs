//! The server's keys: whom a device believes, how keys give way to new ones, and what the key file must be.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;

use vultus_protocol::api::{OpenRegistration, Packet, Refusal, from_text};
use vultus_protocol::challenge::{self, AuthenticationInfo, Challenge, RegistrationInfo};
use vultus_protocol::enrolment::EnrolmentRequest;
use vultus_protocol::registration::RegistrationRequest;
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, Code, Liveness, PinnedServer, Policy, ProtocolError, ServerName,
    ServiceName, VirtualAccount, Window,
};
use vultus_remote_server::ceremonies::Core;
use vultus_remote_server::keys::{CLOCK_TOLERANCE, KeyError, KeySource, Keys, Rotation};
use vultus_remote_server::registry::Registry;

use crate::device::{Device, Key, random, sealed};
use crate::world::{NOW, WINDOW, World, key_file};

#[tokio::test]
async fn a_device_believes_the_pinned_server_alone() {
    let (world, stranger) = (World::new().await, World::new().await);
    let device = world.enrolled().await;
    let request =
        OpenRegistration { account: "alice".to_owned(), device: world.towards(&device, &world.shop) };
    let opened = world.core.open_registration(&world.shop, request).await.unwrap();
    let packet = from_text(&opened.packet).unwrap();
    let towards = |service: &ServiceName| device.towards(&world.core.name, service);
    let seen = challenge::open::<RegistrationInfo>(&packet, &stranger.pinned(), towards, NOW, 0);
    assert_eq!(seen, Err(ProtocolError::UnknownKey));
    let seen = challenge::open::<AuthenticationInfo>(&packet, &world.pinned(), towards, NOW, 0);
    assert_eq!(seen, Err(ProtocolError::BadSignature));
    let other = Device::new();
    let towards = |service: &ServiceName| other.towards(&world.core.name, service);
    let seen = challenge::open::<RegistrationInfo>(&packet, &world.pinned(), towards, NOW, 0);
    assert_eq!(seen, Err(ProtocolError::Misdirected("device")));
}

#[tokio::test]
async fn what_is_sealed_to_another_key_is_not_opened() {
    let (world, stranger) = (World::new().await, World::new().await);
    let device = world.enrolled().await;
    let challenge = world.open_registration(&world.shop, &device, "alice").await;
    let packet = device.key.packet(&device.registration(&challenge, &Key::new()));
    let packet = stranger.sealed::<RegistrationRequest>(&packet);
    let refused = world.core.complete_registration(&world.shop, &challenge.ceremony.to_text(), packet).await;
    assert_eq!(refused.unwrap_err(), Refusal::NotOpened);
}

#[tokio::test]
async fn keys_give_way_to_new_ones_with_an_overlap() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let another = world.another("two", Registry::Local).await;
    let old = world.pinned();
    let rotation = Rotation { lead_s: 3_600, overlap_s: 7_200 };
    assert_eq!(world.core.keys.rotate(&world.core.store, rotation).await.unwrap(), 2);
    let sets = world.core.keys.published();
    let new = old.rotate(&sets[1], NOW).unwrap();
    assert_eq!(new.rotate(&sets[0], NOW), Err(ProtocolError::OldKeys));
    assert_eq!(new.rotate(&sets[1], NOW), Err(ProtocolError::OldKeys));
    assert!(another.keys.reload(&another.store).await.unwrap());
    assert_eq!((another.keys.version(), another.keys.published()), (2, sets.clone()));
    assert!(!another.keys.reload(&another.store).await.unwrap());

    let signs = |pinned: &PinnedServer, core: &Core, now: u64| {
        core.clock.set(now);
        let packet = core.keys.sign(&RegistrationInfo(some_challenge(core, &device))).unwrap();
        let towards = |service: &ServiceName| device.towards(&core.name, service);
        challenge::open::<RegistrationInfo>(&packet, pinned, towards, now, 0).map(|_| ())
    };
    let switch = NOW + 3_600 + CLOCK_TOLERANCE;
    for (now, of_old) in [(NOW, Ok(())), (switch - 1, Ok(())), (switch, Err(ProtocolError::UnknownKey))] {
        for core in [&world.core, &another] {
            assert_eq!(signs(&old, core, now), of_old, "{now}");
            assert_eq!(signs(&new, core, now), Ok(()), "{now}");
        }
    }
    assert_eq!(old.rotate(&sets[1], switch).unwrap(), new);

    let opens = |pinned: &PinnedServer, now: u64| {
        world.core.clock.set(now);
        let key = pinned.sealing_key(now).unwrap();
        let Packet { packet } = sealed::<EnrolmentRequest>(b"not a packet", key);
        world.core.keys.open::<EnrolmentRequest>(&from_text(&packet).unwrap()).map(|_| ()).unwrap_err()
    };
    let end = NOW + 3_600 + 7_200;
    for now in [NOW, switch, end - 1] {
        // It was opened, and is no packet.
        assert_eq!([opens(&old, now), opens(&new, now)], [Refusal::Malformed; 2], "{now}");
    }
    assert_eq!([opens(&old, end), opens(&new, end)], [Refusal::NotOpened, Refusal::Malformed]);
}

/// A challenge for a device, as of the server's present time.
fn some_challenge(core: &Core, device: &Device) -> Challenge {
    let service = ServiceName::new("shop.example").unwrap();
    Challenge {
        ceremony: CeremonyId::new(random()),
        server: core.name.clone(),
        device: device.towards(&core.name, &service),
        service,
        account: AccountName::new("alice").unwrap(),
        virtual_account: VirtualAccount::new([0; 16]),
        code: Code::new(random()),
        window: Window::new(core.clock.now(), WINDOW),
        policy: Policy { biometric: BiometricType::Face, liveness: Liveness::None },
        transaction: None,
    }
}

#[tokio::test]
async fn a_device_that_was_away_follows_the_published_sets() {
    let world = World::new().await;
    let (keys, store) = (&world.core.keys, &world.core.store);
    let away = world.pinned();
    let rotation = Rotation { lead_s: 60, overlap_s: 60 };
    keys.rotate(store, rotation).await.unwrap();
    assert!(matches!(keys.rotate(store, rotation).await, Err(KeyError::TooSoon(_))));
    for days in 1..4 {
        world.set_clock(days * 86_400);
        keys.rotate(store, rotation).await.unwrap();
    }
    let now = NOW + 365 * 86_400;
    let sets = keys.published();
    assert_eq!((sets.len(), keys.version()), (5, 5));
    let mut pinned = away;
    for set in &sets[1..] {
        pinned = pinned.rotate(set, now).unwrap();
    }
    assert_eq!(pinned.version(), 5);
    // Keys that ended are held no longer.
    let text = fs::read_to_string(key_file(&world.folder).path()).unwrap();
    assert_eq!(text.matches("scalar").count(), 4, "two of each kind");
    let again = Keys::load(&key_file(&world.folder), &world.core.name, store, &world.core.clock).await;
    assert_eq!(again.unwrap().version(), 5);
}

#[tokio::test]
async fn another_instance_needs_the_same_key_file() {
    let world = World::new().await;
    let (name, store, clock) = (&world.core.name, &world.core.store, &world.core.clock);
    let place = |name: &str| -> PathBuf { world.folder.path().join(name) };
    let load = async |path: PathBuf| Keys::load(&KeySource::File(path), name, store, clock).await;
    assert!(matches!(load(place("missing.toml")).await, Err(KeyError::Missing(_))));
    assert!(!place("missing.toml").exists());

    let good = fs::read(place("keys.toml")).unwrap();
    let private = |name: &str, bytes: &[u8], mode: u32| {
        fs::write(place(name), bytes).unwrap();
        fs::set_permissions(place(name), fs::Permissions::from_mode(mode)).unwrap();
        place(name)
    };
    assert!(load(private("copy.toml", &good, 0o600)).await.is_ok());
    for mode in [0o640, 0o604, 0o660] {
        let refused = load(private("open.toml", &good, mode)).await;
        assert!(matches!(refused, Err(KeyError::BadFile { .. })), "{mode:o}");
    }
    for text in [&b""[..], b"version = 1", &good[..good.len() / 2], &good.repeat(2)] {
        let refused = load(private("broken.toml", text, 0o600)).await;
        assert!(matches!(refused, Err(KeyError::BadFile { .. })));
    }
    symlink(place("keys.toml"), place("link.toml")).unwrap();
    assert!(matches!(load(place("link.toml")).await, Err(KeyError::Io { .. })));

    let stranger = World::new().await;
    let strange = fs::read(key_file(&stranger.folder).path()).unwrap();
    let refused = load(private("strange.toml", &strange, 0o600)).await;
    assert!(matches!(refused, Err(KeyError::Incomplete { version: 1, .. })));
    let mode = fs::metadata(place("keys.toml")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let other = ServerName::new("other.example").unwrap();
    let refused = Keys::load(&key_file(&world.folder), &other, store, clock).await;
    assert!(matches!(refused, Err(KeyError::OtherServer(_))));
}
