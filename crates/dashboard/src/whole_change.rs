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
    // Who gives up logging in leaves the place to others.
    if request.method().is_safe() || request.uri().path() == "/login" {
        return next.run(request).await;
    }
    let what = format!("{} {}", request.method(), request.uri().path());
    let from = request.extensions().get().map(|ConnectInfo(from): &ConnectInfo<SocketAddr>| *from);
    let change = async move {
        let response = next.run(request).await;
        if failure::is_outcome_unknown(&response)
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
