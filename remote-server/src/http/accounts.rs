//! What a relying party may see of its own accounts, and how it takes all their keys away, as HTTP.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use vultus_protocol::api::{AccountView, Problem};

use super::problem::{Named, Refused};
use super::{Caller, Server};

/// Shows an account and its keys, past ones too.
#[utoipa::path(
    get,
    path = "/v1/accounts/{account}",
    operation_id = "showAccount",
    tag = "accounts",
    params(("account" = String, Path, description = "As the relying party calls it")),
    responses(
        (status = 200, description = "The account", body = AccountView),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("api_key" = []), ("certificate" = [])),
)]
pub async fn show(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(account): Named,
) -> Result<Json<AccountView>, Refused> {
    Ok(Json(server.core.account(&caller.service, &account).await?))
}

/// Revokes every key of an account, for good.
#[utoipa::path(
    delete,
    path = "/v1/accounts/{account}",
    operation_id = "revokeAccount",
    tag = "accounts",
    params(("account" = String, Path, description = "As the relying party calls it")),
    responses(
        (status = 204, description = "No key of the account counts any more"),
        (status = "default", description = "Refused", body = Problem),
    ),
    security(("api_key" = []), ("certificate" = [])),
)]
pub async fn revoke(
    State(server): State<Arc<Server>>,
    caller: Caller,
    Named(account): Named,
) -> Result<StatusCode, Refused> {
    server.core.revoke_account(&caller.service, &account).await?;
    Ok(StatusCode::NO_CONTENT)
}
