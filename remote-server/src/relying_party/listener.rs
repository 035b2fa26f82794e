//! Accepts HTTPS connections, so many at a time and each for so long. It judges no request.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// The most connections at a time; others wait to be accepted.
const MOST_CONNECTIONS: usize = 256;

/// How long the TLS handshake may take, and then the headers of each request to arrive.
const HANDSHAKE: Duration = Duration::from_secs(5);
const HEADERS: Duration = Duration::from_secs(5);

/// How long one connection is kept, and what is left to a request that runs at its end.
const LIFE: Duration = Duration::from_secs(60);
const FINISH: Duration = Duration::from_secs(10);

/// The pause after a connection that could not be accepted, for want of descriptors mostly.
const PAUSE: Duration = Duration::from_millis(100);

/// The most bytes of a connection's buffer, which caps the headers of a request.
const MOST_BUFFER: usize = 64 * 1024;

/// Serves until `shutdown`, then until the open requests are answered.
pub async fn run(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    let acceptor = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = ended(&mut shutdown) => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                if let Some(stream) = accepted_stream(accepted).await {
                    connections.spawn(connection(acceptor.clone(), stream, router.clone(), shutdown.clone()));
                }
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn accepted_stream(accepted: std::io::Result<(TcpStream, SocketAddr)>) -> Option<TcpStream> {
    match accepted {
        Ok((stream, _)) => Some(stream),
        Err(error) => {
            log::warn!("a connection to the shop could not be accepted: {error}");
            sleep(PAUSE).await;
            None
        }
    }
}

async fn connection(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    router: Router,
    mut shutdown: watch::Receiver<bool>,
) {
    // Whoever speaks no TLS, or none that will do, is left alone.
    let Ok(Ok(stream)) = timeout(HANDSHAKE, acceptor.accept(stream)).await else { return };
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS)
        .max_buf_size(MOST_BUFFER)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut served = std::pin::pin!(served);
    tokio::select! {
        // A broken connection concerns nobody here.
        _ = served.as_mut() => return,
        () = ended(&mut shutdown) => {}
        () = sleep(LIFE) => {}
    }
    served.as_mut().graceful_shutdown();
    let _ = timeout(FINISH, served).await;
}

async fn ended(shutdown: &mut watch::Receiver<bool>) {
    // A sender that is gone has nothing left to serve for.
    let _ = shutdown.wait_for(|stop| *stop).await;
}
