//! Order processing on a managed group: read, process, acknowledge. The server does the rest.
//!
//! ```text
//! cargo run -p order-worker -- [NAME]
//! ```
//!
//! Start as many as you like, each with a name of its own. SIGTERM ends one after its present
//! order.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use std::{env, process, thread};

use anyhow::{Context, Result, ensure};
use redis::streams::{StreamId, StreamReadOptions, StreamReadReply};
use redis::{Client, Commands, Connection, RedisResult, cmd};
use tokio::signal::unix::{SignalKind, signal};

const STREAM: &str = "orders:stream";
const GROUP: &str = "order-processors";
/// An order that is not settled within 30 s goes to another worker. Each is tried four times, after
/// 1, 2 and 4 s or a little less; when a fifth time would be due, it goes to orders:stream:dlq.
/// Workers not seen for a day go.
const POLICY: &str =
    "VISIBILITY 30000 MAXDELIVERIES 4 BACKOFF 1000 2 60000 JITTER 20 CONSUMERTTL 86400000";

fn create_group(store: &mut Connection) -> RedisResult<()> {
    let create = ["CREATE", STREAM, GROUP, "0", "MKSTREAM", "CFG"];
    let policy: Vec<&str> = POLICY.split(' ').collect();
    match cmd("XGROUP").arg(&create).arg(policy).query(store) {
        // It is there, with the policy that it has by now.
        Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
        created => created,
    }
}

/// Your own work, which must bear being done twice. An error says that it failed.
fn process_order(store: &mut Connection, order: &StreamId) -> Result<()> {
    let id: String = order.get("order_id").context("an order without a number")?;
    let amount: String = order.get("amount").context("an order without an amount")?;
    println!("Processing order {id} for ${amount}");
    let seconds = env::var("ORDER_SECONDS").unwrap_or_default().parse().unwrap_or(0.5);
    thread::sleep(Duration::from_secs_f64(seconds));
    // Stands for what goes wrong: an order fails as often as its field `fails` says.
    let attempt: u64 = store.incr(format!("attempts:{id}"), 1)?;
    ensure!(attempt > order.get("fails").unwrap_or(0), "payment service is down");
    Ok(())
}

fn process_next(store: &mut Connection, name: &str) -> RedisResult<()> {
    let options = StreamReadOptions::default().group(GROUP, name).count(1).block(1000);
    let reply: Option<StreamReadReply> = store.xread_options(&[STREAM], &[">"], &options)?;
    for order in reply.into_iter().flat_map(|reply| reply.keys).flat_map(|stream| stream.ids) {
        let number: String = order.get("order_id").unwrap_or_default();
        if let Err(error) = process_order(store, &order) {
            let nack = ["FAIL", "IDS", "1", &order.id, "ERROR", &error.to_string()];
            cmd("XNACK").arg(STREAM).arg(GROUP).arg(&nack).exec(store)?;
            println!("Failed order {number}: {error}");
        } else {
            store.xack::<_, _, _, ()>(STREAM, GROUP, &[&order.id])?;
            println!("Processed order {number}");
        }
    }
    Ok(())
}

/// Works until told to stop, or until the connection breaks.
fn work(client: &Client, name: &str, stopping: &AtomicBool) -> RedisResult<()> {
    let mut store = client.get_connection()?;
    create_group(&mut store)?;
    while !stopping.load(Ordering::Relaxed) {
        process_next(&mut store, name)?;
    }
    Ok(())
}

/// True from the first SIGTERM or SIGINT on.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    let stopping = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stopping);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let context = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    drop(context);
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select!(_ = terminate.recv() => (), _ = interrupt.recv() => ())
        });
        told.store(true, Ordering::Relaxed);
    });
    Ok(stopping)
}

fn main() -> Result<()> {
    let name = env::args().nth(1).unwrap_or_else(|| format!("worker-{}", process::id()));
    let url = env::var("REDIS_URL").unwrap_or_else(|_| "redis://localhost:6379".to_owned());
    let client = Client::open(url)?;
    let stopping = stop_on_signals()?;
    while !stopping.load(Ordering::Relaxed) {
        if let Err(error) = work(&client, &name, &stopping) {
            // The server is away. What this worker had comes again.
            println!("Waiting: {error}");
            thread::sleep(Duration::from_secs(1));
        }
    }
    Ok(())
}
