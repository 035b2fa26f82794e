//! Devices of the registry: one active identity for each TPM.

use std::time::Duration;

use vultus_protocol::PairwiseSecret;
use vultus_remote_server::store::model::{DeviceStatus, KeyStatus, Spent};
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
    assert_eq!(store.enrolment(&id(1)).await.unwrap(), Some((opened.clone(), None)));
    assert!(!format!("{opened:?}").contains("secret"), "{opened:?}");
    assert_eq!(store.device(&identity(1)).await.unwrap(), None);

    let first = id(1);
    let enrol = || store.enrol(&first, NOW, device(1, 1), &PROOF, event("enrolled"));
    assert!(matches!(enrol().await.unwrap(), Consumed::Yes(_)));
    assert_eq!(enrol().await.unwrap(), Consumed::Used);
    assert_eq!(
        store.enrolment(&id(1)).await.unwrap(),
        Some((opened, Some(Spent { at: NOW, proof: Some(PROOF) })))
    );
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
    assert_eq!(store.tpm_status(&[1; 32]).await.unwrap(), Some(DeviceStatus::Revoked));
    assert_eq!(store.tpm_status(&[2; 32]).await.unwrap(), None);
}

async fn status(store: &Store, n: u8) -> DeviceStatus {
    status_of(store, n).await.unwrap()
}

pub async fn a_superseded_identity_stands_for_its_tpm(place: &Place) {
    let (one, other) = (place.open("one").await, place.open("other").await);
    assert!(matches!(enrolled(&one, 1, device(1, 1)).await, Consumed::Yes(_)));
    assert!(matches!(enrolled(&other, 2, device(2, 1)).await, Consumed::Yes(_)));
    assert!(matches!(enrolled(&other, 3, device(9, 9)).await, Consumed::Yes(_)));
    for to in [DeviceStatus::Suspended, DeviceStatus::Active, DeviceStatus::Revoked] {
        assert!(set(&one, 1, to).await, "{to}");
        assert!(!set(&one, 1, to).await, "{to}");
        assert_eq!([status(&one, 1).await, status(&one, 2).await], [DeviceStatus::Superseded, to]);
        assert_eq!(status(&one, 9).await, DeviceStatus::Active);
    }
    assert_eq!(enrolled(&other, 4, device(3, 1)).await, Consumed::DeviceNotActive);
    assert!(!set(&other, 2, DeviceStatus::Active).await);
    assert!(!set(&other, 9, DeviceStatus::Superseded).await);
}

/// Whichever of the two comes first, no active device of a revoked TPM is left.
pub async fn a_revocation_and_an_enrolment_at_once_leave_no_active_device(place: &Place) {
    let (one, other) = (place.open("one").await, place.open("other").await);
    for n in 1..13 {
        let tpm = n as u8;
        assert!(matches!(enrolled(&one, n, device(tpm, tpm)).await, Consumed::Yes(_)));
        let newer = device(tpm + 100, tpm);
        one.open_enrolment(enrolment(n + 100, &newer), event("enrolment-opened")).await.unwrap();
        let number = id(n + 100);
        let enrolling = other.enrol(&number, NOW, newer, &PROOF, event("enrolled"));
        let (revoked, enrolled) = tokio::join!(set(&one, tpm, DeviceStatus::Revoked), enrolling);
        assert!(revoked);
        let known = one.device_by_endorsement(&[tpm; 32]).await.unwrap();
        assert!(known.iter().all(|device| device.status != DeviceStatus::Active), "{known:?}");
        match enrolled.unwrap() {
            Consumed::Yes(_) => assert_eq!(status(&one, tpm + 100).await, DeviceStatus::Revoked),
            refused => assert_eq!((refused, known.len()), (Consumed::DeviceNotActive, 1)),
        }
    }
}

/// On PostgreSQL alone can the moment be held still: SQLite has one writer.
pub async fn a_revocation_waits_for_an_enrolment(place: &Place) {
    if !place.url().starts_with("postgres") {
        return;
    }
    let (one, other) = (place.open("one").await, place.open("other").await);
    assert!(matches!(enrolled(&one, 1, device(1, 1)).await, Consumed::Yes(_)));
    one.open_enrolment(enrolment(2, &device(2, 1)), event("enrolment-opened")).await.unwrap();
    // The enrolment has all its rows and waits for its audit row; then the revocation comes.
    let mut outside = place.outside().await;
    outside.run("BEGIN; LOCK TABLE audit IN SHARE MODE").await;
    let enrolling = tokio::spawn(async move {
        other.enrol(&id(2), NOW, device(2, 1), &PROOF, event("enrolled")).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(500)).await;
    let revoking = tokio::spawn(async move { (set(&one, 1, DeviceStatus::Revoked).await, one) });
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!revoking.is_finished());
    outside.release().await;
    assert!(matches!(enrolling.await.unwrap(), Consumed::Yes(_)));
    let (revoked, one) = revoking.await.unwrap();
    assert!(revoked);
    assert_eq!(status(&one, 1).await, DeviceStatus::Superseded);
    assert_eq!(status(&one, 2).await, DeviceStatus::Revoked);
}

pub async fn no_two_tpms_have_one_secret(place: &Place) {
    let (one, other) = (place.open("one").await, place.open("other").await);
    let with = |n, endorsement, secret| {
        let pairwise_secret = PairwiseSecret::new([secret; 32]);
        vultus_remote_server::store::model::Device { pairwise_secret, ..device(n, endorsement) }
    };
    assert!(matches!(enrolled(&one, 1, with(1, 1, 7)).await, Consumed::Yes(_)));
    assert_eq!(enrolled(&other, 2, with(2, 2, 7)).await, Consumed::SecretTaken);
    assert_eq!(status_of(&other, 2).await, None);
    // The same TPM keeps it under a new identity, and also after it was revoked.
    assert!(matches!(enrolled(&other, 3, with(3, 1, 7)).await, Consumed::Yes(_)));
    assert!(set(&one, 3, DeviceStatus::Revoked).await);
    assert_eq!(enrolled(&one, 4, with(2, 2, 7)).await, Consumed::SecretTaken);
    assert!(matches!(enrolled(&one, 5, with(2, 2, 8)).await, Consumed::Yes(_)));
}

pub async fn of_two_tpms_that_come_at_once_with_one_secret_one_is_taken(place: &Place) {
    let stores = [place.open("one").await, place.open("other").await];
    for n in (1..20).step_by(2) {
        let mut devices = [device(n, n), device(n + 1, n + 1)];
        devices[1].pairwise_secret = devices[0].pairwise_secret;
        let [first, second] = devices;
        let (first, second) = tokio::join!(
            enrolled(&stores[0], u32::from(n), first),
            enrolled(&stores[1], u32::from(n + 1), second),
        );
        let outcomes = [first, second];
        assert_eq!(outcomes.iter().filter(|o| matches!(o, Consumed::Yes(_))).count(), 1, "{outcomes:?}");
        assert!(outcomes.contains(&Consumed::SecretTaken), "{outcomes:?}");
    }
}

/// The device's status, where there is one.
async fn status_of(store: &Store, n: u8) -> Option<DeviceStatus> {
    store.device(&identity(n)).await.unwrap().map(|device| device.status)
}

pub async fn an_enrolment_ends_by_the_second(place: &Place) {
    let store = place.open("one").await;
    store.open_enrolment(enrolment(1, &device(1, 1)), event("enrolment-opened")).await.unwrap();
    let late = store.enrol(&id(1), END, device(1, 1), &PROOF, event("enrolled")).await.unwrap();
    assert_eq!(late, Consumed::Expired);
    let in_time = store.enrol(&id(1), END - 1, device(1, 1), &PROOF, event("enrolled")).await.unwrap();
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
