//! How long syncs of the log took: since the start, and in about the last minute.
//!
//! One thread counts, without a lock; INFO reads. The minute is made of parts of ten seconds, of
//! which the oldest is used anew: what nobody synced for a minute has no percentiles.

use std::time::{Duration, Instant};

use crate::histogram::{Distribution, Histogram};
use crate::statistics::Counter;

const PART: Duration = Duration::from_secs(10);
/// A minute, and the part that has just begun.
const PARTS: u64 = 7;

#[derive(Debug)]
pub(crate) struct FsyncTimes {
    begun: Instant,
    all: Histogram,
    nanoseconds: Counter,
    recent: [Part; PARTS as usize],
}

/// The syncs of ten seconds.
#[derive(Debug, Default)]
struct Part {
    /// Which ones; 0: it was never used.
    number: Counter,
    histogram: Histogram,
}

impl FsyncTimes {
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            all: Histogram::default(),
            nanoseconds: Counter::default(),
            recent: std::array::from_fn(|_| Part::default()),
        }
    }

    /// On the thread that syncs only.
    pub(crate) fn add(&self, took: Duration) {
        self.add_at(self.number(), took);
    }

    fn add_at(&self, number: u64, took: Duration) {
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.all.add(nanoseconds, 1);
        self.nanoseconds.add(nanoseconds);
        let part = &self.recent[(number % PARTS) as usize];
        if part.number.get() != number {
            part.histogram.reset();
            part.number.add(number - part.number.get());
        }
        part.histogram.add(nanoseconds, 1);
    }

    pub(crate) fn all(&self) -> Distribution {
        Distribution::of(std::iter::once(&self.all))
    }

    pub(crate) fn microseconds(&self) -> u64 {
        self.nanoseconds.get() / 1000
    }

    /// Those of the last minute.
    pub(crate) fn recent(&self) -> Distribution {
        self.recent_at(self.number())
    }

    fn recent_at(&self, number: u64) -> Distribution {
        let recent = self.recent.iter().filter(|part| part.number.get() + PARTS > number);
        Distribution::of(recent.map(|part| &part.histogram))
    }

    fn number(&self) -> u64 {
        // From where no part that was never used counts.
        self.begun.elapsed().as_secs() / PART.as_secs() + PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_minute_is_recent() {
        let times = FsyncTimes::new();
        times.add_at(7, Duration::from_millis(100));
        times.add_at(8, Duration::from_millis(1));
        assert_eq!(times.recent_at(13).total(), 2);
        assert!(times.recent_at(13).percentile(99.0) >= 100_000_000);
        // The part of the first one is used anew.
        times.add_at(14, Duration::from_millis(1));
        assert_eq!(times.recent_at(14).total(), 2);
        assert!(times.recent_at(14).percentile(99.0) < 2_000_000);
        assert_eq!(times.recent_at(20).total(), 1);
        assert_eq!(times.recent_at(100).total(), 0);
        assert_eq!((times.all().total(), times.microseconds()), (3, 102_000));
    }
}
