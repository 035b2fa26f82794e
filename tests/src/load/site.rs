//! A server's folder, made by its own `initialise`, and the instances that run from it as processes. Nothing
//! in its configuration limits the load; all else is as it comes.

use std::error::Error;
use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use reqwest::header::HeaderValue;
use rustix::process::Signal;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;
use vultus_protocol::{Liveness, ServerName, ServiceName};
use vultus_remote_server::http::ApiKey;
use vultus_remote_server::initialise::{Initialised, Wishes, initialise};
use vultus_remote_server::store::model::{Service, ServiceStatus};
use vultus_remote_server::store::{Event, Store, StoreError};

use super::client::{Client, Target, https};
use super::cores;
use crate::process::{Finished, Process, run, sibling, wait_until};
use crate::soft_device::now;

const NAME: &str = "auth.example";
const SERVICE: &str = "shop.example";
/// More than any load asks for.
const NO_LIMITS: &str = "limits = { per_service_per_s = 1000000, per_device_per_minute = 1000000, \
    per_address_per_minute = 1000000, connections = 4096, connections_per_address = 4096 }";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

pub struct Site {
    folder: PathBuf,
    pub name: ServerName,
    /// The one service, whose backend the load plays.
    pub service: ServiceName,
    /// The same for all instances and for whoever looks.
    pub database: String,
    files: Initialised,
    key: String,
}

impl Site {
    /// Makes everything in a new folder. Without a database of its own it has SQLite, in the folder.
    pub async fn make(folder: &Path, database: Option<String>) -> Result<Self> {
        let (name, service) = (ServerName::new(NAME)?, ServiceName::new(SERVICE)?);
        let wishes = Wishes::new(folder.to_owned(), name.clone(), service.clone());
        let files = initialise(&wishes).await?;
        let key = fs::read_to_string(&files.shop_key)?.trim().to_owned();
        let elsewhere = database.is_some();
        let database = database.unwrap_or_else(|| format!("sqlite:{}", folder.join("server.db").display()));
        let site = Self { folder: folder.to_owned(), name, service, database, files, key };
        if elsewhere {
            site.add_service().await?;
        }
        Ok(site)
    }

    /// `initialise` made the service in the SQLite file alone.
    async fn add_service(&self) -> Result<()> {
        let store = self.store("load").await?;
        let key = ApiKey::parse(&self.key).ok_or("the shop's key is none")?;
        let service = Service {
            name: self.service.clone(),
            status: ServiceStatus::Active,
            api_key_hash: Some(key.hash()),
            certificate: None,
            policy_liveness: Liveness::Passive,
            created_at: now(),
        };
        let event = Event {
            at: now(),
            what: "service-added",
            service: Some(self.service.clone()),
            device: None,
            virtual_account: None,
            ceremony: None,
            reason: None,
            by: "admin",
        };
        Ok(store.put_service(service, event).await?)
    }

    /// The database itself, past the server. Each that is open at a time needs a name of its own.
    pub async fn store(&self, instance: &str) -> std::result::Result<Store, StoreError> {
        Store::open(&self.database, instance).await
    }

    /// The SQLite file.
    pub fn database_file(&self) -> PathBuf {
        self.folder.join("server.db")
    }

    /// Starts an instance, on one core where one is given, and waits until it listens.
    pub fn start(&self, instance: &str, core: Option<usize>) -> Result<Instance> {
        let roles = r#"roles = ["authentication", "registry"]"#;
        self.start_configured(instance, core, &format!("{roles}\ndatabase = {:?}\n", self.database))
    }

    /// Starts a process that is the sample relying party alone, at the API of an instance.
    pub fn start_shop(&self, api: SocketAddr) -> Result<Instance> {
        let database = format!("sqlite:{}", self.folder.join("shop.db").display());
        let parts = format!(
            "roles = [\"relying-party\"]\ndatabase = {database:?}\n\
             [relying_party]\nlisten = \"127.0.0.1:0\"\nservice = \"{SERVICE}\"\napi = \"https://{api}\"\n\
             ca = \"tls.pem\"\napi_key_file = \"shop.key\"\n\
             tls = {{ certificate = \"tls.pem\", key = \"tls-key.pem\" }}\n"
        );
        self.start_configured("shop", None, &parts)
    }

    fn start_configured(&self, instance: &str, core: Option<usize>, rest: &str) -> Result<Instance> {
        let name = &self.name;
        // No code expires while one of these runs lasts.
        let head = format!(
            "name = \"{name}\"\ninstance = \"{instance}\"\nlisten = \"127.0.0.1:0\"\n\
             code_window_s = 3600\n{NO_LIMITS}\n"
        );
        let configuration = self.configuration(instance);
        fs::write(&configuration, format!("{head}{rest}"))?;
        let announced = self.folder.join(format!("{instance}.json"));
        // What an earlier run announced is not true any more.
        if announced.exists() {
            fs::remove_file(&announced)?;
        }
        let mut program = sibling("vultus-server")?;
        program.arg("--config").arg(&configuration).arg("run").arg("--announce").arg(&announced);
        let log = self.folder.join(format!("{instance}.log"));
        Instance::begin(cores::on(core, &program), &log, &announced)
    }

    fn configuration(&self, instance: &str) -> PathBuf {
        self.folder.join(format!("{instance}.toml"))
    }

    /// A relying party's backend, at one instance.
    pub fn client(&self, target: &Target) -> Result<Client> {
        let mut authorisation = HeaderValue::from_str(&format!("Bearer {}", self.key))?;
        authorisation.set_sensitive(true);
        Ok(Client::new(self.https()?, authorisation, self.service.clone(), target.clone()))
    }

    /// HTTPS to this site's certificate alone.
    pub fn https(&self) -> Result<reqwest::Client> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&self.files.certificate)?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(https(tls)?)
    }

    /// `vultus-server audit verify`, with the configuration of an instance that was started before.
    pub fn verify_audit(&self, instance: &str) -> io::Result<Finished> {
        let mut command: Command = sibling("vultus-server")?;
        command.arg("--config").arg(self.configuration(instance)).args(["--json", "audit", "verify"]);
        run(command, 0, "")
    }
}

/// What a running server says of where it is.
#[derive(Clone, Copy, Deserialize)]
struct Announced {
    api: SocketAddr,
    relying_party: Option<SocketAddr>,
}

/// One process. It ends with its handle.
pub struct Instance {
    pub process: Process,
    addresses: Announced,
}

impl Instance {
    fn begin(command: Command, log: &Path, announced: &Path) -> Result<Self> {
        let mut process = Process::start(command, 0, log)?;
        let mut ended = None;
        wait_until("the server listens", || {
            ended = process.ended().ok().flatten();
            ended.is_some() || announced.exists()
        })?;
        if let Some(status) = ended {
            return Err(format!("the server ended ({status}): {}", process.said()).into());
        }
        let addresses = serde_json::from_slice(&fs::read(announced)?)?;
        Ok(Self { process, addresses })
    }

    pub fn address(&self) -> SocketAddr {
        self.addresses.api
    }

    /// Of the sample relying party.
    pub fn shop_address(&self) -> Option<SocketAddr> {
        self.addresses.relying_party
    }

    /// CPU seconds that it has used so far.
    pub fn cpu_seconds(&self) -> io::Result<f64> {
        cores::cpu_seconds(self.process.pid())
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(mut self) -> io::Result<()> {
        self.process.signal(Signal::TERM)?;
        wait_until("the server ends", || !matches!(self.process.ended(), Ok(None)))
    }
}
