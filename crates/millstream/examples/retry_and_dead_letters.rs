//! What fails is tried again; what fails too often becomes a dead letter, and can be given back.
//!
//! `cargo run -p millstream --example retry_and_dead_letters`, with a server at `REDIS_URL` or on
//! this machine's port 6379.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use millstream::{
    Backoff, DeadLetters, Error, Fields, HandlerError, Message, Millstream, StreamConsumer,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;
    let (base, max) = (Duration::from_millis(50), Duration::from_secs(1));

    let consumer = StreamConsumer::builder(&millstream, "retry:orders", "billing")
        .max_retries(3)
        .backoff(Backoff { base, max, ..Backoff::default() })
        .build()
        .await?;
    millstream.add("retry:orders", &Fields::new().with("order_id", "1")).await?;

    let is_service_up = Arc::new(AtomicBool::new(false));
    let stop = consumer.stop_token();
    let working = tokio::spawn({
        let (is_service_up, stop) = (Arc::clone(&is_service_up), stop.clone());
        consumer.run(move |order: Message| {
            let is_service_up = is_service_up.load(Ordering::Relaxed);
            let stop = stop.clone();
            async move {
                println!("order {:?}, try {}", order.text("order_id"), order.deliveries());
                if !is_service_up {
                    return Err(HandlerError::retry("the payment service is down"));
                }
                stop.cancel();
                Ok(())
            }
        })
    });

    let letters = DeadLetters::new(&millstream, "retry:orders:dlq");
    let letter = loop {
        if let Some(letter) = letters.list(None, 1).await?.pop() {
            break letter;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    println!("dead after {} tries: {}", letter.deliveries, letter.error);

    is_service_up.store(true, Ordering::Relaxed);
    letters.requeue(&letter).await?;
    working.await.expect("the consumer does not panic")
}
