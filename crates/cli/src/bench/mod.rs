//! `millstream bench`: what a server does with a stream and a group under load, and whether it does
//! it exactly.
//!
//! ```text
//! options -> plans -> series: rounds, on each server in turns -> figures -> text or document
//!                       |
//!                     round of a load: crew of clients on threads -> account, times
//! ```
//!
//! One key of each server is touched, [`site`] has it. It is removed after each round, and at the
//! end whatever happened. Clients are the toolkit's connections. Must never ask a server for what
//! could harm others: no settings are changed, nothing of others is read or listed.

mod account;
mod answer;
mod claim;
mod crew;
mod cycle;
mod document;
mod drain;
mod durability;
mod figures;
mod interrupt;
mod latency;
mod measured;
mod options;
mod payload;
mod plan;
mod produce;
mod producer;
mod progress;
mod round;
mod series;
mod site;
mod text;
mod times;
mod verdict;
mod work_time;
mod worker;

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Subcommand;
use millstream::ConnectOptions;
use tokio::time::timeout;

use self::document::Document;
use self::interrupt::Interrupt;
use self::options::{
    AllOptions, CycleOptions, LatencyOptions, ProduceOptions, Request, TakeOptions,
};
use self::plan::Load;
use self::progress::Progress;
use self::series::Series;
use self::site::Site;
use crate::output::{notice, print_json};
use crate::server::ServerOptions;
use crate::usage_error::usage;

/// Has the password of the other server where its URL has none.
const COMPARE_PASSWORD_VARIABLE: &str = "MILLSTREAM_COMPARE_AUTH";

const ALL_EXAMPLES: &str = "\
Examples:
  millstream bench all
  millstream bench all --messages 1000000 --rounds 5 --json > figures.json
  millstream bench all --url redis://127.0.0.1:6379 --compare redis://127.0.0.1:6380";

/// What to measure, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct BenchOptions {
    #[command(flatten)]
    server: ServerOptions,
    #[command(subcommand)]
    load: BenchLoad,
}

#[derive(Debug, Subcommand)]
enum BenchLoad {
    /// Adds entries: connections with several XADDs in flight each.
    #[command(after_help = produce::EXAMPLES)]
    Produce(ProduceOptions),
    /// Has workers read and acknowledge a stream that was filled before.
    #[command(after_help = drain::EXAMPLES)]
    Drain(TakeOptions),
    /// Adds entries while workers read and acknowledge them.
    #[command(after_help = cycle::EXAMPLES)]
    Cycle(CycleOptions),
    /// Has workers take over what a dead worker had, by XAUTOCLAIM, and acknowledge it.
    #[command(after_help = claim::EXAMPLES)]
    Claim(TakeOptions),
    /// Adds entries at a fixed rate, and tells how long after they were due they were answered and
    /// delivered.
    #[command(after_help = latency::EXAMPLES)]
    Latency(LatencyOptions),
    /// Does all of these, one after the other.
    #[command(after_help = ALL_EXAMPLES)]
    All(AllOptions),
}

pub(crate) fn run_bench(options: BenchOptions) -> anyhow::Result<()> {
    let BenchOptions { server, load } = options;
    let patience = server.timeout;
    let request = match load {
        BenchLoad::Produce(options) => options.request(patience)?,
        BenchLoad::Drain(options) => options.request(Load::Drain, patience)?,
        BenchLoad::Cycle(options) => options.request(patience)?,
        BenchLoad::Claim(options) => options.request(Load::Claim, patience)?,
        BenchLoad::Latency(options) => options.request(patience)?,
        BenchLoad::All(options) => options.request(patience)?,
    };
    let mut ways = vec![("A", of_one_server(server.way()?)?)];
    if let Some(url) = &request.run.compare {
        let way = server.way_to(url, COMPARE_PASSWORD_VARIABLE)?;
        ways.push(("B", of_one_server(way)?));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.context("start the runtime")?;
    let done = runtime.block_on(bench(ways, &request, server.json, patience));
    // A name that is being looked up keeps nobody waiting.
    runtime.shutdown_background();
    done
}

/// Processor time and durability are those of one server.
fn of_one_server(way: ConnectOptions) -> anyhow::Result<ConnectOptions> {
    let address = way.address();
    let is_cluster =
        address.split_once("://").is_some_and(|(scheme, _)| scheme.contains("cluster"));
    if is_cluster {
        return Err(usage(format!(
            "bench measures one server, and {address} names a Cluster\n  next: start one outside \
             of it, and name it with redis://"
        )));
    }
    Ok(way)
}

async fn bench(
    ways: Vec<(&'static str, ConnectOptions)>,
    request: &Request,
    is_json: bool,
    patience: Duration,
) -> anyhow::Result<()> {
    let mut interrupt = Interrupt::watch()?;
    let mut sites = Vec::new();
    for (label, way) in ways {
        let site = tokio::select! {
            site = Site::open(label, way) => site?,
            () = interrupt.next() => bail!("interrupted: nothing was done"),
        };
        sites.push(site);
    }
    // Ended early, its clients are gone when it is dropped: nobody writes beside the removal.
    let done = tokio::select! {
        done = measure(&sites, request, is_json) => done,
        () = interrupt.next() => {
            Err(anyhow::anyhow!("interrupted: the figures so far are not complete"))
        }
    };
    if done.is_err() {
        // Who asks once more does not want to wait for this either.
        tokio::select! {
            () = remove_streams(&sites, patience) => {}
            () = interrupt.next() => notice("interrupted again: its keys may be left"),
        }
    }
    done
}

async fn measure(sites: &[Site], request: &Request, is_json: bool) -> anyhow::Result<()> {
    let rounds = request.run.rounds;
    let mut all = Vec::new();
    for (at, plan) in request.plans.iter().enumerate() {
        if at == 0 && !is_json {
            text::print_sites(sites, plan, rounds)?;
        }
        let series = Series::measure(sites, *plan, rounds, &Progress::new()).await?;
        if !is_json {
            text::print_series(sites, &series)?;
        }
        all.push(series);
    }
    if is_json {
        print_json(&Document::of(sites, &all))?;
    }
    Ok(())
}

/// What a round that did not end may have left.
async fn remove_streams(sites: &[Site], patience: Duration) {
    for site in sites {
        let why = match timeout(patience, site.remove_stream()).await {
            Ok(Ok(())) => continue,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "there was no answer in time".to_owned(),
        };
        notice(&format!(
            "the key {} may be left at {}, and goes by itself within a day: {why}",
            site.key, site.control.address
        ));
    }
}
