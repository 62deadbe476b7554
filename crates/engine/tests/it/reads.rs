//! Reading, plain and for groups, without waiting.

use bytes::Bytes;
use millstream_engine::{
    Engine, GroupPosition, Nack, NackMode, NewId, ReadEntries, ReadFrom, ReadRequest,
    StreamPosition, StreamRead,
};
use millstream_model::{EntryId, Rejection};

use crate::entries::{FIELDS, fill, request};
use crate::groups::{START, create};
use crate::pending::{pending, read_all, read_by};
use crate::store::{START_MS, at, id, in_memory, now, refused, run};

/// A plain read.
pub(crate) fn plain(streams: &[(&'static str, ReadFrom)]) -> ReadRequest {
    let position = |&(key, from): &(&'static str, ReadFrom)| StreamPosition {
        key: Bytes::from_static(key.as_bytes()),
        from,
    };
    ReadRequest {
        db: 0,
        group: None,
        streams: streams.iter().map(position).collect(),
        count: None,
        count_total: None,
        bytes_max: None,
    }
}

/// What one stream gave, as text: `s: 1 2`, deleted entries in brackets, claimed ones with their
/// idle time and count.
pub(crate) fn text(read: &StreamRead) -> String {
    let mut text = format!("{}:", read.key.escape_ascii());
    let mut push = |entry: String| {
        text.push(' ');
        text.push_str(&entry);
    };
    match &read.entries {
        ReadEntries::Plain(slice) => slice.ids().for_each(|id| push(id.ms.to_string())),
        ReadEntries::History(records) => {
            for (id, entry) in records {
                push(match entry {
                    Some(_) => id.ms.to_string(),
                    None => format!("({})", id.ms),
                });
            }
        }
        ReadEntries::Redelivered { again, new } => {
            again.iter().for_each(|entry| push(entry.id().ms.to_string()));
            new.ids().for_each(|id| push(id.ms.to_string()));
        }
        ReadEntries::WithClaims { claimed, new } => {
            for claim in claimed {
                let (id, count) = (claim.entry.id(), claim.delivery_count);
                push(format!("{}/{}/{count}", id.ms, claim.idle_ms));
            }
            new.ids().for_each(|id| push(format!("{}/0/0", id.ms)));
        }
    }
    text
}

/// Runs a read so long after the start.
pub(crate) fn read(engine: &Engine, ms: u64, mut request: ReadRequest) -> String {
    let outcome = run(engine, at(ms), |txn| txn.read(&mut request)).0.expect("reads");
    let streams: Vec<_> = outcome.iter().flat_map(|outcome| &outcome.streams).map(text).collect();
    streams.join(", ")
}

fn claiming(consumer: &'static str, min_idle_ms: u64, count: Option<usize>) -> ReadRequest {
    let mut request = read_by(consumer, ReadFrom::New);
    request.group.as_mut().expect("for a group").claim_min_idle_ms = Some(min_idle_ms);
    request.count = count;
    request
}

/// Adds `ms`-0 to a stream of that name.
pub(crate) fn add_to(engine: &Engine, key: &str, ms: u64) {
    let request = request(NewId::Exactly(id(ms, 0)));
    now(engine, |txn| txn.add(0, key.as_bytes(), &request, &FIELDS)).expect("ids ascend");
}

#[test]
fn plain_reads_start_where_they_are_told() {
    let engine = in_memory();
    let one = |from| read(&engine, 0, plain(&[("s", from)]));
    for from in [ReadFrom::After(EntryId::MIN), ReadFrom::Last, ReadFrom::End] {
        assert_eq!(one(from), "", "the key is missing");
    }
    fill(&engine, 1..=3);
    assert_eq!(one(ReadFrom::After(id(1, 0))), "s: 2 3");
    assert_eq!(one(ReadFrom::After(EntryId::MAX)), "");
    assert_eq!(one(ReadFrom::End), "");
    now(&engine, |txn| txn.delete(0, b"s", &[id(3, 0)])).expect("deletes");
    assert_eq!(one(ReadFrom::Last), "s: 2", "the last one that is there");
    let mut end = plain(&[("s", ReadFrom::End)]);
    now(&engine, |txn| txn.read(&mut end)).expect("reads");
    assert_eq!(end.streams[0].from, ReadFrom::After(id(3, 0)), "the end is fixed");
}

#[test]
fn totals_cut_the_streams_behind() {
    let engine = in_memory();
    for ms in 1..=3 {
        add_to(&engine, "s", ms);
        add_to(&engine, "t", ms);
    }
    let all = ReadFrom::After(EntryId::MIN);
    let with = |count, count_total, bytes_max| {
        let request = plain(&[("s", all), ("none", all), ("t", all)]);
        read(&engine, 0, ReadRequest { count, count_total, bytes_max, ..request })
    };
    assert_eq!(with(None, None, None), "s: 1 2 3, t: 1 2 3");
    assert_eq!(with(Some(2), Some(3), None), "s: 1 2, t: 1");
    assert_eq!(with(None, Some(3), None), "s: 1 2 3", "no empty stream");
    assert_eq!(with(None, None, Some(1)), "s: 1", "the first entry always comes");
    assert_eq!(with(Some(2), None, Some(1 << 20)), "s: 1 2, t: 1 2");
}

#[test]
fn a_size_limit_is_not_used_up_by_guesses() {
    let engine = in_memory();
    let value = vec![b'x'; 1000];
    for key in ["s", "t"] {
        for ms in 1..=40 {
            let request = request(NewId::Exactly(id(ms, 0)));
            now(&engine, |txn| txn.add(0, key.as_bytes(), &request, &[b"f", &value]))
                .expect("adds");
        }
    }
    let all = ReadFrom::After(EntryId::MIN);
    let request = ReadRequest { bytes_max: Some(90_000), ..plain(&[("s", all), ("t", all)]) };
    let text = read(&engine, 0, request);
    assert_eq!(text.split_whitespace().count(), 82, "both streams fit: {text}");
}

#[test]
fn totals_count_for_group_reads_and_leave_the_rest_undelivered() {
    let engine = in_memory();
    fill(&engine, 1..=5);
    create(&engine);
    let total = |count_total, bytes_max| {
        let request = read_by("c", ReadFrom::New);
        read(&engine, 0, ReadRequest { count_total, bytes_max, ..request })
    };
    assert_eq!(total(Some(2), None), "s: 1 2");
    assert_eq!(total(None, Some(1)), "s: 3");
    assert_eq!(pending(&engine).len(), 3);
    let mut twice = read_by("c", ReadFrom::After(EntryId::MIN));
    twice.streams.push(twice.streams[0].clone());
    let limited = ReadRequest { count_total: Some(3), ..twice.clone() };
    assert_eq!(read(&engine, 0, limited), "s: 1 2 3", "history behind the total is left out");
    let limited = ReadRequest { count_total: Some(4), ..twice };
    assert_eq!(read(&engine, 0, limited), "s: 1 2 3, s: 1");
}

#[test]
fn refused_group_reads_create_no_consumer() {
    let engine = in_memory();
    fill(&engine, [1]);
    create(&engine);
    let mut request = read_by("c", ReadFrom::New);
    let other = StreamPosition { key: Bytes::from_static(b"none"), from: ReadFrom::New };
    request.streams.push(other);
    let reason = refused(&engine, |txn| txn.read(&mut request.clone()));
    let group = (*b"g").into();
    assert_eq!(reason, Rejection::NoGroupToRead { key: (*b"none").into(), group });
    let string = Bytes::from_static(b"text");
    now(&engine, |txn| txn.set_string(0, b"none", string, Default::default()));
    assert_eq!(refused(&engine, |txn| txn.read(&mut request.clone())), Rejection::WrongType);
    let mut plain = plain(&[("s", ReadFrom::Last), ("none", ReadFrom::Last)]);
    assert_eq!(refused(&engine, |txn| txn.read(&mut plain)), Rejection::WrongType);
}

#[test]
fn new_entries_go_to_one_reader_each() {
    let engine = in_memory();
    fill(&engine, 1..=4);
    create(&engine);
    let take = |consumer, count| {
        let request = read_by(consumer, ReadFrom::New);
        read(&engine, 5, ReadRequest { count: Some(count), ..request })
    };
    assert_eq!(take("a", 2), "s: 1 2");
    assert_eq!(take("b", 9), "s: 3 4");
    assert_eq!(take("a", 9), "");
    let owners: Vec<_> = pending(&engine).into_iter().map(|record| record.1).collect();
    assert_eq!(owners, ["a", "a", "b", "b"]);
}

#[test]
fn history_shows_the_readers_own_entries_and_counts_again() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    create(&engine);
    read_all(&engine, "a", 0);
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    let history = |consumer, after| read(&engine, 7, read_by(consumer, ReadFrom::After(after)));
    assert_eq!(history("a", id(1, 0)), "s: (2) 3");
    assert_eq!(history("b", EntryId::MIN), "s:", "never nothing at all");
    assert_eq!(history("a", id(9000, 0)), "s:");
    let all: Vec<_> = pending(&engine).into_iter().map(|r| (r.0, r.2, r.3)).collect();
    assert_eq!(all, [(1, 0, 1), (2, 0, 1), (3, 7, 2)], "a deleted one is left alone");
}

#[test]
fn a_group_set_back_delivers_again_and_starts_the_count_anew() {
    let engine = in_memory();
    fill(&engine, 1..=2);
    create(&engine);
    read_all(&engine, "a", 0);
    read(&engine, 1, read_by("a", ReadFrom::After(EntryId::MIN)));
    now(&engine, |txn| txn.set_group_position(0, b"s", b"g", START, None)).expect("moves");
    let mut noack = read_by("b", ReadFrom::New);
    noack.group.as_mut().expect("for a group").noack = true;
    noack.count = Some(1);
    assert_eq!(read(&engine, 2, noack), "s: 1");
    assert_eq!(pending(&engine)[0], (1, "a".into(), 1, 2), "NOACK leaves the record alone");
    assert_eq!(read(&engine, 3, read_by("b", ReadFrom::New)), "s: 2");
    assert_eq!(pending(&engine)[1], (2, "b".into(), 3, 1));
}

#[test]
fn claiming_takes_the_longest_idle_first_then_new_entries() {
    let engine = in_memory();
    fill(&engine, 1..=4);
    create(&engine);
    read_all(&engine, "a", 0);
    fill(&engine, [5, 6]);
    let since = |ms: i64, entry| {
        let delivered_at = Some(millstream_engine::DeliveredAt::At(START_MS as i64 + ms));
        let options =
            millstream_engine::ClaimOptions { delivered_at, just_ids: true, ..Default::default() };
        run(&engine, at(40), |txn| txn.claim(0, b"s", b"g", b"a", &options, &[id(entry, 0)]))
            .0
            .expect("claims");
    };
    for (ms, entry) in [(40, 1), (30, 2), (10, 3), (20, 4)] {
        since(ms, entry);
    }
    assert_eq!(read(&engine, 60, claiming("b", 10, Some(2))), "s: 3/50/1 4/40/1");
    assert_eq!(read(&engine, 60, claiming("b", 10, Some(3))), "s: 2/30/1 1/20/1 5/0/0");
    assert_eq!(read(&engine, 60, claiming("b", 1000, None)), "s: 6/0/0");
    assert_eq!(read(&engine, 60, claiming("b", u64::MAX, None)), "");
    let counts: Vec<_> = pending(&engine).into_iter().map(|record| record.3).collect();
    assert_eq!(counts, [2, 2, 2, 2, 1, 1]);
}

#[test]
fn claiming_passes_deleted_entries_over_and_prefers_unowned_ones() {
    let engine = in_memory();
    fill(&engine, 1..=4);
    create(&engine);
    read_all(&engine, "a", 0);
    now(&engine, |txn| {
        txn.delete(0, b"s", &[id(1, 0)]).expect("deletes");
        let ids = [id(4, 0), id(3, 0)];
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &ids).expect("gives back");
    });
    let steady_ms = START_MS + 1;
    let expected = format!("s: 4/{steady_ms}/1 3/{steady_ms}/1");
    assert_eq!(read(&engine, 1, claiming("b", 1000, Some(2))), expected);
    assert_eq!(read(&engine, 1, claiming("b", 0, Some(1))), "s: 2/1/1");
    assert_eq!(pending(&engine)[0], (1, "a".into(), 0, 1), "what is gone stays as it was");
}

#[test]
fn a_claimed_entry_that_is_new_again_ends_with_count_one() {
    let engine = in_memory();
    fill(&engine, 1..=2);
    create(&engine);
    read_all(&engine, "a", 0);
    let back = |engine: &Engine| {
        now(engine, |txn| txn.set_group_position(0, b"s", b"g", START, None)).expect("moves");
    };
    back(&engine);
    assert_eq!(read(&engine, 5, claiming("a", 0, None)), "s: 1/5/1 2/5/1 1/0/0 2/0/0");
    let counts: Vec<_> = pending(&engine).into_iter().map(|record| record.3).collect();
    assert_eq!(counts, [1, 1]);
    back(&engine);
    assert_eq!(read(&engine, 5, claiming("a", 0, Some(3))), "s: 1/0/1 2/0/1 1/0/0");
    assert_eq!(pending(&engine)[1].3, 2);
}

#[test]
fn history_ends_claiming_for_the_streams_behind_it() {
    let engine = in_memory();
    for key in ["s", "t", "u"] {
        add_to(&engine, key, 1);
        now(&engine, |txn| txn.create_group(0, key.as_bytes(), b"g", START, false, None))
            .expect("creates");
        let mut request = read_by("a", ReadFrom::New);
        request.streams[0].key = Bytes::from_static(key.as_bytes());
        read(&engine, 0, request);
        add_to(&engine, key, 2);
    }
    let mut request = claiming("a", 5, None);
    let history = ReadFrom::After(EntryId::MIN);
    for (key, from) in [("t", history), ("u", ReadFrom::New)] {
        request.streams.push(StreamPosition { key: Bytes::from_static(key.as_bytes()), from });
    }
    assert_eq!(read(&engine, 9, request), "s: 1/9/1 2/0/0, t: 1, u: 2");
}

#[test]
fn a_read_entry_stays_readable_after_its_stream_is_gone() {
    let engine = in_memory();
    fill(&engine, 1..=9);
    let mut request = plain(&[("s", ReadFrom::After(EntryId::MIN))]);
    let outcome = now(&engine, |txn| txn.read(&mut request)).expect("reads").expect("something");
    now(&engine, |txn| {
        txn.delete(0, b"s", &[id(2, 0)]).expect("deletes");
        txn.remove(0, b"s");
    });
    assert_eq!(text(&outcome.streams[0]), "s: 1 2 3 4 5 6 7 8 9");
}

#[test]
fn a_group_at_the_largest_id_has_nothing_new() {
    let engine = in_memory();
    fill(&engine, [1]);
    let end = GroupPosition::After(EntryId::MAX);
    now(&engine, |txn| txn.create_group(0, b"s", b"g", end, false, None)).expect("creates");
    assert_eq!(read(&engine, 0, read_by("c", ReadFrom::New)), "");
}
