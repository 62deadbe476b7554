//! Taking over pending entries: by id (XCLAIM), or what is idle (XAUTOCLAIM).
//!
//! A claim moves no group (but for LASTID), signals nobody, and no WATCH sees it. Records whose
//! entries are gone are removed on the way. Must not know CLAIM of XREADGROUP: that is
//! `read/group_read.rs`, where such records stay. Tests: `tests/it/pending.rs`.

use millstream_model::{
    EntryId, Group, GroupId, GroupPolicy, PendingEntry, PinnedEntry, Rejection, Settled,
};

use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::read::Reader;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// XAUTOCLAIM looks at so many records for each one it may return.
const ATTEMPTS_PER_COUNT: usize = 10;

/// How entries are claimed.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClaimOptions {
    /// Only what has been idle for so long, milliseconds; 0: all.
    pub min_idle_ms: u64,
    /// The delivery time to set; `None`: now.
    pub delivered_at: Option<DeliveredAt>,
    /// The delivery count to set; `None`: one more, or the same with `just_ids`.
    pub delivery_count: Option<u64>,
    /// Make records for entries that are not pending.
    pub force: bool,
    /// Only what this consumer has already, to have it for longer.
    pub is_fenced: bool,
    /// The entries themselves are not wanted, so this is no delivery.
    pub just_ids: bool,
    /// Moves the group forward to this id, never back.
    pub last_id: Option<EntryId>,
}

/// A delivery time as given to XCLAIM. One in the future, or before the epoch, counts as now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveredAt {
    /// So many milliseconds ago.
    Idle(i64),
    /// Unix milliseconds.
    At(i64),
}

impl DeliveredAt {
    fn resolve(self, now_ms: u64) -> u64 {
        let now = now_ms.cast_signed();
        let at = match self {
            Self::Idle(idle_ms) => now.checked_sub(idle_ms).unwrap_or(-1),
            Self::At(at_ms) => at_ms,
        };
        if at < 0 || at > now { now_ms } else { at.cast_unsigned() }
    }
}

/// What one scan of XAUTOCLAIM did.
#[derive(Clone, Debug)]
pub struct AutoClaim {
    /// Where to go on; `0-0` at the end.
    pub cursor: EntryId,
    /// What was claimed, ascending.
    pub claimed: Vec<PinnedEntry>,
    /// Records whose entries were gone; they were removed.
    pub deleted: Vec<EntryId>,
}

impl Transaction<'_> {
    /// Claims entries by id for a consumer, which is created if missing. Records of entries that
    /// are gone are removed. Returns the claimed entries in the order given.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoKeyOrGroup`].
    pub fn claim(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        options: &ClaimOptions,
        ids: &[EntryId],
    ) -> Result<Vec<PinnedEntry>, Rejection> {
        let (object, group) = self.needed_group(db, key, group)?;
        if options.is_fenced {
            let model = self.state().stream(object.slot).group(group);
            if model.find_consumer(consumer).is_none() {
                return Ok(Vec::new());
            }
        }
        self.need_entries(object, ids.iter().copied())?;
        self.refuse_consumer(object, group, consumer)?;
        self.move_forward(object, group, options.last_id);
        let consumer = self.consumer_or_create(object, group, consumer);
        let who = Reader { object, group, consumer };
        let now_ms = self.steady_ms;
        let delivered_at_ms = options.delivered_at.map_or(now_ms, |at| at.resolve(now_ms));
        let mut claimed = Vec::new();
        for &id in ids {
            let Some(entry) = self.claimable(who, options, id) else { continue };
            let Some(entry) = entry else {
                let settled = Settled::Vanished;
                self.change(&Mutation::RemovePending { object, group, ids: &[id], settled });
                continue;
            };
            let before = self.state().stream(object.slot).group(group).pending().get(id);
            let count = before.map_or(1, |record| record.delivery_count);
            let delivery_count = match options.delivery_count {
                Some(count) => count,
                None if options.just_ids => count,
                None => count.saturating_add(1).min(PendingEntry::DELIVERY_COUNT_MAX),
            };
            let owner = Some(consumer);
            self.set_pending(
                who,
                true,
                &[PendingEntry { id, owner, delivered_at_ms, available_at_ms: 0, delivery_count }],
            );
            claimed.push(entry);
        }
        if claimed.is_empty() {
            self.saw(who);
        } else if self.state().stream(object.slot).group(group).policy().is_some() {
            // With IDLE it may be available again before anybody expected it.
            self.signal(db, key, Signal::Rescheduled);
        }
        Ok(claimed)
    }

    fn move_forward(&mut self, object: ObjectRef, group: GroupId, last_id: Option<EntryId>) {
        let model = self.state().stream(object.slot).group(group);
        if let Some(position) = last_id.filter(|&id| id > model.last_delivered_id()) {
            let entries_read = model.entries_read();
            self.change(&Mutation::SetGroupPosition { object, group, position, entries_read });
        }
    }

    /// `None`: leave it alone. `Some(None)`: its record has no entry any more.
    #[expect(clippy::option_option, reason = "three answers, used in one place")]
    fn claimable(
        &self,
        who: Reader,
        options: &ClaimOptions,
        id: EntryId,
    ) -> Option<Option<PinnedEntry>> {
        let stream = self.state().stream(who.object.slot);
        let record = stream.group(who.group).pending().get(id);
        let is_own = record.is_some_and(|record| record.owner == Some(who.consumer));
        if options.is_fenced && !is_own {
            return None;
        }
        let Some(entry) = self.entry(who.object, id) else { return record.map(|_| None) };
        let may_claim = match record {
            Some(record) => record.owner.is_none() || self.is_idle(&record, options.min_idle_ms),
            None => options.force,
        };
        may_claim.then_some(Some(entry))
    }

    fn is_idle(&self, record: &PendingEntry, min_idle_ms: u64) -> bool {
        self.steady_ms.saturating_sub(record.delivered_at_ms) >= min_idle_ms
    }

    /// Whether a scan takes a record. One of a managed group whose time is over is as good as
    /// idle; what is delayed or used up there is passed over.
    #[inline]
    fn may_scan(&self, group: &Group, record: &PendingEntry, min_idle_ms: u64) -> bool {
        let is_idle = record.owner.is_none() || self.is_idle(record, min_idle_ms);
        match group.policy() {
            None => is_idle,
            Some(policy) => self.may_scan_managed(group, policy, record, is_idle),
        }
    }

    fn may_scan_managed(
        &self,
        group: &Group,
        policy: &GroupPolicy,
        record: &PendingEntry,
        is_idle: bool,
    ) -> bool {
        if group.pending().is_used_up(record.id) || record.available_at_ms > self.steady_ms {
            return false;
        }
        let wait_ms = policy.backoff_ms(record.id, record.delivery_count);
        let due_ms =
            record.delivered_at_ms.saturating_add(policy.visibility_ms).saturating_add(wait_ms);
        is_idle || policy.visibility_ms > 0 && due_ms <= self.steady_ms
    }

    /// Claims up to `count` entries that have been idle for so long, from an id on. Records of
    /// entries that are gone are removed, and count.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoKeyOrGroup`].
    #[expect(clippy::too_many_arguments, reason = "they are XAUTOCLAIM's")]
    pub fn autoclaim(
        &mut self,
        db: u8,
        key: &[u8],
        group: &[u8],
        consumer: &[u8],
        min_idle_ms: u64,
        start: EntryId,
        count: usize,
        just_ids: bool,
    ) -> Result<AutoClaim, Rejection> {
        let (object, group) = self.needed_group(db, key, group)?;
        self.need_idle(object, group, min_idle_ms, start, count)?;
        self.refuse_consumer(object, group, consumer)?;
        let consumer = self.consumer_or_create(object, group, consumer);
        let who = Reader { object, group, consumer };
        let now_ms = self.steady_ms;
        let stream = self.state().stream(object.slot);
        let mut result =
            AutoClaim { cursor: EntryId::MIN, claimed: Vec::new(), deleted: Vec::new() };
        let mut changes = Vec::new();
        let mut attempts = count.saturating_mul(ATTEMPTS_PER_COUNT);
        let model = stream.group(group);
        for record in model.pending().range(start, EntryId::MAX) {
            if attempts == 0 || result.claimed.len() + result.deleted.len() >= count {
                result.cursor = record.id;
                break;
            }
            attempts -= 1;
            let Some(entry) = self.entry(object, record.id) else {
                result.deleted.push(record.id);
                continue;
            };
            if !self.may_scan(model, &record, min_idle_ms) {
                continue;
            }
            let mut claimed = record.delivered_again(consumer, now_ms);
            if just_ids {
                claimed.delivery_count = record.delivery_count;
            }
            changes.push(claimed);
            result.claimed.push(entry);
        }
        if !result.deleted.is_empty() {
            let (ids, settled) = (&result.deleted, Settled::Vanished);
            self.change(&Mutation::RemovePending { object, group, ids, settled });
        }
        if changes.is_empty() {
            self.saw(who);
        } else {
            self.set_pending(who, true, &changes);
        }
        Ok(result)
    }

    /// Makes sure that every entry that [`Self::autoclaim`] looks at is in memory.
    fn need_idle(
        &mut self,
        object: ObjectRef,
        group: GroupId,
        min_idle_ms: u64,
        start: EntryId,
        count: usize,
    ) -> Result<(), Rejection> {
        while self.has_cold(object) {
            let stream = self.state().stream(object.slot);
            let (mut cold, mut found) = (Vec::new(), 0);
            let attempts = count.saturating_mul(ATTEMPTS_PER_COUNT);
            for record in stream.group(group).pending().range(start, EntryId::MAX).take(attempts) {
                if found >= count {
                    break;
                }
                let is_there = stream.entries().contains(record.id);
                cold.extend(is_there.err());
                let may_claim = self.may_scan(stream.group(group), &record, min_idle_ms);
                found += usize::from(is_there == Ok(false) || may_claim);
            }
            if cold.is_empty() {
                break;
            }
            cold.dedup();
            self.need(object, cold)?;
        }
        Ok(())
    }
}
