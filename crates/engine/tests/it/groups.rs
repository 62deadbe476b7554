//! Managing groups and consumers.

use bytes::Bytes;
use millstream_engine::{Engine, GroupPosition, StringExpiry, Transaction};
use millstream_model::{EntryId, Rejection};

use crate::entries::fill;
use crate::store::{id, in_memory, now, refused};

pub(crate) const START: GroupPosition = GroupPosition::After(EntryId::MIN);

/// Creates the group `g` of the stream `s` at the beginning.
pub(crate) fn create(engine: &Engine) {
    now(engine, |txn| txn.create_group(0, b"s", b"g", START, true, None)).expect("creates");
}

fn position(engine: &Engine, name: &[u8]) -> (EntryId, Option<u64>) {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it exists");
        let group = stream.group(stream.find_group(name).expect("it exists"));
        (group.last_delivered_id(), group.entries_read())
    })
}

fn no_group() -> Rejection {
    Rejection::NoGroup { key: (*b"s").into(), group: (*b"none").into() }
}

#[test]
fn a_group_needs_a_key_or_makes_one() {
    let engine = in_memory();
    let create = |make| {
        move |txn: &mut Transaction<'_>| {
            txn.create_group(0, b"s", b"g", GroupPosition::End, make, Some(7))
        }
    };
    assert_eq!(refused(&engine, create(false)), Rejection::GroupNeedsKey);
    assert_eq!(now(&engine, create(true)), Ok(()));
    assert_eq!(position(&engine, b"g"), (EntryId::MIN, Some(0)), "capped at the entries added");
    assert_eq!(refused(&engine, create(true)), Rejection::GroupExists);
}

#[test]
fn groups_start_and_move_where_they_are_told() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    let create = |name: &'static [u8], at, read| {
        now(&engine, |txn| txn.create_group(0, b"s", name, at, false, read)).expect("creates");
        position(&engine, name)
    };
    assert_eq!(create(b"end", GroupPosition::End, Some(9999)), (id(3, 0), Some(3)));
    let ahead = GroupPosition::After(id(70, 0));
    assert_eq!(create(b"", ahead, None), (id(70, 0), None));
    let set = |at, read| {
        now(&engine, |txn| txn.set_group_position(0, b"s", b"end", at, read)).expect("moves");
        position(&engine, b"end")
    };
    assert_eq!(set(START, None), (EntryId::MIN, None));
    assert_eq!(set(GroupPosition::End, Some(2)), (id(3, 0), Some(2)));
}

#[test]
fn management_names_what_is_missing() {
    let engine = in_memory();
    let all = |expected: &Rejection| {
        let reasons = [
            refused(&engine, |txn| txn.set_group_position(0, b"s", b"none", START, None)),
            refused(&engine, |txn| txn.create_consumer(0, b"s", b"none", b"c")),
            refused(&engine, |txn| txn.delete_consumer(0, b"s", b"none", b"c")),
            refused(&engine, |txn| txn.check_managed_group(0, b"s", b"none")),
        ];
        assert!(reasons.iter().all(|reason| reason == expected), "{reasons:?}");
    };
    all(&Rejection::GroupNeedsKey);
    let destroyed = refused(&engine, |txn| txn.destroy_group(0, b"s", b"none"));
    assert_eq!(destroyed, Rejection::GroupNeedsKey);
    create(&engine);
    all(&no_group());
    assert_eq!(now(&engine, |txn| txn.destroy_group(0, b"s", b"none")), Ok(false));
    let string = Bytes::from_static(b"text");
    now(&engine, |txn| txn.set_string(0, b"s", string, StringExpiry::None));
    all(&Rejection::WrongType);
    let created = refused(&engine, |txn| txn.create_group(0, b"s", b"g", START, true, None));
    assert_eq!(created, Rejection::WrongType);
}

#[test]
fn consumers_come_and_go() {
    let engine = in_memory();
    create(&engine);
    assert_eq!(now(&engine, |txn| txn.create_consumer(0, b"s", b"g", b"c")), Ok(true));
    assert_eq!(now(&engine, |txn| txn.create_consumer(0, b"s", b"g", b"c")), Ok(false));
    assert_eq!(now(&engine, |txn| txn.delete_consumer(0, b"s", b"g", b"c")), Ok(0));
    assert_eq!(now(&engine, |txn| txn.delete_consumer(0, b"s", b"g", b"c")), Ok(0));
    assert_eq!(now(&engine, |txn| txn.destroy_group(0, b"s", b"g")), Ok(true));
    assert_eq!(now(&engine, |txn| txn.has_group(0, b"s", b"g")), Ok(false));
}
