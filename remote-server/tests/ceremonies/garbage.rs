//! Bytes that no device sent, and good packets with one bit changed.

use vultus_protocol::api::{Packet, from_text};
use vultus_protocol::registration::RegistrationRequest;

use crate::device::{Key, plain};
use crate::world::World;

#[tokio::test]
async fn no_garbage_completes_anything() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let ceremony = challenge.ceremony.to_text();
    for length in (0..64).chain([100, 500, 1_000, 1_152, 1_153, 4_000, 12_288, 12_289, 30_000]) {
        let mut bytes = vec![0; length];
        getrandom::fill(&mut bytes).unwrap();
        let garbage = plain(&bytes);
        let (core, shop) = (&world.core, &world.shop);
        assert!(core.complete_registration(shop, &ceremony, garbage.clone()).await.is_err());
        assert!(core.complete_authentication(shop, &ceremony, garbage.clone()).await.is_err());
        assert!(core.complete_deregistration(shop, &ceremony, garbage.clone()).await.is_err());
        assert!(core.begin_enrolment(garbage.clone()).await.is_err());
        assert!(core.finish_enrolment(&ceremony, garbage).await.is_err());
    }
    for text in ["", "=", "a", "ä", "AAAA AAAA", "////"] {
        let garbage = Packet { packet: text.to_owned() };
        assert!(world.core.complete_authentication(&world.shop, &ceremony, garbage).await.is_err());
    }
    world.authenticate(&challenge, &device, &key).await.unwrap();
}

#[tokio::test]
async fn no_changed_bit_completes_anything() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let authentication = world.open_authentication(&world.shop, &device, "alice").await;
    let good = key.packet(&device.authentication(&authentication));
    // Every write is durable, which takes its time: every eleventh bit, which meets each place in a byte.
    for bit in (0..good.len() * 8).step_by(11) {
        let mut packet = good.clone();
        packet[bit / 8] ^= 1 << (bit % 8);
        let refused = world.complete_authentication(&world.shop, &authentication, &packet).await;
        assert!(refused.is_err(), "bit {bit}");
    }
    world.complete_authentication(&world.shop, &authentication, &good).await.unwrap();

    let registration = world.open_registration(&world.shop, &device, "bob").await;
    let packet = device.key.packet(&device.registration(&registration, &Key::new()));
    let ceremony = registration.ceremony.to_text();
    for bit in (0..packet.len() * 8).step_by(37) {
        let mut inside = packet.clone();
        inside[bit / 8] ^= 1 << (bit % 8);
        let inside = world.sealed::<RegistrationRequest>(&inside);
        let refused = world.core.complete_registration(&world.shop, &ceremony, inside).await;
        assert!(refused.is_err(), "bit {bit}");
    }
    let good = from_text(&world.sealed::<RegistrationRequest>(&packet).packet).unwrap();
    for bit in (0..good.len() * 8).step_by(37) {
        let mut outside = good.clone();
        outside[bit / 8] ^= 1 << (bit % 8);
        let refused = world.core.complete_registration(&world.shop, &ceremony, plain(&outside)).await;
        assert!(refused.is_err(), "bit {bit}");
    }
    world.core.complete_registration(&world.shop, &ceremony, plain(&good)).await.unwrap();
}
