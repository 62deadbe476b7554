//! Keys that expire and productions that are forgotten, by the clock alone.

use bytes::Bytes;
use millstream_engine::{
    AddRequest, Engine, ExpiryCondition, KeyCounts, Lifetime, NewId, Prepared, Production,
    StringExpiry, Transaction,
};
use millstream_log::memory_storage::Crash;

use crate::dump::dump;
use crate::entries::{FIELDS, fill, request};
use crate::groups::START;
use crate::parked::{park, with_group};
use crate::policy::new;
use crate::store::{START_MS, Store, at, id, in_memory, keys, now, run, run_due};

fn expire(engine: &Engine, key: &[u8], ms: u64) {
    let at_ms = (START_MS + ms) as i64;
    assert!(now(engine, |txn| txn.set_expiry(0, key, at_ms, ExpiryCondition::default())));
}

#[test]
fn an_expired_key_is_absent_for_everybody_before_the_timer_runs() {
    let engine = in_memory();
    fill(&engine, [1]);
    expire(&engine, b"s", 10);
    let later = |ms| {
        run(&engine, at(ms), |txn| {
            let listed = keys(txn, 0).len();
            let mut scanned = 0;
            txn.scan_keys(0, 0, 10, None, |_| scanned += 1);
            assert_eq!((listed, scanned), (txn.key_counts(0).keys, txn.key_counts(0).keys));
            (txn.kind(0, b"s").is_some(), txn.lifetime(0, b"s"), listed)
        })
        .0
    };
    assert_eq!(later(9), (true, Lifetime::Until(START_MS + 10), 1));
    assert_eq!(later(10), (false, Lifetime::Missing, 0));
    let gone = run(&engine, at(10), |txn| {
        assert!(!txn.remove(0, b"s") && !txn.persist(0, b"s"));
        assert!(txn.rename(0, b"s", b"t", false).is_err());
        txn.key_counts(0)
    });
    assert_eq!(gone.0, KeyCounts::default());
}

#[test]
fn a_key_created_over_an_expired_one_is_new() {
    let engine = in_memory();
    fill(&engine, [5]);
    expire(&engine, b"s", 10);
    let low = request(NewId::Exactly(id(1, 0)));
    let added = run(&engine, at(20), |txn| txn.add(0, b"s", &low, &FIELDS)).0;
    assert_eq!(added, Ok(Some(id(1, 0))), "the old last id is gone");
    assert!(!engine.run_due(at(30), 10).has_more);
    assert_eq!(run(&engine, at(30), |txn| txn.lifetime(0, b"s")).0, Lifetime::Unlimited);
    assert_eq!(now(&engine, |txn| txn.statistics().expired_keys), 0);
}

#[test]
fn who_waits_for_a_group_of_an_expired_stream_is_told_when_another_takes_its_place() {
    let engine = with_group();
    expire(&engine, b"s", 10);
    let (sink, _) = park(&engine, 0, None, new("a"));
    run(&engine, at(20), |txn| txn.create_group(0, b"s", b"h", START, true, None))
        .0
        .expect("creates");
    assert_eq!(sink.text(), "no group at s");
}

#[test]
fn the_timer_removes_within_its_budget() {
    let engine = in_memory();
    for key in [b"a", b"b", b"c"] {
        let expiry = StringExpiry::At((START_MS + 10) as i64);
        now(&engine, |txn| txn.set_string(0, key, Bytes::new(), expiry));
    }
    assert!(!engine.run_due(at(9), 2).has_more, "nothing is due");
    assert_eq!(now(&engine, |txn| txn.statistics().expired_keys), 0);
    assert!(engine.run_due(at(10), 2).has_more, "one is left");
    assert!(!engine.run_due(at(10), 2).has_more);
    let statistics = now(&engine, |txn| txn.statistics());
    assert_eq!((statistics.expired_keys, statistics.objects), (3, 0));
}

#[test]
fn removal_by_expiry_is_logged_and_replay_looks_at_no_clock() {
    let mut store = Store::new();
    fill(store.engine(), [1]);
    expire(store.engine(), b"s", 10);
    store.sync();
    let before = dump(store.engine());
    let late = store.crashed(Crash::LoseAll, at(99));
    assert_eq!(dump(late.engine()), before, "still there until the timer says so");
    assert_eq!(run(late.engine(), at(99), |txn| txn.kind(0, b"s")).0, None, "but absent");
    let _ = store.engine().run_due(at(10), 1);
    store.sync();
    assert_eq!(dump(store.crashed(Crash::LoseAll, at(5)).engine()), "");
}

#[test]
fn productions_are_forgotten_about_once_a_second() {
    let engine = in_memory();
    fill(&engine, [1]);
    now(&engine, |txn| txn.set_idempotence(0, b"s", Some(1), None)).expect("sets");
    let production = Some(Production { producer: b"p", iid: b"i" });
    let produce = |ms| {
        let request = AddRequest { production, ..request(NewId::Auto) };
        run(&engine, at(ms), |txn| txn.add(0, b"s", &request, &FIELDS)).0.expect("adds")
    };
    let _ = engine.run_due(at(0), 10);
    let first = produce(500);
    let version = now(&engine, |txn| txn.version(0, b"s"));
    let _ = engine.run_due(at(1000), 10);
    assert_eq!(produce(1400), first, "500 ms old");
    let _ = engine.run_due(at(1500), 10);
    assert_eq!(produce(1600), first, "due, but the last run is not a second ago");
    let _ = engine.run_due(at(2000), 10);
    assert_eq!(now(&engine, |txn| txn.version(0, b"s")), version, "a WATCH does not see it");
    assert_ne!(produce(2001), first);
}

#[test]
fn a_thousand_producing_streams_do_not_hold_the_engine_while_they_forget() {
    let engine = in_memory();
    let production = Some(Production { producer: b"p", iid: b"i" });
    let produce = AddRequest { production, ..request(NewId::Auto) };
    let keys = [b"a", b"b", b"c", b"d", b"e"];
    for key in keys {
        now(&engine, |txn| txn.create_group(0, key, b"g", START, true, None)).expect("creates");
        now(&engine, |txn| txn.set_idempotence(0, key, Some(1), None)).expect("sets");
        now(&engine, |txn| txn.add(0, key, &produce, &FIELDS)).expect("adds");
    }
    let tracked = || {
        let count = |txn: &mut Transaction<'_>, key| {
            let stream = txn.stream(0, key).expect("a stream").expect("is there");
            stream.idempotence().tracked()
        };
        now(&engine, |txn| keys.iter().map(|key| count(txn, *key)).sum::<usize>())
    };
    assert_eq!(tracked(), 5);
    assert!(engine.run_due(at(1000), 2).has_more, "three are left");
    assert_eq!(tracked(), 3);
    assert!(engine.run_due(at(1001), 2).has_more, "one is left, and the second has not passed");
    assert!(!engine.run_due(at(1001), 2).has_more);
    assert_eq!(tracked(), 0);
}

#[test]
fn expiry_on_a_full_disk_waits_for_room_instead_of_failing_the_log() {
    let mut store = Store::new();
    let prepare = |store: &mut Store| {
        while store.opened.preparer.step().expect("no poison") == Prepared::Grew {}
    };
    prepare(&mut store);
    store.disk.set_capacity_bytes(Some(0));
    let value = Bytes::from_static(b"v");
    let expiry = StringExpiry::At(START_MS as i64 + 10);
    // Up to the last byte of prepared space, as the commands of a client that found room.
    let room = store.engine().room().expect("it has a disk").clone();
    let mut keys: u32 = 0;
    let mut end = store.sync();
    while room.admits(end, 100) {
        let key = keys.to_be_bytes();
        let set = |txn: &mut Transaction<'_>| txn.set_string(0, &key, value.clone(), expiry);
        end = run(store.engine(), at(0), set).1;
        keys += 1;
    }
    assert!(keys > 10, "{keys} keys");
    run_due(store.engine(), at(20));
    store.sync();
    assert!(room.limit() >= store.engine().written(), "nothing goes beyond prepared space");
    let counts = run(store.engine(), at(20), |txn| txn.key_counts(0)).0;
    assert_eq!(counts.keys, 0, "absent for everybody all the same");
    store.disk.set_capacity_bytes(None);
    prepare(&mut store);
    run_due(store.engine(), at(20));
    assert_eq!(now(store.engine(), |txn| txn.statistics().expired_keys), u64::from(keys));
    store.sync();
}
