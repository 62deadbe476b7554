//! Streams: which there are, and what each is.

use axum::Json;
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
use crate::stream_order::StreamOrder;
use crate::visitor::Visitor;

/// Which streams.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// Part of the name, as tables show it
    find: Option<String>,
    /// `name`, or the highest first by `length`, `rate` (entries added a second) or `pending`
    #[serde(default)]
    sort: StreamOrder,
    /// The `next` of the page before; only in the order of names
    after: Option<String>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// A page of streams in the order that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct StreamPage {
    streams: Vec<StreamRow>,
    /// What `after` is to be for the next page; `null`: this is the last, or the order is not that
    /// of names, in which there are no others.
    next: Option<String>,
    /// How many fit, on this page or another.
    found: usize,
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
            pending: now.pending(),
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
    let is_by_name = which.sort == StreamOrder::Name;
    if which.after.is_some() && !is_by_name {
        let text = "after is for the order of names; others change from moment to moment";
        return Err(Failure::Invalid(text.to_owned()));
    }
    visitor.server_answers().await?;
    let find = which.find.as_deref().unwrap_or_default();
    let mut all = which.sort.of(visitor.streams().await?, find);
    let found = all.len();
    if let Some(after) = which.after.as_deref().map(parse_segment) {
        all.retain(|now| now.name > after);
    }
    let next = page_end(&mut all, limit).filter(|_| is_by_name).map(|last| segment(&last.name));
    let streams = all.iter().map(StreamRow::from).collect();
    let is_part = visitor.app.history.totals().is_part;
    Ok(Json(StreamPage { streams, next, found, is_part }))
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

pub(super) fn missing(stream: &[u8]) -> Failure {
    Failure::NotFound(format!("there is no stream {}", visible(stream)))
}
