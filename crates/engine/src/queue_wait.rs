//! How long entries waited for their first delivery to a group.
//!
//! From the milliseconds of an entry's id to the clock's at its delivery: what a producer wrote as
//! an id of its own counts as such. Doublings of a millisecond; a run of entries that waited about
//! equally long, as nearly all do, is counted at once.

use millstream_model::EntryId;

/// The last one is for whatever is longer than the one before it: 37 hours.
const BUCKETS: usize = 29;

/// How many entries waited for how long.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueWait {
    counts: [u64; BUCKETS],
    sum_ms: u64,
}

impl QueueWait {
    /// Entries that were counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Milliseconds that they waited together.
    #[must_use]
    pub fn sum_ms(&self) -> u64 {
        self.sum_ms
    }

    /// How many waited no longer than so many milliseconds, for each doubling.
    pub fn doublings(&self) -> impl Iterator<Item = (u64, u64)> {
        let mut seen = 0;
        self.counts[..BUCKETS - 1].iter().enumerate().map(move |(power, count)| {
            seen += count;
            (1 << power, seen)
        })
    }

    /// Entries are delivered for the first time, ascending.
    pub(crate) fn add(&mut self, now_ms: u64, ids: &[EntryId]) {
        let wait = |id: &EntryId| now_ms.saturating_sub(id.ms);
        // Wraps where somebody's ids are nonsense, and costs less than to look.
        let waited_ms = ids.iter().map(wait).fold(0, u64::wrapping_add);
        self.sum_ms = self.sum_ms.saturating_add(waited_ms);
        let mut left = ids;
        while let Some(first) = left.first() {
            let bucket = bucket(wait(first));
            // Those behind it waited less, or as long.
            let run = match left.last() {
                Some(last) if self::bucket(wait(last)) == bucket => left.len(),
                _ => left.partition_point(|id| self::bucket(wait(id)) == bucket),
            };
            self.counts[bucket] += run as u64;
            left = &left[run..];
        }
    }
}

fn bucket(wait_ms: u64) -> usize {
    let doublings = u64::BITS - wait_ms.saturating_sub(1).leading_zeros();
    (doublings as usize).min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(ms: u64) -> EntryId {
        EntryId { ms, seq: 0 }
    }

    #[test]
    fn waits_are_counted_by_doublings() {
        let mut waits = QueueWait::default();
        // 0, 1, 2, 3, 4 and 5 ms, then some from long ago, and one from the future.
        waits.add(1000, &[995, 996, 997, 998, 999, 1000].map(id));
        waits.add(1 << 40, &[1, 2].map(id));
        waits.add(1000, &[id(2000)]);
        let shown: Vec<_> = waits.doublings().collect();
        assert_eq!(shown[..5], [(1, 3), (2, 4), (4, 6), (8, 7), (16, 7)]);
        assert_eq!(shown[27], (1 << 27, 7));
        assert_eq!((waits.count(), waits.sum_ms()), (9, 15 + (2 << 40) - 3));
    }

    #[test]
    fn a_run_at_once_is_what_its_entries_are_one_by_one() {
        let ids: Vec<_> = (0..300).map(|n| id(900 + n / 3)).collect();
        let (mut at_once, mut one_by_one) = (QueueWait::default(), QueueWait::default());
        at_once.add(1000, &ids);
        at_once.add(1100, &ids[..30]);
        ids.iter().for_each(|id| one_by_one.add(1000, &[*id]));
        ids[..30].iter().for_each(|id| one_by_one.add(1100, &[*id]));
        assert_eq!(at_once, one_by_one);
    }
}
