//! `vultus-server` as processes of its own user: made by its own `init`, configured for a test, and managed
//! by its own administration. Several instances may share one database and one set of keys; or its registry of
//! devices runs apart, with the same keys and another database.

use std::error::Error;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};

use rustix::process::Signal;
use serde::Deserialize;

use crate::process::{Finished, Process, run, sibling, wait_until};
use crate::tls_client::TlsClient;

/// The user that servers run as.
pub const SERVER: u32 = 60_004;
/// The service of the sample relying party, and one beside it that has a backend only.
pub const SHOP: &str = "shop.example";
pub const OTHER: &str = "other.example";

/// The first instance, which has the sample relying party.
const FIRST: &str = "a";
/// The service that `init` makes. Ours are added afterwards, in whatever database there is.
const UNUSED: &str = "sample.example";
const ALL_ROLES: &str = r#"["authentication", "registry", "relying-party"]"#;
const NO_SHOP: &str = r#"["authentication", "registry"]"#;
const REGISTRY: &str = r#"["registry"]"#;
const NO_REGISTRY: &str = r#"["authentication", "relying-party"]"#;
const KEYS: &str = "keys.toml";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Where a server keeps what it knows.
#[derive(Clone, Debug)]
pub enum Database {
    /// A file in its own folder.
    Sqlite,
    /// At this URL.
    Postgres(String),
}

/// What one server has that another has not.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What devices pin.
    pub name: String,
    pub database: Database,
    /// The makers of TPMs whom it trusts.
    pub roots: Vec<PathBuf>,
    /// Longer than any attempt in front of the slowest camera.
    pub code_window_s: u64,
    /// The TPM that its keys are sealed by, and the file that they are in.
    pub tpm: Option<String>,
    pub keys: String,
}

impl Plan {
    pub fn new(name: &str, roots: Vec<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            database: Database::Sqlite,
            roots,
            code_window_s: 600,
            tpm: None,
            keys: KEYS.to_owned(),
        }
    }
}

/// What a running server says of where it is.
#[derive(Deserialize)]
struct Addresses {
    api: SocketAddr,
    relying_party: Option<SocketAddr>,
}

/// One instance of a server. It ends with its handle.
pub struct Server {
    pub plan: Plan,
    instance: String,
    roles: &'static str,
    /// What its configuration says besides: of a registry that is apart.
    apart: Apart,
    folder: PathBuf,
    running: Option<(Process, Addresses)>,
}

impl Server {
    /// Makes a server in a new folder, with both services, and starts it.
    pub fn start(folder: PathBuf, plan: Plan) -> Result<Self> {
        let server = Self::init(folder, plan, ALL_ROLES, Apart::Not)?;
        server.add_services()?;
        server.begun()
    }

    /// Makes a registry alone, which answers this client, and starts it.
    pub fn start_registry(folder: PathBuf, plan: Plan, client: &TlsClient) -> Result<Self> {
        // A client finds it there again after a restart.
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let apart = Apart::Registry { port, client: client.fingerprint()?, ca: client.ca() };
        Self::init(folder, plan, REGISTRY, apart)?.begun()
    }

    /// Makes a server without a registry, which asks this one as that client; with both services.
    pub fn start_beside(folder: PathBuf, registry: &Self, client: &TlsClient) -> Result<Self> {
        let Apart::Registry { port, .. } = registry.apart else {
            return Err("it is no registry that is apart".into());
        };
        let apart = Apart::Elsewhere {
            port,
            ca: registry.ca(),
            certificate: client.certificate(),
            key: client.key(),
        };
        let server = Self::init(folder, registry.plan.clone(), NO_REGISTRY, apart)?;
        for made in ["server.db", "server.db-wal", "server.db-shm", "checkpoints.txt", "shop.key"] {
            let path = server.folder.join(made);
            if path.exists() {
                fs::remove_file(path)?;
            }
        }
        server.take_keys_of(registry)?;
        server.add_services()?;
        server.begun()
    }

    /// Copies the key file of another server, and takes over what it has published.
    pub fn take_keys_of(&self, other: &Self) -> Result<()> {
        let file = self.folder.join(KEYS);
        fs::copy(other.folder.join(KEYS), &file)?;
        chown(&file, Some(SERVER), Some(SERVER))?;
        let sets = self.folder.join("sets.txt");
        fs::copy(other.key_set_file()?, &sets)?;
        chown(&sets, Some(SERVER), Some(SERVER))?;
        let sets = sets.to_str().ok_or("a path is not text")?;
        accepted(&self.admin(&["keys", "import", "--from", sets])?)
    }

    fn init(folder: PathBuf, plan: Plan, roles: &'static str, apart: Apart) -> Result<Self> {
        let server = Self { plan, instance: FIRST.to_owned(), roles, apart, folder, running: None };
        fs::create_dir(&server.folder)?;
        chown(&server.folder, Some(SERVER), Some(SERVER))?;
        let mut init = sibling("vultus-server")?;
        init.arg("init").arg("--folder").arg(&server.folder);
        init.args(["--name", &server.plan.name, "--host", "127.0.0.1", "--service", UNUSED]);
        if let Some(tpm) = &server.plan.tpm {
            init.args(["--tpm", tpm]);
        }
        accepted(&run(init, SERVER, "")?)?;
        // The folder is the server's alone; whoever talks to it needs the certificate.
        fs::copy(server.folder.join("tls.pem"), server.ca())?;
        fs::set_permissions(server.ca(), fs::Permissions::from_mode(0o644))?;
        server.configure()?;
        Ok(server)
    }

    fn add_services(&self) -> Result<()> {
        for service in [SHOP, OTHER] {
            let key = self.api_key_file(service);
            let key = key.to_str().ok_or("a path is not text")?;
            let add = ["service", "add", service, "--liveness", "none", "--api-key-file", key];
            accepted(&self.admin(&add)?)?;
        }
        Ok(())
    }

    /// Another instance with the same keys and the same database, without a shop.
    pub fn join(&self, instance: &str) -> Result<Self> {
        let server = Self {
            plan: self.plan.clone(),
            instance: instance.to_owned(),
            roles: NO_SHOP,
            apart: Apart::Not,
            folder: self.folder.clone(),
            running: None,
        };
        server.configure()?;
        server.begun()
    }

    fn begun(mut self) -> Result<Self> {
        self.run()?;
        Ok(self)
    }

    /// Starts the process, and learns where it is.
    pub fn run(&mut self) -> Result<()> {
        let announced = self.folder.join(format!("addresses-{}.json", self.instance));
        // What an earlier run has announced is not true any more.
        if announced.exists() {
            fs::remove_file(&announced)?;
        }
        let mut command = self.command()?;
        command.arg("run").arg("--announce").arg(&announced);
        let mut process = Process::start(command, SERVER, &self.beside("log"))?;
        process.wait_for("\"ready\"")?;
        let addresses = serde_json::from_slice(&fs::read(&announced)?)?;
        self.running = Some((process, addresses));
        Ok(())
    }

    /// Ends it as a crash would.
    pub fn kill(&mut self) -> Result<()> {
        let (mut process, _) = self.running.take().ok_or("no server runs")?;
        process.kill()?;
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self) -> Result<ExitStatus> {
        let (mut process, _) = self.running.take().ok_or("no server runs")?;
        process.signal(Signal::TERM)?;
        let mut status = None;
        wait_until("the server ends", || {
            status = process.ended().ok().flatten();
            status.is_some()
        })?;
        Ok(status.ok_or("the server does not end")?)
    }

    /// Runs it with a changed plan.
    pub fn restart(&mut self, change: impl FnOnce(&mut Plan)) -> Result<()> {
        self.stop()?;
        self.reconfigure(change)?;
        self.run()
    }

    /// Changes the plan for its next run.
    pub fn reconfigure(&mut self, change: impl FnOnce(&mut Plan)) -> Result<()> {
        change(&mut self.plan);
        self.configure()
    }

    /// Has it read its keys, certificates and roots again.
    pub fn reload(&self) -> Result<()> {
        let (process, _) = self.running.as_ref().ok_or("no server runs")?;
        Ok(process.signal(Signal::HUP)?)
    }

    pub fn api_url(&self) -> Result<String> {
        Ok(format!("https://{}", self.addresses()?.api))
    }

    pub fn shop_url(&self) -> Result<String> {
        let shop = self.addresses()?.relying_party.ok_or("this instance has no shop")?;
        Ok(format!("https://{shop}"))
    }

    /// The certificate of the API and of the shop, which anybody may read.
    pub fn ca(&self) -> PathBuf {
        self.folder.with_extension("pem")
    }

    /// The key that a service shows, for whoever may read the server's folder.
    pub fn api_key(&self, service: &str) -> Result<String> {
        Ok(fs::read_to_string(self.api_key_file(service))?.trim().to_owned())
    }

    /// A file of all sets of keys that the server has published, for pinning.
    pub fn key_set_file(&self) -> Result<PathBuf> {
        let file = self.folder.join("exported-keys.txt");
        // It may hold fewer sets than there are now.
        if file.exists() {
            fs::remove_file(&file)?;
        }
        let path = file.to_str().ok_or("a path is not text")?;
        accepted(&self.admin(&["keys", "export", "--out", path])?)?;
        Ok(file)
    }

    /// `vultus-server admin …`, on the same database, beside the process.
    pub fn admin(&self, arguments: &[&str]) -> Result<Finished> {
        let mut command = self.command()?;
        command.args(["--json", "admin"]).args(arguments);
        Ok(run(command, SERVER, "")?)
    }

    /// `vultus-server audit verify`.
    pub fn verify_audit(&self) -> Result<Finished> {
        let mut command = self.command()?;
        command.args(["--json", "audit", "verify"]);
        Ok(run(command, SERVER, "")?)
    }

    fn command(&self) -> Result<Command> {
        let mut command = sibling("vultus-server")?;
        // Libraries look for files there: not in that of root.
        command.env("HOME", &self.folder).arg("--config").arg(self.configuration_file());
        Ok(command)
    }

    fn configure(&self) -> Result<()> {
        Ok(fs::write(self.configuration_file(), self.configuration())?)
    }

    /// Ports are the system's choice, and nobody is turned away for asking too often.
    fn configuration(&self) -> String {
        let Plan { name, database, roots, code_window_s, tpm, keys } = &self.plan;
        let database = match database {
            Database::Sqlite => "sqlite:server.db",
            Database::Postgres(url) => url.as_str(),
        };
        let (instance, roles) = (&self.instance, self.roles);
        let tpm = tpm.as_ref().map(|tpm| format!("tpm = {tpm:?}, ")).unwrap_or_default();
        let (of_registry, registry) = self.apart.configuration();
        format!(
            r#"name = {name:?}
instance = {instance:?}
roles = {roles}
listen = "127.0.0.1:0"
database = {database:?}
keys = {{ {tpm}file = {keys:?} }}
{of_registry}endorsement_roots = {roots:?}
code_window_s = {code_window_s}
audit_checkpoints = "checkpoints-{instance}.txt"
limits = {{ per_device_per_minute = 100000, per_address_per_minute = 100000 }}
{registry}[relying_party]
listen = "127.0.0.1:0"
service = {SHOP:?}
api = "https://127.0.0.1:0"
ca = "tls.pem"
api_key_file = {:?}
tls = {{ certificate = "tls.pem", key = "tls-key.pem" }}
"#,
            self.api_key_file(SHOP)
        )
    }

    fn configuration_file(&self) -> PathBuf {
        self.folder.join(format!("server-{}.toml", self.instance))
    }

    fn api_key_file(&self, service: &str) -> PathBuf {
        self.folder.join(format!("{service}.key"))
    }

    /// A file beside the folder, which is not the server's to write.
    fn beside(&self, extension: &str) -> PathBuf {
        self.folder.with_extension(format!("{}.{extension}", self.instance))
    }

    fn addresses(&self) -> Result<&Addresses> {
        Ok(&self.running.as_ref().ok_or("no server runs")?.1)
    }
}

/// Whether the registry of devices runs apart, and which side of that a server is.
enum Apart {
    Not,
    /// It is the registry: its port for other servers, the one that it answers, and who signed for that one.
    Registry {
        port: u16,
        client: String,
        ca: PathBuf,
    },
    /// It asks a registry at that port, which it knows by `ca`.
    Elsewhere {
        port: u16,
        ca: PathBuf,
        certificate: PathBuf,
        key: PathBuf,
    },
}

impl Apart {
    /// Lines of the configuration: before the first table, and a table.
    fn configuration(&self) -> (String, String) {
        match self {
            Self::Not => Default::default(),
            Self::Registry { port, client, ca } => {
                let lines = format!(
                    "client_ca = {ca:?}\nregistry_listen = \"127.0.0.1:{port}\"\n\
                     registry_clients = [{client:?}]\n"
                );
                (lines, String::new())
            }
            Self::Elsewhere { port, ca, certificate, key } => {
                let table = format!(
                    "[registry]\nurl = \"https://127.0.0.1:{port}\"\nca = {ca:?}\n\
                     certificate = {certificate:?}\nkey = {key:?}\n"
                );
                (String::new(), table)
            }
        }
    }
}

/// A command of the server that did what it was asked.
pub fn accepted(done: &Finished) -> Result<()> {
    if done.status == 0 { Ok(()) } else { Err(format!("vultus-server: {done:?}").into()) }
}
