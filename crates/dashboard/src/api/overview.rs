//! Everything at a glance.

use axum::Json;
use millstream_shown::JsonBytes;
use millstream_shown::duration::milliseconds;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::ErrorDocument;
use super::body::Params;
use super::groups::HistoryDocument;
use super::paging::limit;
use crate::failure::Failure;
use crate::history::{GroupNow, StreamNow};
use crate::urgent_groups::urgent_groups;
use crate::visitor::Visitor;

/// All streams together, as they were some seconds ago.
#[derive(Serialize, ToSchema)]
pub(crate) struct Overview {
    /// What the server calls itself.
    server: String,
    /// Where it is.
    address: String,
    streams: usize,
    groups: usize,
    /// Entries added a second.
    in_per_second: f64,
    /// Entries handed out a second.
    out_per_second: f64,
    /// Entries that groups were not handed out yet.
    lag: u64,
    pending: u64,
    oldest_pending_ms: Option<u64>,
    dead_letters: u64,
    /// Not all streams were looked at: these are sums of those that were.
    is_part: bool,
}

/// Everything at a glance.
#[utoipa::path(get, path = "/api/v1/overview", responses(
    (status = 200, body = Overview),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn get(visitor: Visitor) -> Result<Json<Overview>, Failure> {
    visitor.server_answers().await?;
    // Whoever may not read all streams is told so by the server's own refusal.
    visitor.must_see_all().await?;
    let totals = visitor.app.history.totals();
    Ok(Json(Overview {
        server: visitor.millstream.abilities().server.clone(),
        address: visitor.app.target()?.address,
        streams: totals.streams,
        groups: totals.groups,
        in_per_second: totals.rate_in,
        out_per_second: totals.rate_out,
        lag: totals.lag,
        pending: totals.pending,
        oldest_pending_ms: totals.oldest.map(milliseconds),
        dead_letters: totals.dead_letters,
        is_part: totals.is_part,
    }))
}

/// The last hour of all streams together.
#[utoipa::path(get, path = "/api/v1/overview/history", responses(
    (status = 200, body = HistoryDocument),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn history(visitor: Visitor) -> Result<Json<HistoryDocument>, Failure> {
    visitor.must_see_all().await?;
    Ok(Json(HistoryDocument::of(&visitor.app.history.all())))
}

/// How many groups.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Most {
    /// At most so many
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

/// Groups of all streams.
#[derive(Serialize, ToSchema)]
pub(crate) struct UrgentGroups {
    groups: Vec<UrgentGroup>,
    /// Not all streams were looked at yet.
    is_part: bool,
}

/// A group as it was some seconds ago.
#[derive(Serialize, ToSchema)]
struct UrgentGroup {
    stream: JsonBytes,
    group: JsonBytes,
    /// Entries added to the stream a second; `null`: not known yet.
    in_per_second: Option<f64>,
    /// Entries handed out a second; `null`: not known yet.
    out_per_second: Option<f64>,
    /// Entries that were not handed out yet; `null`: the server does not know.
    lag: Option<u64>,
    pending: u64,
    /// Since the oldest pending entry was handed out last.
    oldest_pending_ms: Option<u64>,
    /// Age of the first entry that was not handed out.
    oldest_undelivered_ms: Option<u64>,
    consumers: u64,
    /// Letters where its dead letters go, of all groups that have them there.
    dead_letters: Option<u64>,
    /// Why nothing is handed out, such as `paused`.
    blocked_by: Option<String>,
}

impl From<&(StreamNow, GroupNow)> for UrgentGroup {
    fn from((stream, group): &(StreamNow, GroupNow)) -> Self {
        let info = &group.info;
        Self {
            stream: JsonBytes(stream.name.clone()),
            group: JsonBytes(info.name_bytes.clone()),
            in_per_second: stream.rate_in,
            out_per_second: group.rate_out,
            lag: info.lag,
            pending: info.pending,
            oldest_pending_ms: group.ages.pending.map(milliseconds),
            oldest_undelivered_ms: group.ages.undelivered.map(milliseconds),
            consumers: info.consumers,
            dead_letters: group.dead_letters.as_ref().map(|letters| letters.length),
            blocked_by: info.managed.as_ref().and_then(|managed| managed.blocked_by.clone()),
        }
    }
}

/// Groups that are worth a look: first those whose oldest pending entry is older than five minutes,
/// then those with most to do. There are no further pages of these: `/streams/{stream}/groups` has
/// all groups of a stream.
#[utoipa::path(get, path = "/api/v1/overview/groups", params(Most), responses(
    (status = 200, body = UrgentGroups),
    (status = "4XX", body = ErrorDocument),
    (status = "5XX", body = ErrorDocument),
))]
pub(crate) async fn groups(
    visitor: Visitor,
    Params(most): Params<Most>,
) -> Result<Json<UrgentGroups>, Failure> {
    let limit = limit(most.limit)?;
    visitor.server_answers().await?;
    let groups = urgent_groups(visitor.streams().await?, limit);
    let groups = groups.iter().map(UrgentGroup::from).collect();
    Ok(Json(UrgentGroups { groups, is_part: visitor.app.history.totals().is_part }))
}
