//! Up to `CHUNK_MAX` records in id order, and a summary that lets scans pass them by.
//!
//! 1. `first` and `len` are those of the records; a chunk in a list is never empty.
//! 2. `owners` counts the owned records by `owner % 64`; bit n of `owner_mask` is set exactly when
//!    count n is not 0. `unowned` counts the rest.
//! 3. `delivered_min` and `queue_min` are at or below the time of every owned and unowned record.
//!    They are exact while `stale` is 0: removing the minimum would otherwise cost a scan each
//!    time, and in a list worked off in order every removal is that of the minimum.
//!
//! Records sit behind an `Arc`, so a clone of the list costs its chunks and not its records.

use super::record::Record;
use crate::EntryId;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most records of a chunk: 10 KB, and counts of them fit a byte.
pub(super) const CHUNK_MAX: usize = if cfg!(test) { 8 } else { 255 };

/// Removals after which stale minima are derived again.
const STALE_MAX: u8 = if cfg!(test) { 3 } else { 32 };

/// Records of a list's very first chunk at its start.
const FIRST_ROOM: usize = 4;

const OWNER_BUCKETS: usize = 64;

#[derive(Clone, Debug)]
pub(super) struct Chunk {
    first: EntryId,
    delivered_min: u64,
    queue_min: u64,
    owner_mask: u64,
    len: u8,
    unowned: u8,
    stale: u8,
    body: Arc<Body>,
}

#[derive(Clone, Debug)]
struct Body {
    records: VecDeque<Record>,
    owners: [u8; OWNER_BUCKETS],
}

/// The emptied storage of a chunk, kept to be used again.
#[derive(Clone, Debug)]
pub(super) struct Spare(Arc<Body>);

impl Spare {
    pub(super) fn heap_bytes(&self) -> usize {
        self.0.heap_bytes()
    }

    /// Records it has room for.
    pub(super) fn room(&self) -> usize {
        self.0.records.capacity()
    }
}

impl Body {
    fn new(room: usize) -> Self {
        Self { records: VecDeque::with_capacity(room), owners: [0; OWNER_BUCKETS] }
    }

    #[inline]
    fn count_owner(&mut self, record: &Record) {
        if let Some(bucket) = bucket(record) {
            self.owners[bucket] += 1;
        }
    }

    /// Returns the bit of the owner's bucket when that is empty now.
    #[inline]
    fn discount_owner(&mut self, record: &Record) -> u64 {
        let Some(bucket) = bucket(record) else { return 0 };
        self.owners[bucket] -= 1;
        if self.owners[bucket] == 0 { bit(bucket) } else { 0 }
    }

    fn heap_bytes(&self) -> usize {
        // Two reference counts stand before the value.
        2 * size_of::<usize>() + size_of::<Self>() + self.records.capacity() * size_of::<Record>()
    }
}

fn bucket(record: &Record) -> Option<usize> {
    Some(record.owner?.0 as usize % OWNER_BUCKETS)
}

fn bit(bucket: usize) -> u64 {
    1 << bucket
}

impl Chunk {
    /// A chunk of one record; `full_size` when more are sure to follow.
    pub(super) fn open(record: Record, full_size: bool, spare: Option<Spare>) -> Self {
        let room = if full_size { CHUNK_MAX } else { FIRST_ROOM };
        let reusable = spare.filter(|spare| !full_size || spare.room() >= room);
        let mut body = reusable.map_or_else(|| Arc::new(Body::new(room)), |spare| spare.0);
        // A clone of the list may still share the spare.
        if Arc::get_mut(&mut body).is_none() {
            body = Arc::new(Body::new(room));
        }
        let mut chunk = Self::over(body);
        chunk.push_back(record);
        chunk
    }

    fn over(body: Arc<Body>) -> Self {
        let mut chunk = Self {
            first: EntryId::MIN,
            delivered_min: u64::MAX,
            queue_min: u64::MAX,
            owner_mask: 0,
            len: 0,
            unowned: 0,
            stale: 0,
            body,
        };
        chunk.summarize();
        chunk
    }

    /// The storage of this chunk, when nobody shares it.
    pub(super) fn into_spare(mut self) -> Option<Spare> {
        let body = Arc::get_mut(&mut self.body)?;
        body.records.clear();
        body.owners = [0; OWNER_BUCKETS];
        Some(Spare(self.body))
    }

    pub(super) fn first_id(&self) -> EntryId {
        self.first
    }

    pub(super) fn last_id(&self) -> EntryId {
        self.records().back().expect("a chunk has a record").id
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.len)
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= CHUNK_MAX
    }

    pub(super) fn records(&self) -> &VecDeque<Record> {
        &self.body.records
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.body.heap_bytes()
    }

    /// Whether some record may have `owner`.
    #[inline]
    pub(super) fn may_have_owner(&self, owner: u32) -> bool {
        self.owner_mask & bit(owner as usize % OWNER_BUCKETS) != 0
    }

    /// At or before the queue place of every unowned record; `None` when there is none.
    #[inline]
    pub(super) fn queue_bound(&self) -> Option<u64> {
        (self.unowned > 0).then_some(self.queue_min)
    }

    /// At or before the delivery time of every owned record; `None` when there is none.
    #[inline]
    pub(super) fn delivered_bound(&self) -> Option<u64> {
        (self.unowned < self.len).then_some(self.delivered_min)
    }

    /// Where `id` is, or where it would be.
    #[inline]
    pub(super) fn find(&self, id: EntryId) -> Result<usize, usize> {
        // A list worked off in order finds what it seeks at the front.
        if id == self.first { Ok(0) } else { self.records().binary_search_by(|r| r.id.cmp(&id)) }
    }

    /// Adds a record above all others; the chunk is not full.
    #[inline]
    pub(super) fn push_back(&mut self, record: Record) {
        let body = Arc::make_mut(&mut self.body);
        reserve(&mut body.records);
        body.records.push_back(record);
        body.count_owner(&record);
        if self.len == 0 {
            self.first = record.id;
        }
        self.note_added(&record);
    }

    /// Adds a record at `at`; the chunk is not full.
    pub(super) fn insert(&mut self, at: usize, record: Record) {
        let body = Arc::make_mut(&mut self.body);
        reserve(&mut body.records);
        body.records.insert(at, record);
        body.count_owner(&record);
        if at == 0 {
            self.first = record.id;
        }
        self.note_added(&record);
    }

    /// Replaces the record at `at` by one of the same id.
    pub(super) fn replace(&mut self, at: usize, record: Record) -> Record {
        let body = Arc::make_mut(&mut self.body);
        let old = std::mem::replace(&mut body.records[at], record);
        let emptied = body.discount_owner(&old);
        body.count_owner(&record);
        // In this order: a full chunk cannot count one more, and the new owner may be the old one.
        self.note_removed(&old, emptied);
        self.note_added(&record);
        old
    }

    /// Takes the record at `at` out.
    pub(super) fn remove(&mut self, at: usize) -> Record {
        let body = Arc::make_mut(&mut self.body);
        let record = body.records.remove(at).expect("the caller found it there");
        let emptied = body.discount_owner(&record);
        if let Some(front) = body.records.front() {
            self.first = front.id;
        }
        self.note_removed(&record, emptied);
        record
    }

    /// Takes out every record of which `gone` says so; asks about each once. May leave none.
    pub(super) fn remove_if(&mut self, mut gone: impl FnMut(&Record) -> bool) {
        let body = Arc::make_mut(&mut self.body);
        body.records.retain(|record| !gone(record));
        self.summarize();
    }

    /// Moves the upper half to a chunk of its own.
    pub(super) fn split(&mut self) -> Self {
        let half = self.len() / 2;
        let upper = Arc::make_mut(&mut self.body).records.split_off(half);
        self.summarize();
        Self::over(Arc::new(Body { records: upper, owners: [0; OWNER_BUCKETS] }))
    }

    /// Takes over the records of the chunk that follows; both fit one.
    pub(super) fn absorb(&mut self, mut next: Self) {
        let records = &mut Arc::make_mut(&mut self.body).records;
        match Arc::get_mut(&mut next.body) {
            Some(body) => records.append(&mut body.records),
            None => records.extend(&next.body.records),
        }
        self.summarize();
    }

    #[inline]
    fn note_added(&mut self, record: &Record) {
        self.len += 1;
        if let Some(bucket) = bucket(record) {
            self.owner_mask |= bit(bucket);
            self.delivered_min = self.delivered_min.min(record.time);
        } else {
            self.unowned += 1;
            self.queue_min = self.queue_min.min(record.time);
        }
    }

    /// `emptied`: the bits of owners that have no record here any more.
    #[inline]
    fn note_removed(&mut self, record: &Record, emptied: u64) {
        self.len -= 1;
        self.owner_mask &= !emptied;
        let was_minimum = if record.owner.is_some() {
            record.time <= self.delivered_min
        } else {
            self.unowned -= 1;
            record.time <= self.queue_min
        };
        if was_minimum || self.stale > 0 {
            self.stale += 1;
            if self.stale >= STALE_MAX {
                self.refresh_minima();
            }
        }
    }

    fn refresh_minima(&mut self) {
        let (delivered, queue) = self.minima();
        self.delivered_min = delivered.unwrap_or(u64::MAX);
        self.queue_min = queue.unwrap_or(u64::MAX);
        self.stale = 0;
    }

    /// The lowest times of owned and of unowned records.
    fn minima(&self) -> (Option<u64>, Option<u64>) {
        let times = |owned: bool| {
            let kind = self.records().iter().filter(move |record| record.owner.is_some() == owned);
            kind.map(|record| record.time).min()
        };
        (times(true), times(false))
    }

    /// Derives the whole summary from the records.
    fn summarize(&mut self) {
        let body = Arc::make_mut(&mut self.body);
        body.owners = [0; OWNER_BUCKETS];
        self.owner_mask = 0;
        self.unowned = 0;
        for record in &body.records {
            if let Some(bucket) = bucket(record) {
                body.owners[bucket] += 1;
                self.owner_mask |= bit(bucket);
            } else {
                self.unowned += 1;
            }
        }
        self.len = u8::try_from(body.records.len()).expect("CHUNK_MAX fits a byte");
        self.first = body.records.front().map_or(EntryId::MIN, |record| record.id);
        self.refresh_minima();
    }

    /// Panics when the summary differs from the records.
    pub(super) fn check(&self) {
        assert!(self.len() <= CHUNK_MAX && self.len > 0, "chunk of {} records", self.len);
        let mut fresh = self.clone();
        fresh.summarize();
        assert_eq!(self.len, fresh.len, "length");
        assert_eq!(self.first, fresh.first, "first id");
        assert_eq!(self.unowned, fresh.unowned, "unowned records");
        assert_eq!(self.body.owners, fresh.body.owners, "owner counts");
        assert_eq!(self.owner_mask, fresh.owner_mask, "owner mask");
        let exact = self.stale == 0;
        assert!(self.delivered_min <= fresh.delivered_min, "bound of delivery times");
        assert!(self.queue_min <= fresh.queue_min, "bound of queue places");
        let same = (self.delivered_min, self.queue_min) == (fresh.delivered_min, fresh.queue_min);
        assert!(!exact || same, "exact minima");
        let ids = self.records().iter().map(|record| record.id);
        assert!(ids.is_sorted_by(|a, b| a < b), "ids ascend");
    }
}

/// Room for one more, doubling up to a full chunk and never beyond.
#[inline]
fn reserve(records: &mut VecDeque<Record>) {
    if records.len() == records.capacity() {
        let more = records.len().max(FIRST_ROOM).min(CHUNK_MAX - records.len());
        records.reserve_exact(more);
    }
}
