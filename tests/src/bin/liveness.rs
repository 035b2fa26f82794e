//! `vultus-liveness`: presents simulated people and attackers to the vault's judgement, and says how many of each
//! kind were taken for the living person, with 95 % Clopper-Pearson intervals; or writes the page that docs/ shows.
//! It goes on where it was stopped, and judges no figure.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use vultus_tests::films;
use vultus_tests::presentation::{Asked, BONA_FIDE, Company, Part, Record};
use vultus_tests::results::{self, markdown, tables};
use vultus_tests::simulation::AttackKind;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// Print one JSON object instead of tables.
    #[arg(long)]
    json: bool,
    /// Presentations of each kind.
    #[arg(long, default_value_t = 20)]
    tries: u64,
    /// What is asked of whoever is presented.
    #[arg(long, value_enum, default_values_t = [Asked::One])]
    asked: Vec<Asked>,
    /// Frames a second that are judged.
    #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u32).range(5..=60))]
    rate: u32,
    /// The part for tuning has bona fide presentations only.
    #[arg(long, value_enum, default_value_t = Part::Report)]
    part: Part,
    /// Only this kind.
    #[arg(long)]
    kind: Option<String>,
    /// The first seed: other seeds are other presentations.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Where each presentation's record is added, a line of JSON each, and read again.
    #[arg(long, default_value = "target/liveness.jsonl")]
    records: PathBuf,
    /// Present nobody, and write the page of all records to this file.
    #[arg(long)]
    page: Option<PathBuf>,
}

/// One presentation that is not known yet.
struct Wanted {
    kind: Option<AttackKind>,
    seed: u64,
    asked: Asked,
}

fn main() -> ExitCode {
    match carry_out(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("vultus-liveness: {e}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(arguments: &Arguments) -> Result<()> {
    if let Some(page) = &arguments.page {
        let observer = films::observer().map_err(|e| e.to_string())?;
        let text = results::page(&read(&arguments.records)?, &observer).map_err(|e| e.to_string())?;
        return Ok(fs::write(page, text)?);
    }
    present(arguments, &wanted(arguments, &read(&arguments.records)?))?;
    let seeds = arguments.from..arguments.from + arguments.tries;
    let mut counted = read(&arguments.records)?;
    counted.retain(|r| {
        arguments.asked.contains(&r.asked) && seeds.contains(&r.seed) && r.rate == arguments.rate
    });
    let tables = tables(&counted, arguments.part);
    if arguments.json {
        println!("{}", serde_json::json!({ "simulated": true, "part": arguments.part, "tables": tables }));
        return Ok(());
    }
    for table in tables {
        println!("Simulated; asked: {}; {} frames a second\n", table.asked.words(), table.rate);
        println!("{}", markdown(&table));
    }
    Ok(())
}

/// Seed by seed, so that what was stopped has about as many of each kind.
fn wanted(arguments: &Arguments, known: &[Record]) -> Vec<Wanted> {
    let kinds = std::iter::once(None).chain(AttackKind::ALL.into_iter().map(Some));
    let kinds: Vec<Option<AttackKind>> = match arguments.part {
        Part::Tuning => vec![None],
        Part::Report => kinds.collect(),
    };
    let name = |kind: Option<AttackKind>| kind.map_or(BONA_FIDE, AttackKind::name);
    let meant = |kind: &Option<AttackKind>| arguments.kind.as_ref().is_none_or(|only| only == name(*kind));
    let done = |wanted: &Wanted| {
        known.iter().any(|r| {
            r.part == arguments.part
                && r.kind == name(wanted.kind)
                && r.seed == wanted.seed
                && r.asked == wanted.asked
                && r.rate == arguments.rate
        })
    };
    let mut all = Vec::new();
    for seed in arguments.from..arguments.from + arguments.tries {
        for &asked in &arguments.asked {
            all.extend(kinds.iter().filter(|k| meant(k)).map(|&kind| Wanted { kind, seed, asked }));
        }
    }
    all.retain(|wanted| !done(wanted));
    all
}

fn read(path: &Path) -> Result<Vec<Record>> {
    match fs::read_to_string(path) {
        // A line that was not finished is presented again.
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e.into()),
    }
}

/// On as many threads as there are cores.
fn present(arguments: &Arguments, wanted: &[Wanted]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let company = Company::new(arguments.part).map_err(|e| e.to_string())?;
    let file = Mutex::new(OpenOptions::new().create(true).append(true).open(&arguments.records)?);
    let (next, bar) = (AtomicUsize::new(0), progress(wanted.len()));
    let work = || -> Result<()> {
        while let Some(Wanted { kind, seed, asked }) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let record = company.present(*kind, *seed, *asked, arguments.rate).map_err(|e| e.to_string())?;
            let line = serde_json::to_string(&record)? + "\n";
            file.lock().map_err(|_| "a presentation failed")?.write_all(line.as_bytes())?;
            bar.inc(1);
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a presentation failed")?)
    })?;
    bar.finish_and_clear();
    Ok(())
}

/// Hidden where nobody looks.
fn progress(presentations: usize) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} presentations, {eta} left");
    ProgressBar::new(presentations as u64).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
