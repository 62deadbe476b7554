//! Urgent tasks before ordinary ones, and both before those that may wait; yet none waits for ever.
//!
//! `cargo run -p millstream --example priorities`, with a server at `REDIS_URL` or on this
//! machine's port 6379.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use millstream::{
    Error, Fields, HandlerError, Message, Millstream, Priorities, Producer, StreamConsumer,
};

/// One stream for each level, the highest first.
const LEVELS: [&str; 3] = ["tasks:high", "tasks:medium", "tasks:low"];
const TASKS_PER_LEVEL: usize = 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;
    for level in LEVELS {
        let tasks = (0..TASKS_PER_LEVEL).map(|n| Fields::new().with("task", n.to_string()));
        Producer::new(&millstream, level).add_all(tasks).await?;
    }

    // While all three have tasks, of nine that are begun six are urgent and one may have waited.
    // `Priorities::Strict` would begin one of a later level only while there is none of an earlier.
    let consumer = StreamConsumer::builder(&millstream, LEVELS[0], "workers")
        .and_stream(LEVELS[1])
        .and_stream(LEVELS[2])
        .priorities(Priorities::Weighted(vec![6, 2, 1]))
        .build()
        .await?;
    let (stop, done) = (consumer.stop_token(), Arc::new(AtomicUsize::new(0)));
    consumer
        .run(move |task: Message| {
            let (stop, done) = (stop.clone(), Arc::clone(&done));
            async move {
                // A task takes its time.
                tokio::time::sleep(Duration::from_millis(2)).await;
                println!("{}", task.stream());
                if done.fetch_add(1, Ordering::Relaxed) + 1 == LEVELS.len() * TASKS_PER_LEVEL {
                    stop.cancel();
                }
                Ok::<(), HandlerError>(())
            }
        })
        .await
}
