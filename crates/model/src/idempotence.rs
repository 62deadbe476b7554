//! Which productions a stream remembers, so that a repeated one adds nothing.
//!
//! A producer's table maps idempotent ids to entries, oldest insertion first out. Ordered maps, no
//! hashing: the ids come from clients. Tested in `stream/tests.rs` and by scenarios.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::EntryId;

/// Settings and tables of one stream.
#[derive(Clone, Debug)]
pub struct Idempotence {
    duration_s: u32,
    per_producer_max: u32,
    producers: BTreeMap<Box<[u8]>, Producer>,
    tracked: usize,
    added: u64,
    duplicates: u64,
}

#[derive(Clone, Debug, Default)]
struct Producer {
    oldest_first: VecDeque<Arc<[u8]>>,
    entries: BTreeMap<Arc<[u8]>, EntryId>,
    /// At most the smallest `ms` in `entries`: nothing is due before it is.
    ms_min: u64,
}

/// How long, in seconds, a production is remembered, and how many for each producer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdempotenceLimits {
    /// 1 to 86,400.
    pub duration_s: u32,
    /// 1 to 10,000.
    pub per_producer_max: u32,
}

impl Default for IdempotenceLimits {
    /// Redis' defaults.
    fn default() -> Self {
        Self { duration_s: 100, per_producer_max: 100 }
    }
}

impl Idempotence {
    /// Empty tables under the given limits.
    #[must_use]
    pub fn new(limits: IdempotenceLimits) -> Self {
        Self {
            duration_s: limits.duration_s,
            per_producer_max: limits.per_producer_max,
            producers: BTreeMap::new(),
            tracked: 0,
            added: 0,
            duplicates: 0,
        }
    }

    /// The limits in force.
    #[must_use]
    pub fn limits(&self) -> IdempotenceLimits {
        IdempotenceLimits { duration_s: self.duration_s, per_producer_max: self.per_producer_max }
    }

    /// Producers with at least one remembered production.
    #[must_use]
    pub fn producer_count(&self) -> usize {
        self.producers.len()
    }

    /// Whether a production of this producer is remembered.
    #[must_use]
    pub fn has_producer(&self, producer: &[u8]) -> bool {
        self.producers.contains_key(producer)
    }

    /// Remembered productions of all producers.
    #[must_use]
    pub fn tracked(&self) -> usize {
        self.tracked
    }

    /// Productions ever remembered.
    #[must_use]
    pub fn added(&self) -> u64 {
        self.added
    }

    /// Repeated productions ever recognised.
    #[must_use]
    pub fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// The entry that this production made, if it is remembered.
    #[must_use]
    pub fn find(&self, producer: &[u8], iid: &[u8]) -> Option<EntryId> {
        self.producers.get(producer)?.entries.get(iid).copied()
    }

    /// What is remembered: producer, idempotent id, entry; of each producer oldest insertion first.
    pub fn productions(&self) -> impl Iterator<Item = (&[u8], &[u8], EntryId)> {
        self.producers.iter().flat_map(|(producer, table)| {
            let of_id = |iid: &'_ Arc<[u8]>| table.entries[iid];
            table.oldest_first.iter().map(move |iid| (&**producer, &**iid, of_id(iid)))
        })
    }

    /// Sets the counters of productions ever remembered and ever recognised as repeated.
    pub fn set_counts(&mut self, added: u64, duplicates: u64) {
        self.added = added;
        self.duplicates = duplicates;
    }

    /// Counts a repeated production.
    pub fn count_duplicate(&mut self) {
        self.duplicates += 1;
    }

    /// Remembers a production, forgetting the producer's oldest one when there are too many.
    ///
    /// # Panics
    /// If it is remembered already.
    pub fn insert(&mut self, producer: &[u8], iid: &[u8], entry: EntryId) {
        if !self.producers.contains_key(producer) {
            self.producers.insert(producer.into(), Producer::default());
        }
        let table = self.producers.get_mut(producer).expect("inserted above");
        let iid: Arc<[u8]> = iid.into();
        let ms_min = if table.entries.is_empty() { entry.ms } else { table.ms_min.min(entry.ms) };
        let before = table.entries.insert(Arc::clone(&iid), entry);
        assert!(before.is_none(), "a production is remembered once");
        table.ms_min = ms_min;
        table.oldest_first.push_back(iid);
        self.tracked += 1;
        self.added += 1;
        while table.oldest_first.len() > self.per_producer_max as usize {
            let oldest = table.oldest_first.pop_front().expect("longer than the limit");
            table.entries.remove(&oldest);
            self.tracked -= 1;
        }
    }

    /// Changes the limits; if one really changes, all tables are forgotten. The counters stay.
    pub fn set_limits(&mut self, limits: IdempotenceLimits) {
        if limits != self.limits() {
            self.duration_s = limits.duration_s;
            self.per_producer_max = limits.per_producer_max;
            self.producers.clear();
            self.tracked = 0;
        }
    }

    /// The largest `ms` of an entry whose production is due to be forgotten at `now_ms`, if any is.
    #[must_use]
    pub fn due(&self, now_ms: u64) -> Option<u64> {
        let cutoff = now_ms.checked_sub(u64::from(self.duration_s) * 1000)?;
        self.producers.values().any(|table| table.ms_min <= cutoff).then_some(cutoff)
    }

    /// Forgets the productions of all entries whose `ms` is at most `cutoff_ms`.
    pub fn expire(&mut self, cutoff_ms: u64) {
        let mut forgotten = 0;
        self.producers.retain(|_, table| {
            if table.ms_min > cutoff_ms {
                return true;
            }
            let before = table.entries.len();
            table.entries.retain(|_, id| id.ms > cutoff_ms);
            forgotten += before - table.entries.len();
            let entries = &table.entries;
            table.oldest_first.retain(|iid| entries.contains_key(iid));
            table.ms_min = entries.values().map(|id| id.ms).min().unwrap_or(u64::MAX);
            !table.entries.is_empty()
        });
        self.tracked -= forgotten;
    }

    /// Bytes on the heap, roughly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.producers
            .iter()
            .map(|(name, table)| {
                let ids: usize = table.oldest_first.iter().map(|iid| iid.len() + 88).sum();
                name.len() + 120 + ids
            })
            .sum()
    }

    /// Re-derives what is counted.
    ///
    /// # Panics
    /// If a counter or an index is wrong.
    pub fn check(&self) {
        let mut tracked = 0;
        for table in self.producers.values() {
            assert!(!table.entries.is_empty(), "a producer without productions is dropped");
            assert_eq!(table.entries.len(), table.oldest_first.len());
            assert!(table.oldest_first.iter().all(|iid| table.entries.contains_key(iid)));
            assert!(table.entries.values().all(|id| id.ms >= table.ms_min));
            assert!(table.entries.len() <= self.per_producer_max as usize);
            tracked += table.entries.len();
        }
        assert_eq!(self.tracked, tracked);
    }
}
