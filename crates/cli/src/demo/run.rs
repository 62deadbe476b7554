//! The scenario: who starts when, who dies when, and when it is over.
//!
//! All actors are tasks of one runtime and end with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail, ensure};
use millstream::{
    Backoff, ConsumerBuilder, ConsumerGroupManager, ConsumerGroupMonitor, DeadLetters, GroupStart,
    HandlerError, Message, Millstream, Outcome, StreamConsumer,
};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::handler::{OrderHandler, order_number, scramble};
use super::ledger::{FIRST_ORDER_ID, Ledger};
use super::producer::add_orders;
use super::progress::Progress;
use super::report::DemoReport;
use super::verify::verify;
use super::{LETTERS_STREAM, ORDER_GROUP, ORDERS_STREAM};
use crate::output::print_line;

/// Consumers of the group; the last one is lost half-way.
const CONSUMERS: usize = 5;
/// Bursts in which the orders arrive.
const BURSTS: usize = 5;
/// Orders that the lost consumer works on when it is gone, if it can get them.
const LOST_HOLDS: usize = 5;
/// It is gone so long after the first of them, at the latest.
const LOST_PATIENCE: Duration = Duration::from_millis(300);
/// What nobody was heard of for so long is taken over.
const CLAIM_MIN_IDLE: Duration = Duration::from_millis(500);
/// How often the watcher looks.
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
    /// Print the statistics.
    pub(crate) prints: bool,
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
            prints: true,
        }
    }
}

/// Runs the demo against the server at `address`; prints progress to stderr, and statistics to
/// stdout if it is to.
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(play(address, options))
}

async fn play(address: SocketAddr, options: DemoOptions) -> anyhow::Result<DemoReport> {
    let url = format!("redis://{address}/");
    let millstream =
        Millstream::connect(&url).await.with_context(|| format!("connect to {address}"))?;
    create_group(&millstream).await?;
    let ledger = Arc::new(Ledger::open(options.orders, options.always_failing));
    let stage = Stage { options, millstream, ledger };
    let started_at = Instant::now();
    let outcome = stage.play(started_at).await;
    let elapsed = started_at.elapsed();

    let Stage { options, millstream, ledger } = &stage;
    let monitor = ConsumerGroupMonitor::new(millstream, ORDERS_STREAM);
    let group = monitor.statistics(ORDER_GROUP).await?.context("find the group")?;
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
    if options.prints {
        print_line(&report.to_string())?;
    }
    outcome?;
    verify(millstream, ledger, &report.group).await?;
    if options.prints {
        print_line("Every order was processed or dead-lettered, once.")?;
    }
    Ok(report)
}

/// Creates stream and group; refuses a server where they exist, whose entries would be mixed up
/// with ours.
async fn create_group(millstream: &Millstream) -> anyhow::Result<()> {
    for stream in [ORDERS_STREAM, LETTERS_STREAM] {
        let length = millstream.len(stream).await.context("look for an earlier demo")?;
        ensure!(length == 0, "{stream} exists already; the demo wants a server without it");
    }
    let manager = ConsumerGroupManager::new(millstream, ORDERS_STREAM);
    // From the first one on: nothing that is added before the first read is missed.
    let created = manager.create(ORDER_GROUP, GroupStart::First).await;
    let is_new = created.context("create the group")?;
    ensure!(is_new, "{ORDER_GROUP} exists already; the demo wants a server without it");
    Ok(())
}

/// What all actors of a run share.
struct Stage {
    options: DemoOptions,
    millstream: Millstream,
    ledger: Arc<Ledger>,
}

impl Stage {
    /// Starts everybody, waits until every order is settled, and sees everybody off.
    async fn play(&self, started_at: Instant) -> anyhow::Result<()> {
        let mut workers = JoinSet::new();
        let mut stops = Vec::new();
        for number in 1..CONSUMERS {
            let consumer = self.builder(number).build().await.context("start a consumer")?;
            stops.push(consumer.stop_token());
            let handler = self.handler();
            workers.spawn(consumer.run(move |order: Message| {
                let handler = handler.clone();
                async move { handler.handle(order).await }
            }));
        }
        let is_lost = AtomicBool::new(false);
        let losing = async {
            let lost = self.work_until_lost().await;
            is_lost.store(true, Ordering::Release);
            lost
        };
        // The first of them that fails ends the run.
        let (watched, ()) =
            tokio::try_join!(self.watch(started_at, || is_lost.load(Ordering::Acquire)), async {
                tokio::try_join!(losing, self.produce()).map(drop)
            },)?;
        stops.iter().for_each(|stop| stop.cancel());
        while let Some(ended) = workers.join_next().await {
            ended.context("a consumer panicked")?.context("a consumer ended badly")?;
        }
        Ok(watched)
    }

    async fn produce(&self) -> anyhow::Result<()> {
        for burst in 0..BURSTS {
            if burst > 0 {
                sleep(self.options.burst_pause).await;
            }
            let first = FIRST_ORDER_ID + burst * self.options.orders / BURSTS;
            let end = FIRST_ORDER_ID + (burst + 1) * self.options.orders / BURSTS;
            add_orders(&self.millstream, first..end).await.context("add orders")?;
        }
        Ok(())
    }

    /// Works like the others until half of the orders are settled; then finishes nothing any more,
    /// and is gone as soon as it has some orders in its hands: its connections drop.
    async fn work_until_lost(&self) -> anyhow::Result<()> {
        let half = self.options.orders as u64 / 2;
        let (handler, ledger) = (self.handler(), Arc::clone(&self.ledger));
        // Handlers that were begun and whose outcome is not known, and those that will never end.
        let (open, held) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let (enter, ended, holding) = (self.enter_outcomes(), Arc::clone(&open), Arc::clone(&held));
        let builder = self.builder(CONSUMERS).concurrency(LOST_HOLDS);
        let builder = builder.on_outcome(move |order, outcome| {
            enter(order, outcome);
            let is_end = matches!(outcome, Outcome::Acknowledged | Outcome::Late | Outcome::Failed);
            ended.fetch_sub(usize::from(is_end), Ordering::AcqRel);
        });
        let consumer = builder.build().await.context("start a consumer")?;
        let begun = Arc::clone(&open);
        let working = tokio::spawn(consumer.run(move |order: Message| {
            // Somebody has to take over what it holds: nothing that is tried for the last time.
            let is_late = ledger.totals().settled() >= half && order.deliveries() == 1;
            if !is_late {
                begun.fetch_add(1, Ordering::AcqRel);
            }
            let (handler, ledger) = (handler.clone(), Arc::clone(&ledger));
            let holding = Arc::clone(&holding);
            async move {
                if !is_late {
                    return handler.handle(order).await;
                }
                handler.take(&order)?;
                ledger.lost(order.consumer());
                // Not before the ledger knows: this consumer may be gone at the next moment.
                holding.fetch_add(1, Ordering::AcqRel);
                std::future::pending::<Result<(), HandlerError>>().await
            }
        }));
        let mut since = None;
        loop {
            let held = held.load(Ordering::Acquire);
            if held > 0 && open.load(Ordering::Acquire) == 0 {
                let since = *since.get_or_insert_with(Instant::now);
                if held >= LOST_HOLDS || since.elapsed() >= LOST_PATIENCE {
                    break;
                }
            }
            ensure!(!working.is_finished(), "a consumer ended before it was lost");
            let is_left = self.ledger.totals().settled() < self.options.orders as u64;
            ensure!(held > 0 || is_left, "no order came to the consumer that was to be lost");
            sleep(Duration::from_millis(1)).await;
        }
        working.abort();
        Ok(())
    }

    /// What the ledger is told by consumers.
    fn enter_outcomes(&self) -> impl Fn(&Message, Outcome) + Send + Sync + 'static {
        let ledger = Arc::clone(&self.ledger);
        move |order, outcome| {
            if let Some(order_id) = order_number(order) {
                ledger.settled(order_id, order.id(), outcome);
            }
        }
    }

    fn handler(&self) -> OrderHandler {
        OrderHandler { ledger: Arc::clone(&self.ledger), seed: self.options.seed }
    }

    fn builder(&self, number: usize) -> ConsumerBuilder {
        let (base, max) = (Duration::from_millis(50), Duration::from_millis(200));
        StreamConsumer::builder(&self.millstream, ORDERS_STREAM, ORDER_GROUP)
            .name(consumer_name(number))
            .claim_min_idle(CLAIM_MIN_IDLE)
            .block(Duration::from_millis(200))
            .backoff(Backoff { base, max, ..Backoff::default() })
            .on_outcome(self.enter_outcomes())
    }

    /// Shows progress until every order is settled, or the deadline passes, which is an error.
    async fn watch(
        &self,
        started_at: Instant,
        one_is_lost: impl Fn() -> bool,
    ) -> anyhow::Result<()> {
        let monitor = ConsumerGroupMonitor::new(&self.millstream, ORDERS_STREAM);
        let mut progress = Progress::start(self.options.orders as u64);
        progress.tell(&format!("{} orders, seed {}", self.options.orders, self.options.seed));
        let letters = DeadLetters::new(&self.millstream, LETTERS_STREAM);
        let (mut told, mut newest) = (false, None);
        loop {
            for letter in letters.list(newest, self.options.orders).await? {
                newest = Some(letter.id);
                let order_id = letter.payload.text("order_id").and_then(|it| it.parse().ok());
                let order_id = order_id.context("a dead letter that is no order")?;
                self.ledger.found_letter(order_id, letter.original_id);
            }
            let totals = self.ledger.totals();
            let pending = monitor.pending(ORDER_GROUP).await.context("count pending entries")?;
            let pending = pending.total;
            // The server may still be moving the last dead letters.
            if totals.settled() >= self.options.orders as u64 && pending == 0 {
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
            sleep(WATCH_INTERVAL).await;
        }
    }
}

fn consumer_name(number: usize) -> String {
    format!("consumer-{number}")
}
