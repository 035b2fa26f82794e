//! The server's door, by the real program over real TLS: who is let in, what is refused and how, and that
//! nobody's bad manners keep others out.

#[path = "http/machine.rs"]
mod machine;

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use machine::{Answer, Identity, Machine, exchange, kept, request, rest};
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};
use vultus_protocol::PinnedServer;
use vultus_protocol::api::from_text;

/// A device that nobody knows; whoever opens a registration may name any.
const DEVICE: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// Every route of the API. A new one must be put here, and is then asked below.
const ROUTES: [(&str, &str); 13] = [
    ("get", "/health"),
    ("get", "/openapi.json"),
    ("get", "/v1/keys"),
    ("post", "/v1/registrations"),
    ("post", "/v1/registrations/{ceremony}"),
    ("post", "/v1/authentications"),
    ("post", "/v1/authentications/{ceremony}"),
    ("post", "/v1/deregistrations"),
    ("post", "/v1/deregistrations/{ceremony}"),
    ("get", "/v1/accounts/{account}"),
    ("delete", "/v1/accounts/{account}"),
    ("post", "/v1/devices"),
    ("post", "/v1/devices/{enrolment}"),
];

fn opening(account: &str, device: &str) -> Value {
    json!({ "account": account, "device": device })
}

#[tokio::test]
async fn what_init_makes_runs_with_every_role() {
    let machine = Machine::start_whole().await;
    let health = machine.get("/health").await;
    assert_eq!((health.status, health.json()["name"].as_str()), (200, Some("auth.example")));
    assert!(machine.has("relying_party") && machine.has("metrics") && !machine.has("registry"));

    let keys = machine.get("/v1/keys").await.json();
    let packet = from_text(keys["packets"][0].as_str().unwrap()).unwrap();
    assert_eq!(PinnedServer::first(&packet).unwrap().name().as_str(), "auth.example");
    let exported = std::fs::read_to_string(machine.folder.join("server-keys.txt")).unwrap();
    assert_eq!(exported.trim(), keys["packets"][0].as_str().unwrap());

    for (file, mode) in [("", 0o700), ("keys.toml", 0o600), ("tls-key.pem", 0o600), ("shop.key", 0o600)] {
        let metadata = std::fs::metadata(machine.folder.join(file)).unwrap();
        assert_eq!(metadata.mode() & 0o777, mode, "{file}");
    }
    let opened = machine.ask_as_shop("POST", "/v1/registrations", &opening("alice", DEVICE)).await;
    assert_eq!(opened.status, 200, "{opened:?}");
    assert!(opened.json()["packet"].is_string());
}

#[tokio::test]
async fn every_route_is_described_and_every_description_is_a_route() {
    let machine = Machine::start("").await;
    let described = machine.get("/openapi.json").await.json();
    let mut found = BTreeSet::new();
    for (path, item) in described["paths"].as_object().unwrap() {
        let methods = item.as_object().unwrap().keys().filter(|key| *key != "parameters");
        found.extend(methods.map(|method| (method.clone(), path.clone())));
    }
    let expected: BTreeSet<_> = ROUTES.map(|(m, p)| (m.to_owned(), p.to_owned())).into();
    assert_eq!(found, expected);

    for (method, path) in ROUTES {
        let path = path.replace("{ceremony}", "x").replace("{account}", "x").replace("{enrolment}", "x");
        let answer = machine.ask(&method.to_uppercase(), &path, "", "").await;
        let absent = [404, 405].contains(&answer.status) && answer.body.contains("route");
        assert!(!absent && answer.status != 405, "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn nobody_is_a_service_without_a_good_key() {
    let machine = Machine::start("").await;
    let account = |headers: String| {
        let machine = &machine;
        async move { machine.ask("GET", "/v1/accounts/nobody", &headers, "").await }
    };
    let good = machine.shop();
    assert_eq!(account(good.clone()).await.reason(), "not-found");
    let other = format!("Authorization: Bearer vk_{}\r\n", "A".repeat(43));
    for wrong in [
        String::new(),
        other.clone(),
        "Authorization: Bearer vk_\r\n".to_owned(),
        "Authorization: Basic eDp5\r\n".to_owned(),
        good.replace("vk_", "vk-"),
        format!("{good}{other}"),
    ] {
        let answer = account(wrong.clone()).await;
        assert_eq!((answer.status, answer.reason().as_str()), (401, "unauthorised"), "{wrong}");
        assert_eq!(answer.header("www-authenticate"), "bearer");
    }

    machine.administer(&["admin", "service", "suspend", "shop.example"]);
    // So long may a service still be known.
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(account(good.clone()).await.reason(), "unauthorised");
    machine.administer(&["admin", "service", "resume", "shop.example"]);
    assert_eq!(account(good.clone()).await.reason(), "not-found");
    let new = machine.folder.join("new.key");
    let new = new.to_str().unwrap();
    machine.administer(&["admin", "service", "rotate-key", "shop.example", "--api-key-file", new]);
    sleep(Duration::from_millis(1_500)).await;
    assert_eq!(account(good).await.reason(), "unauthorised");
    let key = std::fs::read_to_string(new).unwrap();
    assert_eq!(account(format!("Authorization: Bearer {}\r\n", key.trim())).await.reason(), "not-found");
    machine.administer(&["audit", "verify"]);
}

#[tokio::test]
async fn a_certificate_that_is_registered_is_as_good_as_a_key() {
    let (known, unknown, stranger) = (Identity::new(), Identity::new(), Identity::new());
    let machine = Machine::start_for(&[&known, &unknown], "").await;
    let pem = machine.folder.join("shop-client.pem");
    std::fs::write(&pem, &known.certificate).unwrap();
    let pem = pem.to_str().unwrap();
    machine.administer(&["admin", "service", "add", "second.example", "--certificate", pem]);

    let asking = request("GET", "/v1/accounts/nobody", "", "");
    let mut stream = machine.connect("api", Some(&known)).await.unwrap();
    assert_eq!(exchange(&mut stream, &asking).await.unwrap().reason(), "not-found");
    let mut stream = machine.connect("api", Some(&unknown)).await.unwrap();
    assert_eq!(exchange(&mut stream, &asking).await.unwrap().reason(), "unauthorised");
    // A client learns with its first read that its certificate was not taken.
    let refused = match machine.connect("api", Some(&stranger)).await {
        Ok(mut stream) => exchange(&mut stream, &asking).await,
        Err(error) => Err(error),
    };
    assert!(refused.is_err(), "{refused:?}");
}

#[tokio::test]
async fn the_registry_answers_the_certificates_on_its_list_alone() {
    let (listed, unlisted) = (Identity::new(), Identity::new());
    let more = format!("registry_listen = '127.0.0.1:0'\nregistry_clients = ['{}']", listed.fingerprint());
    let machine = Machine::start_for(&[&listed, &unlisted], &more).await;
    let body = json!({ "device_identity": DEVICE }).to_string();
    let asking = request("POST", "/registry/v1/status", "Content-Type: application/json\r\n", &body);

    let mut stream = machine.connect("registry", Some(&listed)).await.unwrap();
    assert_eq!(exchange(&mut stream, &asking).await.unwrap().reason(), "unknown-device");
    let mut stream = machine.connect("registry", Some(&unlisted)).await.unwrap();
    assert_eq!(exchange(&mut stream, &asking).await.unwrap().reason(), "unauthorised");
    let refused = match machine.connect("registry", None).await {
        Ok(mut stream) => exchange(&mut stream, &asking).await,
        Err(error) => Err(error),
    };
    assert!(refused.is_err(), "{refused:?}");
}

/// The first message of a client that knows TLS 1.2 and nothing newer.
fn hello_of_tls_1_2() -> Vec<u8> {
    let sized = |bytes: &[u8]| [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat();
    // secp256r1; uncompressed points; ecdsa_secp256r1_sha256.
    let extensions =
        [&[0_u8, 10, 0, 4, 0, 2, 0, 23][..], &[0, 11, 0, 2, 1, 0], &[0, 13, 0, 4, 0, 2, 4, 3]].concat();
    // TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, without compression.
    let hello = [&[3_u8, 3][..], &[7; 32], &[0], &[0, 2, 0xc0, 0x2b], &[1, 0], &sized(&extensions)].concat();
    let message = [&[1_u8, 0][..], &sized(&hello)].concat();
    [&[22_u8, 3, 1][..], &sized(&message)].concat()
}

#[tokio::test]
async fn tls_1_2_is_refused() {
    let machine = Machine::start("").await;
    let mut stream = TcpStream::connect(machine.address("api")).await.unwrap();
    stream.write_all(&hello_of_tls_1_2()).await.unwrap();
    let answer = rest(&mut stream).await.unwrap();
    // A fatal alert: protocol_version.
    assert_eq!((answer[0], &answer[5..7]), (21, &[2_u8, 70][..]), "{answer:?}");
}

#[tokio::test]
async fn whatever_is_refused_is_a_problem() {
    let machine = Machine::start("limits = { per_address_per_minute = 1000 }").await;
    let json_of_shop = format!("{}Content-Type: application/json\r\n", machine.shop());
    let text_of_shop = format!("{}Content-Type: text/plain\r\n", machine.shop());
    let long = format!("{{\"account\":\"{}\"", "a".repeat(40_000));
    let unknown = r#"{"account":"a","device":"AAAAAAAAAAAAAAAAAAAAAA","admin":true}"#;
    let cases = [
        ("POST", "/v1/registrations", &json_of_shop, long.as_str(), 413, "oversize"),
        ("POST", "/v1/registrations", &json_of_shop, "{", 400, "malformed"),
        ("POST", "/v1/registrations", &json_of_shop, "\u{0}\u{1}", 400, "malformed"),
        ("POST", "/v1/registrations", &json_of_shop, "{}", 400, "malformed"),
        ("POST", "/v1/registrations", &json_of_shop, unknown, 400, "malformed"),
        ("POST", "/v1/registrations", &json_of_shop, r#"{"account":"a","device":"A"}"#, 400, "malformed"),
        ("POST", "/v1/registrations", &text_of_shop, "{}", 415, "malformed"),
        ("POST", "/v1/registrations/x", &json_of_shop, r#"{"packet":""}"#, 400, "malformed"),
        ("PUT", "/v1/registrations", &json_of_shop, "{}", 405, "malformed"),
        ("BREW", "/health", &json_of_shop, "", 405, "malformed"),
        ("GET", "/v1/accounts/%ff", &json_of_shop, "", 400, "malformed"),
        ("GET", "/v2", &json_of_shop, "", 404, "not-found"),
        ("GET", "/metrics", &json_of_shop, "", 404, "not-found"),
        ("POST", "/v1/devices", &json_of_shop, r#"{"packet":"AAAA"}"#, 400, "malformed"),
    ];
    for (method, path, headers, body, status, reason) in cases {
        let answer = machine.ask(method, path, headers, body).await;
        let named = &body[..body.len().min(40)];
        assert_eq!((answer.status, answer.reason().as_str()), (status, reason), "{method} {path} {named}");
    }
    assert_eq!(machine.get("/health").await.status, 200);
}

#[tokio::test]
async fn who_stops_half_way_is_closed_and_keeps_nobody_out() {
    let limits = "limits = { handshake_ms = 2000, head_ms = 2000, request_ms = 2000 }";
    let machine = Machine::start(limits).await;
    let mut silent = TcpStream::connect(machine.address("api")).await.unwrap();
    let mut headless = machine.connect("api", None).await.unwrap();
    headless.write_all(b"GET /health HTTP/1.1\r\nHost: local").await.unwrap();
    let mut idle = machine.connect("api", None).await.unwrap();
    let mut bodiless = machine.connect("api", None).await.unwrap();
    let headers = format!("{}Content-Type: application/json\r\nContent-Length: 100", machine.shop());
    let half = format!("POST /v1/registrations HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n{{\"acc");
    bodiless.write_all(half.as_bytes()).await.unwrap();

    assert_eq!(machine.get("/health").await.status, 200);
    // How each is closed does not matter; that it waits no longer is what `rest` tells.
    for stream in [&mut headless, &mut idle] {
        assert!(!matches!(rest(stream).await, Err(error) if error.kind() == std::io::ErrorKind::TimedOut));
    }
    assert!(!matches!(rest(&mut silent).await, Err(error) if error.kind() == std::io::ErrorKind::TimedOut));
    let answer = exchange(&mut bodiless, "").await.unwrap();
    assert_eq!((answer.status, answer.reason().as_str()), (408, "unavailable"));
    assert_eq!(answer.json()["advice"], "start-again", "it may have come about");
    assert_eq!(machine.get("/health").await.status, 200);
}

#[tokio::test]
async fn one_connection_too_many_is_closed_until_there_is_a_place() {
    let machine = Machine::start("limits = { connections = 3, head_ms = 60000 }").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(machine.connect("api", None).await.unwrap());
    }
    assert!(machine.connect("api", None).await.is_err());
    held.pop();
    let again = async {
        while machine.connect("api", None).await.is_err() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(machine::PATIENCE, again).await.unwrap();
    drop(held);
}

#[tokio::test]
async fn a_stranger_stays_for_a_while_and_a_service_for_longer() {
    let limits = "limits = { stranger_s = 2, head_ms = 60000, per_address_per_minute = 1000 }";
    let machine = Machine::start(limits).await;
    let mut silent = machine.connect("api", None).await.unwrap();
    let mut stranger = machine.connect("api", None).await.unwrap();
    let mut service = machine.connect("api", None).await.unwrap();
    let asking = kept("GET", "/v1/accounts/nobody", &machine.shop());
    service.write_all(asking.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    service.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 404");
    // However often a stranger asks.
    let until = Instant::now() + machine::PATIENCE;
    while stranger.write_all(kept("GET", "/health", "").as_bytes()).await.is_ok()
        && timeout(machine::PATIENCE, stranger.read(&mut [0; 4096])).await.is_ok_and(asked)
    {
        assert!(Instant::now() < until, "it is never closed");
        sleep(Duration::from_millis(100)).await;
    }
    // Who asks for the first time now gets an answer at most.
    let _ = silent.write_all(kept("GET", "/health", "").as_bytes()).await;
    let closed = rest(&mut silent).await;
    assert!(!matches!(closed, Err(error) if error.kind() == std::io::ErrorKind::TimedOut));
    // The service came last: its time as a stranger would be over now, too.
    sleep(Duration::from_millis(1_500)).await;
    let again = request("GET", "/v1/accounts/nobody", &machine.shop(), "");
    service.write_all(again.as_bytes()).await.unwrap();
    let told = String::from_utf8(rest(&mut service).await.unwrap()).unwrap();
    assert_eq!(told.matches("HTTP/1.1 404").count(), 1, "{told}");
}

/// Whether there was an answer.
fn asked(read: std::io::Result<usize>) -> bool {
    read.is_ok_and(|bytes| bytes > 0)
}

#[tokio::test]
async fn what_has_no_route_is_counted_too() {
    let machine = Machine::start("limits = { per_address_per_minute = 4 }").await;
    for (method, path, status) in [
        ("GET", "/nowhere", 404),
        ("PUT", "/health", 405),
        ("GET", "/v1", 404),
        ("BREW", "/v1/registrations", 405),
        ("GET", "/nowhere", 429),
        ("PUT", "/health", 429),
        ("GET", "/health", 429),
    ] {
        assert_eq!(machine.ask(method, path, "", "").await.status, status, "{method} {path}");
    }
    // A service that names itself is not kept out by its neighbours.
    assert_eq!(machine.ask("GET", "/v1/accounts/nobody", &machine.shop(), "").await.reason(), "not-found");
}

#[tokio::test]
async fn keys_that_nobody_knows_are_looked_up_so_often() {
    let machine = Machine::start("limits = { per_address_per_minute = 100000 }").await;
    let mut stream = machine.connect("api", None).await.unwrap();
    let mut asking = String::new();
    for number in 0..200 {
        let key = vultus_protocol::api::to_text(&[number; 32]);
        let header = format!("Authorization: Bearer vk_{key}\r\n");
        asking.push_str(&kept("GET", "/v1/accounts/nobody", &header));
    }
    asking.push_str(&request("GET", "/v1/accounts/nobody", &machine.shop(), ""));
    // One after the other, as fast as they are answered.
    let (mut reading, mut writing) = tokio::io::split(&mut stream);
    let write = async { writing.write_all(asking.as_bytes()).await };
    let (_, told) = tokio::join!(write, rest(&mut reading));
    let told = String::from_utf8(told.unwrap()).unwrap();
    let (unknown, too_many) = (told.matches("HTTP/1.1 401").count(), told.matches("HTTP/1.1 429").count());
    assert!(unknown >= 20 && too_many > 0, "{unknown} and {too_many}");
    // Who is known by now is not kept out; who comes new from the same address may have to wait.
    let known = async {
        while machine.ask("GET", "/v1/accounts/nobody", &machine.shop(), "").await.reason() != "not-found" {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(machine::PATIENCE, known).await.unwrap();
}

#[tokio::test]
async fn a_client_of_the_registry_is_counted_by_its_certificate() {
    let (one, other) = (Identity::new(), Identity::new());
    let listed = format!("registry_clients = ['{}', '{}']", one.fingerprint(), other.fingerprint());
    let more = format!("registry_listen = '127.0.0.1:0'\n{listed}\nlimits = {{ per_service_per_s = 1 }}");
    let machine = Machine::start_for(&[&one, &other], &more).await;
    let body = json!({ "device_identity": DEVICE }).to_string();
    let headers = "Content-Type: application/json\r\n";
    let first = request("POST", "/registry/v1/status", headers, &body).replace("Connection: close\r\n", "");
    let mut stream = machine.connect("registry", Some(&one)).await.unwrap();
    let last = request("POST", "/registry/v1/status", headers, &body);
    stream.write_all([first.as_str(), &first, &first, &last].concat().as_bytes()).await.unwrap();
    let told = String::from_utf8(rest(&mut stream).await.unwrap()).unwrap();
    assert!(told.contains("unknown-device") && told.contains("HTTP/1.1 429"), "{told}");
    let mut stream = machine.connect("registry", Some(&other)).await.unwrap();
    assert_eq!(exchange(&mut stream, &last).await.unwrap().reason(), "unknown-device");
}

#[tokio::test]
async fn a_log_that_somebody_changed_is_not_signed() {
    let mut machine = Machine::start("instance = 'one'").await;
    let whole = machine.administer(&["audit", "verify"]);
    assert_eq!(whole["report"]["from_file"], 1, "the one of init");
    for device in [DEVICE, "BBBBBBBBBBBBBBBBBBBBBA"] {
        let opened = machine.ask_as_shop("POST", "/v1/registrations", &opening("alice", device)).await;
        assert_eq!(opened.status, 200);
    }
    let kept = std::fs::read_to_string(machine.folder.join("checkpoints.txt")).unwrap();
    machine.tamper("UPDATE audit SET at = at + 1 WHERE instance = 'one' AND sequence = 1").await;
    for command in ["verify", "checkpoint"] {
        let (status, told, _) = machine.attempt(&["audit", command]);
        assert_eq!(status, Some(1), "{command}: {told}");
        assert_eq!(told["report"]["broken"]["why"], "altered");
    }
    // What is cut off at the end leaves a chain that is whole, but not the one that was written.
    machine.tamper("UPDATE audit SET at = at - 1 WHERE instance = 'one' AND sequence = 1").await;
    machine.tamper("DELETE FROM audit WHERE instance = 'one' AND sequence = 2").await;
    machine.signal(Signal::TERM);
    assert!(machine.ended().await.success(), "{}", machine.log());
    assert!(machine.log().contains("not in the database as it was written"), "{}", machine.log());
    assert_eq!(std::fs::read_to_string(machine.folder.join("checkpoints.txt")).unwrap(), kept);
}

#[tokio::test]
async fn checkpoints_that_are_not_there_are_missed() {
    let machine = Machine::start("").await;
    let file = machine.folder.join("checkpoints.txt");
    let elsewhere = machine.folder.join("elsewhere.txt");
    std::fs::rename(&file, &elsewhere).unwrap();
    let (status, told, _) = machine.attempt(&["audit", "verify"]);
    assert_eq!(status, Some(2), "{told}");
    assert!(told["error"].as_str().unwrap().contains("checkpoints.txt"), "{told}");
    let without = machine.administer(&["audit", "verify", "--no-checkpoints"]);
    assert_eq!(without["report"]["from_file"], 0);
    let elsewhere = elsewhere.to_str().unwrap();
    let with = machine.administer(&["audit", "verify", "--checkpoints", elsewhere]);
    assert_eq!(with["report"]["from_file"], 1);
    machine.administer(&["audit", "checkpoint", "--no-checkpoints"]);
    assert!(machine.administer(&["audit", "verify"])["report"]["from_file"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn only_keys_that_the_own_file_vouches_for_are_believed() {
    let machine = Machine::start("").await;
    let exported = machine.folder.join("server-keys.txt");
    let exported = exported.to_str().unwrap();
    let keys = machine.folder.join("keys.toml");
    std::fs::rename(&keys, machine.folder.join("away.toml")).unwrap();
    let (status, told, _) = machine.attempt(&["audit", "verify"]);
    assert_eq!(status, Some(2), "{told}");
    machine.administer(&["audit", "verify", "--keys", exported]);
    // Those of another server, which vouch for nothing here.
    let other = Machine::start("").await;
    std::fs::copy(other.folder.join("keys.toml"), &keys).unwrap();
    let (status, told, _) = machine.attempt(&["audit", "verify"]);
    assert_eq!(status, Some(1), "{told}");
    assert_eq!(told["report"]["broken"]["why"], "forged");
    assert!(told["error"].as_str().unwrap().contains("--keys"), "{told}");
}

#[tokio::test]
async fn a_server_without_the_newest_keys_is_not_well() {
    let mut machine = Machine::start("limits = { per_address_per_minute = 1000 }").await;
    let (file, old) = (machine.folder.join("keys.toml"), machine.folder.join("old.toml"));
    std::fs::copy(&file, &old).unwrap();
    machine.administer(&["admin", "keys", "rotate"]);
    let new = std::fs::read(&file).unwrap();
    // As on another machine, to which nobody has copied the new file yet.
    std::fs::rename(&old, &file).unwrap();
    machine.signal(Signal::HUP);
    machine.wait(|machine| machine.log().contains("older keys end as it says")).await;
    let health = machine.get("/health").await;
    assert_eq!((health.status, health.reason().as_str()), (503, "unavailable"));
    assert_eq!(machine.ask_as_shop("POST", "/v1/registrations", &opening("alice", DEVICE)).await.status, 200);
    std::fs::write(&file, new).unwrap();
    machine.signal(Signal::HUP);
    machine.wait(|machine| machine.log().contains("published elsewhere are in use")).await;
    assert_eq!(machine.get("/health").await.status, 200);
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let limits = "limits = { per_address_per_minute = 2, per_device_per_minute = 1 }";
    let machine = Machine::start(limits).await;
    let waits = |answer: &Answer| {
        assert_eq!((answer.status, answer.reason().as_str()), (429, "rate-limited"), "{answer:?}");
        let seconds: u64 = answer.header("retry-after").parse().unwrap();
        assert!((1..=61).contains(&seconds), "{seconds}");
    };
    for _ in 0..2 {
        assert_eq!(machine.get("/health").await.status, 200);
    }
    waits(&machine.get("/health").await);
    // Wrong keys are counted by address too; good ones are not.
    waits(&machine.ask("GET", "/v1/accounts/a", "Authorization: Bearer vk_\r\n", "").await);
    let path = "/v1/registrations";
    assert_eq!(machine.ask_as_shop("POST", path, &opening("a", DEVICE)).await.status, 200);
    waits(&machine.ask_as_shop("POST", path, &opening("b", DEVICE)).await);
    let other = "BBBBBBBBBBBBBBBBBBBBBA";
    assert_eq!(machine.ask_as_shop("POST", path, &opening("a", other)).await.status, 200);
}

#[tokio::test]
async fn what_happens_is_counted() {
    let machine = Machine::start("").await;
    machine.get("/health").await;
    machine.get("/nowhere").await;
    machine.ask_as_shop("POST", "/v1/registrations", &opening("alice", DEVICE)).await;
    machine.ask_as_shop("POST", "/v1/authentications", &json!({ "device": DEVICE })).await;
    let mut stream = TcpStream::connect(machine.address("metrics")).await.unwrap();
    let answer = exchange(&mut stream, &request("GET", "/metrics", "", "")).await.unwrap();
    for line in [
        "vultus_server_requests_total{method=\"GET\",route=\"/health\",status=\"200\"} 1",
        "vultus_server_requests_total{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "vultus_server_ceremony_steps_total{kind=\"registration\",step=\"open\",outcome=\"done\"} 1",
        "{kind=\"authentication\",step=\"open\",outcome=\"unknown-account\"} 1",
        "vultus_server_request_seconds_count{route=\"/health\"} 1",
        "vultus_server_store_queue 0",
    ] {
        assert!(answer.body.contains(line), "{line} is not in\n{}", answer.body);
    }
    assert!(!answer.body.contains("alice") && !answer.body.contains(DEVICE));
    assert!(!machine.log().contains("alice") && !machine.log().contains("vk_"));
}

#[tokio::test]
async fn a_request_that_has_begun_is_finished_before_the_server_stops() {
    let mut machine = Machine::start("").await;
    let body = opening("alice", DEVICE).to_string();
    let headers = format!("{}Content-Type: application/json\r\n", machine.shop());
    let asking = request("POST", "/v1/registrations", &headers, &body);
    let (first, second) = asking.split_at(asking.len() - 10);
    let mut stream = machine.connect("api", None).await.unwrap();
    stream.write_all(first.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    // Long enough for the head to be read: a request that has not begun need not be finished.
    sleep(Duration::from_millis(500)).await;
    machine.signal(Signal::TERM);
    machine.wait(|machine| machine.log().contains("\"stopping\"")).await;
    let answer = exchange(&mut stream, second).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(machine.ended().await.success(), "{}", machine.log());
    assert!(machine.log().contains("\"stopped\""));
}

#[tokio::test]
async fn a_key_that_others_may_read_is_not_shown() {
    use std::os::unix::fs::PermissionsExt;

    let mut machine = Machine::start("").await;
    let key = machine.folder.join("tls-key.pem");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    machine.signal(Signal::HUP);
    machine.wait(|machine| machine.log().contains("its mode is 644")).await;
    assert_eq!(machine.get("/health").await.status, 200, "with the key that it has");
}

#[tokio::test]
async fn a_new_certificate_is_shown_without_a_new_start() {
    let mut machine = Machine::start("").await;
    let mut before = machine.connect("api", None).await.unwrap();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(machine.folder.join("tls-key.pem"), "no key").unwrap();
    machine.signal(Signal::HUP);
    machine.wait(|machine| machine.log().contains("stay as they were")).await;
    assert_eq!(machine.get("/health").await.status, 200);

    std::fs::write(machine.folder.join("tls-key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(machine.folder.join("tls.pem"), made.cert.pem()).unwrap();
    machine.signal(Signal::HUP);
    machine.wait(|machine| machine.log().contains("certificates were read again")).await;
    assert_eq!(machine.get("/health").await.status, 200);
    // Who was connected stays so.
    before.write_all(request("GET", "/health", "", "").as_bytes()).await.unwrap();
    let mut status = [0; 12];
    before.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
}
