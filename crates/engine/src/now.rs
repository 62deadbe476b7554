//! The time as the caller tells it. The engine reads no clock.

/// Two readings of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// Unix milliseconds; may step in either direction.
    pub wall_ms: u64,
    /// Milliseconds since some fixed moment; never goes back.
    pub monotonic_ms: u64,
}

/// Unix milliseconds that never go back: monotonic time anchored once.
///
/// Idle times and delivery times use it, so that a stepping wall clock neither makes work look
/// stuck nor hides that it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SteadyClock {
    offset_ms: u64,
}

impl SteadyClock {
    /// Starts at the wall clock or at the last logged time, whichever is later.
    pub(crate) fn anchored(now: Now, last_logged_ms: u64) -> Self {
        let start = now.wall_ms.max(last_logged_ms);
        Self { offset_ms: start.saturating_sub(now.monotonic_ms) }
    }

    pub(crate) fn read(self, now: Now) -> u64 {
        self.offset_ms.saturating_add(now.monotonic_ms)
    }
}
