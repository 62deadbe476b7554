//! New entries one by one: where a group orders by a field, or was moved back behind entries that
//! are still pending.
//!
//! Of an ordered group, what was held and may go comes first; then new entries, of which those
//! whose value is in work are held. What is planned is looked at only; the caller makes it true.
//! Tests: `tests/it/ordered.rs`.

use std::collections::HashSet;

use millstream_model::{
    ColdBlock, Direction, EntryId, Group, GroupId, PendingEntry, PinnedEntry, Settled, Stream,
};
use xxhash_rust::xxh3::xxh3_64;

use super::group_read::Reader;
use super::{Budget, wire_size};
use crate::mutation::Mutation;
use crate::object::ObjectRef;
use crate::transaction::Transaction;

/// Entries looked at in one piece.
const PIECE: usize = 256;

/// What a read hands out, and what becomes of entries that it passes.
#[derive(Debug, Default)]
struct Plan {
    /// Held until now.
    ready: Vec<PinnedEntry>,
    /// Held entries that are not there any more.
    gone: Vec<EntryId>,
    new: Vec<PinnedEntry>,
    /// The values of those new ones that have one.
    values: Vec<(EntryId, u64)>,
    hold: Vec<(EntryId, u64)>,
    /// Of new ones that are handed out.
    taken: HashSet<u64>,
    /// All that was looked at beyond the position of the group.
    passed: Vec<EntryId>,
}

/// Whether new entries of the group are looked at one by one.
pub(super) fn is_listed(group: &Group) -> bool {
    let is_behind = group.pending().last_id().is_some_and(|last| last > group.last_delivered_id());
    group.policy().is_some_and(|policy| policy.order_by.is_some() || is_behind)
}

/// The hash of the value that an entry is ordered by. Part of the format: it is logged.
fn value_of(entry: &PinnedEntry, field: &[u8]) -> Option<u64> {
    let (_, value) = entry.as_ref().pairs().find(|(name, _)| *name == field)?;
    Some(xxh3_64(value))
}

/// What a read would find that may hand out so many; or what has to be loaded first.
fn plan(
    stream: &Stream,
    group: &Group,
    count: usize,
    held_max: usize,
    budget: &mut Budget,
) -> Result<Plan, Vec<ColdBlock>> {
    let mut plan = Plan::default();
    let ready = group.order().into_iter().flat_map(|order| order.ready());
    for id in ready {
        if plan.ready.len() >= count || !budget.has_room() {
            return Ok(plan);
        }
        match stream.entries().get(id) {
            Ok(Some(entry)) => {
                budget.take(1, wire_size::entry(entry.as_ref()));
                plan.ready.push(entry);
            }
            Ok(None) => plan.gone.push(id),
            Err(cold) => return Err(vec![cold]),
        }
    }
    let mut next = group.last_delivered_id().next();
    while let Some(from) = next {
        let slice = stream.entries().slice(from, EntryId::MAX, PIECE, Direction::Ascending);
        let slice = slice.map_err(|cold| cold.0)?;
        let cold: Vec<_> = slice.cold().collect();
        if !cold.is_empty() {
            return Err(cold);
        }
        for entry in slice.pinned() {
            if !plan.pass(group, entry, count, held_max, budget) {
                return Ok(plan);
            }
        }
        next = slice.last_id().and_then(EntryId::next);
    }
    Ok(plan)
}

impl Plan {
    /// Goes on to the next new entry. `false`: not beyond the one before.
    fn pass(
        &mut self,
        group: &Group,
        entry: PinnedEntry,
        count: usize,
        held_max: usize,
        budget: &mut Budget,
    ) -> bool {
        if self.ready.len() + self.new.len() >= count || !budget.has_room() {
            return false;
        }
        let id = entry.id();
        if group.pending().contains(id) {
            self.passed.push(id);
            return true;
        }
        let field = group.policy().and_then(|policy| policy.order_by.as_deref());
        if let (Some(order), Some(field)) = (group.order(), field) {
            if order.held_len() - self.ready.len() + self.hold.len() >= held_max {
                return false;
            }
            if let Some(value) = value_of(&entry, field) {
                let is_taken = order.is_taken(value) || !self.taken.insert(value);
                let list = if is_taken { &mut self.hold } else { &mut self.values };
                list.push((id, value));
                if is_taken {
                    self.passed.push(id);
                    return true;
                }
            }
        }
        budget.take(1, wire_size::entry(entry.as_ref()));
        self.passed.push(id);
        self.new.push(entry);
        true
    }
}

impl Transaction<'_> {
    /// The value of an entry of a group that orders by it; the entry is in memory.
    pub(crate) fn order_value(
        &self,
        object: ObjectRef,
        group: GroupId,
        id: EntryId,
    ) -> Option<u64> {
        let policy = self.state().stream(object.slot).group(group).policy()?;
        value_of(&self.entry(object, id)?, policy.order_by.as_deref()?)
    }

    /// Blocks that such a read has to look at.
    pub(super) fn cold_for_listed(
        &self,
        stream: &Stream,
        group: &Group,
        count: usize,
        mut budget: Budget,
    ) -> Vec<ColdBlock> {
        let held_max = self.core.settings.held_max;
        plan(stream, group, count, held_max, &mut budget).err().unwrap_or_default()
    }

    /// Hands out up to so many entries, and moves the group behind all that was looked at.
    pub(super) fn read_listed(
        &mut self,
        who: Reader,
        count: usize,
        is_noack: bool,
        budget: &mut Budget,
    ) -> Vec<PinnedEntry> {
        let held_max = self.core.settings.held_max;
        let (object, group) = (who.object, who.group);
        let plan = loop {
            let stream = self.state().stream(object.slot);
            let mut left = budget.clone();
            let plan = match plan(stream, stream.group(group), count, held_max, &mut left) {
                Ok(plan) => plan,
                // What comes behind entries that are gone was not asked for before.
                Err(cold) => match self.need(object, cold) {
                    Ok(()) => continue,
                    Err(_) => return Vec::new(),
                },
            };
            if plan.gone.is_empty() {
                *budget = left;
                break plan;
            }
            // What comes behind them may go, then.
            let (ids, settled) = (&plan.gone, Settled::Vanished);
            self.change(&Mutation::Unhold { object, group, ids, settled });
        };
        let now_ms = self.steady_ms;
        if !plan.ready.is_empty() {
            let owner = Some(who.consumer);
            let record = |entry: &PinnedEntry| PendingEntry {
                id: entry.id(),
                owner,
                delivered_at_ms: now_ms,
                available_at_ms: 0,
                delivery_count: 1,
            };
            let entries: Vec<_> = plan.ready.iter().map(record).collect();
            let mut ids: Vec<_> = plan.ready.iter().map(PinnedEntry::id).collect();
            ids.sort_unstable();
            self.core.queue_wait.add(self.now.wall_ms, &ids);
            self.set_pending(who, true, &entries);
        }
        if !plan.passed.is_empty() {
            let stream = self.state().stream(object.slot);
            let (position, entries_read) =
                stream.position_after(stream.group(group), plan.passed.iter().copied());
            let ids: Vec<_> = plan.new.iter().map(PinnedEntry::id).collect();
            self.core.queue_wait.add(self.now.wall_ms, &ids);
            self.change(&Mutation::Deliver {
                object,
                group,
                consumer: who.consumer,
                now_ms,
                position,
                entries_read,
                pending: if is_noack { &[] } else { &ids },
            });
        }
        if !plan.values.is_empty() {
            self.change(&Mutation::SetValues { object, group, entries: &plan.values });
        }
        if !plan.hold.is_empty() {
            self.change(&Mutation::Hold { object, group, entries: &plan.hold });
        }
        plan.ready.into_iter().chain(plan.new).collect()
    }
}
