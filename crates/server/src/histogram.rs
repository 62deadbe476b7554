//! How often something took how long.
//!
//! Eight buckets for each power of two, so a reading is at most an eighth too high. Adding is one
//! plain addition by the thread that owns the histogram; others read, and add histograms up.

use crate::statistics::Counter;

/// Everything below 64 ns shares the first bucket.
const FIRST_POWER: u32 = 6;
/// Everything from here on, 34 s, shares the last one.
const LAST_POWER: u32 = 35;
const PER_POWER_BITS: u32 = 3;
const PER_POWER: usize = 1 << PER_POWER_BITS;
const BUCKETS: usize = 2 + (LAST_POWER - FIRST_POWER) as usize * PER_POWER;

/// The histogram of one command on one worker.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: [Counter; BUCKETS],
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| Counter::default()) }
    }
}

impl Histogram {
    pub(crate) fn add(&self, nanoseconds: u64, count: u64) {
        self.buckets[index(nanoseconds)].add(count);
    }

    pub(crate) fn reset(&self) {
        self.buckets.iter().for_each(Counter::reset);
    }
}

fn index(nanoseconds: u64) -> usize {
    let power = nanoseconds.max(1).ilog2();
    match power {
        ..FIRST_POWER => 0,
        LAST_POWER.. => BUCKETS - 1,
        _ => {
            let part = (nanoseconds >> (power - PER_POWER_BITS)) as usize % PER_POWER;
            1 + (power - FIRST_POWER) as usize * PER_POWER + part
        }
    }
}

/// The highest time of a bucket; of the last, which has none, its lowest.
fn highest(index: usize) -> u64 {
    if index == 0 {
        return (1 << FIRST_POWER) - 1;
    }
    if index == BUCKETS - 1 {
        return 1 << LAST_POWER;
    }
    let (power, part) = ((index - 1) / PER_POWER, (index - 1) % PER_POWER);
    let parts = (PER_POWER + part + 1) as u64;
    // FIRST_POWER is more than PER_POWER_BITS.
    (parts << (power as u32 + FIRST_POWER - PER_POWER_BITS)) - 1
}

/// The sum of histograms at one moment.
#[derive(Debug)]
pub(crate) struct Distribution {
    counts: Vec<u64>,
}

impl Distribution {
    pub(crate) fn of<'a>(all: impl Iterator<Item = &'a Histogram>) -> Self {
        let mut counts = vec![0; BUCKETS];
        for histogram in all {
            for (sum, counter) in counts.iter_mut().zip(&histogram.buckets) {
                *sum += counter.get();
            }
        }
        Self { counts }
    }

    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The time within which so many of a hundred stayed, in nanoseconds.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let wanted = (self.total() as f64 * percent / 100.0).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return highest(index);
            }
        }
        0
    }

    /// How many took less than so many nanoseconds, for each doubling from 2^`first` to 2^`last`,
    /// all of which are bounds of buckets.
    pub(crate) fn below_powers(&self, first: u32, last: u32) -> Vec<(u64, u64)> {
        let below = |power: u32| {
            let end: u64 = 1 << power;
            let counts = self.counts.iter().enumerate();
            counts.take_while(|(index, _)| highest(*index) < end).map(|(_, count)| count).sum()
        };
        (first..=last).map(|power| (1 << power, below(power))).collect()
    }

    /// How many took no longer than so many microseconds, for each doubling at which there are
    /// more than before. Redis doubles from 1024 ns and shows where its own buckets end: 1, 2, 4,
    /// 8, 16, 33, 66 and so on.
    pub(crate) fn doublings(&self) -> Vec<(u64, u64)> {
        const REDIS_FIRST_POWER: u32 = 10;
        let mut shown = Vec::new();
        let (mut seen, mut before) = (0, 0);
        let mut index = 0;
        for power in REDIS_FIRST_POWER..=LAST_POWER + 1 {
            while index < BUCKETS && (highest(index) < 1 << power || power > LAST_POWER) {
                seen += self.counts[index];
                index += 1;
            }
            if seen > before {
                let nanoseconds = (1_u64 << power) + (1 << (power - 7)) - 1;
                shown.push((nanoseconds / 1000, seen));
                before = seen;
            }
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_lies_in_its_bucket_and_below_its_end() {
        for nanoseconds in (0..5000).chain([1 << 20, (1 << 20) - 1, 123_456_789, 1 << 34]) {
            let at = index(nanoseconds);
            assert!(nanoseconds <= highest(at), "{nanoseconds} in {at}");
            assert!(at == 0 || nanoseconds > highest(at - 1), "{nanoseconds} in {at}");
        }
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn percentiles_are_at_most_an_eighth_too_high() {
        let histogram = Histogram::default();
        (1..=1000).for_each(|number| histogram.add(number * 1000, 1));
        let all = Distribution::of([&histogram, &Histogram::default()].into_iter());
        assert_eq!(all.total(), 1000);
        for (percent, exact) in [(50.0, 500_000), (99.0, 990_000), (99.9, 999_000)] {
            let shown = all.percentile(percent);
            assert!((exact..exact * 9 / 8).contains(&shown), "{percent}: {shown}");
        }
        histogram.reset();
        assert_eq!(Distribution::of(std::iter::once(&histogram)).percentile(50.0), 0);
    }

    #[test]
    fn what_took_less_is_counted_with_what_took_more() {
        let histogram = Histogram::default();
        for nanoseconds in [1, (1 << 16) - 1, 1 << 16, 1 << 17, u64::MAX] {
            histogram.add(nanoseconds, 1);
        }
        let all = Distribution::of(std::iter::once(&histogram));
        assert_eq!(all.below_powers(16, 18), [(1 << 16, 2), (1 << 17, 3), (1 << 18, 4)]);
        assert_eq!(all.below_powers(34, 34), [(1 << 34, 4)]);
    }

    #[test]
    fn doublings_are_cumulative_and_named_as_redis_names_them() {
        let histogram = Histogram::default();
        for microseconds in [0, 1, 3, 20, 20, 100_000] {
            histogram.add(microseconds * 1000, 1);
        }
        histogram.add(u64::MAX, 1);
        let all = Distribution::of(std::iter::once(&histogram));
        let last = ((1_u64 << 36) + (1 << 29) - 1) / 1000;
        assert_eq!(all.doublings(), [(1, 2), (4, 3), (33, 5), (135_266, 6), (last, 7)]);
    }
}
