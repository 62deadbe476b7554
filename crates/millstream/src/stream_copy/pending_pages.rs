//! The pending list of a group, a page at a time, with the times of deliveries to the millisecond.
//!
//! XPENDING says for how long each entry is idle, by a clock that stands still within a
//! transaction. So one entry whose time is known (XINFO STREAM FULL has it) is asked for in the
//! same one: its time and its idle time together are what the clock said.

use std::collections::VecDeque;
use std::ops::Bound;
use std::time::Instant;

use bytes::Bytes;
use redis::{Value, cmd, pipe};

use super::cut::{Cut, GroupCut, read_now_ms};
use crate::reply::NotUnderstood;
use crate::stream_manager::bounds;
use crate::{EntryId, Error, Millstream, PendingEntry, milliseconds::milliseconds};

/// What the server's clock says and what it should say by ours differ by no more than this, unless
/// the entry was delivered again, or a clock was set.
const CLOCK_SKEW_MAX_MS: u64 = 500;
/// So often another entry is looked for whose time is known; then TIME must do, which is a
/// millisecond or two off.
const REFERENCES_MAX: usize = 5;

/// One of a pending list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: EntryId,
    /// `None`: nobody has it.
    pub(super) consumer: Option<Bytes>,
    /// Unix milliseconds; 0 of what nobody has.
    pub(super) delivered_at_ms: u64,
    pub(super) deliveries: u64,
}

#[derive(Debug)]
pub(super) struct PendingPages {
    millstream: Millstream,
    key: Bytes,
    group: Bytes,
    /// What is behind it is not of the cut.
    last: EntryId,
    /// What was delivered since the cut, and is behind this, is not pending yet, but to be read.
    last_delivered: EntryId,
    /// Only then a time is looked at: what the clock said when an entry was delivered and what it
    /// said at the cut may be some milliseconds the wrong way round.
    may_be_pending_ahead: bool,
    cut_ms: u64,
    /// What the server's clock said at a moment of ours.
    clock: (u64, Instant),
    reference: Option<(EntryId, u64)>,
    references_left: usize,
    from: Bound<EntryId>,
    count: usize,
    page: VecDeque<Row>,
    is_done: bool,
}

impl PendingPages {
    /// Of a group as it was at a cut, read `now`; at most `count` in a page.
    pub(super) fn new(
        millstream: &Millstream,
        key: &[u8],
        (cut, group): (&Cut, &GroupCut),
        now: &Cut,
        count: usize,
    ) -> Self {
        let found = now.groups.binary_search_by(|it| it.name.cmp(&group.name));
        Self {
            millstream: millstream.clone(),
            key: Bytes::copy_from_slice(key),
            group: group.name.clone(),
            last: cut.info.last_generated,
            last_delivered: group.last_delivered,
            may_be_pending_ahead: group.may_be_pending_ahead,
            cut_ms: cut.now_ms,
            clock: (now.now_ms, now.now),
            reference: found.ok().and_then(|index| now.groups[index].reference),
            references_left: REFERENCES_MAX,
            from: Bound::Unbounded,
            count,
            page: VecDeque::new(),
            // What is delivered from the cut on is none of it.
            is_done: group.pending == 0,
        }
    }

    pub(super) fn group(&self) -> &Bytes {
        &self.group
    }

    /// Reads a page if there is none. Dropped while it waits, that page is read again.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        while !self.is_done && self.page.is_empty() {
            let page = loop {
                if let Some(page) = self.read().await? {
                    break page;
                }
                self.find_reference().await?;
            };
            self.is_done = page.len() < self.count;
            self.from = page.last().map_or(self.from, |row| Bound::Excluded(row.id));
            let is_new = |row: &Row| {
                row.id > self.last_delivered
                    && (!self.may_be_pending_ahead || row.delivered_at_ms >= self.cut_ms)
            };
            self.page = page.into_iter().filter(|row| !is_new(row)).collect();
        }
        Ok(())
    }

    /// A page; `None`: the entry whose time was known is of no use any more.
    async fn read(&self) -> Result<Option<Vec<Row>>, Error> {
        let ask = |from: &str, to: &str, count: usize| {
            let mut command = cmd("XPENDING");
            command.arg(&self.key[..]).arg(&self.group[..]).arg(from).arg(to).arg(count);
            command
        };
        let (from, to) = bounds(&(self.from, Bound::Included(self.last)));
        let page = ask(&from, &to, self.count);
        let parse = |answer: Option<Value>| {
            let answer = answer.ok_or(Error::Answer("EXEC"))?;
            PendingEntry::parse_all(answer).map_err(NotUnderstood::of("XPENDING"))
        };
        let (rows, now_ms) = match self.reference {
            Some((id, time_ms)) => {
                let id = id.to_string();
                let mut both = pipe();
                both.atomic().add_command(page).add_command(ask(&id, &id, 1));
                let mut answers = self.millstream.backend().run_all(&both).await?.into_iter();
                let (rows, known) = (parse(answers.next())?, parse(answers.next())?);
                let idle = known.first().and_then(|row| row.idle);
                let clock_ms = idle.map(|idle| time_ms.saturating_add(milliseconds(idle)));
                let about_ms = self.clock.0.saturating_add(milliseconds(self.clock.1.elapsed()));
                match clock_ms.filter(|it| it.abs_diff(about_ms) <= CLOCK_SKEW_MAX_MS) {
                    Some(clock_ms) => (rows, clock_ms),
                    None => return Ok(None),
                }
            }
            None => {
                let now_ms = read_now_ms(&self.millstream).await?;
                (parse(Some(self.millstream.run(&page).await?))?, now_ms)
            }
        };
        let rows = rows.into_iter().map(|row| Row {
            id: row.id,
            delivered_at_ms: row.idle.map_or(0, |idle| now_ms.saturating_sub(milliseconds(idle))),
            consumer: row.consumer,
            deliveries: row.deliveries,
        });
        Ok(Some(rows.collect()))
    }

    async fn find_reference(&mut self) -> Result<(), Error> {
        self.reference = None;
        if self.references_left == 0 {
            return Ok(());
        }
        self.references_left -= 1;
        let Some(now) = Cut::take(&self.millstream, &self.key).await? else { return Ok(()) };
        let group = now.groups.iter().find(|group| group.name == self.group);
        self.reference = group.and_then(|group| group.reference);
        self.clock = (now.now_ms, now.now);
        Ok(())
    }

    /// The last id up to which all is known; `None`: all is.
    pub(super) fn known_until(&self) -> Option<EntryId> {
        if self.is_done { None } else { Some(self.page.back().map_or(EntryId::ZERO, |it| it.id)) }
    }

    /// Those on the page up to there.
    pub(super) fn take_until(&mut self, last: EntryId) -> Vec<Row> {
        let count = self.page.partition_point(|row| row.id <= last);
        self.page.drain(..count).collect()
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Option<Row>, Error> {
        self.fill().await?;
        Ok(self.page.pop_front())
    }
}
