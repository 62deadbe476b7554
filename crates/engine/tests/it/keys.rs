//! Keys and strings: names, lifetimes, versions, scans.

use bytes::Bytes;
use millstream_engine::{
    Engine, ExpiryCondition, KeyCounts, Lifetime, NewId, ObjectKind, StringExpiry, StringForm,
};
use millstream_model::Rejection;

use crate::entries::{FIELDS, fill, request};
use crate::store::{START_MS, at, id, in_memory, now, refused, run};

fn set(engine: &Engine, key: &[u8], value: &'static str, expiry: StringExpiry) {
    now(engine, |txn| txn.set_string(0, key, Bytes::from_static(value.as_bytes()), expiry));
}

fn until(ms: u64) -> StringExpiry {
    StringExpiry::At((START_MS + ms) as i64)
}

fn lifetime(engine: &Engine, key: &[u8]) -> Lifetime {
    now(engine, |txn| txn.lifetime(0, key))
}

#[test]
fn strings_keep_or_lose_their_expiry() {
    let engine = in_memory();
    set(&engine, b"k", "1", until(50));
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Until(START_MS + 50));
    set(&engine, b"k", "2", StringExpiry::Keep);
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Until(START_MS + 50));
    now(&engine, |txn| txn.replace_string(0, b"k", Bytes::from_static(b"3"), StringForm::Any))
        .expect("there");
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Until(START_MS + 50));
    set(&engine, b"k", "4", StringExpiry::None);
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Unlimited);
    assert_eq!(now(&engine, |txn| txn.string(0, b"k")), Ok(Some(Bytes::from_static(b"4"))));
    set(&engine, b"k", "5", StringExpiry::At(-1));
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Missing, "a time that has passed removes");
    fill(&engine, [1]);
    assert_eq!(refused(&engine, |txn| txn.string(0, b"s")), Rejection::WrongType);
    let replaced =
        refused(&engine, |txn| txn.replace_string(0, b"s", Bytes::new(), StringForm::Any));
    assert_eq!(replaced, Rejection::WrongType);
    let missing =
        refused(&engine, |txn| txn.replace_string(0, b"none", Bytes::new(), StringForm::Any));
    assert_eq!(missing, Rejection::NoSuchKey);
}

#[test]
fn expiry_conditions() {
    let engine = in_memory();
    set(&engine, b"k", "v", StringExpiry::None);
    let none = ExpiryCondition::default();
    let expire = |ms: u64, condition| {
        now(&engine, |txn| txn.set_expiry(0, b"k", (START_MS + ms) as i64, condition))
    };
    assert!(!expire(10, ExpiryCondition { only_existing: true, ..none }));
    assert!(!expire(10, ExpiryCondition { only_later: true, ..none }), "none is never");
    assert!(expire(20, ExpiryCondition { only_earlier: true, ..none }));
    assert!(!expire(10, ExpiryCondition { only_new: true, ..none }));
    assert!(!expire(20, ExpiryCondition { only_later: true, ..none }));
    assert!(expire(30, ExpiryCondition { only_later: true, ..none }));
    assert!(!expire(30, ExpiryCondition { only_earlier: true, ..none }));
    assert!(expire(25, none));
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Until(START_MS + 25));
    assert!(now(&engine, |txn| txn.persist(0, b"k")));
    assert!(!now(&engine, |txn| txn.persist(0, b"k")));
    assert!(now(&engine, |txn| txn.set_expiry(0, b"k", 0, none)), "removes at once");
    assert_eq!(lifetime(&engine, b"k"), Lifetime::Missing);
    assert!(!now(&engine, |txn| txn.set_expiry(0, b"k", i64::MAX, none)));
}

#[test]
fn renaming_moves_a_key_with_its_lifetime() {
    let engine = in_memory();
    set(&engine, b"a", "A", until(40));
    set(&engine, b"b", "B", until(60));
    let rename = |from: &'static [u8], to: &'static [u8], only_if_free| {
        now(&engine, |txn| txn.rename(0, from, to, only_if_free))
    };
    assert_eq!(rename(b"a", b"b", true), Ok(false));
    assert_eq!(rename(b"a", b"a", false), Ok(true));
    assert_eq!(rename(b"a", b"b", false), Ok(true));
    assert_eq!(lifetime(&engine, b"a"), Lifetime::Missing);
    assert_eq!(lifetime(&engine, b"b"), Lifetime::Until(START_MS + 40));
    assert_eq!(now(&engine, |txn| txn.string(0, b"b")), Ok(Some(Bytes::from_static(b"A"))));
    let reason = refused(&engine, |txn| txn.rename(0, b"a", b"c", false));
    assert_eq!(reason, Rejection::NoSuchKey);
}

#[test]
fn databases_are_apart_and_can_be_exchanged() {
    let engine = in_memory();
    set(&engine, b"k", "zero", until(30));
    now(&engine, |txn| {
        let value = Bytes::from_static(b"five");
        txn.set_string(5, b"k", value.clone(), StringExpiry::None);
        txn.set_string(5, b"more", value, StringExpiry::None);
    });
    now(&engine, |txn| txn.swap_databases(0, 5));
    let counts = |db| now(&engine, |txn| txn.key_counts(db));
    assert_eq!(counts(0), KeyCounts { keys: 2, ..KeyCounts::default() });
    assert_eq!(counts(5), KeyCounts { keys: 1, expiring: 1, mean_lifetime_ms: 30 });
    assert_eq!(now(&engine, |txn| txn.string(0, b"k")), Ok(Some(Bytes::from_static(b"five"))));
    now(&engine, |txn| txn.flush(Some(0)));
    assert_eq!((counts(0).keys, counts(5).keys), (0, 1));
    now(&engine, |txn| txn.flush(None));
    assert_eq!(counts(5).keys, 0);
    assert_eq!(now(&engine, |txn| txn.statistics().objects), 0);
}

#[test]
fn a_scan_visits_what_stays_exactly_once() {
    let engine = in_memory();
    for number in 0..300 {
        let key = format!("key{number}");
        set(&engine, key.as_bytes(), "v", StringExpiry::None);
    }
    fill(&engine, [1]);
    let mut seen = std::collections::BTreeMap::new();
    let mut cursor = 0;
    for round in 0..400 {
        cursor = now(&engine, |txn| {
            txn.scan_keys(0, cursor, 7, Some(ObjectKind::String), |key| {
                *seen.entry(key.to_vec()).or_insert(0) += 1;
            })
        });
        assert!(cursor < 1 << 53, "exact in every client's numbers");
        if cursor == 0 {
            break;
        }
        // Others come and go meanwhile.
        let key = format!("new{round}");
        set(&engine, key.as_bytes(), "v", StringExpiry::None);
        now(&engine, |txn| txn.remove(0, format!("key{}", 200 + round).as_bytes()));
    }
    assert_eq!(cursor, 0, "the scan ends");
    for number in 0..200 {
        assert_eq!(seen.get(format!("key{number}").as_bytes()), Some(&1), "key{number}");
    }
    assert!(seen.values().all(|&count| count == 1));
}

#[test]
fn versions_change_with_entries_and_not_with_groups() {
    let engine = in_memory();
    fill(&engine, [1]);
    let version = |engine: &Engine| now(engine, |txn| txn.version(0, b"s"));
    let first = version(&engine);
    crate::groups::create(&engine);
    crate::pending::read_all(&engine, "c", 0);
    now(&engine, |txn| txn.acknowledge(0, b"s", b"g", &[id(1, 0)])).expect("acknowledges");
    now(&engine, |txn| txn.set_counters(0, b"s", id(9, 0), Default::default())).expect("sets");
    now(&engine, |txn| txn.delete(0, b"s", &[id(8, 0)])).expect("finds nothing");
    assert_eq!(version(&engine), first);
    fill(&engine, [10]);
    let second = version(&engine);
    assert_ne!(second, first);
    now(&engine, |txn| txn.delete(0, b"s", &[id(10, 0)])).expect("deletes");
    assert_ne!(version(&engine), second);
    let third = version(&engine);
    now(&engine, |txn| {
        txn.rename(0, b"s", b"t", false).expect("renames");
        txn.rename(0, b"t", b"s", false).expect("renames back");
    });
    assert_ne!(version(&engine), third);
    now(&engine, |txn| txn.remove(0, b"s"));
    let missing = version(&engine);
    assert_eq!(missing, now(&engine, |txn| txn.version(0, b"none")));
}

#[test]
fn memory_of_a_key_grows_with_it() {
    let engine = in_memory();
    fill(&engine, [1]);
    let bytes = |key: &'static [u8]| now(&engine, |txn| txn.memory_bytes(0, key));
    let small = bytes(b"s").expect("it is there");
    let large = vec![7; 100_000];
    run(&engine, at(0), |txn| {
        txn.add(0, b"s", &request(NewId::Auto), &[FIELDS[0], &large]).expect("adds")
    });
    assert!(bytes(b"s").expect("it is there") >= small + 100_000);
    assert_eq!(bytes(b"none"), None);
}
