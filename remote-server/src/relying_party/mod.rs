//! A sample relying party: a shop's backend and a page that draws the dance. It decides whom the shop lets
//! in, by receipts that it verifies itself, and never looks into the server's store, keys or memory.
//!
//! ```text
//! listener (TLS) → http (JSON) → shop (ceremonies, sessions, events) → api_client (HTTPS) → the server
//!                                                                    ↖ receipts ← signed by the server
//! ```
//!
//! It is a sample. Accounts are whatever name comes first, and everything is in memory, so one process of it
//! serves one shop. A real shop asks for its own login (a password, a letter, a desk) before it registers
//! the first face of an account. The page shows account names to whoever can open it.

mod api_client;
mod ceremonies;
mod configuration;
mod events;
mod http;
mod listener;
mod page;
mod payment;
mod receipts;
mod refused;
mod reservations;
mod sessions;
mod shop;
mod steps;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::net::TcpListener;
use tokio::sync::watch;
use vultus_protocol::ServiceName;
use vultus_protocol::api::Refusal;

use api_client::ApiClient;
pub use configuration::{Configuration, Tls};
use receipts::Keys;
use shop::Shop;

/// How often, and after which pause, the server is asked for its keys before the start is given up.
const START_TRIES: u32 = 10;
const START_PAUSE: Duration = Duration::from_millis(500);

/// Why the relying party does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Change this setting.
    #[error("the setting `{0}` of the relying party cannot be used")]
    Setting(&'static str),
    /// Make the file readable.
    #[error("{}: {source}", .path.display())]
    File { path: PathBuf, source: std::io::Error },
    /// Replace the file, or protect it.
    #[error("{}: {why}", .path.display())]
    Unusable { path: PathBuf, why: &'static str },
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    #[error("the HTTPS client cannot be set up: {0}")]
    Client(#[from] reqwest::Error),
    #[error("cannot listen: {0}")]
    Listen(std::io::Error),
    /// Start the server, or correct `api` and `ca`.
    #[error("the authentication server's keys cannot be had: {0}")]
    Keys(Refusal),
}

/// Listens, after fetching and pinning the server's keys. The second part of the answer is what must be
/// polled for the shop to serve; it ends once `shutdown` says so (or its sender is gone) and the last
/// request is answered.
///
/// The keys are believed because TLS to the configured certificate brought them: whoever may replace the
/// file `ca` decides which server the shop believes.
pub async fn serve(
    configuration: Configuration,
    shutdown: watch::Receiver<bool>,
) -> Result<(SocketAddr, impl Future<Output = ()> + Send), Error> {
    let service = ServiceName::new(configuration.service.as_str()).map_err(|_| Error::Setting("service"))?;
    let tls = configuration.server_tls()?;
    let api = ApiClient::new(&configuration)?;
    let keys = first_keys(&api).await?;
    let listener = TcpListener::bind(configuration.listen).await.map_err(Error::Listen)?;
    let address = listener.local_addr().map_err(Error::Listen)?;
    let shop = Arc::new(Shop::new(service, api, keys));
    let served = listener::run(listener, tls, http::router(shop.clone()), shutdown);
    Ok((address, until_served(served, shop)))
}

/// Follows the server's keys for as long as the shop is open.
async fn until_served(served: impl Future<Output = ()>, shop: Arc<Shop>) {
    tokio::select! {
        () = served => {}
        () = shop.follow_keys() => {}
    }
}

/// The server may still be starting, in this process or beside it.
async fn first_keys(api: &ApiClient) -> Result<Keys, Error> {
    for _ in 1..START_TRIES {
        match Keys::fetch(api).await {
            Err(Refusal::Unavailable) => tokio::time::sleep(START_PAUSE).await,
            fetched => return fetched.map_err(Error::Keys),
        }
    }
    Keys::fetch(api).await.map_err(Error::Keys)
}

/// Seconds since 1970 by this machine's clock. The server's own clock decides about codes.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
