//! CONSUMERTTL: consumers that are gone for good, and hold nothing, go.

use millstream_engine::{Engine, GroupPosition, Nack, NackMode};
use millstream_log::memory_storage::Crash;
use millstream_model::EntryId;

use crate::backoff::nack;
use crate::entries::fill;
use crate::parked::{park, with_group};
use crate::policy::{new, set};
use crate::reads::read;
use crate::store::{Store, at, now, run_due};

fn consumers(engine: &Engine) -> Vec<String> {
    now(engine, |txn| {
        let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
        let group = stream.group(stream.find_group(b"g").expect("it is there"));
        let names = group.consumers().map(|(_, consumer)| consumer.name.to_vec());
        names.map(|name| String::from_utf8(name).expect("ASCII")).collect()
    })
}

fn with_ttl() -> Engine {
    let engine = with_group();
    set(&engine, 0, |policy| policy.consumer_ttl_ms = 1000);
    engine
}

#[test]
fn a_consumer_that_was_not_seen_for_so_long_goes() {
    let engine = with_ttl();
    read(&engine, 0, new("a"));
    read(&engine, 500, new("b"));
    run_due(&engine, at(500));
    for (ms, left) in [(999, vec!["a", "b"]), (1000, vec!["b"]), (1499, vec!["b"]), (1500, vec![])]
    {
        run_due(&engine, at(ms));
        assert_eq!(consumers(&engine), left, "{ms}");
    }
}

#[test]
fn a_shorter_time_counts_at_once() {
    let engine = with_ttl();
    set(&engine, 0, |policy| policy.consumer_ttl_ms = 3_600_000);
    read(&engine, 0, new("a"));
    run_due(&engine, at(1));
    set(&engine, 10, |policy| policy.consumer_ttl_ms = 100);
    run_due(&engine, at(99));
    assert_eq!(consumers(&engine), ["a"]);
    run_due(&engine, at(100));
    assert_eq!(consumers(&engine), [""; 0]);
}

#[test]
fn trying_to_read_is_being_seen() {
    let engine = with_ttl();
    for ms in (0..5000).step_by(500) {
        read(&engine, ms, new("a"));
        run_due(&engine, at(ms));
        assert_eq!(consumers(&engine), ["a"]);
    }
}

#[test]
fn whoever_has_something_or_waits_stays() {
    let engine = with_ttl();
    fill(&engine, [1]);
    read(&engine, 0, new("owner"));
    let (_sink, ticket) = park(&engine, 0, None, new("waiter"));
    run_due(&engine, at(60_000));
    assert_eq!(consumers(&engine), ["owner", "waiter"]);
    nack(&engine, 60_000, &Nack { delay_ms: Some(1 << 40), ..Nack::new(NackMode::Fail) }, &[1]);
    now(&engine, |txn| txn.unpark(ticket));
    run_due(&engine, at(62_000));
    assert_eq!(consumers(&engine), [""; 0]);
}

#[test]
fn a_start_begins_the_time_anew_for_those_whose_last_visit_was_not_logged() {
    let mut store = Store::new();
    let engine = store.engine();
    now(engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
    })
    .expect("creates");
    set(engine, 0, |policy| policy.consumer_ttl_ms = 1000);
    for ms in [0, 900, 1800] {
        read(engine, ms, new("a"));
        run_due(engine, at(ms));
    }
    store.sync();
    let store = store.crashed(Crash::LoseAll, at(2000));
    run_due(store.engine(), at(2000));
    run_due(store.engine(), at(2999));
    assert_eq!(consumers(store.engine()), ["a"]);
    run_due(store.engine(), at(3000));
    assert_eq!(consumers(store.engine()), [""; 0]);
}
