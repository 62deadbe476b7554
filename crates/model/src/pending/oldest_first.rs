//! Walks a pending list in time order, as far as somebody asks.
//!
//! A heap holds one place per chunk. A chunk first stands there with the lower bound of its
//! summary; only when that comes to the top are its records sorted. So the start costs the number
//! of chunks, and each record taken costs a step in the heap.

use super::chunk::Chunk;
use super::record::{Record, TimeKey};
use std::cmp::Ordering;
use std::collections::binary_heap::{BinaryHeap, PeekMut};

/// Yields records, earliest first.
#[derive(Debug)]
pub(super) struct OldestFirst<'a> {
    heap: BinaryHeap<Place<'a>>,
    next_tie: u32,
}

#[derive(Debug)]
struct Place<'a> {
    key: TimeKey,
    /// Position of the chunk: decides between equal keys, which only times set by hand can have.
    index: usize,
    chunk: &'a Chunk,
    /// What is left of the chunk, latest first; `None` as long as `key` is a mere bound.
    sorted: Option<Vec<(TimeKey, u8)>>,
}

impl<'a> OldestFirst<'a> {
    pub(super) fn new(chunks: impl Iterator<Item = &'a Chunk>, next_tie: u32) -> Self {
        let places = chunks.enumerate().map(|(index, chunk)| {
            let key = match chunk.queue_bound() {
                Some(place) => TimeKey::lowest(false, place),
                None => TimeKey::lowest(true, chunk.delivered_bound().unwrap_or(u64::MAX)),
            };
            Place { key, index, chunk, sorted: None }
        });
        Self { heap: places.collect(), next_tie }
    }
}

impl<'a> Iterator for OldestFirst<'a> {
    type Item = &'a Record;

    fn next(&mut self) -> Option<&'a Record> {
        loop {
            let mut place = self.heap.peek_mut()?;
            let chunk = place.chunk;
            let Some(sorted) = &mut place.sorted else {
                let sorted = sort(chunk, self.next_tie);
                place.key = sorted.last().expect("a chunk has a record").0;
                place.sorted = Some(sorted);
                continue;
            };
            let (_, at) = sorted.pop().expect("an exhausted chunk leaves the heap");
            match sorted.last() {
                Some(&(key, _)) => place.key = key,
                None => drop(PeekMut::pop(place)),
            }
            return chunk.records().get(usize::from(at));
        }
    }
}

/// Keys and positions of a chunk's records, latest first.
fn sort(chunk: &Chunk, next_tie: u32) -> Vec<(TimeKey, u8)> {
    let mut sorted: Vec<_> =
        (0..).zip(chunk.records()).map(|(at, record)| (record.time_key(next_tie), at)).collect();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted
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
