//! Settling pending entries: done, done and deleted, or given back.
//!
//! XACK, XACKDEL and XNACK, without their grammar. Only XNACK signals: what is acknowledged makes
//! nothing ready. No WATCH sees any of it but the deletion of an entry. Tests:
//! `tests/it/pending.rs`.

use millstream_model::{EntryId, GroupId, PendingEntry, References, Rejection};

use crate::entries::Deletion;
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// What giving an entry back does to its delivery count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NackCount {
    /// This delivery does not count.
    Uncounted,
    /// It stays.
    Counted,
    /// It becomes the largest there is: nobody need try again.
    Exhausted,
    /// It becomes this.
    Exactly(u64),
}

impl NackCount {
    fn apply(self, count: u64) -> u64 {
        match self {
            Self::Uncounted => count.saturating_sub(1),
            Self::Counted => count,
            Self::Exhausted => PendingEntry::DELIVERY_COUNT_MAX,
            Self::Exactly(count) => count,
        }
    }
}

/// Who a settlement is of: it counts only for what this consumer still has.
#[derive(Clone, Copy, Debug)]
pub struct Fence<'a> {
    /// Name of the consumer.
    pub consumer: &'a [u8],
    /// Only at this delivery: catches an entry that was delivered again to the same consumer.
    pub delivery_count: Option<u64>,
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
        found.extend(ids.iter().copied().filter(|&id| pending.contains(id)));
        Ok(self.remove_pending(object, group, found))
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
        let model = self.state().stream(object.slot).group(group);
        let Some(consumer) = model.find_consumer(fence.consumer) else { return Ok(0) };
        let mut found = self.take_ids();
        let model = self.state().stream(object.slot).group(group);
        let is_own = |id: &EntryId| {
            let record = model.pending().get(*id).filter(|record| record.owner == Some(consumer));
            let is_this = |count| fence.delivery_count.is_none_or(|wanted| wanted == count);
            record.is_some_and(|record| is_this(record.delivery_count))
        };
        found.extend(ids.iter().copied().filter(is_own));
        Ok(self.remove_pending(object, group, found))
    }

    /// Removes records that are there, in any order; returns how many there were.
    pub(crate) fn remove_pending(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        mut found: Vec<EntryId>,
    ) -> usize {
        // Ids nearly always ascend already.
        if !found.is_sorted_by(|a, b| a < b) {
            found.sort_unstable();
            found.dedup();
        }
        let count = found.len();
        if count > 0 {
            self.change(&Mutation::RemovePending { object, group, ids: &found });
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
            self.change(&Mutation::RemovePending { object, group, ids: &[id] });
            match self.delete_one(object, references, id) {
                Deletion::Kept => Deletion::Kept,
                // An entry that was gone already is as good as deleted.
                Deletion::Deleted | Deletion::NotFound => Deletion::Deleted,
            }
        };
        Ok(ids.iter().copied().map(one).collect())
    }

    /// Gives entries back: they stay pending without an owner, to be claimed at once. With `force`,
    /// entries that are not pending become so. Returns how many were processed; an id given twice
    /// counts twice.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoKeyOrGroup`].
    pub fn nack(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        count: NackCount,
        force: bool,
        ids: &[EntryId],
    ) -> Result<usize, Rejection> {
        let (object, group) = self.needed_group(db, key, group)?;
        if force {
            self.need_entries(object, ids.iter().copied())?;
        }
        let mut processed = 0;
        for &id in ids {
            let stream = self.state().stream(object.slot);
            let delivery_count = match stream.group(group).pending().get(id) {
                Some(record) => count.apply(record.delivery_count),
                None if force && self.has_entry(object, id) => count.apply(0),
                None => continue,
            };
            let record = PendingEntry { id, owner: None, delivered_at_ms: 0, delivery_count };
            let now_ms = self.steady_ms;
            let entries = &[record];
            self.change(&Mutation::SetPending { object, group, by: None, now_ms, entries });
            processed += 1;
        }
        if processed > 0 {
            self.signal(db, key, Signal::Released);
        }
        Ok(processed)
    }
}
