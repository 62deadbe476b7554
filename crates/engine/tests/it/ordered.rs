//! ORDERBY: of the entries with one value, one after the other, in the order of the stream.

use std::collections::BTreeMap;

use millstream_engine::{
    ClaimOptions, Engine, GroupPosition, LetterAction, LetterFilter, Nack, NackMode, NewId,
    Settings,
};
use millstream_log::memory_storage::Crash;
use millstream_model::{Backoff, EntryId, GroupPolicy, Rejection};
use proptest::prelude::*;

use crate::backoff::nack;
use crate::entries::request;
use crate::parked::{park, with_group};
use crate::parked_claims::{claiming, wait};
use crate::pending::pending;
use crate::policy::{at_most, new, set};
use crate::reads::read;
use crate::store::{Store, at, id, now, refused, run, run_due, small};

/// Adds entries of these values, numbered from `first`; an empty one has no field `k`.
fn add(engine: &Engine, first: u64, values: &[&str]) {
    for (ms, value) in (first..).zip(values) {
        let name: &[u8] = if value.is_empty() { b"other" } else { b"k" };
        run(engine, at(0), |txn| {
            let fields: [&[u8]; 4] = [name, value.as_bytes(), b"k", b"second"];
            let fields = if value.is_empty() { &fields[..2] } else { &fields };
            txn.add(0, b"s", &request(NewId::Exactly(id(ms, 0))), fields).expect("adds")
        });
    }
}

fn order(policy: &mut GroupPolicy) {
    policy.order_by = Some((*b"k").into());
}

fn ordered(values: &[&str]) -> Engine {
    let engine = with_group();
    set(&engine, 0, order);
    add(&engine, 1, values);
    engine
}

fn acknowledge(engine: &Engine, ms: u64, ids: &[u64]) {
    let ids: Vec<_> = ids.iter().map(|ms| id(*ms, 0)).collect();
    run(engine, at(ms), |txn| txn.acknowledge(0, b"s", b"g", &ids)).0.expect("settles");
}

fn held(engine: &Engine) -> Vec<u64> {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let group = stream.group(stream.find_group(b"g").expect("it is there"));
        let held = group.order().into_iter().flat_map(|order| order.held());
        held.map(|(id, _)| id.ms).collect()
    })
}

#[test]
fn who_waits_with_claim_gets_what_a_deleted_entry_kept_from_its_turn() {
    let engine = ordered(&["a", "a"]);
    read(&engine, 0, new("x"));
    assert_eq!(held(&engine), [2]);
    run(&engine, at(10), |txn| txn.delete(0, b"s", &[id(1, 0)])).0.expect("deletes");
    let (sink, _) = park(&engine, 20, Some(2000), claiming("b", 300));
    run_due(&engine, at(299));
    assert_eq!(sink.text(), "");
    run_due(&engine, at(300));
    assert_eq!(sink.text(), "s: 2/0/0");
}

#[test]
fn one_entry_of_a_value_at_a_time() {
    let engine = ordered(&["a", "a", "b", "", "a", "b", ""]);
    assert_eq!(read(&engine, 0, new("x")), "s: 1 3 4 7");
    assert_eq!(held(&engine), [2, 5, 6]);
    assert_eq!(read(&engine, 0, new("y")), "");
    acknowledge(&engine, 0, &[3, 4]);
    assert_eq!(read(&engine, 0, new("y")), "s: 6");
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, new("y")), "s: 2");
    acknowledge(&engine, 0, &[2]);
    assert_eq!(read(&engine, 0, new("y")), "s: 5");
    assert_eq!(held(&engine), [0; 0]);
}

#[test]
fn what_was_held_comes_before_what_is_new() {
    let engine = ordered(&["a", "a", "b"]);
    read(&engine, 0, at_most(1, new("x")));
    assert_eq!(held(&engine), [0; 0], "nothing is looked at beyond what was asked for");
    read(&engine, 0, at_most(1, new("x")));
    assert_eq!(held(&engine), [2]);
    add(&engine, 4, &["c"]);
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, at_most(1, new("x"))), "s: 2");
    assert_eq!(read(&engine, 0, at_most(1, new("x"))), "s: 4");
}

#[test]
fn a_value_waits_while_its_entry_is_delayed_or_timed_out() {
    let engine = ordered(&["a", "a"]);
    set(&engine, 0, |policy| {
        policy.visibility_ms = 1000;
        policy.backoff = Some(Backoff { base_ms: 100, factor_thousandths: 1000, max_ms: 100 });
    });
    read(&engine, 0, new("x"));
    nack(&engine, 0, &Nack::new(NackMode::Fail), &[1]);
    assert_eq!(read(&engine, 99, new("x")), "");
    assert_eq!(read(&engine, 100, new("x")), "s: 1");
    assert_eq!(read(&engine, 1150, new("x")), "", "in its backoff");
    assert_eq!(read(&engine, 1200, new("y")), "s: 1", "again, and not the next one");
    acknowledge(&engine, 1200, &[1]);
    assert_eq!(read(&engine, 1200, new("y")), "s: 2");
}

#[test]
fn a_dead_letter_lets_the_next_one_go() {
    let engine = ordered(&["a", "a", "a"]);
    set(&engine, 0, |policy| {
        policy.deliveries_max = 1;
        policy.visibility_ms = 100;
    });
    assert_eq!(read(&engine, 0, new("x")), "s: 1");
    let (sink, _) = park(&engine, 0, None, new("y"));
    assert_eq!(wait(&engine, &sink, 0), (100, "s: 2".into()));
    nack(&engine, 110, &Nack::new(NackMode::Fatal), &[2]);
    assert_eq!(read(&engine, 110, new("x")), "s: 3");
}

#[test]
fn whoever_waits_is_woken_by_a_value_that_is_free_again() {
    let engine = ordered(&["a", "a"]);
    read(&engine, 0, new("x"));
    let (sink, _) = park(&engine, 0, None, new("y"));
    acknowledge(&engine, 5, &[1]);
    assert_eq!(sink.text(), "s: 2");
}

#[test]
fn an_entry_that_is_gone_lets_the_next_one_go() {
    let engine = ordered(&["a", "a", "a", "a"]);
    read(&engine, 0, new("x"));
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0), id(3, 0)])).expect("deletes");
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, new("x")), "s: 4");
    assert_eq!(held(&engine), [0; 0]);
}

#[test]
fn skip_gives_up_on_a_held_or_a_delayed_entry() {
    let engine = ordered(&["a", "a", "a", "a"]);
    read(&engine, 0, new("x"));
    let skip = |ms, entry| run(&engine, at(ms), |txn| txn.skip(0, b"s", b"g", id(entry, 0))).0;
    assert_eq!(skip(0, 2), Ok(true));
    assert_eq!(skip(0, 2), Ok(false));
    assert_eq!(skip(0, 1), Err(Rejection::EntryInWork));
    nack(&engine, 0, &Nack { delay_ms: Some(1000), ..Nack::new(NackMode::Fail) }, &[1]);
    let (sink, _) = park(&engine, 0, None, new("y"));
    assert_eq!(skip(1, 1), Ok(true));
    assert_eq!(sink.text(), "s: 3", "its successor flows at once");
    set(&engine, 1, |policy| policy.visibility_ms = 100);
    assert_eq!(skip(50, 3), Err(Rejection::EntryInWork));
    assert_eq!(skip(101, 3), Ok(true), "its consumer is late");
    assert_eq!(read(&engine, 101, new("x")), "s: 4");
}

#[test]
fn reading_stops_when_too_many_are_held() {
    let mut options = small();
    options.settings = Settings { held_max: 3, ..options.settings };
    let engine = Engine::in_memory(&options, at(0));
    now(&engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
    })
    .expect("creates");
    set(&engine, 0, order);
    add(&engine, 1, &["a", "a", "a", "a", "a", "b", ""]);
    assert_eq!(read(&engine, 0, new("x")), "s: 1");
    assert_eq!(held(&engine), [2, 3, 4]);
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, new("x")), "s: 2", "one drains and one more is held");
    acknowledge(&engine, 0, &[2]);
    assert_eq!(read(&engine, 0, new("x")), "s: 3 6 7");
}

#[test]
fn what_is_held_counts_as_not_delivered() {
    let engine = ordered(&["a", "a", "a"]);
    read(&engine, 0, new("x"));
    let (lag, is_referenced) = now(&engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let group = stream.group(stream.find_group(b"g").expect("it is there"));
        (stream.lag(group), stream.is_referenced(id(2, 0)))
    });
    assert_eq!((lag, is_referenced), (Some(2), true));
}

#[test]
fn moving_a_group_back_looks_at_everything_again_but_for_what_is_pending() {
    let engine = ordered(&["a", "a", "b", ""]);
    read(&engine, 0, new("x"));
    acknowledge(&engine, 0, &[4]);
    let start = GroupPosition::After(EntryId::MIN);
    run(&engine, at(0), |txn| txn.set_group_position(0, b"s", b"g", start, None)).0.expect("sets");
    assert_eq!(held(&engine), [0; 0]);
    assert_eq!(read(&engine, 0, new("y")), "s: 4");
    assert_eq!(held(&engine), [2]);
    assert_eq!(pending(&engine).iter().map(|p| p.0).collect::<Vec<_>>(), [1, 3, 4]);
}

#[test]
fn a_managed_group_that_was_moved_back_passes_over_what_is_pending() {
    let engine = with_group();
    set(&engine, 0, |policy| policy.visibility_ms = 1000);
    add(&engine, 1, &["", "", ""]);
    read(&engine, 0, at_most(2, new("x")));
    acknowledge(&engine, 0, &[1]);
    let start = GroupPosition::After(EntryId::MIN);
    run(&engine, at(0), |txn| txn.set_group_position(0, b"s", b"g", start, None)).0.expect("sets");
    assert_eq!(read(&engine, 0, new("y")), "s: 1 3");
}

#[test]
fn the_field_changes_only_while_nothing_is_in_its_order() {
    let engine = ordered(&["a", "a"]);
    read(&engine, 0, new("x"));
    let change = |field: Option<&'static [u8]>| {
        refused(&engine, |txn| {
            let mut policy = txn.group_policy(0, b"s", b"g").expect("it is there");
            policy.order_by = field.map(Into::into);
            txn.set_group_policy(0, b"s", b"g", policy)
        })
    };
    assert_eq!(change(None), Rejection::OrderInUse);
    assert_eq!(change(Some(b"other")), Rejection::OrderInUse);
    acknowledge(&engine, 0, &[1]);
    assert_eq!(change(None), Rejection::OrderInUse, "one is still held");
    assert_eq!(read(&engine, 0, new("x")), "s: 2");
    acknowledge(&engine, 0, &[2]);
    set(&engine, 0, |policy| policy.order_by = None);
}

#[test]
fn without_acknowledgement_there_is_no_order() {
    let engine = ordered(&["a"]);
    let mut noack = new("x");
    noack.group.as_mut().expect("for a group").noack = true;
    assert_eq!(refused(&engine, |txn| txn.read(&mut noack).map(|_| ())), Rejection::NoAckLimited);
}

#[test]
fn with_claim_entries_have_their_counts() {
    let engine = ordered(&["a", "a", "b"]);
    let mut claiming = new("x");
    claiming.group.as_mut().expect("for a group").claim_min_idle_ms = Some(100);
    assert_eq!(read(&engine, 0, claiming.clone()), "s: 1/0/0 3/0/0");
    assert_eq!(read(&engine, 100, claiming), "s: 1/100/1 3/100/1");
}

#[test]
fn a_letter_that_is_requeued_waits_for_its_turn() {
    let engine = ordered(&["a", "a", "a"]);
    set(&engine, 0, |policy| policy.dead_letter = Some((*b"s:dlq").into()));
    read(&engine, 0, new("x"));
    nack(&engine, 0, &Nack::new(NackMode::Fatal), &[1]);
    assert_eq!(read(&engine, 0, new("x")), "s: 2");
    let filter = LetterFilter {
        ids: None,
        group: None,
        reason: None,
        consumer: None,
        min_age_ms: 0,
        count: 1,
        cursor: EntryId::MIN,
    };
    let action = LetterAction::Requeue { make_stream: false };
    let done = now(&engine, |txn| txn.dead_letters(0, b"s:dlq", action, &filter, false));
    assert_eq!(done.expect("a stream").expect("it is there").done, 1);
    assert_eq!(read(&engine, 0, new("x")), "", "one of its value is in work");
    acknowledge(&engine, 0, &[2]);
    assert_eq!(read(&engine, 0, new("x")), "s: 1");
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, new("x")), "s: 3");
}

#[test]
fn a_forced_claim_takes_a_held_entry_out_of_its_turn() {
    let engine = ordered(&["a", "a", "a"]);
    read(&engine, 0, new("x"));
    let options = ClaimOptions { force: true, ..ClaimOptions::default() };
    run(&engine, at(0), |txn| txn.claim(0, b"s", b"g", b"y", &options, &[id(3, 0)]).map(|_| ()))
        .0
        .expect("claims");
    acknowledge(&engine, 0, &[1]);
    assert_eq!(read(&engine, 0, new("x")), "", "3-0 is in work");
    acknowledge(&engine, 0, &[3]);
    assert_eq!(read(&engine, 0, new("x")), "s: 2");
}

#[test]
fn order_survives_crashes_checkpoints_and_copies() {
    for checkpointed in [false, true] {
        let mut store = Store::new();
        let engine = store.engine();
        now(engine, |txn| {
            txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
        })
        .expect("creates");
        set(engine, 0, order);
        add(engine, 1, &["a", "a", "b", "a"]);
        read(engine, 0, new("x"));
        now(engine, |txn| txn.copy_key((0, b"s"), (0, b"t"), false)).expect("copies");
        store.sync();
        if checkpointed {
            store.checkpoint();
        }
        let before = crate::dump::dump(store.engine());
        let store = store.crashed(Crash::LoseAll, at(1));
        assert_eq!(crate::dump::dump(store.engine()), before);
        let engine = store.engine();
        acknowledge(engine, 1, &[1]);
        assert_eq!(read(engine, 1, new("x")), "s: 2");
    }
}

#[test]
fn what_is_on_disk_only_is_loaded_first() {
    let mut store = Store::new();
    let engine = store.engine();
    now(engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
    })
    .expect("creates");
    set(engine, 0, order);
    add(engine, 1, &["a"; 40]);
    store.sync();
    store.checkpoint();
    assert_eq!(read(store.engine(), 0, new("x")), "s: 1");
    assert_eq!(held(store.engine()).len(), 39);
    store.sync();
    store.checkpoint();
    for next in 2..=40 {
        acknowledge(store.engine(), 0, &[next - 1]);
        assert_eq!(read(store.engine(), 0, new("x")), format!("s: {next}"));
    }
}

#[derive(Clone, Debug)]
enum Step {
    Add(u8),
    Read(usize),
    Ack(usize),
    Fail(usize),
    Skip(usize),
    Delete(u64),
    Wait(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..4).prop_map(Step::Add),
        6 => (1_usize..4).prop_map(Step::Read),
        5 => (0_usize..6).prop_map(Step::Ack),
        2 => (0_usize..6).prop_map(Step::Fail),
        1 => (0_usize..6).prop_map(Step::Skip),
        1 => (1_u64..40).prop_map(Step::Delete),
        3 => (1_u64..80).prop_map(Step::Wait),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn whatever_happens_a_value_is_worked_off_in_order(
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let engine = with_group();
        set(&engine, 0, |policy| {
            order(policy);
            policy.visibility_ms = 50;
            policy.deliveries_max = 3;
            policy.in_flight_max = 4;
        });
        let mut values: BTreeMap<u64, u8> = BTreeMap::new();
        // Of each value the highest entry that was handed out.
        let mut highest: BTreeMap<u8, u64> = BTreeMap::new();
        let (mut ms, mut added) = (0, 0);
        for step in steps {
            let of = |list: Vec<(u64, String, u64, u64)>, at: usize| {
                list.get(at % list.len().max(1)).map(|record| record.0)
            };
            match step {
                Step::Add(value) => {
                    added += 1;
                    values.insert(added, value);
                    let text = if value == 0 { String::new() } else { value.to_string() };
                    add(&engine, added, &[&text]);
                }
                Step::Read(count) => {
                    let text = read(&engine, ms, at_most(count, new("x")));
                    let given = text.strip_prefix("s: ").unwrap_or_default();
                    for entry in given.split_whitespace() {
                        let entry: u64 = entry.parse().expect("a number");
                        let value = values[&entry];
                        if value > 0 {
                            let before = highest.entry(value).or_default();
                            prop_assert!(*before <= entry, "{entry} after {before} of {value}");
                            *before = entry;
                        }
                    }
                }
                Step::Ack(at) => {
                    if let Some(entry) = of(pending(&engine), at) {
                        acknowledge(&engine, ms, &[entry]);
                    }
                }
                Step::Fail(at) => {
                    if let Some(entry) = of(pending(&engine), at) {
                        nack(&engine, ms, &Nack::new(NackMode::Fail), &[entry]);
                    }
                }
                Step::Skip(entry) => {
                    let entry = id(entry as u64, 0);
                    let _ = run(&engine, at(ms), |txn| txn.skip(0, b"s", b"g", entry)).0;
                }
                Step::Delete(entry) => {
                    run(&engine, at(ms), |txn| txn.delete(0, b"s", &[id(entry, 0)]))
                        .0
                        .expect("deletes");
                }
                Step::Wait(wait_ms) => {
                    ms += wait_ms;
                    run_due(&engine, at(ms));
                }
            }
            let in_work = pending(&engine);
            let mut of_value: BTreeMap<u8, usize> = BTreeMap::new();
            for (entry, ..) in &in_work {
                *of_value.entry(values[entry]).or_default() += 1;
            }
            of_value.remove(&0);
            prop_assert!(of_value.values().all(|count| *count == 1), "{of_value:?}");
            prop_assert!(in_work.iter().filter(|record| !record.1.is_empty()).count() <= 4);
        }
        // Everything is handed out in the end, or was given up on.
        for _ in 0..200 {
            ms += 60;
            run_due(&engine, at(ms));
            read(&engine, ms, new("x"));
            let all: Vec<u64> = pending(&engine).iter().map(|record| record.0).collect();
            acknowledge(&engine, ms, &all);
        }
        prop_assert_eq!(held(&engine), [0; 0]);
        prop_assert_eq!(read(&engine, ms, new("x")), "");
    }
}
