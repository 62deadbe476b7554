//! The pending list against a plain list of records.

use super::{ConsumerId, PendingEntry, PendingList};
use crate::EntryId;
use proptest::prelude::*;

/// What `PendingList` does, without any index.
#[derive(Clone, Default)]
struct Reference {
    /// With the number of the upsert that set it.
    records: Vec<(PendingEntry, u64)>,
    upserts: u64,
}

impl Reference {
    fn upsert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        let before = self.remove(entry.id);
        let at = self.records.partition_point(|(other, _)| other.id < entry.id);
        self.records.insert(at, (entry, self.upserts));
        self.upserts += 1;
        before
    }

    fn remove(&mut self, id: EntryId) -> Option<PendingEntry> {
        let at = self.records.iter().position(|(entry, _)| entry.id == id)?;
        Some(self.records.remove(at).0)
    }

    fn remove_owner(&mut self, owner: ConsumerId) -> usize {
        let before = self.records.len();
        self.records.retain(|(entry, _)| entry.owner != Some(owner));
        before - self.records.len()
    }

    fn range(&self, from: EntryId, to: EntryId) -> Vec<PendingEntry> {
        let entries = self.records.iter().map(|(entry, _)| *entry);
        entries.filter(|entry| from <= entry.id && entry.id <= to).collect()
    }

    fn oldest_first(&self) -> Vec<PendingEntry> {
        let mut sorted = self.records.clone();
        sorted.sort_by_key(|(e, upsert)| (e.owner.is_some(), e.delivered_at_ms, *upsert));
        sorted.into_iter().map(|(entry, _)| entry).collect()
    }
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(PendingEntry),
    AppendRun { count: u64, owner: Option<ConsumerId>, at_ms: u64 },
    Remove(EntryId),
    RemoveFirst(usize),
    RemoveOwner(ConsumerId),
    Snapshot,
}

fn id() -> impl Strategy<Value = EntryId> {
    (0_u64..60, 0_u64..3).prop_map(|(ms, seq)| EntryId::new(ms, seq))
}

/// Few enough to collide, and two in one bucket of 64.
fn consumer() -> impl Strategy<Value = ConsumerId> {
    prop::sample::select(vec![ConsumerId(0), ConsumerId(1), ConsumerId(65), ConsumerId(u32::MAX)])
}

fn entry() -> impl Strategy<Value = PendingEntry> {
    let count = prop_oneof![
        8 => 0_u64..5,
        1 => u64::from(u32::MAX) - 1..u64::from(u32::MAX) + 2,
        1 => Just(u64::MAX),
    ];
    (id(), prop::option::weighted(0.8, consumer()), 0_u64..6, count).prop_map(
        |(id, owner, at_ms, delivery_count)| PendingEntry {
            id,
            owner,
            delivered_at_ms: if owner.is_some() { at_ms } else { 0 },
            delivery_count,
        },
    )
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => entry().prop_map(Step::Upsert),
        3 => (1_u64..30, prop::option::weighted(0.9, consumer()), 0_u64..40)
            .prop_map(|(count, owner, at_ms)| Step::AppendRun { count, owner, at_ms }),
        8 => id().prop_map(Step::Remove),
        3 => (1_usize..25).prop_map(Step::RemoveFirst),
        1 => consumer().prop_map(Step::RemoveOwner),
        1 => Just(Step::Snapshot),
    ]
}

fn apply(list: &mut PendingList, model: &mut Reference, step: &Step) {
    match *step {
        Step::Upsert(entry) => assert_eq!(list.upsert(entry), model.upsert(entry)),
        Step::AppendRun { count, owner, at_ms } => {
            let base = list.last_id().map_or(0, |last| last.ms);
            let delivered_at_ms = if owner.is_some() { at_ms } else { 0 };
            for ms in base + 1..=base + count {
                let id = EntryId::new(ms, 0);
                let entry = PendingEntry { id, owner, delivered_at_ms, delivery_count: 1 };
                list.upsert(entry);
                model.upsert(entry);
            }
        }
        Step::Remove(id) => assert_eq!(list.remove(id), model.remove(id)),
        Step::RemoveFirst(count) => {
            for _ in 0..count {
                if let Some(id) = list.first_id() {
                    assert_eq!(list.remove(id), model.remove(id));
                    list.check();
                }
            }
        }
        Step::RemoveOwner(owner) => {
            assert_eq!(list.remove_owner(owner), model.remove_owner(owner));
        }
        Step::Snapshot => {}
    }
}

fn compare(list: &PendingList, model: &Reference, from: EntryId, to: EntryId) {
    list.check();
    let all: Vec<_> = model.range(EntryId::MIN, EntryId::MAX);
    assert_eq!(list.range(EntryId::MIN, EntryId::MAX).collect::<Vec<_>>(), all);
    assert_eq!(list.len(), all.len());
    assert_eq!(list.is_empty(), all.is_empty());
    assert_eq!(list.unowned_len(), all.iter().filter(|entry| entry.owner.is_none()).count());
    assert_eq!(list.first_id(), all.first().map(|entry| entry.id));
    assert_eq!(list.last_id(), all.last().map(|entry| entry.id));
    let part = model.range(from, to);
    assert_eq!(list.range(from, to).collect::<Vec<_>>(), part);
    for owner in [0, 1, 65, u32::MAX, 64].map(ConsumerId) {
        let of_owner = part.iter().copied().filter(|entry| entry.owner == Some(owner));
        assert!(list.range_of(owner, from, to).eq(of_owner));
    }
    assert_eq!(list.get(from), model.range(from, from).first().copied());
    assert_eq!(list.contains(from), list.get(from).is_some());
    assert_eq!(list.oldest_first().collect::<Vec<_>>(), model.oldest_first());
    for until_ms in [0, 2, 4, 100] {
        let due =
            model.oldest_first().into_iter().filter(|entry| entry.delivered_at_ms <= until_ms);
        assert!(list.oldest_until(until_ms).eq(due));
    }
    let owned = all.iter().filter(|entry| entry.owner.is_some());
    let oldest = owned.map(|entry| entry.delivered_at_ms).min();
    let bound = list.oldest_bound_ms();
    assert!(bound.is_some() == oldest.is_some() && bound <= oldest);
}

proptest! {
    #[test]
    fn agrees_with_a_plain_list(
        steps in prop::collection::vec(step(), 0..60),
        (from, to) in (id(), id()),
        first_tie in prop_oneof![Just(0), u32::MAX - 40..=u32::MAX],
    ) {
        let mut list = PendingList::default();
        list.set_next_tie(first_tie);
        let mut model = Reference::default();
        let mut snapshots = Vec::new();
        for step in &steps {
            apply(&mut list, &mut model, step);
            compare(&list, &model, from, to);
            if matches!(step, Step::Snapshot) {
                snapshots.push((list.clone(), model.clone()));
            }
        }
        for (list, model) in &snapshots {
            compare(list, model, from, to);
        }
    }
}

fn delivered(ms: u64, owner: u32) -> PendingEntry {
    PendingEntry {
        id: EntryId::new(ms, 0),
        owner: Some(ConsumerId(owner)),
        delivered_at_ms: ms / 10,
        delivery_count: 1,
    }
}

#[test]
fn a_record_in_stream_order_takes_at_most_48_bytes() {
    // The tests' own chunks of 8 carry 32 times the overhead of real ones, so it is counted apart.
    let mut list = PendingList::default();
    let count = 100_000;
    for ms in 1..=count {
        list.upsert(delivered(ms, 7));
    }
    list.check();
    let records = count as usize;
    let chunks = records.div_ceil(super::chunk::CHUNK_MAX);
    let overhead = list.heap_bytes() - records * 40;
    let overhead_per_chunk = overhead.div_ceil(chunks);
    assert!(40 + overhead_per_chunk.div_ceil(255) <= 42, "{overhead_per_chunk} bytes per chunk");
}

#[test]
fn an_entry_that_replaces_itself_goes_behind_its_equals() {
    let mut list = PendingList::default();
    for ms in [1, 2, 3] {
        list.upsert(PendingEntry { delivered_at_ms: 5, ..delivered(ms, 1) });
    }
    list.upsert(PendingEntry { delivered_at_ms: 5, ..delivered(1, 1) });
    let order: Vec<_> = list.oldest_first().map(|entry| entry.id.ms).collect();
    assert_eq!(order, [2, 3, 1]);
    for ms in [3, 1] {
        list.upsert(PendingEntry { owner: None, delivered_at_ms: 0, ..delivered(ms, 1) });
    }
    let order: Vec<_> = list.oldest_first().map(|entry| entry.id.ms).collect();
    assert_eq!(order, [3, 1, 2]);
}

#[test]
fn ties_keep_their_order_when_the_counter_wraps() {
    let mut list = PendingList::default();
    list.set_next_tie(u32::MAX - 1);
    for ms in (1..=20).rev() {
        list.upsert(PendingEntry { delivered_at_ms: 9, ..delivered(ms, 1) });
    }
    let order: Vec<_> = list.oldest_first().map(|entry| entry.id.ms).collect();
    assert_eq!(order, (1..=20).rev().collect::<Vec<_>>());
}

#[test]
fn the_bound_of_the_oldest_delivery_follows_a_list_worked_off_in_order() {
    let mut list = PendingList::default();
    for ms in 1..=1_000 {
        list.upsert(delivered(ms, 1));
    }
    for ms in 1..=500 {
        list.remove(EntryId::new(ms, 0));
    }
    // 125 chunks of 8 were there, so at most that many removals and a few more are not seen yet.
    let bound = list.oldest_bound_ms().expect("500 are left");
    assert!(((500 - 130) / 10..=50).contains(&bound), "{bound}");
}
