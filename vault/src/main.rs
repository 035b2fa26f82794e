//! `vultus-vault`: keeps its memory to itself, opens state and models, and serves. The TPM is opened when it
//! is first needed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use log::{error, info, warn};
use rustix::mm::MlockAllFlags;
use rustix::process::Resource;
use vultus_ipc::Listener;
use vultus_ipc::private::keep_memory_private;
use vultus_tpm::Tpm;
use vultus_vault::configuration::Configuration;
use vultus_vault::keys::Keys;
use vultus_vault::server::Vault;
use vultus_vault::store::Store;
use vultus_vision::{Models, Observer};

/// Holds faces and keys, and judges what the camera sees.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "/etc/vultus/vault.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    vultus_journal::start("vultus-vault");
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("{e}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    keep_memory_private()?;
    lock_memory();
    let configuration = Configuration::read(&arguments.config)?;
    let patience = Duration::from_millis(configuration.tpm_patience_ms);
    let tpm = Tpm::start(configuration.tpm.clone(), patience)?;
    let store = Store::open(&configuration.state)?;
    let keys = Keys::new(tpm, configuration.registers.clone(), store);
    let observer = Observer::load(&Models::read(&configuration.models)?)?;
    let listener = Listener::bind(&configuration.socket, 0o666)?;
    info!("ready");
    Vault::new(configuration, keys, observer).serve(&listener)?;
    Ok(())
}

/// Nothing on the swap, where the limits of this process allow that: a unit can, and a machine that does
/// not is told so in the journal.
fn lock_memory() {
    // Locking under a limit would make later allocations fail: it is all or nothing.
    let limit = rustix::process::getrlimit(Resource::Memlock);
    let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
    if limit.current.is_some() {
        warn!("memory is not locked: raise this process's memlock limit to `infinity`");
    } else if let Err(e) = rustix::mm::mlockall(flags) {
        warn!("memory is not locked: {e}");
    }
}
