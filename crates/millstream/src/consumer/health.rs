//! How a consumer is doing, for whoever looks after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::milliseconds::milliseconds;

/// A view of a running consumer; cheap to clone, and of use after its end.
#[derive(Clone, Debug)]
pub struct ConsumerHealth {
    shared: Arc<Counters>,
}

/// Counted since the consumer was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthReport {
    /// Since the server last answered a read, or the consumer was built. Longer than the block time
    /// and some seconds: it cannot poll.
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

#[derive(Debug)]
pub(super) struct Counters {
    since: Instant,
    polled_ms: AtomicU64,
    failed_polls: AtomicU64,
    pub(super) in_hand: AtomicU64,
    pub(super) taken: AtomicU64,
    pub(super) acknowledged: AtomicU64,
    pub(super) late: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) dead_lettered: AtomicU64,
    pub(super) handed_back: AtomicU64,
}

impl Counters {
    pub(super) fn new() -> Self {
        let zero = AtomicU64::default;
        Self {
            since: Instant::now(),
            polled_ms: zero(),
            failed_polls: zero(),
            in_hand: zero(),
            taken: zero(),
            acknowledged: zero(),
            late: zero(),
            failed: zero(),
            panicked: zero(),
            dead_lettered: zero(),
            handed_back: zero(),
        }
    }

    pub(super) fn note_poll(&self) {
        self.polled_ms.store(milliseconds(self.since.elapsed()), Ordering::Relaxed);
        self.failed_polls.store(0, Ordering::Relaxed);
    }

    /// Returns how many those are in a row.
    pub(super) fn note_failed_poll(&self) -> u64 {
        self.failed_polls.fetch_add(1, Ordering::Relaxed) + 1
    }
}

pub(super) fn add(counter: &AtomicU64, count: u64) {
    counter.fetch_add(count, Ordering::Relaxed);
}

impl ConsumerHealth {
    pub(super) fn new(shared: Arc<Counters>) -> Self {
        Self { shared }
    }

    /// How it is doing now.
    #[must_use]
    pub fn report(&self) -> HealthReport {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let shared = &*self.shared;
        let polled = Duration::from_millis(read(&shared.polled_ms));
        HealthReport {
            since_poll: shared.since.elapsed().saturating_sub(polled),
            failed_polls: read(&shared.failed_polls),
            in_hand: read(&shared.in_hand),
            taken: read(&shared.taken),
            acknowledged: read(&shared.acknowledged),
            late: read(&shared.late),
            failed: read(&shared.failed),
            panicked: read(&shared.panicked),
            dead_lettered: read(&shared.dead_lettered),
            handed_back: read(&shared.handed_back),
        }
    }
}
