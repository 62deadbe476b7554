//! Streams within the program itself: no server, one directory, the same workers.
//!
//! `cargo run -p millstream --example embedded [directory]`. Run it again: what is done is done,
//! and the numbers go on. Without a directory it takes a new one, and removes it at its end.

use std::env;
use std::path::PathBuf;

use millstream::{Error, Fields, HandlerError, Message, Millstream, StreamConsumer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let given = env::args_os().nth(1).map(PathBuf::from);
    let own = env::temp_dir().join(format!("millstream-example-{}", std::process::id()));
    let directory = given.clone().unwrap_or_else(|| own.clone());

    // Each write is on disk when it is confirmed.
    let millstream = Millstream::open(&directory).await?;
    let first = millstream.len("orders").await?;
    for number in first..first + 3 {
        millstream.add("orders", &Fields::new().with("number", number.to_string())).await?;
    }

    let consumer = StreamConsumer::builder(&millstream, "orders", "billing").build().await?;
    let stop = consumer.stop_token();
    let last = (first + 2).to_string();
    consumer
        .run(move |order: Message| {
            println!("order {}", order.text("number").unwrap_or_default());
            if order.text("number") == Some(&last) {
                stop.cancel();
            }
            async { Ok::<(), HandlerError>(()) }
        })
        .await?;

    // Dropping the last handle closes it, too, but says nothing of a disk that fails.
    millstream.close().await?;
    if given.is_none() {
        _ = std::fs::remove_dir_all(own);
    }
    Ok(())
}
