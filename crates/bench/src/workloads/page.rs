//! Entries that must come in order, page by page, each once.

use anyhow::ensure;

use crate::entry_id::{self, EntryId};

/// The IDs of the page in hand, and where the one before ended.
pub(super) struct Pages {
    size: u64,
    ids: Vec<u8>,
    last: Option<EntryId>,
}

impl Pages {
    /// Pages of exactly `size` entries.
    pub(super) fn new(size: u64) -> Self {
        Self { size, ids: Vec::new(), last: None }
    }

    /// The last entry of all pages that were checked.
    pub(super) fn last(&self) -> Option<EntryId> {
        self.last
    }

    /// Where the IDs of the next page belong, as arguments of a request.
    pub(super) fn next(&mut self) -> &mut Vec<u8> {
        self.ids.clear();
        &mut self.ids
    }

    /// Checks the page: full, in order, behind the one before.
    ///
    /// # Errors
    /// It is not.
    pub(super) fn check(&mut self, count: usize) -> anyhow::Result<()> {
        ensure!(count as u64 == self.size, "a page has {count} entries instead of {}", self.size);
        for id in entry_id::parse_arguments(&self.ids)? {
            ensure!(Some(id) > self.last, "{id} came out of order or again");
            self.last = Some(id);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_is_short_or_comes_again_is_refused() {
        let mut pages = Pages::new(2);
        pages.next().extend_from_slice(b"$3\r\n1-0\r\n$3\r\n1-1\r\n");
        pages.check(2).expect("the first page");
        assert!(pages.check(1).is_err());
        let error = pages.check(2).expect_err("the same page again");
        assert_eq!(error.to_string(), "1-0 came out of order or again");
    }
}
