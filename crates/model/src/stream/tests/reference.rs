//! A stream without any index: vectors, and every number counted when it is asked for.
//!
//! Written from the rules of Redis, not from the code under test.

use crate::entries::test_disk::TestDisk;
use crate::{
    ConsumerId, EntryId, GroupId, PendingEntry, References, Stream, TrimBy, TrimOptions, TrimPlan,
};

pub(super) type Fields = Vec<Vec<u8>>;

#[derive(Clone, Debug)]
struct Stored {
    id: EntryId,
    fields: Fields,
    live: bool,
}

/// Entries as Redis packs them: a node counts its tombstones and goes with its last live entry.
type Node = Vec<Stored>;

#[derive(Clone, Debug)]
pub(super) struct RefConsumer {
    pub(super) id: ConsumerId,
    pub(super) name: Vec<u8>,
    pub(super) seen_ms: u64,
    pub(super) active_ms: Option<u64>,
}

#[derive(Clone, Debug)]
pub(super) struct RefGroup {
    pub(super) id: GroupId,
    pub(super) name: Vec<u8>,
    pub(super) position: EntryId,
    pub(super) entries_read: Option<u64>,
    pub(super) consumers: Vec<RefConsumer>,
    /// With the number of the change that set it: younger changes stand behind.
    pub(super) pending: Vec<(PendingEntry, u64)>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Reference {
    nodes: Vec<Node>,
    pub(super) last_id: EntryId,
    pub(super) added: u64,
    pub(super) max_deleted_id: EntryId,
    pub(super) groups: Vec<RefGroup>,
    changes: u64,
    /// Only appends, trims and reads so far: lag must then be the plain truth where it is told.
    pub(super) is_plain: bool,
}

fn live(node: &Node) -> u64 {
    node.iter().filter(|stored| stored.live).count() as u64
}

/// Entries.
impl Reference {
    pub(super) fn new() -> Self {
        Self { is_plain: true, ..Self::default() }
    }

    pub(super) fn entries(&self) -> Vec<(EntryId, Fields)> {
        let stored = self.nodes.iter().flatten().filter(|stored| stored.live);
        stored.map(|stored| (stored.id, stored.fields.clone())).collect()
    }

    pub(super) fn ids(&self) -> Vec<EntryId> {
        self.entries().into_iter().map(|(id, _)| id).collect()
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(super) fn append(&mut self, id: EntryId, fields: Fields, node_entries_max: usize) {
        let entry = Stored { id, fields, live: true };
        match self.nodes.last_mut() {
            Some(tail) if tail.len() < node_entries_max && tail.iter().all(|s| s.id < id) => {
                tail.push(entry);
            }
            tail => {
                // After XSETID went back, tombstones above the new id no longer count for MINID.
                if let Some(tail) = tail {
                    let overlaps = tail.iter().any(|stored| stored.id >= id);
                    while overlaps && tail.last().is_some_and(|stored| !stored.live) {
                        tail.pop();
                    }
                }
                self.nodes.push(vec![entry]);
            }
        }
        self.last_id = id;
        self.added += 1;
    }

    pub(super) fn remove(&mut self, id: EntryId, is_deletion: bool) -> bool {
        let mut stored = self.nodes.iter_mut().flatten();
        let Some(found) = stored.find(|stored| stored.id == id && stored.live) else {
            return false;
        };
        found.live = false;
        self.nodes.retain(|node| live(node) > 0);
        if is_deletion {
            self.max_deleted_id = self.max_deleted_id.max(id);
            self.is_plain = false;
        }
        true
    }

    /// XTRIM, step by step; returns what goes.
    pub(super) fn trim(&mut self, options: &TrimOptions) -> Vec<EntryId> {
        let mut gone: Vec<EntryId> = Vec::new();
        let total = self.ids().len() as u64;
        for node in self.nodes.clone() {
            let length = total - gone.len() as u64;
            let in_node = live(&node);
            if matches!(options.by, TrimBy::MaxLen(keep) if length <= keep) {
                break;
            }
            if options.limit.is_some_and(|limit| gone.len() as u64 + in_node > limit) {
                break;
            }
            let eligible = match options.by {
                TrimBy::MaxLen(keep) => length >= in_node && length - in_node >= keep,
                TrimBy::MinId(id) => node.last().expect("nodes are not empty").id < id,
            };
            if options.references == References::Keep && !eligible && options.approximate {
                break;
            }
            for stored in node.iter().filter(|stored| stored.live) {
                let stays = match options.by {
                    TrimBy::MaxLen(keep) => total - gone.len() as u64 <= keep,
                    TrimBy::MinId(id) => stored.id >= id,
                };
                if stays {
                    break;
                }
                if options.references != References::Acked || !self.is_referenced(stored.id) {
                    gone.push(stored.id);
                }
            }
            if !eligible {
                break;
            }
        }
        for &id in &gone {
            if options.references == References::Delete {
                self.remove_references(id);
            }
            self.remove(id, false);
        }
        gone
    }

    pub(super) fn is_referenced(&self, id: EntryId) -> bool {
        let has = |group: &RefGroup| group.pending.iter().any(|(record, _)| record.id == id);
        self.groups.iter().any(|group| group.position < id || has(group))
    }

    pub(super) fn remove_references(&mut self, id: EntryId) {
        for group in &mut self.groups {
            group.pending.retain(|(record, _)| record.id != id);
        }
    }
}

/// How far a group is, as the table of Redis' rules says it.
impl Reference {
    fn first(&self) -> EntryId {
        self.ids().first().copied().unwrap_or(EntryId::MIN)
    }

    pub(super) fn estimate(&self, id: EntryId) -> Option<u64> {
        let length = self.ids().len() as u64;
        let no_hole = self.max_deleted_id == EntryId::MIN || self.max_deleted_id < self.first();
        match () {
            () if self.added == 0 => Some(0),
            () if length == 0 && id <= self.last_id => Some(self.added),
            () if id != EntryId::MIN && id < self.max_deleted_id => None,
            () if id == self.last_id => Some(self.added),
            () if id > self.last_id => None,
            () if no_hole && id < self.first() => Some(self.added - length),
            () if no_hole && id == self.first() => Some(self.added - length + 1),
            () => None,
        }
    }

    fn tombstone_ahead(&self, from: EntryId) -> bool {
        let has_entries = !self.ids().is_empty();
        has_entries && self.max_deleted_id != EntryId::MIN && from <= self.max_deleted_id
    }

    pub(super) fn lag(&self, group: &RefGroup) -> Option<i64> {
        let length = self.ids().len() as u64;
        let signed = |added: u64, read: u64| (i128::from(added) - i128::from(read)) as i64;
        if self.added == 0 || length == 0 {
            return Some(0);
        }
        if group.position < self.first() && self.max_deleted_id < self.first() {
            return Some(length as i64);
        }
        if let Some(read) = group.entries_read
            && !self.tombstone_ahead(group.position)
        {
            return Some(signed(self.added, read));
        }
        self.estimate(group.position).map(|read| signed(self.added, read))
    }

    /// Moves the group over one delivered entry.
    fn advance(&mut self, group: usize, id: EntryId) {
        let RefGroup { position, entries_read, .. } = self.groups[group];
        let can_count = position >= self.first() && !self.tombstone_ahead(position);
        let read = match entries_read {
            Some(read) if can_count => Some(read + 1),
            read if self.added == 0 => read,
            _ => self.estimate(id),
        };
        self.groups[group].entries_read = read;
        self.groups[group].position = id;
    }
}

/// Groups. `group` and `consumer` are places in the lists here.
impl Reference {
    pub(super) fn set_pending(&mut self, group: usize, record: PendingEntry) {
        self.changes += 1;
        let pending = &mut self.groups[group].pending;
        pending.retain(|(other, _)| other.id != record.id);
        let at = pending.partition_point(|(other, _)| other.id < record.id);
        pending.insert(at, (record, self.changes));
    }

    /// Delivers up to `count` new entries; returns them.
    pub(super) fn deliver(
        &mut self,
        group: usize,
        consumer: usize,
        now_ms: u64,
        count: usize,
        noack: bool,
    ) -> Vec<EntryId> {
        let position = self.groups[group].position;
        let new: Vec<_> = self.ids().into_iter().filter(|&id| id > position).take(count).collect();
        let owner = Some(self.groups[group].consumers[consumer].id);
        for &id in &new {
            self.advance(group, id);
            if !noack {
                let record = PendingEntry {
                    id,
                    owner,
                    delivered_at_ms: now_ms,
                    available_at_ms: 0,
                    delivery_count: 1,
                };
                self.set_pending(group, record);
            }
        }
        let consumer = &mut self.groups[group].consumers[consumer];
        consumer.seen_ms = now_ms;
        if !noack && !new.is_empty() {
            consumer.active_ms = Some(now_ms);
        }
        new
    }

    pub(super) fn remove_consumer(&mut self, group: usize, consumer: usize) -> usize {
        let group = &mut self.groups[group];
        let id = group.consumers.remove(consumer).id;
        let before = group.pending.len();
        group.pending.retain(|(record, _)| record.owner != Some(id));
        before - group.pending.len()
    }
}

/// Everything the stream says, against the reference.
pub(super) fn compare(stream: &Stream, disk: &TestDisk, reference: &Reference) {
    stream.check();
    let mut entries = Vec::new();
    let mut warm = stream.entries().clone();
    disk.warm_all(&mut warm);
    let all = warm.slice(EntryId::MIN, EntryId::MAX, usize::MAX, crate::Direction::Ascending);
    all.expect("all is warm").for_each(|entry| {
        let fields = entry.pairs().flat_map(|(name, value)| [name.to_vec(), value.to_vec()]);
        entries.push((entry.id(), fields.collect::<Fields>()));
    });
    assert_eq!(entries, reference.entries());
    assert_eq!(stream.entries().len(), entries.len() as u64);
    assert_eq!(stream.entries().block_count(), reference.node_count());
    assert_eq!(stream.last_id(), reference.last_id);
    assert_eq!(stream.entries_added(), reference.added);
    assert_eq!(stream.max_deleted_id(), reference.max_deleted_id);
    let probes = [0, 1, 2, 5, 9, 14, 20, 40].map(|ms| EntryId::new(ms, 1));
    for id in probes.into_iter().chain([EntryId::MIN, stream.last_id(), EntryId::MAX]) {
        assert_eq!(stream.estimate_entries_read(id), reference.estimate(id), "estimate of {id}");
        assert_eq!(stream.is_referenced(id), reference.is_referenced(id), "references to {id}");
    }
    assert_eq!(stream.group_count(), reference.groups.len());
    let mut groups = reference.groups.clone();
    groups.sort_by(|a, b| a.name.cmp(&b.name));
    for ((id, _), reference_group) in stream.groups().zip(&groups) {
        assert_eq!(id, reference_group.id);
        compare_group(stream, id, reference, reference_group);
    }
}

fn compare_group(stream: &Stream, id: GroupId, reference: &Reference, expected: &RefGroup) {
    let group = stream.group(id);
    assert_eq!(**group.name(), *expected.name);
    assert_eq!(stream.find_group(&expected.name), Some(id));
    assert_eq!(group.last_delivered_id(), expected.position);
    assert_eq!(group.entries_read(), expected.entries_read);
    let lag = stream.lag(group);
    assert_eq!(lag, reference.lag(expected), "lag of group {id:?}");
    if reference.is_plain
        && let Some(lag) = lag
    {
        let behind = reference.ids().into_iter().filter(|&id| id > expected.position).count();
        assert_eq!(lag, behind as i64, "a lag that is told is true");
    }
    let pending: Vec<_> = expected.pending.iter().map(|(record, _)| *record).collect();
    assert!(group.pending().range(EntryId::MIN, EntryId::MAX).eq(pending.iter().copied()));
    let mut oldest_first = expected.pending.clone();
    oldest_first.sort_by_key(|(r, change)| (r.owner.is_some(), r.delivered_at_ms, *change));
    assert!(group.pending().oldest_first().eq(oldest_first.into_iter().map(|(record, _)| record)));
    let mut consumers = expected.consumers.clone();
    consumers.sort_by(|a, b| a.name.cmp(&b.name));
    assert_eq!(group.consumer_count(), consumers.len());
    for ((id, consumer), expected) in group.consumers().zip(&consumers) {
        assert_eq!((id, &*consumer.name), (expected.id, &*expected.name));
        assert_eq!(consumer.seen_ms, expected.seen_ms);
        assert_eq!(consumer.active_ms, expected.active_ms);
        let owned = pending.iter().filter(|record| record.owner == Some(id)).count();
        assert_eq!(consumer.pending_count, owned);
    }
}

/// Carries a plan out, as the engine does.
pub(super) fn carry_out(stream: &mut Stream, plan: &TrimPlan) {
    match plan {
        TrimPlan::Nothing => {}
        TrimPlan::Before { id, count } => assert_eq!(stream.trim_before(*id), *count),
        TrimPlan::Entries { ids, with_references } => {
            for &id in ids {
                if *with_references {
                    stream.remove_references(id);
                }
                assert!(stream.remove_entry(id, false), "a plan names entries that are there");
            }
        }
    }
}
