//! How to test handlers that fail, wait and give up: in memory, with time that the test moves.
//!
//! `cargo run -p millstream --example testing`. The two functions below would be tests of yours;
//! three hours pass in each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use millstream::{
    Backoff, DeadLetters, Error, Fields, HandlerError, Message, Millstream, StreamConsumer, testing,
};

const HOUR: Duration = Duration::from_secs(3600);

/// What is to be tested: three tries, an hour after the first and two after the second.
async fn start_billing(millstream: &Millstream) -> Result<Arc<AtomicU32>, Error> {
    let consumer = StreamConsumer::builder(millstream, "orders", "billing")
        .max_retries(3)
        .backoff(Backoff { base: HOUR, factor: 2.0, max: 10 * HOUR, jitter: 0.0 })
        .build()
        .await?;
    let tries = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&tries);
    tokio::spawn(consumer.run(move |_: Message| {
        counted.fetch_add(1, Ordering::Relaxed);
        async { Err::<(), HandlerError>(HandlerError::retry("the payment service is down")) }
    }));
    Ok(tries)
}

/// `#[tokio::test]`: the engine's clock stands still until it is moved.
async fn by_hand() -> Result<(), Error> {
    let (millstream, clock) = testing::in_memory();
    let tries = start_billing(&millstream).await?;
    let letters = DeadLetters::new(&millstream, "orders:dlq");
    millstream.add("orders", &Fields::new().with("order_id", "1")).await?;

    clock.advance(HOUR - Duration::from_secs(1)).await;
    assert_eq!(tries.load(Ordering::Relaxed), 1);
    clock.advance(Duration::from_secs(1)).await;
    assert_eq!(tries.load(Ordering::Relaxed), 2);
    clock.advance(2 * HOUR).await;
    assert_eq!(letters.list(None, 10).await?.len(), 1);
    println!("by hand: dead after 3 tries and {} h", clock.elapsed().as_secs() / 3600);
    Ok(())
}

/// `#[tokio::test(start_paused = true)]`: time passes by itself when everybody waits for it.
async fn in_paused_time() -> Result<(), Error> {
    let millstream = testing::in_tokio_time();
    let begun = tokio::time::Instant::now();
    start_billing(&millstream).await?;
    let letters = DeadLetters::new(&millstream, "orders:dlq");
    millstream.add("orders", &Fields::new().with("order_id", "1")).await?;

    while letters.list(None, 1).await?.is_empty() {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    println!("paused: dead after 3 tries and {} h", begun.elapsed().as_secs() / 3600);
    Ok(())
}

fn main() -> Result<(), Error> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_all().build().expect("a runtime").block_on(by_hand())?;
    // What `start_paused` does.
    let paused = runtime.enable_all().start_paused(true).build().expect("a runtime");
    paused.block_on(in_paused_time())
}
