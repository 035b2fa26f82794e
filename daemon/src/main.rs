//! `vultusd`: opens the bus and the login socket, and serves both.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use clap::Parser;
use log::{error, info};
use vultus_daemon::bus::manager::Manager;
use vultus_daemon::bus::remote::Remote;
use vultus_daemon::bus::{MANAGER_PATH, NAME, Shared};
use vultus_daemon::configuration::Configuration;
use vultus_daemon::login;
use vultus_daemon::vault_client::VaultClient;
use vultus_ipc::{Listener, Uid};
use zbus::export::ordered_stream::OrderedStreamExt;
use zbus::fdo::DBusProxy;

/// Answers applications and logins for the Vultus vault.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, default_value = "/etc/vultus/vultusd.toml")]
    config: PathBuf,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    vultus_journal::start("vultusd");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(64).build();
    let result = runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&arguments)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            error!("{e}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: &Arguments) -> Result<(), Box<dyn std::error::Error>> {
    let configuration = Configuration::read(&arguments.config)?;
    let vault = VaultClient::new(configuration.vault_socket.clone(), Uid(configuration.vault_uid));
    let listener = Listener::bind(&configuration.login_socket, 0o666)?;
    let shared =
        Shared { configuration: Arc::new(configuration), vault: vault.clone(), claims: Arc::default() };
    let bus = zbus::Connection::system().await?;
    let mut departures = DBusProxy::new(&bus).await?.receive_name_owner_changed_with_args(&[(2, "")]).await?;
    let manager = Manager { shared: shared.clone(), known: Mutex::default() };
    bus.object_server().at(MANAGER_PATH, manager).await?;
    bus.object_server().at(MANAGER_PATH, Remote { shared: shared.clone() }).await?;
    bus.request_name(NAME).await?;
    let (logins, runtime) = (bus.clone(), tokio::runtime::Handle::current());
    std::thread::Builder::new()
        .name("logins".into())
        .spawn(move || login::serve(listener, vault, logins, runtime))?;
    info!("ready");
    while let Some(departure) = departures.next().await {
        if let Ok(arguments) = departure.args() {
            shared.claims().left(arguments.name.as_str());
        }
    }
    Err("the bus closed the connection".into())
}
