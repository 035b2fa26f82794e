//! Turns whatever is refused into the one answer that a client must understand: a status and a `Problem` as
//! JSON. It decides nothing but which of the two words fits; what the web framework refuses comes through
//! here as well.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;
use vultus_protocol::api::{Advice, Problem, Refusal};

use super::Anyone;
use crate::limits::TooMany;

/// What a handler answers instead of what was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    reason: Refusal,
    /// Where HTTP has a status that says more than the reason's own.
    status: Option<StatusCode>,
    message: Option<&'static str>,
    /// Where it is not the reason's own.
    advice: Option<Advice>,
    retry_after: Option<Duration>,
}

/// What was refused, for the counters: an extension of the answer.
#[derive(Clone, Copy)]
pub struct Reason(pub Refusal);

impl Refused {
    fn with(reason: Refusal, status: StatusCode, message: &'static str) -> Self {
        Self { reason, status: Some(status), message: Some(message), advice: None, retry_after: None }
    }

    /// The request was not complete, or not answered, in its time. What it asked for may have come about all
    /// the same, so that the same request is of no use any more.
    pub fn late() -> Self {
        let status = StatusCode::REQUEST_TIMEOUT;
        let late = Self::with(Refusal::Unavailable, status, "the request took too long");
        Self { advice: Some(Advice::StartAgain), ..late }
    }
}

impl From<Refusal> for Refused {
    fn from(reason: Refusal) -> Self {
        Self { reason, status: None, message: None, advice: None, retry_after: None }
    }
}

impl From<TooMany> for Refused {
    fn from(TooMany(wait): TooMany) -> Self {
        Self { retry_after: Some(wait), ..Self::from(Refusal::RateLimited) }
    }
}

impl From<JsonRejection> for Refused {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::MissingJsonContentType(_) => Self::with(
                Refusal::Malformed,
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "the content type is not application/json",
            ),
            // What the parser says would quote the body back.
            JsonRejection::JsonDataError(_) | JsonRejection::JsonSyntaxError(_) => Self::with(
                Refusal::Malformed,
                StatusCode::BAD_REQUEST,
                "the body is not the JSON of this route",
            ),
            rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => Refusal::Oversize.into(),
            _ => Self::with(Refusal::Malformed, StatusCode::BAD_REQUEST, "the body cannot be read"),
        }
    }
}

impl From<PathRejection> for Refused {
    fn from(_: PathRejection) -> Self {
        Self::with(Refusal::Malformed, StatusCode::BAD_REQUEST, "the path is not UTF-8")
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = self.status.or_else(|| StatusCode::from_u16(self.reason.status()).ok());
        let mut problem = Problem::from(self.reason);
        if let Some(message) = self.message {
            problem.message = message.to_owned();
        }
        if let Some(advice) = self.advice {
            problem.advice = advice;
        }
        let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = (status, Json(problem)).into_response();
        response.extensions_mut().insert(Reason(self.reason));
        let headers = response.headers_mut();
        if let Some(wait) = self.retry_after {
            // Whole seconds, and never before the time has come.
            headers.insert(header::RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
        }
        if self.reason == Refusal::Unauthorised {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// Answers whatever has no route. It is open to all, and counted as all that is.
pub async fn no_such_route(_: Anyone) -> Refused {
    Refused::with(Refusal::NotFound, StatusCode::NOT_FOUND, "no such route")
}

/// Answers a route that was asked by another method.
pub async fn no_such_method(_: Anyone) -> Refused {
    Refused::with(Refusal::Malformed, StatusCode::METHOD_NOT_ALLOWED, "not by this method")
}

/// The body of a request: JSON of one type, no larger than the router's cap, unknown fields refused where
/// the type refuses them.
pub struct Received<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Received<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refused> {
        let Json(body) = Json::<T>::from_request(request, state).await?;
        Ok(Self(body))
    }
}

/// The one variable part of a path.
pub struct Named(pub String);

impl<S: Send + Sync> FromRequestParts<S> for Named {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let Path(name) = Path::<String>::from_request_parts(parts, state).await?;
        Ok(Self(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_told_in_whole_seconds() {
        let response = Refused::from(TooMany(Duration::from_millis(1_200))).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn every_reason_has_its_status() {
        for reason in [Refusal::Malformed, Refusal::Oversize, Refusal::Unauthorised, Refusal::CodeUsed] {
            let response = Refused::from(reason).into_response();
            assert_eq!(response.status().as_u16(), reason.status());
            assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
        }
    }
}
