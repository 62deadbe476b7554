//! The one place where the server reads clocks.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_engine::Now;

/// Wall clock and time since the start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    started: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { started: Instant::now() }
    }

    pub(crate) fn now(self) -> Now {
        self.at(Instant::now())
    }

    /// The same moment as `instant`, which was read just now.
    pub(crate) fn at(self, instant: Instant) -> Now {
        let monotonic = instant.saturating_duration_since(self.started);
        Now { wall_ms: millis(since_1970()), monotonic_ms: millis(monotonic) }
    }

    pub(crate) fn uptime(self) -> Duration {
        self.started.elapsed()
    }
}

/// Wall time; 0 before 1970.
pub(crate) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
