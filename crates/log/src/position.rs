//! A place in the endless log.

use std::fmt;

/// A byte offset in the endless log, from its very first byte on, over all segments.
///
/// Batch headers and record frames count; segment headers and the unused end of a segment do not,
/// so a segment's first position is the end of the last batch in the one before. A record is
/// durable once the durable position has reached the position that `finish` returned for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogPosition(u64);

impl LogPosition {
    /// The start of every log: nothing precedes it, so waiting for it never waits.
    pub const ZERO: Self = Self(0);

    /// The position `bytes` after the start of the log.
    #[must_use]
    pub const fn new(bytes: u64) -> Self {
        Self(bytes)
    }

    /// Bytes since the start of the log.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The position `bytes` further on.
    ///
    /// # Panics
    /// Past 2^64 bytes, which at 1 GiB/s takes 500 years.
    #[must_use]
    pub const fn plus(self, bytes: u64) -> Self {
        Self(self.0.checked_add(bytes).expect("a log stays below 2^64 bytes"))
    }

    /// Bytes from `earlier` to here, 0 if `earlier` is not earlier.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
