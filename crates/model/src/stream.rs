//! A stream: entries, counters, groups, and the transitions that change them.
//!
//! A transition takes exact effects (ids, times, counts), asserts what must hold, and cannot be
//! refused: the live path checks first and then calls it, recovery calls it straight from the log.
//! Times are Unix milliseconds given by the caller.
//!
//! Invariants (see [`Stream::check`]):
//! 1. `last_id` is at least every entry's id;
//! 2. groups and their names map one to one;
//! 3. what [`Group::check`], [`Entries::check`] and [`Idempotence::check`] say.

mod lag;
mod retention_plan;
mod scheduled;
mod trim_plan;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::GroupPolicy;
use crate::entries::ensure;
use crate::group::SLOTS_MAX;
use crate::{
    BlockLimits, ColdBlock, ConsumerId, Entries, EntryId, Failure, Group, GroupCounters, GroupId,
    Idempotence, IdempotenceLimits, PendingEntry, RestoreError, Retention, Schedule, Settled,
};

pub use retention_plan::{DropPlan, Dropped};

/// A stream with its consumer groups.
#[derive(Clone, Debug)]
pub struct Stream {
    entries: Entries,
    last_id: EntryId,
    entries_added: u64,
    max_deleted_id: EntryId,
    groups: Vec<Option<Group>>,
    group_names: BTreeMap<Arc<[u8]>, GroupId>,
    idempotence: Idempotence,
    /// Most streams never have one.
    schedule: Option<Box<Schedule>>,
    /// `None`: nothing is set.
    retention: Option<Box<Retention>>,
}

/// Reading.
impl Stream {
    /// An empty stream.
    #[must_use]
    pub fn new(idempotence: IdempotenceLimits) -> Self {
        Self {
            entries: Entries::default(),
            last_id: EntryId::MIN,
            entries_added: 0,
            max_deleted_id: EntryId::MIN,
            groups: Vec::new(),
            group_names: BTreeMap::new(),
            idempotence: Idempotence::new(idempotence),
            schedule: None,
            retention: None,
        }
    }

    /// The entries that are there.
    #[must_use]
    pub fn entries(&self) -> &Entries {
        &self.entries
    }

    /// The largest id ever generated: a new entry's must be above it.
    #[must_use]
    pub fn last_id(&self) -> EntryId {
        self.last_id
    }

    /// Entries ever added.
    #[must_use]
    pub fn entries_added(&self) -> u64 {
        self.entries_added
    }

    /// The largest id ever deleted (not trimmed); `0-0` = none.
    #[must_use]
    pub fn max_deleted_id(&self) -> EntryId {
        self.max_deleted_id
    }

    /// Idempotent production.
    #[must_use]
    pub fn idempotence(&self) -> &Idempotence {
        &self.idempotence
    }

    /// How many groups there are.
    #[must_use]
    pub fn group_count(&self) -> usize {
        self.group_names.len()
    }

    /// The groups in order of their names.
    pub fn groups(&self) -> impl Iterator<Item = (GroupId, &Group)> {
        self.group_names.values().map(|&id| (id, self.group(id)))
    }

    /// The group of that name.
    #[must_use]
    pub fn find_group(&self, name: &[u8]) -> Option<GroupId> {
        self.group_names.get(name).copied()
    }

    /// Whether there is a group of that id.
    #[must_use]
    pub fn has_group(&self, id: GroupId) -> bool {
        self.groups.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// A group that exists.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn group(&self, id: GroupId) -> &Group {
        self.groups[id.0 as usize].as_ref().expect("ids of groups come from this stream")
    }

    fn group_mut(&mut self, id: GroupId) -> &mut Group {
        self.groups[id.0 as usize].as_mut().expect("ids of groups come from this stream")
    }

    /// The id that the next group to be created gets.
    #[must_use]
    pub fn next_group_id(&self) -> GroupId {
        let free = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        GroupId(u32::try_from(free).expect("fewer than 2^32 groups"))
    }

    /// Whether some group has not read that far or has the id pending. Looks at ids only: the entry
    /// need not exist.
    #[must_use]
    pub fn is_referenced(&self, id: EntryId) -> bool {
        self.groups.iter().flatten().any(|group| {
            group.last_delivered_id < id
                || group.pending().contains(id)
                || group.order().is_some_and(|order| order.is_held(id))
        })
    }

    /// Bytes on the heap, roughly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let groups: usize =
            self.groups.iter().flatten().map(|group| group.heap_bytes() + size_of::<Group>()).sum();
        let schedule = self.schedule().map_or(0, Schedule::heap_bytes);
        let retention = self.retention.as_ref().map_or(0, |_| size_of::<Retention>());
        self.entries.heap_bytes() + groups + self.idempotence.heap_bytes() + schedule + retention
    }

    /// Bytes of the blocks of entries, those of the schedule included, that have a place outside
    /// memory, there. Costs the number of blocks.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.entries.stored_bytes() + self.schedule().map_or(0, Schedule::stored_bytes)
    }
}

/// Storing.
impl Stream {
    /// A stream as it was stored.
    ///
    /// # Errors
    /// If its parts do not fit each other.
    pub fn restore(
        entries: Entries,
        (last_id, max_deleted_id): (EntryId, EntryId),
        entries_added: u64,
        groups: Vec<(GroupId, Group)>,
        idempotence: Idempotence,
    ) -> Result<Self, RestoreError> {
        ensure(entries.last_id().is_none_or(|id| id <= last_id), "last id")?;
        ensure(entries_added >= entries.len(), "entries added")?;
        let mut stream = Self {
            entries,
            last_id,
            entries_added,
            max_deleted_id,
            groups: Vec::new(),
            group_names: BTreeMap::new(),
            idempotence,
            schedule: None,
            retention: None,
        };
        for (id, group) in groups {
            let is_free = !stream.has_group(id) && stream.find_group(group.name()).is_none();
            ensure(is_free, "a group is there twice")?;
            let slot = id.0 as usize;
            ensure(slot < SLOTS_MAX, "number of a group")?;
            if stream.groups.len() <= slot {
                stream.groups.resize(slot + 1, None);
            }
            stream.group_names.insert(Arc::clone(group.name()), id);
            stream.groups[slot] = Some(group);
        }
        Ok(stream)
    }
}

/// Transitions of entries and counters.
impl Stream {
    /// Adds an entry.
    ///
    /// # Panics
    /// If the id is not above [`Stream::last_id`].
    pub fn append(&mut self, id: EntryId, fields: &[&[u8]], limits: BlockLimits) {
        assert!(id > self.last_id, "ids only grow");
        self.entries.append(id, fields, limits);
        self.last_id = id;
        self.entries_added += 1;
    }

    /// Trims every entry below the id. Pending records stay. Returns how many went.
    pub fn trim_before(&mut self, id: EntryId) -> u64 {
        self.entries.delete_before(id)
    }

    /// Removes an entry; `is_deletion` tells it from a trim, which leaves `max_deleted_id` alone.
    /// Returns whether it was there.
    pub fn remove_entry(&mut self, id: EntryId, is_deletion: bool) -> bool {
        let removed = self.entries.delete(id);
        if removed && is_deletion {
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        removed
    }

    /// Gives up a block of entries that is not in memory and cannot be read. Pending records stay,
    /// as those of deleted entries do. Returns how many entries went.
    pub fn give_up_block(&mut self, cold: ColdBlock) -> u64 {
        let Some((last, count)) = self.entries.give_up(cold) else { return 0 };
        self.max_deleted_id = self.max_deleted_id.max(last);
        count
    }

    /// Removes the pending records of an id from all groups.
    pub fn remove_references(&mut self, id: EntryId) {
        for group in self.groups.iter_mut().flatten() {
            group.remove_pending(&[id], Settled::Dropped);
        }
    }

    /// Sets the counters, as XSETID does; what is `None` stays.
    pub fn set_counters(
        &mut self,
        last_id: EntryId,
        entries_added: Option<u64>,
        max_deleted_id: Option<EntryId>,
    ) {
        assert!(self.entries.last_id().is_none_or(|id| id <= last_id), "ids only grow");
        self.last_id = last_id;
        if let Some(entries_added) = entries_added {
            self.entries_added = entries_added;
        }
        if let Some(id) = max_deleted_id {
            self.max_deleted_id = id;
        }
    }

    /// Idempotent production, to change.
    pub fn idempotence_mut(&mut self) -> &mut Idempotence {
        &mut self.idempotence
    }
}

/// Transitions of groups.
impl Stream {
    /// Creates a group under an id from [`Stream::next_group_id`].
    ///
    /// # Panics
    /// If the id or the name is taken.
    pub fn create_group(
        &mut self,
        id: GroupId,
        name: &[u8],
        last_delivered_id: EntryId,
        entries_read: Option<u64>,
    ) {
        let slot = id.0 as usize;
        if self.groups.len() <= slot {
            self.groups.resize(slot + 1, None);
        }
        assert!(self.groups[slot].is_none(), "the slot of a new group is free");
        let group = Group::new(name, last_delivered_id, entries_read);
        let before = self.group_names.insert(Arc::clone(group.name()), id);
        assert!(before.is_none(), "names of groups are unique");
        self.groups[slot] = Some(group);
    }

    /// Moves a group.
    pub fn set_group_position(
        &mut self,
        id: GroupId,
        last_delivered_id: EntryId,
        entries_read: Option<u64>,
    ) {
        let group = self.group_mut(id);
        group.last_delivered_id = last_delivered_id;
        group.entries_read = entries_read;
    }

    /// Sets what a group does by itself.
    pub fn set_group_policy(&mut self, id: GroupId, policy: GroupPolicy) {
        self.group_mut(id).set_policy(policy);
    }

    /// Removes a group with its consumers and pending records, and returns it: freeing a long
    /// pending list takes a while.
    pub fn destroy_group(&mut self, id: GroupId) -> Group {
        let group = self.groups[id.0 as usize].take().expect("the group exists");
        self.group_names.remove(group.name());
        while self.groups.last().is_some_and(Option::is_none) {
            self.groups.pop();
        }
        group
    }

    /// Adds a consumer under an id from [`Group::next_consumer_id`].
    ///
    /// # Panics
    /// If the id or the name is taken.
    pub fn create_consumer(&mut self, group: GroupId, id: ConsumerId, name: &[u8], now_ms: u64) {
        self.group_mut(group).add_consumer(id, name, now_ms);
    }

    /// Removes a consumer and the records it owns; returns how many those were.
    pub fn delete_consumer(&mut self, group: GroupId, id: ConsumerId) -> usize {
        self.group_mut(group).remove_consumer(id)
    }

    /// Notes that a consumer tried to read or claim, and whether something became pending for it.
    pub fn touch_consumer(
        &mut self,
        group: GroupId,
        id: ConsumerId,
        now_ms: u64,
        became_active: bool,
    ) {
        self.group_mut(group).touch(id, now_ms, became_active);
    }

    /// Hands new entries to a consumer, ascending: they become pending for it with count 1.
    pub fn deliver(&mut self, group: GroupId, consumer: ConsumerId, now_ms: u64, ids: &[EntryId]) {
        self.group_mut(group).deliver(consumer, now_ms, ids);
    }

    /// Creates or replaces pending records; each becomes the youngest of its delivery time. Returns
    /// what that counts as, also in groups that count nothing themselves.
    pub fn set_pending(&mut self, group: GroupId, entries: &[PendingEntry]) -> GroupCounters {
        self.group_mut(group).set_pending(entries)
    }

    /// Removes pending records; what is not pending is passed over. Returns how many there were.
    pub fn remove_pending(&mut self, group: GroupId, ids: &[EntryId], settled: Settled) -> usize {
        self.group_mut(group).remove_pending(ids, settled)
    }

    /// When a managed group has the first of what is pending to hand out again: see
    /// [`crate::PendingList::next_available_ms`].
    pub fn next_available_ms(
        &mut self,
        group: GroupId,
        has_unowned: bool,
        visibility_ms: u64,
    ) -> Option<u64> {
        self.group_mut(group).next_available_ms(has_unowned, visibility_ms)
    }

    /// Derives again when pending entries are available: see [`crate::PendingList::settle`].
    pub fn settle(&mut self, group: GroupId, stale: &[EntryId]) {
        self.group_mut(group).settle(stale);
    }

    /// Holds entries of an ordered group that are not pending, each with the hash of its value.
    pub fn hold(&mut self, group: GroupId, entries: &[(EntryId, u64)]) {
        self.group_mut(group).hold(entries);
    }

    /// Does not hold entries any more.
    pub fn unhold(&mut self, group: GroupId, ids: &[EntryId], settled: Settled) {
        self.group_mut(group).unhold(ids, settled);
    }

    /// Holds nothing any more: the group is about to be moved.
    pub fn unhold_all(&mut self, group: GroupId) {
        self.group_mut(group).unhold_all();
    }

    /// Says which values pending entries of an ordered group have.
    pub fn set_values(&mut self, group: GroupId, entries: &[(EntryId, u64)]) {
        self.group_mut(group).set_values(entries);
    }

    /// Notes how pending entries failed; what is not pending is passed over.
    pub fn set_failure(&mut self, group: GroupId, ids: &[EntryId], failure: &Arc<Failure>) {
        self.group_mut(group).set_failure(ids, failure);
    }

    /// The dead-letter stream of a group did not take what was to be moved.
    pub fn count_refused_letters(&mut self, group: GroupId) {
        if let Some(counters) = self.group_mut(group).counters_mut() {
            counters.dead_letter_failed += 1;
        }
    }

    /// Sets what a managed group has counted.
    pub fn set_group_counters(&mut self, group: GroupId, counters: GroupCounters) {
        if let Some(place) = self.group_mut(group).counters_mut() {
            *place = counters;
        }
    }

    /// Makes the bound of when used-up entries have to go exact: see [`Group::settle_used_up`].
    pub fn settle_used_up(&mut self, group: GroupId, until_ms: u64) {
        self.group_mut(group).settle_used_up(until_ms);
    }

    /// Re-derives what is counted and indexed, here and below.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn check(&self) {
        self.entries.check();
        self.idempotence.check();
        if let Some(schedule) = self.schedule() {
            schedule.check();
        }
        assert!(self.entries.last_id().is_none_or(|id| id <= self.last_id));
        assert_eq!(self.group_names.len(), self.groups.iter().flatten().count());
        for (name, &id) in &self.group_names {
            assert_eq!(self.group(id).name(), name);
        }
        for group in self.groups.iter().flatten() {
            group.check();
        }
    }
}
