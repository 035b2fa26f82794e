//! What the server tells anyone: the keys it publishes, that it is well, and the description of its API. It
//! tells nothing of services, devices or accounts.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::{Extension, Json};
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use vultus_protocol::api::{Problem, Refusal, to_text};

use super::problem::Refused;
use super::{Anyone, Server, unavailable};

/// Every published key set.
#[derive(Serialize, ToSchema)]
pub struct PublishedKeys {
    /// Signed `server-keys` packets, oldest first: each is signed by a key of the one before it.
    packets: Vec<String>,
}

/// The server's keys, so that a device that pinned older ones can follow them to the newest.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "showKeys",
    tag = "server",
    responses(
        (status = 200, description = "All key sets", body = PublishedKeys),
        (status = "default", description = "Refused", body = Problem),
    ),
)]
pub async fn keys(State(server): State<Arc<Server>>, _: Anyone) -> Json<PublishedKeys> {
    let packets = server.core.keys.published().iter().map(|packet| to_text(packet)).collect();
    Json(PublishedKeys { packets })
}

/// That the server can decide.
#[derive(Serialize, ToSchema)]
pub struct Health {
    /// The server's name, as packets have it.
    name: String,
    /// `ok`.
    status: &'static str,
}

/// Whether the server and its database answer, and its keys are the published ones.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "showHealth",
    tag = "server",
    responses(
        (status = 200, description = "It can decide", body = Health),
        (status = "default", description = "It cannot", body = Problem),
    ),
)]
pub async fn health(State(server): State<Arc<Server>>, _: Anyone) -> Result<Json<Health>, Refused> {
    server.core.store.healthy().await.map_err(unavailable)?;
    if !server.core.keys.complete() {
        return Err(Refusal::Unavailable.into());
    }
    Ok(Json(Health { name: server.core.name.to_string(), status: "ok" }))
}

/// The description of one listener's routes, made when its router is.
#[derive(Clone)]
pub struct Description(Arc<str>);

impl Description {
    pub fn of(document: &OpenApi) -> Result<Self, serde_json::Error> {
        Ok(Self(document.to_json()?.into()))
    }
}

/// This description.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "showDescription",
    tag = "server",
    responses(
        (status = 200, description = "OpenAPI 3.1", content_type = "application/json"),
        (status = "default", description = "Refused", body = Problem),
    ),
)]
pub async fn description(
    _: Anyone,
    Extension(Description(text)): Extension<Description>,
) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], text.to_string())
}
