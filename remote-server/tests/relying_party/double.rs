//! A double of the authentication server: its relying-party API over TLS, with signing keys of its own. It
//! judges no packet, and answers what a test tells it to.

use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::{Path as Segments, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use vultus_protocol::api::{Problem, Refusal, to_text};
use vultus_protocol::registration::{
    AuthenticationReceipt, DeregistrationReceipt, Receipt, RegistrationReceipt,
};
use vultus_protocol::server_keys::{ServerKeys, TimedKey};
use vultus_protocol::{
    AccountName, BiometricType, CeremonyId, Draft, Message, PairwiseDevice, PublicKey, ServerName,
    ServiceName, TransactionHash, TransactionText, VirtualAccount,
};
use vultus_remote_server::relying_party::Tls;

pub const SERVICE: &str = "shop.example";
const SERVER: &str = "auth.example";
pub const API_KEY: &str = "vk_of-the-test";
pub const DEVICE: [u8; 16] = [7; 16];

/// What the double does with the next packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Twist {
    Honest,
    AnotherKey,
    AnotherKind,
    AnotherCeremony,
    AnotherService,
    AnotherServer,
    AnotherAccount,
    AnotherDevice,
    AnotherTransaction,
    AnotherCeremonyBeside,
    AnotherAccountBeside,
    Garbage,
    Refuse(Refusal),
}

pub struct Signer {
    pair: EcdsaKeyPair,
    pub public: PublicKey,
}

impl Signer {
    pub fn new() -> Self {
        let (random, kind) = (SystemRandom::new(), &ECDSA_P256_SHA256_FIXED_SIGNING);
        let document = EcdsaKeyPair::generate_pkcs8(kind, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(kind, document.as_ref(), &random).unwrap();
        let public = PublicKey::from_slice(pair.public_key().as_ref()).unwrap();
        Self { pair, public }
    }

    fn sign<M: Message>(&self, message: &M) -> Vec<u8> {
        let draft = Draft::new(message, self.public.id()).unwrap();
        let signature = self.pair.sign(&SystemRandom::new(), draft.to_be_signed()).unwrap();
        draft.finish(signature.as_ref().try_into().unwrap()).unwrap()
    }

    /// A set that holds these keys, signed by this one.
    pub fn set(&self, version: u64, keys: &[PublicKey]) -> String {
        let timed = |key: &PublicKey| TimedKey { key: *key, not_before: 0, not_after: u64::MAX };
        let signing: Vec<_> = keys.iter().map(timed).collect();
        let sealing = signing.clone();
        let server = ServerName::new(SERVER).unwrap();
        to_text(&self.sign(&ServerKeys { server, version, signing, sealing }))
    }
}

/// What an application asked for, as the double was told.
#[derive(Clone)]
pub struct Asked {
    account: Option<String>,
    device: String,
    pub transaction: Option<String>,
}

pub struct Double {
    pub signer: Mutex<Arc<Signer>>,
    pub published: Mutex<Vec<String>>,
    twist: Mutex<Twist>,
    pub asked: Mutex<HashMap<String, Asked>>,
    taken: Mutex<Vec<String>>,
    pub looked_up: Mutex<Vec<String>>,
}

impl Double {
    pub fn new() -> Arc<Self> {
        let signer = Signer::new();
        let published = vec![signer.set(1, &[signer.public])];
        Arc::new(Self {
            signer: Mutex::new(Arc::new(signer)),
            published: Mutex::new(published),
            twist: Mutex::new(Twist::Honest),
            asked: Mutex::default(),
            taken: Mutex::default(),
            looked_up: Mutex::default(),
        })
    }

    pub fn twist(&self, twist: Twist) {
        *self.twist.lock().unwrap() = twist;
    }

    pub fn take(&self, account: &str) {
        self.taken.lock().unwrap().push(account.to_owned());
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
            .route("/v1/keys", get(keys))
            .route("/v1/accounts/{account}", get(account))
            .route("/v1/{kind}", post(open))
            .route("/v1/{kind}/{ceremony}", post(complete))
            .with_state(self)
    }
}

type Shared = State<Arc<Double>>;

fn refuse(reason: Refusal) -> Response {
    let status = StatusCode::from_u16(reason.status()).unwrap();
    (status, Json(Problem::from(reason))).into_response()
}

fn authorised(headers: &HeaderMap) {
    assert_eq!(headers["authorization"], format!("Bearer {API_KEY}").as_str());
}

async fn keys(State(double): Shared, headers: HeaderMap) -> Json<Value> {
    assert!(!headers.contains_key("authorization"), "the API key goes only where it is needed");
    Json(json!({ "packets": *double.published.lock().unwrap() }))
}

async fn account(State(double): Shared, headers: HeaderMap, Segments(name): Segments<String>) -> Response {
    authorised(&headers);
    double.looked_up.lock().unwrap().push(name.clone());
    if !double.taken.lock().unwrap().contains(&name) {
        return refuse(Refusal::UnknownAccount);
    }
    let key = json!({ "device": to_text(&DEVICE), "status": "active", "registered_at": 1 });
    Json(json!({ "account": name, "virtual_account": to_text(&[9; 16]), "keys": [key] })).into_response()
}

async fn open(
    State(double): Shared,
    headers: HeaderMap,
    Segments(_): Segments<String>,
    Json(body): Json<Value>,
) -> Response {
    authorised(&headers);
    if let Twist::Refuse(reason) = *double.twist.lock().unwrap() {
        return refuse(reason);
    }
    let text = |name: &str| body[name].as_str().map(str::to_owned);
    let asked =
        Asked { account: text("account"), device: text("device").unwrap(), transaction: text("transaction") };
    let mut id = [0; 16];
    getrandom::fill(&mut id).unwrap();
    double.asked.lock().unwrap().insert(to_text(&id), asked);
    let opened = json!({ "ceremony": to_text(&id), "packet": to_text(b"info"), "expires_at": now() + 60 });
    Json(opened).into_response()
}

async fn complete(
    State(double): Shared,
    headers: HeaderMap,
    Segments((kind, ceremony)): Segments<(String, String)>,
    Json(_): Json<Value>,
) -> Response {
    authorised(&headers);
    let twist = *double.twist.lock().unwrap();
    if let Twist::Refuse(reason) = twist {
        return refuse(reason);
    }
    let asked = double.asked.lock().unwrap()[&ceremony].clone();
    let receipt = twisted(honest(&ceremony, &asked), twist);
    let beside =
        |twisted: bool, honest: &str, other: &str| if twisted { other.into() } else { honest.to_owned() };
    let account = asked.account.as_deref().unwrap_or("alice");
    Json(json!({
        "ceremony": beside(twist == Twist::AnotherCeremonyBeside, &ceremony, &to_text(&[1; 16])),
        "packet": to_text(&packet(&double, &kind, twist, receipt)),
        "account": beside(twist == Twist::AnotherAccountBeside, account, "mallory"),
        "virtual_account": to_text(&[9; 16]),
        "device": asked.device,
        "biometric": "face",
        "at": now(),
    }))
    .into_response()
}

fn honest(ceremony: &str, asked: &Asked) -> Receipt {
    let text = asked.transaction.as_ref().map(|text| TransactionText::new(text.as_str()).unwrap());
    Receipt {
        ceremony: CeremonyId::from_text(ceremony).unwrap(),
        server: ServerName::new(SERVER).unwrap(),
        service: ServiceName::new(SERVICE).unwrap(),
        account: AccountName::new(asked.account.as_deref().unwrap_or("alice")).unwrap(),
        virtual_account: VirtualAccount::new([9; 16]),
        device: PairwiseDevice::from_text(&asked.device).unwrap(),
        biometric: BiometricType::Face,
        at: now(),
        transaction: text.as_ref().map(TransactionHash::of),
    }
}

fn twisted(mut receipt: Receipt, twist: Twist) -> Receipt {
    match twist {
        Twist::AnotherCeremony => receipt.ceremony = CeremonyId::new([1; 16]),
        Twist::AnotherService => receipt.service = ServiceName::new("other.example").unwrap(),
        Twist::AnotherServer => receipt.server = ServerName::new("other.example").unwrap(),
        Twist::AnotherAccount => receipt.account = AccountName::new("mallory").unwrap(),
        Twist::AnotherDevice => receipt.device = PairwiseDevice::new([8; 16]),
        Twist::AnotherTransaction => {
            let text = TransactionText::new("Pay 0.01 EUR to Bob's Books").unwrap();
            receipt.transaction = Some(TransactionHash::of(&text));
        }
        _ => {}
    }
    receipt
}

fn packet(double: &Double, kind: &str, twist: Twist, receipt: Receipt) -> Vec<u8> {
    let signer = match twist {
        Twist::AnotherKey => Arc::new(Signer::new()),
        _ => double.signer.lock().unwrap().clone(),
    };
    match (kind, twist) {
        (_, Twist::Garbage) => b"garbage".to_vec(),
        (_, Twist::AnotherKind) => signer.sign(&DeregistrationReceipt(receipt)),
        ("registrations", _) => signer.sign(&RegistrationReceipt(receipt)),
        ("authentications", _) => signer.sign(&AuthenticationReceipt(receipt)),
        _ => signer.sign(&DeregistrationReceipt(receipt)),
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// TLS for the double.
struct TlsListener {
    tcp: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = tokio_rustls::server::TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.tcp.accept().await.unwrap();
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

pub fn write(path: &Path, text: &str, mode: u32) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true).mode(mode).open(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// A self-signed certificate for loopback, as two files and as the only root of a client.
pub fn certificate(folder: &Path, name: &str) -> (Tls, reqwest::Client) {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let tls =
        Tls { certificate: folder.join(format!("{name}.pem")), key: folder.join(format!("{name}-key.pem")) };
    write(&tls.certificate, &made.cert.pem(), 0o644);
    write(&tls.key, &made.signing_key.serialize_pem(), 0o600);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = reqwest::Client::builder().tls_backend_preconfigured(config).no_proxy().build().unwrap();
    (tls, client)
}

pub async fn start(double: &Arc<Double>, tls: &Tls) -> SocketAddr {
    let certificate = CertificateDer::from_pem_file(&tls.certificate).unwrap();
    let key = PrivateKeyDer::from_pem_file(&tls.key).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = tcp.local_addr().unwrap();
    let listener = TlsListener { tcp, acceptor: TlsAcceptor::from(Arc::new(config)) };
    let router = double.clone().router();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}
