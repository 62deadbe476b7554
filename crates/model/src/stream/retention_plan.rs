//! What retention drops: from its items, the clock and what groups have acknowledged to an id below
//! which everything goes, and that it goes.
//!
//! Only the oldest entries are ever dropped, so one that is kept keeps all behind it. A plan is
//! bounded, in blocks looked at and in pending records that go; it says whether more is to follow.
//! Must not know who asks, nor what is logged. Tests: `stream/tests/retention.rs`, against a plain
//! list of entries.

use crate::Settled;
use crate::{
    ColdBlocks, Entries, EntryId, Group, GroupId, NodeView, Overflow, Retain, Retention, Stream,
    StreamLimit,
};

/// Blocks of one plan: some 100 us to take them out of the index.
const BLOCKS_MAX: usize = if cfg!(test) { 8 } else { 512 };
/// Entries of the block that is cut.
const CUT_MAX: usize = if cfg!(test) { 16 } else { 4096 };
/// Pending records of one plan, of all groups together unless these are as many: some 300 us.
const PENDING_MAX: usize = if cfg!(test) { 12 } else { 2048 };
/// Records of entries that are gone which are passed over at once, in each group.
const VANISHED_MAX: usize = if cfg!(test) { 4 } else { 64 };
/// Blocks that are counted at once.
const COUNTED_MAX: usize = 64;

/// What may be dropped now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropPlan {
    /// The first id that stays; [`EntryId::MIN`] if nothing is to go.
    pub before: EntryId,
    /// Entries below it: at least so many.
    pub entries: u64,
    /// Their bytes of names and values: at least so many.
    pub bytes: u64,
    /// It was not cut short.
    pub is_whole: bool,
    /// Blocks, pending records and groups that are touched, roughly.
    pub cost: usize,
    /// To go on, these have to be in memory.
    pub missing: Option<ColdBlocks>,
}

/// What went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Entries.
    pub entries: u64,
    /// Pending records of each group that had any.
    pub pending: Vec<(GroupId, u64)>,
}

/// What is too much, and how far it may go.
struct Surplus {
    entries: u64,
    bytes: u64,
    /// Everything below it is.
    before: EntryId,
    /// From here on nothing may go.
    kept_from: EntryId,
}

impl Surplus {
    /// Whether the next entry goes, after so many that go.
    fn has(&self, plan: &DropPlan, id: EntryId) -> bool {
        id < self.kept_from
            && (plan.entries < self.entries || plan.bytes < self.bytes || id < self.before)
    }

    /// Whether all of a block does. Where the bytes decide, and they end in it, that shows only
    /// within.
    fn has_whole(&self, plan: &DropPlan, node: &NodeView<'_>) -> bool {
        let last = node.last_stored_id();
        let bytes = node.payload().unwrap_or(0);
        last < self.kept_from
            && (plan.entries + node.live() <= self.entries
                || (self.bytes > 0 && plan.bytes + bytes <= self.bytes)
                || last < self.before)
    }
}

/// The first entry from an id on that a group has not done with: pending, held, or not delivered
/// yet. Records of entries that are gone keep nothing, as far as that shows without a block that is
/// not in memory.
fn unsettled_from(group: &Group, entries: &Entries, from: EntryId) -> EntryId {
    let new = group.last_delivered_id.next().unwrap_or(EntryId::MAX);
    let keeps = |(id, looks): &(EntryId, usize)| {
        *looks == VANISHED_MAX || !matches!(entries.contains(*id), Ok(false))
    };
    let pending = group.pending().range(from, EntryId::MAX).map(|record| record.id);
    let held = group.order().into_iter().flat_map(|order| order.held_from(from));
    let pending = pending.zip(1..).find(keeps);
    let held = held.zip(1..).find(keeps);
    pending.into_iter().chain(held).map(|(id, _)| id).fold(new, EntryId::min)
}

impl Stream {
    /// What the stream keeps by itself; `None`: nothing is set.
    #[must_use]
    #[inline]
    pub fn retention(&self) -> Option<&Retention> {
        self.retention.as_deref()
    }

    /// Sets all of the retention. Nothing goes by that.
    pub fn set_retention(&mut self, retention: Retention) {
        self.retention = retention.is_set().then(|| Box::new(retention));
    }

    /// Below this id every group has acknowledged everything; without a group there is no such id,
    /// which the lowest says. Costs the number of groups.
    #[must_use]
    pub fn acknowledged_before(&self) -> EntryId {
        let from = self.entries.first_id().unwrap_or(EntryId::MIN);
        let unsettled = |group| unsettled_from(group, &self.entries, from);
        self.groups.iter().flatten().map(unsettled).min().unwrap_or(EntryId::MIN)
    }

    /// Whether it is beyond a limit for which entries may be dropped. Never, as long as its bytes
    /// are not counted.
    #[must_use]
    pub fn has_surplus(&self) -> bool {
        let bytes = self.entries.payload_bytes().unwrap_or(0);
        self.retention().is_some_and(|retention| retention.has_surplus(self.entries.len(), bytes))
    }

    /// The limit that the stream would exceed with an entry of so many bytes of names and values
    /// more, after a plan is carried out.
    #[must_use]
    pub fn limit_exceeded(&self, plan: &DropPlan, added_bytes: u64) -> Option<StreamLimit> {
        let bytes = self.entries.payload_bytes().unwrap_or(0).saturating_sub(plan.bytes);
        let len = self.entries.len() - plan.entries;
        self.retention()?.exceeded(len + 1, bytes.saturating_add(added_bytes))
    }

    /// What is to be dropped at that wall-clock time; with `added_bytes`, so that an entry of so
    /// many bytes of names and values finds room.
    #[must_use]
    pub fn plan_drop(&self, now_ms: u64, added_bytes: Option<u64>) -> DropPlan {
        let mut plan = DropPlan {
            before: EntryId::MIN,
            entries: 0,
            bytes: 0,
            is_whole: true,
            cost: self.groups.len(),
            missing: None,
        };
        let Some(retention) = self.retention() else { return plan };
        if retention.max_bytes > 0 && self.entries.payload_bytes().is_none() {
            let uncounted = self.entries.cold_uncounted(COUNTED_MAX);
            return DropPlan { is_whole: false, missing: Some(ColdBlocks(uncounted)), ..plan };
        }
        let surplus = self.surplus(retention, now_ms, added_bytes);
        self.plan_surplus(&surplus, &mut plan);
        self.spare_pending(&mut plan);
        plan
    }

    fn surplus(&self, retention: &Retention, now_ms: u64, added_bytes: Option<u64>) -> Surplus {
        let too_many = |max: u64, count: u64| if max > 0 { count.saturating_sub(max) } else { 0 };
        let len = self.entries.len() + u64::from(added_bytes.is_some());
        let bytes = self.entries.payload_bytes().unwrap_or(0);
        let bytes = bytes.saturating_add(added_bytes.unwrap_or(0));
        let too_old = match now_ms.checked_sub(retention.max_age_ms) {
            Some(ms) if retention.max_age_ms > 0 => EntryId::new(ms.saturating_add(1), 0),
            _ => EntryId::MIN,
        };
        let mut surplus = Surplus {
            entries: too_many(retention.max_len, len),
            bytes: too_many(retention.max_bytes, bytes),
            before: too_old,
            kept_from: EntryId::MAX,
        };
        match (retention.retain, retention.overflow()) {
            (Retain::All, Overflow::Drop) => {}
            // A full stream waits until somebody takes something away, or it is too old.
            (Retain::All, Overflow::Reject) => (surplus.entries, surplus.bytes) = (0, 0),
            (Retain::Unacked, _) => {
                if retention.is_work_queue() {
                    surplus.before = EntryId::MAX;
                }
                let is_any = surplus.entries > 0 || surplus.bytes > 0;
                let is_old = self.entries.first_id().is_some_and(|first| first < surplus.before);
                if is_any || is_old {
                    surplus.kept_from = self.acknowledged_before();
                }
            }
        }
        surplus
    }

    fn plan_surplus(&self, surplus: &Surplus, plan: &mut DropPlan) {
        for (at, node) in self.entries.nodes().enumerate() {
            plan.cost += 1;
            if !surplus.has(plan, node.first_live_id()) {
                return;
            }
            if at == BLOCKS_MAX {
                plan.is_whole = false;
                return;
            }
            match node.last_stored_id().next() {
                Some(behind) if surplus.has_whole(plan, &node) => {
                    plan.before = behind;
                    plan.entries += node.live();
                    plan.bytes += node.payload().unwrap_or(0);
                }
                // The largest id of all never goes: "below" cannot say it.
                _ => {
                    if !cut(surplus, &node, plan) {
                        return;
                    }
                }
            }
        }
    }

    /// Shortens a plan by which too many pending records would go at once.
    fn spare_pending(&self, plan: &mut DropPlan) {
        let before = plan.before;
        let first = |group: &Group| group.pending().first_id();
        let concerned = || {
            self.groups.iter().flatten().filter(|group| first(group).is_some_and(|id| id < before))
        };
        let count = concerned().count();
        let Some(share) = PENDING_MAX.checked_div(count) else { return };
        for group in concerned() {
            for (record, at) in group.pending().range(EntryId::MIN, before).zip(0..) {
                if record.id >= plan.before {
                    break;
                }
                if at == share.max(1) {
                    plan.before = record.id;
                    plan.is_whole = false;
                    break;
                }
                plan.cost += 1;
            }
        }
        if plan.before < before {
            // How many entries that is, is not known any more.
            (plan.entries, plan.bytes, plan.missing) = (0, 0, None);
            self.avoid_cold(plan);
        }
    }

    /// Leaves a block alone that a plan would cut and that is not in memory, unless nothing else
    /// would go.
    fn avoid_cold(&self, plan: &mut DropPlan) {
        let Some(cold) = self.entries.cold_before(plan.before) else { return };
        let pending = self.groups.iter().flatten().filter_map(|group| group.pending().first_id());
        let first = pending.chain(self.entries.first_id()).min();
        if first.is_some_and(|first| first < cold.first) {
            plan.before = cold.first;
        } else {
            plan.before = EntryId::MIN;
            plan.missing = Some(cold.into());
        }
    }

    /// Drops every entry below an id, and the pending records of all groups below it, also those of
    /// entries that were gone before.
    pub fn drop_before(&mut self, before: EntryId) -> Dropped {
        // What was not settled stays, but for records of entries that are gone.
        let is_kept = self.retention().is_some_and(|kept| kept.retain == Retain::Unacked);
        let settled = if is_kept { Settled::Vanished } else { Settled::Dropped };
        let mut dropped =
            Dropped { entries: self.entries.delete_before(before), pending: Vec::new() };
        for (number, group) in (0..).zip(&mut self.groups) {
            let Some(group) = group else { continue };
            let mut count = 0;
            while let Some(first) = group.pending().first_id().filter(|first| *first < before) {
                group.remove_pending(&[first], settled);
                count += 1;
            }
            if let Some(order) = group.order() {
                let held = order.held().map(|(id, _)| id).take_while(|id| *id < before);
                let held: Vec<_> = held.collect();
                group.unhold(&held, settled);
            }
            if count > 0 {
                dropped.pending.push((GroupId(number), count));
            }
        }
        dropped
    }
}

/// The part of a block that goes, up to the first entry that stays. Returns whether none does.
fn cut(surplus: &Surplus, node: &NodeView<'_>, plan: &mut DropPlan) -> bool {
    let entries = match node.live_payloads() {
        Ok(entries) => entries,
        Err(cold) => {
            plan.is_whole = false;
            plan.missing = Some(cold.into());
            return false;
        }
    };
    for (at, (id, bytes)) in entries.enumerate() {
        let goes = surplus.has(plan, id);
        if !goes || at == CUT_MAX {
            plan.is_whole &= !goes;
            plan.before = plan.before.max(id);
            return false;
        }
        plan.entries += 1;
        plan.bytes += bytes;
        plan.before = id.next().unwrap_or(id);
    }
    true
}
