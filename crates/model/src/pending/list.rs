//! All pending entries of one group, by id, by owner and by time.
//!
//! 1. Chunks and the records in them ascend by id.
//! 2. `len` and `unowned` are sums over the chunks.
//! 3. `oldest_bound` is at or below the delivery time of every owned record: exact while
//!    `bound_stale` is 0, and derived again after about as many removals as there are chunks.
//! 4. `large_counts` has exactly the records whose count does not fit the record.

use super::chunk::{CHUNK_MAX, Chunk, Spare};
use super::oldest_first::OldestFirst;
use super::record::{ConsumerId, LARGE_COUNT, PendingEntry, Record};
use crate::EntryId;
use std::collections::{BTreeMap, VecDeque};

/// An empty list keeps no more room than this, since there may be a million of them.
const IDLE_ROOM_MAX: usize = if cfg!(test) { 4 } else { 64 };

/// Removals, besides one per chunk, after which the oldest delivery time is derived again.
const BOUND_STALE_MIN: usize = if cfg!(test) { 3 } else { 32 };

/// The pending entries of one group. A clone shares all records, and costs the number of chunks.
#[derive(Clone, Debug)]
pub struct PendingList {
    chunks: VecDeque<Chunk>,
    len: usize,
    unowned: usize,
    next_tie: u32,
    next_queue_place: u64,
    oldest_bound: u64,
    bound_stale: usize,
    large_counts: BTreeMap<EntryId, u64>,
    spare: Option<Spare>,
}

impl Default for PendingList {
    fn default() -> Self {
        Self {
            chunks: VecDeque::new(),
            len: 0,
            unowned: 0,
            next_tie: 0,
            next_queue_place: 0,
            oldest_bound: u64::MAX,
            bound_stale: 0,
            large_counts: BTreeMap::new(),
            spare: None,
        }
    }
}

impl PendingList {
    /// All records in id order, each with what decides between equal times: its tie where it has an
    /// owner, its place in the queue where it has none. For storing: see [`Self::restore`].
    pub fn records(&self) -> impl Iterator<Item = (PendingEntry, u64)> + '_ {
        self.chunks.iter().flat_map(Chunk::records).map(|record| {
            let order = if record.owner.is_some() { record.tie.into() } else { record.time };
            (self.entry(record), order)
        })
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
        let is_known = match entry.owner {
            Some(_) => u32::try_from(order).is_ok(),
            None => order < self.next_queue_place && entry.delivered_at_ms == 0,
        };
        if !is_above || !is_known || entry.delivery_count > PendingEntry::DELIVERY_COUNT_MAX {
            return false;
        }
        let count = self.stored_count(entry);
        let (time, tie) = match entry.owner {
            Some(_) => (entry.delivered_at_ms, order as u32),
            None => (order, 0),
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
        self.unowned
    }

    /// Bytes on the heap, without what the allocator adds. Costs the number of chunks.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        // A B-tree is half full at worst.
        let large = self.large_counts.len() * 2 * size_of::<(EntryId, u64)>();
        self.chunks.capacity() * size_of::<Chunk>()
            + self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>()
            + self.spare.as_ref().map_or(0, Spare::heap_bytes)
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
        let index = self.chunk_at(entry.id);
        match self.chunks[index].find(entry.id) {
            Ok(at) => {
                let before = self.entry(&self.chunks[index].records()[at]);
                self.large_counts.remove(&entry.id);
                let record = self.record(entry);
                self.chunks[index].replace(at, record);
                self.unowned += usize::from(entry.owner.is_none());
                self.unowned -= usize::from(before.owner.is_none());
                self.note_time_added(&record);
                if before.owner.is_some() {
                    self.note_time_removed(before.delivered_at_ms);
                }
                Some(before)
            }
            Err(at) => {
                let record = self.record(entry);
                self.insert_record(index, at, record);
                None
            }
        }
    }

    fn append_record(&mut self, entry: PendingEntry) {
        let record = self.record(entry);
        self.push_record(record);
    }

    /// Adds a record above all others.
    fn push_record(&mut self, record: Record) {
        match self.chunks.back_mut() {
            Some(tail) if !tail.is_full() => tail.push_back(record),
            tail => {
                let full_size = tail.is_some();
                self.chunks.push_back(Chunk::open(record, full_size, self.spare.take()));
            }
        }
        self.note_inserted(&record);
    }

    fn insert_record(&mut self, index: usize, at: usize, record: Record) {
        let chunk = &mut self.chunks[index];
        if chunk.is_full() {
            let mut upper = chunk.split();
            match at.checked_sub(chunk.len()) {
                Some(above) if above > 0 => upper.insert(above, record),
                _ => chunk.insert(at, record),
            }
            self.chunks.insert(index + 1, upper);
        } else {
            chunk.insert(at, record);
        }
        self.note_inserted(&record);
    }

    fn note_inserted(&mut self, record: &Record) {
        self.len += 1;
        self.unowned += usize::from(record.owner.is_none());
        self.note_time_added(record);
    }

    fn note_time_added(&mut self, record: &Record) {
        if record.owner.is_some() {
            self.oldest_bound = self.oldest_bound.min(record.time);
        }
    }

    fn note_time_removed(&mut self, time: u64) {
        if time <= self.oldest_bound || self.bound_stale > 0 {
            self.bound_stale += 1;
            if self.bound_stale > self.chunks.len() + BOUND_STALE_MIN {
                self.refresh_oldest_bound();
            }
        }
    }

    fn refresh_oldest_bound(&mut self) {
        let bounds = self.chunks.iter().filter_map(Chunk::delivered_bound);
        self.oldest_bound = bounds.min().unwrap_or(u64::MAX);
        self.bound_stale = 0;
    }

    /// Takes an entry out; returns it.
    pub fn remove(&mut self, id: EntryId) -> Option<PendingEntry> {
        let (index, at) = self.find(id)?;
        let chunk = &mut self.chunks[index];
        let record = chunk.remove(at);
        let len = chunk.len();
        let entry = self.entry(&record);
        self.note_removed(&record);
        if len == 0 {
            self.drop_chunk(index);
        } else if len <= CHUNK_MAX / 2 && self.chunks.len() > 1 {
            self.merge_around(index);
        }
        if record.owner.is_some() {
            self.note_time_removed(record.time);
        }
        Some(entry)
    }

    fn note_removed(&mut self, record: &Record) {
        self.len -= 1;
        self.unowned -= usize::from(record.owner.is_none());
        if record.count == LARGE_COUNT {
            self.large_counts.remove(&record.id);
        }
    }

    fn drop_chunk(&mut self, index: usize) {
        let chunk = self.chunks.remove(index).expect("the caller has just used it");
        self.spare = chunk.into_spare().or(self.spare.take());
        self.limit_idle_room();
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
            self.chunks[index].absorb(next);
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
                chunk.remove_if(|record| {
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
            self.refresh_oldest_bound();
        }
        before - self.len
    }

    /// Drops empty chunks and joins small neighbours.
    fn pack(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        for chunk in chunks {
            match self.chunks.back_mut() {
                _ if chunk.len() == 0 => {}
                Some(tail) if tail.len() + chunk.len() <= CHUNK_MAX / 4 * 3 => tail.absorb(chunk),
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

    /// All entries in time order: unowned ones in the order they became so, then owned ones by
    /// delivery time, and within one time in the order of their last `upsert`.
    ///
    /// Lazy: costs the number of chunks to start, then little for each entry taken.
    pub fn oldest_first(&self) -> impl Iterator<Item = PendingEntry> + '_ {
        OldestFirst::new(self.chunks.iter(), self.next_tie).map(|record| self.entry(record))
    }

    /// The part of `oldest_first` up to and including delivery time `until_ms`: all unowned
    /// entries, then those delivered by then.
    ///
    /// Costs nothing when there is none and none was removed lately; else as `oldest_first`, and
    /// only chunks with such entries count.
    pub fn oldest_until(&self, until_ms: u64) -> impl Iterator<Item = PendingEntry> + '_ {
        let none = self.unowned == 0 && self.oldest_bound > until_ms;
        let chunks = self.chunks.range(if none { self.chunks.len().. } else { 0.. });
        let due = |chunk: &&Chunk| {
            chunk.queue_bound().is_some()
                || chunk.delivered_bound().is_some_and(|bound| bound <= until_ms)
        };
        OldestFirst::new(chunks.filter(move |chunk| due(chunk)), self.next_tie)
            .take_while(move |record| record.owner.is_none() || record.time <= until_ms)
            .map(|record| self.entry(record))
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

    fn entry(&self, record: &Record) -> PendingEntry {
        let delivery_count = match record.count {
            LARGE_COUNT => self.large_counts.get(&record.id).copied().unwrap_or(LARGE_COUNT.into()),
            count => u64::from(count),
        };
        let delivered_at_ms = if record.owner.is_some() { record.time } else { 0 };
        PendingEntry { id: record.id, owner: record.owner, delivered_at_ms, delivery_count }
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
        let mut tie = 0;
        let time = if entry.owner.is_some() {
            tie = self.next_tie;
            self.next_tie = self.next_tie.wrapping_add(1);
            entry.delivered_at_ms
        } else {
            let place = self.next_queue_place;
            self.next_queue_place += 1;
            place
        };
        Record { id: entry.id, time, owner: entry.owner, count, tie }
    }

    /// Derives every count and summary again.
    ///
    /// # Panics
    ///
    /// When one of them differs: a bug in this module. For tests; costs the number of entries.
    pub fn check(&self) {
        let mut previous = None;
        for chunk in &self.chunks {
            chunk.check();
            assert!(previous < Some(chunk.first_id()), "chunks do not overlap");
            previous = Some(chunk.last_id());
        }
        let records = || self.chunks.iter().flat_map(Chunk::records);
        assert_eq!(self.len, records().count(), "length");
        let unowned = records().filter(|record| record.owner.is_none()).count();
        assert_eq!(self.unowned, unowned, "unowned records");
        let large = records().filter(|record| record.count == LARGE_COUNT).map(|record| record.id);
        assert!(large.eq(self.large_counts.keys().copied()), "large counts");
        // Not against the chunks' bounds: one may be lower than what its chunk holds now.
        let owned = records().filter(|record| record.owner.is_some());
        let oldest = owned.map(|record| record.time).min().unwrap_or(u64::MAX);
        assert!(self.oldest_bound <= oldest, "bound of the oldest delivery");
        let empty_room = self.spare.as_ref().map_or(0, Spare::room);
        assert!(self.len > 0 || empty_room <= IDLE_ROOM_MAX, "room of an empty list");
    }

    /// To see how closely it follows removals; `None` when nothing is owned.
    #[cfg(test)]
    pub(super) fn oldest_bound_ms(&self) -> Option<u64> {
        (self.unowned < self.len).then_some(self.oldest_bound)
    }

    /// Starts the tie counter at `tie`, to see it wrap.
    #[cfg(test)]
    pub(super) fn set_next_tie(&mut self, tie: u32) {
        self.next_tie = tie;
    }
}
