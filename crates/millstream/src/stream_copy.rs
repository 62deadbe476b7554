//! A stream copied from one server to another, with all that belongs to it.
//!
//! Done by ordinary commands, a piece at a time, so that the size of a stream does not matter and
//! neither does which servers they are:
//!
//! 1. The *cut* ([`cut`]): in one transaction, what the source has besides entries and pending
//!    lists. What is added or delivered after it is not copied.
//! 2. Pieces ([`pieces`]): entries and pending lists of all groups side by side, in the order of
//!    ids. Each goes to a key of its own beside the target's ([`staging`]).
//! 3. The verification ([`digests`], [`comparison`]): what was written is read again and must be
//!    what was read; the source is read again, too.
//! 4. In one transaction policies, retention and expiry are set and the key gets its name.
//!
//! Invariants:
//! 1. Before step 4 nothing is under the target's key that was not there before, and nobody reads
//!    what is being written: no policy acts on it.
//! 2. An entry that a group has read by the cut is pending in the copy unless it was acknowledged
//!    by the time its page of the pending list was read: none is lost by what goes on meanwhile.
//! 3. What is kept here is two pieces of each side and the names of consumers, however long the
//!    stream is.

mod comparison;
mod cut;
mod difference;
mod digests;
mod entry_pages;
mod note;
mod pending_pages;
mod pieces;
mod staging;
mod staging_key;
#[cfg(all(test, feature = "embedded"))]
mod tests;

use std::fmt;

use bytes::Bytes;
use redis::cmd;

use crate::{EntryId, Error, Millstream};

use self::comparison::{compare_facts, first_entry_that_differs, first_pending_that_differs};
use self::cut::{Cut, read_now_ms};
use self::digests::Digests;
use self::pieces::{Pieces, Shape};
use self::staging::Staging;

pub use difference::CopyDifference;
pub use note::CopyNote;
pub use staging_key::is_staging_key;

/// Copies one stream, which may be of another server: its entries with their ids, the counters,
/// groups with their positions, consumers, pending lists with owner, time and count of deliveries,
/// the expiry of the key; between two Millstreams policies and retention, too.
///
/// The copy appears under its key in one step, whole and verified, or not at all. Delayed entries,
/// delays of what was given back, counters of policies, the productions that a server remembers,
/// and when consumers were last heard of, stay behind; [`StreamCopied::notes`] has what is lost by
/// that. The source is only read.
#[derive(Clone, Debug)]
pub struct StreamCopy {
    source: Millstream,
    target: Millstream,
    from: Bytes,
    to: Bytes,
    replaces: bool,
    verifies: bool,
    accepts_differences: bool,
}

/// How far a copy is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyProgress {
    /// What is done now.
    pub phase: CopyPhase,
    /// Entries that were copied, or compared.
    pub entries: u64,
    /// About so many there are to be.
    pub entries_total: u64,
}

/// What a copy does now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyPhase {
    /// It reads and writes.
    Copying,
    /// It reads again what it wrote, and the source.
    Verifying,
}

/// What the verification came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyVerdict {
    /// There was none.
    Unverified,
    /// Both sides are equal.
    Equal,
    /// The copy is what was read, and the source has changed since.
    ChangedMeanwhile,
    /// The copy is not what the source is.
    Different,
}

/// What was copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StreamCopied {
    /// Whether the copy is under its key now. Not if it differs.
    pub is_in_place: bool,
    /// Entries.
    pub entries: u64,
    /// Bytes in their names and values.
    pub bytes: u64,
    /// Hash of ids, names and values in their order, of 128 bits in hexadecimal digits.
    pub digest: String,
    /// Groups.
    pub groups: u64,
    /// Consumers of all groups.
    pub consumers: u64,
    /// Pending entries of all groups.
    pub pending: u64,
    /// Those among them whose entry is not in the stream any more.
    pub pending_without_entry: u64,
    /// The last id that was generated before the copy began; nothing behind it was copied.
    pub cut: EntryId,
    /// Entries that were added to the source since, where the server counts them.
    pub added_meanwhile: Option<u64>,
    /// What the verification came to.
    pub verdict: CopyVerdict,
    /// The first differences that were found.
    pub differences: Vec<CopyDifference>,
    /// What the target cannot hold, or is not carried.
    pub notes: Vec<CopyNote>,
}

/// Why a stream was not copied. The target's key is as it was, except after an error of the target
/// in the last step: then see there.
#[derive(Debug)]
#[non_exhaustive]
pub enum StreamCopyError {
    /// The source has no such stream.
    NoStream,
    /// The key is taken at the target, and not to be replaced.
    Exists,
    /// The source was deleted, replaced or moved back to an earlier id meanwhile, or expired.
    Vanished,
    /// What was written is gone: another copy to the same key runs.
    Disturbed,
    /// At the source.
    Source(Error),
    /// At the target. What was written until then is under a key that begins with the target's in
    /// braces, if it could not be removed; the next copy removes it.
    Target(Error),
}

impl fmt::Display for StreamCopyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoStream => f.write_str("there is no such stream"),
            Self::Exists => f.write_str("the target has the key already"),
            Self::Vanished => f.write_str("the source was deleted or replaced meanwhile"),
            Self::Disturbed => {
                f.write_str("what was written is gone: does another copy to the same key run?")
            }
            Self::Source(error) => write!(f, "at the source: {error}"),
            Self::Target(error) => write!(f, "at the target: {error}"),
        }
    }
}

impl std::error::Error for StreamCopyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Source(error) | Self::Target(error) => Some(error),
            _ => None,
        }
    }
}

impl StreamCopy {
    /// From a key of one server to a key of another, or of the same.
    #[must_use]
    pub fn new(
        source: &Millstream,
        from: impl AsRef<[u8]>,
        target: &Millstream,
        to: impl AsRef<[u8]>,
    ) -> Self {
        Self {
            source: source.clone(),
            target: target.clone(),
            from: Bytes::copy_from_slice(from.as_ref()),
            to: Bytes::copy_from_slice(to.as_ref()),
            replaces: false,
            verifies: true,
            accepts_differences: false,
        }
    }

    /// Takes the place of what is under the target's key, whatever that is. Without it the key must
    /// be free.
    #[must_use]
    pub fn replace(mut self, replaces: bool) -> Self {
        self.replaces = replaces;
        self
    }

    /// Whether both sides are read again and compared; so it is unless this says otherwise.
    #[must_use]
    pub fn verify(mut self, verifies: bool) -> Self {
        self.verifies = verifies;
        self
    }

    /// Puts the copy in place although it differs, as where the target cannot hold a counter.
    #[must_use]
    pub fn accept_differences(mut self, accepts: bool) -> Self {
        self.accepts_differences = accepts;
        self
    }

    /// Does it, and tells how far it is after each piece.
    ///
    /// Dropped while it waits, the target's key is as it was, or has the whole copy; what was
    /// written under another key until then is removed by [`Self::discard`], or by the next copy.
    ///
    /// # Errors
    /// [`StreamCopyError`].
    pub async fn run(
        &self,
        mut progress: impl FnMut(CopyProgress),
    ) -> Result<StreamCopied, StreamCopyError> {
        if !self.replaces && self.is_taken().await? {
            return Err(StreamCopyError::Exists);
        }
        let cut = Cut::take(&self.source, &self.from).await.map_err(StreamCopyError::Source)?;
        let cut = cut.ok_or(StreamCopyError::NoStream)?;
        let mut staging = Staging::new(&self.target, &self.to);
        let done = self.copy(&cut, &mut staging, &mut progress).await;
        if !matches!(&done, Ok(copied) if copied.is_in_place) {
            // If that fails, the next copy does it.
            let _ = staging.discard().await;
        }
        done
    }

    /// Removes what a copy that was dropped has written, and leaves what is in place.
    ///
    /// # Errors
    /// Those of the target.
    pub async fn discard(&self) -> Result<(), Error> {
        Staging::new(&self.target, &self.to).discard().await
    }

    async fn is_taken(&self) -> Result<bool, StreamCopyError> {
        let answer = self.target.run(cmd("EXISTS").arg(&self.to[..])).await;
        Ok(answer.map_err(StreamCopyError::Target)? != redis::Value::Int(0))
    }

    async fn copy(
        &self,
        cut: &Cut,
        staging: &mut Staging,
        progress: &mut impl FnMut(CopyProgress),
    ) -> Result<StreamCopied, StreamCopyError> {
        let target_now_ms = read_now_ms(&self.target).await.map_err(StreamCopyError::Target)?;
        let shape = Shape::new(self.target.abilities().has_nack, target_now_ms);
        staging.begin(cut).await.map_err(StreamCopyError::Target)?;
        let total = cut.info.length;
        let mut tell = |phase, entries: u64, total: u64| {
            progress(CopyProgress { phase, entries, entries_total: total.max(entries) });
        };
        let mut read = Digests::new(cut);
        let mut pieces = Pieces::new(&self.source, &self.from, cut, cut);
        let mut next = pieces.next().await.map_err(StreamCopyError::Source)?;
        while let Some(mut piece) = next {
            shape.apply(&mut piece);
            read.note(&piece);
            let (written, following) = tokio::join!(staging.write(&piece), pieces.next());
            written.map_err(StreamCopyError::Target)?;
            next = following.map_err(StreamCopyError::Source)?;
            tell(CopyPhase::Copying, read.entries.count, total);
        }
        let now = Cut::take(&self.source, &self.from).await.map_err(StreamCopyError::Source)?;
        let now = now.filter(|now| now.may_follow(cut)).ok_or(StreamCopyError::Vanished)?;
        let is_whole = read.entries.count == cut.info.length;
        let max_deleted = staging.finish(cut, &now, is_whole).await;
        let max_deleted = max_deleted.map_err(StreamCopyError::Target)?;

        let mut copied = StreamCopied {
            is_in_place: false,
            entries: read.entries.count,
            bytes: read.entries.bytes,
            digest: read.entries.text(),
            groups: cut.groups.len() as u64,
            consumers: cut.groups.iter().map(|group| group.consumers.len() as u64).sum(),
            pending: read.groups.iter().map(|group| group.count).sum(),
            pending_without_entry: read.without_entry,
            cut: cut.info.last_generated,
            added_meanwhile: None,
            verdict: CopyVerdict::Unverified,
            differences: Vec::new(),
            notes: note::notes(cut, &self.source, &self.target, &read),
        };
        copied.notes.extend(staging.lost());
        if max_deleted != cut.info.max_deleted {
            copied.notes.push(CopyNote::HighestDeleted { id: max_deleted });
        }
        let written = Cut::take(&self.target, staging.key()).await;
        let written =
            written.map_err(StreamCopyError::Target)?.ok_or(StreamCopyError::Disturbed)?;
        let mut last_seen = now;
        if self.verifies {
            let mut expected = cut.clone();
            expected.info.max_deleted = max_deleted;
            last_seen = self
                .verify_by(&expected, &written, &read, shape, staging, &mut copied, &mut tell)
                .await?;
        } else if written.info.length != read.entries.count {
            let (length, count) = (written.info.length, read.entries.count);
            copied.differences.push(CopyDifference::new(None, "entries", &count, &length));
            copied.verdict = CopyVerdict::Different;
        }
        copied.added_meanwhile = last_seen.added_since(cut);
        if copied.verdict == CopyVerdict::Different && !self.accepts_differences {
            return Ok(copied);
        }
        staging.commit(cut, &written, self.replaces).await?;
        copied.is_in_place = true;
        Ok(copied)
    }

    /// Reads what was written, and the source again, side by side. Returns that as it is now.
    #[expect(clippy::too_many_arguments, reason = "all of it is the state of one copy")]
    async fn verify_by(
        &self,
        cut: &Cut,
        written: &Cut,
        read: &Digests,
        shape: Shape,
        staging: &Staging,
        copied: &mut StreamCopied,
        tell: &mut impl FnMut(CopyPhase, u64, u64),
    ) -> Result<Cut, StreamCopyError> {
        let total = 2 * read.entries.count;
        let differences = &mut copied.differences;
        compare_facts(cut, written, read, differences);
        let now = Cut::take(&self.source, &self.from).await.map_err(StreamCopyError::Source)?;
        let now = now.filter(|now| now.may_follow(cut)).ok_or(StreamCopyError::Vanished)?;
        let (mut found, mut again) = (Digests::new(written), Digests::new(cut));
        let mut there = Pieces::new(&self.target, staging.key(), written, written);
        let mut here = Pieces::new(&self.source, &self.from, cut, &now);
        loop {
            let (target, source) = tokio::join!(there.next(), here.next());
            let target = target.map_err(StreamCopyError::Target)?;
            let mut source = source.map_err(StreamCopyError::Source)?;
            if target.is_none() && source.is_none() {
                break;
            }
            source.iter_mut().for_each(|piece| shape.apply(piece));
            target.iter().for_each(|piece| found.note(piece));
            source.iter().for_each(|piece| again.note(piece));
            tell(CopyPhase::Verifying, found.entries.count + again.entries.count, total);
        }
        let now = Cut::take(&self.source, &self.from).await.map_err(StreamCopyError::Source)?;
        let now = now.filter(|now| now.may_follow(cut)).ok_or(StreamCopyError::Vanished)?;
        let is_as_read = differences.is_empty() && found == *read;
        copied.verdict = match (is_as_read, again == *read) {
            (true, true) => CopyVerdict::Equal,
            (true, false) if !now.is_same_as(cut) => CopyVerdict::ChangedMeanwhile,
            _ => CopyVerdict::Different,
        };
        if copied.verdict == CopyVerdict::Different {
            let key = staging.key();
            if found.entries != again.entries {
                let sides = [(&self.source, &self.from[..]), (&self.target, key)];
                first_entry_that_differs(sides, cut, differences).await?;
            }
            let groups = found.groups.iter().zip(&again.groups).enumerate();
            for (index, _) in groups.filter(|(_, (found, again))| found != again) {
                let sides = [
                    pieces::pending_of(&self.source, &self.from, cut, &now, index),
                    pieces::pending_of(&self.target, key, written, written, index),
                ];
                first_pending_that_differs(sides, shape, differences).await?;
            }
        }
        Ok(now)
    }
}
