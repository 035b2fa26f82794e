//! Service keys: one active for each account on each device, and what ended stays ended.

use vultus_protocol::VirtualAccount;
use vultus_remote_server::store::Consumed;
use vultus_remote_server::store::Store;
use vultus_remote_server::store::model::CeremonyKind::{Authentication, Deregistration, Registration};
use vultus_remote_server::store::model::{DeviceStatus, KeyStatus};

use crate::place::Place;
use crate::samples::*;

async fn set(store: &Store, name: &str, status: KeyStatus) -> u64 {
    store.set_account_status(&shop(), &account(name), status, NOW + 5, event("status")).await.unwrap()
}

async fn statuses(store: &Store, name: &str) -> Vec<KeyStatus> {
    let keys = store.keys_of_account(&shop(), &account(name)).await.unwrap();
    keys.iter().map(|key| key.status).collect()
}

pub async fn a_key_that_does_not_count_authenticates_nobody(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    open(&store, 3, Deregistration, Some(key)).await;

    assert_eq!(set(&store, "alice", KeyStatus::Suspended).await, 1);
    assert_eq!(authenticate(&store, 2, key).await, Consumed::KeyNotActive);
    let outcome = store.deregister(&id(3), NOW, key, false, event("deregistered")).await.unwrap();
    assert_eq!(outcome, Consumed::KeyNotActive);
    assert!(!store.ceremony(&id(2)).await.unwrap().unwrap().consumed);

    assert_eq!(set(&store, "alice", KeyStatus::Active).await, 1);
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Yes(key));

    open(&store, 4, Authentication, Some(key)).await;
    assert_eq!(set(&store, "alice", KeyStatus::Revoked).await, 1);
    assert_eq!(authenticate(&store, 4, key).await, Consumed::KeyNotActive);
}

pub async fn a_superseded_key_authenticates_nobody(place: &Place) {
    let store = place.open("one").await;
    let old = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(old)).await;
    let new = registered(&store, 3, "alice", 1).await;
    assert_ne!(old, new);
    assert_eq!(authenticate(&store, 2, old).await, Consumed::KeyNotActive);
    assert_eq!(authenticate(&store, 2, new).await, Consumed::KeyNotActive);
    open(&store, 4, Authentication, Some(new)).await;
    assert_eq!(authenticate(&store, 4, new).await, Consumed::Yes(new));
}

pub async fn a_device_that_was_revoked_in_between_authenticates_nobody(place: &Place) {
    let store = place.open("one").await;
    assert!(matches!(enrolled(&store, 1, device(1, 1)).await, Consumed::Yes(_)));
    let key = registered(&store, 2, "alice", 1).await;
    for n in 3..7 {
        open(&store, n, Authentication, Some(key)).await;
    }
    let event = || event("authenticated");
    let outcome = store.authenticate(&id(3), NOW, key, true, event()).await.unwrap();
    assert_eq!(outcome, Consumed::Yes(key));

    let suspended = DeviceStatus::Suspended;
    assert!(store.set_device_status(&identity(1), suspended, NOW, event()).await.unwrap());
    let outcome = store.authenticate(&id(4), NOW, key, true, event()).await.unwrap();
    assert_eq!(outcome, Consumed::DeviceNotActive);
    assert!(store.set_device_status(&identity(1), DeviceStatus::Active, NOW, event()).await.unwrap());
    let outcome = store.authenticate(&id(4), NOW, key, true, event()).await.unwrap();
    assert_eq!(outcome, Consumed::Yes(key));

    assert!(store.set_device_status(&identity(1), DeviceStatus::Revoked, NOW, event()).await.unwrap());
    let outcome = store.authenticate(&id(5), NOW, key, true, event()).await.unwrap();
    assert_eq!(outcome, Consumed::DeviceNotActive);
    // Where the registry is elsewhere, this database does not know the device.
    let outcome = store.authenticate(&id(6), NOW, key, false, event()).await.unwrap();
    assert_eq!(outcome, Consumed::Yes(key));

    let stranger = registered(&store, 7, "bob", 2).await;
    open(&store, 8, Authentication, Some(stranger)).await;
    let outcome = store.authenticate(&id(8), NOW, stranger, true, event()).await.unwrap();
    assert_eq!(outcome, Consumed::DeviceNotActive);
}

pub async fn registering_again_supersedes(place: &Place) {
    let store = place.open("one").await;
    registered(&store, 1, "alice", 1).await;
    let elsewhere = registered(&store, 2, "alice", 2).await;
    let new = registered(&store, 3, "alice", 1).await;
    let keys = store.keys_of_account(&shop(), &account("alice")).await.unwrap();
    let found: Vec<_> = keys.iter().map(|key| (key.id, key.status, key.ended_at)).collect();
    assert_eq!(found[0], (new, KeyStatus::Active, None));
    assert_eq!(found[1], (elsewhere, KeyStatus::Active, None));
    assert_eq!((found[2].1, found[2].2), (KeyStatus::Superseded, Some(NOW)));

    let of_device = store.keys_of_device(&shop(), &pairwise(1)).await.unwrap();
    assert_eq!(of_device, keys[..1]);
    let kept = &of_device[0];
    let given = new_key("alice", 1, 3);
    assert_eq!((&kept.service, &kept.account), (&given.service, &given.account));
    assert_eq!((kept.virtual_account, kept.device), (given.virtual_account, given.device));
    assert_eq!((kept.device_identity, kept.public_key), (given.device_identity, given.public_key));
    assert!(kept.feature_token.same(&given.feature_token));
    assert_eq!((kept.biometric, kept.registered_at), (given.biometric, NOW));
}

pub async fn instances_that_register_at_once_leave_one_active_key(place: &Place) {
    let stores = [place.open("one").await, place.open("other").await];
    let mut tasks = Vec::new();
    for n in 1..9 {
        let store = stores[n as usize % 2].clone();
        tasks.push(tokio::spawn(async move { registered(&store, n, "alice", 1).await }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let statuses = statuses(&stores[0], "alice").await;
    assert_eq!(statuses.len(), 8);
    assert_eq!(statuses.iter().filter(|status| **status == KeyStatus::Active).count(), 1);
}

pub async fn deregistering_ends_the_key(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Deregistration, Some(key)).await;
    open(&store, 3, Authentication, Some(key)).await;
    let outcome = store.deregister(&id(2), NOW + 2, key, false, event("deregistered")).await.unwrap();
    assert_eq!(outcome, Consumed::Yes(key));
    assert_eq!(authenticate(&store, 3, key).await, Consumed::KeyNotActive);
    let kept = &store.keys_of_account(&shop(), &account("alice")).await.unwrap()[0];
    assert_eq!((kept.status, kept.ended_at), (KeyStatus::Deregistered, Some(NOW + 2)));
    assert!(store.keys_of_device(&shop(), &pairwise(1)).await.unwrap().is_empty());
    // The account may come back.
    let again = registered(&store, 4, "alice", 1).await;
    open(&store, 5, Authentication, Some(again)).await;
    assert_eq!(authenticate(&store, 5, again).await, Consumed::Yes(again));
}

pub async fn revoked_is_final(place: &Place) {
    let store = place.open("one").await;
    registered(&store, 1, "alice", 1).await;
    registered(&store, 2, "alice", 2).await;
    assert_eq!(set(&store, "alice", KeyStatus::Revoked).await, 2);
    for status in [KeyStatus::Active, KeyStatus::Suspended, KeyStatus::Revoked, KeyStatus::Superseded] {
        assert_eq!(set(&store, "alice", status).await, 0, "{status}");
    }
    assert_eq!(statuses(&store, "alice").await, [KeyStatus::Revoked; 2]);
    let key = &store.keys_of_device(&shop(), &pairwise(1)).await.unwrap()[0];
    assert_eq!((key.status, key.ended_at), (KeyStatus::Revoked, Some(NOW + 5)));
    assert_eq!(set(&store, "nobody", KeyStatus::Revoked).await, 0);
}

pub async fn a_suspended_account_takes_no_new_key(place: &Place) {
    let store = place.open("one").await;
    registered(&store, 1, "alice", 1).await;
    set(&store, "alice", KeyStatus::Suspended).await;
    for (n, on) in [(2, 1), (3, 2)] {
        open(&store, n, Registration, None).await;
        let outcome = store.register(&id(n), NOW, new_key("alice", on, 2), false, event("registered")).await;
        assert_eq!(outcome.unwrap(), Consumed::KeyNotActive);
    }
    assert_eq!(statuses(&store, "alice").await, [KeyStatus::Suspended]);
    registered(&store, 4, "bob", 1).await;
}

pub async fn a_device_that_was_revoked_in_between_changes_no_key(place: &Place) {
    let store = place.open("one").await;
    assert!(matches!(enrolled(&store, 1, device(1, 1)).await, Consumed::Yes(_)));
    let register = async |n: u32, local: bool| {
        let key = new_key("alice", 1, n as u8);
        store.register(&id(n), NOW, key, local, event("registered")).await.unwrap()
    };
    open(&store, 2, Registration, None).await;
    let Consumed::Yes(key) = register(2, true).await else { panic!("it is active") };
    open(&store, 3, Registration, None).await;
    open(&store, 4, Deregistration, Some(key)).await;
    let deregister =
        async |local: bool| store.deregister(&id(4), NOW, key, local, event("deregistered")).await.unwrap();
    let set =
        async |status| store.set_device_status(&identity(1), status, NOW, event("status")).await.unwrap();
    assert!(set(DeviceStatus::Suspended).await);
    assert_eq!(register(3, true).await, Consumed::DeviceNotActive);
    assert_eq!(deregister(true).await, Consumed::DeviceNotActive);
    assert_eq!(statuses(&store, "alice").await, [KeyStatus::Active]);
    // Nothing was used up, and a registry elsewhere is not asked here.
    assert!(set(DeviceStatus::Active).await);
    assert_eq!(deregister(true).await, Consumed::Yes(key));
    assert!(set(DeviceStatus::Revoked).await);
    assert_eq!(register(3, true).await, Consumed::DeviceNotActive);
    assert!(matches!(register(3, false).await, Consumed::Yes(_)));
}

/// Opens a registration of an account as the server would, whose virtual accounts follow from the database's
/// secret.
async fn open_registration(store: &Store, n: u32, name: &str) {
    let mut opened = ceremony(n, Registration, None);
    let secret = store.account_secret().await.unwrap();
    opened.challenge.virtual_account = VirtualAccount::of(&secret, &shop(), &account(name));
    store.open_ceremony(opened, event("opened")).await.unwrap();
}

async fn end(store: &Store, name: &str) -> u64 {
    store.end_active_keys(&shop(), &account(name), NOW, event("account-revoked")).await.unwrap()
}

pub async fn an_account_that_is_taken_away_burns_its_open_registrations(place: &Place) {
    let (store, other) = (place.open("one").await, place.open("other").await);
    let burnt = async |n| store.ceremony(&id(n)).await.unwrap().unwrap().consumed;
    for n in 1..7 {
        open_registration(&other, n, "alice").await;
        open_registration(&other, 10 + n, "bob").await;
        // None of them has a key yet.
        let changed = match n {
            1 => set(&store, "alice", KeyStatus::Revoked).await,
            2 => set(&store, "alice", KeyStatus::Suspended).await,
            3 => end(&store, "alice").await,
            _ => set(&store, "alice", KeyStatus::Active).await,
        };
        assert_eq!((changed, burnt(n).await), if n < 4 { (1, true) } else { (0, false) }, "{n}");
        assert!(!burnt(10 + n).await);
        let id = id(n);
        let outcome = store.register(&id, NOW, new_key("alice", n as u8, 1), false, event("registered"));
        assert_eq!(outcome.await.unwrap() == Consumed::Used, n < 4);
    }
    // Those that were used up in time are keys by now.
    assert_eq!(set(&store, "alice", KeyStatus::Revoked).await, 3);
}

/// At the same time on two instances: a key that was registered first is ended, and none comes afterwards.
pub async fn no_key_outlives_a_revocation_at_the_same_time(place: &Place) {
    let (store, other) = (place.open("one").await, place.open("other").await);
    for n in 1..13 {
        open_registration(&store, n, "alice").await;
        let (name, number) = (account("alice"), id(n));
        let (service, key) = (shop(), new_key("alice", 1, n as u8));
        let (registered, revoked) = tokio::join!(
            other.register(&number, NOW, key, false, event("registered")),
            store.set_account_status(&service, &name, KeyStatus::Revoked, NOW, event("account-revoked")),
        );
        assert!(statuses(&store, "alice").await.iter().all(|status| *status != KeyStatus::Active), "{n}");
        assert!(matches!(registered.unwrap(), Consumed::Yes(_) | Consumed::Used));
        assert_eq!(revoked.unwrap(), 1);
    }
}

pub async fn a_relying_party_ends_active_keys_alone(place: &Place) {
    let store = place.open("one").await;
    registered(&store, 1, "alice", 1).await;
    registered(&store, 2, "bob", 1).await;
    assert!(!store.account_is_suspended(&shop(), &account("alice")).await.unwrap());
    set(&store, "alice", KeyStatus::Suspended).await;
    assert!(store.account_is_suspended(&shop(), &account("alice")).await.unwrap());
    assert_eq!((end(&store, "alice").await, end(&store, "bob").await), (0, 1));
    assert_eq!(statuses(&store, "alice").await, [KeyStatus::Suspended]);
    assert_eq!(statuses(&store, "bob").await, [KeyStatus::Revoked]);
    open(&store, 3, Registration, None).await;
    let outcome = store.register(&id(3), NOW, new_key("alice", 2, 2), false, event("registered")).await;
    assert_eq!(outcome.unwrap(), Consumed::KeyNotActive);
    assert_eq!(set(&store, "alice", KeyStatus::Revoked).await, 1);
}

pub async fn a_long_history_is_cut(place: &Place) {
    let store = place.open("one").await;
    let mut newest = 0;
    for n in 1..104 {
        newest = registered(&store, n, "alice", 1).await;
    }
    let keys = store.keys_of_account(&shop(), &account("alice")).await.unwrap();
    assert_eq!((keys.len(), keys[0].id, keys[0].status), (100, newest, KeyStatus::Active));
}

pub async fn keys_are_listed_by_service(place: &Place) {
    let store = place.open("one").await;
    let mut all = Vec::new();
    for (n, name) in [(1, "alice"), (2, "bob"), (3, "carol")] {
        all.push(registered(&store, n, name, 1).await);
    }
    let ids = |keys: Vec<vultus_remote_server::store::model::ServiceKey>| -> Vec<i64> {
        keys.iter().map(|key| key.id).collect()
    };
    assert_eq!(ids(store.keys_of_service(&shop(), 0, 2).await.unwrap()), all[..2]);
    assert_eq!(ids(store.keys_of_service(&shop(), all[1], 2).await.unwrap()), all[2..]);
    let mut newest_first = all.clone();
    newest_first.reverse();
    assert_eq!(ids(store.keys_of_device(&shop(), &pairwise(1)).await.unwrap()), newest_first);
}
