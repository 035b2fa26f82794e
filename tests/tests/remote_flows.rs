//! Every ceremony from end to end between real parts: Alice at her machine, a shop, and a server on SQLite,
//! or two instances of one on PostgreSQL.

use std::error::Error;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use vultus_protocol::api::{from_text, to_text};
use vultus_protocol::assertion::Assertion;
use vultus_protocol::{DeviceIdentity, Envelope, ProtocolError, PublicKey};
use vultus_tests::backend::{AUTHENTICATIONS, Backend, Https, REGISTRATIONS, events, published_sets};
use vultus_tests::client::block_on;
use vultus_tests::device::{self, Account, Order, perform, said, shop, to_server, towards};
use vultus_tests::machine::{ALICE, Machine};
use vultus_tests::postgres::Postgres;
use vultus_tests::process::wait_until;
use vultus_tests::server::{Database, OTHER, Plan, SHOP, Server, accepted};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SERVER: &str = "auth.example";
/// What the shop makes of the amount and the name.
const PAYMENT: &str = "Pay 12.34 EUR to Bob's Books";
const PAY: [&str; 6] = ["pay", "alice", "--amount", "12.34", "--to", "Bob's Books"];

#[test]
fn on_sqlite() -> Result {
    let mut machine = device::alices_machine()?;
    let plan = Plan::new(SERVER, vec![machine.endorsement_roots()]);
    let mut server = Server::start(machine.path("server"), plan)?;
    everything(&mut machine, &mut server, None)
}

#[test]
fn on_postgres_with_two_instances() -> Result {
    let mut machine = device::alices_machine()?;
    let postgres = Postgres::start(&machine.path("postgres"))?;
    let plan = Plan::new(SERVER, vec![machine.endorsement_roots()]);
    let plan = Plan { database: Database::Postgres(postgres.url()), ..plan };
    let mut server = Server::start(machine.path("server"), plan)?;
    let second = server.join("b")?;
    everything(&mut machine, &mut server, Some(&second))
}

/// The whole of it, in the order of a device's life.
fn everything(machine: &mut Machine, server: &mut Server, second: Option<&Server>) -> Result {
    root_alone_pins(machine, server)?;
    let identity = the_tpm_enrols_the_device(machine, server)?;
    each_service_knows_another_device(machine, server, &identity)?;
    a_face_registers(machine, server)?;
    a_face_authenticates(machine, server)?;
    what_is_shown_is_what_is_paid(machine, server)?;
    what_is_not_agreed_to_is_not_signed(machine, server)?;
    each_application_gets_its_own_assertion(machine, &identity)?;
    begun_here_and_ended_there(machine, server, second)?;
    nothing_is_lost_by_a_restart(machine, server)?;
    the_server_changes_its_keys(machine, server, second)?;
    what_is_deregistered_is_wiped(machine, server)?;
    let verified = server.verify_audit()?;
    assert_eq!(verified.status, 0, "{verified:?}");
    Ok(())
}

fn root_alone_pins(machine: &Machine, server: &Server) -> Result {
    let (file, name) = (server.key_set_file()?, "keys-for-all.txt");
    fs::copy(file, machine.path(name))?;
    let file = machine.path(name);
    let file = file.to_str().ok_or("a path is not text")?;
    let denied = machine.vultus(ALICE, &["device", "pin", file], "")?;
    assert_eq!(denied.status, 2, "{denied:?}");
    assert_eq!(pinned(machine)?, json!([]));
    let unknown = to_server(machine, 0, server, "enroll")?;
    assert_eq!(unknown.status, 2, "nobody is enrolled with a server that is not pinned: {unknown:?}");
    device::pin(machine, server)?;
    assert_eq!(pinned(machine)?, json!([{ "server": SERVER, "version": 1, "device": null }]));
    let again = machine.vultus(0, &["device", "pin", file], "")?;
    assert_eq!(again.status, 2, "a pinned server is not replaced: {again:?}");
    Ok(())
}

fn pinned(machine: &Machine) -> Result<Value> {
    // What a server calls the device is for administrators to know.
    Ok(said(&machine.vultus(0, &["--json", "device", "list"], "")?, 0)?["servers"].clone())
}

/// By credential activation: the server's own list says what became of it.
fn the_tpm_enrols_the_device(machine: &Machine, server: &Server) -> Result<String> {
    let enrolled = said(&to_server(machine, 0, server, "enroll")?, 0)?;
    let identity = enrolled["device"].as_str().ok_or("no device")?.to_owned();
    assert_eq!(pinned(machine)?[0]["device"], enrolled["device"]);
    let devices = said(&server.admin(&["device", "list"])?, 0)?;
    let known = &devices["devices"][0];
    assert_eq!((&known["identity"], &known["status"]), (&enrolled["device"], &json!("active")), "{devices}");
    assert_ne!(known["tpm_vendor"], json!(""), "{devices}");
    Ok(identity)
}

fn each_service_knows_another_device(machine: &Machine, server: &Server, identity: &str) -> Result {
    let (shop, other) = (towards(machine, server, SHOP)?, towards(machine, server, OTHER)?);
    assert!(shop != other && shop != identity && other != identity, "{shop} {other} {identity}");
    assert_eq!(towards(machine, server, SHOP)?, shop, "the same service is told the same");
    Ok(())
}

fn a_face_registers(machine: &Machine, server: &Server) -> Result {
    let registered = said(&shop(machine, server, &["register", "alice"], "")?, 0)?;
    assert_eq!(registered["result"], "registered");
    assert_eq!(device::accounts(machine)?, [account(SHOP, true)]);
    let view = Backend::of(server, SHOP)?.account("alice")?.accepted()?.body;
    let keys = view["keys"].as_array().ok_or("no keys")?;
    assert_eq!(keys.len(), 1, "{view}");
    assert_eq!(keys[0]["status"], "active");
    assert_eq!(keys[0]["device"], json!(towards(machine, server, SHOP)?));
    Ok(())
}

fn account(service: &str, confirmed: bool) -> Account {
    Account { service: service.to_owned(), account: "alice".to_owned(), confirmed }
}

/// With the account's name, and without, where the device has one account there.
fn a_face_authenticates(machine: &Machine, server: &Server) -> Result {
    for action in [&["authenticate", "alice"][..], &["authenticate"]] {
        let done = said(&shop(machine, server, action, "")?, 0)?;
        assert_eq!((&done["result"], &done["account"]), (&json!("authenticated"), &json!("alice")));
        assert!(done["session"].as_str().is_some_and(|session| session.len() > 20), "{done}");
    }
    Ok(())
}

/// The person agrees to the words that the shop composed and the server signed, and to no others.
fn what_is_shown_is_what_is_paid(machine: &Machine, server: &Server) -> Result {
    let done = shop(machine, server, &[&PAY[..], &["--yes"]].concat(), "")?;
    let told = said(&done, 0)?;
    assert_eq!((&told["result"], &told["agreed"]), (&json!("paid"), &json!(PAYMENT)));
    assert!(done.err.contains(&format!("For {SHOP} ({SERVER}), account alice\n")), "{done:?}");
    assert!(done.err.contains(&format!("\n| {PAYMENT}\n")), "{done:?}");

    // The same without the command, by what the bus and the shop say.
    let (https, url) = (Https::new(&server.ca())?, format!("{}/api/pay", server.shop_url()?));
    let device = towards(machine, server, SHOP)?;
    let wish = json!({ "device": device, "account": "alice", "amount": "12.34", "to": "Bob's Books" });
    let opened = https.post(&url, None, &wish)?.accepted()?;
    let ending = perform(machine, "alice", Order::Authenticate(&opened.packet()?))?;
    assert_eq!(ending.asked, [[SERVER, SHOP, "alice"]]);
    assert_eq!(ending.shown, [PAYMENT]);
    let body = json!({ "packet": to_text(&ending.signed()?) });
    let paid = https.post(&format!("{url}/{}", opened.text("ceremony")), None, &body)?.accepted()?;
    assert_eq!(paid.text("paid"), PAYMENT);
    Ok(())
}

fn what_is_not_agreed_to_is_not_signed(machine: &Machine, server: &Server) -> Result {
    let before = signed_packets(server)?;
    for answer in ["n\n", "\n", ""] {
        let declined = shop(machine, server, &PAY, answer)?;
        let told = said(&declined, 1)?;
        assert_eq!(
            (&told["result"], &told["signed"]),
            (&json!("not-confirmed"), &json!(false)),
            "{answer:?}"
        );
        assert!(declined.err.contains(PAYMENT), "{declined:?}");
    }
    assert_eq!(signed_packets(server)?, before, "the shop got a packet");
    Ok(())
}

/// How many packets of devices the shop has seen for logins and payments: step 550 of the seed.
fn signed_packets(server: &Server) -> Result<usize> {
    Ok(events(server)?.iter().filter(|event| event["step"] == "550").count())
}

/// One key for each application, none of which is the device's; and in each assertion who was verified.
fn each_application_gets_its_own_assertion(machine: &Machine, identity: &str) -> Result {
    let key = device::remote(machine, async |remote| remote.get_assertion_key("org.example.First").await)?;
    let refused = device::refusal(key.err().ok_or("a key before the first assertion")?)?;
    assert_eq!(refused, "NoSuchAccount", "asking makes no key");
    let first = asserted(machine, "org.example.First")?;
    let second = asserted(machine, "org.example.Second")?;
    assert_ne!(first, second, "two applications know one key");
    assert_eq!(asserted(machine, "org.example.First")?, first, "a key stays the same");
    for key in [first, second] {
        assert_ne!(DeviceIdentity::of(&key).to_text(), identity, "an assertion by the device key");
    }
    let told = device::remote(machine, async |remote| remote.get_assertion_key("org.example.First").await)?;
    assert_eq!(PublicKey::from_slice(&told?)?, first);
    Ok(())
}

/// Has an assertion made, and checks it as its application would: the key that it is to be signed by.
fn asserted(machine: &Machine, audience: &str) -> Result<PublicKey> {
    let told = said(&machine.vultus(ALICE, &["--json", "assert", audience], "")?, 0)?;
    let bytes = |field: &str| -> Result<Vec<u8>> {
        Ok(from_text(told[field].as_str().ok_or_else(|| format!("no {field}"))?)?)
    };
    let (packet, nonce, key) = (bytes("assertion")?, bytes("nonce")?, PublicKey::from_slice(&bytes("key")?)?);
    let assertion = Envelope::<Assertion>::parse(&packet)?.verify(&key)?;
    assert_eq!(assertion.uid, ALICE);
    assert_eq!(assertion.audience.as_str(), audience);
    assert_eq!(*assertion.nonce, nonce);
    let mut altered = packet;
    *altered.last_mut().ok_or("an empty packet")? ^= 1;
    let refused = Envelope::<Assertion>::parse(&altered)?.verify(&key);
    assert_eq!(refused.err(), Some(ProtocolError::BadSignature));
    Ok(key)
}

/// What one instance opens another completes, once. Where there is one alone, it does both.
fn begun_here_and_ended_there(machine: &Machine, server: &Server, second: Option<&Server>) -> Result {
    let here = Backend::of(server, OTHER)?;
    let there = Backend::of(second.unwrap_or(server), OTHER)?;
    let device = towards(machine, server, OTHER)?;
    let wish = json!({ "account": "alice", "device": device });

    let opened = here.open(REGISTRATIONS, &wish)?.accepted()?;
    let signed = perform(machine, "alice", Order::Register(&opened.packet()?))?.signed()?;
    let receipt = there.complete(REGISTRATIONS, opened.text("ceremony"), &signed)?.accepted()?;
    // The device knows its own key, and not yet that it counts.
    assert_eq!(device::accounts(machine)?, [account(SHOP, true), account(OTHER, false)]);
    let finished = device::finish(machine, "FinishRegistration", &receipt.packet()?)?;
    assert_eq!(finished.status, 0, "{finished:?}");
    assert_eq!(device::accounts(machine)?, [account(SHOP, true), account(OTHER, true)]);

    let opened = there.open(AUTHENTICATIONS, &json!({ "device": device }))?.accepted()?;
    let signed = perform(machine, "alice", Order::Authenticate(&opened.packet()?))?.signed()?;
    let done = here.complete(AUTHENTICATIONS, opened.text("ceremony"), &signed)?.accepted()?;
    assert_eq!((done.text("account"), done.text("device")), ("alice", device.as_str()));
    for instance in [&here, &there] {
        let again = instance.complete(AUTHENTICATIONS, opened.text("ceremony"), &signed)?;
        assert_eq!((again.status, again.reason()), (409, "code-used"));
    }
    Ok(())
}

/// A crash on either side, and an orderly end of the server.
fn nothing_is_lost_by_a_restart(machine: &mut Machine, server: &mut Server) -> Result {
    machine.kill_vault()?;
    machine.start_vault()?;
    a_face_authenticates(machine, server)?;
    server.kill()?;
    server.run()?;
    a_face_authenticates(machine, server)?;
    let ended = server.stop()?;
    assert!(ended.success(), "{ended}");
    server.run()?;
    a_face_authenticates(machine, server)
}

/// New keys that count at once, and old ones that count no more: the device believes them when a key that it
/// has pinned vouches for them, and not before.
fn the_server_changes_its_keys(machine: &Machine, server: &Server, second: Option<&Server>) -> Result {
    let now = ["keys", "rotate", "--overlap-hours", "0", "--lead-minutes", "0"];
    accepted(&server.admin(&now)?)?;
    for instance in std::iter::once(server).chain(second) {
        instance.reload()?;
        wait_until("the new keys are published", || published_sets(instance).is_ok_and(|sets| sets == 2))?;
    }
    let refused = said(&shop(machine, server, &["authenticate", "alice"], "")?, 1)?;
    assert_eq!((&refused["result"], &refused["signed"]), (&json!("unpinned-key"), &json!(false)));
    let updated = said(&to_server(machine, ALICE, server, "update-keys")?, 0)?;
    assert_eq!((&updated["version"], &updated["taken"]), (&json!(2), &json!(1)));
    let again = said(&to_server(machine, ALICE, server, "update-keys")?, 0)?;
    assert_eq!((&again["version"], &again["taken"]), (&json!(null), &json!(0)));
    assert_eq!(pinned(machine)?[0]["version"], json!(2));
    a_face_authenticates(machine, server)
}

/// The key is gone from the device, and the account may be registered again.
fn what_is_deregistered_is_wiped(machine: &Machine, server: &Server) -> Result {
    let before = sealed_accounts(machine, "before")?;
    assert_eq!(before.rows.len(), 2);
    let done = said(&shop(machine, server, &["deregister", "alice"], "")?, 0)?;
    assert_eq!(done["result"], "deregistered");
    assert_eq!(device::accounts(machine)?, [account(OTHER, true)]);
    let after = sealed_accounts(machine, "after")?;
    assert_eq!(after.rows.len(), 1);
    for row in before.rows.iter().filter(|row| !after.rows.contains(row)) {
        assert!(!after.file.windows(row.len()).any(|window| window == row), "the key's row is still there");
    }
    let view = Backend::of(server, SHOP)?.account("alice")?.accepted()?.body;
    assert_eq!(view["keys"][0]["status"], "deregistered", "{view}");
    let refused = said(&shop(machine, server, &["authenticate", "alice"], "")?, 1)?;
    assert_eq!((&refused["result"], &refused["signed"]), (&json!("refused"), &json!(false)));
    a_face_registers_again(machine, server)
}

fn a_face_registers_again(machine: &Machine, server: &Server) -> Result {
    said(&shop(machine, server, &["register", "alice"], "")?, 0)?;
    a_face_authenticates(machine, server)?;
    assert_eq!(device::accounts(machine)?.len(), 2);
    Ok(())
}

/// What the vault keeps of Alice's accounts, and the file that it lies in.
struct Kept {
    rows: Vec<Vec<u8>>,
    file: Vec<u8>,
}

/// From a copy of the state, in which SQLite has merged its log: the vault keeps its own open.
fn sealed_accounts(machine: &Machine, name: &str) -> Result<Kept> {
    let (state, copy) = (machine.path("vault-state"), machine.path(name));
    fs::create_dir(&copy)?;
    for file in ["vault.db", "vault.db-wal"] {
        fs::copy(state.join(file), copy.join(file))?;
    }
    let database = copy.join("vault.db");
    let rows = block_on(account_rows(&database))??;
    Ok(Kept { rows, file: fs::read(database)? })
}

async fn account_rows(database: &Path) -> sqlx::Result<Vec<Vec<u8>>> {
    let mut database = SqliteConnectOptions::new().filename(database).connect().await?;
    // The number of the kind is the vault's own.
    let rows = sqlx::query("SELECT content FROM sealed WHERE kind = 7 AND uid = $1 ORDER BY item")
        .bind(i64::from(ALICE))
        .fetch_all(&mut database)
        .await?;
    let contents = rows.iter().map(|row| row.try_get(0)).collect();
    database.close().await?;
    contents
}
