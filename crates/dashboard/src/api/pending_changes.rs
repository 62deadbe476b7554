//! Settling what a group has pending.

use std::time::Duration;

use axum::Json;
use millstream::{EntryId, Nack, NackMode};
use millstream_shown::JsonBytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Body;
use super::entries::id;
use crate::actions;
use crate::actions::pending::Settling;
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Entries by their ids.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ids {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettledDocument {
    changed: u64,
    /// They are not pending, or not as they were a moment ago.
    left_alone: u64,
}

pub(super) fn ids(texts: &[String]) -> Result<Vec<EntryId>, Failure> {
    texts.iter().map(|text| id(text)).collect()
}

async fn settle(
    visitor: &Visitor,
    segments: &Segments,
    texts: &[String],
    settling: &Settling,
) -> Result<Json<SettledDocument>, Failure> {
    let change = visitor.change(None)?;
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let named = ids(texts)?;
    let settled =
        actions::pending::settle_named(&change, &stream, &group, &named, settling).await?;
    Ok(Json(SettledDocument { changed: settled.changed, left_alone: settled.left_alone }))
}

/// Acknowledges pending entries, whoever has them.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/ack",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = Ids,
    responses(
        (status = 200, body = SettledDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn ack(
    visitor: Visitor,
    segments: Segments,
    Body(Ids { ids }): Body<Ids>,
) -> Result<Json<SettledDocument>, Failure> {
    settle(&visitor, &segments, &ids, &Settling::Acknowledge).await
}

/// Entries for a consumer.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimOrder {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
    #[schema(inline)]
    consumer: JsonBytes,
    /// Only those that were delivered so long ago.
    #[serde(default)]
    min_idle_ms: u64,
}

/// Hands pending entries to a consumer.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/claim",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = ClaimOrder,
    responses(
        (status = 200, body = SettledDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn claim(
    visitor: Visitor,
    segments: Segments,
    Body(order): Body<ClaimOrder>,
) -> Result<Json<SettledDocument>, Failure> {
    let min_idle = Duration::from_millis(order.min_idle_ms);
    let settling = Settling::Claim { consumer: order.consumer.0.to_vec(), min_idle };
    settle(&visitor, &segments, &order.ids, &settling).await
}

/// Entries that nobody is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NackOrder {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
    mode: NackWord,
    /// Handed out again so long from now; on Millstream, in groups that have a policy.
    delay_ms: Option<u64>,
    /// Why, kept with the entry; on Millstream, in groups that have a policy.
    error: Option<String>,
}

/// What giving back says of the last delivery.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum NackWord {
    /// It was no try.
    Silent,
    /// It failed.
    Fail,
    /// No other try would help.
    Fatal,
}

pub(super) fn nack_of(mode: NackWord, delay_ms: Option<u64>, error: Option<String>) -> Nack {
    let mut nack = Nack::new(match mode {
        NackWord::Silent => NackMode::Silent,
        NackWord::Fail => NackMode::Fail,
        NackWord::Fatal => NackMode::Fatal,
    });
    if let Some(ms) = delay_ms {
        nack = nack.delay(Duration::from_millis(ms));
    }
    if let Some(error) = error {
        nack = nack.error(error);
    }
    nack
}

/// Gives pending entries back to their group.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/nack",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = NackOrder,
    responses(
        (status = 200, body = SettledDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn nack(
    visitor: Visitor,
    segments: Segments,
    Body(order): Body<NackOrder>,
) -> Result<Json<SettledDocument>, Failure> {
    let nack = nack_of(order.mode, order.delay_ms, order.error);
    settle(&visitor, &segments, &order.ids, &Settling::GiveBack(nack)).await
}
