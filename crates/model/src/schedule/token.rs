//! The name of one delayed entry: when it is due, then its place among those of that time.

use std::fmt;

use crate::EntryId;

/// Names a delayed entry for ever. Ordered by `due_ms`, then `sequence`: the order of firing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduleToken {
    /// Unix milliseconds.
    pub due_ms: u64,
    /// Grows with each addition to the stream, from 1 on; never used again.
    pub sequence: u64,
}

impl ScheduleToken {
    /// The id under which its fields are kept.
    #[must_use]
    pub fn payload_id(self) -> EntryId {
        EntryId::new(0, self.sequence)
    }
}

impl fmt::Display for ScheduleToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.due_ms, self.sequence)
    }
}
