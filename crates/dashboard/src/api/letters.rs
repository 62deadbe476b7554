//! Dead letters.

use std::time::Duration;

use axum::Json;
use millstream::{DeadLetters, LetterFilter};
use millstream_shown::LetterRow;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::entries::id;
use super::streams::limit;
use crate::failure::Failure;
use crate::segments::{Segments, parse_segment};
use crate::visitor::Visitor;

/// Entries that are looked at for one page: where few pass, it has fewer than it may have.
const LOOKED_AT_MAX: usize = 10_000;

/// Which letters.
#[derive(Clone, Debug, Default, Deserialize, IntoParams, ToSchema)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Which {
    /// The `next` of the page before
    #[param(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    after: Option<String>,
    /// Of entries of this stream, as in paths
    stream: Option<String>,
    /// Of this group, as in paths
    group: Option<String>,
    /// Of this consumer, as in paths
    consumer: Option<String>,
    /// With this reason, such as `max-deliveries`
    reason: Option<String>,
    /// With this in their error
    error: Option<String>,
    /// At least so old
    min_age_ms: Option<u64>,
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

impl Which {
    fn filter(&self) -> LetterFilter {
        let mut filter = LetterFilter::new();
        if let Some(stream) = &self.stream {
            filter = filter.stream(parse_segment(stream));
        }
        if let Some(group) = &self.group {
            filter = filter.group(parse_segment(group));
        }
        if let Some(consumer) = &self.consumer {
            filter = filter.consumer(parse_segment(consumer));
        }
        if let Some(reason) = &self.reason {
            filter = filter.reason(reason);
        }
        if let Some(error) = &self.error {
            filter = filter.error(error);
        }
        if let Some(ms) = self.min_age_ms {
            filter = filter.min_age(Duration::from_millis(ms));
        }
        filter
    }
}

/// Letters, oldest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct LetterPage {
    letters: Vec<LetterRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// The dead letters in a stream of such, which is the one that the path names.
#[utoipa::path(get, path = "/api/v1/dead-letters/{stream}",
    params(("stream" = String, Path), Which),
    responses(
        (status = 200, body = LetterPage),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<Which>,
) -> Result<Json<LetterPage>, Failure> {
    let limit = limit(which.limit)?;
    let after = which.after.as_deref().map(id).transpose()?;
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let page = letters.oldest_like(&which.filter(), after, limit, LOOKED_AT_MAX).await?;
    let next = page.next.map(|next| next.to_string());
    let rows = page.letters.iter().map(LetterRow::new).collect::<Result<_, _>>();
    let letters = rows.map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(Json(LetterPage { letters, next }))
}
