//! The one place where clocks are read.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use millstream_engine::Now;

/// Wall clock and time since the start.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// Starts to count.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// The present.
    #[must_use]
    pub fn now(self) -> Now {
        self.at(Instant::now())
    }

    /// The same moment as `instant`, which was read just now.
    #[must_use]
    #[inline]
    pub fn at(self, instant: Instant) -> Now {
        let monotonic = instant.saturating_duration_since(self.started);
        Now { wall_ms: millis(since_1970()), monotonic_ms: millis(monotonic) }
    }

    /// Time since the start.
    #[must_use]
    pub fn uptime(self) -> Duration {
        self.started.elapsed()
    }
}

/// A moment of a clock that costs an eighth of [`Instant::now`] (3 ns against 26, measured) and
/// moves every few milliseconds only: whether two are equal says whether little time went by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(Coarse);

/// Longer than the time between two ticks: 1, 4 or 10 ms, as the kernel was built.
pub const TICK_MAX: Duration = Duration::from_millis(10);

#[cfg(target_os = "linux")]
type Coarse = rustix::time::Timespec;
#[cfg(not(target_os = "linux"))]
type Coarse = Instant;

impl Tick {
    /// The present tick.
    #[cfg(target_os = "linux")]
    #[must_use]
    #[inline]
    pub fn now() -> Self {
        Self(rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse))
    }

    /// Always a new one, which is slower and never wrong.
    #[cfg(not(target_os = "linux"))]
    #[must_use]
    pub fn now() -> Self {
        Self(Instant::now())
    }
}

/// Wall time; 0 before 1970.
#[must_use]
#[inline]
pub fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// In whole milliseconds.
#[must_use]
#[inline]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
