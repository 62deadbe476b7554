//! Images of streams that have everything, and bytes that are no image.

use millstream_model::{Direction, IdempotenceLimits, Retention};
use proptest::prelude::*;

use super::*;

const LIMITS: IdempotenceLimits = IdempotenceLimits { duration_s: 7, per_producer_max: 3 };

/// A stream with gaps where entries, groups and consumers were, ties in the pending list, a record
/// without owner and one of an entry that is gone.
fn stream() -> Stream {
    let mut stream = Stream::new(LIMITS);
    let limits = BlockLimits { bytes_max: 0, entries_max: 3 };
    for ms in 1..=10 {
        let value = vec![b'v'; ms as usize];
        stream.append(EntryId::new(ms, ms), &[b"name", &value, b"", b"\xff"], limits);
    }
    stream.remove_entry(EntryId::new(4, 4), true);
    stream.trim_before(EntryId::new(2, 2));
    stream.set_counters(EntryId::new(20, 0), Some(99), None);
    for (group, name) in [(0, "gone"), (1, "b"), (2, "a")] {
        stream.create_group(GroupId(group), name.as_bytes(), EntryId::new(group.into(), 5), None);
    }
    stream.destroy_group(GroupId(0));
    stream.set_group_position(GroupId(1), EntryId::new(8, 8), Some(8));
    let group = GroupId(1);
    for (consumer, name) in [(0, "gone"), (1, "z"), (2, "y")] {
        stream.create_consumer(group, ConsumerId(consumer), name.as_bytes(), 50);
    }
    stream.delete_consumer(group, ConsumerId(0));
    for (ms, owner, at_ms) in [(8, Some(1), 7), (3, Some(2), 7), (5, None, 9), (4, Some(2), 7)] {
        stream.set_pending(
            group,
            PendingEntry {
                id: EntryId::new(ms, ms),
                owner: owner.map(ConsumerId),
                delivered_at_ms: at_ms,
                available_at_ms: 0,
                delivery_count: 1 << (8 * ms.min(6)),
            },
        );
    }
    stream.touch_consumer(group, ConsumerId(1), 60, true);
    stream.touch_consumer(group, ConsumerId(1), 70, false);
    for iid in [b"i1", b"i2", b"i3", b"i4"] {
        stream.idempotence_mut().insert(b"producer", iid, EntryId::new(9, 9));
    }
    stream.idempotence_mut().count_duplicate();
    let mut retention = Retention::default();
    (retention.max_age_ms, retention.max_bytes) = (u64::MAX, 1 << 40);
    stream.set_retention(retention);
    stream
}

/// Everything that anybody can see of a stream, but for numbers of groups and consumers.
fn visible(stream: &Stream) -> String {
    let all = stream.entries().slice(EntryId::MIN, EntryId::MAX, 1000, Direction::Ascending);
    let mut text = String::new();
    all.expect("all is in memory").for_each(|entry| {
        let pairs: Vec<_> = entry.pairs().collect();
        text += &format!("{:?} {pairs:?}\n", entry.id());
    });
    let counters = (stream.last_id(), stream.entries_added(), stream.max_deleted_id());
    text += &format!("{counters:?}\n");
    for (_, group) in stream.groups() {
        text += &format!("{:?} {:?} ", group.name(), group.last_delivered_id());
        text += &format!("{:?}\n", group.entries_read());
        let consumers = group.consumers().map(|(_, consumer)| consumer);
        text += &format!("{:?}\n", consumers.collect::<Vec<_>>());
        for entry in group.pending().oldest_first() {
            let owner = entry.owner.map(|owner| &group.consumer(owner).name);
            let facts = (entry.id, owner, entry.delivered_at_ms, entry.delivery_count);
            text += &format!("{facts:?}\n");
        }
    }
    let idempotence = stream.idempotence();
    let counts = (idempotence.limits(), idempotence.added(), idempotence.duplicates());
    text += &format!("{counts:?} {:?}\n", idempotence.productions().collect::<Vec<_>>());
    text
}

pub(crate) fn image_of_stream() -> Vec<u8> {
    encode(&ObjectData::Stream(Box::new(stream())))
}

#[test]
fn a_stream_comes_back_with_all_that_can_be_seen_of_it() {
    let limits = BlockLimits { bytes_max: 0, entries_max: 3 };
    let Ok(ObjectData::Stream(back)) = decode(&image_of_stream(), limits) else {
        panic!("an image of a stream")
    };
    back.check();
    assert_eq!(visible(&back), visible(&stream()));
    // Without gaps the image of the image is the same.
    let again = encode(&ObjectData::Stream(back));
    assert_eq!(again, image_of_stream());
}

#[test]
fn a_string_comes_back() {
    let value = bytes::Bytes::from_static(b"any \x00 bytes");
    let image = encode(&ObjectData::String(value.clone().into()));
    let back = decode(&image, BlockLimits::default()).expect("an image of a string");
    assert!(matches!(back, ObjectData::String(string) if string.bytes == value));
}

#[test]
fn what_builds_nothing_or_two_objects_is_no_image() {
    let string = encode(&ObjectData::String(bytes::Bytes::from_static(b"v").into()));
    let mut second = Vec::new();
    let (object, value) = (ObjectId(2), bytes::Bytes::from_static(b"w"));
    let part = Mutation::CreateString { object, db: 1, key: b"", value, expires_at_ms: None };
    encode_part(&part, &mut second);
    let two = [&string[..], &second].concat();
    let mut flush = string.clone();
    encode_part(&Mutation::Flush { db: None }, &mut flush);
    let mut nested = Vec::new();
    let data = ObjectData::String(bytes::Bytes::new().into());
    let (db, key, image) = (0, &b""[..], &string[..]);
    let expires_at_ms = None;
    let part = Mutation::Restore { object: ObjectId(1), db, key, expires_at_ms, image, data };
    encode_part(&part, &mut nested);
    for bytes in [&b""[..], &two, &second, &flush, &nested, &string[..2]] {
        assert!(decode(bytes, BlockLimits::default()).is_err(), "{bytes:?}");
    }
}

#[test]
fn counters_that_no_stream_has_are_refused() {
    let deleted = Some(EntryId::new(21, 0));
    for (entries_added, max_deleted_id) in [(Some(1), None), (Some(99), deleted)] {
        let mut image = image_of_stream();
        let last_id = EntryId::new(20, 0);
        let object = OBJECT;
        let part = Mutation::SetCounters { object, last_id, entries_added, max_deleted_id };
        encode_part(&part, &mut image);
        assert!(decode(&image, BlockLimits::default()).is_err());
    }
}

#[test]
fn a_delivery_count_that_no_checkpoint_takes_back_is_refused() {
    for (count, is_taken) in [(i64::MAX as u64, true), (1 << 63, false), (u64::MAX, false)] {
        let mut image = image_of_stream();
        let (id, delivered_at_ms) = (EntryId::new(1, 1), 0);
        let entry = PendingEntry {
            id,
            owner: None,
            delivered_at_ms,
            available_at_ms: 0,
            delivery_count: count,
        };
        let (object, group, by) = (OBJECT, GroupId(0), None);
        let part = Mutation::SetPending { object, group, by, now_ms: 0, entries: &[entry] };
        encode_part(&part, &mut image);
        assert_eq!(decode(&image, BlockLimits::default()).is_ok(), is_taken, "{count}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 8 } else { 512 }))]

    #[test]
    fn a_damaged_image_is_an_error_or_an_object_that_holds_together(
        damage in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut image = image_of_stream();
        for (at, byte) in damage {
            let at = at.index(image.len());
            image[at] = byte;
        }
        let end = cut.index(image.len() * 2).min(image.len());
        if let Ok(ObjectData::Stream(stream)) = decode(&image[..end], BlockLimits::default()) {
            stream.check();
            visible(&stream);
        }
    }

    #[test]
    fn any_bytes_are_refused_without_a_panic(
        image in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = decode(&image, BlockLimits::default());
    }
}
