//! The first worker: takes orders, does them, acknowledges them.
//!
//! `cargo run -p millstream --example first_worker`, with a server at `REDIS_URL` or on this
//! machine's port 6379. It ends when it has done three orders.

use std::env;

use millstream::{Error, Fields, HandlerError, Message, Millstream, StreamConsumer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let consumer = StreamConsumer::builder(&millstream, "first:orders", "billing").build().await?;
    for number in 1..=3 {
        let order = Fields::new().with("order_id", number.to_string()).with("customer", "Ada");
        let id = millstream.add("first:orders", &order).await?;
        println!("added order {number} as {id}");
    }

    let stop = consumer.stop_token();
    consumer
        .run(move |order: Message| {
            let stop = stop.clone();
            async move {
                println!("order {:?} of {:?}", order.text("order_id"), order.text("customer"));
                if order.text("order_id") == Some("3") {
                    stop.cancel();
                }
                Ok::<(), HandlerError>(())
            }
        })
        .await
}
