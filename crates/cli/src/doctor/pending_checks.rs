//! What is pending in a group: what was delivered too often, what is gone.

use std::ops::Bound;

use millstream::{
    EntryId, Error, GroupInfo, Millstream, PendingEntries, PendingEntry, PendingFilter,
    StreamManager,
};

use super::Limits;
use super::finding::{Check, Finding, Severity};
use super::shell_word::command_line;
use super::stream_checks::Seen;
use crate::name::Name;
use crate::output::entries;

/// Pending entries of a group that are looked at, those of the lowest ids.
const PENDING_MAX: usize = 1000;
/// Of those, so many are looked for in the stream, one by one.
const LOOKED_FOR_MAX: usize = 100;

#[derive(Debug)]
pub(super) struct PendingFound {
    pub(super) findings: Vec<Finding>,
    /// So many were looked at.
    pub(super) count: u64,
    pub(super) first: Option<EntryId>,
}

/// # Errors
/// Those of the server.
pub(super) async fn check(
    millstream: &Millstream,
    seen: &Seen,
    group: &GroupInfo,
    limits: &Limits,
) -> Result<PendingFound, Error> {
    let pending = PendingEntries::new(millstream, seen.key.as_ref(), &group.name_bytes);
    let rows = pending.list(.., &PendingFilter::new(), PENDING_MAX).await?;
    let gone = gone(millstream, seen, &rows).await?;
    let findings = [poison(seen, group, &rows, limits.deliveries), deleted(seen, group, &gone)];
    let (count, first) = (rows.len() as u64, rows.first().map(|row| row.id));
    Ok(PendingFound { findings: findings.into_iter().flatten().collect(), count, first })
}

fn poison(
    seen: &Seen,
    group: &GroupInfo,
    rows: &[PendingEntry],
    deliveries: u64,
) -> Option<Finding> {
    let often: Vec<_> = rows.iter().filter(|row| row.deliveries >= deliveries).collect();
    let worst = often.iter().max_by_key(|row| row.deliveries)?;
    let (key, name) = (&seen.key, Name::from(group.name_bytes.clone()));
    let what = format!(
        "{} delivered {deliveries} times or more, {} {} times",
        entries(often.len() as u64),
        worst.id,
        worst.deliveries
    );
    let why = "what fails each time takes the workers' time for ever. Look at it, then acknowledge it \
               or have it become a dead letter";
    let rest = format!("--deliveries {deliveries}");
    let next = command_line("pending ls", &[key, &name], &rest);
    let finding = Finding::new(Severity::Warning, Check::Poison, what, why, next);
    Some(finding.of_group(key, &name))
}

/// Those that are not in the stream any more: all before its first entry, and in a stream of which
/// entries were deleted, those of the first ones that are not found.
async fn gone(
    millstream: &Millstream,
    seen: &Seen,
    rows: &[PendingEntry],
) -> Result<Vec<EntryId>, Error> {
    let info = &seen.info;
    let is_before = |id: EntryId| info.first.is_none_or(|first| id < first);
    let mut gone: Vec<_> = rows.iter().map(|row| row.id).filter(|id| is_before(*id)).collect();
    let left = rows.iter().map(|row| row.id).filter(|id| !is_before(*id));
    // Servers before Redis 7.0 do not tell what was deleted.
    let is_suspect = |id: &EntryId| match (info.entries_added, info.max_deleted) {
        (Some(_), Some(highest)) => *id <= highest,
        (Some(_), None) => false,
        (None, _) => true,
    };
    let suspects: Vec<_> = left.filter(is_suspect).take(LOOKED_FOR_MAX).collect();
    let stream = StreamManager::new(millstream, seen.key.as_ref());
    for id in suspects {
        let at = (Bound::Included(id), Bound::Included(id));
        if stream.entries(at, 1).await?.is_empty() {
            gone.push(id);
        }
    }
    Ok(gone)
}

fn deleted(seen: &Seen, group: &GroupInfo, gone: &[EntryId]) -> Option<Finding> {
    let first = gone.first()?;
    let (key, name) = (&seen.key, Name::from(group.name_bytes.clone()));
    let what =
        format!("{} pending and gone from the stream, {first} for one", entries(gone.len() as u64));
    let why = "nobody can do this work any more: it was deleted or trimmed before it was done. The \
               records stay until they are acknowledged or claimed";
    let rest = gone.iter().take(3).map(EntryId::to_string).collect::<Vec<_>>().join(" ");
    let next = command_line("pending ack", &[key, &name], &rest);
    let finding = Finding::new(Severity::Warning, Check::PendingDeleted, what, why, next);
    Some(finding.of_group(key, &name))
}
