//! The two requests of an authentication, as HTTP. What they lead to is decided in `ceremonies`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use vultus_protocol::api::{Completed, OpenAuthentication, Opened, Packet, Problem};

use super::problem::{Named, Received, Refused};
use super::{Caller, Server};

/// Opens an authentication of an account by a device, of a transaction where one is given.
#[utoipa::path(
    post,
    path = "/v1/authentications",
    operation_id = "openAuthentication",
    tag = "ceremonies",
    request_body = OpenAuthentication,
    responses(
        (status = 200, description = "The packet for the device", body = Opened),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("api_key" = []), ("certificate" = [])),
)]
pub async fn open(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Received(request): Received<OpenAuthentication>,
) -> Result<Json<Opened>, Refused> {
    caller.opens(&server, &request.device)?;
    Ok(Json(server.core.open_authentication(&caller.service, request).await?))
}

/// Passes on what the device answered.
#[utoipa::path(
    post,
    path = "/v1/authentications/{ceremony}",
    operation_id = "completeAuthentication",
    tag = "ceremonies",
    params(("ceremony" = String, Path, description = "As the opening called it")),
    request_body = Packet,
    responses(
        (status = 200, description = "The person was authenticated", body = Completed),
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
    Ok(Json(server.core.complete_authentication(&caller.service, &ceremony, packet).await?))
}
