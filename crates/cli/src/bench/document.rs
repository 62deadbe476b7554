//! What was measured, as JSON: medians, ratios, and every round.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::durability::Durability;
use super::figures::{FigureRow, Figures};
use super::plan::Load;
use super::round::median;
use super::series::Series;
use super::site::Site;

/// The one document.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    servers: Vec<ServerRow<'a>>,
    loads: Vec<LoadRow>,
}

#[derive(Serialize)]
struct ServerRow<'a> {
    name: &'static str,
    server: &'a str,
    address: &'a str,
    durability: &'a Durability,
}

/// Options that a load has not are null.
#[derive(Serialize)]
struct LoadRow {
    load: &'static str,
    messages: u32,
    payload_bytes: usize,
    fields: usize,
    threads: usize,
    connections: Option<usize>,
    pipeline: Option<usize>,
    workers: Option<usize>,
    count: Option<usize>,
    backlog: Option<usize>,
    rate: Option<u32>,
    results: Vec<ResultRow>,
    ratios: Option<Values>,
}

/// Of one server.
#[derive(Serialize)]
struct ResultRow {
    server: &'static str,
    medians: Values,
    rounds: Vec<Values>,
    /// Of all rounds together.
    histograms: BTreeMap<&'static str, Vec<Step>>,
}

/// So many times were less than this, and no less than that of the step before.
#[derive(Serialize)]
struct Step {
    below_us: f64,
    count: u64,
}

/// Figures by their names.
struct Values(Vec<(String, Option<f64>)>);

impl Serialize for Values {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // To four digits behind the point: more is not measured.
        let round = |value: f64| (value * 1e4).round() / 1e4;
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.map(round))))
    }
}

impl<'a> Document<'a> {
    pub(super) fn of(sites: &'a [Site], all: &[Series]) -> Self {
        let servers = sites.iter().map(|site| ServerRow {
            name: site.label,
            server: site.control.is_called(),
            address: &site.control.address,
            durability: &site.durability,
        });
        let loads = all.iter().map(|series| load(sites, series));
        Self { servers: servers.collect(), loads: loads.collect() }
    }
}

fn load(sites: &[Site], series: &Series) -> LoadRow {
    let plan = &series.plan;
    let adds = matches!(plan.load, Load::Produce | Load::Cycle);
    let is_latency = plan.load == Load::Latency;
    let reads = plan.load != Load::Produce;
    let Figures(rows) = series.figures();
    let values = |of: &dyn Fn(&FigureRow) -> Option<f64>| {
        Values(rows.iter().map(|row| (row.json.clone(), of(row))).collect())
    };
    let result = |(at, site): (usize, &Site)| {
        let rounds = 0..series.rounds.len();
        ResultRow {
            server: site.label,
            medians: values(&|row| row.median(at)),
            rounds: rounds.map(|round| values(&|row| row.values[at][round])).collect(),
            histograms: histograms(series, at),
        }
    };
    let ratio = |row: &FigureRow| row.ratios().and_then(|ratios| median(&ratios));
    LoadRow {
        load: plan.load.name(),
        messages: plan.messages,
        payload_bytes: plan.payload.bytes,
        fields: plan.payload.fields,
        threads: plan.threads,
        connections: (adds || is_latency).then_some(plan.connections),
        pipeline: adds.then_some(plan.pipeline),
        workers: reads.then_some(plan.workers),
        count: reads.then_some(plan.count),
        backlog: (plan.load == Load::Cycle).then_some(plan.backlog),
        rate: is_latency.then_some(plan.rate),
        results: sites.iter().enumerate().map(result).collect(),
        ratios: (sites.len() > 1).then(|| values(&ratio)),
    }
}

fn histograms(series: &Series, server: usize) -> BTreeMap<&'static str, Vec<Step>> {
    let all = series.times(server).into_iter().map(|(name, times)| {
        let steps = times.steps().into_iter();
        (name.json, steps.map(|(below_us, count)| Step { below_us, count }).collect())
    });
    all.collect()
}
