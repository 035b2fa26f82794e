//! Everything that a device, a server and a shop refuse, and the word for it: real parts, one machine, one
//! server. A packet from the future is not here: nothing of ours issues one, and no clock is turned for it;
//! the tests of `vultus_protocol` have it.

use std::error::Error;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};
use vultus_protocol::api::to_text;
use vultus_tests::backend::{
    AUTHENTICATIONS, Answer, Backend, DEREGISTRATIONS, Https, REGISTRATIONS, events, last_refusal,
};
use vultus_tests::device::{
    self, Account, HERSELF, NOBODY, Order, STRANGER, perform, perform_as, perform_meanwhile, refusal, remote,
    said, shop, to_server, towards,
};
use vultus_tests::machine::{ALICE, BOB, Machine, PASSWORD};
use vultus_tests::process::{Finished, wait_until};
use vultus_tests::server::{OTHER, Plan, SHOP, Server, accepted};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SERVER: &str = "auth.example";
/// The shortest that a server may be told.
const SHORTEST_WINDOW_S: u64 = 5;
/// One byte more than a packet may have on the bus.
const OVERSIZE: usize = 6 * 1024 + 1;

/// One machine, its server, and the device's identity there; Alice has an account at the shop.
struct Scene {
    machine: Machine,
    server: Server,
    identity: String,
}

#[test]
fn each_refusal_has_its_word() -> Result {
    let machine = device::alices_machine()?;
    let plan = Plan::new(SERVER, vec![machine.endorsement_roots()]);
    let server = Server::start(machine.path("server"), plan)?;
    let identity = device::enrol_device(&machine, &server)?;
    let mut scene = Scene { machine, server, identity };
    said(&scene.at_shop(&["register", "alice"])?, 0)?;

    a_strangers_face_signs_nothing(&scene)?;
    what_is_no_packet(&scene)?;
    packets_of_another_kind(&scene)?;
    packets_of_another_server(&scene)?;
    packets_for_another_device(&scene)?;
    packets_for_another_user(&scene)?;
    nobody_registers_for_alice(&scene)?;
    another_text_is_not_agreed_to(&scene)?;
    what_was_not_typed_is_not_sent(&scene)?;
    answers_that_were_altered_or_misused(&scene)?;
    answers_of_another_service(&scene)?;
    a_code_that_was_used(&scene)?;
    whoever_is_suspended(&scene)?;
    one_key_for_each_ceremony(&scene)?;
    receipts_that_come_again(&scene)?;
    an_account_that_is_removed_meanwhile(&scene)?;
    a_face_that_was_enrolled_anew(&scene)?;
    a_window_that_has_passed(&mut scene)?;
    a_server_without_roots(&scene)?;
    a_server_that_is_pinned_no_more(&scene)?;
    // The last, since it is final.
    a_revoked_device_and_its_tpm(&scene)?;
    let verified = scene.server.verify_audit()?;
    assert_eq!(verified.status, 0, "{verified:?}");
    Ok(())
}

impl Scene {
    fn at_shop(&self, action: &[&str]) -> Result<Finished> {
        shop(&self.machine, &self.server, action, "")
    }

    fn backend(&self) -> Result<Backend> {
        Backend::of(&self.server, SHOP)
    }

    fn device(&self) -> Result<String> {
        towards(&self.machine, &self.server, SHOP)
    }

    /// The body that opens a ceremony for Alice on this device.
    fn wish(&self) -> Result<Value> {
        Ok(json!({ "account": "alice", "device": self.device()? }))
    }

    /// Opens an authentication, by the shop's backend.
    fn opened(&self) -> Result<Answer> {
        self.backend()?.open(AUTHENTICATIONS, &self.wish()?)?.accepted()
    }

    /// The same, with a text that the person is to agree to.
    fn asked_to_agree(&self, text: &str) -> Result<Answer> {
        let mut wish = self.wish()?;
        wish["transaction"] = text.into();
        self.backend()?.open(AUTHENTICATIONS, &wish)?.accepted()
    }

    /// What the command says where the shop hands on this packet.
    fn at_crooked_shop(&self, opened: &Answer, action: &[&str]) -> Result<Finished> {
        let port = crooked_shop(&self.machine.path("server"), opened.body.to_string())?;
        let (url, ca) = (format!("https://127.0.0.1:{port}"), self.server.ca());
        let ca = ca.to_str().ok_or("a path is not text")?;
        let mut words = vec!["--json", "account"];
        words.extend(action);
        words.extend(["--server", SERVER, "--service", SHOP, "--shop", &url, "--ca", ca]);
        Ok(self.machine.vultus(ALICE, &words, "")?)
    }

    /// The word of a ceremony that signs nothing.
    fn unsigned(&self, user: &str, order: Order<'_>) -> Result<String> {
        let ending = perform(&self.machine, user, order)?;
        assert!(ending.packet.is_empty() && ending.shown.is_empty(), "{ending:?}");
        Ok(ending.word)
    }

    fn signed(&self, opened: &Answer) -> Result<Vec<u8>> {
        perform(&self.machine, "alice", Order::Authenticate(&opened.packet()?))?.signed()
    }

    fn completed(&self, opened: &Answer, packet: &[u8]) -> Result<Answer> {
        self.backend()?.complete(AUTHENTICATIONS, opened.text("ceremony"), packet)
    }

    /// Registers Alice by a backend that asks for no session; the receipt, which the device has not seen yet.
    fn registered(&self) -> Result<Vec<u8>> {
        let opened = self.backend()?.open(REGISTRATIONS, &self.wish()?)?.accepted()?;
        let sealed = perform(&self.machine, "alice", Order::Register(&opened.packet()?))?.signed()?;
        let ceremony = opened.text("ceremony");
        self.backend()?.complete(REGISTRATIONS, ceremony, &sealed)?.accepted()?.packet()
    }

    /// Nothing stands between Alice and the shop.
    fn all_is_well(&self) -> Result {
        assert_eq!(said(&self.at_shop(&["authenticate", "alice"])?, 0)?["result"], "authenticated");
        Ok(())
    }

    /// The shop refuses Alice, and the device has signed nothing: the reason that the shop was given.
    fn turned_away(&self) -> Result<String> {
        let told = said(&self.at_shop(&["authenticate", "alice"])?, 1)?;
        assert_eq!((&told["result"], &told["signed"]), (&json!("refused"), &json!(false)), "{told}");
        last_refusal(&self.server)
    }

    fn admin(&self, action: &[&str]) -> Result {
        accepted(&self.server.admin(action)?)
    }
}

fn a_strangers_face_signs_nothing(scene: &Scene) -> Result {
    scene.machine.play(STRANGER)?;
    let told = said(&scene.at_shop(&["authenticate", "alice"])?, 1)?;
    assert_eq!((&told["result"], &told["signed"]), (&json!("verify-no-match"), &json!(false)));
    let opened = scene.opened()?;
    let word = scene.unsigned("alice", Order::Authenticate(&opened.packet()?))?;
    assert_eq!(word, "verify-no-match");
    let steps = events(&scene.server)?;
    assert!(!steps.iter().any(|step| step["step"] == "550"), "the shop got a packet: {steps:?}");
    scene.machine.play(HERSELF)?;
    scene.all_is_well()
}

/// Refused by `vultusd` or by the vault, which lives on.
fn what_is_no_packet(scene: &Scene) -> Result {
    let garbage: [&[u8]; 5] = [&[], &[0xff], &[0; 300], &[0xd2; OVERSIZE - 1], b"not a packet"];
    for bytes in garbage {
        for order in [Order::Register(bytes), Order::Authenticate(bytes), Order::Deregister(bytes)] {
            assert_eq!(scene.unsigned("alice", order)?, "packet-rejected", "{} bytes", bytes.len());
        }
        let keys = remote(&scene.machine, async |remote| remote.update_server_keys(bytes).await)?;
        assert_eq!(refused(keys)?, "PacketRejected");
        let challenge = remote(&scene.machine, async |remote| remote.answer_device_challenge(bytes).await)?;
        assert_eq!(refused(challenge)?, "PacketRejected");
        let receipt = remote(&scene.machine, async |remote| remote.finish_registration(bytes).await)?;
        assert_eq!(refused(receipt)?, "PacketRejected");
    }
    let oversize = vec![0xd2; OVERSIZE];
    assert_eq!(scene.unsigned("alice", Order::Authenticate(&oversize))?, "InvalidArgument");
    let keys = remote(&scene.machine, async |remote| remote.update_server_keys(&oversize).await)?;
    assert_eq!(refused(keys)?, "InvalidArgument");
    let wrong: [(&[u8], &str); 4] = [(&[0; 15], "a"), (&[0; 65], "a"), (&[0; 16], ""), (&[0; 16], "a b")];
    for (nonce, audience) in wrong {
        assert_eq!(scene.unsigned("alice", Order::Assert { nonce, audience })?, "InvalidArgument");
    }
    let status = scene.machine.vultus(ALICE, &["status"], "")?;
    assert_eq!(status.status, 0, "{status:?}");
    scene.all_is_well()
}

/// The name of the bus's error.
fn refused<T>(answer: zbus::Result<T>) -> Result<String> {
    refusal(answer.err().ok_or("it was not refused")?)
}

/// What opens one ceremony opens no other, though their contents look alike.
fn packets_of_another_kind(scene: &Scene) -> Result {
    let registration = scene.backend()?.open(REGISTRATIONS, &scene.wish()?)?.accepted()?.packet()?;
    let authentication = scene.opened()?.packet()?;
    let orders = [
        Order::Authenticate(&registration),
        Order::Deregister(&registration),
        Order::Register(&authentication),
        Order::Deregister(&authentication),
    ];
    for order in orders {
        assert_eq!(scene.unsigned("alice", order)?, "packet-rejected");
    }
    Ok(())
}

/// Of the same name, and with keys of its own.
fn packets_of_another_server(scene: &Scene) -> Result {
    let plan = Plan::new(SERVER, vec![scene.machine.endorsement_roots()]);
    let impostor = Server::start(scene.machine.path("impostor"), plan)?;
    let opened = Backend::of(&impostor, SHOP)?.open(REGISTRATIONS, &scene.wish()?)?.accepted()?;
    assert_eq!(scene.unsigned("alice", Order::Register(&opened.packet()?))?, "unpinned-key");
    let again = said(&to_server(&scene.machine, 0, &impostor, "enroll")?, 1)?;
    assert_eq!(again["result"], "refused", "what is sealed to one server another cannot open: {again}");
    // Its name is taken, and it may not change the keys of the one that has it.
    let file = impostor.key_set_file()?;
    let file = file.to_str().ok_or("a path is not text")?;
    assert_eq!(scene.machine.vultus(0, &["device", "pin", file], "")?.status, 2);
    Ok(())
}

/// The server cannot know whose a pairwise identity is; the device knows its own.
fn packets_for_another_device(scene: &Scene) -> Result {
    let wish = json!({ "account": "alice", "device": to_text(&[7; 16]) });
    let opened = scene.backend()?.open(REGISTRATIONS, &wish)?.accepted()?;
    assert_eq!(scene.unsigned("alice", Order::Register(&opened.packet()?))?, "packet-misdirected");
    // The device is called otherwise towards another service.
    let wish = json!({ "account": "alice", "device": scene.device()? });
    let opened = Backend::of(&scene.server, OTHER)?.open(REGISTRATIONS, &wish)?.accepted()?;
    assert_eq!(scene.unsigned("alice", Order::Register(&opened.packet()?))?, "packet-misdirected");
    let unknown = scene.backend()?.open(AUTHENTICATIONS, &json!({ "device": to_text(&[7; 16]) }))?;
    assert_eq!(unknown.reason(), "unknown-account");
    Ok(())
}

fn packets_for_another_user(scene: &Scene) -> Result {
    let opened = scene.opened()?;
    assert_eq!(scene.unsigned("bob", Order::Authenticate(&opened.packet()?))?, "not-registered");
    Ok(())
}

/// Not even root: the receipt would be nobody's to give.
fn nobody_registers_for_alice(scene: &Scene) -> Result {
    let opened = scene.backend()?.open(REGISTRATIONS, &scene.wish()?)?.accepted()?.packet()?;
    for order in [Order::Register(&opened), Order::Deregister(&opened)] {
        let ending = perform_as(&scene.machine, 0, "alice", order, None)?;
        assert_eq!((ending.word.as_str(), ending.asked.len()), ("PermissionDenied", 0));
    }
    // Nor Bob, who may not even claim the camera for her.
    let ending = perform_as(&scene.machine, BOB, "alice", Order::Register(&opened), None)?;
    assert_eq!(ending.word, "PermissionDenied");
    Ok(())
}

/// The vault compares the text that was agreed to with the one that the server signed.
fn another_text_is_not_agreed_to(scene: &Scene) -> Result {
    let opened = scene.asked_to_agree("Pay 99.00 EUR to Mallory")?;
    let packet = opened.packet()?;
    let order = Order::Authenticate(&packet);
    for other in ["Pay 9.00 EUR to Mallory", "Pay 99.00 EUR to Mallory\n", "yes"] {
        let ending = perform_as(&scene.machine, ALICE, "alice", order, Some(other))?;
        assert_eq!((ending.word.as_str(), ending.packet.len()), ("not-confirmed", 0), "{other:?}");
        assert_eq!(ending.asked, [[SERVER, SHOP, "alice"]]);
    }
    let ending = perform_as(&scene.machine, ALICE, "alice", order, None)?;
    assert_eq!(ending.shown, ["Pay 99.00 EUR to Mallory"]);
    scene.completed(&opened, &ending.signed()?)?.accepted()?;
    Ok(())
}

/// A shop may hand on another packet than the one that was asked for; the command does not answer it.
fn what_was_not_typed_is_not_sent(scene: &Scene) -> Result {
    let opened = scene.opened()?;
    let other = Backend::of(&scene.server, OTHER)?;
    let device = towards(&scene.machine, &scene.server, OTHER)?;
    let elsewhere =
        other.open(REGISTRATIONS, &json!({ "account": "alice", "device": device }))?.accepted()?;
    let paid = scene.asked_to_agree("Pay 99.00 EUR to Mallory")?;
    let pay = ["pay", "alice", "--amount", "9.00", "--to", "Mallory", "--yes"];
    let twists: [(&Answer, &[&str], &str); 4] = [
        (&opened, &["authenticate", "carol"], "another-request"),
        (&elsewhere, &["register", "alice"], "another-request"),
        (&paid, &pay, "another-request"),
        (&opened, &pay[..6], "no-transaction"),
    ];
    for (packet, action, word) in twists {
        let done = scene.at_crooked_shop(packet, action)?;
        let told = said(&done, 1)?;
        assert_eq!((&told["result"], &told["signed"]), (&json!(word), &json!(false)), "{action:?}: {done:?}");
    }
    // None of it was answered: the packet still serves.
    let signed = scene.signed(&opened)?;
    scene.completed(&opened, &signed)?.accepted()?;
    Ok(())
}

/// Answers one request with this body, whatever was asked, and is gone: its port. It shows the certificate
/// of the server of this folder.
fn crooked_shop(folder: &Path, body: String) -> Result<u16> {
    // Another part of this process may have chosen it before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain =
        CertificateDer::pem_file_iter(folder.join("tls.pem"))?.collect::<std::result::Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("tls-key.pem"))?;
    let configuration = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key)?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        // Where it fails, the command says that it had no answer.
        let _ = answer_once(&listener, Arc::new(configuration), &body);
    });
    Ok(port)
}

fn answer_once(listener: &TcpListener, configuration: Arc<ServerConfig>, body: &str) -> Result {
    let (stream, _) = listener.accept()?;
    let mut stream = StreamOwned::new(ServerConnection::new(configuration)?, stream);
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !is_whole(&request) {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err("no whole request".into());
        }
        request.extend_from_slice(&piece[..read]);
    }
    let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close";
    write!(stream, "{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    stream.flush()?;
    Ok(())
}

/// Whether a request is there to its last byte: one JSON object, which holds no line of its own.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    text.split_once("\r\n\r\n").is_some_and(|(_, body)| serde_json::from_str::<Value>(body).is_ok())
}

/// None of it uses the code up: the right answer still counts afterwards.
fn answers_that_were_altered_or_misused(scene: &Scene) -> Result {
    let (opened, other) = (scene.opened()?, scene.opened()?);
    let signed = scene.signed(&opened)?;
    for (packet, reason) in [
        (turned(&signed, signed.len() - 1), "bad-signature"),
        (turned(&signed, 0), "malformed"),
        (signed[..signed.len() - 1].to_vec(), "malformed"),
        (vec![0xd2; 20 * 1024], "oversize"),
        (Vec::new(), "malformed"),
    ] {
        assert_eq!(scene.completed(&opened, &packet)?.reason(), reason);
    }
    assert_eq!(scene.completed(&other, &signed)?.reason(), "misdirected");
    let answer = scene.backend()?.complete(REGISTRATIONS, opened.text("ceremony"), &signed)?;
    assert_eq!(answer.reason(), "malformed", "an authentication is no sealed registration");
    scene.completed(&opened, &signed)?.accepted()?;

    let opened = scene.backend()?.open(REGISTRATIONS, &scene.wish()?)?.accepted()?;
    let sealed = perform(&scene.machine, "alice", Order::Register(&opened.packet()?))?.signed()?;
    let altered = turned(&sealed, sealed.len() - 1);
    let answer = scene.backend()?.complete(REGISTRATIONS, opened.text("ceremony"), &altered)?;
    assert_eq!(answer.reason(), "not-opened");
    let receipt = scene.backend()?.complete(REGISTRATIONS, opened.text("ceremony"), &sealed)?.accepted()?;
    assert_eq!(device::finish(&scene.machine, "FinishRegistration", &receipt.packet()?)?.status, 0);
    scene.all_is_well()
}

fn turned(packet: &[u8], at: usize) -> Vec<u8> {
    let mut packet = packet.to_vec();
    packet[at] ^= 1;
    packet
}

/// A ceremony is of one service; and nobody without a key has any.
fn answers_of_another_service(scene: &Scene) -> Result {
    let opened = scene.opened()?;
    let signed = scene.signed(&opened)?;
    let other = Backend::of(&scene.server, OTHER)?;
    let answer = other.complete(AUTHENTICATIONS, opened.text("ceremony"), &signed)?;
    assert_eq!((answer.status, answer.reason()), (404, "unknown-ceremony"));
    let https = Https::new(&scene.server.ca())?;
    let url = format!("{}/v1/authentications", scene.server.api_url()?);
    for key in [None, Some("vk_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), Some("x")] {
        let answer = https.post(&url, key, &scene.wish()?)?;
        assert_eq!((answer.status, answer.reason()), (401, "unauthorised"), "{key:?}");
    }
    scene.completed(&opened, &signed)?.accepted()?;
    Ok(())
}

/// A packet that somebody else has brought to the server before the shop does.
fn a_code_that_was_used(scene: &Scene) -> Result {
    let https = Https::new(&scene.server.ca())?;
    let login = format!("{}/api/login", scene.server.shop_url()?);
    let opened = https.post(&login, None, &scene.wish()?)?.accepted()?;
    let signed = scene.signed(&opened)?;
    scene.completed(&opened, &signed)?.accepted()?;
    let again = scene.completed(&opened, &signed)?;
    assert_eq!((again.status, again.reason()), (409, "code-used"));

    let body = json!({ "packet": to_text(&signed) });
    let told = https.post(&format!("{login}/{}", opened.text("ceremony")), None, &body)?;
    assert_eq!((told.status, told.text("advice"), told.reason()), (409, "start-again", ""), "{told:?}");
    assert_eq!(last_refusal(&scene.server)?, "code-used", "the shop's own page has the reason");
    Ok(())
}

fn whoever_is_suspended(scene: &Scene) -> Result {
    // What was opened before is decided by what holds when it is completed.
    let opened = scene.opened()?;
    let signed = scene.signed(&opened)?;
    scene.admin(&["device", "suspend", &scene.identity])?;
    assert_eq!(scene.completed(&opened, &signed)?.reason(), "device-suspended");
    assert_eq!(scene.turned_away()?, "device-suspended");
    let again = said(&to_server(&scene.machine, 0, &scene.server, "enroll")?, 1)?;
    assert_eq!(again["result"], "refused", "a suspended TPM gets in by no new key: {again}");
    scene.admin(&["device", "resume", &scene.identity])?;
    scene.completed(&opened, &signed)?.accepted()?;
    scene.all_is_well()?;

    let opened = scene.opened()?;
    let signed = scene.signed(&opened)?;
    scene.admin(&["account", "suspend", "--service", SHOP, "alice"])?;
    assert_eq!(scene.completed(&opened, &signed)?.reason(), "account-suspended");
    assert_eq!(scene.turned_away()?, "account-suspended");
    scene.admin(&["account", "resume", "--service", SHOP, "alice"])?;
    scene.all_is_well()?;

    scene.admin(&["service", "suspend", OTHER])?;
    let other = Backend::of(&scene.server, OTHER)?;
    let wish = scene.wish()?;
    // What was known of a service a moment ago may count for a second.
    wait_until("the service is suspended", || {
        other.open(REGISTRATIONS, &wish).is_ok_and(|answer| answer.reason() == "unauthorised")
    })?;
    scene.admin(&["service", "resume", OTHER])?;
    wait_until("the service is resumed", || {
        other.open(REGISTRATIONS, &wish).is_ok_and(|answer| answer.status == 200)
    })?;
    Ok(())
}

/// A second key for it could not be told from the first by the receipt.
fn one_key_for_each_ceremony(scene: &Scene) -> Result {
    let opened = scene.backend()?.open(REGISTRATIONS, &scene.wish()?)?.accepted()?;
    let sealed = perform(&scene.machine, "alice", Order::Register(&opened.packet()?))?.signed()?;
    assert_eq!(scene.unsigned("alice", Order::Register(&opened.packet()?))?, "packet-misdirected");
    let receipt = scene.backend()?.complete(REGISTRATIONS, opened.text("ceremony"), &sealed)?.accepted()?;
    assert_eq!(device::finish(&scene.machine, "FinishRegistration", &receipt.packet()?)?.status, 0);
    scene.all_is_well()
}

/// A receipt is for the one key of its ceremony: it neither confirms nor wipes a newer one.
fn receipts_that_come_again(scene: &Scene) -> Result {
    let finish = |member: &str, receipt: &[u8]| device::finish(&scene.machine, member, receipt);
    let first = scene.registered()?;
    assert_eq!(finish("FinishRegistration", &first)?.status, 0);
    let opened = scene.backend()?.open(DEREGISTRATIONS, &scene.wish()?)?.accepted()?;
    let signed = perform(&scene.machine, "alice", Order::Deregister(&opened.packet()?))?.signed()?;
    let left = scene.backend()?.complete(DEREGISTRATIONS, opened.text("ceremony"), &signed)?.accepted()?;
    let left = left.packet()?;
    assert_eq!(finish("FinishDeregistration", &left)?.status, 0);
    assert_eq!(device::accounts(&scene.machine)?, []);

    let second = scene.registered()?;
    let waits = [Account { service: SHOP.into(), account: "alice".into(), confirmed: false }];
    for (member, old) in [("FinishRegistration", &first), ("FinishDeregistration", &left)] {
        let refused = finish(member, old)?;
        assert_ne!(refused.status, 0, "{member}: {refused:?}");
        assert_eq!(device::accounts(&scene.machine)?, waits, "{member}");
    }
    assert_eq!(finish("FinishRegistration", &second)?.status, 0);
    for (member, old) in [("FinishDeregistration", &left), ("FinishRegistration", &first)] {
        assert_ne!(finish(member, old)?.status, 0, "{member}");
    }
    // It says nothing new.
    assert_eq!(finish("FinishRegistration", &second)?.status, 0);
    scene.all_is_well()
}

/// While a person is awaited much can change: what was open before is not written back, and signs nothing.
fn an_account_that_is_removed_meanwhile(scene: &Scene) -> Result {
    let input = format!("{PASSWORD}\n");
    for kind in [DEREGISTRATIONS, AUTHENTICATIONS] {
        let opened = scene.backend()?.open(kind, &scene.wish()?)?.accepted()?.packet()?;
        let order =
            if kind == AUTHENTICATIONS { Order::Authenticate(&opened) } else { Order::Deregister(&opened) };
        scene.machine.play(NOBODY)?;
        let ending = perform_meanwhile(&scene.machine, order, || {
            let words = ["--password-stdin", "account", "remove", SERVER, SHOP, "alice"];
            let removed = scene.machine.vultus(ALICE, &words, &input)?;
            assert_eq!(removed.status, 0, "{removed:?}");
            scene.machine.play(HERSELF)
        })?;
        assert_eq!((ending.word.as_str(), ending.packet.len()), ("not-registered", 0), "{kind}");
        assert_eq!(device::accounts(&scene.machine)?, []);
        let receipt = scene.registered()?;
        assert_eq!(device::finish(&scene.machine, "FinishRegistration", &receipt)?.status, 0);
    }
    scene.all_is_well()
}

/// Whoever gets at the password may enrol a face; the accounts of the old one are not theirs.
fn a_face_that_was_enrolled_anew(scene: &Scene) -> Result {
    let input = format!("{PASSWORD}\n");
    let removed = scene.machine.vultus(ALICE, &["--password-stdin", "remove", "--all"], &input)?;
    assert_eq!(removed.status, 0, "{removed:?}");
    device::enrol_face(&scene.machine)?;
    let told = said(&scene.at_shop(&["authenticate", "alice"])?, 1)?;
    assert_eq!((&told["result"], &told["signed"]), (&json!("face-changed"), &json!(false)));

    // The shop wants a session of the account first, which this face cannot have.
    let told = said(&scene.at_shop(&["register", "alice"])?, 1)?;
    assert_eq!((&told["result"], &told["signed"]), (&json!("refused"), &json!(false)), "{told}");
    assert_eq!(last_refusal(&scene.server)?, "no-session");
    // A backend that asked for a password instead registers it.
    let receipt = scene.registered()?;
    assert_eq!(device::finish(&scene.machine, "FinishRegistration", &receipt)?.status, 0);
    scene.all_is_well()
}

/// By the server's clock on its side, by the device's own on the other.
fn a_window_that_has_passed(scene: &mut Scene) -> Result {
    let long = scene.server.plan.code_window_s;
    scene.server.restart(|plan| plan.code_window_s = SHORTEST_WINDOW_S)?;
    let (opened, stray) = (scene.opened()?, scene.opened()?);
    // The device takes a packet for a while longer, since either clock may be wrong.
    let signed = scene.signed(&opened)?;
    let of_another = scene.signed(&stray)?;
    // A packet that is not for it says what time it is, and uses nothing up.
    wait_until("the window has passed", || {
        scene.completed(&opened, &of_another).is_ok_and(|answer| answer.reason() == "expired")
    })?;
    let late = scene.completed(&opened, &signed)?;
    assert_eq!((late.status, late.reason()), (410, "expired"));

    // The same machine has the same clock: nothing need be tolerated.
    let machine = &mut scene.machine;
    fs::write(machine.path("vault.toml"), machine.vault_configuration("clock_tolerance_s = 0\n"))?;
    machine.kill_vault()?;
    machine.start_vault()?;
    assert_eq!(scene.unsigned("alice", Order::Authenticate(&opened.packet()?))?, "packet-expired");
    scene.server.restart(|plan| plan.code_window_s = long)?;
    scene.all_is_well()
}

/// It trusts no maker of TPMs, and enrols none.
fn a_server_without_roots(scene: &Scene) -> Result {
    let bare = Server::start(scene.machine.path("bare"), Plan::new("bare.example", Vec::new()))?;
    device::pin(&scene.machine, &bare)?;
    let request =
        remote(&scene.machine, async |remote| remote.begin_device_enrolment("bare.example").await)??;
    let body = json!({ "packet": to_text(&request) });
    let answer = Https::new(&bare.ca())?.post(&format!("{}/v1/devices", bare.api_url()?), None, &body)?;
    assert_eq!((answer.status, answer.reason()), (403, "untrusted-endorsement"));
    let told = said(&to_server(&scene.machine, 0, &bare, "enroll")?, 1)?;
    assert_eq!(told["result"], "refused", "{told}");
    let not_enrolled =
        remote(&scene.machine, async |remote| remote.get_device_information("bare.example", SHOP).await)?;
    assert_eq!(refused(not_enrolled)?, "DeviceNotEnrolled");
    Ok(())
}

fn a_server_that_is_pinned_no_more(scene: &Scene) -> Result {
    let opened = scene.opened()?;
    let unpinned = scene.machine.vultus(0, &["device", "unpin", SERVER], "")?;
    assert_eq!(unpinned.status, 0, "{unpinned:?}");
    assert_eq!(scene.unsigned("alice", Order::Authenticate(&opened.packet()?))?, "server-unknown");
    device::pin(&scene.machine, &scene.server)?;
    scene.all_is_well()
}

/// It stays out, and so does its TPM with any other key.
fn a_revoked_device_and_its_tpm(scene: &Scene) -> Result {
    let opened = scene.opened()?;
    let signed = scene.signed(&opened)?;
    scene.admin(&["device", "revoke", &scene.identity])?;
    assert_eq!(scene.completed(&opened, &signed)?.reason(), "device-revoked");
    assert_eq!(scene.turned_away()?, "device-revoked");
    let resumed = scene.server.admin(&["device", "resume", &scene.identity])?;
    assert_eq!(resumed.status, 1, "revocation is final: {resumed:?}");

    let request = remote(&scene.machine, async |remote| remote.begin_device_enrolment(SERVER).await)??;
    let body = json!({ "packet": to_text(&request) });
    let https = Https::new(&scene.server.ca())?;
    let answer = https.post(&format!("{}/v1/devices", scene.server.api_url()?), None, &body)?;
    assert_eq!((answer.status, answer.reason()), (403, "device-revoked"));
    // An enrolment that came to nothing leaves the device as it was.
    assert_eq!(scene.turned_away()?, "device-revoked");
    Ok(())
}
