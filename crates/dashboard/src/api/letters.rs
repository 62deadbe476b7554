//! Dead letters.

use std::time::Duration;

use axum::Json;
use millstream::{DeadLetters, LetterFilter, StreamManager};
use millstream_shown::{JsonBytes, LetterRow};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::entries::{First, id};
use super::paging::{NextPage, limit};
use super::streams::missing;
use crate::failure::Failure;
use crate::letter_places::{LetterPlace, letter_places};
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
    /// `oldest` or `newest` first
    #[serde(default)]
    first: First,
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

/// Letters in the order that was asked for.
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
    let filter = which.filter();
    let page = match which.first {
        First::Oldest => letters.oldest_like(&filter, after, limit, LOOKED_AT_MAX).await?,
        First::Newest => letters.newest_like(&filter, after, limit, LOOKED_AT_MAX).await?,
    };
    if page.letters.is_empty() && page.next.is_none() {
        let stream = StreamManager::new(&visitor.millstream, letters.stream());
        stream.info().await?.ok_or_else(|| missing(letters.stream()))?;
    }
    let next = page.next.map(|next| next.to_string());
    let rows = page.letters.iter().map(LetterRow::new).collect::<Result<_, _>>();
    let letters = rows.map_err(|error| Failure::Invalid(error.to_string()))?;
    Ok(Json(LetterPage { letters, next }))
}

/// One dead letter.
#[utoipa::path(get, path = "/api/v1/dead-letters/{stream}/{id}",
    params(("stream" = String, Path), ("id" = String, Path)),
    responses(
        (status = 200, body = LetterRow),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn get(visitor: Visitor, segments: Segments) -> Result<Json<LetterRow>, Failure> {
    let id = id(&String::from_utf8_lossy(&segments.at(4)))?;
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let found = letters.find(&[id]).await?;
    let gone = || Failure::NotFound(format!("there is no dead letter {id} here"));
    let row = LetterRow::new(found.first().ok_or_else(gone)?);
    row.map(Json).map_err(|error| Failure::Invalid(error.to_string()))
}

/// Streams of dead letters in the order of their names, as they were some seconds ago.
#[derive(Serialize, ToSchema)]
pub(crate) struct LetterPlaces {
    streams: Vec<LetterPlaceRow>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
    /// Not all streams were looked at yet.
    is_part: bool,
}

/// A stream of dead letters.
#[derive(Serialize, ToSchema)]
struct LetterPlaceRow {
    /// Which is asked for by its name.
    letters: JsonBytes,
    /// `null`: it was not looked at yet, or is not there.
    length: Option<u64>,
    newest_id: Option<String>,
    /// Groups by whose policies letters go there.
    groups: Vec<LetterOwner>,
    /// Whose letters they are by its name: `orders` of `orders:dlq`.
    of_stream: Option<JsonBytes>,
}

/// A group that has its dead letters there.
#[derive(Serialize, ToSchema)]
struct LetterOwner {
    stream: JsonBytes,
    group: JsonBytes,
}

impl From<LetterPlace> for LetterPlaceRow {
    fn from(place: LetterPlace) -> Self {
        let owner =
            |(stream, group)| LetterOwner { stream: JsonBytes(stream), group: JsonBytes(group) };
        Self {
            letters: JsonBytes(place.key),
            length: place.length,
            newest_id: place.newest.map(|id| id.to_string()),
            groups: place.groups.into_iter().map(owner).collect(),
            of_stream: place.stream.map(JsonBytes),
        }
    }
}

/// Streams of dead letters: those that policies name, and those that are called like one.
#[utoipa::path(get, path = "/api/v1/dead-letters", params(NextPage), responses(
    (status = 200, body = LetterPlaces),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn places(
    visitor: Visitor,
    Params(which): Params<NextPage>,
) -> Result<Json<LetterPlaces>, Failure> {
    visitor.server_answers().await?;
    let all = letter_places(&visitor.streams().await?);
    let (found, next) = which.by_name(all, |place| &place.key)?;
    let streams = found.into_iter().map(LetterPlaceRow::from).collect();
    let is_part = visitor.app.history.totals().is_part;
    Ok(Json(LetterPlaces { streams, next, is_part }))
}
