//! INFO: the server's state for people and for monitoring. Only what is true is in it.
//!
//! Fields have Redis' names and order where the same thing exists here; what cannot happen is 0.
//! What nobody measures is not there.

mod commands;
mod flow;
mod limits;
mod memory;
mod persistence;
mod process;
mod server;
mod stats;
mod tls;

use std::fmt::Write as _;

use millstream_command::Reply;
use millstream_engine::{
    DATABASE_COUNT, KeyCounts, QueueWait, Settings as EngineSettings, Statistics,
};

pub(crate) use self::memory::MemoryFacts;
pub(crate) use self::process::{ProcessFacts, resident_bytes};
use crate::session::{Data, Session};
use crate::shared::Shared;

/// In the order of the reply, and whether they come by themselves; the others only on request or
/// with `all`. That on TLS is not there without it, unless it is asked for.
const SECTIONS: [(&str, bool); 16] = [
    ("server", true),
    ("clients", true),
    ("memory", true),
    ("persistence", true),
    ("threads", true),
    ("stats", true),
    ("replication", true),
    ("cpu", true),
    ("tls", true),
    ("modules", true),
    ("commandstats", false),
    ("errorstats", true),
    ("latencystats", false),
    ("cluster", true),
    ("limits", true),
    ("keyspace", true),
];

/// INFO [section ...]
pub(crate) fn info(session: &Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    let words: Vec<String> =
        args[1..].iter().map(|word| String::from_utf8_lossy(word).to_ascii_lowercase()).collect();
    let has = |wanted: &str| words.iter().any(|word| word == wanted);
    let all = has("all") || has("everything");
    let usual = words.is_empty() || has("default");
    let facts = Facts::gather(&session.shared, data);
    let mut text = String::new();
    for (section, is_usual) in SECTIONS {
        let is_there = section != "tls" || session.shared.config.tls.is_on();
        if has(section) || (is_there && (all || (usual && is_usual))) {
            if !text.is_empty() {
                text.push_str("\r\n");
            }
            // Names of sections start with a capital, but for those that are abbreviations.
            let is_abbreviation = matches!(section, "cpu" | "tls");
            let (capitals, rest) = section.split_at(if is_abbreviation { 3 } else { 1 });
            let capitals = capitals.to_ascii_uppercase();
            let _ = write!(text, "# {capitals}{rest}\r\n{}", facts.section(section));
        }
    }
    Reply::Verbatim(text)
}

/// What is asked of the engine, all at one moment.
struct Facts<'a> {
    shared: &'a Shared,
    engine: Statistics,
    settings: EngineSettings,
    queue_wait: QueueWait,
    keys: Vec<KeyCounts>,
}

impl<'a> Facts<'a> {
    fn gather(shared: &'a Shared, data: &mut Data<'_, '_>) -> Self {
        let (engine, settings, queue_wait, keys) = data.with(|txn| {
            let keys = (0..DATABASE_COUNT).map(|db| txn.key_counts(db)).collect();
            (txn.statistics(), txn.settings(), txn.queue_wait(), keys)
        });
        Self { shared, engine, settings, queue_wait, keys }
    }

    fn section(&self, name: &str) -> String {
        let Self { shared, engine, .. } = self;
        match name {
            "server" => server::server(shared),
            "clients" => server::clients(shared, engine),
            "memory" => memory::section(shared, &MemoryFacts::gather(shared, engine), engine),
            "persistence" => persistence::persistence(shared, engine),
            "threads" => server::threads(shared),
            "stats" => stats::section(shared, engine) + &flow::fields(engine, &self.queue_wait),
            "replication" => persistence::replication(shared),
            "cpu" => server::cpu(shared),
            "tls" => tls::section(shared),
            "modules" => String::new(),
            "commandstats" => commands::counts(shared),
            "errorstats" => commands::errors(shared),
            "latencystats" => commands::times(shared),
            "limits" => limits::section(shared, &self.settings),
            "cluster" => "cluster_enabled:0\r\n".to_owned(),
            _ => self.keyspace(),
        }
    }

    fn keyspace(&self) -> String {
        let mut text = String::new();
        for (db, counts) in self.keys.iter().enumerate().filter(|(_, counts)| counts.keys > 0) {
            let KeyCounts { keys, expiring, mean_lifetime_ms } = counts;
            let _ = write!(
                text,
                "db{db}:keys={keys},expires={expiring},avg_ttl={mean_lifetime_ms},subexpiry=0\r\n"
            );
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
pub(crate) fn human(bytes: u64) -> String {
    let mut value = bytes as f64;
    for unit in ["B", "K", "M", "G"] {
        if value < 1024.0 {
            return if unit == "B" { format!("{bytes}B") } else { format!("{value:.2}{unit}") };
        }
        value /= 1024.0;
    }
    format!("{value:.2}T")
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
