//! How devices get into the registry, with an endorsement key in software, and what happens without it.

use vultus_protocol::api::{Refusal, from_text};
use vultus_protocol::enrolment::{EnrolmentChallenge, EnrolmentProof, EnrolmentReceipt, EnrolmentRequest};
use vultus_protocol::registration::RegistrationRequest;
use vultus_protocol::{CeremonyId, DeviceIdentity, Envelope, ServerName};
use vultus_remote_server::attestation::ek_certificate::Roots;
use vultus_remote_server::attestation::public_area::EndorsementKind;
use vultus_remote_server::ceremonies::Settings;
use vultus_remote_server::registry::{Registry, RemoteRegistry, ResolveQuestion};
use vultus_remote_server::store::model::DeviceStatus;

use crate::device::tpm::{self, Endorsement};
use crate::device::{Device, Key, label, plain, random};
use crate::world::{NOW, World};

/// What a device says to be enrolled, with a TPM that a maker certified.
fn offer(world: &World, device: &Device, endorsement: &Endorsement, at: u64) -> EnrolmentRequest {
    EnrolmentRequest {
        server: world.core.name.clone(),
        device_key: device.key.public,
        device_public: tpm::public_area(tpm::SIGNING, &device.key.public).into(),
        attestation_public: tpm::public_area(tpm::ATTESTING, &device.attestation.public).into(),
        endorsement_public: endorsement.public().into(),
        endorsement_certificate: endorsement.certificate.clone().into(),
        manufacturer: label("maker"),
        model: label("model"),
        at,
    }
}

async fn begin(
    world: &World,
    device: &Device,
    request: &EnrolmentRequest,
) -> Result<EnrolmentChallenge, Refusal> {
    let packet = world.sealed::<EnrolmentRequest>(&device.key.packet(request));
    let opened = world.core.begin_enrolment(packet).await?;
    let envelope = Envelope::<EnrolmentChallenge>::parse(&from_text(&opened.packet).unwrap()).unwrap();
    let key = *world.pinned().signing_key(envelope.key(), NOW).unwrap();
    let challenge = envelope.verify(&key).unwrap();
    assert_eq!(opened.enrolment, challenge.enrolment.to_text());
    Ok(challenge)
}

fn proof(device: &Device, endorsement: &Endorsement, challenge: &EnrolmentChallenge) -> EnrolmentProof {
    let attestation = tpm::public_area(tpm::ATTESTING, &device.attestation.public);
    let name = tpm::name(&attestation);
    EnrolmentProof {
        enrolment: challenge.enrolment,
        server: challenge.server.clone(),
        device: challenge.device,
        secret: endorsement.activate(&name, &challenge.id_object, &challenge.encrypted_secret).into(),
        certification: device.certify(&device.key, &*challenge.nonce),
        pairwise_secret: device.pairwise_secret,
    }
}

async fn finish(
    world: &World,
    device: &Device,
    challenge: &EnrolmentChallenge,
    proof: &EnrolmentProof,
) -> Result<EnrolmentReceipt, Refusal> {
    let packet = world.sealed::<EnrolmentProof>(&device.key.packet(proof));
    let answer = world.core.finish_enrolment(&challenge.enrolment.to_text(), packet).await?;
    let envelope = Envelope::<EnrolmentReceipt>::parse(&from_text(&answer.packet).unwrap()).unwrap();
    let key = *world.pinned().signing_key(envelope.key(), NOW).unwrap();
    Ok(envelope.verify(&key).unwrap())
}

fn trust(world: &World, endorsement: &Endorsement) {
    world.core.endorsement_roots.replace(Some(Roots::from_pem(&endorsement.root).unwrap()));
}

#[tokio::test]
async fn a_device_whose_tpm_answers_is_enrolled_and_may_register() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let challenge = begin(&world, &device, &offer(&world, &device, &endorsement, NOW)).await.unwrap();
    let good = proof(&device, &endorsement, &challenge);
    let spoilt = [
        (EnrolmentProof { secret: vec![0; 32].into(), ..good.clone() }, Refusal::ActivationFailed),
        (EnrolmentProof { secret: Vec::new().into(), ..good.clone() }, Refusal::ActivationFailed),
        (
            EnrolmentProof { certification: device.certify(&device.key, &[0; 32]), ..good.clone() },
            Refusal::KeyNotCertified,
        ),
        (
            EnrolmentProof { certification: device.certify(&Key::new(), &*challenge.nonce), ..good.clone() },
            Refusal::KeyNotCertified,
        ),
        (EnrolmentProof { device: DeviceIdentity::new(random()), ..good.clone() }, Refusal::Misdirected),
    ];
    for (spoilt, reason) in spoilt {
        assert_eq!(finish(&world, &device, &challenge, &spoilt).await.unwrap_err(), reason);
    }
    let receipt = finish(&world, &device, &challenge, &good).await.unwrap();
    assert_eq!((receipt.device, receipt.at), (device.identity(), NOW));
    let key = world.register(&world.shop, &device, "alice").await;

    // The same TPM with a new device key: the old identity counts no more, nor does a revoked TPM.
    let new = Device::new();
    let challenge = begin(&world, &new, &offer(&world, &new, &endorsement, NOW)).await.unwrap();
    let authentication = world.open_authentication(&world.shop, &device, "alice").await;
    finish(&world, &new, &challenge, &proof(&new, &endorsement, &challenge)).await.unwrap();
    let refused = world.authenticate(&authentication, &device, &key).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceSuperseded);
    let refused = begin(&world, &device, &offer(&world, &device, &endorsement, NOW)).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceSuperseded);
    world.set_device(&new, DeviceStatus::Revoked).await;
    let third = Device::new();
    let refused = begin(&world, &third, &offer(&world, &third, &endorsement, NOW)).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceRevoked);
}

#[tokio::test]
async fn an_enrolment_that_is_not_proved_in_time_ends() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let challenge = begin(&world, &device, &offer(&world, &device, &endorsement, NOW)).await.unwrap();
    world.set_clock(120);
    let late = finish(&world, &device, &challenge, &proof(&device, &endorsement, &challenge)).await;
    assert_eq!(late.unwrap_err(), Refusal::Expired);
}

#[tokio::test]
async fn a_second_request_does_not_disturb_an_open_enrolment() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let request = offer(&world, &device, &endorsement, NOW);
    let first = begin(&world, &device, &request).await.unwrap();
    // Whoever knows a certificate can ask again: that must keep nobody from finishing.
    begin(&world, &device, &request).await.unwrap();
    let answer = proof(&device, &endorsement, &first);
    finish(&world, &device, &first, &answer).await.unwrap();
}

#[tokio::test]
async fn whoever_lost_the_receipt_gets_it_again() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let request = offer(&world, &device, &endorsement, NOW);
    let challenge = begin(&world, &device, &request).await.unwrap();
    let good = proof(&device, &endorsement, &challenge);
    let receipt = finish(&world, &device, &challenge, &good).await.unwrap();
    world.set_clock(9);
    // Signed and sealed anew, it says the same; so does the receipt.
    assert_eq!(finish(&world, &device, &challenge, &good).await.unwrap(), receipt);
    let other_secret = EnrolmentProof { pairwise_secret: Device::new().pairwise_secret, ..good.clone() };
    let certified = device.certify(&device.key, &*challenge.nonce);
    let other_words = EnrolmentProof { certification: certified, ..good.clone() };
    for other in [other_secret, other_words] {
        let refused = finish(&world, &device, &challenge, &other).await;
        assert_eq!(refused.unwrap_err(), Refusal::CodeUsed);
    }
    let forged = Key::new().packet_as(&good, device.key.public.id());
    let forged = world.sealed::<EnrolmentProof>(&forged);
    let refused = world.core.finish_enrolment(&challenge.enrolment.to_text(), forged).await;
    assert_eq!(refused.unwrap_err(), Refusal::BadSignature);

    world.set_device(&device, DeviceStatus::Suspended).await;
    let refused = finish(&world, &device, &challenge, &good).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceSuspended);
    world.set_device(&device, DeviceStatus::Active).await;
    // It was enrolled once more, with another secret: the old receipt would be about that.
    let again = begin(&world, &device, &request).await.unwrap();
    let secret = Device::new().pairwise_secret;
    let renewed = EnrolmentProof { pairwise_secret: secret, ..proof(&device, &endorsement, &again) };
    finish(&world, &device, &again, &renewed).await.unwrap();
    let refused = finish(&world, &device, &challenge, &good).await;
    assert_eq!(refused.unwrap_err(), Refusal::CodeUsed);
}

#[tokio::test]
async fn a_kind_of_endorsement_key_that_is_not_wanted_is_refused() {
    let mut world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let request = offer(&world, &device, &endorsement, NOW);
    world.core.settings.endorsement_kinds = Settings::default().endorsement_kinds;
    assert_eq!(world.core.settings.endorsement_kinds, [EndorsementKind::Rsa2048]);
    let refused = begin(&world, &device, &request).await;
    assert_eq!(refused.unwrap_err(), Refusal::UntrustedEndorsement);
    world.core.settings.endorsement_kinds = vec![EndorsementKind::P384];
    begin(&world, &device, &request).await.unwrap();
}

#[tokio::test]
async fn the_secret_of_another_tpm_is_refused() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let challenge = begin(&world, &device, &offer(&world, &device, &endorsement, NOW)).await.unwrap();
    let victim = world.enrolled().await;
    let good = proof(&device, &endorsement, &challenge);
    let stolen = EnrolmentProof { pairwise_secret: victim.pairwise_secret, ..good.clone() };
    let refused = finish(&world, &device, &challenge, &stolen).await;
    assert_eq!(refused.unwrap_err(), Refusal::KeyNotCertified);
    finish(&world, &device, &challenge, &good).await.unwrap();
}

#[tokio::test]
async fn the_secret_of_an_enrolment_is_not_kept() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let challenge = begin(&world, &device, &offer(&world, &device, &endorsement, NOW)).await.unwrap();
    let (kept, _) = world.core.store.enrolment(&challenge.enrolment).await.unwrap().unwrap();
    let good = proof(&device, &endorsement, &challenge);
    assert_ne!(good.secret.as_slice(), kept.secret_hash);
    // What is kept is no answer.
    let read = EnrolmentProof { secret: kept.secret_hash.to_vec().into(), ..good };
    let refused = finish(&world, &device, &challenge, &read).await;
    assert_eq!(refused.unwrap_err(), Refusal::ActivationFailed);
}

#[tokio::test]
async fn strangers_do_not_fill_the_audit_log() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let good = offer(&world, &device, &endorsement, NOW);
    let challenge = begin(&world, &device, &good).await.unwrap();
    let answer = proof(&device, &endorsement, &challenge);
    let before = world.audited().await;
    let stranger = Key::new();
    let late = EnrolmentRequest { at: 0, ..good.clone() };
    for packet in [
        plain(b"garbage"),
        plain(&[0; 20_000]),
        world.sealed::<EnrolmentRequest>(b"garbage"),
        world.sealed::<EnrolmentProof>(&device.key.packet(&good)),
        world.sealed::<EnrolmentRequest>(&stranger.packet_as(&good, device.key.public.id())),
        world.sealed::<EnrolmentRequest>(&device.key.packet(&late)),
    ] {
        assert!(world.core.begin_enrolment(packet).await.is_err());
    }
    let (enrolment, unknown) = (challenge.enrolment.to_text(), CeremonyId::new(random()).to_text());
    let sealed = |key: &Key| world.sealed::<EnrolmentProof>(&key.packet_as(&answer, device.key.public.id()));
    for (enrolment, packet) in [
        (enrolment.as_str(), plain(b"garbage")),
        ("", sealed(&device.key)),
        (unknown.as_str(), sealed(&device.key)),
        (enrolment.as_str(), sealed(&stranger)),
    ] {
        assert!(world.core.finish_enrolment(enrolment, packet).await.is_err());
    }
    assert_eq!(world.audited().await, before);

    // Whoever signed is written down.
    let other = EnrolmentRequest { endorsement_public: Endorsement::new().public().into(), ..good };
    assert!(begin(&world, &device, &other).await.is_err());
    assert_eq!(world.audited().await, before + 1);
    let spoilt = EnrolmentProof { secret: Vec::new().into(), ..answer };
    assert!(finish(&world, &device, &challenge, &spoilt).await.is_err());
    assert_eq!(world.audited().await, before + 2);
}

#[tokio::test]
async fn a_registry_answers_for_its_own_name_alone() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let question = |server: &str| ResolveQuestion {
        server: server.to_owned(),
        service: world.shop.name.as_str().to_owned(),
        device_identity: device.identity().to_text(),
    };
    let found = world.core.answer_resolve(question("auth.example")).await.unwrap();
    assert_eq!(found.pairwise.to_text(), world.towards(&device, &world.shop));
    let refused = world.core.answer_resolve(question("other.example")).await;
    assert_eq!(refused.unwrap_err(), Refusal::Misdirected);
}

#[tokio::test]
async fn a_device_that_is_suspended_during_its_enrolment_is_refused() {
    let world = World::new().await;
    let (device, endorsement) = (Device::new(), Endorsement::new());
    trust(&world, &endorsement);
    let request = offer(&world, &device, &endorsement, NOW);
    let challenge = begin(&world, &device, &request).await.unwrap();
    finish(&world, &device, &challenge, &proof(&device, &endorsement, &challenge)).await.unwrap();
    let again = begin(&world, &device, &request).await.unwrap();
    world.set_device(&device, DeviceStatus::Suspended).await;
    let refused = finish(&world, &device, &again, &proof(&device, &endorsement, &again)).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceSuspended);
}

#[tokio::test]
async fn a_devices_clock_may_be_wrong_by_five_minutes() {
    let world = World::new().await;
    let endorsement = Endorsement::new();
    trust(&world, &endorsement);
    for (at, expected) in [
        (NOW - 300, None),
        (NOW + 300, None),
        (NOW - 301, Some(Refusal::Expired)),
        (NOW + 301, Some(Refusal::NotYetValid)),
        (0, Some(Refusal::Expired)),
        (u64::MAX, Some(Refusal::NotYetValid)),
    ] {
        let device = Device::new();
        let begun = begin(&world, &device, &offer(&world, &device, &endorsement, at)).await;
        assert_eq!(begun.err(), expected, "{at}");
    }
}

#[tokio::test]
async fn a_tpm_that_nobody_vouches_for_is_refused() {
    let world = World::new().await;
    let (device, endorsement, other) = (Device::new(), Endorsement::new(), Endorsement::new());
    let good = offer(&world, &device, &endorsement, NOW);
    assert_eq!(begin(&world, &device, &good).await.unwrap_err(), Refusal::UntrustedEndorsement);
    trust(&world, &other);
    assert_eq!(begin(&world, &device, &good).await.unwrap_err(), Refusal::UntrustedEndorsement);
    trust(&world, &endorsement);
    let area = |attributes, key: &Key| tpm::public_area(attributes, &key.public).into();
    for (request, reason) in [
        (
            EnrolmentRequest { endorsement_public: other.public().into(), ..good.clone() },
            Refusal::UntrustedEndorsement,
        ),
        (EnrolmentRequest { endorsement_certificate: vec![0; 9].into(), ..good.clone() }, Refusal::Malformed),
        (
            EnrolmentRequest { device_public: area(tpm::SIGNING, &Key::new()), ..good.clone() },
            Refusal::KeyNotCertified,
        ),
        (
            EnrolmentRequest { device_public: area(tpm::ATTESTING, &device.key), ..good.clone() },
            Refusal::KeyNotCertified,
        ),
        (
            EnrolmentRequest { attestation_public: area(tpm::SIGNING, &device.attestation), ..good.clone() },
            Refusal::KeyNotCertified,
        ),
        (
            EnrolmentRequest { server: ServerName::new("other").unwrap(), ..good.clone() },
            Refusal::Misdirected,
        ),
    ] {
        assert_eq!(begin(&world, &device, &request).await.unwrap_err(), reason);
    }
    // Nobody offers the key of another.
    let packet = Key::new().packet_as(&good, device.key.public.id());
    let refused = world.core.begin_enrolment(world.sealed::<EnrolmentRequest>(&packet)).await;
    assert_eq!(refused.unwrap_err(), Refusal::BadSignature);
    begin(&world, &device, &good).await.unwrap();
}

#[tokio::test]
async fn without_the_registry_nothing_is_decided_or_used_up() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let made = rcgen::generate_simple_self_signed(vec!["registry.example".to_owned()]).unwrap();
    let (certificate, secret) = (made.cert.pem(), made.signing_key.serialize_pem());
    let certificate = certificate.as_bytes();
    // Nobody listens there.
    let registry =
        RemoteRegistry::new("https://127.0.0.1:9", certificate, certificate, secret.as_bytes()).unwrap();
    let alone = world.another("two", Registry::Remote(registry)).await;

    let registration = world.open_registration(&world.shop, &device, "bob").await;
    let request = device.registration(&registration, &Key::new());
    let packet = world.sealed::<RegistrationRequest>(&device.key.packet(&request));
    let ceremony = registration.ceremony.to_text();
    let refused = alone.complete_registration(&world.shop, &ceremony, packet.clone()).await;
    assert_eq!(refused.unwrap_err(), Refusal::RegistryUnavailable);
    let authentication = world.open_authentication(&world.shop, &device, "alice").await;
    let answer = plain(&key.packet(&device.authentication(&authentication)));
    let refused =
        alone.complete_authentication(&world.shop, &authentication.ceremony.to_text(), answer.clone()).await;
    assert_eq!(refused.unwrap_err(), Refusal::RegistryUnavailable);
    assert_eq!(alone.begin_enrolment(plain(b"")).await.unwrap_err(), Refusal::NotFound);

    world.core.complete_registration(&world.shop, &ceremony, packet).await.unwrap();
    world.authenticate(&authentication, &device, &key).await.unwrap();
}
