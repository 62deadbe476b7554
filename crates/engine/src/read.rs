//! XREAD and XREADGROUP, without their grammar: what is asked for, what comes of it.
//!
//! A read for a group is a write: it moves the group, creates pending records and consumers. What
//! is returned stays pinned in its blocks, whatever happens to the stream afterwards.
//!
//! Must not know waiting: `serve.rs` runs a parked read again as it is. Every group is checked
//! before anything changes, so a refused read leaves no trace. Tests: `tests/it/reads.rs`.

mod group_read;
mod listed_read;
mod plain_read;
mod take_over;
mod wire_size;

use bytes::Bytes;
use millstream_model::{EntryId, EntrySlice, PinnedEntry, Rejection};

pub(crate) use group_read::Reader;
pub(crate) use take_over::{TakeOver, free_places};

use crate::transaction::Transaction;

/// Without COUNT a reply stops growing here. `COMPAT.md` lists it.
pub const REPLY_BYTES_MAX: u64 = 64 << 20;

/// A read as asked for. Parked reads keep it to run it again.
#[derive(Clone, Debug)]
pub struct ReadRequest {
    /// Database.
    pub db: u8,
    /// `None`: XREAD.
    pub group: Option<GroupReader>,
    /// In the order of the reply.
    pub streams: Vec<StreamPosition>,
    /// Most entries of each stream; `None`: no limit.
    pub count: Option<usize>,
    /// Most entries in all (MAXCOUNT).
    pub count_total: Option<usize>,
    /// The reply stops growing at this size (MAXSIZE), bytes on the wire.
    pub bytes_max: Option<u64>,
}

/// Who reads for a group, and how.
#[derive(Clone, Debug)]
pub struct GroupReader {
    /// Name of the group.
    pub group: Bytes,
    /// Name of the consumer; created if missing.
    pub consumer: Bytes,
    /// New entries do not become pending.
    pub noack: bool,
    /// First take over what has been pending for so long, in milliseconds.
    pub claim_min_idle_ms: Option<u64>,
}

/// One stream of a read.
#[derive(Clone, Debug)]
pub struct StreamPosition {
    /// Key.
    pub key: Bytes,
    /// From where.
    pub from: ReadFrom,
}

/// Where a read starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadFrom {
    /// Entries above the id; for a group, the consumer's own pending ones above it.
    After(EntryId),
    /// The last entry there is (`+` of XREAD).
    Last,
    /// What is added from now on (`$` of XREAD); becomes `After` when the read is first run.
    End,
    /// What was never delivered to the group (`>`).
    New,
}

/// Streams that have something, in the order of the request.
#[derive(Clone, Debug, Default)]
pub struct ReadOutcome {
    /// Never empty.
    pub streams: Vec<StreamRead>,
}

impl ReadOutcome {
    /// How many entries there are in all.
    pub(crate) fn entry_count(&self) -> usize {
        self.streams.iter().map(|read| read.entries.len()).sum()
    }
}

/// What one stream gave.
#[derive(Clone, Debug)]
pub struct StreamRead {
    /// Key as given.
    pub key: Bytes,
    /// Its entries.
    pub entries: ReadEntries,
}

/// Entries in the shape in which they are shown.
#[derive(Clone, Debug)]
pub enum ReadEntries {
    /// Id and fields.
    Plain(EntrySlice),
    /// The consumer's own pending entries; those deleted meanwhile have only their id.
    History(Vec<(EntryId, Option<PinnedEntry>)>),
    /// Of a managed group: id and fields, all of one shape.
    Redelivered {
        /// Pending ones that were available, longest available first.
        again: Vec<PinnedEntry>,
        /// Delivered for the first time.
        new: EntrySlice,
    },
    /// With CLAIM: each entry also has its idle time and earlier deliveries; new ones have 0 and 0.
    WithClaims {
        /// Taken over, longest idle first.
        claimed: Vec<ClaimedEntry>,
        /// Delivered for the first time.
        new: EntrySlice,
    },
}

impl ReadEntries {
    fn len(&self) -> usize {
        match self {
            Self::Plain(slice) => slice.len(),
            Self::History(entries) => entries.len(),
            Self::Redelivered { again, new } => again.len() + new.len(),
            Self::WithClaims { claimed, new } => claimed.len() + new.len(),
        }
    }
}

/// An entry taken over from its owner.
#[derive(Clone, Debug)]
pub struct ClaimedEntry {
    /// The entry.
    pub entry: PinnedEntry,
    /// Milliseconds since its delivery before this one.
    pub idle_ms: u64,
    /// Deliveries before this one.
    pub delivery_count: u64,
}

impl Transaction<'_> {
    /// Runs a read once. `None`: there is nothing, the read may be parked. `$` is replaced by the
    /// id it means now.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoGroupToRead`]; then no consumer was created.
    pub fn read(&mut self, request: &mut ReadRequest) -> Result<Option<ReadOutcome>, Rejection> {
        let streams = match &request.group {
            Some(_) => self.read_for_group(request)?,
            None => self.read_plain(request)?,
        };
        Ok((!streams.is_empty()).then_some(ReadOutcome { streams }))
    }

    /// Checks one stream of a read as the read itself will, for errors in the order of arguments.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::NoGroupToRead`].
    pub fn check_read(
        &mut self,
        db: u8,
        key: &[u8],
        group: Option<&[u8]>,
    ) -> Result<(), Rejection> {
        match group {
            Some(group) => self.find_group_to_read(db, key, group).map(|_| ()),
            None => self.find_stream(db, key).map(|_| ()),
        }
    }
}

/// What may still go into the reply.
#[derive(Clone)]
struct Budget {
    entries: usize,
    bytes_max: Option<u64>,
    /// `bytes_max` was asked for (MAXSIZE), so bytes are counted entry by entry.
    is_exact: bool,
    bytes: u64,
    emitted: usize,
}

impl Budget {
    fn of(request: &ReadRequest) -> Self {
        let bytes_max = match request.bytes_max {
            None if request.count.is_none() => Some(REPLY_BYTES_MAX),
            given => given,
        };
        let entries = request.count_total.unwrap_or(usize::MAX);
        let is_exact = request.bytes_max.is_some();
        Self { entries, bytes_max, is_exact, bytes: wire_size::ENVELOPE_BYTES, emitted: 0 }
    }

    /// Whether another entry may be added. The first one always may.
    fn has_room(&self) -> bool {
        self.entries > 0
            && (self.emitted == 0 || self.bytes_max.is_none_or(|bytes_max| self.bytes < bytes_max))
    }

    fn start_stream(&mut self, key: &[u8]) {
        self.bytes += wire_size::stream_header(key);
    }

    fn take(&mut self, entries: usize, bytes: u64) {
        self.entries -= entries;
        self.emitted += entries;
        self.bytes += bytes;
    }
}
