//! The registry's answers to other authentication servers, as HTTP. Only certificates on the list are
//! answered; what is told of a device is decided in `registry`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use vultus_protocol::api::Problem;

use super::problem::{Received, Refused};
use super::{RegistryClient, Server};
use crate::registry::{DeviceAnswer, ResolveQuestion, ResolvedDevice, StatusAnswer, StatusQuestion};

/// Shows an active device as one service of one server knows it.
#[utoipa::path(
    post,
    path = "/registry/v1/resolve",
    operation_id = "resolveDevice",
    tag = "registry",
    request_body = ResolveQuestion,
    responses(
        (status = 200, description = "The device", body = DeviceAnswer),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("certificate" = [])),
)]
pub async fn resolve(
    State(server): State<Arc<Server>>,
    _: RegistryClient,
    Received(question): Received<ResolveQuestion>,
) -> Result<Json<ResolvedDevice>, Refused> {
    Ok(Json(server.core.answer_resolve(question).await?))
}

/// Says whether a device may take part.
#[utoipa::path(
    post,
    path = "/registry/v1/status",
    operation_id = "showDeviceStatus",
    tag = "registry",
    request_body = StatusQuestion,
    responses(
        (status = 200, description = "Its status", body = StatusAnswer),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("certificate" = [])),
)]
pub async fn status(
    State(server): State<Arc<Server>>,
    _: RegistryClient,
    Received(question): Received<StatusQuestion>,
) -> Result<Json<StatusAnswer>, Refused> {
    Ok(Json(server.core.answer_status(question).await?))
}
