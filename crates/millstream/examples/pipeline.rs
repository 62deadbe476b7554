//! An order makes an invoice: acknowledged and added in one step, so that there is one invoice for
//! each order, also if a worker dies at the worst moment. And the order itself is added once,
//! however often the shop tries.
//!
//! `cargo run -p millstream --example pipeline`, with a server at `REDIS_URL` or on this machine's
//! port 6379.

use std::env;
use std::time::Duration;

use millstream::{Done, Error, Message, Millstream, Producer, StreamConsumer};
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
struct Order {
    order_id: u64,
    cents: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Invoice {
    order_id: u64,
    cents_with_tax: u64,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let shop = Producer::new(&millstream, "{shop}:orders");
    let shop = shop.remember("shop-1", Duration::from_mins(10)).await?;
    for order_id in [1, 2, 2] {
        // The key says that it is the same; the second try finds the entry of the first.
        let id =
            shop.add_once(&format!("order-{order_id}"), &Order { order_id, cents: 1000 }).await?;
        println!("order {order_id} is an entry: {}", id.ms > 0);
    }

    let consumer = StreamConsumer::builder(&millstream, "{shop}:orders", "billing").build().await?;
    let (stop, health) = (consumer.stop_token(), consumer.health());
    let watching = async {
        while health.report().acknowledged < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        Ok(())
    };
    let working = consumer.run(|order: Message<Order>| async move {
        let Order { order_id, cents } = order.into_payload();
        let invoice = Invoice { order_id, cents_with_tax: cents * 119 / 100 };
        // The braces keep both streams on one server of a Cluster.
        Done::new().produce("{shop}:invoices", &invoice)
    });
    tokio::try_join!(working, watching)?;
    println!(
        "{} orders, {} invoices",
        millstream.len("{shop}:orders").await?,
        millstream.len("{shop}:invoices").await?
    );
    Ok(())
}
