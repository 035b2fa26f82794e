//! `vultus-bench`: how long a frame, its liveness, an attempt and a login take and how much memory they need,
//! beside ONNX Runtime on the same model files and inputs in the same run. It judges one figure only: whether
//! passive liveness adds no more than a camera frame to an attempt.

#[path = "bench/liveness.rs"]
mod liveness;

use std::error::Error;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use serde::Serialize;
use vultus_frames::{Format, FrameClock, Mode, Opener, Opening, Sealer, StaticKey, accept};
use vultus_tests::machine::{ALICE, Machine, PASSWORD};
use vultus_tests::measure::{
    OnnxRuntime, memory, memory_during, model_file, network_inputs, percentile, timed,
};
use vultus_tests::pictures::{self, Photograph};
use vultus_tests::process::{Finished, Process};
use vultus_tests::video::Picture;
use vultus_tests::{client, films};
use vultus_vision::quality::Quality;
use vultus_vision::reference::{NETWORKS, Runner, Stages};
use vultus_vision::{Embedding, Image, Models, Observer, Pose};
use zbus::export::ordered_stream::OrderedStreamExt;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The two engines take turns, so that whatever else the machine does befalls both.
const ROUNDS: usize = 5;
const RUNS_A_ROUND: usize = 40;
const FRAMES: usize = 60;
const VERIFICATIONS: usize = 20;
/// Verifications during which memory is looked at: those are not timed.
const WATCHED: usize = 5;
const LOGINS: usize = 10;
/// After an attempt the camera takes a moment to close its device; nobody logs in faster than this.
const BREATH: Duration = Duration::from_millis(250);
/// The film that the machine's camera plays.
const FILM: &str = "third-of-a";

#[derive(Parser)]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

/// One figure; `reference` names what it was measured beside, and `ratio` is ours over that. `met` says
/// whether it is no more than that, where it ought to be.
#[derive(Serialize)]
struct Row {
    name: String,
    value: f64,
    unit: &'static str,
    reference: Option<String>,
    ratio: Option<f64>,
    met: Option<bool>,
}

#[derive(Default, Serialize)]
struct Report {
    rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, name: &str, value: f64, unit: &'static str) {
        self.rows.push(Row { name: name.to_owned(), value, unit, reference: None, ratio: None, met: None });
    }

    /// Two rows in milliseconds: the median and the 95th percentile.
    fn add_times(&mut self, name: &str, times: &[f64]) {
        self.add(&format!("{name}, p50"), percentile(times, 0.5), "ms");
        self.add(&format!("{name}, p95"), percentile(times, 0.95), "ms");
    }

    /// The same, each beside the same percentile of a reference.
    fn add_compared(&mut self, name: &str, ours: &[f64], theirs: &[f64], reference: &str) {
        for (word, share) in [("p50", 0.5), ("p95", 0.95)] {
            let (value, beside) = (percentile(ours, share), percentile(theirs, share));
            self.rows.push(Row {
                name: format!("{name}, {word}"),
                value,
                unit: "ms",
                reference: Some(reference.to_owned()),
                ratio: Some(value / beside),
                met: None,
            });
        }
    }

    /// The same beside a time in milliseconds that neither may exceed.
    fn add_held(&mut self, name: &str, ours: &[f64], most: f64, reference: &str) {
        let before = self.rows.len();
        self.add_compared(name, ours, &[most], reference);
        self.rows[before..].iter_mut().for_each(|row| row.met = Some(row.value <= most));
    }

    fn print(&self) {
        for row in &self.rows {
            let Row { name, value, unit, reference, ratio, met } = row;
            let beside = match (reference, ratio) {
                (Some(of), Some(ratio)) => format!("{ratio:.2} x {:.2} {unit} of {of}", value / ratio),
                _ => String::new(),
            };
            let target = met.map_or("", |met| if met { ": target met" } else { ": target missed" });
            println!("{name:<58} {value:>9.2} {unit:<4} {beside}{target}");
        }
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let mut report = Report::default();
    let done = measure(&mut report).and_then(|()| {
        if arguments.json {
            println!("{}", serde_json::to_string_pretty(&report)?);
        } else {
            report.print();
        }
        Ok(())
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("vultus-bench: {e}");
            ExitCode::FAILURE
        }
    }
}

fn measure(report: &mut Report) -> Result<()> {
    let observer = films::observer()?;
    let stages = Stages::load(&Models::read(&pictures::models())?)?;
    eprintln!("networks …");
    networks(report, &stages)?;
    eprintln!("stages …");
    let sitter = films::sitter(&observer, Photograph::ThirdOfA)?;
    frames(report, &stages, &sitter.clip(FRAMES as f32 / 30.0, 6.0))?;
    eprintln!("liveness …");
    liveness::measured(report, &observer, &sitter)?;
    eprintln!("attempts …");
    // A short film, so that what the scripted camera holds does not hide what Vultus needs.
    attempts(report, &observer, &sitter.clip(0.5, 6.0))
}

/// The engine alone, on what the photographs become.
fn networks(report: &mut Report, stages: &Stages) -> Result<()> {
    for (name, inputs) in NETWORKS.into_iter().zip(&network_inputs(stages)?) {
        let runner = Runner::load(&pictures::models(), name)?;
        let mut onnx = OnnxRuntime::start(&model_file(name)?, inputs, RUNS_A_ROUND)?;
        // The first runs allocate; the other side has made its own.
        ours(&runner, inputs, inputs.len())?;
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            here.extend(ours(&runner, inputs, RUNS_A_ROUND)?);
            there.extend(onnx.block()?);
        }
        let reference = format!("ONNX Runtime {}, 1 thread", onnx.version);
        report.add_compared(&format!("network {name}"), &here, &there, &reference);
    }
    Ok(())
}

/// The milliseconds of each of so many runs.
fn ours(runner: &Runner, inputs: &[Vec<f32>], runs: usize) -> Result<Vec<f64>> {
    let run = |input: &Vec<f32>| {
        let input = input.clone();
        let (output, took) = timed(|| runner.run(input));
        output.map(|_| took)
    };
    Ok(inputs.iter().cycle().take(runs).map(run).collect::<std::result::Result<_, _>>()?)
}

/// What one frame costs, stage by stage, from the camera's seal to the embedding.
fn frames(report: &mut Report, stages: &Stages, film: &[Picture]) -> Result<()> {
    const NAMES: [&str; 7] = [
        "seal (camera)",
        "open (vault)",
        "detect, with its crop",
        "landmarks, with their crop",
        "pose and quality",
        "embed, with its crop",
        "all that the vault does",
    ];
    let first = film.first().ok_or("no film")?;
    let (mut sealer, mut opener) = session(first)?;
    let mut times: [Vec<f64>; 7] = Default::default();
    for (i, picture) in film.iter().enumerate() {
        let taken = one_frame(stages, &mut sealer, &mut opener, picture, i as u32)?;
        for (list, took) in times.iter_mut().zip(taken) {
            list.push(took);
        }
    }
    for (name, times) in NAMES.into_iter().zip(&times) {
        report.add_times(&format!("frame {} x {}: {name}", first.width, first.height), times);
    }
    Ok(())
}

/// A session between two fresh keys.
fn session(picture: &Picture) -> Result<(Sealer, Opener)> {
    let (camera, vault) = (StaticKey::generate()?, StaticKey::generate()?);
    let mode = Mode { width: picture.width, height: picture.height, format: Format::Rgb };
    let (opening, offer) = Opening::offer(&vault, "bench", camera.public(), [7; 32])?;
    let (answer, sealer) = accept(camera, vault.public(), "bench", mode, offer.as_bytes())?;
    Ok((sealer, opening.finish(&answer, FrameClock { oldest: Duration::from_secs(1) })?))
}

/// The milliseconds of each stage of one frame, in the order in which [`frames`] names them.
fn one_frame(
    stages: &Stages,
    sealer: &mut Sealer,
    opener: &mut Opener,
    picture: &Picture,
    count: u32,
) -> Result<[f64; 7]> {
    let (pixels, captured_us) = (picture.rgb.clone(), u64::from(count) + 1);
    let (sealed, seal) = timed(|| sealer.seal(pixels, count, captured_us));
    let sealed = sealed?;
    let begun = Instant::now();
    let (frame, open) = timed(|| opener.open(sealed, captured_us));
    let mut frame = frame?;
    let (mode, pixels) = (frame.mode, std::mem::take(&mut frame.pixels));
    let image = Image::from_rgb(mode.width, mode.height, pixels)?;
    let (face, detect) = timed(|| stages.largest(&image));
    let face = face?.ok_or("no face in the frame")?;
    let (mesh, landmarks) = timed(|| stages.mesher.landmarks(&image, &face));
    let mesh = mesh?;
    let (shortfall, quality) =
        timed(|| Quality::measure(&image, &mesh).shortfall(&image, &mesh, Pose::of(&mesh)));
    if let Some(reason) = shortfall {
        return Err(format!("a frame cannot be judged: {reason:?}").into());
    }
    let (embedding, embed) = timed(|| stages.embedder.embed(&image, &mesh));
    let _: Embedding = embedding?.ok_or("a face without an embedding")?;
    let all = begun.elapsed().as_secs_f64() * 1e3;
    Ok([seal, open, detect, landmarks, quality, embed, all])
}

/// Whole attempts on a machine of real parts, and what its processes need.
fn attempts(report: &mut Report, observer: &Observer, film: &[Picture]) -> Result<()> {
    let mut machine = Machine::start()?;
    machine.start_agent()?;
    machine.play_pictures("enrolment-of-a", &films::enrolment(observer)?)?;
    let arguments = ["--password-stdin", "enroll", "bench"];
    succeeded(machine.vultus(ALICE, &arguments, &format!("{PASSWORD}\n"))?, "enroll-completed")?;
    machine.play_pictures(FILM, film)?;
    let address = machine.bus_address();
    // The first one loads the film.
    verifications(&address, 1)?;
    let parts = processes(&machine)?;
    let pids = parts.map(|(_, pid)| pid);
    let idle = pids.iter().map(|&pid| memory(pid)).collect::<std::io::Result<Vec<u64>>>()?;
    report.add_times("attempt: VerifyStart to VerifyStatus", &verifications(&address, VERIFICATIONS)?);
    let watched = || verifications(&address, WATCHED).map_err(|e| e.to_string());
    let (done, looks) = memory_during(&pids, watched)?;
    done?;
    report.add_times("attempt: pamtester, from its start to success", &logins(&machine)?);
    for (i, (name, _)) in parts.iter().enumerate() {
        let most = looks.iter().map(|look| look[i]).max().unwrap_or(0);
        report.add(&format!("memory of {name}, idle"), mib(idle[i]), "MiB");
        report.add(&format!("memory of {name}, in an attempt"), mib(most), "MiB");
    }
    let most = looks.iter().map(|look| look.iter().sum::<u64>()).max().unwrap_or(0);
    report.add("memory of all of these, idle", mib(idle.iter().sum()), "MiB");
    report.add("memory of all of these, in an attempt", mib(most), "MiB");
    Ok(())
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The processes of Vultus, the scripted camera in the place of the kernel's.
fn processes(machine: &Machine) -> Result<[(&'static str, u32); 4]> {
    let pid = |process: &Option<Process>| process.as_ref().map(Process::pid).ok_or("a process is missing");
    Ok([
        ("vultus-vault", pid(&machine.vault)?),
        ("vultusd", pid(&machine.daemon)?),
        ("vultus-password", pid(&machine.password)?),
        ("vultus-scripted-camera, with its film", pid(&machine.camera)?),
    ])
}

/// Verifies Alice so many times as root, on one connection: the milliseconds of each.
async fn verify(address: &str, count: usize) -> Result<Vec<f64>> {
    let (_bus, _manager, camera) = client::camera(address).await?;
    let mut status = camera.receive_verify_status().await?;
    camera.claim("alice").await?;
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        tokio::time::sleep(BREATH).await;
        let begun = Instant::now();
        camera.verify_start().await?;
        let signal = status.next().await.ok_or("the bus closed the connection")?;
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let result = signal.args()?.result.to_owned();
        if result != "verify-match" {
            return Err(format!("a verification ended with {result}").into());
        }
    }
    camera.release().await?;
    Ok(times)
}

fn verifications(address: &str, count: usize) -> Result<Vec<f64>> {
    client::block_on(verify(address, count))?
}

/// Logs Alice in so many times through the PAM module: the milliseconds of each.
fn logins(machine: &Machine) -> Result<Vec<f64>> {
    let login = |_: usize| -> Result<f64> {
        std::thread::sleep(BREATH);
        let (done, took) = timed(|| machine.pamtester(&["face-only", "alice", "authenticate"], ""));
        succeeded(done?, "successfully").map(|()| took)
    };
    (0..LOGINS).map(login).collect()
}

fn succeeded(done: Finished, word: &str) -> Result<()> {
    let said = done.out.contains(word) || done.err.contains(word);
    if done.status == 0 && said { Ok(()) } else { Err(format!("no {word:?}: {done:?}").into()) }
}
