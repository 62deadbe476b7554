//! What is changed about a stream and its entries.

use std::ops::Bound;
use std::time::Duration;

use axum::Json;
use millstream::{Overflow, Retain, RetentionItem, StreamManager, Trim};
use millstream_shown::{FieldsJson, FieldsSchema, RetentionRow};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::entries::id;
use super::streams::missing;
use super::{Done, ErrorDocument};
use crate::actions;
use crate::actions::entry::{Added, Adding};
use crate::entry_count::count_some;
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Bytes of an entry to add, as JSON: as many as the form on the pages takes.
pub(super) const ENTRY_BYTES_MAX: usize = 16 << 20;

/// An entry to add. At most one of `id` and `delay_ms`.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewEntry {
    #[schema(value_type = FieldsSchema)]
    fields: FieldsJson,
    /// Its id, which is higher than all that there were.
    #[schema(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    id: Option<String>,
    /// It comes so long from now.
    #[schema(minimum = 1)]
    delay_ms: Option<u64>,
}

/// What was added.
#[derive(Serialize, ToSchema)]
pub(crate) struct AddedDocument {
    /// The id of the entry; `null`: it waits.
    id: Option<String>,
    /// What an entry that waits is called by.
    token: Option<String>,
}

/// Adds an entry to a stream, which is made if it is not there. It may have 16 MiB as JSON.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/entries",
    params(("stream" = String, Path)),
    request_body = NewEntry,
    responses(
        (status = 200, body = AddedDocument),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn add(
    visitor: Visitor,
    segments: Segments,
    Body(entry): Body<NewEntry>,
) -> Result<Json<AddedDocument>, Failure> {
    let change = visitor.change(None)?;
    let adding = match (entry.id.as_deref(), entry.delay_ms) {
        (None, None) => Adding::Now,
        (Some(text), None) => Adding::As(id(text)?),
        (None, Some(ms)) => Adding::After(Duration::from_millis(ms)),
        (Some(_), Some(_)) => {
            return Err(Failure::Invalid("either an id or a delay, not both".to_owned()));
        }
    };
    let stream = segments.after("streams");
    let added = actions::entry::add(&change, &stream, &entry.fields.0, adding).await?;
    Ok(Json(match added {
        Added::Entry(id) => AddedDocument { id: Some(id.to_string()), token: None },
        Added::Delayed(token) => AddedDocument { id: None, token: Some(token) },
    }))
}

/// Deletes an entry; groups that have it pending keep its record.
#[utoipa::path(delete, path = "/api/v1/streams/{stream}/entries/{id}",
    params(("stream" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, body = Done),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn delete_entry(
    visitor: Visitor,
    segments: Segments,
) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    let id = id(&String::from_utf8_lossy(&segments.after("entries")))?;
    let changed = actions::entry::delete(&change, &segments.after("streams"), id).await?;
    Ok(Json(Done { changed }))
}

/// Deletes a stream with its groups and all that they have pending.
#[utoipa::path(delete, path = "/api/v1/streams/{stream}", params(("stream" = String, Path)),
    responses(
        (status = 200, body = Count),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn delete(visitor: Visitor, segments: Segments) -> Result<Json<Count>, Failure> {
    let change = visitor.change(None)?;
    let count = actions::stream::delete(&change, &segments.after("streams")).await?;
    Ok(Json(Count { entries: count }))
}

/// How many entries.
#[derive(Serialize, ToSchema)]
pub(crate) struct Count {
    entries: u64,
}

/// What to remove of the oldest entries: exactly one of the first three.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TrimOrder {
    /// Keep so many.
    max_length: Option<u64>,
    /// Remove those before this id.
    #[schema(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    before_id: Option<String>,
    /// Remove those that are older by the time in their ids.
    #[schema(minimum = 1)]
    older_than_ms: Option<u64>,
    /// Only count them.
    #[serde(default)]
    dry_run: bool,
}

/// How many entries went, or would go.
#[derive(Serialize, ToSchema)]
pub(crate) struct Trimmed {
    entries: u64,
    /// Of a dry run: not all of them were counted, since they are many or large.
    is_part: bool,
}

/// Removes the oldest entries of a stream, whatever groups have still to read.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/trim", params(("stream" = String, Path)),
    request_body = TrimOrder,
    responses(
        (status = 200, body = Trimmed),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn trim(
    visitor: Visitor,
    segments: Segments,
    Body(order): Body<TrimOrder>,
) -> Result<Json<Trimmed>, Failure> {
    let stream = segments.after("streams");
    let trim = match (order.max_length, order.before_id.as_deref(), order.older_than_ms) {
        (Some(length), None, None) => Trim::ToLength(length),
        (None, Some(text), None) => Trim::Before(id(text)?),
        (None, None, Some(ms)) => Trim::OlderThan(Duration::from_millis(ms)),
        _ => {
            let text = "exactly one of max_length, before_id and older_than_ms";
            return Err(Failure::Invalid(text.to_owned()));
        }
    };
    if order.dry_run {
        let (entries, is_all) = would_trim(&visitor, &stream, trim).await?;
        return Ok(Json(Trimmed { entries, is_part: !is_all }));
    }
    let change = visitor.change(None)?;
    let entries = actions::stream::trim(&change, &stream, trim).await?;
    Ok(Json(Trimmed { entries, is_part: false }))
}

/// How many entries would go, and whether those are all.
async fn would_trim(visitor: &Visitor, stream: &[u8], trim: Trim) -> Result<(u64, bool), Failure> {
    let manager = StreamManager::new(&visitor.millstream, stream);
    let Some(info) = manager.info().await? else { return Ok((0, true)) };
    let id = match trim {
        Trim::ToLength(length) => return Ok((info.length.saturating_sub(length), true)),
        Trim::Before(id) => id,
        Trim::OlderThan(age) => actions::stream::older_than(&visitor.millstream, age).await?,
    };
    let range = (Bound::Unbounded, Bound::Excluded(id));
    Ok(count_some(&manager, &info, range).await?)
}

/// Items that are not there stay as they are; `null` is none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetentionChange {
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_length: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_age_ms: Option<Option<u64>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 1)]
    max_bytes: Option<Option<u64>>,
    retain: Option<RetainWord>,
    #[serde(default, deserialize_with = "given")]
    overflow: Option<Option<OverflowWord>>,
}

/// What may go.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum RetainWord {
    All,
    Unacked,
}

/// What an addition does for which there is no room.
#[derive(Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum OverflowWord {
    Drop,
    Reject,
}

/// What is there is given, also where it is null.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl RetentionChange {
    fn items(&self) -> Result<Vec<RetentionItem>, Failure> {
        if [self.max_length, self.max_age_ms, self.max_bytes].contains(&Some(Some(0))) {
            return Err(Failure::Invalid("a limit is 1 at least, or null".to_owned()));
        }
        let age = |ms: Option<u64>| ms.map(Duration::from_millis);
        let retain = self.retain.map(|word| match word {
            RetainWord::All => Retain::All,
            RetainWord::Unacked => Retain::Unacked,
        });
        let overflow = self.overflow.map(|word| {
            word.map(|word| match word {
                OverflowWord::Drop => Overflow::Drop,
                OverflowWord::Reject => Overflow::Reject,
            })
        });
        let items = [
            self.max_length.map(RetentionItem::MaxLength),
            self.max_age_ms.map(|ms| RetentionItem::MaxAge(age(ms))),
            self.max_bytes.map(RetentionItem::MaxBytes),
            retain.map(RetentionItem::Retain),
            overflow.map(RetentionItem::Overflow),
        ];
        Ok(items.into_iter().flatten().collect())
    }
}

/// Changes what a stream keeps by itself.
#[utoipa::path(patch, path = "/api/v1/streams/{stream}/retention",
    params(("stream" = String, Path)),
    request_body = RetentionChange,
    responses(
        (status = 200, body = RetentionRow),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn set_retention(
    visitor: Visitor,
    segments: Segments,
    Body(change): Body<RetentionChange>,
) -> Result<Json<RetentionRow>, Failure> {
    let allowed = visitor.change(None)?;
    let stream = segments.after("streams");
    let items = change.items()?;
    let manager = StreamManager::new(&visitor.millstream, &stream);
    manager.info().await?.ok_or_else(|| missing(&stream))?;
    if !items.is_empty() {
        actions::stream::change_retention(&allowed, &stream, &items).await?;
    }
    Ok(Json(RetentionRow::from(&manager.retention().await?)))
}
