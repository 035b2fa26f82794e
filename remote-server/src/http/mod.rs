//! The server's HTTP: which requests there are, who may make them, and how they are answered. It parses no
//! packet and decides no ceremony.
//!
//! ```text
//! serve (TLS, limits) → counted → in_time → callers (who asks) → a handler → ceremonies
//!                                                              ↘ problem (whatever is refused)
//! ```

mod accounts;
mod api_key;
mod authentications;
mod callers;
mod counters;
mod crowd;
mod deregistrations;
mod devices;
mod fingerprint;
mod patient;
mod problem;
mod published;
mod registrations;
mod registry;
mod serve;
pub mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use log::error;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use vultus_protocol::api::Refusal;

pub use api_key::ApiKey;
pub use callers::{Anyone, Caller, Introduced, Known, Peer, RegistryClient};
pub use fingerprint::Fingerprint;
pub use serve::{Door, stopped};

use crate::ceremonies::Core;
use crate::configuration::{Configuration, Role};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::store::StoreError;
use problem::{Reason, Refused};
use published::Description;

/// The most bytes of a request's body: twice the text of the longest sealed packet.
const LONGEST_BODY: usize = 32 * 1024;

/// What every handler works with.
pub struct Server {
    pub core: Arc<Core>,
    pub limits: Limits,
    pub metrics: Metrics,
    known: Known,
    registry_clients: Vec<Fingerprint>,
    request_limit: Duration,
}

impl Server {
    pub fn new(core: Arc<Core>, configuration: &Configuration) -> Self {
        Self {
            core,
            limits: Limits::new(&configuration.limits),
            metrics: Metrics::new(),
            known: Known::default(),
            registry_clients: configuration.registry_clients.clone(),
            request_limit: configuration.limits.request(),
        }
    }
}

#[derive(OpenApi)]
#[openapi(
    info(title = "vultus-server", description = "Proves by face, with keys that never leave a TPM"),
    modifiers(&Schemes)
)]
struct Document;

/// How callers show who they are.
struct Schemes;

impl Modify for Schemes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        components.add_security_scheme("api_key", bearer);
        let certificate = SecurityScheme::MutualTls { description: None, deprecated: None, extensions: None };
        components.add_security_scheme("certificate", certificate);
    }
}

type Routes = OpenApiRouter<Arc<Server>>;

/// The routes of the API, for these roles.
pub fn api(server: &Arc<Server>, roles: &[Role]) -> Result<Router, serde_json::Error> {
    let mut routes = Routes::with_openapi(Document::openapi())
        .routes(routes!(published::health))
        .routes(routes!(published::keys))
        .routes(routes!(published::description));
    if roles.contains(&Role::Authentication) {
        routes = for_relying_parties(routes);
    }
    if roles.contains(&Role::Registry) {
        routes = routes.routes(routes!(devices::begin)).routes(routes!(devices::finish));
    }
    finished(routes, server)
}

fn for_relying_parties(routes: Routes) -> Routes {
    routes
        .routes(routes!(registrations::open))
        .routes(routes!(registrations::complete))
        .routes(routes!(authentications::open))
        .routes(routes!(authentications::complete))
        .routes(routes!(deregistrations::open))
        .routes(routes!(deregistrations::complete))
        .routes(routes!(accounts::show, accounts::revoke))
}

/// The routes that a registry has for other authentication servers.
pub fn registry(server: &Arc<Server>) -> Result<Router, serde_json::Error> {
    let routes = Routes::with_openapi(Document::openapi())
        .routes(routes!(registry::resolve))
        .routes(routes!(registry::status))
        .routes(routes!(published::description));
    finished(routes, server)
}

/// The counters, for whoever reaches their listener.
pub fn metrics(server: &Arc<Server>) -> Result<Router, serde_json::Error> {
    finished(Routes::default().routes(routes!(counters::show)), server)
}

/// What holds for all routes: a cap on bodies, a limit of time, an answer to what has no route.
fn finished(routes: Routes, server: &Arc<Server>) -> Result<Router, serde_json::Error> {
    let (router, document) = routes.split_for_parts();
    Ok(router
        .fallback(problem::no_such_route)
        .method_not_allowed_fallback(problem::no_such_method)
        .layer(Extension(Description::of(&document)?))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
        .layer(middleware::from_fn_with_state(Arc::clone(server), in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(server), counted))
        .with_state(Arc::clone(server)))
}

async fn in_time(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let answered = tokio::time::timeout(server.request_limit, next.run(request)).await;
    answered.unwrap_or_else(|_| Refused::late().into_response())
}

async fn counted(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let refusal = response.extensions().get::<Reason>().map(|Reason(refusal)| *refusal);
    let pattern = route.as_ref().map(MatchedPath::as_str);
    let status = response.status().as_u16();
    server.metrics.answered(method.as_str(), pattern, status, refusal, begun.elapsed());
    response
}

/// What the store says is for the log; the caller learns that it may try again.
fn unavailable(error: StoreError) -> Refused {
    error!(vultus_error:% = error; "the store does not answer");
    Refusal::Unavailable.into()
}
