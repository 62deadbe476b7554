//! Managing groups and consumers.
//!
//! XGROUP, without its grammar. Only the end of a group signals: its readers are refused. No WATCH
//! sees any of it, but for the stream that a group may create. Tests: `tests/it/groups.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use millstream_model::{
    ConsumerId, EntryId, Failure, GroupId, GroupPolicy, Order, PendingEntry, Rejection, Settled,
};

use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// Pending entries of one part of a record.
const RELEASED_PER_PART: usize = 16 << 10;

/// Where a group starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupPosition {
    /// Behind the last id of the stream (`$`).
    End,
    /// Behind this id.
    After(EntryId),
}

impl Transaction<'_> {
    /// The stream that group management needs.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`].
    pub fn check_managed_key(&mut self, db: u8, key: &[u8]) -> Result<(), Rejection> {
        self.managed_stream(db, key).map(|_| ())
    }

    fn managed_stream(&mut self, db: u8, key: &[u8]) -> Result<ObjectRef, Rejection> {
        self.find_stream(db, key)?.ok_or(Rejection::GroupNeedsKey)
    }

    fn managed_group(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
    ) -> Result<(ObjectRef, GroupId), Rejection> {
        let object = self.managed_stream(db, key)?;
        match self.state().stream(object.slot).find_group(group) {
            Some(id) => Ok((object, id)),
            None => Err(Rejection::NoGroup { key: key.into(), group: group.into() }),
        }
    }

    /// Creates a group, and with `make_stream` an empty stream where the key is missing.
    /// `entries_read` above the entries ever added counts as all of them.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::GroupExists`].
    pub fn create_group(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        position: GroupPosition,
        make_stream: bool,
        entries_read: Option<u64>,
    ) -> Result<(), Rejection> {
        let policy = self.default_policy(key, name);
        self.create_group_with(db, key, name, position, make_stream, entries_read, policy)
    }

    /// What a new group does by itself unless somebody says otherwise.
    #[must_use]
    pub fn default_policy(&self, key: &[u8], name: &[u8]) -> GroupPolicy {
        self.core.default_policy.ask(key, name)
    }

    /// The same with a policy.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::GroupExists`],
    /// [`Rejection::DeadLettersComeBack`], [`Rejection::AboveBound`].
    #[expect(clippy::too_many_arguments, reason = "they are XGROUP CREATE's")]
    pub fn create_group_with(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        position: GroupPosition,
        make_stream: bool,
        entries_read: Option<u64>,
        policy: GroupPolicy,
    ) -> Result<(), Rejection> {
        match self.managed_stream(db, key) {
            Ok(object) if self.state().stream(object.slot).find_group(name).is_some() => {
                return Err(Rejection::GroupExists);
            }
            Err(Rejection::GroupNeedsKey) if make_stream => {}
            found => found.map(|_| ())?,
        }
        self.refuse_circle(db, key, &policy)?;
        // What the operator gives to all new groups needs nobody's right.
        let usual = self.default_policy(key, name);
        let usual = usual.dead_letters().then(|| usual.letters_of(key));
        self.refuse_foreign_letters(key, &policy, usual)?;
        let found = self.find_stream(db, key)?;
        self.refuse_group(found, name)?;
        if found.is_none() {
            self.refuse_long_name(key)?;
        }
        let object = match self.managed_stream(db, key) {
            Err(Rejection::GroupNeedsKey) if make_stream => self.create_stream(db, key),
            found => found?,
        };
        let stream = self.state().stream(object.slot);
        let group = stream.next_group_id();
        let position = match position {
            GroupPosition::End => stream.last_id(),
            GroupPosition::After(id) => id,
        };
        let entries_read = entries_read.map(|read| read.min(stream.entries_added()));
        self.change(&Mutation::CreateGroup { object, group, name, position, entries_read });
        if policy.is_managed() {
            self.change(&Mutation::SetPolicy { object, group, policy: Box::new(policy) });
        }
        Ok(())
    }

    fn refuse_circle(&mut self, db: u8, key: &[u8], policy: &GroupPolicy) -> Result<(), Rejection> {
        if policy.dead_letters() && self.leads_back(db, key, &policy.letters_of(key)) {
            return Err(Rejection::DeadLettersComeBack);
        }
        Ok(())
    }

    /// Moves a group. Pending records stay; parked reads are not woken.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`].
    pub fn set_group_position(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        position: GroupPosition,
        entries_read: Option<u64>,
    ) -> Result<(), Rejection> {
        let (object, group) = self.managed_group(db, key, name)?;
        let stream = self.state().stream(object.slot);
        let position = match position {
            GroupPosition::End => stream.last_id(),
            GroupPosition::After(id) => id,
        };
        let entries_read = entries_read.map(|read| read.min(stream.entries_added()));
        if stream.group(group).order().is_some_and(|order| order.held_len() > 0) {
            self.change(&Mutation::UnholdAll { object, group });
        }
        self.change(&Mutation::SetGroupPosition { object, group, position, entries_read });
        Ok(())
    }

    /// What a group does by itself; nothing is set where it is not managed.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`].
    pub fn group_policy(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
    ) -> Result<GroupPolicy, Rejection> {
        let (object, group) = self.managed_group(db, key, name)?;
        Ok(self.state().stream(object.slot).group(group).policy().cloned().unwrap_or_default())
    }

    /// Sets all of a group's policy. What becomes available by it is served at once.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`],
    /// [`Rejection::DeadLettersComeBack`].
    pub fn set_group_policy(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        policy: GroupPolicy,
    ) -> Result<(), Rejection> {
        let (object, group) = self.managed_group(db, key, name)?;
        let before = self.state().stream(object.slot).group(group).policy();
        if before.cloned().unwrap_or_default() == policy {
            return Ok(());
        }
        let model = self.state().stream(object.slot).group(group);
        let order_by = |policy: &GroupPolicy| policy.order_by.clone();
        let held = model.order().map_or(0, Order::held_len);
        if order_by(&policy) != model.policy().and_then(order_by)
            && held + model.pending().len() > 0
        {
            return Err(Rejection::OrderInUse);
        }
        self.refuse_circle(db, key, &policy)?;
        let model = self.state().stream(object.slot).group(group);
        let before = model.policy().filter(|policy| policy.dead_letters());
        let before = before.map(|policy| policy.letters_of(key));
        self.refuse_foreign_letters(key, &policy, before)?;
        if !policy.dead_letters() {
            self.end_delays(object, group, policy.is_managed());
        }
        let is_managed = policy.is_managed();
        self.change(&Mutation::SetPolicy { object, group, policy: Box::new(policy) });
        if !is_managed {
            // What was paused or full hands out new entries again.
            self.signal(db, key, Signal::Ready);
        }
        self.signal(db, key, Signal::Rescheduled);
        Ok(())
    }

    /// Gives up on an entry that a group holds, or that waits in it without an owner, so that those
    /// behind it go on. Whether there was such an entry.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`],
    /// [`Rejection::EntryInWork`].
    pub fn skip(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
        id: EntryId,
    ) -> Result<bool, Rejection> {
        let (object, group) = self.managed_group(db, key, name)?;
        let model = self.state().stream(object.slot).group(group);
        let settled = Settled::Dropped;
        if model.order().is_some_and(|order| order.is_held(id)) {
            self.change(&Mutation::Unhold { object, group, ids: &[id], settled });
            return Ok(true);
        }
        let Some(record) = model.pending().get(id) else { return Ok(false) };
        let visibility_ms = model.policy().map_or(0, |policy| policy.visibility_ms);
        let visibility_ms = if visibility_ms == 0 { u64::MAX } else { visibility_ms };
        let is_over = self.steady_ms.saturating_sub(record.delivered_at_ms) >= visibility_ms;
        if record.owner.is_some() && !is_over {
            return Err(Rejection::EntryInWork);
        }
        self.change(&Mutation::RemovePending { object, group, ids: &[id], settled });
        Ok(true)
    }

    /// Checks that a group exists, as the other calls here do.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`].
    pub fn check_managed_group(
        &mut self,
        db: u8,
        key: &[u8],
        name: &[u8],
    ) -> Result<(), Rejection> {
        self.managed_group(db, key, name).map(|_| ())
    }

    /// Removes a group with its consumers and pending records; whether there was one.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`].
    pub fn destroy_group(&mut self, db: u8, key: &[u8], name: &[u8]) -> Result<bool, Rejection> {
        let object = self.managed_stream(db, key)?;
        let Some(group) = self.state().stream(object.slot).find_group(name) else {
            return Ok(false);
        };
        self.change(&Mutation::DestroyGroup { object, group });
        self.signal(db, key, Signal::Gone);
        Ok(true)
    }

    /// Creates a consumer; whether it was missing.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`].
    pub fn create_consumer(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        name: &[u8],
    ) -> Result<bool, Rejection> {
        let (object, group) = self.managed_group(db, key, group)?;
        let is_new = self.state().stream(object.slot).group(group).find_consumer(name).is_none();
        self.refuse_consumer(object, group, name)?;
        self.consumer_or_create(object, group, name);
        Ok(is_new)
    }

    /// Removes a consumer with the pending records it owns; returns how many those were. In a
    /// managed group they stay, without an owner, unless its policy says otherwise.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::GroupNeedsKey`], [`Rejection::NoGroup`].
    pub fn delete_consumer(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        name: &[u8],
    ) -> Result<usize, Rejection> {
        let (object, group) = self.managed_group(db, key, group)?;
        let model = self.state().stream(object.slot).group(group);
        let Some(consumer) = model.find_consumer(name) else { return Ok(0) };
        let count = model.consumer(consumer).pending_count;
        if count > 0 && model.policy().is_some_and(GroupPolicy::releases) {
            self.release(object, group, consumer);
            self.signal(db, key, Signal::Released);
        }
        self.change(&Mutation::DeleteConsumer { object, group, consumer });
        Ok(count)
    }

    /// Takes everything from a consumer that it owns; counts stay.
    fn release(&mut self, object: ObjectRef, group: GroupId, consumer: ConsumerId) {
        let pending = self.state().stream(object.slot).group(group).pending();
        let own = pending.range_of(consumer, EntryId::MIN, EntryId::MAX);
        let unowned = |entry| PendingEntry { owner: None, delivered_at_ms: 0, ..entry };
        let entries: Vec<_> = own.map(unowned).collect();
        let now_ms = self.steady_ms;
        self.note_owner(object, group, consumer, &entries);
        for entries in entries.chunks(RELEASED_PER_PART) {
            self.change(&Mutation::SetPending { object, group, by: None, now_ms, entries });
        }
    }

    /// What a dead letter would say of these, when their consumer is gone. What it said stays.
    fn note_owner(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        consumer: ConsumerId,
        entries: &[PendingEntry],
    ) {
        let model = self.state().stream(object.slot).group(group);
        if !model.policy().is_some_and(GroupPolicy::dead_letters) {
            return;
        }
        let name = Arc::clone(&model.consumer(consumer).name);
        // By what was said: nearly always nothing.
        let mut noted: BTreeMap<Arc<[u8]>, Vec<EntryId>> = BTreeMap::new();
        for entry in entries {
            let before = model.pending().failure(entry.id);
            let error = before.map_or_else(|| [].into(), |before| Arc::clone(&before.error));
            noted.entry(error).or_default().push(entry.id);
        }
        for (error, ids) in noted {
            let failure = Arc::new(Failure { consumer: Arc::clone(&name), error });
            for ids in ids.chunks(RELEASED_PER_PART) {
                let failure = Arc::clone(&failure);
                self.change(&Mutation::NoteFailure { object, group, failure, ids });
            }
        }
    }

    /// Ends all delays of a group that is to know none, and with it the waiting for dead letters.
    fn end_delays(&mut self, object: ObjectRef, group: GroupId, is_managed: bool) {
        let pending = self.state().stream(object.slot).group(group).pending();
        if pending.delayed_len() == 0 {
            return;
        }
        let records = pending.range(EntryId::MIN, EntryId::MAX);
        let is_meant = |entry: &PendingEntry| {
            entry.available_at_ms == PendingEntry::NEVER || !is_managed && entry.available_at_ms > 0
        };
        let available = |entry| PendingEntry { available_at_ms: 0, ..entry };
        let entries: Vec<_> = records.filter(is_meant).map(available).collect();
        let now_ms = self.steady_ms;
        for entries in entries.chunks(RELEASED_PER_PART) {
            self.change(&Mutation::SetPending { object, group, by: None, now_ms, entries });
        }
    }
}
