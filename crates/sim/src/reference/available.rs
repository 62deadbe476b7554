//! What of a group's pending entries may be handed out, and when.

use super::group::{Group, NEVER, Pending};
use super::waiters::WaitedGroup;
use super::{Reference, Stream};
use crate::command::{From, Read, Reader, Text};

impl Group {
    /// It is not handed out again, but becomes a dead letter.
    pub(super) fn is_used_up(&self, pending: &Pending) -> bool {
        let max = self.policy.deliveries_max;
        max > 0 && pending.deliveries >= max || pending.available_at_ms == NEVER
    }

    /// Since when the time of an owned one is over, without what all of the group share.
    fn due_ms(&self, pending: &Pending) -> u64 {
        let backoff_ms = self.policy.backoff_ms(pending.id, pending.deliveries);
        pending.at_ms.saturating_add(backoff_ms)
    }

    /// When it may be handed out, if it is not used up; nothing: not as long as it is as it is.
    pub(super) fn free_from(&self, pending: &Pending) -> Option<u64> {
        match (&pending.owner, self.policy.visibility_ms) {
            (None, _) => Some(pending.available_at_ms),
            (Some(_), 0) => None,
            (Some(_), visibility_ms) => Some(self.due_ms(pending).saturating_add(visibility_ms)),
        }
    }

    /// How many more may have an owner.
    pub(super) fn places(&self) -> usize {
        match self.policy.in_flight_max {
            0 => usize::MAX,
            max => (max as usize).saturating_sub(self.in_flight()),
        }
    }

    /// Whether what its policy says is for this reader.
    fn is_managed_for(&self, reader: &Reader) -> bool {
        self.policy.is_managed() && !reader.noack
    }

    /// What a read may take over, first to last: what has no owner, then what is past its time, the
    /// longest ago first; with CLAIM, the one that was delivered first.
    pub(super) fn available(&self, reader: &Reader, now_ms: u64) -> Vec<Pending> {
        let is_managed = self.is_managed_for(reader);
        let is_idle = |pending: &Pending| {
            let idle_ms = now_ms.saturating_sub(pending.at_ms);
            reader.claim_min_idle_ms.is_some_and(|min_idle_ms| idle_ms >= min_idle_ms)
        };
        let is_free = |pending: &&Pending| {
            if self.is_used_up(pending) {
                return false;
            }
            match pending.owner {
                None if is_managed || reader.claim_min_idle_ms.is_some() => {
                    pending.available_at_ms <= now_ms
                }
                None => false,
                Some(_) => {
                    let is_due = self.free_from(pending).is_some_and(|at_ms| at_ms <= now_ms);
                    is_idle(pending) || is_managed && is_due
                }
            }
        };
        let mut free: Vec<Pending> =
            self.oldest_first().into_iter().filter(is_free).cloned().collect();
        if is_managed && reader.claim_min_idle_ms.is_none() {
            free.sort_by_key(|pending| pending.owner.as_ref().map(|_| self.due_ms(pending)));
        }
        free
    }

    /// When something becomes available to a waiting reader that claims, as far as can be told now.
    fn next_ms(&self, stream: &Stream, reader: &Reader, now_ms: u64) -> Option<u64> {
        let is_managed = self.is_managed_for(reader);
        let min_idle_ms = reader.claim_min_idle_ms.filter(|_| !self.policy.is_paused)?;
        let is_full = is_managed && self.places() == 0;
        let at_ms = |pending: &Pending| match pending.owner {
            // Whoever waits is told of a free place.
            None if is_full && pending.available_at_ms <= now_ms => None,
            None => Some(pending.available_at_ms),
            Some(_) => {
                let idle = Some(pending.at_ms.saturating_add(min_idle_ms));
                self.free_from(pending).filter(|_| is_managed).into_iter().chain(idle).min()
            }
        };
        let records = self.pending.iter();
        // Without an entry it is never handed out, but others wait until it goes.
        let frees_others = is_full || self.policy.order_by.is_some();
        let is_meant = |p: &&Pending| !self.is_used_up(p) && (frees_others || stream.has(p.id));
        let found = records.filter(is_meant).filter_map(at_ms);
        // What is delivered from now on is not available before.
        let visibility_ms = Some(self.policy.visibility_ms).filter(|ms| is_managed && *ms > 0);
        let later_ms = visibility_ms.into_iter().chain([min_idle_ms]).min();
        found.chain(later_ms.map(|ms| now_ms.saturating_add(ms))).min()
    }

    /// When it has something to hand out again, whether the entry is there or gone.
    fn hands_out_ms(&self, now_ms: u64) -> Option<u64> {
        if !self.policy.is_managed() || self.policy.is_paused {
            return None;
        }
        let is_full = self.places() == 0;
        // Whoever waits is told of a free place, and looks again then.
        let is_meant =
            |pending: &&Pending| !self.is_used_up(pending) && (pending.owner.is_some() || !is_full);
        let found = self.pending.iter().filter(is_meant).filter_map(|it| self.free_from(it));
        // What is delivered from now on is not available before.
        let visibility_ms = Some(self.policy.visibility_ms).filter(|ms| *ms > 0);
        let later_ms = visibility_ms.map(|ms| now_ms.saturating_add(ms));
        Some(found.chain(later_ms).min()?.max(now_ms + 1))
    }
}

impl Reference {
    /// When a waiting read should be tried again without being asked to.
    pub(super) fn claim_at(&mut self, db: u8, read: &Read) -> Option<u64> {
        let reader = read.group.as_ref()?;
        let now_ms = self.now.steady_ms;
        let mut times = vec![now_ms + reader.claim_min_idle_ms?];
        for (key, _) in read.streams.iter().filter(|(_, from)| *from == From::New) {
            let Ok(Some(stream)) = self.stream(db, key) else { continue };
            let Some(group) = stream.groups.get(&reader.group) else { continue };
            times.extend(group.next_ms(stream, reader, now_ms));
        }
        Some(times.into_iter().min()?.max(now_ms + 1))
    }

    /// When a managed group has something to hand out again to those that wait for it.
    pub(super) fn group_time(&mut self, (db, key, group): &WaitedGroup) -> Option<u64> {
        let now_ms = self.now.steady_ms;
        let stream = self.stream(*db, key).ok().flatten()?;
        stream.groups.get(group)?.hands_out_ms(now_ms)
    }

    /// Some entries of a stream may have no owner any more: where that counts, somebody may be
    /// served.
    pub(super) fn free_places(&mut self, db: u8, key: &Text) {
        let Some(stream) = self.state.stream(db, key) else { return };
        if stream.groups.values().any(|group| group.policy.tells_of_places()) {
            self.signal(super::waiters::Signal::Ready(db, key.clone()));
        }
    }
}
