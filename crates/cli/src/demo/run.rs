//! The scenario: who starts when, who dies when, and when it is over.
//!
//! One thread per consumer, one for the producer; the calling thread watches. All of them end with
//! the run: each looks at the [`Stage`] between two steps, and no step takes longer than a blocked
//! read plus the response timeout.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use redis::{Client, Commands, Connection, RedisResult};

use super::consumer::{ConsumerOptions, Job, RESPONSE_TIMEOUT, StreamConsumer};
use super::handler::{OrderHandler, scramble};
use super::ledger::{FIRST_ORDER_ID, Ledger};
use super::monitor::ConsumerGroupMonitor;
use super::producer::add_orders;
use super::progress::Progress;
use super::report::DemoReport;
use super::verify::verify;
use super::{ORDER_GROUP, ORDERS_STREAM};

/// Consumers of the group; the last one is lost half-way.
const CONSUMERS: usize = 5;
/// Bursts in which the orders arrive.
const BURSTS: usize = 5;
/// Entries that the lost consumer holds when its connection drops, if it can get them.
const LOST_HOLDS: usize = 5;
/// Pause before a consumer connects again.
const RECONNECT_PAUSE: Duration = Duration::from_millis(100);
/// How often the watching thread looks.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// How a demo runs.
#[derive(Clone, Debug)]
pub(crate) struct DemoOptions {
    /// Orders to add; 20 or more, so that the lost consumer finds work after the first half.
    pub(crate) orders: usize,
    /// Orders that fail at every attempt; 1 or more and fewer than `orders`.
    pub(crate) always_failing: usize,
    /// Seed of the random failures.
    pub(crate) seed: u64,
    /// Pause between two bursts of orders.
    pub(crate) burst_pause: Duration,
    /// The run fails when it is not over by then.
    pub(crate) deadline: Duration,
}

impl Default for DemoOptions {
    /// 200 orders within some six seconds, with a seed taken from the clock.
    fn default() -> Self {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            orders: 200,
            always_failing: 4,
            seed: scramble(u64::from(since_1970.subsec_nanos()) ^ since_1970.as_secs()) % 1_000_000,
            burst_pause: Duration::from_secs(1),
            deadline: Duration::from_secs(25),
        }
    }
}

fn consumer_options() -> ConsumerOptions {
    ConsumerOptions {
        count: 10,
        block_timeout: Duration::from_millis(200),
        claim_min_idle: Duration::from_millis(500),
        max_deliveries: 3,
    }
}

/// Runs the demo against the server at `address`; prints progress to stderr, statistics to stdout.
///
/// # Errors
/// The server cannot be reached, already has the demo's streams, or, when all is done, an order is
/// not accounted for exactly once.
pub(crate) fn run(address: SocketAddr, options: DemoOptions) -> anyhow::Result<DemoReport> {
    ensure!(options.orders >= 20, "the demo needs at least 20 orders");
    ensure!(
        (1..options.orders).contains(&options.always_failing),
        "between 1 and {} orders can be made to fail always",
        options.orders - 1
    );
    let client = Client::open(format!("redis://{address}/")).context("read the address")?;
    let mut control = connect(&client).with_context(|| format!("connect to {address}"))?;
    create_group(&mut control)?;

    let ledger = Ledger::open(options.orders, options.always_failing);
    let stage =
        Stage { options: &options, client: &client, ledger: &ledger, over: AtomicBool::new(false) };
    let started_at = Instant::now();
    let outcome = stage.play(started_at);
    let elapsed = started_at.elapsed();

    let mut monitor = ConsumerGroupMonitor::new(connect(&client)?, ORDERS_STREAM);
    let group = monitor.group_stats(ORDER_GROUP)?.context("find the group")?;
    let totals = ledger.totals();
    let report = DemoReport {
        seed: options.seed,
        orders: options.orders as u64,
        processed: totals.processed,
        retried: totals.retried,
        claimed_from_dead: totals.claimed_from_dead,
        dead_lettered: totals.dead_lettered,
        processed_twice: totals.processed_twice,
        elapsed,
        group,
    };
    println!("{report}");
    outcome?;
    verify(&mut control, &ledger, &report.group)?;
    println!("Every order was processed or dead-lettered, once.");
    Ok(report)
}

fn connect(client: &Client) -> RedisResult<Connection> {
    let connection = client.get_connection_with_timeout(RESPONSE_TIMEOUT)?;
    connection.set_read_timeout(Some(RESPONSE_TIMEOUT))?;
    connection.set_write_timeout(Some(RESPONSE_TIMEOUT))?;
    Ok(connection)
}

/// Creates stream and group; refuses a server where they exist, whose entries would be mixed up
/// with ours.
fn create_group(control: &mut Connection) -> anyhow::Result<()> {
    for key in [ORDERS_STREAM.to_owned(), super::dead_letter::dead_letter_stream(ORDERS_STREAM)] {
        let exists: bool = control.exists(&key).context("look for an earlier demo")?;
        ensure!(!exists, "{key} exists already; the demo wants a server without it");
    }
    // From 0: nothing that is added before the first read is missed.
    control
        .xgroup_create_mkstream::<_, _, _, ()>(ORDERS_STREAM, ORDER_GROUP, "0")
        .context("create the group")
}

/// What all threads of a run share.
struct Stage<'a> {
    options: &'a DemoOptions,
    client: &'a Client,
    ledger: &'a Ledger,
    over: AtomicBool,
}

impl Stage<'_> {
    /// Starts everybody, waits until every order is settled, and sees everybody off.
    fn play(&self, started_at: Instant) -> anyhow::Result<()> {
        thread::scope(|scope| {
            let lost =
                scope.spawn(|| self.or_over(self.work_until_lost(&consumer_name(CONSUMERS))));
            for number in 1..CONSUMERS {
                scope.spawn(move || self.work(&consumer_name(number)));
            }
            let producer = scope.spawn(|| self.or_over(self.produce()));
            let watched = self.watch(started_at, || lost.is_finished());
            self.over.store(true, Ordering::Release);
            let produced = producer.join();
            let lost = lost.join();
            watched?;
            produced.map_err(|_| anyhow::anyhow!("the producer panicked"))??;
            let held = lost.map_err(|_| anyhow::anyhow!("the lost consumer panicked"))??;
            ensure!(held > 0, "the consumer to be lost was never given any work");
            Ok(())
        })
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Ends the run at once when an actor that is needed for its success has failed.
    fn or_over<T>(&self, result: anyhow::Result<T>) -> anyhow::Result<T> {
        if result.is_err() {
            self.over.store(true, Ordering::Release);
        }
        result
    }

    fn produce(&self) -> anyhow::Result<()> {
        let mut connection = connect(self.client)?;
        for burst in 0..BURSTS {
            if burst > 0 {
                thread::sleep(self.options.burst_pause);
            }
            if self.is_over() {
                break;
            }
            let first = FIRST_ORDER_ID + burst * self.options.orders / BURSTS;
            let end = FIRST_ORDER_ID + (burst + 1) * self.options.orders / BURSTS;
            add_orders(&mut connection, first..end).context("add orders")?;
        }
        Ok(())
    }

    /// A consumer as it should be: whatever happens to its connection, it comes back.
    fn work(&self, name: &str) {
        let mut handler = self.handler(name);
        while !self.is_over() {
            if let Err(error) = self.work_while_connected(name, &mut handler, || self.is_over()) {
                eprintln!("{name}: {error}; connecting again");
                thread::sleep(RECONNECT_PAUSE);
            }
        }
    }

    fn work_while_connected(
        &self,
        name: &str,
        job: &mut impl Job,
        done: impl Fn() -> bool,
    ) -> RedisResult<()> {
        let mut consumer = self.consumer(name)?;
        while !done() {
            consumer.work_once(job)?;
        }
        Ok(())
    }

    /// Works like the others until half of the orders are settled; then takes new entries, finishes
    /// none of them, and is gone. Returns how many entries it took with it.
    fn work_until_lost(&self, name: &str) -> anyhow::Result<usize> {
        let mut handler = self.handler(name);
        let half = self.options.orders as u64 / 2;
        let is_time = || self.is_over() || self.ledger.totals().settled() >= half;
        self.work_while_connected(name, &mut handler, is_time).context("work until lost")?;

        let mut consumer = self.consumer(name)?;
        self.ledger.lost(name);
        let mut held = 0;
        let mut last_count = 0;
        // Stops when it has enough, or when there is no more to be had after some.
        while !self.is_over() && held < LOST_HOLDS && (held == 0 || last_count > 0) {
            let taken = consumer.read_new().context("take work before being lost")?;
            taken.iter().for_each(|message| handler.taken(message));
            last_count = taken.len();
            held += last_count;
        }
        Ok(held)
    }

    fn handler(&self, name: &str) -> OrderHandler<'_> {
        OrderHandler { consumer: name.to_owned(), ledger: self.ledger, seed: self.options.seed }
    }

    fn consumer(&self, name: &str) -> RedisResult<StreamConsumer> {
        StreamConsumer::connect(self.client, ORDERS_STREAM, ORDER_GROUP, name, consumer_options())
    }

    /// Shows progress until every order is settled, an actor has failed, or the deadline passes,
    /// which is an error.
    fn watch(&self, started_at: Instant, one_is_lost: impl Fn() -> bool) -> anyhow::Result<()> {
        let mut monitor = ConsumerGroupMonitor::new(connect(self.client)?, ORDERS_STREAM);
        let mut progress = Progress::start(self.options.orders as u64);
        progress.tell(&format!("{} orders, seed {}", self.options.orders, self.options.seed));
        let mut told = false;
        loop {
            let totals = self.ledger.totals();
            let pending = monitor.pending(ORDER_GROUP).context("count pending entries")?;
            if self.is_over() || totals.settled() >= self.options.orders as u64 {
                progress.finish(totals, pending);
                return Ok(());
            }
            if started_at.elapsed() >= self.options.deadline {
                progress.finish(totals, pending);
                bail!(
                    "{} of {} orders were settled within {} s",
                    totals.settled(),
                    self.options.orders,
                    self.options.deadline.as_secs()
                );
            }
            if one_is_lost() && !told {
                told = true;
                progress.tell(&format!("{} is gone, the others go on", consumer_name(CONSUMERS)));
            }
            progress.update(totals, pending);
            thread::sleep(WATCH_INTERVAL);
        }
    }
}

fn consumer_name(number: usize) -> String {
    format!("consumer-{number}")
}
