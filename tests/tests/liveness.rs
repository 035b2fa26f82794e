//! Liveness from end to end, with real bus and PAM: a simulated person who does what is asked gets in, and who
//! does not, cannot, or is none, does not. The people are simulated; so are the attackers.

use std::cell::Cell;
use std::error::Error;

use serde_json::{Value, json};
use vultus_ipc::Reason;
use vultus_tests::actor::Role;
use vultus_tests::backend::{Backend, REGISTRATIONS};
use vultus_tests::device::{self, Order, perform, said, towards};
use vultus_tests::machine::{ALICE, BY_ITSELF, Machine};
use vultus_tests::pictures::Photograph;
use vultus_tests::presentation::{Asked, Company, Part};
use vultus_tests::process::Finished;
use vultus_tests::server::{Plan, SHOP, Server, accepted};
use vultus_vault::VaultError;
use vultus_vault::judgement::Ledger;
use vultus_vision::liveness::flash::COLOURS;
use vultus_vision::liveness::replay::Footage;
use vultus_vision::liveness::{Action, Track};

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

/// Bona fide attempts fail now and then: docs/liveness.md says how often.
const TRIES: u64 = 3;
/// What the person is told.
const WRONG: &str = "That was something else than asked for.";
const LATE: &str = "That took too long.";

fn herself(seed: u64) -> Role {
    Role { photograph: Photograph::ThirdOfA.file().to_owned(), attack: None, seed }
}

fn attacked(kind: &str, seed: u64) -> Role {
    Role { attack: Some(kind.to_owned()), ..herself(seed) }
}

fn verify(machine: &Machine, hears: impl Fn(Action) -> Option<Action>) -> Result<Finished> {
    machine.relaying(machine.vultus_command(&["verify"])?, ALICE, hears)
}

#[test]
fn who_does_what_is_asked_gets_in_and_nobody_else() -> Result {
    let mut machine = device::alices_machine()?;
    machine.rule_liveness(BY_ITSELF)?;
    she_gets_in_by_acting(&machine)?;
    she_logs_in_by_acting(&machine)?;
    who_does_nothing_is_refused(&machine)?;
    who_does_something_else_is_refused(&machine)?;
    pictures_of_her_are_refused(&machine)?;
    her_face_follows_the_screen(&machine)?;
    a_server_is_told_what_was_checked(&machine)
}

fn she_gets_in_by_acting(machine: &Machine) -> Result {
    let mut last = None;
    for seed in 1..=TRIES {
        machine.act(&herself(seed))?;
        let done = verify(machine, Some)?;
        if done.status == 0 {
            let asked = done.out.lines().any(|line| vultus_tests::actor::asked(line.trim()).is_some());
            assert!(asked, "she was let in without being asked: {done:?}");
            return Ok(());
        }
        last = Some(done);
    }
    Err(format!("she never got in: {last:?}").into())
}

fn she_logs_in_by_acting(machine: &Machine) -> Result {
    let mut last = None;
    for seed in 11..=10 + TRIES {
        machine.act(&herself(seed))?;
        let command = machine.pamtester_command(&["face-only", "alice", "authenticate"]);
        let done = machine.relaying(command, 0, Some)?;
        if done.status == 0 {
            return Ok(());
        }
        last = Some(done);
    }
    Err(format!("she never logged in: {last:?}").into())
}

fn refused(done: &Finished, why: &[&str]) {
    assert_eq!(done.status, 1, "{done:?}");
    assert!(done.out.contains("verify-no-match"), "{done:?}");
    assert!(why.iter().any(|why| done.out.contains(why)), "{why:?}: {done:?}");
}

fn who_does_nothing_is_refused(machine: &Machine) -> Result {
    machine.act(&herself(21))?;
    refused(&verify(machine, |_| None)?, &[LATE]);
    cleared(machine)
}

/// Another action of the head than the one that was asked for. Where it is not recognised, it is too late in the
/// end; refused it is each time.
fn who_does_something_else_is_refused(machine: &Machine) -> Result {
    let other = |asked| match asked {
        Action::TurnLeft => Action::TurnRight,
        _ => Action::TurnLeft,
    };
    let mut said = String::new();
    for seed in 21..=20 + TRIES {
        machine.act(&herself(seed))?;
        let done = verify(machine, |asked| Some(other(asked)))?;
        refused(&done, &[WRONG, LATE]);
        cleared(machine)?;
        said += &done.out;
    }
    assert!(said.contains(WRONG), "{said}");
    Ok(())
}

/// A film that ignores what is asked, and prints that are moved as asked.
fn pictures_of_her_are_refused(machine: &Machine) -> Result {
    machine.play(device::HERSELF)?;
    let why = [LATE, "The picture was not continuous."];
    refused(&verify(machine, Some)?, &why);
    for kind in ["matte-print", "glossy-print", "bent-print", "identical-frames"] {
        machine.act(&attacked(kind, 23))?;
        let done = verify(machine, Some)?;
        assert_eq!(done.status, 1, "{kind}: {done:?}");
        cleared(machine)?;
    }
    Ok(())
}

/// A client that shows colours gets her in where her face follows them, and not where they are not shown; a monitor
/// that shows her does not follow.
fn her_face_follows_the_screen(machine: &Machine) -> Result {
    let mut last = None;
    for seed in 41..=40 + TRIES {
        machine.act(&herself(seed))?;
        let done = device::verify_before_a_screen(machine, "alice", true)?;
        let colours = done.guidance.iter().filter(|word| word.starts_with("screen-")).count();
        if done.result == "verify-match" {
            assert_eq!(colours, COLOURS + 1, "all of them, and the end: {done:?}");
            last = None;
            break;
        }
        last = Some(done);
        cleared(machine)?;
    }
    assert!(last.is_none(), "she never got in: {last:?}");
    for (role, honest) in [(herself(51), false), (attacked("rendered-head", 52), true)] {
        machine.act(&role)?;
        let done = device::verify_before_a_screen(machine, "alice", honest)?;
        assert_eq!(done.result, "verify-no-match", "{role:?}: {done:?}");
        let said = |word: &str| done.guidance.iter().any(|said| said == word);
        // By what it reflects, and by nothing else.
        assert!(said("not-live") && !said("wrong-action") && !said("too-late"), "{role:?}: {done:?}");
        assert_eq!(done.guidance.iter().filter(|word| *word == "screen-off").count(), 1, "{done:?}");
        cleared(machine)?;
    }
    Ok(())
}

/// Where footage is kept that was seen before, a person who does all that was asked is refused; and where it cannot
/// be kept, nobody is judged.
#[test]
fn footage_that_was_seen_or_cannot_be_kept_lets_nobody_in() -> Result {
    struct Books {
        answer: std::result::Result<Footage, Reason>,
        refunds: Cell<u32>,
    }
    impl Ledger for Books {
        fn charge(&self) -> std::result::Result<(), VaultError> {
            Ok(())
        }
        fn refund(&self) {
            self.refunds.set(self.refunds.get() + 1);
        }
        fn remember(&self, _: &Track) -> std::result::Result<Footage, VaultError> {
            self.answer.map_err(VaultError::from)
        }
    }
    let company = Company::new(Part::Report)?;
    let presented = |answer, seed| {
        let books = Books { answer, refunds: Cell::new(0) };
        let record = company.present_to(&books, None, seed, Asked::One, 15);
        (record.map(|record| record.outcome), books.refunds.get())
    };
    // A seed whose person gets in where nothing was seen before.
    let seeds = 60..60 + TRIES;
    let accepted =
        |seed: &u64| matches!(presented(Ok(Footage::New), *seed), (Ok(word), 1) if word == "accepted");
    let gets_in: Vec<u64> = seeds.filter(accepted).collect();
    assert!(!gets_in.is_empty(), "she never got in");
    for seed in gets_in {
        let (word, refunds) = presented(Ok(Footage::SeenBefore), seed);
        assert!(word? != "accepted" && refunds == 0);
        assert!(matches!(presented(Err(Reason::Internal), seed), (Err(_), 0)));
    }
    Ok(())
}

/// Failures bring a delay, and this is not about it.
fn cleared(machine: &Machine) -> Result {
    let input = format!("{}\n", vultus_tests::machine::PASSWORD);
    let done = machine.vultus(ALICE, &["--password-stdin", "clear-lockout"], &input)?;
    if done.status == 0 { Ok(()) } else { Err(format!("{done:?}").into()) }
}

/// A service that demands an action gets a packet that says that there was one; and none from a device whose
/// administrator lets faces alone do.
fn a_server_is_told_what_was_checked(machine: &Machine) -> Result {
    let plan = Plan::new("auth.example", vec![machine.endorsement_roots()]);
    let server = Server::start(machine.path("server"), plan)?;
    device::enrol_device(machine, &server)?;
    let demanding = "bank.example";
    let key = machine.path("server").join("bank.key");
    let key = key.to_str().ok_or("a path is not text")?;
    let add = ["service", "add", demanding, "--liveness", "active", "--api-key-file", key];
    accepted(&server.admin(&add)?)?;
    for service in [SHOP, demanding] {
        let completed = registered(machine, &server, service)?;
        assert_eq!(completed["liveness_self_asserted"], json!("active"), "{service}: {completed}");
    }
    Ok(())
}

fn registered(machine: &Machine, server: &Server, service: &str) -> Result<Value> {
    let backend = match service {
        SHOP => Backend::of(server, SHOP)?,
        _ => Backend::with_key(server, &std::fs::read_to_string(machine.path("server/bank.key"))?)?,
    };
    let wish = json!({ "account": "alice", "device": towards(machine, server, service)? });
    for seed in 31..=30 + TRIES {
        machine.act(&herself(seed))?;
        let opened = backend.open(REGISTRATIONS, &wish)?.accepted()?;
        let ending = perform(machine, "alice", Order::Register(&opened.packet()?))?;
        if ending.word == "signed" {
            let done = backend.complete(REGISTRATIONS, opened.text("ceremony"), &ending.packet)?;
            return Ok(done.accepted()?.body);
        }
    }
    let told = said(&machine.vultus(ALICE, &["--json", "account", "list"], "")?, 0)?;
    Err(format!("nothing was signed for {service}: {told}").into())
}
