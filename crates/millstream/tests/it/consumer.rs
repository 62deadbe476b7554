//! Workers: what they take, when they take it again, and what they leave.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::{
    Backoff, DeadLetters, Error, Fields, GroupStart, HandlerError, Message, Outcome,
    StreamConsumer, WorkerPool,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Barrier;
use tokio::time::{Instant, sleep};

use crate::place::{GROUP, MIN_IDLE, Place, Running, Seen, seen_once, until};

fn failure(text: &str) -> HandlerError {
    HandlerError::retry(text)
}

pub(crate) async fn every_message_is_handled_once_in_order(place: Place) {
    let seen = Seen::default();
    place.add(0..50).await;
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let (seen, stream) = (seen.clone(), place.stream.clone());
        move |message| {
            assert_eq!((message.stream(), message.group()), (&*stream, GROUP));
            assert_eq!(message.consumer(), "c1");
            seen.note(&message);
            async { Ok(()) }
        }
    });
    seen.wait_for(50).await;
    place.add(50..100).await;
    seen.wait_for(100).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(0..100));
    let report = health.report();
    assert_eq!((report.taken, report.acknowledged, report.in_hand), (100, 100, 0));
    assert_eq!((report.failed, report.late, report.dead_lettered), (0, 0, 0));
}

pub(crate) async fn what_fails_is_tried_again_and_counted(place: Place) {
    let seen = Seen::default();
    place.add(0..3).await;
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let fails = message.text("n") == Some("1") && message.deliveries() < 3;
            async move { if fails { Err(failure("not yet")) } else { Ok(()) } }
        }
    });
    seen.wait_for(5).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let mut all = seen.all();
    all.sort();
    let each = [("0", 1), ("1", 1), ("1", 2), ("1", 3), ("2", 1)];
    assert_eq!(all, each.map(|(number, deliveries)| (number.to_owned(), deliveries)));
    let report = health.report();
    assert_eq!((report.acknowledged, report.failed, report.late), (3, 2, 0));
}

pub(crate) async fn a_panic_is_a_failure(place: Place) {
    let seen = Seen::default();
    place.add(0..2).await;
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let panics = message.text("n") == Some("0") && message.deliveries() == 1;
            async move {
                assert!(!panics, "a handler panics, as this test wants");
                Ok(())
            }
        }
    });
    seen.wait_for(3).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let report = health.report();
    assert_eq!((report.acknowledged, report.failed, report.panicked), (2, 1, 1));
}

pub(crate) async fn what_a_dead_worker_left_is_taken_over(place: Place) {
    let seen = Seen::default();
    let consumer = place.builder("alive").build().await.expect("a consumer");
    place.add(0..20).await;
    let read = "XREADGROUP GROUP {g} dead COUNT 20 STREAMS {s} >";
    // Before they are idle, however busy this machine is.
    let begun = Instant::now();
    let _: redis::Value = place.raw(read).await;
    place.add(20..25).await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(5).await;
    assert_eq!(seen.all(), seen_once(20..25), "what is new need not wait");
    seen.wait_for(25).await;
    assert!(begun.elapsed() >= MIN_IDLE - Duration::from_millis(100), "not before its time");
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let mut again = seen.all().split_off(5);
    again.sort_by_key(|(number, _)| number.parse::<u64>().expect("a number"));
    let twice = (0..20).map(|number| (number.to_string(), 2));
    assert_eq!(again, twice.collect::<Vec<_>>());
}

pub(crate) async fn what_was_ours_comes_back_at_the_next_start(place: Place) {
    let seen = Seen::default();
    let long = Duration::from_mins(5);
    let builder = place.builder("c1").claim_min_idle(long).count(7);
    let consumer = builder.build().await.expect("a consumer");
    place.add(0..30).await;
    let read = "XREADGROUP GROUP {g} c1 COUNT 20 STREAMS {s} >";
    let _: redis::Value = place.raw(read).await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(30).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let twice = (0..20).map(|number| (number.to_string(), 2));
    assert_eq!(seen.all(), twice.chain(seen_once(20..30)).collect::<Vec<_>>());
}

pub(crate) async fn a_long_handler_keeps_its_message(place: Place) {
    let seen = Seen::default();
    place.add(0..2).await;
    let handler = |seen: &Seen| {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            async move {
                sleep(MIN_IDLE * 3).await;
                Ok(())
            }
        }
    };
    let first = place.builder("c1").build().await.expect("a consumer");
    let health = first.health();
    let first = Running::start(first, handler(&seen));
    seen.wait_for(1).await;
    let second = place.builder("c2").build().await.expect("a consumer");
    let second = Running::start(second, handler(&seen));
    place.wait_until_nothing_is_pending().await;
    first.stop().await;
    second.stop().await;
    assert_eq!(seen.all(), seen_once(0..2));
    assert_eq!(health.report().late, 0);
}

pub(crate) async fn what_was_not_begun_is_given_back_at_the_end(place: Place) {
    let (seen, other) = (Seen::default(), Seen::default());
    let long = Duration::from_mins(5);
    place.add(0..10).await;
    let consumer = place.builder("c1").claim_min_idle(long).build().await.expect("a consumer");
    let health = consumer.health();
    let stop = consumer.stop_token();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let stop = stop.clone();
            async move {
                // Until the end has begun.
                stop.cancelled().await;
                Ok(())
            }
        }
    });
    until("all are taken", async || health.report().taken == 10).await;
    running.stop().await;
    let done = seen.all().len();
    assert!(done < 10, "what is queued is not begun any more");
    let report = health.report();
    assert_eq!((report.acknowledged, report.handed_back), (done as u64, 10 - done as u64));
    assert_eq!(place.pending().await, 10 - done as u64);

    let consumer = place.builder("c2").claim_min_idle(long).build().await.expect("a consumer");
    let running = Running::noting(consumer, &other);
    other.wait_for(10 - done).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let numbers = |seen: &Seen| seen.all().into_iter().map(|(number, _)| number);
    let mut all: Vec<String> = numbers(&seen).chain(numbers(&other)).collect();
    all.sort();
    assert_eq!(all, (0..10).map(|number| number.to_string()).collect::<Vec<_>>());
}

pub(crate) async fn a_group_that_is_gone_is_made_again(place: Place) {
    let seen = Seen::default();
    place.add(0..5).await;
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let running = Running::noting(consumer, &seen);
    seen.wait_for(5).await;
    place.wait_until_nothing_is_pending().await;
    let _: i64 = place.raw("XGROUP DESTROY {s} {g}").await;
    place.add(5..10).await;
    let has_last = |seen: &Seen| seen.all().iter().any(|(number, _)| number == "9");
    until("the last one was handled", async || has_last(&seen)).await;
    // With the whole stream.
    let _: i64 = place.raw("DEL {s}").await;
    until("the group is there", async || place.manager().consumers(GROUP).await.is_ok()).await;
    running.stop().await;
    // It went on where it was some time before: nothing is passed over, a few come twice.
    let (before, after) = (seen.all()[..5].to_vec(), seen.all()[5..].to_vec());
    assert_eq!(before, seen_once(0..5));
    assert!(after.ends_with(&seen_once(5..10)), "{after:?}");
    assert!(seen_once(0..10).ends_with(&after), "{after:?}");
}

pub(crate) async fn several_streams_and_several_handlers_at_once(place: Place) {
    let seen = Seen::default();
    let second = format!("{}:second", place.stream);
    // Handlers that are not all at work at once wait for ever.
    let meeting = Arc::new(Barrier::new(20));
    let consumer = place.builder("c1").and_stream(&second).concurrency(20).count(20);
    let consumer = consumer.build().await.expect("a consumer");
    place.add(0..20).await;
    for number in 20..40 {
        let fields = Fields::new().with("n", number.to_string());
        place.millstream.add(&second, &fields).await.expect("add");
    }
    let running = Running::start(consumer, {
        let (seen, meeting) = (seen.clone(), Arc::clone(&meeting));
        move |message| {
            let (seen, meeting) = (seen.clone(), Arc::clone(&meeting));
            async move {
                meeting.wait().await;
                seen.note(&message);
                Ok(())
            }
        }
    });
    seen.wait_for(40).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    let mut all = seen.all();
    all.sort_by_key(|(number, _)| number.parse::<u64>().expect("a number"));
    assert_eq!(all, seen_once(0..40));
}

pub(crate) async fn without_acknowledgement_nothing_is_pending(place: Place) {
    let seen = Seen::default();
    place.add(0..5).await;
    let consumer = place.builder("c1").no_ack().build().await.expect("a consumer");
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let fails = message.text("n") == Some("2");
            async move { if fails { Err(failure("it is lost")) } else { Ok(()) } }
        }
    });
    seen.wait_for(5).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(0..5));
}

pub(crate) async fn outcomes_are_told_one_by_one(place: Place) {
    place.add(0..4).await;
    let told = Arc::new(Mutex::new(Vec::new()));
    let hook = {
        let told = Arc::clone(&told);
        move |message: &Message, outcome| {
            let number = message.text("n").expect("a number").to_owned();
            told.lock().push((number, message.deliveries(), outcome));
        }
    };
    let builder = place.builder("c1").concurrency(2).max_retries(2).on_outcome(hook);
    let consumer = builder.build().await.expect("a consumer");
    let millstream = place.millstream.clone();
    let stream = place.stream.clone();
    let running = Running::start(consumer, move |message| {
        let (millstream, stream) = (millstream.clone(), stream.clone());
        let id = message.id().to_string();
        let number = message.text("n").expect("a number").to_owned();
        async move {
            match &*number {
                "1" => Err(failure("never")),
                "2" => Err(HandlerError::reject("not this one")),
                "3" => {
                    // Somebody else settles it meanwhile.
                    let words = [&*stream, GROUP, &*id];
                    millstream.query(redis::cmd("XACK").arg(&words)).await?;
                    Ok(())
                }
                _ => Ok(()),
            }
        }
    });
    until("all are told", async || told.lock().len() == 7).await;
    running.stop().await;
    let mut told = told.lock().clone();
    told.sort_by_key(|(number, deliveries, _)| (number.clone(), *deliveries));
    let all = [
        ("0", 1, Outcome::Acknowledged),
        ("1", 1, Outcome::Failed),
        ("1", 2, Outcome::Failed),
        ("1", 2, Outcome::DeadLettered),
        ("2", 1, Outcome::Failed),
        ("2", 1, Outcome::DeadLettered),
        ("3", 1, Outcome::Late),
    ];
    assert_eq!(told, all.map(|(number, deliveries, it)| (number.to_owned(), deliveries, it)));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    number: u32,
    amount: f64,
    note: Option<String>,
    items: Vec<String>,
}

pub(crate) async fn entries_are_values_of_a_type_and_what_is_none_is_a_dead_letter(place: Place) {
    let (items, note) = (vec!["tea".to_owned()], Some("hurry".to_owned()));
    let order = Order { number: 17, amount: 9.5, note, items };
    place.millstream.add(&place.stream, &order).await.expect("add");
    let no_order = Fields::new().with("number", "seventeen");
    place.millstream.add(&place.stream, &no_order).await.expect("add");
    let refused = place.millstream.add(&place.stream, &3).await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");

    let seen = Arc::new(Mutex::new(Vec::new()));
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let stop = consumer.stop_token();
    let task = tokio::spawn({
        let seen = Arc::clone(&seen);
        consumer.run(move |message: Message<Order>| {
            seen.lock().push(message.payload().clone());
            async { Ok::<(), HandlerError>(()) }
        })
    });
    let letters = DeadLetters::new(&place.millstream, format!("{}:dlq", place.stream));
    until("there is a letter", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 1)
    })
    .await;
    place.wait_until_nothing_is_pending().await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    assert_eq!(*seen.lock(), [order]);
    let letter = letters.list(None, 10).await.expect("letters").remove(0);
    assert_eq!((letter.payload, letter.deliveries), (no_order, 3));
    assert!(letter.error.contains("field number"), "{}", letter.error);
}

pub(crate) async fn settings_that_make_no_sense_are_refused(place: Place) {
    let usual = || place.builder("c1");
    let jumpy = Backoff { jitter: 2.0, ..Backoff::default() };
    let (base, max) = (Duration::MAX, Duration::MAX);
    let endless = Backoff { base, max, ..Backoff::default() };
    for builder in [
        usual().max_retries(0),
        usual().count(0),
        usual().count(10_001),
        usual().concurrency(0),
        usual().block(Duration::ZERO),
        usual().claim_min_idle(Duration::from_millis(1)),
        usual().and_stream(&place.stream),
        usual().backoff(jumpy),
        usual().backoff(endless),
        usual().batch(10, Duration::MAX),
        usual().concurrency(usize::MAX),
        usual().prefetch(usize::MAX),
        usual().claim_min_idle(Duration::MAX),
        usual().consumer_ttl(Duration::MAX),
        usual().dead_letters(&place.stream),
        usual().name(""),
    ] {
        let refused = builder.build().await;
        assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
    }
    let patient = usual().and_stream("settings:patient").max_retries(u32::MAX);
    patient.build().await.expect("a consumer that never gives up");
    let _: i64 = place.raw("DEL {s}").await;
    let _: String = place.raw("SET {s} x").await;
    let refused = usual().start(GroupStart::New).build().await;
    let is_wrong_type = |code: &str| code == "WRONGTYPE";
    assert!(matches!(refused, Err(Error::Refused { code, .. }) if is_wrong_type(&code)));
    let consumer = StreamConsumer::builder(&place.millstream, "settings:other", GROUP);
    let consumer = consumer.build().await.expect("a consumer");
    assert!(consumer.name().ends_with("-0"), "{}", consumer.name());
}

pub(crate) async fn a_consumer_with_enough_to_do_is_well_and_tries_again_in_time(place: Place) {
    let seen = Seen::default();
    place.add(0..120).await;
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let builder = place.builder("c1").concurrency(2).count(100);
    let consumer = builder.build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let (seen, gate) = (seen.clone(), Arc::clone(&gate));
        move |message| {
            seen.note(&message);
            let (gate, is_first) = (Arc::clone(&gate), message.text("n") == Some("0"));
            let fails = is_first && message.deliveries() == 1;
            async move {
                if fails {
                    return Err(failure("not yet"));
                }
                if !is_first {
                    gate.acquire().await.expect("it is open").forget();
                }
                Ok(())
            }
        }
    });
    until("a hundred are here", async || health.report().taken >= 100).await;
    if !place.millstream.abilities().has_policies {
        // What is tried again goes before what was not begun; with policies the server has it.
        until("it was taken again", async || {
            let rows = place.monitor().stuck(GROUP, Duration::ZERO, 200).await.expect("rows");
            rows.iter().any(|row| row.deliveries == 2)
        })
        .await;
        // The answer may still be on its way, and then others take the places that become free: one
        // place after another, long before all that is here has had its turn.
        until("the first one was tried again", async || {
            let is_again = seen.all().iter().any(|it| *it == ("0".to_owned(), 2));
            if !is_again && gate.available_permits() == 0 {
                gate.add_permits(1);
            }
            is_again
        })
        .await;
        assert!(seen.all().len() < 100, "before what was not begun: {:?}", seen.all());
    }
    // Busy is not stuck. Otherwise it would be longer by the time since the last read, always.
    until("it is well", async || health.report().since_poll.is_zero()).await;
    gate.add_permits(120);
    seen.wait_for(121).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
}

/// Slots are the machine's, not the server's: tests that run beside this one, on other servers,
/// must not take those of its stream.
pub(crate) async fn processes_of_a_machine_take_free_slots(place: Place) {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let stream = format!("{}:{}:{number}", place.stream, std::process::id());
    let place = Place::new(place.millstream, &stream);
    let build = async || place.builder("").free_slot().build().await.expect("a consumer");
    let (first, second) = (build().await, build().await);
    assert!(first.name().ends_with("-0") && second.name().ends_with("-1"), "{first:?} {second:?}");
    drop(first);
    assert!(build().await.name().ends_with("-0"));
    // Those of a pool, too.
    let mut pool = WorkerPool::new();
    let handler = |_: Message| async { Ok::<(), HandlerError>(()) };
    pool.spawn_many(2, &place.builder("").free_slot(), handler).await.expect("two of them");
    assert!(build().await.name().ends_with("-3"), "0 and 2 are the pool's");
    pool.stop_token().cancel();
    pool.join().await.expect("it ends in order");
}
