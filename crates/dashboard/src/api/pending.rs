//! What a group has pending.

use std::ops::Bound;
use std::time::Duration;

use axum::Json;
use millstream::{PendingEntries, PendingFilter};
use millstream_shown::PendingRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::entries::id;
use super::paging::{limit, page_end};
use crate::failure::Failure;
use crate::segments::{Segments, parse_segment};
use crate::visitor::Visitor;

/// Entries that are looked at for one page: where few pass, it has fewer than it may have.
const LOOKED_AT_MAX: usize = 10_000;

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The `next` of the page before
    #[param(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    after: Option<String>,
    /// Of this consumer, as in paths
    consumer: Option<String>,
    /// Last delivered at least so long ago
    min_idle_ms: Option<u64>,
    /// Delivered at least so often
    min_deliveries: Option<u64>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Pending entries in the order of the stream.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingPage {
    pending: Vec<PendingRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// What a group was handed and has not acknowledged.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups/{group}/pending",
    params(("stream" = String, Path), ("group" = String, Path), Which),
    responses(
        (status = 200, body = PendingPage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<Which>,
) -> Result<Json<PendingPage>, Failure> {
    let limit = limit(which.limit)?;
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let mut filter = PendingFilter::new();
    if let Some(ms) = which.min_idle_ms {
        filter = filter.min_idle(Duration::from_millis(ms));
    }
    if let Some(count) = which.min_deliveries {
        filter = filter.min_deliveries(count);
    }
    if let Some(consumer) = &which.consumer {
        filter = filter.consumer(parse_segment(consumer));
    }
    let start = match &which.after {
        Some(after) => Bound::Excluded(id(after)?),
        None => Bound::Unbounded,
    };
    let entries = PendingEntries::new(&visitor.millstream, &stream, &group).with_errors();
    let range = (start, Bound::Unbounded);
    let mut page = entries.page(range, &filter, limit + 1, LOOKED_AT_MAX).await?;
    if let Some(last) = page_end(&mut page.found, limit) {
        page.next = Some(last.id);
    }
    let pending = page.found.iter().map(PendingRow::from).collect();
    Ok(Json(PendingPage { pending, next: page.next.map(|next| next.to_string()) }))
}
