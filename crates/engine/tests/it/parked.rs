//! Parked reads: who is served by what, in which order, and what ends a wait.

use std::sync::Arc;

use bytes::Bytes;
use millstream_engine::{
    Engine, LogPosition, NewId, ReadFrom, ReadRequest, ReadSink, StringExpiry, Ticket, Transaction,
    WaitResult,
};
use millstream_model::{EntryId, Rejection};
use parking_lot::Mutex;

use crate::entries::{FIELDS, fill, request};
use crate::groups::{START, create};
use crate::pending::read_by;
use crate::reads::{add_to, plain, read, text};
use crate::store::{Store, at, id, in_memory, now, run};

/// Collects what a parked read got.
#[derive(Clone, Default)]
pub(crate) struct Sink(Arc<Mutex<SinkState>>);

#[derive(Default)]
struct SinkState {
    results: Vec<(WaitResult, LogPosition)>,
    is_closed: bool,
    /// Only open sinks that are looked at are tried.
    looks: usize,
}

impl ReadSink for Sink {
    fn is_closed(&self) -> bool {
        let mut state = self.0.lock();
        state.looks += 1;
        state.is_closed
    }

    fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
        self.0.lock().results.push((result, depends_on));
    }
}

impl Sink {
    /// What came, as text; empty while the read is parked.
    pub(crate) fn text(&self) -> String {
        let state = self.0.lock();
        assert!(state.results.len() <= 1, "a sink is called once");
        match state.results.first() {
            None => String::new(),
            Some((WaitResult::TimedOut, _)) => "timed out".into(),
            Some((WaitResult::Rejected(Rejection::WrongType), _)) => "wrong type".into(),
            Some((WaitResult::Rejected(Rejection::NoGroupToRead { key, .. }), _)) => {
                format!("no group at {}", key.escape_ascii())
            }
            Some((WaitResult::Rejected(other), _)) => format!("{other:?}"),
            Some((WaitResult::Read(outcome), _)) => {
                outcome.streams.iter().map(text).collect::<Vec<_>>().join(", ")
            }
        }
    }

    fn depends_on(&self) -> Option<LogPosition> {
        self.0.lock().results.first().map(|(_, position)| *position)
    }

    fn close(&self) {
        self.0.lock().is_closed = true;
    }

    fn looks(&self) -> usize {
        self.0.lock().looks
    }
}

/// Runs a read that finds nothing and parks it; `block_ms` from then on.
pub(crate) fn park(
    engine: &Engine,
    ms: u64,
    block_ms: Option<u64>,
    mut request: ReadRequest,
) -> (Sink, Ticket) {
    let sink = Sink::default();
    let ticket = run(engine, at(ms), |txn| {
        let read = txn.read(&mut request).expect("reads");
        assert!(read.is_none(), "there is nothing yet");
        txn.park(request, block_ms.map(|block_ms| ms + block_ms), Box::new(sink.clone()))
    });
    (sink, ticket.0)
}

pub(crate) fn park_new(engine: &Engine, consumer: &'static str) -> Sink {
    park(engine, 0, None, read_by(consumer, ReadFrom::New)).0
}

fn park_plain(engine: &Engine, streams: &[(&'static str, ReadFrom)]) -> Sink {
    park(engine, 0, None, plain(streams)).0
}

fn waiters(engine: &Engine) -> usize {
    now(engine, |txn| txn.statistics().waiters)
}

/// An empty stream with the group `g`.
pub(crate) fn with_group() -> Engine {
    let engine = in_memory();
    create(&engine);
    engine
}

fn add(txn: &mut Transaction<'_>, ms: u64) {
    txn.add(0, b"s", &request(NewId::Exactly(id(ms, 0))), &FIELDS).expect("ids ascend");
}

#[test]
fn every_plain_reader_gets_every_entry() {
    let engine = in_memory();
    let sinks: Vec<_> = (0..3).map(|_| park_plain(&engine, &[("s", ReadFrom::End)])).collect();
    fill(&engine, [1]);
    assert!(sinks.iter().all(|sink| sink.text() == "s: 1"));
    assert_eq!(waiters(&engine), 0);
}

#[test]
fn a_plain_reader_gets_all_its_streams_in_the_order_of_its_request() {
    let engine = in_memory();
    let from = ReadFrom::End;
    let sink = park_plain(&engine, &[("t", from), ("none", from), ("s", from), ("t", from)]);
    now(&engine, |txn| {
        add(txn, 1);
        txn.add(0, b"t", &request(NewId::Exactly(id(7, 0))), &FIELDS).expect("adds");
        add(txn, 2);
    });
    assert_eq!(sink.text(), "t: 7, s: 1 2, t: 7");
}

#[test]
fn the_end_is_fixed_when_parking_and_the_last_entry_is_not() {
    let engine = in_memory();
    fill(&engine, [5]);
    let end = park_plain(&engine, &[("s", ReadFrom::End)]);
    let last = park_plain(&engine, &[("t", ReadFrom::Last)]);
    now(&engine, |txn| {
        txn.remove(0, b"s");
        add(txn, 4);
    });
    assert_eq!(end.text(), "", "not above the end as it was");
    fill(&engine, [6]);
    assert_eq!(end.text(), "s: 6");
    now(&engine, |txn| {
        for ms in [1, 2] {
            txn.add(0, b"t", &request(NewId::Exactly(id(ms, 0))), &FIELDS).expect("adds");
        }
    });
    assert_eq!(last.text(), "t: 2");
}

#[test]
fn nothing_is_served_in_the_middle_of_a_group() {
    let engine = with_group();
    let plain = park_plain(&engine, &[("s", ReadFrom::End)]);
    let group = park_new(&engine, "a");
    now(&engine, |txn| {
        add(txn, 1);
        txn.delete(0, b"s", &[id(1, 0)]).expect("deletes");
    });
    assert_eq!((plain.text(), group.text()), (String::new(), String::new()));
    now(&engine, |txn| (2..=9).for_each(|ms| add(txn, ms)));
    assert_eq!((&*plain.text(), &*group.text()), ("s: 2 3 4 5 6 7 8 9", "s: 2 3 4 5 6 7 8 9"));
}

#[test]
fn group_readers_are_served_in_the_order_in_which_they_parked() {
    let engine = with_group();
    let one = |consumer| {
        let request = read_by(consumer, ReadFrom::New);
        park(&engine, 0, None, ReadRequest { count: Some(1), ..request }).0
    };
    let sinks = [one("a"), one("b"), one("c")];
    let texts = || sinks.iter().map(Sink::text).collect::<Vec<_>>();
    now(&engine, |txn| (1..=2).for_each(|ms| add(txn, ms)));
    assert_eq!(texts(), ["s: 1", "s: 2", ""]);
    let late = one("a");
    fill(&engine, [3]);
    assert_eq!(texts(), ["s: 1", "s: 2", "s: 3"]);
    assert_eq!(late.text(), "");
}

#[test]
fn one_entry_wakes_one_reader_of_a_thousand() {
    let engine = with_group();
    let sinks: Vec<_> = (0..1000).map(|_| park_new(&engine, "a")).collect();
    let before: usize = sinks.iter().map(Sink::looks).sum();
    fill(&engine, [1]);
    assert_eq!(sinks[0].text(), "s: 1");
    assert_eq!(waiters(&engine), 999);
    let looks = sinks.iter().map(Sink::looks).sum::<usize>() - before;
    assert!(looks <= 2, "{looks} readers were tried");
}

#[test]
fn groups_are_served_apart() {
    let engine = with_group();
    now(&engine, |txn| txn.create_group(0, b"s", b"h", START, false, None)).expect("creates");
    let mut other = read_by("a", ReadFrom::New);
    other.group.as_mut().expect("for a group").group = Bytes::from_static(b"h");
    let of_g = park_new(&engine, "a");
    let of_h = park(&engine, 0, None, other).0;
    fill(&engine, [1]);
    assert_eq!((&*of_g.text(), &*of_h.text()), ("s: 1", "s: 1"));
}

#[test]
fn closed_sinks_are_passed_over() {
    let engine = with_group();
    let (gone, ticket) = park(&engine, 0, None, read_by("a", ReadFrom::New));
    let next = park_new(&engine, "b");
    gone.close();
    fill(&engine, [1]);
    assert_eq!((&*gone.text(), &*next.text()), ("", "s: 1"));
    assert!(now(&engine, |txn| txn.unpark(ticket)));
    assert!(!now(&engine, |txn| txn.unpark(ticket)), "only once");
    assert_eq!(waiters(&engine), 0);
}

#[test]
fn deadlines_hold_and_are_never_extended() {
    let engine = with_group();
    let sink = park(&engine, 10, Some(100), read_by("a", ReadFrom::New)).0;
    // Tried again in vain: the entry is gone by then.
    run(&engine, at(60), |txn| {
        add(txn, 1);
        txn.delete(0, b"s", &[id(1, 0)]).expect("deletes");
    });
    assert!(sink.looks() > 0, "it was tried");
    let _ = engine.run_due(at(109), 10);
    assert_eq!(sink.text(), "");
    let _ = engine.run_due(at(110), 10);
    assert_eq!(sink.text(), "timed out");
    fill(&engine, [2]);
    assert_eq!(waiters(&engine), 0);
}

#[test]
fn timeouts_come_in_steps_of_the_budget() {
    let engine = with_group();
    let sinks: Vec<_> =
        (0..5).map(|_| park(&engine, 0, Some(1), read_by("a", ReadFrom::New)).0).collect();
    assert!(engine.run_due(at(1), 3).has_more, "two are left");
    assert_eq!(sinks.iter().filter(|sink| sink.text() == "timed out").count(), 3);
    assert!(!engine.run_due(at(1), 3).has_more);
    assert!(sinks.iter().all(|sink| sink.text() == "timed out"));
}

/// What a change does to a group reader and to a plain reader of `s`.
fn after(change: impl FnOnce(&Engine)) -> (String, String) {
    let engine = with_group();
    add_to(&engine, "with", 1);
    add_to(&engine, "without", 1);
    now(&engine, |txn| txn.create_group(0, b"with", b"g", START, false, None)).expect("creates");
    now(&engine, |txn| txn.set_string(0, b"text", Bytes::new(), StringExpiry::None));
    now(&engine, |txn| txn.set_string(1, b"s", Bytes::new(), StringExpiry::None));
    let group = park_new(&engine, "a");
    let plain = park_plain(&engine, &[("s", ReadFrom::After(EntryId::MIN))]);
    change(&engine);
    (group.text(), plain.text())
}

#[test]
fn removals_end_the_wait_of_group_readers_alone() {
    let gone = ("no group at s".to_owned(), String::new());
    let wrong = ("wrong type".to_owned(), String::new());
    let rename = |from: &'static [u8], to: &'static [u8]| {
        move |engine: &Engine| {
            now(engine, |txn| txn.rename(0, from, to, false)).expect("renames");
        }
    };
    assert_eq!(after(|engine| assert!(now(engine, |txn| txn.remove(0, b"s")))), gone);
    assert_eq!(after(|engine| now(engine, |txn| txn.flush(Some(0)))), gone);
    assert_eq!(after(|engine| now(engine, |txn| txn.flush(None))), gone);
    assert_eq!(after(|engine| now(engine, |txn| txn.swap_databases(2, 0))), gone);
    assert_eq!(after(|engine| now(engine, |txn| txn.swap_databases(0, 1))), wrong);
    assert_eq!(after(rename(b"s", b"elsewhere")), gone);
    assert_eq!(after(rename(b"text", b"s")), wrong);
    let string = |txn: &mut Transaction<'_>| {
        txn.set_string(0, b"s", Bytes::new(), StringExpiry::None);
    };
    assert_eq!(after(|engine| now(engine, string)), wrong);
    let destroyed = |engine: &Engine| {
        assert_eq!(now(engine, |txn| txn.destroy_group(0, b"s", b"g")), Ok(true));
    };
    assert_eq!(after(destroyed), gone);
    let expires = |engine: &Engine| {
        let at_ms = at(5).wall_ms as i64;
        now(engine, |txn| txn.set_expiry(0, b"s", at_ms, Default::default()));
        let _ = engine.run_due(at(5), 10);
    };
    assert_eq!(after(expires), gone);
}

#[test]
fn a_stream_that_comes_to_the_key_serves() {
    let rename = |from: &'static [u8]| {
        move |engine: &Engine| {
            now(engine, |txn| txn.rename(0, from, b"s", false)).expect("renames");
        }
    };
    assert_eq!(after(rename(b"with")), ("s: 1".into(), "s: 1".into()));
    assert_eq!(after(rename(b"without")), ("no group at s".into(), "s: 1".into()));
    let swapped = after(|engine| {
        now(engine, |txn| {
            txn.add(3, b"s", &request(NewId::Exactly(id(8, 0))), &FIELDS).expect("adds");
        });
        now(engine, |txn| txn.swap_databases(0, 3));
    });
    assert_eq!(swapped, ("no group at s".into(), "s: 8".into()));
}

#[test]
fn other_changes_leave_readers_parked() {
    let engine = with_group();
    fill(&engine, [1]);
    assert_eq!(read(&engine, 0, read_by("b", ReadFrom::New)), "s: 1");
    let group = park_new(&engine, "a");
    now(&engine, |txn| {
        txn.delete(0, b"s", &[id(1, 0)]).expect("deletes");
        txn.set_group_position(0, b"s", b"g", START, None).expect("moves");
        txn.set_counters(0, b"s", id(50, 0), Default::default()).expect("sets");
        txn.delete_consumer(0, b"s", b"g", b"a").expect("deletes");
        assert_eq!(txn.destroy_group(0, b"s", b"other"), Ok(false));
    });
    assert_eq!(group.text(), "");
    fill(&engine, [60]);
    assert_eq!(group.text(), "s: 60", "served, its consumer made anew");
}

#[test]
fn the_loss_of_one_group_of_several_ends_the_wait() {
    let engine = with_group();
    now(&engine, |txn| txn.create_group(0, b"t", b"g", START, true, None)).expect("creates");
    let mut both = read_by("a", ReadFrom::New);
    both.streams.extend(read_by("a", ReadFrom::New).streams);
    both.streams[1].key = Bytes::from_static(b"t");
    let sink = park(&engine, 0, None, both).0;
    assert_eq!(now(&engine, |txn| txn.destroy_group(0, b"t", b"g")), Ok(true));
    assert_eq!(sink.text(), "no group at t");
    assert_eq!(waiters(&engine), 0);
}

#[test]
fn a_plain_reader_that_is_tried_minds_the_type_of_all_its_keys() {
    let engine = in_memory();
    let sink = park_plain(&engine, &[("text", ReadFrom::End), ("s", ReadFrom::End)]);
    now(&engine, |txn| txn.set_string(0, b"text", Bytes::new(), StringExpiry::None));
    assert_eq!(sink.text(), "", "a string wakes nobody");
    fill(&engine, [1]);
    assert_eq!(sink.text(), "wrong type");
}

#[test]
fn moving_a_group_back_is_noticed_with_the_next_entry() {
    let engine = with_group();
    fill(&engine, [1]);
    assert_eq!(read(&engine, 0, read_by("a", ReadFrom::New)), "s: 1");
    let sink = park_new(&engine, "b");
    now(&engine, |txn| txn.set_group_position(0, b"s", b"g", START, None)).expect("moves");
    assert_eq!(sink.text(), "");
    fill(&engine, [2]);
    assert_eq!(sink.text(), "s: 1 2");
}

#[test]
fn a_served_read_depends_on_its_own_delivery() {
    let store = Store::new();
    create(store.engine());
    let group = park_new(store.engine(), "a");
    let plain = park_plain(store.engine(), &[("s", ReadFrom::End)]);
    let request = request(NewId::Exactly(id(1, 0)));
    let added = run(store.engine(), at(0), |txn| txn.add(0, b"s", &request, &FIELDS)).1;
    assert_eq!(plain.depends_on(), Some(added), "the entry");
    let delivered = group.depends_on().expect("served");
    assert!(delivered > added, "the delivery behind it");
    let timed_out = park(store.engine(), 0, Some(1), read_by("a", ReadFrom::New)).0;
    let _ = store.engine().run_due(at(1), 1);
    assert_eq!(timed_out.depends_on(), Some(LogPosition::ZERO));
}
