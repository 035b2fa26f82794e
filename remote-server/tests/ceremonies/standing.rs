//! Devices and accounts that were suspended or revoked, before a ceremony or in the middle of one.

use vultus_protocol::AccountName;
use vultus_protocol::api::{OpenRegistration, Refusal};
use vultus_remote_server::store::model::{DeviceStatus, KeyStatus};

use crate::device::{Key, plain};
use crate::world::World;

#[tokio::test]
async fn a_suspended_or_revoked_device_is_refused_at_each_step() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let between = world.open_authentication(&world.shop, &device, "alice").await;
    let registration = world.open_registration(&world.shop, &device, "bob").await;
    let deregistration = world.open_deregistration(&device).await.unwrap();
    let request = device.registration(&registration, &Key::new());
    let goodbye = plain(&key.packet(&device.deregistration(&deregistration)));
    for (status, reason) in [
        (DeviceStatus::Suspended, Refusal::DeviceSuspended),
        (DeviceStatus::Active, Refusal::CodeUsed),
        (DeviceStatus::Revoked, Refusal::DeviceRevoked),
    ] {
        world.set_device(&device, status).await;
        if status == DeviceStatus::Active {
            // What was suspended used nothing up.
            world.authenticate(&between, &device, &key).await.unwrap();
            continue;
        }
        assert_eq!(world.ask(&world.shop, &device, None, None).await.unwrap_err(), reason);
        assert_eq!(world.open_deregistration(&device).await.unwrap_err(), reason);
        let refused = world.complete_registration(&world.shop, &registration, &device, &request).await;
        assert_eq!(refused.unwrap_err(), reason);
        let ceremony = deregistration.ceremony.to_text();
        let refused = world.core.complete_deregistration(&world.shop, &ceremony, goodbye.clone()).await;
        assert_eq!(refused.unwrap_err(), reason);
        if status == DeviceStatus::Suspended {
            assert_eq!(world.authenticate(&between, &device, &key).await.unwrap_err(), reason);
        }
    }
}

#[tokio::test]
async fn a_device_that_is_revoked_between_opening_and_completing_is_refused() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    world.set_device(&device, DeviceStatus::Revoked).await;
    let refused = world.authenticate(&challenge, &device, &key).await;
    assert_eq!(refused.unwrap_err(), Refusal::DeviceRevoked);
}

#[tokio::test]
async fn a_suspended_or_revoked_account_is_refused_at_each_step() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    let registration = world.open_registration(&world.shop, &device, "alice").await;
    let request = device.registration(&registration, &Key::new());
    let device_text = world.towards(&device, &world.shop);
    for (status, reason) in
        [(KeyStatus::Suspended, Refusal::AccountSuspended), (KeyStatus::Revoked, Refusal::AccountRevoked)]
    {
        world.set_account("alice", status).await;
        assert_eq!(world.ask(&world.shop, &device, None, None).await.unwrap_err(), reason);
        assert_eq!(world.ask(&world.shop, &device, Some("alice"), None).await.unwrap_err(), reason);
        assert_eq!(world.authenticate(&challenge, &device, &key).await.unwrap_err(), reason);
        let refused = world.complete_registration(&world.shop, &registration, &device, &request).await;
        // Whatever was open for the account is used up.
        assert_eq!(refused.unwrap_err(), Refusal::CodeUsed);
        let open = OpenRegistration { account: "alice".to_owned(), device: device_text.clone() };
        let opened = world.core.open_registration(&world.shop, open).await;
        if status == KeyStatus::Suspended {
            assert_eq!(opened.unwrap_err(), reason);
            world.set_account("alice", KeyStatus::Active).await;
        }
    }
    // One that is opened afterwards counts: the relying party asked for it.
    let key = world.register(&world.shop, &device, "alice").await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    world.authenticate(&challenge, &device, &key).await.unwrap();
}

#[tokio::test]
async fn what_was_opened_before_a_revocation_registers_nobody() {
    let world = World::new().await;
    let device = world.enrolled().await;
    // Nobody is registered, so that no key tells of the revocation.
    for by_relying_party in [true, false] {
        let challenge = world.open_registration(&world.shop, &device, "alice").await;
        let elsewhere = world.open_registration(&world.bank, &device, "alice").await;
        if by_relying_party {
            world.core.revoke_account(&world.shop, "alice").await.unwrap();
        } else {
            world.set_account("alice", KeyStatus::Revoked).await;
        }
        let request = device.registration(&challenge, &Key::new());
        let refused = world.complete_registration(&world.shop, &challenge, &device, &request).await;
        assert_eq!(refused.unwrap_err(), Refusal::CodeUsed);
        let request = device.registration(&elsewhere, &Key::new());
        world.complete_registration(&world.bank, &elsewhere, &device, &request).await.unwrap();
    }
    assert_eq!(world.core.revoke_account(&world.shop, "alice").await, Err(Refusal::NotFound));
    world.register(&world.shop, &device, "alice").await;
    world.core.revoke_account(&world.shop, "alice").await.unwrap();
    world.core.revoke_account(&world.shop, "alice").await.unwrap();
}

#[tokio::test]
async fn a_relying_party_does_not_lift_a_suspension() {
    let world = World::new().await;
    let device = world.enrolled().await;
    let key = world.register(&world.shop, &device, "alice").await;
    world.set_account("alice", KeyStatus::Suspended).await;
    let refused = world.core.revoke_account(&world.shop, "alice").await;
    assert_eq!(refused, Err(Refusal::AccountSuspended));
    let request =
        OpenRegistration { account: "alice".to_owned(), device: world.towards(&device, &world.shop) };
    let refused = world.core.open_registration(&world.shop, request).await;
    assert_eq!(refused.unwrap_err(), Refusal::AccountSuspended);
    let (service, alice) = (&world.shop.name, AccountName::new("alice").unwrap());
    let keys = world.core.store.keys_of_account(service, &alice).await.unwrap();
    assert_eq!(keys.iter().map(|key| key.status).collect::<Vec<_>>(), [KeyStatus::Suspended]);
    // Nothing ended: whoever resumes it has what was there before.
    world.set_account("alice", KeyStatus::Active).await;
    let challenge = world.open_authentication(&world.shop, &device, "alice").await;
    world.authenticate(&challenge, &device, &key).await.unwrap();
}
