//! What was measured, as JSON: medians, ratios, and every round.

use serde_json::{Map, Value, json};

use super::durability::Durability;
use super::figures::FigureRow;
use super::plan::Load;
use super::round::median;
use super::series::Series;
use super::site::Site;

/// The one document.
pub(super) fn document(sites: &[Site], all: &[Series]) -> Value {
    let servers: Vec<Value> = sites.iter().map(server).collect();
    let loads: Vec<Value> = all.iter().map(|series| load(sites, series)).collect();
    json!({ "servers": servers, "loads": loads })
}

fn server(site: &Site) -> Value {
    let Durability { sync, appendonly, appendfsync, save } = &site.durability;
    json!({
        "name": site.label,
        "server": site.control.is_called(),
        "address": site.control.address,
        "durability": {
            "sync": sync,
            "appendonly": appendonly,
            "appendfsync": appendfsync,
            "save": save,
        },
    })
}

fn load(sites: &[Site], series: &Series) -> Value {
    let plan = &series.plan;
    let adds: &[Load] = &[Load::Produce, Load::Cycle];
    let adds_late: &[Load] = &[Load::Produce, Load::Cycle, Load::Latency];
    let reads: &[Load] = &[Load::Drain, Load::Cycle, Load::Claim, Load::Latency];
    // An option, of loads that have it.
    let of = |loads: &[Load], value: usize| loads.contains(&plan.load).then_some(value);
    let rows = series.figures().0;
    let figures = |of: &dyn Fn(&FigureRow) -> Option<f64>| -> Value {
        rows.iter().map(|row| (row.json.clone(), number(of(row)))).collect::<Map<_, _>>().into()
    };
    let result = |(at, site): (usize, &Site)| {
        let rounds = 0..series.rounds.len();
        let rounds: Vec<Value> =
            rounds.map(|round| figures(&|row| row.values[at][round])).collect();
        let medians = figures(&|row| row.median(at));
        json!({ "server": site.label, "medians": medians, "rounds": rounds })
    };
    let results: Vec<Value> = sites.iter().enumerate().map(result).collect();
    let ratios =
        (sites.len() > 1).then(|| figures(&|row| row.ratios().and_then(|ratios| median(&ratios))));
    json!({
        "load": plan.load.name(),
        "messages": plan.messages,
        "payload_bytes": plan.payload.bytes,
        "fields": plan.payload.fields,
        "threads": plan.threads,
        "connections": of(adds_late, plan.connections),
        "pipeline": of(adds, plan.pipeline),
        "workers": of(reads, plan.workers),
        "count": of(reads, plan.count),
        "backlog": of(&[Load::Cycle], plan.backlog),
        "rate": of(&[Load::Latency], plan.rate as usize),
        "results": results,
        "ratios": ratios,
    })
}

/// To four digits behind the point: more is not measured.
fn number(value: Option<f64>) -> Value {
    value.map(|value| (value * 1e4).round() / 1e4).into()
}
