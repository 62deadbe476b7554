//! Entries and pending lists side by side, in the order of ids.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::cut::Cut;
use super::entry_pages::EntryPages;
use super::pending_pages::{PendingPages, Row};
use crate::{EntryId, Error, Millstream, StreamEntry};

/// Records of pending lists that are kept at the same time, of all groups together.
const ROWS_KEPT: usize = 100_000;
const PAGE_ROWS_MAX: usize = 1000;
const PAGE_ROWS_MIN: usize = 16;
/// Who has, at a target that knows no entries without an owner, what nobody has at the source.
pub(super) const NOBODY: &[u8] = b"millstream-nobody";

/// All of a stream in one range of ids.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) entries: Vec<StreamEntry>,
    /// Of each group, as it stands in the cut.
    pub(super) pending: Vec<Vec<Row>>,
    /// What is pending and not in the stream.
    pub(super) gone: BTreeSet<EntryId>,
}

#[derive(Debug)]
pub(super) struct Pieces {
    entries: EntryPages,
    groups: Vec<PendingPages>,
    is_done: bool,
}

/// What becomes of a record at the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape {
    has_unowned: bool,
    /// No server keeps a time that it has not seen yet.
    latest_ms: u64,
}

impl Pieces {
    /// Of a stream as it was at a cut, read `now`.
    pub(super) fn new(millstream: &Millstream, key: &[u8], cut: &Cut, now: &Cut) -> Self {
        let groups = 0..cut.groups.len();
        let last = cut.info.last_generated;
        Self {
            entries: EntryPages::new(millstream, key, last, cut.entry_bytes),
            groups: groups.map(|index| pending_of(millstream, key, cut, now, index)).collect(),
            is_done: false,
        }
    }

    /// What comes next.
    ///
    /// # Errors
    /// Those of the server.
    pub(super) async fn next(&mut self) -> Result<Option<Piece>, Error> {
        if self.is_done {
            return Ok(None);
        }
        self.entries.fill().await?;
        for group in &mut self.groups {
            group.fill().await?;
        }
        let known = self.groups.iter().map(PendingPages::known_until);
        let until = known.chain([self.entries.known_until()]).flatten().min();
        self.is_done = until.is_none();
        let until = until.unwrap_or(EntryId { ms: u64::MAX, seq: u64::MAX });
        let entries = self.entries.take_until(until);
        let pending: Vec<_> = self.groups.iter_mut().map(|it| it.take_until(until)).collect();
        let is_there = |id: &EntryId| entries.binary_search_by_key(id, |entry| entry.id).is_ok();
        let gone = pending.iter().flatten().map(|row| row.id).filter(|id| !is_there(id));
        Ok(Some(Piece { gone: gone.collect(), entries, pending }))
    }
}

/// The pending list of a group.
pub(super) fn pending_of(
    millstream: &Millstream,
    key: &[u8],
    cut: &Cut,
    now: &Cut,
    index: usize,
) -> PendingPages {
    let group = &cut.groups[index];
    let count = (ROWS_KEPT / cut.groups.len()).clamp(PAGE_ROWS_MIN, PAGE_ROWS_MAX);
    PendingPages::new(millstream, key, (cut, group), now, count)
}

impl Shape {
    /// At a server that knows entries without an owner or not, and whose clock says this.
    pub(super) fn new(has_unowned: bool, latest_ms: u64) -> Self {
        Self { has_unowned, latest_ms }
    }

    pub(super) fn apply(self, piece: &mut Piece) {
        piece.pending.iter_mut().flatten().for_each(|row| self.apply_to(row));
    }

    pub(super) fn apply_to(self, row: &mut Row) {
        row.delivered_at_ms = row.delivered_at_ms.min(self.latest_ms);
        if row.consumer.is_none() && !self.has_unowned {
            row.consumer = Some(Bytes::from_static(NOBODY));
        }
    }
}
