//! What is done with pending entries: those that are named, or many that are alike.
//!
//! Each entry is changed only if it is as it was seen just before: one that a worker got meanwhile
//! is at work, and left alone.

use std::ops::Bound;
use std::time::Duration;

use millstream::{
    ConsumerGroupMonitor, EntryId, Error, Millstream, Nack, PendingEntries, PendingEntry,
    PendingFilter,
};
use millstream_shown::{entries, visible};
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::visitor::Change;

/// Entries that are looked at, and then changed, in one go.
const CHANGED_AT_ONCE: usize = 500;
/// Entries that one request changes at most.
const CHANGED_MAX: usize = 10_000;
/// Entries that one request looks at, to count them or to change some of them.
const LOOKED_AT_MAX: usize = 100_000;
/// Entries that are looked at before the time is, and how long they are counted.
const COUNTED_AT_ONCE: usize = 5000;
const COUNTED_FOR: Duration = Duration::from_secs(5);
/// Entries that are changed in a second, if nobody says other, and at most.
pub(crate) const PER_SECOND: u32 = 1000;
const PER_SECOND_MAX: u32 = 10_000;
/// Longer does no request take. What is left is told, and goes on with the next one.
const TIME_MAX: Duration = Duration::from_secs(20);

/// What becomes of entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Settling {
    Acknowledge,
    Claim { consumer: Vec<u8>, min_idle: Duration },
    GiveBack(Nack),
}

/// What became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Settled {
    pub(crate) changed: u64,
    /// They are not pending, or not as they were a moment ago.
    pub(crate) left_alone: u64,
    /// Behind this one there may be others that are meant.
    pub(crate) next: Option<EntryId>,
}

/// Entries that are alike.
#[derive(Clone, Debug)]
pub(crate) struct Alike {
    pub(crate) filter: PendingFilter,
    pub(crate) from: Bound<EntryId>,
    /// What becomes pending from now on is not meant: there would be no end of it.
    pub(crate) until: EntryId,
}

/// How many they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    /// As many were looked at as one request looks at, and there are more behind this one.
    pub(crate) next: Option<EntryId>,
}

impl Settling {
    /// As in "3 entries were acknowledged".
    pub(crate) fn done(&self) -> String {
        match self {
            Self::Acknowledge => "acknowledged".to_owned(),
            Self::Claim { consumer, .. } => format!("claimed for {}", visible(consumer)),
            Self::GiveBack(_) => "given back".to_owned(),
        }
    }

    async fn settle(
        &self,
        pending: &PendingEntries,
        seen: &[PendingEntry],
    ) -> Result<Vec<EntryId>, Error> {
        match self {
            Self::Acknowledge => pending.acknowledge(seen).await,
            Self::Claim { consumer, min_idle } => pending.claim(seen, consumer, *min_idle).await,
            Self::GiveBack(nack) => pending.give_back(seen, nack).await,
        }
    }

    /// Refuses what cannot be done with any entry of this group. Changes nothing.
    ///
    /// # Errors
    /// Those of the toolkit.
    pub(crate) async fn check(&self, pending: &PendingEntries) -> Result<(), Failure> {
        self.settle(pending, &[]).await?;
        Ok(())
    }
}

/// The line in the log, however it ends: the visitor may go away while it is at work.
struct Tally<'a> {
    change: &'a Change<'a>,
    what: String,
    settled: Settled,
    /// Of how many others it is not known, and why.
    unknown: Option<(usize, String)>,
}

impl<'a> Tally<'a> {
    fn new(change: &'a Change<'a>, stream: &[u8], group: &[u8], settling: &Settling) -> Self {
        let (stream, group, done) = (visible(stream), visible(group), settling.done());
        let what = format!("of group {group} of stream {stream} {done}");
        Self { change, what, settled: Settled::default(), unknown: None }
    }

    /// Settles those that were seen, of as many as were asked for.
    async fn settle(
        &mut self,
        settling: &Settling,
        pending: &PendingEntries,
        seen: &[PendingEntry],
        asked: usize,
    ) -> Result<(), Error> {
        let changed = settling.settle(pending, seen).await;
        if let Err(error) = &changed {
            // They go in several steps, of which the first ones may have been made, unless it is
            // what the visitor may not do at all.
            let is_forbidden = matches!(error, Error::Refused { code, .. } if code == "NOPERM");
            if !is_forbidden || self.settled.changed > 0 {
                self.unknown = Some((seen.len(), error.to_string()));
            }
        }
        let changed = changed?.len();
        self.settled.changed += changed as u64;
        self.settled.left_alone += asked.saturating_sub(changed) as u64;
        Ok(())
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let count = entries(self.settled.changed);
        match &self.unknown {
            Some((others, error)) => self.change.audit(&format!(
                "{count} {}, and maybe some of {others} others: {error}",
                self.what
            )),
            None if self.settled.changed > 0 => {
                self.change.audit(&format!("{count} {}", self.what));
            }
            None => {}
        }
    }
}

/// Of these entries, those that are pending.
///
/// # Errors
/// Those of the server; some may have been changed before.
pub(crate) async fn settle_named(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    ids: &[EntryId],
    settling: &Settling,
) -> Result<Settled, Failure> {
    let mut ids = ids.to_vec();
    // One that is named twice is one.
    ids.sort_unstable();
    ids.dedup();
    if ids.is_empty() {
        return Err(Failure::Invalid("no entry is ticked".to_owned()));
    }
    if ids.len() > CHANGED_MAX {
        return Err(Failure::Invalid(format!("at most {CHANGED_MAX} entries in one request")));
    }
    let pending = PendingEntries::new(change.millstream(), stream, group);
    settling.check(&pending).await?;
    let mut tally = Tally::new(change, stream, group, settling);
    for some in ids.chunks(CHANGED_AT_ONCE) {
        let seen = pending.find(some).await?;
        tally.settle(settling, &pending, &seen, some.len()).await?;
    }
    Ok(tally.settled)
}

/// How many entries are alike, as far as one request looks. Changes nothing.
///
/// # Errors
/// Those of the server.
pub(crate) async fn count(pending: &PendingEntries, alike: &Alike) -> Result<Counted, Failure> {
    let (begun, mut from) = (Instant::now(), alike.from);
    let mut counted = Counted { count: 0, next: None };
    for _ in 0..LOOKED_AT_MAX / COUNTED_AT_ONCE {
        let range = (from, Bound::Included(alike.until));
        let page = pending.page(range, &alike.filter, COUNTED_AT_ONCE, COUNTED_AT_ONCE).await?;
        counted.count += page.found.len() as u64;
        counted.next = page.next.filter(|next| *next < alike.until);
        match counted.next {
            Some(next) if begun.elapsed() < COUNTED_FOR => from = Bound::Excluded(next),
            _ => break,
        }
    }
    Ok(counted)
}

/// So many entries a second.
///
/// # Errors
/// [`Failure::Invalid`]: that is no pace.
pub(crate) fn pace(given: Option<u64>) -> Result<u32, Failure> {
    let rate = u32::try_from(given.unwrap_or(PER_SECOND.into())).ok();
    rate.filter(|rate| (1..=PER_SECOND_MAX).contains(rate)).ok_or_else(|| {
        Failure::Invalid(format!("the rate is from 1 to {PER_SECOND_MAX} entries a second"))
    })
}

/// Up to the last one that is pending now: what is pending later is not meant.
///
/// # Errors
/// Those of the server.
pub(crate) async fn last(
    millstream: &Millstream,
    stream: &[u8],
    group: &[u8],
) -> Result<EntryId, Failure> {
    let pending = ConsumerGroupMonitor::new(millstream, stream).pending(group).await?;
    Ok(pending.last.unwrap_or_default())
}

/// All that are alike, at most so many in a second, and as many as one request changes.
///
/// # Errors
/// Those of the server; some may have been changed before.
pub(crate) async fn settle_alike(
    change: &Change<'_>,
    stream: &[u8],
    group: &[u8],
    alike: &Alike,
    settling: &Settling,
    per_second: u32,
) -> Result<Settled, Failure> {
    let pending = PendingEntries::new(change.millstream(), stream, group);
    settling.check(&pending).await?;
    let mut tally = Tally::new(change, stream, group, settling);
    let begun = Instant::now();
    let (mut from, mut looked_at, mut asked) = (alike.from, LOOKED_AT_MAX, 0);
    let per_second = per_second.max(1);
    let at_once = CHANGED_AT_ONCE.min(per_second as usize);
    while asked < CHANGED_MAX && looked_at > 0 {
        let range = (from, Bound::Included(alike.until));
        let wanted = at_once.min(CHANGED_MAX - asked);
        let page = pending.page(range, &alike.filter, wanted, looked_at).await?;
        tally.settle(settling, &pending, &page.found, page.found.len()).await?;
        asked += page.found.len();
        tally.settled.next = page.next.filter(|next| *next < alike.until);
        let Some(next) = tally.settled.next else { break };
        from = Bound::Excluded(next);
        looked_at = looked_at.saturating_sub(page.looked_at);
        let due = begun + Duration::from_secs(asked as u64) / per_second;
        if due.duration_since(begun) > TIME_MAX || begun.elapsed() > TIME_MAX {
            break;
        }
        sleep_until(due).await;
    }
    Ok(tally.settled)
}
