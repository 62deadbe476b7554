//! Streams: which there are, and what each is.

use axum::Json;
use bytes::Bytes;
use millstream::StreamManager;
use millstream_shown::{JsonBytes, RetentionRow, visible};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::paging::{limit, page_end};
use crate::failure::Failure;
use crate::history::StreamNow;
use crate::segments::{Segments, parse_segment, segment};
use crate::visitor::Visitor;

/// Which streams.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Part of the name, as tables show it
    find: Option<String>,
    /// The `next` of the page before
    after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// A page of streams in the order of their names.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamPage {
    streams: Vec<StreamRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
    /// Not all streams were looked at yet.
    is_part: bool,
}

/// A stream as it was some seconds ago.
#[derive(Serialize, ToSchema)]
struct StreamRow {
    stream: JsonBytes,
    length: u64,
    groups: u64,
    pending: u64,
    /// Entries added a second; `null`: not known yet.
    in_per_second: Option<f64>,
    first_id: Option<String>,
    last_id: Option<String>,
    /// Delayed entries that wait; `null`: the server does not say.
    scheduled: Option<u64>,
}

impl From<&StreamNow> for StreamRow {
    fn from(now: &StreamNow) -> Self {
        Self {
            stream: JsonBytes(now.name.clone()),
            length: now.info.length,
            groups: now.info.groups,
            pending: now.groups.iter().map(|group| group.info.pending).sum(),
            in_per_second: now.rate_in,
            first_id: now.info.first.map(|id| id.to_string()),
            last_id: now.info.last.map(|id| id.to_string()),
            scheduled: now.info.scheduled,
        }
    }
}

/// Streams, as they were some seconds ago.
#[utoipa::path(get, path = "/api/v1/streams", params(Which), responses(
    (status = 200, body = StreamPage),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn list(
    visitor: Visitor,
    Params(which): Params<Which>,
) -> Result<Json<StreamPage>, Failure> {
    let limit = limit(which.limit)?;
    visitor.server_answers().await?;
    let after = which.after.as_deref().map(parse_segment);
    let history = &visitor.app.history;
    let find = which.find.as_deref().unwrap_or_default();
    let is_wanted = |now: &StreamNow| {
        let is_behind = after.as_ref().is_none_or(|after| now.name > *after);
        is_behind && (find.is_empty() || visible(&now.name).contains(find))
    };
    let mut found: Vec<StreamNow> =
        visitor.streams().await?.into_iter().filter(is_wanted).take(limit + 1).collect();
    let next = page_end(&mut found, limit).map(|last| segment(&last.name));
    let streams = found.iter().map(StreamRow::from).collect();
    Ok(Json(StreamPage { streams, next, is_part: history.totals().is_part }))
}

/// A stream as it is.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamDocument {
    stream: JsonBytes,
    length: u64,
    groups: u64,
    first_id: Option<String>,
    last_id: Option<String>,
    last_generated_id: String,
    max_deleted_id: Option<String>,
    entries_added: Option<u64>,
    memory_bytes: Option<u64>,
    /// Without what the log alone has; `null`: the server does not say.
    disk_bytes: Option<u64>,
    payload_bytes: Option<u64>,
    /// Delayed entries that wait.
    scheduled: Option<u64>,
    retention: Option<RetentionRow>,
    in_per_second: Option<f64>,
}

/// A stream, as it is.
#[utoipa::path(get, path = "/api/v1/streams/{stream}", params(("stream" = String, Path)), responses(
    (status = 200, body = StreamDocument),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn get(
    visitor: Visitor,
    segments: Segments,
) -> Result<Json<StreamDocument>, Failure> {
    let stream = segments.after("streams");
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let info = manager.info().await?.ok_or_else(|| missing(&stream))?;
    let seen = visitor.app.history.stream(&stream);
    Ok(Json(StreamDocument {
        length: info.length,
        groups: info.groups,
        first_id: info.first.map(|id| id.to_string()),
        last_id: info.last.map(|id| id.to_string()),
        last_generated_id: info.last_generated.to_string(),
        max_deleted_id: info.max_deleted.map(|id| id.to_string()),
        entries_added: info.entries_added,
        memory_bytes: manager.memory_bytes().await?,
        disk_bytes: manager.disk_bytes().await?,
        payload_bytes: info.payload_bytes,
        scheduled: info.scheduled,
        retention: info.retention.as_ref().map(RetentionRow::from),
        in_per_second: seen.and_then(|seen| seen.rate_in),
        stream: JsonBytes(stream),
    }))
}

pub(super) fn missing(stream: &Bytes) -> Failure {
    Failure::NotFound(format!("there is no stream {}", visible(stream)))
}
