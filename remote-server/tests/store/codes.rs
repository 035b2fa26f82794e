//! Codes: used once, by whichever instance, and never late.

use std::future::Future;

use vultus_remote_server::store::model::CeremonyKind::{Authentication, Deregistration, Registration};
use vultus_remote_server::store::{Consumed, Store};

use crate::place::Place;
use crate::samples::*;

/// How many of the outcomes are `Yes`; all the others must be `Used`.
fn winners(outcomes: &[Consumed]) -> usize {
    let yes = outcomes.iter().filter(|outcome| matches!(outcome, Consumed::Yes(_))).count();
    let used = outcomes.iter().filter(|outcome| **outcome == Consumed::Used).count();
    assert_eq!(yes + used, outcomes.len(), "{outcomes:?}");
    yes
}

/// The same on two instances, by 16 tasks each, all at once.
async fn race<F>(place: &Place, one: &Store, attempt: impl Fn(Store, u8) -> F) -> Vec<Consumed>
where
    F: Future<Output = Consumed> + Send + 'static,
{
    let other = place.open("other").await;
    let mut tasks = Vec::new();
    for n in 0..16 {
        tasks.push(tokio::spawn(attempt(one.clone(), 2 * n)));
        tasks.push(tokio::spawn(attempt(other.clone(), 2 * n + 1)));
    }
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(task.await.unwrap());
    }
    outcomes
}

pub async fn one_of_many_gets_the_code(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    for n in 2..5 {
        open(&store, n, Authentication, Some(key)).await;
        let outcomes =
            race(place, &store, move |store, _| async move { authenticate(&store, n, key).await }).await;
        assert_eq!(winners(&outcomes), 1);
    }
}

pub async fn one_of_many_registers(place: &Place) {
    let store = place.open("one").await;
    open(&store, 1, Registration, None).await;
    let outcomes = race(place, &store, move |store, task| async move {
        store.register(&id(1), NOW, new_key("alice", 1, task), false, event("registered")).await.unwrap()
    })
    .await;
    assert_eq!(winners(&outcomes), 1);
    assert_eq!(store.keys_of_account(&shop(), &account("alice")).await.unwrap().len(), 1);
}

pub async fn one_of_many_deregisters(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Deregistration, Some(key)).await;
    let outcomes = race(place, &store, move |store, _| async move {
        store.deregister(&id(2), NOW, key, false, event("deregistered")).await.unwrap()
    })
    .await;
    assert_eq!(winners(&outcomes), 1);
}

pub async fn one_of_many_enrols(place: &Place) {
    let store = place.open("one").await;
    let opened = enrolment(1, &device(1, 1));
    store.open_enrolment(opened, event("enrolment-opened")).await.unwrap();
    let outcomes = race(place, &store, move |store, _| async move {
        store.enrol(&id(1), NOW, device(1, 1), &PROOF, event("enrolled")).await.unwrap()
    })
    .await;
    assert_eq!(winners(&outcomes), 1);
}

pub async fn a_code_ends_by_the_second(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    open(&store, 3, Deregistration, Some(key)).await;
    open(&store, 4, Registration, None).await;
    let event = || event("late");
    let late = store.authenticate(&id(2), END, key, false, event()).await.unwrap();
    assert_eq!(late, Consumed::Expired);
    assert_eq!(store.deregister(&id(3), END, key, false, event()).await.unwrap(), Consumed::Expired);
    let late = store.register(&id(4), END, new_key("alice", 1, 4), false, event()).await.unwrap();
    assert_eq!(late, Consumed::Expired);
    // Nothing was consumed by that: the second before is in time.
    let in_time = store.authenticate(&id(2), END - 1, key, false, event()).await.unwrap();
    assert_eq!(in_time, Consumed::Yes(key));
    let used = store.authenticate(&id(2), END, key, false, event()).await.unwrap();
    assert_eq!(used, Consumed::Used);
}

pub async fn an_unknown_ceremony_is_gone(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    assert_eq!(authenticate(&store, 99, key).await, Consumed::Gone);
    let event = || event("unknown");
    assert_eq!(store.deregister(&id(99), NOW, key, false, event()).await.unwrap(), Consumed::Gone);
    let registered = store.register(&id(99), NOW, new_key("bob", 1, 4), false, event()).await.unwrap();
    assert_eq!(registered, Consumed::Gone);
    assert_eq!(store.enrol(&id(99), NOW, device(1, 1), &PROOF, event()).await.unwrap(), Consumed::Gone);
    assert_eq!(store.ceremony(&id(99)).await.unwrap(), None);
    assert_eq!(store.enrolment(&id(99)).await.unwrap(), None);
}

pub async fn a_ceremony_of_another_kind_is_gone(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    open(&store, 3, Deregistration, Some(key)).await;
    let event = || event("another kind");
    assert_eq!(authenticate(&store, 3, key).await, Consumed::Gone);
    assert_eq!(store.deregister(&id(2), NOW, key, false, event()).await.unwrap(), Consumed::Gone);
    let registered = store.register(&id(2), NOW, new_key("bob", 1, 4), false, event()).await.unwrap();
    assert_eq!(registered, Consumed::Gone);
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Yes(key));
}

pub async fn a_burnt_code_is_used(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    store.burn(&id(2), NOW, event("refused")).await.unwrap();
    assert!(store.ceremony(&id(2)).await.unwrap().unwrap().consumed);
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Used);
    store.burn(&id(2), NOW, event("refused")).await.unwrap();

    store.open_enrolment(enrolment(3, &device(1, 1)), event("enrolment-opened")).await.unwrap();
    store.burn(&id(3), NOW, event("refused")).await.unwrap();
    let enrolled = store.enrol(&id(3), NOW, device(1, 1), &PROOF, event("enrolled")).await.unwrap();
    assert_eq!(enrolled, Consumed::Used);
}

pub async fn an_authentication_is_for_one_key(place: &Place) {
    let store = place.open("one").await;
    let alice = registered(&store, 1, "alice", 1).await;
    let bob = registered(&store, 2, "bob", 1).await;
    open(&store, 3, Authentication, Some(alice)).await;
    assert_eq!(authenticate(&store, 3, bob).await, Consumed::KeyNotActive);
    assert_eq!(authenticate(&store, 3, alice).await, Consumed::Yes(alice));
}

pub async fn a_ceremony_comes_back_as_it_went(place: &Place) {
    let store = place.open("one").await;
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    let (state, with) = store.ceremony_with_key(&id(2)).await.unwrap().unwrap();
    assert_eq!(state.ceremony, ceremony(2, Authentication, Some(key)));
    assert!(!state.consumed);
    assert_eq!(store.ceremony(&id(2)).await.unwrap(), Some(state));
    let keys = store.keys_of_device(&shop(), &pairwise(1)).await.unwrap();
    assert_eq!(with.as_ref(), keys.first());
    // A registration is about no key.
    let (state, with) = store.ceremony_with_key(&id(1)).await.unwrap().unwrap();
    assert!(state.consumed && with.is_none());
}

pub async fn only_what_ended_long_ago_is_swept(place: &Place) {
    let store = place.open("one").await;
    let mut opened = Vec::new();
    for n in 0..600 {
        let store = store.clone();
        opened.push(tokio::spawn(async move {
            let mut old = ceremony(n, Registration, None);
            old.challenge.window.expires_at = NOW - 3600;
            store.open_ceremony(old, event("opened")).await.unwrap();
        }));
    }
    for task in opened {
        task.await.unwrap();
    }
    open(&store, 1000, Registration, None).await;
    let mut old = enrolment(1001, &device(1, 1));
    old.window.expires_at = NOW - 3600;
    store.open_enrolment(old, event("enrolment-opened")).await.unwrap();
    assert_eq!(store.sweep(NOW, 3600).await.unwrap(), 0);
    assert_eq!(store.sweep(NOW, 3599).await.unwrap(), 601);
    assert!(store.ceremony(&id(1000)).await.unwrap().is_some());
    assert!(store.ceremony(&id(0)).await.unwrap().is_none());
    assert!(store.enrolment(&id(1001)).await.unwrap().is_none());
}
