//! What an application is told of a refusal: a status, an advice and a plain sentence. The server's reasons
//! never pass through here.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use vultus_protocol::api::{Advice, Refusal};

use super::ceremonies::Missing;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    status: StatusCode,
    advice: Advice,
    message: &'static str,
}

#[derive(Serialize)]
struct Told {
    advice: Advice,
    message: &'static str,
}

impl Refused {
    pub const MALFORMED: Self =
        Self::new(StatusCode::BAD_REQUEST, Advice::Refused, "not a request that this shop understands");
    pub const OVERSIZE: Self =
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Advice::Refused, "the request is too large");
    pub const NOT_FOUND: Self = Self::new(StatusCode::NOT_FOUND, Advice::Refused, "no such thing");
    pub const METHOD: Self = Self::new(StatusCode::METHOD_NOT_ALLOWED, Advice::Refused, "not by this method");
    pub const NO_SESSION: Self = Self::new(
        StatusCode::UNAUTHORIZED,
        Advice::Refused,
        "this account has a face already: log in as it first, and send its session",
    );
    pub const LATER: Self =
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Advice::Later, "the shop cannot decide now");

    const fn new(status: StatusCode, advice: Advice, message: &'static str) -> Self {
        Self { status, advice, message }
    }

    /// The server's reason stays with the shop; its advice goes on, and the status follows the advice.
    pub fn of(reason: Refusal) -> Self {
        match reason.advice() {
            Advice::Refused => Self::new(StatusCode::FORBIDDEN, Advice::Refused, "refused"),
            Advice::StartAgain => Self::new(StatusCode::CONFLICT, Advice::StartAgain, "start again"),
            Advice::Later => Self::LATER,
        }
    }
}

impl From<Missing> for Refused {
    fn from(missing: Missing) -> Self {
        let (status, message) = match missing {
            Missing::Unknown => (StatusCode::NOT_FOUND, "no such ceremony: start again"),
            Missing::Used => (StatusCode::CONFLICT, "this ceremony was used already: start again"),
            Missing::Expired => (StatusCode::GONE, "this ceremony is over: start again"),
        };
        Self::new(status, Advice::StartAgain, message)
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE { Self::OVERSIZE } else { Self::MALFORMED }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(Told { advice: self.advice, message: self.message })).into_response()
    }
}
