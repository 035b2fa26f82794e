//! Makes a server where there was none: a folder with its configuration, keys, certificate and database, and
//! a service for the sample relying party. It overwrites nothing.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use vultus_protocol::api::to_text;
use vultus_protocol::{Liveness, ServerName, ServiceName};
use zeroize::Zeroizing;

use crate::admin::{self, SignError};
use crate::clock::Clock;
use crate::configuration::{Configuration, ConfigurationError};
use crate::http::ApiKey;
use crate::keys::{self, KeyError, KeySource, Keys};
use crate::store::model::{Service, ServiceStatus};
use crate::store::{Store, StoreError};

/// The files of a new server, in its folder.
pub const CONFIGURATION: &str = "server.toml";
const DATABASE: &str = "server.db";
const KEYS: &str = "keys.toml";
const CERTIFICATE: &str = "tls.pem";
const CERTIFICATE_KEY: &str = "tls-key.pem";
const SHOP_KEY: &str = "shop.key";
/// What devices pin: the published key sets, a line of base64url each.
const KEY_SETS: &str = "server-keys.txt";
const CHECKPOINTS: &str = "checkpoints.txt";

/// What is wished for.
#[derive(Clone, Debug)]
pub struct Wishes {
    pub folder: PathBuf,
    pub name: ServerName,
    /// Names and addresses for the certificate, besides those of the machine itself.
    pub hosts: Vec<String>,
    /// The sample relying party's service.
    pub service: ServiceName,
    pub listen: SocketAddr,
    pub metrics_listen: SocketAddr,
    pub shop_listen: SocketAddr,
    /// PEM files: the roots of the makers of TPMs.
    pub endorsement_roots: Vec<PathBuf>,
    /// The TPM that seals the server's own keys, as a TCTI. Without it, the key file holds them in the clear.
    pub tpm: Option<String>,
}

impl Wishes {
    /// Everything on the loopback address, at the usual ports.
    pub fn new(folder: PathBuf, name: ServerName, service: ServiceName) -> Self {
        let at = |port: u16| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        Self {
            folder,
            name,
            hosts: Vec::new(),
            service,
            listen: at(8443),
            metrics_listen: at(9443),
            shop_listen: at(8445),
            endorsement_roots: Vec::new(),
            tpm: None,
        }
    }
}

/// Where the new server's parts are.
#[derive(Clone, Debug)]
pub struct Initialised {
    pub configuration: PathBuf,
    pub key_sets: PathBuf,
    pub certificate: PathBuf,
    pub shop_key: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum InitialiseError {
    #[error("{0} is not empty: a server is not made over something else")]
    Occupied(PathBuf),
    #[error("{0} is a link, no folder, or another user's")]
    NotOwn(PathBuf),
    #[error("{0}: {1}")]
    Io(PathBuf, io::Error),
    #[error("{0}: its path is not UTF-8")]
    Name(PathBuf),
    #[error("the certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    #[error("no random numbers")]
    NoRandom,
    #[error("the store: {0}")]
    Store(#[from] StoreError),
    #[error("the keys: {0}")]
    Keys(#[from] KeyError),
    #[error("the audit log: {0}")]
    Audit(#[from] SignError),
    #[error("{0}")]
    Configuration(#[from] ConfigurationError),
}

/// Makes it all. The configuration comes last, so that a folder that has one is complete.
pub async fn initialise(wishes: &Wishes) -> Result<Initialised, InitialiseError> {
    // Without a slash at its end, by which a link would be followed.
    let folder = &wishes.folder.components().collect::<PathBuf>();
    let (configuration, text) = (folder.join(CONFIGURATION), text(wishes)?);
    // What would not be a configuration is refused before anything is made.
    Configuration::parse(&text, &configuration)?;
    if let Some(tcti) = &wishes.tpm {
        keys::try_tpm(tcti.clone()).await?;
    }
    make_folder(folder)?;
    make_certificate(wishes)?;
    let database = folder.join(DATABASE);
    let path = database.to_str().ok_or_else(|| InitialiseError::Name(database.clone()))?;
    let instance = admin::instance(&Clock::System).map_err(|_| InitialiseError::NoRandom)?;
    let store = Store::open(&format!("sqlite:{path}"), &instance).await?;
    let file = folder.join(KEYS);
    let source = match &wishes.tpm {
        Some(tcti) => KeySource::Tpm { tcti: tcti.clone(), file },
        None => KeySource::File(file),
    };
    let keys = Keys::load(&source, &wishes.name, &store, &Clock::System).await?;
    let sets: String = keys.published().iter().map(|packet| format!("{}\n", to_text(packet))).collect();
    write_new(&folder.join(KEY_SETS), sets.as_bytes(), 0o644)?;
    make_service(wishes, &store).await?;
    let checkpoints = folder.join(CHECKPOINTS);
    let at = Clock::System.now();
    admin::sign_end(&store, &keys, &wishes.name, Some(&checkpoints), at).await?;
    write_new(&configuration, text.as_bytes(), 0o600)?;
    Configuration::read(&configuration)?;
    Ok(Initialised {
        configuration,
        key_sets: folder.join(KEY_SETS),
        certificate: folder.join(CERTIFICATE),
        shop_key: folder.join(SHOP_KEY),
    })
}

/// A folder for this user alone. One that is there already must be empty.
fn make_folder(folder: &Path) -> Result<(), InitialiseError> {
    let failed = |error| InitialiseError::Io(folder.to_owned(), error);
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let opened = own_folder(folder)?;
            if fs::read_dir(folder).map_err(failed)?.next().is_some() {
                return Err(InitialiseError::Occupied(folder.to_owned()));
            }
            opened.set_permissions(Permissions::from_mode(0o700)).map_err(failed)
        }
        Err(error) => Err(failed(error)),
    }
}

/// The folder itself, which another user could else fill with keys of theirs, or exchange.
fn own_folder(folder: &Path) -> Result<File, InitialiseError> {
    let not_own = || InitialiseError::NotOwn(folder.to_owned());
    let failed = |error| InitialiseError::Io(folder.to_owned(), error);
    if !fs::symlink_metadata(folder).map_err(failed)?.is_dir() {
        return Err(not_own());
    }
    let flags = (OFlags::NOFOLLOW | OFlags::DIRECTORY).bits().cast_signed();
    let opened = OpenOptions::new().read(true).custom_flags(flags).open(folder).map_err(failed)?;
    let owner = opened.metadata().map_err(failed)?.uid();
    if owner == rustix::process::geteuid().as_raw() { Ok(opened) } else { Err(not_own()) }
}

/// A certificate that signs itself: whoever is given the file knows the server by it.
fn make_certificate(wishes: &Wishes) -> Result<(), InitialiseError> {
    let mut hosts = wishes.hosts.clone();
    hosts.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    hosts.sort();
    hosts.dedup();
    let made = rcgen::generate_simple_self_signed(hosts)?;
    let key = Zeroizing::new(made.signing_key.serialize_pem());
    write_new(&wishes.folder.join(CERTIFICATE), made.cert.pem().as_bytes(), 0o644)?;
    write_new(&wishes.folder.join(CERTIFICATE_KEY), key.as_bytes(), 0o600)
}

/// The sample relying party's service, and its API key in a file of its own.
async fn make_service(wishes: &Wishes, store: &Store) -> Result<(), InitialiseError> {
    let key = ApiKey::generate().map_err(|_| InitialiseError::NoRandom)?;
    let now = Clock::System.now();
    let service = Service {
        name: wishes.service.clone(),
        status: ServiceStatus::Active,
        api_key_hash: Some(key.hash()),
        certificate: None,
        // The sample must work with devices that judge no liveness; `admin service` asks for more.
        policy_liveness: Liveness::None,
        created_at: now,
    };
    let event = admin::event(now, "service-added", Some(wishes.service.clone()));
    store.put_service(service, event).await?;
    write_new(&wishes.folder.join(SHOP_KEY), key.to_text().as_bytes(), 0o600)
}

/// `server.toml`. Names of files are relative to it, so that the folder may be moved.
fn text(wishes: &Wishes) -> Result<String, InitialiseError> {
    let mut roots = Vec::new();
    for root in &wishes.endorsement_roots {
        let path = std::path::absolute(root).map_err(|e| InitialiseError::Io(root.clone(), e))?;
        let path = path.to_str().ok_or_else(|| InitialiseError::Name(root.clone()))?;
        roots.push(toml::Value::from(path));
    }
    let tpm = wishes.tpm.as_deref().map(|tcti| format!("tpm = {}, ", toml::Value::from(tcti)));
    Ok(format!(
        r#"# Made by `vultus-server init`. Names of files are taken from the folder of this file.
name = "{name}"
listen = "{listen}"
database = "sqlite:{DATABASE}"
tls = {{ certificate = "{CERTIFICATE}", key = "{CERTIFICATE_KEY}" }}
keys = {{ {tpm}file = "{KEYS}" }}
# The roots of the makers of TPMs: without any, no device can be enrolled.
endorsement_roots = {roots}
metrics_listen = "{metrics}"
# It belongs on another machine's disk.
audit_checkpoints = "{CHECKPOINTS}"

# The sample relying party: take this away where it is not wanted.
[relying_party]
listen = "{shop}"
service = "{service}"
api = "{api}"
ca = "{CERTIFICATE}"
api_key_file = "{SHOP_KEY}"
tls = {{ certificate = "{CERTIFICATE}", key = "{CERTIFICATE_KEY}" }}
"#,
        name = wishes.name,
        listen = wishes.listen,
        tpm = tpm.unwrap_or_default(),
        roots = toml::Value::Array(roots),
        metrics = wishes.metrics_listen,
        shop = wishes.shop_listen,
        service = wishes.service,
        api = own_address(wishes.listen),
    ))
}

/// How a program on the same machine reaches this listener.
pub fn own_address(listen: SocketAddr) -> String {
    let any = listen.ip().is_unspecified();
    let host = if any { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listen.ip() };
    format!("https://{}", SocketAddr::new(host, listen.port()))
}

fn write_new(path: &Path, bytes: &[u8], mode: u32) -> Result<(), InitialiseError> {
    let written =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(path).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
    written.map_err(|error| InitialiseError::Io(path.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_that_is_written_is_one() {
        let name = ServerName::new("auth.example").unwrap();
        let mut wishes = Wishes::new("unused".into(), name, ServiceName::new("shop.example").unwrap());
        wishes.endorsement_roots = vec!["/a \"b\"/roots.pem".into()];
        wishes.tpm = Some("swtpm:host=127.0.0.1,port=1".to_owned());
        let configuration: Configuration = toml::from_str(&text(&wishes).unwrap()).unwrap();
        assert_eq!(configuration.endorsement_roots, wishes.endorsement_roots);
        assert_eq!(configuration.keys.tpm, wishes.tpm);
        assert_eq!(configuration.relying_party.unwrap().api, "https://127.0.0.1:8443");
    }

    #[test]
    fn only_an_empty_folder_of_ones_own_is_taken() {
        use std::os::unix::fs::{chown, symlink};

        let place = tempfile::tempdir().unwrap();
        let (own, link) = (place.path().join("own"), place.path().join("link"));
        make_folder(&own).unwrap();
        fs::set_permissions(&own, Permissions::from_mode(0o755)).unwrap();
        make_folder(&own).unwrap();
        assert_eq!(fs::metadata(&own).unwrap().mode() & 0o777, 0o700);
        symlink(&own, &link).unwrap();
        assert!(matches!(make_folder(&link), Err(InitialiseError::NotOwn(_))));
        // Only root can give a folder away.
        if chown(&own, Some(60_000), None).is_ok() {
            assert!(matches!(make_folder(&own), Err(InitialiseError::NotOwn(_))));
            chown(&own, Some(0), None).unwrap();
        }
        fs::write(own.join("file"), "").unwrap();
        assert!(matches!(make_folder(&own), Err(InitialiseError::Occupied(_))));
        let file = own.join("file");
        assert!(matches!(make_folder(&file), Err(InitialiseError::NotOwn(_))));
    }

    #[tokio::test]
    async fn counters_for_others_are_not_made_by_the_way() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("server");
        let name = ServerName::new("auth.example").unwrap();
        let mut wishes = Wishes::new(folder.clone(), name, ServiceName::new("shop.example").unwrap());
        wishes.metrics_listen = "0.0.0.0:9443".parse().unwrap();
        assert!(matches!(initialise(&wishes).await, Err(InitialiseError::Configuration(_))));
        assert!(!folder.exists());
    }

    #[test]
    fn a_listener_on_every_address_is_reached_on_one() {
        assert_eq!(own_address("0.0.0.0:1".parse().unwrap()), "https://127.0.0.1:1");
        assert_eq!(own_address("[::]:1".parse().unwrap()), "https://127.0.0.1:1");
        assert_eq!(own_address("[::1]:1".parse().unwrap()), "https://[::1]:1");
    }
}
