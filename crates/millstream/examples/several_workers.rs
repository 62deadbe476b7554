//! Several workers share the orders of one group; each order goes to one of them.
//!
//! `cargo run -p millstream --example several_workers`, with a server at `REDIS_URL` or on this
//! machine's port 6379. Workers of other processes join by building a consumer of the same group,
//! with `free_slot()` for its name.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::{
    ConsumerGroupMonitor, Error, Fields, HandlerError, Message, Millstream, Producer,
    StreamConsumer, WorkerPool,
};

const ORDERS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let done = Arc::new(AtomicUsize::new(0));
    let worker = StreamConsumer::builder(&millstream, "several:orders", "billing").concurrency(4);
    let mut pool = WorkerPool::new();
    // They have slots 0, 1 and 2. The same slot has the same name after a restart, and finds what
    // it had.
    pool.spawn_many(3, &worker, {
        let done = Arc::clone(&done);
        move |_order: Message| {
            let done = Arc::clone(&done);
            async move {
                done.fetch_add(1, Ordering::Relaxed);
                Ok::<(), HandlerError>(())
            }
        }
    })
    .await?;
    let orders = (0..ORDERS).map(|number| Fields::new().with("order_id", number.to_string()));
    Producer::new(&millstream, "several:orders").add_all(orders).await?;

    let monitor = ConsumerGroupMonitor::new(&millstream, "several:orders");
    while done.load(Ordering::Relaxed) < ORDERS || monitor.pending("billing").await?.total > 0 {
        tokio::task::yield_now().await;
    }
    if let Some(statistics) = monitor.statistics("billing").await? {
        println!("{statistics}");
    }
    pool.stop_token().cancel();
    pool.join().await
}
