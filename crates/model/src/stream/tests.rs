//! Streams with their groups against a naive reference, step by step.

mod idempotence;
mod reference;
mod retention;
mod vectors;

use proptest::prelude::*;

use self::reference::{RefConsumer, RefGroup, Reference, carry_out, compare};
use super::Stream;
use crate::entries::test_disk::TestDisk;
use crate::{
    BlockLimits, EntryId, IdempotenceLimits, PendingEntry, References, TrimBy, TrimOptions,
    TrimPlan,
};

#[derive(Clone, Debug)]
enum Step {
    /// Distance from the last id, number of entries.
    Append {
        ms: u64,
        count: usize,
    },
    Trim(TrimOptions),
    Delete {
        id: EntryId,
        references: References,
    },
    SetCounters {
        back: u64,
        more_added: Option<u64>,
        max_deleted: Option<EntryId>,
    },
    CreateGroup {
        name: u8,
        position: EntryId,
        read: Option<u64>,
    },
    SetPosition {
        group: usize,
        position: EntryId,
        read: Option<u64>,
    },
    DestroyGroup(usize),
    CreateConsumer {
        group: usize,
        name: u8,
    },
    DeleteConsumer {
        group: usize,
        consumer: usize,
    },
    Deliver {
        group: usize,
        consumer: usize,
        count: usize,
        noack: bool,
    },
    /// A claim, a history read, or with no consumer an entry given back.
    SetPending {
        group: usize,
        consumer: Option<usize>,
        id: EntryId,
        at_ms: u64,
        count: u64,
    },
    Acknowledge {
        group: usize,
        id: EntryId,
    },
    /// Writes unwritten blocks and evicts written ones.
    Evict(u64, u64),
    Snapshot,
    Restart,
}

fn id() -> impl Strategy<Value = EntryId> {
    prop_oneof![
        6 => (0_u64..25, 0_u64..2).prop_map(|(ms, seq)| EntryId::new(ms, seq)),
        1 => Just(EntryId::MAX),
    ]
}

fn references() -> impl Strategy<Value = References> {
    prop::sample::select(vec![References::Keep, References::Delete, References::Acked])
}

fn trim() -> impl Strategy<Value = Step> {
    let by = prop_oneof![(0_u64..12).prop_map(TrimBy::MaxLen), id().prop_map(TrimBy::MinId)];
    (by, any::<bool>(), prop::option::of(1_u64..8), references()).prop_map(
        |(by, approximate, limit, references)| {
            let limit = limit.filter(|_| approximate);
            Step::Trim(TrimOptions { by, approximate, limit, references })
        },
    )
}

fn group_step() -> impl Strategy<Value = Step> {
    let read = || prop::option::of(0_u64..6);
    prop_oneof![
        3 => (0_u8..3, id(), read())
            .prop_map(|(name, position, read)| Step::CreateGroup { name, position, read }),
        1 => (any::<usize>(), id(), read())
            .prop_map(|(group, position, read)| Step::SetPosition { group, position, read }),
        1 => any::<usize>().prop_map(Step::DestroyGroup),
        3 => (any::<usize>(), 0_u8..3)
            .prop_map(|(group, name)| Step::CreateConsumer { group, name }),
        1 => (any::<usize>(), any::<usize>())
            .prop_map(|(group, consumer)| Step::DeleteConsumer { group, consumer }),
        8 => (any::<usize>(), any::<usize>(), 1_usize..5, prop::bool::weighted(0.2)).prop_map(
            |(group, consumer, count, noack)| Step::Deliver { group, consumer, count, noack }
        ),
        4 => (any::<usize>(), prop::option::weighted(0.7, any::<usize>()), id(), 0_u64..50,
              prop_oneof![0_u64..4, Just(i64::MAX as u64)])
            .prop_map(|(group, consumer, id, at_ms, count)| {
                Step::SetPending { group, consumer, id, at_ms, count }
            }),
        4 => (any::<usize>(), id()).prop_map(|(group, id)| Step::Acknowledge { group, id }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let counters = (0_u64..4, prop::option::of(0_u64..3), prop::option::of(id()));
    prop_oneof![
        8 => (1_u64..4, 1_usize..4).prop_map(|(ms, count)| Step::Append { ms, count }),
        3 => trim(),
        3 => (id(), references()).prop_map(|(id, references)| Step::Delete { id, references }),
        1 => counters.prop_map(|(back, more_added, max_deleted)| {
            Step::SetCounters { back, more_added, max_deleted }
        }),
        10 => group_step(),
        4 => (any::<u64>(), any::<u64>())
            .prop_map(|(write, evict)| Step::Evict(write | evict, evict)),
        1 => Just(Step::Snapshot),
        1 => Just(Step::Restart),
    ]
}

struct World {
    stream: Stream,
    disk: TestDisk,
    snapshots: Vec<(Stream, Reference)>,
    reference: Reference,
    node_entries_max: u64,
    now_ms: u64,
}

impl World {
    fn new(node_entries_max: u64) -> Self {
        Self {
            stream: Stream::new(IdempotenceLimits::default()),
            disk: TestDisk::default(),
            snapshots: Vec::new(),
            reference: Reference::new(),
            node_entries_max,
            now_ms: 100,
        }
    }

    fn append(&mut self, id: EntryId) {
        let fields = vec![b"f".to_vec(), id.ms.to_string().into_bytes()];
        let parts: Vec<_> = fields.iter().map(Vec::as_slice).collect();
        let limits = BlockLimits { bytes_max: 0, entries_max: self.node_entries_max };
        let payload = parts.iter().map(|part| part.len() as u64).sum();
        if let Some(cold) = self.stream.entries().cold_for_append(id, payload, limits) {
            assert!(self.stream.entries.warm(cold, &self.disk.load(cold)));
        }
        self.stream.append(id, &parts, limits);
        self.reference.append(id, fields, self.node_entries_max as usize);
    }

    fn apply(&mut self, step: &Step) {
        self.now_ms += 1;
        match *step {
            Step::Append { ms, count } => {
                for _ in 0..count {
                    self.append(EntryId::new(self.reference.last_id.ms + ms, 1));
                }
            }
            Step::Trim(options) => {
                let plan = self.plan_trim(&options);
                let gone = self.reference.trim(&options);
                assert_eq!(plan.count(), gone.len() as u64, "{options:?}: {plan:?}");
                carry_out(&mut self.stream, &plan);
            }
            Step::Delete { id, references } => self.delete(id, references),
            Step::SetCounters { back, more_added, max_deleted } => {
                self.set_counters(back, more_added, max_deleted);
            }
            Step::Evict(write, evict) => {
                self.disk.write(&mut self.stream.entries, write);
                self.disk.evict(&mut self.stream.entries, evict);
            }
            Step::Snapshot => self.snapshots.push((self.stream.clone(), self.reference.clone())),
            Step::Restart => {
                self.disk.take_freed(&mut self.stream.entries);
                self.stream.entries = crate::entries::test_disk::restarted(&self.stream.entries);
            }
            _ => self.apply_to_groups(step),
        }
    }

    /// Loads what the plan asks for; never a block twice.
    fn plan_trim(&mut self, options: &TrimOptions) -> TrimPlan {
        for _ in 0..=self.stream.entries().block_count() {
            match self.stream.plan_trim(options) {
                Ok(plan) => return plan,
                Err(cold) => self.disk.warm(&mut self.stream.entries, &cold),
            }
        }
        panic!("{options:?} asks for more blocks than there are");
    }

    fn delete(&mut self, id: EntryId, references: References) {
        if references == References::Acked && self.reference.is_referenced(id) {
            assert!(self.stream.is_referenced(id));
            return;
        }
        if references == References::Delete {
            self.stream.remove_references(id);
            self.reference.remove_references(id);
        }
        self.disk.ask(&mut self.stream.entries, |entries| entries.contains(id));
        assert_eq!(self.stream.remove_entry(id, true), self.reference.remove(id, true));
    }

    fn set_counters(&mut self, back: u64, more: Option<u64>, max_deleted: Option<EntryId>) {
        let top = self.reference.ids().last().copied().unwrap_or(EntryId::MIN);
        let lowered = EntryId::new(self.reference.last_id.ms.saturating_sub(back), 1);
        let last_id = lowered.max(top).max(self.reference.max_deleted_id);
        let max_deleted = max_deleted.filter(|&id| id <= last_id);
        let added = more.map(|more| self.reference.ids().len() as u64 + more);
        self.stream.set_counters(last_id, added, max_deleted);
        self.reference.last_id = last_id;
        self.reference.added = added.unwrap_or(self.reference.added);
        self.reference.max_deleted_id = max_deleted.unwrap_or(self.reference.max_deleted_id);
        self.reference.is_plain = false;
    }

    /// The group of that number, counted around the end, where it is in the stream.
    fn group(&self, group: usize) -> Option<(usize, crate::GroupId)> {
        let at = group.checked_rem(self.reference.groups.len())?;
        Some((at, self.reference.groups[at].id))
    }

    fn consumer(&self, group: usize, consumer: usize) -> Option<(usize, crate::ConsumerId)> {
        let consumers = &self.reference.groups[group].consumers;
        let at = consumer.checked_rem(consumers.len())?;
        Some((at, consumers[at].id))
    }

    fn create_group(&mut self, name: u8, position: EntryId, read: Option<u64>) {
        let name = vec![name];
        if self.stream.find_group(&name).is_some() {
            return;
        }
        let id = self.stream.next_group_id();
        self.stream.create_group(id, &name, position, read);
        assert!(self.reference.groups.iter().all(|group| group.id != id), "ids are unique");
        let (consumers, pending) = (Vec::new(), Vec::new());
        let entries_read = read;
        self.reference.is_plain &= read.is_none();
        let group = RefGroup { id, name, position, entries_read, consumers, pending };
        self.reference.groups.push(group);
    }

    fn apply_to_groups(&mut self, step: &Step) {
        if let Step::CreateGroup { name, position, read } = *step {
            return self.create_group(name, position, read);
        }
        let (Step::SetPosition { group, .. }
        | Step::DestroyGroup(group)
        | Step::CreateConsumer { group, .. }
        | Step::DeleteConsumer { group, .. }
        | Step::Deliver { group, .. }
        | Step::SetPending { group, .. }
        | Step::Acknowledge { group, .. }) = *step
        else {
            unreachable!("all other steps are handled above");
        };
        let Some((at, id)) = self.group(group) else { return };
        match *step {
            Step::SetPosition { position, read, .. } => {
                self.stream.set_group_position(id, position, read);
                self.reference.groups[at].position = position;
                self.reference.groups[at].entries_read = read;
                self.reference.is_plain &= read.is_none();
            }
            Step::DestroyGroup(_) => {
                self.stream.destroy_group(id);
                self.reference.groups.remove(at);
            }
            Step::Acknowledge { id: entry, .. } => {
                let pending = &mut self.reference.groups[at].pending;
                let before = pending.len();
                pending.retain(|(record, _)| record.id != entry);
                assert_eq!(
                    self.stream.remove_pending(id, entry, crate::Settled::Acked),
                    pending.len() < before
                );
            }
            _ => self.apply_to_consumers(step, at, id),
        }
    }

    fn apply_to_consumers(&mut self, step: &Step, at: usize, group: crate::GroupId) {
        let now_ms = self.now_ms;
        match *step {
            Step::CreateConsumer { name, .. } => {
                let name = vec![name];
                if self.stream.group(group).find_consumer(&name).is_none() {
                    let id = self.stream.group(group).next_consumer_id();
                    self.stream.create_consumer(group, id, &name, now_ms);
                    let consumers = &mut self.reference.groups[at].consumers;
                    assert!(consumers.iter().all(|consumer| consumer.id != id));
                    consumers.push(RefConsumer { id, name, seen_ms: now_ms, active_ms: None });
                }
            }
            Step::DeleteConsumer { consumer, .. } => {
                let Some((consumer, id)) = self.consumer(at, consumer) else { return };
                let removed = self.stream.delete_consumer(group, id);
                assert_eq!(removed, self.reference.remove_consumer(at, consumer));
            }
            Step::Deliver { consumer, count, noack, .. } => {
                let Some((consumer, id)) = self.consumer(at, consumer) else { return };
                let before = self.stream.group(group).clone();
                let new = self.reference.deliver(at, consumer, now_ms, count, noack);
                let (position, read) = self.stream.position_after(&before, new.iter().copied());
                let pending = if noack { [].iter() } else { new.iter() };
                let became_active = pending.len() > 0;
                self.stream.deliver(group, id, now_ms, pending.copied());
                self.stream.set_group_position(group, position, read);
                self.stream.touch_consumer(group, id, now_ms, became_active);
            }
            Step::SetPending { consumer, id, at_ms, count, .. } => {
                let owner = match consumer.map(|consumer| self.consumer(at, consumer)) {
                    None => None,
                    Some(Some((_, owner))) => Some(owner),
                    Some(None) => return,
                };
                let delivered_at_ms = if owner.is_some() { at_ms } else { 0 };
                let record = PendingEntry {
                    id,
                    owner,
                    delivered_at_ms,
                    available_at_ms: 0,
                    delivery_count: count,
                };
                self.stream.set_pending(group, record);
                self.reference.set_pending(at, record);
            }
            _ => unreachable!("all other steps are handled above"),
        }
    }
}

proptest! {
    #[test]
    fn agrees_with_a_naive_stream(
        steps in prop::collection::vec(step(), 1..60),
        node_entries_max in prop::sample::select(vec![1_u64, 2, 3, 5, 100]),
    ) {
        let mut world = World::new(node_entries_max);
        for step in &steps {
            world.apply(step);
            compare(&world.stream, &world.disk, &world.reference);
            world.disk.take_freed(&mut world.stream.entries);
        }
        for (stream, reference) in &world.snapshots {
            compare(stream, &world.disk, reference);
        }
    }
}
