//! Every PAM code of `pam_vultus.so`, through the real PAM library: what lets in, what refuses, and the
//! many things that only mean that nobody could be judged.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixStream;

use rustix::event::PollFlags;
use vultus_ipc::login::{LoginQuestion, LoginReply, LoginRequest};
use vultus_ipc::{Connection, Deadline, Guidance, IpcError, Listener, Reason, Uid, Verdict, wire};
use vultus_tests::films;
use vultus_tests::machine::{ALICE, BOB, DAEMON, Machine, PASSWORD, VAULT};
use vultus_tests::pictures::Photograph;
use vultus_tests::process::{Finished, PATIENCE, run, system, wait_until};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const SUCCESS: &str = "successfully authenticated";
const AUTH_ERR: &str = "Authentication failure";
const AUTHINFO_UNAVAIL: &str = "Authentication service cannot retrieve authentication info";
const MAXTRIES: &str = "Have exhausted maximum number of retries for service";

/// Person A as enrolled, and person B.
const PERSON: &str = "person-a";
const OTHER: &str = "person-b";

/// What pamtester said last: libpam's words for the code.
fn said(done: &Finished) -> Result<&str> {
    let mut lines = done.out.lines().chain(done.err.lines());
    let last = lines.rfind(|line| line.starts_with("pamtester: "));
    let text = last.and_then(|line| line.strip_prefix("pamtester: "));
    Ok(text.ok_or_else(|| format!("pamtester said nothing: {done:?}"))?.trim_end_matches('.'))
}

/// Runs pamtester, and expects these words of it.
#[track_caller]
fn expect(machine: &Machine, what: &str, arguments: &[&str], words: &str) -> Result<Finished> {
    let done = machine.pamtester(arguments, "")?;
    assert_eq!(said(&done)?, words, "{what}: {done:?}");
    let succeeded = words == SUCCESS || words == "credential info has successfully been set";
    assert_eq!(done.status == 0, succeeded, "{what}: {done:?}");
    Ok(done)
}

/// Authenticates Alice by a service.
#[track_caller]
fn login(machine: &Machine, what: &str, service: &str, words: &str) -> Result<Finished> {
    expect(machine, what, &[service, "alice", "authenticate"], words)
}

/// The reasons for which the vault judged no login, and its verdicts, in order.
fn verdicts(machine: &Machine) -> Result<Vec<String>> {
    let log = fs::read_to_string(machine.log("vault"))?;
    let lines = log.lines().filter_map(|line| line.split_once("\"login: ")?.1.split_once('"'));
    Ok(lines.map(|(verdict, _)| verdict.to_owned()).collect())
}

/// Authenticates Alice where nobody can be judged, and expects that the vault gave this reason; none
/// where it must not even be asked.
#[track_caller]
fn unavailable(machine: &Machine, what: &str, arguments: &[&str], reason: Option<Reason>) -> Result {
    let before = verdicts(machine)?.len();
    expect(machine, what, arguments, AUTHINFO_UNAVAIL)?;
    let given = verdicts(machine)?.split_off(before);
    let expected: Vec<String> = reason.iter().map(|reason| format!("NotJudged({reason:?})")).collect();
    assert_eq!(given, expected, "{what}: what the vault said of it");
    Ok(())
}

/// A PAM service that asks our module alone.
fn service(machine: &Machine, name: &str, arguments: &str) -> Result {
    let module = machine.path("pam_vultus.so");
    Ok(fs::write(
        machine.path("pam").join(name),
        format!("auth required {} {arguments}\n", module.display()),
    )?)
}

/// The module's argument for the socket of the real `vultusd`.
fn real(machine: &Machine) -> String {
    format!("socket={}", machine.path("run/login.sock").display())
}

#[test]
fn every_code() -> Result {
    let mut machine = Machine::start()?;
    machine.start_agent()?;
    let observer = films::observer()?;
    machine.play_pictures(OTHER, &films::swaying(&observer, Photograph::PersonB)?)?;
    machine.play_pictures(PERSON, &films::enrolment(&observer)?)?;
    let enrolled =
        machine.vultus(ALICE, &["--password-stdin", "enroll", "desk"], &format!("{PASSWORD}\n"))?;
    assert_eq!((enrolled.status, enrolled.out.trim()), (0, "enroll-completed"), "{enrolled:?}");

    login(&machine, "the face that is enrolled", "face-only", SUCCESS)?;
    machine.play(OTHER)?;
    login(&machine, "another face", "face-only", AUTH_ERR)?;
    machine.play(PERSON)?;
    login(&machine, "the face again", "face-only", SUCCESS)?;
    what_the_module_does_not_do(&machine)?;
    who_is_not_judged(&machine)?;
    arguments_that_are_not_understood(&machine)?;
    remote_sessions(&machine)?;
    answers_of_others(&machine)?;
    parts_that_are_missing(&mut machine)?;
    too_many_failures(&machine)?;

    // Last, since whoever starts it anew cannot tell the old socket from the new one.
    machine.camera = None;
    unavailable(
        &machine,
        "no camera process",
        &["face-only", "alice", "authenticate"],
        Some(Reason::CameraAbsent),
    )
}

/// Everything but authentication, each alone.
fn what_the_module_does_not_do(machine: &Machine) -> Result {
    let session = "Cannot make/remove an entry for the specified session";
    for (operation, words) in [
        ("setcred", "credential info has successfully been set"),
        ("acct_mgmt", "Permission denied"),
        ("open_session", session),
        ("close_session", session),
        ("chauthtok", "Authentication token manipulation error"),
    ] {
        expect(machine, operation, &["face-only", "alice", operation], words)?;
    }
    Ok(())
}

/// Users, services and places for which a face is no answer. All of them look the same from outside.
fn who_is_not_judged(machine: &Machine) -> Result {
    let face = |user| ["face-only", user, "authenticate"];
    unavailable(machine, "an unknown user", &face("nobody-such"), None)?;
    unavailable(machine, "a user without a face", &face("bob"), Some(Reason::NotEnrolled))?;
    let remote = ["-I", "rhost=host", "face-only", "alice", "authenticate"];
    unavailable(machine, "somebody at another host", &remote, None)?;
    let local = ["-I", "rhost=", "face-only", "alice", "authenticate"];
    expect(machine, "an empty host is none", &local, SUCCESS)?;
    let own = fs::read(machine.path("pam/vultus-password"))?;
    let arguments = format!("{} vault_uid={VAULT} timeout=60", real(machine));
    for name in ["sudo", "sudo-i", "su", "su-l", "polkit-1", "pkexec", "doas", "other", "vultus-password"] {
        service(machine, name, &arguments)?;
        unavailable(machine, name, &[name, "alice", "authenticate"], None)?;
    }
    fs::remove_file(machine.path("pam/other"))?;
    fs::write(machine.path("pam/vultus-password"), own)?;
    service(machine, "sudoku", &arguments)?;
    // Only logins and lockers, and what root has named besides, are answered by a face.
    unavailable(
        machine,
        "a service that nobody has named",
        &["sudoku", "alice", "authenticate"],
        Some(Reason::IntentNeeded),
    )?;

    // People's own programs, which no session of logind's is known of here.
    for uid in [ALICE, BOB] {
        let done = as_user(machine, uid)?;
        assert_eq!(said(&done)?, AUTHINFO_UNAVAIL, "user {uid}, in no session, asks for Alice: {done:?}");
    }
    let log = fs::read_to_string(machine.log("daemon"))?;
    let told = log.matches(&format!("login not passed on: {}", Reason::SessionUnknown)).count();
    assert_eq!(told, 2, "{log}");

    service(machine, "short", &format!("{} vault_uid={VAULT} timeout=6", real(machine)))?;
    machine.play("nothing")?;
    let done = login(machine, "nobody before the camera", "short", AUTHINFO_UNAVAIL)?;
    assert!(done.out.contains("Look at the camera."), "the person is told what to do: {done:?}");
    // Whichever of the two gave up first, the other follows.
    wait_until("the vault has given up, too", || {
        let last = verdicts(machine).ok().and_then(|mut all| all.pop());
        last.is_some_and(|last| last == "NotJudged(NoFace)" || last == "NotJudged(Cancelled)")
    })?;
    machine.play(PERSON)
}

/// Authenticates Alice from a process of that user, as a screen locker would.
fn as_user(machine: &Machine, uid: u32) -> Result<Finished> {
    let mut pamtester = system("pamtester");
    pamtester
        .env("LD_PRELOAD", "libpam_wrapper.so:libnss_wrapper.so")
        .env("PAM_WRAPPER", "1")
        .env("PAM_WRAPPER_SERVICE_DIR", machine.path("pam"))
        .env("NSS_WRAPPER_PASSWD", machine.path("passwd"))
        .env("NSS_WRAPPER_GROUP", machine.path("group"))
        .args(["face-only", "alice", "authenticate"]);
    Ok(run(pamtester, uid, "")?)
}

fn arguments_that_are_not_understood(machine: &Machine) -> Result {
    let socket = real(machine);
    for arguments in [
        format!("{socket} vault_uid={VAULT} debug"),
        format!("{socket} vault_uid={VAULT} timeout=61"),
        format!("{socket} vault_uid={VAULT} timeout=-1"),
        format!("{socket} vault_uid=vultus-vault"),
        format!("{socket} vault_uid="),
        format!("{socket} vault_uid={VAULT} vault={VAULT}"),
        format!("socket=run/login.sock vault_uid={VAULT}"),
        format!("socket=/nonexistent/login.sock vault_uid={VAULT}"),
    ] {
        service(machine, "odd", &arguments)?;
        unavailable(machine, &arguments, &["odd", "alice", "authenticate"], None)?;
    }
    // The vault answers, but it is not the user whose word was to count.
    service(machine, "wrong", &format!("{socket} vault_uid={} timeout=60", VAULT + 1))?;
    let before = verdicts(machine)?.len();
    login(machine, "an answer of another user than the vault's", "wrong", AUTHINFO_UNAVAIL)?;
    wait_until("the vault has answered", || verdicts(machine).is_ok_and(|all| all.len() > before))?;
    // The user of the vault goes by its name where no number is given.
    service(machine, "default", &format!("{socket} timeout=60"))?;
    login(machine, "the vault's user by its name", "default", SUCCESS)?;
    Ok(())
}

/// Asks the real `vultusd` as a PAM module in this very process would: who answered, and what.
fn ask(machine: &Machine) -> Result<(Uid, Verdict)> {
    let deadline = Deadline::after(PATIENCE);
    let question =
        LoginQuestion { nonce: [7; 32].into(), uid: ALICE, service: "login".into(), wait_ms: 60_000 };
    let mut connection = Connection::connect(&machine.path("run/login.sock"), deadline)?;
    connection.send(&LoginRequest::Ask(question.clone()), deadline)?;
    loop {
        let received = connection.receive_all(deadline)?;
        match received.message {
            LoginReply::Guide(_) => {}
            LoginReply::Answer { question: answered, verdict } => {
                assert_eq!(answered, question, "the question that was answered");
                return Ok((received.sender, verdict));
            }
        }
    }
}

/// A process that logind knows in a remote session, whatever its PAM items say.
fn remote_sessions(machine: &Machine) -> Result {
    let before = verdicts(machine)?.len();
    fs::write(machine.path("remote"), std::process::id().to_string())?;
    assert_eq!(ask(machine)?, (Uid(DAEMON), Verdict::NotJudged(Reason::RemoteSession)));
    assert_eq!(verdicts(machine)?.len(), before, "the vault was asked for a remote session");
    fs::write(machine.path("remote"), "")?;
    assert_eq!(ask(machine)?, (Uid(VAULT), Verdict::Accepted), "the same process in no session");
    Ok(())
}

/// What happens after the answer of a `vultusd` of our own.
#[derive(Clone, Copy)]
enum Then {
    HangUp,
    /// Says nothing more.
    Wait,
}

/// What a `vultusd` of our own sends when it is asked.
type Reply = fn(LoginQuestion) -> Vec<u8>;

fn bytes(reply: &LoginReply) -> Vec<u8> {
    wire::encode(reply).expect("a reply within its bounds").to_vec()
}

fn verdict(question: LoginQuestion, verdict: Verdict) -> Vec<u8> {
    bytes(&LoginReply::Answer { question, verdict })
}

/// Bytes behind the length that they have.
fn framed(body: &[u8]) -> Vec<u8> {
    let mut bytes = (body.len() as u32).to_le_bytes().to_vec();
    bytes.extend(body);
    bytes
}

/// A `vultusd` in this process, which is root's. Where the module is told that root is the vault, a
/// right answer lets in: so each wrong one is wrong by what it is named for.
fn answers_of_others(machine: &Machine) -> Result {
    let replies: [(&str, Reply, &str); 18] = [
        ("accepted", |q| verdict(q, Verdict::Accepted), SUCCESS),
        ("refused", |q| verdict(q, Verdict::Refused), AUTH_ERR),
        ("locked out", |q| verdict(q, Verdict::LockedOut { seconds: 30 }), MAXTRIES),
        ("not judged", |q| verdict(q, Verdict::NotJudged(Reason::NoFace)), AUTHINFO_UNAVAIL),
        (
            "guidance, then accepted",
            |q| [bytes(&LoginReply::Guide(Guidance::HoldStill)), verdict(q, Verdict::Accepted)].concat(),
            SUCCESS,
        ),
        (
            "colours, then accepted",
            |q| {
                let colours = Guidance::COLOURS.map(|colour| bytes(&LoginReply::Guide(colour))).concat();
                [colours, bytes(&LoginReply::Guide(Guidance::ScreenOff)), verdict(q, Verdict::Accepted)]
                    .concat()
            },
            SUCCESS,
        ),
        (
            "another nonce",
            |q| verdict(LoginQuestion { nonce: [0; 32].into(), ..q }, Verdict::Accepted),
            AUTHINFO_UNAVAIL,
        ),
        ("another user", |q| verdict(LoginQuestion { uid: BOB, ..q }, Verdict::Accepted), AUTHINFO_UNAVAIL),
        (
            "another service",
            |q| verdict(LoginQuestion { service: "login".into(), ..q }, Verdict::Accepted),
            AUTHINFO_UNAVAIL,
        ),
        (
            "another time to wait",
            |q| verdict(LoginQuestion { wait_ms: q.wait_ms + 1, ..q }, Verdict::Accepted),
            AUTHINFO_UNAVAIL,
        ),
        (
            "another answer first",
            |q| {
                let other = LoginQuestion { uid: BOB, ..q.clone() };
                [verdict(other, Verdict::Accepted), verdict(q, Verdict::Accepted)].concat()
            },
            AUTHINFO_UNAVAIL,
        ),
        (
            "half an answer",
            |q| {
                let mut half = verdict(q, Verdict::Accepted);
                half.truncate(half.len() / 2);
                half
            },
            AUTHINFO_UNAVAIL,
        ),
        (
            "an answer but for its last byte",
            |q| {
                let mut most = verdict(q, Verdict::Accepted);
                most.pop();
                most
            },
            AUTHINFO_UNAVAIL,
        ),
        (
            "an answer with one byte more in it",
            |q| {
                let mut more = verdict(q, Verdict::Accepted).split_off(wire::PREFIX);
                more.push(0);
                framed(&more)
            },
            AUTHINFO_UNAVAIL,
        ),
        ("nothing", |_| Vec::new(), AUTHINFO_UNAVAIL),
        ("an empty message", |_| framed(&[]), AUTHINFO_UNAVAIL),
        ("garbage", |_| framed(&[0xa5; 64]), AUTHINFO_UNAVAIL),
        ("a length of garbage", |_| vec![0xa5; 64], AUTHINFO_UNAVAIL),
    ];
    for (what, reply, words) in replies {
        for (then, seconds) in [(Then::HangUp, 60), (Then::Wait, 3)] {
            asked(machine, what, 0, seconds, reply, then, words)?;
        }
    }
    // The same right answers, where the vault is somebody else: `vultusd` has no say in this.
    for (what, reply, _) in &replies[..6] {
        let what = format!("{what}, by vultusd itself");
        asked(machine, &what, VAULT, 60, *reply, Then::HangUp, AUTHINFO_UNAVAIL)?;
    }
    Ok(())
}

/// Logs Alice in by a `vultusd` of our own.
#[track_caller]
fn asked(
    machine: &Machine,
    what: &str,
    vault: u32,
    seconds: u32,
    reply: Reply,
    then: Then,
    words: &str,
) -> Result {
    let socket = machine.path("run/own.sock");
    let listener = Listener::bind(&socket, 0o666)?;
    service(machine, "own", &format!("socket={} vault_uid={vault} timeout={seconds}", socket.display()))?;
    let (served, done) = std::thread::scope(|scope| {
        let server = scope.spawn(|| serve(&listener, reply, then));
        let done = login(machine, what, "own", words);
        (server.join(), done)
    });
    served.map_err(|_| "the server panicked")??;
    let done = done?;
    if what.starts_with("guidance, then accepted") && words == SUCCESS {
        assert!(done.out.contains(Guidance::HoldStill.sentence()), "the person is told: {done:?}");
    }
    if what.starts_with("colours") {
        assert!(!done.out.contains("screen"), "there is no screen to speak of: {done:?}");
    }
    Ok(())
}

/// Answers one question, and stays until the module has gone where it is to wait.
fn serve(listener: &Listener, reply: Reply, then: Then) -> std::result::Result<(), IpcError> {
    let deadline = Deadline::after(PATIENCE);
    deadline.wait(listener, PollFlags::IN)?;
    let mut connection = listener.accept()?;
    let LoginRequest::Ask(question) = connection.receive(deadline)?;
    let mut stream = UnixStream::from(connection.into_descriptor());
    // A module that is content with less may have gone.
    let _ = stream.write_all(&reply(question));
    match then {
        Then::HangUp => Ok(()),
        Then::Wait => deadline.wait(&stream, PollFlags::RDHUP),
    }
}

/// Parts of Vultus that are not there, each brought back afterwards: the face works again.
fn parts_that_are_missing(machine: &mut Machine) -> Result {
    let face = ["face-only", "alice", "authenticate"];
    machine.unplug_camera()?;
    unavailable(machine, "no camera", &face, Some(Reason::CameraAbsent))?;
    machine.play(PERSON)?;
    login(machine, "the camera is back", "face-only", SUCCESS)?;

    machine.tpm = None;
    unavailable(machine, "no TPM", &face, Some(Reason::TpmAbsent))?;
    machine.start_tpm()?;
    login(machine, "the TPM is back", "face-only", SUCCESS)?;

    machine.daemon = None;
    unavailable(machine, "no vultusd", &face, None)?;
    machine.start_daemon()?;
    login(machine, "vultusd is back", "face-only", SUCCESS)?;

    machine.kill_vault()?;
    unavailable(machine, "no vault", &face, None)?;
    machine.start_vault()?;
    login(machine, "the vault is back", "face-only", SUCCESS)?;
    Ok(())
}

/// Five refusals in a row, then the right face; and the password, which forgets them.
fn too_many_failures(machine: &Machine) -> Result {
    machine.play(OTHER)?;
    for n in 1..=5 {
        login(machine, &format!("refusal {n} of 5"), "face-only", AUTH_ERR)?;
    }
    machine.play(PERSON)?;
    login(machine, "the right face after five refusals", "face-only", MAXTRIES)?;
    let password = machine.pamtester(&["login", "alice", "authenticate"], &format!("{PASSWORD}\n"))?;
    assert_eq!(said(&password)?, SUCCESS, "the password is never locked: {password:?}");
    let cleared = machine.vultus(ALICE, &["--password-stdin", "clear-lockout"], &format!("{PASSWORD}\n"))?;
    assert_eq!(cleared.status, 0, "{cleared:?}");
    login(machine, "the right face after a password", "face-only", SUCCESS)?;
    Ok(())
}
