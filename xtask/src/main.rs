//! The one door for people and CI: `cargo xtask setup|models|demo|test|lint|bench`. It installs what is
//! missing, and runs what is there; it decides nothing about Vultus itself.

mod lint;
mod models;
mod setup;
mod shell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install the system packages that building and testing need (Debian 12 or 13).
    Setup,
    /// Fetch, check and convert the models, and fetch the photographs.
    Models,
    /// The main job from end to end, as a table.
    Demo {
        /// Print one JSON object instead.
        #[arg(long)]
        json: bool,
    },
    /// All tests.
    Test,
    /// Present simulated people and attackers to the vault's judgement, and count who gets in. Goes on where it was
    /// stopped. All arguments are those of `vultus-liveness`: see `--help`.
    #[command(disable_help_flag = true)]
    Liveness {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Formatting, clippy, licences, advisories and the rules of the dependency graph.
    Lint {
        /// A copy of the advisory database, for a machine that cannot fetch it.
        #[arg(long)]
        advisories: Option<PathBuf>,
    },
    /// Speed and memory, beside ONNX Runtime in the same run; or the server's.
    Bench {
        #[arg(value_enum, default_value = "device")]
        what: Benchmark,
        #[arg(long)]
        json: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Benchmark {
    /// Models, verification, memory.
    Device,
    /// Authentications per second on SQLite and PostgreSQL.
    Server,
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("xtask: {e}");
            ExitCode::FAILURE
        }
    }
}

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn run(task: Task) -> Result<()> {
    std::env::set_current_dir(shell::root())?;
    match task {
        Task::Setup => setup::packages(),
        Task::Models => setup::packages().and_then(|()| models::prepare()),
        Task::Demo { json } => {
            prepare()?;
            let mut demo = shell::as_root("target/debug/vultus-demo");
            shell::run(if json { demo.arg("--json") } else { &mut demo })
        }
        Task::Test => test(),
        Task::Liveness { arguments } => {
            prepare()?;
            shell::run(std::process::Command::new("target/debug/vultus-liveness").args(arguments))
        }
        Task::Lint { advisories } => lint::all(advisories.as_deref()),
        Task::Bench { what, json } => {
            prepare()?;
            let mut bench = shell::as_root(match what {
                Benchmark::Device => "target/debug/vultus-bench",
                Benchmark::Server => "target/debug/vultus-bench-server",
            });
            shell::run(if json { bench.arg("--json") } else { &mut bench })
        }
    }
}

/// What every task that runs something needs. What it prints goes to standard error.
fn prepare() -> Result<()> {
    setup::packages()?;
    models::prepare()?;
    build()
}

/// Everything in one build, so that features are unified once; then the PAM module by itself, without
/// the features that others ask of its dependencies.
fn build() -> Result<()> {
    shell::run(shell::cargo(&["build", "--workspace", "--all-targets", "--locked"]))?;
    let module = ["build", "--package", "pam_vultus", "--locked", "--target-dir", "target/pam"];
    shell::run(shell::cargo(&module))
}

fn test() -> Result<()> {
    prepare()?;
    lint::graph()?;
    // The tests start processes under users of their own, which takes root. Cargo builds as whoever
    // calls, and each test binary runs through this runner.
    let mut tests = shell::cargo(&["test", "--workspace", "--locked", "--no-fail-fast"]);
    if !shell::is_root() {
        let triple = shell::host_triple()?.to_uppercase().replace('-', "_");
        tests.env(format!("CARGO_TARGET_{triple}_RUNNER"), "sudo -E");
    }
    shell::run(&mut tests)?;
    lint::fuzz_briefly()
}
