//! The harness for tests of others, used as they would.

use std::time::Duration;

use millstream::testing::{self, TestClock};
use millstream::{
    Backoff, ConsumerBuilder, DeadLetters, Fields, HandlerError, Millstream, StreamConsumer,
};
use tokio::time::Instant;

use crate::place::{Running, Seen};

const HOUR: Duration = Duration::from_secs(3600);

/// Three tries, an hour between them.
fn builder(millstream: &Millstream, name: &str) -> ConsumerBuilder {
    StreamConsumer::builder(millstream, "orders", "billing")
        .name(name)
        .max_retries(3)
        .backoff(Backoff { base: HOUR, factor: 2.0, max: 10 * HOUR, jitter: 0.0 })
}

async fn failing(millstream: &Millstream, seen: &Seen) -> Running {
    let seen = seen.clone();
    Running::start(builder(millstream, "c").build().await.expect("built"), move |message| {
        seen.note(&message);
        async { Err(HandlerError::retry("it is down")) }
    })
}

async fn add(millstream: &Millstream) {
    millstream.add("orders", &Fields::new().with("n", "1")).await.expect("an id");
}

async fn letters(millstream: &Millstream) -> Vec<u64> {
    let letters = DeadLetters::new(millstream, "orders:dlq").list(None, 10).await.expect("a list");
    letters.iter().map(|letter| letter.deliveries).collect()
}

#[tokio::test]
async fn what_fails_is_a_dead_letter_once_the_clock_was_moved() {
    let (millstream, clock) = testing::in_memory();
    let seen = Seen::default();
    let running = failing(&millstream, &seen).await;
    add(&millstream).await;
    clock.advance(HOUR - Duration::from_secs(1)).await;
    assert_eq!(seen.all().len(), 1, "it is not time yet");
    clock.advance(Duration::from_secs(1)).await;
    assert_eq!(seen.all().len(), 2);
    assert!(letters(&millstream).await.is_empty());
    clock.advance(2 * HOUR).await;
    assert_eq!(seen.all(), [("1".into(), 1), ("1".into(), 2), ("1".into(), 3)]);
    assert_eq!(letters(&millstream).await, [3]);
    assert_eq!(clock.elapsed(), 3 * HOUR);
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_fails_is_a_dead_letter_after_its_time_by_tokios_clock() {
    let millstream = testing::in_tokio_time();
    let seen = Seen::default();
    let begun = Instant::now();
    let running = failing(&millstream, &seen).await;
    add(&millstream).await;
    while letters(&millstream).await.is_empty() {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(letters(&millstream).await, [3]);
    assert!((3 * HOUR..=3 * HOUR + Duration::from_secs(120)).contains(&begun.elapsed()));
    running.stop().await;
}

/// What comes back comes back at once.
fn impatient(millstream: &Millstream, name: &str) -> ConsumerBuilder {
    builder(millstream, name).backoff(Backoff { base: Duration::ZERO, ..Backoff::default() })
}

/// A worker that dies holds its message until nobody has heard of it for long enough.
async fn taken_over(millstream: &Millstream, wait: impl AsyncFn(Duration)) {
    add(millstream).await;
    let dead = Seen::default();
    let dying = Running::start(impatient(millstream, "dead").build().await.expect("built"), {
        let dead = dead.clone();
        move |message| {
            dead.note(&message);
            std::future::pending()
        }
    });
    dead.wait_for(1).await;
    dying.task.abort();
    _ = dying.task.await;
    let seen = Seen::default();
    let running =
        Running::noting(impatient(millstream, "heir").build().await.expect("built"), &seen);
    wait(Duration::from_secs(299)).await;
    assert!(seen.all().is_empty(), "its lease is five minutes");
    wait(Duration::from_secs(2)).await;
    assert_eq!(seen.all(), [("1".into(), 2)]);
    running.stop().await;
}

#[tokio::test]
async fn what_a_dead_worker_has_is_taken_over_once_the_clock_was_moved() {
    let (millstream, clock) = testing::in_memory();
    taken_over(&millstream, async |by| clock.advance(by).await).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_worker_has_is_taken_over_after_its_time_by_tokios_clock() {
    let millstream = testing::in_tokio_time();
    taken_over(&millstream, tokio::time::sleep).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_hours_keeps_its_message_by_tokios_clock() {
    let millstream = testing::in_tokio_time();
    add(&millstream).await;
    let seen = Seen::default();
    let others = Seen::default();
    let slow = Running::start(builder(&millstream, "slow").build().await.expect("built"), {
        let seen = seen.clone();
        move |message| {
            let seen = seen.clone();
            async move {
                tokio::time::sleep(5 * HOUR).await;
                seen.note(&message);
                Ok(())
            }
        }
    });
    tokio::task::yield_now().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let other =
        Running::noting(builder(&millstream, "other").build().await.expect("built"), &others);
    seen.wait_for(1).await;
    slow.stop().await;
    other.stop().await;
    assert_eq!((seen.all(), others.all()), (vec![("1".into(), 1)], vec![]));
}

#[tokio::test]
async fn two_runs_are_the_same() {
    async fn run() -> Vec<String> {
        let (millstream, clock): (Millstream, TestClock) = testing::in_memory();
        let mut ids = Vec::new();
        for number in 0..10_u32 {
            let fields = Fields::new().with("n", number.to_string());
            ids.push(millstream.add("orders", &fields).await.expect("an id").to_string());
            clock.advance(Duration::from_millis(u64::from(number))).await;
        }
        ids
    }
    let ids = run().await;
    assert_eq!(ids, run().await);
    assert_eq!(ids[..2], ["1767225600000-0", "1767225600000-1"]);
}
