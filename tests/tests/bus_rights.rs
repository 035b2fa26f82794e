//! Who may call what on a real bus with the real polkitd: every method for root, for the owner of an
//! active session, for somebody without one, and for a caller that has gone.

use std::collections::BTreeSet;
use std::error::Error;
use std::fs;
use std::path::Path;

use rustix::process::Signal;
use vultus_cli::bus::CameraProxy;
use vultus_daemon::authorisation::{CAMERA, MANAGER, REMOTE_INTERFACE as REMOTE, TABLE};
use vultus_daemon::bus::{MANAGER_PATH, NAME};
use vultus_tests::client::{self, block_on, refused};
use vultus_tests::machine::{ALICE, BOB, CAMERA as CAMERA_USER, CAMERA_ID, DAEMON, Machine, VAULT};
use vultus_tests::process::{PATIENCE, Process, system, wait_until};
use zbus::export::ordered_stream::OrderedStreamExt;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const CAMERA_PATH: &str = "/org/vultus/Vultus1/Camera/0";
/// What whoever is not allowed is told, and nothing more.
const DENIED: &str = "the caller may not do this";
const TAKEN: &str = "another caller has claimed the camera";

/// Whom polkit lets call a method.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Anybody,
    /// The user of an active session.
    Active,
    /// The same, after an agent of that session asked for the password.
    ActiveAsked,
}

/// What comes of a call that is allowed. `busctl` leaves the bus after each call, so that nothing is
/// claimed when the next one comes: that answer tells "allowed" from "denied" all the same.
#[derive(Clone, Copy)]
enum Outcome {
    Reply(&'static str),
    Refusal(&'static str),
}

const NOT_CLAIMED: Outcome = Outcome::Refusal("claim the camera first");
const NOT_PINNED: Outcome =
    Outcome::Refusal("no such server is pinned; root pins it with `vultus device pin`");
const REJECTED: Outcome = Outcome::Refusal("the packet is malformed, or its signature does not verify");
/// One byte, which is no packet.
const NO_PACKET: &[&str] = &["ay", "1", "0"];

/// One method, how to call it, and what should come of it. `ticket` adds 32 bytes that no password
/// redeemed.
struct Call {
    interface: &'static str,
    member: &'static str,
    arguments: &'static [&'static str],
    ticket: bool,
    who: Who,
    allowed: Outcome,
}

const fn call(
    interface: &'static str,
    member: &'static str,
    arguments: &'static [&'static str],
    who: Who,
    allowed: Outcome,
) -> Call {
    Call { interface, member, arguments, ticket: false, who, allowed }
}

const fn with_ticket(call: Call) -> Call {
    Call { ticket: true, ..call }
}

/// The rights as they are meant to be, written down once more: a row of the daemon's own table that
/// asks for less than here fails this test.
const CALLS: [Call; 32] = [
    call(MANAGER, "GetCameras", &[], Who::Anybody, Outcome::Reply("ao 1 ")),
    call(MANAGER, "GetDefaultCamera", &[], Who::Anybody, Outcome::Reply("o \"")),
    call(MANAGER, "GetStatus", &[], Who::Anybody, Outcome::Reply("sys \"ready\" 1 ")),
    call(MANAGER, "RequestTicket", &["ss", "", "enroll"], Who::Active, Outcome::Reply("ay 32 ")),
    with_ticket(call(
        MANAGER,
        "ClearLockout",
        &["say", ""],
        Who::ActiveAsked,
        Outcome::Refusal("a fresh password is needed first"),
    )),
    call(CAMERA, "Claim", &["s", ""], Who::Active, Outcome::Reply("")),
    call(CAMERA, "Release", &[], Who::Anybody, NOT_CLAIMED),
    call(CAMERA, "ShowsColours", &["b", "true"], Who::Active, NOT_CLAIMED),
    call(CAMERA, "VerifyStart", &[], Who::Active, NOT_CLAIMED),
    call(CAMERA, "VerifyStop", &[], Who::Anybody, NOT_CLAIMED),
    with_ticket(call(CAMERA, "EnrollStart", &["say", "x"], Who::ActiveAsked, NOT_CLAIMED)),
    call(CAMERA, "EnrollStop", &[], Who::Anybody, NOT_CLAIMED),
    call(CAMERA, "ListEnrolledFaces", &["s", ""], Who::Active, Outcome::Reply("a(ussy) 0")),
    with_ticket(call(CAMERA, "DeleteEnrolledFace", &["uay", "0"], Who::ActiveAsked, NOT_CLAIMED)),
    with_ticket(call(CAMERA, "DeleteEnrolledFaces", &["ay"], Who::ActiveAsked, NOT_CLAIMED)),
    call(CAMERA, "RegisterStart", NO_PACKET, Who::ActiveAsked, NOT_CLAIMED),
    call(CAMERA, "AuthenticateStart", NO_PACKET, Who::Active, NOT_CLAIMED),
    call(CAMERA, "DeregisterStart", NO_PACKET, Who::ActiveAsked, NOT_CLAIMED),
    call(CAMERA, "VerifyWithAssertionStart", &["ays", "1", "0", "app.example"], Who::Active, NOT_CLAIMED),
    call(CAMERA, "Confirm", &["s", "x"], Who::Anybody, NOT_CLAIMED),
    call(CAMERA, "CeremonyStop", &[], Who::Anybody, NOT_CLAIMED),
    call(REMOTE, "ListServers", &[], Who::ActiveAsked, Outcome::Reply("a(sts) 0")),
    call(REMOTE, "UpdateServerKeys", NO_PACKET, Who::Active, REJECTED),
    call(REMOTE, "GetDeviceInformation", &["ss", "a.example", "b.example"], Who::Active, NOT_PINNED),
    call(REMOTE, "BeginDeviceEnrolment", &["s", "a.example"], Who::ActiveAsked, NOT_PINNED),
    call(REMOTE, "AnswerDeviceChallenge", NO_PACKET, Who::ActiveAsked, REJECTED),
    call(REMOTE, "FinishDeviceEnrolment", NO_PACKET, Who::ActiveAsked, REJECTED),
    call(REMOTE, "ListAccounts", &["s", ""], Who::Active, Outcome::Reply("a(sssb) 0")),
    with_ticket(call(
        REMOTE,
        "RemoveAccount",
        &["ssssay", "", "a.example", "b.example", "alice"],
        Who::ActiveAsked,
        Outcome::Refusal("a fresh password is needed first"),
    )),
    call(REMOTE, "FinishRegistration", NO_PACKET, Who::Active, REJECTED),
    call(REMOTE, "FinishDeregistration", NO_PACKET, Who::Active, REJECTED),
    call(
        REMOTE,
        "GetAssertionKey",
        &["s", "app.example"],
        Who::Active,
        Outcome::Refusal("no assertion was signed for this audience yet"),
    ),
];

/// What a call by `busctl` came to.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Reply(String),
    Refusal(String),
}

impl Answer {
    fn is(&self, expected: Outcome) -> bool {
        match (self, expected) {
            // An empty reply is expected to be empty.
            (Self::Reply(text), Outcome::Reply("")) => text.is_empty(),
            (Self::Reply(text), Outcome::Reply(start)) => text.starts_with(start),
            (Self::Refusal(text), Outcome::Refusal(whole)) => text == whole,
            _ => false,
        }
    }

    fn is_refused(&self, sentence: &str) -> bool {
        matches!(self, Self::Refusal(text) if text == sentence)
    }
}

/// One call on a connection of its own.
fn busctl(machine: &Machine, uid: u32, path: &str, interface: &str, rest: &[&str]) -> Result<Answer> {
    let mut arguments = vec!["call", NAME, path, interface];
    arguments.extend(rest);
    ask(machine, uid, &arguments)
}

fn ask(machine: &Machine, uid: u32, arguments: &[&str]) -> Result<Answer> {
    let done = machine.busctl(uid, arguments)?;
    if done.status == 0 {
        return Ok(Answer::Reply(done.out.trim_end().to_owned()));
    }
    let refusal = done.err.trim().strip_prefix("Call failed: ");
    Ok(Answer::Refusal(refusal.ok_or_else(|| format!("{arguments:?}: {done:?}"))?.to_owned()))
}

fn run(machine: &Machine, uid: u32, call: &Call) -> Result<Answer> {
    let path = if call.interface == CAMERA { CAMERA_PATH } else { MANAGER_PATH };
    let mut rest = vec![call.member];
    rest.extend(call.arguments);
    if call.ticket {
        rest.push("32");
        rest.extend(["0"; 32]);
    }
    busctl(machine, uid, path, call.interface, &rest)
}

/// Calls everything as one user; `reach` tells whom of [`Who`] that user is.
fn call_all(machine: &Machine, name: &str, uid: u32, reach: &[Who]) -> Result {
    for call in &CALLS {
        let answer = run(machine, uid, call)?;
        let expected = if reach.contains(&call.who) { call.allowed } else { Outcome::Refusal(DENIED) };
        assert!(answer.is(expected), "{}.{} by {name}: {answer:?}", call.interface, call.member);
    }
    Ok(())
}

#[test]
fn every_method_and_every_caller() -> Result {
    let mut machine = Machine::start()?;
    // The camera's object comes into being when somebody asks for cameras.
    assert!(busctl(&machine, 0, MANAGER_PATH, MANAGER, &["GetCameras"])?.is(Outcome::Reply("ao 1 ")));
    the_contract_is_what_stands_on_the_bus(&machine)?;
    the_bus_refuses_what_no_row_allows(&machine)?;

    // Without an agent nobody can be asked for a password.
    call_all(&machine, "root", 0, &[Who::Anybody, Who::Active, Who::ActiveAsked])?;
    call_all(&machine, "the owner, whom no agent asks", ALICE, &[Who::Anybody, Who::Active])?;
    call_all(&machine, "a user without an active session", BOB, &[Who::Anybody])?;
    other_users_are_not_even_named(&machine)?;

    machine.start_agent()?;
    call_all(&machine, "the owner", ALICE, &[Who::Anybody, Who::Active, Who::ActiveAsked])?;
    call_all(&machine, "a user without an active session", BOB, &[Who::Anybody])?;
    let asked = machine.agent.as_ref().ok_or("no agent")?.said();
    for action in ["org.vultus.enroll", "org.vultus.delete", "org.vultus.remote", "org.vultus.admin"] {
        assert!(asked.contains(action), "no password was asked for {action}: {asked}");
    }
    another_users_face_is_roots_alone(&machine)?;
    colours_need_a_terminal(&machine)?;

    block_on(a_claim_is_its_callers(&machine))??;
    block_on(a_claim_ends_with_its_caller(&machine))??;

    // Whoever cannot ask polkit allows nothing, not even to root.
    machine.polkit = None;
    call_all(&machine, "root without polkitd", 0, &[Who::Anybody])?;
    call_all(&machine, "the owner without polkitd", ALICE, &[Who::Anybody])?;
    machine.start_polkit()?;
    call_all(&machine, "root with polkitd again", 0, &[Who::Anybody, Who::Active, Who::ActiveAsked])
}

/// The daemon's table, the calls of this test, the object on the bus and the files in `dbus/` name the
/// same methods; and the files are the interface to the last argument.
fn the_contract_is_what_stands_on_the_bus(machine: &Machine) -> Result {
    let mut shown = BTreeSet::new();
    for (interface, path) in [(MANAGER, MANAGER_PATH), (REMOTE, MANAGER_PATH), (CAMERA, CAMERA_PATH)] {
        let done = machine.busctl(0, &["introspect", "--xml-interface", NAME, path])?;
        assert_eq!(done.status, 0, "{done:?}");
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../dbus/{interface}.xml"));
        let written = contract(&fs::read_to_string(&file)?, interface)?;
        assert_eq!(contract(&done.out, interface)?, written, "introspection and {}", file.display());
        for member in &written {
            let name = member.strip_prefix("method name=\"").and_then(|rest| rest.split('"').next());
            shown.extend(name.map(|name| (interface.to_owned(), name.to_owned())));
        }
    }
    let table: BTreeSet<_> = TABLE.iter().map(|row| (row.0.to_owned(), row.1.to_owned())).collect();
    let called: BTreeSet<_> = CALLS.iter().map(|c| (c.interface.to_owned(), c.member.to_owned())).collect();
    assert_eq!(shown, table, "the methods on the bus, and the rows of the daemon's table");
    assert_eq!(called, table, "the calls of this test, and the rows of the daemon's table");
    Ok(())
}

/// The members of an interface: each a line with its arguments in order, whose attributes are sorted.
/// Comments, layout and the order of members are no part of the contract.
fn contract(xml: &str, interface: &str) -> Result<BTreeSet<String>> {
    let missing = || format!("no interface {interface} in {xml}");
    let opening = format!("<interface name=\"{interface}\">");
    let (_, rest) = xml.split_once(&opening).ok_or_else(missing)?;
    let (body, _) = rest.split_once("</interface>").ok_or_else(missing)?;
    let mut members: Vec<String> = Vec::new();
    for piece in without_comments(body).split('<').skip(1) {
        let (tag, _) = piece.split_once('>').ok_or("a tag without an end")?;
        let tag = tag.trim_end_matches('/').trim();
        if tag.starts_with('/') {
            continue;
        }
        let (element, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let line = format!("{element} {}", sorted(attributes));
        if matches!(element, "method" | "signal" | "property") {
            members.push(line);
        } else {
            let member = members.last_mut().ok_or("an element outside of a member")?;
            member.push_str(&format!("; {line}"));
        }
    }
    Ok(members.into_iter().collect())
}

fn without_comments(xml: &str) -> String {
    let mut pieces = xml.split("<!--");
    let first = pieces.next().unwrap_or("").to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once("-->").map_or("", |(_, after)| after))
}

/// `name="value"` pairs, in the order of their names; none of ours has a blank in its value.
fn sorted(attributes: &str) -> String {
    let mut pairs: Vec<&str> = attributes.split_whitespace().collect();
    // Members are told apart by their names, which come first.
    pairs.sort_by_key(|pair| (!pair.starts_with("name="), *pair));
    pairs.join(" ")
}

/// What the bus's own policy keeps from ever reaching `vultusd`, and who may be `vultusd`.
fn the_bus_refuses_what_no_row_allows(machine: &Machine) -> Result {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let strange: [(&str, &str, &[&str]); 4] = [
        (MANAGER_PATH, MANAGER, &["NoSuchMethod"]),
        (MANAGER_PATH, "org.vultus.Vultus1.Nothing", &["GetCameras"]),
        (MANAGER_PATH, "org.freedesktop.DBus.Peer", &["GetMachineId"]),
        (CAMERA_PATH, PROPERTIES, &["Set", "ssv", CAMERA, "Id", "s", "scripted:1"]),
    ];
    for uid in [0, ALICE] {
        for (path, interface, rest) in strange {
            let answer = busctl(machine, uid, path, interface, rest)?;
            assert!(answer.is_refused("Access denied"), "{interface} {rest:?} by {uid}: {answer:?}");
        }
        let read = busctl(machine, uid, CAMERA_PATH, PROPERTIES, &["Get", "ss", CAMERA, "Id"])?;
        let id = format!("v s {CAMERA_ID:?}");
        assert_eq!(read, Answer::Reply(id), "a camera's identity may be read");
    }
    // Flag 4: do not queue. The name is taken, which only its rightful user gets to hear.
    let bus = "org.freedesktop.DBus";
    let request = ["call", bus, "/org/freedesktop/DBus", bus, "RequestName", "su", NAME, "4"];
    for uid in [0, ALICE, BOB, VAULT, CAMERA_USER] {
        let answer = ask(machine, uid, &request)?;
        assert!(answer.is_refused("Access denied"), "user {uid} asks for the name: {answer:?}");
    }
    assert_eq!(ask(machine, DAEMON, &request)?, Answer::Reply("u 3".into()), "vultusd asks for its name");
    Ok(())
}

/// A call that names a user.
fn naming<'a>(member: &'a str, user: &'a str) -> Vec<&'a str> {
    match member {
        "RequestTicket" => vec![member, "ss", user, "enroll"],
        "ClearLockout" => [vec![member, "say", user, "32"], vec!["0"; 32]].concat(),
        "RemoveAccount" => {
            [vec![member, "ssssay", user, "a.example", "b.example", "alice", "32"], vec!["0"; 32]].concat()
        }
        _ => vec![member, "s", user],
    }
}

/// Where the caller may not act for others, a user who exists and one who does not are one and the same.
fn other_users_are_not_even_named(machine: &Machine) -> Result {
    let calls = [
        (CAMERA_PATH, CAMERA, "Claim"),
        (CAMERA_PATH, CAMERA, "ListEnrolledFaces"),
        (MANAGER_PATH, MANAGER, "RequestTicket"),
        (MANAGER_PATH, MANAGER, "ClearLockout"),
        (MANAGER_PATH, REMOTE, "ListAccounts"),
        (MANAGER_PATH, REMOTE, "RemoveAccount"),
    ];
    let strangers =
        [(ALICE, "bob"), (ALICE, "root"), (ALICE, "nobody-such"), (BOB, "alice"), (BOB, "nobody-such")];
    for (path, interface, member) in calls {
        for (uid, other) in strangers {
            let answer = busctl(machine, uid, path, interface, &naming(member, other))?;
            assert!(answer.is_refused(DENIED), "{member} for {other} by {uid}: {answer:?}");
        }
    }
    let told = busctl(machine, 0, CAMERA_PATH, CAMERA, &["ListEnrolledFaces", "s", "nobody-such"])?;
    assert!(told.is_refused("a field of the request is out of bounds"), "root is told of it: {told:?}");
    let own = busctl(machine, ALICE, CAMERA_PATH, CAMERA, &["ListEnrolledFaces", "s", "alice"])?;
    assert_eq!(own, Answer::Reply("a(ussy) 0".into()), "one's own name is nothing special");
    Ok(())
}

/// With an administrator's password polkit lets Alice act for Bob: she may manage his faces, with his
/// password, but not find out whether he sits there.
fn another_users_face_is_roots_alone(machine: &Machine) -> Result {
    let claimed = busctl(machine, ALICE, CAMERA_PATH, CAMERA, &["Claim", "s", "bob"])?;
    assert_eq!(claimed, Answer::Reply(String::new()), "an administrator's password was given");
    let asked = machine.agent.as_ref().ok_or("no agent")?.said();
    assert!(asked.contains("org.vultus.setusername"), "{asked}");
    let refused = machine.vultus(ALICE, &["verify", "--user", "bob"], "")?;
    assert_eq!(refused.status, 2, "{refused:?}");
    assert!(refused.err.contains("Error.PermissionDenied: only root may verify another user"), "{refused:?}");
    // Root may, and hears that there is nothing to compare with.
    let unknown = machine.vultus(0, &["verify", "--user", "bob"], "")?;
    assert_eq!((unknown.status, unknown.out.trim()), (1, "not-enrolled"), "{unknown:?}");
    Ok(())
}

/// The command colours a terminal and nothing else, and says so before it asks anybody.
fn colours_need_a_terminal(machine: &Machine) -> Result {
    for arguments in [&["verify", "--screen"][..], &["assert", "app.example", "--screen"]] {
        let refused = machine.vultus(ALICE, arguments, "")?;
        assert_eq!(refused.status, 2, "{refused:?}");
        assert!(refused.err.contains("--screen needs a terminal"), "{refused:?}");
        assert!(!refused.out.contains('\x1b'), "{refused:?}");
    }
    Ok(())
}

/// What one caller has claimed no other caller can use or give back, whoever it is.
async fn a_claim_is_its_callers(machine: &Machine) -> Result {
    let address = machine.bus_address();
    let (_bus, _, own) = client::camera(&address).await?;
    let (_other_bus, _, other) = client::camera(&address).await?;
    own.claim("alice").await?;
    let ticket = || vec![0; 32];
    refused("Claim", other.claim("alice").await, "AlreadyInUse");
    refused("Claim for another user", other.claim("bob").await, "AlreadyInUse");
    refused("Release", other.release().await, "AlreadyInUse");
    refused("ShowsColours", other.shows_colours(true).await, "AlreadyInUse");
    refused("VerifyStart", other.verify_start().await, "AlreadyInUse");
    refused("VerifyStop", other.verify_stop().await, "AlreadyInUse");
    refused("EnrollStart", other.enroll_start("x", ticket()).await, "AlreadyInUse");
    refused("EnrollStop", other.enroll_stop().await, "AlreadyInUse");
    refused("DeleteEnrolledFace", other.delete_enrolled_face(0, ticket()).await, "AlreadyInUse");
    refused("DeleteEnrolledFaces", other.delete_enrolled_faces(ticket()).await, "AlreadyInUse");
    let others: [(u32, &[&str]); 2] = [
        (ALICE, &["Release", "VerifyStart", "VerifyStop", "EnrollStop"]),
        (BOB, &["Release", "VerifyStop", "EnrollStop"]),
    ];
    for (uid, members) in others {
        for &member in members {
            let answer = busctl(machine, uid, CAMERA_PATH, CAMERA, &[member])?;
            assert!(answer.is_refused(TAKEN), "{member} by {uid}: {answer:?}");
        }
    }
    refused("a second Claim of one's own", own.claim("alice").await, "AlreadyInUse");
    refused("VerifyStop where nothing runs", own.verify_stop().await, "NoActionInProgress");
    refused("EnrollStop where nothing runs", own.enroll_stop().await, "NoActionInProgress");
    // After all that the claim is what it was: root verifies Alice, who has no face yet.
    let mut status = own.receive_verify_status().await?;
    own.verify_start().await?;
    let signal =
        tokio::time::timeout(PATIENCE, status.next()).await?.ok_or("the bus closed the connection")?;
    assert_eq!(signal.args()?.result, "not-enrolled");
    own.release().await?;
    refused("a second Release", own.release().await, "ClaimDevice");
    Ok(())
}

/// A caller that leaves the bus without a word gives back what it had.
async fn a_claim_ends_with_its_caller(machine: &Machine) -> Result {
    let address = machine.bus_address();
    let (bus, _, own) = client::camera(&address).await?;
    let (_other_bus, _, other) = client::camera(&address).await?;
    own.claim("alice").await?;
    refused("Claim before it left", other.claim("alice").await, "AlreadyInUse");
    bus.close().await?;
    claim_in_time(&other).await?;
    Ok(other.release().await?)
}

/// Claims as soon as nobody else does.
async fn claim_in_time(camera: &CameraProxy<'_>) -> Result {
    let claimed = async {
        loop {
            match camera.claim("alice").await {
                Err(zbus::Error::MethodError(error, _, _)) if error.as_str().ends_with(".AlreadyInUse") => {
                    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                }
                done => return done,
            }
        }
    };
    Ok(tokio::time::timeout(PATIENCE, claimed)
        .await
        .map_err(|_| "the claim of a caller that left stays")??)
}

/// A caller may also leave while polkit still asks its user for a password: no claim must come of the
/// password that is typed afterwards, since nobody is left to give it back.
#[test]
fn a_caller_that_leaves_while_polkit_asks_claims_nothing() -> Result {
    let mut machine = Machine::start()?;
    machine.start_agent()?;
    busctl(&machine, 0, MANAGER_PATH, MANAGER, &["GetCameras"])?;
    let address = machine.bus_address();
    let on_bus = |arguments: &[&str]| {
        let mut command = system("busctl");
        command.env("DBUS_SYSTEM_BUS_ADDRESS", &address).arg("--system").args(arguments);
        command
    };
    // What passes over the bus tells how far things are; nothing here waits for a time.
    let mut monitor = Process::start(on_bus(&["monitor"]), 0, &machine.log("monitor"))?;
    monitor.wait_for("Monitoring")?;
    let agent = machine.agent.as_ref().ok_or("no agent")?;
    agent.signal(Signal::STOP)?;
    let claim = on_bus(&["call", NAME, CAMERA_PATH, CAMERA, "Claim", "s", "bob"]);
    let caller = Process::start(claim, ALICE, &machine.log("caller"))?;
    monitor.wait_for("BeginAuthentication")?;
    drop(caller);
    // An answer to somebody else, so that `vultusd` has heard of the departure.
    assert!(busctl(&machine, 0, MANAGER_PATH, MANAGER, &["GetStatus"])?.is(Outcome::Reply("sys \"ready\"")));
    agent.signal(Signal::CONT)?;
    // polkit answers twice: may she verify, and may she act for Bob?
    wait_until("polkit has answered", || monitor.said().matches("MESSAGE \"(bba{ss})\"").count() >= 2)?;
    assert!(busctl(&machine, 0, MANAGER_PATH, MANAGER, &["GetStatus"])?.is(Outcome::Reply("sys \"ready\"")));
    let next = busctl(&machine, 0, CAMERA_PATH, CAMERA, &["Claim", "s", "alice"])?;
    assert_eq!(next, Answer::Reply(String::new()), "the camera is claimed for a caller that has gone");
    Ok(())
}
