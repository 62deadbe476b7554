//! What comes into a stream later.

use axum::Json;
use bytes::Bytes;
use millstream::DelayedMessages;
use millstream_shown::{DelayedRow, JsonBytes};
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Params;
use super::paging::{NextPage, limit, page_end};
use crate::failure::Failure;
use crate::scheduled::{self, Scheduled};
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Entries in the order in which they are due.
#[derive(Serialize, ToSchema)]
pub(crate) struct SchedulePage {
    scheduled: Vec<DelayedRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// Entries that come into a stream later.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/schedule",
    params(("stream" = String, Path), NextPage),
    responses(
        (status = 200, body = SchedulePage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<NextPage>,
) -> Result<Json<SchedulePage>, Failure> {
    let limit = limit(which.limit)?;
    let messages = DelayedMessages::new(&visitor.millstream, segments.after("streams"));
    let mut found = messages.list_after(which.after.as_deref(), limit + 1).await?;
    let now = visitor.millstream.time().await?;
    let next = page_end(&mut found, limit).map(|last| last.token.clone());
    let rows = found.iter().map(|one| DelayedRow::new(one, now)).collect::<Result<_, _>>();
    let scheduled = rows.map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(Json(SchedulePage { scheduled, next }))
}

/// Streams that have delayed entries, in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct ScheduledStreams {
    /// Where the server does not say it with all else, these are of `limit` streams that were
    /// asked: there may be fewer, and a next page still.
    streams: Vec<ScheduledStream>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
    /// Not all streams were looked at yet.
    is_part: bool,
}

/// A stream that has delayed entries.
#[derive(Serialize, ToSchema)]
struct ScheduledStream {
    stream: JsonBytes,
    /// How many wait.
    scheduled: u64,
}

/// Streams that have delayed entries. One that is not there yet is known to Millstream alone.
#[utoipa::path(get, path = "/api/v1/schedule", params(NextPage), responses(
    (status = 200, body = ScheduledStreams),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn streams(
    visitor: Visitor,
    Params(which): Params<NextPage>,
) -> Result<Json<ScheduledStreams>, Failure> {
    visitor.server_answers().await?;
    let all = visitor.streams().await?;
    let (found, next) = if visitor.millstream.abilities().has_schedule {
        which.by_name(scheduled::known(all), |it| &it.stream)?
    } else {
        let names: Vec<Bytes> = all.into_iter().map(|now| now.name).collect();
        let (names, next) = which.by_name(names, |name| name)?;
        (scheduled::ask(&visitor.millstream, &names).await?, next)
    };
    let row = |Scheduled { stream, waiting }| ScheduledStream {
        stream: JsonBytes(stream),
        scheduled: waiting,
    };
    let is_part = visitor.app.history.totals().is_part;
    let streams = found.into_iter().map(row).collect();
    Ok(Json(ScheduledStreams { streams, next, is_part }))
}
