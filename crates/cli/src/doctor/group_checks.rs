//! What groups and their consumers show.

use std::time::Duration;

use millstream::{ConsumerInfo, GroupInfo};

use super::Limits;
use super::finding::{Check, Finding, Severity};
use super::shell_word::{command_line, command_line_with, need_escapes, word};
use super::stream_checks::Seen;
use crate::name::Name;
use crate::output::{entries, or_dash, plural, short};

/// So many idle consumers are not left behind by chance.
const LEAK_MIN: usize = 10;
/// Names that are told.
const NAMES_MAX: usize = 3;

fn name_of(group: &GroupInfo) -> Name {
    Name::from(group.name_bytes.clone())
}

/// Something to read, as far as the server can tell.
fn is_behind(seen: &Seen, group: &GroupInfo) -> bool {
    match group.lag {
        Some(lag) => lag > 0,
        None => seen.info.last.is_some_and(|last| group.last_delivered < last),
    }
}

pub(super) fn no_consumers(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    if group.consumers > 0 {
        return None;
    }
    let (key, name) = (&seen.key, name_of(group));
    let has_work = is_behind(seen, group) || group.pending > 0;
    let (lag, pending) = (or_dash(group.lag), group.pending);
    let (severity, what, why, next) = match has_work {
        true => (
            Severity::Warning,
            format!("no consumers, lag {lag}, pending {pending}"),
            "nobody does this work. Start workers, or remove the group if nobody needs it",
            command_line("group info", &[key, &name], ""),
        ),
        false => (
            Severity::Note,
            "no consumers, and nothing to do".to_owned(),
            "if nobody needs it any more, what it has to read grows from now on",
            command_line("group destroy", &[key, &name], ""),
        ),
    };
    Some(Finding::new(severity, Check::NoConsumers, what, why, next).of_group(key, &name))
}

pub(super) fn lag_unknown(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    if group.lag.is_some() || seen.info.length == 0 {
        return None;
    }
    let (key, name) = (&seen.key, name_of(group));
    let what = "the server cannot tell its lag";
    let why = "after deletions in the middle, or a group that began there: alarms on lag are silent \
               until the group has read past them";
    let next = command_line("group info", &[key, &name], "");
    let finding = Finding::new(Severity::Note, Check::LagUnknown, what, why, next);
    Some(finding.of_group(key, &name))
}

pub(super) fn paused(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    let is_paused = group.managed.as_ref().is_some_and(|managed| managed.policy.is_paused);
    if !is_paused {
        return None;
    }
    let (key, name) = (&seen.key, name_of(group));
    let what = format!("it is paused, lag {}", or_dash(group.lag));
    let why = "nothing is handed out until somebody resumes it";
    let next = command_line("group resume", &[key, &name], "");
    let finding = Finding::new(Severity::Warning, Check::Paused, what, why, next);
    Some(finding.of_group(key, &name))
}

pub(super) fn letters_refused(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    let managed = group.managed.as_ref().filter(|managed| managed.dead_letter_failed > 0)?;
    let (key, name) = (&seen.key, name_of(group));
    let times = plural(managed.dead_letter_failed, "time");
    let what = format!("the stream of its dead letters has refused one {times}");
    let why =
        "entries that failed too often stay pending and are not handed out, until it takes them";
    let next = command_line("group policy", &[key, &name], "");
    let finding = Finding::new(Severity::Warning, Check::DeadLetters, what, why, next);
    Some(finding.of_group(key, &name))
}

/// Those that are idle, with and without something pending.
pub(super) fn consumers(
    seen: &Seen,
    group: &GroupInfo,
    consumers: &[ConsumerInfo],
    limits: &Limits,
) -> Vec<Finding> {
    let (idle, busy): (Vec<_>, Vec<_>) = (consumers.iter())
        .filter(|consumer| consumer.idle >= limits.idle)
        .partition(|consumer| consumer.pending == 0);
    let policy = group.managed.as_ref().map(|managed| &managed.policy);
    // Then the server does something about them by itself.
    let is_removed = policy.is_some_and(|policy| policy.consumer_ttl.is_some());
    let is_handed_on = policy.is_some_and(|policy| policy.visibility.is_some());
    let leaked = leaked(seen, group, consumers.len(), &idle, limits.idle);
    let stuck = stuck(seen, group, &busy, limits.idle);
    leaked.filter(|_| !is_removed).into_iter().chain(stuck.filter(|_| !is_handed_on)).collect()
}

fn names(consumers: &[&ConsumerInfo]) -> String {
    let name = |consumer: &&ConsumerInfo| Name::from(consumer.name_bytes.clone()).to_string();
    let more = if consumers.len() > NAMES_MAX { " ..." } else { "" };
    let some: Vec<_> = consumers.iter().take(NAMES_MAX).map(name).collect();
    format!("{}{more}", some.join(", "))
}

fn leaked(
    seen: &Seen,
    group: &GroupInfo,
    all: usize,
    idle: &[&ConsumerInfo],
    limit: Duration,
) -> Option<Finding> {
    let first = idle.first()?;
    let (key, name) = (&seen.key, name_of(group));
    let (count, limit) = (idle.len(), short(limit));
    let what = format!(
        "{count} of {} idle for {limit} or more, with nothing pending: {}",
        plural(all as u64, "consumer"),
        names(idle)
    );
    let severity = if count >= LEAK_MIN { Severity::Warning } else { Severity::Note };
    let why = "workers that take a new name at each start leave the old one behind; each takes \
               memory, and XINFO and XPENDING become slow";
    let consumer = Name::from(first.name_bytes.clone());
    let next = command_line("consumer delete", &[key, &name, &consumer], "");
    let finding = Finding::new(severity, Check::IdleConsumers, what, why, next);
    Some(finding.of_group(key, &name))
}

fn stuck(
    seen: &Seen,
    group: &GroupInfo,
    busy: &[&ConsumerInfo],
    limit: Duration,
) -> Option<Finding> {
    let first = busy.first()?;
    let (key, name) = (&seen.key, name_of(group));
    let pending = busy.iter().map(|consumer| consumer.pending).sum();
    let what = format!(
        "{} idle for {} or more with {} pending: {}",
        plural(busy.len() as u64, "consumer"),
        short(limit),
        entries(pending),
        names(busy)
    );
    let why = "a consumer that is gone keeps what it was given, until somebody claims it";
    let consumer = Name::from(first.name_bytes.clone());
    let has_escapes = need_escapes(&[key, &name, &consumer]);
    let rest = format!("--consumer {} --to CONSUMER", word(&consumer, has_escapes));
    let next = command_line_with("pending claim", &[key, &name], &rest, has_escapes);
    let finding = Finding::new(Severity::Warning, Check::StuckConsumers, what, why, next);
    Some(finding.of_group(key, &name))
}
