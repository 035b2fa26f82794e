//! `vultus-server`: runs the server, makes a new one, and administers what it keeps.

mod run;
mod upkeep;

use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use log::error;
use serde_json::json;
use vultus_protocol::{ProtocolError, ServerName, ServiceName};
use vultus_remote_server::admin::{self, Done, Outcome};
use vultus_remote_server::configuration::Configuration;
use vultus_remote_server::initialise::{CONFIGURATION, Wishes, initialise};

/// Where the configuration is, if it is not in the folder that the command is given in.
const INSTALLED: &str = "/etc/vultus/server.toml";

type Failure = Box<dyn std::error::Error>;

/// Authenticates people for services, by keys that their faces release.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Print one JSON object instead of text.
    #[arg(long, global = true)]
    json: bool,
    /// The configuration file: server.toml here, or else /etc/vultus/server.toml.
    #[arg(long, global = true)]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve until a signal comes: SIGTERM or SIGINT to stop, SIGHUP to read keys and certificates again.
    Run {
        /// Write the addresses to this file as JSON, once they are open.
        #[arg(long, value_parser = admin::absolute)]
        announce: Option<PathBuf>,
    },
    /// Make a new server with everything that it needs, in an empty folder.
    Init(New),
    /// Look at what the server keeps, and change it.
    Admin {
        #[command(subcommand)]
        matter: admin::Matter,
    },
    /// Check the audit log, or sign where it stands.
    Audit {
        #[command(subcommand)]
        action: admin::AuditAction,
    },
}

#[derive(Args)]
struct New {
    #[arg(long)]
    folder: PathBuf,
    /// The server's name, such as auth.example.org. Devices pin it: it cannot be changed later.
    #[arg(long, value_parser = server_name)]
    name: ServerName,
    /// A name or address for the certificate, besides those of this machine. May be given again.
    #[arg(long)]
    host: Vec<String>,
    /// The service of the sample relying party.
    #[arg(long, value_parser = service_name, default_value = "shop.example")]
    service: ServiceName,
    /// Where the API is served.
    #[arg(long, default_value = "127.0.0.1:8443")]
    listen: SocketAddr,
    /// Where the counters are served.
    #[arg(long, default_value = "127.0.0.1:9443")]
    metrics_listen: SocketAddr,
    /// Where the sample relying party is served.
    #[arg(long, default_value = "127.0.0.1:8445")]
    shop_listen: SocketAddr,
    /// A PEM file with roots of makers of TPMs. May be given again.
    #[arg(long)]
    endorsement_roots: Vec<PathBuf>,
    /// The TPM that seals the server's own keys, such as device:/dev/tpmrm0. Without it their file holds them
    /// in the clear.
    #[arg(long)]
    tpm: Option<String>,
}

fn server_name(text: &str) -> Result<ServerName, ProtocolError> {
    ServerName::new(text)
}

fn service_name(text: &str) -> Result<ServiceName, ProtocolError> {
    ServiceName::new(text)
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let json = arguments.json;
    match carry_out(arguments) {
        Ok(outcome) => {
            say(&if json { outcome.json.to_string() } else { outcome.text });
            if outcome.done == Done::Yes { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(e) => {
            if json {
                say(&json!({ "ok": false, "error": e.to_string() }).to_string());
            }
            eprintln!("vultus-server: {e}");
            ExitCode::from(2)
        }
    }
}

/// Prints what there is to say. A reader that has gone wants no more of it.
fn say(text: &str) {
    if !text.is_empty() {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

fn carry_out(arguments: Arguments) -> Result<Outcome, Failure> {
    // Any of its commands may hold private keys.
    run::keep_to_oneself()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    match arguments.command {
        Command::Run { announce } => {
            vultus_journal::start("vultus-server");
            let ran = entered(arguments.config.as_deref())
                .and_then(|configuration| runtime.block_on(run::run(&configuration, announce.as_deref())));
            Ok(ran.map_or_else(logged, |()| Outcome::done(String::new(), json!({ "ok": true }))))
        }
        Command::Init(new) => runtime.block_on(init(new)),
        Command::Admin { matter } => {
            let configuration = entered(arguments.config.as_deref())?;
            runtime.block_on(admin::administer(&configuration, matter))
        }
        Command::Audit { action } => {
            let configuration = entered(arguments.config.as_deref())?;
            runtime.block_on(admin::audit(&configuration, action))
        }
    }
}

/// A server that ends says so in the journal, where its other words are.
fn logged(failure: Failure) -> Outcome {
    error!("{failure}");
    let json = json!({ "ok": false, "error": failure.to_string() });
    Outcome { text: String::new(), json, done: Done::No }
}

/// Reads the configuration and enters its folder, so that the names in it, all of them, are taken from there.
fn entered(given: Option<&Path>) -> Result<Configuration, Failure> {
    let here = Path::new(CONFIGURATION);
    let path = match given {
        Some(path) => path,
        None if here.exists() => here,
        None => Path::new(INSTALLED),
    };
    let configuration = Configuration::read(path)?;
    if let Some(folder) = std::path::absolute(path)?.parent() {
        std::env::set_current_dir(folder)?;
    }
    Ok(configuration)
}

async fn init(new: New) -> Result<Outcome, Failure> {
    let made = initialise(&Wishes {
        folder: new.folder,
        name: new.name,
        hosts: new.host,
        service: new.service,
        listen: new.listen,
        metrics_listen: new.metrics_listen,
        shop_listen: new.shop_listen,
        endorsement_roots: new.endorsement_roots,
        tpm: new.tpm,
    })
    .await?;
    let (configuration, key_sets) = (made.configuration.display(), made.key_sets.display());
    let text = format!(
        "Start it with: vultus-server run --config {configuration}\n\
         What devices pin of it: {key_sets}"
    );
    let json = json!({
        "ok": true,
        "configuration": made.configuration,
        "key_sets": made.key_sets,
        "certificate": made.certificate,
        "shop_key": made.shop_key,
    });
    Ok(Outcome::done(text, json))
}
