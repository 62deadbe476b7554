//! Managed groups: what their policy makes available, to whom, when, and after a restart.

use millstream_engine::{
    ClaimOptions, DeliveredAt, Engine, GroupPosition, Nack, NackMode, ReadFrom, ReadRequest,
};
use millstream_log::memory_storage::Crash;
use millstream_model::{ConsumerDeletion, EntryId, GroupPolicy, Rejection};

use crate::dump::dump;
use crate::entries::fill;
use crate::parked::{park, with_group};
use crate::parked_claims::wait;
use crate::pending::{pending, read_by};
use crate::reads::read;
use crate::store::{Store, at, id, now, run, run_due};

const VISIBILITY_MS: u64 = 300;

pub(crate) fn new(consumer: &'static str) -> ReadRequest {
    read_by(consumer, ReadFrom::New)
}

pub(crate) fn at_most(count: usize, request: ReadRequest) -> ReadRequest {
    ReadRequest { count: Some(count), ..request }
}

pub(crate) fn set(engine: &Engine, ms: u64, change: impl FnOnce(&mut GroupPolicy)) {
    run(engine, at(ms), |txn| {
        let mut policy = txn.group_policy(0, b"s", b"g").expect("the group is there");
        change(&mut policy);
        txn.set_group_policy(0, b"s", b"g", policy).expect("the group is there");
    });
}

/// 1-0 to `last`-0, just read by `a`.
fn managed(last: u64) -> Engine {
    let engine = with_group();
    set(&engine, 0, |policy| policy.visibility_ms = VISIBILITY_MS);
    fill(&engine, 1..=last);
    read(&engine, 0, new("a"));
    engine
}

#[test]
fn what_was_not_settled_in_time_is_handed_out_again_before_new_entries() {
    let engine = managed(2);
    fill(&engine, [3]);
    assert_eq!(read(&engine, 299, at_most(1, new("b"))), "s: 3");
    assert_eq!(read(&engine, 299, new("b")), "", "not yet");
    fill(&engine, [4]);
    assert_eq!(read(&engine, 300, at_most(1, new("b"))), "s: 1");
    assert_eq!(read(&engine, 300, new("b")), "s: 2 4");
    assert_eq!(
        pending(&engine),
        [
            (1, "b".into(), 300, 2),
            (2, "b".into(), 300, 2),
            (3, "b".into(), 299, 1),
            (4, "b".into(), 300, 1)
        ]
    );
    // To whoever asks, its owner too.
    assert_eq!(read(&engine, 599, new("b")), "s: 3");
}

#[test]
fn with_claim_the_shorter_time_counts_and_entries_have_their_counts() {
    for (min_idle_ms, from_ms) in [(100, 100), (5000, 300)] {
        let engine = managed(1);
        let mut request = new("b");
        request.group.as_mut().expect("for a group").claim_min_idle_ms = Some(min_idle_ms);
        assert_eq!(read(&engine, from_ms - 1, request.clone()), "");
        assert_eq!(read(&engine, from_ms, request), format!("s: 1/{from_ms}/1"));
    }
}

#[test]
fn noack_hands_out_new_entries_only() {
    let engine = managed(1);
    fill(&engine, [2]);
    let mut request = new("b");
    request.group.as_mut().expect("for a group").noack = true;
    assert_eq!(read(&engine, 500, request.clone()), "s: 2");
    assert_eq!(read(&engine, 500, request), "");
}

#[test]
fn what_was_given_back_is_handed_out_at_once_in_its_order() {
    let engine = managed(3);
    run(&engine, at(10), |txn| {
        let ids = [id(3, 0), id(1, 0)];
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &ids).expect("they are pending");
    });
    assert_eq!(read(&engine, 11, new("b")), "s: 3 1");
    assert_eq!(read(&engine, 300, new("b")), "s: 2");
}

#[test]
fn a_group_managed_without_a_time_hands_out_what_nobody_has() {
    let engine = with_group();
    set(&engine, 0, |policy| policy.consumer_deletion = Some(ConsumerDeletion::Release));
    fill(&engine, 1..=2);
    read(&engine, 0, new("a"));
    run(&engine, at(1), |txn| {
        txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &[id(2, 0)]).expect("it is pending");
    });
    assert_eq!(read(&engine, 1_000_000, new("b")), "s: 2");
    let (sink, _) = park(&engine, 1_000_000, Some(500), new("b"));
    assert_eq!(wait(&engine, &sink, 1_000_000), (1_000_500, "timed out".into()));
}

#[test]
fn records_of_entries_that_are_gone_go_at_their_turn() {
    let engine = managed(2);
    run(&engine, at(5), |txn| txn.delete(0, b"s", &[id(1, 0)]).expect("deletes"));
    assert_eq!(read(&engine, 300, new("b")), "s: 2");
    assert_eq!(pending(&engine), [(2, "b".into(), 300, 2)]);
}

#[test]
fn reading_history_and_claiming_start_the_time_anew() {
    let engine = managed(2);
    let again = ReadRequest { count: Some(1), ..read_by("a", ReadFrom::After(EntryId::MIN)) };
    read(&engine, 200, again);
    run(&engine, at(250), |txn| {
        let options = ClaimOptions { just_ids: true, ..ClaimOptions::default() };
        txn.claim(0, b"s", b"g", b"c", &options, &[id(2, 0)]).expect("claims")
    });
    assert_eq!(read(&engine, 499, new("b")), "");
    assert_eq!(read(&engine, 500, new("b")), "s: 1");
    assert_eq!(read(&engine, 550, new("b")), "s: 2");
}

#[test]
fn a_parked_read_is_served_when_the_time_is_over() {
    let engine = managed(1);
    let (sink, _) = park(&engine, 0, Some(2000), new("b"));
    assert_eq!(wait(&engine, &sink, 0), (300, "s: 1".into()));
}

#[test]
fn whoever_waits_because_of_a_policy_is_served_when_its_last_item_goes() {
    for switched in [
        (|policy, is_on| policy.is_paused = is_on) as fn(&mut GroupPolicy, bool),
        |policy, is_on| policy.in_flight_max = is_on.into(),
    ] {
        let engine = with_group();
        set(&engine, 0, |policy| switched(policy, true));
        fill(&engine, 1..=2);
        read(&engine, 0, new("a"));
        let (sink, _) = park(&engine, 0, None, new("b"));
        set(&engine, 1, |policy| switched(policy, false));
        assert!(sink.text().ends_with(" 2"), "{}", sink.text());
    }
}

#[test]
fn what_is_delivered_while_a_read_is_parked_is_waited_for_too() {
    let engine = managed(0);
    let (first, _) = park(&engine, 0, Some(2500), new("a"));
    let (second, _) = park(&engine, 0, Some(2500), new("b"));
    run_due(&engine, at(200));
    run(&engine, at(200), |txn| {
        let request = crate::entries::request(millstream_engine::NewId::Exactly(id(1, 0)));
        txn.add(0, b"s", &request, &crate::entries::FIELDS).expect("adds");
    });
    assert_eq!(first.text(), "s: 1");
    assert_eq!(wait(&engine, &second, 200), (500, "s: 1".into()));
}

#[test]
fn two_parked_reads_get_the_entry_one_after_the_other() {
    let engine = managed(1);
    let (first, _) = park(&engine, 0, Some(5000), new("b"));
    let (second, _) = park(&engine, 0, Some(5000), new("c"));
    assert_eq!(wait(&engine, &first, 0), (300, "s: 1".into()));
    assert_eq!(second.text(), "");
    assert_eq!(wait(&engine, &second, 300), (600, "s: 1".into()));
}

#[test]
fn whatever_makes_an_entry_available_wakes_a_parked_read() {
    for cause in ["claimed long ago", "given back", "consumer deleted", "time shortened"] {
        let engine = managed(1);
        let (sink, _) = park(&engine, 10, Some(5000), new("b"));
        run_due(&engine, at(20));
        match cause {
            "claimed long ago" => {
                let long_ago = Some(DeliveredAt::Idle(1000));
                let options = ClaimOptions { delivered_at: long_ago, ..ClaimOptions::default() };
                run(&engine, at(20), |txn| {
                    txn.claim(0, b"s", b"g", b"c", &options, &[id(1, 0)]).expect("claims")
                });
            }
            "given back" => {
                run(&engine, at(20), |txn| {
                    txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &[id(1, 0)])
                        .expect("nacks");
                })
                .0
            }
            "consumer deleted" => {
                run(&engine, at(20), |txn| {
                    assert_eq!(txn.delete_consumer(0, b"s", b"g", b"a"), Ok(1));
                })
                .0
            }
            _ => set(&engine, 20, |policy| policy.visibility_ms = 5),
        }
        assert_eq!(sink.text(), "s: 1", "{cause}");
    }
}

#[test]
fn a_deleted_consumer_leaves_what_it_has_unless_the_policy_says_otherwise() {
    let engine = managed(2);
    let deleted = run(&engine, at(10), |txn| txn.delete_consumer(0, b"s", b"g", b"a")).0;
    assert_eq!(deleted, Ok(2), "the reply is Redis'");
    assert_eq!(pending(&engine), [(1, String::new(), 0, 1), (2, String::new(), 0, 1)]);
    assert_eq!(read(&engine, 20, new("b")), "s: 1 2");
    set(&engine, 30, |policy| policy.consumer_deletion = Some(ConsumerDeletion::Drop));
    assert_eq!(run(&engine, at(40), |txn| txn.delete_consumer(0, b"s", b"g", b"b")).0, Ok(2));
    assert_eq!(pending(&engine), []);
}

#[test]
fn a_group_that_is_not_managed_any_more_behaves_as_in_redis() {
    let engine = managed(1);
    set(&engine, 10, |policy| *policy = GroupPolicy::default());
    assert_eq!(read(&engine, 5000, new("b")), "");
    assert_eq!(run(&engine, at(5000), |txn| txn.delete_consumer(0, b"s", b"g", b"a")).0, Ok(1));
    assert_eq!(pending(&engine), []);
}

#[test]
fn a_parked_read_wakes_when_its_group_is_not_managed_any_more() {
    for held_back_by in ["a pause", "a limit"] {
        let engine = with_group();
        fill(&engine, [1]);
        set(&engine, 0, |policy| policy.in_flight_max = 1);
        read(&engine, 0, new("a"));
        set(&engine, 0, |policy| policy.is_paused = held_back_by == "a pause");
        fill(&engine, [2]);
        let (sink, _) = park(&engine, 0, Some(5000), new("b"));
        set(&engine, 10, |policy| *policy = GroupPolicy::default());
        assert_eq!(sink.text(), "s: 2", "{held_back_by}");
    }
}

#[test]
fn a_parked_read_learns_the_times_of_a_stream_that_comes_to_its_key() {
    let engine = managed(1);
    run(&engine, at(0), |txn| {
        txn.rename(0, b"s", b"other", false).expect("renames");
        let start = GroupPosition::After(EntryId::MIN);
        txn.create_group(0, b"s", b"g", start, true, None).expect("creates");
    });
    let (sink, _) = park(&engine, 0, Some(5000), new("b"));
    run(&engine, at(10), |txn| txn.rename(0, b"other", b"s", false)).0.expect("renames");
    assert_eq!(wait(&engine, &sink, 10), (VISIBILITY_MS, "s: 1".into()));
}

#[test]
fn a_read_without_acknowledgement_does_not_keep_what_was_given_back_from_those_behind_it() {
    let engine = managed(1);
    let mut first = new("b");
    first.group.as_mut().expect("for a group").noack = true;
    let (unacknowledged, _) = park(&engine, 0, None, first);
    let (sink, _) = park(&engine, 0, None, new("c"));
    run(&engine, at(10), |txn| txn.nack(0, b"s", b"g", &Nack::new(NackMode::Fail), &[id(1, 0)]))
        .0
        .expect("gives back");
    assert_eq!((unacknowledged.text(), sink.text()), (String::new(), "s: 1".into()));
}

#[test]
fn a_policy_needs_its_group() {
    let engine = with_group();
    let policy = GroupPolicy::default();
    let found = now(&engine, |txn| txn.set_group_policy(0, b"s", b"other", policy.clone()));
    assert!(matches!(found, Err(Rejection::NoGroup { .. })));
    let found = now(&engine, |txn| txn.set_group_policy(0, b"none", b"g", policy));
    assert_eq!(found, Err(Rejection::GroupNeedsKey));
}

#[test]
fn a_policy_survives_a_crash_a_checkpoint_and_a_copy() {
    let mut store = Store::new();
    let engine = store.engine().clone();
    now(&engine, |txn| {
        let end = millstream_engine::GroupPosition::End;
        txn.create_group(0, b"s", b"g", end, true, None).expect("creates");
        txn.create_group(0, b"s", b"plain", end, false, None).expect("creates");
    });
    set(&engine, 0, |policy| {
        policy.visibility_ms = VISIBILITY_MS;
        policy.consumer_deletion = Some(ConsumerDeletion::Drop);
    });
    store.sync();
    let policies = |engine: &Engine, key: &[u8]| {
        let of = |group: &[u8]| now(engine, |txn| txn.group_policy(0, key, group)).expect("there");
        (of(b"g"), of(b"plain"))
    };
    let before = policies(&engine, b"s");
    assert!(before.0.is_managed() && !before.1.is_managed());
    for is_checkpointed in [false, true] {
        if is_checkpointed {
            store.checkpoint();
        }
        let after = store.crashed(Crash::LoseAll, at(1));
        assert_eq!(policies(after.engine(), b"s"), before);
        assert_eq!(dump(after.engine()), dump(&engine));
    }
    now(&engine, |txn| txn.copy_key((0, b"s"), (0, b"t"), false)).expect("copies");
    assert_eq!(policies(&engine, b"t"), before);
}

#[test]
fn a_new_group_gets_the_policy_of_the_configuration_and_keeps_it() {
    let by_name = |key: &[u8], group: &[u8]| {
        let mut policy = GroupPolicy::default();
        policy.visibility_ms = if key == b"s" && group == b"g" { VISIBILITY_MS } else { 0 };
        policy
    };
    let mut options = crate::store::small();
    options.default_policy = millstream_engine::DefaultPolicy::new(by_name);
    let engine = Engine::in_memory(&options, at(0));
    let start = millstream_engine::GroupPosition::After(EntryId::MIN);
    let policy = |key: &'static [u8], group: &'static [u8]| {
        now(&engine, |txn| txn.group_policy(0, key, group)).expect("it is there")
    };
    for (key, group) in [(&b"s"[..], &b"g"[..]), (b"s", b"h"), (b"t", b"g")] {
        now(&engine, |txn| txn.create_group(0, key, group, start, true, None)).expect("creates");
    }
    assert_eq!(policy(b"s", b"g").visibility_ms, VISIBILITY_MS);
    assert!(!policy(b"s", b"h").is_managed() && !policy(b"t", b"g").is_managed());
    // A name is looked at once.
    now(&engine, |txn| txn.rename(0, b"s", b"t", false)).expect("renames");
    assert_eq!(policy(b"t", b"g").visibility_ms, VISIBILITY_MS);
}

#[test]
fn a_group_whose_policy_is_refused_is_not_made() {
    let engine = with_group();
    let start = millstream_engine::GroupPosition::After(EntryId::MIN);
    let mut policy = GroupPolicy::default();
    policy.dead_letter = Some((*b"s").into());
    let reason = crate::store::refused(&engine, |txn| {
        txn.create_group_with(0, b"s", b"h", start, true, None, policy.clone())
    });
    assert_eq!(reason, Rejection::DeadLettersComeBack);
    let reason = crate::store::refused(&engine, |txn| {
        txn.create_group_with(0, b"s", b"g", start, true, None, policy.clone())
    });
    assert_eq!(reason, Rejection::GroupExists);
}
