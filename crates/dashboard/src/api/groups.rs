//! Groups of a stream, and what they do by themselves.

use axum::Json;
use millstream::ConsumerGroupManager;
use millstream_shown::duration::milliseconds;
use millstream_shown::{ConsumerRow, GroupRow, PolicyRow};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::{Body, Params};
use super::paging::NextPage;
use super::policy_change::PolicyChange;
use super::{Done, ErrorDocument};
use crate::actions;
use crate::failure::Failure;
use crate::history::{Point, Series};
use crate::letter_count::letter_count;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Groups of a stream in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct GroupPage {
    groups: Vec<GroupRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// The groups of a stream.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups",
    params(("stream" = String, Path), NextPage),
    responses(
        (status = 200, body = GroupPage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<NextPage>,
) -> Result<Json<GroupPage>, Failure> {
    let stream = segments.after("streams");
    let groups = ConsumerGroupManager::new(&visitor.millstream, &stream).groups().await?;
    let (groups, next) = which.by_name(groups, |group| &group.name_bytes)?;
    Ok(Json(GroupPage { groups: groups.iter().map(GroupRow::from).collect(), next }))
}

/// A group, with what only the dashboard knows.
#[derive(Serialize, ToSchema)]
pub(crate) struct GroupDocument {
    #[serde(flatten)]
    group: GroupRow,
    /// Entries handed out a second, as seen some seconds ago; `null`: not known yet.
    out_per_second: Option<f64>,
    /// Since its oldest pending entry was handed out last, as seen some seconds ago.
    oldest_pending_ms: Option<u64>,
    /// Age of the first entry that it was not handed, as seen some seconds ago.
    oldest_undelivered_ms: Option<u64>,
    /// Letters where its dead letters go, of all groups that have them there; `null`: who asks may
    /// not see them.
    dead_letters: Option<u64>,
}

/// A group.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups/{group}",
    params(("stream" = String, Path), ("group" = String, Path)),
    responses(
        (status = 200, body = GroupDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn get(
    visitor: Visitor,
    segments: Segments,
) -> Result<Json<GroupDocument>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let info = visitor.group(&stream, &group).await?;
    let seen = visitor.app.history.stream(&stream);
    let seen = seen.and_then(|it| it.groups.into_iter().find(|it| it.info.name_bytes == group));
    let ages = seen.as_ref().map(|seen| seen.ages).unwrap_or_default();
    Ok(Json(GroupDocument {
        group: GroupRow::from(&info),
        out_per_second: seen.and_then(|seen| seen.rate_out),
        oldest_pending_ms: ages.pending.map(milliseconds),
        oldest_undelivered_ms: ages.undelivered.map(milliseconds),
        dead_letters: letter_count(&visitor, &stream, &info).await?,
    }))
}

/// Changes what a group does by itself. Items that are not there stay as they are; `null` is none.
#[utoipa::path(patch, path = "/api/v1/streams/{stream}/groups/{group}/policy",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = PolicyChange,
    responses(
        (status = 200, body = PolicyRow),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn change_policy(
    visitor: Visitor,
    segments: Segments,
    Body(change): Body<PolicyChange>,
) -> Result<Json<PolicyRow>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let allowed = visitor.change(None)?;
    let items = change.items().map_err(Failure::Invalid)?;
    if !items.is_empty() {
        actions::group::change_policy(&allowed, &stream, &group, &items).await?;
    }
    let manager = ConsumerGroupManager::new(&visitor.millstream, &stream);
    Ok(Json(PolicyRow::from(&manager.policy(&group).await?)))
}

/// Whether nothing is to be handed out.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pause {
    paused: bool,
}

/// Pauses a group, or lets it go on.
#[utoipa::path(put, path = "/api/v1/streams/{stream}/groups/{group}/paused",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = Pause,
    responses(
        (status = 200, body = Done),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn set_paused(
    visitor: Visitor,
    segments: Segments,
    Body(Pause { paused }): Body<Pause>,
) -> Result<Json<Done>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let change = visitor.change(None)?;
    let before = visitor.group(&stream, &group).await?;
    let was_paused = before.managed.is_some_and(|managed| managed.policy.is_paused);
    actions::group::set_paused(&change, &stream, &group, paused).await?;
    Ok(Json(Done { changed: was_paused != paused }))
}

/// What was seen in the last hour, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryDocument {
    points: Vec<PointRow>,
}

impl HistoryDocument {
    pub(super) fn of(series: &Series) -> Self {
        Self { points: series.points().map(PointRow::from).collect() }
    }
}

/// What one look saw.
#[derive(Serialize, ToSchema)]
struct PointRow {
    /// So long ago.
    age_ms: u64,
    in_per_second: f64,
    out_per_second: f64,
    lag: f64,
    pending: f64,
    oldest_pending_seconds: f64,
}

impl From<&Point> for PointRow {
    fn from(point: &Point) -> Self {
        Self {
            age_ms: milliseconds(point.at.elapsed()),
            in_per_second: point.rate_in,
            out_per_second: point.rate_out,
            lag: point.lag,
            pending: point.pending,
            oldest_pending_seconds: point.oldest,
        }
    }
}

/// The last hour of a group. It is kept of those where most happens; of others there is nothing.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups/{group}/history",
    params(("stream" = String, Path), ("group" = String, Path)),
    responses(
        (status = 200, body = HistoryDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn history(
    visitor: Visitor,
    segments: Segments,
) -> Result<Json<HistoryDocument>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    visitor.must_read(&stream).await?;
    visitor.group(&stream, &group).await?;
    let kept = visitor.app.history.of_group(&stream, &group).unwrap_or_default();
    Ok(Json(HistoryDocument::of(&kept)))
}

/// Consumers of a group in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConsumerPage {
    consumers: Vec<ConsumerRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// The consumers of a group.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/groups/{group}/consumers",
    params(("stream" = String, Path), ("group" = String, Path), NextPage),
    responses(
        (status = 200, body = ConsumerPage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn consumers(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<NextPage>,
) -> Result<Json<ConsumerPage>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let manager = ConsumerGroupManager::new(&visitor.millstream, &stream);
    let consumers = manager.consumers(&group).await?;
    let (consumers, next) = which.by_name(consumers, |consumer| &consumer.name_bytes)?;
    Ok(Json(ConsumerPage { consumers: consumers.iter().map(ConsumerRow::from).collect(), next }))
}
