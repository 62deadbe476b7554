//! Adding, trimming and deleting entries, counters, idempotent production.

use bytes::Bytes;
use millstream_engine::{
    AddRequest, CounterOptions, Deletion, Engine, GroupPosition, NewId, Production, StringExpiry,
};
use millstream_model::{EntryId, References, Rejection, TrimBy, TrimOptions};

use crate::store::{at, id, in_memory, now, refused, run};

pub(crate) const FIELDS: [&[u8]; 2] = [b"f", b"v"];

pub(crate) fn request(id: NewId) -> AddRequest<'static> {
    AddRequest { id, no_create: false, trim: None, production: None }
}

/// Adds entries `ms`-0 to the stream `s`.
pub(crate) fn fill(engine: &Engine, entries: impl IntoIterator<Item = u64>) {
    for ms in entries {
        add(engine, NewId::Exactly(id(ms, 0))).expect("ids ascend");
    }
}

fn add(engine: &Engine, id: NewId) -> Result<EntryId, Rejection> {
    let added = now(engine, |txn| txn.add(0, b"s", &request(id), &FIELDS))?;
    Ok(added.expect("the key is created"))
}

pub(crate) fn length(engine: &Engine) -> u64 {
    now(engine, |txn| txn.stream(0, b"s").expect("a stream").expect("it exists").entries().len())
}

fn with_string() -> Engine {
    let engine = in_memory();
    now(&engine, |txn| txn.set_string(0, b"s", Bytes::from_static(b"text"), StringExpiry::None));
    engine
}

#[test]
fn ids_are_generated_as_in_redis() {
    let engine = in_memory();
    let clock = at(0).wall_ms;
    assert_eq!(add(&engine, NewId::InMillisecond(0)), Ok(id(0, 1)));
    assert_eq!(add(&engine, NewId::InMillisecond(0)), Ok(id(0, 2)));
    assert_eq!(add(&engine, NewId::Exactly(id(123, 456))), Ok(id(123, 456)));
    assert_eq!(add(&engine, NewId::InMillisecond(123)), Ok(id(123, 457)));
    assert_eq!(add(&engine, NewId::InMillisecond(789)), Ok(id(789, 0)));
    assert_eq!(add(&engine, NewId::InMillisecond(42)), Err(Rejection::IdNotAboveLast));
    assert_eq!(add(&engine, NewId::Auto), Ok(id(clock, 0)));
    assert_eq!(add(&engine, NewId::Auto), Ok(id(clock, 1)), "the clock stands still");
    assert_eq!(add(&engine, NewId::Exactly(id(clock + 9, u64::MAX))), Ok(id(clock + 9, u64::MAX)));
    let carried = NewId::InMillisecond(clock + 9);
    assert_eq!(add(&engine, carried), Err(Rejection::IdNotAboveLast), "seq never carries into ms");
    assert_eq!(add(&engine, NewId::Auto), Ok(id(clock + 10, 0)), "the clock is behind");
    assert_eq!(add(&engine, NewId::Exactly(EntryId::MAX)), Ok(EntryId::MAX));
    for exhausted in [NewId::Auto, NewId::InMillisecond(u64::MAX), NewId::Exactly(id(1, 1))] {
        assert_eq!(add(&engine, exhausted), Err(Rejection::StreamExhausted));
    }
}

#[test]
fn refused_additions_leave_nothing_behind() {
    let engine = in_memory();
    let zero = request(NewId::Exactly(EntryId::MIN));
    let reason = refused(&engine, |txn| txn.add(0, b"s", &zero, &FIELDS));
    assert_eq!(reason, Rejection::IdIsZero);
    assert_eq!(now(&engine, |txn| txn.kind(0, b"s")), None, "no key is created");
    fill(&engine, [5]);
    let low = request(NewId::Exactly(id(5, 0)));
    let reason = refused(&engine, |txn| txn.add(0, b"s", &low, &FIELDS));
    assert_eq!(reason, Rejection::IdNotAboveLast);
    let no_create = AddRequest { no_create: true, ..request(NewId::Auto) };
    let added = now(&engine, |txn| txn.add(0, b"none", &no_create, &FIELDS));
    assert_eq!(added, Ok(None));
    assert_eq!(now(&engine, |txn| txn.kind(0, b"none")), None);
}

#[test]
fn a_string_is_no_stream() {
    let engine = with_string();
    let auto = request(NewId::Auto);
    let trim = trim(0);
    let options = CounterOptions::default();
    let production = Production { producer: b"p", iid: b"i" };
    let one = [id(1, 0)];
    let reasons = [
        refused(&engine, |txn| txn.add(0, b"s", &auto, &FIELDS)),
        refused(&engine, |txn| txn.trim(0, b"s", &trim)),
        refused(&engine, |txn| txn.delete(0, b"s", &one)),
        refused(&engine, |txn| txn.delete_with_references(0, b"s", References::Keep, &one)),
        refused(&engine, |txn| txn.set_counters(0, b"s", id(9, 0), options)),
        refused(&engine, |txn| txn.set_idempotence(0, b"s", Some(5), None)),
        refused(&engine, |txn| txn.record_production(0, b"s", production, id(1, 0))),
        refused(&engine, |txn| txn.stream(0, b"s").map(|_| ())),
    ];
    assert!(reasons.iter().all(|reason| *reason == Rejection::WrongType), "{reasons:?}");
}

fn trim(keep: u64) -> TrimOptions {
    let (by, references) = (TrimBy::MaxLen(keep), References::Keep);
    TrimOptions { by, approximate: false, limit: None, references }
}

#[test]
fn an_added_entry_may_be_trimmed_away_at_once() {
    let engine = in_memory();
    let trimmed = AddRequest { trim: Some(trim(0)), ..request(NewId::Exactly(id(1, 0))) };
    let added = now(&engine, |txn| txn.add(0, b"s", &trimmed, &FIELDS));
    assert_eq!(added, Ok(Some(id(1, 0))));
    assert_eq!(length(&engine), 0);
    fill(&engine, [2, 3, 4]);
    assert_eq!(now(&engine, |txn| txn.trim(0, b"s", &trim(1))), Ok(2));
    assert_eq!(now(&engine, |txn| txn.trim(0, b"none", &trim(1))), Ok(0));
    assert_eq!(length(&engine), 1);
}

#[test]
fn deletion_counts_each_entry_once() {
    let engine = in_memory();
    fill(&engine, 1..=4);
    let ids = [id(3, 0), id(1, 0), id(3, 0), id(9, 9)];
    assert_eq!(now(&engine, |txn| txn.delete(0, b"s", &ids)), Ok(2));
    assert_eq!(now(&engine, |txn| txn.delete(0, b"none", &ids)), Ok(0));
    let max_deleted_id =
        now(&engine, |txn| txn.stream(0, b"s").expect("a stream").expect("there").max_deleted_id());
    assert_eq!(max_deleted_id, id(3, 0));
}

#[test]
fn deletion_with_references_says_what_became_of_each() {
    let engine = in_memory();
    fill(&engine, 1..=3);
    now(&engine, |txn| {
        txn.create_group(0, b"s", b"g", GroupPosition::After(id(1, 0)), false, None)
    })
    .expect("creates");
    let ids = [id(1, 0), id(2, 0), id(1, 0), id(9, 0)];
    let delete = |references| {
        now(&engine, |txn| txn.delete_with_references(0, b"s", references, &ids)).expect("deletes")
    };
    use Deletion::{Deleted, Kept, NotFound};
    assert_eq!(delete(References::Acked), [Deleted, Kept, NotFound, Kept], "looks at ids only");
    assert_eq!(delete(References::Keep), [NotFound, Deleted, NotFound, NotFound]);
    let none = now(&engine, |txn| txn.delete_with_references(0, b"x", References::Keep, &ids));
    assert_eq!(none, Ok(vec![NotFound; 4]));
}

#[test]
fn counters_are_set_within_limits() {
    let engine = in_memory();
    let plain = CounterOptions::default();
    let set = |last_id, options: CounterOptions| {
        refused(&engine, |txn| txn.set_counters(0, b"s", last_id, options))
    };
    assert_eq!(set(id(1, 1), plain), Rejection::NoSuchKey);
    fill(&engine, 1..=3);
    now(&engine, |txn| txn.delete(0, b"s", &[id(2, 0), id(3, 0)])).expect("deletes");
    assert_eq!(set(id(2, 0), plain), Rejection::LastIdBelowMaxDeleted);
    let too_few = CounterOptions { entries_added: Some(0), ..plain };
    assert_eq!(set(id(9, 0), too_few), Rejection::EntriesAddedBelowLength);
    fill(&engine, [5]);
    assert_eq!(set(id(4, 0), plain), Rejection::LastIdBelowEntries);
    let counters = |engine: &Engine| {
        now(engine, |txn| {
            let stream = txn.stream(0, b"s").expect("a stream").expect("it exists");
            (stream.last_id(), stream.entries_added(), stream.max_deleted_id())
        })
    };
    now(&engine, |txn| txn.set_counters(0, b"s", id(200, 0), plain)).expect("sets");
    assert_eq!(counters(&engine), (id(200, 0), 4, id(3, 0)));
    let both = CounterOptions { entries_added: Some(9), max_deleted_id: Some(id(1, 0)) };
    now(&engine, |txn| txn.set_counters(0, b"s", id(10, 0), both)).expect("goes back");
    assert_eq!(counters(&engine), (id(10, 0), 9, id(1, 0)));
    let ignored = CounterOptions { max_deleted_id: Some(EntryId::MIN), ..plain };
    now(&engine, |txn| txn.set_counters(0, b"s", id(10, 0), ignored)).expect("sets");
    assert_eq!(counters(&engine).2, id(1, 0));
}

#[test]
fn a_repeated_production_adds_and_trims_nothing() {
    let engine = in_memory();
    let produce = |production, id| {
        let request = AddRequest { production: Some(production), ..request(id) };
        now(&engine, |txn| txn.add(0, b"s", &request, &FIELDS)).expect("produces")
    };
    let first = Production { producer: b"p", iid: b"1" };
    assert_eq!(produce(first, NewId::Exactly(id(1, 0))), Some(id(1, 0)));
    assert_eq!(produce(first, NewId::Auto), Some(id(1, 0)));
    let of_another = Production { producer: b"q", iid: b"1" };
    assert_eq!(produce(of_another, NewId::Exactly(id(2, 0))), Some(id(2, 0)));
    let trimming =
        AddRequest { production: Some(first), trim: Some(trim(0)), ..request(NewId::Auto) };
    let added = now(&engine, |txn| txn.add(0, b"s", &trimming, &FIELDS));
    assert_eq!((added, length(&engine)), (Ok(Some(id(1, 0))), 2));
    now(&engine, |txn| txn.delete(0, b"s", &[id(1, 0)])).expect("deletes");
    assert_eq!(produce(first, NewId::Auto), Some(id(1, 0)), "the mapping outlives the entry");
    now(&engine, |txn| {
        let productions = txn.stream(0, b"s").expect("a stream").expect("there").idempotence();
        assert_eq!((productions.added(), productions.duplicates()), (2, 3));
    });
    now(&engine, |txn| txn.add(0, b"s", &request(NewId::Exactly(EntryId::MAX)), &FIELDS))
        .expect("adds the last one");
    assert_eq!(produce(first, NewId::Auto), Some(id(1, 0)), "also on an exhausted stream");
}

#[test]
fn productions_are_recorded_for_entries_that_exist() {
    let engine = in_memory();
    let production = Production { producer: b"p", iid: b"i" };
    let record = |id| {
        move |txn: &mut millstream_engine::Transaction<'_>| {
            txn.record_production(0, b"s", production, id)
        }
    };
    assert_eq!(refused(&engine, record(id(1, 0))), Rejection::NoSuchKey);
    fill(&engine, [1, 2]);
    assert_eq!(refused(&engine, record(id(3, 0))), Rejection::NoSuchEntry);
    assert_eq!(now(&engine, record(id(1, 0))), Ok(()));
    assert_eq!(now(&engine, record(id(1, 0))), Ok(()), "the same again");
    assert_eq!(refused(&engine, record(id(2, 0))), Rejection::IdempotentIdTaken);
}

#[test]
fn changed_limits_forget_productions_and_equal_ones_do_not() {
    let engine = in_memory();
    let production = Some(Production { producer: b"p", iid: b"i" });
    let request = AddRequest { production, ..request(NewId::Exactly(id(1, 0))) };
    now(&engine, |txn| txn.add(0, b"s", &request, &FIELDS)).expect("adds");
    let tracked = || {
        now(&engine, |txn| {
            txn.stream(0, b"s").expect("a stream").expect("there").idempotence().tracked()
        })
    };
    now(&engine, |txn| txn.set_idempotence(0, b"s", Some(100), Some(100))).expect("equal");
    assert_eq!(tracked(), 1);
    now(&engine, |txn| txn.set_idempotence(0, b"s", None, Some(200))).expect("larger");
    assert_eq!(tracked(), 0);
    let missing = refused(&engine, |txn| txn.set_idempotence(0, b"none", Some(5), None));
    assert_eq!(missing, Rejection::NoSuchKey);
}

#[test]
fn an_entry_larger_than_a_record_is_refused_before_anything_is_created() {
    let engine = in_memory();
    let half = vec![0; millstream_engine::ENTRY_BYTES_MAX / 64];
    let fields = vec![half.as_slice(); 66];
    let auto = request(NewId::Auto);
    let reason = refused(&engine, |txn| txn.add(0, b"s", &auto, &fields));
    assert_eq!(reason, Rejection::EntryTooLarge);
    let stored = run(&engine, at(0), |txn| txn.kind(0, b"s")).0;
    assert_eq!(stored, None);
}
