//! A reminder that comes later, and one that is taken back in time.
//!
//! `cargo run -p millstream --example delayed`, with a server at `REDIS_URL` or on this machine's
//! port 6379.

use std::env;
use std::time::{Duration, Instant};

use millstream::{
    DelayedMessages, Error, Fields, HandlerError, Message, Millstream, StreamConsumer,
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());
    let millstream = Millstream::connect(&url).await?;

    let consumer = StreamConsumer::builder(&millstream, "reminders", "mail").build().await?;
    let reminders = DelayedMessages::new(&millstream, "reminders");
    let reminder = |order: &str| Fields::new().with("unpaid", order.to_owned());
    reminders.add_after(Duration::from_millis(500), &reminder("17")).await?;
    let token = reminders.add_after(Duration::from_hours(24), &reminder("18")).await?;
    for waiting in reminders.list(10).await? {
        println!("{:?} waits", waiting.payload);
    }
    // It was paid.
    reminders.cancel(&token).await?;

    let (begun, stop) = (Instant::now(), consumer.stop_token());
    consumer
        .run(move |reminder: Message| {
            assert!(begun.elapsed() > Duration::from_millis(400));
            println!("order {:?} is not paid yet", reminder.text("unpaid"));
            stop.cancel();
            async { Ok::<(), HandlerError>(()) }
        })
        .await
}
