//! Dead letters looked at, given back, thrown away.

use millstream_engine::{
    AddRequest, Engine, LetterAction, LetterFilter, LettersDone, Nack, NackMode, NewId,
    StringExpiry,
};
use millstream_model::{EntryId, Rejection};

use crate::backoff::nack;
use crate::dead_letters::{letters, twice};
use crate::entries::length;
use crate::parked::park;
use crate::pending::pending;
use crate::policy::new;
use crate::reads::read;
use crate::store::{Store, at, id, now, run, run_due};

const REQUEUE: LetterAction = LetterAction::Requeue { make_stream: false };
const ALL: LetterFilter<'_> = LetterFilter {
    ids: None,
    group: None,
    reason: None,
    consumer: None,
    min_age_ms: 0,
    count: 100,
    cursor: EntryId::MIN,
};

/// `last` letters in `s:dlq`.
fn dead(last: u64) -> Engine {
    let engine = twice(last);
    for entry in 1..=last {
        nack(&engine, entry, &Nack::new(NackMode::Fatal), &[entry]);
    }
    assert_eq!(letters(&engine).len(), last as usize);
    engine
}

fn call(engine: &Engine, action: LetterAction, filter: &LetterFilter<'_>) -> LettersDone {
    let called = run(engine, at(1000), |txn| {
        txn.dead_letters(0, b"s:dlq", action, filter, false).expect("a stream")
    });
    called.0.expect("it is there")
}

fn summary(done: &LettersDone) -> (usize, usize, usize) {
    (done.done, done.appended, done.skipped)
}

#[test]
fn an_entry_goes_back_to_its_own_group_with_no_deliveries() {
    let engine = dead(2);
    let (sink, _) = park(&engine, 900, None, new("b"));
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (2, 0, 0));
    assert_eq!(letters(&engine).len(), 0);
    assert_eq!(sink.text(), "s: 1 2", "whoever waits gets them");
    assert_eq!(pending(&engine), [(1, "b".into(), 1000, 1), (2, "b".into(), 1000, 1)]);
    assert_eq!(length(&engine), 2, "other groups do not see them again");
}

#[test]
fn what_is_gone_is_added_anew() {
    let engine = dead(3);
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (3, 1, 0));
    assert!(read(&engine, 1000, new("b")).starts_with("s: 1 3 "), "and the new one");
    assert_eq!(length(&engine), 3);
    let engine = dead(1);
    now(&engine, |txn| txn.destroy_group(0, b"s", b"g")).expect("destroys");
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (1, 1, 0));
    assert_eq!(length(&engine), 2);
}

#[test]
fn a_stream_that_is_gone_is_made_only_if_that_is_asked_for() {
    let engine = dead(1);
    now(&engine, |txn| txn.remove(0, b"s"));
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (0, 0, 1));
    assert_eq!(letters(&engine).len(), 1);
    let making = LetterAction::Requeue { make_stream: true };
    assert_eq!(summary(&call(&engine, making, &ALL)), (1, 1, 0));
    assert_eq!((letters(&engine).len(), length(&engine)), (0, 1));
    now(&engine, |txn| txn.set_string(0, b"s", "text".into(), StringExpiry::None));
}

#[test]
fn what_its_stream_does_not_take_stays() {
    let engine = dead(1);
    now(&engine, |txn| {
        txn.remove(0, b"s");
        txn.set_string(0, b"s", "text".into(), StringExpiry::None);
    });
    assert_eq!(
        summary(&call(&engine, LetterAction::Requeue { make_stream: true }, &ALL)),
        (0, 0, 1)
    );
    assert_eq!(letters(&engine).len(), 1);
}

#[test]
fn an_entry_that_is_pending_or_new_again_is_not_made_pending_twice() {
    let engine = dead(2);
    call(&engine, REQUEUE, &LetterFilter { count: 1, ..ALL });
    // The same entry fails again, and its older letter is still there under another id.
    nack(&engine, 1000, &Nack::new(NackMode::Fatal), &[1]);
    assert_eq!(letters(&engine).len(), 2);
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (2, 0, 0));
    assert_eq!(pending(&engine).len(), 2);
    let engine = dead(1);
    now(&engine, |txn| {
        let start = millstream_engine::GroupPosition::After(EntryId::MIN);
        txn.set_group_position(0, b"s", b"g", start, None)
    })
    .expect("sets");
    assert_eq!(summary(&call(&engine, REQUEUE, &ALL)), (1, 0, 0));
    assert_eq!(pending(&engine), []);
    assert_eq!(read(&engine, 1000, new("b")), "s: 1");
}

#[test]
fn a_cursor_leads_through_all_of_them() {
    let engine = dead(7);
    let mut filter = LetterFilter { count: 3, ..ALL };
    let mut calls = Vec::new();
    loop {
        let done = call(&engine, LetterAction::List, &filter);
        calls.push(done.listed.len());
        filter.cursor = done.cursor;
        if done.cursor == EntryId::MIN {
            break;
        }
    }
    assert_eq!(calls, [3, 3, 1]);
    assert_eq!(letters(&engine).len(), 7, "looking changes nothing");
}

#[test]
fn filters_must_all_fit() {
    let engine = dead(2);
    nack_as(&engine, "b");
    let count = |filter: LetterFilter<'_>| call(&engine, LetterAction::List, &filter).done;
    assert_eq!(count(ALL), 3);
    assert_eq!(count(LetterFilter { group: Some(b"g"), ..ALL }), 3);
    assert_eq!(count(LetterFilter { group: Some(b"h"), ..ALL }), 0);
    assert_eq!(count(LetterFilter { consumer: Some(b"b"), ..ALL }), 1);
    assert_eq!(count(LetterFilter { reason: Some(b"fatal"), consumer: Some(b"a"), ..ALL }), 2);
    assert_eq!(count(LetterFilter { reason: Some(b"max-deliveries"), ..ALL }), 0);
    // Letters of times 1, 2 and 500, looked at at 1000.
    assert_eq!(count(LetterFilter { min_age_ms: 501, ..ALL }), 2);
    assert_eq!(count(LetterFilter { min_age_ms: 1000, ..ALL }), 0);
}

fn nack_as(engine: &Engine, consumer: &'static str) {
    crate::entries::fill(engine, [3]);
    read(engine, 500, new(consumer));
    nack(engine, 500, &Nack::new(NackMode::Fatal), &[3]);
}

#[test]
fn named_letters_are_looked_at_and_no_others() {
    let engine = dead(3);
    let second = call(&engine, LetterAction::List, &ALL).listed[1].id();
    let ids = [second, id(1, 1), second];
    let named = LetterFilter { ids: Some(&ids), ..ALL };
    assert_eq!(summary(&call(&engine, LetterAction::Purge, &named)), (1, 0, 0));
    assert_eq!(letters(&engine), ["1-0 a 1 fatal", "3-0 a 1 fatal"]);
    assert_eq!(pending(&engine), []);
}

#[test]
fn what_is_no_letter_is_left_alone() {
    let engine = dead(1);
    let other = now(&engine, |txn| {
        let request = AddRequest { id: NewId::Auto, no_create: true, trim: None, production: None };
        txn.add(0, b"s:dlq", &request, &[b"f", b"v"]).expect("adds").expect("it is there")
    });
    assert_eq!(summary(&call(&engine, LetterAction::Purge, &ALL)), (1, 0, 0));
    assert_eq!(letters(&engine).len(), 1);
    let ids = [other];
    let named = LetterFilter { ids: Some(&ids), ..ALL };
    assert_eq!(summary(&call(&engine, LetterAction::Purge, &named)), (0, 0, 1));
}

#[test]
fn a_dry_run_only_says_what_would_be() {
    let engine = dead(2);
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0)])).expect("deletes");
    let before = crate::dump::dump(&engine);
    for (action, expected) in [(REQUEUE, (2, 1, 0)), (LetterAction::Purge, (2, 0, 0))] {
        let done = run(&engine, at(1000), |txn| txn.dead_letters(0, b"s:dlq", action, &ALL, true));
        let done = done.0.expect("a stream").expect("it is there");
        assert_eq!(summary(&done), expected);
        assert_eq!(crate::dump::dump(&engine), before);
    }
}

#[test]
fn a_missing_key_and_a_wrong_one() {
    let engine = twice(1);
    let call = |key: &'static [u8]| {
        now(&engine, |txn| txn.dead_letters(0, key, LetterAction::List, &ALL, false))
    };
    assert!(call(b"none").expect("no stream is no error").is_none());
    now(&engine, |txn| txn.set_string(0, b"t", "text".into(), StringExpiry::None));
    assert_eq!(call(b"t").map(|_| ()), Err(Rejection::WrongType));
}

#[test]
fn letters_that_do_not_fit_the_prepared_log_stay_until_there_is_room() {
    let mut store = Store::new();
    crate::dead_letters::with_max_deliveries(store.engine(), 1);
    for entry in 1..=12 {
        let large = vec![b'x'; 3900];
        let new = NewId::Exactly(id(entry, 0));
        let request = AddRequest { id: new, no_create: false, trim: None, production: None };
        now(store.engine(), |txn| txn.add(0, b"s", &request, &[b"f", &large]).expect("adds"));
    }
    read(store.engine(), 0, new("a"));
    crate::dead_letters::run_all_due(&mut store, 100);
    now(store.engine(), |txn| txn.remove(0, b"s"));
    let before = crate::dump::dump(store.engine());
    let requeue = |engine: &Engine| {
        let action = LetterAction::Requeue { make_stream: true };
        now(engine, |txn| txn.dead_letters(0, b"s:dlq", action, &ALL, false))
    };
    assert_eq!(requeue(store.engine()).map(|_| ()), Err(Rejection::NoLogRoom));
    assert_eq!(crate::dump::dump(store.engine()), before);
    // It was asked for.
    while requeue(store.engine()).is_err() {
        store.opened.preparer.step().expect("prepares");
    }
    assert_eq!((letters(store.engine()).len(), length(store.engine())), (0, 12));
}

#[test]
fn letters_and_entries_on_disk_only_are_loaded_first() {
    let mut store = Store::new();
    crate::dead_letters::with_max_deliveries(store.engine(), 1);
    crate::entries::fill(store.engine(), 1..=30);
    assert!(read(store.engine(), 0, new("a")).ends_with(" 30"));
    crate::dead_letters::run_all_due(&mut store, 100);
    assert_eq!(letters(store.engine()).len(), 30);
    store.sync();
    store.checkpoint();
    let mut loaded = millstream_engine::LoadedBlocks::default();
    let mut rounds = 0;
    let done = loop {
        rounds += 1;
        store.opened.preparer.step().expect("prepares");
        let mut transaction = store.engine().lock(at(1000));
        transaction.install(&loaded);
        transaction.may_put_off(true);
        transaction.begin();
        let filter = LetterFilter { count: 30, ..ALL };
        let result = transaction.dead_letters(0, b"s:dlq", REQUEUE, &filter, false);
        transaction.finish();
        if let Ok(done) = result {
            break done.expect("it is there");
        }
        let needed = transaction.take_needed();
        drop(transaction);
        loaded.extend(store.engine().load(&needed).expect("loads"));
    };
    assert!(rounds > 1, "some had to be loaded");
    assert_eq!(summary(&done), (30, 0, 0));
    run_due(store.engine(), at(1000));
    assert_eq!(pending(store.engine()).len(), 30);
}
