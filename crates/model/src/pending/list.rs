//! All pending entries of one group, by id, by owner and by time.
//!
//! 1. Chunks and the records in them ascend by id.
//! 2. `len` and `counts` are sums over the records.
//! 3. `bounds` are at or below those of the `sections`, where there are any, and those at or below
//!    those of the chunks; they are derived again when those of a chunk are.
//! 4. `large_counts` has exactly the records whose count does not fit the record.

use super::bounds::{Bounds, Times};
use super::chunk::{CHUNK_MAX, Chunk, Spare};
use super::failure::Failure;
use super::record::{ConsumerId, DELAYED, Kind, LARGE_COUNT, PendingEntry, Record};
use super::sections::Sections;
use super::timing::{Scale, Timing};
use crate::EntryId;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

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

    /// The lowest id.
    #[must_use]
    pub fn first_id(&self) -> Option<EntryId> {
        self.chunks.front().map(Chunk::first_id)
    }

    /// The highest id.
    #[must_use]
    pub fn last_id(&self) -> Option<EntryId> {
        self.chunks.back().map(Chunk::last_id)
    }

    /// Whether `id` is pending.
    #[must_use]
    pub fn contains(&self, id: EntryId) -> bool {
        self.find(id).is_some()
    }

    /// One pending entry.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<PendingEntry> {
        let (index, at) = self.find(id)?;
        Some(self.entry(&self.chunks[index].records()[at]))
    }

    /// Inserts or replaces; returns what was there.
    ///
    /// The entry goes to the end of those with its delivery time, and without an owner to the end
    /// of the unowned ones, also when it replaces itself.
    pub fn upsert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        if self.last_id().is_none_or(|last| last < entry.id) {
            self.append_record(entry);
            return None;
        }
        self.upsert_within(entry, &mut (0, 0))
    }

    /// The same with many, and calls with each and what was there. Little is searched for where
    /// they follow each other.
    pub fn upsert_all(
        &mut self,
        entries: &[PendingEntry],
        mut each: impl FnMut(Option<PendingEntry>, PendingEntry),
    ) {
        let mut near = (0, 0);
        for &entry in entries {
            let before = if self.last_id().is_none_or(|last| last < entry.id) {
                self.append_record(entry);
                None
            } else {
                self.upsert_within(entry, &mut near)
            };
            each(before, entry);
        }
    }

    /// The same where some are above it.
    #[inline]
    fn upsert_within(
        &mut self,
        entry: PendingEntry,
        near: &mut (usize, usize),
    ) -> Option<PendingEntry> {
        if let Some((index, at)) = self.find_near(entry.id, *near) {
            *near = (index, at + 1);
            return Some(self.replace_record(index, at, entry));
        }
        let index = self.chunk_at(entry.id);
        let at = self.chunks[index].find(entry.id).expect_err("it was looked for above");
        let record = self.record(entry);
        self.insert_record(index, at, record);
        None
    }

    fn append_record(&mut self, entry: PendingEntry) {
        let record = self.record(entry);
        self.push_record(record);
    }

    fn replace_record(&mut self, index: usize, at: usize, entry: PendingEntry) -> PendingEntry {
        let before = self.entry(&self.chunks[index].records()[at]);
        if !self.large_counts.is_empty() {
            self.large_counts.remove(&entry.id);
        }
        let record = self.record(entry);
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        let chunk = &mut self.chunks[index];
        let (bounds_before, was_stale) = (*chunk.bounds(), chunk.is_stale());
        let replaced = chunk.replace(at, (record, times), scale);
        note_stale(&mut self.stale_chunks, was_stale, chunk.is_stale());
        self.counts.add(&record);
        self.counts.take_away(&replaced.old);
        if replaced.is_lower {
            self.note_lower(index, times);
        }
        if replaced.is_derived {
            self.note_raised(index, &bounds_before);
        }
        before
    }

    /// Adds a record above all others.
    fn push_record(&mut self, record: Record) {
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        match self.chunks.back_mut() {
            Some(tail) if !tail.is_full() => {
                if tail.push_back(record, times, scale) {
                    self.note_lower(self.chunks.len() - 1, times);
                }
            }
            tail => {
                let full_size = tail.is_some();
                let spare = self.spare.take();
                self.chunks.push_back(Chunk::open(record, times, full_size, spare, scale));
                self.bounds.add(times, scale_of(&self.timing, self.next_tie));
                self.note_chunk_inserted(self.chunks.len() - 1);
            }
        }
        self.len += 1;
        self.counts.add(&record);
    }

    fn insert_record(&mut self, index: usize, at: usize, record: Record) {
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        let chunk = &mut self.chunks[index];
        if chunk.is_full() {
            let bounds_before = *chunk.bounds();
            note_stale(&mut self.stale_chunks, chunk.is_stale(), false);
            let mut upper = chunk.split(scale);
            match at.checked_sub(chunk.len()) {
                Some(above) if above > 0 => upper.insert(above, record, times, scale),
                _ => chunk.insert(at, record, times, scale),
            };
            self.chunks.insert(index + 1, upper);
            self.bounds.add(times, scale_of(&self.timing, self.next_tie));
            self.note_chunk_inserted(index + 1);
            // Each half has its own bounds now.
            if let Some(sections) = &mut self.sections {
                sections.lower(
                    index,
                    self.chunks[index].bounds(),
                    scale_of(&self.timing, self.next_tie),
                );
            }
            self.note_raised(index, &bounds_before);
        } else if chunk.insert(at, record, times, scale) {
            self.note_lower(index, times);
        }
        self.len += 1;
        self.counts.add(&record);
    }

    /// A record came that makes bounds of its chunk lower.
    #[inline]
    fn note_lower(&mut self, index: usize, times: Times) {
        self.bounds.add(times, scale_of(&self.timing, self.next_tie));
        if let Some(sections) = &mut self.sections {
            sections.lower(
                index,
                self.chunks[index].bounds(),
                scale_of(&self.timing, self.next_tie),
            );
        }
    }

    /// Bounds of a chunk that were these, or of one that stood here, may have risen.
    fn note_raised(&mut self, index: usize, before: &Bounds) {
        if self.chunks.get(index).is_some_and(|chunk| chunk.bounds() == before) {
            return;
        }
        if let Some(sections) = &mut self.sections {
            sections.raise(index, &self.chunks, scale_of(&self.timing, self.next_tie));
        }
        if self.bounds.rests_on_any(before) {
            self.derive_bounds();
        }
    }

    /// What times are measured by.
    fn scale(&self) -> Scale<'_> {
        scale_of(&self.timing, self.next_tie)
    }

    fn has_exact_bounds(&self) -> bool {
        self.stale_chunks == 0
            && self.sections.as_ref().is_none_or(|sections| sections.has_exact_bounds())
    }

    fn derive_bounds(&mut self) {
        self.bounds = match &self.sections {
            Some(sections) => sections.least(self.scale()),
            None => Bounds::min_of(self.chunks.iter().map(Chunk::bounds), self.scale()),
        };
    }

    /// Derives the bounds of all sections and of all records from the chunks.
    fn refresh_bounds(&mut self) {
        self.stale_chunks = self.chunks.iter().filter(|chunk| chunk.is_stale()).count();
        let are_worth_it = Sections::are_worth_it(self.chunks.len());
        self.sections = are_worth_it
            .then(|| Box::new(Sections::new(&self.chunks, scale_of(&self.timing, self.next_tie))));
        self.derive_bounds();
    }

    fn note_chunk_inserted(&mut self, index: usize) {
        let scale = scale_of(&self.timing, self.next_tie);
        let must_derive = match &mut self.sections {
            Some(sections) => sections.inserted(index, &self.chunks, scale),
            None => {
                if Sections::are_worth_it(self.chunks.len()) {
                    self.sections = Some(Box::new(Sections::new(&self.chunks, scale)));
                }
                false
            }
        };
        if must_derive {
            self.derive_bounds();
        }
    }

    fn note_chunk_removed(&mut self, index: usize, before: &Bounds) {
        match &mut self.sections {
            Some(sections) if Sections::are_worth_it(self.chunks.len()) => {
                if sections.removed(index, &self.chunks, scale_of(&self.timing, self.next_tie)) {
                    self.derive_bounds();
                }
            }
            _ => {
                if self.sections.take().is_some() {
                    self.derive_bounds();
                }
            }
        }
        self.note_raised(index, before);
    }

    /// Takes an entry out; returns it.
    pub fn remove(&mut self, id: EntryId) -> Option<PendingEntry> {
        let (index, at) = self.find(id)?;
        Some(self.remove_at(index, at))
    }

    /// Takes entries out, and calls with each that was there. Little is searched for where they
    /// follow each other.
    pub fn remove_all(&mut self, ids: &[EntryId], mut each: impl FnMut(PendingEntry)) {
        let mut near = (0, 0);
        for &id in ids {
            if let Some((index, at)) = self.find_near(id, near) {
                each(self.remove_at(index, at));
                near = (index, at);
            }
        }
    }

    /// Those of the ids that are pending. Little is searched for where they follow each other.
    pub fn present(&self, ids: impl Iterator<Item = EntryId>) -> impl Iterator<Item = EntryId> {
        let mut near = (0, 0);
        ids.filter(move |id| {
            let found = self.find_near(*id, near);
            near = found.map_or(near, |(index, at)| (index, at + 1));
            found.is_some()
        })
    }

    fn remove_at(&mut self, index: usize, at: usize) -> PendingEntry {
        let chunk = &mut self.chunks[index];
        let (bounds_before, was_stale) = (*chunk.bounds(), chunk.is_stale());
        let (record, is_derived) = chunk.remove(at, scale_of(&self.timing, self.next_tie));
        let len = chunk.len();
        note_stale(&mut self.stale_chunks, was_stale, chunk.is_stale() && len > 0);
        let entry = self.entry(&record);
        self.note_removed(&record);
        if len == 0 {
            self.drop_chunk(index, &bounds_before);
        } else if is_derived {
            self.note_raised(index, &bounds_before);
        }
        if len > 0 && len <= CHUNK_MAX / 2 && self.chunks.len() > 1 {
            self.merge_around(index);
        }
        entry
    }

    fn note_removed(&mut self, record: &Record) {
        self.len -= 1;
        self.counts.take_away(record);
        if record.count == LARGE_COUNT {
            self.large_counts.remove(&record.id);
        }
    }

    fn drop_chunk(&mut self, index: usize, bounds: &Bounds) {
        let chunk = self.chunks.remove(index).expect("the caller has just used it");
        self.spare = chunk.into_spare().or(self.spare.take());
        if self.chunks.is_empty() {
            self.bounds = Bounds::NONE;
            self.sections = None;
            self.limit_idle_room();
        } else {
            self.note_chunk_removed(index, bounds);
        }
    }

    fn limit_idle_room(&mut self) {
        if self.chunks.is_empty() {
            self.spare = self.spare.take().filter(|spare| spare.room() <= IDLE_ROOM_MAX);
        }
    }

    /// Joins the chunk with a neighbour when the two leave a quarter of a chunk free.
    fn merge_around(&mut self, index: usize) {
        if index + 1 < self.chunks.len() && self.merge_next(index) {
            return;
        }
        if index > 0 {
            self.merge_next(index - 1);
        }
    }

    fn merge_next(&mut self, index: usize) -> bool {
        let fits = self.chunks[index].len() + self.chunks[index + 1].len() <= CHUNK_MAX / 4 * 3;
        if fits {
            let next = self.chunks.remove(index + 1).expect("it was measured just now");
            let next_before = *next.bounds();
            note_stale(&mut self.stale_chunks, next.is_stale(), false);
            note_stale(&mut self.stale_chunks, self.chunks[index].is_stale(), false);
            let bounds_before = self.chunks[index].bounds().min(next_before, self.scale());
            self.chunks[index].absorb(next, scale_of(&self.timing, self.next_tie));
            if let Some(sections) = &mut self.sections {
                sections.lower(
                    index,
                    self.chunks[index].bounds(),
                    scale_of(&self.timing, self.next_tie),
                );
            }
            self.note_chunk_removed(index + 1, &next_before);
            self.note_raised(index, &bounds_before);
        }
        fits
    }

    /// Takes out every entry of `owner`; returns how many.
    pub fn remove_owner(&mut self, owner: ConsumerId) -> usize {
        let mut large = Vec::new();
        let before = self.len;
        for chunk in &mut self.chunks {
            if chunk.may_have_owner(owner.0) {
                self.len -= chunk.len();
                chunk.remove_if(scale_of(&self.timing, self.next_tie), |record| {
                    let is_gone = record.owner == Some(owner);
                    if is_gone && record.count == LARGE_COUNT {
                        large.push(record.id);
                    }
                    is_gone
                });
                self.len += chunk.len();
            }
        }
        for id in large {
            self.large_counts.remove(&id);
        }
        if self.len < before {
            self.pack();
        }
        // Of other owners' chunks, too, they may be derived again.
        self.refresh_bounds();
        before - self.len
    }

    /// Drops empty chunks and joins small neighbours.
    fn pack(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        for chunk in chunks {
            match self.chunks.back_mut() {
                _ if chunk.len() == 0 => {}
                Some(tail) if tail.len() + chunk.len() <= CHUNK_MAX / 4 * 3 => {
                    tail.absorb(chunk, scale_of(&self.timing, self.next_tie));
                }
                _ => self.chunks.push_back(chunk),
            }
        }
        self.limit_idle_room();
    }

    /// The entries of `from..=to`, ascending.
    pub fn range(&self, from: EntryId, to: EntryId) -> impl Iterator<Item = PendingEntry> + '_ {
        self.records_in(from, to, |_| true).map(|record| self.entry(record))
    }

    /// The entries of `owner` in `from..=to`, ascending. Passes by chunks without any.
    pub fn range_of(
        &self,
        owner: ConsumerId,
        from: EntryId,
        to: EntryId,
    ) -> impl Iterator<Item = PendingEntry> + '_ {
        self.records_in(from, to, move |chunk| chunk.may_have_owner(owner.0))
            .filter(move |record| record.owner == Some(owner))
            .map(|record| self.entry(record))
    }

    fn records_in(
        &self,
        from: EntryId,
        to: EntryId,
        wanted: impl Fn(&Chunk) -> bool,
    ) -> impl Iterator<Item = &Record> {
        self.chunks
            .range(self.chunk_at(from)..)
            .take_while(move |chunk| chunk.first_id() <= to)
            .filter(move |chunk| wanted(chunk))
            .flat_map(move |chunk| {
                let start = if from <= chunk.first_id() {
                    0
                } else {
                    chunk.find(from).unwrap_or_else(|place| place)
                };
                chunk.records().range(start..)
            })
            .take_while(move |record| record.id <= to)
    }

    /// The chunk that has `id` or would have it; 0 when there is none.
    #[inline]
    fn chunk_at(&self, id: EntryId) -> usize {
        // Work is mostly at the ends.
        match (self.chunks.get(1), self.chunks.back()) {
            (None, _) => 0,
            (Some(second), _) if id < second.first_id() => 0,
            (_, Some(last)) if id >= last.first_id() => self.chunks.len() - 1,
            _ => self.chunks.partition_point(|chunk| chunk.first_id() <= id) - 1,
        }
    }

    #[inline]
    fn find(&self, id: EntryId) -> Option<(usize, usize)> {
        let index = self.chunk_at(id);
        Some((index, self.chunks.get(index)?.find(id).ok()?))
    }

    /// The same, looked for at a place first.
    #[inline]
    fn find_near(&self, id: EntryId, near: (usize, usize)) -> Option<(usize, usize)> {
        let record = self.chunks.get(near.0).and_then(|chunk| chunk.records().get(near.1));
        if record.is_some_and(|record| record.id == id) { Some(near) } else { self.find(id) }
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

    /// The record to store, with a fresh place among those of its time.
    fn record(&mut self, entry: PendingEntry) -> Record {
        let count = self.stored_count(entry);
        let (id, owner) = (entry.id, entry.owner);
        let (time, tie) = if owner.is_some() {
            let tie = self.next_tie;
            self.next_tie = self.next_tie.wrapping_add(1);
            (entry.delivered_at_ms, tie)
        } else if entry.available_at_ms > 0 {
            (entry.available_at_ms, DELAYED)
        } else {
            let place = self.next_queue_place;
            self.next_queue_place += 1;
            (place, 0)
        };
        Record { id, time, owner, count, tie }
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
