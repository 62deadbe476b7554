//! MAXINFLIGHT: so many entries have an owner, and no more.

use millstream_engine::{Engine, Nack, NackMode};
use millstream_model::{ConsumerDeletion, References, Rejection};

use crate::backoff::nack;
use crate::entries::fill;
use crate::parked::{park, with_group};
use crate::policy::{at_most, new, set};
use crate::reads::read;
use crate::store::{Store, at, id, refused, run, run_due};

/// 1-0 to 9-0, of which `a` reads as many as it may.
fn limited(max: u64) -> Engine {
    let engine = with_group();
    set(&engine, 0, |policy| {
        policy.in_flight_max = max;
        policy.visibility_ms = 1000;
    });
    fill(&engine, 1..=9);
    engine
}

fn acknowledge(engine: &Engine, ms: u64, entry: u64) {
    run(engine, at(ms), |txn| txn.acknowledge(0, b"s", b"g", &[id(entry, 0)])).0.expect("settles");
}

#[test]
fn a_full_group_hands_out_nothing_until_something_is_settled() {
    let engine = limited(2);
    assert_eq!(read(&engine, 0, new("a")), "s: 1 2");
    assert_eq!(read(&engine, 0, new("b")), "");
    acknowledge(&engine, 0, 1);
    assert_eq!(read(&engine, 0, new("b")), "s: 3");
    assert_eq!(read(&engine, 0, new("b")), "");
}

#[test]
fn redelivery_replaces_and_does_not_add() {
    let engine = limited(2);
    read(&engine, 0, new("a"));
    assert_eq!(read(&engine, 1000, new("b")), "s: 1 2");
    assert_eq!(read(&engine, 1000, new("b")), "");
}

#[test]
fn what_has_no_owner_waits_for_a_place_and_does_not_stand_in_the_way() {
    let engine = limited(4);
    read(&engine, 0, at_most(2, new("a")));
    nack(&engine, 10, &Nack::new(NackMode::Silent), &[1, 2]);
    read(&engine, 20, at_most(2, new("a")));
    assert_eq!(read(&engine, 20, at_most(2, new("a"))), "s: 3 4", "given back comes first");
    set(&engine, 20, |policy| policy.in_flight_max = 3);
    nack(&engine, 30, &Nack::new(NackMode::Silent), &[1, 2]);
    // Two are in work, of which both are due; one place is free.
    assert_eq!(read(&engine, 1020, new("b")), "s: 1 3 4");
    assert_eq!(read(&engine, 1020, new("b")), "");
    assert_eq!(read(&engine, 2020, at_most(1, new("c"))), "s: 1");
}

#[test]
fn lowering_takes_nothing_away() {
    let engine = limited(3);
    read(&engine, 0, new("a"));
    set(&engine, 0, |policy| policy.in_flight_max = 1);
    acknowledge(&engine, 0, 1);
    acknowledge(&engine, 0, 2);
    assert_eq!(read(&engine, 0, new("a")), "");
    acknowledge(&engine, 0, 3);
    assert_eq!(read(&engine, 0, new("a")), "s: 4");
}

#[test]
fn whatever_frees_a_place_wakes_whoever_waits() {
    for cause in ["settled", "settled and deleted", "given back", "consumer", "references", "more"]
    {
        let engine = limited(1);
        set(&engine, 0, |policy| policy.consumer_deletion = Some(ConsumerDeletion::Drop));
        read(&engine, 0, new("a"));
        let (sink, _) = park(&engine, 0, None, new("b"));
        run_due(&engine, at(5));
        assert_eq!(sink.text(), "");
        let mut expected = "s: 2";
        run(&engine, at(5), |txn| match cause {
            "settled" => txn.acknowledge(0, b"s", b"g", &[id(1, 0)]).map(|_| ()),
            "settled and deleted" => {
                let keep = References::Keep;
                txn.acknowledge_and_delete(0, b"s", b"g", keep, &[id(1, 0)]).map(|_| ())
            }
            "given back" => {
                expected = "s: 1";
                txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &[id(1, 0)]).map(|_| ())
            }
            "consumer" => txn.delete_consumer(0, b"s", b"g", b"a").map(|_| ()),
            "references" => {
                let delete = References::Delete;
                txn.delete_with_references(0, b"s", delete, &[id(1, 0)]).map(|_| ())
            }
            _ => {
                let mut policy = txn.group_policy(0, b"s", b"g").expect("it is there");
                policy.in_flight_max = 2;
                txn.set_group_policy(0, b"s", b"g", policy)
            }
        })
        .0
        .expect(cause);
        assert_eq!(sink.text(), expected, "{cause}");
    }
}

#[test]
fn without_acknowledgement_nothing_can_be_counted() {
    let engine = limited(1);
    let mut request = new("a");
    request.group.as_mut().expect("for a group").noack = true;
    let reason = refused(&engine, |txn| txn.read(&mut request).map(|_| ()));
    assert_eq!(reason, Rejection::NoAckLimited);
}

#[test]
fn a_read_that_waits_in_a_full_group_wakes_when_a_delay_ends_after_it_has_places() {
    let engine = limited(2);
    set(&engine, 0, |policy| policy.visibility_ms = 0);
    read(&engine, 0, new("a"));
    let rest: Vec<_> = (3..=9).map(|entry| id(entry, 0)).collect();
    run(&engine, at(0), |txn| txn.delete(0, b"s", &rest)).0.expect("deletes");
    let delayed = Nack { delay_ms: Some(500), ..Nack::new(NackMode::Fail) };
    nack(&engine, 0, &delayed, &[2]);
    set(&engine, 0, |policy| policy.in_flight_max = 1);
    let (sink, _) = park(&engine, 0, Some(9000), new("b"));
    acknowledge(&engine, 10, 1);
    run_due(&engine, at(499));
    assert_eq!(sink.text(), "");
    run_due(&engine, at(500));
    assert_eq!(sink.text(), "s: 2");
}

#[test]
fn who_waits_gets_the_place_of_what_is_gone_as_soon_as_its_time_is_over() {
    let engine = limited(1);
    set(&engine, 0, |policy| policy.visibility_ms = 100);
    read(&engine, 0, new("a"));
    run(&engine, at(10), |txn| txn.delete(0, b"s", &[id(1, 0)])).0.expect("deletes");
    let (sink, _) = park(&engine, 90, Some(9000), at_most(1, new("b")));
    run_due(&engine, at(99));
    assert_eq!(sink.text(), "");
    run_due(&engine, at(100));
    assert_eq!(sink.text(), "s: 2");
}

#[test]
fn places_that_the_timer_frees_are_for_all_who_wait() {
    let engine = limited(2);
    set(&engine, 0, |policy| policy.visibility_ms = 100);
    read(&engine, 0, new("a"));
    run(&engine, at(10), |txn| txn.delete(0, b"s", &[id(1, 0), id(2, 0)])).0.expect("deletes");
    let (first, _) = park(&engine, 90, Some(9000), at_most(1, new("b")));
    let (second, _) = park(&engine, 95, Some(9000), at_most(1, new("c")));
    // One piece of work: the first looks for what is due, and both records go.
    drop(engine.run_due(at(100), 1));
    assert_eq!((first.text(), second.text()), ("s: 3".into(), "s: 4".into()));
}

#[test]
fn what_is_due_is_loaded_although_much_without_an_owner_stands_before_it() {
    let mut store = Store::new();
    crate::dead_letters::with_max_deliveries(store.engine(), 9);
    fill(store.engine(), 1..=40);
    read(store.engine(), 0, new("a"));
    // Of the first block nothing but 1-0 is pending by then.
    (2..=5).for_each(|entry| acknowledge(store.engine(), 0, entry));
    let given_back: Vec<_> = (6..=40).collect();
    nack(store.engine(), 0, &Nack::new(NackMode::Silent), &given_back);
    set(store.engine(), 0, |policy| policy.in_flight_max = 2);
    store.sync();
    store.checkpoint();
    // One place is free, and 1-0 is past its time, in a block that is on disk only.
    assert_eq!(read(store.engine(), 1000, at_most(5, new("b"))), "s: 6 1");
}
