//! Dead letters: what is used up is moved to another stream, with nobody asking, and never lost.

use millstream_engine::{AddRequest, Engine, GroupPosition, Nack, NackMode, NewId, StringExpiry};
use millstream_log::memory_storage::Crash;
use millstream_model::{Backoff, Direction, EntryId, GroupCounters, GroupPolicy, Rejection};

use crate::backoff::nack;
use crate::entries::fill;
use crate::parked::{park, with_group};
use crate::parked_claims::wait;
use crate::pending::pending;
use crate::policy::{new, set};
use crate::reads::{plain, read};
use crate::store::{Store, at, id, in_memory, now, refused, run, run_due};

const VISIBILITY_MS: u64 = 100;

/// 1-0 to `last`-0, just read by `a`, in a group that delivers twice.
pub(crate) fn twice(last: u64) -> Engine {
    let engine = with_group();
    set(&engine, 0, |policy| {
        policy.visibility_ms = VISIBILITY_MS;
        policy.deliveries_max = 2;
    });
    fill(&engine, 1..=last);
    read(&engine, 0, new("a"));
    engine
}

/// A group that delivers so often, each time for so long.
pub(crate) fn with_max_deliveries(engine: &Engine, max: u32) {
    now(engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
    })
    .expect("creates");
    set(engine, 0, |policy| {
        policy.visibility_ms = VISIBILITY_MS;
        policy.deliveries_max = max;
    });
}

/// Each letter of a stream: original id, consumer, count, reason, error.
fn letters_in(engine: &Engine, key: &[u8]) -> Vec<String> {
    now(engine, |txn| {
        txn.load_value(0, key).expect("blocks are intact");
        let range = txn.range(0, key, EntryId::MIN, EntryId::MAX, 1000, Direction::Ascending);
        let mut letters = Vec::new();
        if let Some(entries) = range.expect("a stream") {
            entries.for_each(|entry| {
                let field = |name: &str| {
                    let mut pairs = entry.pairs();
                    let found = pairs.find(|(field, _)| *field == name.as_bytes());
                    found.map_or_else(String::new, |(_, v)| String::from_utf8_lossy(v).into_owned())
                };
                let names = ["original_id", "consumer", "delivery_count", "reason", "error"];
                letters.push(names.map(field).join(" ").trim_end().to_owned());
            });
        }
        letters
    })
}

pub(crate) fn letters(engine: &Engine) -> Vec<String> {
    letters_in(engine, b"s:dlq")
}

fn counters(engine: &Engine) -> GroupCounters {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let group = stream.group(stream.find_group(b"g").expect("it is there"));
        *group.counters().expect("it is managed")
    })
}

#[test]
fn what_is_used_up_goes_when_it_would_be_handed_out_again() {
    let engine = twice(2);
    assert_eq!(read(&engine, 100, new("b")), "s: 1 2");
    run(&engine, at(150), |txn| txn.acknowledge(0, b"s", b"g", &[id(2, 0)])).0.expect("settles");
    run_due(&engine, at(199));
    assert_eq!(letters(&engine), [""; 0]);
    assert_eq!(pending(&engine), [(1, "b".into(), 100, 2)]);
    run_due(&engine, at(200));
    assert_eq!(letters(&engine), ["1-0 b 2 max-deliveries"]);
    assert_eq!(pending(&engine), []);
    let expected = GroupCounters {
        delivered: 2,
        acked: 1,
        redelivered: 2,
        dead_lettered: 1,
        ..GroupCounters::default()
    };
    assert_eq!(counters(&engine), expected);
}

#[test]
fn reads_pass_over_what_is_used_up() {
    let engine = twice(1);
    read(&engine, 100, new("b"));
    // The timer did not run yet.
    assert_eq!(read(&engine, 500, new("c")), "");
    let mut idle = new("c");
    idle.group.as_mut().expect("for a group").claim_min_idle_ms = Some(0);
    assert_eq!(read(&engine, 500, idle.clone()), "");
    idle.group.as_mut().expect("for a group").noack = true;
    assert_eq!(read(&engine, 500, idle), "", "nor does a read without acknowledgement take it");
    let scanned = run(&engine, at(500), |txn| {
        txn.autoclaim(0, b"s", b"g", b"c", 0, EntryId::MIN, 10, true).expect("scans")
    });
    assert_eq!(scanned.0.claimed.len(), 0);
    run_due(&engine, at(500));
    assert_eq!(letters(&engine).len(), 1);
}

#[test]
fn failing_for_the_last_time_waits_for_the_backoff() {
    let engine = twice(1);
    set(&engine, 0, |policy| {
        policy.backoff = Some(Backoff { base_ms: 50, factor_thousandths: 1000, max_ms: 50 });
    });
    read(&engine, 150, new("b"));
    nack(&engine, 160, &Nack { error: Some(b"broken"), ..Nack::new(NackMode::Fail) }, &[1]);
    run_due(&engine, at(209));
    assert_eq!(letters(&engine).len(), 0);
    run_due(&engine, at(210));
    assert_eq!(letters(&engine), ["1-0 b 2 max-deliveries broken"]);
}

#[test]
fn a_count_that_is_set_back_starts_again() {
    let engine = twice(1);
    read(&engine, 100, new("b"));
    let restarted = Nack { delivery_count: Some(0), ..Nack::new(NackMode::Silent) };
    nack(&engine, 110, &restarted, &[1]);
    run_due(&engine, at(110));
    assert_eq!(letters(&engine).len(), 0);
    assert_eq!(read(&engine, 120, new("c")), "s: 1");
}

#[test]
fn fatal_goes_at_once_with_the_count_before_and_who_had_it() {
    let engine = twice(2);
    nack(&engine, 5, &Nack { error: Some(b"bad"), ..Nack::new(NackMode::Fatal) }, &[1, 2]);
    assert_eq!(letters(&engine), ["1-0 a 1 fatal bad", "2-0 a 1 fatal bad"]);
    assert_eq!(pending(&engine), []);
}

#[test]
fn an_entry_that_is_named_twice_leaves_one_letter() {
    let engine = twice(2);
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1, 2, 1]);
    assert_eq!(letters(&engine), ["1-0 a 1 fatal", "2-0 a 1 fatal"]);
}

#[test]
fn fatal_is_redis_where_there_are_no_dead_letters() {
    let engine = with_group();
    set(&engine, 0, |policy| policy.visibility_ms = VISIBILITY_MS);
    fill(&engine, [1]);
    read(&engine, 0, new("a"));
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1]);
    assert_eq!(pending(&engine), [(1, String::new(), 0, i64::MAX as u64)]);
    assert_eq!(read(&engine, 5, new("b")), "s: 1");
}

#[test]
fn a_dead_letter_stream_alone_takes_what_is_fatal() {
    let engine = with_group();
    set(&engine, 0, |policy| policy.dead_letter = Some((*b"morgue").into()));
    fill(&engine, [1, 2]);
    read(&engine, 0, new("a"));
    nack(&engine, 5, &Nack::new(NackMode::Fail), &[1]);
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[2]);
    assert_eq!(letters_in(&engine, b"morgue"), ["2-0 a 1 fatal"]);
    assert_eq!(read(&engine, 5, new("b")), "s: 1");
}

#[test]
fn readers_of_the_dead_letters_wake() {
    let engine = twice(1);
    let request = plain(&[("s:dlq", millstream_engine::ReadFrom::After(EntryId::MIN))]);
    let (sink, _) = park(&engine, 0, None, request);
    read(&engine, 100, new("b"));
    run_due(&engine, at(200));
    assert!(sink.text().starts_with("s:dlq: "), "{}", sink.text());
}

#[test]
fn pausing_does_not_stop_dead_letters() {
    let engine = twice(1);
    read(&engine, 100, new("b"));
    set(&engine, 110, |policy| policy.is_paused = true);
    run_due(&engine, at(200));
    assert_eq!(letters(&engine).len(), 1);
}

#[test]
fn a_lower_number_counts_at_the_next_deadline() {
    let engine = twice(1);
    set(&engine, 50, |policy| policy.deliveries_max = 1);
    run_due(&engine, at(99));
    assert_eq!(letters(&engine).len(), 0);
    run_due(&engine, at(100));
    assert_eq!(letters(&engine), ["1-0 a 1 max-deliveries"]);
}

#[test]
fn an_entry_that_is_gone_leaves_no_letter() {
    let engine = twice(1);
    read(&engine, 100, new("b"));
    run(&engine, at(110), |txn| txn.delete(0, b"s", &[id(1, 0)]).expect("deletes"));
    run_due(&engine, at(200));
    assert_eq!((letters(&engine).len(), pending(&engine).len()), (0, 0));
    assert_eq!((counters(&engine).vanished, counters(&engine).dead_lettered), (1, 0));
}

#[test]
fn a_deleted_consumer_is_named_in_the_letter() {
    let engine = twice(1);
    read(&engine, 100, new("b"));
    run(&engine, at(110), |txn| txn.delete_consumer(0, b"s", b"g", b"b")).0.expect("deletes");
    run_due(&engine, at(110));
    assert_eq!(letters(&engine), ["1-0 b 2 max-deliveries"]);
}

#[test]
fn what_the_target_does_not_take_stays_and_is_tried_again_ever_more_rarely() {
    let engine = twice(1);
    now(&engine, |txn| txn.set_string(0, b"s:dlq", "text".into(), StringExpiry::None));
    read(&engine, 100, new("b"));
    let mut tries = Vec::new();
    for ms in (200..200_000).step_by(100) {
        let before = counters(&engine).dead_letter_failed;
        run_due(&engine, at(ms));
        if counters(&engine).dead_letter_failed > before {
            tries.push(ms);
        }
    }
    let waits: Vec<_> = tries.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(waits, [1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    assert_eq!(read(&engine, 200_000, new("c")), "", "it is not handed out");
    assert_eq!(pending(&engine), [(1, "b".into(), 100, 2)]);
    now(&engine, |txn| txn.remove(0, b"s:dlq"));
    run_due(&engine, at(250_000));
    assert_eq!(letters(&engine), ["1-0 b 2 max-deliveries"]);
}

#[test]
fn a_fatal_entry_that_is_refused_is_kept_apart() {
    let engine = twice(1);
    now(&engine, |txn| txn.set_string(0, b"s:dlq", "text".into(), StringExpiry::None));
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1]);
    assert_eq!(read(&engine, 5, new("b")), "");
    run_due(&engine, at(500));
    assert_eq!(pending(&engine), [(1, String::new(), 0, 1)]);
    // Without dead letters it is like in Redis: to be had by anybody.
    set(&engine, 600, |policy| policy.deliveries_max = 0);
    assert_eq!(read(&engine, 600, new("b")), "s: 1");
}

#[test]
fn letters_that_would_come_back_are_refused() {
    let engine = twice(1);
    let to = |key: &'static [u8], target: &'static [u8]| {
        run(&engine, at(0), |txn| {
            let start = GroupPosition::After(EntryId::MIN);
            let _ = txn.create_group(0, key, b"g", start, true, None);
            let mut policy = txn.group_policy(0, key, b"g").expect("it is there");
            policy.dead_letter = Some(target.into());
            txn.set_group_policy(0, key, b"g", policy)
        })
        .0
    };
    assert_eq!(to(b"s", b"s"), Err(Rejection::DeadLettersComeBack));
    assert_eq!(to(b"x", b"y"), Ok(()));
    assert_eq!(to(b"y", b"s"), Ok(()));
    assert_eq!(to(b"s", b"x"), Err(Rejection::DeadLettersComeBack));
    // A chain that closes behind the back of the policy: the stream in the middle was renamed.
    assert_eq!(to(b"s", b"z"), Ok(()));
    run(&engine, at(0), |txn| txn.rename(0, b"x", b"z", false)).0.expect("renames");
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1]);
    assert_eq!(letters_in(&engine, b"z").len(), 0);
    assert_eq!(counters(&engine).dead_letter_failed, 1);
}

#[test]
fn a_group_whose_letters_would_come_back_is_not_made_at_all() {
    let engine = in_memory();
    let refusal = refused(&engine, |txn| {
        let start = GroupPosition::After(EntryId::MIN);
        let mut policy = GroupPolicy::default();
        policy.dead_letter = Some((*b"s").into());
        txn.create_group_with(0, b"s", b"g", start, true, None, policy)
    });
    assert_eq!(refusal, Rejection::DeadLettersComeBack);
    let stream = now(&engine, |txn| txn.stream(0, b"s").expect("no wrong type").is_some());
    assert!(!stream, "nor is its stream");
}

#[test]
fn the_targets_own_policy_applies() {
    let engine = twice(1);
    run(&engine, at(0), |txn| {
        let start = GroupPosition::After(EntryId::MIN);
        txn.create_group(0, b"s:dlq", b"g", start, true, None).expect("creates");
        let mut policy = txn.group_policy(0, b"s:dlq", b"g").expect("it is there");
        policy.deliveries_max = 1;
        txn.set_group_policy(0, b"s:dlq", b"g", policy).expect("sets");
    });
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1]);
    let request = millstream_engine::ReadRequest {
        streams: plain(&[("s:dlq", millstream_engine::ReadFrom::New)]).streams,
        ..new("undertaker")
    };
    assert!(read(&engine, 10, request).starts_with("s:dlq: "));
}

#[test]
fn many_at_once_go_in_small_steps() {
    let engine = twice(500);
    read(&engine, 100, new("b"));
    assert!(engine.run_due(at(200), 4).has_more, "not all in one hold of the engine");
    assert!(letters(&engine).len() < 200);
    run_due(&engine, at(200));
    assert_eq!((letters(&engine).len(), pending(&engine).len()), (500, 0));
}

#[test]
fn what_is_on_disk_only_is_loaded_and_moved() {
    let mut store = Store::new();
    let engine = store.engine();
    with_max_deliveries(engine, 1);
    fill(engine, 1..=40);
    assert!(read(engine, 0, new("a")).ends_with(" 40"));
    store.sync();
    store.checkpoint();
    let statistics = engine_statistics(store.engine());
    assert!(statistics.1 > 0, "some blocks are on disk only");
    run_all_due(&mut store, 100);
    assert_eq!(letters(store.engine()).len(), 40);
    assert_eq!(pending(store.engine()), []);
}

#[test]
fn the_age_of_what_is_undelivered_shows_where_its_block_is_on_disk_only() {
    let mut store = Store::new();
    let engine = store.engine();
    with_max_deliveries(engine, 1);
    fill(engine, 1..=40);
    store.sync();
    store.checkpoint();
    let engine = store.engine();
    assert!(engine_statistics(engine).1 > 0, "some blocks are on disk only");
    let undelivered = || {
        now(engine, |txn| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
            let group = stream.group(stream.find_group(b"g").expect("it is there"));
            stream.first_undelivered(group)
        })
    };
    assert_eq!(undelivered(), Some(id(1, 0)), "a block that is undelivered as a whole");
    let go_to = |position| {
        let to = GroupPosition::After(position);
        now(engine, |txn| txn.set_group_position(0, b"s", b"g", to, None)).expect("moves");
    };
    go_to(id(1, 0));
    assert_eq!(undelivered(), Some(id(1, 1)), "one that is cut: not above it");
    now(engine, |txn| txn.delete(0, b"s", &[id(40, 0)])).expect("deletes");
    go_to(id(39, 0));
    assert_eq!(undelivered(), None, "what was deleted is not waited for");
}

/// The timer, with space in the log and in memory made as it needs it.
pub(crate) fn run_all_due(store: &mut Store, ms: u64) {
    for _ in 0..50 {
        store.opened.preparer.step().expect("prepares");
        run_due(store.engine(), at(ms));
        store.sync();
        if store.engine().is_memory_full() {
            store.checkpoint();
        }
    }
}

/// Blocks in memory, blocks on disk only.
fn engine_statistics(engine: &Engine) -> (usize, usize) {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let cold = stream
            .entries()
            .blocks()
            .filter(|block| matches!(block.contents, millstream_model::StoredContents::Place(_)));
        (stream.entries().block_count(), cold.count())
    })
}

#[test]
fn fatal_waits_for_log_space_that_its_letters_need() {
    let mut store = Store::new();
    let engine = store.engine();
    with_max_deliveries(engine, 9);
    for entry in 1..=3 {
        let large = [b'\n'; 900];
        now(engine, |txn| {
            let new = NewId::Exactly(id(entry, 0));
            let request = AddRequest { id: new, no_create: false, trim: None, production: None };
            txn.add(0, b"s", &request, &[b"f", &large]).expect("adds")
        });
    }
    read(engine, 0, new("a"));
    store.sync();
    let end = store.engine().written();
    let room = store.engine().room().expect("on disk").clone();
    assert!(!room.admits(end, 3 * 2000), "three letters do not fit");
    nack(store.engine(), 5, &Nack::new(NackMode::Fatal), &[1, 2, 3]);
    let now_dead = letters(store.engine()).len();
    assert!(now_dead < 3);
    run_all_due(&mut store, 6);
    assert_eq!(letters(store.engine()).len(), 3);
    assert_eq!(pending(store.engine()), []);
}

#[test]
fn many_that_fail_for_good_go_in_small_steps() {
    let engine = twice(500);
    let ids: Vec<_> = (1..=500).collect();
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &ids);
    let at_once = letters(&engine).len();
    assert!((1..100).contains(&at_once), "{at_once} in one hold of the engine");
    assert_eq!(read(&engine, 5, new("b")), "");
    run_due(&engine, at(5));
    assert_eq!((letters(&engine).len(), pending(&engine).len()), (500, 0));
}

#[test]
fn a_crash_leaves_each_entry_pending_or_a_letter() {
    for synced in [false, true] {
        let mut store = Store::new();
        let engine = store.engine();
        with_max_deliveries(engine, 1);
        fill(engine, 1..=3);
        read(engine, 0, new("a"));
        store.sync();
        store.opened.preparer.step().expect("prepares");
        run_due(store.engine(), at(100));
        if synced {
            run_all_due(&mut store, 100);
        }
        let mut store = store.crashed(Crash::LoseAll, at(100));
        let before = (letters(store.engine()).len(), pending(store.engine()).len());
        assert_eq!(before, if synced { (3, 0) } else { (0, 3) });
        run_all_due(&mut store, 200);
        let engine = store.engine();
        assert_eq!((letters(engine).len(), pending(engine).len()), (3, 0));
        assert_eq!(counters(engine).dead_lettered, 3);
    }
}

#[test]
fn settling_a_fatal_entry_needs_no_dead_letter() {
    let engine = twice(1);
    now(&engine, |txn| txn.set_string(0, b"s:dlq", "text".into(), StringExpiry::None));
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1]);
    run(&engine, at(6), |txn| txn.acknowledge(0, b"s", b"g", &[id(1, 0)])).0.expect("settles");
    now(&engine, |txn| txn.remove(0, b"s:dlq"));
    run_due(&engine, at(5000));
    assert_eq!((letters(&engine).len(), pending(&engine).len()), (0, 0));
}

#[test]
fn a_wrong_key_is_refused_before_anything_changes() {
    let engine = twice(1);
    now(&engine, |txn| txn.set_string(0, b"t", "text".into(), StringExpiry::None));
    let reason =
        refused(&engine, |txn| txn.nack(0, b"t", b"g", &Nack::new(NackMode::Fatal), &[id(1, 0)]));
    assert_eq!(reason, Rejection::WrongType);
    let (sink, _) = park(&engine, 0, Some(50), new("b"));
    assert_eq!(wait(&engine, &sink, 0), (50, "timed out".into()));
}

#[test]
fn a_target_that_is_full_is_tried_again() {
    let engine = twice(2);
    run(&engine, at(0), |txn| {
        let start = GroupPosition::After(EntryId::MIN);
        txn.create_group(0, b"s:dlq", b"g", start, true, None).expect("creates");
        let mut retention = millstream_model::Retention::default();
        retention.max_len = 1;
        retention.retain = millstream_model::Retain::Unacked;
        txn.set_retention(0, b"s:dlq", retention).expect("sets");
    });
    nack(&engine, 5, &Nack::new(NackMode::Fatal), &[1, 2]);
    assert_eq!(letters(&engine), ["1-0 a 1 fatal"]);
    assert_eq!((pending(&engine).len(), counters(&engine).dead_letter_failed), (1, 1));
    now(&engine, |txn| {
        txn.set_retention(0, b"s:dlq", millstream_model::Retention::default()).expect("sets");
    });
    run_due(&engine, at(1004));
    assert_eq!(letters(&engine).len(), 1);
    run_due(&engine, at(1005));
    assert_eq!(letters(&engine), ["1-0 a 1 fatal", "2-0 a 1 fatal"]);
}

#[test]
fn large_entries_become_letters_in_several_records() {
    let mut store = Store::new();
    with_max_deliveries(store.engine(), 9);
    let value = vec![b'x'; 600 << 10];
    for ms in 1..=4 {
        store.opened.preparer.step().expect("prepares");
        now(store.engine(), |txn| {
            let id = millstream_engine::NewId::Exactly(id(ms, 0));
            txn.add(0, b"s", &crate::entries::request(id), &[b"f", &value]).expect("adds");
        });
        store.sync();
    }
    read(store.engine(), 0, new("a"));
    let ids: Vec<_> = (1..=4).map(|ms| id(ms, 0)).collect();
    let done = run(store.engine(), at(0), |txn| {
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fatal), &ids)
    });
    assert_eq!(done.0, Ok(4));
    let moved = letters(store.engine()).len();
    assert!(moved < 4, "no record takes them all");
    assert_eq!(pending(store.engine()).len(), 4 - moved);
    for _ in 0..10 {
        // So much space is made in small steps.
        for _ in 0..1000 {
            store.opened.preparer.step().expect("prepares");
        }
        run_all_due(&mut store, 1);
    }
    assert_eq!((letters(store.engine()).len(), pending(store.engine()).len()), (4, 0));
}
