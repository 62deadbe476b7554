//! What time it is for an embedded engine: the system's, tokio's, or a test's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_engine::Now;
use millstream_runtime::{Clock, millis};
use tokio::time::Instant;

/// Where clocks of tests start: 2026-01-01 00:00:00 UTC.
const TEST_EPOCH_MS: u64 = 1_767_225_600_000;

#[derive(Clone, Debug)]
pub(crate) enum EngineClock {
    /// With a thread that waits for what is due.
    System(Clock),
    /// Moves when told to.
    Manual(Arc<ManualClock>),
    /// Moves with tokio's, which may be paused.
    Tokio(Instant),
}

/// Milliseconds since the test's epoch.
#[derive(Debug, Default)]
pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn elapsed_ms(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// Never back.
    pub(crate) fn move_to(&self, elapsed_ms: u64) {
        self.0.fetch_max(elapsed_ms, Ordering::AcqRel);
    }
}

impl EngineClock {
    pub(super) fn now(&self) -> Now {
        let elapsed_ms = match self {
            Self::System(clock) => return clock.now(),
            Self::Manual(clock) => clock.elapsed_ms(),
            Self::Tokio(since) => millis(since.elapsed()),
        };
        Now { wall_ms: TEST_EPOCH_MS + elapsed_ms, monotonic_ms: elapsed_ms }
    }
}
