//! Numbers of a consumer: kept for its health, and told to the `metrics` facade where a program
//! has installed a recorder before the consumer was built.
//!
//! Names are `millstream_worker_<what>_total`, `millstream_worker_in_hand`,
//! `millstream_worker_queue_wait_seconds` (from the entry's ID to its first handler) and, as
//! OpenTelemetry calls it, `messaging.process.duration` (seconds). Labels: `stream` (several with
//! commas), `group`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A number that only grows.
pub(super) struct Tally {
    count: AtomicU64,
    #[cfg(feature = "metrics")]
    meter: metrics::Counter,
}

/// A number that goes up and down.
pub(super) struct Level {
    count: AtomicU64,
    #[cfg(feature = "metrics")]
    meter: metrics::Gauge,
}

/// Times in seconds.
pub(super) struct Times {
    #[cfg(feature = "metrics")]
    meter: metrics::Histogram,
}

/// Makes the numbers of one consumer.
pub(super) struct Meters {
    #[cfg(feature = "metrics")]
    labels: Vec<metrics::Label>,
}

impl Meters {
    pub(super) fn new(streams: &[String], group: &str) -> Self {
        #[cfg(feature = "metrics")]
        {
            let stream = metrics::Label::new("stream", streams.join(","));
            Self { labels: vec![stream, metrics::Label::new("group", group.to_owned())] }
        }
        #[cfg(not(feature = "metrics"))]
        {
            let _ = (streams, group);
            Self {}
        }
    }

    pub(super) fn tally(&self, name: &'static str) -> Tally {
        #[cfg(not(feature = "metrics"))]
        let _ = name;
        Tally {
            count: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            meter: metrics::counter!(name, self.labels.clone()),
        }
    }

    pub(super) fn level(&self, name: &'static str) -> Level {
        #[cfg(not(feature = "metrics"))]
        let _ = name;
        Level {
            count: AtomicU64::new(0),
            #[cfg(feature = "metrics")]
            meter: metrics::gauge!(name, self.labels.clone()),
        }
    }

    pub(super) fn times(&self, name: &'static str) -> Times {
        #[cfg(not(feature = "metrics"))]
        let _ = name;
        Times {
            #[cfg(feature = "metrics")]
            meter: metrics::histogram!(name, self.labels.clone()),
        }
    }
}

impl Tally {
    pub(super) fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.meter.increment(count);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Level {
    pub(super) fn add(&self, more: u64) {
        self.count.fetch_add(more, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.meter.increment(more as f64);
    }

    /// Not below zero: what ends while it is reset was taken away there.
    pub(super) fn take_away(&self, less: u64) {
        let rest = |count: u64| Some(count.saturating_sub(less));
        let before = self.count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest);
        let taken = before.map_or(0, |before| before.min(less));
        #[cfg(feature = "metrics")]
        self.meter.decrement(taken as f64);
        #[cfg(not(feature = "metrics"))]
        let _ = taken;
    }

    /// To zero.
    pub(super) fn reset(&self) {
        let was = self.count.swap(0, Ordering::Relaxed);
        #[cfg(feature = "metrics")]
        self.meter.decrement(was as f64);
        #[cfg(not(feature = "metrics"))]
        let _ = was;
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl Times {
    pub(super) fn note(&self, time: Duration) {
        #[cfg(feature = "metrics")]
        self.meter.record(time.as_secs_f64());
        #[cfg(not(feature = "metrics"))]
        let _ = time;
    }
}
