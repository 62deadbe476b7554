//! The pending entries of a group or a consumer, a page at a time: a million of them take no more
//! memory, here or in an answer, than those on the screen.

use std::ops::Bound;

use bytes::Bytes;
use millstream::{EntryId, PendingEntry};

use super::listing::Step;
use super::look::{GroupKey, PendingPage, Wanted};

/// Pages whose beginning is known, to go back; from further on one goes back to the start.
const KNOWN_PAGES_MAX: usize = 10_000;

#[derive(Debug)]
pub(super) struct PendingLevel {
    pub(super) of: GroupKey,
    /// `None`: all that is pending.
    pub(super) consumer: Option<Bytes>,
    /// Where this page begins, and where those before it do.
    from: Bound<EntryId>,
    before: Vec<Bound<EntryId>>,
    pub(super) page: Option<PendingPage>,
    pub(super) is_gone: bool,
    chosen: usize,
    height: usize,
}

impl PendingLevel {
    pub(super) fn new(of: GroupKey, consumer: Option<Bytes>) -> Self {
        Self {
            of,
            consumer,
            from: Bound::Unbounded,
            before: Vec::new(),
            page: None,
            is_gone: false,
            chosen: 0,
            height: 1,
        }
    }

    pub(super) fn wanted(&self) -> Wanted {
        Wanted::Pending {
            of: self.of.clone(),
            consumer: self.consumer.clone(),
            from: self.from,
            count: self.height.max(1),
        }
    }

    /// What a look for this page found.
    pub(super) fn take(&mut self, page: Option<PendingPage>) {
        self.is_gone = page.is_none();
        self.page = page;
        self.chosen = self.chosen.min(self.rows().len().saturating_sub(1));
        // All of this page was settled meanwhile.
        if self.rows().is_empty() && !self.before.is_empty() {
            self.go_back();
        }
    }

    /// Returns whether another page has to be looked at.
    pub(super) fn step(&mut self, step: Step) -> bool {
        let last = self.rows().len().saturating_sub(1);
        match step {
            Step::Up if self.chosen > 0 => self.chosen -= 1,
            Step::Up => {
                if self.go_back() {
                    // Whatever the last line of that page is.
                    self.chosen = usize::MAX;
                    return true;
                }
            }
            Step::Down if self.chosen < last => self.chosen += 1,
            Step::Down | Step::PageDown => {
                if self.go_on() {
                    self.chosen = 0;
                    return true;
                }
                self.chosen = last;
            }
            Step::PageUp => {
                let has_gone_back = self.go_back();
                self.chosen = 0;
                return has_gone_back;
            }
            Step::Start => {
                let is_other = !self.before.is_empty();
                self.before.clear();
                (self.from, self.chosen) = (Bound::Unbounded, 0);
                return is_other;
            }
            Step::End => self.chosen = last,
        }
        false
    }

    pub(super) fn set_height(&mut self, height: usize) {
        self.height = height;
        self.chosen = self.chosen.min(height.saturating_sub(1));
    }

    pub(super) fn rows(&self) -> &[PendingEntry] {
        self.page.as_ref().map_or(&[], |page| &page.rows)
    }

    pub(super) fn chosen(&self) -> usize {
        self.chosen.min(self.rows().len().saturating_sub(1))
    }

    pub(super) fn chosen_row(&self) -> Option<&PendingEntry> {
        self.rows().get(self.chosen())
    }

    /// From 1.
    pub(super) fn page_number(&self) -> usize {
        self.before.len() + 1
    }

    fn go_on(&mut self) -> bool {
        let Some(page) = self.page.as_ref().filter(|page| page.has_more) else { return false };
        let Some(last) = page.rows.last() else { return false };
        let next = Bound::Excluded(last.id);
        if self.before.len() >= KNOWN_PAGES_MAX {
            self.before.remove(1);
        }
        self.before.push(std::mem::replace(&mut self.from, next));
        true
    }

    fn go_back(&mut self) -> bool {
        let Some(before) = self.before.pop() else { return false };
        self.from = before;
        true
    }
}
