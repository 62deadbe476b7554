//! Groups that come and go, and are moved; their consumers.

use std::ops::Bound;

use axum::Json;
use millstream::{EntryId, GroupStart, StreamManager};
use millstream_shown::JsonBytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::entries::id;
use super::streams::missing;
use super::{Done, ErrorDocument};
use crate::actions;
use crate::actions::group::Inheritance;
use crate::entry_count::count_some;
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// A group to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewGroup {
    #[schema(inline)]
    group: JsonBytes,
    /// What it is given first: `0` (all), `$` (what is added from now on), or what comes after
    /// this id.
    #[schema(pattern = "^([$]|[0-9]{1,19}(-[0-9]{1,19})?)$")]
    start: String,
}

fn start(text: &str) -> Result<GroupStart, Failure> {
    match text {
        "0" => Ok(GroupStart::First),
        "$" => Ok(GroupStart::New),
        other => id(other).map(GroupStart::After),
    }
}

/// Makes a group of a stream that is there; one that is there stays as it is.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups", params(("stream" = String, Path)),
    request_body = NewGroup,
    responses(
        (status = 200, body = Done),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn create(
    visitor: Visitor,
    segments: Segments,
    Body(new): Body<NewGroup>,
) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    let (stream, start) = (segments.after("streams"), start(&new.start)?);
    let changed = actions::stream::create_group(&change, &stream, &new.group.0, start).await?;
    Ok(Json(Done { changed }))
}

/// Removes a group with its consumers and everything that they have not acknowledged.
#[utoipa::path(delete, path = "/api/v1/streams/{stream}/groups/{group}",
    params(("stream" = String, Path), ("group" = String, Path)),
    responses(
        (status = 200, body = Done),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn destroy(visitor: Visitor, segments: Segments) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    actions::group::destroy(&change, &stream, &group).await?;
    Ok(Json(Done { changed: true }))
}

/// Where a group is to go on.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// `0` (all that the stream has), `$` (what is added from now on), or what comes after this id.
    #[schema(pattern = "^([$]|[0-9]{1,19}(-[0-9]{1,19})?)$")]
    id: String,
    /// Only tells what it means: whoever may read may ask that.
    #[serde(default)]
    dry_run: bool,
}

/// Where it goes on now, or would.
#[derive(Serialize, ToSchema)]
pub(crate) struct Moved {
    last_delivered_id: String,
    /// Of a dry run; `null`: it was moved.
    would: Option<WouldMove>,
}

/// What a move means for entries of the stream.
#[derive(Serialize, ToSchema)]
struct WouldMove {
    /// Where it goes on now.
    last_delivered_id: String,
    /// Entries that it would be handed again.
    delivered_again: u64,
    /// Entries that it would never be handed.
    skipped: u64,
    /// Not all of them were counted, since they are many or large.
    is_part: bool,
}

/// Moves a group, back or forth. What is pending stays so.
#[utoipa::path(put, path = "/api/v1/streams/{stream}/groups/{group}/position",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = Position,
    responses(
        (status = 200, body = Moved),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn set_position(
    visitor: Visitor,
    segments: Segments,
    Body(position): Body<Position>,
) -> Result<Json<Moved>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let manager = StreamManager::new(&visitor.millstream, &stream);
    if !position.dry_run {
        // Whoever may not is told so before the server is asked.
        visitor.change(None)?;
    }
    let to = match start(&position.id)? {
        GroupStart::First => EntryId::ZERO,
        GroupStart::After(id) => id,
        GroupStart::New => manager.info().await?.ok_or_else(|| missing(&stream))?.last_generated,
    };
    let last_delivered_id = to.to_string();
    if position.dry_run {
        let from = visitor.group(&stream, &group).await?.last_delivered;
        let would = Some(would_move(&manager, from, to).await?);
        return Ok(Json(Moved { last_delivered_id, would }));
    }
    actions::group::set_id(&visitor.change(None)?, &stream, &group, to).await?;
    Ok(Json(Moved { last_delivered_id, would: None }))
}

async fn would_move(
    manager: &StreamManager,
    from: EntryId,
    to: EntryId,
) -> Result<WouldMove, Failure> {
    let between = (Bound::Excluded(from.min(to)), Bound::Included(from.max(to)));
    let (count, is_all) = match manager.info().await? {
        Some(info) if from != to => count_some(manager, &info, between).await?,
        _ => (0, true),
    };
    Ok(WouldMove {
        last_delivered_id: from.to_string(),
        delivered_again: if to < from { count } else { 0 },
        skipped: if to > from { count } else { 0 },
        is_part: !is_all,
    })
}

/// What becomes of what a consumer has.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Removal {
    /// Who gets what it has; `null`: nobody, unless the group keeps it by itself. It is in the
    /// request in any case: nothing is lost because a word was forgotten.
    #[schema(required, inline)]
    #[serde(deserialize_with = "Option::deserialize")]
    heir: Option<JsonBytes>,
}

/// What it had.
#[derive(Serialize, ToSchema)]
pub(crate) struct Removed {
    pending: u64,
}

/// Removes a consumer of a group.
#[utoipa::path(post,
    path = "/api/v1/streams/{stream}/groups/{group}/consumers/{consumer}/removal",
    params(("stream" = String, Path), ("group" = String, Path), ("consumer" = String, Path)),
    request_body = Removal,
    responses(
        (status = 200, body = Removed),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn remove_consumer(
    visitor: Visitor,
    segments: Segments,
    Body(removal): Body<Removal>,
) -> Result<Json<Removed>, Failure> {
    let change = visitor.change(None)?;
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let consumer = segments.after("consumers");
    let inheritance = match removal.heir {
        Some(JsonBytes(heir)) => Inheritance::Heir(heir.to_vec()),
        None => Inheritance::Nobody,
    };
    let pending =
        actions::group::delete_consumer(&change, &stream, &group, &consumer, &inheritance).await?;
    Ok(Json(Removed { pending }))
}
