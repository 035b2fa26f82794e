//! `vultus`: what a person does with Vultus at a terminal.

mod accounts;
mod assertion;
mod cameras;
mod ceremony;
mod commands;
mod device;
mod doctor;
mod evaluation;
mod foreign;
mod https;
mod screen;
mod vault;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Log in by face.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// The folder of the runtime sockets.
    #[arg(long, global = true, default_value = "/run/vultus")]
    runtime: PathBuf,
    /// The folder of the model files.
    #[arg(long, global = true, default_value = "/usr/share/vultus/models")]
    models: PathBuf,
    /// Read passwords from standard input, a line each, instead of the terminal.
    #[arg(long, global = true)]
    password_stdin: bool,
    /// The vault's user, as a number: what root asks of the vault nobody else may answer. The user
    /// `vultus-vault` where it is left out.
    #[arg(long, global = true)]
    vault_uid: Option<u32>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Enrol a face; asks for your password.
    Enroll {
        /// What to call this face.
        #[arg(default_value = "face")]
        label: String,
        /// For another user.
        #[arg(long, default_value = "")]
        user: String,
    },
    /// Verify a face.
    Verify {
        #[arg(long, default_value = "")]
        user: String,
        #[command(flatten)]
        screen: screen::ScreenChoice,
    },
    /// List enrolled faces.
    List {
        #[arg(long, default_value = "")]
        user: String,
    },
    /// Delete one face by its number, or all; asks for your password.
    Remove {
        #[arg(required_unless_present = "all")]
        face: Option<u32>,
        #[arg(long, conflicts_with = "face")]
        all: bool,
        #[arg(long, default_value = "")]
        user: String,
    },
    /// Forget failed attempts; asks for your password.
    ClearLockout {
        #[arg(long, default_value = "")]
        user: String,
    },
    /// List cameras; root also sees and pairs new ones.
    Cameras {
        #[command(subcommand)]
        action: Option<CameraAction>,
    },
    /// This device towards servers: pin them, enrol with them.
    Device {
        #[command(subcommand)]
        action: device::DeviceAction,
    },
    /// Accounts of remote services: register, log in, pay.
    Account {
        #[command(subcommand)]
        action: accounts::AccountAction,
    },
    /// Verify a face, and print a signed assertion of it for an application.
    Assert {
        /// What the application calls itself.
        audience: String,
        #[command(flatten)]
        screen: screen::ScreenChoice,
    },
    /// Say how Vultus is.
    Status,
    /// Find what is wrong and say what to do.
    Doctor,
    /// Measure recognition or liveness on pictures and videos of your own.
    Evaluate {
        #[command(subcommand)]
        what: evaluation::Evaluation,
    },
}

#[derive(Subcommand)]
enum CameraAction {
    /// List all cameras that answer, paired or not (root).
    Discover,
    /// Exchange keys with a camera (root).
    Pair { camera: String },
    /// Forget a camera's key (root).
    Unpair { camera: String },
}

/// What a command has to say: a table or sentence for people, an object for programs.
pub struct Outcome {
    pub text: String,
    pub json: serde_json::Value,
    /// Whether what was asked for came about.
    pub done: Done,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Done {
    Yes,
    No,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    match run(arguments) {
        Ok(outcome) => {
            say(&if json { outcome.json.to_string() } else { foreign::lines(&outcome.text) });
            if outcome.done == Done::Yes { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(e) => {
            if json {
                say(&serde_json::json!({ "ok": false, "error": e.to_string() }).to_string());
            }
            // What the bus or a server said may be part of it.
            eprintln!("vultus: {}", foreign::lines(&e.to_string()));
            ExitCode::from(2)
        }
    }
}

/// Prints a line. A reader that has gone wants no more of it.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn run(arguments: Arguments) -> Result<Outcome, Box<dyn std::error::Error>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let place = commands::Place {
        runtime: arguments.runtime,
        json: arguments.json,
        password_stdin: arguments.password_stdin,
        vault_uid: arguments.vault_uid,
    };
    match arguments.command {
        Command::Enroll { label, user } => runtime.block_on(commands::enroll(&place, &user, &label)),
        Command::Verify { user, screen } => runtime.block_on(commands::verify(&user, screen)),
        Command::List { user } => runtime.block_on(commands::list(&user)),
        Command::Remove { face, user, .. } => runtime.block_on(commands::remove(&place, &user, face)),
        Command::ClearLockout { user } => runtime.block_on(commands::clear_lockout(&place, &user)),
        Command::Cameras { action: None } => runtime.block_on(commands::cameras()),
        Command::Cameras { action: Some(action) } => cameras::manage(&place, action),
        Command::Device { action } => runtime.block_on(device::manage(&place, action)),
        Command::Account { action } => runtime.block_on(accounts::manage(&place, action)),
        Command::Assert { audience, screen } => runtime.block_on(assertion::assert(&audience, screen)),
        Command::Status => runtime.block_on(commands::status()),
        Command::Doctor => Ok(runtime.block_on(doctor::examine(&place, &arguments.models))),
        Command::Evaluate { what } => evaluation::evaluate(what, arguments.models, arguments.json),
    }
}
