//! What was measured, as JSON: medians, ratios, and every round.

use serde_json::{Map, Value, json};

use super::durability::Durability;
use super::figures::FigureRow;
use super::plan::{Load, Plan};
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
    let Plan { load, messages, payload, threads, .. } = series.plan;
    let rows = series.figures().0;
    let figures = |of: &dyn Fn(&FigureRow) -> Option<f64>| -> Value {
        rows.iter().map(|row| (row.json.clone(), number(of(row)))).collect::<Map<_, _>>().into()
    };
    let results: Vec<Value> = sites.iter().enumerate().map(|(at, site)| {
        let rounds = 0..series.rounds.len();
        let rounds: Vec<Value> =
            rounds.map(|round| figures(&|row| row.values[at][round])).collect();
        json!({ "server": site.label, "medians": figures(&|row| row.median(at)), "rounds": rounds })
    }).collect();
    let ratios =
        (sites.len() > 1).then(|| figures(&|row| row.ratios().and_then(|ratios| median(&ratios))));
    json!({
        "load": load.name(),
        "messages": messages,
        "payload_bytes": payload.bytes,
        "fields": payload.fields,
        "threads": threads,
        "connections": used(load, series.plan.connections, &[Load::Produce, Load::Cycle, Load::Latency]),
        "pipeline": used(load, series.plan.pipeline, &[Load::Produce, Load::Cycle]),
        "workers": used(load, series.plan.workers, &[Load::Drain, Load::Cycle, Load::Claim, Load::Latency]),
        "count": used(load, series.plan.count, &[Load::Drain, Load::Cycle, Load::Claim, Load::Latency]),
        "backlog": used(load, series.plan.backlog, &[Load::Cycle]),
        "rate": used(load, series.plan.rate as usize, &[Load::Latency]),
        "results": results,
        "ratios": ratios,
    })
}

/// An option, of loads that have it.
fn used(load: Load, value: usize, by: &[Load]) -> Option<usize> {
    by.contains(&load).then_some(value)
}

/// To four digits behind the point: more is not measured.
fn number(value: Option<f64>) -> Value {
    value.map(|value| (value * 1e4).round() / 1e4).into()
}
