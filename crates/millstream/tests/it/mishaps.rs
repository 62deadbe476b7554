//! What goes wrong around a worker, and what it must not cost: no message, no try, and no work on
//! other messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{
    Backoff, BatchError, ConsumerBuilder, DeadLetters, Done, Fields, GroupPolicy, HandlerError,
    Message, Outcome, Producer, StreamConsumer,
};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio::time::{Instant, sleep};

use crate::place::{GROUP, MIN_IDLE, Place, Running, Seen, seen_once, until};

/// Longer than any case: what comes before did not come by it.
const LONG: Duration = Duration::from_mins(5);

fn letters_of(place: &Place) -> DeadLetters {
    DeadLetters::of(&place.millstream, &place.stream)
}

async fn until_there_are_letters(place: &Place, count: usize) {
    until("there are letters", async || {
        letters_of(place).list(None, 100).await.is_ok_and(|letters| letters.len() == count)
    })
    .await;
}

async fn pending_of(place: &Place, consumer: &str) -> u64 {
    let consumers = place.manager().consumers(GROUP).await.expect("consumers");
    consumers.iter().find(|info| info.name == consumer).map_or(0, |info| info.pending)
}

/// No letter can be written there any more.
async fn exhaust_letters(place: &Place) {
    let last = "18446744073709551615-18446744073709551615";
    let _: String = place.raw(&format!("XADD {{s}}:dlq {last} no letter")).await;
}

pub(crate) async fn a_group_that_is_made_again_tries_again_and_buries_as_before(place: Place) {
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let _: i64 = place.raw("XGROUP DESTROY {s} {g}").await;
    place.add(0..1).await;
    let running =
        Running::start(consumer, |_| async { Err(HandlerError::retry("it never works")) });
    until_there_are_letters(&place, 1).await;
    running.stop().await;
    let letter = letters_of(&place).list(None, 1).await.expect("letters").remove(0);
    assert_eq!((letter.deliveries, &*letter.error), (3, "it never works"));
}

pub(crate) async fn what_is_given_back_unbegun_has_all_its_tries(place: Place) {
    place.add(0..10).await;
    let builder = |name: &str| place.builder(name).claim_min_idle(LONG).max_retries(1);
    let consumer = builder("c1").build().await.expect("a consumer");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let running = Running::start(consumer, move |_| {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            Ok(())
        }
    });
    until("all are taken", async || health.report().taken == 10).await;
    running.stop().await;
    let left = place.pending().await;
    assert!(left > 0, "what is queued is not begun any more");
    let seen = Seen::default();
    let running = Running::noting(builder("c2").build().await.expect("a consumer"), &seen);
    seen.wait_for(left as usize).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert!(seen.all().iter().all(|(_, deliveries)| *deliveries == 1), "{:?}", seen.all());
    assert!(letters_of(&place).list(None, 10).await.expect("letters").is_empty());
}

pub(crate) async fn a_letter_that_cannot_be_written_holds_up_nothing_else(place: Place) {
    let seen = Seen::default();
    exhaust_letters(&place).await;
    let consumer = place.builder("c1").claim_min_idle(LONG).build().await.expect("a consumer");
    let ids = place.add(0..5).await;
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} c1 COUNT 5 STREAMS {s} >").await;
    // It has no try left.
    let claim = format!("XCLAIM {{s}} {{g}} c1 0 {} RETRYCOUNT 3 JUSTID", ids[0]);
    let _: redis::Value = place.raw(&claim).await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(4).await;
    place.add(5..7).await;
    seen.wait_for(6).await;
    until("the others are done", async || place.pending().await == 1).await;
    running.stop().await;
    let twice = (1..5).map(|number| (number.to_string(), 2));
    assert_eq!(seen.all(), twice.chain(seen_once(5..7)).collect::<Vec<_>>());
}

fn policy(change: impl FnOnce(&mut GroupPolicy)) -> GroupPolicy {
    let mut policy = GroupPolicy::default();
    change(&mut policy);
    policy
}

pub(crate) async fn the_limit_of_a_policy_counts_and_not_that_of_the_consumer(place: Place) {
    if !place.millstream.abilities().has_policies {
        return;
    }
    let manager = place.manager();
    manager.create(GROUP, millstream::GroupStart::First).await.expect("a group");
    let (base, max) = (Duration::from_millis(1), Duration::from_millis(1));
    let endless = policy(|it| {
        it.visibility = Some(MIN_IDLE);
        it.backoff = Some(Backoff { base, max, ..Backoff::NONE });
    });
    manager.set_policy(GROUP, &endless).await.expect("sets it");
    place.add(0..1).await;
    let told: Arc<Mutex<Vec<Outcome>>> = Arc::default();
    let hook = {
        let told = Arc::clone(&told);
        move |_: &Message, outcome| told.lock().push(outcome)
    };
    let consumer = place.builder("c1").max_retries(3).on_outcome(hook).build().await;
    let consumer = consumer.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, |message| async move {
        if message.deliveries() < 6 { Err(HandlerError::retry("not yet")) } else { Ok(()) }
    });
    until("it is done", async || health.report().acknowledged == 1).await;
    running.stop().await;
    assert_eq!(health.report().dead_lettered, 0);
    assert!(!told.lock().contains(&Outcome::DeadLettered), "{:?}", told.lock());
}

pub(crate) async fn a_policy_without_a_time_leaves_nothing_with_the_dead(place: Place) {
    if !place.millstream.abilities().has_policies {
        return;
    }
    let manager = place.manager();
    manager.create(GROUP, millstream::GroupStart::First).await.expect("a group");
    let limited = policy(|it| it.max_in_flight = Some(100));
    manager.set_policy(GROUP, &limited).await.expect("sets it");
    let seen = Seen::default();
    let consumer = place.builder("alive").build().await.expect("a consumer");
    place.add(0..3).await;
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} dead COUNT 3 STREAMS {s} >").await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(3).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
}

/// A worker whose handlers hold up all that it does, so that leases are not extended.
struct Suspended {
    begun: Arc<Notify>,
    go_on: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<()>,
}

impl Suspended {
    fn start(
        consumer: StreamConsumer,
        verdict: impl Fn(&Message) -> Result<(), HandlerError> + Send + Sync + 'static,
    ) -> Self {
        let begun = Arc::new(Notify::new());
        let (go_on, waiting) = std::sync::mpsc::channel::<()>();
        let waiting = Mutex::new(waiting);
        let handler = {
            let begun = Arc::clone(&begun);
            move |message: Message| {
                begun.notify_one();
                // Not at an await: nothing else of the worker runs meanwhile.
                _ = waiting.lock().recv();
                std::future::ready(verdict(&message))
            }
        };
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let ended = runtime.expect("a runtime").block_on(consumer.run(handler));
            ended.expect("it ends in order");
        });
        Self { begun, go_on, thread }
    }

    /// Waits for a handler to be held up, and until more than half of its lease is over.
    async fn until_it_is_late(&self) {
        self.begun.notified().await;
        sleep(MIN_IDLE.mul_f64(0.7)).await;
    }

    async fn join(self) {
        drop(self.go_on);
        let joined = tokio::task::spawn_blocking(move || self.thread.join()).await;
        joined.expect("it is joined").expect("it does not panic");
    }
}

async fn give_to_other(place: &Place, ids: &[millstream::EntryId]) {
    for id in ids {
        let _: redis::Value = place.raw(&format!("XCLAIM {{s}} {{g}} other 0 {id} JUSTID")).await;
    }
}

pub(crate) async fn who_fails_too_late_takes_nothing_from_who_has_it_now(place: Place) {
    let ids = place.add(0..2).await;
    let consumer = place.builder("slow").prefetch(1).build().await.expect("a consumer");
    let (health, stop) = (consumer.health(), consumer.stop_token());
    let suspended = Suspended::start(consumer, |message| match message.text("n") {
        Some("0") => Err(HandlerError::retry("too late")),
        _ => Err(HandlerError::reject("too late")),
    });
    for number in 1..=2 {
        suspended.until_it_is_late().await;
        give_to_other(&place, &ids[..number]).await;
        suspended.go_on.send(()).expect("it waits");
    }
    until("both failed", async || health.report().failed >= 2).await;
    stop.cancel();
    suspended.join().await;
    assert_eq!(pending_of(&place, "other").await, 2);
    assert_eq!(health.report().dead_lettered, 0);
    let letters = place.millstream.len(&format!("{}:dlq", place.stream)).await.expect("a length");
    assert_eq!(letters, 0);
}

pub(crate) async fn what_others_took_meanwhile_is_not_given_back(place: Place) {
    let ids = place.add(0..3).await;
    let consumer = place.builder("slow").prefetch(2).build().await.expect("a consumer");
    let (health, stop) = (consumer.health(), consumer.stop_token());
    let suspended = Suspended::start(consumer, |_| Ok(()));
    suspended.until_it_is_late().await;
    assert_eq!(health.report().taken, 3);
    give_to_other(&place, &ids[1..]).await;
    stop.cancel();
    suspended.join().await;
    assert_eq!(pending_of(&place, "other").await, 2);
}

pub(crate) async fn a_hook_that_panics_is_no_reason_not_to_acknowledge(place: Place) {
    let seen = Seen::default();
    place.add(0..5).await;
    let hook = |message: &Message, _| {
        assert_ne!(message.text("n"), Some("1"), "a hook panics, as this test wants");
    };
    let consumer = place.builder("c1").on_outcome(hook).build().await.expect("a consumer");
    let running = Running::noting(consumer, &seen);
    seen.wait_for(5).await;
    place.add(5..10).await;
    seen.wait_for(10).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(0..10));
}

/// From now on; that of the first pending entry, if there is one.
async fn until_leases_are_extended(place: &Place) {
    let asked = Instant::now();
    until("leases are extended", async || {
        let rows = place.monitor().stuck(GROUP, Duration::ZERO, 1).await.expect("rows");
        // Idle times are whole milliseconds.
        let slack = Duration::from_millis(5);
        rows.first().is_none_or(|row| row.idle + slack < asked.elapsed())
    })
    .await;
}

pub(crate) async fn what_others_have_by_now_is_not_begun(place: Place) {
    if !place.millstream.abilities().has_policies {
        // Elsewhere it is noticed only of what was idle for as long as a lease.
        return;
    }
    let ids = place.add(0..2).await;
    let (seen, gate) = (Seen::default(), Arc::new(Semaphore::new(0)));
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let (seen, gate) = (seen.clone(), Arc::clone(&gate));
        move |message| {
            seen.note(&message);
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.expect("it is open").forget();
                Ok(())
            }
        }
    });
    until("both are taken", async || health.report().taken == 2).await;
    give_to_other(&place, &ids[1..]).await;
    // The lease of the first is extended in one step with asking for the second; twice, since the
    // answer to the first time may be on its way.
    until_leases_are_extended(&place).await;
    until_leases_are_extended(&place).await;
    place.add(2..3).await;
    gate.add_permits(10);
    seen.wait_for(2).await;
    until("both are done", async || health.report().acknowledged == 2).await;
    running.stop().await;
    assert_eq!(seen.all(), [("0".to_owned(), 1), ("2".to_owned(), 1)]);
    assert_eq!(pending_of(&place, "other").await, 1);
}

pub(crate) async fn a_wait_without_end_is_a_long_one(place: Place) {
    let seen = Seen::default();
    place.add(0..2).await;
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let is_first = message.text("n") == Some("0");
            async move {
                let never = HandlerError::retry_after(Duration::MAX, "not in this life");
                if is_first { Err(never) } else { Ok(()) }
            }
        }
    });
    until("one is done", async || health.report().acknowledged == 1).await;
    until("the other one waits", async || {
        let rows = place.monitor().stuck(GROUP, Duration::ZERO, 10).await.expect("rows");
        let is_managed = place.millstream.abilities().has_policies;
        rows.len() == 1 && (!is_managed || rows[0].consumer.is_empty())
    })
    .await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(0..2));
    assert_eq!(health.report().in_hand, 0);
}

pub(crate) async fn a_stream_that_begins_anew_with_lower_ids_is_handled_whole(place: Place) {
    place.manager().create(GROUP, millstream::GroupStart::First).await.expect("a group");
    let _: String = place.raw("XADD {s} 900-1 n 0").await;
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} c1 STREAMS {s} >").await;
    let _: i64 = place.raw("XACK {s} {g} 900-1").await;
    let seen = Seen::default();
    let consumer = place.builder("c1").build().await.expect("a consumer");
    let _: i64 = place.raw("DEL {s}").await;
    let _: String = place.raw("XADD {s} 5-1 n 1").await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(1).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(1..2));
}

pub(crate) async fn a_cursor_does_not_pass_what_is_held_for_its_order(place: Place) {
    if !place.millstream.abilities().has_policies {
        return;
    }
    let builder = |name: &str| place.builder(name).order_by("of").claim_min_idle(LONG);
    builder("c1").build().await.expect("the group and its policy");
    let mut ids = Vec::new();
    for (number, of) in [(0, "a"), (1, "a"), (2, "b")] {
        let fields = Fields::new().with("n", number.to_string()).with("of", of);
        ids.push(place.millstream.add(&place.stream, &fields).await.expect("add"));
    }
    let _: redis::Value = place.raw("XREADGROUP GROUP {g} c1 COUNT 3 STREAMS {s} >").await;
    let done: i64 = place.raw(&format!("XACK {{s}} {{g}} {} {}", ids[0], ids[2])).await;
    assert_eq!(done, 2, "the one between is held");
    let seen = Seen::default();
    let consumer = builder("c1").build().await.expect("a consumer");
    let _: i64 = place.raw("XGROUP DESTROY {s} {g}").await;
    let running = Running::noting(consumer, &seen);
    until("it was handled", async || seen.all().contains(&("1".to_owned(), 1))).await;
    running.stop().await;
}

pub(crate) async fn what_waits_for_its_next_try_at_the_end_goes_to_others(place: Place) {
    place.add(0..1).await;
    let (base, max) = (Duration::from_millis(500), Duration::from_millis(500));
    let backoff = Backoff { base, max, ..Backoff::NONE };
    let builder =
        |name: &str| place.builder(name).claim_min_idle(LONG).max_retries(2).backoff(backoff);
    let consumer = builder("c1").build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, |_| async { Err(HandlerError::retry("not yet")) });
    until("it failed", async || health.report().failed == 1).await;
    running.stop().await;
    assert_eq!(place.pending().await, 1);
    let seen = Seen::default();
    let running = Running::noting(builder("c2").build().await.expect("a consumer"), &seen);
    seen.wait_for(1).await;
    place.wait_until_nothing_is_pending().await;
    running.stop().await;
    assert_eq!(seen.all(), [("0".to_owned(), 2)]);
}

pub(crate) async fn what_cannot_be_added_is_tried_again_after_its_backoff(place: Place) {
    let wrong = format!("{}:text", place.stream);
    let _: redis::Value = place.raw("SET {s}:text x").await;
    place.add(0..1).await;
    let builder = place.builder("c1").claim_min_idle(LONG).max_retries(2);
    let consumer = builder.build().await.expect("a consumer");
    let stop = consumer.stop_token();
    let task = tokio::spawn(consumer.run(move |message: Message| {
        std::future::ready(Done::new().produce(&wrong, message.payload()))
    }));
    until_there_are_letters(&place, 1).await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    let letter = letters_of(&place).list(None, 1).await.expect("letters").remove(0);
    assert_eq!(letter.deliveries, 2);
}

pub(crate) async fn a_batch_error_about_no_message_of_the_batch_acknowledges_none(place: Place) {
    place.add(0..3).await;
    let builder = place.builder("c1").batch(3, Duration::from_millis(100));
    let consumer = builder.build().await.expect("a consumer");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let is_first = AtomicBool::new(true);
    let task = tokio::spawn(consumer.run_batches(move |messages: Vec<Message>| {
        let wrong = is_first.swap(false, Ordering::Relaxed).then(|| {
            let key = ("the wrong stream".to_owned(), messages[0].id());
            BatchError::some([(key, HandlerError::retry("not done"))])
        });
        std::future::ready(wrong.map_or(Ok(()), Err))
    }));
    until("all are done", async || health.report().acknowledged == 3).await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    assert!(health.report().failed >= 1, "{:?}", health.report());
}

/// Three streams of which one read brings more than there is room for, where the server knows no
/// MAXCOUNT.
fn three_streams(place: &Place) -> (ConsumerBuilder, [String; 3]) {
    let streams = ["a", "b", "c"].map(|name| format!("{}:{name}", place.stream));
    let builder = StreamConsumer::builder(&place.millstream, streams[0].as_str(), GROUP)
        .and_stream(&streams[1])
        .and_stream(&streams[2])
        .prefetch(0)
        .block(Duration::from_millis(50))
        .claim_min_idle(MIN_IDLE)
        .name("c1");
    (builder, streams)
}

pub(crate) async fn what_came_beyond_the_room_is_kept_and_no_sign_of_trouble(place: Place) {
    let (builder, streams) = three_streams(&place);
    let consumer = builder.build().await.expect("a consumer");
    for (number, stream) in streams.iter().enumerate() {
        let fields = Fields::new().with("n", number.to_string());
        place.millstream.add(stream, &fields).await.expect("add");
    }
    let health = consumer.health();
    let gate = Arc::new(Semaphore::new(0));
    let running = Running::start(consumer, {
        let gate = Arc::clone(&gate);
        move |_| {
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.expect("it is open").forget();
                Ok(())
            }
        }
    });
    let has_max_count = place.millstream.abilities().has_max_count;
    let expected = if has_max_count { 1 } else { 3 };
    until("all are here", async || health.report().taken == expected).await;
    // Busy is not stuck. Otherwise it would be longer by the time since the last read, always.
    until("it is well", async || health.report().since_poll.is_zero()).await;
    for stream in &streams {
        let place = Place::new(place.millstream.clone(), stream);
        until_leases_are_extended(&place).await;
    }
    gate.add_permits(3);
    until("all are done", async || health.report().acknowledged == 3).await;
    running.stop().await;
}

pub(crate) async fn where_everything_fails_a_worker_does_not_take_the_whole_stream(place: Place) {
    if place.millstream.abilities().has_policies {
        // What waits for its next try is the server's.
        return;
    }
    let (waiting, room) = (10_000, 50 + 500);
    let numbers = (0..13_000).map(|number| Fields::new().with("n", number.to_string()));
    let producer = Producer::new(&place.millstream, place.stream.as_str());
    producer.add_all(numbers).await.expect("adds them");
    let builder = place.builder("c1").claim_min_idle(LONG).concurrency(50).count(500);
    let consumer = builder.build().await.expect("a consumer");
    let health = consumer.health();
    let running = Running::start(consumer, |_| async {
        Err(HandlerError::retry_after(Duration::from_hours(1), "it is down"))
    });
    until("it rests with what failed", async || {
        let it = health.report();
        it.failed > waiting && it.failed == it.taken && it.since_poll.is_zero()
    })
    .await;
    let taken = health.report().taken;
    assert!(taken <= waiting + 2 * room, "{taken}");
    running.stop().await;
}
