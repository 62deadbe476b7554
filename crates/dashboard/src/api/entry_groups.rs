//! How far groups are with an entry.

use axum::Json;
use millstream::{ConsumerGroupManager, StreamManager};
use millstream_shown::JsonBytes;
use millstream_shown::duration::milliseconds;
use serde::Serialize;
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Params;
use super::entries::{gone, id};
use super::paging::NextPage;
use crate::entry_states::{EntryState, Progress, entry_states};
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Groups of the stream in the order of their names, and what became of the entry in each.
#[derive(Serialize, ToSchema)]
pub(crate) struct EntryGroups {
    id: String,
    /// Whether the entry is in the stream; groups may have it pending still when it is gone.
    is_in_stream: bool,
    groups: Vec<EntryGroup>,
    /// What `after` is to be for the next page; `null`: this is the last.
    next: Option<String>,
}

/// How far one group is with it.
#[derive(Serialize, ToSchema)]
struct EntryGroup {
    group: JsonBytes,
    state: EntryWord,
    /// Who has it, or had it last; `null`: nobody.
    consumer: Option<JsonBytes>,
    /// Of a pending one: since its last delivery.
    idle_ms: Option<u64>,
    /// Of a pending one and a dead letter.
    deliveries: Option<u64>,
    /// What was said when it failed last; `null`: nothing, or it is not kept.
    error: Option<JsonBytes>,
    /// Why it is a dead letter, such as `max-deliveries`.
    reason: Option<String>,
    /// The stream that the dead letter is in.
    letter_stream: Option<JsonBytes>,
    /// The dead letter's own id.
    letter_id: Option<String>,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum EntryWord {
    NotDelivered,
    Pending,
    /// It was given up, and its letter was found.
    DeadLetter,
    Settled,
    /// It is settled, or waits for entries before it.
    SettledOrHeld,
}

impl From<EntryState> for EntryGroup {
    fn from(EntryState { group, progress }: EntryState) -> Self {
        let row = |state: EntryWord| Self {
            group: JsonBytes(group.name_bytes.clone()),
            state,
            consumer: None,
            idle_ms: None,
            deliveries: None,
            error: None,
            reason: None,
            letter_stream: None,
            letter_id: None,
        };
        match progress {
            Progress::NotDelivered => row(EntryWord::NotDelivered),
            Progress::Settled => row(EntryWord::Settled),
            Progress::SettledOrHeld => row(EntryWord::SettledOrHeld),
            Progress::Pending(pending) => Self {
                consumer: pending.consumer.map(JsonBytes),
                idle_ms: pending.idle.map(milliseconds),
                deliveries: Some(pending.deliveries),
                error: pending.error.map(JsonBytes),
                ..row(EntryWord::Pending)
            },
            Progress::DeadLetter(of, letter) => Self {
                consumer: Some(JsonBytes(letter.consumer_bytes)),
                deliveries: Some(letter.deliveries),
                error: Some(letter.error)
                    .filter(|it| !it.is_empty())
                    .map(|it| JsonBytes(it.into())),
                reason: Some(letter.reason),
                letter_stream: Some(JsonBytes(of.into())),
                letter_id: Some(letter.id.to_string()),
                ..row(EntryWord::DeadLetter)
            },
        }
    }
}

/// How far groups are with an entry.
#[utoipa::path(get, path = "/api/v1/streams/{stream}/entries/{id}/groups",
    params(("stream" = String, Path), ("id" = String, Path), NextPage),
    responses(
        (status = 200, body = EntryGroups),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn list(
    visitor: Visitor,
    segments: Segments,
    Params(which): Params<NextPage>,
) -> Result<Json<EntryGroups>, Failure> {
    let (stream, text) = (segments.after("streams"), segments.after("entries"));
    let id = id(&String::from_utf8_lossy(&text))?;
    let groups = ConsumerGroupManager::new(&visitor.millstream, &stream).groups().await?;
    let all = groups.len();
    let (groups, next) = which.by_name(groups, |group| &group.name_bytes)?;
    let is_whole = groups.len() == all;
    let found = StreamManager::new(&visitor.millstream, &stream).entries(id..=id, 1).await?;
    let states = entry_states(&visitor.millstream, &stream, id, groups).await?;
    // Groups of other pages may know it.
    if found.is_empty() && is_whole && !states.iter().any(EntryState::knows_it) {
        return Err(gone(id));
    }
    let groups = states.into_iter().map(EntryGroup::from).collect();
    Ok(Json(EntryGroups { id: id.to_string(), is_in_stream: !found.is_empty(), groups, next }))
}
