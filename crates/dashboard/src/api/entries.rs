//! Entries of a stream.

use std::ops::Bound;

use axum::Json;
use millstream::{EntryId, StreamEntry, StreamManager};
use millstream_shown::{FieldsSchema, entry_id::parse_id};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::paging::limit;
use super::streams::missing;
use crate::entry_page::{Order, entry_page};
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Which entries.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// From this id on, itself included
    #[param(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    from: Option<String>,
    /// Up to this id, itself included
    #[param(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    to: Option<String>,
    /// `oldest` or `newest` first
    #[serde(default)]
    first: First,
    /// At most so many; fewer where they are large
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum First {
    #[default]
    Oldest,
    Newest,
}

/// Entries in the order that was asked for.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryPage {
    entries: Vec<EntryRow>,
    /// What `from` (oldest first) or `to` (newest first) is to be for the next page; `null`: this
    /// is the last.
    next: Option<String>,
}

/// An entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryRow {
    id: String,
    #[schema(value_type = FieldsSchema)]
    fields: Box<RawValue>,
}

impl EntryRow {
    fn of(entry: &StreamEntry) -> Result<Self, Failure> {
        let fields = RawValue::from_string(entry.fields.to_json());
        let fields = fields.map_err(|error| Failure::Invalid(error.to_string()))?;
        Ok(Self { id: entry.id.to_string(), fields })
    }
}

pub(super) fn id(text: &str) -> Result<EntryId, Failure> {
    parse_id(text).map_err(Failure::Invalid)
}

/// Entries of a stream. A page of several has 4 MiB of names and values at most: where they are
/// large, it has fewer entries than the limit says, and a `next`.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entries",
    params(("stream" = String, Path), Which),
    responses(
        (status = 200, body = EntryPage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<Which>,
) -> Result<Json<EntryPage>, Failure> {
    let limit = limit(which.limit)?;
    let stream = segments.after("streams");
    let manager = StreamManager::new(&visitor.millstream, &stream);
    let end = |text: &Option<String>| match text.as_deref() {
        Some(text) => id(text).map(Bound::Included),
        None => Ok(Bound::Unbounded),
    };
    let range = (end(&which.from)?, end(&which.to)?);
    let order = match which.first {
        First::Oldest => Order::OldestFirst,
        First::Newest => Order::NewestFirst,
    };
    let page = entry_page(&manager, range, order, limit).await?;
    if page.entries.is_empty() && manager.info().await?.is_none() {
        return Err(missing(&stream));
    }
    let entries = page.entries.iter().map(EntryRow::of).collect::<Result<_, _>>()?;
    Ok(Json(EntryPage { entries, next: page.next.map(|next| next.to_string()) }))
}

/// One entry.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entries/{id}",
    params(("stream" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, body = EntryRow),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn get(visitor: Visitor, segments: Segments) -> Result<Json<EntryRow>, Failure> {
    let (stream, text) = (segments.after("streams"), segments.after("entries"));
    let id = id(&String::from_utf8_lossy(&text))?;
    let found = StreamManager::new(&visitor.millstream, &stream).entries(id..=id, 1).await?;
    EntryRow::of(found.first().ok_or_else(|| gone(id))?).map(Json)
}

pub(super) fn gone(id: EntryId) -> Failure {
    Failure::NotFound(format!("there is no entry {id} in this stream"))
}
