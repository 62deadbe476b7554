//! What a server says of itself, and what that means for streams.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::BinaryBytes;
use millstream::ServerInfo;

use super::finding::{Check, Finding, Next, Severity};
use crate::output::{short, visible};

/// A clock that is further off than this makes ages wrong that people look at.
const CLOCK_OFF_MAX: Duration = Duration::from_secs(2);
/// Shares of the memory, in percent, from which on it is told.
const MEMORY_WARN: u64 = 80;
const MEMORY_ERROR: u64 = 95;

/// What is known of a server; what it does not tell is missing.
#[derive(Debug, Default)]
pub(super) struct ServerFacts {
    pub(super) info: ServerInfo,
    pub(super) settings: BTreeMap<String, String>,
    /// What stands behind redis-cli to get there.
    pub(super) redis_cli: String,
    /// How far its clock is from this machine's, and whether it is ahead.
    pub(super) clock_off: Option<(Duration, bool)>,
}

pub(super) fn check_server(facts: &ServerFacts) -> Vec<Finding> {
    let checks = [
        eviction(facts),
        persistence(facts),
        sync(facts),
        memory(facts),
        replica(facts),
        clock(facts),
    ];
    checks.into_iter().flatten().chain(writes_stopped(facts)).collect()
}

impl ServerFacts {
    fn is_millstream(&self) -> bool {
        self.info.get("millstream_version").is_some()
    }

    fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.info.get(name) == Some(value)
    }

    fn max_memory(&self) -> u64 {
        self.info.count("maxmemory").unwrap_or(0)
    }
}

fn set(facts: &ServerFacts, what: &str) -> String {
    format!("redis-cli{} CONFIG SET {what}", facts.redis_cli)
}

fn eviction(facts: &ServerFacts) -> Option<Finding> {
    let policy =
        facts.info.get("maxmemory_policy").or_else(|| facts.setting("maxmemory-policy"))?;
    if policy == "noeviction" {
        return None;
    }
    let (severity, why) = match (facts.max_memory(), policy.starts_with("volatile")) {
        (0, _) => (
            Severity::Warning,
            "as soon as maxmemory is set, whole keys go when it is full: streams with their groups",
        ),
        (_, true) => (
            Severity::Warning,
            "when memory is full, keys with an expiry go as a whole: streams with their groups",
        ),
        (_, false) => (
            Severity::Error,
            "when memory is full, whole keys go: streams with their groups and all that is pending",
        ),
    };
    let what = format!("maxmemory-policy is {}", visible(policy.as_bytes()));
    let next = set(facts, "maxmemory-policy noeviction");
    Some(Finding::new(severity, Check::Eviction, what, why, next))
}

fn persistence(facts: &ServerFacts) -> Option<Finding> {
    if !facts.is("aof_enabled", "0") {
        return None;
    }
    let finding = |severity, what: &str, why: &str, next: String| {
        Some(Finding::new(severity, Check::Persistence, what, why, next))
    };
    if facts.is_millstream() {
        let why = "when it ends, all streams are gone";
        let next = "millstream serve --dir DIRECTORY".to_owned();
        return finding(Severity::Error, "it runs with --memory: nothing is on disk", why, next);
    }
    let next = set(facts, "appendonly yes");
    match facts.setting("save") {
        Some("") => finding(
            Severity::Error,
            "appendonly is off, and no snapshots are taken: nothing is on disk",
            "when it ends, all streams are gone",
            next,
        ),
        Some(_) => finding(
            Severity::Warning,
            "appendonly is off: only snapshots are on disk",
            "when it ends without warning, all that happened since the last snapshot is undone: \
             entries are gone, and those that were acknowledged come again",
            next,
        ),
        None => finding(
            Severity::Warning,
            "appendonly is off; whether snapshots are taken is not known",
            "when it ends without warning, at least what happened since the last one is undone",
            next,
        ),
    }
}

fn sync(facts: &ServerFacts) -> Option<Finding> {
    let (name, value) = match facts.info.get("millstream_sync") {
        Some(sync) => ("sync", sync),
        None if facts.is("aof_enabled", "1") => ("appendfsync", facts.setting("appendfsync")?),
        None => return None,
    };
    let next = match name {
        "sync" => "millstream serve --sync always".to_owned(),
        _ => set(facts, "appendfsync always"),
    };
    let (severity, why) = match value {
        "everysec" => {
            (Severity::Note, "a loss of power undoes up to a second of what was confirmed")
        }
        "no" => (
            Severity::Warning,
            "a loss of power undoes whatever the system has not written, some 30 s of what was \
             confirmed",
        ),
        _ => return None,
    };
    Some(Finding::new(severity, Check::Sync, format!("{name} is {value}"), why, next))
}

fn memory(facts: &ServerFacts) -> Option<Finding> {
    let used = facts.info.count("used_memory")?;
    let (limit, name, full) = match facts.max_memory() {
        0 => {
            // With swap it becomes slow long before it ends.
            let machine = facts.info.count("total_system_memory").filter(|bytes| *bytes > 0)?;
            (machine, "the machine's memory", "the system ends it, or everything becomes slow")
        }
        limit => match facts.info.get("maxmemory_policy") {
            Some("noeviction") | None => (limit, "maxmemory", "writes are refused"),
            Some(_) => (limit, "maxmemory", "keys are deleted"),
        },
    };
    let percent = u64::try_from(u128::from(used) * 100 / u128::from(limit)).unwrap_or(u64::MAX);
    let severity = match percent {
        MEMORY_ERROR.. => Severity::Error,
        MEMORY_WARN.. => Severity::Warning,
        _ => return None,
    };
    let (used, limit) = (BinaryBytes(used), BinaryBytes(limit));
    let what = format!("{used} are used, {percent} % of {name} ({limit})");
    let why = format!("when that is full, {full}");
    let next = Next::Here("millstream stream ls --limit 0".to_owned());
    Some(Finding::new(severity, Check::Memory, what, why, next))
}

fn writes_stopped(facts: &ServerFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut note = |severity, what: String, why: &str, next: &Next| {
        found.push(Finding::new(severity, Check::WritesStopped, what, why, next.clone()));
    };
    let log = &Next::from("read its log, make room or replace the disk, then start it again");
    if facts.is("millstream_poisoned", "1") {
        let reason = facts.info.get("millstream_poison_reason").unwrap_or_default();
        let what =
            format!("its disk failed, and it takes no writes: {}", visible(reason.as_bytes()));
        note(
            Severity::Error,
            what,
            "nothing is added or acknowledged until it is started again",
            log,
        );
    } else if facts.is("aof_last_write_status", "err") {
        let what = "the last write to its append-only file failed".to_owned();
        note(Severity::Error, what, "it takes no writes until one succeeds", log);
    }
    if facts.is("millstream_disk_full", "1") {
        let what = "its disk is full".to_owned();
        let why = "it takes only what frees space until there is room";
        let trim = "df -h, then millstream stream trim STREAM --maxage TIME".to_owned();
        note(Severity::Error, what, why, &Next::Here(trim));
    }
    if facts.is("millstream_checkpoint_overdue", "1") {
        let what = "its checkpoints fail, and its log may not grow any more".to_owned();
        note(Severity::Error, what, "it takes only what frees space until one succeeds", log);
    } else if facts.is("millstream_checkpoint_status", "err") {
        let what = "its last checkpoint failed".to_owned();
        let why = "the log grows until one succeeds, and so does the time of a start";
        note(Severity::Error, what, why, log);
    }
    if facts.is("rdb_last_bgsave_status", "err") {
        let stops = facts.setting("stop-writes-on-bgsave-error") != Some("no");
        let severity = if stops { Severity::Error } else { Severity::Warning };
        let why = if stops {
            "it takes no writes until a snapshot succeeds"
        } else {
            "what is on disk becomes older and older"
        };
        note(severity, "its last snapshot failed".to_owned(), why, log);
    }
    found
}

fn replica(facts: &ServerFacts) -> Option<Finding> {
    if !facts.is("role", "slave") {
        return None;
    }
    let (severity, what) = match facts.info.get("master_link_status") {
        Some("down") => (Severity::Error, "it is a replica that has lost its primary"),
        _ => (Severity::Warning, "it is a replica"),
    };
    let why = "workers cannot read by groups or acknowledge here, and what is seen may be old";
    let host = facts.info.get("master_host").unwrap_or("PRIMARY");
    let port = facts.info.get("master_port").unwrap_or("6379");
    let next = format!("millstream doctor redis://{}:{port}", visible(host.as_bytes()));
    Some(Finding::new(severity, Check::Replica, what, why, next))
}

fn clock(facts: &ServerFacts) -> Option<Finding> {
    let (off, is_ahead) = facts.clock_off.filter(|(off, _)| *off > CLOCK_OFF_MAX)?;
    let way = if is_ahead { "ahead of" } else { "behind" };
    let what = format!("its clock is {} {way} that of this machine", short(off));
    let why = "ids are made by its clock: ages, retention by age and delays are off by as much";
    Some(Finding::new(Severity::Warning, Check::Clock, what, why, "timedatectl status, on both"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(info: &str, settings: &[(&str, &str)]) -> ServerFacts {
        let settings = settings.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        let info = ServerInfo::from_text(info);
        ServerFacts { info, settings: settings.collect(), ..ServerFacts::default() }
    }

    fn found(facts: &ServerFacts) -> Vec<(Severity, Check)> {
        check_server(facts).iter().map(|finding| (finding.severity, finding.check)).collect()
    }

    #[test]
    fn a_server_that_is_well_has_no_findings() {
        let well = "role:master\naof_enabled:1\nmaxmemory:1000\nused_memory:100\n\
                    maxmemory_policy:noeviction\naof_last_write_status:ok\n";
        assert_eq!(found(&facts(well, &[("appendfsync", "always"), ("save", "")])), []);
        // Nor has one that says nothing.
        assert_eq!(found(&facts("", &[])), []);
    }

    #[test]
    fn each_trouble_is_found() {
        use Check::*;
        use Severity::*;
        let with = |text: &str, settings: &[(&str, &str)]| found(&facts(text, settings));
        let cases = [
            ("maxmemory:9\nmaxmemory_policy:allkeys-lru", vec![], (Error, Eviction)),
            ("maxmemory:9\nmaxmemory_policy:volatile-ttl", vec![], (Warning, Eviction)),
            ("maxmemory:0\nmaxmemory_policy:allkeys-lru", vec![], (Warning, Eviction)),
            ("aof_enabled:0", vec![("save", "")], (Error, Persistence)),
            ("aof_enabled:0", vec![("save", "60 1")], (Warning, Persistence)),
            ("aof_enabled:0", vec![], (Warning, Persistence)),
            ("aof_enabled:0\nmillstream_version:1", vec![], (Error, Persistence)),
            ("aof_enabled:1", vec![("appendfsync", "no")], (Warning, Sync)),
            ("aof_enabled:1", vec![("appendfsync", "everysec")], (Note, Sync)),
            ("millstream_sync:no", vec![], (Warning, Sync)),
            ("maxmemory:100\nused_memory:80", vec![], (Warning, Memory)),
            ("maxmemory:100\nused_memory:96", vec![], (Error, Memory)),
            ("used_memory:85\ntotal_system_memory:100", vec![], (Warning, Memory)),
            ("role:slave", vec![], (Warning, Replica)),
            ("role:slave\nmaster_link_status:down", vec![], (Error, Replica)),
            ("aof_last_write_status:err", vec![], (Error, WritesStopped)),
            ("millstream_poisoned:1", vec![], (Error, WritesStopped)),
            ("millstream_disk_full:1", vec![], (Error, WritesStopped)),
            ("millstream_checkpoint_status:err", vec![], (Error, WritesStopped)),
            ("millstream_checkpoint_overdue:1", vec![], (Error, WritesStopped)),
            ("rdb_last_bgsave_status:err", vec![], (Error, WritesStopped)),
            (
                "rdb_last_bgsave_status:err",
                vec![("stop-writes-on-bgsave-error", "no")],
                (Warning, WritesStopped),
            ),
        ];
        for (info, settings, expected) in cases {
            assert_eq!(with(info, &settings), [expected], "{info}");
        }
        let off = |seconds| Some((Duration::from_secs(seconds), true));
        assert_eq!(found(&ServerFacts { clock_off: off(1), ..ServerFacts::default() }), []);
        let late = ServerFacts { clock_off: off(30), ..ServerFacts::default() };
        assert_eq!(found(&late), [(Warning, Clock)]);
    }
}
