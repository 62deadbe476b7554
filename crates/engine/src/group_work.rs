//! What managed groups have to do without anybody asking: move used-up entries, delete consumers
//! that are gone.
//!
//! [`GroupWork`] knows when which group is due next; it is derived from the state, and kept as the
//! state changes. What it says may be too early, never too late: whoever finds nothing to do makes
//! the group say it exactly. Tests: `tests/it/dead_letters.rs`, `tests/it/consumer_ttl.rs`.

use std::collections::{BTreeSet, HashMap};

use foldhash::fast::FixedState;
use millstream_model::{ConsumerId, EntryId, GroupId, Stream};

use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectRef};
use crate::state::State;
use crate::transaction::Transaction;

/// Entries that one record group moves at most: a letter takes a few microseconds.
const LETTERS_PER_STEP: usize = 32;
/// One step moves entries of so many bytes and one more.
const BYTES_PER_STEP: u64 = 256 << 10;
/// A letter is a piece of work, or several where it is long.
const BYTES_PER_PIECE: u64 = 4 << 10;
/// A dead-letter stream that refused is asked again after so long, and twice that the next time.
const RETRY_MIN_MS: u64 = 1000;
const RETRY_MAX_MS: u64 = 60_000;
/// Consumers deleted in one step.
const CONSUMERS_PER_STEP: usize = 1000;
/// Consumers that are looked at, or deleted, in one piece of work.
const LOOKS_PER_PIECE: usize = 1000;
const DELETED_PER_PIECE: usize = 8;
/// Of a group with so many, a consumer may go a millisecond later than its time; a second at most.
const CONSUMERS_PER_MS_LATE: u64 = 100;
const CONSUMERS_LATE_MAX_MS: u64 = 1000;
/// About what is logged for a consumer that goes.
const CONSUMER_BYTES: u64 = 256;

/// What a group may have to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Task {
    /// Move used-up entries to the dead letters.
    Bury,
    /// Delete consumers that were not seen for long.
    ExpireConsumers,
}

type Place = (ObjectId, GroupId, Task);

/// When groups have something to do, in steady milliseconds.
#[derive(Debug)]
pub(crate) struct GroupWork {
    by_time: BTreeSet<(u64, Place)>,
    listed: HashMap<Place, u64, FixedState>,
    /// How often in a row a group's letters were refused, and until when it waits.
    refused: HashMap<(ObjectId, GroupId), (u32, u64), FixedState>,
}

impl GroupWork {
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self {
            by_time: BTreeSet::new(),
            listed: HashMap::with_hasher(FixedState::with_seed(hash_seed)),
            refused: HashMap::with_hasher(FixedState::with_seed(hash_seed)),
        }
    }

    fn set(&mut self, place: Place, at_ms: Option<u64>) {
        let before = match at_ms {
            Some(at_ms) => self.listed.insert(place, at_ms),
            None => self.listed.remove(&place),
        };
        if before == at_ms {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, place));
        }
        if let Some(at_ms) = at_ms {
            self.by_time.insert((at_ms, place));
        }
    }

    pub(crate) fn next_at(&self) -> Option<u64> {
        self.by_time.first().map(|(at_ms, _)| *at_ms)
    }

    fn due(&self, steady_ms: u64) -> Option<Place> {
        self.by_time.first().filter(|(at_ms, _)| *at_ms <= steady_ms).map(|(_, place)| *place)
    }

    /// Whether no group has anything to do: as long as none has such a policy.
    fn has_none(&self) -> bool {
        self.listed.is_empty() && self.refused.is_empty()
    }

    fn is_listed(&self, place: Place) -> bool {
        !self.listed.is_empty() && self.listed.contains_key(&place)
    }
}

impl State {
    /// Lists what a group has to do, after something of it changed but its policy.
    #[inline]
    pub(crate) fn list_group_work(&mut self, object: ObjectRef, group: GroupId) {
        let is_managed = || self.stream(object.slot).group(group).policy().is_some();
        if self.may_have_managed && is_managed() {
            self.list_managed_work(object, group);
        }
    }

    /// When a group has the first of what is pending to hand out again.
    pub(crate) fn next_available_ms(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        has_unowned: bool,
        visibility_ms: u64,
    ) -> Option<u64> {
        let used_up_ms = self.stream(object.slot).group(group).pending().used_up_bound_ms();
        let stream = self.stream_mut(object.slot);
        let first_ms = stream.next_available_ms(group, has_unowned, visibility_ms);
        // A look may tell more than was known.
        if stream.group(group).pending().used_up_bound_ms() != used_up_ms {
            self.list_managed_work(object, group);
        }
        first_ms
    }

    /// The same for a group that is managed, or was, or is gone.
    pub(crate) fn list_managed_work(&mut self, object: ObjectRef, group: GroupId) {
        let stream = self.stream(object.slot);
        let model = stream.has_group(group).then(|| stream.group(group));
        let is_managed = model.is_some_and(|model| model.policy().is_some());
        let bury_at = model.map_or(u64::MAX, |model| model.pending().used_up_bound_ms());
        let has_ttl = model
            .and_then(|model| Some((model.policy()?.consumer_ttl_ms > 0, model.consumer_count())))
            .is_some_and(|(has_ttl, consumers)| has_ttl && consumers > 0);
        self.may_have_managed |= is_managed;
        let work = &mut self.group_work;
        if bury_at == u64::MAX && !has_ttl && work.has_none() {
            return;
        }
        if bury_at == u64::MAX {
            work.refused.remove(&(object.id, group));
        }
        let until = work.refused.get(&(object.id, group)).map_or(0, |(_, until)| *until);
        let bury_at = (bury_at < u64::MAX).then(|| bury_at.max(until));
        work.set((object.id, group, Task::Bury), bury_at);
        let expire = (object.id, group, Task::ExpireConsumers);
        // A look at once says when to look again.
        match (has_ttl, work.is_listed(expire)) {
            (true, false) => work.set(expire, Some(0)),
            (false, true) => work.set(expire, None),
            _ => {}
        }
    }

    /// The same for a group whose policy is another one: what was planned by the old one is not.
    pub(crate) fn list_work_anew(&mut self, object: ObjectRef, group: GroupId) {
        self.list_managed_work(object, group);
        let expire = (object.id, group, Task::ExpireConsumers);
        if self.group_work.is_listed(expire) {
            self.group_work.set(expire, Some(0));
        }
    }

    /// Lists what all groups of a stream have to do that came as a whole.
    pub(crate) fn list_work_of(&mut self, object: ObjectRef) {
        let Some(stream) = self.object(object.slot).data.as_stream() else { return };
        let managed = stream.groups().filter(|(_, group)| group.policy().is_some());
        for group in managed.map(|(id, _)| id).collect::<Vec<_>>() {
            self.list_managed_work(object, group);
        }
    }

    /// The group's letters were refused.
    pub(crate) fn note_refused(&mut self, object: ObjectRef, group: GroupId, steady_ms: u64) {
        let refused = self.group_work.refused.entry((object.id, group)).or_default();
        let wait_ms = RETRY_MIN_MS.saturating_mul(1 << refused.0.min(16)).min(RETRY_MAX_MS);
        *refused = (refused.0 + 1, steady_ms.saturating_add(wait_ms));
        self.list_managed_work(object, group);
    }

    /// The group's letters were taken.
    pub(crate) fn note_taken(&mut self, object: ObjectRef, group: GroupId) {
        if self.group_work.refused.remove(&(object.id, group)).is_some() {
            self.list_managed_work(object, group);
        }
    }

    /// Panics when a group has something to do that is not listed as early.
    pub(crate) fn check_group_work(&self) {
        let work = &self.group_work;
        assert_eq!(work.by_time.len(), work.listed.len());
        for (at_ms, place) in &work.by_time {
            assert_eq!(work.listed.get(place), Some(at_ms));
        }
        for object in self.objects() {
            let Some(stream) = object.data.as_stream() else { continue };
            for (group, model) in stream.groups() {
                let bound = model.pending().used_up_bound_ms();
                let until = work.refused.get(&(object.id, group)).map_or(0, |(_, until)| *until);
                let listed = work.listed.get(&(object.id, group, Task::Bury)).copied();
                let is_right = listed == (bound < u64::MAX).then(|| bound.max(until));
                assert!(is_right, "burying is listed at {listed:?}, not {bound}");
                let has_ttl = model.policy().is_some_and(|policy| policy.consumer_ttl_ms > 0);
                let is_listed = work.is_listed((object.id, group, Task::ExpireConsumers));
                assert_eq!(is_listed, has_ttl && model.consumer_count() > 0);
            }
        }
    }
}

impl Transaction<'_> {
    /// Does what groups have to do by now, in record groups of their own: about so many pieces.
    pub(crate) fn run_group_work(&mut self, budget: usize) {
        let mut pieces = 0;
        while pieces < budget {
            if self.core.is_log_full || !self.needed.is_empty() {
                return;
            }
            let Some(place) = self.state().group_work.due(self.steady_ms) else { return };
            let (id, group, task) = place;
            let found = self.state().find_object(id).filter(|object| {
                let stream = self.state().object(object.slot).data.as_stream();
                stream.is_some_and(|stream: &Stream| stream.has_group(group))
            });
            pieces += match (found, task) {
                (None, _) => {
                    self.core.state.group_work.set(place, None);
                    self.core.state.group_work.refused.remove(&(id, group));
                    1
                }
                (Some(object), Task::Bury) => self.bury_some(object, group),
                (Some(object), Task::ExpireConsumers) => self.expire_consumers(object, group),
            };
        }
    }

    /// Moves some of a group's used-up entries; returns how much work it was.
    fn bury_some(&mut self, object: ObjectRef, group: GroupId) -> usize {
        let steady_ms = self.steady_ms;
        let stream = self.state().stream(object.slot);
        let mut due = stream.group(group).pending().used_up_until(steady_ms);
        let some = due.by_ref().take(LETTERS_PER_STEP);
        let ids: Vec<EntryId> = some.map(|record| record.id).collect();
        // Where there is nothing any more nobody looks again, or each step would cost all of it.
        let stale: Vec<EntryId> = due.stale().collect();
        if !stale.is_empty() {
            self.core.state.stream_mut(object.slot).settle(group, &stale);
            self.core.state.list_managed_work(object, group);
        }
        if ids.is_empty() {
            // The bound was too low.
            self.core.state.stream_mut(object.slot).settle_used_up(group, steady_ms);
            self.core.state.list_managed_work(object, group);
            return 1;
        }
        // What can never be read again is refused like what nobody takes.
        match self.need_entries(object, ids.iter().copied()) {
            Ok(()) => {}
            Err(millstream_model::Rejection::BlocksNotLoaded) => return 1,
            Err(_) => {
                self.core.state.stream_mut(object.slot).count_refused_letters(group);
                self.core.state.note_refused(object, group, steady_ms);
                return 1;
            }
        }
        let ids = self.affordable(object, group, &ids);
        if ids.is_empty() {
            self.core.is_log_full = true;
            return 1;
        }
        self.begin();
        self.bury(object, group, ids);
        let pieces = ids.len().max((self.record_bytes() as u64 / BYTES_PER_PIECE) as usize);
        self.finish();
        pieces
    }

    /// The first of some used-up entries, all in memory, as far as one step moves them and the log
    /// has room for their letters.
    pub(crate) fn affordable<'i>(
        &self,
        object: ObjectRef,
        group: GroupId,
        ids: &'i [EntryId],
    ) -> &'i [EntryId] {
        let mut bytes = 0;
        let mut sums = Vec::new();
        for &id in ids.iter().take(LETTERS_PER_STEP) {
            bytes += self.letter_bytes(object, group, id);
            sums.push(bytes);
            if bytes > BYTES_PER_STEP {
                break;
            }
        }
        // Where there is no room for all, there may be some for a few.
        let mut count = sums.len();
        while count > 0 && !self.may_log(sums[count - 1]) {
            count /= 2;
        }
        &ids[..count]
    }

    /// Deletes consumers that have nothing pending, wait for nothing and were not seen for so long
    /// as the policy says, and notes when to look again. Returns how much work it was.
    fn expire_consumers(&mut self, object: ObjectRef, group: GroupId) -> usize {
        let steady_ms = self.steady_ms;
        let (db, key) = self.state().place_of(object);
        let stream = self.state().stream(object.slot);
        let model = stream.group(group);
        let ttl_ms = model.policy().map_or(0, |policy| policy.consumer_ttl_ms);
        let waiting = self.core.waiters.consumers_waiting(db, &key, model.name());
        let mut next_ms = steady_ms.saturating_add(ttl_ms);
        let mut gone: Vec<ConsumerId> = Vec::new();
        let looks = model.consumer_count();
        for (id, consumer) in model.consumers() {
            // When it was seen is not logged: before the start it may have been later.
            let seen_ms = consumer.seen_ms.max(self.core.opened_at_ms);
            let at_ms = seen_ms.saturating_add(ttl_ms);
            if at_ms > steady_ms {
                next_ms = next_ms.min(at_ms);
            } else if consumer.pending_count == 0 && !waiting.contains(&consumer.name[..]) {
                if gone.len() == CONSUMERS_PER_STEP || !self.may_log(CONSUMER_BYTES) {
                    next_ms = steady_ms;
                    break;
                }
                gone.push(id);
            }
        }
        let pieces = 1 + looks / LOOKS_PER_PIECE + gone.len() / DELETED_PER_PIECE;
        if !gone.is_empty() {
            self.begin();
            for consumer in gone {
                self.change(&Mutation::DeleteConsumer { object, group, consumer });
            }
            self.finish();
        }
        let stream = self.state().stream(object.slot);
        let is_left = stream.group(group).consumer_count() > 0;
        let place = (object.id, group, Task::ExpireConsumers);
        // A look costs the number of consumers: where there are many, it waits for some together.
        let late_ms = (looks as u64 / CONSUMERS_PER_MS_LATE).clamp(1, CONSUMERS_LATE_MAX_MS);
        let next_ms = next_ms.max(steady_ms + late_ms);
        self.core.state.group_work.set(place, is_left.then_some(next_ms));
        pieces
    }
}
