//! The counters as HTTP, in the OpenMetrics text format. This listener has no TLS and asks nobody who they
//! are: it belongs on the loopback address, or behind what guards it.

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use vultus_protocol::api::Refusal;

use super::Server;
use super::problem::Refused;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// All counters.
#[utoipa::path(
    get,
    path = "/metrics",
    operation_id = "showMetrics",
    tag = "server",
    responses((status = 200, description = "The counters", body = String)),
)]
pub async fn show(State(server): State<Arc<Server>>) -> Result<impl IntoResponse, Refused> {
    let waiting = i64::try_from(server.core.store.waiting()).unwrap_or(i64::MAX);
    server.metrics.store_queue.set(waiting);
    let text = server.metrics.text().map_err(|_| Refusal::Unavailable)?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text))
}
