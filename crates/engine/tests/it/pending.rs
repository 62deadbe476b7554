//! What becomes of pending entries: acknowledged, given back, claimed.

use bytes::Bytes;
use millstream_engine::{
    ClaimOptions, Deletion, DeliveredAt, Engine, GroupReader, Nack, NackMode, ReadFrom,
    ReadRequest, StreamPosition,
};
use millstream_model::{EntryId, References, Rejection};

use crate::entries::{fill, length};
use crate::groups::{START, create};
use crate::store::{START_MS, at, id, in_memory, now, refused, run};

/// A read of the stream `s` for the group `g`.
pub(crate) fn read_by(consumer: &'static str, from: ReadFrom) -> ReadRequest {
    let group = GroupReader {
        group: Bytes::from_static(b"g"),
        consumer: Bytes::from_static(consumer.as_bytes()),
        noack: false,
        claim_min_idle_ms: None,
    };
    let streams = vec![StreamPosition { key: Bytes::from_static(b"s"), from }];
    ReadRequest {
        db: 0,
        group: Some(group),
        streams,
        count: None,
        count_total: None,
        bytes_max: None,
    }
}

/// Reads all new entries; returns how many streams gave something.
pub(crate) fn read_all(engine: &Engine, consumer: &'static str, ms: u64) -> usize {
    let mut request = read_by(consumer, ReadFrom::New);
    let read = run(engine, at(ms), |txn| txn.read(&mut request)).0.expect("reads");
    read.map_or(0, |outcome| outcome.streams.len())
}

/// Id, owner, delivered how long after the start, count.
pub(crate) fn pending(engine: &Engine) -> Vec<(u64, String, u64, u64)> {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it exists");
        let group = stream.group(stream.find_group(b"g").expect("it exists"));
        let records = group.pending().range(EntryId::MIN, EntryId::MAX);
        records
            .map(|record| {
                let owner = record.owner.map(|owner| &group.consumer(owner).name);
                let owner = owner.map_or(String::new(), |name| name.escape_ascii().to_string());
                let since_ms = record.delivered_at_ms.saturating_sub(START_MS);
                (record.id.ms, owner, since_ms, record.delivery_count)
            })
            .collect()
    })
}

fn record(ms: u64, owner: &str, since_ms: u64, count: u64) -> (u64, String, u64, u64) {
    (ms, owner.to_owned(), since_ms, count)
}

/// Entries 1-0 to 3-0, read by `a` at time 0.
fn three_read() -> Engine {
    let engine = in_memory();
    fill(&engine, 1..=3);
    create(&engine);
    assert_eq!(read_all(&engine, "a", 0), 1);
    engine
}

#[test]
fn acknowledging_counts_each_pending_entry_once() {
    let engine = three_read();
    let ids = [id(3, 0), id(1, 0), id(3, 0), id(9, 0)];
    let ack = |group: &'static [u8]| now(&engine, |txn| txn.acknowledge(0, b"s", group, &ids));
    assert_eq!(ack(b"none"), Ok(0));
    assert_eq!(ack(b"g"), Ok(2));
    assert_eq!(ack(b"g"), Ok(0));
    assert_eq!(pending(&engine), [record(2, "a", 0, 1)]);
    assert_eq!(length(&engine), 3, "the entries stay");
}

#[test]
fn acknowledging_and_deleting_minds_other_groups() {
    use Deletion::{Deleted, Kept, NotFound};
    let engine = three_read();
    now(&engine, |txn| txn.create_group(0, b"s", b"h", START, false, None)).expect("creates");
    let settle = |references, ids: &[EntryId]| {
        now(&engine, |txn| txn.acknowledge_and_delete(0, b"s", b"g", references, ids))
            .expect("settles")
    };
    let twice = [id(1, 0), id(1, 0)];
    assert_eq!(settle(References::Acked, &twice), [Kept, NotFound], "h has not read it");
    assert_eq!(settle(References::Keep, &[id(1, 0)]), [NotFound], "not pending any more");
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    assert_eq!(settle(References::Keep, &[id(2, 0)]), [Deleted], "was gone already");
    assert_eq!(settle(References::Delete, &[id(3, 0)]), [Deleted]);
    assert_eq!((length(&engine), pending(&engine).len()), (1, 0));
    let missing = now(&engine, |txn| {
        txn.acknowledge_and_delete(0, b"s", b"none", References::Keep, &[id(1, 0)])
    });
    assert_eq!(missing, Ok(vec![NotFound]));
}

#[test]
fn entries_given_back_have_no_owner() {
    let engine = three_read();
    let nack = |nack: Nack<'_>, ids: &[EntryId]| {
        now(&engine, |txn| txn.nack(0, b"s", b"g", &nack, ids)).expect("gives back")
    };
    let [silent, fail, fatal] = [NackMode::Silent, NackMode::Fail, NackMode::Fatal].map(Nack::new);
    let ids = [id(1, 0), id(9, 9), id(1, 0)];
    assert_eq!(nack(silent, &ids), 2, "an id given twice counts twice");
    assert_eq!(pending(&engine)[0], record(1, "", 0, 0));
    assert_eq!(nack(fail, &[id(2, 0)]), 1);
    assert_eq!(pending(&engine)[1], record(2, "", 0, 1));
    assert_eq!(nack(fatal, &[id(2, 0)]), 1);
    assert_eq!(pending(&engine)[1], record(2, "", 0, i64::MAX as u64));
    fill(&engine, [4]);
    assert_eq!(
        nack(Nack { delivery_count: Some(42), force: true, ..fail }, &[id(4, 0), id(5, 0)]),
        1
    );
    assert_eq!(pending(&engine)[3], record(4, "", 0, 42));
    assert_eq!(now(&engine, |txn| txn.delete_consumer(0, b"s", b"g", b"a")), Ok(1));
    assert_eq!(pending(&engine).len(), 3, "what has no owner stays");
    let reason =
        refused(&engine, |txn| txn.nack(0, b"s", b"none", &Nack::new(NackMode::Fail), &[id(1, 0)]));
    assert_eq!(reason, no_key_or_group());
}

fn no_key_or_group() -> Rejection {
    Rejection::NoKeyOrGroup { key: (*b"s").into(), group: (*b"none").into() }
}

fn claim(engine: &Engine, ms: u64, options: ClaimOptions, ids: &[EntryId]) -> Vec<u64> {
    let claimed = run(engine, at(ms), |txn| txn.claim(0, b"s", b"g", b"b", &options, ids)).0;
    claimed.expect("claims").iter().map(|entry| entry.id().ms).collect()
}

#[test]
fn claims_set_owner_time_and_count() {
    let engine = three_read();
    let plain = ClaimOptions::default();
    let idle = ClaimOptions { min_idle_ms: 10, ..plain };
    assert_eq!(claim(&engine, 9, idle, &[id(1, 0)]), [0_u64; 0], "not idle for so long");
    assert_eq!(claim(&engine, 10, idle, &[id(1, 0)]), [1]);
    assert_eq!(pending(&engine)[0], record(1, "b", 10, 2));
    let just_ids = ClaimOptions { just_ids: true, ..plain };
    assert_eq!(claim(&engine, 20, just_ids, &[id(1, 0), id(1, 0)]), [1, 1]);
    assert_eq!(pending(&engine)[0], record(1, "b", 20, 2));
    let ago = ClaimOptions { delivered_at: Some(DeliveredAt::Idle(15)), ..plain };
    assert_eq!(claim(&engine, 40, ago, &[id(2, 0)]), [2]);
    assert_eq!(pending(&engine)[1], record(2, "b", 25, 2));
    let future = ClaimOptions {
        delivered_at: Some(DeliveredAt::At(i64::MAX)),
        delivery_count: Some(0),
        ..plain
    };
    assert_eq!(claim(&engine, 50, future, &[id(2, 0)]), [2]);
    assert_eq!(pending(&engine)[1], record(2, "b", 50, 0));
}

#[test]
fn forced_claims_make_records_for_entries_that_exist() {
    let engine = three_read();
    fill(&engine, [4, 5]);
    let force = ClaimOptions { force: true, min_idle_ms: 1000, ..ClaimOptions::default() };
    assert_eq!(claim(&engine, 5, force, &[id(1, 0), id(4, 0), id(9, 0)]), [4]);
    assert_eq!(pending(&engine)[3], record(4, "b", 5, 2), "min-idle holds for records that exist");
    let just_ids = ClaimOptions { just_ids: true, ..force };
    assert_eq!(claim(&engine, 5, just_ids, &[id(5, 0)]), [5]);
    assert_eq!(pending(&engine)[4], record(5, "b", 5, 1));
    assert_eq!(read_all(&engine, "a", 6), 1, "new to the group all the same");
    assert_eq!(pending(&engine)[3..], [record(4, "a", 6, 1), record(5, "a", 6, 1)]);
}

#[test]
fn claiming_a_deleted_entry_drops_its_record() {
    let engine = three_read();
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    let idle = ClaimOptions { min_idle_ms: 1000, ..ClaimOptions::default() };
    assert_eq!(claim(&engine, 0, idle, &[id(1, 0), id(2, 0)]), [0_u64; 0]);
    assert_eq!(pending(&engine).len(), 2);
    let last_id = Some(id(2, 0));
    claim(&engine, 0, ClaimOptions { last_id, ..idle }, &[]);
    assert_eq!(read_all(&engine, "a", 0), 0, "a claim moves no group back");
    let reason = refused(&engine, |txn| txn.claim(0, b"s", b"none", b"b", &idle, &[id(1, 0)]));
    assert_eq!(reason, no_key_or_group());
}

#[test]
fn an_entry_without_an_owner_is_claimable_however_long_it_must_have_been_idle() {
    let engine = three_read();
    now(&engine, |txn| {
        let ids = [id(1, 0), id(2, 0), id(3, 0)];
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &ids).expect("gives back");
    });
    let idle = ClaimOptions { min_idle_ms: u64::MAX, ..ClaimOptions::default() };
    assert_eq!(claim(&engine, 0, idle, &[id(1, 0)]), [1]);
    let scanned = now(&engine, |txn| {
        txn.autoclaim(0, b"s", b"g", b"b", u64::MAX, id(2, 0), 1, false).expect("claims")
    });
    assert_eq!((scanned.claimed.len(), scanned.cursor), (1, id(3, 0)));
    let mut request = read_by("b", ReadFrom::New);
    request.group.as_mut().expect("for a group").claim_min_idle_ms = Some(u64::MAX);
    assert!(now(&engine, |txn| txn.read(&mut request)).expect("reads").is_some());
    assert_eq!(pending(&engine)[2], record(3, "b", 0, 2));
}

#[test]
fn autoclaim_scans_in_steps() {
    let engine = three_read();
    fill(&engine, [4]);
    read_all(&engine, "a", 0);
    now(&engine, |txn| txn.delete(0, b"s", &[id(1, 0), id(3, 0)])).expect("deletes");
    let scan = |ms, min_idle_ms, start, count| {
        let result = run(&engine, at(ms), |txn| {
            txn.autoclaim(0, b"s", b"g", b"b", min_idle_ms, start, count, false)
        });
        let result = result.0.expect("claims");
        let claimed: Vec<_> = result.claimed.iter().map(|entry| entry.id().ms).collect();
        (result.cursor, claimed, result.deleted)
    };
    let all = EntryId::MIN;
    assert_eq!(scan(5, 99, all, 2), (id(4, 0), vec![], vec![id(1, 0), id(3, 0)]));
    assert_eq!(scan(5, 5, all, 1), (id(4, 0), vec![2], vec![]));
    assert_eq!(scan(5, 5, id(4, 0), 1), (all, vec![4], vec![]));
    assert_eq!(pending(&engine), [record(2, "b", 5, 2), record(4, "b", 5, 2)]);
    assert_eq!(scan(5, 0, EntryId::MAX, 1), (all, vec![], vec![]));
    let reason = refused(&engine, |txn| txn.autoclaim(0, b"s", b"none", b"b", 0, all, 1, false));
    assert_eq!(reason, no_key_or_group());
}

#[test]
fn autoclaim_looks_at_ten_records_for_each_one_wanted() {
    let engine = in_memory();
    fill(&engine, 1..=25);
    create(&engine);
    read_all(&engine, "a", 0);
    let result =
        run(&engine, at(1), |txn| txn.autoclaim(0, b"s", b"g", b"b", 99, EntryId::MIN, 2, true));
    assert_eq!(result.0.expect("claims").cursor, id(21, 0));
}
