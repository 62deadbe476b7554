//! Sections on commands, their errors and their times.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use millstream_command::table::{self, CommandSpec};

use crate::shared::Shared;
use crate::statistics::{CommandCounters, Counter, distribution};

/// Percentiles shown, as `latency-tracking-info-percentiles` says.
const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// All commands with their subcommands.
fn all() -> impl Iterator<Item = &'static CommandSpec> {
    table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands))
}

pub(super) fn counts(shared: &Shared) -> String {
    let mut text = String::new();
    all().for_each(|spec| count(shared, spec, &mut text));
    text
}

fn count(shared: &Shared, spec: &CommandSpec, to: &mut String) {
    let total = |counter: fn(&CommandCounters) -> &Counter| -> u64 {
        let all = shared.workers.iter();
        all.map(|worker| counter(worker.counters.of(spec.id)).get()).sum()
    };
    let (calls, rejected) = (total(|c| &c.calls), total(|c| &c.rejected));
    if calls == 0 && rejected == 0 {
        return;
    }
    let nanoseconds = total(|c| &c.nanoseconds);
    let each = nanoseconds as f64 / 1000.0 / calls.max(1) as f64;
    let _ = write!(
        to,
        "cmdstat_{}:calls={calls},usec={},usec_per_call={each:.2},rejected_calls={rejected},\
         failed_calls={}\r\n",
        spec.name,
        nanoseconds / 1000,
        total(|c| &c.failed),
    );
}

pub(super) fn errors(shared: &Shared) -> String {
    let mut all = BTreeMap::<String, u64>::new();
    for worker in &shared.workers {
        for (code, count) in worker.counters.errors() {
            *all.entry(code).or_default() += count;
        }
    }
    let mut text = String::new();
    for (code, count) in all {
        let _ = write!(text, "errorstat_{code}:count={count}\r\n");
    }
    text
}

pub(super) fn times(shared: &Shared) -> String {
    let mut text = String::new();
    if !shared.latency.is_tracking() {
        return text;
    }
    for spec in all() {
        let workers = shared.workers.iter().map(|worker| &worker.counters);
        let distribution = distribution(workers, spec.id);
        if distribution.total() == 0 {
            continue;
        }
        let shown = PERCENTILES.map(|percent| {
            let microseconds = distribution.percentile(percent) as f64 / 1000.0;
            format!("p{percent}={microseconds:.3}")
        });
        let _ = write!(text, "latency_percentiles_usec_{}:{}\r\n", spec.name, shown.join(","));
    }
    text
}
