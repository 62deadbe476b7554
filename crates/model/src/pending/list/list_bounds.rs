//! The bounds of all records and of the sections, kept as those of chunks change.

use super::{PendingList, scale_of};
use crate::pending::bounds::{Bounds, Times};
use crate::pending::chunk::Chunk;
use crate::pending::sections::Sections;

impl PendingList {
    /// A record came that makes bounds of its chunk lower.
    #[inline]
    pub(super) fn note_lower(&mut self, index: usize, times: Times) {
        self.bounds.add(times, scale_of(&self.timing, self.next_tie));
        if let Some(sections) = &mut self.sections {
            sections.lower(
                index,
                self.chunks[index].bounds(),
                scale_of(&self.timing, self.next_tie),
            );
        }
    }

    /// Bounds of a chunk that were these, or of one that stood here, may have risen.
    pub(super) fn note_raised(&mut self, index: usize, before: &Bounds) {
        if self.chunks.get(index).is_some_and(|chunk| chunk.bounds() == before) {
            return;
        }
        if let Some(sections) = &mut self.sections {
            sections.raise(index, &self.chunks, scale_of(&self.timing, self.next_tie));
        }
        if self.bounds.rests_on_any(before) {
            self.derive_bounds();
        }
    }

    pub(super) fn has_exact_bounds(&self) -> bool {
        self.stale_chunks == 0
            && self.sections.as_ref().is_none_or(|sections| sections.has_exact_bounds())
    }

    fn derive_bounds(&mut self) {
        self.bounds = match &self.sections {
            Some(sections) => sections.least(self.scale()),
            None => Bounds::min_of(self.chunks.iter().map(Chunk::bounds), self.scale()),
        };
    }

    /// Derives the bounds of all sections and of all records from the chunks.
    pub(super) fn refresh_bounds(&mut self) {
        self.stale_chunks = self.chunks.iter().filter(|chunk| chunk.is_stale()).count();
        let are_worth_it = Sections::are_worth_it(self.chunks.len());
        self.sections = are_worth_it
            .then(|| Box::new(Sections::new(&self.chunks, scale_of(&self.timing, self.next_tie))));
        self.derive_bounds();
    }

    pub(super) fn note_chunk_inserted(&mut self, index: usize) {
        let scale = scale_of(&self.timing, self.next_tie);
        let must_derive = match &mut self.sections {
            Some(sections) => sections.inserted(index, &self.chunks, scale),
            None => {
                if Sections::are_worth_it(self.chunks.len()) {
                    self.sections = Some(Box::new(Sections::new(&self.chunks, scale)));
                }
                false
            }
        };
        if must_derive {
            self.derive_bounds();
        }
    }

    pub(super) fn note_chunk_removed(&mut self, index: usize, before: &Bounds) {
        match &mut self.sections {
            Some(sections) if Sections::are_worth_it(self.chunks.len()) => {
                if sections.removed(index, &self.chunks, scale_of(&self.timing, self.next_tie)) {
                    self.derive_bounds();
                }
            }
            _ => {
                if self.sections.take().is_some() {
                    self.derive_bounds();
                }
            }
        }
        self.note_raised(index, before);
    }
}
