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
    /// Without an owner: not handed out before; 0: at once. [`PendingEntry::NEVER`]: not at all.
    /// 0 with an owner.
    pub available_at_ms: u64,
    /// How often it was delivered.
    pub delivery_count: u64,
}

impl PendingEntry {
    /// Redis shows delivery counts as signed numbers; a count stays here once it is reached.
    pub const DELIVERY_COUNT_MAX: u64 = i64::MAX as u64;
    /// Stands for an entry that failed for good and waits to be moved to the dead letters.
    pub const NEVER: u64 = u64::MAX;

    /// The record after one more delivery of its entry.
    #[must_use]
    pub fn delivered_again(self, to: ConsumerId, now_ms: u64) -> Self {
        let delivery_count = self.delivery_count.saturating_add(1).min(Self::DELIVERY_COUNT_MAX);
        let owner = Some(to);
        Self { owner, delivered_at_ms: now_ms, available_at_ms: 0, delivery_count, ..self }
    }
}

/// Stands for a delivery count kept in the list's side map.
pub(super) const LARGE_COUNT: u32 = u32::MAX;

/// A stored pending entry: 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) id: EntryId,
    /// Time of delivery when owned. Without an owner: the place in the queue, or the end of its
    /// delay.
    pub(super) time: u64,
    pub(super) owner: Option<ConsumerId>,
    /// `LARGE_COUNT`, or the count itself.
    pub(super) count: u32,
    /// Taken from a counter that wraps; orders records of one delivery time. Without an owner:
    /// [`DELAYED`], or 0.
    pub(super) tie: u32,
}

/// Marks a record without an owner that is not in the queue.
pub(super) const DELAYED: u32 = 1;

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    /// Without an owner, available.
    Queued,
    /// Without an owner, not before a time.
    Delayed,
    Owned,
}

const _: () = assert!(size_of::<Record>() == 40);

/// Place in time order: the queue, then what is delayed, then owned records by time and tie. The
/// last byte is left for a place in a chunk. One number, since lists of them are sorted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct TimeKey(u128);

impl TimeKey {
    #[inline]
    pub(super) fn new(kind: Kind, time: u64, tie_rank: u32) -> Self {
        Self((kind as u128) << 104 | u128::from(time) << 40 | u128::from(tie_rank) << 8)
    }

    /// At or before every record of this kind and time.
    pub(super) fn lowest(kind: Kind, time: u64) -> Self {
        Self::new(kind, time, 0)
    }

    #[inline]
    pub(super) fn with_place(self, place: u8) -> Self {
        Self(self.0 | u128::from(place))
    }

    #[inline]
    pub(super) fn place(self) -> usize {
        usize::from(self.0 as u8)
    }

    /// The same for every place.
    #[inline]
    pub(super) fn without_place(self) -> Self {
        Self(self.0 & !0xff)
    }

    pub(super) fn time(self) -> u64 {
        (self.0 >> 40) as u64
    }
}

impl Record {
    #[inline]
    pub(super) fn kind(&self) -> Kind {
        match self.owner {
            Some(_) => Kind::Owned,
            None if self.tie == DELAYED => Kind::Delayed,
            None => Kind::Queued,
        }
    }

    /// Whether it failed for good.
    pub(super) fn is_doomed(&self) -> bool {
        self.time == PendingEntry::NEVER && self.kind() == Kind::Delayed
    }
}
