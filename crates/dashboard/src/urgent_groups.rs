//! Groups that are worth a look.

use std::time::Duration;

use crate::history::{GroupNow, StreamNow};

/// What is pending for longer is worth a look.
pub(crate) const OLD: Duration = Duration::from_secs(5 * 60);

/// First those with the oldest pending entries, then those with the longest way to go; `max` at
/// most, each with its stream (without all the groups of that).
pub(crate) fn urgent_groups(streams: Vec<StreamNow>, max: usize) -> Vec<(StreamNow, GroupNow)> {
    let mut all = Vec::new();
    for mut stream in streams {
        let groups = std::mem::take(&mut stream.groups);
        all.extend(groups.into_iter().map(|group| (stream.clone(), group)));
    }
    let urgency = |(_, group): &(StreamNow, GroupNow)| {
        let lag = group.info.lag.unwrap_or(0);
        (group.ages.pending.filter(|oldest| *oldest > OLD), lag + group.info.pending)
    };
    all.sort_by_key(|row| std::cmp::Reverse(urgency(row)));
    all.truncate(max);
    all
}
