//! Devices of the registry: one active identity for each TPM.

use vultus_remote_server::store::model::{DeviceStatus, KeyStatus};
use vultus_remote_server::store::{Consumed, Store};

use crate::place::Place;
use crate::samples::*;

async fn set(store: &Store, n: u8, status: DeviceStatus) -> bool {
    store.set_device_status(&identity(n), status, NOW, event("status")).await.unwrap()
}

pub async fn an_enrolment_makes_a_device(place: &Place) {
    let store = place.open("one").await;
    let opened = enrolment(1, &device(1, 1));
    store.open_enrolment(opened.clone(), event("enrolment-opened")).await.unwrap();
    assert_eq!(store.enrolment(&id(1)).await.unwrap(), Some((opened.clone(), false)));
    assert!(!format!("{opened:?}").contains("secret"), "{opened:?}");
    assert_eq!(store.device(&identity(1)).await.unwrap(), None);

    let first = id(1);
    let enrol = || store.enrol(&first, NOW, device(1, 1), event("enrolled"));
    assert!(matches!(enrol().await.unwrap(), Consumed::Yes(_)));
    assert_eq!(enrol().await.unwrap(), Consumed::Used);
    assert_eq!(store.enrolment(&id(1)).await.unwrap(), Some((opened, true)));
    assert_eq!(store.device(&identity(1)).await.unwrap(), Some(device(1, 1)));
    assert_eq!(store.device_by_endorsement(&[1; 32]).await.unwrap(), [device(1, 1)]);
    assert!(store.device_by_endorsement(&[2; 32]).await.unwrap().is_empty());

    // The same device may come again: what it says of itself is replaced.
    let mut again = device(1, 1);
    again.model = vultus_protocol::Label::new("Model 2").unwrap();
    assert!(matches!(enrolled(&store, 2, again.clone()).await, Consumed::Yes(_)));
    assert_eq!(store.device(&identity(1)).await.unwrap(), Some(again));
}

pub async fn another_identity_of_a_tpm_supersedes(place: &Place) {
    let store = place.open("one").await;
    assert!(matches!(enrolled(&store, 1, device(1, 1)).await, Consumed::Yes(_)));
    assert!(matches!(enrolled(&store, 2, device(9, 9)).await, Consumed::Yes(_)));
    let mut newer = device(2, 1);
    newer.enrolled_at = NOW + 1;
    assert!(matches!(enrolled(&store, 3, newer.clone()).await, Consumed::Yes(_)));
    let known = store.device_by_endorsement(&[1; 32]).await.unwrap();
    let known: Vec<_> = known.iter().map(|device| (device.identity, device.status)).collect();
    assert_eq!(known, [(identity(2), DeviceStatus::Active), (identity(1), DeviceStatus::Superseded)]);
    assert_eq!(store.device(&identity(9)).await.unwrap().unwrap().status, DeviceStatus::Active);

    // An identity that ended stays ended, and none moves to another TPM.
    assert_eq!(enrolled(&store, 4, device(1, 1)).await, Consumed::DeviceNotActive);
    assert_eq!(enrolled(&store, 5, device(2, 3)).await, Consumed::DeviceNotActive);
    assert!(!set(&store, 1, DeviceStatus::Active).await);
    let page = store.devices(2, 0).await.unwrap();
    assert_eq!((page.len(), page[0].identity), (2, identity(2)));
    assert_eq!(store.devices(10, 2).await.unwrap().len(), 1);
}

pub async fn a_tpm_that_was_taken_out_does_not_come_back(place: &Place) {
    let store = place.open("one").await;
    assert!(matches!(enrolled(&store, 1, device(1, 1)).await, Consumed::Yes(_)));
    for (n, status) in [(2, DeviceStatus::Suspended), (3, DeviceStatus::Revoked)] {
        assert!(set(&store, 1, status).await);
        assert_eq!(enrolled(&store, n, device(1, 1)).await, Consumed::DeviceNotActive);
        assert_eq!(enrolled(&store, n + 10, device(2, 1)).await, Consumed::DeviceNotActive);
    }
    assert_eq!(store.device(&identity(2)).await.unwrap(), None);
}

pub async fn an_enrolment_ends_by_the_second(place: &Place) {
    let store = place.open("one").await;
    store.open_enrolment(enrolment(1, &device(1, 1)), event("enrolment-opened")).await.unwrap();
    let late = store.enrol(&id(1), END, device(1, 1), event("enrolled")).await.unwrap();
    assert_eq!(late, Consumed::Expired);
    let in_time = store.enrol(&id(1), END - 1, device(1, 1), event("enrolled")).await.unwrap();
    assert!(matches!(in_time, Consumed::Yes(_)));
}

pub async fn revoked_is_final_for_devices(place: &Place) {
    let store = place.open("one").await;
    assert!(matches!(enrolled(&store, 1, device(1, 1)).await, Consumed::Yes(_)));
    assert!(!set(&store, 1, DeviceStatus::Active).await);
    assert!(set(&store, 1, DeviceStatus::Revoked).await);
    for status in [DeviceStatus::Active, DeviceStatus::Suspended, DeviceStatus::Superseded] {
        assert!(!set(&store, 1, status).await, "{status}");
    }
    assert!(!set(&store, 7, DeviceStatus::Revoked).await);
    assert_eq!(store.device(&identity(1)).await.unwrap().unwrap().status, DeviceStatus::Revoked);
    assert_eq!((KeyStatus::Deregistered.word(), DeviceStatus::Revoked.word()), ("deregistered", "revoked"));
}
