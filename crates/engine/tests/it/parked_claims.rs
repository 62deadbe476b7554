//! Parked reads with CLAIM: served when an entry has been pending for long enough.

use millstream_engine::{
    ClaimOptions, DeliveredAt, Engine, Nack, NackMode, NewId, ReadFrom, ReadRequest,
};
use millstream_model::EntryId;

use crate::entries::{FIELDS, fill, request};
use crate::groups::START;
use crate::parked::{Sink, park, with_group};
use crate::pending::{pending, read_by};
use crate::reads::read;
use crate::store::{at, id, run, run_due};

pub(crate) fn claiming(consumer: &'static str, min_idle_ms: u64) -> ReadRequest {
    let mut request = read_by(consumer, ReadFrom::New);
    request.group.as_mut().expect("for a group").claim_min_idle_ms = Some(min_idle_ms);
    request
}

fn park_claiming(engine: &Engine, ms: u64, block_ms: u64, min_idle_ms: u64) -> Sink {
    park(engine, ms, Some(block_ms), claiming("b", min_idle_ms)).0
}

/// 1-0 to `last`-0, just read by `a`.
fn just_read(last: u64) -> Engine {
    let engine = with_group();
    fill(&engine, 1..=last);
    read(&engine, 0, read_by("a", ReadFrom::New));
    engine
}

/// Lets time pass in steps of 10 ms; returns when the sink got something, and what.
pub(crate) fn wait(engine: &Engine, sink: &Sink, from_ms: u64) -> (u64, String) {
    for ms in (from_ms..from_ms + 10_000).step_by(10) {
        run_due(engine, at(ms));
        if !sink.text().is_empty() {
            return (ms, sink.text());
        }
    }
    panic!("neither served nor timed out");
}

#[test]
fn a_pending_entry_is_claimed_when_it_is_old_enough() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 2000, 300);
    assert_eq!(wait(&engine, &sink, 0), (300, "s: 1/300/1".into()));
    assert_eq!(pending(&engine), [(1, "b".into(), 300, 2)]);
}

#[test]
fn the_deadline_may_come_first() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 200, 600);
    assert_eq!(wait(&engine, &sink, 0), (200, "timed out".into()));
}

#[test]
fn a_new_entry_is_served_at_once() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 2000, 600);
    fill(&engine, [9]);
    assert_eq!(sink.text(), "s: 9/0/0");
}

#[test]
fn an_entry_that_becomes_pending_while_waiting_is_claimed_in_its_time() {
    let engine = with_group();
    let sink = park_claiming(&engine, 0, 2500, 300);
    run(&engine, at(200), |txn| {
        txn.add(0, b"s", &request(NewId::Exactly(id(1, 0))), &FIELDS).expect("adds");
        txn.read(&mut read_by("a", ReadFrom::New)).expect("reads");
    });
    assert_eq!(wait(&engine, &sink, 200), (500, "s: 1/300/1".into()));
}

#[test]
fn reading_history_again_puts_the_claim_off() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 5000, 500);
    read(&engine, 300, read_by("a", ReadFrom::After(EntryId::MIN)));
    assert_eq!(wait(&engine, &sink, 300), (800, "s: 1/500/2".into()));
}

#[test]
fn entries_that_are_settled_meanwhile_are_not_waited_for() {
    for is_deleted in [false, true] {
        let engine = just_read(1);
        let sink = park_claiming(&engine, 0, 1000, 300);
        run(&engine, at(100), |txn| {
            if is_deleted {
                txn.delete(0, b"s", &[id(1, 0)]).expect("deletes");
            } else {
                txn.acknowledge(0, b"s", b"g", &[id(1, 0)]).expect("acknowledges");
            }
        });
        assert_eq!(wait(&engine, &sink, 100), (1000, "timed out".into()));
    }
}

#[test]
fn a_deleted_entry_does_not_hold_back_a_younger_one() {
    let engine = just_read(1);
    fill(&engine, [2]);
    read(&engine, 50, read_by("a", ReadFrom::New));
    let sink = park_claiming(&engine, 50, 5000, 300);
    run(&engine, at(60), |txn| txn.delete(0, b"s", &[id(1, 0)]).expect("deletes"));
    assert_eq!(wait(&engine, &sink, 60), (350, "s: 2/300/1".into()));
}

#[test]
fn two_readers_get_the_entry_one_after_the_other() {
    let engine = just_read(1);
    let first = park_claiming(&engine, 0, 5000, 300);
    let second = park(&engine, 0, Some(5000), claiming("c", 300)).0;
    assert_eq!(wait(&engine, &first, 0), (300, "s: 1/300/1".into()));
    assert_eq!(second.text(), "");
    assert_eq!(wait(&engine, &second, 300), (600, "s: 1/300/2".into()));
}

#[test]
fn of_several_readers_whose_time_has_come_the_longest_waiting_is_served() {
    let engine = just_read(1);
    let patient = park(&engine, 0, None, claiming("b", 500)).0;
    let hasty = park(&engine, 10, None, claiming("c", 300)).0;
    run_due(&engine, at(600));
    assert_eq!((&*patient.text(), &*hasty.text()), ("s: 1/600/1", ""));
}

#[test]
fn a_record_made_older_is_noticed_at_the_time_fixed_when_parking() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 9000, 1000);
    let options = ClaimOptions {
        delivered_at: Some(DeliveredAt::Idle(5000)),
        just_ids: true,
        ..ClaimOptions::default()
    };
    run(&engine, at(200), |txn| txn.claim(0, b"s", b"g", b"a", &options, &[id(1, 0)]))
        .0
        .expect("claims");
    assert_eq!(wait(&engine, &sink, 200), (1000, "s: 1/5800/1".into()));
}

#[test]
fn a_group_moved_back_is_noticed_at_the_time_fixed_when_parking() {
    let engine = with_group();
    fill(&engine, [1]);
    run(&engine, at(0), |txn| {
        let end = millstream_engine::GroupPosition::End;
        txn.set_group_position(0, b"s", b"g", end, None).expect("moves");
    });
    let sink = park_claiming(&engine, 0, 3000, 700);
    run(&engine, at(100), |txn| {
        txn.set_group_position(0, b"s", b"g", START, None).expect("moves");
    });
    assert_eq!(wait(&engine, &sink, 100), (700, "s: 1/0/0".into()));
}

#[test]
fn an_entry_given_back_is_claimed_at_once() {
    let engine = just_read(2);
    let plain = park(&engine, 0, None, read_by("c", ReadFrom::New)).0;
    let sink = park_claiming(&engine, 0, 5000, 1000);
    run(&engine, at(10), |txn| {
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &[id(2, 0)]).expect("gives back");
    });
    let idle_ms = at(10).wall_ms;
    assert_eq!(sink.text(), format!("s: 2/{idle_ms}/1"), "idle since the epoch, as in Redis");
    assert_eq!(plain.text(), "", "only for those who claim");
}

#[test]
fn a_destroyed_group_ends_the_wait() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 5000, 300);
    run(&engine, at(10), |txn| txn.destroy_group(0, b"s", b"g").expect("there"));
    assert_eq!(sink.text(), "no group at s");
    assert!(!engine.run_due(at(400), 10).has_more);
}

#[test]
fn a_claim_in_vain_does_not_extend_the_deadline() {
    let engine = just_read(1);
    let sink = park_claiming(&engine, 0, 700, 300);
    for ms in [200, 400, 600] {
        let _ = engine.run_due(at(ms), 10);
        read(&engine, ms, read_by("a", ReadFrom::After(EntryId::MIN)));
    }
    assert_eq!(wait(&engine, &sink, 600), (700, "timed out".into()));
}
