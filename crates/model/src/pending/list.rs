//! All pending entries of one group, by id, by owner and by time.
//!
//! 1. Chunks and the records in them ascend by id.
//! 2. `len` and `counts` are sums over the records.
//! 3. `bounds` are at or below those of the `sections`, where there are any, and those at or below
//!    those of the chunks; they are derived again when those of a chunk are.
//! 4. `large_counts` has exactly the records whose count does not fit the record.

use super::bounds::Bounds;
use super::chunk::{Chunk, Spare};
use super::failure::Failure;
use super::record::{DELAYED, Kind, LARGE_COUNT, PendingEntry, Record};
use super::sections::Sections;
use super::timing::{Scale, Timing};
use crate::EntryId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

mod by_id;
mod change;
mod compaction;
mod list_bounds;
mod time_order;

pub use time_order::AvailableEntries;

/// An empty list keeps no more room than this, since there may be a million of them.
const IDLE_ROOM_MAX: usize = if cfg!(test) { 4 } else { 64 };

/// The pending entries of one group. A clone shares all records, and costs the number of chunks.
#[derive(Clone, Debug)]
pub struct PendingList {
    chunks: VecDeque<Chunk>,
    len: usize,
    counts: Counts,
    next_tie: u32,
    next_queue_place: u64,
    bounds: Bounds,
    /// Of a long list only.
    sections: Option<Box<Sections>>,
    /// Chunks whose bounds may be too low.
    stale_chunks: usize,
    large_counts: BTreeMap<EntryId, u64>,
    spare: Option<Spare>,
    timing: Option<Box<Timing>>,
}

/// How many records have no owner, and where those stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counts {
    queued: usize,
    delayed: usize,
}

impl Counts {
    fn add(&mut self, record: &Record) {
        self.queued += usize::from(record.kind() == Kind::Queued);
        self.delayed += usize::from(record.kind() == Kind::Delayed);
    }

    fn take_away(&mut self, record: &Record) {
        self.queued -= usize::from(record.kind() == Kind::Queued);
        self.delayed -= usize::from(record.kind() == Kind::Delayed);
    }
}

/// Of two fields, so that the others can be changed meanwhile.
#[expect(clippy::ref_option, reason = "a field as it is")]
fn scale_of(timing: &Option<Box<Timing>>, next_tie: u32) -> Scale<'_> {
    Scale { timing: timing.as_deref(), next_tie }
}

/// One of the chunks was stale, and is, or not.
#[inline]
fn note_stale(stale_chunks: &mut usize, before: bool, after: bool) {
    *stale_chunks = *stale_chunks + usize::from(after) - usize::from(before);
}

impl Default for PendingList {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
            counts: Counts::default(),
            next_tie: 0,
            next_queue_place: 0,
            bounds: Bounds::NONE,
            sections: None,
            stale_chunks: 0,
            large_counts: BTreeMap::new(),
            spare: None,
            timing: None,
        }
    }
}

impl PendingList {
    /// All records in id order, each with what decides between equal times: its tie where it has an
    /// owner, its place in the queue where it is there, else 0. For storing: see
    /// [`Self::restore`].
    pub fn records(&self) -> impl Iterator<Item = (PendingEntry, u64)> + '_ {
        self.chunks.iter().flat_map(Chunk::records).map(|record| {
            let order = match record.kind() {
                Kind::Owned => record.tie.into(),
                Kind::Queued => record.time,
                Kind::Delayed => 0,
            };
            (self.entry(record), order)
        })
    }

    /// The records that have failed, ascending, and how they did last.
    pub fn failures(&self) -> impl Iterator<Item = (EntryId, &Arc<Failure>)> {
        self.chunks.iter().flat_map(|chunk| chunk.failures().iter().map(|(id, it)| (*id, it)))
    }

    /// How that entry failed last, if it did.
    #[must_use]
    pub fn failure(&self, id: EntryId) -> Option<&Arc<Failure>> {
        self.chunks.get(self.chunk_at(id))?.failures().get(&id)
    }

    /// Notes how a pending entry failed. Returns whether it is pending.
    pub fn set_failure(&mut self, id: EntryId, failure: Arc<Failure>) -> bool {
        let Some((index, _)) = self.find(id) else { return false };
        self.chunks[index].set_failure(id, failure);
        true
    }

    /// What decides when entries are available. Costs the number of entries where it changes.
    pub fn set_timing(&mut self, timing: Option<Timing>) {
        if self.timing.as_deref() == timing.as_ref() {
            return;
        }
        self.timing = timing.map(Box::new);
        for chunk in &mut self.chunks {
            chunk.refresh_bounds(scale_of(&self.timing, self.next_tie));
        }
        self.refresh_bounds();
    }

    /// The counters that [`Self::records`] are ordered by: of ties, and of places in the queue.
    #[must_use]
    pub fn next_orders(&self) -> (u32, u64) {
        (self.next_tie, self.next_queue_place)
    }

    /// An empty list that goes on with these counters; add its records with
    /// [`Self::restore_record`].
    #[must_use]
    pub fn restore((next_tie, next_queue_place): (u32, u64)) -> Self {
        Self { next_tie, next_queue_place, ..Self::default() }
    }

    /// Adds a record as [`Self::records`] said. Returns whether it fits: above all others, with a
    /// place in the queue below the counter.
    #[must_use]
    pub fn restore_record(&mut self, entry: PendingEntry, order: u64) -> bool {
        let is_above = self.last_id().is_none_or(|last| last < entry.id);
        let is_known = match (entry.owner, entry.available_at_ms) {
            (Some(_), available_at_ms) => u32::try_from(order).is_ok() && available_at_ms == 0,
            (None, 0) => order < self.next_queue_place && entry.delivered_at_ms == 0,
            (None, _) => order == 0 && entry.delivered_at_ms == 0,
        };
        if !is_above || !is_known || entry.delivery_count > PendingEntry::DELIVERY_COUNT_MAX {
            return false;
        }
        let count = self.stored_count(entry);
        let (time, tie) = match (entry.owner, entry.available_at_ms) {
            (Some(_), _) => (entry.delivered_at_ms, order as u32),
            (None, 0) => (order, 0),
            (None, until_ms) => (until_ms, DELAYED),
        };
        self.push_record(Record { id: entry.id, time, owner: entry.owner, count, tie });
        true
    }

    /// Number of pending entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is pending.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Number of pending entries without an owner.
    #[must_use]
    pub fn unowned_len(&self) -> usize {
        self.counts.queued + self.counts.delayed
    }

    /// Number of pending entries without an owner that were given a delay, whether over or not.
    #[must_use]
    pub fn delayed_len(&self) -> usize {
        self.counts.delayed
    }

    /// At or before the time at which the next entry that is used up has to go; `u64::MAX`: none
    /// will. See [`Self::settle_used_up`].
    #[must_use]
    pub fn used_up_bound_ms(&self) -> u64 {
        self.bounds.used_up.time
    }

    /// Makes [`Self::used_up_bound_ms`] exact where it is that early. Costs the number of chunks,
    /// and of the records of those with such a bound.
    pub fn settle_used_up(&mut self, until_ms: u64) {
        for chunk in &mut self.chunks {
            if chunk.bounds().used_up.time <= until_ms {
                chunk.refresh_bounds(scale_of(&self.timing, self.next_tie));
            }
        }
        self.refresh_bounds();
    }

    /// Bytes on the heap, without what the allocator adds. Costs the number of chunks.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A B-tree is half full at worst.
        let large = self.large_counts.len() * 2 * size_of::<(EntryId, u64)>();
        self.chunks.capacity() * size_of::<Chunk>()
            + self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>()
            + self.spare.as_ref().map_or(0, Spare::heap_bytes)
            + self.sections.as_ref().map_or(0, |sections| sections.heap_bytes())
            + large
    }

    /// What times are measured by.
    fn scale(&self) -> Scale<'_> {
        scale_of(&self.timing, self.next_tie)
    }

    fn entry(&self, record: &Record) -> PendingEntry {
        let delivery_count = match record.count {
            LARGE_COUNT => self.large_counts.get(&record.id).copied().unwrap_or(LARGE_COUNT.into()),
            count => u64::from(count),
        };
        let (delivered_at_ms, available_at_ms) = match record.kind() {
            Kind::Owned => (record.time, 0),
            Kind::Queued => (0, 0),
            Kind::Delayed => (0, record.time),
        };
        let (id, owner) = (record.id, record.owner);
        PendingEntry { id, owner, delivered_at_ms, available_at_ms, delivery_count }
    }

    /// The count as a record has it; one that does not fit goes to the side.
    fn stored_count(&mut self, entry: PendingEntry) -> u32 {
        let count = u32::try_from(entry.delivery_count).unwrap_or(LARGE_COUNT);
        if count == LARGE_COUNT {
            self.large_counts.insert(entry.id, entry.delivery_count);
        }
        count
    }

    /// Derives every count and summary again.
    ///
    /// # Panics
    ///
    /// When one of them differs: a bug in this module. For tests; costs the number of entries.
    pub fn check(&self) {
        let mut previous = None;
        for chunk in &self.chunks {
            chunk.check(scale_of(&self.timing, self.next_tie));
            assert!(previous < Some(chunk.first_id()), "chunks do not overlap");
            previous = Some(chunk.last_id());
        }
        let records = || self.chunks.iter().flat_map(Chunk::records);
        assert_eq!(self.len, records().count(), "length");
        let mut counts = Counts::default();
        records().for_each(|record| counts.add(record));
        assert_eq!(self.counts, counts, "records without an owner");
        let large = records().filter(|record| record.count == LARGE_COUNT).map(|record| record.id);
        assert!(large.eq(self.large_counts.keys().copied()), "large counts");
        // Not against the chunks' bounds: one may be lower than what its chunk holds now.
        let stale = self.chunks.iter().filter(|chunk| chunk.is_stale()).count();
        assert_eq!(self.stale_chunks, stale, "stale chunks");
        let exact = Bounds::of_all(records(), scale_of(&self.timing, self.next_tie));
        assert!(self.bounds.is_below(&exact, self.scale()), "bounds of times");
        assert!(!self.has_exact_bounds() || self.bounds == exact, "exact bounds");
        if let Some(sections) = &self.sections {
            sections.check(&self.chunks, scale_of(&self.timing, self.next_tie));
            assert!(
                self.bounds.is_below(&sections.least(self.scale()), self.scale()),
                "bounds of sections"
            );
        }
        let empty_room = self.spare.as_ref().map_or(0, Spare::room);
        assert!(self.len > 0 || empty_room <= IDLE_ROOM_MAX, "room of an empty list");
    }

    /// To see how closely it follows removals; `None` when nothing is owned.
    #[cfg(test)]
    pub(super) fn oldest_bound_ms(&self) -> Option<u64> {
        (self.unowned_len() < self.len).then_some(self.bounds.oldest_delivery())
    }

    /// Starts the tie counter at `tie`, to see it wrap.
    #[cfg(test)]
    pub(super) fn set_next_tie(&mut self, tie: u32) {
        self.next_tie = tie;
    }
}
