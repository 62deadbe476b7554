//! Groups and consumers, as the server shows them.

use std::time::Duration;

use bytes::Bytes;

use crate::reply::{Facts, NotUnderstood};
use crate::{EntryId, GroupPolicy};

/// A group, as the server shows it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GroupInfo {
    /// Its name; with marks in place of what is not UTF-8.
    pub name: String,
    /// Its name as it is.
    pub name_bytes: Bytes,
    /// Consumers that it knows.
    pub consumers: u64,
    /// Entries that were delivered and not acknowledged.
    pub pending: u64,
    /// The last entry that was handed out.
    pub last_delivered: EntryId,
    /// How many entries it has read, where the server tells (Redis 7.0) and knows.
    pub entries_read: Option<u64>,
    /// Entries that were not handed out yet; `None`: the server cannot tell (after deletions in
    /// the middle of the stream).
    pub lag: Option<u64>,
    /// Entries among those of `lag` that were looked at and wait for their turn: on Millstream, in
    /// groups with an order by a field. 0 elsewhere.
    pub held: u64,
    /// What the server shows of a group with a policy; `None`: it has none.
    pub managed: Option<ManagedGroup>,
}

/// What Millstream shows of a group that has a policy. `docs/delivery.md` has the rules.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ManagedGroup {
    /// What it does by itself.
    pub policy: GroupPolicy,
    /// Pending entries that somebody has.
    pub in_flight: u64,
    /// Entries that were given a delay and not handed out since.
    pub delayed: u64,
    /// Since when the oldest of those in flight is.
    pub oldest_pending: Option<Duration>,
    /// The age of the first entry that was not handed out, by its id.
    pub oldest_undelivered: Option<Duration>,
    /// Why nothing is handed out: `paused`, `max-in-flight`, `held`.
    pub blocked_by: Option<String>,
    /// Entries that were handed out for the first time.
    pub delivered: u64,
    /// Pending entries that were acknowledged.
    pub acked: u64,
    /// Entries that lost their owner.
    pub nacked: u64,
    /// Entries that were handed out again.
    pub redelivered: u64,
    /// Entries that became dead letters.
    pub dead_lettered: u64,
    /// Dead letters that their stream refused.
    pub dead_letter_failed: u64,
    /// Records that went because their entry was gone.
    pub vanished: u64,
    /// Records that went unsettled.
    pub dropped: u64,
}

/// A consumer of a group, as the server shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConsumerInfo {
    /// Its name; with marks in place of what is not UTF-8.
    pub name: String,
    /// Its name as it is.
    pub name_bytes: Bytes,
    /// Entries that it has and has not acknowledged.
    pub pending: u64,
    /// Since it was last heard of.
    pub idle: Duration,
    /// Since it last got something, where the server tells (Redis 7.2); `None` too if it never did.
    pub inactive: Option<Duration>,
}

impl GroupInfo {
    /// One of XINFO GROUPS.
    pub(crate) fn parse(facts: &Facts) -> Result<Self, NotUnderstood> {
        Ok(Self {
            name: facts.text("name")?,
            name_bytes: facts.bytes("name")?,
            consumers: facts.count("consumers")?,
            pending: facts.count("pending")?,
            last_delivered: facts.id("last-delivered-id")?,
            entries_read: facts.count_if_there("entries-read"),
            lag: facts.count_if_there("lag"),
            held: facts.count_if_there("held").unwrap_or(0),
            managed: ManagedGroup::parse(facts)?,
        })
    }
}

impl ManagedGroup {
    fn parse(facts: &Facts) -> Result<Option<Self>, NotUnderstood> {
        let Some(policy) = facts.get("policy") else { return Ok(None) };
        let age = |name: &str| facts.count_if_there(name).map(Duration::from_millis);
        Ok(Some(Self {
            policy: GroupPolicy::parse(policy.clone())?,
            in_flight: facts.count("in-flight")?,
            delayed: facts.count("delayed")?,
            oldest_pending: age("oldest-pending-ms"),
            oldest_undelivered: age("oldest-undelivered-ms"),
            blocked_by: Some(facts.text("blocked-by")?).filter(|reason| !reason.is_empty()),
            delivered: facts.count("delivered")?,
            acked: facts.count("acked")?,
            nacked: facts.count("nacked")?,
            redelivered: facts.count("redelivered")?,
            dead_lettered: facts.count("dead-lettered")?,
            dead_letter_failed: facts.count("dead-letter-failed")?,
            vanished: facts.count("vanished")?,
            dropped: facts.count("dropped")?,
        }))
    }
}

impl ConsumerInfo {
    /// One of XINFO CONSUMERS.
    pub(crate) fn parse(facts: &Facts) -> Result<Self, NotUnderstood> {
        Ok(Self {
            name: facts.text("name")?,
            name_bytes: facts.bytes("name")?,
            pending: facts.count("pending")?,
            idle: Duration::from_millis(facts.count("idle")?),
            inactive: facts.count_if_there("inactive").map(Duration::from_millis),
        })
    }
}
