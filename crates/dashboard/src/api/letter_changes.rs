//! Giving dead letters back, and deleting them.

use axum::Json;
use millstream::DeadLetters;
use millstream_shown::{FieldsJson, FieldsSchema};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Body;
use super::entries::id;
use super::pending_changes::ids;
use crate::actions::letter_tally::{Tally, Verb};
use crate::actions::letters::{change_some, requeue_changed};
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Letters by their ids, not those of the entries that they were.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LetterIds {
    #[schema(min_items = 1, max_items = 1000)]
    ids: Vec<String>,
}

/// What became of them.
#[derive(Serialize, ToSchema)]
pub(crate) struct LettersChanged {
    changed: u64,
    /// Of those, how many entries were added to their stream once more, for all groups.
    added_anew: u64,
    /// Gone before.
    not_there: u64,
    /// They stay as they are.
    failed: u64,
    /// Why, the first of them.
    reasons: Vec<String>,
}

impl From<Tally> for LettersChanged {
    fn from(tally: Tally) -> Self {
        let Tally { changed, added_anew, not_there, failed, reasons } = tally;
        Self { changed, added_anew, not_there, failed, reasons }
    }
}

async fn change(
    visitor: &Visitor,
    segments: &Segments,
    verb: Verb,
    texts: &[String],
) -> Result<Json<LettersChanged>, Failure> {
    let allowed = visitor.change(None)?;
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let tally = change_some(&allowed, &letters, verb, &ids(texts)?).await?;
    Ok(Json(tally.into()))
}

/// Gives dead letters back to their groups.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/requeue",
    params(("stream" = String, Path)),
    request_body = LetterIds,
    responses(
        (status = 200, body = LettersChanged),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn requeue(
    visitor: Visitor,
    segments: Segments,
    Body(LetterIds { ids }): Body<LetterIds>,
) -> Result<Json<LettersChanged>, Failure> {
    change(&visitor, &segments, Verb::Requeue, &ids).await
}

/// Deletes dead letters for good.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/purge",
    params(("stream" = String, Path)),
    request_body = LetterIds,
    responses(
        (status = 200, body = LettersChanged),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn purge(
    visitor: Visitor,
    segments: Segments,
    Body(LetterIds { ids }): Body<LetterIds>,
) -> Result<Json<LettersChanged>, Failure> {
    change(&visitor, &segments, Verb::Purge, &ids).await
}

/// What a letter is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Edited {
    #[schema(value_type = FieldsSchema)]
    fields: FieldsJson,
}

/// The entry that took its place.
#[derive(Serialize, ToSchema)]
pub(crate) struct Given {
    id: String,
}

/// Adds an entry with these fields to the stream of a letter, for all groups, in place of it.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/{id}/requeue",
    params(("stream" = String, Path), ("id" = String, Path)),
    request_body = Edited,
    responses(
        (status = 200, body = Given),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn requeue_edited(
    visitor: Visitor,
    segments: Segments,
    Body(Edited { fields: FieldsJson(fields) }): Body<Edited>,
) -> Result<Json<Given>, Failure> {
    let change = visitor.change(None)?;
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let id = id(&String::from_utf8_lossy(&segments.at(4)))?;
    let found = letters.find(&[id]).await?;
    let gone = || Failure::NotFound(format!("there is no letter {id}"));
    let letter = found.first().ok_or_else(gone)?;
    let given = requeue_changed(&change, &letters, letter, &fields).await?;
    Ok(Json(Given { id: given.to_string() }))
}
