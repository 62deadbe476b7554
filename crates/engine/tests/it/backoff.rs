//! Delays: what failed waits, by the policy's backoff or for as long as its consumer says.

use millstream_engine::{ClaimOptions, DeliveredAt, Engine, GroupPosition, Nack, NackMode};
use millstream_log::memory_storage::Crash;
use millstream_model::{Backoff, EntryId, Failure, GroupPolicy, Rejection};

use crate::entries::fill;
use crate::parked::{park, with_group};
use crate::parked_claims::wait;
use crate::pending::pending;
use crate::policy::{new, set};
use crate::reads::read;
use crate::store::{Store, at, id, now, refused, run, run_due};

const BACKOFF: Backoff = Backoff { base_ms: 100, factor_thousandths: 2000, max_ms: 350 };

/// 1-0 to `last`-0, just read by `a`.
fn backing_off(last: u64, visibility_ms: u64) -> Engine {
    let engine = with_group();
    set(&engine, 0, |policy| {
        policy.visibility_ms = visibility_ms;
        policy.backoff = Some(BACKOFF);
    });
    fill(&engine, 1..=last);
    read(&engine, 0, new("a"));
    engine
}

pub(crate) fn nack(engine: &Engine, ms: u64, nack: &Nack<'_>, ids: &[u64]) {
    let ids: Vec<EntryId> = ids.iter().map(|ms| id(*ms, 0)).collect();
    let done = run(engine, at(ms), |txn| txn.nack(0, b"s", b"g", nack, &ids)).0;
    assert_eq!(done, Ok(ids.len()));
}

fn fail(engine: &Engine, ms: u64, ids: &[u64]) {
    nack(engine, ms, &Nack::new(NackMode::Fail), ids);
}

#[test]
fn what_failed_waits_longer_each_time_up_to_the_largest() {
    let engine = backing_off(1, 0);
    let mut ms = 0;
    for wait_ms in [100, 200, 350, 350] {
        fail(&engine, ms, &[1]);
        assert_eq!(read(&engine, ms + wait_ms - 1, new("b")), "");
        ms += wait_ms;
        assert_eq!(read(&engine, ms, new("b")), "s: 1");
    }
}

#[test]
fn what_timed_out_waits_for_the_backoff_too() {
    let engine = backing_off(1, 1000);
    assert_eq!(read(&engine, 1099, new("b")), "");
    assert_eq!(read(&engine, 1100, new("b")), "s: 1");
    assert_eq!(read(&engine, 2299, new("c")), "", "the second time is twice as long");
    assert_eq!(read(&engine, 2300, new("c")), "s: 1");
}

#[test]
fn the_earliest_deadline_comes_first_whatever_was_delivered_first() {
    let engine = backing_off(1, 1000);
    read(&engine, 1100, new("a"));
    fill(&engine, [2]);
    read(&engine, 1150, new("a"));
    // 1-0, delivered twice, is due at 1100 + 1000 + 200; 2-0 at 1150 + 1000 + 100.
    assert_eq!(read(&engine, 2250, new("b")), "s: 2");
    assert_eq!(read(&engine, 2300, new("b")), "s: 1");
}

#[test]
fn a_delivery_that_does_not_count_is_available_at_once() {
    let engine = backing_off(1, 0);
    nack(&engine, 5, &Nack::new(NackMode::Silent), &[1]);
    assert_eq!(pending(&engine), [(1, String::new(), 0, 0)]);
    assert_eq!(read(&engine, 5, new("b")), "s: 1");
    let restarted = Nack { delivery_count: Some(0), ..Nack::new(NackMode::Fail) };
    nack(&engine, 5, &restarted, &[1]);
    assert_eq!(
        read(&engine, 5, new("b")),
        "s: 1",
        "there is nothing to wait for after no delivery"
    );
}

#[test]
fn a_delay_replaces_the_backoff() {
    let engine = backing_off(3, 0);
    for (mode, delay_ms, id) in
        [(NackMode::Fail, 30, 1), (NackMode::Silent, 40, 2), (NackMode::Fail, 0, 3)]
    {
        nack(&engine, 0, &Nack { delay_ms: Some(delay_ms), ..Nack::new(mode) }, &[id]);
    }
    assert_eq!(read(&engine, 0, new("b")), "s: 3");
    assert_eq!(read(&engine, 29, new("b")), "");
    assert_eq!(read(&engine, 40, new("b")), "s: 1 2");
}

#[test]
fn an_explicit_claim_ends_a_delay() {
    let engine = backing_off(1, 0);
    nack(&engine, 0, &Nack { delay_ms: Some(u64::MAX), ..Nack::new(NackMode::Fail) }, &[1]);
    let scanned = |just_ids| {
        run(&engine, at(10), |txn| {
            txn.autoclaim(0, b"s", b"g", b"c", 0, EntryId::MIN, 10, just_ids).expect("scans")
        })
        .0
        .claimed
        .len()
    };
    assert_eq!(scanned(true), 0, "a scan passes it over");
    let mut idle = new("c");
    idle.group.as_mut().expect("for a group").claim_min_idle_ms = Some(0);
    assert_eq!(read(&engine, 10, idle), "", "and so does CLAIM");
    let options = ClaimOptions::default();
    let claimed =
        run(&engine, at(10), |txn| txn.claim(0, b"s", b"g", b"c", &options, &[id(1, 0)])).0;
    assert_eq!(claimed.expect("claims").len(), 1);
    assert_eq!(pending(&engine), [(1, "c".into(), 10, 2)]);
}

#[test]
fn a_scan_takes_what_is_past_its_deadline_whatever_its_idle_time() {
    let engine = backing_off(2, 50);
    let scan = |ms| {
        run(&engine, at(ms), |txn| {
            txn.autoclaim(0, b"s", b"g", b"c", 10_000, EntryId::MIN, 10, true).expect("scans")
        })
        .0
        .claimed
        .len()
    };
    assert_eq!((scan(149), scan(150)), (0, 2));
}

#[test]
fn a_read_and_a_scan_agree_on_when_an_entry_with_a_very_large_count_is_due() {
    let engine = backing_off(20, 50);
    set(&engine, 0, |policy| policy.jitter_percent = 100);
    let ids: Vec<_> = (1..=20).map(|entry| id(entry, 0)).collect();
    let claim = |ms, min_idle_ms, count| {
        let options =
            ClaimOptions { min_idle_ms, delivery_count: count, ..ClaimOptions::default() };
        run(&engine, at(ms), |txn| txn.claim(0, b"s", b"g", b"a", &options, &ids)).0
    };
    assert_eq!(claim(0, 0, Some(1 << 40)).expect("claims").len(), 20);
    for ms in 50..400 {
        let due = run(&engine, at(ms), |txn| {
            txn.autoclaim(0, b"s", b"g", b"c", 10_000, EntryId::MIN, 20, true).expect("scans")
        });
        // What the scan took has a new time.
        assert_eq!(
            read(&engine, ms, new("b")),
            "",
            "{ms}: left behind by {:?}",
            due.0.claimed.len()
        );
    }
}

#[test]
fn a_parked_read_wakes_when_the_delay_is_over() {
    let engine = backing_off(1, 0);
    let (sink, _) = park(&engine, 0, Some(5000), new("b"));
    nack(&engine, 20, &Nack { delay_ms: Some(200), ..Nack::new(NackMode::Fail) }, &[1]);
    assert_eq!(wait(&engine, &sink, 20), (220, "s: 1".into()));
    let (sink, _) = park(&engine, 300, Some(5000), new("c"));
    fail(&engine, 300, &[1]);
    assert_eq!(wait(&engine, &sink, 300), (500, "s: 1".into()));
}

#[test]
fn only_a_managed_group_knows_delays_and_reasons() {
    let engine = with_group();
    fill(&engine, [1]);
    read(&engine, 0, new("a"));
    for wrong in [
        Nack { delay_ms: Some(1), ..Nack::new(NackMode::Fail) },
        Nack { error: Some(b"why"), ..Nack::new(NackMode::Fail) },
    ] {
        let reason = refused(&engine, |txn| txn.nack(0, b"s", b"g", &wrong, &[id(1, 0)]));
        assert_eq!(reason, Rejection::GroupNotManaged);
    }
}

#[test]
fn delays_end_with_the_policy() {
    let engine = backing_off(1, 0);
    nack(&engine, 0, &Nack { delay_ms: Some(1000), ..Nack::new(NackMode::Fail) }, &[1]);
    set(&engine, 10, |policy| policy.backoff = None);
    assert_eq!(read(&engine, 10, new("b")), "", "the group is not managed, and hands out new ones");
    let mut idle = new("b");
    idle.group.as_mut().expect("for a group").claim_min_idle_ms = Some(0);
    assert_eq!(read(&engine, 10, idle), "s: 1/1000010/1");
}

#[test]
fn what_was_said_of_a_failure_is_kept_as_long_as_the_record() {
    let engine = backing_off(2, 0);
    let failure = |entry: u64| {
        now(&engine, |txn| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("it is there");
            let group = stream.group(stream.find_group(b"g").expect("it is there"));
            group.pending().failure(id(entry, 0)).map(|failure| Failure::clone(failure))
        })
    };
    let long = [b'x'; 5000];
    nack(&engine, 0, &Nack { error: Some(&long), ..Nack::new(NackMode::Fail) }, &[1]);
    let noted = failure(1).expect("noted");
    assert_eq!((&noted.consumer[..], noted.error.len()), (&b"a"[..], 4096));
    fail(&engine, 0, &[2]);
    assert_eq!(failure(2).expect("noted").error.len(), 0);
    assert_eq!(read(&engine, 100, new("b")), "s: 1 2");
    assert!(failure(1).is_some(), "the next delivery may time out");
    run(&engine, at(100), |txn| txn.acknowledge(0, b"s", b"g", &[id(1, 0)])).0.expect("settles");
    assert_eq!(failure(1), None);
}

#[test]
fn what_is_said_of_many_consumers_needs_log_space_for_each() {
    let store = Store::new();
    let engine = store.engine();
    now(engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
    })
    .expect("creates");
    set(engine, 0, |policy| policy.backoff = Some(BACKOFF));
    fill(engine, 1..=20);
    for consumer in ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"] {
        read(engine, 0, crate::policy::at_most(2, new(consumer)));
    }
    let before = crate::dump::dump(engine);
    let ids: Vec<_> = (1..=20).map(|entry| id(entry, 0)).collect();
    let long = Nack { error: Some(&[b'x'; 5000]), ..Nack::new(NackMode::Fail) };
    let refused = now(engine, |txn| txn.nack(0, b"s", b"g", &long, &ids));
    assert_eq!(refused, Err(Rejection::NoLogRoom));
    assert_eq!(crate::dump::dump(engine), before);
}

#[test]
fn delays_and_failures_survive_a_crash_and_a_checkpoint() {
    for checkpointed in [false, true] {
        let mut store = Store::new();
        let engine = store.engine();
        now(engine, |txn| {
            txn.create_group(0, b"s", b"g", GroupPosition::After(EntryId::MIN), true, None)
        })
        .expect("creates");
        set(engine, 0, |policy: &mut GroupPolicy| policy.backoff = Some(BACKOFF));
        fill(engine, 1..=3);
        read(engine, 0, new("a"));
        fail(engine, 0, &[1, 3]);
        nack(
            engine,
            0,
            &Nack { delay_ms: Some(500), error: Some(b"why"), ..Nack::new(NackMode::Fail) },
            &[2],
        );
        store.sync();
        if checkpointed {
            store.checkpoint();
        }
        let before = crate::dump::dump(store.engine());
        let store = store.crashed(Crash::LoseAll, at(50));
        assert_eq!(crate::dump::dump(store.engine()), before);
        let engine = store.engine();
        // Monotonic time begins anew with the process.
        assert_eq!(read(engine, 100, new("b")), "s: 1 3");
        let (sink, _) = park(engine, 100, Some(5000), new("b"));
        assert_eq!(wait(engine, &sink, 100), (500, "s: 2".into()));
    }
}

#[test]
fn a_claim_long_ago_counts_with_its_backoff() {
    let engine = backing_off(1, 1000);
    let (sink, _) = park(&engine, 10, Some(9000), new("b"));
    let options =
        ClaimOptions { delivered_at: Some(DeliveredAt::Idle(1000)), ..ClaimOptions::default() };
    run(&engine, at(2000), |txn| txn.claim(0, b"s", b"g", b"c", &options, &[id(1, 0)]).map(|_| ()))
        .0
        .expect("claims");
    run_due(&engine, at(2199));
    assert_eq!(sink.text(), "");
    run_due(&engine, at(2200));
    assert_eq!(sink.text(), "s: 1");
}
