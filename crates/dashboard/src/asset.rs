//! What pages need beside themselves; nothing of it comes from elsewhere.

use axum::http::header;
use axum::response::{IntoResponse, Response};

/// Asked for by its version, so it never gets old.
const FOR_EVER: (header::HeaderName, &str) =
    (header::CACHE_CONTROL, "public, max-age=31536000, immutable");

pub(crate) async fn style() -> Response {
    asset("text/css; charset=utf-8", include_str!("../assets/style.css"))
}

pub(crate) async fn script() -> Response {
    asset("text/javascript; charset=utf-8", include_str!("../assets/live.js"))
}

pub(crate) async fn icon() -> Response {
    asset("image/svg+xml", include_str!("../assets/icon.svg"))
}

fn asset(kind: &'static str, text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, kind), FOR_EVER], text).into_response()
}
