//! What of the list is available, when, and in which order.

use super::{PendingList, note_stale, scale_of};
use crate::EntryId;
use crate::pending::record::PendingEntry;
use crate::pending::walk::{Available, Selection, Walk};

/// What may be taken over, in the order in which it is.
#[derive(Debug)]
pub struct AvailableEntries<'a> {
    list: &'a PendingList,
    walk: Option<Walk<'a>>,
}

impl AvailableEntries<'_> {
    /// Where the list looked too early: give that to [`PendingList::settle`].
    pub fn stale(&self) -> impl Iterator<Item = EntryId> {
        self.walk.iter().flat_map(Walk::stale)
    }
}

impl Iterator for AvailableEntries<'_> {
    type Item = PendingEntry;

    fn next(&mut self) -> Option<PendingEntry> {
        let (record, _) = self.walk.as_mut()?.next()?;
        Some(self.list.entry(record))
    }
}

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
    /// Costs nothing when there is none and none was removed lately; else about the square root of
    /// the number of chunks to start, then little for each entry taken. The same holds for the
    /// others.
    #[must_use]
    pub fn oldest_until(&self, until_ms: u64) -> AvailableEntries<'_> {
        let none = self.counts.queued == 0 && self.bounds.delivery.time > until_ms;
        let walk = (!none).then(|| self.walk(Selection::Delivered { until_ms }));
        AvailableEntries { list: self, walk }
    }

    /// What may be handed out in a managed group, but for what is used up: the queue, what has a
    /// delay that is over, and owned entries whose time is over, longest ago first.
    ///
    /// `has_unowned`: those without an owner, too. `visibility_ms`: how long an owned one is not
    /// available; 0: for ever. `min_idle_ms`: one that is idle for so long is, whatever else holds.
    #[must_use]
    pub fn available(
        &self,
        now_ms: u64,
        has_unowned: bool,
        visibility_ms: u64,
        min_idle_ms: Option<u64>,
    ) -> AvailableEntries<'_> {
        let visibility_ms = (visibility_ms > 0).then_some(visibility_ms);
        let available = Available {
            delayed_until_ms: has_unowned.then_some(now_ms),
            due_until_ms: visibility_ms.and_then(|ms| now_ms.checked_sub(ms)),
            idle_until_ms: min_idle_ms.and_then(|ms| now_ms.checked_sub(ms)),
            is_by_delivery: min_idle_ms.is_some(),
        };
        let until = |bound: u64, limit: Option<u64>| limit.is_some_and(|limit| bound <= limit);
        let some = has_unowned && self.counts.queued > 0
            || until(self.bounds.delay, available.delayed_until_ms)
            || until(self.bounds.due.time, available.due_until_ms)
            || until(self.bounds.delivery.time, available.idle_until_ms);
        let walk = some.then(|| self.walk(Selection::Available(available)));
        AvailableEntries { list: self, walk }
    }

    /// Derives again when what is there is available, so that nobody looks there too early again.
    pub fn settle(&mut self, stale: &[EntryId]) {
        for &id in stale {
            let index = self.chunk_at(id);
            let Some(chunk) = self.chunks.get_mut(index) else { continue };
            let before = *chunk.bounds();
            note_stale(&mut self.stale_chunks, chunk.is_stale(), false);
            chunk.refresh_bounds(scale_of(&self.timing, self.next_tie));
            self.note_raised(index, &before);
        }
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
        let walk = self.walk(Selection::upcoming(unowned_after_ms, visibility_ms, min_idle_ms));
        walk.map(|(record, key)| (self.entry(record), key.time()))
    }

    /// When the first of them is available, with what has no owner or without. Costs nothing where
    /// nobody removed the first ones lately.
    pub fn next_available_ms(
        &mut self,
        has_unowned: bool,
        visibility_ms: u64,
        min_idle_ms: Option<u64>,
    ) -> Option<u64> {
        let unowned_after_ms = (!has_unowned).then_some(u64::MAX);
        let selection = Selection::upcoming(unowned_after_ms, visibility_ms, min_idle_ms);
        let bound = selection.bound(&self.bounds, self.scale())?;
        if self.has_exact_bounds() {
            return Some(bound.time());
        }
        let mut walk = self.walk(selection);
        let first_ms = walk.next().map(|(_, key)| key.time());
        let stale: Vec<_> = walk.stale().collect();
        self.settle(&stale);
        first_ms
    }

    /// When the owned entry was delivered that was delivered first.
    #[must_use]
    pub fn oldest_delivery_ms(&self) -> Option<u64> {
        self.walk(Selection::Owned).map(|(record, _)| record.time).next()
    }

    /// What is used up and has to go until then, the longest ago first.
    pub fn used_up_until(&self, until_ms: u64) -> AvailableEntries<'_> {
        let some = self.bounds.used_up.time <= until_ms;
        let walk = some.then(|| self.walk(Selection::UsedUp { until_ms }));
        AvailableEntries { list: self, walk }
    }

    /// Whether an entry as it is now is used up: it will not be handed out again.
    #[must_use]
    pub fn is_used_up(&self, id: EntryId) -> bool {
        let Some((index, at)) = self.find(id) else { return false };
        let record = &self.chunks[index].records()[at];
        self.timing.as_ref().is_some_and(|timing| timing.is_used_up(record))
    }

    fn walk(&self, selection: Selection) -> Walk<'_> {
        let sections = self.sections.as_deref();
        Walk::new(&self.chunks, sections, selection, self.scale())
    }
}
