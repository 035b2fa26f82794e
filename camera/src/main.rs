//! `vultus-camera`: serves the kernel's cameras to the vault.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use log::{error, info};
use serde::Deserialize;
use vultus_camera::keyring::Keyring;
use vultus_camera::server::{Patience, Server};
use vultus_camera::v4l2::KernelCameras;
use vultus_ipc::private::keep_memory_private;
use vultus_ipc::{Listener, Uid};

/// Seals the pictures of this machine's cameras for the Vultus vault.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "/etc/vultus/camera.toml")]
    config: PathBuf,
}

/// All of the configuration; unknown keys are refused.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Configuration {
    /// The socket to listen on.
    socket: PathBuf,
    /// The folder of the pairing keys.
    state: PathBuf,
    /// The numeric user of `vultus-vault`.
    vault_uid: u32,
    /// Device nodes to offer; all of `/dev/video*` where none is named.
    #[serde(default)]
    devices: Vec<PathBuf>,
    #[serde(default = "first_frame_ms")]
    first_frame_ms: u64,
    #[serde(default = "next_frame_ms")]
    next_frame_ms: u64,
}

fn first_frame_ms() -> u64 {
    4000
}

fn next_frame_ms() -> u64 {
    1000
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    vultus_journal::start("vultus-camera");
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
    let configuration: Configuration = toml::from_str(&std::fs::read_to_string(&arguments.config)?)?;
    let keyring = Keyring::open(&configuration.state)?;
    let patience = Patience {
        first_frame: Duration::from_millis(configuration.first_frame_ms),
        next_frame: Duration::from_millis(configuration.next_frame_ms),
        message: Duration::from_secs(3),
    };
    let cameras = KernelCameras::new(configuration.devices);
    let listener = Listener::bind(&configuration.socket, 0o666)?;
    info!("ready");
    Server::new(cameras, keyring, Uid(configuration.vault_uid), patience).serve(&listener)?;
    Ok(())
}
