//! A change is made to its end, also when whoever asked for it goes away meanwhile: else it could
//! be made with no line in the log that says so.

use std::net::SocketAddr;
use std::panic::resume_unwind;

use axum::extract::{ConnectInfo, Request};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use tracing::Instrument as _;

use crate::failure;

/// Has a task of its own for what is no mere look.
pub(crate) async fn whole_change(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    let what = format!("{} {}", request.method(), request.uri().path());
    let is_login = request.uri().path() == "/login";
    let from = request.extensions().get().map(|ConnectInfo(from): &ConnectInfo<SocketAddr>| *from);
    let change = async move {
        let response = next.run(request).await;
        // Who could not log in has changed nothing.
        if failure::is_outcome_unknown(&response)
            && !is_login
            && let Some(from) = from
        {
            tracing::warn!("dashboard: {what} from {from}: it is not known whether that was done");
        }
        response
    };
    match tokio::spawn(change.in_current_span()).await {
        Ok(response) => response,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            // The process ends.
            Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        },
    }
}
