//! What of a group's pending entries a read takes over, and in which order.
//!
//! What is idle for long enough (CLAIM), and what the group's policy makes available. Must not know
//! entries and replies. Tests: `tests/it/policy.rs`, `tests/it/parked_claims.rs`.

use millstream_model::{AvailableEntries, EntryId, Group, PendingEntry};

use super::GroupReader;

/// What of a group's pending entries a read may take over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TakeOver {
    /// What is idle for so long (CLAIM).
    min_idle_ms: Option<u64>,
    /// As the group's policy says.
    policy: Option<PolicyOfRead>,
}

#[derive(Clone, Copy, Debug)]
struct PolicyOfRead {
    visibility_ms: u64,
    /// What has an owner may get another one, but nothing else gets one.
    is_full: bool,
}

impl TakeOver {
    /// `None`: nothing is taken over.
    pub(crate) fn of(group: &Group, reader: &GroupReader, claim: Option<u64>) -> Option<Self> {
        // With NOACK and CLAIM what is idle is taken over, but nothing that waits for its time.
        let is_meant = !reader.noack || claim.is_some();
        let policy = group.policy().filter(|_| is_meant).map(|policy| PolicyOfRead {
            visibility_ms: if reader.noack { 0 } else { policy.visibility_ms },
            is_full: free_places(group) == 0,
        });
        (claim.is_some() || policy.is_some()).then_some(Self { min_idle_ms: claim, policy })
    }

    /// Whether nothing without an owner gets one.
    pub(crate) fn is_full(&self) -> bool {
        self.policy.is_some_and(|policy| policy.is_full)
    }

    /// The same without what has no owner.
    fn of_owned(mut self) -> Self {
        if let Some(policy) = &mut self.policy {
            policy.is_full = true;
        }
        self
    }

    /// Earliest first.
    fn available<'g>(&self, group: &'g Group, now_ms: u64) -> TakeableEntries<'g> {
        let pending = group.pending();
        let min_idle_ms = self.min_idle_ms;
        let found = match self.policy {
            Some(policy) => {
                pending.available(now_ms, !policy.is_full, policy.visibility_ms, min_idle_ms)
            }
            None => pending.oldest_until(now_ms.saturating_sub(min_idle_ms.unwrap_or(u64::MAX))),
        };
        // Nothing owned is old enough where time has not run for so long.
        let is_too_early = self.policy.is_none() && min_idle_ms.is_none_or(|ms| ms > now_ms);
        TakeableEntries { found, is_unowned_only: is_too_early }
    }

    /// What a read takes over of what is available: no more without an owner than there are places.
    /// `look` says what becomes of a record; `None`: it takes no place.
    pub(super) fn taken<T, L>(self, group: &Group, now_ms: u64, look: L) -> TakenEntries<'_, L>
    where
        L: FnMut(PendingEntry) -> Option<T>,
    {
        let (available, stale) = (self.available(group, now_ms), Vec::new());
        TakenEntries {
            take_over: self,
            group,
            now_ms,
            places: free_places(group),
            available,
            look,
            stale,
        }
    }

    /// What is available now or later, and from when on, earliest first. Of what has no owner, in a
    /// group that is full, what is not available yet: who waits is told of a free place.
    pub(crate) fn upcoming<'g>(
        &self,
        group: &'g Group,
        now_ms: u64,
    ) -> impl Iterator<Item = (PendingEntry, u64)> + 'g {
        let visibility_ms = self.policy.map_or(0, |policy| policy.visibility_ms);
        let unowned_after_ms = self.is_full().then_some(now_ms);
        group.pending().upcoming(unowned_after_ms, visibility_ms, self.min_idle_ms)
    }

    /// After the delivery of an entry, the least time until another read may take it over.
    pub(crate) fn least_wait_ms(&self) -> Option<u64> {
        let visibility_ms = self.policy.map(|policy| policy.visibility_ms).filter(|ms| *ms > 0);
        visibility_ms.into_iter().chain(self.min_idle_ms).min()
    }
}

/// What may be taken over now.
struct TakeableEntries<'g> {
    found: AvailableEntries<'g>,
    is_unowned_only: bool,
}

impl Iterator for TakeableEntries<'_> {
    type Item = PendingEntry;

    #[inline]
    fn next(&mut self) -> Option<PendingEntry> {
        // What has no owner comes first.
        self.found.next().filter(|entry| !self.is_unowned_only || entry.owner.is_none())
    }
}

/// What is taken over now: see [`TakeOver::taken`].
pub(super) struct TakenEntries<'g, L> {
    take_over: TakeOver,
    group: &'g Group,
    now_ms: u64,
    places: usize,
    available: TakeableEntries<'g>,
    look: L,
    stale: Vec<EntryId>,
}

impl<L> TakenEntries<'_, L> {
    /// Where the pending list looked too early: for
    /// [`Stream::settle`](millstream_model::Stream::settle).
    pub(super) fn into_stale(mut self) -> Vec<EntryId> {
        self.stale.extend(self.available.found.stale());
        self.stale
    }
}

impl<T, L: FnMut(PendingEntry) -> Option<T>> Iterator for TakenEntries<'_, L> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        loop {
            let record = self.available.next()?;
            let takes_place = record.owner.is_none();
            if takes_place && self.places == 0 {
                // What has an owner stands behind all that has none.
                self.stale.extend(self.available.found.stale());
                self.available = self.take_over.of_owned().available(self.group, self.now_ms);
                continue;
            }
            if let Some(looked) = (self.look)(record) {
                self.places -= usize::from(takes_place);
                return Some(looked);
            }
        }
    }
}

/// How many more entries may have an owner.
pub(crate) fn free_places(group: &Group) -> usize {
    let max = group.policy().map_or(0, |policy| policy.in_flight_max);
    if max == 0 {
        return usize::MAX;
    }
    let owned = group.pending().len() - group.pending().unowned_len();
    usize::try_from(max).unwrap_or(usize::MAX).saturating_sub(owned)
}
