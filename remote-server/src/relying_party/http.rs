//! The shop's HTTP interface: JSON in, JSON out. It turns strings into names and sessions into cookies, and
//! decides nothing.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::JsonRejection;
use axum::extract::{DefaultBodyLimit, Path, Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, COOKIE, REFERRER_POLICY, SET_COOKIE};
use axum::http::header::{HeaderMap, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use vultus_protocol::api::{OpenDeregistration, OpenRegistration, Opened, Packet};
use vultus_protocol::{AccountName, CeremonyId, PairwiseDevice};

use super::ceremonies::{Kind, Wish};
use super::refused::Refused;
use super::sessions::LIFE_S;
use super::shop::{Done, Shop, View};
use super::{page, payment};

/// The most bytes of a request's body.
const MOST_BODY: usize = 32 * 1024;

/// How long a request may take: up to three questions to the server are asked for one.
const DEADLINE: Duration = Duration::from_secs(20);

/// The browser sends this cookie to this very host alone, by TLS alone, and to none of its subdomains.
const COOKIE_NAME: &str = "__Host-session";

type Shared = State<Arc<Shop>>;
type Body<T> = Result<Json<T>, JsonRejection>;
type Answer<T> = Result<Json<T>, Refused>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Login {
    device: String,
    account: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pay {
    device: String,
    account: String,
    amount: String,
    to: String,
}

/// The end of a registration or deregistration.
#[derive(Serialize)]
struct Kept {
    packet: String,
    account: String,
    at: u64,
}

#[derive(Serialize)]
struct LoggedIn {
    packet: String,
    account: String,
    session: String,
}

#[derive(Serialize)]
struct Paid {
    packet: String,
    account: String,
    paid: String,
}

pub fn router(shop: Arc<Shop>) -> Router {
    Router::new()
        .route("/", get(page::answer))
        .route("/api/events", get(events))
        .route("/api/register", post(open_registration))
        .route("/api/register/{ceremony}", post(complete_registration))
        .route("/api/login", post(open_login))
        .route("/api/login/{ceremony}", post(complete_login))
        .route("/api/pay", post(open_payment))
        .route("/api/pay/{ceremony}", post(complete_payment))
        .route("/api/deregister", post(open_deregistration))
        .route("/api/deregister/{ceremony}", post(complete_deregistration))
        .fallback(|| async { Refused::NOT_FOUND })
        .method_not_allowed_fallback(|| async { Refused::METHOD })
        .layer(DefaultBodyLimit::max(MOST_BODY))
        .layer(from_fn(guard))
        .with_state(shop)
}

/// A time limit for every request, and headers for every answer.
async fn guard(request: Request, next: Next) -> Response {
    let answer = tokio::time::timeout(DEADLINE, next.run(request)).await;
    let mut answer = answer.unwrap_or_else(|_| Refused::LATER.into_response());
    let headers = answer.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    answer
}

async fn events(State(shop): Shared) -> Json<View> {
    Json(shop.view())
}

async fn open_registration(
    State(shop): Shared,
    headers: HeaderMap,
    body: Body<OpenRegistration>,
) -> Answer<Opened> {
    let Json(asked) = body?;
    let wish = wish(Kind::Registration, &asked.device, Some(asked.account))?;
    Ok(Json(shop.open(wish, session(&headers)).await?))
}

async fn complete_registration(
    State(shop): Shared,
    Path(ceremony): Path<String>,
    body: Body<Packet>,
) -> Answer<Kept> {
    Ok(Json(complete(&shop, Kind::Registration, &ceremony, body).await?.into()))
}

async fn open_login(State(shop): Shared, body: Body<Login>) -> Answer<Opened> {
    let Json(asked) = body?;
    let wish = wish(Kind::Authentication, &asked.device, asked.account)?;
    Ok(Json(shop.open(wish, None).await?))
}

async fn complete_login(
    State(shop): Shared,
    Path(ceremony): Path<String>,
    body: Body<Packet>,
) -> Result<Response, Refused> {
    let done = complete(&shop, Kind::Authentication, &ceremony, body).await?;
    let session = done.session.ok_or(Refused::LATER)?;
    let cookie =
        format!("{COOKIE_NAME}={session}; Path=/; Max-Age={LIFE_S}; Secure; HttpOnly; SameSite=Strict");
    let told = LoggedIn { packet: done.packet, account: done.account.to_string(), session };
    Ok(([(SET_COOKIE, cookie)], Json(told)).into_response())
}

async fn open_payment(State(shop): Shared, body: Body<Pay>) -> Answer<Opened> {
    let Json(asked) = body?;
    let text = payment::text(&asked.amount, &asked.to).ok_or(Refused::MALFORMED)?;
    let wish = wish(Kind::Payment, &asked.device, Some(asked.account))?;
    Ok(Json(shop.open(Wish { text: Some(text), ..wish }, None).await?))
}

async fn complete_payment(
    State(shop): Shared,
    Path(ceremony): Path<String>,
    body: Body<Packet>,
) -> Answer<Paid> {
    let done = complete(&shop, Kind::Payment, &ceremony, body).await?;
    let paid = done.paid.ok_or(Refused::LATER)?;
    Ok(Json(Paid { packet: done.packet, account: done.account.to_string(), paid }))
}

async fn open_deregistration(State(shop): Shared, body: Body<OpenDeregistration>) -> Answer<Opened> {
    let Json(asked) = body?;
    let wish = wish(Kind::Deregistration, &asked.device, Some(asked.account))?;
    Ok(Json(shop.open(wish, None).await?))
}

async fn complete_deregistration(
    State(shop): Shared,
    Path(ceremony): Path<String>,
    body: Body<Packet>,
) -> Answer<Kept> {
    Ok(Json(complete(&shop, Kind::Deregistration, &ceremony, body).await?.into()))
}

async fn complete(shop: &Shop, kind: Kind, ceremony: &str, body: Body<Packet>) -> Result<Done, Refused> {
    let Json(packet) = body?;
    let ceremony = CeremonyId::from_text(ceremony).map_err(|_| Refused::MALFORMED)?;
    shop.complete(kind, &ceremony, &packet).await
}

impl From<Done> for Kept {
    fn from(done: Done) -> Self {
        Self { packet: done.packet, account: done.account.to_string(), at: done.at }
    }
}

fn wish(kind: Kind, device: &str, account: Option<String>) -> Result<Wish, Refused> {
    let device = PairwiseDevice::from_text(device).map_err(|_| Refused::MALFORMED)?;
    let account = account.map(account_name).transpose()?;
    Ok(Wish { kind, device, account, text: None })
}

/// A path at the server ends with the account's name, and a path cannot end with these two.
fn account_name(text: String) -> Result<AccountName, Refused> {
    match text.as_str() {
        "." | ".." => Err(Refused::MALFORMED),
        _ => AccountName::new(text).map_err(|_| Refused::MALFORMED),
    }
}

/// The session token that came along: an application's header, or a browser's cookie.
fn session(headers: &HeaderMap) -> Option<&str> {
    let header = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = header.and_then(|text| text.strip_prefix("Bearer "));
    bearer.or_else(|| headers.get_all(COOKIE).iter().find_map(session_cookie))
}

fn session_cookie(value: &HeaderValue) -> Option<&str> {
    let mut pairs = value.to_str().ok()?.split(';').filter_map(|pair| pair.trim().split_once('='));
    pairs.find_map(|(name, token)| (name == COOKIE_NAME).then_some(token))
}
