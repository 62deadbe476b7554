//! Streams without groups.

use std::collections::BTreeSet;
use std::time::Duration;

use millstream::{
    ConsumerGroupManager, CopyPhase, CopyVerdict, EntryId, Error, Fields, GroupStart,
    PendingEntries, PendingFilter, Retain, RetentionItem, StreamCopy, StreamCopyError,
    StreamManager, StreamScan, Trim,
};
use redis::cmd;

use crate::place::{GROUP, Place, until};

fn manager(place: &Place) -> StreamManager {
    StreamManager::new(&place.millstream, &place.stream)
}

fn id(ms: u64) -> EntryId {
    EntryId { ms, seq: 1 }
}

/// With ids of its own: 1-1, 2-1 and so on.
async fn add(place: &Place, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let _: String = place.raw(&format!("XADD {{s}} {number}-1 n {number}")).await;
    }
}

pub(crate) async fn several_commands_go_in_one_round_trip(place: Place) {
    let mut three = redis::pipe();
    for number in 1..=2 {
        three.cmd("XADD").arg(&place.stream).arg(format!("{number}-1")).arg(&["n", "1"]);
    }
    three.cmd("XLEN").arg(&place.stream);
    let answers = place.millstream.query_all(&three).await.expect("answers");
    assert_eq!(answers.len(), 3);
    assert_eq!(answers[2], redis::Value::Int(2));
    // What one is refused keeps no other one from being done.
    let again = place.millstream.query_all(&three).await.expect_err("these ids are there");
    assert!(matches!(again, Error::Refused { .. }), "{again:?}");
    let mut refused_first = redis::pipe();
    refused_first.cmd("XADD").arg(&place.stream).arg(&["1-1", "n", "1"]);
    refused_first.cmd("XADD").arg(&place.stream).arg(&["3-1", "n", "1"]);
    place.millstream.query_all(&refused_first).await.expect_err("the first one is refused");
    assert_eq!(place.millstream.len(&place.stream).await.expect("a length"), 3);
}

pub(crate) async fn a_stream_is_looked_at_read_trimmed_and_deleted(place: Place) {
    let stream = manager(&place);
    assert_eq!(stream.info().await.expect("an answer"), None);
    assert_eq!(stream.memory_bytes().await.expect("an answer"), None);
    assert_eq!(stream.entries(.., 10).await.expect("an answer"), []);
    assert!(!stream.delete().await.expect("an answer"));
    assert_eq!(stream.length().await.expect("an answer"), 0);

    add(&place, 1..=9).await;
    let _: i64 = place.raw("XDEL {s} 5-1").await;
    assert_eq!(stream.length().await.expect("an answer"), 8);
    let info = stream.info().await.expect("an answer").expect("it is there");
    assert_eq!((info.length, info.groups, info.entries_added), (8, 0, Some(9)));
    assert_eq!((info.first, info.last), (Some(id(1)), Some(id(9))));
    assert_eq!((info.last_generated, info.max_deleted), (id(9), Some(id(5))));
    assert!(stream.memory_bytes().await.expect("an answer").is_some_and(|bytes| bytes > 0));
    let on_disk = stream.disk_bytes().await.expect("an answer");
    assert_eq!(on_disk.is_some(), place.millstream.abilities().has_disk_usage);

    let numbers = |entries: Vec<millstream::StreamEntry>| -> Vec<u64> {
        entries.into_iter().map(|entry| entry.id.ms).collect()
    };
    let first = stream.entries(.., 1).await.expect("entries");
    assert_eq!((first[0].id, first[0].fields.text("n")), (id(1), Some("1")));
    assert_eq!(numbers(stream.entries(id(4).., 2).await.expect("entries")), [4, 6]);
    assert_eq!(numbers(stream.entries(id(4)..id(7), 9).await.expect("entries")), [4, 6]);
    assert_eq!(numbers(stream.newest(.., 3).await.expect("entries")), [7, 8, 9]);
    assert_eq!(numbers(stream.newest(..id(8), 2).await.expect("entries")), [6, 7]);
    assert_eq!(stream.count(..).await.expect("a count"), 8);
    assert_eq!(stream.count(id(4)..=id(7)).await.expect("a count"), 3);

    let found = stream.find(&[id(9), id(5), id(1)]).await.expect("entries");
    assert_eq!(numbers(found), [9, 1]);
    let producer = millstream::Producer::new(&place.millstream, &place.stream);
    let fields = Fields::new().with("n", "10");
    assert_eq!(producer.add_as(id(10), &fields).await.expect("adds it"), id(10));
    let again = producer.add_as(id(10), &fields).await;
    assert!(matches!(again, Err(Error::Refused { .. })), "{again:?}");
    assert_eq!(stream.delete_entries(&[id(10), id(5)]).await.expect("deletes one"), 1);
    assert_eq!(stream.delete_entries(&[]).await.expect("nothing"), 0);

    for (trim, count) in [
        (Trim::ToLength(6), 2),
        (Trim::Before(id(4)), 1),
        (Trim::Before(id(4)), 0),
        (Trim::OlderThan(Duration::from_hours(1)), 5),
    ] {
        assert_eq!(stream.would_trim(trim).await.expect("a count"), count, "{trim:?}");
        assert_eq!(stream.trim(trim).await.expect("a count"), count, "{trim:?}");
    }
    assert!(stream.delete().await.expect("deletes it"));
    assert_eq!(stream.info().await.expect("an answer"), None);
}

pub(crate) async fn retention_is_set_or_unsupported(place: Place) {
    let stream = manager(&place);
    add(&place, 1..=5).await;
    let items = [RetentionItem::MaxLength(Some(3)), RetentionItem::Retain(Retain::All)];
    if !place.millstream.abilities().has_retention {
        let refused = stream.change_retention(&items).await;
        assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
        return;
    }
    for senseless in [&[RetentionItem::MaxAge(Some(Duration::ZERO))][..], &[]] {
        let refused = stream.change_retention(senseless).await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    }
    stream.change_retention(&items).await.expect("sets it");
    let age = RetentionItem::MaxAge(Some(Duration::from_hours(1_000_000)));
    stream.change_retention(&[age]).await.expect("sets it");
    let set = stream.retention().await.expect("a retention");
    assert_eq!((set.max_length, set.max_bytes), (Some(3), None), "the other item stayed");
    // What is too much goes soon.
    until("three are left", async || {
        let info = stream.info().await.expect("an answer").expect("it is there");
        assert_eq!(info.retention, Some(set));
        info.length == 3
    })
    .await;
    let mut all = set;
    all.max_length = None;
    stream.set_retention(&all).await.expect("sets it");
    assert_eq!(stream.retention().await.expect("a retention"), all);
}

pub(crate) async fn a_reader_gets_what_is_added(place: Place) {
    let stream = manager(&place);
    let mut reader = stream.reader(EntryId::ZERO).await.expect("a reader");
    let none = reader.next(10, Duration::from_millis(10)).await.expect("an answer");
    assert_eq!(none, []);
    let (read, ()) = tokio::join!(reader.next(10, Duration::from_secs(30)), add(&place, 1..=1));
    assert_eq!(read.expect("an entry")[0].id, id(1));
    add(&place, 2..=4).await;
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let read = reader.next(2, Duration::from_secs(30)).await.expect("entries");
        assert!((1..=2).contains(&read.len()), "{read:?}");
        seen.extend(read.into_iter().map(|entry| entry.id));
    }
    assert_eq!(seen, [id(2), id(3), id(4)]);
}

pub(crate) async fn streams_are_found_by_their_keys(place: Place) {
    let keys: BTreeSet<String> =
        (0..1200).map(|number| format!("{}:{number}", place.stream)).collect();
    for key in &keys {
        let fields = Fields::new().with("f", "v");
        place.millstream.add(key, &fields).await.expect("adds it");
    }
    let _: String = place.raw("SET {s}:text v").await;
    let mut scan = StreamScan::new(&place.millstream).pattern(format!("{}:*", place.stream));
    let mut found = BTreeSet::new();
    while let Some(some) = scan.next().await.expect("an answer") {
        found.extend(some.into_iter().map(|key| String::from_utf8(key.into()).expect("text")));
    }
    assert_eq!(found, keys);
    assert_eq!(scan.next().await.expect("an answer"), None, "it stays at its end");
}

pub(crate) async fn a_stream_is_copied_with_its_groups_or_not_at_all(place: Place) {
    add(&place, 1..=300).await;
    let _: String = place.raw("XGROUP CREATE {s} {g} 0").await;
    place.raw::<redis::Value>("XREADGROUP GROUP {g} ada COUNT 9 STREAMS {s} >").await;
    let _: i64 = place.raw("XDEL {s} 3-1 4-1").await;
    let _: i64 = place.raw("XTRIM {s} MINID = 2-1").await;
    let to = format!("{}:to", place.stream);
    let copy = StreamCopy::new(&place.millstream, &place.stream, &place.millstream, &to);
    let mut told = Vec::new();
    let copied = copy.run(|progress| told.push(progress)).await.expect("copies it");
    assert_eq!((copied.verdict, copied.is_in_place), (CopyVerdict::Equal, true), "{copied:?}");
    assert_eq!((copied.entries, copied.pending, copied.pending_without_entry), (297, 9, 3));
    assert_eq!((copied.differences, copied.notes), (Vec::new(), Vec::new()));
    let phases: Vec<_> = told.iter().map(|progress| progress.phase).collect();
    assert!(phases.is_sorted_by_key(|phase| *phase == CopyPhase::Verifying), "{phases:?}");
    assert!(told.iter().all(|progress| progress.entries <= progress.entries_total), "{told:?}");
    let of = |key: &str| StreamManager::new(&place.millstream, key);
    let pending = |key: &str| PendingEntries::new(&place.millstream, key, GROUP);
    let (a, b) = (of(&place.stream), of(&to));
    assert_eq!(a.info().await.expect("an answer"), b.info().await.expect("an answer"));
    assert_eq!(a.entries(.., 999).await.expect("all"), b.entries(.., 999).await.expect("all"));
    let (a, b) = (pending(&place.stream), pending(&to));
    let filter = PendingFilter::new();
    let ids = |rows: Vec<millstream::PendingEntry>| -> Vec<_> {
        rows.into_iter().map(|row| (row.id, row.consumer, row.deliveries)).collect()
    };
    let (a, b) = (a.list(.., &filter, 99).await, b.list(.., &filter, 99).await);
    assert_eq!(ids(a.expect("rows")), ids(b.expect("rows")));

    let refused = copy.run(drop).await;
    assert!(matches!(refused, Err(StreamCopyError::Exists)), "{refused:?}");
    copy.clone().replace(true).verify(false).run(drop).await.expect("copies it");
    assert!(of(&to).delete().await.expect("deletes it"));
    let nothing = StreamCopy::new(&place.millstream, "none:of:it", &place.millstream, &to);
    let refused = nothing.run(drop).await;
    assert!(matches!(refused, Err(StreamCopyError::NoStream)), "{refused:?}");
    assert_eq!(of(&to).info().await.expect("an answer"), None);
}

pub(crate) async fn names_are_any_bytes(place: Place) {
    let key = [place.stream.as_bytes(), b"\xff\n"].concat();
    let (group, consumer) = (&b"g\xfe"[..], &b"c\0"[..]);
    let groups = ConsumerGroupManager::new(&place.millstream, &key);
    assert!(groups.create(group, GroupStart::First).await.expect("makes it"));
    let mut create = cmd("XGROUP");
    create.arg("CREATECONSUMER").arg(&key).arg(group).arg(consumer);
    place.millstream.query(&create).await.expect("makes it");
    let found = groups.groups().await.expect("groups");
    assert_eq!((&found[0].name_bytes[..], &*found[0].name), (group, "g\u{fffd}"));
    let found = groups.consumers(group).await.expect("consumers");
    assert_eq!(&found[0].name_bytes[..], consumer);
    assert_eq!(groups.delete_consumer(group, consumer, GROUP).await.expect("deletes it"), 0);
    assert!(groups.consumers(group).await.expect("consumers").iter().all(|it| it.name == GROUP));
    let refused = groups.replay(..).await.map(drop);
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    assert!(StreamManager::new(&place.millstream, &key).delete().await.expect("deletes it"));
}
