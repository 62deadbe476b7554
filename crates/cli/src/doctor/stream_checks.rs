//! Looking at a stream and its groups.

use std::ops::Bound;

use bytes::Bytes;
use millstream::{
    ConsumerGroupManager, DeadLetters, EntryId, Error, GroupInfo, Millstream, Overflow, Retain,
    StreamInfo, StreamManager,
};

use super::examined::Examined;
use super::finding::{Check, Finding, Severity};
use super::shell_word::command_line;
use super::{Limits, group_checks, pending_checks};
use crate::name::Name;
use crate::or_refused::or_refused;
use crate::output::{age_of, entries, short};

/// Groups of one stream that are looked at one by one.
const GROUPS_MAX: usize = 1000;

/// A stream as it was seen.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) key: Name,
    pub(super) info: StreamInfo,
}

/// Looks at one stream; nothing is found of one that is gone by now.
///
/// # Errors
/// The server cannot be asked now.
pub(super) async fn examine(
    millstream: &Millstream,
    key: &Bytes,
    limits: &Limits,
) -> Result<Examined, Error> {
    let mut examined = Examined::default();
    let manager = ConsumerGroupManager::new(millstream, key);
    let stream = StreamManager::new(millstream, key);
    let asked = async {
        let Some(info) = stream.info().await? else { return Ok(None) };
        let groups = manager.groups().await?;
        Ok(Some((info, groups)))
    };
    let Some(Some((info, groups))) = or_refused(asked.await, &mut examined.refused)? else {
        return Ok(examined);
    };
    let seen = Seen { key: Name::from(key.clone()), info };
    examined.counts.streams = 1;
    examined.is_sampled = groups.len() > GROUPS_MAX;
    if groups.is_empty() {
        examined.findings.extend(kept_for_nobody(&seen));
    }
    for group in groups.iter().take(GROUPS_MAX) {
        examined.counts.groups += 1;
        let letters = DeadLetters::of_group(millstream, key, group);
        examined.letters.insert(Bytes::copy_from_slice(letters.stream()), key.clone());
        let checks = [
            group_checks::no_consumers(&seen, group),
            group_checks::lag_unknown(&seen, group),
            group_checks::paused(&seen, group),
            group_checks::letters_refused(&seen, group),
            unread_trimmed(&seen, group),
            trim_edge(&seen, group),
        ];
        examined.findings.extend(checks.into_iter().flatten());
        if group.consumers > 0 {
            let consumers = manager.consumers(&group.name_bytes).await;
            if let Some(consumers) = or_refused(consumers, &mut examined.refused)? {
                examined.counts.consumers += consumers.len() as u64;
                let found = group_checks::consumers(&seen, group, &consumers, limits);
                examined.findings.extend(found);
            }
        }
        let mut first_pending = None;
        if group.pending > 0 {
            let found = pending_checks::check(millstream, &seen, group, limits).await;
            if let Some(found) = or_refused(found, &mut examined.refused)? {
                examined.counts.pending += found.count;
                examined.is_sampled |= found.count < group.pending;
                examined.findings.extend(found.findings);
                first_pending = found.first;
            }
        }
        if holds_back_at_all(&seen) {
            let held = first_unsettled(&stream, &seen, group, first_pending).await;
            if let Some(first) = or_refused(held, &mut examined.refused)? {
                examined.findings.extend(holds_back(&seen, group, first, limits));
            }
        }
    }
    Ok(examined)
}

/// Entries that went before a group got them: all that the stream ever had, without those that the
/// group has read and those that are there. Once the group has read on, nobody can tell.
fn unread_trimmed(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    let Seen { key, info } = seen;
    // Else what is missing may have been read.
    let is_behind_all = info.first.is_none_or(|first| group.last_delivered < first);
    let to_come = info.entries_added?.checked_sub(group.entries_read?)?;
    let lost = to_come.checked_sub(info.length).filter(|lost| is_behind_all && *lost > 0)?;
    let name = Name::from(group.name_bytes.clone());
    let what = format!("{} went before the group got them, by a trim or deleted", entries(lost));
    let why = "this work is never done, and nobody is told. Have MAXLEN above the lag that may be, or \
               none (on Millstream: RETAIN UNACKED)";
    let next = command_line("stream info", &[key], "");
    let finding = Finding::new(Severity::Error, Check::UnreadTrimmed, what, why, next);
    Some(finding.of_group(key, &name))
}

/// A group so far behind that what goes next is what it has not read.
fn trim_edge(seen: &Seen, group: &GroupInfo) -> Option<Finding> {
    let Seen { key, info } = seen;
    let name = Name::from(group.name_bytes.clone());
    let finding = |severity, what: String| {
        let why = "the next entries that are trimmed are lost for this group";
        let next = command_line("group info", &[key, &name], "");
        Some(Finding::new(severity, Check::TrimEdge, what, why, next).of_group(key, &name))
    };
    if let Some(kept) = &info.retention {
        let lag = group.lag?;
        let max = kept
            .max_length
            .filter(|_| kept.retain == Retain::All && kept.overflow != Some(Overflow::Reject))?;
        // Four fifths: there is little time left.
        let is_near = lag.saturating_mul(5) >= max.saturating_mul(4);
        let severity = if lag >= max { Severity::Error } else { Severity::Warning };
        let what = format!("it has {} to read, and the stream keeps {max}", entries(lag));
        return is_near.then(|| finding(severity, what)).flatten();
    }
    let is_trimmed = info.entries_added? > info.length && info.length > 0;
    let is_first = group.last_delivered < info.first?;
    // Then it was told that it was too late.
    let is_in_time = unread_trimmed(seen, group).is_none();
    // A new group at 0 of a stream that was trimmed before is where it should be.
    let has_begun = group.last_delivered > EntryId::ZERO;
    let what =
        format!("{} in the stream, all still to be read, and it is trimmed", entries(info.length));
    (is_trimmed && is_first && is_in_time && has_begun)
        .then(|| finding(Severity::Warning, what))
        .flatten()
}

fn holds_back_at_all(seen: &Seen) -> bool {
    seen.info.length > 0
        && seen.info.retention.as_ref().is_some_and(|kept| kept.retain == Retain::Unacked)
}

/// RETAIN UNACKED without anybody who could acknowledge.
fn kept_for_nobody(seen: &Seen) -> Option<Finding> {
    let Seen { key, info } = seen;
    if !holds_back_at_all(seen) {
        return None;
    }
    let what = format!(
        "it keeps {} until groups acknowledge them, and there is none",
        entries(info.length)
    );
    let why =
        "nothing ever goes: the stream grows until additions are refused, or the disk is full";
    let next = command_line("group create", &[key], "GROUP");
    let finding = Finding::new(Severity::Warning, Check::HoldsBack, what, why, next);
    Some(finding.of_stream(key))
}

/// The first entry that a group has not settled.
async fn first_unsettled(
    stream: &StreamManager,
    seen: &Seen,
    group: &GroupInfo,
    first_pending: Option<EntryId>,
) -> Result<Option<EntryId>, Error> {
    let is_behind = seen.info.last.is_some_and(|last| group.last_delivered < last);
    let mut first = first_pending;
    if is_behind && first.is_none() {
        let behind = (Bound::Excluded(group.last_delivered), Bound::Unbounded);
        first = stream.entries(behind, 1).await?.first().map(|entry| entry.id);
    }
    Ok(first)
}

fn holds_back(
    seen: &Seen,
    group: &GroupInfo,
    first: Option<EntryId>,
    limits: &Limits,
) -> Option<Finding> {
    let Seen { key, info } = seen;
    let age = first.map(age_of).filter(|age| *age >= limits.idle)?;
    let name = Name::from(group.name_bytes.clone());
    let what = format!(
        "its first entry that is not acknowledged is {} old; the stream keeps {} behind it",
        short(age),
        entries(info.length)
    );
    let why = "with RETAIN UNACKED nothing behind it goes: additions are refused when there is no \
               room left";
    let next = command_line("pending ls", &[key, &name], "--limit 10");
    let finding = Finding::new(Severity::Warning, Check::HoldsBack, what, why, next);
    Some(finding.of_group(key, &name))
}
