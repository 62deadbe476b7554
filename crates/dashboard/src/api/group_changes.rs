//! Groups that come and go, and are moved; their consumers.

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
}

/// Where it goes on now.
#[derive(Serialize, ToSchema)]
pub(crate) struct Moved {
    last_delivered_id: String,
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
    let change = visitor.change(None)?;
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let to = match start(&position.id)? {
        GroupStart::First => EntryId::ZERO,
        GroupStart::After(id) => id,
        GroupStart::New => {
            let manager = StreamManager::new(&visitor.millstream, &stream);
            manager.info().await?.ok_or_else(|| missing(&stream))?.last_generated
        }
    };
    actions::group::set_id(&change, &stream, &group, to).await?;
    Ok(Json(Moved { last_delivered_id: to.to_string() }))
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
