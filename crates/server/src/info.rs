//! INFO: the server's state for people and for monitoring. Only what is true is in it.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use millstream_command::Reply;
use millstream_command::table::{self, CommandSpec};
use millstream_engine::{DATABASE_COUNT, KeyCounts, Statistics};

use crate::clock::since_1970;
use crate::session::{Data, Session};
use crate::shared::{REDIS_VERSION, Shared};
use crate::statistics::{CommandCounters, Counter, WorkerCounters};

/// In the order of the reply; those marked come only on request or with `all`.
const SECTIONS: [(&str, bool); 10] = [
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("commandstats", false),
    ("errorstats", true),
    ("cluster", true),
];

/// INFO [section ...]
pub(crate) fn info(session: &Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    let words: Vec<String> =
        args[1..].iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let all = has("all") || has("everything");
    let usual = words.is_empty() || has("default") || all;
    let facts = Facts::gather(&session.shared, data);
    let mut text = String::new();
    let mut add = |section: &str, body: String| {
        if !text.is_empty() {
            text.push_str("\r\n");
        }
        // Names of sections start with a capital, but for the one that is an abbreviation.
        let (capitals, rest) = section.split_at(if section == "cpu" { 3 } else { 1 });
        let _ = write!(text, "# {}{rest}\r\n{body}", capitals.to_ascii_uppercase());
    };
    for (section, is_usual) in SECTIONS {
        if has(section) || all || (usual && is_usual) {
            add(section, facts.section(section));
        }
    }
    if has("keyspace") || usual {
        add("keyspace", facts.keyspace());
    }
    Reply::Verbatim(text)
}

/// Everything that INFO tells, read at one moment.
struct Facts<'a> {
    shared: &'a Shared,
    engine: Statistics,
    keys: Vec<KeyCounts>,
    process: ProcessFacts,
}

impl<'a> Facts<'a> {
    fn gather(shared: &'a Shared, data: &mut Data<'_, '_>) -> Self {
        let (engine, keys) = data.with(|txn| {
            let keys = (0..DATABASE_COUNT).map(|db| txn.key_counts(db)).collect();
            (txn.statistics(), keys)
        });
        Self { shared, engine, keys, process: ProcessFacts::read() }
    }

    fn section(&self, name: &str) -> String {
        match name {
            "server" => self.server(),
            "clients" => self.clients(),
            "memory" => self.memory(),
            "persistence" => self.persistence(),
            "stats" => self.stats(),
            "replication" => self.replication(),
            "cpu" => self.cpu(),
            "commandstats" => self.commands(),
            "errorstats" => self.errors(),
            _ => "cluster_enabled:0\r\n".to_owned(),
        }
    }

    fn server(&self) -> String {
        let uptime_s = self.shared.clock.uptime().as_secs();
        lines(&[
            ("redis_version", REDIS_VERSION.into()),
            ("server_name", "millstream".into()),
            ("millstream_version", env!("CARGO_PKG_VERSION").into()),
            ("millstream_extensions", String::new()),
            ("redis_mode", "standalone".into()),
            ("os", std::env::consts::OS.into()),
            ("arch_bits", usize::BITS.to_string()),
            ("process_id", std::process::id().to_string()),
            ("run_id", self.shared.run_id.clone()),
            ("tcp_port", self.shared.port.load(Ordering::Relaxed).to_string()),
            ("server_time_usec", since_1970().as_micros().to_string()),
            ("uptime_in_seconds", uptime_s.to_string()),
            ("uptime_in_days", (uptime_s / 86_400).to_string()),
            ("io_threads", self.shared.workers.len().to_string()),
        ])
    }

    fn clients(&self) -> String {
        let clients = self.shared.clients.all();
        let blocked = clients.iter().filter(|client| client.is_blocked.load(Ordering::Acquire));
        let watching = clients.iter().filter(|client| client.facts.lock().watched > 0);
        lines(&[
            ("connected_clients", clients.len().to_string()),
            ("maxclients", self.shared.settings.maxclients.load(Ordering::Relaxed).to_string()),
            ("blocked_clients", blocked.count().to_string()),
            ("watching_clients", watching.count().to_string()),
            ("total_blocking_keys", self.engine.waited_keys.to_string()),
            ("total_blocking_keys_on_nokey", self.engine.waited_group_keys.to_string()),
        ])
    }

    /// The allocator keeps no count of its own, so used memory is what the process holds.
    fn memory(&self) -> String {
        let (resident, peak) = (self.process.resident_bytes, self.process.peak_bytes);
        lines(&[
            ("used_memory", resident.to_string()),
            ("used_memory_human", human(resident)),
            ("used_memory_rss", resident.to_string()),
            ("used_memory_rss_human", human(resident)),
            ("used_memory_peak", peak.to_string()),
            ("used_memory_peak_human", human(peak)),
            ("maxmemory", "0".into()),
            ("maxmemory_human", "0B".into()),
            ("maxmemory_policy", "noeviction".into()),
            ("mem_fragmentation_ratio", "1.00".into()),
        ])
    }

    fn persistence(&self) -> String {
        let shared = self.shared;
        let status = if shared.poison().is_some() { "err" } else { "ok" };
        let room = shared.engine.room();
        let mut all = vec![
            ("loading", "0".to_owned()),
            ("async_loading", "0".into()),
            ("rdb_changes_since_last_save", "0".into()),
            ("rdb_bgsave_in_progress", "0".into()),
            ("rdb_last_bgsave_status", "ok".into()),
            ("aof_enabled", u8::from(!shared.config.memory).to_string()),
            ("aof_rewrite_in_progress", "0".into()),
            ("aof_last_write_status", status.into()),
            ("aof_last_bgrewrite_status", "ok".into()),
        ];
        if !shared.config.memory {
            let undurable = shared.log_end().since(shared.engine.durable());
            all.extend([
                ("millstream_sync", shared.config.sync.word().to_owned()),
                ("millstream_log_end", shared.log_end().to_string()),
                ("millstream_log_written", shared.engine.written().to_string()),
                ("millstream_log_durable", shared.engine.durable().to_string()),
                ("millstream_log_undurable_bytes", undurable.to_string()),
                ("millstream_log_prepared_bytes", room.map_or(0, |room| room.bytes()).to_string()),
                ("millstream_disk_full", flag(room.is_some_and(|room| room.is_disk_full()))),
                ("millstream_poisoned", flag(shared.poison().is_some())),
                ("millstream_poison_reason", shared.poison().unwrap_or_default().to_owned()),
                ("millstream_replayed_records", shared.recovery.records.to_string()),
                ("millstream_torn_bytes_cut", shared.recovery.torn_bytes_cut.to_string()),
            ]);
        }
        lines(&all)
    }

    fn stats(&self) -> String {
        let total = |counter: fn(&WorkerCounters) -> &Counter| {
            let all = self.shared.workers.iter();
            all.map(|worker| counter(&worker.counters).get()).sum::<u64>().to_string()
        };
        let rejected = self.shared.rejected_connections.load(Ordering::Relaxed);
        lines(&[
            ("total_connections_received", total(|worker| &worker.connections)),
            ("total_commands_processed", total(|worker| &worker.commands)),
            ("total_net_input_bytes", total(|worker| &worker.input_bytes)),
            ("total_net_output_bytes", total(|worker| &worker.output_bytes)),
            ("rejected_connections", rejected.to_string()),
            ("expired_keys", self.engine.expired_keys.to_string()),
            ("evicted_keys", "0".into()),
            ("millstream_changes", self.engine.changes.to_string()),
        ])
    }

    fn replication(&self) -> String {
        lines(&[
            ("role", "master".into()),
            ("connected_slaves", "0".into()),
            ("master_replid", self.shared.run_id.clone()),
            ("master_repl_offset", self.shared.log_end().to_string()),
        ])
    }

    fn cpu(&self) -> String {
        let seconds = |hundredths: u64| format!("{}.{:02}0000", hundredths / 100, hundredths % 100);
        lines(&[
            ("used_cpu_sys", seconds(self.process.system_hundredths)),
            ("used_cpu_user", seconds(self.process.user_hundredths)),
        ])
    }

    fn commands(&self) -> String {
        let mut text = String::new();
        for spec in table::all().flat_map(|spec| std::iter::once(spec).chain(spec.subcommands)) {
            self.command(spec, &mut text);
        }
        text
    }

    fn command(&self, spec: &CommandSpec, to: &mut String) {
        let total = |counter: fn(&CommandCounters) -> &Counter| -> u64 {
            let all = self.shared.workers.iter();
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

    fn errors(&self) -> String {
        let mut all = std::collections::BTreeMap::<String, u64>::new();
        for worker in &self.shared.workers {
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

    fn keyspace(&self) -> String {
        let mut text = String::new();
        for (db, counts) in self.keys.iter().enumerate().filter(|(_, counts)| counts.keys > 0) {
            let KeyCounts { keys, expiring } = counts;
            let _ = write!(text, "db{db}:keys={keys},expires={expiring},avg_ttl=0\r\n");
        }
        text
    }
}

fn lines(all: &[(&str, String)]) -> String {
    all.iter().fold(String::new(), |mut text, (name, value)| {
        let _ = write!(text, "{name}:{value}\r\n");
        text
    })
}

fn flag(is_set: bool) -> String {
    u8::from(is_set).to_string()
}

/// `1.50M`
fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes}B") } else { format!("{value:.2}{unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.2}T")
}

/// What the operating system says of this process; zero where it says nothing.
#[derive(Default)]
struct ProcessFacts {
    resident_bytes: u64,
    peak_bytes: u64,
    user_hundredths: u64,
    system_hundredths: u64,
}

impl ProcessFacts {
    fn read() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse::<u64>().ok()
        };
        let bytes = |name| kib(name).unwrap_or_default() * 1024;
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        // The name in parentheses may hold anything; fields 14 and 15 are times in 1/100 s.
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut times =
            after_name.split_whitespace().skip(11).map(|text| text.parse().unwrap_or_default());
        Self {
            resident_bytes: bytes("VmRSS:"),
            peak_bytes: bytes("VmHWM:"),
            user_hundredths: times.next().unwrap_or_default(),
            system_hundredths: times.next().unwrap_or_default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_for_people() {
        assert_eq!(human(512), "512B");
        assert_eq!(human(1536), "1.50K");
        assert_eq!(human(3 << 30), "3.00G");
    }
}
