//! The task that writes: what it commits together fails alone, and what waits is bounded.

use std::time::Duration;

use tokio::task::JoinHandle;
use vultus_remote_server::audit;
use vultus_remote_server::store::model::CeremonyKind::{Authentication, Registration};
use vultus_remote_server::store::{Consumed, Store, StoreError};

use crate::place::Place;
use crate::samples::*;

fn spawn_opening(store: &Store, n: u32) -> JoinHandle<Result<(), StoreError>> {
    let store = store.clone();
    tokio::spawn(async move { store.open_ceremony(ceremony(n, Registration, None), event("opened")).await })
}

/// Waits until that many changes wait.
async fn until_waiting(store: &Store, number: usize) {
    for _ in 0..2_000 {
        if store.waiting() >= number {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("{} wait, not {number}", store.waiting());
}

async fn rows(store: &Store) -> u64 {
    let report = audit::verify(store, |_| None, None).await.unwrap();
    assert_eq!(report.broken, None);
    report.instances.iter().map(|chain| chain.rows).sum()
}

pub async fn a_failing_job_does_not_fail_its_neighbours(place: &Place) {
    let store = place.open("one").await;
    open(&store, 1, Registration, None).await;
    let key = registered(&store, 2, "alice", 1).await;
    open(&store, 3, Authentication, Some(key)).await;
    let before = rows(&store).await;

    // One job keeps the writer busy, so that all the others make up one batch.
    let mut outside = place.outside().await;
    outside.block().await;
    let first = spawn_opening(&store, 10);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let neighbours: Vec<_> = (11..31).map(|n| spawn_opening(&store, n)).collect();
    let twin = spawn_opening(&store, 1);
    let authenticating: Vec<_> = (0..3)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { authenticate(&store, 3, key).await })
        })
        .collect();
    until_waiting(&store, 24).await;
    outside.release().await;

    first.await.unwrap().unwrap();
    for task in neighbours {
        task.await.unwrap().unwrap();
    }
    let twin = twin.await.unwrap();
    assert!(matches!(twin, Err(StoreError::Unavailable(_))), "{twin:?}");
    let mut outcomes = Vec::new();
    for task in authenticating {
        outcomes.push(task.await.unwrap());
    }
    outcomes.sort_by_key(|outcome| *outcome == Consumed::Used);
    assert_eq!(outcomes, [Consumed::Yes(key), Consumed::Used, Consumed::Used]);
    assert!(store.ceremony(&id(30)).await.unwrap().is_some());
    // Only what took place is in the log: 21 openings and one authentication.
    assert_eq!(rows(&store).await, before + 22);
}

pub async fn a_full_queue_is_busy(place: &Place) {
    let store = place.open("one").await;
    let mut outside = place.outside().await;
    outside.block().await;
    let noting: Vec<_> = (0..6_000)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.note(event("noted")).await })
        })
        .collect();
    until_waiting(&store, 4096).await;
    let refused = store.note(event("noted")).await;
    assert!(matches!(refused, Err(StoreError::Busy)), "{refused:?}");
    // Questions are answered meanwhile.
    store.healthy().await.unwrap();
    outside.release().await;

    let mut kept = 0;
    for task in noting {
        match task.await.unwrap() {
            Ok(()) => kept += 1,
            Err(StoreError::Busy) => {}
            Err(other) => panic!("{other}"),
        }
    }
    assert!(kept >= 4096, "{kept}");
    assert_eq!(rows(&store).await, kept);
    assert_eq!(store.waiting(), 0);
}

pub async fn the_end_of_the_chain_is_known_without_the_database(place: &Place) {
    let store = place.open("one").await;
    assert_eq!(store.head(), (0, [0; 32]));
    for n in 1..4 {
        store.note(event("noted")).await.unwrap();
        let head = store.head();
        assert_eq!((head.0, Some(head)), (n, store.audit_end("one").await.unwrap()));
    }
    let head = store.head();
    let mut outside = place.outside().await;
    outside.run("DELETE FROM audit WHERE sequence = 3").await;
    assert_eq!(store.head(), head);
    drop(store);
    outside.run("DELETE FROM audit WHERE sequence = 2").await;
    assert_eq!(place.open("one").await.head().0, 1);
}

/// A connection that broke, and of which the database does not know yet: only PostgreSQL has such.
pub async fn a_lock_that_is_held_for_a_while_stops_nobody_for_good(place: &Place) {
    if !place.url().starts_with("postgres") {
        return;
    }
    let store = place.open("one").await;
    store.note(event("noted")).await.unwrap();
    let mut outside = place.outside().await;
    outside
        .run(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
             SELECT pg_advisory_lock(hashtextextended('one', 7310579))",
        )
        .await;
    for _ in 0..2 {
        let refused = store.note(event("noted")).await;
        assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    }
    store.healthy().await.unwrap();
    let opened = Store::open(place.url(), "one").await;
    assert!(matches!(opened, Err(StoreError::InstanceTaken)), "{opened:?}");
    outside.run("SELECT pg_advisory_unlock_all()").await;
    store.note(event("noted")).await.unwrap();
    assert_eq!(rows(&store).await, 2);
}

pub async fn what_was_acknowledged_is_there_after_reopening(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Yes(key));
    let secret = store.account_secret().await.unwrap();
    drop(store);

    let store = place.open("one").await;
    assert_eq!(*store.account_secret().await.unwrap(), *secret);
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Used);
    open(&store, 3, Authentication, Some(key)).await;
    assert_eq!(authenticate(&store, 3, key).await, Consumed::Yes(key));
    let mut outside = place.outside().await;
    assert_eq!(outside.count("SELECT COUNT(*) FROM service_keys").await, 1);
}
