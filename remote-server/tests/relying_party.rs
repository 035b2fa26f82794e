//! The sample relying party against a double of the authentication server (`relying_party/double.rs`). It is
//! a double at the edge, to have answers that the real server never gives: receipts by another key, of
//! another account, ceremony or transaction. The real server's own tests cover the way through both.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;
use vultus_protocol::api::{Refusal, to_text};
use vultus_remote_server::relying_party::{Configuration, Error, serve};

#[path = "relying_party/double.rs"]
mod double;

use double::{API_KEY, DEVICE, Double, SERVICE, Signer, Twist, certificate, start, write};

struct Shop {
    base: String,
    http: reqwest::Client,
    double: Arc<Double>,
    stop: watch::Sender<bool>,
    served: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

/// A double and the files of a shop that is to talk to it.
async fn prepare(folder: &Path) -> (Arc<Double>, Configuration, reqwest::Client) {
    let double = Double::new();
    let (double_tls, _) = certificate(folder, "server");
    let (tls, http) = certificate(folder, "shop");
    let api_key_file = folder.join("api.key");
    write(&api_key_file, &format!("{API_KEY}\n"), 0o600);
    let configuration = Configuration {
        listen: "127.0.0.1:0".parse().unwrap(),
        service: SERVICE.to_owned(),
        api: format!("https://{}", start(&double, &double_tls).await),
        ca: double_tls.certificate,
        api_key_file,
        tls,
    };
    (double, configuration, http)
}

async fn shop() -> Shop {
    let folder = tempfile::tempdir().unwrap();
    let (double, configuration, http) = prepare(folder.path()).await;
    let (stop, stopped) = watch::channel(false);
    let (address, served) = serve(configuration, stopped).await.unwrap();
    let served = tokio::spawn(served);
    Shop { base: format!("https://{address}"), http, double, stop, served, _folder: folder }
}

impl Shop {
    fn post(&self, path: &str, body: &Value) -> reqwest::RequestBuilder {
        self.http.post(format!("{}{path}", self.base)).json(body)
    }

    async fn ask(&self, path: &str, body: Value) -> (u16, Value) {
        answer(self.post(path, &body)).await
    }

    /// Opens a ceremony that must open, and gives its name.
    async fn open(&self, path: &str, body: Value) -> String {
        let (status, opened) = self.ask(path, body).await;
        assert_eq!(status, 200, "{opened}");
        assert_eq!(opened["packet"], to_text(b"info"));
        opened["ceremony"].as_str().unwrap().to_owned()
    }

    async fn complete(&self, path: &str, ceremony: &str) -> (u16, Value) {
        self.ask(&format!("{path}/{ceremony}"), json!({ "packet": to_text(b"request") })).await
    }

    async fn dance(&self, path: &str, body: Value) -> (u16, Value) {
        let ceremony = self.open(path, body).await;
        self.complete(path, &ceremony).await
    }

    async fn log_in(&self, account: &str) -> String {
        let (status, told) = self.dance("/api/login", login(Some(account))).await;
        assert_eq!(status, 200, "{told}");
        told["session"].as_str().unwrap().to_owned()
    }

    async fn view(&self) -> Value {
        let (status, view) = answer(self.http.get(format!("{}/api/events", self.base))).await;
        assert_eq!(status, 200);
        view
    }

    async fn last_event(&self) -> Value {
        self.view().await["events"].as_array().unwrap().last().unwrap().clone()
    }
}

async fn answer(request: reqwest::RequestBuilder) -> (u16, Value) {
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

fn login(account: Option<&str>) -> Value {
    match account {
        Some(account) => json!({ "device": to_text(&DEVICE), "account": account }),
        None => json!({ "device": to_text(&DEVICE) }),
    }
}

fn registration(account: &str) -> Value {
    json!({ "account": account, "device": to_text(&DEVICE) })
}

fn payment(amount: &str, to: &str) -> Value {
    json!({ "device": to_text(&DEVICE), "account": "alice", "amount": amount, "to": to })
}

/// An application's refusal: an advice and a sentence, and nothing else.
fn assert_refused(told: &Value, advice: &str) {
    let names: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names, ["advice", "message"], "{told}");
    assert_eq!(told["advice"], advice, "{told}");
}

#[tokio::test]
async fn a_login_makes_a_session() {
    let shop = shop().await;
    let ceremony = shop.open("/api/login", login(None)).await;
    let packet = json!({ "packet": to_text(b"request") });
    let answer = shop.post(&format!("/api/login/{ceremony}"), &packet).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    for part in
        ["__Host-session=", "; Secure", "; HttpOnly", "; SameSite=Strict", "; Path=/", "; Max-Age=900"]
    {
        assert!(cookie.contains(part), "{part}");
    }
    let told: Value = answer.json().await.unwrap();
    assert_eq!(told["account"], "alice");
    let session = told["session"].as_str().unwrap();
    let view = shop.view().await;
    assert_eq!(view["sessions"][0]["account"], "alice");
    let last = shop.last_event().await;
    assert_eq!((last["outcome"].as_str(), last["account"].as_str()), (Some("accepted"), Some("alice")));
    let all = view.to_string();
    for hidden in [session, &to_text(&DEVICE), &ceremony, &to_text(b"info"), told["packet"].as_str().unwrap()]
    {
        assert!(!all.contains(hidden), "{hidden} is on the page");
    }
    let steps: Vec<_> =
        view["events"].as_array().unwrap().iter().map(|e| e["step"].as_str().unwrap()).collect();
    assert_eq!(steps, ["510", "520", "520", "610", "610", "530", "540", "550", "620", "620", "630", "630"]);
}

#[tokio::test]
async fn a_receipt_that_does_not_hold_makes_no_session() {
    let shop = shop().await;
    for (twist, reason) in [
        (Twist::AnotherKey, "unknown-key"),
        (Twist::AnotherKind, "bad-signature"),
        (Twist::AnotherCeremony, "misdirected"),
        (Twist::AnotherService, "misdirected"),
        (Twist::AnotherServer, "misdirected"),
        (Twist::AnotherAccount, "misdirected"),
        (Twist::AnotherDevice, "misdirected"),
        (Twist::AnotherTransaction, "misdirected"),
        (Twist::AnotherCeremonyBeside, "misdirected"),
        (Twist::AnotherAccountBeside, "misdirected"),
        (Twist::Garbage, "malformed"),
    ] {
        shop.double.twist(twist);
        let ceremony = shop.open("/api/login", login(Some("alice"))).await;
        let (status, told) = shop.complete("/api/login", &ceremony).await;
        assert_eq!(status, 403, "{twist:?}: {told}");
        assert_refused(&told, "refused");
        let last = shop.last_event().await;
        assert_eq!(
            (last["outcome"].as_str(), last["reason"].as_str()),
            (Some("refused"), Some(reason)),
            "{twist:?}"
        );
        assert_eq!(shop.view().await["sessions"], json!([]), "{twist:?}");
        shop.double.twist(Twist::Honest);
        assert_eq!(shop.complete("/api/login", &ceremony).await.0, 409, "the server's code is used up");
    }
}

#[tokio::test]
async fn a_payment_is_of_the_text_that_the_shop_composed() {
    let shop = shop().await;
    let (status, told) = shop.dance("/api/pay", payment("12.34", "Bob's Books")).await;
    assert_eq!(status, 200);
    assert_eq!(told["paid"], "Pay 12.34 EUR to Bob's Books");
    let asked: Vec<_> = shop.double.asked.lock().unwrap().values().map(|a| a.transaction.clone()).collect();
    assert_eq!(asked, [Some("Pay 12.34 EUR to Bob's Books".to_owned())]);
    assert_eq!(shop.view().await["sessions"], json!([]), "a payment is no login");

    shop.double.twist(Twist::AnotherTransaction);
    let (status, told) = shop.dance("/api/pay", payment("12.34", "Bob's Books")).await;
    assert_eq!(status, 403);
    assert_refused(&told, "refused");
    for (amount, to) in
        [("12,34", "Bob"), ("-1.00", "Bob"), ("1.00", ""), ("1.00", "B\u{202e}ob"), ("1.00", "a\nb")]
    {
        let (status, told) = shop.ask("/api/pay", payment(amount, to)).await;
        assert_eq!(status, 400, "{amount} {to:?}");
        assert_refused(&told, "refused");
    }
}

#[tokio::test]
async fn an_application_gets_the_advice_alone() {
    let shop = shop().await;
    for (reason, status, advice) in [
        (Refusal::FeatureTokenChanged, 403, "refused"),
        (Refusal::DeviceRevoked, 403, "refused"),
        (Refusal::UnknownAccount, 403, "refused"),
        (Refusal::Unauthorised, 403, "refused"),
        (Refusal::CodeUsed, 409, "start-again"),
        (Refusal::Expired, 409, "start-again"),
        (Refusal::RateLimited, 503, "later"),
    ] {
        shop.double.twist(Twist::Honest);
        let ceremony = shop.open("/api/login", login(Some("alice"))).await;
        shop.double.twist(Twist::Refuse(reason));
        let opened = shop.ask("/api/login", login(Some("alice"))).await;
        let completed = shop.complete("/api/login", &ceremony).await;
        for (got, told) in [opened, completed] {
            assert_eq!(got, status, "{reason:?}");
            assert_refused(&told, advice);
            assert!(!told.to_string().contains(&reason.to_string()), "{told}");
        }
        assert_eq!(shop.last_event().await["reason"], reason.word());
    }
}

#[tokio::test]
async fn another_face_needs_a_session_of_the_account() {
    let shop = shop().await;
    let (status, told) = shop.dance("/api/register", registration("alice")).await;
    assert_eq!((status, told["account"].as_str()), (200, Some("alice")));
    assert!(told["at"].is_u64() && told["packet"].is_string());

    shop.double.take("alice");
    let (status, told) = shop.ask("/api/register", registration("alice")).await;
    assert_eq!(status, 401);
    assert_refused(&told, "refused");
    assert_eq!(shop.last_event().await["reason"], "no-session");

    let (own, other) = (shop.log_in("alice").await, shop.log_in("bob").await);
    for (name, value, expected) in [
        ("authorization", format!("Bearer {own}"), 200),
        ("authorization", format!("Bearer {other}"), 401),
        ("authorization", format!("Bearer {own}x"), 401),
        ("authorization", own.clone(), 401),
        ("cookie", format!("a=b; __Host-session={own}"), 200),
        ("cookie", format!("session={own}"), 401),
    ] {
        let request = shop.post("/api/register", &registration("alice")).header(name, value);
        assert_eq!(answer(request).await.0, expected, "{name}");
    }
}

#[tokio::test]
async fn an_account_that_was_taken_meanwhile_stays_with_who_took_it() {
    let shop = shop().await;
    let ceremony = shop.open("/api/register", registration("alice")).await;
    shop.double.take("alice");
    let (status, told) = shop.complete("/api/register", &ceremony).await;
    assert_eq!(status, 401);
    assert_refused(&told, "refused");
}

#[tokio::test]
async fn a_name_stays_reserved_while_nobody_knows_whether_it_was_taken() {
    let shop = shop().await;
    let first = shop.open("/api/register", registration("alice")).await;
    let second = shop.open("/api/register", registration("alice")).await;
    shop.double.twist(Twist::Refuse(Refusal::Unavailable));
    let (status, told) = shop.complete("/api/register", &first).await;
    assert_eq!(status, 503);
    assert_refused(&told, "later");
    shop.double.twist(Twist::Honest);
    let completed = shop.complete("/api/register", &second).await;
    let opened = shop.ask("/api/register", registration("alice")).await;
    for (status, told) in [completed, opened] {
        assert_eq!(status, 503, "{told}");
        assert_refused(&told, "later");
        assert_eq!(shop.last_event().await["reason"], "reserved");
    }
    // Other names are free, and so is this one for the ceremony that nobody heard of.
    assert_eq!(shop.dance("/api/register", registration("bob")).await.0, 200);
    assert_eq!(shop.complete("/api/register", &first).await.0, 200);
    // It is known now what came of it: the server says whose the name is.
    shop.double.take("alice");
    assert_eq!(shop.complete("/api/register", &second).await.0, 401);
}

#[tokio::test]
async fn a_definite_refusal_reserves_nothing() {
    let shop = shop().await;
    let first = shop.open("/api/register", registration("alice")).await;
    shop.double.twist(Twist::Refuse(Refusal::DeviceRevoked));
    assert_eq!(shop.complete("/api/register", &first).await.0, 403);
    shop.double.twist(Twist::Honest);
    assert_eq!(shop.dance("/api/register", registration("alice")).await.0, 200);
}

#[tokio::test]
async fn account_names_cannot_leave_their_path() {
    let shop = shop().await;
    for name in ["a/../b", "a?b#c", "%2e%2e", "Alice Äpfel"] {
        shop.open("/api/register", registration(name)).await;
        assert_eq!(shop.double.looked_up.lock().unwrap().pop().unwrap(), name);
    }
    for name in [".", "..", "", "a\u{7}", &"a".repeat(129)] {
        assert_eq!(shop.ask("/api/register", registration(name)).await.0, 400, "{name:?}");
    }
}

#[tokio::test]
async fn deregistration_ends_the_sessions() {
    let shop = shop().await;
    shop.log_in("alice").await;
    shop.log_in("bob").await;
    let (status, _) = shop.dance("/api/deregister", registration("alice")).await;
    assert_eq!(status, 200);
    let view = shop.view().await;
    let sessions = view["sessions"].as_array().unwrap();
    assert_eq!((sessions.len(), sessions[0]["account"].as_str()), (1, Some("bob")));
}

#[tokio::test]
async fn a_ceremony_is_completed_once() {
    let shop = shop().await;
    let ceremony = shop.open("/api/login", login(Some("alice"))).await;
    let (one, two) =
        tokio::join!(shop.complete("/api/login", &ceremony), shop.complete("/api/login", &ceremony));
    let mut statuses = [one.0, two.0];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    let (status, told) = shop.complete("/api/login", &ceremony).await;
    assert_eq!(status, 409);
    assert_refused(&told, "start-again");
    assert_eq!(shop.view().await["sessions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn unknown_ceremonies_are_refused() {
    let shop = shop().await;
    let ceremony = shop.open("/api/login", login(Some("alice"))).await;
    for path in ["/api/pay", "/api/register", "/api/deregister"] {
        let (status, told) = shop.complete(path, &ceremony).await;
        assert_eq!(status, 404, "{path}");
        assert_refused(&told, "start-again");
    }
    assert_eq!(shop.complete("/api/login", &to_text(&[1; 16])).await.0, 404);
    assert_eq!(shop.complete("/api/login", "nonsense").await.0, 400);
    assert_eq!(shop.complete("/api/login", &ceremony).await.0, 200);
}

#[tokio::test]
async fn the_server_says_whether_another_packet_may_do() {
    let shop = shop().await;
    let ceremony = shop.open("/api/login", login(Some("alice"))).await;
    shop.double.twist(Twist::Refuse(Refusal::Unavailable));
    let (status, told) = shop.complete("/api/login", &ceremony).await;
    assert_eq!(status, 503);
    assert_refused(&told, "later");
    shop.double.twist(Twist::Honest);
    assert_eq!(shop.complete("/api/login", &ceremony).await.0, 200);
}

#[tokio::test]
async fn rotated_keys_count_where_a_pinned_key_signed_them() {
    let shop = shop().await;
    let (old, new) = (shop.double.signer.lock().unwrap().clone(), Arc::new(Signer::new()));
    *shop.double.signer.lock().unwrap() = new.clone();
    shop.double.published.lock().unwrap().push(new.set(2, &[new.public]));
    let (status, _) = shop.dance("/api/login", login(Some("alice"))).await;
    assert_eq!(status, 403, "a new key vouches for itself alone");
    assert_eq!(shop.last_event().await["reason"], "unknown-key");

    *shop.double.published.lock().unwrap() =
        vec![old.set(1, &[old.public]), old.set(2, &[old.public, new.public])];
    shop.log_in("alice").await;
    *shop.double.signer.lock().unwrap() = old;
    shop.log_in("alice").await;
}

#[tokio::test]
async fn the_page_runs_what_is_compiled_in_and_nothing_else() {
    let shop = shop().await;
    let answer = shop.http.get(format!("{}/", shop.base)).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let policy = answer.headers()["content-security-policy"].to_str().unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none'; script-src 'sha256-"), "{policy}");
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
    assert_eq!(answer.headers()["cache-control"], "no-store");
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("text/html"));
    assert!(answer.text().await.unwrap().contains("A real shop checks its own login"));
}

#[tokio::test]
async fn requests_have_bounds() {
    let shop = shop().await;
    let large = json!({ "device": to_text(&DEVICE), "account": "a".repeat(40 * 1024) });
    let (status, told) = shop.ask("/api/login", large).await;
    assert_eq!(status, 413);
    assert_refused(&told, "refused");
    for body in
        [json!({}), json!([]), json!({ "device": "?" }), json!({ "device": to_text(&DEVICE), "more": 1 })]
    {
        let (status, told) = shop.ask("/api/login", body.clone()).await;
        assert_eq!(status, 400, "{body}");
        assert_refused(&told, "refused");
    }
    let form = shop.http.post(format!("{}/api/login", shop.base)).header("content-type", "text/plain");
    assert_eq!(answer(form.body(login(None).to_string())).await.0, 400, "a browser's form is none of ours");
    for (path, status) in [("/api/login", 405), ("/elsewhere", 404)] {
        let (got, told) = answer(shop.http.get(format!("{}{path}", shop.base))).await;
        assert_eq!(got, status);
        assert_refused(&told, "refused");
    }
}

#[tokio::test]
async fn the_page_holds_the_last_hundred_events() {
    let shop = shop().await;
    for _ in 0..21 {
        shop.open("/api/login", login(Some("alice"))).await;
    }
    let view = shop.view().await;
    let events = view["events"].as_array().unwrap();
    assert_eq!((events.len(), events[0]["sequence"].as_u64()), (100, Some(6)));
}

#[tokio::test]
async fn it_stops_when_told() {
    let shop = shop().await;
    shop.view().await;
    shop.stop.send(true).unwrap();
    tokio::time::timeout(std::time::Duration::from_secs(5), shop.served).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_key_that_others_may_read_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (_double, configuration, _) = prepare(folder.path()).await;
    let open = folder.path().join("open.key");
    write(&open, API_KEY, 0o600);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o640);
    std::fs::set_permissions(&open, mode).unwrap();
    let (_stop, stopped) = watch::channel(false);
    let started = serve(Configuration { api_key_file: open, ..configuration }, stopped).await;
    assert!(matches!(started, Err(Error::Unusable { .. })));
}

#[tokio::test]
async fn a_tls_key_that_others_may_read_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let (_double, configuration, _) = prepare(folder.path()).await;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(&configuration.tls.key, mode).unwrap();
    let (_stop, stopped) = watch::channel(false);
    assert!(matches!(serve(configuration, stopped).await, Err(Error::Unusable { .. })));
}

#[tokio::test]
async fn a_server_of_another_certificate_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let (_double, configuration, _) = prepare(folder.path()).await;
    let (other, _) = certificate(folder.path(), "other");
    let (_stop, stopped) = watch::channel(false);
    let started = serve(Configuration { ca: other.certificate, ..configuration }, stopped).await;
    assert!(matches!(started, Err(Error::Keys(Refusal::Unavailable))));
}
