//! A server of its own for a test, made by `init` and run as its own process, and a client that speaks HTTP by
//! hand so that it can also speak it badly.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName as HostName};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use sqlx::{Connection, Executor, SqliteConnection};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use vultus_protocol::{ServerName, ServiceName};
use vultus_remote_server::http::Fingerprint;
use vultus_remote_server::initialise::{Wishes, initialise};

/// How long anything may take. Bounded, never judged.
pub const PATIENCE: Duration = Duration::from_secs(30);
const SERVER: &str = env!("CARGO_BIN_EXE_vultus-server");

/// A running server, and where its parts are. It ends with the test.
pub struct Machine {
    pub folder: PathBuf,
    child: Child,
    addresses: Value,
    _temporary: tempfile::TempDir,
}

impl Machine {
    /// A server without its sample relying party, with these lines in its configuration besides.
    pub async fn start(more: &str) -> Self {
        Self::begin(more, &[], false).await
    }

    /// The same, where these certificates of clients are good.
    pub async fn start_for(clients: &[&Identity], more: &str) -> Self {
        Self::begin(&format!("client_ca = 'clients.pem'\n{more}"), clients, false).await
    }

    /// A server as `init` leaves it, but for its ports.
    pub async fn start_whole() -> Self {
        Self::begin("", &[], true).await
    }

    async fn begin(more: &str, clients: &[&Identity], whole: bool) -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("server");
        let any: SocketAddr = ([127, 0, 0, 1], 0).into();
        let name = ServerName::new("auth.example").unwrap();
        let service = ServiceName::new("shop.example").unwrap();
        let mut wishes = Wishes::new(folder.clone(), name, service);
        (wishes.listen, wishes.metrics_listen, wishes.shop_listen) = (any, any, any);
        let made = initialise(&wishes).await.unwrap();
        let written = std::fs::read_to_string(&made.configuration).unwrap();
        let kept = if whole { &written } else { written.split("[relying_party]").next().unwrap() };
        std::fs::write(&made.configuration, format!("{more}\n{kept}")).unwrap();
        let pem: String = clients.iter().map(|client| client.certificate.as_str()).collect();
        std::fs::write(folder.join("clients.pem"), pem).unwrap();
        Self::run(temporary, folder).await
    }

    async fn run(temporary: tempfile::TempDir, folder: PathBuf) -> Self {
        let announced = folder.join("addresses.json");
        let log = std::fs::File::create(folder.join("log")).unwrap();
        let child = Command::new(SERVER)
            .args(["run", "--config"])
            .arg(folder.join("server.toml"))
            .arg("--announce")
            .arg(&announced)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut machine = Self { folder, child, addresses: Value::Null, _temporary: temporary };
        machine.wait(|machine| machine.log().contains("\"ready\"")).await;
        machine.addresses = serde_json::from_slice(&std::fs::read(announced).unwrap()).unwrap();
        machine
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub fn address(&self, part: &str) -> SocketAddr {
        self.addresses[part].as_str().unwrap_or_else(|| panic!("no {part}")).parse().unwrap()
    }

    pub fn has(&self, part: &str) -> bool {
        self.addresses.get(part).is_some()
    }

    /// Waits until something holds, while the server runs.
    pub async fn wait(&mut self, mut holds: impl FnMut(&Self) -> bool) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() && Instant::now() < until, "{ended:?}: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn signal(&self, signal: Signal) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits until the server has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// Runs a command of the administrator; what it prints as JSON.
    pub fn administer(&self, arguments: &[&str]) -> Value {
        let (status, told, errors) = self.attempt(arguments);
        assert_eq!(status, Some(0), "{arguments:?}: {told} {errors}");
        told
    }

    /// The same, which need not come about: with its status and what it says of errors.
    pub fn attempt(&self, arguments: &[&str]) -> (Option<i32>, Value, String) {
        let output = Command::new(SERVER)
            .args(["--json", "--config"])
            .arg(self.folder.join("server.toml"))
            .args(arguments)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {errors}"));
        (output.status.code(), told, errors)
    }

    /// Changes the database as somebody would who may write the file.
    pub async fn tamper(&self, sql: &'static str) {
        let url = format!("sqlite:{}", self.folder.join("server.db").display());
        let mut connection = SqliteConnection::connect(&url).await.unwrap();
        connection.execute(sql).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The header by which the shop is known.
    pub fn shop(&self) -> String {
        let key = std::fs::read_to_string(self.folder.join("shop.key")).unwrap();
        format!("Authorization: Bearer {}\r\n", key.trim())
    }

    pub async fn connect(&self, part: &str, identity: Option<&Identity>) -> io::Result<TlsStream<TcpStream>> {
        let tls = client(&self.folder.join("tls.pem"), identity);
        let stream = TcpStream::connect(self.address(part)).await?;
        let host = HostName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(tls)).connect(host, stream).await
    }

    /// One request on a connection of its own. `headers` end with a line feed each.
    pub async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = self.connect("api", None).await.unwrap();
        exchange(&mut stream, &request(method, path, headers, body)).await.unwrap()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    /// A request of the shop, with a body of JSON.
    pub async fn ask_as_shop(&self, method: &str, path: &str, body: &Value) -> Answer {
        let headers = format!("{}Content-Type: application/json\r\n", self.shop());
        self.ask(method, path, &headers, &body.to_string()).await
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A client's certificate, which signs itself, and its key.
pub struct Identity {
    pub certificate: String,
    key: String,
}

impl Identity {
    pub fn new() -> Self {
        let made = rcgen::generate_simple_self_signed(vec!["client.example".to_owned()]).unwrap();
        Self { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
    }

    pub fn fingerprint(&self) -> String {
        let certificate = CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap();
        Fingerprint::of(&certificate).to_string()
    }
}

fn client(ca: &Path, identity: Option<&Identity>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).unwrap()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_root_certificates(roots);
    match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let certificate = CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap();
            let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
            builder.with_client_auth_cert(vec![certificate], key).unwrap()
        }
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    head: String,
    pub body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> io::Result<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
        let status =
            head.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or(ErrorKind::InvalidData)?;
        Ok(Self { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The reason of a Problem, which a refusal must be.
    pub fn reason(&self) -> String {
        let problem = self.json();
        assert!(self.header("content-type").starts_with("application/json"), "{self:?}");
        assert!(problem["message"].is_string() && problem["advice"].is_string(), "{self:?}");
        problem["reason"].as_str().unwrap().to_owned()
    }

    pub fn header(&self, name: &str) -> String {
        let found = self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        found.unwrap_or_default().to_owned()
    }
}

/// A request after which the connection is closed.
pub fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

/// The same, after which the connection stays.
pub fn kept(method: &str, path: &str, headers: &str) -> String {
    request(method, path, headers, "").replace("Connection: close\r\n", "")
}

pub async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    request: &str,
) -> io::Result<Answer> {
    // A server that refuses early may not read all of it.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.flush().await;
    Answer::parse(&rest(stream).await?)
}

/// Everything until the other side closes, which it must. How it closes does not matter.
pub async fn rest<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    match read.map_err(|_| io::Error::from(ErrorKind::TimedOut))? {
        Err(error) if bytes.is_empty() => Err(error),
        _ => Ok(bytes),
    }
}
