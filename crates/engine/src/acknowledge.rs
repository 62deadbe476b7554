//! Settling pending entries: done, done and deleted, or given back.
//!
//! XACK, XACKDEL and XNACK, without their grammar. Only XNACK signals: what is acknowledged makes
//! nothing ready. No WATCH sees any of it but the deletion of an entry. Tests:
//! `tests/it/pending.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use millstream_model::{
    ConsumerId, EntryId, Failure, Group, GroupId, GroupPolicy, PendingEntry, References, Rejection,
    Settled,
};

use crate::entries::Deletion;
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// Why an entry is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackMode {
    /// For no reason of its own: this delivery does not count.
    Silent,
    /// It failed, and may succeed another time.
    Fail,
    /// It will never succeed: its count becomes the largest there is, or it becomes a dead letter.
    Fatal,
}

/// How entries are given back.
#[derive(Clone, Copy, Debug)]
pub struct Nack<'a> {
    /// Why.
    pub mode: NackMode,
    /// The count that they get, whatever the mode says.
    pub delivery_count: Option<u64>,
    /// Entries that are not pending become so.
    pub force: bool,
    /// Of a managed group: they are not handed out for so many milliseconds. `None`: as its policy
    /// says.
    pub delay_ms: Option<u64>,
    /// Of a managed group: what went wrong. Kept up to [`ERROR_BYTES_MAX`].
    pub error: Option<&'a [u8]>,
}

impl Nack<'_> {
    /// One with nothing but a reason.
    #[must_use]
    pub fn new(mode: NackMode) -> Self {
        Self { mode, delivery_count: None, force: false, delay_ms: None, error: None }
    }

    fn count(&self, before: u64) -> u64 {
        self.delivery_count.unwrap_or(match self.mode {
            NackMode::Silent => before.saturating_sub(1),
            NackMode::Fail => before,
            NackMode::Fatal => PendingEntry::DELIVERY_COUNT_MAX,
        })
    }

    /// What a pending entry becomes that was delivered so often.
    fn record(
        &self,
        id: EntryId,
        before: u64,
        policy: Option<&GroupPolicy>,
        now_ms: u64,
    ) -> PendingEntry {
        let mut delivery_count = self.count(before);
        let mut available_at_ms = 0;
        if let Some(policy) = policy {
            if self.mode == NackMode::Fatal && policy.dead_letters() {
                delivery_count = before;
                available_at_ms = PendingEntry::NEVER;
            } else {
                let wait_ms = self.delay_ms.unwrap_or(match self.mode {
                    NackMode::Fail => policy.backoff_ms(id, delivery_count),
                    NackMode::Silent | NackMode::Fatal => 0,
                });
                let until_ms = now_ms.saturating_add(wait_ms).min(PendingEntry::NEVER - 1);
                available_at_ms = if wait_ms > 0 { until_ms } else { 0 };
            }
        }
        PendingEntry { id, owner: None, delivered_at_ms: 0, available_at_ms, delivery_count }
    }
}

/// Of what is said about a failure, so much is kept.
pub const ERROR_BYTES_MAX: usize = 4096;

/// Who a settlement is of: it counts only for what this consumer still has.
#[derive(Clone, Copy, Debug)]
pub struct Fence<'a> {
    /// Name of the consumer.
    pub consumer: &'a [u8],
    /// Only at this delivery: catches an entry that was delivered again to the same consumer.
    pub delivery_count: Option<u64>,
}

impl Fence<'_> {
    /// Which of these the consumer has, at the delivery that is meant.
    fn held(&self, group: &Group, ids: &[EntryId]) -> impl Iterator<Item = EntryId> {
        let consumer = group.find_consumer(self.consumer);
        let is_this = |count| self.delivery_count.is_none_or(|wanted| wanted == count);
        let is_held = move |id: &EntryId| {
            let record = group.pending().get(*id).filter(|record| record.owner == consumer);
            record.is_some_and(|record| is_this(record.delivery_count))
        };
        ids.iter().copied().filter(move |id| consumer.is_some() && is_held(id))
    }
}

impl Transaction<'_> {
    /// The group whose pending entries a command names; `None` if key or group is missing.
    pub(crate) fn find_group(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
    ) -> Result<Option<(ObjectRef, GroupId)>, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(None) };
        Ok(self.state().stream(object.slot).find_group(group).map(|group| (object, group)))
    }

    /// Whether key and group are there.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn has_group(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<bool, Rejection> {
        Ok(self.find_group(db, key, group)?.is_some())
    }

    /// Key and group must be there.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoKeyOrGroup`].
    pub fn check_group(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<(), Rejection> {
        self.needed_group(db, key, group).map(|_| ())
    }

    pub(crate) fn needed_group(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
    ) -> Result<(ObjectRef, GroupId), Rejection> {
        self.find_group(db, key, group)?
            .ok_or_else(|| Rejection::NoKeyOrGroup { key: key.into(), group: group.into() })
    }

    /// Acknowledges entries; returns how many were pending.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn acknowledge(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        ids: &[EntryId],
    ) -> Result<usize, Rejection> {
        let Some((object, group)) = self.find_group(db, key, group)? else { return Ok(0) };
        let mut found = self.take_ids();
        let pending = self.state().stream(object.slot).group(group).pending();
        found.extend(pending.present(ids.iter().copied()));
        Ok(self.remove_pending(object, group, found, Settled::Acked))
    }

    /// The same for what the consumer of the fence still has; returns how many those were.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn acknowledge_fenced(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        fence: Fence<'_>,
        ids: &[EntryId],
    ) -> Result<usize, Rejection> {
        let Some((object, group)) = self.find_group(db, key, group)? else { return Ok(0) };
        let mut found = self.take_ids();
        let model = self.state().stream(object.slot).group(group);
        found.extend(fence.held(model, ids));
        Ok(self.remove_pending(object, group, found, Settled::Acked))
    }

    /// How many of these the consumer of the fence has; an id given twice counts twice.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn count_fenced(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        fence: Fence<'_>,
        ids: &[EntryId],
    ) -> Result<usize, Rejection> {
        let Some((object, group)) = self.find_group(db, key, group)? else { return Ok(0) };
        Ok(fence.held(self.state().stream(object.slot).group(group), ids).count())
    }

    /// Removes records that are there, in any order; returns how many there were.
    pub(crate) fn remove_pending(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        mut found: Vec<EntryId>,
        settled: Settled,
    ) -> usize {
        // Ids nearly always ascend already.
        if !found.is_sorted_by(|a, b| a < b) {
            found.sort_unstable();
            found.dedup();
        }
        let count = found.len();
        if count > 0 {
            self.change(&Mutation::RemovePending { object, group, ids: &found, settled });
        }
        self.keep_ids(found);
        count
    }

    /// Acknowledges entries and deletes them from the stream. A missing key or group gives
    /// [`Deletion::NotFound`] for all.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn acknowledge_and_delete(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        references: References,
        ids: &[EntryId],
    ) -> Result<Vec<Deletion>, Rejection> {
        let Some((object, group)) = self.find_group(db, key, group)? else {
            return Ok(vec![Deletion::NotFound; ids.len()]);
        };
        self.need_entries(object, ids.iter().copied())?;
        let one = |id: EntryId| {
            if !self.state().stream(object.slot).group(group).pending().contains(id) {
                return Deletion::NotFound;
            }
            let settled = Settled::Acked;
            self.change(&Mutation::RemovePending { object, group, ids: &[id], settled });
            match self.delete_one(object, references, id) {
                Deletion::Kept => Deletion::Kept,
                // An entry that was gone already is as good as deleted.
                Deletion::Deleted | Deletion::NotFound => Deletion::Deleted,
            }
        };
        Ok(ids.iter().copied().map(one).collect())
    }

    /// Gives entries back: they stay pending without an owner, to be claimed at once, or as a
    /// managed group's policy and the delay say. With `force`, entries that are not pending become
    /// so. Returns how many were processed; an id given twice counts twice.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoKeyOrGroup`], [`Rejection::GroupNotManaged`],
    /// [`Rejection::NoLogRoom`].
    pub fn nack(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        nack: &Nack<'_>,
        ids: &[EntryId],
    ) -> Result<usize, Rejection> {
        let (object, group) = self.needed_group(db, key, group)?;
        let policy = self.state().stream(object.slot).group(group).policy().cloned();
        if policy.is_none() && (nack.delay_ms.is_some() || nack.error.is_some()) {
            return Err(Rejection::GroupNotManaged);
        }
        let letters = policy.as_ref().is_some_and(GroupPolicy::dead_letters);
        let is_last = nack.mode == NackMode::Fatal && letters;
        if nack.force || is_last {
            self.need_entries(object, ids.iter().copied())?;
        }
        if let Some(error) = nack.error {
            // It is noted for each that has some of the entries.
            let pending = self.state().stream(object.slot).group(group).pending();
            let owners = ids.iter().filter_map(|&id| pending.get(id)?.owner);
            let owners = owners.collect::<BTreeSet<_>>().len();
            self.need_log_room((owners * error.len().min(ERROR_BYTES_MAX)) as u64)?;
        }
        let mut processed = Vec::new();
        let mut owners: BTreeMap<ConsumerId, Vec<EntryId>> = BTreeMap::new();
        let now_ms = self.steady_ms;
        for &id in ids {
            let before = self.state().stream(object.slot).group(group).pending().get(id);
            let count = match before {
                Some(record) => record.delivery_count,
                None if nack.force && self.has_entry(object, id) => 0,
                None => continue,
            };
            let entries = &[nack.record(id, count, policy.as_ref(), now_ms)];
            self.change(&Mutation::SetPending { object, group, by: None, now_ms, entries });
            processed.push(id);
            if let Some(owner) = before.and_then(|record| record.owner) {
                owners.entry(owner).or_default().push(id);
            }
        }
        if processed.is_empty() {
            return Ok(0);
        }
        if policy.is_some() {
            self.note_failures(object, group, nack, owners, &processed);
        }
        if is_last {
            // An entry that is named twice dies once.
            let mut named = BTreeSet::new();
            let ids: Vec<_> = processed.iter().copied().filter(|&id| named.insert(id)).collect();
            let now = self.affordable(object, group, &ids);
            // The others are due, and go as the log has room for them.
            if !now.is_empty() {
                self.bury(object, group, now);
            }
        }
        let is_delayed = nack.delay_ms.is_some() || policy.is_some_and(|p| p.backoff.is_some());
        let signal = if is_delayed { Signal::Rescheduled } else { Signal::Released };
        self.signal(db, key, signal);
        Ok(processed.len())
    }

    /// Notes who had the entries and what they said, for a dead letter.
    fn note_failures(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        nack: &Nack<'_>,
        owners: BTreeMap<ConsumerId, Vec<EntryId>>,
        all: &[EntryId],
    ) {
        if nack.mode == NackMode::Silent && nack.error.is_none() {
            return;
        }
        let error = nack.error.unwrap_or_default();
        let error: Arc<[u8]> = error[..error.len().min(ERROR_BYTES_MAX)].into();
        let mut noted = BTreeSet::new();
        for (owner, ids) in owners {
            let consumer =
                Arc::clone(&self.state().stream(object.slot).group(group).consumer(owner).name);
            let failure = Arc::new(Failure { consumer, error: Arc::clone(&error) });
            self.change(&Mutation::NoteFailure { object, group, failure, ids: &ids });
            noted.extend(ids);
        }
        if nack.error.is_some() {
            let ids: Vec<_> = all.iter().copied().filter(|id| !noted.contains(id)).collect();
            if !ids.is_empty() {
                let failure = Arc::new(Failure { consumer: [].into(), error });
                self.change(&Mutation::NoteFailure { object, group, failure, ids: &ids });
            }
        }
    }
}
