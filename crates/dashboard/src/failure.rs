//! What goes wrong with a request, worded for who sees it.
//!
//! A failure becomes a status and a [`Reason`]; [`present`] makes a page or JSON of that, as fits
//! to what was asked for.

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use maud::html;
use millstream::Error;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json;

use crate::pages::layout;

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The server is about to come, or to go.
    NotReady(String),
    /// The server wants to know who asks.
    LoginNeeded,
    /// These credentials are none, in the server's words.
    LoginRefused(String),
    /// Nothing may be changed by who asks.
    ReadOnly,
    /// The form is not from a page of ours, or from before a restart.
    Forged,
    /// The user may not see that.
    Forbidden(String),
    /// There is no such thing.
    NotFound(String),
    /// What was asked for makes no sense.
    Invalid(String),
    /// The server said so.
    Server(Error),
}

/// What [`present`] shows.
#[derive(Clone, Debug)]
struct Reason {
    text: String,
    is_login: bool,
    /// Something was sent to the server, and nothing came back.
    is_outcome_unknown: bool,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Refused { code, .. } if code == "NOAUTH" => Self::LoginNeeded,
            error if error.is_no_stream() => Self::NotFound("there is no such stream".to_owned()),
            Error::NoGroup(_) => Self::NotFound("there is no such group".to_owned()),
            error => Self::Server(error),
        }
    }
}

impl Failure {
    /// Nobody is there who could answer.
    pub(crate) fn is_no_answer(&self) -> bool {
        matches!(self, Self::NotReady(_) | Self::Server(Error::Connection(_)))
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::NotReady(_) | Self::Server(Error::Connection(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::LoginNeeded | Self::LoginRefused(_) => StatusCode::UNAUTHORIZED,
            Self::ReadOnly | Self::Forged | Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Invalid(_) | Self::Server(Error::Configuration(_)) => StatusCode::BAD_REQUEST,
            Self::Server(Error::Refused { code, .. }) if code == "NOPERM" => StatusCode::FORBIDDEN,
            Self::Server(Error::Unsupported { .. }) => StatusCode::NOT_IMPLEMENTED,
            Self::Server(Error::Refused { .. } | Error::NoGroup(_)) => StatusCode::CONFLICT,
            Self::Server(_) => StatusCode::BAD_GATEWAY,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotReady(text)
            | Self::Forbidden(text)
            | Self::NotFound(text)
            | Self::Invalid(text) => f.write_str(text),
            Self::LoginNeeded => f.write_str("log in first: the server has a password"),
            Self::LoginRefused(text) => write!(f, "the server does not let you in: {text}"),
            Self::ReadOnly => f.write_str(
                "the dashboard is read-only: the server has no password (--requirepass), and the \
                 dashboard was not told that everybody may write (--admin-write)",
            ),
            Self::Forged => f.write_str(
                "this was not sent by a page of this dashboard, or the page is from before a \
                 restart: load it again, and try again",
            ),
            Self::Server(error) => error.fmt(f),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let is_login = matches!(self, Self::LoginNeeded);
        let is_outcome_unknown = matches!(self, Self::Server(Error::Connection(_)));
        let reason = Reason { text: self.to_string(), is_login, is_outcome_unknown };
        let mut response = self.status().into_response();
        response.extensions_mut().insert(reason);
        response
    }
}

/// Whether what was asked for may have been done or not.
pub(crate) fn is_outcome_unknown(response: &Response) -> bool {
    response.extensions().get::<Reason>().is_some_and(|reason| reason.is_outcome_unknown)
}

/// Gives failures a body: JSON for programs, a page for people, who may be led to the login.
pub(crate) async fn present(request: Request, next: Next) -> Response {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let is_page = request.method() == axum::http::Method::GET;
    let wants_events = request
        .headers()
        .get(header::ACCEPT)
        .is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
    let response = next.run(request).await;
    let Some(reason) = response.extensions().get::<Reason>().cloned() else { return response };
    let status = response.status();
    if path.starts_with("/api/") {
        let body = json!({ "error": reason.text }).to_string();
        return (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
    }
    if path.starts_with("/metrics") {
        // For Prometheus, which is told its credentials when it is asked for them.
        let ask = [(header::WWW_AUTHENTICATE, "Basic realm=\"millstream\"")];
        let text = format!("{}\n", reason.text);
        return match reason.is_login {
            true => (status, ask, text).into_response(),
            false => (status, text).into_response(),
        };
    }
    if reason.is_login && is_page && !wants_events {
        let then = utf8_percent_encode(&path, NON_ALPHANUMERIC);
        return Redirect::to(&format!("/login?then={then}")).into_response();
    }
    let title = status.canonical_reason().unwrap_or("Failed");
    let body = html! {
        h1 { (title) }
        p .alarm role="alert" { (reason.text) }
        p { a href="/" { "Overview" } }
    };
    (status, layout::bare(title, &body)).into_response()
}
