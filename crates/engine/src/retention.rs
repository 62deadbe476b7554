//! Retention: what a stream drops by itself, and what it refuses for want of room.
//!
//! XADD asks for room before it changes anything, so a stream is never beyond its limits for want
//! of a trim. What time or an acknowledgement lets go is dropped by the timer, in pieces: see
//! [`RetentionSchedule`] for when, [`Stream::plan_drop`] for what. All of it is one part,
//! [`Mutation::DropEntries`], so recovery looks at no clock.
//!
//! The timer needs the block that is cut in memory; [`Engine::run_due`] reads it with the engine
//! free. Tests: `tests/it/retention.rs`, `tests/it/retention_stored.rs`.
//!
//! [`Engine::run_due`]: crate::Engine::run_due
//! [`RetentionSchedule`]: crate::retention_schedule::RetentionSchedule
//! [`Stream::plan_drop`]: millstream_model::Stream::plan_drop

use millstream_model::{DropPlan, EntryId, Overflow, Rejection, Retain, Retention, Stream};

use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectRef};
use crate::state::{DATABASE_COUNT, State};
use crate::transaction::Transaction;

/// Between the beginnings of two rounds: what is acknowledged goes in batches.
const ROUND_INTERVAL_MS: u64 = 100;
/// A stream whose block cannot be read is looked at again so much later.
const UNREADABLE_RETRY_MS: u64 = 60_000;
/// Blocks whose bytes are counted at once.
const COUNTED_MAX: usize = 64;
/// So many blocks, pending records and groups are one piece of the timer's work.
const COST_PER_PIECE: usize = 16;
/// What a drop logs.
const RECORD_BYTES: u64 = 128;

/// What came of a look at a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Look {
    /// Nothing more may go now.
    Settled,
    /// Something went, and more is to go.
    Unfinished,
    /// Blocks have to be loaded first; they were asked for.
    NeedsBlocks,
    /// The log has no room.
    LogFull,
}

impl Transaction<'_> {
    /// What a stream keeps by itself; nothing is set where it keeps everything.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::WrongType`].
    pub fn retention(&mut self, db: u8, key: &[u8]) -> Result<Retention, Rejection> {
        let stream = self.stream(db, key)?.ok_or(Rejection::NoSuchKey)?;
        Ok(stream.retention().copied().unwrap_or_default())
    }

    /// Sets all of a stream's retention. What is too much by it is dropped soon after, in pieces.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::WrongType`]; [`Rejection::BlocksNotLoaded`] and
    /// [`Rejection::BlockUnreadable`] where bytes are to be counted.
    ///
    /// # Panics
    /// If it contradicts itself.
    pub fn set_retention(
        &mut self,
        db: u8,
        key: &[u8],
        retention: Retention,
    ) -> Result<(), Rejection> {
        assert!(!retention.contradicts_itself(), "the caller refuses it");
        let object = self.find_stream(db, key)?.ok_or(Rejection::NoSuchKey)?;
        if retention.max_bytes > 0 {
            self.count_bytes(object)?;
        }
        let before = self.state().stream(object.slot).retention().copied();
        if before.unwrap_or_default() != retention {
            self.change(&Mutation::SetRetention { object, retention });
        }
        Ok(())
    }

    /// Makes sure that the bytes of all blocks are known.
    pub(crate) fn count_bytes(&mut self, object: ObjectRef) -> Result<(), Rejection> {
        loop {
            let entries = self.state().stream(object.slot).entries();
            let uncounted = entries.cold_uncounted(COUNTED_MAX);
            if uncounted.is_empty() {
                return Ok(());
            }
            self.need(object, uncounted)?;
        }
    }

    /// Whether retention lets one more entry in, with so many bytes of names and values: the id
    /// below which entries have to go first, if any. Changes nothing.
    ///
    /// # Errors
    /// [`Rejection::StreamFull`], [`Rejection::EntryAboveMaxBytes`]; [`Rejection::BlocksNotLoaded`]
    /// and [`Rejection::BlockUnreadable`] where it takes a look into a block.
    #[inline]
    pub(crate) fn room_for_entry(
        &mut self,
        object: ObjectRef,
        fields: &[&[u8]],
    ) -> Result<Option<EntryId>, Rejection> {
        if self.state().retaining == 0 {
            return Ok(None);
        }
        match self.state().stream(object.slot).retention() {
            Some(&retention) => self.retained_room(object, retention, fields),
            None => Ok(None),
        }
    }

    fn retained_room(
        &mut self,
        object: ObjectRef,
        retention: Retention,
        fields: &[&[u8]],
    ) -> Result<Option<EntryId>, Rejection> {
        let added_bytes = fields.iter().map(|field| field.len() as u64).sum();
        if retention.max_bytes > 0 && added_bytes > retention.max_bytes {
            return Err(Rejection::EntryAboveMaxBytes);
        }
        let plan = loop {
            let stream = self.state().stream(object.slot);
            let mut plan = stream.plan_drop(self.now.wall_ms, Some(added_bytes));
            match plan.missing.take() {
                None => break plan,
                Some(cold) => self.need(object, cold.0)?,
            }
        };
        let exceeded = self.state().stream(object.slot).limit_exceeded(&plan, added_bytes);
        if let Some(limit) = exceeded
            && retention.overflow() == Overflow::Reject
        {
            // It may be only that so much cannot go at once.
            self.core.state.mark_retained(object);
            return Err(Rejection::StreamFull(limit));
        }
        Ok((plan.before > EntryId::MIN).then_some(plan.before))
    }

    /// Drops what [`Self::room_for_entry`] said.
    pub(crate) fn drop_entries(&mut self, object: ObjectRef, before: Option<EntryId>) {
        if let Some(before) = before {
            self.change(&Mutation::DropEntries { object, before });
        }
    }

    /// Looks at streams whose time has come, for at most about so many pieces of work.
    pub(crate) fn keep_retention(&mut self, budget: usize) {
        let mut left = budget;
        while left > 0 && !self.core.is_log_full {
            let Some(object) = self.next_retained() else { return };
            let could_put_off = std::mem::replace(&mut self.may_put_off, true);
            let (look, cost) = self.look_at_retained(object);
            self.may_put_off = could_put_off;
            left = left.saturating_sub(1 + cost / COST_PER_PIECE);
            match look {
                Look::Settled | Look::NeedsBlocks => {
                    let now_ms = self.now.wall_ms;
                    self.core.state.settle_retained(object, now_ms);
                }
                Look::Unfinished => {}
                Look::LogFull => self.core.is_log_full = true,
            }
        }
    }

    fn next_retained(&mut self) -> Option<ObjectRef> {
        let (wall_ms, steady_ms) = (self.now.wall_ms, self.steady_ms);
        let core = &mut *self.core;
        let aging = core.state.next_aging().filter(|(at_ms, _)| *at_ms <= wall_ms);
        let found = aging.map(|(_, object)| object).or_else(|| core.state.next_of_round());
        if found.is_some() || steady_ms < core.next_retention_ms || !core.state.is_any_marked() {
            return found;
        }
        core.next_retention_ms = steady_ms.saturating_add(ROUND_INTERVAL_MS);
        core.state.begin_retention_round();
        core.state.next_of_round()
    }

    /// Drops what may go at once. Returns what that cost, too.
    fn look_at_retained(&mut self, object: ObjectRef) -> (Look, usize) {
        let plan = self.state().stream(object.slot).plan_drop(self.now.wall_ms, None);
        let cost = plan.cost;
        (self.carry_out(object, plan), cost)
    }

    fn carry_out(&mut self, object: ObjectRef, plan: DropPlan) -> Look {
        let DropPlan { before, missing, .. } = plan;
        if before == EntryId::MIN {
            let Some(cold) = missing else { return Look::Settled };
            let needed = self.need(object, cold.0);
            assert_eq!(needed, Err(Rejection::BlocksNotLoaded), "it is put off");
            return Look::NeedsBlocks;
        }
        if !self.may_log(RECORD_BYTES) {
            return Look::LogFull;
        }
        self.begin();
        self.change(&Mutation::DropEntries { object, before });
        self.finish();
        // Whether anything is left shows the next look: what went may have kept more.
        Look::Unfinished
    }

    /// Goes on with streams whose blocks were loaded just now; or, where they could not be, waits.
    pub(crate) fn keep_loaded(&mut self, streams: &[ObjectId], is_loaded: bool) {
        let retry_ms = self.now.wall_ms.saturating_add(UNREADABLE_RETRY_MS);
        for &id in streams {
            let object = self.state().find_stream_object(id);
            let object =
                object.filter(|object| self.state().stream(object.slot).retention().is_some());
            if let Some(object) = object {
                if !is_loaded {
                    self.core.state.postpone_retained(object, retry_ms);
                    continue;
                }
                // One piece, and the rest with the next round.
                self.may_put_off(true);
                let (look, _) = self.look_at_retained(object);
                self.may_put_off(false);
                if look != Look::Settled {
                    self.core.state.mark_retained(object);
                }
            }
        }
        // What was asked for again is loaded with the next round.
        drop(self.take_needed());
    }
}

impl crate::core::Core {
    /// When the next round begins or goes on, in steady milliseconds.
    pub(crate) fn next_retention_round(&self, steady_ms: u64) -> Option<u64> {
        if self.state.next_of_round().is_some() {
            return Some(steady_ms);
        }
        self.state.is_any_marked().then_some(self.next_retention_ms)
    }
}

impl State {
    /// A stream with a retention changed, or had one.
    pub(crate) fn note_retention(&mut self, object: ObjectRef, mutation: &Mutation<'_>) {
        let is_marked = lets_go(mutation, self.stream(object.slot));
        self.store_mut(object.slot).note_retention(object, is_marked);
        self.note_retaining(object);
    }

    /// The object may have a retention.
    pub(crate) fn note_retaining(&mut self, object: ObjectRef) {
        let store = object.slot.store;
        if !self.stores()[usize::from(store)].retention().is_empty() {
            self.retaining |= 1 << store;
        }
    }

    fn retaining_stores(&self) -> impl Iterator<Item = &crate::objects::Objects> {
        let is_retaining = |store: &u8| self.retaining & 1 << store != 0;
        (0..DATABASE_COUNT).filter(is_retaining).map(|store| &self.stores()[usize::from(store)])
    }

    /// The stream whose oldest entry becomes too old first, and when, in Unix milliseconds.
    pub(crate) fn next_aging(&self) -> Option<(u64, ObjectRef)> {
        if self.retaining == 0 {
            return None;
        }
        let of_store = |store: &crate::objects::Objects| {
            let (at_ms, id) = store.retention().next_aging()?;
            Some((at_ms, store.find(id).expect("what is watched is there")))
        };
        self.retaining_stores().filter_map(of_store).min_by_key(|(at_ms, _)| *at_ms)
    }

    /// The next stream of this round.
    pub(crate) fn next_of_round(&self) -> Option<ObjectRef> {
        if self.retaining == 0 {
            return None;
        }
        let of_store =
            |store: &crate::objects::Objects| store.find(store.retention().next_of_round()?);
        self.retaining_stores().find_map(of_store)
    }

    /// Whether streams wait for the next round.
    pub(crate) fn is_any_marked(&self) -> bool {
        self.retaining != 0 && self.retaining_stores().any(|store| store.retention().is_marked())
    }

    fn begin_retention_round(&mut self) {
        for store in 0..DATABASE_COUNT {
            if self.retaining & 1 << store != 0 {
                let schedule = self.retention_of_store(store);
                schedule.begin_round();
                let is_empty = schedule.is_empty();
                self.retaining ^= u16::from(is_empty) << store;
            }
        }
    }

    fn mark_retained(&mut self, object: ObjectRef) {
        self.retention_of_store(object.slot.store).mark(object.id);
    }

    fn settle_retained(&mut self, object: ObjectRef, now_ms: u64) {
        self.retention_of_store(object.slot.store).settle(object.id, now_ms);
    }

    fn postpone_retained(&mut self, object: ObjectRef, at_ms: u64) {
        self.retention_of_store(object.slot.store).postpone(object.id, at_ms);
    }
}

/// Whether a part may let entries go that had to stay before it.
fn lets_go(mutation: &Mutation<'_>, stream: &Stream) -> bool {
    let Some(retention) = stream.retention() else { return false };
    match mutation {
        Mutation::SetRetention { .. } => true,
        // A group that was moved ahead has done with what comes before that.
        Mutation::Append { id, .. } => {
            let is_unwanted = || stream.group_count() > 0 && !stream.is_referenced(*id);
            stream.has_surplus() || retention.is_work_queue() && is_unwanted()
        }
        Mutation::RemovePending { .. }
        | Mutation::Unhold { .. }
        | Mutation::UnholdAll { .. }
        | Mutation::Deliver { pending: [], .. }
        // A record of an entry that is gone keeps nothing.
        | Mutation::RemoveEntries { .. }
        | Mutation::TrimBefore { .. }
        | Mutation::CreateGroup { .. }
        | Mutation::SetGroupPosition { .. }
        | Mutation::DestroyGroup { .. }
        | Mutation::DeleteConsumer { .. } => {
            retention.retain == Retain::Unacked
                && (retention.is_work_queue() || retention.max_age_ms > 0 || stream.has_surplus())
        }
        _ => false,
    }
}
