//! What servers say of themselves: the fields of INFO, under the names of redis_exporter and under
//! ours.

use millstream::ServerInfo;

use super::exposition::{Exposition, Kind, Labels, Metric};
use super::fields::{CHECKPOINT_SECONDS, COUNTERS, GAUGES, LAST_FSYNC_SECONDS};

static UP: Metric =
    Metric { name: "redis_up", kind: Kind::Gauge, help: "Whether the server answers." };
static INSTANCE: Metric = Metric {
    name: "redis_instance_info",
    kind: Kind::Gauge,
    help: "What the server is, in labels; always 1.",
};
static START: Metric = Metric {
    name: "redis_start_time_seconds",
    kind: Kind::Gauge,
    help: "When the server was started, since 1970.",
};
static DB_KEYS: Metric =
    Metric { name: "redis_db_keys", kind: Kind::Gauge, help: "Keys of a database." };
static DB_EXPIRING: Metric = Metric {
    name: "redis_db_keys_expiring",
    kind: Kind::Gauge,
    help: "Keys of a database that expire.",
};
static DB_TTL: Metric = Metric {
    name: "redis_db_avg_ttl_seconds",
    kind: Kind::Gauge,
    help: "Mean time that keys which expire have left.",
};
static CALLS: Metric =
    Metric { name: "redis_commands_total", kind: Kind::Counter, help: "Calls of a command." };
static CALL_SECONDS: Metric = Metric {
    name: "redis_commands_duration_seconds_total",
    kind: Kind::Counter,
    help: "Time that calls of a command took.",
};
static REJECTED: Metric = Metric {
    name: "redis_commands_rejected_calls_total",
    kind: Kind::Counter,
    help: "Calls of a command that were refused before it ran.",
};
static FAILED: Metric = Metric {
    name: "redis_commands_failed_calls_total",
    kind: Kind::Counter,
    help: "Calls of a command that ran and answered with an error.",
};
static ERRORS: Metric = Metric {
    name: "redis_errors_total",
    kind: Kind::Counter,
    help: "Replies that were errors, by their first word.",
};
static QUEUE_WAIT: Metric = Metric {
    name: "millstream_queue_wait_seconds",
    kind: Kind::Histogram,
    help: "From an entry's id to its first delivery to a group.",
};
static FSYNC: Metric = Metric {
    name: "millstream_fsync_seconds",
    kind: Kind::Histogram,
    help: "How long syncs of the log took.",
};

/// The labels that are told of the server itself: those of redis_exporter.
const INSTANCE_LABELS: [(&str, &str); 10] = [
    ("role", "role"),
    ("redis_version", "redis_version"),
    ("redis_build_id", "redis_build_id"),
    ("redis_mode", "redis_mode"),
    ("os", "os"),
    ("maxmemory_policy", "maxmemory_policy"),
    ("tcp_port", "tcp_port"),
    ("run_id", "run_id"),
    ("process_id", "process_id"),
    ("master_replid", "master_replid"),
];
/// Commands and errors have as many names as there are; a server that has more is not believed.
const NAMES_MAX: usize = 1000;

/// No server answers.
pub(super) fn down(to: &mut Exposition) {
    to.add(&UP, &Labels::default(), 0.0);
}

pub(super) fn add(to: &mut Exposition, labels: &Labels, info: &ServerInfo) {
    to.add(&UP, labels, 1.0);
    add_instance(to, labels, info);
    for (field, metric) in GAUGES.iter().chain(&COUNTERS) {
        to.add_if(metric, labels, info.get(field).and_then(value));
    }
    let checkpoint_ms = info.get("millstream_last_checkpoint_ms");
    to.add_if(&CHECKPOINT_SECONDS, labels, checkpoint_ms.and_then(value).map(|ms| ms / 1e3));
    for (quantile, field) in [
        ("0.5", "millstream_fsync_p50_us"),
        ("0.99", "millstream_fsync_p99_us"),
        ("0.999", "millstream_fsync_p999_us"),
    ] {
        let seconds = info.get(field).and_then(value).map(|us| us / 1e6);
        to.add_if(&LAST_FSYNC_SECONDS, &labels.with("quantile", quantile), seconds);
    }
    let (waits, syncs) = ("millstream_queue_wait", "millstream_fsync");
    add_histogram(to, &QUEUE_WAIT, labels, info, [waits, "sum_ms", "ms_histogram"], [1e3, 1e3]);
    add_histogram(to, &FSYNC, labels, info, [syncs, "sum_us", "ns_histogram"], [1e6, 1e9]);
    add_keyspace(to, labels, info);
    add_commands(to, labels, info);
}

fn add_instance(to: &mut Exposition, labels: &Labels, info: &ServerInfo) {
    let known = INSTANCE_LABELS.iter().fold(labels.clone(), |labels, (label, field)| {
        labels.with(label, info.get(field).unwrap_or_default())
    });
    to.add(&INSTANCE, &known, 1.0);
    let now = info.get("server_time_usec").and_then(value).map(|us| (us / 1e6).floor());
    let uptime = info.get("uptime_in_seconds").and_then(value);
    to.add_if(&START, labels, now.zip(uptime).map(|(now, uptime)| now - uptime));
}

/// `[prefix, sum, counts]` are names of fields; `[of the sum, of the bounds]` are in a second.
fn add_histogram(
    to: &mut Exposition,
    metric: &'static Metric,
    labels: &Labels,
    info: &ServerInfo,
    [prefix, sum, counts]: [&str; 3],
    [sum_unit, bound_unit]: [f64; 2],
) {
    let get = |field: &str| info.get(&format!("{prefix}_{field}"));
    let (Some(total), Some(sum), Some(counts)) =
        (info.count(&format!("{prefix}_count")), get(sum).and_then(value), get(counts))
    else {
        return;
    };
    let counts = parts(counts).filter_map(|(bound, count)| {
        Some((bound.parse::<f64>().ok()? / bound_unit, count.parse().ok()?))
    });
    to.add_histogram(metric, labels, counts, total, sum / sum_unit);
}

fn add_keyspace(to: &mut Exposition, labels: &Labels, info: &ServerInfo) {
    let is_database = |name: &&str| {
        let number = name.strip_prefix("db").unwrap_or_default();
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let mut has_first = false;
    for (name, facts) in info.iter().filter(|(name, _)| is_database(name)).take(NAMES_MAX) {
        has_first |= name == "db0";
        let labels = labels.with("db", name);
        for (fact, number) in parts(facts) {
            let Some(number) = value(number) else { continue };
            match fact {
                "keys" => to.add(&DB_KEYS, &labels, number),
                "expires" => to.add(&DB_EXPIRING, &labels, number),
                "avg_ttl" if number > 0.0 => to.add(&DB_TTL, &labels, number / 1e3),
                _ => {}
            }
        }
    }
    if !has_first {
        // INFO leaves out databases without keys; an alert has to see the last key go.
        let labels = labels.with("db", "db0");
        to.add(&DB_KEYS, &labels, 0.0);
        to.add(&DB_EXPIRING, &labels, 0.0);
    }
}

fn add_commands(to: &mut Exposition, labels: &Labels, info: &ServerInfo) {
    let with = |prefix: &'static str| {
        let all =
            info.iter().filter_map(move |(name, facts)| Some((name.strip_prefix(prefix)?, facts)));
        all.take(NAMES_MAX)
    };
    for (command, facts) in with("cmdstat_") {
        let labels = labels.with("cmd", command);
        for (fact, number) in parts(facts) {
            let Some(number) = value(number) else { continue };
            match fact {
                "calls" => to.add(&CALLS, &labels, number),
                "usec" => to.add(&CALL_SECONDS, &labels, number / 1e6),
                "rejected_calls" => to.add(&REJECTED, &labels, number),
                "failed_calls" => to.add(&FAILED, &labels, number),
                _ => {}
            }
        }
    }
    for (error, facts) in with("errorstat_") {
        let count = parts(facts).find(|(fact, _)| *fact == "count");
        to.add_if(&ERRORS, &labels.with("err", error), count.and_then(|(_, it)| value(it)));
    }
}

/// `a=1,b=2`
fn parts(facts: &str) -> impl Iterator<Item = (&str, &str)> {
    facts.split(',').filter_map(|part| part.split_once('='))
}

/// Words for good and bad are 1 and 0, as redis_exporter has it.
fn value(text: &str) -> Option<f64> {
    match text {
        "ok" => Some(1.0),
        "err" | "fail" => Some(0.0),
        number => number.parse().ok().filter(|number: &f64| number.is_finite()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_become_metrics_and_what_is_not_there_does_not() {
        let mut to = Exposition::new(false);
        let info = ServerInfo::from_text(
            "role:master\nuptime_in_seconds:7\nserver_time_usec:1007500000\nused_memory:512\n\
             aof_last_write_status:err\ndb3:keys=5,expires=1,avg_ttl=1500\n\
             cmdstat_xinfo|stream:calls=2,usec=500000\nerrorstat_WRONGTYPE:count=9\n\
             millstream_fsync_count:3\nmillstream_fsync_sum_us:1500\n\
             millstream_fsync_ns_histogram:65536=1,131072=2\n",
        );
        add(&mut to, &Labels::default(), &info);
        let text = to.into_text();
        for line in [
            "redis_up 1",
            "redis_uptime_in_seconds 7",
            "redis_start_time_seconds 1000",
            "redis_memory_used_bytes 512",
            "redis_aof_last_write_status 0",
            "redis_db_keys{db=\"db0\"} 0",
            "redis_db_keys{db=\"db3\"} 5",
            "redis_db_avg_ttl_seconds{db=\"db3\"} 1.5",
            "redis_commands_total{cmd=\"xinfo|stream\"} 2",
            "redis_commands_duration_seconds_total{cmd=\"xinfo|stream\"} 0.5",
            "redis_errors_total{err=\"WRONGTYPE\"} 9",
            "millstream_fsync_seconds_bucket{le=\"6.5536e-5\"} 1",
            "millstream_fsync_seconds_bucket{le=\"+Inf\"} 3",
            "millstream_fsync_seconds_sum 0.0015",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        assert!(!text.contains("queue_wait") && !text.contains("checkpoint"), "{text}");
    }
}
