//! A group in JSON.

use millstream::{GroupInfo, ManagedGroup};
use serde::Serialize;
use utoipa::ToSchema;

use crate::duration::milliseconds;
use crate::{JsonBytes, PolicyRow};

/// A group.
#[derive(Debug, Serialize, ToSchema)]
pub struct GroupRow {
    group: JsonBytes,
    consumers: u64,
    pending: u64,
    lag: Option<u64>,
    entries_read: Option<u64>,
    last_delivered_id: String,
    managed: Option<ManagedRow>,
}

/// What only a group with a policy has.
#[derive(Debug, Serialize, ToSchema)]
struct ManagedRow {
    policy: PolicyRow,
    in_flight: u64,
    held: u64,
    delayed: u64,
    oldest_pending_ms: Option<u64>,
    oldest_undelivered_ms: Option<u64>,
    blocked_by: Option<String>,
    delivered: u64,
    acked: u64,
    nacked: u64,
    redelivered: u64,
    dead_lettered: u64,
    dead_letter_failed: u64,
    vanished: u64,
    dropped: u64,
}

impl From<&GroupInfo> for GroupRow {
    fn from(group: &GroupInfo) -> Self {
        Self {
            group: JsonBytes(group.name_bytes.clone()),
            consumers: group.consumers,
            pending: group.pending,
            lag: group.lag,
            entries_read: group.entries_read,
            last_delivered_id: group.last_delivered.to_string(),
            managed: group.managed.as_ref().map(|managed| ManagedRow::of(managed, group.held)),
        }
    }
}

impl ManagedRow {
    fn of(managed: &ManagedGroup, held: u64) -> Self {
        Self {
            policy: PolicyRow::from(&managed.policy),
            in_flight: managed.in_flight,
            held,
            delayed: managed.delayed,
            oldest_pending_ms: managed.oldest_pending.map(milliseconds),
            oldest_undelivered_ms: managed.oldest_undelivered.map(milliseconds),
            blocked_by: managed.blocked_by.clone(),
            delivered: managed.delivered,
            acked: managed.acked,
            nacked: managed.nacked,
            redelivered: managed.redelivered,
            dead_lettered: managed.dead_lettered,
            dead_letter_failed: managed.dead_letter_failed,
            vanished: managed.vanished,
            dropped: managed.dropped,
        }
    }
}
