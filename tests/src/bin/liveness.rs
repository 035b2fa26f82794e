//! `vultus-liveness`: presents simulated people and attackers to the vault's judgement, and says how many of each
//! kind were taken for the living person, with 95 % Clopper-Pearson intervals. It goes on where it was stopped,
//! and judges no figure.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clap::Parser;
use serde::Serialize;
use vultus_cli::evaluate::interval::Proportion;
use vultus_tests::presentation::{BONA_FIDE, Company, Record, is_accepted};
use vultus_tests::simulation::AttackKind;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Parser)]
struct Arguments {
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
    /// Presentations of each kind.
    #[arg(long, default_value_t = 20)]
    tries: u64,
    /// Actions that are asked for in each.
    #[arg(long, default_value_t = 1)]
    actions: usize,
    /// The first seed: other seeds are other presentations.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Where each presentation's record is added, a line of JSON each, and read again.
    #[arg(long, default_value = "target/liveness.jsonl")]
    records: PathBuf,
}

/// One kind of presentation.
#[derive(Serialize)]
struct Row {
    kind: String,
    /// APCER of attacks; of bona fide presentations the share that was accepted, 1 - BPCER.
    accepted: Proportion,
    outcomes: BTreeMap<String, u64>,
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
    let kinds: Vec<Option<AttackKind>> =
        std::iter::once(None).chain(AttackKind::ALL.into_iter().map(Some)).collect();
    let known = read(&arguments.records)?;
    let done = |kind: &str, seed: u64| {
        known.iter().any(|r| r.kind == kind && r.seed == seed && r.actions == arguments.actions)
    };
    let seeds = arguments.from..arguments.from + arguments.tries;
    let wanted: Vec<(Option<AttackKind>, u64)> = seeds
        .clone()
        .flat_map(|seed| kinds.iter().map(move |kind| (*kind, seed)))
        .filter(|(kind, seed)| !done(name(*kind), *seed))
        .collect();
    present(arguments, &wanted)?;
    let all = read(&arguments.records)?;
    let counted = |r: &&Record| r.actions == arguments.actions && seeds.contains(&r.seed);
    let counted: Vec<&Record> = all.iter().filter(counted).collect();
    let rows: Vec<Row> = kinds.iter().filter_map(|kind| row(name(*kind), &counted)).collect();
    report(arguments, &rows)
}

fn name(kind: Option<AttackKind>) -> &'static str {
    kind.map_or(BONA_FIDE, AttackKind::name)
}

fn read(path: &PathBuf) -> Result<Vec<Record>> {
    match fs::read_to_string(path) {
        // A line that was not finished is presented again.
        Ok(text) => Ok(text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(e.into()),
    }
}

/// On as many threads as there are cores.
fn present(arguments: &Arguments, wanted: &[(Option<AttackKind>, u64)]) -> Result<()> {
    if wanted.is_empty() {
        return Ok(());
    }
    let company = Company::new().map_err(|e| e.to_string())?;
    let file = Mutex::new(OpenOptions::new().create(true).append(true).open(&arguments.records)?);
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while let Some((kind, seed)) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
            let record = company.present(*kind, *seed, arguments.actions).map_err(|e| e.to_string())?;
            let line = serde_json::to_string(&record)? + "\n";
            file.lock().map_err(|_| "a presentation failed")?.write_all(line.as_bytes())?;
            eprint!(".");
        }
        Ok(())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        running.into_iter().try_for_each(|thread| thread.join().map_err(|_| "a presentation failed")?)
    })?;
    eprintln!();
    Ok(())
}

fn row(kind: &str, records: &[&Record]) -> Option<Row> {
    let own: Vec<&&Record> = records.iter().filter(|r| r.kind == kind).collect();
    let accepted = own.iter().filter(|r| is_accepted(r)).count() as u64;
    let mut outcomes = BTreeMap::new();
    for record in &own {
        *outcomes.entry(record.outcome.clone()).or_default() += 1;
    }
    Some(Row { kind: kind.to_owned(), accepted: Proportion::of(accepted, own.len() as u64)?, outcomes })
}

fn report(arguments: &Arguments, rows: &[Row]) -> Result<()> {
    if arguments.json {
        let all = serde_json::json!({ "actions": arguments.actions, "simulated": true, "rows": rows });
        println!("{all}");
        return Ok(());
    }
    println!("Simulated people and attackers; {} action(s) asked for.\n", arguments.actions);
    println!("| kind | accepted | 95 % interval | outcomes |\n|---|---|---|---|");
    for Row { kind, accepted: a, outcomes } in rows {
        let outcomes: Vec<String> = outcomes.iter().map(|(word, n)| format!("{word} {n}")).collect();
        let interval = format!("{:.1} to {:.1} %", 100.0 * a.lower, 100.0 * a.upper);
        println!("| {kind} | {} of {} | {interval} | {} |", a.events, a.trials, outcomes.join(", "));
    }
    Ok(())
}
