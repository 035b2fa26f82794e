//! The ceremonies on a temporary database, with a device in software: what must succeed does, and every kind
//! of packet that was forged, kept back, mixed up or sent twice is refused by its own reason.

mod device;
#[path = "ceremonies/garbage.rs"]
mod garbage;
#[path = "ceremonies/registry.rs"]
mod registry;
#[path = "ceremonies/rotation.rs"]
mod rotation;
#[path = "ceremonies/standing.rs"]
mod standing;
#[path = "ceremonies/world.rs"]
mod world;

use vultus_protocol::api::{OpenAuthentication, Refusal};
use vultus_protocol::authentication::AuthenticationRequest;
use vultus_protocol::challenge::AuthenticationInfo;
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, Receipt, RegistrationReceipt, RegistrationRequest,
};
use vultus_protocol::{
    CeremonyId, Code, DeviceIdentity, FeatureToken, Liveness, PairwiseDevice, ServerName, TransactionHash,
    TransactionText, VirtualAccount, Window,
};
use vultus_remote_server::registry::Registry;

use device::{Key, evidence, plain, random, tpm};
use world::{NOW, WINDOW, World, receipt, virtual_account};

// What must succeed.

#[tokio::test]
async fn the_three_dances_succeed() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    assert_eq!(challenge.window, Window::new(NOW, WINDOW));
    let request = device.registration(&challenge, &key);
    let done = world.complete_registration(&world.shop, &challenge, &device, &request).await.unwrap();
    assert_eq!((done.account.as_str(), done.biometric.as_str(), done.at), ("alice", "face", NOW));
    assert_eq!(done.liveness_self_asserted.as_deref(), Some("active"));
    let RegistrationReceipt(Receipt { virtual_account: told, .. }) = receipt(&world, &done);
    assert_eq!(told, virtual_account(&done));

    let text = "Pay 5 €\nto Bob";
    let opened = world.ask(&world.shop, &device, None, Some(text)).await.unwrap();
    let challenge = world.seen_by::<AuthenticationInfo>(&device, &opened);
    assert_eq!((challenge.account.as_str(), challenge.virtual_account), ("alice", told));
    let done = world.authenticate(&challenge, &device, &key).await.unwrap();
    let AuthenticationReceipt(signed) = receipt(&world, &done);
    let hash = TransactionHash::of(&TransactionText::new(text).unwrap());
    assert_eq!((signed.transaction, signed.ceremony), (Some(hash), challenge.ceremony));

    let challenge = world.open_deregistration(&device).await.unwrap();
    let packet = plain(&key.packet(&device.deregistration(&challenge)));
    let ceremony = challenge.ceremony.to_text();
    let done = world.core.complete_deregistration(&world.shop, &ceremony, packet.clone()).await.unwrap();
    let DeregistrationReceipt(signed) = receipt(&world, &done);
    assert_eq!((signed.account.as_str(), done.liveness_self_asserted), ("alice", None));
    let again = world.core.complete_deregistration(&world.shop, &ceremony, packet).await;
    assert_eq!(again.unwrap_err(), Refusal::CodeUsed);
    let gone = world.ask(&world.shop, &device, Some("alice"), None).await;
    assert_eq!(gone.unwrap_err(), Refusal::UnknownAccount);
    let view = world.core.account(&world.shop, "alice").await.unwrap();
    assert_eq!(view.keys.iter().map(|k| k.status.as_str()).collect::<Vec<_>>(), ["deregistered"]);
}

#[tokio::test]
async fn an_account_has_one_virtual_account_in_each_service() {
    let world = World::new().await;
    let (one, other) = (world.enrolled().await, world.enrolled().await);
    let first = world.open_registration(&world.shop, &one, "alice").await;
    let again = world.open_registration(&world.shop, &other, "alice").await;
    assert_eq!(first.virtual_account, again.virtual_account);
    assert_ne!(first.device, again.device);
    let elsewhere = world.open_registration(&world.bank, &one, "alice").await;
    assert_ne!(first.virtual_account, elsewhere.virtual_account);
    assert_ne!(first.device, elsewhere.device);
    let someone_else = world.open_registration(&world.shop, &one, "bob").await;
    assert_ne!(first.virtual_account, someone_else.virtual_account);
    let another = world.another("two", Registry::Local).await;
    assert_eq!(another.account_secret, world.core.account_secret);
}

#[tokio::test]
async fn whoever_registers_again_has_one_key() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let old = world.register(&world.shop, &device, "alice").await;
    let before = world.open_authentication(&world.shop, &device, "alice").await;
    let new = world.register(&world.shop, &device, "alice").await;
    assert_eq!(world.authenticate(&before, &device, &old).await.unwrap_err(), Refusal::UnknownKey);
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    assert_eq!(world.authenticate(&challenge, &device, &old).await.unwrap_err(), Refusal::UnknownKey);
    world.authenticate(&challenge, &device, &new).await.unwrap();
}

#[tokio::test]
async fn every_answer_is_one_audit_event() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let mut before = world.audited().await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let good = key.packet(&device.authentication(&challenge));
    let forged = Key::new().packet_as(&device.authentication(&challenge), key.public.id());
    let mut one_more = |now: usize| {
        before += 1;
        assert_eq!(now, before);
    };
    one_more(world.audited().await);
    for (packet, ok) in
        [(&b"garbage"[..], false), (&forged[..], false), (&good[..], true), (&good[..], false)]
    {
        assert_eq!(world.complete_authentication(&world.shop, &challenge, packet).await.is_ok(), ok);
        one_more(world.audited().await);
    }
    assert!(world.ask(&world.shop, &device, Some("\u{7}"), None).await.is_err());
    one_more(world.audited().await);
    assert!(world.core.complete_registration(&world.shop, "", plain(b"")).await.is_err());
    one_more(world.audited().await);
    world.core.revoke_account(&world.shop, "alice").await.unwrap();
    one_more(world.audited().await);
    assert_eq!(world.core.revoke_account(&world.shop, "nobody").await, Err(Refusal::NotFound));
    one_more(world.audited().await);
}

// Forged, stale, replayed.

#[tokio::test]
async fn a_packet_that_another_key_signed_is_refused_and_uses_nothing_up() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    let request = device.registration(&challenge, &key);
    let ceremony = challenge.ceremony.to_text();
    for (packet, reason) in [
        (Key::new().packet_as(&request, device.key.public.id()), Refusal::BadSignature),
        (Key::new().packet(&request), Refusal::UnknownKey),
        (key.packet(&request), Refusal::UnknownKey),
    ] {
        let packet = world.sealed::<RegistrationRequest>(&packet);
        let refused = world.core.complete_registration(&world.shop, &ceremony, packet).await;
        assert_eq!(refused.unwrap_err(), reason);
    }
    world.complete_registration(&world.shop, &challenge, &device, &request).await.unwrap();

    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let request = device.authentication(&challenge);
    for (packet, reason) in [
        (Key::new().packet_as(&request, key.public.id()), Refusal::BadSignature),
        (device.key.packet(&request), Refusal::UnknownKey),
    ] {
        let refused = world.complete_authentication(&world.shop, &challenge, &packet).await;
        assert_eq!(refused.unwrap_err(), reason);
    }
    world.authenticate(&challenge, &device, &key).await.unwrap();

    let challenge = world.open_deregistration(&device).await.unwrap();
    let packet = device.key.packet_as(&device.deregistration(&challenge), key.public.id());
    let ceremony = challenge.ceremony.to_text();
    let refused = world.core.complete_deregistration(&world.shop, &ceremony, plain(&packet)).await;
    assert_eq!(refused.unwrap_err(), Refusal::BadSignature);
}

#[tokio::test]
async fn the_window_ends_by_the_second() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let (early, late) = (
        world.open_registration(&world.shop, &device, "alice").await,
        world.open_registration(&world.shop, &device, "alice").await,
    );
    let key = Key::new();
    world.set_clock(WINDOW - 1);
    let request = device.registration(&early, &key);
    world.complete_registration(&world.shop, &early, &device, &request).await.unwrap();
    let first = world.open_authentication(&world.shop, &device, "alice").await;
    let second = world.open_authentication(&world.shop, &device, "alice").await;

    world.set_clock(WINDOW);
    let request = device.registration(&late, &key);
    let refused = world.complete_registration(&world.shop, &late, &device, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::Expired);
    world.set_clock(2 * WINDOW - 2);
    world.authenticate(&first, &device, &key).await.unwrap();
    world.set_clock(2 * WINDOW - 1);
    assert_eq!(world.authenticate(&second, &device, &key).await.unwrap_err(), Refusal::Expired);
}

#[tokio::test]
async fn a_packet_counts_once() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    let request = device.registration(&challenge, &key);
    let ceremony = challenge.ceremony.to_text();
    let packet = world.sealed::<RegistrationRequest>(&device.key.packet(&request));
    world.core.complete_registration(&world.shop, &ceremony, packet.clone()).await.unwrap();
    let again = world.core.complete_registration(&world.shop, &ceremony, packet.clone()).await;
    assert_eq!(again.unwrap_err(), Refusal::CodeUsed);

    let authentication = world.open_authentication(&world.shop, &device, "alice").await;
    world.authenticate(&authentication, &device, &key).await.unwrap();
    let again = world.authenticate(&authentication, &device, &key).await;
    assert_eq!(again.unwrap_err(), Refusal::CodeUsed);

    world.set_clock(WINDOW);
    let late = world.core.complete_registration(&world.shop, &ceremony, packet).await;
    assert_eq!(late.unwrap_err(), Refusal::Expired);
    assert_eq!(world.authenticate(&authentication, &device, &key).await.unwrap_err(), Refusal::Expired);
    let view = world.core.account(&world.shop, "alice").await.unwrap();
    assert_eq!(view.keys.len(), 1);
}

#[tokio::test]
async fn of_two_servers_one_takes_the_code() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let another = world.another("two", Registry::Local).await;
    for _ in 0..10 {
        let challenge = world.open_authentication(&world.shop, &device, "alice").await;
        let packet = plain(&key.packet(&device.authentication(&challenge)));
        let ceremony = challenge.ceremony.to_text();
        let (one, other) = tokio::join!(
            world.core.complete_authentication(&world.shop, &ceremony, packet.clone()),
            another.complete_authentication(&world.shop, &ceremony, packet.clone()),
        );
        assert_eq!([&one, &other].iter().filter(|r| r.is_ok()).count(), 1);
        assert_eq!(one.and(other).unwrap_err(), Refusal::CodeUsed);

        let challenge = world.open_registration(&world.shop, &device, "bob").await;
        let request = device.registration(&challenge, &Key::new());
        let packet = world.sealed::<RegistrationRequest>(&device.key.packet(&request));
        let ceremony = challenge.ceremony.to_text();
        let (one, other) = tokio::join!(
            world.core.complete_registration(&world.shop, &ceremony, packet.clone()),
            another.complete_registration(&world.shop, &ceremony, packet.clone()),
        );
        assert_eq!([&one, &other].iter().filter(|r| r.is_ok()).count(), 1);
        assert_eq!(one.and(other).unwrap_err(), Refusal::CodeUsed);
    }
}

// Mixed up.

#[tokio::test]
async fn one_ceremony_is_not_completed_by_another() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let registration = world.open_registration(&world.shop, &device, "alice").await;
    let authentication = world.open_authentication(&world.shop, &device, "alice").await;
    let answer = key.packet(&device.authentication(&authentication));
    let ceremony = registration.ceremony.to_text();
    let shop = &world.shop;
    for (packet, reason) in [
        (plain(&answer), Refusal::Malformed),
        (world.sealed::<RegistrationRequest>(&answer), Refusal::Malformed),
        (world.sealed::<AuthenticationRequest>(&answer), Refusal::NotOpened),
    ] {
        let refused = world.core.complete_registration(shop, &ceremony, packet).await;
        assert_eq!(refused.unwrap_err(), reason);
    }
    let refused = world.complete_authentication(shop, &registration, &answer).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownCeremony);
    let deregistration = key.packet(&device.deregistration(&authentication));
    let refused = world.complete_authentication(shop, &authentication, &deregistration).await;
    assert_eq!(refused.unwrap_err(), Refusal::Malformed);
    let ceremony = authentication.ceremony.to_text();
    let refused = world.core.complete_deregistration(shop, &ceremony, plain(&deregistration)).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownCeremony);

    let newer = world.open_authentication(shop, &device, "alice").await;
    let refused = world.complete_authentication(shop, &newer, &answer).await;
    assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
    let with_its_code =
        AuthenticationRequest { ceremony: newer.ceremony, ..device.authentication(&authentication) };
    let refused = world.complete_authentication(shop, &newer, &key.packet(&with_its_code)).await;
    assert_eq!(refused.unwrap_err(), Refusal::CodeWrong);
    world.complete_authentication(shop, &authentication, &answer).await.unwrap();
    world.authenticate(&newer, &device, &key).await.unwrap();
    for nowhere in ["", "!", &CeremonyId::new(random()).to_text()] {
        let refused = world.core.complete_authentication(shop, nowhere, plain(&answer)).await;
        assert_eq!(refused.unwrap_err(), Refusal::UnknownCeremony);
    }
}

#[tokio::test]
async fn a_service_completes_its_own_ceremonies_alone() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let packet = key.packet(&device.authentication(&challenge));
    let refused = world.complete_authentication(&world.bank, &challenge, &packet).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownCeremony);
    assert_eq!(world.ask(&world.bank, &device, None, None).await.unwrap_err(), Refusal::UnknownAccount);
    // The bank names the device as the shop knows it.
    let device_text = world.towards(&device, &world.shop);
    let request = OpenAuthentication { device: device_text, account: None, transaction: None };
    let refused = world.core.open_authentication(&world.bank, request).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownAccount);
    assert_eq!(world.core.account(&world.bank, "alice").await.unwrap_err(), Refusal::NotFound);
    assert_eq!(world.core.revoke_account(&world.bank, "alice").await, Err(Refusal::NotFound));

    let request =
        AuthenticationRequest { service: world.bank.name.clone(), ..device.authentication(&challenge) };
    let refused = world.complete_authentication(&world.shop, &challenge, &key.packet(&request)).await;
    assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
    world.complete_authentication(&world.shop, &challenge, &packet).await.unwrap();
}

#[tokio::test]
async fn an_answer_for_another_account_device_or_server_is_refused() {
    let world = World::new().await;
    let (device, other) = (world.enrolled().await, world.enrolled().await);
    let key = world.register(&world.shop, &device, "alice").await;
    let others_key = world.register(&world.shop, &other, "alice").await;
    let bobs_key = world.register(&world.shop, &device, "bob").await;
    let bob = world.open_authentication(&world.shop, &device, "bob").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let good = device.authentication(&challenge);
    let theirs = other.towards(&world.core.name, &world.shop.name);
    for (spoilt, reason) in [
        (
            key.packet(&AuthenticationRequest { virtual_account: bob.virtual_account, ..good.clone() }),
            Refusal::Misdirected,
        ),
        (key.packet(&AuthenticationRequest { device: theirs, ..good.clone() }), Refusal::Misdirected),
        (
            key.packet(&AuthenticationRequest { server: ServerName::new("other").unwrap(), ..good.clone() }),
            Refusal::Misdirected,
        ),
        (
            key.packet(&AuthenticationRequest { code: Code::new(random()), ..good.clone() }),
            Refusal::CodeWrong,
        ),
        (key.packet(&device.authentication(&bob)), Refusal::Misdirected),
        (others_key.packet_as(&good, key.public.id()), Refusal::BadSignature),
        (bobs_key.packet(&good), Refusal::UnknownKey),
    ] {
        let refused = world.complete_authentication(&world.shop, &challenge, &spoilt).await;
        assert_eq!(refused.unwrap_err(), reason);
    }
    world.authenticate(&challenge, &device, &key).await.unwrap();
}

#[tokio::test]
async fn a_registration_for_another_device_account_or_service_is_refused() {
    let world = World::new().await;
    let (device, other) = (world.enrolled().await, world.enrolled().await);
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    let good = device.registration(&challenge, &key);
    let spoilt = [
        RegistrationRequest { virtual_account: VirtualAccount::new(random()), ..good.clone() },
        RegistrationRequest { service: world.bank.name.clone(), ..good.clone() },
        RegistrationRequest { device: PairwiseDevice::new(random()), ..good.clone() },
        RegistrationRequest { ceremony: CeremonyId::new(random()), ..good.clone() },
    ];
    for request in spoilt {
        let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
        assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
    }
    // Another device of the registry answers under its own identity, or under that of the device.
    let request = other.registration(&challenge, &key);
    let refused = world.complete_registration(&world.shop, &challenge, &other, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
    let request = RegistrationRequest { device_identity: device.identity(), ..request };
    let refused = world.complete_registration(&world.shop, &challenge, &other, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownKey);
    let request = RegistrationRequest { device_identity: DeviceIdentity::new(random()), ..good.clone() };
    let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::UnknownDevice);
    let request = RegistrationRequest { code: Code::new(random()), ..good.clone() };
    let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::CodeWrong);
    world.complete_registration(&world.shop, &challenge, &device, &good).await.unwrap();
}

#[tokio::test]
async fn a_device_with_two_accounts_must_be_told_which() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let alice = world.register(&world.shop, &device, "alice").await;
    assert!(world.ask(&world.shop, &device, None, None).await.is_ok());
    world.register(&world.shop, &device, "bob").await;
    let refused = world.ask(&world.shop, &device, None, None).await;
    assert_eq!(refused.unwrap_err(), Refusal::AmbiguousAccount);
    assert_eq!(
        world.ask(&world.shop, &device, Some("carol"), None).await.unwrap_err(),
        Refusal::UnknownAccount
    );
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    world.authenticate(&challenge, &device, &alice).await.unwrap();
    world.core.revoke_account(&world.shop, "bob").await.unwrap();
    let opened = world.ask(&world.shop, &device, None, None).await.unwrap();
    assert_eq!(world.seen_by::<AuthenticationInfo>(&device, &opened).account.as_str(), "alice");
    let again = world.register(&world.shop, &device, "bob").await;
    let challenge = world.open_authentication(&world.shop, &device, "bob").await;
    world.authenticate(&challenge, &device, &again).await.unwrap();
}

// What the device says was checked.

#[tokio::test]
async fn a_face_that_was_enrolled_anew_must_register_again() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let changed = AuthenticationRequest {
        feature_token: FeatureToken::new(random()),
        ..device.authentication(&challenge)
    };
    let forged = Key::new().packet_as(&changed, key.public.id());
    let refused = world.complete_authentication(&world.shop, &challenge, &forged).await;
    assert_eq!(refused.unwrap_err(), Refusal::BadSignature);
    let refused = world.complete_authentication(&world.shop, &challenge, &key.packet(&changed)).await;
    assert_eq!(refused.unwrap_err(), Refusal::FeatureTokenChanged);
    assert_eq!(world.authenticate(&challenge, &device, &key).await.unwrap_err(), Refusal::CodeUsed);
}

#[tokio::test]
async fn what_was_agreed_to_is_what_was_shown() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let opened = world.ask(&world.shop, &device, None, Some("Pay 5 € to Bob")).await.unwrap();
    let challenge = world.seen_by::<AuthenticationInfo>(&device, &opened);
    let other = TransactionHash::of(&TransactionText::new("Pay 500 € to Bob").unwrap());
    for transaction in [None, Some(other)] {
        let request = AuthenticationRequest { transaction, ..device.authentication(&challenge) };
        let refused = world.complete_authentication(&world.shop, &challenge, &key.packet(&request)).await;
        assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
    }
    world.authenticate(&challenge, &device, &key).await.unwrap();
    let too_long = "a".repeat(513);
    let refused = world.ask(&world.shop, &device, None, Some(&too_long)).await;
    assert_eq!(refused.unwrap_err(), Refusal::Malformed);
}

#[tokio::test]
async fn weaker_liveness_than_the_policy_asks_uses_the_code_up() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    let good = device.registration(&challenge, &key);
    let weak = RegistrationRequest { evidence: evidence(Liveness::None), ..good.clone() };
    let refused = world.complete_registration(&world.shop, &challenge, &device, &weak).await;
    assert_eq!(refused.unwrap_err(), Refusal::PolicyUnmet);
    let refused = world.complete_registration(&world.shop, &challenge, &device, &good).await;
    assert_eq!(refused.unwrap_err(), Refusal::CodeUsed);

    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let weak =
        AuthenticationRequest { evidence: evidence(Liveness::None), ..device.authentication(&challenge) };
    let refused = world.complete_authentication(&world.shop, &challenge, &key.packet(&weak)).await;
    assert_eq!(refused.unwrap_err(), Refusal::PolicyUnmet);
    assert_eq!(world.authenticate(&challenge, &device, &key).await.unwrap_err(), Refusal::CodeUsed);
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let enough =
        AuthenticationRequest { evidence: evidence(Liveness::Passive), ..device.authentication(&challenge) };
    world.complete_authentication(&world.shop, &challenge, &key.packet(&enough)).await.unwrap();
}

#[tokio::test]
async fn a_key_outside_of_the_devices_tpm_is_not_registered() {
    let world = World::new().await;
    let (device, other) = (world.enrolled().await, world.enrolled().await);
    let (challenge, key) = (world.open_registration(&world.shop, &device, "alice").await, Key::new());
    let good = device.registration(&challenge, &key);
    let code = challenge.code.as_bytes();
    let mut absent = good.certification.clone();
    absent.signature = Vec::new().into();
    let mut free = good.certification.clone();
    // Neither fixed nor made in the TPM: a key that somebody loaded into it.
    free.public = tpm::public_area(0x0004_0440, &key.public).into();
    let own_word = tpm::statement(&tpm::name(&good.certification.public), code);
    let mut self_certified = good.certification.clone();
    self_certified.signature = key.sign(&own_word).to_vec().into();
    self_certified.attest = own_word.into();
    for certification in [
        absent,
        free,
        self_certified,
        other.certify(&key, code),
        device.certify(&Key::new(), code),
        device.certify(&key, &[0; 32]),
        device.certify(&key, &code[..31]),
    ] {
        let request = RegistrationRequest { certification, ..good.clone() };
        let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
        assert_eq!(refused.unwrap_err(), Refusal::KeyNotCertified);
    }
    // The certified key is in the TPM, and another one is offered.
    let request = RegistrationRequest { service_key: Key::new().public, ..good.clone() };
    let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::KeyNotCertified);
    world.complete_registration(&world.shop, &challenge, &device, &good).await.unwrap();
}
