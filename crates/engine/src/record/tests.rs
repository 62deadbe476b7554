//! Golden bytes of every kind of part, and bytes that no engine wrote.

use bytes::Bytes;
use millstream_log::RecordReader;
use millstream_model::{
    BlockLimits, ConsumerId, EntryId, GroupId, IdempotenceLimits, Overflow, PendingEntry, Retain,
    Retention, Settled,
};
use proptest::prelude::*;

use super::decode::decode;
use super::{Kind, ReplayError, encode, replay_with};
use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectId, ObjectRef};
use crate::state::State;
use crate::strings::StringForm;

mod managed;
mod schedule;
use managed::golden_managed;
use schedule::{golden_schedule, token};

const LIMITS: IdempotenceLimits = IdempotenceLimits { duration_s: 100, per_producer_max: 300 };

const fn id(ms: u64, seq: u64) -> EntryId {
    EntryId::new(ms, seq)
}

fn record(entry: EntryId, owner: Option<u32>, at_ms: u64, count: u64) -> PendingEntry {
    let owner = owner.map(ConsumerId);
    PendingEntry {
        id: entry,
        owner,
        delivered_at_ms: at_ms,
        available_at_ms: 0,
        delivery_count: count,
    }
}

/// A stream `s` (object 1) with entries 1-1, 1-2, 3-0, group 0 with consumers 0 and 1, and a string
/// `t` (object 2).
fn state() -> State {
    let mut state = State::new(7);
    let object = ObjectId(1);
    state.apply(&Mutation::CreateStream { object, db: 0, key: b"s", limits: LIMITS });
    let value = Bytes::from_static(b"v");
    let (object, expires_at_ms) = (ObjectId(2), None);
    state.apply(&Mutation::CreateString { object, db: 0, key: b"t", value, expires_at_ms });
    let object = state.find_object(ObjectId(1)).expect("created above");
    let limits = BlockLimits::default();
    for id in [id(1, 1), id(1, 2), id(3, 0)] {
        state.apply(&Mutation::Append { object, id, fields: &[b"f", b"v"], limits });
    }
    let (group, position, entries_read) = (GroupId(0), EntryId::MIN, None);
    state.apply(&Mutation::CreateGroup { object, group, name: b"g", position, entries_read });
    for (number, name) in [(0, b"a"), (1, b"b")] {
        let (consumer, now_ms) = (ConsumerId(number), 5);
        state.apply(&Mutation::CreateConsumer { object, group, consumer, name, now_ms });
    }
    state
}

fn object(state: &State, id: u64) -> ObjectRef {
    state.find_object(ObjectId(id)).expect("one of the two")
}

/// Every kind with its bytes. This is the format: a line is never changed, only added to.
fn golden<'a>(state: &State) -> Vec<(Mutation<'a>, &'static [u8])> {
    let mut golden = golden_directory(state);
    golden.extend(golden_entries(object(state, 1)));
    golden.extend(golden_groups(object(state, 1)));
    golden.extend(golden_managed(object(state, 1)));
    golden.extend(golden_schedule(object(state, 1)));
    golden
}

fn golden_directory<'a>(state: &State) -> Vec<(Mutation<'a>, &'static [u8])> {
    let new = ObjectId(300);
    let value = Bytes::from_static(b"val");
    let string = object(state, 2);
    vec![
        (Mutation::Created { hash_seed: 128 }, b"\x01\x80\x01"),
        (
            Mutation::CreateStream { object: new, db: 15, key: b"key", limits: LIMITS },
            b"\x02\xac\x02\x0f\x03key\x64\xac\x02",
        ),
        (
            Mutation::CreateString {
                object: new,
                db: 0,
                key: b"",
                value: value.clone(),
                expires_at_ms: Some(127),
            },
            b"\x03\xac\x02\x00\x00\x01\x7f\x03val",
        ),
        (
            Mutation::CreateString {
                object: new,
                db: 0,
                key: b"k",
                value: value.clone(),
                expires_at_ms: None,
            },
            b"\x03\xac\x02\x00\x01k\x00\x03val",
        ),
        (Mutation::RemoveKey { db: 1, key: b"k" }, b"\x04\x01\x01k"),
        (Mutation::SetExpiry { db: 0, key: b"k", at_ms: Some(5) }, b"\x05\x00\x01k\x01\x05"),
        (Mutation::SetExpiry { db: 0, key: b"k", at_ms: None }, b"\x05\x00\x01k\x00"),
        (Mutation::RenameKey { db: 2, from: b"a", to: b"bc" }, b"\x06\x02\x01a\x02bc"),
        (Mutation::Flush { db: Some(3) }, b"\x07\x03"),
        (Mutation::Flush { db: None }, b"\x07\xff"),
        (
            Mutation::SetString { object: string, value: value.clone(), form: StringForm::Any },
            b"\x08\x02\x03val",
        ),
        (Mutation::SwapDatabases { a: 1, b: 2 }, b"\x09\x01\x02"),
        (Mutation::AppendString { object: string, suffix: b"val" }, b"\x0a\x02\x03val"),
        (Mutation::MoveKey { from: 0, to: 3, key: b"s" }, b"\x0b\x00\x03\x01s"),
        (
            Mutation::Restore {
                object: new,
                db: 1,
                key: b"k",
                expires_at_ms: Some(5),
                image: b"\x03\x01\x00\x00\x00\x03val",
                data: ObjectData::String(value.into()),
            },
            b"\x0c\xac\x02\x01\x01k\x01\x05\x09\x03\x01\x00\x00\x00\x03val",
        ),
    ]
}

fn golden_entries<'a>(object: ObjectRef) -> Vec<(Mutation<'a>, &'static [u8])> {
    let limits = BlockLimits::default();
    vec![
        (
            Mutation::Append { object, id: id(200, 1), fields: &[b"f", b"", b"gh", b"1"], limits },
            b"\x10\x01\xc8\x01\x01\x04\x01f\x00\x02gh\x011",
        ),
        (Mutation::TrimBefore { object, id: id(5, 6) }, b"\x11\x01\x05\x06"),
        (
            Mutation::RemoveEntries {
                object,
                ids: const { &[id(5, 6), id(5, 8), id(7, 1)] },
                is_deletion: true,
                with_references: false,
            },
            // The first id counts from 0-0, the next ones from the one before.
            b"\x12\x01\x01\x03\x05\x06\x00\x02\x02\x01",
        ),
        (
            Mutation::RemoveEntries {
                object,
                ids: const { &[id(0, 9)] },
                is_deletion: false,
                with_references: true,
            },
            b"\x12\x01\x02\x01\x00\x09",
        ),
        (
            Mutation::SetCounters {
                object,
                last_id: id(9, 0),
                entries_added: Some(4),
                max_deleted_id: Some(id(2, 3)),
            },
            b"\x13\x01\x09\x00\x01\x04\x01\x02\x03",
        ),
        (
            Mutation::SetCounters {
                object,
                last_id: id(9, 0),
                entries_added: None,
                max_deleted_id: None,
            },
            b"\x13\x01\x09\x00\x00\x00",
        ),
        (Mutation::SetIdempotence { object, limits: LIMITS }, b"\x30\x01\x64\xac\x02"),
        (
            Mutation::Produced { object, producer: b"p", iid: b"ii", id: id(4, 5) },
            b"\x31\x01\x01p\x02ii\x04\x05",
        ),
        (Mutation::CountDuplicate { object }, b"\x32\x01"),
        (Mutation::ForgetProductions { object, cutoff_ms: 128 }, b"\x33\x01\x80\x01"),
        (
            Mutation::SetProductionCounts { object, added: 128, duplicates: 3 },
            b"\x34\x01\x80\x01\x03",
        ),
        (
            Mutation::SetRetention { object, retention: retention() },
            b"\x35\x01\x04\x01\x05\x02\xac\x02\x03\x09\x05\x01",
        ),
        (Mutation::SetRetention { object, retention: work_queue() }, b"\x35\x01\x01\x04"),
        (Mutation::DropEntries { object, before: id(5, 6) }, b"\x36\x01\x05\x06"),
    ]
}

fn golden_groups<'a>(object: ObjectRef) -> Vec<(Mutation<'a>, &'static [u8])> {
    let (group, consumer) = (GroupId(0), ConsumerId(1));
    let back = const {
        &[
            PendingEntry {
                id: EntryId::new(8, 1),
                owner: Some(ConsumerId(1)),
                delivered_at_ms: 9,
                available_at_ms: 0,
                delivery_count: 2,
            },
            // Below the one before: the difference wraps around.
            PendingEntry {
                id: EntryId::new(7, 3),
                owner: None,
                delivered_at_ms: 0,
                available_at_ms: 0,
                delivery_count: 1,
            },
            PendingEntry {
                id: EntryId::new(7, 4),
                owner: None,
                delivered_at_ms: 0,
                available_at_ms: 300,
                delivery_count: 3,
            },
        ]
    };
    vec![
        (
            Mutation::CreateGroup {
                object,
                group: GroupId(1),
                name: b"h",
                position: id(3, 0),
                entries_read: Some(2),
            },
            b"\x20\x01\x01\x01h\x03\x00\x01\x02",
        ),
        (
            Mutation::SetGroupPosition { object, group, position: id(3, 1), entries_read: None },
            b"\x21\x01\x00\x03\x01\x00",
        ),
        (Mutation::DestroyGroup { object, group }, b"\x22\x01\x00"),
        (
            Mutation::CreateConsumer { object, group, consumer, name: b"bob", now_ms: 6 },
            b"\x23\x01\x00\x01\x03bob\x06",
        ),
        (Mutation::DeleteConsumer { object, group, consumer }, b"\x24\x01\x00\x01"),
        (
            Mutation::Deliver {
                object,
                group,
                consumer,
                now_ms: 130,
                position: id(2, 0),
                entries_read: Some(2),
                pending: const { &[id(1, 5), id(2, 0)] },
            },
            b"\x25\x01\x00\x01\x82\x01\x02\x00\x01\x02\x02\x01\x05\x01\x00",
        ),
        (
            Mutation::SetPending {
                object,
                group,
                by: Some((consumer, true)),
                now_ms: 9,
                entries: back,
            },
            b"\x26\x01\x00\x01\x01\x01\x09\x03\x08\x01\x02\x09\x02\
              \xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x03\x00\x00\x01\
              \x00\x01\x00\xac\x02\x03",
        ),
        (
            Mutation::SetPending { object, group, by: None, now_ms: 9, entries: &[] },
            b"\x26\x01\x00\x00\x00\x09\x00",
        ),
        (
            Mutation::RemovePending {
                object,
                group,
                ids: const { &[id(1, 1)] },
                settled: Settled::Acked,
            },
            b"\x27\x01\x00\x01\x01\x01",
        ),
    ]
}

fn retention() -> Retention {
    let mut retention = Retention::default();
    (retention.max_len, retention.max_age_ms, retention.max_bytes) = (5, 300, 9);
    retention.overflow = Some(Overflow::Reject);
    retention
}

fn work_queue() -> Retention {
    let mut retention = Retention::default();
    retention.retain = Retain::Unacked;
    retention
}

fn bytes(mutation: &Mutation<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(mutation, &mut bytes);
    bytes
}

#[test]
fn every_kind_has_the_bytes_that_the_format_gives_it() {
    let mut state = state();
    let golden = golden(&state);
    let kinds: std::collections::BTreeSet<_> = golden.iter().map(|(_, bytes)| bytes[0]).collect();
    assert!(Kind::ALL.iter().map(|kind| *kind as u8).eq(kinds), "each kind has a line, in order");
    for (mutation, expected) in &golden {
        assert_eq!(bytes(mutation), *expected, "{mutation:?}");
        let mut seen = 0;
        let reader = RecordReader::new(expected);
        decode(&mut state, reader, BlockLimits::default(), &mut |_, decoded| {
            seen += 1;
            assert_eq!(format!("{decoded:?}"), format!("{mutation:?}"));
            Ok(())
        })
        .expect("golden bytes decode");
        assert_eq!(seen, 1, "one part, nothing left over: {mutation:?}");
    }
}

#[test]
fn a_record_that_ends_early_is_refused_at_every_byte() {
    let mut state = state();
    for (mutation, whole) in golden(&state) {
        for end in 1..whole.len() {
            let reader = RecordReader::new(&whole[..end]);
            let result = decode(&mut state, reader, BlockLimits::default(), &mut |_, _| Ok(()));
            assert!(
                matches!(
                    result,
                    Err(ReplayError::Bytes(_) | ReplayError::OutOfRange { what: "length", .. })
                ),
                "{mutation:?} cut at {end}: {result:?}"
            );
        }
    }
}

fn replayed(state: &mut State, mutation: &Mutation<'_>) -> Result<(), ReplayError> {
    replay_with(state, RecordReader::new(&bytes(mutation)), BlockLimits::default(), &mut |_, _| {
        Ok(())
    })
}

#[test]
fn contradictions_are_refused_with_their_reason() {
    let state = state();
    let (stream, string) = (object(&state, 1), object(&state, 2));
    let gone = ObjectRef { id: ObjectId(9), ..stream };
    let (group, other) = (GroupId(0), GroupId(4));
    let (consumer, stranger) = (ConsumerId(0), ConsumerId(9));
    let limits = BlockLimits::default();
    let position = EntryId::MIN;
    let unknown = |what, id| ReplayError::Unknown { what, id };
    let taken = |what, id| ReplayError::Taken { what, id };
    let append = |object, id, fields| Mutation::Append { object, id, fields, limits };
    let new_group = |group, name| Mutation::CreateGroup {
        object: stream,
        group,
        name,
        position,
        entries_read: None,
    };
    let new_consumer = |consumer, name| Mutation::CreateConsumer {
        object: stream,
        group,
        consumer,
        name,
        now_ms: 1,
    };
    let owned = [record(id(1, 1), Some(9), 1, 1)];
    let table: Vec<(Mutation<'_>, ReplayError)> = vec![
        (Mutation::Created { hash_seed: 3 }, taken("store", 3)),
        (
            Mutation::CreateStream { object: ObjectId(2), db: 0, key: b"x", limits: LIMITS },
            taken("object", 2),
        ),
        (Mutation::RemoveKey { db: 1, key: b"s" }, ReplayError::UnknownKey { db: 1 }),
        (Mutation::SetExpiry { db: 0, key: b"x", at_ms: None }, ReplayError::UnknownKey { db: 0 }),
        (Mutation::RenameKey { db: 0, from: b"x", to: b"s" }, ReplayError::UnknownKey { db: 0 }),
        (
            Mutation::SetString { object: stream, value: Bytes::new(), form: StringForm::Any },
            ReplayError::OtherType { object: 1 },
        ),
        (append(string, id(9, 9), &[b"f", b"v"]), ReplayError::OtherType { object: 2 }),
        (append(gone, id(9, 9), &[b"f", b"v"]), unknown("object", 9)),
        (
            append(stream, id(3, 0), &[b"f", b"v"]),
            ReplayError::OutOfRange { what: "new id", value: 3 },
        ),
        (
            append(stream, id(9, 9), &[b"f"]),
            ReplayError::OutOfRange { what: "count of fields", value: 1 },
        ),
        (
            Mutation::SetCounters {
                object: stream,
                last_id: id(2, 0),
                entries_added: None,
                max_deleted_id: None,
            },
            ReplayError::OutOfRange { what: "last id", value: 2 },
        ),
        (new_group(group, b"x"), taken("group", 0)),
        (new_group(other, b"x"), taken("group", 4)),
        (new_group(GroupId(1), b"g"), taken("group", 1)),
        (Mutation::DestroyGroup { object: stream, group: other }, unknown("group", 4)),
        (new_consumer(ConsumerId(2), b"a"), taken("consumer", 2)),
        (new_consumer(ConsumerId(u32::MAX), b"x"), taken("consumer", u64::from(u32::MAX))),
        (
            Mutation::DeleteConsumer { object: stream, group, consumer: stranger },
            unknown("consumer", 9),
        ),
        (
            Mutation::SetPending {
                object: stream,
                group,
                by: Some((consumer, true)),
                now_ms: 1,
                entries: &owned,
            },
            unknown("consumer", 9),
        ),
        (
            Mutation::Schedule { object: string, token: token(5, 1), fields: &[b"f", b"v"] },
            ReplayError::OtherType { object: 2 },
        ),
        (
            Mutation::Schedule { object: stream, token: token(5, 0), fields: &[b"f", b"v"] },
            taken("delayed entry", 0),
        ),
        (
            Mutation::Schedule { object: stream, token: token(5, 1), fields: &[b"f"] },
            ReplayError::OutOfRange { what: "count of fields", value: 1 },
        ),
        (
            Mutation::Schedule { object: stream, token: token(u64::MAX, 1), fields: &[b"f", b"v"] },
            ReplayError::OutOfRange { what: "delayed entry", value: u64::MAX },
        ),
        (
            Mutation::Unschedule { object: stream, tokens: const { &[token(5, 1)] } },
            unknown("delayed entry", 1),
        ),
    ];
    for (mutation, expected) in &table {
        let mut state = self::state();
        assert_eq!(replayed(&mut state, mutation), Err(expected.clone()), "{mutation:?}");
        state.check();
    }
}

#[test]
fn a_production_is_not_replayed_twice() {
    let mut state = state();
    let object = object(&state, 1);
    let produced = Mutation::Produced { object, producer: b"p", iid: b"i", id: id(4, 0) };
    assert_eq!(replayed(&mut state, &produced), Ok(()));
    let taken = ReplayError::Taken { what: "production of", id: 4 };
    assert_eq!(replayed(&mut state, &produced), Err(taken));
}

#[test]
fn an_unknown_kind_is_named() {
    let record = RecordReader::new(&[200, 1, 2]);
    let result = replay_with(&mut state(), record, BlockLimits::default(), &mut |_, _| Ok(()));
    assert_eq!(result, Err(ReplayError::UnknownKind(200)));
}

/// A part's kind, then small numbers: near enough to real parts to get far.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let kind = prop::sample::select(Kind::ALL.to_vec()).prop_map(|kind| kind as u8);
    let byte = prop_oneof![12 => 0_u8..4, 2 => 4_u8..20, 1 => any::<u8>()];
    (prop_oneof![30 => kind, 1 => any::<u8>()], prop::collection::vec(byte, 0..16)).prop_map(
        |(kind, mut payload)| {
            payload.insert(0, kind);
            payload
        },
    )
}

/// Golden parts, some with one byte changed.
fn changed_part() -> impl Strategy<Value = Vec<u8>> {
    let parts: Vec<_> = golden(&state()).into_iter().map(|(_, bytes)| bytes.to_vec()).collect();
    let change = prop::option::of((any::<prop::sample::Index>(), any::<u8>()));
    (prop::sample::select(parts), change).prop_map(|(mut part, change)| {
        if let Some((at, byte)) = change {
            let at = at.index(part.len());
            part[at] = byte;
        }
        part
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(5_000))]

    #[test]
    fn arbitrary_bytes_are_applied_or_refused_and_never_panic(
        parts in prop::collection::vec(prop_oneof![part(), changed_part()], 1..12),
    ) {
        let mut state = state();
        for part in parts {
            // A refusal in the middle of a record leaves whole parts behind, never half a part.
            let _ = replay_with(
                &mut state,
                RecordReader::new(&part),
                BlockLimits::default(),
                &mut |_, _| Ok(()),
            );
            state.check();
        }
    }
}
