//! Orders as values of the program's own type.
//!
//! `cargo run -p millstream --example typed_payload`, with a server at `REDIS_URL` or on this
//! machine's port 6379.

use std::env;

use millstream::{Error, HandlerError, Message, Millstream, StreamConsumer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    order_id: u64,
    amount: f64,
    note: Option<String>,
    items: Vec<Item>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Item {
    name: String,
    count: u32,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let consumer = StreamConsumer::builder(&millstream, "typed:orders", "billing").build().await?;
    let items = vec![Item { name: "tea".to_owned(), count: 2 }];
    // On the stream: order_id 17, amount 12.5, items [{"count":2,"name":"tea"}].
    let order = Order { order_id: 17, amount: 12.5, note: None, items };
    millstream.add("typed:orders", &order).await?;

    let stop = consumer.stop_token();
    consumer
        .run(move |order: Message<Order>| {
            let stop = stop.clone();
            async move {
                let order = order.into_payload();
                let pieces: u32 = order.items.iter().map(|item| item.count).sum();
                println!("order {} of {pieces} pieces for {}", order.order_id, order.amount);
                stop.cancel();
                Ok::<(), HandlerError>(())
            }
        })
        .await
}
