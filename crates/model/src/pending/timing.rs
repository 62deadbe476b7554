//! What decides when a pending entry is available again, beyond the time of its delivery.

use super::record::{Kind, Record};
use crate::Backoff;

/// What of a group's policy the list must know to keep its bounds. A list without orders its
/// records by time of delivery alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// So long after its delivery an owned entry is available, and what the backoff adds; 0: never.
    pub visibility_ms: u64,
    /// What is added.
    pub backoff: Option<Backoff>,
    /// By so many percent at most the backoff is shortened.
    pub jitter_percent: u8,
    /// An entry delivered so often is used up: it is not handed out again. Below `u32::MAX`.
    pub deliveries_max: Option<u32>,
}

/// What times of a list are measured by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale<'a> {
    pub(super) timing: Option<&'a Timing>,
    /// The list's counter.
    pub(super) next_tie: u32,
}

impl Scale<'_> {
    /// The place of a tie among those of one time; holds across the counter's wrap.
    #[inline]
    pub(super) fn rank(self, tie: u32) -> u32 {
        tie.wrapping_sub(self.next_tie)
    }

    /// Whether records that differ by their ids and ties alone have the same times.
    pub(super) fn is_without_ids(self) -> bool {
        self.timing.is_none_or(|timing| timing.backoff.is_none() || timing.jitter_percent == 0)
    }
}

impl Timing {
    /// When an owned record is available, without the time that all share.
    pub(super) fn due(&self, record: &Record) -> u64 {
        let wait_ms = self.backoff.map_or(0, |backoff| {
            backoff.after_with_jitter(record.id, record.count.into(), self.jitter_percent)
        });
        record.time.saturating_add(wait_ms)
    }

    pub(super) fn is_used_up(&self, record: &Record) -> bool {
        self.deliveries_max.is_some_and(|max| record.count >= max) || record.is_doomed()
    }

    /// When a record that is used up has to go.
    pub(super) fn goes_at(&self, record: &Record) -> u64 {
        match record.kind() {
            Kind::Queued => 0,
            Kind::Delayed if record.is_doomed() => 0,
            Kind::Delayed => record.time,
            Kind::Owned if self.visibility_ms == 0 => u64::MAX,
            Kind::Owned => self.due(record).saturating_add(self.visibility_ms),
        }
    }
}
