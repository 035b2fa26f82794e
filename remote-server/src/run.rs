//! One run of the server: opens what its roles need, serves until a signal comes, and leaves nothing that has
//! begun unfinished. It decides no request.

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use axum::Router;
use log::{error, info, warn};
use rustix::process::{DumpableBehavior, Resource, Rlimit};
use rustls::ServerConfig;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;
use vultus_remote_server::attestation::ek_certificate::Roots;
use vultus_remote_server::ceremonies::{Core, Settings};
use vultus_remote_server::clock::Clock;
use vultus_remote_server::configuration::{Configuration, Role};
use vultus_remote_server::guarded::{self, Forbidden};
use vultus_remote_server::http::tls::{self, Clients, TlsError};
use vultus_remote_server::http::{self, Door, Server};
use vultus_remote_server::initialise::own_address;
use vultus_remote_server::keys::Keys;
use vultus_remote_server::registry::{EndorsementRoots, Registry, RemoteRegistry};
use vultus_remote_server::relying_party;
use vultus_remote_server::store::Store;
use zeroize::Zeroizing;

use crate::Failure;
use crate::upkeep::{self, Checkpoints};

pub async fn run(configuration: &Configuration, announce: Option<&Path>) -> Result<(), Failure> {
    raise_limits();
    let mut signals = Signals::new()?;
    let server = prepared(configuration).await?;
    let certificates = Certificates::load(configuration)?;
    let (stop, stopping) = watch::channel(false);
    let mut parts = JoinSet::new();
    let addresses = listen(configuration, &server, &certificates, &stopping, &mut parts).await?;
    let checkpoints = Arc::new(Checkpoints::new(configuration));
    upkeep::start(configuration, &server, &checkpoints, &stopping, &mut parts);
    if let Some(path) = announce {
        addresses.write(path)?;
    }
    addresses.log();
    info!("ready");
    let ended = attend(configuration, &server, &certificates, &mut signals, &mut parts).await;
    info!("stopping");
    stop.send_replace(true);
    while parts.join_next().await.is_some() {}
    checkpoints.sign(&server.core).await;
    info!("stopped");
    ended
}

/// No core dump and no debugger sees the keys.
pub fn keep_to_oneself() -> Result<(), Failure> {
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    rustix::process::setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) })?;
    Ok(())
}

/// As many connections as the system lets it have.
fn raise_limits() {
    let most = rustix::process::getrlimit(Resource::Nofile).maximum;
    if let Err(e) = rustix::process::setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }) {
        warn!("the limit of open files stays as it is: {e}");
    }
}

/// The signals that a server heeds, from the moment on that this exists.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }
}

/// Opens the store, the keys and the registry.
async fn prepared(configuration: &Configuration) -> Result<Arc<Server>, Failure> {
    let clock = Clock::System;
    let store = Store::open(&configuration.database, &configuration.instance).await?;
    let keys = Keys::load(&configuration.keys.source(), &configuration.name, &store, &clock).await?;
    let registry = match &configuration.registry {
        None => Registry::Local,
        Some(there) => Registry::Remote(RemoteRegistry::new(
            &there.url,
            &read(&there.ca)?,
            &read(&there.certificate)?,
            &read_key(&there.key)?,
        )?),
    };
    let settings = Settings {
        code_window_s: configuration.code_window_s,
        enrolment_window_s: configuration.enrolment_window_s,
        device_clock_tolerance_s: configuration.device_clock_tolerance_s,
        endorsement_kinds: configuration.endorsement_kinds.clone(),
    };
    let roots = EndorsementRoots::new(endorsement_roots(configuration)?);
    let name = configuration.name.clone();
    let core = Core::new(name, store, Arc::new(keys), registry, roots, clock, settings).await?;
    Ok(Arc::new(Server::new(Arc::new(core), configuration)))
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn read_key(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    guarded::read(path, Forbidden::BUT_GROUP_READING).map_err(|e| format!("{}: {e}", path.display()).into())
}

fn endorsement_roots(configuration: &Configuration) -> Result<Option<Roots>, Failure> {
    let mut pem = String::new();
    for path in &configuration.endorsement_roots {
        pem.push_str(&String::from_utf8(read(path)?)?);
        pem.push('\n');
    }
    if configuration.endorsement_roots.is_empty() {
        if configuration.has(Role::Registry) {
            warn!("no endorsement roots are configured: no device can be enrolled");
        }
        return Ok(None);
    }
    Ok(Some(Roots::from_pem(&pem)?))
}

/// What the listeners show and demand.
struct Certificates {
    api: watch::Sender<Arc<ServerConfig>>,
    registry: Option<watch::Sender<Arc<ServerConfig>>>,
}

impl Certificates {
    fn load(configuration: &Configuration) -> Result<Self, TlsError> {
        let (api, registry) = Self::read(configuration)?;
        Ok(Self { api: watch::Sender::new(api), registry: registry.map(watch::Sender::new) })
    }

    /// New connections get what the files hold now. Where one of them is wrong, nothing changes.
    fn reload(&self, configuration: &Configuration) -> Result<(), TlsError> {
        let (api, registry) = Self::read(configuration)?;
        self.api.send_replace(api);
        if let (Some(sender), Some(registry)) = (&self.registry, registry) {
            sender.send_replace(registry);
        }
        Ok(())
    }

    fn read(
        configuration: &Configuration,
    ) -> Result<(Arc<ServerConfig>, Option<Arc<ServerConfig>>), TlsError> {
        let ca = configuration.client_ca.clone();
        let asked = ca.clone().map_or(Clients::Unasked, Clients::MayShow);
        let api = tls::configuration(&configuration.tls, &asked)?;
        let registry = match (configuration.registry_listen, ca) {
            (Some(_), Some(ca)) => Some(tls::configuration(&configuration.tls, &Clients::MustShow(ca))?),
            _ => None,
        };
        Ok((api, registry))
    }
}

/// Where everything is to be found.
#[derive(Serialize)]
struct Addresses {
    api: SocketAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    registry: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    relying_party: Option<SocketAddr>,
}

impl Addresses {
    /// Whoever waits for the file finds nothing, or all of it.
    fn write(&self, path: &Path) -> Result<(), Failure> {
        let mut temporary = path.as_os_str().to_owned();
        temporary.push(".new");
        let mut file = std::fs::File::create(&temporary)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        Ok(std::fs::rename(&temporary, path)?)
    }

    fn log(&self) {
        let others =
            [("registry", self.registry), ("metrics", self.metrics), ("relying party", self.relying_party)];
        info!(vultus_listener = "api", vultus_address:% = self.api; "listening");
        for (listener, address) in others {
            if let Some(address) = address {
                info!(vultus_listener = listener, vultus_address:% = address; "listening");
            }
        }
    }
}

/// Opens every listener, and lets each serve as a part of its own.
async fn listen(
    configuration: &Configuration,
    server: &Arc<Server>,
    certificates: &Certificates,
    stopping: &watch::Receiver<bool>,
    parts: &mut JoinSet<()>,
) -> Result<Addresses, Failure> {
    type Shown = Option<watch::Receiver<Arc<ServerConfig>>>;
    let mut open = async |address: SocketAddr, router: Router, tls: Shown| -> Result<SocketAddr, Failure> {
        let listener = TcpListener::bind(address).await.map_err(|e| format!("{address}: {e}"))?;
        let address = listener.local_addr()?;
        let door = Door::new(server, router, tls, &configuration.limits);
        parts.spawn(door.serve(listener, stopping.clone()));
        Ok(address)
    };
    let router = http::api(server, &configuration.roles)?;
    let api = open(configuration.listen, router, Some(certificates.api.subscribe())).await?;
    let mut addresses = Addresses { api, registry: None, metrics: None, relying_party: None };
    if let (Some(address), Some(sender)) = (configuration.registry_listen, &certificates.registry) {
        let opened = open(address, http::registry(server)?, Some(sender.subscribe())).await?;
        addresses.registry = Some(opened);
    }
    if let Some(address) = configuration.metrics_listen {
        if !address.ip().is_loopback() {
            warn!("the counters are served without TLS on an address that others may reach");
        }
        addresses.metrics = Some(open(address, http::metrics(server)?, None).await?);
    }
    if let Some(shop) = configuration.relying_party.clone().filter(|_| configuration.has(Role::RelyingParty))
    {
        let shop = relying_party::Configuration { api: found(&shop.api, api), ..shop };
        let (address, part) = relying_party::serve(shop, stopping.clone()).await?;
        parts.spawn(part);
        addresses.relying_party = Some(address);
    }
    Ok(addresses)
}

/// Where the shop finds the API: port 0 means the one that this server's API got.
fn found(configured: &str, api: SocketAddr) -> String {
    if configured.ends_with(":0") { own_address(api) } else { configured.to_owned() }
}

/// Waits for a signal to stop, or for a part that ends by itself, which none should.
async fn attend(
    configuration: &Configuration,
    server: &Arc<Server>,
    certificates: &Certificates,
    signals: &mut Signals,
    parts: &mut JoinSet<()>,
) -> Result<(), Failure> {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Ok(()),
            _ = signals.interrupt.recv() => return Ok(()),
            _ = signals.hang_up.recv() => reload(configuration, server, certificates).await,
            ended = parts.join_next() => {
                let why = ended.and_then(Result::err).map_or_else(String::new, |e| format!(": {e}"));
                return Err(format!("a part of the server ended{why}").into());
            }
        }
    }
}

/// Takes over what the files say now. What cannot be taken over stays as it was.
async fn reload(configuration: &Configuration, server: &Server, certificates: &Certificates) {
    server.core.keys.follow(&server.core.store).await;
    match certificates.reload(configuration) {
        Ok(()) => info!("the certificates were read again"),
        Err(e) => error!("the certificates stay as they were: {e}"),
    }
    match endorsement_roots(configuration) {
        Ok(roots) => server.core.endorsement_roots.replace(roots),
        Err(e) => error!("the endorsement roots stay as they were: {e}"),
    }
}
