//! Adding what comes later, taking it back, having it come at once.

use std::time::{Duration, SystemTime};

use axum::Json;
use millstream_shown::{FieldsJson, FieldsSchema};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Body;
use crate::actions::schedule::{Verb, When, add as add_one, change_some};
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// An entry that comes later: after a time, or at a moment.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewDelayed {
    #[schema(value_type = FieldsSchema)]
    fields: FieldsJson,
    /// So long from now.
    #[schema(minimum = 1)]
    after_ms: Option<u64>,
    /// At this Unix time.
    at_ms: Option<u64>,
}

/// What it is called by.
#[derive(Serialize, ToSchema)]
pub(crate) struct Token {
    token: String,
}

/// Has an entry come later.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/schedule",
    params(("stream" = String, Path)),
    request_body = NewDelayed,
    responses(
        (status = 200, body = Token),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn add(
    visitor: Visitor,
    segments: Segments,
    Body(new): Body<NewDelayed>,
) -> Result<Json<Token>, Failure> {
    let change = visitor.change(None)?;
    let when = match (new.after_ms, new.at_ms) {
        (Some(ms), None) => When::After(Duration::from_millis(ms)),
        (None, Some(ms)) => {
            let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_millis(ms));
            When::At(at.ok_or_else(|| Failure::Invalid("no clock goes so far".to_owned()))?)
        }
        _ => return Err(Failure::Invalid("exactly one of after_ms and at_ms".to_owned())),
    };
    let token = add_one(&change, &segments.after("streams"), when, &new.fields.0).await?;
    Ok(Json(Token { token }))
}

/// Entries that wait, by what they are called.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tokens {
    #[schema(min_items = 1, max_items = 1000)]
    tokens: Vec<String>,
}

/// What became of them, in words.
#[derive(Serialize, ToSchema)]
pub(crate) struct Outcome {
    outcome: String,
}

async fn change(
    visitor: &Visitor,
    segments: &Segments,
    verb: Verb,
    tokens: &[String],
) -> Result<Json<Outcome>, Failure> {
    let allowed = visitor.change(None)?;
    let tokens: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let outcome = change_some(&allowed, &segments.after("streams"), verb, &tokens).await?;
    Ok(Json(Outcome { outcome: outcome.text }))
}

/// Takes entries back that wait.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/schedule/cancel",
    params(("stream" = String, Path)),
    request_body = Tokens,
    responses(
        (status = 200, body = Outcome),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn cancel(
    visitor: Visitor,
    segments: Segments,
    Body(Tokens { tokens }): Body<Tokens>,
) -> Result<Json<Outcome>, Failure> {
    change(&visitor, &segments, Verb::Cancel, &tokens).await
}

/// Has entries that wait come at once.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/schedule/run",
    params(("stream" = String, Path)),
    request_body = Tokens,
    responses(
        (status = 200, body = Outcome),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn run(
    visitor: Visitor,
    segments: Segments,
    Body(Tokens { tokens }): Body<Tokens>,
) -> Result<Json<Outcome>, Failure> {
    change(&visitor, &segments, Verb::Run, &tokens).await
}
