//! Bounds of times of runs of chunks, so that whoever looks for the earliest record of a long list
//! looks at some of its chunks and not at all.
//!
//! A section is a run of [`SECTION`] chunks by their places. When a chunk comes or goes in the
//! middle those behind it move by one place, and each section takes in the bounds of the chunk that
//! moved into it: its bounds are too low then, which costs whoever looks and nothing else. After
//! some such moves they are derived again. Invariant: bounds are at or below those of the chunks.

use super::bounds::Bounds;
use super::chunk::Chunk;
use super::timing::Scale;
use std::collections::VecDeque;
use std::ops::Range;

/// Chunks of a section. A list of a million records has 4,000 chunks: as many sections as this.
const SECTION: usize = if cfg!(test) { 2 } else { 64 };

/// Sections of a list that has more than [`Sections::worth_it`] chunks.
#[derive(Clone, Debug)]
pub(super) struct Sections {
    bounds: VecDeque<Bounds>,
    /// Places of the first section that are before the first chunk.
    skipped: usize,
    /// Moves since the bounds were derived.
    moves: usize,
}

impl Sections {
    /// Whether a list of so many chunks should have sections.
    #[inline]
    pub(super) fn are_worth_it(chunks: usize) -> bool {
        chunks > 2 * SECTION
    }

    pub(super) fn new(chunks: &VecDeque<Chunk>, scale: Scale<'_>) -> Self {
        let mut sections = Self { bounds: VecDeque::new(), skipped: 0, moves: 0 };
        sections.derive(chunks, scale);
        sections
    }

    /// Derives all bounds again.
    pub(super) fn derive(&mut self, chunks: &VecDeque<Chunk>, scale: Scale<'_>) {
        (self.skipped, self.moves) = (0, 0);
        self.bounds.clear();
        let count = chunks.len().div_ceil(SECTION);
        let of = |section: usize| chunks.range(self.range(section, chunks.len()));
        let bounds: Vec<_> = (0..count)
            .map(|section| Bounds::min_of(of(section).map(Chunk::bounds), scale))
            .collect();
        self.bounds.extend(bounds);
    }

    fn range(&self, section: usize, chunks: usize) -> Range<usize> {
        let end = ((section + 1) * SECTION).saturating_sub(self.skipped).min(chunks);
        (section * SECTION).saturating_sub(self.skipped)..end
    }

    fn section_of(&self, chunk: usize) -> usize {
        (chunk + self.skipped) / SECTION
    }

    /// Places of the chunks of each section, and their bounds.
    pub(super) fn iter(&self, chunks: usize) -> impl Iterator<Item = (Range<usize>, &Bounds)> {
        let bounds = self.bounds.iter().enumerate();
        bounds.map(move |(section, bounds)| (self.range(section, chunks), bounds))
    }

    /// Whether the bounds are those of the chunks.
    pub(super) fn has_exact_bounds(&self) -> bool {
        self.moves == 0
    }

    /// At or below all bounds.
    pub(super) fn least(&self, scale: Scale<'_>) -> Bounds {
        Bounds::min_of(&self.bounds, scale)
    }

    /// The bounds of a chunk are lower.
    pub(super) fn lower(&mut self, chunk: usize, bounds: &Bounds, scale: Scale<'_>) {
        let section = self.section_of(chunk);
        self.bounds[section] = self.bounds[section].min(*bounds, scale);
    }

    /// The bounds of a chunk may have risen.
    pub(super) fn raise(&mut self, chunk: usize, chunks: &VecDeque<Chunk>, scale: Scale<'_>) {
        let section = self.section_of(chunk);
        // The last chunk of all may be gone, and its section with it.
        if let Some(bounds) = self.bounds.get(section) {
            let derived = chunks.range(self.range(section, chunks.len())).map(Chunk::bounds);
            debug_assert!(bounds.is_below(&Bounds::min_of(derived.clone(), scale), scale));
            self.bounds[section] = Bounds::min_of(derived, scale);
        }
    }

    /// A chunk came to this place. Returns whether all was derived again.
    pub(super) fn inserted(
        &mut self,
        chunk: usize,
        chunks: &VecDeque<Chunk>,
        scale: Scale<'_>,
    ) -> bool {
        if self.section_of(chunks.len() - 1) == self.bounds.len() {
            self.bounds.push_back(Bounds::NONE);
        }
        self.lower(chunk, chunks[chunk].bounds(), scale);
        for section in self.section_of(chunk) + 1..self.bounds.len() {
            let first = self.range(section, chunks.len()).start;
            self.bounds[section] = self.bounds[section].min(*chunks[first].bounds(), scale);
        }
        chunk + 1 < chunks.len() && self.note_move(chunks, scale)
    }

    /// The chunk of this place went. Returns whether all was derived again.
    pub(super) fn removed(
        &mut self,
        chunk: usize,
        chunks: &VecDeque<Chunk>,
        scale: Scale<'_>,
    ) -> bool {
        if chunk == 0 {
            self.skipped += 1;
            if self.skipped == SECTION {
                self.bounds.pop_front();
                self.skipped = 0;
            }
            return false;
        }
        self.bounds.truncate((chunks.len() + self.skipped).div_ceil(SECTION));
        for section in self.section_of(chunk)..self.bounds.len() {
            let last = self.range(section, chunks.len()).end - 1;
            self.bounds[section] = self.bounds[section].min(*chunks[last].bounds(), scale);
        }
        self.note_move(chunks, scale)
    }

    fn note_move(&mut self, chunks: &VecDeque<Chunk>, scale: Scale<'_>) -> bool {
        self.moves += 1;
        let are_many = self.moves > SECTION;
        if are_many {
            self.derive(chunks, scale);
        }
        are_many
    }

    pub(super) fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.bounds.capacity() * size_of::<Bounds>()
    }

    /// Panics when the bounds of a section are above those of a chunk.
    pub(super) fn check(&self, chunks: &VecDeque<Chunk>, scale: Scale<'_>) {
        assert!(self.skipped < SECTION);
        assert_eq!(self.bounds.len(), (chunks.len() + self.skipped).div_ceil(SECTION), "sections");
        let mut next = 0;
        for (range, bounds) in self.iter(chunks.len()) {
            assert_eq!(range.start, next, "sections follow each other");
            next = range.end;
            let exact = Bounds::min_of(chunks.range(range).map(Chunk::bounds), scale);
            assert!(bounds.is_below(&exact, scale), "bounds of a section");
        }
        assert_eq!(next, chunks.len());
    }
}
