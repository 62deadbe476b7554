//! Pending entries of a group, one by one: looked at, claimed, acknowledged, given back.

mod filter;
mod nack;
mod pending_entry;
mod pending_page;
mod settle;

use std::ops::{Bound, RangeBounds};

use bytes::Bytes;
use redis::{Cmd, cmd, pipe};

use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::stream_manager::bounds;
use crate::{EntryId, Error, Millstream};

pub use filter::PendingFilter;
pub use nack::{Nack, NackMode};
pub use pending_entry::PendingEntry;
pub use pending_page::PendingPage;

/// Entries that are looked at in one round trip.
const LISTED_AT_ONCE: usize = 1000;

/// What one group of a stream was given and has not acknowledged.
///
/// Workers settle what they have by themselves ([`StreamConsumer`](crate::StreamConsumer)); this is
/// for those who look after them. What it changes is as safe as the server makes a write before it
/// answers; on Millstream, by default, on disk. After [`Error::Connection`], or dropped while it
/// waits, a change was made or not.
#[derive(Clone, Debug)]
pub struct PendingEntries {
    millstream: Millstream,
    stream: Bytes,
    group: Bytes,
    with_errors: bool,
}

impl PendingEntries {
    /// Of a group, which need not be there yet.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>, group: impl AsRef<[u8]>) -> Self {
        let [stream, group] = [stream.as_ref(), group.as_ref()].map(Bytes::copy_from_slice);
        Self { millstream: millstream.clone(), stream, group, with_errors: false }
    }

    /// Asks for [`PendingEntry::error`], too, where the server keeps errors; elsewhere there are
    /// none. It makes answers larger, by up to 4 KiB for each entry that is looked at.
    #[must_use]
    pub fn with_errors(mut self) -> Self {
        self.with_errors = self.millstream.abilities().has_pending_errors;
        self
    }

    /// Those in a range of ids that pass the filter, at most `count`, in the order of the stream.
    /// Deliveries are compared here: where few have so many, all in the range are read, some at a
    /// time.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn list(
        &self,
        range: impl RangeBounds<EntryId>,
        filter: &PendingFilter,
        count: usize,
    ) -> Result<Vec<PendingEntry>, Error> {
        let mut from = range.start_bound().cloned();
        let to = range.end_bound().cloned();
        let mut found = Vec::new();
        while found.len() < count {
            let wanted = match filter.min_deliveries {
                0 | 1 => (count - found.len()).min(LISTED_AT_ONCE),
                _ => LISTED_AT_ONCE,
            };
            let rows = self.rows((from, to), filter, wanted).await?;
            let last = rows.last().map(|row| row.id);
            let is_all = rows.len() < wanted;
            let passed = rows.into_iter().filter(|row| row.deliveries >= filter.min_deliveries);
            found.extend(passed.take(count - found.len()));
            match last {
                Some(last) if !is_all => from = Bound::Excluded(last),
                _ => break,
            }
        }
        Ok(found)
    }

    /// The same for those who want an answer soon, however much is pending: at most `looked_at`
    /// entries of the range are looked at (of the consumer's, if the filter names one), whether
    /// they pass or not. [`PendingPage::next`] says where to go on.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn page(
        &self,
        range: impl RangeBounds<EntryId>,
        filter: &PendingFilter,
        count: usize,
        looked_at: usize,
    ) -> Result<PendingPage, Error> {
        let mut from = range.start_bound().cloned();
        let to = range.end_bound().cloned();
        // A server that compares idle times goes through all that there is to find one.
        let owner = PendingFilter { consumer: filter.consumer.clone(), ..PendingFilter::new() };
        let is_any = *filter == owner;
        let mut page = PendingPage::default();
        while page.found.len() < count && page.looked_at < looked_at {
            let wanted = if is_any { count - page.found.len() } else { LISTED_AT_ONCE };
            let wanted = wanted.min(LISTED_AT_ONCE).min(looked_at - page.looked_at);
            let rows = self.rows((from, to), &owner, wanted).await?;
            let is_all = rows.len() < wanted;
            for row in rows {
                if page.found.len() >= count {
                    return Ok(page);
                }
                page.looked_at += 1;
                page.next = Some(row.id);
                if filter.fits(&row) {
                    page.found.push(row);
                }
            }
            if is_all {
                page.next = None;
                break;
            }
            from = page.next.map_or(from, Bound::Excluded);
        }
        Ok(page)
    }

    /// Those of these entries that are pending, in the order in which they are named.
    ///
    /// # Errors
    /// [`Error::NoGroup`], and those of the server.
    pub async fn find(&self, ids: &[EntryId]) -> Result<Vec<PendingEntry>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(LISTED_AT_ONCE) {
            let mut all = pipe();
            some.iter().for_each(|id| {
                _ = all.add_command(self.pending_command().arg(id).arg(id).arg(1).to_owned())
            });
            for answer in self.millstream.backend().run_all(&all).await? {
                let rows = PendingEntry::parse_all(answer);
                found.extend(rows.map_err(NotUnderstood::of("XPENDING"))?);
            }
        }
        Ok(found)
    }

    /// Whatever their deliveries.
    async fn rows(
        &self,
        range: (Bound<EntryId>, Bound<EntryId>),
        filter: &PendingFilter,
        count: usize,
    ) -> Result<Vec<PendingEntry>, Error> {
        let mut command = self.pending_command();
        let min_idle_ms = milliseconds(filter.min_idle);
        if min_idle_ms > 0 {
            command.arg("IDLE").arg(min_idle_ms);
        }
        let (from, to) = bounds(&range);
        command.arg(from).arg(to).arg(count);
        if let Some(consumer) = &filter.consumer {
            command.arg(&consumer[..]);
        }
        let rows = PendingEntry::parse_all(self.millstream.run(&command).await?);
        rows.map_err(NotUnderstood::of("XPENDING"))
    }

    fn pending_command(&self) -> Cmd {
        let mut command = self.command("XPENDING");
        if self.with_errors {
            command.arg("WITHERRORS");
        }
        command
    }

    fn command(&self, name: &str) -> Cmd {
        cmd(name).arg(&self.stream[..]).arg(&self.group[..]).to_owned()
    }
}
