//! The earliest of each kind of time among some records.

use super::record::{Kind, Record};
use super::timing::Timing;

/// At or below the time of every record of the kind; `u64::MAX` where there is none, or nothing
/// that will ever be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Places in the queue.
    pub(super) queue: u64,
    /// Ends of delays.
    pub(super) delay: u64,
    /// Times of delivery, whether used up or not.
    pub(super) delivery: u64,
    /// [`Timing::due`] of owned records; unused without timing.
    pub(super) due: u64,
    /// [`Timing::goes_at`] of what is used up, which is in none of the others but `delivery`.
    pub(super) used_up: u64,
}

impl Bounds {
    pub(super) const NONE: Self = Self {
        queue: u64::MAX,
        delay: u64::MAX,
        delivery: u64::MAX,
        due: u64::MAX,
        used_up: u64::MAX,
    };

    #[inline]
    pub(super) fn of(record: &Record, timing: Option<&Timing>) -> Self {
        let mut bounds = Self::NONE;
        let kind = record.kind();
        if kind == Kind::Owned {
            bounds.delivery = record.time;
        }
        let timing = match timing {
            Some(timing) if timing.is_used_up(record) => {
                bounds.used_up = timing.goes_at(record);
                return bounds;
            }
            timing => timing,
        };
        match kind {
            Kind::Queued => bounds.queue = record.time,
            Kind::Delayed => bounds.delay = record.time,
            Kind::Owned => {
                bounds.due = timing.map_or(u64::MAX, |timing| timing.due(record));
            }
        }
        bounds
    }

    pub(super) fn of_all<'r>(
        records: impl IntoIterator<Item = &'r Record>,
        timing: Option<&Timing>,
    ) -> Self {
        records.into_iter().fold(Self::NONE, |all, record| all.min(Self::of(record, timing)))
    }

    #[inline]
    pub(super) fn min(self, other: Self) -> Self {
        Self {
            queue: self.queue.min(other.queue),
            delay: self.delay.min(other.delay),
            delivery: self.delivery.min(other.delivery),
            due: self.due.min(other.due),
            used_up: self.used_up.min(other.used_up),
        }
    }

    /// Whether these may be higher once something with such times is gone.
    #[inline]
    pub(super) fn may_rise_without(&self, gone: &Self) -> bool {
        let touches = |bound: u64, gone: u64| gone <= bound && gone != u64::MAX;
        touches(self.queue, gone.queue)
            || touches(self.delay, gone.delay)
            || touches(self.delivery, gone.delivery)
            || touches(self.due, gone.due)
            || touches(self.used_up, gone.used_up)
    }

    /// Whether each is at or below the other's.
    pub(super) fn is_below(&self, exact: &Self) -> bool {
        self.min(*exact) == *self
    }
}
