//! What the server is asked about one stream, and about one group.

use std::ops::Bound;
use std::time::Duration;

use bytes::Bytes;
use millstream::{
    ConsumerGroupManager, DeadLetters, Error, GroupInfo, Millstream, PendingEntries, PendingFilter,
    StreamManager,
};

use super::kept::DetailDue;
use super::line::LineKey;
use super::survey::StreamFound;
use crate::output::age_of;

/// `None`: there is none.
pub(super) async fn find_stream(
    millstream: &Millstream,
    key: &Bytes,
) -> Result<Option<StreamFound>, Error> {
    let Some(info) = StreamManager::new(millstream, key).info().await? else { return Ok(None) };
    let groups = match info.groups {
        0 => Vec::new(),
        _ => ConsumerGroupManager::new(millstream, key).groups().await?,
    };
    let mut found: Vec<(GroupInfo, Option<u64>)> = Vec::with_capacity(groups.len());
    // Most groups of a stream have the same one.
    let mut last: Option<(Vec<u8>, Option<u64>)> = None;
    for group in groups {
        let letters = DeadLetters::of_group(millstream, key, &group).stream().to_vec();
        let count = match &last {
            Some((name, count)) if *name == letters => *count,
            _ => {
                // Another type under that name: no letters.
                let count = StreamManager::new(millstream, &letters).length().await;
                let count = match count {
                    Err(error) if error.is_temporary() => return Err(error),
                    count => count.ok(),
                };
                last = Some((letters, count));
                count
            }
        };
        found.push((group, count));
    }
    Ok(Some(StreamFound { info, groups: found }))
}

/// How old the first pending entry is, and the first that was not delivered.
pub(super) async fn find_ages(
    millstream: &Millstream,
    due: &DetailDue,
) -> Result<(Option<Duration>, Option<Duration>), Error> {
    let LineKey { stream, group } = &due.key;
    let mut pending_age = None;
    if let Some(group) = group.as_ref().filter(|_| due.has_pending) {
        let pending = PendingEntries::new(millstream, stream, group);
        let first = pending.list(.., &PendingFilter::new(), 1).await?.pop();
        pending_age = first.map(|entry| age_of(entry.id));
    }
    let mut undelivered_age = None;
    if let Some(after) = due.undelivered_after {
        let behind = (Bound::Excluded(after), Bound::Unbounded);
        let first = StreamManager::new(millstream, stream).entries(behind, 1).await?.pop();
        undelivered_age = first.map(|entry| age_of(entry.id));
    }
    Ok((pending_age, undelivered_age))
}
