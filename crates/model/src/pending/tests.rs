//! The pending list against a plain list of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{ConsumerId, Failure, PendingEntry, PendingList, Timing};
use crate::{Backoff, EntryId};
use proptest::prelude::*;

/// What `PendingList` does, without any index.
#[derive(Clone, Default)]
struct Reference {
    /// With the number of the upsert that set it.
    records: Vec<(PendingEntry, u64)>,
    upserts: u64,
    failures: BTreeMap<EntryId, Arc<Failure>>,
    timing: Option<Timing>,
}

impl Reference {
    fn upsert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        let before = self.take(entry.id);
        let at = self.records.partition_point(|(other, _)| other.id < entry.id);
        self.records.insert(at, (entry, self.upserts));
        self.upserts += 1;
        before
    }

    fn remove(&mut self, id: EntryId) -> Option<PendingEntry> {
        self.failures.remove(&id);
        self.take(id)
    }

    fn take(&mut self, id: EntryId) -> Option<PendingEntry> {
        let at = self.records.iter().position(|(entry, _)| entry.id == id)?;
        Some(self.records.remove(at).0)
    }

    fn remove_owner(&mut self, owner: ConsumerId) -> usize {
        let before = self.records.len();
        self.records.retain(|(entry, _)| entry.owner != Some(owner));
        self.failures.retain(|id, _| self.records.iter().any(|(entry, _)| entry.id == *id));
        before - self.records.len()
    }

    fn range(&self, from: EntryId, to: EntryId) -> Vec<PendingEntry> {
        let entries = self.records.iter().map(|(entry, _)| *entry);
        entries.filter(|entry| from <= entry.id && entry.id <= to).collect()
    }

    fn sorted_by<K: Ord>(
        &self,
        key: impl Fn(&PendingEntry) -> Option<K>,
    ) -> impl Iterator<Item = (PendingEntry, K)> {
        let keyed = self.records.iter().filter_map(|(e, upsert)| Some((key(e)?, *upsert, *e)));
        let mut sorted: Vec<_> = keyed.collect();
        // What has a delay has no place in a queue: those of one time are in order of their ids.
        let order = |e: &PendingEntry, upsert| if is_delayed(e) { 0 } else { upsert };
        sorted.sort_by(|(a, m, x), (b, n, y)| (a, order(x, *m)).cmp(&(b, order(y, *n))));
        sorted.into_iter().map(|(key, _, entry)| (entry, key))
    }

    fn oldest_first(&self) -> Vec<PendingEntry> {
        self.sorted_by(|e| Some((kind(e), e.delivered_at_ms + e.available_at_ms)))
            .map(|(entry, _)| entry)
            .collect()
    }

    fn is_used_up(&self, e: &PendingEntry) -> bool {
        let is_at = |max: u32| e.delivery_count >= u64::from(max);
        self.timing.is_some_and(|timing| {
            timing.deliveries_max.is_some_and(is_at) || e.available_at_ms == PendingEntry::NEVER
        })
    }

    /// Without the visibility.
    fn due(&self, e: &PendingEntry) -> u64 {
        let backoff = self.timing.and_then(|t| Some((t.backoff?, t.jitter_percent)));
        let wait = backoff.map_or(0, |(backoff, percent)| {
            let count = e.delivery_count.min(u64::from(u32::MAX));
            backoff.after_with_jitter(e.id, count, percent)
        });
        e.delivered_at_ms + wait
    }

    /// When an entry is available that is not used up.
    fn available_at(&self, e: &PendingEntry, visibility_ms: u64, idle_ms: Option<u64>) -> u64 {
        if e.owner.is_none() {
            return e.available_at_ms;
        }
        let due = if visibility_ms == 0 { u64::MAX } else { self.due(e) + visibility_ms };
        due.min(idle_ms.map_or(u64::MAX, |ms| e.delivered_at_ms + ms))
    }
}

/// The queue, what is delayed, what is owned.
fn kind(e: &PendingEntry) -> u8 {
    match e.owner {
        Some(_) => 2,
        None => u8::from(is_delayed(e)),
    }
}

fn is_delayed(e: &PendingEntry) -> bool {
    e.available_at_ms > 0
}

#[derive(Clone, Debug)]
enum Step {
    Upsert(PendingEntry),
    AppendRun { count: u64, owner: Option<ConsumerId>, at_ms: u64 },
    Remove(EntryId),
    RemoveFirst(usize),
    RemoveOwner(ConsumerId),
    Snapshot,
    Fail(EntryId),
    SetTiming(Option<Timing>),
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
    let delay = prop_oneof![3 => Just(0), 3 => 1_u64..6, 1 => Just(PendingEntry::NEVER)];
    (id(), prop::option::weighted(0.7, consumer()), 0_u64..6, count, delay).prop_map(
        |(id, owner, at_ms, delivery_count, delay)| PendingEntry {
            id,
            owner,
            delivered_at_ms: if owner.is_some() { at_ms } else { 0 },
            available_at_ms: if owner.is_some() { 0 } else { delay },
            delivery_count,
        },
    )
}

fn timing() -> impl Strategy<Value = Timing> {
    let backoff = Backoff { base_ms: 1, factor_thousandths: 2000, max_ms: 5 };
    (0_u64..3, prop::option::of(Just(backoff)), 0_u8..100, prop::option::of(1_u32..4)).prop_map(
        |(visibility_ms, backoff, jitter_percent, deliveries_max)| Timing {
            visibility_ms,
            backoff,
            jitter_percent,
            deliveries_max,
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
        2 => id().prop_map(Step::Fail),
        1 => prop::option::weighted(0.8, timing()).prop_map(Step::SetTiming),
    ]
}

fn apply(list: &mut PendingList, model: &mut Reference, step: &Step) {
    match *step {
        Step::Upsert(entry) => assert_eq!(list.upsert(entry), model.upsert(entry)),
        Step::AppendRun { count, owner, at_ms } => {
            let base = list.last_id().map_or(0, |last| last.ms);
            let delivered_at_ms = if owner.is_some() { at_ms } else { 0 };
            let ids: Vec<_> = (base + 1..=base + count).map(|ms| EntryId::new(ms, 0)).collect();
            let entries = ids.iter().map(|&id| {
                let available_at_ms = 0;
                PendingEntry { id, owner, delivered_at_ms, available_at_ms, delivery_count: 1 }
            });
            entries.clone().for_each(|entry| assert_eq!(model.upsert(entry), None));
            match owner {
                Some(owner) if count % 3 > 0 => list.append_delivered(owner, at_ms, &ids),
                _ => entries.for_each(|entry| assert_eq!(list.upsert(entry), None)),
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
        Step::Fail(id) => {
            let failure = Arc::new(Failure { consumer: b"c".as_slice().into(), error: [].into() });
            let is_pending = model.range(id, id).len() == 1;
            assert_eq!(list.set_failure(id, Arc::clone(&failure)), is_pending);
            if is_pending {
                model.failures.insert(id, failure);
            }
        }
        Step::SetTiming(timing) => {
            list.set_timing(timing);
            model.timing = timing;
        }
    }
}

/// What is handed out when, and what is not any more.
fn compare_times(list: &PendingList, model: &Reference) {
    let of_timing = model.timing.map_or(0, |timing| timing.visibility_ms);
    for (visibility_ms, idle_ms) in [(of_timing, None), (of_timing, Some(3)), (2, Some(1))] {
        // The list knows the visibility that decides what is used up: that of its timing.
        let at = |e: &PendingEntry| model.available_at(e, visibility_ms, idle_ms);
        for has_unowned in [false, true] {
            let is_meant =
                |e: &PendingEntry| !model.is_used_up(e) && (has_unowned || e.owner.is_some());
            for now_ms in [0, 2, 4, 7] {
                let key = |e: &PendingEntry| {
                    let by_delivery = e.owner.is_none() || idle_ms.is_some();
                    let time = if by_delivery { e.delivered_at_ms } else { model.due(e) };
                    let is_now = is_meant(e) && at(e) <= now_ms;
                    is_now.then_some((kind(e), time + e.available_at_ms))
                };
                let expected = model.sorted_by(key).map(|(entry, _)| entry);
                let found = list.available(now_ms, has_unowned, visibility_ms, idle_ms);
                assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
            }
            let is_meant = |e: &PendingEntry| is_meant(e) && at(e) < u64::MAX;
            let all = model.range(EntryId::MIN, EntryId::MAX).into_iter();
            let mut settled = list.clone();
            let first_ms = settled.next_available_ms(has_unowned, visibility_ms, idle_ms);
            settled.check();
            assert_eq!(first_ms, all.filter(is_meant).map(|e| at(&e)).min());
        }
        for unowned_after_ms in [None, Some(0), Some(3), Some(7)] {
            // In the order of the times; what has the same may be in any.
            let found = list.upcoming(unowned_after_ms, visibility_ms, idle_ms);
            let mut found: Vec<_> = found.collect();
            assert!(found.is_sorted_by_key(|(_, at_ms)| *at_ms));
            found.sort_by_key(|(entry, _)| entry.id);
            let is_meant = |e: &PendingEntry| {
                let is_left_out = e.owner.is_none() && Some(at(e)) <= unowned_after_ms;
                !model.is_used_up(e) && !is_left_out && at(e) < u64::MAX
            };
            let expected = model.range(EntryId::MIN, EntryId::MAX).into_iter().filter(is_meant);
            assert!(found.into_iter().eq(expected.map(|e| (e, at(&e)))));
        }
    }
    let goes_at = |e: &PendingEntry| match e.available_at_ms {
        PendingEntry::NEVER => 0,
        _ => model.available_at(e, of_timing, None),
    };
    for until_ms in [0, 3, 100] {
        let is_meant = |e: &PendingEntry| model.is_used_up(e) && goes_at(e) <= until_ms;
        let found: Vec<_> = list.used_up_until(until_ms).collect();
        assert!(found.iter().all(|entry| list.is_used_up(entry.id)));
        // Of one time, what has no owner comes first, in the order of ids.
        let key = |e: &PendingEntry| is_meant(e).then(|| (goes_at(e), e.owner.is_some()));
        let order = |(e, upsert): &(PendingEntry, u64)| {
            Some((key(e)?, if e.owner.is_some() { *upsert } else { 0 }, e.id))
        };
        let mut expected: Vec<_> = model.records.iter().filter_map(order).collect();
        expected.sort_unstable();
        let expected = expected.into_iter().map(|(.., id)| id);
        assert!(found.iter().map(|entry| entry.id).eq(expected));
        let mut settled = list.clone();
        settled.settle_used_up(until_ms);
        settled.check();
        let is_exact = settled.used_up_bound_ms() <= until_ms;
        assert_eq!(is_exact, !found.is_empty(), "the bound is exact once it was settled");
    }
    assert!(list.failures().eq(model.failures.iter().map(|(id, failure)| (*id, failure))));
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
        let is_due = |e: &PendingEntry| e.delivered_at_ms <= until_ms && !is_delayed(e);
        let expected = model.oldest_first().into_iter().filter(is_due);
        if model.timing.is_none() {
            assert!(list.oldest_until(until_ms).eq(expected));
        }
    }
    compare_times(list, model);
    let owned = all.iter().filter(|entry| entry.owner.is_some());
    let oldest = owned.map(|entry| entry.delivered_at_ms).min();
    assert_eq!(list.oldest_delivery_ms(), oldest);
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
        available_at_ms: 0,
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
