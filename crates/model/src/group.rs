//! One consumer group: its position, its consumers, and what they have not acknowledged yet.
//!
//! Invariants (see [`Group::check`]):
//! 1. every owner in the pending list is a consumer of the group;
//! 2. a consumer's `pending_count` is the number of records it owns;
//! 3. names map to consumers one to one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::entries::ensure;
use crate::{
    Consumer, ConsumerId, EntryId, Failure, GroupCounters, GroupPolicy, Order, PendingEntry,
    PendingList, RestoreError, Settled,
};

/// Numbers of groups and consumers that come back from storage are below this: larger ones are no
/// numbers but would cost all memory. They may be far apart, since those between may be gone.
pub(crate) const SLOTS_MAX: usize = 1 << 27;

/// Identifies a group within its stream. Never changes; may be used again after the group is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(pub u32);

/// A consumer group of a stream.
#[derive(Clone, Debug)]
pub struct Group {
    name: Arc<[u8]>,
    pub(crate) last_delivered_id: EntryId,
    pub(crate) entries_read: Option<u64>,
    pending: PendingList,
    consumers: Vec<Option<Consumer>>,
    names: BTreeMap<Arc<[u8]>, ConsumerId>,
    /// `None`: not managed. There may be a million groups without.
    managed: Option<Box<Managed>>,
}

/// What a group has that does something by itself.
#[derive(Clone, Debug, Default)]
struct Managed {
    policy: GroupPolicy,
    counters: GroupCounters,
    /// Of a group with ORDERBY.
    order: Option<Order>,
}

impl Managed {
    /// A record was created.
    fn note_new(&mut self, id: EntryId) {
        if let Some(order) = &mut self.order
            && let Some(value) = order.release(id)
        {
            order.set_value(id, value);
        }
    }
}

impl Group {
    pub(crate) fn new(name: &[u8], last_delivered_id: EntryId, entries_read: Option<u64>) -> Self {
        Self {
            name: name.into(),
            last_delivered_id,
            entries_read,
            pending: PendingList::default(),
            consumers: Vec::new(),
            names: BTreeMap::new(),
            managed: None,
        }
    }

    /// A group as it was stored, without consumers; add those with [`Self::restore_consumer`], then
    /// its pending entries with [`Self::restore_pending`].
    #[must_use]
    pub fn restore(
        name: &[u8],
        last_delivered_id: EntryId,
        entries_read: Option<u64>,
        next_orders: (u32, u64),
    ) -> Self {
        let pending = PendingList::restore(next_orders);
        Self { pending, ..Self::new(name, last_delivered_id, entries_read) }
    }

    /// Adds a consumer under the id that it had.
    ///
    /// # Errors
    /// If the id or the name is taken, or the id is out of range.
    pub fn restore_consumer(
        &mut self,
        id: ConsumerId,
        name: &[u8],
        seen_ms: u64,
        active_ms: Option<u64>,
    ) -> Result<(), RestoreError> {
        let is_free = !self.has_consumer(id) && self.find_consumer(name).is_none();
        ensure(is_free, "a consumer is there twice")?;
        ensure((id.0 as usize) < SLOTS_MAX, "number of a consumer")?;
        self.add_consumer(id, name, seen_ms);
        self.consumer_mut(id).active_ms = active_ms;
        Ok(())
    }

    /// Adds a pending entry as [`PendingList::records`] said, above all others.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn restore_pending(&mut self, entry: PendingEntry, order: u64) -> Result<(), RestoreError> {
        let is_owned = entry.owner.is_none_or(|owner| self.has_consumer(owner));
        ensure(is_owned, "owner of a pending entry")?;
        ensure(self.pending.restore_record(entry, order), "a pending entry")?;
        if let Some(owner) = entry.owner {
            self.consumer_mut(owner).pending_count += 1;
        }
        Ok(())
    }

    /// The group's name.
    #[must_use]
    pub fn name(&self) -> &Arc<[u8]> {
        &self.name
    }

    /// Entries above it are new to the group.
    #[must_use]
    pub fn last_delivered_id(&self) -> EntryId {
        self.last_delivered_id
    }

    /// Entries ever added to the stream up to `last_delivered_id`, where that is known.
    #[must_use]
    pub fn entries_read(&self) -> Option<u64> {
        self.entries_read
    }

    /// Delivered and not acknowledged.
    #[must_use]
    pub fn pending(&self) -> &PendingList {
        &self.pending
    }

    /// What the group does by itself; `None`: it is not managed.
    #[must_use]
    pub fn policy(&self) -> Option<&GroupPolicy> {
        Some(&self.managed.as_ref()?.policy)
    }

    /// What was counted; of a managed group only.
    #[must_use]
    pub fn counters(&self) -> Option<&GroupCounters> {
        Some(&self.managed.as_ref()?.counters)
    }

    /// The same, to change.
    pub fn counters_mut(&mut self) -> Option<&mut GroupCounters> {
        Some(&mut self.managed.as_mut()?.counters)
    }

    /// Sets all of the policy; with nothing set in it the group is managed no more.
    pub fn set_policy(&mut self, policy: GroupPolicy) {
        self.pending.set_timing(policy.timing());
        if policy.is_managed() {
            let managed = self.managed.get_or_insert_default();
            if managed.policy.order_by != policy.order_by {
                managed.order = None;
            }
            if policy.order_by.is_some() {
                managed.order.get_or_insert_default();
            }
            managed.policy = policy;
        } else {
            self.managed = None;
        }
    }

    /// What is held and in work of a group with ORDERBY.
    #[must_use]
    pub fn order(&self) -> Option<&Order> {
        self.managed.as_ref()?.order.as_ref()
    }

    fn order_mut(&mut self) -> Option<&mut Order> {
        self.managed.as_mut()?.order.as_mut()
    }

    /// Holds entries of an ordered group that are not pending; others stay what they are.
    pub fn hold(&mut self, entries: &[(EntryId, u64)]) {
        for &(id, value) in entries {
            if !self.pending.contains(id)
                && let Some(order) = self.order_mut()
            {
                order.hold(id, value);
            }
        }
    }

    /// Does not hold entries any more that never were handed out, as far as they are held.
    pub(crate) fn unhold(&mut self, ids: &[EntryId], settled: Settled) {
        for &id in ids {
            if self.order_mut().and_then(|order| order.release(id)).is_some() {
                self.count(settled, 1);
            }
        }
    }

    /// Holds nothing any more.
    pub(crate) fn unhold_all(&mut self) {
        if let Some(order) = self.order_mut() {
            order.release_all();
        }
    }

    /// Says which values pending entries of an ordered group have; others stay what they are.
    pub fn set_values(&mut self, entries: &[(EntryId, u64)]) {
        for &(id, value) in entries {
            if self.pending.contains(id)
                && let Some(order) = self.order_mut()
            {
                order.set_value(id, value);
            }
        }
    }

    /// The lowest entry that the group has not done with.
    #[must_use]
    pub fn first_open(&self) -> Option<EntryId> {
        let held = self.order().and_then(|order| order.held().next()).map(|(id, _)| id);
        held.into_iter().chain(self.pending.first_id()).min()
    }

    /// Makes [`PendingList::used_up_bound_ms`] exact where it is that early.
    pub fn settle_used_up(&mut self, until_ms: u64) {
        self.pending.settle_used_up(until_ms);
    }

    /// When a managed group has the first of what is pending to hand out again: see
    /// [`PendingList::next_available_ms`].
    pub fn next_available_ms(&mut self, has_unowned: bool, visibility_ms: u64) -> Option<u64> {
        self.pending.next_available_ms(has_unowned, visibility_ms, None)
    }

    /// Derives again when pending entries are available: see [`PendingList::settle`].
    pub fn settle(&mut self, stale: &[EntryId]) {
        self.pending.settle(stale);
    }

    /// Notes how pending entries failed. What is not pending is passed over.
    pub fn set_failure(&mut self, ids: &[EntryId], failure: &Arc<Failure>) {
        for &id in ids {
            self.pending.set_failure(id, Arc::clone(failure));
        }
    }

    fn count(&mut self, settled: Settled, many: usize) {
        if let Some(counters) = self.counters_mut() {
            counters.count(settled, many as u64);
        }
    }

    /// How many consumers there are.
    #[must_use]
    pub fn consumer_count(&self) -> usize {
        self.names.len()
    }

    /// The consumers in order of their names.
    pub fn consumers(&self) -> impl Iterator<Item = (ConsumerId, &Consumer)> {
        self.names.values().map(|&id| (id, self.consumer(id)))
    }

    /// The consumer of that name.
    #[must_use]
    pub fn find_consumer(&self, name: &[u8]) -> Option<ConsumerId> {
        self.names.get(name).copied()
    }

    /// Whether there is a consumer of that id.
    #[must_use]
    pub fn has_consumer(&self, id: ConsumerId) -> bool {
        self.consumers.get(id.0 as usize).is_some_and(Option::is_some)
    }

    /// A consumer that exists.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn consumer(&self, id: ConsumerId) -> &Consumer {
        self.consumers[id.0 as usize].as_ref().expect("ids of consumers come from this group")
    }

    fn consumer_mut(&mut self, id: ConsumerId) -> &mut Consumer {
        self.consumers[id.0 as usize].as_mut().expect("ids of consumers come from this group")
    }

    /// The id that the next consumer to be added gets.
    #[must_use]
    pub fn next_consumer_id(&self) -> ConsumerId {
        let slots = self.consumers.len();
        let slot = if self.names.len() == slots {
            slots
        } else {
            self.consumers.iter().position(Option::is_none).expect("fewer consumers than slots")
        };
        ConsumerId(u32::try_from(slot).expect("fewer than 2^32 consumers"))
    }

    pub(crate) fn add_consumer(&mut self, id: ConsumerId, name: &[u8], now_ms: u64) {
        let slot = id.0 as usize;
        if self.consumers.len() <= slot {
            self.consumers.resize(slot + 1, None);
        }
        assert!(self.consumers[slot].is_none(), "the slot of a new consumer is free");
        let name: Arc<[u8]> = name.into();
        let before = self.names.insert(Arc::clone(&name), id);
        assert!(before.is_none(), "names of consumers are unique");
        self.consumers[slot] =
            Some(Consumer { name, seen_ms: now_ms, active_ms: None, pending_count: 0 });
    }

    pub(crate) fn remove_consumer(&mut self, id: ConsumerId) -> usize {
        if self.order().is_some() {
            let own = self.pending.range_of(id, EntryId::MIN, EntryId::MAX);
            let own: Vec<_> = own.map(|entry| entry.id).collect();
            let order = self.order_mut().expect("looked at above");
            own.into_iter().for_each(|id| order.forget_value(id));
        }
        let removed = self.pending.remove_owner(id);
        let consumer = self.consumers[id.0 as usize].take().expect("the consumer exists");
        assert_eq!(removed, consumer.pending_count, "records are counted");
        self.count(Settled::Dropped, removed);
        self.names.remove(&consumer.name);
        while self.consumers.last().is_some_and(Option::is_none) {
            self.consumers.pop();
        }
        removed
    }

    pub(crate) fn touch(&mut self, id: ConsumerId, now_ms: u64, became_active: bool) {
        let consumer = self.consumer_mut(id);
        consumer.seen_ms = now_ms;
        if became_active {
            consumer.active_ms = Some(now_ms);
        }
    }

    /// Creates or replaces pending records; each becomes the youngest of its time. Returns what
    /// that counts as.
    pub(crate) fn set_pending(&mut self, entries: &[PendingEntry]) -> GroupCounters {
        let Self { pending, consumers, managed, .. } = self;
        let mut counted = GroupCounters::default();
        pending.upsert_all(entries, |before, after| {
            counted.count_set(before, after);
            if before.is_none()
                && let Some(managed) = managed
            {
                managed.note_new(after.id);
            }
            let old_owner = before.and_then(|before| before.owner);
            if old_owner != after.owner || before.is_none() {
                count_owner(consumers, old_owner, after.owner);
            }
        });
        if let Some(managed) = managed {
            managed.counters.add_set(&counted);
        }
        counted
    }

    /// New entries become pending for a consumer with count 1, ascending.
    pub(crate) fn deliver(&mut self, owner: ConsumerId, now_ms: u64, ids: &[EntryId]) {
        // A log may say anything.
        let is_ascending = ids.is_sorted_by(|a, b| a < b);
        let last = self.pending.last_id();
        let (mixed, above) = if self.order().is_some() || !is_ascending {
            (ids, &[][..])
        } else {
            ids.split_at(ids.partition_point(|id| Some(*id) <= last))
        };
        for &id in mixed {
            let (owner, delivered_at_ms) = (Some(owner), now_ms);
            let entry =
                PendingEntry { id, owner, delivered_at_ms, available_at_ms: 0, delivery_count: 1 };
            self.set_pending(&[entry]);
        }
        self.pending.append_delivered(owner, now_ms, above);
        self.consumer_mut(owner).pending_count += above.len();
        if let Some(counters) = self.counters_mut() {
            counters.delivered += above.len() as u64;
        }
    }

    /// Removes pending records; what is not pending is passed over. Returns how many there were.
    pub(crate) fn remove_pending(&mut self, ids: &[EntryId], settled: Settled) -> usize {
        let Self { pending, consumers, managed, .. } = self;
        let mut order = managed.as_mut().and_then(|managed| managed.order.as_mut());
        let mut many = 0;
        pending.remove_all(ids, |entry| {
            many += 1;
            count_owner(consumers, entry.owner, None);
            if let Some(order) = &mut order {
                order.forget_value(entry.id);
            }
        });
        self.count(settled, many);
        many
    }

    /// Bytes on the heap, roughly.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let consumers: usize = self.names.keys().map(|name| name.len() + 120).sum();
        let managed = self.managed.as_ref().map_or(0, |managed| {
            size_of::<Managed>() + managed.order.as_ref().map_or(0, Order::heap_bytes)
        });
        self.pending.heap_bytes() + self.name.len() + consumers + managed
    }

    /// Re-derives what is counted and indexed.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn check(&self) {
        self.pending.check();
        let mut counts = vec![0; self.consumers.len()];
        let mut unowned = 0;
        for entry in self.pending.range(EntryId::MIN, EntryId::MAX) {
            match entry.owner {
                Some(owner) => counts[owner.0 as usize] += 1,
                None => unowned += 1,
            }
        }
        assert_eq!(self.pending.unowned_len(), unowned);
        for (slot, consumer) in self.consumers.iter().enumerate() {
            let count = consumer.as_ref().map_or(0, |consumer| consumer.pending_count);
            assert_eq!(count, counts[slot], "records of consumer {slot}");
        }
        let order_by = self.policy().and_then(|policy| policy.order_by.as_ref());
        assert_eq!(self.order().is_some(), order_by.is_some());
        if let Some(order) = self.order() {
            order.check(|id| self.pending.contains(id));
        }
        assert_eq!(self.names.len(), self.consumers.iter().flatten().count());
        for (name, id) in &self.names {
            assert_eq!(&self.consumer(*id).name, name);
        }
    }
}

/// Counts that a record has another owner.
fn count_owner(
    consumers: &mut [Option<Consumer>],
    before: Option<ConsumerId>,
    after: Option<ConsumerId>,
) {
    if let Some(owner) = before {
        pending_count(consumers, owner, |count| count - 1);
    }
    if let Some(owner) = after {
        pending_count(consumers, owner, |count| count + 1);
    }
}

fn pending_count(
    consumers: &mut [Option<Consumer>],
    owner: ConsumerId,
    change: impl Fn(usize) -> usize,
) {
    let consumer = consumers[owner.0 as usize].as_mut();
    let consumer = consumer.expect("owners are consumers of the group");
    consumer.pending_count = change(consumer.pending_count);
}

#[cfg(test)]
mod tests {
    use super::{ConsumerId, EntryId, Group};

    #[test]
    fn a_group_comes_back_whatever_is_left_of_more_than_a_million_consumers() {
        let mut group = Group::restore(b"g", EntryId::MIN, None, (0, 0));
        let last = ConsumerId((1 << 20) + 5);
        let mut restore = |id, name| group.restore_consumer(id, name, 1, None);
        restore(last, b"a").expect("those before it may be gone");
        restore(ConsumerId(0), b"b").expect("they come in order of their names");
        let error = restore(ConsumerId(u32::MAX), b"c").expect_err("so many there never were");
        assert!(error.to_string().ends_with("number of a consumer"), "{error}");
        group.check();
        assert_eq!(group.find_consumer(b"a"), Some(last));
    }
}
