//! What of the list is available, when, and in which order.

use super::PendingList;
use crate::EntryId;
use crate::pending::record::PendingEntry;
use crate::pending::walk::{Available, Selection, Walk};

impl PendingList {
    /// All entries in time order: the queue of those without an owner, in the order in which they
    /// came into it; those with a delay, by its end; then owned ones by delivery time, and within
    /// one time in the order of their last `upsert`.
    pub fn oldest_first(&self) -> impl Iterator<Item = PendingEntry> + '_ {
        self.walk(Selection::All).map(|(record, _)| self.entry(record))
    }

    /// The queue, then what was delivered until then, oldest first: what may be taken over in a
    /// group without a policy.
    ///
    /// Costs nothing when there is none and none was removed lately; else the number of chunks with
    /// such entries to start, then little for each entry taken. The same holds for the others here.
    pub fn oldest_until(&self, until_ms: u64) -> impl Iterator<Item = PendingEntry> + '_ {
        let none = self.counts.queued == 0 && self.bounds.delivery > until_ms;
        let walk = (!none).then(|| self.walk(Selection::Delivered { until_ms }));
        walk.into_iter().flatten().map(|(record, _)| self.entry(record))
    }

    /// What may be handed out in a managed group, but for what is used up: the queue, what has a
    /// delay that is over, and owned entries whose time is over, longest ago first.
    ///
    /// `has_unowned`: those without an owner, too. `visibility_ms`: how long an owned one is not
    /// available; 0: for ever. `min_idle_ms`: one that is idle for so long is, whatever else holds.
    pub fn available(
        &self,
        now_ms: u64,
        has_unowned: bool,
        visibility_ms: u64,
        min_idle_ms: Option<u64>,
    ) -> impl Iterator<Item = PendingEntry> + '_ {
        let visibility_ms = (visibility_ms > 0).then_some(visibility_ms);
        let available = Available {
            delayed_until_ms: has_unowned.then_some(now_ms),
            due_until_ms: visibility_ms.and_then(|ms| now_ms.checked_sub(ms)),
            idle_until_ms: min_idle_ms.and_then(|ms| now_ms.checked_sub(ms)),
            is_by_delivery: min_idle_ms.is_some(),
        };
        let due = if self.timing.is_some() { self.bounds.due } else { self.bounds.delivery };
        let until = |bound: u64, limit: Option<u64>| limit.is_some_and(|limit| bound <= limit);
        let some = has_unowned && self.counts.queued > 0
            || until(self.bounds.delay, available.delayed_until_ms)
            || until(due, available.due_until_ms)
            || until(self.bounds.delivery, available.idle_until_ms);
        let walk = some.then(|| self.walk(Selection::Available(available)));
        walk.into_iter().flatten().map(|(record, _)| self.entry(record))
    }

    /// What is available now or will be, and from when on, earliest first: 0 for the queue. With
    /// `unowned_after_ms`, without what has no owner and is available until then; the others as of
    /// [`Self::available`].
    pub fn upcoming(
        &self,
        unowned_after_ms: Option<u64>,
        visibility_ms: u64,
        min_idle_ms: Option<u64>,
    ) -> impl Iterator<Item = (PendingEntry, u64)> + '_ {
        let visibility_ms = if visibility_ms == 0 { u64::MAX } else { visibility_ms };
        let min_idle_ms = min_idle_ms.unwrap_or(u64::MAX);
        let walk = self.walk(Selection::Upcoming { unowned_after_ms, visibility_ms, min_idle_ms });
        walk.map(|(record, key)| (self.entry(record), key.time))
    }

    /// When the owned entry was delivered that was delivered first. Costs the number of chunks, and
    /// of the records of a few.
    #[must_use]
    pub fn oldest_delivery_ms(&self) -> Option<u64> {
        self.walk(Selection::Owned).map(|(record, _)| record.time).next()
    }

    /// What is used up and has to go until then, the longest ago first.
    pub fn used_up_until(&self, until_ms: u64) -> impl Iterator<Item = PendingEntry> + '_ {
        let some = self.bounds.used_up <= until_ms;
        let walk = some.then(|| self.walk(Selection::UsedUp { until_ms }));
        walk.into_iter().flatten().map(|(record, _)| self.entry(record))
    }

    /// Whether an entry as it is now is used up: it will not be handed out again.
    #[must_use]
    pub fn is_used_up(&self, id: EntryId) -> bool {
        let Some((index, at)) = self.find(id) else { return false };
        let record = &self.chunks[index].records()[at];
        self.timing.as_ref().is_some_and(|timing| timing.is_used_up(record))
    }

    fn walk(&self, selection: Selection) -> Walk<'_> {
        Walk::new(self.chunks.iter(), selection, self.timing.as_deref(), self.next_tie)
    }
}
