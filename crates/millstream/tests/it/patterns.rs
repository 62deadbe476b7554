//! Batches, priorities, pools, pipelines, delays, producers that try again, and replays.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use millstream::{
    Backoff, BatchError, ConsumerGroupManager, DeadLetters, Done, EntryId, Error, Fields,
    GroupStart, HandlerError, Message, Priorities, Producer, StreamConsumer, WorkerPool,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::place::{GROUP, MIN_IDLE, Place, Running, Seen, seen_once, until};

#[derive(Clone, Debug, Deserialize, Serialize, PartialEq)]
struct Number {
    n: u64,
}

/// Number and delivery of each message of each batch.
type Batches = Arc<Mutex<Vec<Vec<(u64, u64)>>>>;

async fn length(place: &Place, stream: &str) -> u64 {
    place.millstream.len(stream).await.expect("a length")
}

pub(crate) async fn batches_are_acknowledged_but_for_what_failed(place: Place) {
    place.add(0..25).await;
    let bad = Fields::new().with("n", "none");
    place.millstream.add(&place.stream, &bad).await.expect("add");
    let builder = place.builder("c1").batch(10, Duration::from_millis(50)).max_retries(2);
    let consumer = builder.build().await.expect("a consumer");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let batches: Batches = Arc::default();
    let task = tokio::spawn(consumer.run_batches({
        let batches = Arc::clone(&batches);
        move |messages: Vec<Message<Number>>| {
            let seen = |message: &Message<Number>| (message.payload().n, message.deliveries());
            batches.lock().push(messages.iter().map(seen).collect());
            let failed = messages.iter().filter(|message| message.payload().n == 7);
            let failed = failed.map(|message| {
                let key = (message.stream().to_owned(), message.id());
                (key, HandlerError::retry("not seven"))
            });
            let failed: HashMap<_, _> = failed.collect();
            async move { if failed.is_empty() { Ok(()) } else { Err(BatchError::some(failed)) } }
        }
    }));
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    until("two are dead", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 2)
    })
    .await;
    place.wait_until_nothing_is_pending().await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    let batches = batches.lock().clone();
    assert!(batches.iter().all(|batch| (1..=10).contains(&batch.len())), "{batches:?}");
    assert!(batches.iter().any(|batch| batch.len() == 10), "{batches:?}");
    let mut all: Vec<(u64, u64)> = batches.into_iter().flatten().collect();
    all.sort_unstable();
    let mut expected: Vec<(u64, u64)> = (0..25).map(|number| (number, 1)).collect();
    expected.insert(8, (7, 2));
    assert_eq!(all, expected);
    assert_eq!(health.report().acknowledged, 24);
    let found = letters.list(None, 10).await.expect("letters");
    let errors: Vec<&str> = found.iter().map(|letter| &*letter.error).collect();
    assert!(errors.contains(&"not seven"), "{errors:?}");
}

pub(crate) async fn a_batch_that_panics_fails_as_a_whole(place: Place) {
    place.add(0..4).await;
    let builder = place.builder("c1").batch(4, Duration::from_millis(100));
    let consumer = builder.build().await.expect("a consumer");
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let task = tokio::spawn(consumer.run_batches(|messages: Vec<Message>| async move {
        let is_first = messages.iter().any(|message| message.deliveries() == 1);
        assert!(!is_first, "a handler panics, as this test wants");
        Ok::<(), BatchError>(())
    }));
    until("all are done", async || health.report().acknowledged == 4).await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    assert_eq!((health.report().failed, health.report().panicked), (4, 4));
}

pub(crate) async fn what_a_message_makes_is_added_with_its_acknowledgement(place: Place) {
    let (first, second) = (format!("{}:a", place.stream), format!("{}:b", place.stream));
    place.add(0..20).await;
    let consumer = place.builder("c1").concurrency(4).build().await.expect("a consumer");
    let health = consumer.health();
    let stop = consumer.stop_token();
    let task = tokio::spawn(consumer.run({
        let (first, second) = (first.clone(), second.clone());
        move |message: Message<Number>| {
            let number = message.into_payload();
            let done = Done::new().produce(&first, &number);
            let done = done.and_then(|done| done.produce(&second, &number));
            async move { done.map_err(HandlerError::retry) }
        }
    }));
    until("all are done", async || health.report().acknowledged == 20).await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    assert_eq!(place.pending().await, 0);
    for stream in [&first, &second] {
        assert_eq!(length(&place, stream).await, 20);
    }
}

pub(crate) async fn what_cannot_be_added_makes_the_message_fail(place: Place) {
    let (fine, wrong) = (format!("{}:fine", place.stream), format!("{}:text", place.stream));
    let _: redis::Value = place.raw("SET {s}:text x").await;
    place.add(0..1).await;
    let consumer = place.builder("c1").max_retries(2).build().await.expect("a consumer");
    let stop = consumer.stop_token();
    let task = tokio::spawn(consumer.run({
        let fine = fine.clone();
        move |message: Message<Number>| {
            let number = message.into_payload();
            let done = Done::new().produce(&fine, &number);
            let done = done.and_then(|done| done.produce(&wrong, &number));
            async move { done.map_err(HandlerError::retry) }
        }
    }));
    let letters = DeadLetters::of(&place.millstream, &place.stream);
    until("it is dead", async || {
        letters.list(None, 10).await.is_ok_and(|letters| letters.len() == 1)
    })
    .await;
    stop.cancel();
    task.await.expect("it does not panic").expect("it ends in order");
    let letter = &letters.list(None, 10).await.expect("letters")[0];
    assert!(letter.error.contains("WRONGTYPE"), "{}", letter.error);
    assert_eq!(length(&place, &fine).await, 0, "nothing half done");
}

/// The handler holds up all that the worker does, so that the lease is not extended.
pub(crate) async fn who_was_too_late_settles_nothing_and_makes_nothing(place: Place) {
    let made = format!("{}:made", place.stream);
    let ids = place.add(0..2).await;
    let (begun, go_on) = (Arc::new(Notify::new()), std::sync::mpsc::channel::<()>());
    let (go_on, waiting) = (go_on.0, Arc::new(Mutex::new(go_on.1)));
    let builder = place.builder("slow").concurrency(1).prefetch(1);
    let consumer = builder.build().await.expect("a consumer");
    let (health, stop) = (consumer.health(), consumer.stop_token());
    let handler = {
        let (begun, made) = (Arc::clone(&begun), made.clone());
        move |message: Message<Number>| {
            let number = message.into_payload();
            begun.notify_one();
            // Not at an await: nothing else of the worker runs meanwhile.
            _ = waiting.lock().recv();
            let done = match number.n {
                0 => Ok(Done::new()),
                _ => Done::new().produce(&made, &number),
            };
            async move { done.map_err(HandlerError::retry) }
        }
    };
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(consumer.run(handler))
    });
    for number in 1..=ids.len() {
        begun.notified().await;
        tokio::time::sleep(MIN_IDLE.mul_f64(0.7)).await;
        // Another one has it by now, and works on it.
        for id in &ids[..number] {
            let claim = format!("XCLAIM {{s}} {{g}} other 0 {id} JUSTID");
            let _: redis::Value = place.raw(&claim).await;
        }
        go_on.send(()).expect("it waits");
    }
    until("both are late", async || health.report().late >= 2).await;
    stop.cancel();
    let joined = tokio::task::spawn_blocking(move || thread.join()).await.expect("it is joined");
    joined.expect("it does not panic").expect("it ends in order");
    assert_eq!(health.report().acknowledged, 0);
    assert_eq!(length(&place, &made).await, 0);
    let consumers = place.manager().consumers(GROUP).await.expect("consumers");
    let other = consumers.iter().find(|info| info.name == "other").expect("the other one");
    assert_eq!(other.pending, 2);
}

/// Notes the stream of each message, one at a time.
#[derive(Clone, Default)]
struct Streams(Arc<Mutex<Vec<String>>>);

impl Streams {
    fn note(&self, message: &Message) {
        self.0.lock().push(message.stream().to_owned());
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().clone()
    }
}

async fn fill(place: &Place, streams: &[String], count: usize) {
    for stream in streams {
        let producer = Producer::new(&place.millstream, stream.as_str());
        let numbers = (0..count as u64).map(|n| Number { n });
        assert_eq!(producer.add_all(numbers).await.expect("adds").len(), count);
    }
}

pub(crate) async fn earlier_streams_go_first_where_that_is_strict(place: Place) {
    let streams = ["high", "middle", "low"].map(|name| format!("{}:{name}", place.stream));
    fill(&place, &streams, 30).await;
    let builder = StreamConsumer::builder(&place.millstream, streams[0].as_str(), GROUP)
        .and_stream(&streams[1])
        .and_stream(&streams[2])
        .priorities(Priorities::Strict)
        .block(Duration::from_millis(100))
        .name("c1");
    let seen = Streams::default();
    let consumer = builder.build().await.expect("a consumer");
    let running = Running::start(consumer, {
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            async { Ok(()) }
        }
    });
    until("all are handled", async || seen.all().len() == 90).await;
    running.stop().await;
    let all = seen.all();
    let sorted: Vec<String> = streams.iter().flat_map(|it| vec![it.clone(); 30]).collect();
    assert_eq!(all, sorted);
}

pub(crate) async fn by_weight_each_stream_has_its_part_and_none_starves(place: Place) {
    let streams = ["high", "low"].map(|name| format!("{}:{name}", place.stream));
    fill(&place, &streams, 120).await;
    let builder = StreamConsumer::builder(&place.millstream, streams[0].as_str(), GROUP)
        .and_stream(&streams[1])
        .count(100)
        .block(Duration::from_millis(100))
        .name("c1");
    let wrong = builder.clone().priorities(Priorities::Weighted(vec![1])).build().await;
    assert!(matches!(wrong, Err(Error::Configuration(_))), "{wrong:?}");
    let weighted = builder.priorities(Priorities::Weighted(vec![3, 1]));
    let seen = Streams::default();
    let consumer = weighted.build().await.expect("a consumer");
    let health = consumer.health();
    // Until both streams have some here, which is when weights count.
    let gate = Arc::new(Notify::new());
    let running = Running::start(consumer, {
        let (gate, is_open) = (Arc::clone(&gate), std::sync::atomic::AtomicBool::new(false));
        let seen = seen.clone();
        move |message| {
            seen.note(&message);
            let waits = !is_open.swap(true, std::sync::atomic::Ordering::Relaxed);
            let gate = Arc::clone(&gate);
            async move {
                if waits {
                    gate.notified().await;
                }
                // Long enough for its stream to ask for the next slot, too.
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(())
            }
        }
    });
    until("much is here", async || health.report().taken >= 130).await;
    gate.notify_one();
    until("all are handled", async || seen.all().len() == 240).await;
    running.stop().await;
    let part = seen.all()[1..81].iter().filter(|stream| **stream == streams[0]).count();
    assert!((55..=65).contains(&part), "{part} of 80");
}

pub(crate) async fn a_pool_hands_each_group_everything_and_each_worker_a_part(place: Place) {
    place.manager().create(GROUP, GroupStart::First).await.expect("a group");
    place.manager().create("audit", GroupStart::First).await.expect("a group");
    place.add(0..60).await;
    let mut pool = WorkerPool::new();
    let (worked, audited) = (Seen::default(), Seen::default());
    let names: Arc<Mutex<std::collections::BTreeSet<String>>> = Arc::default();
    let handler = {
        let (seen, names) = (worked.clone(), Arc::clone(&names));
        move |message: Message| {
            names.lock().insert(message.consumer().to_owned());
            seen.note(&message);
            async { Ok::<(), HandlerError>(()) }
        }
    };
    pool.spawn_many(3, &place.builder("").count(1), handler).await.expect("three of them");
    let audit = StreamConsumer::builder(&place.millstream, place.stream.as_str(), "audit");
    let audit = audit.block(Duration::from_millis(100)).build().await.expect("a consumer");
    pool.spawn(audit, {
        let seen = audited.clone();
        move |message: Message| {
            seen.note(&message);
            async { Ok::<(), HandlerError>(()) }
        }
    });
    worked.wait_for(60).await;
    audited.wait_for(60).await;
    assert_eq!(pool.health().len(), 4);
    pool.stop_token().cancel();
    pool.join().await.expect("it ends in order");
    let mut all = worked.all();
    all.sort_by_key(|(number, _)| number.parse::<u64>().expect("a number"));
    assert_eq!(all, seen_once(0..60));
    assert_eq!(audited.all(), seen_once(0..60));
    assert!(!names.lock().is_empty() && names.lock().len() <= 3);
}

pub(crate) async fn one_that_cannot_go_on_ends_the_pool(place: Place) {
    let other = format!("{}:gone", place.stream);
    let mut pool = WorkerPool::new();
    let fine = place.builder("c1").build().await.expect("a consumer");
    let builder = StreamConsumer::builder(&place.millstream, other.as_str(), GROUP);
    let failing = builder.block(Duration::from_millis(50)).build().await.expect("a consumer");
    pool.spawn(fine, |_: Message| async { Ok::<(), HandlerError>(()) });
    pool.spawn(failing, |_: Message| async { Ok::<(), HandlerError>(()) });
    let _: redis::Value = place.raw(&format!("DEL {other}")).await;
    let _: redis::Value = place.raw(&format!("SET {other} x")).await;
    let ended = pool.join().await;
    assert!(matches!(ended, Err(Error::Refused { .. })), "{ended:?}");
}

pub(crate) async fn what_is_added_once_is_there_once_however_often_it_is_tried(place: Place) {
    let producer = Producer::new(&place.millstream, place.stream.as_str());
    let unprepared = producer.add_once("o-1", &Number { n: 1 }).await;
    assert!(matches!(unprepared, Err(Error::Configuration(_))), "{unprepared:?}");
    let short = producer.clone().remember("shop", Duration::from_millis(10)).await;
    assert!(matches!(short, Err(Error::Configuration(_))), "{short:?}");
    let remember = async |name: &str| {
        producer.clone().remember(name, Duration::from_mins(10)).await.expect("it remembers")
    };
    let (shop, other) = (remember("shop").await, remember("other").await);
    let mut ids = Vec::new();
    for n in [1, 2, 1] {
        let id = shop.add_once(&format!("o-{n}"), &Number { n }).await.expect("adds it");
        ids.push(id);
    }
    // Another program of that name, later.
    let again = remember("shop").await;
    ids.push(again.add_once("o-2", &Number { n: 2 }).await.expect("it is there"));
    assert_eq!((ids[0], ids[1]), (ids[2], ids[3]));
    other.add_once("o-1", &Number { n: 1 }).await.expect("of another producer");
    assert_eq!(length(&place, &place.stream).await, 3);
}

pub(crate) async fn a_producer_adds_many_and_trims(place: Place) {
    let producer = Producer::new(&place.millstream, place.stream.as_str()).max_len(100);
    let ids = producer.add_all((0..2500).map(|n| Number { n })).await.expect("adds them");
    assert!(ids.is_sorted() && ids.len() == 2500);
    let left = length(&place, &place.stream).await;
    assert!((100..1000).contains(&left), "{left}");
    let wrong = producer.add(&Fields::new()).await;
    assert!(matches!(wrong, Err(Error::Configuration(_))), "{wrong:?}");
}

pub(crate) async fn a_part_of_a_stream_is_handled_again(place: Place) {
    let ids = place.add(0..20).await;
    let manager = place.manager();
    let replay = manager.replay(ids[5]..=ids[14]).await.expect("a replay");
    let group = replay.group().to_owned();
    let replay = replay.configure(|builder| {
        let (base, max) = (Duration::from_millis(10), Duration::from_millis(10));
        let backoff = Backoff { base, max, ..Backoff::NONE };
        builder.count(4).max_retries(2).block(Duration::from_millis(50)).backoff(backoff)
    });
    let seen = Seen::default();
    let report = replay.run({
        let seen = seen.clone();
        move |message: Message| {
            seen.note(&message);
            let fails = message.text("n") == Some("7") && message.deliveries() == 1;
            async move { if fails { Err(HandlerError::retry("not yet")) } else { Ok(()) } }
        }
    });
    let report = timeout(Duration::from_secs(60), report).await.expect("it ends");
    assert_eq!(report.expect("it ends in order").failed, 1);
    let mut all = seen.all();
    all.sort_by_key(|(number, deliveries)| (number.parse::<u64>().ok(), *deliveries));
    let mut expected = seen_once(5..15);
    expected.insert(3, ("7".to_owned(), 2));
    assert_eq!(all, expected);
    let groups = manager.groups().await.expect("groups");
    assert!(groups.iter().all(|info| info.name != group), "{groups:?}");
    // Of what is not there.
    let none = manager.replay(EntryId { ms: 1, seq: 0 }..EntryId { ms: 2, seq: 0 }).await;
    let handler = |_: Message| async { Err::<(), _>(HandlerError::reject("nothing is there")) };
    none.expect("a replay").run(handler).await.expect("nothing to do");
}

pub(crate) async fn consumers_that_are_gone_for_good_are_deleted(place: Place) {
    let manager = place.manager();
    manager.create(GROUP, GroupStart::First).await.expect("a group");
    place.add(0..2).await;
    for name in ["holds", "idle"] {
        let read = format!("XREADGROUP GROUP {{g}} {name} COUNT 1 STREAMS {{s}} >");
        let _: redis::Value = place.raw(&read).await;
    }
    let idle = manager.consumers(GROUP).await.expect("consumers");
    assert_eq!(idle.len(), 2);
    let pending = place.monitor().stuck(GROUP, Duration::ZERO, 10).await.expect("rows");
    let of_idle = pending.iter().find(|row| row.consumer == "idle").expect("it has one");
    let _: u64 = place.raw(&format!("XACK {{s}} {{g}} {}", of_idle.id)).await;
    let builder = place.builder("c1").claim_min_idle(Duration::from_mins(5));
    let consumer = builder.consumer_ttl(Duration::from_secs(1)).build().await;
    let running = Running::noting(consumer.expect("a consumer"), &Seen::default());
    until("the idle one is gone", async || {
        let consumers = manager.consumers(GROUP).await.expect("consumers");
        consumers.iter().all(|info| info.name != "idle")
    })
    .await;
    let consumers = manager.consumers(GROUP).await.expect("consumers");
    assert!(consumers.iter().any(|info| info.name == "holds"), "{consumers:?}");
    running.stop().await;
}

pub(crate) async fn a_cursor_is_kept_over_the_loss_of_a_group(place: Place) {
    place.add(0..3).await;
    let seen = Seen::default();
    let start = GroupStart::New;
    let consumer = place.builder("c1").start(start).build().await.expect("a consumer");
    place.add(3..6).await;
    // The group and all it knew are gone before anything was read: what came since counts.
    let _: i64 = place.raw("XGROUP DESTROY {s} {g}").await;
    let running = Running::noting(consumer, &seen);
    seen.wait_for(3).await;
    running.stop().await;
    assert_eq!(seen.all(), seen_once(3..6));
    assert!(MIN_IDLE > Duration::ZERO);
}

pub(crate) async fn policies_are_set_or_unsupported(place: Place) {
    let manager = ConsumerGroupManager::new(&place.millstream, place.stream.as_str());
    let ordered = place.builder("c1").order_by("customer").build().await;
    let limited = place.builder("c1").max_in_flight(5).build().await;
    let paused = place.builder("c1").paused().build().await;
    if !place.millstream.abilities().has_policies {
        for refused in [ordered, limited, paused] {
            assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
        }
        let refused = manager.policy(GROUP).await;
        assert!(matches!(refused, Err(Error::Unsupported { .. })), "{refused:?}");
        return;
    }
    // The first one made the policy.
    ordered.expect("a consumer");
    assert!(matches!(limited, Err(Error::Configuration(_))), "{limited:?}");
    let policy = manager.policy(GROUP).await.expect("a policy");
    assert_eq!(policy.order_by.as_deref(), Some("customer"));
    assert_eq!((policy.visibility, policy.max_deliveries), (Some(MIN_IDLE), Some(3)));
    let mut other = policy.clone();
    (other.max_in_flight, other.backoff) = (Some(7), None);
    manager.set_policy(GROUP, &other).await.expect("sets it");
    assert_eq!(manager.policy(GROUP).await.expect("a policy"), other);
    manager.pause(GROUP).await.expect("pauses it");
    assert!(manager.policy(GROUP).await.expect("a policy").is_paused);
    manager.resume(GROUP).await.expect("resumes it");
    assert_eq!(manager.policy(GROUP).await.expect("a policy"), other);
    let mut wrong = other.clone();
    wrong.max_in_flight = Some(0);
    let refused = manager.set_policy(GROUP, &wrong).await;
    assert!(matches!(refused, Err(Error::Configuration(_))), "{refused:?}");
}
