//! Walks some of a pending list in time order, as far as somebody asks.
//!
//! A heap holds places. A section first stands there with its lower bound; only when that comes to
//! the top do its chunks stand there with theirs, and only when one of those does are its records
//! sorted. So the start costs some sections and the chunks of one, and each record taken costs a
//! step in the heap.

use super::bounds::{Bounds, End, Moment};
use super::chunk::Chunk;
use super::record::{Kind, Record, TimeKey};
use super::sections::Sections;
use super::timing::Scale;
use crate::EntryId;
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::ops::Range;

/// Which records, in which order.
#[derive(Clone, Copy, Debug)]
pub(super) enum Selection {
    /// All: the queue, what is delayed, then owned ones by time of delivery.
    All,
    /// The queue, and what was delivered until then: a list without timing.
    Delivered { until_ms: u64 },
    /// What may be handed out: the queue, ended delays, then owned ones.
    Available(Available),
    /// The same that may be handed out now or ever, by the time from which on.
    Upcoming { unowned_after_ms: Option<u64>, visibility_ms: u64, min_idle_ms: u64 },
    /// Owned ones by time of delivery.
    Owned,
    /// What is used up and has to go until then, by that time.
    UsedUp { until_ms: u64 },
}

/// What of a list may be handed out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Available {
    /// Delays until then are over; `None`: nothing without an owner is handed out.
    pub(super) delayed_until_ms: Option<u64>,
    /// Owned ones whose time is so.
    pub(super) due_until_ms: Option<u64>,
    /// Owned ones that were delivered until then, whatever else is said of them.
    pub(super) idle_until_ms: Option<u64>,
    /// Owned ones are in the order of their delivery, not of their time.
    pub(super) is_by_delivery: bool,
}

impl Selection {
    pub(super) fn upcoming(
        unowned_after_ms: Option<u64>,
        visibility_ms: u64,
        min_idle_ms: Option<u64>,
    ) -> Self {
        let visibility_ms = if visibility_ms == 0 { u64::MAX } else { visibility_ms };
        let min_idle_ms = min_idle_ms.unwrap_or(u64::MAX);
        Self::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms }
    }

    /// Calls for each record of a chunk that is meant, with its place.
    fn for_each_meant(
        &self,
        records: &VecDeque<Record>,
        scale: Scale<'_>,
        add: impl FnMut(u8, TimeKey),
    ) {
        let timing = scale.timing;
        let place = |kind, time| Some(TimeKey::lowest(kind, time));
        // What decides between equal times; elsewhere the order of the chunks does.
        let exact_place = |record: &Record, kind, time| {
            let rank = record.owner.map_or(0, |_| scale.rank(record.tie));
            Some(TimeKey::new(kind, time, rank))
        };
        // A loop for each, so that it is not asked again for each record what is wanted.
        match *self {
            Self::All => {
                for_each(records, add, |record| exact_place(record, record.kind(), record.time));
            }
            Self::Owned => for_each(records, add, |record| {
                record.owner.is_some().then(|| place(Kind::Owned, record.time))?
            }),
            Self::Delivered { until_ms } => for_each(records, add, |record| match record.kind() {
                Kind::Owned if record.time > until_ms => None,
                Kind::Delayed => None,
                kind => exact_place(record, kind, record.time),
            }),
            Self::UsedUp { until_ms } => for_each(records, add, |record| {
                let timing = timing.filter(|timing| timing.is_used_up(record))?;
                let at_ms = timing.goes_at(record);
                (at_ms <= until_ms).then(|| exact_place(record, Kind::Queued, at_ms))?
            }),
            Self::Available(available) => match timing {
                None => for_each(records, add, |record| {
                    let (kind, time) = available.place(record, record.time)?;
                    exact_place(record, kind, time)
                }),
                Some(timing) => for_each(records, add, |record| {
                    if timing.is_used_up(record) {
                        return None;
                    }
                    let (kind, time) = available.place(record, timing.due(record))?;
                    exact_place(record, kind, time)
                }),
            },
            Self::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms } => {
                for_each(records, add, |record| {
                    if timing.is_some_and(|timing| timing.is_used_up(record)) {
                        return None;
                    }
                    let due = || timing.map_or(record.time, |timing| timing.due(record));
                    let at_ms = match record.kind() {
                        Kind::Queued if unowned_after_ms.is_none() => 0,
                        Kind::Delayed if unowned_after_ms < Some(record.time) => record.time,
                        Kind::Owned => owned_at(due(), record.time, visibility_ms, min_idle_ms),
                        Kind::Queued | Kind::Delayed => return None,
                    };
                    (at_ms < u64::MAX).then(|| place(Kind::Queued, at_ms))?
                });
            }
        }
    }

    /// At or before the place of every record with such bounds that is meant; `None`: none is.
    pub(super) fn bound(&self, bounds: &Bounds, scale: Scale<'_>) -> Option<TimeKey> {
        let is_there = |bound: u64, limit: Option<u64>| {
            bound < u64::MAX && limit.is_some_and(|limit| bound <= limit)
        };
        let least = |kind, time| Some(TimeKey::lowest(kind, time));
        let owned = |at: Moment| Some(TimeKey::new(Kind::Owned, at.time, scale.rank(at.tie)));
        match *self {
            Self::Owned => {
                let oldest = bounds.oldest_delivery();
                (oldest < u64::MAX).then(|| least(Kind::Owned, oldest))?
            }
            // Used-up records have no bound of their own kind.
            Self::All => least(Kind::Queued, 0),
            Self::Delivered { .. } if bounds.queue < u64::MAX => least(Kind::Queued, bounds.queue),
            Self::Delivered { until_ms } => {
                is_there(bounds.delivery.time, Some(until_ms)).then(|| owned(bounds.delivery))?
            }
            Self::UsedUp { until_ms } => {
                let End { time, .. } = bounds.used_up;
                let key = || TimeKey::new(Kind::Queued, time, bounds.used_up.rank(scale));
                is_there(time, Some(until_ms)).then(key)
            }
            Self::Available(available) => {
                if is_there(bounds.queue, available.delayed_until_ms.map(|_| u64::MAX)) {
                    least(Kind::Queued, bounds.queue)
                } else if is_there(bounds.delay, available.delayed_until_ms) {
                    least(Kind::Delayed, bounds.delay)
                } else if is_there(bounds.due.time, available.due_until_ms)
                    || is_there(bounds.delivery.time, available.idle_until_ms)
                {
                    let by_delivery = available.is_by_delivery;
                    owned(if by_delivery { bounds.delivery } else { bounds.due })
                } else {
                    None
                }
            }
            Self::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms } => {
                let owned =
                    owned_at(bounds.due.time, bounds.delivery.time, visibility_ms, min_idle_ms);
                let has_queue = unowned_after_ms.is_none() && bounds.queue < u64::MAX;
                let after = |ms: u64| bounds.delay.max(ms.saturating_add(1));
                let delay = unowned_after_ms.map_or(bounds.delay, after);
                let at_ms = if has_queue { 0 } else { delay.min(owned) };
                (at_ms < u64::MAX).then(|| least(Kind::Queued, at_ms))?
            }
        }
    }
}

/// Calls with the places of those records that have one.
#[inline]
fn for_each(
    records: &VecDeque<Record>,
    mut add: impl FnMut(u8, TimeKey),
    place: impl Fn(&Record) -> Option<TimeKey>,
) {
    // In this order: a full chunk has as many records as a byte can count, and no more.
    for (record, at) in records.iter().zip(0..) {
        if let Some(key) = place(record) {
            add(at, key);
        }
    }
}

impl Available {
    /// What a record is ordered by that is not used up, if it may be handed out.
    #[inline]
    fn place(&self, record: &Record, due: u64) -> Option<(Kind, u64)> {
        let until = |limit: Option<u64>, ms| limit.is_some_and(|limit| ms <= limit);
        let kind = record.kind();
        let is_meant = match kind {
            Kind::Queued => self.delayed_until_ms.is_some(),
            Kind::Delayed => until(self.delayed_until_ms, record.time),
            Kind::Owned => until(self.due_until_ms, due) || until(self.idle_until_ms, record.time),
        };
        let by_delivery = kind != Kind::Owned || self.is_by_delivery;
        is_meant.then_some((kind, if by_delivery { record.time } else { due }))
    }
}

/// When something owned is available: at its time, or once it was idle for so long.
fn owned_at(due: u64, delivered: u64, visibility_ms: u64, min_idle_ms: u64) -> u64 {
    due.saturating_add(visibility_ms).min(delivered.saturating_add(min_idle_ms))
}

/// Yields records, earliest first, each with its place.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    heap: BinaryHeap<Place>,
    chunks: &'a VecDeque<Chunk>,
    selection: Selection,
    scale: Scale<'a>,
    /// Chunks whose bounds were found to be too low.
    stale: Vec<usize>,
}

#[derive(Debug)]
struct Place {
    key: TimeKey,
    /// Position of the chunk, or of the first one of the section: decides between equal keys.
    index: usize,
    stage: Stage,
}

/// How far it is known what stands at a place. `key` is a mere bound at first.
#[derive(Debug)]
enum Stage {
    /// Chunks up to this one, without it.
    Section(usize),
    Chunk,
    /// What is left of the chunk, latest first.
    Sorted(Vec<TimeKey>),
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        chunks: &'a VecDeque<Chunk>,
        sections: Option<&Sections>,
        selection: Selection,
        scale: Scale<'a>,
    ) -> Self {
        let (heap, stale) = (BinaryHeap::new(), Vec::new());
        let mut walk = Self { heap, chunks, selection, scale, stale };
        match sections {
            None => walk.add_chunks(0..chunks.len()),
            Some(sections) => {
                let places = sections.iter(chunks.len()).filter_map(|(range, bounds)| {
                    let key = selection.bound(bounds, scale)?;
                    Some(Place { key, index: range.start, stage: Stage::Section(range.end) })
                });
                walk.heap.extend(places);
            }
        }
        walk
    }

    /// The first ids of chunks whose bounds were found to be too low.
    pub(super) fn stale(&self) -> impl Iterator<Item = EntryId> {
        self.stale.iter().map(|index| self.chunks[*index].first_id())
    }

    fn add_chunks(&mut self, range: Range<usize>) {
        let chunks = range.clone().zip(self.chunks.range(range));
        let places = chunks.filter_map(|(index, chunk)| {
            let key = self.selection.bound(chunk.bounds(), self.scale)?;
            Some(Place { key, index, stage: Stage::Chunk })
        });
        self.heap.extend(places);
    }

    /// What is meant of a chunk, latest first.
    fn sort(&self, chunk: &Chunk) -> Vec<TimeKey> {
        let mut sorted = Vec::with_capacity(chunk.len());
        self.selection.for_each_meant(chunk.records(), self.scale, |at, key| {
            sorted.push(key.with_place(at));
        });
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted
    }
}

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Record, TimeKey);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut place = self.heap.peek_mut()?;
            let index = place.index;
            match &mut place.stage {
                Stage::Section(end) => {
                    let range = index..*end;
                    PeekMut::pop(place);
                    self.add_chunks(range);
                }
                Stage::Chunk => {
                    let bound = PeekMut::pop(place).key;
                    let chunk = &self.chunks[index];
                    let sorted = self.sort(chunk);
                    let key = sorted.last().map(|key| key.without_place());
                    if key != Some(bound) && chunk.is_stale() {
                        self.stale.push(index);
                    }
                    if let Some(key) = key {
                        self.heap.push(Place { key, index, stage: Stage::Sorted(sorted) });
                    }
                }
                Stage::Sorted(sorted) => {
                    let taken = sorted.pop().expect("an exhausted chunk leaves the heap");
                    match sorted.last() {
                        Some(&key) => place.key = key.without_place(),
                        None => drop(PeekMut::pop(place)),
                    }
                    return Some((&self.chunks[index].records()[taken.place()], taken));
                }
            }
        }
    }
}

impl Ord for Place {
    /// The greatest is the next to go: earliest key, then chunk order. Places cover ranges of
    /// chunks that do not overlap, so what a bound further back stands for belongs behind a record
    /// with the same key. Where many are equal, as what was given up on, one chunk is looked at
    /// after the other, and not all of them first.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |place: &Self| (place.key, place.index, matches!(place.stage, Stage::Sorted(_)));
        rank(other).cmp(&rank(self))
    }
}

impl PartialOrd for Place {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place {}
