//! How the server is: what INFO says, in groups, and what was slow.

use std::time::{Duration, SystemTime};

use axum::response::Response;
use maud::{Markup, html};
use millstream::ServerInfo;
use millstream::redis::{Value, cmd};
use millstream_shown::{byte_size, moment::moment, short, visible};

use super::parts::{Mood, card, count, count_or_dash, facts};
use super::server_parts::{ask, head, title, told};
use crate::failure::Failure;
use crate::live::{Ask, Content};
use crate::servers::{Place, bytes, number, parts, places};
use crate::visitor::Visitor;

/// How a fact is written.
#[derive(Clone, Copy)]
enum Kind {
    Text,
    Count,
    Bytes,
    /// 0: there is none.
    Limit,
    Seconds,
    Micros,
    YesNo,
    /// Unix seconds; 0: never.
    Moment,
    Sync,
}

/// What people call it, and what INFO does.
type Fact = (&'static str, &'static str, Kind);

const SERVER: &[Fact] = &[
    ("Millstream", "millstream_version", Kind::Text),
    ("Valkey", "valkey_version", Kind::Text),
    ("commands of Redis", "redis_version", Kind::Text),
    ("mode", "redis_mode", Kind::Text),
    ("role", "role", Kind::Text),
    ("replicas", "connected_slaves", Kind::Count),
    ("started", "uptime_in_seconds", Kind::Seconds),
    ("process", "process_id", Kind::Text),
    ("port", "tcp_port", Kind::Text),
    ("operating system", "os", Kind::Text),
    ("program", "executable", Kind::Text),
    ("configuration file", "config_file", Kind::Text),
];

const MEMORY: &[Fact] = &[
    ("used", "used_memory", Kind::Bytes),
    ("as the operating system counts", "used_memory_rss", Kind::Bytes),
    ("most so far", "used_memory_peak", Kind::Bytes),
    ("limit", "maxmemory", Kind::Limit),
    ("what happens at the limit", "maxmemory_policy", Kind::Text),
    ("blocks of entries", "millstream_block_bytes", Kind::Bytes),
    ("cache of what is on disk", "millstream_cache_bytes", Kind::Bytes),
    ("memory of the machine", "total_system_memory", Kind::Bytes),
];

/// Of Millstream, whose data are a log and checkpoints.
const OWN_PERSISTENCE: &[Fact] = &[
    ("a write is confirmed", "millstream_sync", Kind::Sync),
    ("fsync, 99 of 100 within", "millstream_fsync_p99_us", Kind::Micros),
    ("end of the log", "millstream_log_end", Kind::Text),
    ("written up to", "millstream_log_written", Kind::Text),
    ("on disk up to", "millstream_log_durable", Kind::Text),
    ("not on disk yet", "millstream_log_undurable_bytes", Kind::Bytes),
    ("prepared for the log", "millstream_log_prepared_bytes", Kind::Bytes),
    ("on disk in all", "millstream_disk_bytes", Kind::Bytes),
    ("checkpointed up to", "millstream_checkpointed", Kind::Text),
    ("checkpoints", "millstream_checkpoints", Kind::Count),
    ("checkpoints that failed", "millstream_checkpoint_failures", Kind::Count),
    ("size of the last checkpoint", "millstream_last_checkpoint_bytes", Kind::Bytes),
    ("last checkpoint asked for or made", "rdb_last_save_time", Kind::Moment),
    ("files of blocks", "millstream_block_files", Kind::Count),
    ("their size", "millstream_block_file_bytes", Kind::Bytes),
    ("of that in use", "millstream_block_live_bytes", Kind::Bytes),
    ("kept free for checkpoints", "millstream_checkpoint_reserve_bytes", Kind::Bytes),
    ("bytes to disk for each logged", "millstream_write_amplification", Kind::Text),
    ("records read at the start", "millstream_replayed_records", Kind::Count),
    ("cut off at the start, half written", "millstream_torn_bytes_cut", Kind::Bytes),
];

/// Of Redis and Valkey.
const PERSISTENCE: &[Fact] = &[
    ("append-only file", "aof_enabled", Kind::YesNo),
    ("last write to it", "aof_last_write_status", Kind::Text),
    ("its size", "aof_current_size", Kind::Bytes),
    ("is rewritten now", "aof_rewrite_in_progress", Kind::YesNo),
    ("last rewrite", "aof_last_bgrewrite_status", Kind::Text),
    ("last snapshot", "rdb_last_save_time", Kind::Moment),
    ("how that went", "rdb_last_bgsave_status", Kind::Text),
    ("snapshot is made now", "rdb_bgsave_in_progress", Kind::YesNo),
    ("changes since the last snapshot", "rdb_changes_since_last_save", Kind::Count),
];

const TRAFFIC: &[Fact] = &[
    ("clients", "connected_clients", Kind::Count),
    ("most that may be", "maxclients", Kind::Count),
    ("clients that wait for entries", "blocked_clients", Kind::Count),
    ("commands a second", "instantaneous_ops_per_sec", Kind::Count),
    ("commands ever", "total_commands_processed", Kind::Count),
    ("connections ever", "total_connections_received", Kind::Count),
    ("connections that were refused", "rejected_connections", Kind::Count),
    ("errors that were answered", "total_error_replies", Kind::Count),
    ("wrong passwords", "acl_access_denied_auth", Kind::Count),
    ("received", "total_net_input_bytes", Kind::Bytes),
    ("sent", "total_net_output_bytes", Kind::Bytes),
    ("keys that expired", "expired_keys", Kind::Count),
    ("keys that were evicted", "evicted_keys", Kind::Count),
];

pub(crate) async fn get(ask: Ask) -> Result<Response, Failure> {
    ask.answer(content).await
}

async fn content(visitor: Visitor) -> Result<Content, Failure> {
    let places = places(&visitor).await?;
    let mut sections = Vec::new();
    for place in &places {
        sections.push(section(place, places.len()).await?);
    }
    let live = html! {
        (head("/server"))
        @for section in sections { (section) }
    };
    Ok(Content { title: "Server".to_owned(), live, fixed: html! {} })
}

async fn section(place: &Place, places: usize) -> Result<Markup, Failure> {
    let state = match told(place.monitor.info().await)? {
        Ok(info) => state(&info, places),
        Err(why) => why,
    };
    let latest = ask(place, cmd("LATENCY").arg("LATEST")).await?;
    Ok(html! {
        (title(places, &place.name))
        (state)
        (heading(places, "Latency events"))
        @match latest { Ok(latest) => (latency(&latest)), Err(why) => (why) }
    })
}

/// What somebody has to do something about.
fn troubles(info: &ServerInfo) -> Vec<String> {
    let is = |name: &str, value: &str| info.get(name) == Some(value);
    let mut all = Vec::new();
    if is("millstream_poisoned", "1") {
        let why = info.get("millstream_poison_reason").unwrap_or("the disk failed");
        let why = visible(why.as_bytes());
        all.push(format!(
            "The disk failed ({why}): every write is refused until the server is started again. \
             What was confirmed is on disk."
        ));
    } else if is("aof_last_write_status", "err") {
        all.push("The last write to the append-only file failed: writes are refused.".to_owned());
    }
    if is("millstream_disk_full", "1") {
        all.push(
            "The disk is full: what adds is refused, what acknowledges and removes is not.".into(),
        );
    }
    if is("millstream_checkpoint_overdue", "1") {
        all.push("Checkpoints fail: what adds is refused until one succeeds.".to_owned());
    } else if is("millstream_checkpoint_status", "err") {
        all.push("The last checkpoint failed: the log grows until one succeeds.".to_owned());
    }
    if is("rdb_last_bgsave_status", "err") {
        all.push("The last snapshot failed.".to_owned());
    }
    if is("aof_last_bgrewrite_status", "err") {
        all.push("The append-only file could not be rewritten: it grows.".to_owned());
    }
    if is("loading", "1") {
        all.push("The server reads its data, and answers little meanwhile.".to_owned());
    }
    if is("role", "slave") && is("master_link_status", "down") {
        all.push("This replica has lost its primary.".to_owned());
    }
    all
}

/// Below that of the server, where there are several.
fn heading(places: usize, text: &str) -> Markup {
    html! { @if places > 1 { h3 { (text) } } @else { h2 { (text) } } }
}

fn state(info: &ServerInfo, places: usize) -> Markup {
    let is_own = info.get("millstream_version").is_some();
    let uptime = info.count("uptime_in_seconds").map(Duration::from_secs);
    let groups = [
        ("The server", SERVER),
        ("Memory", MEMORY),
        ("Persistence", if is_own { OWN_PERSISTENCE } else { PERSISTENCE }),
        ("Clients and traffic", TRAFFIC),
    ];
    let is_in_memory = info.get("aof_enabled") == Some("0") && is_own;
    html! {
        @for trouble in troubles(info) { p .alarm role="alert" { (trouble) } }
        @if is_in_memory {
            p .hint { "It runs in memory only: everything is gone when it ends." }
        }
        div .cards {
            (card("Up for", millstream_shown::short_or_dash(uptime), Mood::Plain))
            (card("Memory", byte_size::show(info.count("used_memory")), Mood::Plain))
            (card("Clients", count_or_dash(info.count("connected_clients")), Mood::Plain))
            @let per_second = info.count("instantaneous_ops_per_sec");
            (card("Commands, a second", count_or_dash(per_second), Mood::Plain))
        }
        div .columns {
            @for (name, all) in groups {
                @let known = known(info, all);
                @if !known.is_empty() { div { (heading(places, name)) (facts(&known)) } }
            }
        }
    }
}

/// Those that the server tells.
fn known(info: &ServerInfo, all: &[Fact]) -> Vec<(&'static str, String)> {
    let one = |(label, name, kind): &Fact| {
        let value = info.get(name).filter(|value| !value.is_empty())?;
        Some((*label, written(value, *kind)))
    };
    all.iter().filter_map(one).collect()
}

fn written(value: &str, kind: Kind) -> String {
    let text = || visible(value.as_bytes());
    let Ok(number) = value.parse::<u64>() else {
        return match (kind, value) {
            (Kind::Sync, "always") => "once it is on disk (always)".to_owned(),
            (Kind::Sync, "everysec") => {
                "at once, and is on disk within a second (everysec)".to_owned()
            }
            (Kind::Sync, "no") => {
                "at once, and is on disk when the operating system sees fit (no)".to_owned()
            }
            _ => text(),
        };
    };
    match kind {
        Kind::Text | Kind::Sync => text(),
        Kind::Count => count(number),
        Kind::Limit if number == 0 => "none".to_owned(),
        Kind::Bytes | Kind::Limit => byte_size::show(Some(number)),
        Kind::Seconds => format!("{} ago", short(Duration::from_secs(number))),
        Kind::Micros => short_micros(number),
        Kind::YesNo => if number > 0 { "yes" } else { "no" }.to_owned(),
        Kind::Moment if number == 0 => "never".to_owned(),
        Kind::Moment => SystemTime::UNIX_EPOCH
            .checked_add(Duration::from_secs(number))
            .map_or_else(text, moment),
    }
}

/// `350 us`, `4.20 ms`, `1.5s`.
pub(super) fn short_micros(micros: u64) -> String {
    match micros {
        0..1000 => format!("{micros} us"),
        1000..1_000_000 => format!("{:.2} ms", micros as f64 / 1000.0),
        _ => short(Duration::from_micros(micros)),
    }
}

fn latency(latest: &Value) -> Markup {
    let age = |at: u64| {
        let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at));
        short(at.and_then(|at| at.elapsed().ok()).unwrap_or_default())
    };
    html! {
        @if parts(latest).is_empty() {
            p .quiet {
                "None. The server notes some if its setting latency-monitor-threshold says from "
                "how many milliseconds on."
            }
        } @else {
            div .scroll data-scroll tabindex="0" role="region" aria-label="Latency events" {
                table {
                    thead { tr {
                        th { "Event" } th .number { "Last" } th .number { "Took" }
                        th .number { "At most so far" }
                    } }
                    tbody { @for event in parts(latest) {
                        @if let [name, at, took, max, ..] = parts(event) { tr {
                            td .name { (visible(&bytes(name))) }
                            td .number { (age(number(at))) " ago" }
                            td .number { (count(number(took))) " ms" }
                            td .number { (count(number(max))) " ms" }
                        } }
                    } }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_said_in_words() {
        let of = |text: &str| troubles(&ServerInfo::from_text(text)).join(" ");
        let poisoned = of("millstream_poisoned:1\nmillstream_poison_reason:fsync: EIO\n\
                           aof_last_write_status:err\n");
        assert!(poisoned.contains("(fsync: EIO): every write is refused"), "{poisoned}");
        assert!(!poisoned.contains("append-only"), "{poisoned}");
        assert!(of("aof_last_write_status:err").contains("append-only file failed"));
        assert!(of("millstream_disk_full:1").contains("The disk is full"));
        assert_eq!(of("millstream_poisoned:0\nloading:0\naof_last_write_status:ok"), "");
    }

    #[test]
    fn facts_are_written_for_people() {
        for (value, kind, shown) in [
            ("1234567", Kind::Count, "1,234,567"),
            ("1536", Kind::Bytes, "1.50 KiB"),
            ("7322", Kind::Seconds, "2h 2m ago"),
            ("0", Kind::Moment, "never"),
            ("1764230400", Kind::Moment, "2025-11-27T08:00:00Z"),
            ("always", Kind::Sync, "once it is on disk (always)"),
            ("1", Kind::YesNo, "yes"),
            ("850", Kind::Micros, "850 us"),
            ("-1", Kind::Count, "-1"),
        ] {
            assert_eq!(written(value, kind), shown);
        }
    }
}
