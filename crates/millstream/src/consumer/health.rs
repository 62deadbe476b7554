//! How a consumer is doing, for whoever looks after it.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::meters::{Level, Meters, Tally, Times};
use crate::milliseconds::milliseconds;

/// A view of a running consumer; cheap to clone, and of use after its end.
#[derive(Clone, Debug)]
pub struct ConsumerHealth {
    /// Of each worker.
    shared: Arc<[Arc<Counters>]>,
}

/// Counted since the consumer was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// Since the server last answered a read, or the consumer was built. Longer than the block time
    /// and some seconds: it cannot poll. Zero while it has enough to do.
    pub since_poll: Duration,
    /// Reads that failed one after the other until now; 0: the last one was answered.
    pub failed_polls: u64,
    /// Messages that it has now: being handled, waiting for their turn, or for their next try.
    pub in_hand: u64,
    /// Messages that were taken, again or for the first time.
    pub taken: u64,
    /// Messages that were done and acknowledged.
    pub acknowledged: u64,
    /// Messages that were done too late: the server had given them to somebody else, or they were
    /// settled already. They were or will be handled twice.
    pub late: u64,
    /// Tries that failed; panics are among them.
    pub failed: u64,
    /// Handlers that panicked.
    pub panicked: u64,
    /// Messages that this consumer moved to the dead letters, or told the server to.
    pub dead_lettered: u64,
    /// Messages that were given back unhandled at the end.
    pub handed_back: u64,
}

pub(super) struct Counters {
    since: Instant,
    polled_ms: AtomicU64,
    /// It is not to poll now: nothing is wrong with that.
    is_at_rest: AtomicBool,
    is_busy: AtomicBool,
    failed_polls: AtomicU64,
    pub(super) in_hand: Level,
    pub(super) taken: Tally,
    pub(super) acknowledged: Tally,
    pub(super) late: Tally,
    pub(super) failed: Tally,
    pub(super) panicked: Tally,
    pub(super) dead_lettered: Tally,
    pub(super) handed_back: Tally,
    /// From an entry's ID to the beginning of its first handler.
    pub(super) queue_wait: Times,
    pub(super) process_duration: Times,
}

impl Counters {
    pub(super) fn new(streams: &[String], group: &str) -> Self {
        let meters = Meters::new(streams, group);
        Self {
            since: Instant::now(),
            polled_ms: AtomicU64::new(0),
            is_at_rest: AtomicBool::new(false),
            is_busy: AtomicBool::new(false),
            failed_polls: AtomicU64::new(0),
            in_hand: meters.level("millstream_worker_in_hand"),
            taken: meters.tally("millstream_worker_taken_total"),
            acknowledged: meters.tally("millstream_worker_acknowledged_total"),
            late: meters.tally("millstream_worker_late_total"),
            failed: meters.tally("millstream_worker_failed_total"),
            panicked: meters.tally("millstream_worker_panicked_total"),
            dead_lettered: meters.tally("millstream_worker_dead_lettered_total"),
            handed_back: meters.tally("millstream_worker_handed_back_total"),
            queue_wait: meters.times("millstream_worker_queue_wait_seconds"),
            process_duration: meters.times("messaging.process.duration"),
        }
    }

    pub(super) fn note_poll(&self) {
        self.polled_ms.store(milliseconds(self.since.elapsed()), Ordering::Relaxed);
        self.failed_polls.store(0, Ordering::Relaxed);
    }

    /// Whether it has nothing to poll.
    pub(super) fn set_at_rest(&self, is_at_rest: bool) {
        self.note_poll();
        self.in_hand.reset();
        self.is_at_rest.store(is_at_rest, Ordering::Relaxed);
    }

    /// Whether it has enough to do, and polls when some of that is done.
    pub(super) fn set_busy(&self, is_busy: bool) {
        self.polled_ms.store(milliseconds(self.since.elapsed()), Ordering::Relaxed);
        self.is_busy.store(is_busy, Ordering::Relaxed);
    }

    /// Returns how many those are in a row.
    pub(super) fn note_failed_poll(&self) -> u64 {
        self.failed_polls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").field("taken", &self.taken.count()).finish_non_exhaustive()
    }
}

impl ConsumerHealth {
    pub(super) fn new(shared: Arc<[Arc<Counters>]>) -> Self {
        Self { shared }
    }

    /// How it is doing now.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        let sum = |report: HealthReport, more: HealthReport| HealthReport {
            // As bad as the worst.
            since_poll: report.since_poll.max(more.since_poll),
            failed_polls: report.failed_polls.max(more.failed_polls),
            in_hand: report.in_hand + more.in_hand,
            taken: report.taken + more.taken,
            acknowledged: report.acknowledged + more.acknowledged,
            late: report.late + more.late,
            failed: report.failed + more.failed,
            panicked: report.panicked + more.panicked,
            dead_lettered: report.dead_lettered + more.dead_lettered,
            handed_back: report.handed_back + more.handed_back,
        };
        self.shared.iter().map(|counters| counters.report()).fold(HealthReport::default(), sum)
    }
}

impl Counters {
    fn report(&self) -> HealthReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let polled = Duration::from_millis(read(&self.polled_ms));
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let has_no_need = is_set(&self.is_at_rest) || is_set(&self.is_busy);
        let since_poll = if has_no_need { Duration::ZERO } else { self.since.elapsed() };
        HealthReport {
            since_poll: since_poll.saturating_sub(polled),
            failed_polls: read(&self.failed_polls),
            in_hand: self.in_hand.count(),
            taken: self.taken.count(),
            acknowledged: self.acknowledged.count(),
            late: self.late.count(),
            failed: self.failed.count(),
            panicked: self.panicked.count(),
            dead_lettered: self.dead_lettered.count(),
            handed_back: self.handed_back.count(),
        }
    }
}
