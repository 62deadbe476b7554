//! Going through servers, streams and groups.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use millstream::redis::{cmd, from_redis_value};
use millstream::{DeadLetters, Error, Millstream, ServerMonitor, StreamManager, StreamScan};
use tokio::task::JoinSet;

use super::examined::{Counts, Examined, Letters};
use super::finding::{Check, Finding, Severity};
use super::reach::Reach;
use super::report::Report;
use super::server_checks::{ServerFacts, check_server};
use super::shell_word::command_line;
use super::{Limits, stream_checks};
use crate::name::Name;
use crate::output::{age_of, plural, short};
use crate::server::Server;

/// Streams that are looked at at the same time.
const ASKED_AT_ONCE: usize = 32;
/// Settings that checks look at.
const SETTINGS: [&str; 5] =
    ["maxmemory-policy", "appendfsync", "save", "appendonly", "stop-writes-on-bgsave-error"];
/// Letters that are older than this are not just about to be looked at.
const LETTERS_OLD: Duration = Duration::from_hours(24);

/// Looks at all, within the limits.
///
/// # Errors
/// The server cannot be asked any more.
pub(super) async fn survey(
    server: &Server,
    reach: &Reach,
    pattern: Option<Name>,
    limits: &Limits,
    ignore: &[Check],
) -> anyhow::Result<Report> {
    let mut report = Report::new(ignore.to_vec(), reach);
    let monitors = ServerMonitor::all(&server.millstream).await;
    let monitors = monitors.map_err(server.cannot("look at the server"))?;
    let are_several = monitors.len() > 1;
    for monitor in &monitors {
        let facts = facts_of(monitor, &mut report).await;
        let mut facts = facts.map_err(server.cannot("look at the server"))?;
        let port = facts.info.get("tcp_port").unwrap_or("?");
        facts.redis_cli = reach.redis_cli(&node_of(monitor, reach, port).await);
        let name = are_several.then(|| format!("server with port {port}"));
        check_server(&facts).into_iter().for_each(|it| report.add(it.of_server(name.clone())));
        report.counts.servers += 1;
    }
    let letters = survey_streams(server, pattern, limits, &mut report).await?;
    for (letters, stream) in letters {
        let found = check_letters(&server.millstream, &letters, &Name::from(stream)).await;
        let name = Name::from(letters);
        match found {
            Err(error) if error.is_temporary() => {
                return Err(server.cannot(format!("look at stream {name}"))(error));
            }
            // Another type has this name, or it may not be seen.
            Err(_) => {}
            Ok(found) => found.into_iter().for_each(|it| report.add(it)),
        }
    }
    Ok(report)
}

async fn facts_of(monitor: &ServerMonitor, report: &mut Report) -> Result<ServerFacts, Error> {
    let mut facts = ServerFacts::default();
    match monitor.info().await {
        Ok(info) => facts.info = info,
        Err(error) if error.is_temporary() => return Err(error),
        Err(error) => report.not_looked_at("what the server says of itself (INFO)", &error),
    }
    for name in SETTINGS {
        match monitor.settings(name).await {
            Ok(found) => facts.settings.extend(found),
            Err(error) if error.is_temporary() => return Err(error),
            Err(error) => {
                report.not_looked_at("settings of the server (CONFIG GET)", &error);
                break;
            }
        }
    }
    let before = SystemTime::now();
    match monitor.time().await {
        Ok(time) => {
            // It was read somewhere between the question and the answer.
            let asked = before.elapsed().unwrap_or_default();
            let middle = before + asked / 2;
            let off = match time.duration_since(middle) {
                Ok(ahead) => (ahead, true),
                Err(behind) => (behind.duration(), false),
            };
            facts.clock_off = Some((off.0.saturating_sub(asked / 2), off.1));
        }
        Err(error) if error.is_temporary() => return Err(error),
        Err(error) => report.not_looked_at("the clock of the server (TIME)", &error),
    }
    Ok(facts)
}

/// Host and port of one of several servers, as far as it tells.
async fn node_of(monitor: &ServerMonitor, reach: &Reach, port: &str) -> String {
    // Else the address says it.
    if reach.leads_to_several()
        && let Ok(answer) = monitor.query(cmd("CLIENT").arg("INFO")).await
        && let Ok(text) = from_redis_value::<String>(answer)
        && let Some(node) = text.split_whitespace().find_map(|it| it.strip_prefix("laddr="))
    {
        return node.to_owned();
    }
    format!("HOST:{port}")
}

async fn survey_streams(
    server: &Server,
    pattern: Option<Name>,
    limits: &Limits,
    report: &mut Report,
) -> anyhow::Result<Letters> {
    let mut scan = StreamScan::new(&server.millstream);
    if let Some(pattern) = &pattern {
        scan = scan.pattern(pattern);
    }
    let limit = if limits.limit == 0 { u64::MAX } else { limits.limit };
    let mut letters = Letters::new();
    // SCAN of Redis and Valkey may name one twice.
    let mut looked_at = BTreeSet::new();
    'scan: loop {
        let keys = match scan.next().await {
            Ok(Some(keys)) => keys,
            Ok(None) => break,
            Err(error) if error.is_temporary() => {
                return Err(server.cannot("list streams")(error));
            }
            Err(error) => {
                report.not_looked_at("streams (SCAN)", &error);
                break;
            }
        };
        let mut keys: Vec<_> = keys.into_iter().filter(|key| !looked_at.contains(key)).collect();
        keys.sort();
        keys.dedup();
        for some in keys.chunks(ASKED_AT_ONCE) {
            let left = limit - looked_at.len() as u64;
            if left == 0 {
                report.is_sampled = true;
                break 'scan;
            }
            let left = usize::try_from(left).unwrap_or(usize::MAX);
            report.is_sampled |= some.len() > left;
            let some = &some[..some.len().min(left)];
            looked_at.extend(some.iter().cloned());
            for examined in examine(server, some, limits).await? {
                letters.extend(examined.letters.clone());
                report.take(examined);
            }
        }
    }
    Ok(letters)
}

/// In the order of the keys.
async fn examine(
    server: &Server,
    keys: &[Bytes],
    limits: &Limits,
) -> anyhow::Result<Vec<Examined>> {
    let mut asked = JoinSet::new();
    for (index, key) in keys.iter().enumerate() {
        let (millstream, key, limits) = (server.millstream.clone(), key.clone(), limits.clone());
        asked.spawn(async move {
            let examined = stream_checks::examine(&millstream, &key, &limits).await;
            (index, key, examined)
        });
    }
    let mut all = Vec::with_capacity(keys.len());
    while let Some(answer) = asked.join_next().await {
        let (index, key, examined) = answer?;
        let key = Name::from(key);
        let examined = examined.map_err(server.cannot(format!("look at stream {key}")))?;
        all.push((index, examined));
    }
    all.sort_by_key(|(index, _)| *index);
    Ok(all.into_iter().map(|(_, examined)| examined).collect())
}

/// Letters that lie there.
async fn check_letters(
    millstream: &Millstream,
    letters: &Bytes,
    stream: &Name,
) -> Result<Option<Finding>, Error> {
    let Some(info) = StreamManager::new(millstream, letters).info().await? else { return Ok(None) };
    let Some(first) = info.first else { return Ok(None) };
    let age = age_of(first);
    let key = Name::from(letters.clone());
    let what = format!("{}, the oldest {} old", plural(info.length, "dead letter"), short(age));
    let severity = if age >= LETTERS_OLD { Severity::Warning } else { Severity::Note };
    let why = "each is work that was given up; nobody does it until somebody looks";
    let next = match DeadLetters::of(millstream, stream).stream() == &letters[..] {
        true => command_line("dlq ls", &[stream], ""),
        false => command_line("dlq ls --letters", &[&key, stream], ""),
    };
    let finding = Finding::new(severity, Check::DeadLetters, what, why, next);
    Ok(Some(finding.of_stream(&key)))
}

impl Report {
    fn take(&mut self, examined: Examined) {
        let Examined { findings, counts, letters: _, is_sampled, refused } = examined;
        findings.into_iter().for_each(|finding| self.add(finding));
        self.counts.add(Counts { ..counts });
        self.is_sampled |= is_sampled;
        if let Some(refused) = refused {
            self.not_looked_at_for("some streams and groups", refused);
        }
    }
}
