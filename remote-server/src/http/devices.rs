//! The two requests by which a device gets into the registry, as HTTP. They are open to all, so that each is
//! counted by address; whether the device is taken is decided in `registry`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use vultus_protocol::api::{Packet, Problem};

use super::problem::{Named, Received, Refused};
use super::{Anyone, Server};
use crate::registry::EnrolmentOpened;

/// Begins the enrolment of a device.
#[utoipa::path(
    post,
    path = "/v1/devices",
    operation_id = "beginEnrolment",
    tag = "devices",
    request_body = Packet,
    responses(
        (status = 200, description = "A secret that only the device's TPM can read", body = EnrolmentOpened),
        (status = "default", description = "Refused", body = Problem),
    ),
)]
pub async fn begin(
    State(server): State<Arc<Server>>,
    _: Anyone,
    Received(packet): Received<Packet>,
) -> Result<Json<EnrolmentOpened>, Refused> {
    Ok(Json(server.core.begin_enrolment(packet).await?))
}

/// Takes the device into the registry, where its TPM could read the secret.
#[utoipa::path(
    post,
    path = "/v1/devices/{enrolment}",
    operation_id = "finishEnrolment",
    tag = "devices",
    params(("enrolment" = String, Path, description = "As the answer to the first request called it")),
    request_body = Packet,
    responses(
        (status = 200, description = "A signed receipt", body = Packet),
        (status = "default", description = "Refused", body = Problem),
    ),
)]
pub async fn finish(
    State(server): State<Arc<Server>>,
    _: Anyone,
    Named(enrolment): Named,
    Received(packet): Received<Packet>,
) -> Result<Json<Packet>, Refused> {
    Ok(Json(server.core.finish_enrolment(&enrolment, packet).await?))
}
