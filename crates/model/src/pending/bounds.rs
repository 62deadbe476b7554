//! The earliest of each kind of time among some records.

use super::record::{Kind, Record};
use super::timing::{Scale, Timing};

/// A time of a record with an owner, and what decides between equal ones. Without the latter
/// whoever looks for the first of very many that were delivered at once would look at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment {
    pub(super) time: u64,
    pub(super) tie: u32,
}

impl Moment {
    const NEVER: Self = Self { time: u64::MAX, tie: 0 };

    #[inline]
    fn is_before(self, other: Self, scale: Scale<'_>) -> bool {
        self.time < other.time
            || self.time == other.time && scale.rank(self.tie) < scale.rank(other.tie)
    }

    #[inline]
    fn min(self, other: Self, scale: Scale<'_>) -> Self {
        if other.is_before(self, scale) { other } else { self }
    }
}

/// When a used-up record goes. Of one time, one without an owner goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) time: u64,
    tie: Option<u32>,
}

impl End {
    const NEVER: Self = Self { time: u64::MAX, tie: None };

    fn of(record: &Record, time: u64) -> Self {
        Self { time, tie: record.owner.map(|_| record.tie) }
    }

    pub(super) fn rank(self, scale: Scale<'_>) -> u32 {
        self.tie.map_or(0, |tie| scale.rank(tie))
    }

    fn is_before(self, other: Self, scale: Scale<'_>) -> bool {
        (self.time, self.rank(scale)) < (other.time, other.rank(scale))
    }

    fn min(self, other: Self, scale: Scale<'_>) -> Self {
        if other.is_before(self, scale) { other } else { self }
    }
}

/// The times of one record: what it adds to the [`Bounds`] of all.
#[derive(Clone, Copy, Debug)]
pub(super) enum Times {
    Owned { delivery: Moment, due: Moment },
    Queued { place: u64 },
    Delayed { until: u64 },
    UsedUp { delivery: Option<u64>, goes_at: End },
}

impl Times {
    #[inline]
    pub(super) fn of(record: &Record, scale: Scale<'_>) -> Self {
        match scale.timing {
            None => Self::untimed(record, record.time),
            Some(timing) => Self::timed(record, timing),
        }
    }

    #[inline]
    fn untimed(record: &Record, due: u64) -> Self {
        let at = |time| Moment { time, tie: record.tie };
        match record.kind() {
            Kind::Owned => Self::Owned { delivery: at(record.time), due: at(due) },
            Kind::Queued => Self::Queued { place: record.time },
            Kind::Delayed => Self::Delayed { until: record.time },
        }
    }

    fn timed(record: &Record, timing: &Timing) -> Self {
        if timing.is_used_up(record) {
            let delivery = (record.kind() == Kind::Owned).then_some(record.time);
            let goes_at = End::of(record, timing.goes_at(record));
            return Self::UsedUp { delivery, goes_at };
        }
        Self::untimed(record, timing.due(record))
    }
}

/// At or below the time of every record of the kind; never where there is none, or nothing that
/// will ever be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Places in the queue.
    pub(super) queue: u64,
    /// Ends of delays.
    pub(super) delay: u64,
    /// Times of delivery.
    pub(super) delivery: Moment,
    /// [`Timing::due`]; without timing that of the delivery.
    pub(super) due: Moment,
    /// [`Timing::goes_at`] of what is used up, which is in none of those before.
    pub(super) used_up: End,
    /// Times of delivery of what is used up.
    pub(super) used_up_delivery: u64,
}

impl Bounds {
    pub(super) const NONE: Self = Self {
        queue: u64::MAX,
        delay: u64::MAX,
        delivery: Moment::NEVER,
        due: Moment::NEVER,
        used_up: End::NEVER,
        used_up_delivery: u64::MAX,
    };

    pub(super) fn of_all<'r>(
        records: impl IntoIterator<Item = &'r Record>,
        scale: Scale<'_>,
    ) -> Self {
        let mut all = Self::NONE;
        if scale.timing.is_some() {
            records.into_iter().for_each(|record| _ = all.add(Times::of(record, scale), scale));
            return all;
        }
        for record in records {
            match record.kind() {
                Kind::Owned => {
                    let delivery = Moment { time: record.time, tie: record.tie };
                    all.delivery = all.delivery.min(delivery, scale);
                }
                Kind::Queued => all.queue = all.queue.min(record.time),
                Kind::Delayed => all.delay = all.delay.min(record.time),
            }
        }
        // Without timing that is all that there is to know.
        all.due = all.delivery;
        all
    }

    /// Takes a record in. Returns whether a bound is lower now.
    #[inline]
    pub(super) fn add(&mut self, times: Times, scale: Scale<'_>) -> bool {
        let lower = |bound: &mut u64, time: u64| {
            let is_lower = time < *bound;
            *bound = (*bound).min(time);
            is_lower
        };
        match times {
            Times::Owned { delivery, due } => {
                let is_lower = delivery.is_before(self.delivery, scale);
                if is_lower {
                    self.delivery = delivery;
                }
                let is_due_lower = due.is_before(self.due, scale);
                if is_due_lower {
                    self.due = due;
                }
                is_lower || is_due_lower
            }
            Times::Queued { place } => lower(&mut self.queue, place),
            Times::Delayed { until } => lower(&mut self.delay, until),
            Times::UsedUp { delivery, goes_at } => {
                let is_lower = goes_at.is_before(self.used_up, scale) && goes_at.time < u64::MAX;
                if is_lower {
                    self.used_up = goes_at;
                }
                lower(&mut self.used_up_delivery, delivery.unwrap_or(u64::MAX)) || is_lower
            }
        }
    }

    /// Whether a bound may rise once a record with such times is gone.
    #[inline]
    pub(super) fn rests_on(&self, gone: Times, scale: Scale<'_>) -> bool {
        match gone {
            Times::Owned { delivery, due } => {
                !self.delivery.is_before(delivery, scale) || !self.due.is_before(due, scale)
            }
            Times::Queued { place } => place <= self.queue,
            Times::Delayed { until } => until <= self.delay,
            Times::UsedUp { delivery, goes_at } => {
                goes_at.time < u64::MAX && !self.used_up.is_before(goes_at, scale)
                    || delivery.is_some_and(|delivery| delivery <= self.used_up_delivery)
            }
        }
    }

    /// Whether one of them may rise once others, at or above all of these, do.
    pub(super) fn rests_on_any(&self, others: &Self) -> bool {
        let same = |own: u64, other: u64| own == other && own < u64::MAX;
        let same_moment = |own: Moment, other| own == other && own != Moment::NEVER;
        same(self.queue, others.queue)
            || same(self.delay, others.delay)
            || same_moment(self.delivery, others.delivery)
            || same_moment(self.due, others.due)
            || self.used_up == others.used_up && self.used_up != End::NEVER
            || same(self.used_up_delivery, others.used_up_delivery)
    }

    #[inline]
    pub(super) fn min(self, other: Self, scale: Scale<'_>) -> Self {
        Self {
            queue: self.queue.min(other.queue),
            delay: self.delay.min(other.delay),
            delivery: self.delivery.min(other.delivery, scale),
            due: self.due.min(other.due, scale),
            used_up: self.used_up.min(other.used_up, scale),
            used_up_delivery: self.used_up_delivery.min(other.used_up_delivery),
        }
    }

    pub(super) fn min_of<'b>(all: impl IntoIterator<Item = &'b Self>, scale: Scale<'_>) -> Self {
        all.into_iter().fold(Self::NONE, |least, bounds| least.min(*bounds, scale))
    }

    /// When something owned was delivered first.
    pub(super) fn oldest_delivery(&self) -> u64 {
        self.delivery.time.min(self.used_up_delivery)
    }

    /// Whether each is at or below the other's.
    pub(super) fn is_below(&self, exact: &Self, scale: Scale<'_>) -> bool {
        self.min(*exact, scale) == *self
    }
}
