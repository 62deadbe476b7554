//! Settling all that a group has pending of a kind: counted first, then changed at a pace.

use std::ops::Bound;
use std::time::Duration;

use axum::Json;
use millstream::{PendingEntries, PendingFilter};
use millstream_shown::JsonBytes;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ErrorDocument;
use super::body::Body;
use super::entries::id;
use super::pending_changes::{NackWord, nack_of};
use crate::actions::pending::{Alike, Settling, count, last, pace, settle_alike};
use crate::failure::Failure;
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Which of what is pending, and how; with nothing said all that are pending.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllPending {
    /// Of this consumer.
    #[schema(inline)]
    consumer: Option<JsonBytes>,
    /// Last delivered at least so long ago, or without an owner.
    min_idle_ms: Option<u64>,
    /// Delivered at least so often.
    min_deliveries: Option<u64>,
    /// Behind this entry: the `next` of the request before.
    #[schema(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    after: Option<String>,
    /// Up to this entry: the `until` of the dry run. What was not counted is not changed.
    #[schema(pattern = "^[0-9]{1,19}(-[0-9]{1,19})?$")]
    until: Option<String>,
    /// Only counts them: whoever may read them may do that.
    #[serde(default)]
    dry_run: bool,
    /// So many entries are changed in a second, at most.
    #[schema(minimum = 1, maximum = 10_000, default = 1000)]
    per_second: Option<u64>,
}

/// What became of them, or would.
#[derive(Serialize, ToSchema)]
pub(crate) struct SettledAll {
    is_dry_run: bool,
    changed: u64,
    /// They were not as a moment before.
    left_alone: u64,
    /// The last entry that is meant.
    until: String,
    /// One request looks at 100,000 entries, changes 10,000 and takes 20 s, at most: behind this
    /// one there may be others. `null`: there are none.
    next: Option<String>,
}

async fn settle(
    visitor: &Visitor,
    segments: &Segments,
    which: AllPending,
    settling: &Settling,
) -> Result<Json<SettledAll>, Failure> {
    let (stream, group) = (segments.after("streams"), segments.after("groups"));
    let per_second = pace(which.per_second)?;
    let until = match (&which.until, which.dry_run) {
        (Some(until), _) => id(until)?,
        (None, true) => last(&visitor.millstream, &stream, &group).await?,
        (None, false) => {
            visitor.change(None)?;
            let text = "say up to which entry (`until`); a dry run does: what comes later is not \
                        meant";
            return Err(Failure::Invalid(text.to_owned()));
        }
    };
    let from = match &which.after {
        Some(after) => Bound::Excluded(id(after)?),
        None => Bound::Unbounded,
    };
    let alike = Alike { filter: which.filter(), from, until };
    let until = until.to_string();
    if which.dry_run {
        let pending = PendingEntries::new(&visitor.millstream, &stream, &group);
        settling.check(&pending).await?;
        let counted = count(&pending, &alike).await?;
        let next = counted.next.map(|next| next.to_string());
        let (changed, left_alone) = (counted.count, 0);
        return Ok(Json(SettledAll { is_dry_run: true, changed, left_alone, until, next }));
    }
    let change = visitor.change(None)?;
    let settled = settle_alike(&change, &stream, &group, &alike, settling, per_second).await?;
    let (changed, left_alone) = (settled.changed, settled.left_alone);
    let next = settled.next.map(|next| next.to_string());
    Ok(Json(SettledAll { is_dry_run: false, changed, left_alone, until, next }))
}

impl AllPending {
    fn filter(&self) -> PendingFilter {
        let mut filter = PendingFilter::new().min_idle(self.min_idle());
        if let Some(count) = self.min_deliveries {
            filter = filter.min_deliveries(count);
        }
        if let Some(JsonBytes(consumer)) = &self.consumer {
            filter = filter.consumer(consumer);
        }
        filter
    }

    fn min_idle(&self) -> Duration {
        Duration::from_millis(self.min_idle_ms.unwrap_or_default())
    }
}

/// Which to acknowledge.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AckAll {
    which: AllPending,
}

/// Acknowledges all that are pending of a kind.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/ack-all",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = AckAll,
    responses(
        (status = 200, body = SettledAll),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn ack_all(
    visitor: Visitor,
    segments: Segments,
    Body(AckAll { which }): Body<AckAll>,
) -> Result<Json<SettledAll>, Failure> {
    settle(&visitor, &segments, which, &Settling::Acknowledge).await
}

/// Which to claim, and for whom.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClaimAll {
    which: AllPending,
    #[schema(inline)]
    consumer: JsonBytes,
}

/// Hands all that are pending of a kind to a consumer.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/claim-all",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = ClaimAll,
    responses(
        (status = 200, body = SettledAll),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn claim_all(
    visitor: Visitor,
    segments: Segments,
    Body(ClaimAll { which, consumer }): Body<ClaimAll>,
) -> Result<Json<SettledAll>, Failure> {
    let min_idle = which.min_idle();
    let settling = Settling::Claim { consumer: consumer.0.to_vec(), min_idle };
    settle(&visitor, &segments, which, &settling).await
}

/// Which nobody is to have.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NackAll {
    which: AllPending,
    mode: NackWord,
    /// Handed out again so long from now; on Millstream, in groups that have a policy.
    delay_ms: Option<u64>,
    /// Why, kept with the entries; on Millstream, in groups that have a policy.
    error: Option<String>,
}

/// Gives all that are pending of a kind back to their group.
#[utoipa::path(post, path = "/api/v1/streams/{stream}/groups/{group}/pending/nack-all",
    params(("stream" = String, Path), ("group" = String, Path)),
    request_body = NackAll,
    responses(
        (status = 200, body = SettledAll),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn nack_all(
    visitor: Visitor,
    segments: Segments,
    Body(NackAll { which, mode, delay_ms, error }): Body<NackAll>,
) -> Result<Json<SettledAll>, Failure> {
    let settling = Settling::GiveBack(nack_of(mode, delay_ms, error));
    settle(&visitor, &segments, which, &settling).await
}
