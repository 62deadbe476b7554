//! Orders into a database, many in one go, and only those that it refused are tried again.
//!
//! `cargo run -p millstream --example batch`, with a server at `REDIS_URL` or on this machine's
//! port 6379.

use std::env;
use std::time::Duration;

use millstream::{BatchError, Error, HandlerError, Message, Millstream, Producer, StreamConsumer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    order_id: u64,
}

/// Returns the places of those that it does not take.
async fn insert_all(orders: &[Message<Order>]) -> Vec<usize> {
    println!("{} orders in one statement", orders.len());
    let is_odd = |order: &Message<Order>| order.payload().order_id == 7 && order.deliveries() == 1;
    orders.iter().position(is_odd).into_iter().collect()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;
    let orders = (0..250).map(|order_id| Order { order_id });
    Producer::new(&millstream, "batch:orders").add_all(orders).await?;

    // As many as there are within 20 ms, 100 at most.
    let consumer = StreamConsumer::builder(&millstream, "batch:orders", "database")
        .batch(100, Duration::from_millis(20))
        .count(100)
        .build()
        .await?;
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let watching = async {
        while health.report().acknowledged < 250 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        Ok(())
    };
    let working = consumer.run_batches(|orders: Vec<Message<Order>>| async move {
        let refused = insert_all(&orders).await;
        if refused.is_empty() {
            return Ok(());
        }
        // All others are acknowledged.
        Err(BatchError::some(refused.into_iter().map(|place| {
            let order = &orders[place];
            println!("order {} is refused", order.payload().order_id);
            let key = (order.stream().to_owned(), order.id());
            (key, HandlerError::retry_after(Duration::from_millis(100), "refused"))
        })))
    });
    tokio::try_join!(working, watching).map(drop)
}
