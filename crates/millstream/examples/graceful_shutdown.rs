//! A worker that ends in order: at SIGTERM or Ctrl-C it takes no more, finishes what it has begun,
//! gives back what it has not, and returns.
//!
//! `cargo run -p millstream --example graceful_shutdown`, with a server at `REDIS_URL` or on this
//! machine's port 6379.

use std::env;
use std::time::Duration;

use millstream::{Fields, HandlerError, Message, Millstream, StreamConsumer};
use tokio::time::sleep;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let consumer = StreamConsumer::builder(&millstream, "graceful:orders", "billing")
        .shutdown_timeout(Duration::from_secs(10))
        .build()
        .await?;
    consumer.stop_on_signals()?;
    let health = consumer.health();
    for number in 0..10 {
        let order = Fields::new().with("order_id", number.to_string());
        millstream.add("graceful:orders", &order).await?;
    }
    println!("working");
    consumer
        .run(|order: Message| async move {
            sleep(Duration::from_millis(300)).await;
            println!("done: {:?}", order.text("order_id"));
            Ok::<(), HandlerError>(())
        })
        .await?;
    let report = health.report();
    println!("{} done, {} given back", report.acknowledged, report.handed_back);
    Ok(())
}
