//! What a reply must wait for: the record of the last change of what it shows, and no other.

use bytes::Bytes;
use millstream_engine::{ExpiryCondition, LogPosition, NewId, ReadFrom, StringExpiry, Transaction};

use crate::entries::{FIELDS, request};
use crate::groups::START;
use crate::pending::read_by;
use crate::store::{START_MS, Store, at, id, keys, run};

/// Runs a record group; returns what its reply depends on.
fn position<T>(
    store: &Store,
    ms: u64,
    work: impl FnOnce(&mut Transaction<'_>) -> T,
) -> LogPosition {
    run(store.engine(), at(ms), work).1
}

fn add(store: &Store, key: &[u8], ms: u64) -> LogPosition {
    let request = request(NewId::Exactly(id(ms, 0)));
    position(store, 0, |txn| txn.add(0, key, &request, &FIELDS).expect("adds"))
}

fn look(store: &Store, db: u8, key: &[u8]) -> LogPosition {
    position(store, 0, |txn| txn.kind(db, key))
}

#[test]
fn a_reply_depends_on_what_it_shows_and_not_on_strangers() {
    let store = Store::new();
    let first = add(&store, b"a", 1);
    let second = add(&store, b"b", 1);
    assert!(first < second, "the log grows");
    assert_eq!(look(&store, 0, b"a"), first);
    assert_eq!(look(&store, 0, b"b"), second);
    let both = position(&store, 0, |txn| (txn.kind(0, b"b"), txn.kind(0, b"a")));
    assert_eq!(both, second, "the later of the two");
    assert_eq!(position(&store, 0, |txn| txn.statistics()), LogPosition::ZERO);
    assert_eq!(look(&store, 3, b"a"), LogPosition::ZERO, "nothing happened there");
    let third = add(&store, b"a", 2);
    assert_eq!(look(&store, 0, b"a"), third);
    assert_eq!(look(&store, 0, b"b"), second);
}

#[test]
fn a_refusal_depends_on_what_it_looked_at() {
    let store = Store::new();
    let first = add(&store, b"a", 5);
    add(&store, b"b", 5);
    let low = request(NewId::Exactly(id(1, 0)));
    assert_eq!(position(&store, 0, |txn| txn.add(0, b"a", &low, &FIELDS).is_err()), first);
}

#[test]
fn reading_for_a_group_is_a_change() {
    let store = Store::new();
    add(&store, b"s", 1);
    position(&store, 0, |txn| txn.create_group(0, b"s", b"g", START, false, None));
    let mut read = read_by("c", ReadFrom::New);
    let delivered = position(&store, 0, |txn| txn.read(&mut read).is_ok());
    assert_eq!(look(&store, 0, b"s"), delivered);
    let empty = position(&store, 0, |txn| txn.read(&mut read).is_ok());
    assert_eq!(empty, delivered, "nothing was logged, but it shows the delivery");
}

#[test]
fn a_miss_depends_on_the_removal() {
    let store = Store::new();
    add(&store, b"a", 1);
    let removed = position(&store, 0, |txn| txn.remove(0, b"a"));
    assert_eq!(look(&store, 0, b"a"), removed);
    add(&store, b"b", 1);
    let flushed = position(&store, 0, |txn| txn.flush(None));
    assert_eq!(look(&store, 0, b"b"), flushed);
    assert_eq!(look(&store, 7, b"b"), flushed);
}

#[test]
fn a_listing_depends_on_the_set_of_keys() {
    let store = Store::new();
    let created = add(&store, b"a", 1);
    add(&store, b"a", 2);
    assert_eq!(position(&store, 0, |txn| txn.key_counts(0)), created, "not on new entries");
    let removed = position(&store, 0, |txn| txn.remove(0, b"a"));
    assert_eq!(position(&store, 0, |txn| keys(txn, 0)), removed);
    assert_eq!(position(&store, 0, |txn| txn.scan_keys(0, 0, 9, None, |_| ())), removed);
}

#[test]
fn a_renamed_key_depends_on_its_renaming() {
    let store = Store::new();
    add(&store, b"a", 1);
    let renamed = position(&store, 0, |txn| txn.rename(0, b"a", b"b", false));
    assert_eq!(look(&store, 0, b"b"), renamed, "found under the new name");
    assert_eq!(look(&store, 0, b"a"), renamed, "missing under the old one");
}

#[test]
fn a_key_of_an_exchanged_database_depends_on_the_exchange() {
    let store = Store::new();
    add(&store, b"a", 1);
    let swapped = position(&store, 0, |txn| txn.swap_databases(0, 1));
    assert_eq!(look(&store, 1, b"a"), swapped, "found in the other one");
    assert_eq!(look(&store, 0, b"a"), swapped, "missing here");
    assert_eq!(look(&store, 2, b"a"), LogPosition::ZERO);
    let later = add(&store, b"c", 1);
    assert_eq!(look(&store, 1, b"a"), swapped);
    assert_eq!(look(&store, 0, b"c"), later);
}

#[test]
fn a_key_that_has_expired_depends_on_its_expiry() {
    let store = Store::new();
    let value = Bytes::from_static(b"v");
    position(&store, 0, |txn| txn.set_string(0, b"k", value.clone(), StringExpiry::None));
    let at_ms = (START_MS + 10) as i64;
    let none = ExpiryCondition::default();
    let set = position(&store, 0, |txn| txn.set_expiry(0, b"k", at_ms, none));
    assert_eq!(position(&store, 10, |txn| txn.kind(0, b"k")), set);
}

#[test]
fn a_listing_without_a_key_that_has_expired_depends_on_its_expiry() {
    let store = Store::new();
    add(&store, b"k", 1);
    let at_ms = (START_MS + 10) as i64;
    let none = ExpiryCondition::default();
    let set = position(&store, 0, |txn| txn.set_expiry(0, b"k", at_ms, none));
    let (counts, counted) = run(store.engine(), at(10), |txn| txn.key_counts(0));
    assert_eq!((counts.keys, counted), (0, set), "that it counts no key shows the expiry");
    assert_eq!(position(&store, 10, |txn| keys(txn, 0)), set);
    assert_eq!(position(&store, 10, |txn| txn.scan_keys(0, 0, 9, None, |_| ())), set);
}

#[test]
fn an_exec_depends_on_its_one_record() {
    let store = Store::new();
    let end = position(&store, 0, |txn| {
        for ms in 1..=3 {
            let request = request(NewId::Exactly(id(ms, 0)));
            txn.add(0, b"a", &request, &FIELDS).expect("adds");
            txn.add(0, b"b", &request, &FIELDS).expect("adds");
        }
        txn.remove(0, b"b");
    });
    assert_eq!(look(&store, 0, b"a"), end);
    assert_eq!(look(&store, 0, b"b"), end);
}

#[test]
fn what_is_written_is_durable_after_the_sync_and_not_before() {
    let mut store = Store::new();
    let before = store.engine().durable();
    let added = add(&store, b"a", 1);
    assert!(store.engine().written() < added);
    assert_eq!(store.write(), added);
    assert_eq!(store.engine().durable(), before);
    assert_eq!(store.sync(), added);
}

#[test]
fn what_is_recovered_is_durable() {
    let mut store = Store::new();
    add(&store, b"a", 1);
    store.sync();
    let store = Store::open(store.disk.clone(), at(0));
    assert!(look(&store, 0, b"a") <= store.engine().durable());
}
