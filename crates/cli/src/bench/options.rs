//! The options of the loads, and the plans that they make.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::payload::Payload;
use super::plan::{Load, Plan};
use crate::byte_size::parse_bytes;
use crate::duration::parse_duration;
use crate::usage_error::usage;

/// A bit of memory for each, and numbers of 32 bits.
const MESSAGES_MAX: u32 = 1_000_000_000;
/// Requests, or entries of an answer, that may be in the memory of this program.
const IN_FLIGHT_BYTES_MAX: usize = 1 << 30;
/// About what an entry takes there beside its payload.
const ENTRY_BYTES: usize = 200;
/// Connections of the open loop, unless it is said otherwise.
const LATENCY_CONNECTIONS: usize = 1;

/// Options of all loads.
#[derive(Debug, clap::Args)]
pub(super) struct RunOptions {
    /// Bytes of payload in an entry: its values together, such as 100 or 1kb
    #[arg(long, value_name = "BYTES", default_value = "100", value_parser = parse_bytes)]
    size: u64,
    /// Fields of an entry, among which the payload is divided
    #[arg(long, value_name = "COUNT", default_value_t = 1, value_parser = within(1..=1000))]
    fields: u64,
    /// Rounds that count; the figures are medians of them. A shorter one comes first, to warm up
    #[arg(long, value_name = "COUNT", default_value_t = 3, value_parser = within(1..=1000))]
    pub(super) rounds: u64,
    /// Threads of this program [default: one for every two cores, 8 at most]
    #[arg(long, value_name = "COUNT", value_parser = within(1..=256))]
    threads: Option<u64>,
    /// Another server, measured in turns with the one of --url, for a table side by side. Its
    /// password may be in the variable MILLSTREAM_COMPARE_AUTH, if it is not in the URL
    #[arg(long, value_name = "URL")]
    pub(super) compare: Option<String>,
}

/// How many entries.
#[derive(Debug, clap::Args)]
pub(super) struct MessageOptions {
    /// Entries of a round
    #[arg(
        long,
        short = 'n',
        value_name = "COUNT",
        default_value_t = 100_000,
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MESSAGES_MAX))
    )]
    messages: u32,
}

/// Who adds.
#[derive(Debug, clap::Args)]
pub(super) struct ProducerOptions {
    /// Connections that add
    #[arg(
        long,
        short = 'c',
        value_name = "COUNT",
        default_value_t = 8,
        value_parser = within(1..=1000)
    )]
    connections: u64,
    /// XADDs that each of them has in flight: so many are sent at once, and all answered before
    /// the next
    #[arg(
        long,
        short = 'P',
        value_name = "COUNT",
        default_value_t = 32,
        value_parser = within(1..=100_000)
    )]
    pipeline: u64,
}

/// Who reads.
#[derive(Debug, clap::Args)]
pub(super) struct WorkerOptions {
    /// Workers, each a consumer of the group with a connection of its own
    #[arg(
        long,
        short = 'w',
        value_name = "COUNT",
        default_value_t = 4,
        value_parser = within(1..=1000)
    )]
    workers: u64,
    /// Entries that a worker asks for at once (COUNT)
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = within(1..=100_000))]
    count: u64,
}

/// How far producers may be ahead.
#[derive(Debug, clap::Args)]
pub(super) struct BacklogOptions {
    /// Entries at most that were added and not acknowledged yet
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = within(1..=100_000_000)
    )]
    backlog: u64,
}

/// How fast, and how long.
#[derive(Debug, clap::Args)]
pub(super) struct RateOptions {
    /// Entries that are due in a second
    #[arg(
        long,
        value_name = "COUNT",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..=10_000_000)
    )]
    rate: u32,
    /// How long a round is
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = parse_duration)]
    duration: Duration,
}

#[derive(Debug, clap::Args)]
pub(super) struct ProduceOptions {
    #[command(flatten)]
    messages: MessageOptions,
    #[command(flatten)]
    producers: ProducerOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// Of `drain` and of `claim`.
#[derive(Debug, clap::Args)]
pub(super) struct TakeOptions {
    #[command(flatten)]
    messages: MessageOptions,
    #[command(flatten)]
    workers: WorkerOptions,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Debug, clap::Args)]
pub(super) struct CycleOptions {
    #[command(flatten)]
    messages: MessageOptions,
    #[command(flatten)]
    producers: ProducerOptions,
    #[command(flatten)]
    workers: WorkerOptions,
    #[command(flatten)]
    backlog: BacklogOptions,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Debug, clap::Args)]
pub(super) struct LatencyOptions {
    #[command(flatten)]
    rate: RateOptions,
    /// Entries of a round, instead of --duration
    #[arg(
        long,
        short = 'n',
        value_name = "COUNT",
        conflicts_with = "duration",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MESSAGES_MAX))
    )]
    messages: Option<u32>,
    /// Connections that take turns to add
    #[arg(
        long,
        short = 'c',
        value_name = "COUNT",
        default_value_t = LATENCY_CONNECTIONS as u64,
        value_parser = within(1..=1000)
    )]
    connections: u64,
    #[command(flatten)]
    workers: WorkerOptions,
    #[command(flatten)]
    run: RunOptions,
}

#[derive(Debug, clap::Args)]
pub(super) struct AllOptions {
    #[command(flatten)]
    messages: MessageOptions,
    #[command(flatten)]
    producers: ProducerOptions,
    #[command(flatten)]
    workers: WorkerOptions,
    #[command(flatten)]
    backlog: BacklogOptions,
    #[command(flatten)]
    rate: RateOptions,
    #[command(flatten)]
    run: RunOptions,
}

/// What was asked for, load by load.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) plans: Vec<Plan>,
    pub(super) run: RunOptions,
}

impl RunOptions {
    /// A plan with nobody in it.
    fn plan(&self, load: Load, messages: u32, patience: Duration) -> anyhow::Result<Plan> {
        let (size, fields) = (number(self.size), number(self.fields));
        let least = Payload::bytes_min(fields);
        if size < least {
            let of = crate::output::plural(self.fields, "field");
            return Err(usage(format!(
                "--size {size} is too small: entries of {of} have {least} bytes at least, so that \
                 each has its number"
            )));
        }
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Plan {
            load,
            messages,
            payload: Payload { bytes: size, fields },
            connections: 0,
            pipeline: 0,
            workers: 0,
            count: 0,
            backlog: 0,
            rate: 0,
            threads: self.threads.map_or((cores / 2).clamp(1, 8), number),
            patience,
        })
    }
}

impl ProducerOptions {
    fn apply(&self, plan: &mut Plan) {
        plan.connections = number(self.connections);
        plan.pipeline = number(self.pipeline);
    }
}

impl WorkerOptions {
    fn apply(&self, plan: &mut Plan) {
        plan.workers = number(self.workers);
        plan.count = number(self.count);
    }
}

impl BacklogOptions {
    fn apply(&self, plan: &mut Plan) -> anyhow::Result<()> {
        plan.backlog = number(self.backlog);
        if plan.backlog < plan.pipeline {
            let Plan { backlog, pipeline, .. } = plan;
            return Err(usage(format!(
                "--backlog {backlog} is less than the {pipeline} that --pipeline adds at once"
            )));
        }
        Ok(())
    }
}

impl RateOptions {
    /// How many that are.
    fn messages(&self) -> anyhow::Result<u32> {
        let messages = f64::from(self.rate) * self.duration.as_secs_f64();
        if messages > f64::from(MESSAGES_MAX) {
            return Err(usage(format!(
                "more than {MESSAGES_MAX} entries would be sent in a round"
            )));
        }
        Ok((messages as u32).max(1))
    }

    fn apply(&self, plan: &mut Plan) {
        // So many that are due already go in one write at most.
        const AT_ONCE: usize = 1000;
        plan.rate = self.rate;
        plan.pipeline = AT_ONCE;
    }
}

impl ProduceOptions {
    pub(super) fn request(self, patience: Duration) -> anyhow::Result<Request> {
        let mut plan = self.run.plan(Load::Produce, self.messages.messages, patience)?;
        self.producers.apply(&mut plan);
        Request::of(vec![plan], self.run)
    }
}

impl TakeOptions {
    pub(super) fn request(self, load: Load, patience: Duration) -> anyhow::Result<Request> {
        let mut plan = self.run.plan(load, self.messages.messages, patience)?;
        self.workers.apply(&mut plan);
        Request::of(vec![plan], self.run)
    }
}

impl CycleOptions {
    pub(super) fn request(self, patience: Duration) -> anyhow::Result<Request> {
        let mut plan = self.run.plan(Load::Cycle, self.messages.messages, patience)?;
        self.producers.apply(&mut plan);
        self.workers.apply(&mut plan);
        self.backlog.apply(&mut plan)?;
        Request::of(vec![plan], self.run)
    }
}

impl LatencyOptions {
    pub(super) fn request(self, patience: Duration) -> anyhow::Result<Request> {
        let messages = self.messages.map_or_else(|| self.rate.messages(), Ok)?;
        let mut plan = self.run.plan(Load::Latency, messages, patience)?;
        plan.connections = number(self.connections);
        self.workers.apply(&mut plan);
        self.rate.apply(&mut plan);
        Request::of(vec![plan], self.run)
    }
}

impl AllOptions {
    pub(super) fn request(self, patience: Duration) -> anyhow::Result<Request> {
        let messages = self.messages.messages;
        let mut produce = self.run.plan(Load::Produce, messages, patience)?;
        self.producers.apply(&mut produce);
        let mut drain = self.run.plan(Load::Drain, messages, patience)?;
        self.workers.apply(&mut drain);
        let mut cycle = self.run.plan(Load::Cycle, messages, patience)?;
        self.producers.apply(&mut cycle);
        self.workers.apply(&mut cycle);
        self.backlog.apply(&mut cycle)?;
        let claim = Plan { load: Load::Claim, ..drain };
        let mut latency = self.run.plan(Load::Latency, self.rate.messages()?, patience)?;
        latency.connections = LATENCY_CONNECTIONS;
        self.workers.apply(&mut latency);
        self.rate.apply(&mut latency);
        Request::of(vec![produce, drain, cycle, claim, latency], self.run)
    }
}

impl Request {
    fn of(plans: Vec<Plan>, run: RunOptions) -> anyhow::Result<Self> {
        for plan in &plans {
            let entries = plan.connections * plan.pipeline + plan.workers * plan.count;
            // No more than there are at all.
            let entries = entries.min(plan.messages as usize);
            let bytes = entries.saturating_mul(plan.payload.bytes + ENTRY_BYTES);
            if bytes > IN_FLIGHT_BYTES_MAX {
                return Err(usage(format!(
                    "{}: {entries} entries in flight at the same time do not fit into the memory \
                     of this program: take fewer at once, or a smaller --size",
                    plan.load.name()
                )));
            }
        }
        Ok(Self { plans, run })
    }
}

fn within(range: RangeInclusive<u64>) -> impl clap::builder::TypedValueParser<Value = u64> {
    clap::value_parser!(u64).range(range)
}

/// Options are no more than this machine counts to.
fn number(value: u64) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
