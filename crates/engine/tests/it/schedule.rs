//! Delayed entries: when they fire, in which order, what carries them, and what puts them off.

use std::sync::Arc;

use millstream_engine::{
    Engine, ExpiryCondition, KeyVersion, Loss, NewId, Now, Prepared, ReadFrom, RunError, Storage,
    StringExpiry, Transaction, salvage,
};
use millstream_log::memory_storage::{Crash, MemoryStorage};
use millstream_model::{Direction, EntryId, Rejection, ScheduleToken};

use crate::dump::dump;
use crate::entries::{fill, request};
use crate::parked::{park, with_group};
use crate::pending::read_by;
use crate::reads::plain;
use crate::retention::set;
use crate::store::{START_MS, Store, at, id, in_memory, now, refused, run, run_due, small};

/// Adds an entry with a value, due at that time; at time `ms`.
fn add(engine: &Engine, ms: u64, due_ms: u64, value: &str) -> ScheduleToken {
    let fields: [&[u8]; 2] = [b"f", value.as_bytes()];
    run(engine, at(ms), |txn| txn.schedule(0, b"s", START_MS + due_ms, &fields)).0.expect("adds")
}

/// Values of a stream's entries, in order.
fn values_of(txn: &mut Transaction<'_>, db: u8, key: &[u8]) -> String {
    txn.load_value(db, key).expect("intact");
    let all = (EntryId::MIN, EntryId::MAX);
    let slice = txn.range(db, key, all.0, all.1, usize::MAX, Direction::Ascending);
    let mut values = Vec::new();
    slice.expect("a stream").unwrap_or_default().for_each(|entry| {
        let (_, value) = entry.pairs().next().expect("entries have a field");
        values.push(String::from_utf8(value.to_vec()).expect("text"));
    });
    values.join(" ")
}

fn values(engine: &Engine) -> String {
    now(engine, |txn| values_of(txn, 0, b"s"))
}

fn scheduled(engine: &Engine) -> usize {
    now(engine, |txn| {
        txn.stream(0, b"s").expect("a stream").and_then(|s| s.schedule()).map_or(0, |s| s.len())
    })
}

#[test]
fn they_fire_at_their_times_in_order_and_get_ids_of_the_clock() {
    let engine = in_memory();
    for (due_ms, value) in [(30, "c"), (10, "a"), (30, "d"), (20, "b"), (30, "e")] {
        add(&engine, 0, due_ms, value);
    }
    assert_eq!(values(&engine), "");
    run_due(&engine, at(9));
    assert_eq!(values(&engine), "");
    run_due(&engine, at(10));
    assert_eq!(values(&engine), "a");
    run_due(&engine, at(31));
    assert_eq!(values(&engine), "a b c d e", "those of one time in the order of addition");
    assert_eq!(scheduled(&engine), 0);
    let last = now(&engine, |txn| txn.stream(0, b"s").map(|s| s.map(|s| s.last_id())));
    assert_eq!(last, Ok(Some(id(START_MS + 31, 3))));
}

#[test]
fn what_has_passed_is_now_and_fires_in_the_order_of_addition() {
    let engine = in_memory();
    let first = add(&engine, 100, 60, "a");
    let second = add(&engine, 100, 20, "b");
    assert_eq!((first.due_ms, second.due_ms), (START_MS + 100, START_MS + 100));
    assert_eq!(values(&engine), "", "through the same path");
    run_due(&engine, at(100));
    assert_eq!(values(&engine), "a b");
}

#[test]
fn cancelled_ones_do_not_fire_and_unknown_ones_do_not_count() {
    let engine = in_memory();
    let tokens = ["a", "b", "c"].map(|value| add(&engine, 0, 10, value));
    let stale = ScheduleToken { sequence: 9, ..tokens[0] };
    let moved = ScheduleToken { due_ms: 5, ..tokens[2] };
    let which = [tokens[1], stale, tokens[1], moved];
    let cancel = |which: &[ScheduleToken]| {
        now(&engine, |txn| txn.cancel_scheduled(0, b"s", which)).expect("cancels")
    };
    assert_eq!(cancel(&which), 1);
    assert_eq!(cancel(&which), 0);
    run_due(&engine, at(10));
    assert_eq!(values(&engine), "a c");
    assert_eq!(cancel(&tokens), 0, "fired is gone");
    assert_eq!(now(&engine, |txn| txn.cancel_scheduled(0, b"none", &which)), Ok(0));
}

#[test]
fn run_appends_at_once_in_the_order_given() {
    let engine = in_memory();
    let tokens = ["a", "b", "c"].map(|value| add(&engine, 0, 1000, value));
    let which = [tokens[2], tokens[0], tokens[2], ScheduleToken { due_ms: 1, sequence: 1 }];
    let fired = run(&engine, at(5), |txn| txn.run_scheduled(0, b"s", &which)).0;
    assert_eq!(fired, Ok(2));
    assert_eq!(values(&engine), "c a");
    run_due(&engine, at(1000));
    assert_eq!(values(&engine), "c a b");
    assert_eq!(now(&engine, |txn| txn.run_scheduled(0, b"none", &which)), Ok(0));
}

#[test]
fn the_list_goes_on_where_it_was_whatever_went_meanwhile() {
    let engine = in_memory();
    let tokens: Vec<_> = (0..10).map(|n| add(&engine, 0, 100 - n, "v")).collect();
    let list = |after, count| now(&engine, |txn| txn.list_schedule(0, b"s", after, count));
    let page = list(None, 3).expect("lists");
    let found: Vec<_> = page.entries.iter().map(|(token, _)| *token).collect();
    assert_eq!(found, [tokens[9], tokens[8], tokens[7]]);
    assert_eq!(page.next, Some(tokens[7]));
    now(&engine, |txn| txn.cancel_scheduled(0, b"s", &[tokens[7], tokens[6]])).expect("cancels");
    let page = list(page.next, 100).expect("lists");
    let found: Vec<_> = page.entries.iter().map(|(token, _)| token.sequence).collect();
    assert_eq!((found, page.next), (vec![6, 5, 4, 3, 2, 1], None));
    let large = "x".repeat(700 << 10);
    (0..3).for_each(|_| _ = add(&engine, 0, 5, &large));
    assert_eq!(list(None, 100).expect("lists").entries.len(), 2, "a reply has a bounded size");
    assert!(
        list(Some(ScheduleToken { due_ms: u64::MAX, sequence: 0 }), 9)
            .expect("lists")
            .entries
            .is_empty()
    );
}

#[test]
fn a_schedule_goes_with_its_stream() {
    let engine = in_memory();
    add(&engine, 0, 10, "a");
    now(&engine, |txn| txn.rename(0, b"s", b"r", false)).expect("renames");
    now(&engine, |txn| assert!(txn.move_key(0, 3, b"r")));
    now(&engine, |txn| txn.swap_databases(3, 4));
    run_due(&engine, at(10));
    now(&engine, |txn| {
        assert_eq!(values_of(txn, 4, b"r"), "a");
        assert_eq!(values_of(txn, 0, b"s"), "");
    });
}

#[test]
fn what_goes_takes_its_schedule_along() {
    let engine = in_memory();
    let version = |engine: &Engine| now(engine, |txn| txn.version(0, b"s"));
    let missing: KeyVersion = version(&engine);
    for drop in [
        (|txn| assert!(txn.remove(0, b"s"))) as fn(&mut Transaction<'_>),
        |txn| txn.flush(Some(0)),
        |txn| txn.flush(None),
        |txn| {
            txn.add(0, b"other", &request(NewId::Auto), &[b"f", b"v"]).expect("adds");
            txn.rename(0, b"other", b"s", false).expect("renames");
            assert!(txn.remove(0, b"s"));
        },
    ] {
        add(&engine, 0, 10, "a");
        run(&engine, at(1), drop);
        run_due(&engine, at(20));
        assert_eq!(version(&engine), missing, "nobody brought it back");
    }
}

#[test]
fn a_copy_and_a_dump_are_without() {
    let engine = in_memory();
    add(&engine, 0, 10, "a");
    let image = now(&engine, |txn| {
        assert_eq!(txn.copy_key((0, b"s"), (0, b"copy"), false), Ok(true));
        txn.dump(0, b"s").expect("intact").expect("there")
    });
    now(&engine, |txn| txn.restore(0, b"restored", &image, None, false)).expect("restores");
    run_due(&engine, at(10));
    now(&engine, |txn| {
        for (key, expected) in [(&b"s"[..], "a"), (b"copy", ""), (b"restored", "")] {
            assert!(txn.stream(0, key).expect("a stream").is_some());
            assert_eq!(values_of(txn, 0, key), expected);
        }
    });
}

#[test]
fn watch_sees_creation_and_firing_only() {
    let engine = in_memory();
    let version = || now(&engine, |txn| txn.version(0, b"s"));
    let before = version();
    let token = add(&engine, 0, 10, "a");
    let created = version();
    assert_ne!(created, before);
    add(&engine, 0, 20, "b");
    now(&engine, |txn| txn.cancel_scheduled(0, b"s", &[token])).expect("cancels");
    assert_eq!(version(), created);
    run_due(&engine, at(20));
    assert_ne!(version(), created);
}

#[test]
fn blocked_readers_are_woken_by_the_timer() {
    let engine = with_group();
    let group = park(&engine, 0, None, read_by("a", ReadFrom::New)).0;
    let reader = park(&engine, 0, None, plain(&[("s", ReadFrom::End)])).0;
    add(&engine, 0, 10, "a");
    run_due(&engine, at(9));
    assert_eq!((group.text(), reader.text()), (String::new(), String::new()));
    run_due(&engine, at(10));
    let expected = format!("s: {}", START_MS + 10);
    assert_eq!((group.text(), reader.text()), (expected.clone(), expected));
}

#[test]
fn a_key_whose_time_has_come_takes_its_schedule_along() {
    let engine = in_memory();
    add(&engine, 0, 10, "a");
    run(&engine, at(0), |txn| {
        txn.set_expiry(0, b"s", (START_MS + 10) as i64, ExpiryCondition::default())
    });
    run_due(&engine, at(10));
    assert_eq!(now(&engine, |txn| txn.stream(0, b"s").map(|s| s.is_some())), Ok(false));
}

#[test]
fn refusals_leave_no_trace() {
    let engine = in_memory();
    run(&engine, at(0), |txn| {
        txn.set_string(0, b"t", "x".into(), StringExpiry::None);
    });
    let token = ScheduleToken { due_ms: 1, sequence: 1 };
    for work in [
        (|txn, _| txn.schedule(0, b"t", 5, &[b"f", b"v"]).map(|_| ()))
            as fn(&mut Transaction<'_>, ScheduleToken) -> Result<(), Rejection>,
        |txn, token| txn.cancel_scheduled(0, b"t", &[token]).map(|_| ()),
        |txn, _| txn.list_schedule(0, b"t", None, 5).map(|_| ()),
    ] {
        assert_eq!(refused(&engine, |txn| work(txn, token)), Rejection::WrongType);
    }
}

/// Symptom: a delayed entry that has more bytes than its stream may hold was taken, and waited for
/// ever.
#[test]
fn what_could_never_be_appended_is_refused_at_once() {
    let engine = in_memory();
    add(&engine, 0, 10, "before there is a limit");
    set(&engine, |retention| retention.max_bytes = 10);
    add(&engine, 0, 10, "123456789");
    let large: [&[u8]; 2] = [b"f", b"1234567890"];
    let reason = refused(&engine, |txn| txn.schedule(0, b"s", 0, &large));
    assert_eq!(reason, Rejection::EntryAboveMaxBytes);
    assert_eq!(scheduled(&engine), 2);
}

#[test]
fn what_a_stream_refuses_stays_and_is_tried_later_and_later() {
    let engine = in_memory();
    now(&engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(EntryId::MAX)), &[b"f", b"last"]))
        .expect("adds");
    add(&engine, 0, 10, "a");
    let failures = |ms| {
        run_due(&engine, at(ms));
        now(&engine, |txn| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("there");
            stream.schedule().expect("there").failures()
        })
    };
    assert_eq!(failures(9), 0);
    // After 1 s, 2 s, 4 s, ...
    for (ms, expected) in
        [(10, 1), (1009, 1), (1010, 2), (3009, 2), (3010, 3), (7009, 3), (7010, 4)]
    {
        assert_eq!(failures(ms), expected, "at {ms}");
    }
    assert_eq!(scheduled(&engine), 1);
    let token = ScheduleToken { due_ms: START_MS + 10, sequence: 1 };
    let error = RunError::Rejected(Rejection::StreamExhausted);
    assert_eq!(now(&engine, |txn| txn.run_scheduled(0, b"s", &[token])), Err(error));
    // Another stream is not held up.
    run(&engine, at(7020), |txn| txn.schedule(0, b"free", 0, &[b"f", b"v"])).0.expect("adds");
    run_due(&engine, at(7020));
    assert_eq!(now(&engine, |txn| values_of(txn, 0, b"free")), "v");
}

/// Symptom: an entry that a stream had refused once came a day late, after a clock that was a day
/// ahead had been set right.
#[test]
fn what_was_put_off_is_tried_again_soon_after_the_clock_was_set_back() {
    const DAY_MS: u64 = 86_400_000;
    let engine = in_memory();
    now(&engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(EntryId::MAX)), &[b"f", b"last"]))
        .expect("adds");
    add(&engine, 0, 10, "a");
    let failures = |wall_ms: u64, monotonic_ms| {
        run_due(&engine, Now { wall_ms: START_MS + wall_ms, monotonic_ms });
        now(&engine, |txn| {
            txn.check();
            let stream = txn.stream(0, b"s").expect("a stream").expect("there");
            stream.schedule().expect("there").failures()
        })
    };
    assert_eq!(failures(DAY_MS, 20), 1);
    assert_eq!(failures(30, 30), 1, "not at once");
    assert_eq!(failures(1029, 1029), 1);
    assert_eq!(failures(1030, 1030), 2);
    assert_eq!(failures(3029, 3029), 2, "twice as long after the second time");
    // Set back by little: nothing changes.
    assert_eq!(failures(3028, 3028), 2);
    assert_eq!(failures(3030, 3030), 3);
}

/// Lets the timer and all other threads work until nothing waits. Each look is half a second later:
/// the disk and the memory of these tests are small.
fn drain(store: &mut Store, from_ms: u64) {
    for look in 0..400 {
        while store.opened.preparer.step().expect("no poison") == Prepared::Grew {}
        let _ = store.engine().run_due(at(from_ms + look * 500), 4);
        store.sync();
        store.checkpoint_step(false);
    }
    assert_eq!(scheduled(store.engine()), 0);
}

/// 200 delayed entries over many blocks, on disk and out of memory; of them some are cancelled.
fn spilled() -> (Store, Vec<ScheduleToken>) {
    let mut store = Store::new();
    let mut tokens = Vec::new();
    for n in 0..200_u64 {
        tokens.push(add(store.engine(), 0, 1000 + n * 37 % 200, &format!("{n:-<40}")));
        store.write();
    }
    store.checkpoint();
    let which: Vec<_> = tokens.iter().copied().step_by(10).collect();
    run(store.engine(), at(1), |txn| txn.cancel_scheduled(0, b"s", &which)).0.expect("cancels");
    store.checkpoint();
    store.opened.checkpointer.check();
    (store, tokens)
}

#[test]
fn a_schedule_on_disk_survives_restarts_and_fires_in_order() {
    let (mut store, tokens) = spilled();
    let before = dump(store.engine());
    store = store.crashed(Crash::LoseAll, at(2));
    assert_eq!(dump(store.engine()), before);
    assert_eq!(scheduled(store.engine()), 180);
    drain(&mut store, 5000);
    let mut expected: Vec<_> = (0..200).filter(|n| n % 10 > 0).collect();
    expected.sort_by_key(|n| tokens[*n]);
    let expected: Vec<_> = expected.into_iter().map(|n| format!("{n:-<40}")).collect();
    assert_eq!(values(store.engine()), expected.join(" "));
    store.sync();
    store.checkpoint();
    store.opened.checkpointer.check();
    // A number is never used again.
    store = store.crashed(Crash::LoseAll, at(5000));
    assert_eq!(add(store.engine(), 5000, 6000, "x").sequence, 201);
}

#[test]
fn what_cannot_be_read_back_stays_and_is_counted() {
    let (store, _) = spilled();
    let disk = store.disk.crash(Crash::LoseAll);
    let names: Vec<_> = disk.names().into_iter().filter(|name| name.ends_with(".blk")).collect();
    let whole: Vec<_> = names.iter().map(|name| disk.contents(name).expect("listed")).collect();
    for (name, bytes) in names.iter().zip(&whole) {
        let damaged =
            bytes.iter().enumerate().map(|(at, byte)| if at < 64 { *byte } else { !byte });
        disk.set_contents(name, damaged.collect());
    }
    let mut store = Store::open(disk, at(2));
    run_due(store.engine(), at(5000));
    let failures = now(store.engine(), |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("there");
        stream.schedule().expect("there").failures()
    });
    assert_eq!((scheduled(store.engine()), failures), (180, 1));
    store.sync();
    let disk = store.disk.crash(Crash::LoseAll);
    names.iter().zip(whole).for_each(|(name, bytes)| disk.set_contents(name, bytes));
    let mut store = Store::open(disk, at(5000));
    drain(&mut store, 5000);
    assert_eq!(values(store.engine()).split_whitespace().count(), 180);
}

#[test]
fn what_is_damaged_is_given_up_by_repair_and_the_rest_fires() {
    let (store, _) = spilled();
    let disk = store.disk.crash(Crash::LoseAll);
    let mut names = disk.names();
    names.retain(|name| name.ends_with(".blk"));
    let mut bytes = disk.contents(&names[0]).expect("listed");
    bytes[100..200].fill(0xff);
    disk.set_contents(&names[0], bytes);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let salvaged = salvage(&storage, &small(), at(3), &mut |_| ()).expect("opens");
    let lost: u64 = salvaged
        .losses
        .iter()
        .map(|loss| match loss {
            Loss::Scheduled { key, count, .. } => {
                assert_eq!(key, b"s");
                *count
            }
            other => panic!("{other}"),
        })
        .sum();
    assert!(lost > 0 && lost < 180, "{lost} are lost");
    assert_eq!(salvaged.counts.scheduled, 180);
    salvaged.finish().expect("repairs");
    let mut store = Store::open(disk, at(3));
    assert_eq!(scheduled(store.engine()) as u64, 180 - lost);
    drain(&mut store, 5000);
    assert_eq!(values(store.engine()).split_whitespace().count() as u64, 180 - lost);
}

#[test]
fn after_a_crash_each_entry_is_in_one_of_both() {
    let disk = MemoryStorage::new();
    let mut store = Store::open(disk.clone(), at(0));
    for n in 0..20 {
        add(store.engine(), 0, 10 + n, &n.to_string());
    }
    store.sync();
    disk.keep_images();
    for look in 0..60 {
        let _ = store.engine().run_due(at(10 + look * 500), 1);
        store.write();
        if look % 3 == 0 {
            store.sync();
        }
        store.checkpoint_step(look % 20 == 0);
        store.opened.preparer.step().expect("prepares");
    }
    assert_eq!(scheduled(store.engine()), 0);
    let mut fired = std::collections::BTreeSet::new();
    for (index, image) in disk.take_images().iter().enumerate() {
        for crash in [Crash::LoseAll, Crash::KeepAll, Crash::Random(index as u64)] {
            let store = Store::open(image.crash(crash), at(0));
            let values = values(store.engine());
            let count = values.split_whitespace().count();
            let expected: Vec<_> = (0..count).map(|n| n.to_string()).collect();
            assert_eq!(values, expected.join(" "), "in order, without gaps");
            assert_eq!(scheduled(store.engine()), 20 - count, "the others wait");
            fired.insert(count);
        }
    }
    assert!(fired.len() > 10, "{fired:?}");
}

#[test]
fn on_a_full_disk_they_wait_for_room() {
    let mut store = Store::new();
    let prepare = |store: &mut Store| {
        while store.opened.preparer.step().expect("no poison") == Prepared::Grew {}
    };
    prepare(&mut store);
    let room = store.engine().room().expect("it has a disk").clone();
    store.disk.set_capacity_bytes(Some(0));
    let (mut end, mut count) = (store.sync(), 0);
    while room.admits(end, 200) {
        let fields: [&[u8]; 2] = [b"f", b"value"];
        let add = |txn: &mut Transaction<'_>| txn.schedule(0, b"s", START_MS + 10, &fields);
        end = run(store.engine(), at(0), add).1;
        count += 1;
    }
    assert!(count > 10, "{count} entries");
    for look in 0..20 {
        run_due(store.engine(), at(20 + look * 500));
        store.sync();
    }
    assert!(room.limit() >= store.engine().written(), "nothing goes beyond prepared space");
    assert!(scheduled(store.engine()) > count / 2, "they wait");
    let failures =
        store.engine().lock(at(0)).stream(0, b"s").map(|s| {
            s.and_then(|stream| stream.schedule()).map(millstream_model::Schedule::failures)
        });
    assert_eq!(failures, Ok(Some(0)), "the stream refused nothing");
    store.disk.set_capacity_bytes(None);
    drain(&mut store, 20_000);
    assert_eq!(values(store.engine()).split_whitespace().count(), count);
}

#[test]
fn the_timer_knows_the_next_time_over_all_streams() {
    let engine = in_memory();
    fill(&engine, [1]);
    for (ms, key) in [(30_u64, b"a"), (20, b"b"), (40, b"c")] {
        run(&engine, at(0), |txn| txn.schedule(0, key, START_MS + ms, &[b"f", b"v"]))
            .0
            .expect("adds");
    }
    let has_more = |ms| engine.run_due(at(ms), 1).has_more;
    assert!(!has_more(19) && !has_more(20) && !has_more(29));
    assert!(has_more(40), "one piece at a time");
    assert!(!has_more(40));
}
