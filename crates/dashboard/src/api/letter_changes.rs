//! Giving dead letters back, and deleting them.

use axum::Json;
use millstream::DeadLetters;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Body;
use super::pending_changes::ids;
use crate::actions::letter_tally::Verb;
use crate::actions::letters::change_some;
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

async fn change(
    visitor: &Visitor,
    segments: &Segments,
    verb: Verb,
    texts: &[String],
) -> Result<Json<LettersChanged>, Failure> {
    let allowed = visitor.change(None)?;
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let tally = change_some(&allowed, &letters, verb, &ids(texts)?).await?;
    Ok(Json(LettersChanged {
        changed: tally.changed,
        added_anew: tally.added_anew,
        not_there: tally.not_there,
        failed: tally.failed,
        reasons: tally.reasons,
    }))
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
