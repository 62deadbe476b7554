//! Durations as commands take them.

use std::time::Duration;

/// Whole milliseconds, rounded down; as many as a number can be where there are more.
pub(crate) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
