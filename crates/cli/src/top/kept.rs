//! A group as it was seen last, and what another look makes of it.

use std::time::{Duration, Instant};

use millstream::{EntryId, GroupInfo, StreamInfo};

use super::line::{Line, LineKey};

/// Two looks that are closer say little about a rate.
const RATE_SPAN_MIN: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) line: Line,
    pub(super) at: Instant,
    /// Entries that the group was ever done with, up to a constant.
    settled: Option<i64>,
    last_delivered: EntryId,
    is_managed: bool,
}

/// A group whose ages are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DetailDue {
    pub(super) key: LineKey,
    pub(super) has_pending: bool,
    /// The entry behind which the first is that was not delivered.
    pub(super) undelivered_after: Option<EntryId>,
}

impl DetailDue {
    pub(super) fn cost(&self) -> i64 {
        i64::from(self.has_pending) + i64::from(self.undelivered_after.is_some())
    }
}

impl Kept {
    pub(super) fn without_group(
        key: LineKey,
        at: Instant,
        info: &StreamInfo,
        rate_in: Option<f64>,
    ) -> Self {
        let line = Line {
            key,
            length: info.length,
            rate_in,
            rate_out: None,
            lag: None,
            pending: None,
            pending_age: None,
            undelivered_age: None,
            consumers: None,
            dead_letters: None,
            blocked_by: None,
        };
        Self { line, at, settled: None, last_delivered: EntryId::ZERO, is_managed: false }
    }

    pub(super) fn of(
        key: LineKey,
        at: Instant,
        info: &StreamInfo,
        rate_in: Option<f64>,
        group: &GroupInfo,
        dead_letters: Option<u64>,
        before: Option<&Self>,
    ) -> Self {
        let managed = group.managed.as_ref();
        let settled = settled(info, group);
        // With a policy and without one it is counted by other numbers.
        let alike = before.filter(|before| before.is_managed == managed.is_some());
        let rate_out = alike.and_then(|before| {
            // It was moved, or made anew, if there are fewer.
            let more = settled
                .zip(before.settled)
                .and_then(|(now, then)| u64::try_from(now.checked_sub(then)?).ok());
            rate(more, at.duration_since(before.at), before.line.rate_out)
        });
        // Looked for later where the server does not say.
        let earlier = before.filter(|_| managed.is_none()).map(|before| &before.line);
        let pending_age = earlier.and_then(|line| line.pending_age).filter(|_| group.pending > 0);
        let undelivered_age =
            earlier.and_then(|line| line.undelivered_age).filter(|_| group.lag != Some(0));
        let line = Line {
            key,
            length: info.length,
            rate_in,
            rate_out,
            lag: group.lag,
            pending: Some(group.pending),
            pending_age: managed.map_or(pending_age, |managed| managed.oldest_pending),
            undelivered_age: managed.map_or(undelivered_age, |it| it.oldest_undelivered),
            consumers: Some(group.consumers),
            dead_letters,
            blocked_by: managed.and_then(|managed| managed.blocked_by.clone()),
        };
        let (last_delivered, is_managed) = (group.last_delivered, managed.is_some());
        Self { line, at, settled, last_delivered, is_managed }
    }

    /// What only other commands tell.
    pub(super) fn detail(&self) -> Option<DetailDue> {
        let line = &self.line;
        if self.is_managed || line.key.group.is_none() {
            return None;
        }
        let has_pending = line.pending.is_some_and(|pending| pending > 0);
        let is_behind = line.lag != Some(0) && line.length > 0;
        let undelivered_after = is_behind.then_some(self.last_delivered);
        let due = DetailDue { key: line.key.clone(), has_pending, undelivered_after };
        (due.cost() > 0).then_some(due)
    }
}

/// Entries that a group was done with: acknowledged, where it counts them; else those that were
/// delivered and are not pending.
fn settled(info: &StreamInfo, group: &GroupInfo) -> Option<i64> {
    let number = |count: u64| i64::try_from(count).ok();
    if let Some(managed) = &group.managed {
        return number(managed.acked);
    }
    let by_lag = || info.entries_added?.checked_sub(group.lag?);
    let delivered = group.entries_read.or_else(by_lag)?;
    number(delivered)?.checked_sub(number(group.pending)?)
}

/// How many in each second; what it was before where the looks are too close.
pub(super) fn rate(more: Option<u64>, span: Duration, before: Option<f64>) -> Option<f64> {
    if span < RATE_SPAN_MIN {
        return before;
    }
    more.map(|more| more as f64 / span.as_secs_f64())
}
