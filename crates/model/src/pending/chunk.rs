//! Up to `CHUNK_MAX` records in id order, and a summary that lets scans pass them by.
//!
//! 1. `first` and `len` are those of the records; a chunk in a list is never empty.
//! 2. `owners` counts the owned records by `owner % 64`; bit n of `owner_mask` is set exactly when
//!    count n is not 0.
//! 3. `bounds` are at or below the times of the records, as the list's timing says them. They are
//!    exact while `stale` is 0: removing the minimum would otherwise cost a scan each time, and in
//!    a list worked off in order every removal is that of the minimum.
//! 4. `failures` are of records that are there.
//!
//! Records sit behind an `Arc`, so a clone of the list costs its chunks and not its records.

use super::bounds::{Bounds, Times};
use super::failure::Failure;
use super::record::Record;
use super::timing::Scale;
use crate::EntryId;
use std::collections::{BTreeMap, VecDeque};
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
    bounds: Bounds,
    owner_mask: u64,
    len: u8,
    stale: u8,
    body: Arc<Body>,
}

#[derive(Clone, Debug)]
struct Body {
    records: VecDeque<Record>,
    owners: [u8; OWNER_BUCKETS],
    /// Of few records, most of the time of none.
    failures: BTreeMap<EntryId, Arc<Failure>>,
}

/// What came of replacing a record.
pub(super) struct Replaced {
    pub(super) old: Record,
    /// The bounds there were, where they were derived again.
    pub(super) before: Option<Bounds>,
    /// Whether one may be lower.
    pub(super) is_lower: bool,
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
        Self::of(VecDeque::with_capacity(room))
    }

    fn of(records: VecDeque<Record>) -> Self {
        Self { records, owners: [0; OWNER_BUCKETS], failures: BTreeMap::new() }
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
        let failures: usize = self.failures.values().map(|failure| failure.heap_bytes()).sum();
        // Two reference counts stand before the value.
        2 * size_of::<usize>()
            + size_of::<Self>()
            + self.records.capacity() * size_of::<Record>()
            + failures
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
    pub(super) fn open(
        record: Record,
        times: Times,
        full_size: bool,
        spare: Option<Spare>,
        scale: Scale<'_>,
    ) -> Self {
        let room = if full_size { CHUNK_MAX } else { FIRST_ROOM };
        let reusable = spare.filter(|spare| !full_size || spare.room() >= room);
        let mut body = reusable.map_or_else(|| Arc::new(Body::new(room)), |spare| spare.0);
        // A clone of the list may still share the spare.
        if Arc::get_mut(&mut body).is_none() {
            body = Arc::new(Body::new(room));
        }
        let mut chunk = Self::over(body);
        chunk.push_back(record, times, scale);
        chunk
    }

    /// To be summarized unless it is empty.
    fn over(body: Arc<Body>) -> Self {
        let bounds = Bounds::NONE;
        Self { first: EntryId::MIN, bounds, owner_mask: 0, len: 0, stale: 0, body }
    }

    /// The storage of this chunk, when nobody shares it.
    pub(super) fn into_spare(mut self) -> Option<Spare> {
        let body = Arc::get_mut(&mut self.body)?;
        body.records.clear();
        body.owners = [0; OWNER_BUCKETS];
        if !body.failures.is_empty() {
            body.failures.clear();
        }
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

    #[inline]
    pub(super) fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Whether the bounds may be too low.
    #[inline]
    pub(super) fn is_stale(&self) -> bool {
        self.stale > 0
    }

    /// Makes the bounds exact.
    pub(super) fn refresh_bounds(&mut self, scale: Scale<'_>) {
        self.bounds = Bounds::of_all(self.records(), scale);
        self.stale = 0;
    }

    pub(super) fn failures(&self) -> &BTreeMap<EntryId, Arc<Failure>> {
        &self.body.failures
    }

    /// Notes how the record of that id, which is here, failed last.
    pub(super) fn set_failure(&mut self, id: EntryId, failure: Arc<Failure>) {
        Arc::make_mut(&mut self.body).failures.insert(id, failure);
    }

    /// Where `id` is, or where it would be.
    #[inline]
    pub(super) fn find(&self, id: EntryId) -> Result<usize, usize> {
        // A list worked off in order finds what it seeks at the front.
        if id == self.first { Ok(0) } else { self.records().binary_search_by(|r| r.id.cmp(&id)) }
    }

    /// Adds a record above all others; the chunk is not full. Returns whether a bound is lower now.
    #[inline]
    pub(super) fn push_back(&mut self, record: Record, times: Times, scale: Scale<'_>) -> bool {
        let body = Arc::make_mut(&mut self.body);
        reserve(&mut body.records, 1);
        body.records.push_back(record);
        body.count_owner(&record);
        if self.len == 0 {
            self.first = record.id;
        }
        self.note_added(&record, times, scale)
    }

    /// Adds records above all others that are like the last one, but for their ids, and with the
    /// ties after its own: they make no bound lower. There is room for them.
    pub(super) fn push_alike(&mut self, ids: &[EntryId]) {
        let body = Arc::make_mut(&mut self.body);
        reserve(&mut body.records, ids.len());
        let last = *body.records.back().expect("a chunk has a record");
        let many = u8::try_from(ids.len()).expect("CHUNK_MAX fits a byte");
        let ties = (1..).map(|n| last.tie.wrapping_add(n));
        body.records.extend(ids.iter().zip(ties).map(|(&id, tie)| Record { id, tie, ..last }));
        if let Some(bucket) = bucket(&last) {
            body.owners[bucket] += many;
        }
        self.len += many;
    }

    /// Adds a record at `at`; the chunk is not full. Returns whether a bound is lower now.
    pub(super) fn insert(
        &mut self,
        at: usize,
        record: Record,
        times: Times,
        scale: Scale<'_>,
    ) -> bool {
        let body = Arc::make_mut(&mut self.body);
        reserve(&mut body.records, 1);
        body.records.insert(at, record);
        body.count_owner(&record);
        if at == 0 {
            self.first = record.id;
        }
        self.note_added(&record, times, scale)
    }

    /// Replaces the record at `at` by one of the same id.
    pub(super) fn replace(
        &mut self,
        at: usize,
        (record, times): (Record, Times),
        scale: Scale<'_>,
    ) -> Replaced {
        let body = Arc::make_mut(&mut self.body);
        let old = std::mem::replace(&mut body.records[at], record);
        let emptied = body.discount_owner(&old);
        body.count_owner(&record);
        // In this order: a full chunk cannot count one more, and the new owner may be the old one.
        let before = self.note_removed(Times::of(&old, scale), emptied, scale);
        // What is derived again has the new record in it already.
        let is_lower = self.note_added(&record, times, scale) || before.is_some();
        Replaced { old, before, is_lower }
    }

    /// Takes the record at `at` out. Returns the bounds there were, too, where they were derived
    /// again. Those of an empty chunk stay.
    #[inline]
    pub(super) fn remove(&mut self, at: usize, scale: Scale<'_>) -> (Record, Option<Bounds>) {
        let body = Arc::make_mut(&mut self.body);
        let record = body.records.remove(at).expect("the caller found it there");
        if !body.failures.is_empty() {
            body.failures.remove(&record.id);
        }
        let emptied = body.discount_owner(&record);
        if let Some(front) = body.records.front() {
            self.first = front.id;
        }
        if body.records.is_empty() {
            (self.len, self.owner_mask) = (0, 0);
            return (record, None);
        }
        (record, self.note_removed(Times::of(&record, scale), emptied, scale))
    }

    /// Takes out every record of which `gone` says so; asks about each once. May leave none.
    pub(super) fn remove_if(&mut self, scale: Scale<'_>, mut gone: impl FnMut(&Record) -> bool) {
        let Body { records, failures, .. } = Arc::make_mut(&mut self.body);
        records.retain(|record| {
            let is_gone = gone(record);
            if is_gone {
                failures.remove(&record.id);
            }
            !is_gone
        });
        self.summarize(scale);
    }

    /// Moves the upper half to a chunk of its own.
    pub(super) fn split(&mut self, scale: Scale<'_>) -> Self {
        let half = self.len() / 2;
        let body = Arc::make_mut(&mut self.body);
        let mut upper = Body::of(body.records.split_off(half));
        if !body.failures.is_empty() {
            let first = upper.records.front().expect("it was full").id;
            upper.failures = body.failures.split_off(&first);
        }
        self.summarize(scale);
        let mut upper = Self::over(Arc::new(upper));
        upper.summarize(scale);
        upper
    }

    /// Takes over the records of the chunk that follows; both fit one.
    pub(super) fn absorb(&mut self, mut next: Self, scale: Scale<'_>) {
        let body = Arc::make_mut(&mut self.body);
        match Arc::get_mut(&mut next.body) {
            Some(next) => {
                body.records.append(&mut next.records);
                body.failures.append(&mut next.failures);
            }
            None => {
                body.records.extend(&next.body.records);
                let failures = next.body.failures.iter();
                body.failures.extend(failures.map(|(id, failure)| (*id, Arc::clone(failure))));
            }
        }
        self.summarize(scale);
    }

    #[inline]
    fn note_added(&mut self, record: &Record, times: Times, scale: Scale<'_>) -> bool {
        self.len += 1;
        if let Some(bucket) = bucket(record) {
            self.owner_mask |= bit(bucket);
        }
        self.bounds.add(times, scale)
    }

    /// `emptied`: the bits of owners that have no record here any more. Returns the bounds there
    /// were, where they were derived again.
    #[inline]
    fn note_removed(&mut self, times: Times, emptied: u64, scale: Scale<'_>) -> Option<Bounds> {
        self.len -= 1;
        self.owner_mask &= !emptied;
        if self.stale > 0 || self.bounds.rests_on(times, scale) {
            self.stale += 1;
            if self.stale >= STALE_MAX {
                let before = self.bounds;
                self.refresh_bounds(scale);
                return Some(before);
            }
        }
        None
    }

    /// Derives the whole summary from the records.
    pub(super) fn summarize(&mut self, scale: Scale<'_>) {
        let body = Arc::make_mut(&mut self.body);
        body.owners = [0; OWNER_BUCKETS];
        self.owner_mask = 0;
        for record in &body.records {
            if let Some(bucket) = bucket(record) {
                body.owners[bucket] += 1;
                self.owner_mask |= bit(bucket);
            }
        }
        self.len = u8::try_from(body.records.len()).expect("CHUNK_MAX fits a byte");
        self.first = body.records.front().map_or(EntryId::MIN, |record| record.id);
        self.refresh_bounds(scale);
    }

    /// Panics when the summary differs from the records.
    pub(super) fn check(&self, scale: Scale<'_>) {
        assert!(self.len() <= CHUNK_MAX && self.len > 0, "chunk of {} records", self.len);
        let mut fresh = self.clone();
        fresh.summarize(scale);
        assert_eq!(self.len, fresh.len, "length");
        assert_eq!(self.first, fresh.first, "first id");
        assert_eq!(self.body.owners, fresh.body.owners, "owner counts");
        assert_eq!(self.owner_mask, fresh.owner_mask, "owner mask");
        assert!(self.bounds.is_below(&fresh.bounds, scale), "bounds of times");
        assert!(self.stale > 0 || self.bounds == fresh.bounds, "exact bounds");
        let has_record = |id: &EntryId| self.find(*id).is_ok();
        assert!(self.body.failures.keys().all(has_record), "failures of records that are gone");
        let ids = self.records().iter().map(|record| record.id);
        assert!(ids.is_sorted_by(|a, b| a < b), "ids ascend");
    }
}

/// Room for more, doubling up to a full chunk and never beyond.
#[inline]
fn reserve(records: &mut VecDeque<Record>, many: usize) {
    if records.len() + many > records.capacity() {
        let more = records.len().max(FIRST_ROOM).max(many).min(CHUNK_MAX - records.len());
        records.reserve_exact(more);
    }
}
