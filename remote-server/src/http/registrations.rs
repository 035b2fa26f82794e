//! The two requests of a registration, as HTTP. What they lead to is decided in `ceremonies`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use vultus_protocol::api::{Completed, OpenRegistration, Opened, Packet, Problem};

use super::problem::{Named, Received, Refused};
use super::{Caller, Server};

/// Opens a registration of an account with a device.
#[utoipa::path(
    post,
    path = "/v1/registrations",
    operation_id = "openRegistration",
    tag = "ceremonies",
    request_body = OpenRegistration,
    responses(
        (status = 200, description = "The packet for the device", body = Opened),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("api_key" = []), ("certificate" = [])),
)]
pub async fn open(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Received(request): Received<OpenRegistration>,
) -> Result<Json<Opened>, Refused> {
    caller.opens(&server, &request.device)?;
    Ok(Json(server.core.open_registration(&caller.service, request).await?))
}

/// Passes on what the device answered.
#[utoipa::path(
    post,
    path = "/v1/registrations/{ceremony}",
    operation_id = "completeRegistration",
    tag = "ceremonies",
    params(("ceremony" = String, Path, description = "As the opening called it")),
    request_body = Packet,
    responses(
        (status = 200, description = "The account is registered", body = Completed),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("api_key" = []), ("certificate" = [])),
)]
pub async fn complete(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(ceremony): Named,
    Received(packet): Received<Packet>,
) -> Result<Json<Completed>, Refused> {
    Ok(Json(server.core.complete_registration(&caller.service, &ceremony, packet).await?))
}
