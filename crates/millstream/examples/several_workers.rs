//! Several workers share the orders of one group; each order goes to one of them.
//!
//! `cargo run -p millstream --example several_workers`, with a server at `REDIS_URL` or on this
//! machine's port 6379. Workers of other processes join by building a consumer of the same group.

use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream::{
    ConsumerGroupMonitor, Error, Fields, HandlerError, Message, Millstream, StreamConsumer,
};
use tokio::task::JoinSet;

const ORDERS: usize = 100;

#[tokio::main]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let done = Arc::new(AtomicUsize::new(0));
    let (mut workers, mut stops) = (JoinSet::new(), Vec::new());
    for slot in 0..3 {
        // The same slot has the same name after a restart, and finds what it had.
        let consumer = StreamConsumer::builder(&millstream, "several:orders", "billing")
            .slot(slot)
            .concurrency(4)
            .build()
            .await?;
        stops.push(consumer.stop_token());
        let done = Arc::clone(&done);
        workers.spawn(consumer.run(move |_order: Message| {
            let done = Arc::clone(&done);
            async move {
                done.fetch_add(1, Ordering::Relaxed);
                Ok::<(), HandlerError>(())
            }
        }));
    }
    for number in 0..ORDERS {
        let order = Fields::new().with("order_id", number.to_string());
        millstream.add("several:orders", &order).await?;
    }
    let monitor = ConsumerGroupMonitor::new(&millstream, "several:orders");
    while done.load(Ordering::Relaxed) < ORDERS || monitor.pending("billing").await?.total > 0 {
        tokio::task::yield_now().await;
    }
    if let Some(statistics) = monitor.statistics("billing").await? {
        println!("{statistics}");
    }
    stops.iter().for_each(|stop| stop.cancel());
    workers.join_all().await.into_iter().collect()
}
