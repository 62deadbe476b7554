//! One stream, several groups: each of them sees every event, and each has its own handler.
//!
//! `cargo run -p millstream --example fan_out`, with a server at `REDIS_URL` or on this machine's
//! port 6379.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::{Error, Fields, HandlerError, Message, Millstream, StreamConsumer, WorkerPool};

const GROUPS: [&str; 3] = ["email", "warehouse", "statistics"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let mut pool = WorkerPool::new();
    let (stop, seen) = (pool.stop_token(), Arc::new(AtomicUsize::new(0)));
    for group in GROUPS {
        let consumer = StreamConsumer::builder(&millstream, "fan:events", group).build().await?;
        let (stop, seen) = (stop.clone(), Arc::clone(&seen));
        // Any handler for each; here they do the same.
        pool.spawn(consumer, move |event: Message| {
            println!("{}: {:?}", event.group(), event.text("event"));
            if seen.fetch_add(1, Ordering::Relaxed) + 1 == 2 * GROUPS.len() {
                stop.cancel();
            }
            async { Ok::<(), HandlerError>(()) }
        });
    }
    for event in ["order placed", "order paid"] {
        millstream.add("fan:events", &Fields::new().with("event", event)).await?;
    }
    pool.join().await
}
