//! A stream: looked at, read without a group, trimmed, deleted.

use std::ops::{Bound, RangeBounds};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{Cmd, Value, cmd, pipe};

use crate::milliseconds::milliseconds;
use crate::reply::NotUnderstood;
use crate::{
    EntryId, Error, Millstream, Retention, RetentionItem, StreamEntry, StreamInfo, StreamReader,
    reply,
};

/// Entries that are read in one step where they are only counted.
const COUNTED_AT_ONCE: usize = 1000;

/// Looks after one stream, which need not be there yet.
///
/// What it changes is as safe as the server makes a write before it answers; on Millstream, by
/// default, on disk. After [`Error::Connection`], or dropped while it waits, a change was made or
/// not; each can be tried again.
#[derive(Clone, Debug)]
pub struct StreamManager {
    millstream: Millstream,
    stream: Bytes,
}

/// What of a stream is to go; always the oldest entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trim {
    /// All but the newest so many.
    ToLength(u64),
    /// All before this one.
    Before(EntryId),
    /// All that are older by the time in their ids, as the server's clock sees it.
    OlderThan(Duration),
}

impl StreamManager {
    /// For a stream, by its key.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = Bytes::copy_from_slice(stream.as_ref());
        Self { millstream: millstream.clone(), stream }
    }

    /// Key of the stream.
    #[must_use]
    pub fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// What the server shows of it; `None` if it is not there.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn info(&self) -> Result<Option<StreamInfo>, Error> {
        match self.run(cmd("XINFO").arg("STREAM").arg(&self.stream[..])).await {
            Ok(answer) => {
                StreamInfo::parse(answer).map(Some).map_err(NotUnderstood::of("XINFO STREAM"))
            }
            Err(error) if error.is_no_stream() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// How many entries it has; 0 if it is not there.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn length(&self) -> Result<u64, Error> {
        let answer = self.run(cmd("XLEN").arg(&self.stream[..])).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XLEN"))
    }

    /// The memory that it takes, as the server estimates it; `None` if it is not there, or the
    /// server does not say.
    ///
    /// # Errors
    /// Those of the server, but for its refusal.
    pub async fn memory_bytes(&self) -> Result<Option<u64>, Error> {
        match self.run(cmd("MEMORY").arg("USAGE").arg(&self.stream[..])).await {
            Ok(Value::Nil) | Err(Error::Refused { .. }) => Ok(None),
            Ok(bytes) => reply::count(&bytes).map(Some).map_err(NotUnderstood::of("MEMORY USAGE")),
            Err(error) => Err(error),
        }
    }

    /// The bytes of its entries in files, without those that the log alone has; `None` if it is not
    /// there, or the server does not say (Millstream does).
    ///
    /// # Errors
    /// Those of the server, but for its refusal.
    pub async fn disk_bytes(&self) -> Result<Option<u64>, Error> {
        if !self.millstream.abilities().has_disk_usage {
            return Ok(None);
        }
        match self.run(cmd("MEMORY").arg("USAGE").arg(&self.stream[..]).arg("DISK")).await {
            Ok(Value::Nil) | Err(Error::Refused { .. }) => Ok(None),
            Ok(bytes) => reply::count(&bytes).map(Some).map_err(NotUnderstood::of("MEMORY USAGE")),
            Err(error) => Err(error),
        }
    }

    /// The first entries of these, at most `count`, in their order; none if it is not there.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn entries(
        &self,
        range: impl RangeBounds<EntryId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, Error> {
        let (start, end) = bounds(&range);
        let mut command = cmd("XRANGE");
        command.arg(&self.stream[..]).arg(start).arg(end).arg("COUNT").arg(count);
        let found = reply::entries(self.run(&command).await?);
        let found = found.map_err(NotUnderstood::of("XRANGE"))?;
        Ok(found.into_iter().map(StreamEntry::of).collect())
    }

    /// The last entries of these, at most `count`, in their order; none if it is not there.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn newest(
        &self,
        range: impl RangeBounds<EntryId>,
        count: usize,
    ) -> Result<Vec<StreamEntry>, Error> {
        let (start, end) = bounds(&range);
        let mut command = cmd("XREVRANGE");
        command.arg(&self.stream[..]).arg(end).arg(start).arg("COUNT").arg(count);
        let found = reply::entries(self.run(&command).await?);
        let found = found.map_err(NotUnderstood::of("XREVRANGE"))?;
        Ok(found.into_iter().rev().map(StreamEntry::of).collect())
    }

    /// Those of these entries that are there, in the order in which they are named.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn find(&self, ids: &[EntryId]) -> Result<Vec<StreamEntry>, Error> {
        let mut found = Vec::with_capacity(ids.len());
        for some in ids.chunks(COUNTED_AT_ONCE) {
            let mut all = pipe();
            for id in some {
                all.cmd("XRANGE").arg(&self.stream[..]).arg(id).arg(id);
            }
            for answer in self.millstream.backend().run_all(&all).await? {
                let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
                found.extend(entries.into_iter().map(StreamEntry::of));
            }
        }
        Ok(found)
    }

    /// How many entries there are in a range. No server counts them: but for the whole stream all
    /// of them are read, some at a time, so it takes as long as reading.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn count(&self, range: impl RangeBounds<EntryId>) -> Result<u64, Error> {
        let Some(info) = self.info().await? else { return Ok(0) };
        let is_all = |ends: (Option<EntryId>, Option<EntryId>)| match ends {
            (Some(first), Some(last)) => range.contains(&first) && range.contains(&last),
            _ => false,
        };
        if is_all((info.first, info.last)) {
            return Ok(info.length);
        }
        let mut start = range.start_bound().cloned();
        let end = range.end_bound().cloned();
        let mut count = 0;
        loop {
            let found = self.entries((start, end), COUNTED_AT_ONCE).await?;
            count += found.len() as u64;
            match found.last() {
                Some(last) if found.len() >= COUNTED_AT_ONCE => start = Bound::Excluded(last.id),
                _ => return Ok(count),
            }
        }
    }

    /// Removes the oldest entries, exactly as many as it says, whatever groups have still to read.
    /// Returns how many.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn trim(&self, trim: Trim) -> Result<u64, Error> {
        let mut command = cmd("XTRIM");
        command.arg(&self.stream[..]);
        match self.resolve(trim).await? {
            Trim::ToLength(length) => command.arg("MAXLEN").arg("=").arg(length),
            Trim::Before(id) => command.arg("MINID").arg("=").arg(id),
            Trim::OlderThan(_) => unreachable!("it was resolved"),
        };
        let answer = self.run(&command).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XTRIM"))
    }

    /// Deletes entries, whatever groups have still to read; what is pending of them stays pending.
    /// Returns how many there were.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn delete_entries(&self, ids: &[EntryId]) -> Result<u64, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut command = cmd("XDEL");
        command.arg(&self.stream[..]);
        ids.iter().for_each(|id| _ = command.arg(id));
        let answer = self.run(&command).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XDEL"))
    }

    /// How many entries [`Self::trim`] would remove now. By length that is looked up, else counted
    /// ([`Self::count`]).
    ///
    /// # Errors
    /// Those of the server.
    pub async fn would_trim(&self, trim: Trim) -> Result<u64, Error> {
        match self.resolve(trim).await? {
            Trim::ToLength(length) => Ok(self.length().await?.saturating_sub(length)),
            Trim::Before(id) => self.count(..id).await,
            Trim::OlderThan(_) => unreachable!("it was resolved"),
        }
    }

    /// An age as the id before which all is older.
    async fn resolve(&self, trim: Trim) -> Result<Trim, Error> {
        let Trim::OlderThan(age) = trim else { return Ok(trim) };
        let now = self.millstream.time().await?;
        let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(Trim::Before(EntryId { ms: milliseconds(now.saturating_sub(age)), seq: 0 }))
    }

    /// What it keeps by itself.
    ///
    /// # Errors
    /// [`Error::Unsupported`]: only Millstream has it. Those of the server: `ERR no such key`.
    pub async fn retention(&self) -> Result<Retention, Error> {
        self.need_retention()?;
        let answer = self.run(cmd("XCFGGET").arg(&self.stream[..])).await?;
        Retention::parse(answer).map_err(NotUnderstood::of("XCFGGET"))
    }

    /// Sets all of the retention, in one step; what is `None` there is switched off.
    ///
    /// # Errors
    /// As those of [`Self::change_retention`].
    pub async fn set_retention(&self, retention: &Retention) -> Result<(), Error> {
        self.change_retention(&retention.items()).await
    }

    /// Sets some items of the retention, in one step; the others stay as they are. What is more
    /// than a new limit allows goes at once, or soon where it is much.
    ///
    /// # Errors
    /// [`Error::Configuration`]: a value makes no sense. [`Error::Unsupported`], and those of the
    /// server; nothing was changed then.
    pub async fn change_retention(&self, items: &[RetentionItem]) -> Result<(), Error> {
        self.need_retention()?;
        if items.is_empty() {
            return Err(Error::Configuration("there is no item of a retention to set".to_owned()));
        }
        let mut command = cmd("XCFGSET");
        command.arg(&self.stream[..]);
        for item in items {
            item.check().map_err(Error::Configuration)?;
            item.append_to(&mut command);
        }
        self.run(&command).await.map(drop)
    }

    fn need_retention(&self) -> Result<(), Error> {
        self.millstream.need(self.millstream.abilities().has_retention, "retention of streams")
    }

    /// Deletes the key with all that it has: entries, groups, what is pending in them. Returns
    /// whether it was there. **A key of another type goes, too**: look at [`Self::info`] first.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn delete(&self) -> Result<bool, Error> {
        let answer = self.run(cmd("UNLINK").arg(&self.stream[..])).await?;
        Ok(reply::count(&answer).map_err(NotUnderstood::of("UNLINK"))? > 0)
    }

    /// Reads what is added after this entry, as it comes.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn reader(&self, after: EntryId) -> Result<StreamReader, Error> {
        let reader = self.millstream.backend().reader(&self.stream).await?;
        Ok(StreamReader::new(reader, self.stream.clone(), after))
    }

    async fn run(&self, command: &Cmd) -> Result<Value, Error> {
        self.millstream.run(command).await
    }
}

/// As XRANGE takes them.
pub(crate) fn bounds(range: &impl RangeBounds<EntryId>) -> (String, String) {
    let word = |bound: Bound<&EntryId>, open: &str| match bound {
        Bound::Included(id) => id.to_string(),
        Bound::Excluded(id) => format!("({id}"),
        Bound::Unbounded => open.to_owned(),
    };
    (word(range.start_bound(), "-"), word(range.end_bound(), "+"))
}
