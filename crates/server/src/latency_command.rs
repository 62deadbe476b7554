//! LATENCY LATEST, HISTORY, RESET, GRAPH, DOCTOR, HISTOGRAM.

mod graph;

use std::fmt::Write as _;

use millstream_command::Reply;
use millstream_command::table::{self, CommandSpec};
use millstream_runtime::since_1970;

use crate::latency::{LatencyEvent, Series};
use crate::session::Session;
use crate::shared::Shared;
use crate::statistics::distribution;

/// LATENCY LATEST
pub(crate) fn latest(session: &Session) -> Reply {
    let row = |(event, series): (LatencyEvent, Series)| {
        let last = series.last()?;
        Some(Reply::Array(vec![
            Reply::Text(event.name()),
            Reply::number(last.at_s),
            Reply::number(last.took_ms),
            Reply::number(series.worst_ms),
        ]))
    };
    Reply::Array(session.shared.latency.all().into_iter().filter_map(row).collect())
}

fn find(session: &Session, name: &[u8]) -> Option<Series> {
    session.shared.latency.series(LatencyEvent::from_name(name)?)
}

/// LATENCY HISTORY event
pub(crate) fn history(session: &Session, args: &[&[u8]]) -> Reply {
    let samples = find(session, args[2]).unwrap_or_default().samples;
    let pair = |at_s, took_ms| Reply::Array(vec![Reply::number(at_s), Reply::number(took_ms)]);
    Reply::Array(samples.iter().map(|sample| pair(sample.at_s, sample.took_ms)).collect())
}

/// LATENCY RESET [event ...]
pub(crate) fn reset(session: &Session, args: &[&[u8]]) -> Reply {
    let latency = &session.shared.latency;
    if args.len() == 2 {
        return Reply::count(latency.reset_all());
    }
    let is_reset =
        |name: &&&[u8]| LatencyEvent::from_name(name).is_some_and(|event| latency.reset(event));
    Reply::count(args[2..].iter().filter(is_reset).count())
}

/// LATENCY GRAPH event
pub(crate) fn graph(session: &Session, args: &[&[u8]]) -> Reply {
    match (LatencyEvent::from_name(args[2]), find(session, args[2])) {
        (Some(event), Some(series)) => {
            Reply::Verbatim(graph::draw(event.name(), &series, since_1970().as_secs()))
        }
        _ => {
            let head = b"ERR No samples available for event '";
            Reply::ErrorBytes([head, args[2], b"'"].concat())
        }
    }
}

/// LATENCY DOCTOR
pub(crate) fn doctor(session: &Session) -> Reply {
    let latency = &session.shared.latency;
    let all = latency.all();
    let threshold_ms = latency.threshold_ms();
    if all.is_empty() && threshold_ms == 0 {
        return Reply::Verbatim(
            "Nobody looks for what takes long. Say CONFIG SET latency-monitor-threshold \
             <milliseconds>: what takes at least as long is kept from then on.\n"
                .to_owned(),
        );
    }
    if all.is_empty() {
        return Reply::Verbatim(format!("Nothing took {threshold_ms} ms or more.\n"));
    }
    let mut text = "Some things took long:\n\n".to_owned();
    for (number, (event, series)) in all.iter().enumerate() {
        describe(number + 1, *event, series, &mut text);
    }
    text.push_str("\nWhat may help:\n\n");
    for advice in advice(session, &all) {
        let _ = writeln!(text, "- {advice}");
    }
    Reply::Verbatim(text)
}

fn describe(number: usize, event: LatencyEvent, series: &Series, to: &mut String) {
    let took: Vec<u64> = series.samples.iter().map(|sample| sample.took_ms).collect();
    let count = took.len().max(1) as u64;
    let mean = took.iter().sum::<u64>() / count;
    let deviation = took.iter().map(|took| took.abs_diff(mean)).sum::<u64>() / count;
    let first = series.samples.front().map_or(0, |sample| sample.at_s);
    let last = series.last().map_or(0, |sample| sample.at_s);
    let _ = writeln!(
        to,
        "{number}. {}: in {count} different seconds within {} s; {mean} ms on average (mean \
         deviation {deviation} ms), {} ms at worst.",
        event.name(),
        last - first + 1,
        series.worst_ms,
    );
}

fn advice(session: &Session, all: &[(LatencyEvent, Series)]) -> Vec<&'static str> {
    use LatencyEvent as E;
    let has = |wanted: E| all.iter().any(|(event, _)| *event == wanted);
    let mut advice = Vec::new();
    if has(E::Command) || has(E::FastCommand) {
        advice.push("SLOWLOG GET shows which commands they were; COUNT and MAXLEN bound them.");
        if session.shared.slow_log.threshold().is_none() {
            advice.push("The slow log is off: CONFIG SET slowlog-log-slower-than <microseconds>.");
        }
    }
    if has(E::FastCommand) && !has(E::Command) {
        advice.push("If only fast commands took long, the machine may lack processors or memory.");
    }
    if has(E::AofWrite) || has(E::AofFsyncAlways) {
        advice.push("The disk is slow or shared with others; every reply waits for it.");
    }
    if has(E::AofFsyncAlways) {
        advice.push("--sync everysec answers before the sync, and may lose the last second.");
    }
    if has(E::ExpireCycle) {
        advice.push("Keys that expire at one moment, or very large ones, take time to remove.");
    }
    advice
}

/// LATENCY HISTOGRAM [command ...]. The name of a container stands for its subcommands.
pub(crate) fn histogram(session: &Session, args: &[&[u8]]) -> Reply {
    let named: Vec<&CommandSpec> = match &args[2..] {
        [] => table::all().collect(),
        names => names.iter().filter_map(|name| table::find_by_full_name(name)).collect(),
    };
    let with_subcommands =
        named.into_iter().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands));
    Reply::Map(with_subcommands.filter_map(|spec| histogram_of(&session.shared, spec)).collect())
}

fn histogram_of(shared: &Shared, spec: &CommandSpec) -> Option<(Reply, Reply)> {
    let workers = shared.workers.iter().map(|worker| &worker.counters);
    let distribution = distribution(workers, spec.id);
    let calls = distribution.total();
    if calls == 0 {
        return None;
    }
    let pair = |(limit, count)| (Reply::number(limit), Reply::number(count));
    let histogram = distribution.doublings().into_iter().map(pair).collect();
    let shown = vec![
        (Reply::Text("calls"), Reply::number(calls)),
        (Reply::Text("histogram_usec"), Reply::Map(histogram)),
    ];
    Some((Reply::Text(spec.name), Reply::Map(shown)))
}
