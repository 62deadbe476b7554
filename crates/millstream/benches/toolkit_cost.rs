//! What the toolkit costs its own process: CPU per message of a worker that does nothing, beside a
//! loop of plain `redis` calls that sends the same commands.
//!
//! `cargo bench -p millstream --bench toolkit_cost -- --url redis://127.0.0.1:6379` fills a stream
//! there, and has both work it off, by turns, with several sizes of reads. What the server does is
//! not measured. Prints medians, and the median of the ratios of each round's pair.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Parser;
use millstream::{ConsumerGroupManager, Fields, GroupStart, HandlerError, Message, Millstream};
use millstream::{Producer, StreamConsumer};
use millstream_bench::process_usage::ProcessUsage;
use redis::AsyncCommands as _;
use redis::streams::{StreamReadOptions, StreamReadReply};

const STREAM: &str = "cost:orders";
const GROUP: &str = "workers";
const COUNTS: [usize; 3] = [1, 10, 100];

/// The cost of the toolkit beside plain calls.
#[derive(Parser)]
struct Options {
    /// The server's address; something that is not yours to lose: a stream is made and deleted.
    #[arg(long)]
    url: String,
    /// Messages of each run.
    #[arg(long, default_value_t = 200_000)]
    messages: usize,
    /// Pairs of runs.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// What cargo adds.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy)]
struct Run {
    cpu_us_per_message: f64,
    messages_per_second: f64,
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    println!("{:>6} {:>12} {:>14} {:>8}", "count", "plain us", "toolkit us", "ratio");
    for count in COUNTS {
        let (mut plain, mut toolkit) = (Vec::new(), Vec::new());
        for _ in 0..options.rounds {
            plain.push(measure(&options, |url, messages| with_plain_calls(url, messages, count))?);
            toolkit.push(measure(&options, |url, messages| with_toolkit(url, messages, count))?);
        }
        let ratios = plain.iter().zip(&toolkit);
        let ratios =
            ratios.map(|(plain, toolkit)| toolkit.cpu_us_per_message / plain.cpu_us_per_message);
        let of = |runs: &[Run]| median(runs.iter().map(|run| run.cpu_us_per_message).collect());
        println!(
            "{count:>6} {:>12.3} {:>14.3} {:>8.3}",
            of(&plain),
            of(&toolkit),
            median(ratios.collect())
        );
        let speed = |runs: &[Run]| median(runs.iter().map(|run| run.messages_per_second).collect());
        println!("       {:>12.0} {:>14.0} messages/s", speed(&plain), speed(&toolkit));
    }
    Ok(())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Fills the stream, and measures this process while `work` works it off.
fn measure(
    options: &Options,
    work: impl FnOnce(String, usize) -> anyhow::Result<()>,
) -> anyhow::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let millstream = Millstream::connect(&options.url).await?;
        millstream.query(redis::cmd("DEL").arg(STREAM)).await?;
        let order = |number: usize| {
            let fields = Fields::new().with("order_id", number.to_string());
            fields.with("amount", "99.99").with("status", "pending")
        };
        let producer = Producer::new(&millstream, STREAM);
        producer.add_all((0..options.messages).map(order)).await?;
        let manager = ConsumerGroupManager::new(&millstream, STREAM);
        manager.create(GROUP, GroupStart::First).await
    })?;
    drop(runtime);
    let (before, begun) = (ProcessUsage::of(std::process::id())?, Instant::now());
    work(options.url.clone(), options.messages)?;
    let usage = ProcessUsage::of(std::process::id())?.since(before);
    let messages = options.messages as f64;
    Ok(Run {
        cpu_us_per_message: usage.cpu_us as f64 / messages,
        messages_per_second: messages / begun.elapsed().as_secs_f64(),
    })
}

fn with_plain_calls(url: String, messages: usize, count: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = redis::Client::open(url)?;
        let mut connection = client.get_multiplexed_async_connection().await?;
        let options = StreamReadOptions::default().group(GROUP, "plain").count(count).block(1000);
        let mut done = 0;
        while done < messages {
            let read: StreamReadReply =
                connection.xread_options(&[STREAM], &[">"], &options).await?;
            for stream in read.keys {
                let mut ids = Vec::with_capacity(stream.ids.len());
                for entry in stream.ids {
                    handle(entry.get::<String>("order_id").context("a field")?).await;
                    ids.push(entry.id);
                }
                let acknowledged: usize = connection.xack(STREAM, GROUP, &ids).await?;
                done += acknowledged;
            }
        }
        Ok(())
    })
}

fn with_toolkit(url: String, messages: usize, count: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let millstream = Millstream::connect(&url).await?;
        let consumer = StreamConsumer::builder(&millstream, STREAM, GROUP)
            .name("toolkit")
            .count(count)
            .block(Duration::from_secs(1))
            .build()
            .await?;
        let (stop, health) = (consumer.stop_token(), consumer.health());
        let watching = async {
            while health.report().acknowledged < messages as u64 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            stop.cancel();
            Ok(())
        };
        let working = consumer.run(|message: Message| async move {
            handle(message.text("order_id").unwrap_or_default().to_owned()).await;
            Ok::<(), HandlerError>(())
        });
        tokio::try_join!(working, watching)?;
        Ok(())
    })
}

/// Nothing, but not so that a compiler sees it.
async fn handle(order_id: String) {
    std::hint::black_box(order_id);
}
