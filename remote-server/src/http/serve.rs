//! Accepts connections to one listener and speaks HTTP/1.1 on them, within limits of number and time. What a
//! request means is the router's; who sent it is noted, and judged elsewhere.

use std::future::pending;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use log::{error, warn};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;

use super::crowd::Crowd;
use super::patient::Patient;
use super::{Fingerprint, Introduced, Peer, Server};
use crate::limits;

/// How long requests that have begun may take once the server is to stop.
const GRACE: Duration = Duration::from_secs(10);
/// The most bytes of a request's head.
const LONGEST_HEAD: usize = 16 * 1024;
/// What to wait when no connection can be accepted at all, such as without file descriptors.
const BREATH: Duration = Duration::from_millis(100);

/// One listener's rules.
pub struct Door {
    server: Arc<Server>,
    router: Router,
    /// What to show and to demand; it may change while the server runs. Without it there is no TLS.
    tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    crowd: Arc<Crowd>,
    limits: limits::Configuration,
}

impl Door {
    pub fn new(
        server: &Arc<Server>,
        router: Router,
        tls: Option<watch::Receiver<Arc<ServerConfig>>>,
        limits: &limits::Configuration,
    ) -> Self {
        let gauge = server.metrics.connections.clone();
        let crowd = Crowd::new(limits.connections.get(), limits.connections_per_address.get(), gauge);
        Self { server: Arc::clone(server), router, tls, crowd, limits: limits.clone() }
    }

    /// Serves until it is told to stop, and then until what has begun is finished, or its time is over.
    pub async fn serve(self, listener: TcpListener, mut stop: watch::Receiver<bool>) {
        let door = Arc::new(self);
        let mut conversations = JoinSet::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                Some(ended) = conversations.join_next() => examine(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, address)) => door.admit(stream, address, &mut conversations, &stop),
                    Err(error) => {
                        warn!(vultus_error:% = error; "a connection could not be accepted");
                        sleep(BREATH).await;
                    }
                },
            }
        }
        drop(listener);
        let rest = async {
            while let Some(ended) = conversations.join_next().await {
                examine(ended);
            }
        };
        if timeout(GRACE, rest).await.is_err() {
            warn!("connections were ended with their requests unfinished");
            conversations.shutdown().await;
        }
    }

    fn admit(
        self: &Arc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        conversations: &mut JoinSet<()>,
        stop: &watch::Receiver<bool>,
    ) {
        let Some(place) = self.crowd.enter(address.ip().into()) else {
            self.server.metrics.turned_away("full");
            return;
        };
        let (door, stop) = (Arc::clone(self), stop.clone());
        conversations.spawn(async move {
            door.converse(stream, address, stop).await;
            drop(place);
        });
    }

    async fn converse(&self, stream: TcpStream, address: SocketAddr, stop: watch::Receiver<bool>) {
        // Answers are one piece each; waiting for more of them helps nobody. Without it they are slower.
        let _ = stream.set_nodelay(true);
        let stream = Patient::new(stream, self.limits.request());
        let Some(tls) = &self.tls else {
            return self.speak(stream, Peer { address, certificate: None }, stop).await;
        };
        let configuration = Arc::clone(&tls.borrow());
        let handshake = TlsAcceptor::from(configuration).accept(stream);
        let Ok(Ok(stream)) = timeout(self.limits.handshake(), handshake).await else {
            self.server.metrics.turned_away("handshake");
            return;
        };
        let shown = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let peer = Peer { address, certificate: shown.map(Fingerprint::of) };
        self.speak(stream, peer, stop).await;
    }

    async fn speak<S>(&self, stream: S, peer: Peer, mut stop: watch::Receiver<bool>)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let router = TowerToHyperService::new(self.router.clone());
        let introduced = Introduced::default();
        let of_this = introduced.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer);
            request.extensions_mut().insert(of_this.clone());
            router.call(request)
        });
        // The time for a head runs from the end of the request before it: it is the idle limit as well.
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head())
            .max_buf_size(LONGEST_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        tokio::select! {
            // A client that goes away, or speaks no HTTP, needs no answer and no log.
            _ = connection.as_mut() => return,
            () = stopped(&mut stop) => connection.as_mut().graceful_shutdown(),
            () = self.stays_a_stranger(&introduced) => {
                connection.as_mut().graceful_shutdown();
                // A request under way has the time of its head, its own, and that of its answer.
                let _ = timeout(self.limits.head() + 2 * self.limits.request(), connection).await;
                return;
            }
        }
        let _ = connection.await;
    }

    /// Ends where nobody was introduced in the time that a stranger has, and else never.
    async fn stays_a_stranger(&self, introduced: &Introduced) {
        sleep(self.limits.stranger()).await;
        if introduced.yes() {
            pending::<()>().await;
        }
    }
}

/// Waits until the server is to stop; that whoever would say so is gone means the same.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    let _ = stop.wait_for(|stop| *stop).await;
}

fn examine(ended: Result<(), JoinError>) {
    if ended.is_err_and(|error| error.is_panic()) {
        error!("a connection ended in a panic");
    }
}
