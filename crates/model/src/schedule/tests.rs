//! A schedule against a plain list, over a disk from which blocks come only when asked for.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Schedule, ScheduleToken};
use crate::entries::test_disk::TestDisk;

type Fields = Vec<Vec<u8>>;

#[derive(Clone, Debug)]
enum Step {
    Add { due_ms: u64, bytes: usize },
    AddRun { due_ms: u64, count: u64 },
    Remove { which: usize },
    RemoveFirst { count: usize },
    RemoveNothing(ScheduleToken),
    Write(u64),
    Evict(u64),
    Store,
    Snapshot,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => (0_u64..40, 0_usize..60).prop_map(|(due_ms, bytes)| Step::Add { due_ms, bytes }),
        2 => (0_u64..40, 1_u64..120).prop_map(|(due_ms, count)| Step::AddRun { due_ms, count }),
        8 => any::<prop::sample::Index>().prop_map(|at| Step::Remove { which: at.index(1000) }),
        3 => (1_usize..80).prop_map(|count| Step::RemoveFirst { count }),
        1 => (0_u64..50, 0_u64..50).prop_map(|(due_ms, sequence)| {
            Step::RemoveNothing(ScheduleToken { due_ms, sequence })
        }),
        2 => any::<u64>().prop_map(Step::Write),
        2 => any::<u64>().prop_map(Step::Evict),
        1 => Just(Step::Store),
        1 => Just(Step::Snapshot),
    ]
}

/// Beside the schedule: what it should hold.
#[derive(Default)]
struct Test {
    schedule: Schedule,
    disk: TestDisk,
    expected: BTreeMap<ScheduleToken, Fields>,
    snapshots: Vec<(Schedule, Vec<ScheduleToken>)>,
}

impl Test {
    fn add(&mut self, due_ms: u64, bytes: usize) {
        let sequence = self.schedule.next_sequence();
        let token = ScheduleToken { due_ms, sequence };
        let fields = vec![b"name".to_vec(), vec![b'v'; bytes]];
        let parts: Vec<&[u8]> = fields.iter().map(Vec::as_slice).collect();
        if let Some(cold) = self.schedule.cold_for_add(sequence, 4 + bytes as u64) {
            self.disk.warm(&mut self.schedule.payloads, &cold.into());
        }
        self.schedule.add(token, &parts);
        assert!(self.expected.insert(token, fields).is_none());
    }

    fn warm(&mut self, token: ScheduleToken) {
        while let Err(cold) = self.schedule.payloads.contains(token.payload_id()) {
            self.disk.warm(&mut self.schedule.payloads, &cold.into());
        }
    }

    fn remove(&mut self, token: ScheduleToken) {
        self.warm(token);
        let is_there = self.expected.remove(&token).is_some();
        assert_eq!(self.schedule.contains(token), is_there);
        assert_eq!(self.schedule.remove(token), is_there);
    }

    fn apply(&mut self, step: &Step) {
        match *step {
            Step::Add { due_ms, bytes } => self.add(due_ms, bytes),
            Step::AddRun { due_ms, count } => (0..count).for_each(|_| self.add(due_ms, 3)),
            Step::Remove { which } => {
                let count = self.expected.len().max(1);
                if let Some(token) = self.expected.keys().copied().nth(which % count) {
                    self.remove(token);
                }
            }
            Step::RemoveFirst { count } => {
                for _ in 0..count {
                    let Some(token) = self.schedule.first() else { break };
                    self.remove(token);
                }
            }
            Step::RemoveNothing(token) => self.remove(token),
            Step::Write(which) => self.disk.write(&mut self.schedule.payloads, which),
            Step::Evict(which) => self.disk.evict(&mut self.schedule.payloads, which),
            Step::Store => {
                let stored = restored(&self.schedule);
                assert!(stored.after(None).eq(self.schedule.after(None)));
                stored.check();
            }
            Step::Snapshot => {
                let tokens = self.expected.keys().copied().collect();
                self.snapshots.push((self.schedule.clone(), tokens));
            }
        }
        self.disk.take_freed(&mut self.schedule.payloads);
    }

    fn compare(&self, from: ScheduleToken) {
        self.schedule.check();
        assert_eq!(self.schedule.len(), self.expected.len());
        assert_eq!(self.schedule.first(), self.expected.keys().next().copied());
        assert!(self.schedule.after(None).eq(self.expected.keys().copied()));
        let above = self.expected.keys().copied().filter(|token| *token > from);
        assert!(self.schedule.after(Some(from)).eq(above));
    }

    fn compare_fields(&mut self) {
        for (&token, fields) in &self.expected {
            while let Err(cold) = self.schedule.payload(token) {
                self.disk.warm(&mut self.schedule.payloads, &cold.into());
            }
            let found = self.schedule.payload(token).expect("loaded").expect("it is there");
            let pairs = found.as_ref().pairs();
            let found: Fields = pairs.flat_map(|(n, v)| [n.to_vec(), v.to_vec()]).collect();
            assert_eq!(&found, fields);
        }
    }
}

/// The schedule from what a checkpoint would say of it.
fn restored(schedule: &Schedule) -> Schedule {
    let mut stored = Schedule::restore(schedule.next_sequence(), schedule.failures());
    for block in schedule.payloads().blocks() {
        stored.restore_block(block).expect("it was a schedule");
    }
    for token in schedule.after(None) {
        stored.restore_token(token).expect("it was a schedule");
    }
    stored.ensure_whole().expect("it was a schedule");
    stored
}

proptest! {
    #[test]
    fn a_schedule_is_what_a_plain_list_is(steps in prop::collection::vec(step(), 1..120)) {
        let mut test = Test::default();
        for (number, step) in (0_u64..).zip(&steps) {
            test.apply(step);
            test.compare(ScheduleToken { due_ms: number % 50, sequence: number * 7 % 300 });
        }
        test.compare_fields();
        for (snapshot, tokens) in &test.snapshots {
            snapshot.check();
            assert!(snapshot.after(None).eq(tokens.iter().copied()));
        }
    }
}

fn filled(count: u64) -> Schedule {
    let mut schedule = Schedule::default();
    for sequence in 1..=count {
        schedule.add(ScheduleToken { due_ms: 1000 - sequence, sequence }, &[b"f", b"v"]);
    }
    schedule
}

#[test]
fn what_is_due_together_fires_in_the_order_of_addition() {
    let mut schedule = Schedule::default();
    for (due_ms, sequence) in [(7, 1), (5, 2), (7, 3), (5, 4), (6, 5)] {
        schedule.add(ScheduleToken { due_ms, sequence }, &[b"f", b"v"]);
    }
    let order: Vec<_> = schedule.after(None).map(|token| token.sequence).collect();
    assert_eq!(order, [2, 4, 5, 1, 3]);
}

#[test]
fn stored_facts_that_contradict_each_other_are_refused() {
    let schedule = filled(20);
    let whole = restored(&schedule);
    assert_eq!(whole.len(), 20);
    let mut doubled = restored(&schedule);
    let last = schedule.after(None).last().expect("filled");
    doubled.restore_token(last).expect_err("it does not ascend");
    let too_high = ScheduleToken { due_ms: 5000, sequence: 21 };
    doubled.restore_token(too_high).expect_err("there was none of that number");
    let one_more = ScheduleToken { due_ms: 5000, sequence: 20 };
    doubled.restore_token(one_more).expect("alone it could be");
    doubled.ensure_whole().expect_err("one too many");
    let mut low = Schedule::restore(5, 0);
    let block = schedule.payloads().blocks().next().expect("filled");
    low.restore_block(block).expect_err("numbers above the next one");
}

#[test]
fn a_block_that_is_given_up_takes_its_entries_along() {
    let mut schedule = filled(250);
    let mut disk = TestDisk::default();
    disk.write(&mut schedule.payloads, u64::MAX);
    disk.evict(&mut schedule.payloads, u64::MAX);
    let cold: Vec<_> = schedule.payloads.cold_blocks().collect();
    assert_eq!(cold.len(), 3);
    assert_eq!(schedule.give_up(cold[1]), 100);
    schedule.check();
    let left: Vec<_> = schedule.after(None).map(|token| token.sequence).collect();
    assert!(left.iter().copied().eq((201..=250).rev().chain((1..=100).rev())));
}
