//! Walks some of a pending list in time order, as far as somebody asks.
//!
//! A heap holds one place per chunk. A chunk first stands there with the lower bound of its
//! summary; only when that comes to the top are its records sorted. So the start costs the number
//! of chunks, and each record taken costs a step in the heap.

use super::bounds::Bounds;
use super::chunk::Chunk;
use super::record::{Kind, Record, TimeKey};
use super::timing::Timing;
use std::cmp::Ordering;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

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
    /// The place of a record; `None`: it is not meant.
    fn key(&self, record: &Record, timing: Option<&Timing>, next_tie: u32) -> Option<TimeKey> {
        let kind = record.kind();
        let tie_rank = record.tie_rank(next_tie);
        let at = |kind, time| Some(TimeKey { kind, time, tie_rank });
        let is_used_up = || timing.is_some_and(|timing| timing.is_used_up(record));
        let due = || timing.map_or(record.time, |timing| timing.due(record));
        match *self {
            Self::All => at(kind, record.time),
            Self::Owned => (kind == Kind::Owned).then(|| at(kind, record.time))?,
            Self::Delivered { until_ms } => {
                let is_meant =
                    kind == Kind::Queued || kind == Kind::Owned && record.time <= until_ms;
                is_meant.then(|| at(kind, record.time))?
            }
            Self::UsedUp { until_ms } => {
                let at_ms = timing.filter(|timing| timing.is_used_up(record))?.goes_at(record);
                (at_ms <= until_ms).then(|| at(Kind::Queued, at_ms))?
            }
            Self::Available(_) | Self::Upcoming { .. } if is_used_up() => None,
            Self::Available(available) => {
                let until = |limit: Option<u64>, ms| limit.is_some_and(|limit| ms <= limit);
                let is_meant = match kind {
                    Kind::Queued => available.delayed_until_ms.is_some(),
                    Kind::Delayed => until(available.delayed_until_ms, record.time),
                    Kind::Owned => {
                        until(available.due_until_ms, due())
                            || until(available.idle_until_ms, record.time)
                    }
                };
                let by_delivery = kind != Kind::Owned || available.is_by_delivery;
                is_meant.then(|| at(kind, if by_delivery { record.time } else { due() }))?
            }
            Self::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms } => {
                let at_ms = match kind {
                    Kind::Queued if unowned_after_ms.is_none() => 0,
                    Kind::Delayed if unowned_after_ms < Some(record.time) => record.time,
                    Kind::Owned => owned_at(due(), record.time, visibility_ms, min_idle_ms),
                    _ => return None,
                };
                (at_ms < u64::MAX).then(|| at(Kind::Queued, at_ms))?
            }
        }
    }

    /// At or before the place of every record of a chunk that is meant; `None`: none is.
    fn bound(&self, bounds: &Bounds, has_timing: bool) -> Option<TimeKey> {
        let due = if has_timing { bounds.due } else { bounds.delivery };
        let is_there = |bound: u64, limit: Option<u64>| {
            bound < u64::MAX && limit.is_some_and(|limit| bound <= limit)
        };
        let least = |kind, time| Some(TimeKey::lowest(kind, time));
        match *self {
            Self::Owned => {
                (bounds.delivery < u64::MAX).then(|| least(Kind::Owned, bounds.delivery))?
            }
            // Used-up records have no bound of their own kind.
            Self::All => least(Kind::Queued, 0),
            Self::Delivered { .. } if bounds.queue < u64::MAX => least(Kind::Queued, bounds.queue),
            Self::Delivered { until_ms } => is_there(bounds.delivery, Some(until_ms))
                .then(|| least(Kind::Owned, bounds.delivery))?,
            Self::UsedUp { until_ms } => is_there(bounds.used_up, Some(until_ms))
                .then(|| least(Kind::Queued, bounds.used_up))?,
            Self::Available(available) => {
                if is_there(bounds.queue, available.delayed_until_ms.map(|_| u64::MAX)) {
                    least(Kind::Queued, bounds.queue)
                } else if is_there(bounds.delay, available.delayed_until_ms) {
                    least(Kind::Delayed, bounds.delay)
                } else if is_there(due, available.due_until_ms)
                    || is_there(bounds.delivery, available.idle_until_ms)
                {
                    least(Kind::Owned, if available.is_by_delivery { bounds.delivery } else { due })
                } else {
                    None
                }
            }
            Self::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms } => {
                let owned = owned_at(due, bounds.delivery, visibility_ms, min_idle_ms);
                let has_queue = unowned_after_ms.is_none() && bounds.queue < u64::MAX;
                let at_ms = if has_queue { 0 } else { bounds.delay.min(owned) };
                (at_ms < u64::MAX).then(|| least(Kind::Queued, at_ms))?
            }
        }
    }
}

/// When something owned is available: at its time, or once it was idle for so long.
fn owned_at(due: u64, delivered: u64, visibility_ms: u64, min_idle_ms: u64) -> u64 {
    due.saturating_add(visibility_ms).min(delivered.saturating_add(min_idle_ms))
}

/// Yields records, earliest first.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    heap: BinaryHeap<Place<'a>>,
    selection: Selection,
    timing: Option<&'a Timing>,
    next_tie: u32,
}

#[derive(Debug)]
struct Place<'a> {
    key: TimeKey,
    /// Position of the chunk: decides between equal keys.
    index: usize,
    chunk: &'a Chunk,
    /// What is left of the chunk, latest first; `None` as long as `key` is a mere bound.
    sorted: Option<Vec<(TimeKey, u8)>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        chunks: impl Iterator<Item = &'a Chunk>,
        selection: Selection,
        timing: Option<&'a Timing>,
        next_tie: u32,
    ) -> Self {
        let places = chunks.enumerate().filter_map(|(index, chunk)| {
            let key = selection.bound(chunk.bounds(), timing.is_some())?;
            Some(Place { key, index, chunk, sorted: None })
        });
        Self { heap: places.collect(), selection, timing, next_tie }
    }

    /// Keys and positions of what is meant of a chunk, latest first.
    fn sort(selection: Selection, chunk: &Chunk, timing: Option<&Timing>, next_tie: u32) -> Sorted {
        let key = |record| selection.key(record, timing, next_tie);
        // In this order: a full chunk has as many records as a byte can count, and no more.
        let records = chunk.records().iter().zip(0..);
        let mut sorted: Vec<_> =
            records.filter_map(|(record, at)| Some((key(record)?, at))).collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        sorted
    }
}

type Sorted = Vec<(TimeKey, u8)>;

impl<'a> Iterator for Walk<'a> {
    type Item = (&'a Record, TimeKey);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let mut place = self.heap.peek_mut()?;
            let chunk = place.chunk;
            let Some(sorted) = &mut place.sorted else {
                let sorted = Self::sort(self.selection, chunk, self.timing, self.next_tie);
                match sorted.last() {
                    Some(&(key, _)) => {
                        place.key = key;
                        place.sorted = Some(sorted);
                    }
                    // The bound was lower than what is there now.
                    None => drop(PeekMut::pop(place)),
                }
                continue;
            };
            let (taken, at) = sorted.pop().expect("an exhausted chunk leaves the heap");
            match sorted.last() {
                Some(&(key, _)) => place.key = key,
                None => drop(PeekMut::pop(place)),
            }
            return Some((&chunk.records()[usize::from(at)], taken));
        }
    }
}

impl Ord for Place<'_> {
    /// The greatest is the next to go: earliest key, bounds before records, then chunk order.
    fn cmp(&self, other: &Self) -> Ordering {
        let rank = |place: &Self| (place.key, place.sorted.is_some(), place.index);
        rank(other).cmp(&rank(self))
    }
}

impl PartialOrd for Place<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Place<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Place<'_> {}
