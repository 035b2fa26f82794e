//! The server's configuration file: what may be said in it, and what holds where nothing is said. It opens
//! none of the files that it names; relative names are taken from the folder that the file lies in.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use vultus_protocol::ServerName;

use crate::attestation::public_area::EndorsementKind;
use crate::guarded::{self, Forbidden, Unguarded};
use crate::http::Fingerprint;
use crate::keys::KeySource;
use crate::limits;
use crate::relying_party;

/// All of `server.toml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Configuration {
    /// What devices pin, and every packet names.
    #[serde(deserialize_with = "server_name")]
    pub name: ServerName,
    /// One of the processes that share a database. Each has an audit chain of its own.
    #[serde(default = "host_name")]
    pub instance: String,
    #[serde(default = "every_role")]
    pub roles: Vec<Role>,
    /// Where the API is served.
    #[serde(default = "api_address")]
    pub listen: SocketAddr,
    /// `sqlite:PATH` or `postgres://…`.
    #[serde(default = "database")]
    pub database: String,
    #[serde(default)]
    pub tls: Tls,
    /// PEM: who signs the certificates of clients. Without it, relying parties have API keys only.
    pub client_ca: Option<PathBuf>,
    /// PEM: the roots of the makers of TPMs. Without any, no device can be enrolled.
    #[serde(default)]
    pub endorsement_roots: Vec<PathBuf>,
    /// The kinds of endorsement keys that a TPM may prove itself by.
    #[serde(default = "endorsement_kinds")]
    pub endorsement_kinds: Vec<EndorsementKind>,
    /// Where the server's own keys are.
    #[serde(default)]
    pub keys: KeyPlace,
    #[serde(default = "code_window_s")]
    pub code_window_s: u64,
    #[serde(default = "enrolment_window_s")]
    pub enrolment_window_s: u64,
    /// How wrong the clock of a device may be when it asks to be enrolled.
    #[serde(default = "device_clock_tolerance_s")]
    pub device_clock_tolerance_s: u64,
    /// How long ceremonies stay in the database after their windows have passed.
    #[serde(default = "keep_s")]
    pub keep_s: u64,
    /// Where the counters are served, without TLS. Without it, nowhere.
    pub metrics_listen: Option<SocketAddr>,
    /// Whether that may be an address that others reach.
    #[serde(default)]
    pub metrics_public: bool,
    /// Where the registry serves other authentication servers. Without it, nowhere.
    pub registry_listen: Option<SocketAddr>,
    /// The certificates of those servers, `sha256:` and 64 hexadecimal digits each.
    #[serde(default)]
    pub registry_clients: Vec<Fingerprint>,
    /// Where the registry is, if not in this server's own database.
    pub registry: Option<Elsewhere>,
    /// A file that audit checkpoints are appended to; it belongs on another machine's disk.
    pub audit_checkpoints: Option<PathBuf>,
    #[serde(default)]
    pub limits: limits::Configuration,
    pub relying_party: Option<relying_party::Configuration>,
}

/// What a server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Ceremonies between relying parties and devices.
    Authentication,
    /// Enrols devices, and says what is known of them.
    Registry,
    /// The sample relying party.
    RelyingParty,
}

/// A certificate chain and its private key, PEM.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Default for Tls {
    fn default() -> Self {
        Self { certificate: "tls.pem".into(), key: "tls-key.pem".into() }
    }
}

/// Where the server's signing and sealing keys are.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPlace {
    /// The TPM that opens the file, as a TCTI. Without it, the file holds the keys themselves.
    pub tpm: Option<String>,
    pub file: PathBuf,
}

impl Default for KeyPlace {
    fn default() -> Self {
        Self { tpm: None, file: "keys.toml".into() }
    }
}

impl KeyPlace {
    pub fn source(&self) -> KeySource {
        match &self.tpm {
            Some(tcti) => KeySource::Tpm { tcti: tcti.clone(), file: self.file.clone() },
            None => KeySource::File(self.file.clone()),
        }
    }
}

/// A registry on another machine, and how this server shows itself there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Elsewhere {
    pub url: String,
    /// PEM: who signs the registry's certificate. No other roots count.
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

/// Why a configuration does not do.
#[derive(Debug, thiserror::Error)]
pub enum ConfigurationError {
    #[error("{0}: {1}")]
    Unreadable(PathBuf, Unguarded),
    /// The line and what is wrong there, without the line itself: it may hold a database's password.
    #[error("{0}, line {1}: {2}")]
    Malformed(PathBuf, usize, String),
    /// Each part is well formed; together they are not.
    #[error("the configuration contradicts itself: {0}")]
    Contradictory(&'static str),
}

impl Configuration {
    pub fn read(path: &Path) -> Result<Self, ConfigurationError> {
        // Whoever may write it decides whom the server believes.
        let bytes = guarded::read(path, Forbidden::WRITING)
            .map_err(|e| ConfigurationError::Unreadable(path.to_owned(), e))?;
        let text = std::str::from_utf8(&bytes)
            .map_err(|_| ConfigurationError::Malformed(path.to_owned(), 1, "not UTF-8".to_owned()))?;
        Self::parse(text, path)
    }

    /// What a file of this name says with this text.
    pub fn parse(text: &str, path: &Path) -> Result<Self, ConfigurationError> {
        let configuration: Self = toml::from_str(text).map_err(|e| {
            let before = e.span().map_or("", |span| text.get(..span.start).unwrap_or_default());
            let line = before.matches('\n').count() + 1;
            ConfigurationError::Malformed(path.to_owned(), line, e.message().to_owned())
        })?;
        configuration.check()?;
        Ok(configuration)
    }

    fn metrics_reach_others(&self) -> bool {
        self.metrics_listen.is_some_and(|address| !address.ip().to_canonical().is_loopback())
    }

    pub fn has(&self, role: Role) -> bool {
        self.roles.contains(&role)
    }

    fn check(&self) -> Result<(), ConfigurationError> {
        let authenticates = self.has(Role::Authentication);
        let registers = self.has(Role::Registry);
        let rules = [
            (self.roles.is_empty(), "no role is given"),
            (self.instance.is_empty() || self.instance.len() > 64, "an instance has 1 to 64 bytes"),
            (!(5..=3600).contains(&self.code_window_s), "code_window_s is from 5 to 3600"),
            (!(5..=3600).contains(&self.enrolment_window_s), "enrolment_window_s is from 5 to 3600"),
            (self.endorsement_kinds.is_empty(), "no kind of endorsement keys is given"),
            (
                self.metrics_reach_others() && !self.metrics_public,
                "metrics_listen is not a loopback address: without TLS that needs metrics_public = true",
            ),
            (registers && self.registry.is_some(), "the registry is both here and elsewhere"),
            (authenticates && !registers && self.registry.is_none(), "no registry is given"),
            (self.registry_listen.is_some() && !registers, "registry_listen without the role"),
            (self.registry_listen.is_some() && self.client_ca.is_none(), "registry_listen needs client_ca"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(ConfigurationError::Contradictory(rule)),
            None => Ok(()),
        }
    }
}

fn server_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ServerName, D::Error> {
    ServerName::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
}

/// The machine's name: two machines on one database have unlike ones.
fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

fn every_role() -> Vec<Role> {
    vec![Role::Authentication, Role::Registry, Role::RelyingParty]
}

fn api_address() -> SocketAddr {
    (Ipv4Addr::LOCALHOST, 8443).into()
}

fn database() -> String {
    "sqlite:server.db".to_owned()
}

fn endorsement_kinds() -> Vec<EndorsementKind> {
    vec![EndorsementKind::Rsa2048]
}

fn code_window_s() -> u64 {
    60
}

fn enrolment_window_s() -> u64 {
    120
}

fn device_clock_tolerance_s() -> u64 {
    300
}

fn keep_s() -> u64 {
    3600
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Configuration, String> {
        let configuration: Configuration = toml::from_str(text).map_err(|e| e.to_string())?;
        configuration.check().map_err(|e| e.to_string())?;
        Ok(configuration)
    }

    #[test]
    fn a_name_is_enough() {
        let configuration = parsed("name = 'auth.example'").unwrap();
        assert!(configuration.has(Role::Authentication) && configuration.has(Role::Registry));
        assert_eq!(configuration.code_window_s, 60);
        assert!(configuration.metrics_listen.is_none() && configuration.registry_listen.is_none());
        assert!(!configuration.instance.is_empty());
        assert!(matches!(configuration.endorsement_kinds[..], [EndorsementKind::Rsa2048]));
    }

    #[test]
    fn what_is_unknown_or_contradictory_is_refused() {
        for rest in [
            "unknown = 1",
            "roles = []",
            "roles = ['authentication']",
            "roles = ['settlement']",
            "listen = 'nowhere'",
            "code_window_s = 0",
            "code_window_s = -1",
            "registry_listen = '127.0.0.1:1'",
            "registry_clients = ['sha256:00']",
            "tls = { certificate = 'a' }",
            "keys = { file = 'a', passphrase = 'b' }",
            "registry = { url = 'https://a', ca = 'a', certificate = 'b', key = 'c' }",
            "limits = { connections = 0 }",
            "limits = { stranger_s = 0 }",
            "endorsement_kinds = []",
            "endorsement_kinds = ['rsa-1024']",
            "metrics_listen = '0.0.0.0:1'",
            "metrics_listen = '[::]:1'",
            "metrics_listen = '192.0.2.1:1'",
        ] {
            assert!(parsed(&format!("name = 'auth.example'\n{rest}")).is_err(), "{rest}");
        }
        assert!(parsed("name = 'Auth Example'").is_err());
        assert!(parsed("").is_err());
    }

    #[test]
    fn counters_for_others_must_be_meant() {
        for rest in [
            "metrics_listen = '127.0.0.1:1'",
            "metrics_listen = '[::1]:1'",
            "metrics_listen = '[::ffff:127.0.0.1]:1'",
            "metrics_listen = '0.0.0.0:1'\nmetrics_public = true",
        ] {
            assert!(parsed(&format!("name = 'auth.example'\n{rest}")).is_ok(), "{rest}");
        }
    }

    #[test]
    fn other_kinds_of_endorsement_keys_may_be_named() {
        let text = "name = 'auth.example'\nendorsement_kinds = ['p-384', 'rsa-2048']";
        let kinds = parsed(text).unwrap().endorsement_kinds;
        assert!(matches!(kinds[..], [EndorsementKind::P384, EndorsementKind::Rsa2048]));
    }

    #[test]
    fn a_file_that_others_may_write_is_not_read() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("server.toml");
        std::fs::write(&path, "name = 'auth.example'").unwrap();
        for (mode, good) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(Configuration::read(&path).is_ok(), good, "{mode:o}");
        }
    }

    #[test]
    fn a_registry_may_be_elsewhere() {
        let text = "name = 'auth.example'\nroles = ['authentication']\n\
            registry = { url = 'https://a', ca = 'a', certificate = 'b', key = 'c' }";
        assert!(parsed(text).is_ok());
    }
}
