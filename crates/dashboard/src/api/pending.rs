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
use crate::pending_spans::{SAMPLED_MAX, Span, by_age, by_deliveries};
use crate::segments::{Segments, parse_segment};
use crate::visitor::Visitor;

/// Entries that are looked at for one page: where few pass, it has fewer than it may have.
const LOOKED_AT_MAX: usize = 10_000;

/// Which of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// From this id on, itself included
    #[param(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    from: Option<String>,
    /// The `next` of the page before, which goes before `from`
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
    let from = which.from.as_deref().map(id).transpose()?;
    let start = match which.after.as_deref().map(id).transpose()? {
        Some(after) => Bound::Excluded(after),
        None => from.map_or(Bound::Unbounded, Bound::Included),
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

/// The first pending entries of a group by how long and how often.
#[derive(Serialize, ToSchema)]
pub(crate) struct PendingSummary {
    /// All that is pending.
    pending: u64,
    /// The numbers below are of so many, in the order of the stream: of the first 1,000 at most.
    sampled: u64,
    /// By the time since their last delivery.
    by_age: Vec<AgeSpan>,
    /// Of those that nobody has that time is not known.
    without_owner: u64,
    by_deliveries: Vec<DeliverySpan>,
}

/// Entries last delivered so long ago.
#[derive(Serialize, ToSchema)]
struct AgeSpan {
    from_ms: u64,
    /// Less than that; `null`: any time longer.
    below_ms: Option<u64>,
    entries: u64,
}

/// Entries delivered so often.
#[derive(Serialize, ToSchema)]
struct DeliverySpan {
    from: u64,
    /// Less than that; `null`: any number higher.
    below: Option<u64>,
    entries: u64,
}

impl From<Span> for AgeSpan {
    fn from(Span { from, below, entries }: Span) -> Self {
        Self { from_ms: from * 1000, below_ms: below.map(|below| below * 1000), entries }
    }
}

impl From<Span> for DeliverySpan {
    fn from(Span { from, below, entries }: Span) -> Self {
        Self { from, below, entries }
    }
}

/// How long what a group has pending waits and how often it was delivered, of the first 1,000
/// entries.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups/{group}/pending/summary",
    params(("stream" = String, Path), ("group" = String, Path)),
    responses(
        (status = 200, body = PendingSummary),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn summary(
    visitor: Visitor,
    segments: Segments,
) -> Result<Json<PendingSummary>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let info = visitor.group(&stream, &group).await?;
    let entries = PendingEntries::new(&visitor.millstream, &stream, &group);
    let sampled = entries.list(.., &PendingFilter::new(), SAMPLED_MAX).await?;
    let (by_age, without_owner) = by_age(&sampled);
    Ok(Json(PendingSummary {
        pending: info.pending,
        sampled: sampled.len() as u64,
        by_age: by_age.into_iter().map(AgeSpan::from).collect(),
        without_owner,
        by_deliveries: by_deliveries(&sampled).into_iter().map(DeliverySpan::from).collect(),
    }))
}
