//! One pending entry, as callers see it and as the list stores it.

use crate::EntryId;

/// Identifies a consumer within its group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ConsumerId(pub u32);

/// An entry that was delivered and not acknowledged.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PendingEntry {
    /// The entry.
    pub id: EntryId,
    /// Who has it; `None` after it was given back.
    pub owner: Option<ConsumerId>,
    /// Time of the last delivery; 0 without an owner.
    pub delivered_at_ms: u64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

impl PendingEntry {
    /// Redis shows delivery counts as signed numbers; a count stays here once it is reached.
    pub const DELIVERY_COUNT_MAX: u64 = i64::MAX as u64;

    /// The record after one more delivery of its entry.
    #[must_use]
    pub fn delivered_again(self, to: ConsumerId, now_ms: u64) -> Self {
        let delivery_count = self.delivery_count.saturating_add(1).min(Self::DELIVERY_COUNT_MAX);
        Self { owner: Some(to), delivered_at_ms: now_ms, delivery_count, ..self }
    }
}

/// Stands for a delivery count kept in the list's side map.
pub(super) const LARGE_COUNT: u32 = u32::MAX;

/// A stored pending entry: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) id: EntryId,
    /// Time of delivery when owned. Without an owner: the place in the queue of unowned records.
    pub(super) time: u64,
    pub(super) owner: Option<ConsumerId>,
    /// `LARGE_COUNT`, or the count itself.
    pub(super) count: u32,
    /// Taken from a counter that wraps; orders records of one delivery time.
    pub(super) tie: u32,
}

const _: () = assert!(size_of::<Record>() == 40);

/// Place in time order: unowned records as a queue, then owned ones by delivery time and tie.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TimeKey {
    owned: bool,
    time: u64,
    tie_rank: u32,
}

impl TimeKey {
    /// At or before every record of this kind and time.
    pub(super) fn lowest(owned: bool, time: u64) -> Self {
        Self { owned, time, tie_rank: 0 }
    }
}

impl Record {
    /// Its place in time order. `next_tie` is the list's counter: ranks hold across its wrap.
    pub(super) fn time_key(&self, next_tie: u32) -> TimeKey {
        let owned = self.owner.is_some();
        let tie_rank = if owned { self.tie.wrapping_sub(next_tie) } else { 0 };
        TimeKey { owned, time: self.time, tie_rank }
    }
}
