//! One visit of one workload to one server, against the clock.

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};

use crate::latency::Latencies;
use crate::process_usage::ProcessUsage;
use crate::server::Server;
use crate::workload::{Client, Round, Workload};

/// What a visit came to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measurement {
    /// Messages handled per second.
    pub messages_per_second: f64,
    /// Processor time of the server per message, us. The kernel counts in steps of 10 ms.
    pub cpu_us_per_message: f64,
    /// Context switches of the server per message.
    pub switches_per_message: f64,
    /// Entries that a worker was given at a time, on average; none where nobody counts. Workers
    /// that keep up with the producers are given few, and each costs more.
    pub entries_per_read: Option<f64>,
    /// Median of the round trips, us; none where the workload has no meaningful ones.
    pub p50_us: Option<f64>,
    /// 99th percentile of the round trips, us.
    pub p99_us: Option<f64>,
}

/// Prepares a round of `workload` on `server`, runs it, and deletes its key.
///
/// # Errors
/// The server answered wrongly or not at all.
pub fn measure(
    server: &Server,
    workload: &Workload,
    messages: u64,
    round_number: usize,
) -> anyhow::Result<Measurement> {
    let key = format!("bench:{}:{round_number}", workload.name);
    let round = Round { address: server.address, key, messages };
    let prepared = (workload.prepare)(&round).context("prepare the round")?;
    let messages = prepared.messages as f64;
    let (elapsed, usage, mut latencies, reads) = run(server, prepared.clients)?;
    let mut control = round.connect()?;
    (prepared.check)(&mut control).context("check the round")?;
    control.call(&["DEL", &round.key])?;

    let percentile = |latencies: &mut Latencies, percent| {
        workload.round_trip.and_then(|_| latencies.percentile_us(percent))
    };
    Ok(Measurement {
        messages_per_second: messages / elapsed.as_secs_f64(),
        cpu_us_per_message: usage.cpu_us as f64 / messages,
        switches_per_message: usage.context_switches as f64 / messages,
        entries_per_read: (reads > 0).then(|| messages / reads as f64),
        p50_us: percentile(&mut latencies, 50.0),
        p99_us: percentile(&mut latencies, 99.0),
    })
}

/// Lets all clients go at once and waits for the last.
fn run(
    server: &Server,
    clients: Vec<Client>,
) -> anyhow::Result<(Duration, ProcessUsage, Latencies, u64)> {
    let start = Barrier::new(clients.len() + 1);
    thread::scope(|scope| {
        let threads: Vec<_> = clients
            .into_iter()
            .map(|client| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    client()
                })
            })
            .collect();
        let before = server.usage();
        start.wait();
        let started_at = Instant::now();
        let mut all = Latencies::default();
        let mut finished_at = started_at;
        let mut reads = 0;
        let mut failed = None;
        for thread in threads {
            match thread.join() {
                Ok(Ok(finished)) => {
                    all.merge(finished.latencies);
                    reads += finished.reads;
                    finished_at = finished_at.max(finished.at);
                }
                // The first one: others may have failed for want of it.
                Ok(Err(error)) => failed = failed.or(Some(error)),
                Err(_) => failed = failed.or(Some(anyhow!("a client panicked"))),
            }
        }
        let elapsed = finished_at - started_at;
        let usage = server.usage()?.since(before?);
        failed.map_or(Ok((elapsed, usage, all, reads)), |error| Err(error.context("run a client")))
    })
}
