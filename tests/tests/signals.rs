//! Whom the signals of an enrolment and a verification reach, and that what is stopped, given back or
//! left behind ends, so that somebody else can be judged.

use std::error::Error;
use std::fs;
use std::time::Duration;

use vultus_cli::bus::{CameraProxy, ManagerProxy};
use vultus_cli::password::redeem;
use vultus_ipc::Uid;
use vultus_ipc::vault::Action;
use vultus_tests::client::{self, block_on, refused};
use vultus_tests::films;
use vultus_tests::machine::{ALICE, Machine, PASSWORD};
use vultus_tests::process::{PATIENCE, wait_until};
use zbus::export::ordered_stream::OrderedStreamExt;
use zbus::{Connection, MatchRule, MessageStream};
use zeroize::Zeroizing;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

const CAMERA: &str = "org.vultus.Vultus1.Camera";
/// Person A: usable frames, so that an attempt comes to its end.
const PERSON: &str = "person-a";
/// What the machine has in its camera from the start: no face, so that an attempt goes on and on.
const NOTHING: &str = "nothing";
/// Longer than any wait of this test: what ends before was ended.
const ENDLESS_MS: u64 = 900_000;

/// What a signal said.
#[derive(Debug)]
enum Told {
    Guidance(String),
    /// A result that is the last.
    End(String),
    /// Any other result.
    Meanwhile,
}

/// A caller of root's, with every signal of cameras that reaches its connection, in order.
struct Caller {
    bus: Connection,
    manager: ManagerProxy<'static>,
    camera: CameraProxy<'static>,
    signals: MessageStream,
}

impl Caller {
    async fn new(machine: &Machine) -> Result<Self> {
        let (bus, manager, camera) = client::camera(&machine.bus_address()).await?;
        let rule = MatchRule::builder().msg_type(zbus::message::Type::Signal).interface(CAMERA).build()?;
        let signals = MessageStream::for_match_rule(rule, &bus, None).await?;
        Ok(Self { bus, manager, camera, signals })
    }

    /// The next signal.
    async fn next(&mut self) -> Result<Told> {
        let message =
            tokio::time::timeout(PATIENCE, self.signals.next()).await.map_err(|_| "no signal came")?;
        let message = message.ok_or("the bus closed the connection")??;
        let header = message.header();
        let member = header.member().ok_or("a signal without a name")?.as_str().to_owned();
        let body = message.body();
        Ok(match member.as_str() {
            "Guidance" => Told::Guidance(body.deserialize::<(String, String, u8, u8)>()?.0),
            _ => match body.deserialize::<(String, bool)>()? {
                (word, true) => Told::End(word),
                (_, false) => Told::Meanwhile,
            },
        })
    }

    /// Waits until the person in front of the camera is told something; what runs must not end before.
    async fn until_told(&mut self, word: &str) -> Result {
        loop {
            match self.next().await? {
                Told::Guidance(told) if told == word => return Ok(()),
                Told::End(end) => return Err(format!("it ended with {end} before {word} was told").into()),
                _ => {}
            }
        }
    }

    /// Waits for the end of what runs: its last word.
    async fn until_end(&mut self) -> Result<String> {
        loop {
            if let Told::End(word) = self.next().await? {
                return Ok(word);
            }
        }
    }

    /// Every signal that was sent before now and reached this connection.
    async fn received(&mut self) -> Result<Vec<Told>> {
        // The answer comes after everything that was sent before it.
        self.manager.get_status().await?;
        let mut received = Vec::new();
        while let Ok(told) = tokio::time::timeout(Duration::ZERO, self.next()).await {
            received.push(told?);
        }
        Ok(received)
    }

    /// A nonce that Alice's password redeemed.
    async fn ticket(&self, machine: &Machine) -> Result<Vec<u8>> {
        let nonce = self.manager.request_ticket("alice", "enroll").await?;
        let bytes: [u8; 32] = nonce.as_slice().try_into()?;
        redeem(&machine.path("run/password.sock"), Uid::ROOT, (ALICE, Action::Enroll, bytes), |_, _| {
            Ok(Zeroizing::new(PASSWORD.to_owned()))
        })?;
        Ok(nonce)
    }

    async fn labels(&self) -> Result<Vec<String>> {
        let faces = self.camera.list_enrolled_faces("alice").await?;
        Ok(faces.into_iter().map(|(_, label, _, _)| label).collect())
    }

    /// Verifies Alice as soon as the vault has a moment for it: the word that a judgement ends with. It
    /// has none for as long as somebody else's attempt still looks through the camera.
    async fn judged(&mut self) -> Result<String> {
        loop {
            self.camera.verify_start().await?;
            let word = self.until_end().await?;
            if word != "busy" {
                return Ok(word);
            }
        }
    }

    /// Starts a verification that does not end by itself, and waits until it looks through the camera.
    async fn begin(&mut self, machine: &Machine) -> Result {
        machine.play(NOTHING)?;
        loop {
            self.camera.verify_start().await?;
            match self.next().await? {
                Told::Guidance(word) if word == "no-face" => return Ok(()),
                // The camera has not noticed yet that the session before has ended.
                Told::End(word) if word == "busy" => {}
                other => return Err(format!("an endless verification began with {other:?}").into()),
            }
        }
    }
}

#[test]
fn signals_are_the_callers_own_and_what_is_ended_ends() -> Result {
    let mut machine = Machine::start()?;
    for (file, key) in [
        ("vultusd.toml", "verify_ms"),
        ("vultusd.toml", "enrol_ms"),
        ("vault.toml", "longest_attempt_ms"),
        ("vault.toml", "longest_enrolment_ms"),
    ] {
        configure(&machine, file, key, ENDLESS_MS)?;
    }
    machine.kill_vault()?;
    machine.start_vault()?;
    machine.daemon = None;
    machine.start_daemon()?;
    machine.play_pictures(PERSON, &films::enrolment(&films::observer()?)?)?;
    block_on(follow(&machine))??;
    nothing_measured_is_logged(&machine)
}

/// Gives a key of a configuration file another value.
fn configure(machine: &Machine, file: &str, key: &str, value: u64) -> Result {
    let path = machine.path(file);
    let text = fs::read_to_string(&path)?;
    let start = format!("{key} = ");
    let line =
        text.lines().find(|line| line.starts_with(&start)).ok_or_else(|| format!("no {key} in {file}"))?;
    Ok(fs::write(&path, text.replace(line, &format!("{start}{value}")))?)
}

async fn follow(machine: &Machine) -> Result {
    let mut bystander = Caller::new(machine).await?;
    let mut caller = Caller::new(machine).await?;
    caller.camera.claim("alice").await?;
    an_enrolment_that_is_stopped_leaves_no_face(machine, &mut caller).await?;
    a_whole_enrolment(machine, &mut caller).await?;
    a_whole_verification(machine, &mut caller).await?;
    silent("of somebody else's enrolment and verification", &bystander.received().await?);

    one_thing_at_a_time(machine, &mut caller).await?;
    a_stopped_attempt_is_over(machine, &mut caller).await?;
    silent("of somebody else's attempts", &bystander.received().await?);

    // Given back in mid-attempt: the next caller is judged.
    within(caller.begin(machine)).await?;
    caller.camera.release().await?;
    caller.received().await?;
    machine.play(PERSON)?;
    bystander.camera.claim("alice").await?;
    assert_eq!(within(bystander.judged()).await?, "verify-match", "after Release");
    bystander.camera.release().await?;
    // The ears that heard nothing of others can hear: these were its own.
    silent("of the next caller, or of what was given back", &caller.received().await?);

    // Left behind in mid-attempt: the same, once the bus has told of it.
    caller.camera.claim("alice").await?;
    within(caller.begin(machine)).await?;
    caller.bus.close().await?;
    machine.play(PERSON)?;
    within(claimed(&bystander.camera)).await?;
    assert_eq!(within(bystander.judged()).await?, "verify-match", "after the caller has left");
    Ok(bystander.camera.release().await?)
}

fn silent(whose: &str, received: &[Told]) {
    assert!(received.is_empty(), "signals {whose}: {received:?}");
}

/// Something that must come about, whenever it does.
async fn within<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, work).await.map_err(|_| "waited in vain")?
}

/// Claims as soon as nobody else does.
async fn claimed(camera: &CameraProxy<'_>) -> Result {
    loop {
        match camera.claim("alice").await {
            Err(zbus::Error::MethodError(error, _, _)) if error.as_str().ends_with(".AlreadyInUse") => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            done => return Ok(done?),
        }
    }
}

async fn an_enrolment_that_is_stopped_leaves_no_face(machine: &Machine, caller: &mut Caller) -> Result {
    machine.play(PERSON)?;
    let ticket = caller.ticket(machine).await?;
    caller.camera.enroll_start("half", ticket.clone()).await?;
    caller.until_told("captured").await?;
    caller.camera.enroll_stop().await?;
    refused("a second EnrollStop", caller.camera.enroll_stop().await, "NoActionInProgress");
    // What it told before it was stopped.
    caller.received().await?;
    let word = within(enrolled(caller, "half", &ticket)).await?;
    assert_eq!(word, "enroll-password-needed", "a ticket serves once, whatever came of it");
    assert_eq!(caller.labels().await?, Vec::<String>::new(), "faces after an enrolment that was stopped");
    Ok(())
}

/// Enrols as soon as the vault has a moment for it: the last word. The stopped one may not have noticed.
async fn enrolled(caller: &mut Caller, label: &str, ticket: &[u8]) -> Result<String> {
    loop {
        caller.camera.enroll_start(label, ticket.to_vec()).await?;
        let word = caller.until_end().await?;
        if word != "busy" {
            return Ok(word);
        }
    }
}

async fn a_whole_enrolment(machine: &Machine, caller: &mut Caller) -> Result {
    let ticket = caller.ticket(machine).await?;
    assert_eq!(within(enrolled(caller, "whole", &ticket)).await?, "enroll-completed");
    // The vault looks through the camera for one at a time: the stopped enrolment is over for good.
    assert_eq!(caller.labels().await?, ["whole"]);
    Ok(())
}

async fn a_whole_verification(machine: &Machine, caller: &mut Caller) -> Result {
    machine.play(PERSON)?;
    assert_eq!(within(caller.judged()).await?, "verify-match");
    Ok(())
}

async fn one_thing_at_a_time(machine: &Machine, caller: &mut Caller) -> Result {
    within(caller.begin(machine)).await?;
    refused("a second VerifyStart", caller.camera.verify_start().await, "AlreadyInUse");
    refused("EnrollStart meanwhile", caller.camera.enroll_start("x", vec![0; 32]).await, "AlreadyInUse");
    refused("EnrollStop of a verification", caller.camera.enroll_stop().await, "NoActionInProgress");
    caller.until_told("no-face").await
}

/// `VerifyStop` of the attempt that runs. The caller keeps its claim: a login needs none, and is judged.
async fn a_stopped_attempt_is_over(machine: &Machine, caller: &mut Caller) -> Result {
    caller.camera.verify_stop().await?;
    refused("a second VerifyStop", caller.camera.verify_stop().await, "NoActionInProgress");
    caller.received().await?;
    machine.play(PERSON)?;
    wait_until("a login is judged after VerifyStop", || {
        let done = machine.pamtester(&["face-only", "alice", "authenticate"], "");
        done.is_ok_and(|done| done.out.contains("successfully authenticated"))
    })?;
    silent("of an attempt that was stopped, or of the login", &caller.received().await?);
    assert_eq!(within(caller.judged()).await?, "verify-match", "of the same claim, after VerifyStop");
    Ok(())
}

/// A score, an embedding or a distance in a log would tell an attacker how near a face came.
fn nothing_measured_is_logged(machine: &Machine) -> Result {
    let mut all = String::new();
    for name in ["daemon", "vault", "camera", "password"] {
        all += &fs::read_to_string(machine.log(name))?.to_lowercase();
    }
    assert!(all.contains("accepted"), "these are not the logs of this test: {all}");
    for word in ["score", "cosine", "similar", "embedding", "distance", "threshold", "agree", "template"] {
        assert!(!all.contains(word), "{word:?} is logged: {all}");
    }
    // Nor fractions, such as a cosine is. Callers' names on the bus only look like one.
    let others = all.replace("vultus_caller=\":1.", "");
    let fraction = |w: &[u8]| w[0].is_ascii_digit() && w[1] == b'.' && w[2].is_ascii_digit();
    assert!(!others.as_bytes().windows(3).any(fraction), "a fraction is logged: {others}");
    Ok(())
}
