//! Entries of a stream for one page: some at a time, since they may be of any size.

use std::ops::Bound;

use millstream::{EntryId, Error, StreamEntry, StreamManager};

/// Bytes of names and values on a page of more than one entry.
const BYTES_MAX: usize = 4 << 20;
/// Entries that are read in the first step. Each next one reads twice as many at most, so that what
/// is read beyond the page stays little where large entries stand behind small ones.
const AT_ONCE_FIRST: usize = 8;
const AT_ONCE_MAX: usize = 64;

/// Where a page begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    OldestFirst,
    NewestFirst,
}

/// Entries in the order that was asked for.
#[derive(Debug, Default)]
pub(crate) struct EntryPage {
    pub(crate) entries: Vec<StreamEntry>,
    /// The one that the next page begins with; `None`: there is none.
    pub(crate) next: Option<EntryId>,
    /// There was room for more entries, but not for their bytes.
    pub(crate) is_cut: bool,
}

/// Names and values.
pub(crate) fn bytes_of(entry: &StreamEntry) -> usize {
    entry.fields.iter().map(|(name, value)| name.len() + value.len()).sum()
}

/// A page of `limit` entries at most, and of as many bytes as a page may have; one entry fits in
/// any case.
///
/// # Errors
/// Those of the server.
pub(crate) async fn entry_page(
    manager: &StreamManager,
    (mut from, mut to): (Bound<EntryId>, Bound<EntryId>),
    order: Order,
    limit: usize,
) -> Result<EntryPage, Error> {
    let (mut page, mut bytes, mut at_once) = (EntryPage::default(), 0, AT_ONCE_FIRST);
    loop {
        // Servers refuse what is before the first id that there can be, or behind the last.
        if to == Bound::Excluded(EntryId::ZERO) || from == Bound::Excluded(LAST) {
            return Ok(page);
        }
        // One more than there is room for says where the next page begins.
        let wanted = at_once.min(limit + 1 - page.entries.len());
        let some = match order {
            Order::OldestFirst => manager.entries((from, to), wanted).await?,
            Order::NewestFirst => {
                let mut some = manager.newest((from, to), wanted).await?;
                some.reverse();
                some
            }
        };
        let is_end = some.len() < wanted;
        let mut read = 0;
        for entry in some {
            let (id, size) = (entry.id, bytes_of(&entry));
            let is_full = page.entries.len() == limit;
            page.is_cut = !is_full && !page.entries.is_empty() && bytes + size > BYTES_MAX;
            if page.is_cut || is_full {
                page.next = Some(id);
                return Ok(page);
            }
            page.entries.push(entry);
            (bytes, read) = (bytes + size, read + size);
            match order {
                Order::OldestFirst => from = Bound::Excluded(id),
                Order::NewestFirst => to = Bound::Excluded(id),
            }
        }
        if is_end {
            return Ok(page);
        }
        // As many as would fit if they were like those before.
        let fitting = (BYTES_MAX - bytes.min(BYTES_MAX)) * wanted / read.max(1) + 1;
        at_once = fitting.min(at_once * 2).min(AT_ONCE_MAX);
    }
}

/// No entry has a higher id.
const LAST: EntryId = EntryId { ms: u64::MAX, seq: u64::MAX };
