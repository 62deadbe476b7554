//! Entries of a stream, a page at a time; how many that are follows from their size.

use std::collections::VecDeque;
use std::ops::Bound;

use crate::{EntryId, Error, Millstream, StreamEntry, StreamManager};

/// A page is to have so many bytes of names and values.
const PAGE_BYTES: u64 = 1 << 20;
/// And at most so many entries.
const PAGE_ENTRIES_MAX: usize = 2000;
/// The first page has no more than this.
const PAGE_ENTRIES_FIRST: usize = 100;
/// From page to page it grows by so much at most: large entries may stand behind small ones.
const GROWTH_MAX: usize = 4;

#[derive(Debug)]
pub(super) struct EntryPages {
    stream: StreamManager,
    from: Bound<EntryId>,
    last: EntryId,
    count: usize,
    page: VecDeque<StreamEntry>,
    is_done: bool,
}

impl EntryPages {
    /// Of all entries up to that one, which have about so many bytes each.
    pub(super) fn new(
        millstream: &Millstream,
        key: &[u8],
        last: EntryId,
        entry_bytes: Option<u64>,
    ) -> Self {
        Self {
            stream: StreamManager::new(millstream, key),
            from: Bound::Unbounded,
            last,
            count: fitting(entry_bytes.unwrap_or(0)).min(PAGE_ENTRIES_FIRST),
            page: VecDeque::new(),
            is_done: false,
        }
    }

    /// Reads a page if there is none. Dropped while it waits, that page is read again.
    pub(super) async fn fill(&mut self) -> Result<(), Error> {
        if self.is_done || !self.page.is_empty() {
            return Ok(());
        }
        let range = (self.from, Bound::Included(self.last));
        let page = self.stream.entries(range, self.count).await?;
        self.is_done = page.len() < self.count;
        if let Some(last) = page.last() {
            self.from = Bound::Excluded(last.id);
            let bytes = page.iter().map(bytes_of).sum::<u64>() / page.len() as u64;
            self.count = fitting(bytes).min(self.count * GROWTH_MAX);
        }
        self.page = page.into();
        Ok(())
    }

    /// The last id up to which all is known; `None`: all is.
    pub(super) fn known_until(&self) -> Option<EntryId> {
        if self.is_done { None } else { Some(self.page.back().map_or(EntryId::ZERO, |it| it.id)) }
    }

    /// Those on the page up to there.
    pub(super) fn take_until(&mut self, last: EntryId) -> Vec<StreamEntry> {
        let count = self.page.partition_point(|entry| entry.id <= last);
        self.page.drain(..count).collect()
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Result<Option<StreamEntry>, Error> {
        self.fill().await?;
        Ok(self.page.pop_front())
    }
}

/// Entries of that size on one page.
fn fitting(entry_bytes: u64) -> usize {
    let count = usize::try_from(PAGE_BYTES / entry_bytes.max(1)).unwrap_or(usize::MAX);
    count.clamp(1, PAGE_ENTRIES_MAX)
}

/// In names and values.
pub(super) fn bytes_of(entry: &StreamEntry) -> u64 {
    entry.fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}
