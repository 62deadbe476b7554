//! Everything at a glance.

use axum::Json;
use millstream_shown::duration::milliseconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use crate::failure::Failure;
use crate::visitor::Visitor;

/// All streams together, as they were some seconds ago.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// What the server calls itself.
    server: String,
    /// Where it is.
    address: String,
    streams: usize,
    groups: usize,
    /// Entries added a second.
    in_per_second: f64,
    /// Entries handed out a second.
    out_per_second: f64,
    /// Entries that groups were not handed out yet.
    lag: u64,
    pending: u64,
    oldest_pending_ms: Option<u64>,
    dead_letters: u64,
    /// Not all streams were looked at: these are sums of those that were.
    is_part: bool,
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/overview", responses(
    (status = 200, body = Overview),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn get(visitor: Visitor) -> Result<Json<Overview>, Failure> {
    visitor.server_answers().await?;
    // Whoever may not read all streams is told so by the server's own refusal.
    visitor.must_see_all().await?;
    let totals = visitor.app.history.totals();
    Ok(Json(Overview {
        server: visitor.millstream.abilities().server.clone(),
        address: visitor.app.target()?.address,
        streams: totals.streams,
        groups: totals.groups,
        in_per_second: totals.rate_in,
        out_per_second: totals.rate_out,
        lag: totals.lag,
        pending: totals.pending,
        oldest_pending_ms: totals.oldest.map(milliseconds),
        dead_letters: totals.dead_letters,
        is_part: totals.is_part,
    }))
}
