//! COPY, MOVE, DUMP and RESTORE, strings that grow, and what is freed with the engine free.

use bytes::Bytes;
use millstream_engine::{CopyError, ExpiryCondition, Lifetime, StringExpiry};
use millstream_model::Rejection;

use crate::dump::dump;
use crate::store::{START_MS, Store, at, in_memory, keys, now, run};

fn set(store: &Store, db: u8, key: &[u8], value: &'static [u8]) {
    let value = Bytes::from_static(value);
    run(store.engine(), at(0), |txn| txn.set_string(db, key, value, StringExpiry::None));
}

#[test]
fn a_copy_has_the_expiry_and_a_life_of_its_own() {
    let mut store = Store::new();
    set(&store, 0, b"a", b"one");
    let engine = store.engine();
    let at_ms = (START_MS + 500) as i64;
    now(engine, |txn| txn.set_expiry(0, b"a", at_ms, ExpiryCondition::default()));
    assert_eq!(now(engine, |txn| txn.copy_key((0, b"a"), (3, b"b"), false)), Ok(true));
    assert_eq!(now(engine, |txn| txn.copy_key((0, b"none"), (3, b"c"), false)), Ok(false));
    let taken = now(engine, |txn| txn.copy_key((0, b"a"), (3, b"b"), false));
    assert_eq!(taken, Err(CopyError::Taken));
    now(engine, |txn| txn.append_to_string(0, b"a", b"+")).expect("a string");
    let string = |txn: &mut millstream_engine::Transaction<'_>| txn.string(3, b"b");
    assert_eq!(now(engine, string), Ok(Some(Bytes::from_static(b"one"))));
    let lifetime = now(engine, |txn| txn.lifetime(3, b"b"));
    assert_eq!(lifetime, Lifetime::Until(START_MS + 500));
    let before = dump(engine);
    store.sync();
    store = Store::open(store.disk.clone(), at(0));
    assert_eq!(dump(store.engine()), before, "all of it is logged");
}

#[test]
fn a_value_that_does_not_fit_the_prepared_log_changes_nothing_and_asks_for_room() {
    let store = Store::new();
    let engine = store.engine();
    let value = Bytes::from(vec![b'v'; 40 << 10]);
    now(engine, |txn| txn.set_string(0, b"large", value, StringExpiry::None));
    let before = dump(engine);
    let copied = now(engine, |txn| txn.copy_key((0, b"large"), (0, b"copy"), false));
    assert!(matches!(copied, Err(CopyError::NoRoom { bytes }) if bytes > 40 << 10), "{copied:?}");
    assert_eq!(dump(engine), before);
}

#[test]
fn a_restored_key_whose_time_has_passed_only_removes_what_was_there() {
    let store = Store::new();
    set(&store, 0, b"a", b"one");
    set(&store, 0, b"b", b"two");
    let engine = store.engine();
    let image = now(engine, |txn| txn.dump(0, b"a"));
    let image = image.expect("all is in memory").expect("the key exists");
    let past = Some(START_MS - 1);
    assert_eq!(now(engine, |txn| txn.restore(0, b"c", &image, past, false)), Ok(()));
    assert_eq!(now(engine, |txn| txn.restore(0, b"b", &image, past, true)), Ok(()));
    assert_eq!(now(engine, |txn| keys(txn, 0)), [b"a"]);
    let taken = now(engine, |txn| txn.restore(0, b"a", &image, None, false));
    assert_eq!(taken, Err(CopyError::Taken));
    let hostile = now(engine, |txn| txn.restore(0, b"d", b"\x01\x02", None, false));
    assert!(matches!(hostile, Err(CopyError::Image(_))), "{hostile:?}");
}

#[test]
fn a_moved_key_keeps_its_expiry_and_does_not_replace() {
    let mut store = Store::new();
    set(&store, 0, b"k", b"one");
    set(&store, 1, b"k", b"two");
    let engine = store.engine();
    assert!(!now(engine, |txn| txn.move_key(0, 1, b"k")), "taken");
    assert!(!now(engine, |txn| txn.move_key(0, 1, b"none")));
    let at_ms = (START_MS + 10) as i64;
    let none = ExpiryCondition::default();
    now(engine, |txn| txn.set_expiry(1, b"k", at_ms, none));
    now(engine, |txn| txn.set_expiry(0, b"k", at_ms + 5, none));
    let (moved, _) = run(engine, at(10), |txn| txn.move_key(0, 1, b"k"));
    assert!(moved, "a key that has expired is not in the way");
    let (lifetime, _) = run(engine, at(10), |txn| txn.lifetime(1, b"k"));
    assert_eq!(lifetime, Lifetime::Until(START_MS + 15));
    let before = dump(engine);
    store.sync();
    let again = Store::open(store.disk.clone(), at(0));
    assert_eq!(dump(again.engine()), before);
}

#[test]
fn appending_needs_a_string() {
    let engine = in_memory();
    let append = |key: &'static [u8]| now(&engine, |txn| txn.append_to_string(0, key, b"x"));
    assert_eq!(append(b"none"), Err(Rejection::NoSuchKey));
    now(&engine, |txn| txn.set_string(0, b"k", Bytes::from_static(b"12"), StringExpiry::None));
    assert_eq!(now(&engine, |txn| txn.encoding(0, b"k")), Some("int"));
    assert_eq!(append(b"k"), Ok(3));
    assert_eq!(now(&engine, |txn| txn.encoding(0, b"k")), Some("raw"));
    assert_eq!(now(&engine, |txn| txn.statistics().string_bytes), 3);
}

#[test]
fn what_was_flushed_is_handed_out_to_be_freed() {
    let engine = in_memory();
    for key in 0..100_u8 {
        let value = Bytes::from_static(b"value");
        now(&engine, |txn| txn.set_string(key % 2, &[key], value, StringExpiry::None));
    }
    now(&engine, |txn| txn.flush(Some(1)));
    let statistics = now(&engine, |txn| txn.statistics());
    assert_eq!((statistics.objects, statistics.garbage_objects), (50, 50));
    assert_eq!(statistics.string_bytes, 50 * 5);
    let due = engine.run_due(at(0), 10);
    assert!(!due.garbage.is_empty());
    assert_eq!(now(&engine, |txn| txn.statistics().garbage_objects), 50, "not freed yet");
    drop(due);
    assert_eq!(now(&engine, |txn| txn.statistics().garbage_objects), 0);
    assert!(engine.run_due(at(0), 10).garbage.is_empty());
}

#[test]
fn a_listing_shows_the_moment_it_was_taken() {
    let engine = in_memory();
    for key in 0..200_u8 {
        now(&engine, |txn| txn.set_string(0, &[key], Bytes::new(), StringExpiry::None));
    }
    let listing = now(&engine, |txn| txn.list_keys(0));
    now(&engine, |txn| txn.flush(None));
    now(&engine, |txn| txn.set_string(0, b"new", Bytes::new(), StringExpiry::None));
    let mut seen: Vec<u8> = (0..listing.piece_count())
        .flat_map(|index| listing.piece(index).map(|key| key[0]).collect::<Vec<_>>())
        .collect();
    seen.sort_unstable();
    assert!(seen.into_iter().eq(0..200));
}

#[test]
fn idle_time_counts_from_the_last_look_at_the_value() {
    let engine = in_memory();
    now(&engine, |txn| txn.set_string(0, b"k", Bytes::new(), StringExpiry::None));
    let idle = |ms| run(&engine, at(ms), |txn| txn.idle_ms(0, b"k")).0;
    let quiet = |ms| {
        run(&engine, at(ms), |txn| {
            txn.kind(0, b"k");
            txn.lifetime(0, b"k");
            txn.leave_no_trace(true);
            txn.string(0, b"k")
        })
    };
    assert_eq!(idle(5), Some(5));
    quiet(6).0.expect("a string");
    assert_eq!(idle(7), Some(7));
    run(&engine, at(8), |txn| txn.string(0, b"k")).0.expect("a string");
    assert_eq!(idle(10), Some(2));
    assert!(run(&engine, at(20), |txn| txn.touch(0, b"k")).0);
    assert_eq!((idle(21), idle(19)), (Some(1), Some(0)));
    run(&engine, at(30), |txn| txn.set_idle(0, b"k", 9));
    assert_eq!(idle(30), Some(9));
    assert_eq!(run(&engine, at(0), |txn| txn.idle_ms(0, b"none")).0, None);
}

#[test]
fn lookups_are_counted_where_they_are_to_be() {
    let engine = in_memory();
    now(&engine, |txn| txn.set_string(0, b"k", Bytes::new(), StringExpiry::None));
    now(&engine, |txn| {
        txn.count_lookups(true);
        let _ = (txn.string(0, b"k"), txn.string(0, b"none"), txn.kind(0, b"k"));
        txn.count_lookups(false);
        let _ = txn.string(0, b"k");
    });
    let statistics = now(&engine, |txn| txn.statistics());
    assert_eq!((statistics.keyspace_hits, statistics.keyspace_misses), (2, 1));
}
