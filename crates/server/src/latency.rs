//! What took long, by event, for LATENCY: the last samples of each, and its worst.
//!
//! An event is kept from `latency-monitor-threshold` milliseconds on. Names are those of Redis
//! where the same thing happens: `command` and `fast-command` (by the command's flag), `aof-write`
//! and `aof-fsync-always` (whoever writes the log), `expire-cycle` (the timer's work).

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use millstream_runtime::{millis, since_1970};
use parking_lot::Mutex;

/// Samples kept of an event, at most one a second.
const SAMPLES_MAX: usize = 160;

/// What can take long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LatencyEvent {
    /// Writing a batch of records.
    AofWrite,
    /// Syncing it before replies leave.
    AofFsyncAlways,
    /// A command.
    Command,
    /// Expiry and other work of the timer.
    ExpireCycle,
    /// A command that is said to be fast.
    FastCommand,
}

impl LatencyEvent {
    const ALL: [Self; 5] =
        [Self::AofWrite, Self::AofFsyncAlways, Self::Command, Self::ExpireCycle, Self::FastCommand];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::AofWrite => "aof-write",
            Self::AofFsyncAlways => "aof-fsync-always",
            Self::Command => "command",
            Self::ExpireCycle => "expire-cycle",
            Self::FastCommand => "fast-command",
        }
    }

    pub(crate) fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.name().as_bytes() == name)
    }
}

/// One sample: the longest of its second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    /// Seconds since 1970.
    pub(crate) at_s: u64,
    pub(crate) took_ms: u64,
}

/// The samples of one event, the oldest first; never empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Series {
    pub(crate) samples: VecDeque<Sample>,
    /// The longest since the event was reset.
    pub(crate) worst_ms: u64,
}

impl Series {
    fn add(&mut self, sample: Sample) {
        self.worst_ms = self.worst_ms.max(sample.took_ms);
        match self.samples.back_mut() {
            Some(last) if last.at_s == sample.at_s => {
                last.took_ms = last.took_ms.max(sample.took_ms);
            }
            _ => {
                if self.samples.len() == SAMPLES_MAX {
                    self.samples.pop_front();
                }
                self.samples.push_back(sample);
            }
        }
    }

    pub(crate) fn last(&self) -> Option<Sample> {
        self.samples.back().copied()
    }
}

/// All events, and the setting.
#[derive(Debug)]
pub(crate) struct LatencyEvents {
    threshold_ms: AtomicU64,
    /// `latency-tracking`: whether there are histograms of commands.
    is_tracking: AtomicBool,
    series: Mutex<BTreeMap<LatencyEvent, Series>>,
}

impl LatencyEvents {
    pub(crate) fn new(threshold_ms: u64) -> Self {
        Self {
            threshold_ms: AtomicU64::new(threshold_ms),
            is_tracking: AtomicBool::new(true),
            series: Mutex::default(),
        }
    }

    /// 0: nothing is kept.
    pub(crate) fn threshold_ms(&self) -> u64 {
        self.threshold_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn set_threshold_ms(&self, threshold_ms: u64) {
        self.threshold_ms.store(threshold_ms, Ordering::Relaxed);
    }

    pub(crate) fn is_tracking(&self) -> bool {
        self.is_tracking.load(Ordering::Relaxed)
    }

    pub(crate) fn set_tracking(&self, is_tracking: bool) {
        self.is_tracking.store(is_tracking, Ordering::Relaxed);
    }

    /// From how long on something is kept; `None` if nothing is.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        let threshold_ms = self.threshold_ms();
        (threshold_ms > 0).then(|| Duration::from_millis(threshold_ms))
    }

    /// Keeps it if it took long enough.
    pub(crate) fn note(&self, event: LatencyEvent, took: Duration) {
        if self.threshold().is_some_and(|threshold| took >= threshold) {
            let sample = Sample { at_s: since_1970().as_secs(), took_ms: millis(took) };
            self.series.lock().entry(event).or_default().add(sample);
        }
    }

    /// Does something, and keeps how long it took.
    pub(crate) fn time<T>(&self, event: LatencyEvent, work: impl FnOnce() -> T) -> T {
        if self.threshold().is_none() {
            return work();
        }
        let started = Instant::now();
        let result = work();
        self.note(event, started.elapsed());
        result
    }

    pub(crate) fn series(&self, event: LatencyEvent) -> Option<Series> {
        self.series.lock().get(&event).cloned()
    }

    pub(crate) fn all(&self) -> Vec<(LatencyEvent, Series)> {
        self.series.lock().iter().map(|(event, series)| (*event, series.clone())).collect()
    }

    /// Forgets an event; whether there was something.
    pub(crate) fn reset(&self, event: LatencyEvent) -> bool {
        self.series.lock().remove(&event).is_some()
    }

    /// Forgets all events; how many there were.
    pub(crate) fn reset_all(&self) -> usize {
        std::mem::take(&mut *self.series.lock()).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_one_sample_its_longest() {
        let mut series = Series::default();
        for (at_s, took_ms) in [(1, 5), (1, 9), (1, 7), (2, 3)] {
            series.add(Sample { at_s, took_ms });
        }
        let expected = [Sample { at_s: 1, took_ms: 9 }, Sample { at_s: 2, took_ms: 3 }];
        assert_eq!((Vec::from(series.samples.clone()), series.worst_ms), (expected.into(), 9));
        (3..500).for_each(|at_s| series.add(Sample { at_s, took_ms: 1 }));
        assert_eq!(series.samples.len(), SAMPLES_MAX);
        assert_eq!((series.last().map(|sample| sample.at_s), series.worst_ms), (Some(499), 9));
    }

    #[test]
    fn only_what_took_long_enough_is_kept() {
        let events = LatencyEvents::new(0);
        events.note(LatencyEvent::Command, Duration::from_secs(9));
        events.set_threshold_ms(20);
        events.note(LatencyEvent::Command, Duration::from_millis(19));
        assert!(events.all().is_empty());
        events.note(LatencyEvent::Command, Duration::from_millis(20));
        assert!(events.reset(LatencyEvent::Command) && !events.reset(LatencyEvent::Command));
        assert_eq!(events.reset_all(), 0);
        assert_eq!(LatencyEvent::from_name(b"aof-write"), Some(LatencyEvent::AofWrite));
    }
}
