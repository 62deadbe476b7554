//! CONFIG GET, SET, REWRITE, RESETSTAT: the settings that clients ask for, under Redis' names.
//!
//! A setting that this server does not have reads as the value that describes what it does; it can
//! be set to that value and to no other. Nothing that a path or an address depends on changes while
//! the server runs.

use std::sync::atomic::Ordering;

use millstream_command::integer::parse_i64;
use millstream_command::{Reply, glob};
use millstream_engine::{DATABASE_COUNT, Settings as EngineSettings};

use crate::limit_settings;
use crate::session::{Data, Session};
use crate::shared::Shared;
use crate::tls::AuthClients;
use crate::{SettingValue, StartError, acl_command, open_files, tls_command};

/// How a setting may be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Fixed at the start.
    Immutable,
    /// Describes what the server does; any other value is refused.
    Fact,
    /// A number of a range.
    Number(i64, i64),
    /// The same, with units such as `kb` allowed.
    Bytes(i64, i64),
    /// On or off.
    YesNo,
    /// One of some words.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
    /// Bytes, or a share in percent.
    BytesOrPercent,
    /// Classes of clients with three numbers each.
    OutputLimits,
}

const SETTINGS: [(&str, Kind); 70] = [
    ("acl-pubsub-default", Kind::Fact),
    ("aclfile", Kind::Immutable),
    ("acllog-max-len", Kind::Number(0, u32::MAX as i64)),
    ("activerehashing", Kind::Fact),
    ("always-show-logo", Kind::Immutable),
    ("aof-use-rdb-preamble", Kind::Fact),
    ("appenddirname", Kind::Immutable),
    ("appendfilename", Kind::Immutable),
    ("appendfsync", Kind::Fact),
    ("appendonly", Kind::Fact),
    ("auth-failure-delay", Kind::Number(0, 60_000)),
    ("bind", Kind::Immutable),
    ("blocked-clients-max", Kind::Number(0, u32::MAX as i64)),
    ("client-output-buffer-limit", Kind::OutputLimits),
    ("client-query-buffer-limit", Kind::Bytes(1 << 20, u32::MAX as i64)),
    ("cluster-enabled", Kind::Immutable),
    ("daemonize", Kind::Immutable),
    ("databases", Kind::Immutable),
    ("dbfilename", Kind::Immutable),
    ("dir", Kind::Immutable),
    ("enable-debug-command", Kind::Immutable),
    ("group-consumers-max", Kind::Number(0, u32::MAX as i64)),
    ("group-held-max", Kind::Number(1, 1_000_000)),
    ("io-threads", Kind::Immutable),
    ("latency-monitor-threshold", Kind::Number(0, i64::MAX)),
    ("latency-tracking", Kind::YesNo),
    ("latency-tracking-info-percentiles", Kind::Fact),
    ("lazyfree-lazy-user-del", Kind::Fact),
    ("logfile", Kind::Immutable),
    ("maxclients", Kind::Number(1, u32::MAX as i64)),
    ("maxmemory", Kind::Bytes(0, i64::MAX)),
    ("maxmemory-clients", Kind::BytesOrPercent),
    ("maxmemory-hard", Kind::Bytes(0, i64::MAX)),
    ("maxmemory-policy", Kind::Fact),
    ("min-replicas-to-write", Kind::Fact),
    ("name-bytes-max", Kind::Bytes(0, u32::MAX as i64)),
    ("notify-keyspace-events", Kind::Fact),
    ("port", Kind::Immutable),
    ("protected-mode", Kind::Immutable),
    // Nobody shall be kept from setting it back.
    ("proto-max-array-len", Kind::Number(1024, i32::MAX as i64)),
    ("proto-max-bulk-len", Kind::Bytes(1 << 20, u32::MAX as i64)),
    ("replica-read-only", Kind::Fact),
    ("requirepass", Kind::Text),
    ("save", Kind::Fact),
    ("slave-read-only", Kind::Fact),
    ("slowlog-log-slower-than", Kind::Number(-1, i64::MAX)),
    ("slowlog-max-len", Kind::Number(0, i64::MAX)),
    ("stream-bytes-max", Kind::Bytes(0, i64::MAX)),
    ("stream-entries-max", Kind::Number(0, i64::MAX)),
    ("stream-groups-max", Kind::Number(0, u32::MAX as i64)),
    ("stream-idmp-duration", Kind::Number(1, 86_400)),
    ("stream-idmp-maxsize", Kind::Number(1, 10_000)),
    ("stream-idmp-producers-max", Kind::Number(0, u32::MAX as i64)),
    ("stream-node-max-bytes", Kind::Bytes(0, i64::MAX)),
    ("stream-node-max-entries", Kind::Number(0, i64::MAX)),
    ("tcp-keepalive", Kind::Number(0, i32::MAX as i64)),
    ("timeout", Kind::Number(0, i32::MAX as i64)),
    ("tls-auth-clients", Kind::OneOf(&AuthClients::WORDS)),
    ("tls-auth-clients-user", Kind::OneOf(&["off", "CN"])),
    ("tls-ca-cert-dir", Kind::Text),
    ("tls-ca-cert-file", Kind::Text),
    ("tls-cert-file", Kind::Text),
    ("tls-cluster", Kind::Fact),
    ("tls-key-file", Kind::Text),
    ("tls-key-file-pass", Kind::Text),
    ("tls-port", Kind::Immutable),
    ("tls-protocols", Kind::Text),
    ("tls-replication", Kind::Fact),
    ("unixsocket", Kind::Immutable),
    ("unixsocketperm", Kind::Immutable),
];

/// As much as somebody may say who has not logged in.
const TEXT_BYTES_MAX: usize = 16 << 10;
const TLS_IN_EXEC: &str = "ERR CONFIG SET of TLS is not allowed inside a transaction: nobody else \
could do anything while files are read";

fn find(name: &[u8]) -> Option<(&'static str, Kind)> {
    SETTINGS.iter().copied().find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name))
}

pub(crate) fn value(shared: &Shared, engine: &EngineSettings, name: &str) -> String {
    let yes_or_no = |is_yes: bool| if is_yes { "yes" } else { "no" }.to_owned();
    let config = &shared.config;
    match name {
        "acl-pubsub-default" => "resetchannels".to_owned(),
        "aclfile" => shared
            .acl
            .file
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        "acllog-max-len" => shared.acl.log.entries_max().to_string(),
        "tls-auth-clients-user" => {
            let is_on = shared.settings.tls_names_users.load(Ordering::Relaxed);
            if is_on { "CN" } else { "off" }.to_owned()
        }
        "activerehashing" => yes_or_no(true),
        "appendfsync" => config.sync.word().to_owned(),
        "appendonly" => yes_or_no(!config.memory),
        "always-show-logo"
        | "aof-use-rdb-preamble"
        | "cluster-enabled"
        | "daemonize"
        | "lazyfree-lazy-user-del"
        | "tls-cluster"
        | "tls-replication" => yes_or_no(false),
        "auth-failure-delay" => shared.acl.failures.delay_ms.load(Ordering::Relaxed).to_string(),
        "bind" => config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        "client-query-buffer-limit" => {
            shared.settings.query_bytes_max.load(Ordering::Relaxed).to_string()
        }
        "databases" => DATABASE_COUNT.to_string(),
        "dir" => shared
            .data_path
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        "enable-debug-command" => config.debug.word().to_owned(),
        "group-held-max" => engine.held_max.to_string(),
        "io-threads" => shared.workers.len().to_string(),
        "latency-monitor-threshold" => shared.latency.threshold_ms().to_string(),
        "latency-tracking" => yes_or_no(shared.latency.is_tracking()),
        "latency-tracking-info-percentiles" => "50 99 99.9".to_owned(),
        "maxclients" => shared.settings.maxclients.load(Ordering::Relaxed).to_string(),
        "min-replicas-to-write" => "0".to_owned(),
        "maxmemory-policy" => "noeviction".to_owned(),
        "port" => shared.port.load(Ordering::Relaxed).to_string(),
        "proto-max-bulk-len" => shared.settings.bulk_bytes_max.load(Ordering::Relaxed).to_string(),
        "protected-mode" | "replica-read-only" | "slave-read-only" => yes_or_no(true),
        "requirepass" => shared.settings.password(),
        "slowlog-log-slower-than" => shared.slow_log.slower_than_us().to_string(),
        "slowlog-max-len" => shared.slow_log.entries_max().to_string(),
        "stream-idmp-duration" => engine.idempotence.duration_s.to_string(),
        "stream-idmp-maxsize" => engine.idempotence.per_producer_max.to_string(),
        "stream-node-max-bytes" => engine.block_limits.bytes_max.to_string(),
        "stream-node-max-entries" => engine.block_limits.entries_max.to_string(),
        "tcp-keepalive" => shared.settings.tcp_keepalive_s.load(Ordering::Relaxed).to_string(),
        "timeout" => shared.settings.timeout_s.load(Ordering::Relaxed).to_string(),
        "tls-port" => shared.tls_port.load(Ordering::Relaxed).to_string(),
        "unixsocket" => config
            .unix_socket
            .as_ref()
            .map_or_else(String::new, |path| path.to_string_lossy().into_owned()),
        "unixsocketperm" => format!("{:o}", config.unix_socket_permissions.unwrap_or_default()),
        // All others are limits, of TLS, or read as empty.
        name => limit_settings::value(shared, engine, name)
            .or_else(|| config.tls.settings().get(name))
            .unwrap_or_default(),
    }
}

/// CONFIG GET pattern ... A name is answered as it was asked for, what a pattern finds under its
/// own name.
pub(crate) fn get(session: &Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    let engine = data.with(|txn| txn.settings());
    let is_name = |word: &[u8]| !word.iter().any(|byte| b"[*?".contains(byte));
    let asked = |name: &'static str| {
        let patterns = &args[2..];
        let fitting = |&&word: &&&[u8]| glob::matches_nocase(word, name.as_bytes());
        let first = patterns.iter().find(fitting)?;
        let shown = if is_name(first) { Reply::bulk(first.to_vec()) } else { Reply::Text(name) };
        Some((shown, Reply::bulk(value(&session.shared, &engine, name))))
    };
    Reply::Map(SETTINGS.iter().filter_map(|(name, _)| asked(name)).collect())
}

/// A checked change.
pub(crate) enum Change {
    Nothing,
    Number(i64),
    Text(String),
}

/// CONFIG SET name value ...: all of them or none.
pub(crate) fn set(session: &mut Session, args: &[&[u8]], data: &mut Data<'_, '_>) -> Reply {
    match check_all(session, &args[2..], data) {
        Err(reply) => reply,
        Ok(changes) => {
            if let Err(reply) = set_tls(session, &changes, data) {
                return reply;
            }
            let mut engine = data.with(|txn| txn.settings());
            let is_about_users = changes.iter().any(|(name, _)| *name == "requirepass");
            for (name, change) in changes {
                session.shared.settings.changed.lock().insert(name);
                apply(&session.shared, &mut engine, name, change);
            }
            data.with(|txn| txn.set_settings(engine));
            if is_about_users {
                acl_command::settle(session, data);
            }
            Reply::OK
        }
    }
}

/// The part of CONFIG SET that reads files, and may fail last. It keeps strangers out, too.
fn set_tls(
    session: &Session,
    changes: &[(&'static str, Change)],
    data: &Data<'_, '_>,
) -> Result<(), Reply> {
    let tls: Vec<_> = changes.iter().filter(|(name, _)| tls_command::is_setting(name)).collect();
    if !tls.is_empty() && data.is_held() {
        return Err(Reply::error(TLS_IN_EXEC));
    }
    let text = |(name, change): &&(&'static str, Change)| match change {
        Change::Text(text) => Some((*name, text.clone())),
        Change::Nothing | Change::Number(_) => None,
    };
    let texts: Vec<_> = tls.iter().filter_map(text).collect();
    let password = changes.iter().find(|(name, _)| *name == "requirepass");
    let password = password.and_then(|it| text(&it)).map(|(_, password)| password);
    tls_command::set(session, &texts, password.as_deref()).map_err(|refusal| refusal.reply())
}

fn check_all(
    session: &Session,
    pairs: &[&[u8]],
    data: &mut Data<'_, '_>,
) -> Result<Vec<(&'static str, Change)>, Reply> {
    let unknown = |name: &[u8]| {
        let head = b"ERR Unknown option or number of arguments for CONFIG SET - '";
        Reply::ErrorBytes([head, name, b"'"].concat())
    };
    // What is wrong with the value is told under the setting's own name, the rest as it was typed.
    let failed = |name: &[u8], why: &str| {
        let head = b"ERR CONFIG SET failed (possibly related to argument '";
        Reply::ErrorBytes([head, name, b"') - ", why.as_bytes()].concat())
    };
    if pairs.len() % 2 == 1 {
        return Err(Reply::error("ERR syntax error"));
    }
    let mut known: Vec<(&'static str, Kind, &[u8])> = Vec::new();
    for pair in pairs.chunks_exact(2) {
        let (name, kind) = find(pair[0]).ok_or_else(|| unknown(pair[0]))?;
        if known.iter().any(|(other, ..)| *other == name) {
            return Err(failed(pair[0], "duplicate parameter"));
        }
        if kind == Kind::Immutable {
            return Err(failed(pair[0], "can't set immutable config"));
        }
        known.push((name, kind, pair[1]));
    }
    let engine = data.with(|txn| txn.settings());
    let check = |(name, kind, text): (&'static str, Kind, &[u8])| {
        let present = value(&session.shared, &engine, name);
        check_one(kind, text, &present)
            .map(|change| (name, change))
            .map_err(|why| failed(name.as_bytes(), &why))
    };
    known.into_iter().map(check).collect()
}

fn check_one(kind: Kind, text: &[u8], present: &str) -> Result<Change, String> {
    let in_range = |number: Option<i64>, min, max, why: &str| {
        let number = number.ok_or(why)?;
        if (min..=max).contains(&number) {
            return Ok(Change::Number(number));
        }
        Err(format!("argument must be between {min} and {max} inclusive"))
    };
    match kind {
        Kind::Immutable => Err("can't set immutable config".to_owned()),
        Kind::Fact if text.eq_ignore_ascii_case(present.as_bytes()) => Ok(Change::Nothing),
        Kind::Fact => Err(format!("this server supports '{present}' only")),
        Kind::Number(min, max) => {
            in_range(parse_i64(text), min, max, "argument couldn't be parsed into an integer")
        }
        Kind::Bytes(min, max) => {
            in_range(limit_settings::parse_bytes(text), min, max, "argument must be a memory value")
        }
        Kind::YesNo => match &text.to_ascii_lowercase()[..] {
            b"yes" => Ok(Change::Number(1)),
            b"no" => Ok(Change::Number(0)),
            _ => Err("argument must be 'yes' or 'no'".to_owned()),
        },
        Kind::OneOf(words) => {
            let word = words.iter().find(|word| text.eq_ignore_ascii_case(word.as_bytes()));
            let all = words.join(", ");
            word.map(|word| Change::Text((*word).to_owned()))
                .ok_or_else(|| format!("argument(s) must be one of the following: {all}"))
        }
        Kind::BytesOrPercent => {
            limit_settings::parse_clients_max(text)?;
            as_text(text)
        }
        Kind::OutputLimits => {
            limit_settings::check_output_limits(text)?;
            as_text(text)
        }
        // Whoever has to say a longer password would not be listened to.
        Kind::Text if text.len() > TEXT_BYTES_MAX => {
            Err(format!("argument must have at most {TEXT_BYTES_MAX} bytes"))
        }
        Kind::Text => as_text(text),
    }
}

fn as_text(text: &[u8]) -> Result<Change, String> {
    let text = String::from_utf8(text.to_vec()).map_err(|_| "argument must be text".to_owned())?;
    Ok(Change::Text(text))
}

fn apply(shared: &Shared, engine: &mut EngineSettings, name: &str, change: Change) {
    let settings = &shared.settings;
    let number = match change {
        Change::Nothing => return,
        Change::Text(text) => {
            match name {
                "requirepass" => {
                    settings.note_password(&text);
                    shared.acl.set_default_password(&text);
                }
                "tls-auth-clients-user" => {
                    settings.tls_names_users.store(text == "CN", Ordering::Relaxed);
                }
                _ => limit_settings::apply_text(shared, name, &text),
            }
            return;
        }
        Change::Number(number) if name == "slowlog-log-slower-than" => {
            shared.slow_log.set_slower_than_us(number);
            return;
        }
        // All other ranges start at 0 or above.
        Change::Number(number) => number.unsigned_abs(),
    };
    let as_usize = usize::try_from(number).unwrap_or(usize::MAX);
    let as_u32 = u32::try_from(number).unwrap_or(u32::MAX);
    match name {
        "acllog-max-len" => shared.acl.log.set_entries_max(as_usize),
        "auth-failure-delay" => shared.acl.failures.delay_ms.store(number, Ordering::Relaxed),
        "client-query-buffer-limit" => settings.query_bytes_max.store(as_u32, Ordering::Relaxed),
        "group-held-max" => engine.held_max = as_usize,
        "latency-monitor-threshold" => shared.latency.set_threshold_ms(number),
        "latency-tracking" => shared.latency.set_tracking(number == 1),
        "maxclients" => {
            let connections = open_files::make_room_for(as_usize, &shared.config);
            settings.maxclients.store(connections, Ordering::Relaxed);
        }
        "proto-max-bulk-len" => settings.bulk_bytes_max.store(number, Ordering::Relaxed),
        "slowlog-max-len" => shared.slow_log.set_entries_max(number),
        "stream-idmp-duration" => engine.idempotence.duration_s = as_u32,
        "stream-idmp-maxsize" => engine.idempotence.per_producer_max = as_u32,
        "stream-node-max-bytes" => engine.block_limits.bytes_max = number,
        "stream-node-max-entries" => engine.block_limits.entries_max = number,
        "timeout" => settings.set_timeout(as_u32),
        "tcp-keepalive" => settings.tcp_keepalive_s.store(as_u32, Ordering::Relaxed),
        _ => limit_settings::apply(shared, engine, name, number),
    }
}

/// Looks at settings that were chosen before the start, by the same rules.
///
/// # Errors
/// The first that is wrong.
pub(crate) fn check_at_start(
    settings: &[(&'static str, String)],
) -> Result<Vec<(&'static str, Change)>, StartError> {
    let check = |(name, text): &(&'static str, String)| {
        let change = match find(name.as_bytes()) {
            None | Some((_, Kind::Immutable | Kind::Fact)) => {
                Err("there is no such setting".to_owned())
            }
            Some((_, kind)) => check_one(kind, text.as_bytes(), ""),
        };
        change
            .map(|change| (*name, change))
            .map_err(|why| StartError::Setting { name: (*name).to_owned(), why })
    };
    settings.iter().map(check).collect()
}

pub(crate) fn apply_at_start(shared: &Shared, changes: Vec<(&'static str, Change)>) {
    let mut txn = shared.store.engine.lock(shared.clock.now());
    let mut engine = txn.settings();
    for (name, change) in changes {
        apply(shared, &mut engine, name, change);
    }
    txn.set_settings(engine);
}

/// CONFIG REWRITE. Not for inside EXEC, where the engine is held: files are slow.
pub(crate) fn rewrite(session: &Session) -> Reply {
    let shared = &session.shared;
    let Some(file) = &shared.config.config_file else {
        return Reply::error("ERR The server is running without a config file");
    };
    let engine = shared.store.engine.lock(shared.clock.now()).settings();
    let changed = shared.settings.changed.lock().clone();
    let value = |name: &'static str| {
        let text = value(shared, &engine, name);
        let number = find(name.as_bytes()).filter(|(_, kind)| *kind != Kind::Text);
        match number.and_then(|_| text.parse().ok()) {
            Some(number) => (name, SettingValue::Number(number)),
            None => (name, SettingValue::Text(text)),
        }
    };
    // What only confirmed a fact is no setting of ours.
    let is_ours =
        |name: &&'static str| find(name.as_bytes()).is_some_and(|(_, kind)| kind != Kind::Fact);
    let settings: Vec<_> = changed.into_iter().filter(is_ours).map(value).collect();
    match file.rewrite(&settings) {
        Ok(()) => {
            tracing::info!("CONFIG REWRITE wrote {} settings", settings.len());
            Reply::OK
        }
        Err(error) => {
            tracing::warn!("CONFIG REWRITE failed: {error}");
            Reply::Error(format!("ERR Rewriting config file: {error}").into())
        }
    }
}

/// CONFIG RESETSTAT
pub(crate) fn reset_statistics(session: &Session, data: &mut Data<'_, '_>) -> Reply {
    session.reset_counters();
    session.shared.rejected_connections.store(0, Ordering::Relaxed);
    session.shared.idle_clients.store(0, Ordering::Relaxed);
    session.shared.refused_waits.store(0, Ordering::Relaxed);
    session.shared.acl.denied.reset();
    data.with(|txn| txn.reset_statistics());
    Reply::OK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_sorted_and_unique() {
        assert!(SETTINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
    }

    #[test]
    fn a_fact_can_be_confirmed_only() {
        assert!(matches!(check_one(Kind::Fact, b"no", "no"), Ok(Change::Nothing)));
        assert!(check_one(Kind::Fact, b"yes", "no").is_err());
        assert!(check_one(Kind::Immutable, b"x", "x").is_err());
    }
}
