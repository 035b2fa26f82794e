//! `vultus-demo`: the main job from end to end, on a machine of real parts, as a table that a person can
//! follow. The sitters are simulated, from real photographs; the table says so.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use serde::Serialize;
use sha2::{Digest, Sha256};
use vultus_tests::actor::{self, Role};
use vultus_tests::annotate;
use vultus_tests::films;
use vultus_tests::machine::{ALICE, BY_ITSELF, CAMERA_ID, Machine, PASSIVE, PASSWORD};
use vultus_tests::pictures::{self, Photograph};
use vultus_tests::process::{Finished, Process, wait_until};
use vultus_tests::remote_demo::Stage;
use vultus_vision::Observer;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[derive(Parser)]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Where the annotated frames go.
    #[arg(long, default_value = "target/demo")]
    frames: PathBuf,
}

#[derive(Serialize)]
struct Step {
    name: &'static str,
    ok: bool,
    ms: u64,
    detail: String,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    steps: Vec<Step>,
}

/// Takes the steps, one after the other, and tells each as it ends.
struct Story {
    json: bool,
    steps: Vec<Step>,
}

impl Story {
    /// One step; its detail, or why it did not do what it should.
    fn step<T>(&mut self, name: &'static str, work: impl FnOnce() -> Result<(T, String)>) -> Option<T> {
        let begun = Instant::now();
        let result = work();
        let ms = begun.elapsed().as_millis() as u64;
        let (value, ok, detail) = match result {
            Ok((value, detail)) => (Some(value), true, detail),
            Err(e) => (None, false, e.to_string()),
        };
        if !self.json {
            println!("{}  {name:<52} {ms:>6} ms  {detail}", if ok { "ok  " } else { "FAIL" });
        }
        self.steps.push(Step { name, ok, ms, detail });
        value
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut story = Story { json: arguments.json, steps: Vec::new() };
    if !story.json {
        println!("The people in front of the camera are simulated: photographs of public persons, warped by");
        println!("their own landmarks into small turns and changes of light of a solid head.\n");
    }
    tell(&mut story, &arguments.frames);
    // A step that was not reached is not listed: the last one listed has failed.
    let report = Report { ok: story.steps.iter().all(|s| s.ok), steps: story.steps };
    if arguments.json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(e) => eprintln!("{e}"),
        }
    } else {
        println!("\nannotated frames: {}", arguments.frames.display());
    }
    if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// All steps; it stops at the first that fails, since the later ones build on it.
fn tell(story: &mut Story, frames: &std::path::Path) -> Option<()> {
    story.step("the photographs are different files", photographs_differ)?;
    let observer = story.step("the models are those of the manifest", || {
        let observer = films::observer()?;
        Ok((observer, "SHA-256 of each checked".into()))
    })?;
    story.step("frames are judged and annotated", || annotated_frames(&observer, frames))?;
    let mut machine = story.step("swtpm, bus, polkitd, vault, camera: started, paired", || {
        let machine = start(&observer)?;
        Ok((machine, "each process has a user of its own".into()))
    })?;
    story.step("an unpaired camera is refused", || unpaired_is_refused(&machine))?;
    story.step("enrolment without a password ticket is refused", || no_ticket_no_face(&machine))?;
    story.step("enrolment with a wrong password is refused", || wrong_password(&machine))?;
    story.step("A enrols from two photographs, with the password", || enrols(&machine))?;
    story.step("A is verified over D-Bus on the third photograph", || {
        verdict(&machine, "third-of-a", "verify-match")
    })?;
    story.step("B is refused", || verdict(&machine, "person-b", "verify-no-match"))?;
    story.step("C is refused", || verdict(&machine, "person-c", "verify-no-match"))?;
    story.step("A logs in through pam_vultus.so", || {
        pam(&machine, "third-of-a", "login", "", 0, "successfully")
    })?;
    story.step("B is refused there: PAM_AUTH_ERR", || {
        pam(&machine, "person-b", "face-only", "", 1, "Authentication failure")
    })?;
    story.step("the camera is gone: PAM_AUTHINFO_UNAVAIL", || camera_gone(&machine))?;
    story.step("... and the password still works", || {
        let done = machine.pamtester(&["login", "alice", "authenticate"], &format!("{PASSWORD}\n"))?;
        expect(&done, 0, "successfully")?;
        Ok(((), "login: face unavailable, password taken".into()))
    })?;
    story.step("the template is unreadable on the disk", || unreadable(&machine))?;
    story.step("... and without the TPM", || no_tpm(&mut machine))?;
    story.step("... and with another TPM", || other_tpm(&mut machine))?;
    story.step("the vault is killed in mid-enrolment: old state", || killed_while_enrolling(&mut machine))?;
    story
        .step("the vault is killed in mid-attempt: failure charged", || killed_while_judging(&mut machine))?;
    story.step("the password forgets the failures, A is verified", || {
        let cleared =
            machine.vultus(ALICE, &["--password-stdin", "clear-lockout"], &format!("{PASSWORD}\n"))?;
        expect(&cleared, 0, "forgotten")?;
        verdict(&machine, "third-of-a", "verify-match")
    })?;
    tell_of_liveness(story, &mut machine)?;
    tell_of_the_server(story, &machine, frames)
}

/// So far nothing was asked of anybody. Now the vault asks, as it does by itself.
fn tell_of_liveness(story: &mut Story, machine: &mut Machine) -> Option<()> {
    story.step("by default, A is asked to act, and does so", || {
        machine.rule_liveness(BY_ITSELF)?;
        // A bona fide person is refused now and then, and tries again.
        for seed in 1..=3 {
            let (done, asked) = acted(machine, None, seed)?;
            if done.status == 0 {
                return Ok(((), format!("asked: \"{asked}\": verify-match (simulated person)")));
            }
        }
        Err("refused three times".into())
    })?;
    story.step("a print of A that is moved as asked is refused", || {
        let (done, asked) = acted(machine, Some("matte-print"), 4)?;
        expect(&done, 1, "verify-no-match")?;
        machine.play("third-of-a")?;
        machine.rule_liveness(PASSIVE)?;
        Ok(((), format!("asked: \"{asked}\": verify-no-match (simulated attack)")))
    })
}

/// What `vultus verify` says to somebody who hears what is asked, and what that was.
fn acted(machine: &Machine, attack: Option<&str>, seed: u64) -> Result<(Finished, String)> {
    let photograph = Photograph::ThirdOfA.file().to_owned();
    machine.act(&Role { photograph, attack: attack.map(str::to_owned), seed })?;
    let done = machine.relaying(machine.vultus_command(&["verify"])?, ALICE, Some)?;
    let asked = done.out.lines().find(|line| actor::asked(line.trim()).is_some()).unwrap_or("nothing");
    let asked = asked.trim().to_owned();
    Ok((done, asked))
}

/// The same person towards a server and a shop.
fn tell_of_the_server(story: &mut Story, machine: &Machine, frames: &std::path::Path) -> Option<()> {
    fn told(detail: Result<String>) -> Result<((), String)> {
        Ok(((), detail?))
    }
    let mut stage = story.step("server up (SQLite)", || Stage::server_up(machine))?;
    story.step("device enrolled: EK certificate, credential activation", || told(stage.device_enrolled()))?;
    story.step("account registered by face", || told(stage.registered()))?;
    story.step("login authenticated by face", || told(stage.authenticated()))?;
    story.step("a payment is shown, agreed to and signed", || told(stage.paid()))?;
    story.step("somebody else's photograph: no signature", || told(stage.stranger()))?;
    story.step("a replayed packet is refused: code-used", || told(stage.replayed()))?;
    story.step("a revoked device is refused: device-revoked", || told(stage.revoked()))?;
    story.step("the page shows it", || told(stage.page(frames)))?;
    story.step("the audit chain verifies", || told(stage.audited()))
}

fn photographs_differ() -> Result<((), String)> {
    let mut hashes = Vec::new();
    for which in Photograph::ALL {
        let bytes = std::fs::read(pictures::cache().join("pictures").join(which.file()))?;
        let hash: String = Sha256::digest(&bytes).iter().take(6).map(|b| format!("{b:02x}")).collect();
        hashes.push((which.file(), hash));
    }
    let mut distinct: Vec<&String> = hashes.iter().map(|(_, hash)| hash).collect();
    distinct.sort();
    distinct.dedup();
    if distinct.len() != hashes.len() {
        return Err("two photographs are the same file".into());
    }
    let list: Vec<String> = hashes.iter().map(|(file, hash)| format!("{file} {hash}")).collect();
    Ok(((), list.join(", ")))
}

fn annotated_frames(observer: &Observer, frames: &std::path::Path) -> Result<((), String)> {
    let mut names = Vec::new();
    for which in Photograph::ALL {
        let sitter = films::sitter(observer, which)?;
        names.push(annotate::save(observer, &format!("{which:?}").to_lowercase(), sitter.base(), frames)?);
    }
    for (name, picture) in films::shortfalls(observer)? {
        names.push(annotate::save(observer, name, &picture, frames)?);
    }
    let text: Vec<_> = names.iter().filter_map(|p| p.file_stem()?.to_str()).collect();
    Ok(((), text.join(", ")))
}

fn start(observer: &Observer) -> Result<Machine> {
    let mut machine = Machine::start_certified()?;
    machine.start_agent()?;
    machine.play_pictures("enrolment-of-a", &films::enrolment(observer)?)?;
    for (name, which) in [
        ("third-of-a", Photograph::ThirdOfA),
        ("person-b", Photograph::PersonB),
        ("person-c", Photograph::PersonC),
    ] {
        machine.play_pictures(name, &films::swaying(observer, which)?)?;
    }
    Ok(machine)
}

fn unpaired_is_refused(machine: &Machine) -> Result<((), String)> {
    let nonce = machine.vultus(0, &["cameras", "unpair", CAMERA_ID], "")?;
    expect(&nonce, 0, "forgot")?;
    machine.play("enrolment-of-a")?;
    let refused = machine.vultus(ALICE, &["verify"], "")?;
    expect(&refused, 2, "not paired")?;
    expect(&machine.vultus(0, &["cameras", "pair", CAMERA_ID], "")?, 0, "paired")?;
    Ok(((), refused.err.trim().to_owned()))
}

fn no_ticket_no_face(machine: &Machine) -> Result<((), String)> {
    // Even root, through the real interface, with a ticket that nobody's password redeemed.
    machine.play("enrolment-of-a")?;
    let result = vultus_tests::client::enroll_without_password(&machine.bus_address(), "alice")?;
    if result != "enroll-password-needed" {
        return Err(format!("the answer was {result}").into());
    }
    Ok(((), format!("root, by D-Bus: {result}")))
}

fn wrong_password(machine: &Machine) -> Result<((), String)> {
    let refused = machine.vultus(ALICE, &["--password-stdin", "enroll", "desk"], "wrong\n")?;
    expect(&refused, 2, "not accepted")?;
    Ok(((), refused.err.trim().to_owned()))
}

fn enrols(machine: &Machine) -> Result<((), String)> {
    machine.play("enrolment-of-a")?;
    let input = format!("{PASSWORD}\n");
    let enrolled = machine.vultus(ALICE, &["--password-stdin", "enroll", "desk and road"], &input)?;
    expect(&enrolled, 0, "enroll-completed")?;
    let listed = machine.vultus(ALICE, &["list"], "")?;
    expect(&listed, 0, "desk and road")?;
    Ok(((), listed.out.trim().to_owned()))
}

fn verdict(machine: &Machine, film: &str, word: &str) -> Result<((), String)> {
    machine.play(film)?;
    let done = machine.vultus(ALICE, &["verify"], "")?;
    expect(&done, i32::from(word != "verify-match"), word)?;
    Ok(((), done.out.trim().to_owned()))
}

fn pam(
    machine: &Machine,
    film: &str,
    service: &str,
    input: &str,
    status: i32,
    word: &str,
) -> Result<((), String)> {
    machine.play(film)?;
    let done = machine.pamtester(&[service, "alice", "authenticate"], input)?;
    expect(&done, status, word)?;
    Ok(((), last_line(&done)))
}

fn camera_gone(machine: &Machine) -> Result<((), String)> {
    machine.unplug_camera()?;
    let done = machine.pamtester(&["face-only", "alice", "authenticate"], "")?;
    expect(&done, 1, "cannot retrieve authentication info")?;
    Ok(((), last_line(&done)))
}

fn unreadable(machine: &Machine) -> Result<((), String)> {
    let mut bytes = Vec::new();
    for entry in std::fs::read_dir(machine.path("vault-state"))? {
        bytes.extend(std::fs::read(entry?.path())?);
    }
    for word in ["desk and road", CAMERA_ID] {
        if bytes.windows(word.len()).any(|w| w == word.as_bytes()) {
            return Err(format!("{word:?} stands in the state in the clear").into());
        }
    }
    Ok(((), format!("{} bytes of state hold neither label nor camera in the clear", bytes.len())))
}

fn no_tpm(machine: &mut Machine) -> Result<((), String)> {
    machine.play("third-of-a")?;
    machine.tpm = None;
    let refused = machine.vultus(ALICE, &["list"], "")?;
    expect(&refused, 2, "no TPM answers")?;
    expect(&machine.pamtester(&["face-only", "alice", "authenticate"], "")?, 1, "cannot retrieve")?;
    Ok(((), refused.err.trim().to_owned()))
}

fn other_tpm(machine: &mut Machine) -> Result<((), String)> {
    let (own, kept) = (machine.path("tpm-state"), machine.path("tpm-kept"));
    std::fs::rename(&own, &kept)?;
    std::fs::create_dir(&own)?;
    machine.start_tpm()?;
    let refused = machine.vultus(ALICE, &["list"], "")?;
    expect(&refused, 2, "not the TPM")?;
    machine.tpm = None;
    std::fs::remove_dir_all(&own)?;
    std::fs::rename(&kept, &own)?;
    machine.start_tpm()?;
    expect(&machine.vultus(ALICE, &["list"], "")?, 0, "desk and road")?;
    Ok(((), format!("{}; with its own TPM back, the face is there", refused.err.trim())))
}

fn killed_while_enrolling(machine: &mut Machine) -> Result<((), String)> {
    machine.play("enrolment-of-a")?;
    let before = machine.vultus(ALICE, &["list"], "")?.out;
    let mut enrolling = vultus_tests::client::Enrolling::start(machine, ALICE, PASSWORD)?;
    enrolling.wait_for_a_shot()?;
    machine.kill_vault()?;
    drop(enrolling);
    machine.start_vault()?;
    let after = machine.vultus(ALICE, &["list"], "")?.out;
    if before != after {
        return Err(format!("faces before {before:?}, after {after:?}").into());
    }
    verdict(machine, "third-of-a", "verify-match")?;
    Ok(((), "the same faces as before, and they verify".into()))
}

fn killed_while_judging(machine: &mut Machine) -> Result<((), String)> {
    machine.play("person-b")?;
    let log = machine.path("vault-state/vault.db-wal");
    let size = || std::fs::metadata(&log).map_or(0, |m| m.len());
    let written = || std::fs::metadata(&log).and_then(|m| m.modified()).ok();
    let (size_before, written_before) = (size(), written());
    let mut command = machine.vultus_command(&["verify"])?;
    command.stdin(std::process::Stdio::null());
    let attempt = Process::start(command, ALICE, &machine.log("attempt"))?;
    // The charge is the first thing that an attempt writes.
    wait_until("the attempt is charged", || size() != size_before || written() != written_before)?;
    machine.kill_vault()?;
    drop(attempt);
    machine.start_vault()?;
    for _ in 0..4 {
        verdict(machine, "person-b", "verify-no-match")?;
    }
    // Five in a row only if the killed one counts.
    machine.play("third-of-a")?;
    let done = machine.vultus(ALICE, &["verify"], "")?;
    expect(&done, 1, "verify-locked-out")?;
    // Nor does another start of the vault open the door.
    machine.kill_vault()?;
    machine.start_vault()?;
    expect(&machine.vultus(ALICE, &["verify"], "")?, 1, "verify-locked-out")?;
    Ok(((), "after four more failures: verify-locked-out, and so after a restart".into()))
}

/// A command that did what it should: its status, and a word in what it said.
fn expect(done: &Finished, status: i32, word: &str) -> Result<()> {
    if done.status == status && (done.out.contains(word) || done.err.contains(word)) {
        return Ok(());
    }
    Err(format!("expected status {status} and {word:?}: {done:?}").into())
}

fn last_line(done: &Finished) -> String {
    let mut lines = done.err.lines().chain(done.out.lines()).filter(|l| !l.contains("PWRAP"));
    let line = lines.next_back().unwrap_or("");
    line.trim().to_owned()
}
