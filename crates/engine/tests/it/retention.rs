//! Streams with a retention: what they drop by themselves and when, and what they refuse.
//! `retention_stored.rs` has what is on disk.

use millstream_engine::{Engine, GroupPosition, NewId, Transaction};
use millstream_model::{
    Overflow, References, Rejection, Retain, Retention, StreamLimit, TrimBy, TrimOptions,
};

use crate::entries::{FIELDS, fill, length, request};
use crate::groups::{START, create};
use crate::parked::with_group;
use crate::pending::{pending, read_all};
use crate::store::{START_MS, at, id, in_memory, now, refused, run, run_due};

pub(crate) fn retention(change: impl FnOnce(&mut Retention)) -> Retention {
    let mut retention = Retention::default();
    change(&mut retention);
    retention
}

pub(crate) fn set(engine: &Engine, change: impl FnOnce(&mut Retention)) {
    let retention = retention(change);
    now(engine, |txn| txn.set_retention(0, b"s", retention)).expect("the stream is there");
}

fn ack(engine: &Engine, ids: impl IntoIterator<Item = u64>) {
    let ids: Vec<_> = ids.into_iter().map(|ms| id(ms, 0)).collect();
    now(engine, |txn| txn.acknowledge(0, b"s", b"g", &ids)).expect("acknowledges");
}

/// The milliseconds of all entries.
pub(crate) fn ids(engine: &Engine) -> Vec<u64> {
    now(engine, |txn| {
        txn.load_value(0, b"s").expect("blocks are intact");
        let entries = txn.stream(0, b"s").expect("a stream").expect("it exists").entries();
        let live = entries.nodes().flat_map(|node| node.live_ids().expect("all is loaded"));
        live.map(|id| id.ms).collect()
    })
}

pub(crate) fn add_bytes(engine: &Engine, ms: u64, bytes: usize) -> Result<(), Rejection> {
    let value = vec![b'v'; bytes - 1];
    now(engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(id(ms, 0))), &[b"f", &value]))
        .map(|_| ())
}

fn refused_entry(engine: &Engine, ms: u64) -> Rejection {
    refused(engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(id(ms, 0))), &FIELDS))
}

const FULL: Rejection = Rejection::StreamFull(StreamLimit::Length);

#[test]
fn a_new_entry_takes_the_place_of_the_oldest_with_its_pending_records() {
    let engine = with_group();
    fill(&engine, 1..=3);
    read_all(&engine, "a", 0);
    set(&engine, |retention| retention.max_len = 3);
    fill(&engine, [4]);
    assert_eq!(ids(&engine), [2, 3, 4]);
    let ids_pending: Vec<_> = pending(&engine).into_iter().map(|record| record.0).collect();
    assert_eq!(ids_pending, [2, 3]);
    // One record group, so no moment shows more than there may be.
    fill(&engine, 5..=9);
    assert_eq!(ids(&engine), [7, 8, 9]);
    assert_eq!(pending(&engine), []);
}

#[test]
fn as_many_go_as_the_bytes_of_a_new_entry_need() {
    let engine = in_memory();
    for ms in 1..=4 {
        add_bytes(&engine, ms, 10).expect("there is no limit");
    }
    set(&engine, |retention| retention.max_bytes = 40);
    add_bytes(&engine, 5, 11).expect("others give way");
    assert_eq!(ids(&engine), [3, 4, 5]);
    add_bytes(&engine, 6, 9).expect("there is room");
    assert_eq!(ids(&engine), [3, 4, 5, 6], "exactly as many as there may be");
    let large = vec![b'v'; 40];
    let request = request(NewId::Exactly(id(7, 0)));
    let reason = refused(&engine, |txn| txn.add(0, b"s", &request, &[b"f", &large]));
    assert_eq!(reason, Rejection::EntryAboveMaxBytes);
    add_bytes(&engine, 8, 40).expect("it has all the room there is");
    assert_eq!(ids(&engine), [8]);
}

#[test]
fn deleted_entries_do_not_count() {
    let engine = in_memory();
    for ms in 1..=4 {
        add_bytes(&engine, ms, 10).expect("there is no limit");
    }
    let overflow = Some(Overflow::Reject);
    set(&engine, |it| {
        it.max_bytes = 40;
        it.max_len = 4;
        it.overflow = overflow;
    });
    assert_eq!(add_bytes(&engine, 5, 10), Err(FULL));
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    assert_eq!(add_bytes(&engine, 5, 11), Err(Rejection::StreamFull(StreamLimit::Bytes)));
    add_bytes(&engine, 5, 10).expect("there is room");
}

#[test]
fn a_full_stream_that_rejects_drops_nothing_but_what_is_too_old() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    let overflow = Some(Overflow::Reject);
    set(&engine, |it| {
        it.max_len = 3;
        it.overflow = overflow;
    });
    assert_eq!(refused_entry(&engine, 4), FULL);
    // A limit below what there is drops nothing either.
    set(&engine, |it| {
        it.max_len = 2;
        it.overflow = overflow;
    });
    run_due(&engine, at(1000));
    assert_eq!(length(&engine), 3);
    let max_age_ms = START_MS - 2;
    set(&engine, |it| {
        it.max_len = 2;
        it.max_age_ms = max_age_ms;
        it.overflow = overflow;
    });
    fill(&engine, [4]);
    assert_eq!(ids(&engine), [3, 4], "the timer had not run");
}

#[test]
fn rejecting_gives_way_what_every_group_has_acknowledged() {
    let engine = with_group();
    fill(&engine, 1..=3);
    set(&engine, |it| {
        it.max_len = 3;
        it.retain = Retain::Unacked;
    });
    assert_eq!(refused_entry(&engine, 4), FULL, "nothing was read");
    read_all(&engine, "a", 0);
    assert_eq!(refused_entry(&engine, 4), FULL, "nothing was acknowledged");
    ack(&engine, [2]);
    assert_eq!(refused_entry(&engine, 4), FULL, "the oldest is pending");
    ack(&engine, [1]);
    run_due(&engine, at(1000));
    assert_eq!(length(&engine), 3, "what is acknowledged stays as long as there is room");
    fill(&engine, [4, 5]);
    assert_eq!(ids(&engine), [3, 4, 5]);
    assert_eq!(refused_entry(&engine, 6), FULL);
}

#[test]
fn without_a_group_everything_is_kept() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    set(&engine, |it| {
        it.max_len = 3;
        it.retain = Retain::Unacked;
    });
    assert_eq!(refused_entry(&engine, 4), FULL);
    set(&engine, |it| it.retain = Retain::Unacked);
    run_due(&engine, at(1000));
    assert_eq!(length(&engine), 3);
}

#[test]
fn in_a_work_queue_what_every_group_has_acknowledged_goes_soon() {
    let engine = with_group();
    now(&engine, |txn| txn.create_group(0, b"s", b"h", START, false, None)).expect("creates");
    set(&engine, |it| it.retain = Retain::Unacked);
    fill(&engine, 1..=4);
    read_all(&engine, "a", 0);
    ack(&engine, 1..=4);
    run_due(&engine, at(200));
    assert_eq!(length(&engine), 4, "one group has it still to read");
    now(&engine, |txn| txn.destroy_group(0, b"s", b"h")).expect("destroys");
    run_due(&engine, at(400));
    assert_eq!(length(&engine), 0);
    fill(&engine, 5..=7);
    read_all(&engine, "a", 0);
    ack(&engine, [6, 7]);
    run_due(&engine, at(600));
    assert_eq!(ids(&engine), [5, 6, 7], "the oldest is not acknowledged");
    now(&engine, |txn| txn.destroy_group(0, b"s", b"g")).expect("destroys");
    run_due(&engine, at(800));
    assert_eq!(length(&engine), 3, "the last group's end drops nothing");
    create(&engine);
    run_due(&engine, at(1000));
    assert_eq!(length(&engine), 3, "it wants everything");
}

#[test]
fn whatever_settles_entries_lets_them_go() {
    type Settling = fn(&mut Transaction<'_>) -> Result<(), Rejection>;
    let settling: [(&str, Settling); 5] = [
        ("another consumer's end", |txn| txn.delete_consumer(0, b"s", b"g", b"a").map(|_| ())),
        ("deletion with references", |txn| {
            let ids = [id(1, 0), id(2, 0)];
            let references = References::Delete;
            txn.delete_with_references(0, b"s", references, &ids).map(|_| ())
        }),
        ("XACKDEL", |txn| {
            let ids = [id(1, 0), id(2, 0)];
            let references = References::Keep;
            txn.acknowledge_and_delete(0, b"s", b"g", references, &ids).map(|_| ())
        }),
        ("a record whose entry is gone", |txn| {
            txn.delete(0, b"s", &[id(1, 0)])?;
            txn.acknowledge(0, b"s", b"g", &[id(2, 0)]).map(|_| ())
        }),
        ("acknowledging", |txn| txn.acknowledge(0, b"s", b"g", &[id(1, 0), id(2, 0)]).map(|_| ())),
    ];
    for (name, settle) in settling {
        let engine = with_group();
        set(&engine, |it| it.retain = Retain::Unacked);
        fill(&engine, 1..=3);
        read_all(&engine, "a", 0);
        now(&engine, |txn| {
            let options = millstream_engine::ClaimOptions::default();
            txn.claim(0, b"s", b"g", b"b", &options, &[id(3, 0)])
        })
        .expect("claims");
        run_due(&engine, at(200));
        assert_eq!(length(&engine), 3, "{name}");
        now(&engine, settle).expect("settles");
        run_due(&engine, at(400));
        assert_eq!(ids(&engine), [3], "{name}");
    }
}

#[test]
fn what_was_kept_goes_when_what_kept_it_is_deleted_or_trimmed() {
    for deletes in [true, false] {
        let engine = with_group();
        set(&engine, |it| it.retain = Retain::Unacked);
        fill(&engine, 1..=3);
        read_all(&engine, "a", 0);
        ack(&engine, [2]);
        run_due(&engine, at(200));
        assert_eq!(ids(&engine), [1, 2, 3]);
        now(&engine, |txn| {
            let trim = TrimOptions {
                by: TrimBy::MinId(id(2, 0)),
                approximate: false,
                limit: None,
                references: References::Keep,
            };
            if deletes { txn.delete(0, b"s", &[id(1, 0)]) } else { txn.trim(0, b"s", &trim) }
        })
        .expect("removes");
        run_due(&engine, at(400));
        assert_eq!(ids(&engine), [3]);
    }
}

#[test]
fn a_reader_without_acknowledgement_settles_what_it_reads() {
    let engine = with_group();
    set(&engine, |it| it.retain = Retain::Unacked);
    fill(&engine, 1..=3);
    let mut request = crate::pending::read_by("a", millstream_engine::ReadFrom::New);
    request.group.as_mut().expect("for a group").noack = true;
    run(&engine, at(0), |txn| txn.read(&mut request)).0.expect("reads");
    run_due(&engine, at(200));
    assert_eq!(length(&engine), 0);
}

#[test]
fn a_new_entry_that_no_group_wants_goes_soon() {
    let engine = with_group();
    set(&engine, |it| it.retain = Retain::Unacked);
    let ahead = GroupPosition::After(id(5, 0));
    now(&engine, |txn| txn.set_group_position(0, b"s", b"g", ahead, None)).expect("moves");
    run_due(&engine, at(200));
    fill(&engine, [4]);
    run_due(&engine, at(400));
    assert_eq!(length(&engine), 0);
}

#[test]
fn a_held_entry_that_is_gone_keeps_nothing() {
    let engine = with_group();
    crate::policy::set(&engine, 0, |policy| policy.order_by = Some(FIELDS[0].into()));
    set(&engine, |it| it.retain = Retain::Unacked);
    fill(&engine, 1..=2);
    read_all(&engine, "a", 0);
    now(&engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(id(3, 0))), &[b"other", b"v"]))
        .expect("adds");
    read_all(&engine, "a", 0);
    ack(&engine, [3]);
    now(&engine, |txn| txn.delete(0, b"s", &[id(1, 0), id(2, 0)])).expect("deletes");
    run_due(&engine, at(200));
    assert_eq!(length(&engine), 0, "2-0 was held, and 3-0 is acknowledged");
}

#[test]
fn an_entry_goes_when_it_is_as_old_as_it_may_be() {
    let engine = with_group();
    fill(&engine, [1, 5, 6]);
    read_all(&engine, "a", 0);
    set(&engine, |it| it.max_age_ms = START_MS);
    run_due(&engine, at(0));
    assert_eq!(ids(&engine), [1, 5, 6]);
    run_due(&engine, at(1));
    assert_eq!(ids(&engine), [5, 6]);
    run_due(&engine, at(4));
    assert_eq!(ids(&engine), [5, 6]);
    run_due(&engine, at(5));
    assert_eq!(ids(&engine), [6]);
    assert_eq!(pending(&engine).len(), 1, "its record went with it");
    set(&engine, |_| {});
    run_due(&engine, at(1000));
    assert_eq!(ids(&engine), [6], "nothing is set any more");
}

#[test]
fn an_old_entry_that_is_not_acknowledged_stays_until_it_is() {
    let engine = with_group();
    fill(&engine, 1..=3);
    let max_age_ms = START_MS;
    set(&engine, |it| {
        it.max_age_ms = max_age_ms;
        it.retain = Retain::Unacked;
    });
    read_all(&engine, "a", 0);
    run_due(&engine, at(100));
    assert_eq!(length(&engine), 3);
    assert!(!engine.run_due(at(100), 1).has_more, "it is not looked at again and again");
    ack(&engine, [1]);
    run_due(&engine, at(250));
    assert_eq!(ids(&engine), [2, 3]);
    fill(&engine, [START_MS + 200]);
    read_all(&engine, "a", 250);
    ack(&engine, [2, 3, START_MS + 200]);
    run_due(&engine, at(400));
    assert_eq!(ids(&engine), [START_MS + 200], "young, and acknowledged");
    run_due(&engine, at(START_MS + 199));
    assert_eq!(length(&engine), 1);
    run_due(&engine, at(START_MS + 200));
    assert_eq!(length(&engine), 0);
}

#[test]
fn large_trims_come_in_pieces() {
    let engine = with_group();
    fill(&engine, 1..=6000);
    read_all(&engine, "a", 0);
    set(&engine, |it| it.max_len = 10);
    assert!(engine.run_due(at(1), 1).has_more);
    let after_one = length(&engine);
    assert!((3000..6000).contains(&after_one), "{after_one} are left: at most 2048 records went");
    // A new entry does not wait for the rest.
    fill(&engine, [6001]);
    run_due(&engine, at(1));
    assert_eq!(ids(&engine), (5992..=6001).collect::<Vec<_>>());
    assert_eq!(pending(&engine).len(), 9);
}

#[test]
fn no_stream_keeps_others_waiting() {
    let engine = in_memory();
    for key in ["a", "b", "c"] {
        now(&engine, |txn| {
            txn.create_group(0, key.as_bytes(), b"g", START, true, None)?;
            let retention = retention(|it| it.retain = Retain::Unacked);
            txn.set_retention(0, key.as_bytes(), retention)
        })
        .expect("creates");
        crate::reads::add_to(&engine, key, 1);
    }
    let settle = |key: &[u8]| {
        now(&engine, |txn| {
            txn.set_group_position(0, key, b"g", millstream_engine::GroupPosition::End, None)
        })
        .expect("moves");
    };
    run_due(&engine, at(0));
    settle(b"a");
    settle(b"c");
    for ms in 200..210 {
        // The first of them is marked again each time.
        settle(b"a");
        let _ = engine.run_due(at(ms), 1);
    }
    let left = now(&engine, |txn| txn.stream(0, b"c").map(|it| it.map(|it| it.entries().len())));
    assert_eq!(left, Ok(Some(0)));
}

#[test]
fn what_time_drops_is_seen_by_whoever_watches() {
    let engine = in_memory();
    fill(&engine, [1]);
    set(&engine, |it| it.max_age_ms = START_MS);
    let before = now(&engine, |txn| txn.version(0, b"s"));
    run_due(&engine, at(0));
    assert_eq!(now(&engine, |txn| txn.version(0, b"s")), before);
    run_due(&engine, at(1));
    assert_ne!(now(&engine, |txn| txn.version(0, b"s")), before);
}

#[test]
fn a_trim_of_the_client_comes_after_the_check() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    let trim = TrimOptions {
        by: TrimBy::MaxLen(1),
        approximate: false,
        limit: None,
        references: References::Keep,
    };
    let request = |ms| millstream_engine::AddRequest {
        trim: Some(trim),
        ..request(NewId::Exactly(id(ms, 0)))
    };
    let overflow = Some(Overflow::Reject);
    set(&engine, |it| {
        it.max_len = 3;
        it.overflow = overflow;
    });
    let reason = refused(&engine, |txn| txn.add(0, b"s", &request(4), &FIELDS));
    assert_eq!(reason, FULL);
    set(&engine, |it| it.max_len = 3);
    now(&engine, |txn| txn.add(0, b"s", &request(4), &FIELDS)).expect("adds");
    assert_eq!(ids(&engine), [4]);
}

#[test]
fn a_repeated_production_needs_no_room() {
    let engine = in_memory();
    let request = millstream_engine::AddRequest {
        production: Some(millstream_engine::Production { producer: b"p", iid: b"1" }),
        ..request(NewId::Exactly(id(1, 0)))
    };
    let add = |txn: &mut Transaction<'_>| txn.add(0, b"s", &request, &FIELDS);
    assert_eq!(now(&engine, add), Ok(Some(id(1, 0))));
    let overflow = Some(Overflow::Reject);
    set(&engine, |it| {
        it.max_len = 1;
        it.overflow = overflow;
    });
    assert_eq!(now(&engine, add), Ok(Some(id(1, 0))));
    assert_eq!(refused_entry(&engine, 2), FULL);
}
