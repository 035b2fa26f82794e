//! The audit log: what somebody changes in the database afterwards is found.

use std::fs;
use std::path::Path;

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use vultus_protocol::{Draft, KeyId, PublicKey, ServerName};
use vultus_remote_server::audit::{self, Checkpoint, Flaw, Head, Report};
use vultus_remote_server::store::model::CeremonyKind::Authentication;
use vultus_remote_server::store::{Consumed, Store, StoreError};

use crate::place::{Outside, Place};
use crate::samples::*;

/// A signing key of a server.
struct Signer {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl Signer {
    fn new() -> Self {
        let random = SystemRandom::new();
        let kind = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        let public = PublicKey::from_slice(pair.public_key().as_ref()).unwrap();
        Self { pair, public }
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Vec<u8> {
        let draft = Draft::new(checkpoint, self.public.id()).unwrap();
        let signature = self.pair.sign(&SystemRandom::new(), draft.to_be_signed()).unwrap();
        draft.finish(signature.as_ref().try_into().unwrap()).unwrap()
    }

    fn find(&self) -> impl Fn(KeyId) -> Option<PublicKey> {
        let public = self.public;
        move |id| (id == public.id()).then_some(public)
    }
}

fn server() -> ServerName {
    ServerName::new("auth.example").unwrap()
}

async fn notes(store: &Store, number: usize) {
    for _ in 0..number {
        store.note(event("noted")).await.unwrap();
    }
}

/// Signs where the chain of `one` ends, and keeps that.
async fn checkpoint(store: &Store, signer: &Signer, file: Option<&Path>) {
    let draft = Checkpoint::draft(store, &server(), "one", NOW).await.unwrap().unwrap();
    draft.keep(store, &signer.sign(&draft), file).await.unwrap();
}

async fn verify(store: &Store, signer: &Signer, file: Option<&Path>) -> Report {
    audit::verify(store, signer.find(), file).await.unwrap()
}

fn flaw(report: &Report) -> Option<(i64, Flaw)> {
    report.broken.as_ref().map(|broken| (broken.sequence, broken.why))
}

pub async fn the_chain_verifies_and_goes_on_after_reopening(place: &Place) {
    let (signer, store) = (Signer::new(), place.open("one").await);
    assert!(Checkpoint::draft(&store, &server(), "one", NOW).await.unwrap().is_none());
    notes(&store, 3).await;
    checkpoint(&store, &signer, None).await;
    drop(store);
    let store = place.open("one").await;
    notes(&store, 2).await;
    checkpoint(&store, &signer, None).await;
    let report = verify(&store, &signer, None).await;
    assert_eq!(report.broken, None);
    assert_eq!((report.instances[0].rows, report.instances[0].checkpoints), (5, 2));

    let kept = store.audit_rows("one", 4, 10).await.unwrap();
    assert_eq!((kept.len(), kept[0].sequence), (2, 4));
    let entry = kept[0].entry().unwrap();
    assert_eq!((&*entry.what, &*entry.by, entry.at), ("noted", "service", NOW));
    assert_eq!((entry.service, entry.virtual_account), (Some(shop()), Some(virtual_account("alice"))));
}

pub async fn what_changed_nothing_leaves_no_event(place: &Place) {
    let (signer, store) = (Signer::new(), place.open("one").await);
    let key = registered(&store, 1, "alice", 1).await;
    open(&store, 2, Authentication, Some(key)).await;
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Yes(key));
    assert_eq!(authenticate(&store, 2, key).await, Consumed::Used);
    assert_eq!(authenticate(&store, 9, key).await, Consumed::Gone);
    let report = verify(&store, &signer, None).await;
    assert_eq!((report.broken, report.instances[0].rows), (None, 4));
}

/// What somebody did, and where it shows.
const TAMPERINGS: [(&[&str], i64, Flaw); 9] = [
    (&["UPDATE audit SET body = previous WHERE sequence = 3"], 3, Flaw::Altered),
    (&["UPDATE audit SET at = at + 1 WHERE sequence = 3"], 3, Flaw::Altered),
    (&["UPDATE audit SET hash = previous WHERE sequence = 3"], 3, Flaw::Altered),
    (&["UPDATE audit SET previous = hash WHERE sequence = 3"], 3, Flaw::Altered),
    (&["DELETE FROM audit WHERE sequence = 3"], 4, Flaw::Gap),
    (&["DELETE FROM audit WHERE sequence = 1"], 2, Flaw::Gap),
    // Another row at the end, and one before the first.
    (
        &["INSERT INTO audit (instance, sequence, at, body, previous, hash)
           SELECT instance, 6, at, body, hash, hash FROM audit WHERE sequence = 5"],
        6,
        Flaw::Altered,
    ),
    (
        &["INSERT INTO audit (instance, sequence, at, body, previous, hash)
           SELECT instance, 0, at, body, previous, previous FROM audit WHERE sequence = 1"],
        0,
        Flaw::Gap,
    ),
    // Two rows in each other's place.
    (
        &[
            "UPDATE audit SET sequence = -sequence WHERE sequence IN (2, 3)",
            "UPDATE audit SET sequence = 5 + sequence WHERE sequence < 0",
        ],
        2,
        Flaw::Altered,
    ),
];

pub async fn tampering_is_found(place: &Place) {
    let (signer, store) = (Signer::new(), place.open("one").await);
    notes(&store, 5).await;
    let mut outside = place.outside().await;
    outside.run("CREATE TABLE kept AS SELECT * FROM audit").await;
    for (statements, sequence, why) in TAMPERINGS {
        for &sql in statements {
            outside.run(sql).await;
        }
        let report = verify(&store, &signer, None).await;
        assert_eq!(flaw(&report), Some((sequence, why)), "{statements:?}");
        outside.run("DELETE FROM audit").await;
        outside.run("INSERT INTO audit SELECT * FROM kept").await;
        assert_eq!(flaw(&verify(&store, &signer, None).await), None);
    }
}

/// Changes what row 2 says, and all hashes from there on, as somebody would who read how they are made.
async fn write_anew(store: &Store, outside: &mut Outside) {
    let rows = store.audit_rows("one", 1, 10).await.unwrap();
    let mut head = Head::START;
    for row in &rows {
        let body = if row.sequence == 2 { &rows[2].body } else { &row.body };
        let hash = audit::link("one", row.sequence, &head.hash, body);
        outside.rewrite(row.sequence, body, &head.hash, &hash).await;
        head = Head { sequence: row.sequence, hash };
    }
}

pub async fn a_history_that_was_written_anew_is_found(place: &Place) {
    let (signer, store) = (Signer::new(), place.open("one").await);
    for what in ["one", "two", "three", "four"] {
        store.note(event(what)).await.unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    checkpoint(&store, &signer, Some(&file)).await;
    notes(&store, 2).await;
    let mut outside = place.outside().await;
    write_anew(&store, &mut outside).await;
    let found = Some((4, Flaw::Rewritten));
    assert_eq!(flaw(&verify(&store, &signer, None).await), found);
    // Without any checkpoint the new history stands; with the one that was kept elsewhere it does not.
    outside.run("DELETE FROM checkpoints").await;
    assert_eq!(flaw(&verify(&store, &signer, None).await), None);
    assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), found);
}

pub async fn a_cut_off_end_is_found(place: &Place) {
    let (signer, store) = (Signer::new(), place.open("one").await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    notes(&store, 5).await;
    checkpoint(&store, &signer, Some(&file)).await;
    let mut outside = place.outside().await;
    outside.run("DELETE FROM audit WHERE sequence > 3").await;
    let found = Some((4, Flaw::Truncated));
    assert_eq!(flaw(&verify(&store, &signer, None).await), found);
    outside.run("DELETE FROM checkpoints").await;
    assert_eq!(flaw(&verify(&store, &signer, None).await), None);
    assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), found);
    // A chain that is gone altogether.
    outside.run("DELETE FROM audit").await;
    assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), Some((1, Flaw::Truncated)));
}

pub async fn a_forged_checkpoint_is_found(place: &Place) {
    let (signer, stranger, store) = (Signer::new(), Signer::new(), place.open("one").await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("checkpoints");
    notes(&store, 3).await;
    checkpoint(&store, &signer, Some(&file)).await;
    assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), None);

    notes(&store, 1).await;
    checkpoint(&store, &stranger, None).await;
    assert_eq!(flaw(&verify(&store, &signer, None).await), Some((4, Flaw::Forged)));
    let mut outside = place.outside().await;
    outside.run("DELETE FROM checkpoints WHERE sequence = 4").await;
    // A good one in the place of another.
    outside.run("UPDATE checkpoints SET sequence = 2").await;
    assert_eq!(flaw(&verify(&store, &signer, None).await), Some((2, Flaw::Forged)));
    outside.run("DELETE FROM checkpoints").await;

    let good = fs::read_to_string(&file).unwrap();
    for bad in ["nonsense", "AAAA", &good.trim_end()[..40]] {
        fs::write(&file, format!("{good}{bad}\n")).unwrap();
        assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), Some((0, Flaw::Forged)), "{bad}");
    }
    // Signed, but of another history.
    let draft = Checkpoint::new(server(), "one", Head { sequence: 3, hash: [7; 32] }, NOW);
    store.put_checkpoint("one", 3, signer.sign(&draft)).await.unwrap();
    assert_eq!(flaw(&verify(&store, &signer, None).await), Some((3, Flaw::Rewritten)));
    fs::write(&file, &good).unwrap();
    assert_eq!(flaw(&verify(&store, &signer, Some(&file)).await), Some((3, Flaw::Rewritten)));
}

pub async fn a_name_is_for_one_process(place: &Place) {
    let first = place.open("one").await;
    // PostgreSQL tells at once, by a lock that the first one holds; SQLite when something is written.
    let second = match Store::open(place.url(), "one").await {
        Ok(second) => second,
        Err(refused) => {
            assert!(matches!(refused, StoreError::InstanceTaken), "{refused:?}");
            assert!(place.url().starts_with("postgres"));
            return notes(&first, 1).await;
        }
    };
    notes(&first, 1).await;
    for _ in 0..2 {
        let refused = second.note(event("noted")).await;
        assert!(matches!(refused, Err(StoreError::InstanceTaken)), "{refused:?}");
    }
    // Nothing of a refused change stays.
    let refused = second.open_ceremony(ceremony(1, Authentication, None), event("opened")).await;
    assert!(matches!(refused, Err(StoreError::InstanceTaken)), "{refused:?}");
    assert!(matches!(second.healthy().await, Err(StoreError::InstanceTaken)));
    assert_eq!(first.ceremony(&id(1)).await.unwrap(), None);
    notes(&first, 1).await;
    let report = verify(&first, &Signer::new(), None).await;
    assert_eq!((report.broken, report.instances[0].rows), (None, 2));
}

pub async fn each_instance_has_a_chain(place: &Place) {
    let stores = [place.open("b").await, place.open("a").await, place.open("c").await];
    assert!(stores[0].instances().await.unwrap().is_empty());
    for (store, number) in stores.iter().zip([1, 2, 3]) {
        notes(store, number).await;
    }
    assert_eq!(stores[0].instances().await.unwrap(), ["a", "b", "c"]);
    assert_eq!((stores[1].instance(), stores[1].audit_end("zzz").await.unwrap()), ("a", None));
    let report = verify(&stores[0], &Signer::new(), None).await;
    let rows: Vec<_> = report.instances.iter().map(|chain| (&*chain.instance, chain.rows)).collect();
    assert_eq!(rows, [("a", 2), ("b", 1), ("c", 3)]);
}
