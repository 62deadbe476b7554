//! What retention drops, against the rule applied to a plain list, entry by entry.

use proptest::prelude::*;

use super::{BlockLimits, EntryId, IdempotenceLimits, PendingEntry, Stream};
use crate::entries::test_disk::TestDisk;
use crate::{Overflow, Retain, Retention};

/// What groups have done with an entry.
#[derive(Clone, Copy, Debug)]
enum Done {
    Acknowledged,
    Pending,
    Deleted,
    /// Deleted while it was pending.
    Vanished,
}

#[derive(Clone, Debug)]
struct World {
    /// Milliseconds to the entry before, bytes, what the first and the second group did.
    entries: Vec<(u64, usize, Done, Done)>,
    /// How many entries each group was delivered.
    groups: Vec<usize>,
    retention: Retention,
    now_ms: u64,
    added_bytes: Option<u64>,
    written: u64,
    evicted: u64,
}

fn done() -> impl Strategy<Value = Done> {
    prop_oneof![
        12 => Just(Done::Acknowledged),
        2 => Just(Done::Pending),
        1 => Just(Done::Deleted),
        1 => Just(Done::Vanished),
    ]
}

fn retention() -> impl Strategy<Value = Retention> {
    let limit = |max: u64| prop_oneof![Just(0), 1..=max];
    let retain = prop_oneof![Just(Retain::All), Just(Retain::Unacked)];
    let overflow =
        prop_oneof![Just(None), Just(Some(Overflow::Reject)), Just(Some(Overflow::Drop))];
    (limit(40), limit(60), limit(200), retain, overflow).prop_map(
        |(max_len, max_age_ms, max_bytes, retain, overflow)| {
            let overflow = overflow.filter(|_| retain == Retain::All);
            Retention { max_len, max_age_ms, max_bytes, retain, overflow }
        },
    )
}

fn world() -> impl Strategy<Value = World> {
    let entry = (0..4_u64, 0..9_usize, done(), done());
    let bytes = prop::option::of(0..20_u64);
    let places = (any::<u64>(), any::<u64>());
    let groups = prop::collection::vec(0..80_usize, 0..3);
    (prop::collection::vec(entry, 1..80), groups, retention(), 0..150_u64, bytes, places).prop_map(
        |(entries, groups, retention, now_ms, added_bytes, (written, evicted))| World {
            entries,
            groups,
            retention,
            now_ms,
            added_bytes,
            written,
            evicted,
        },
    )
}

impl World {
    fn ids(&self) -> Vec<EntryId> {
        let mut ms = 1;
        let next = self.entries.iter().zip(0..).map(|((step, ..), seq)| {
            ms += step;
            EntryId::new(ms, seq)
        });
        next.collect()
    }

    fn done(&self, entry: usize, group: usize) -> Done {
        let (_, _, first, second) = self.entries[entry];
        if group == 0 { first } else { second }
    }

    fn is_gone(&self, entry: usize) -> bool {
        let (_, _, first, second) = self.entries[entry];
        [first, second].iter().any(|done| matches!(done, Done::Deleted | Done::Vanished))
    }

    fn is_pending(&self, entry: usize, group: usize) -> bool {
        let is_delivered = entry < self.groups[group];
        is_delivered && matches!(self.done(entry, group), Done::Pending | Done::Vanished)
    }

    fn stream(&self, disk: &mut TestDisk) -> Stream {
        let mut stream = Stream::new(IdempotenceLimits::default());
        let limits = BlockLimits { bytes_max: 4096, entries_max: 3 };
        let ids = self.ids();
        for (at, id) in ids.iter().enumerate() {
            let value = vec![b'v'; self.entries[at].1];
            stream.append(*id, &[b"f", &value], limits);
        }
        for (group, delivered) in self.groups.iter().enumerate() {
            let id = stream.next_group_id();
            let position = match delivered.min(&ids.len()) {
                0 => EntryId::MIN,
                delivered => ids[delivered - 1],
            };
            stream.create_group(id, &[b'g', group as u8], position, None);
            for entry in (0..ids.len()).filter(|entry| self.is_pending(*entry, group)) {
                stream.set_pending(
                    id,
                    PendingEntry {
                        id: ids[entry],
                        owner: None,
                        delivered_at_ms: 0,
                        available_at_ms: 0,
                        delivery_count: 1,
                    },
                );
            }
        }
        for entry in (0..ids.len()).filter(|entry| self.is_gone(*entry)) {
            stream.remove_entry(ids[entry], true);
        }
        disk.write(&mut stream.entries, self.written);
        disk.evict(&mut stream.entries, self.evicted);
        stream.set_retention(self.retention);
        stream
    }

    /// What stays, by the rule: the oldest goes while something demands it and nothing keeps it.
    fn expected(&self) -> Vec<EntryId> {
        let Retention { max_len, max_age_ms, max_bytes, retain, .. } = self.retention;
        let ids = self.ids();
        let mut left: Vec<_> = (0..ids.len()).filter(|entry| !self.is_gone(*entry)).collect();
        let bytes = |entry: usize| 1 + self.entries[entry].1 as u64;
        let (added, added_bytes) = self.added_bytes.map_or((0, 0), |added_bytes| (1, added_bytes));
        while let Some(&oldest) = left.first() {
            let sum: u64 = left.iter().map(|entry| bytes(*entry)).sum();
            let is_too_much = (max_len > 0 && left.len() as u64 + added > max_len)
                || (max_bytes > 0 && sum + added_bytes > max_bytes);
            let is_too_old = max_age_ms > 0 && ids[oldest].ms + max_age_ms <= self.now_ms;
            let of_groups =
                |group: usize| oldest < self.groups[group] && !self.is_pending(oldest, group);
            let goes = match retain {
                Retain::All if self.retention.overflow() == Overflow::Reject => is_too_old,
                Retain::All => is_too_much || is_too_old,
                Retain::Unacked => {
                    let is_settled =
                        !self.groups.is_empty() && (0..self.groups.len()).all(of_groups);
                    is_settled && (is_too_much || is_too_old || self.retention.is_work_queue())
                }
            };
            if !goes {
                break;
            }
            left.remove(0);
        }
        left.into_iter().map(|entry| ids[entry]).collect()
    }
}

fn ids_of(stream: &Stream, disk: &mut TestDisk) -> Vec<EntryId> {
    let mut copy = stream.clone();
    let cold: Vec<_> = copy.entries().cold_blocks().collect();
    for cold in cold {
        copy.entries.warm(cold, &disk.load(cold));
    }
    copy.entries().nodes().flat_map(|node| node.live_ids().expect("warm")).collect()
}

/// Carries out what is planned, until nothing more is.
fn drop_all(stream: &mut Stream, disk: &mut TestDisk, world: &World) {
    for _ in 0..1000 {
        let plan = stream.plan_drop(world.now_ms, world.added_bytes);
        if plan.before == EntryId::MIN {
            let Some(missing) = plan.missing else { return };
            disk.warm(&mut stream.entries, &missing);
            continue;
        }
        let length = stream.entries().len();
        let pending: usize = stream.groups().map(|(_, group)| group.pending().len()).sum();
        let dropped = stream.drop_before(plan.before);
        stream.check();
        for (_, group) in stream.groups() {
            assert!(group.pending().first_id().is_none_or(|first| first >= plan.before));
        }
        assert!(dropped.entries >= plan.entries, "{dropped:?} by {plan:?}");
        assert!(!plan.is_whole || dropped.entries == plan.entries, "{dropped:?} by {plan:?}");
        assert_eq!(stream.entries().len(), length - dropped.entries);
        let left: usize = stream.groups().map(|(_, group)| group.pending().len()).sum();
        let gone: u64 = dropped.pending.iter().map(|(_, count)| count).sum();
        assert_eq!(left as u64 + gone, pending as u64);
        assert!(dropped.entries + gone > 0, "something goes");
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn the_oldest_go_while_something_demands_it_and_nothing_keeps_them(world in world()) {
        let mut disk = TestDisk::default();
        let mut stream = world.stream(&mut disk);
        stream.check();
        drop_all(&mut stream, &mut disk, &world);
        prop_assert_eq!(ids_of(&stream, &mut disk), world.expected());
    }
}

#[test]
fn what_went_is_counted_for_each_group() {
    let mut stream = Stream::new(IdempotenceLimits::default());
    for ms in 1..=5 {
        stream.append(EntryId::new(ms, 0), &[b"f", b"v"], BlockLimits::default());
    }
    for name in [b"a", b"b", b"c"] {
        let id = stream.next_group_id();
        stream.create_group(id, name, EntryId::new(5, 0), None);
    }
    let groups: Vec<_> = stream.groups().map(|(id, _)| id).collect();
    let record = |ms| PendingEntry {
        id: EntryId::new(ms, 0),
        owner: None,
        delivered_at_ms: 0,
        available_at_ms: 0,
        delivery_count: 1,
    };
    for ms in [1, 2, 4] {
        stream.set_pending(groups[0], record(ms));
    }
    stream.set_pending(groups[2], record(3));
    let dropped = stream.drop_before(EntryId::new(4, 0));
    assert_eq!(dropped.entries, 3);
    assert_eq!(dropped.pending, [(groups[0], 2), (groups[2], 1)]);
    stream.check();
}
