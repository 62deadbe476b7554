//! A part of a stream as it was at one moment, pinned so that it can be read without the stream.
//!
//! A slice shares the blocks it touches and a snapshot of their tombstones. Making one costs the
//! number of blocks touched and reads no field; later appends and deletions do not show in it. Most
//! slices lie in one block, so the first run is inline and such a slice allocates nothing.
//!
//! A run may lie in a block that is not in memory: then its entries are counted, and nothing more,
//! until the block is loaded for it ([`EntrySlice::warm_run`]). Whoever reads sees to that first.

use super::block::Block;
use super::block_place::ColdBlock;
use super::dead::Dead;
use super::entry_ref::EntryRef;
use super::list::Direction;
use super::loaded_block::LoadedBlock;
use super::tombstones::Tombstones;
use crate::EntryId;
use std::any::Any;
use std::ops::Range;
use std::sync::Arc;

/// Reply bytes around an entry besides its fields: array headers and the id.
const ENTRY_OVERHEAD_BYTES: usize = 40;

/// Pinned entries of a range, in one direction.
#[derive(Clone, Debug)]
pub struct EntrySlice {
    direction: Direction,
    len: usize,
    head: Option<Run>,
    tail: Vec<Run>,
    guard: Option<Box<Arc<dyn Any + Send + Sync>>>,
}

/// The live ordinals of a range within one block.
///
/// When not empty, its first and last ordinal are live.
#[derive(Clone, Debug)]
pub(super) struct Run {
    block: RunBlock,
    dead: Option<Arc<Dead>>,
    from: u32,
    to: u32,
    live: u32,
}

/// The block that a run lies in. Small: replies hold runs in place.
#[derive(Clone, Debug)]
pub(super) enum RunBlock {
    InMemory(Arc<Block>),
    Cold(Box<ColdRun>),
    /// It was read, and let go.
    Forgotten,
}

/// What is known of a block that is not in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct ColdRun {
    pub(super) cold: ColdBlock,
    /// Entries stored in it, and what Redis would need for them: its size, roughly.
    pub(super) stored: u32,
    pub(super) bytes: u32,
}

impl RunBlock {
    fn cold(&self) -> Option<ColdBlock> {
        match self {
            Self::Cold(run) => Some(run.cold),
            Self::InMemory(_) | Self::Forgotten => None,
        }
    }
}

impl Run {
    /// The live entries of `from..to`, only the outermost `count_max` on the side read first.
    pub(super) fn new(
        block: RunBlock,
        dead: Option<Arc<Dead>>,
        (from, to): (u32, u32),
        count_max: usize,
        descending: bool,
    ) -> Self {
        let count_max = u32::try_from(count_max).unwrap_or(u32::MAX);
        let to = to.max(from);
        let mut run = Self { block, dead, from, to, live: 0 };
        run.narrow_to_live();
        run.live = run.count_live();
        if run.live > count_max {
            run.keep(count_max, descending);
        }
        run
    }

    fn tombstones(&self) -> Option<&Tombstones> {
        self.dead.as_ref().map(|dead| &dead.tombstones)
    }

    #[inline]
    fn block(&self) -> &Block {
        match &self.block {
            RunBlock::InMemory(block) => block,
            RunBlock::Cold(_) => panic!("a slice is read when all of its blocks are in memory"),
            RunBlock::Forgotten => panic!("a run is read before it is let go"),
        }
    }

    /// Drops tombstones at both ends, and the snapshot when no tombstone is left inside.
    fn narrow_to_live(&mut self) {
        let Some(dead) = self.dead.as_ref().map(|dead| &dead.tombstones) else { return };
        self.from = dead.next_live(self.from).min(self.to);
        if self.from < self.to {
            self.to = dead.previous_live(self.to - 1).expect("the first is live") + 1;
        }
        if dead.count_dead(self.from, self.to) == 0 {
            self.dead = None;
        }
    }

    fn count_live(&self) -> u32 {
        let dead = self.tombstones().map_or(0, |dead| dead.count_dead(self.from, self.to));
        self.to - self.from - dead
    }

    /// Keeps `count`, fewer than there are.
    fn keep(&mut self, count: u32, descending: bool) {
        self.live = count;
        if count == 0 {
            self.to = self.from;
            return;
        }
        let Some(dead) = self.dead.clone() else {
            if descending {
                self.from = self.to - count;
            } else {
                self.to = self.from + count;
            }
            return;
        };
        let dead = &dead.tombstones;
        if descending {
            let mut at = self.to - 1;
            for _ in 1..count {
                at = dead.previous_live(at - 1).expect("more than `count` are live");
            }
            self.from = at;
        } else {
            let mut at = self.from;
            for _ in 1..count {
                at = dead.next_live(at + 1);
            }
            self.to = at + 1;
        }
    }

    pub(super) fn len(&self) -> usize {
        self.live as usize
    }

    pub(super) fn is_empty(&self) -> bool {
        self.live == 0
    }

    fn first_id(&self) -> EntryId {
        self.block().id(self.from)
    }

    fn last_id(&self) -> EntryId {
        self.block().id(self.to - 1)
    }

    #[inline]
    fn is_dead(&self, ordinal: u32) -> bool {
        self.tombstones().is_some_and(|dead| dead.is_dead(ordinal))
    }

    /// Hands every ordinal over in order.
    #[inline]
    fn for_each_ordinal(&self, direction: Direction, mut f: impl FnMut(u32)) {
        let live = |ordinal: &u32| !self.is_dead(*ordinal);
        match (direction, &self.dead) {
            (Direction::Ascending, None) => (self.from..self.to).for_each(f),
            (Direction::Ascending, _) => (self.from..self.to).filter(live).for_each(&mut f),
            (Direction::Descending, _) => (self.from..self.to).rev().filter(live).for_each(&mut f),
        }
    }

    fn bytes_estimate(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        let block = match &self.block {
            RunBlock::InMemory(block) => block,
            RunBlock::Cold(cold) => {
                let share = u64::from(cold.bytes) * u64::from(self.to - self.from);
                let bytes = share / u64::from(cold.stored.max(1));
                return bytes as usize + self.len() * 2 * ENTRY_OVERHEAD_BYTES;
            }
            RunBlock::Forgotten => return 0,
        };
        // Names are stored once per block, but each reply repeats them.
        let names: usize = block.entry(self.from).pairs().map(|(name, _)| name.len() + 8).sum();
        block.bytes_between(self.from, self.to) + self.len() * (names + ENTRY_OVERHEAD_BYTES)
    }
}

impl EntrySlice {
    /// A slice without runs yet.
    pub(super) fn empty(direction: Direction) -> Self {
        Self { direction, len: 0, head: None, tail: Vec::new(), guard: None }
    }

    /// Adds a run that follows, in slice order, those already there. It is not empty.
    pub(super) fn push(&mut self, run: Run) {
        self.len += run.len();
        if self.head.is_none() {
            self.head = Some(run);
        } else {
            self.tail.push(run);
        }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Order of the entries.
    #[must_use]
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// The first id in slice order.
    #[must_use]
    pub fn first_id(&self) -> Option<EntryId> {
        let run = self.head.as_ref()?;
        Some(match self.direction {
            Direction::Ascending => run.first_id(),
            Direction::Descending => run.last_id(),
        })
    }

    /// The last id in slice order.
    #[must_use]
    pub fn last_id(&self) -> Option<EntryId> {
        let run = self.tail.last().or(self.head.as_ref())?;
        Some(match self.direction {
            Direction::Ascending => run.last_id(),
            Direction::Descending => run.first_id(),
        })
    }

    /// Calls `f` with every entry in slice order: the fastest way to read a slice.
    #[inline]
    pub fn for_each(&self, mut f: impl FnMut(EntryRef<'_>)) {
        for run in self.runs() {
            let block = run.block();
            run.for_each_ordinal(self.direction, |ordinal| f(block.entry(ordinal)));
        }
    }

    /// How many runs the slice has: a run lies within one block.
    #[must_use]
    pub fn run_count(&self) -> usize {
        usize::from(self.head.is_some()) + self.tail.len()
    }

    /// Bytes that its runs take, without the blocks that they pin.
    #[must_use]
    pub fn run_bytes(&self) -> usize {
        // A slice has few runs in memory among many on disk, or the other way round: the ends say
        // which.
        let is_cold = self.tail.last().is_some_and(|run| run.block.cold().is_some());
        let apart = if is_cold { size_of::<ColdRun>() } else { 0 };
        self.tail.capacity() * (size_of::<Run>() + apart)
    }

    /// Calls `f` with every entry of one run, in slice order: to read a long slice in steps.
    ///
    /// # Panics
    /// If there are not so many runs.
    pub fn for_each_of_run(&self, run: usize, mut f: impl FnMut(EntryRef<'_>)) {
        let run = self.run(run).expect("below the count of runs");
        let block = run.block();
        run.for_each_ordinal(self.direction, |ordinal| f(block.entry(ordinal)));
    }

    /// The block of a run, if it is not in memory.
    #[must_use]
    pub fn cold_of_run(&self, run: usize) -> Option<ColdBlock> {
        self.run(run)?.block.cold()
    }

    /// Bytes that the block of a run will take once it is loaded, roughly; 0 if it is in memory.
    #[must_use]
    pub fn cold_bytes_of_run(&self, run: usize) -> usize {
        match self.run(run).map(|run| &run.block) {
            Some(RunBlock::Cold(run)) => run.bytes.max(run.cold.place.bytes) as usize,
            _ => 0,
        }
    }

    /// The blocks that are not in memory, in slice order.
    pub fn cold(&self) -> impl Iterator<Item = ColdBlock> + '_ {
        self.runs().filter_map(|run| run.block.cold())
    }

    /// Gives a run the block that it misses, for this slice alone.
    ///
    /// # Panics
    /// If there are not so many runs, or it is another block.
    pub fn warm_run(&mut self, run: usize, block: &LoadedBlock) {
        let run = match run.checked_sub(1) {
            None => self.head.as_mut().expect("below the count of runs"),
            Some(index) => &mut self.tail[index],
        };
        if let RunBlock::Cold(cold) = &run.block {
            assert_eq!(block.len(), cold.stored, "a block has the entries that its line says");
            assert_eq!(block.first_id(), cold.cold.first, "a block begins where its line says");
        }
        run.block = RunBlock::InMemory(Arc::clone(&block.0));
    }

    /// Lets the block of a run go, which nobody reads any more here.
    ///
    /// # Panics
    /// If there are not so many runs.
    pub fn forget_run(&mut self, run: usize) {
        let run = match run.checked_sub(1) {
            None => self.head.as_mut().expect("below the count of runs"),
            Some(index) => &mut self.tail[index],
        };
        run.block = RunBlock::Forgotten;
    }

    /// Keeps something as long as the slice: what its blocks are loaded from.
    pub fn hold(&mut self, guard: Arc<dyn Any + Send + Sync>) {
        self.guard = Some(Box::new(guard));
    }

    /// Iterates the entries in slice order.
    #[must_use]
    pub fn iter(&self) -> EntrySliceIter<'_> {
        EntrySliceIter { slice: self, next_run: 0, current: None, remaining: self.len }
    }

    /// The ids in slice order; reads no fields.
    pub fn ids(&self) -> impl Iterator<Item = EntryId> + '_ {
        let mut cursor = self.iter();
        std::iter::from_fn(move || cursor.advance().map(|(run, ordinal)| run.block().id(ordinal)))
    }

    /// The entries in slice order, each to be kept by itself. All runs are in memory.
    pub fn pinned(&self) -> impl Iterator<Item = PinnedEntry> + '_ {
        let mut cursor = self.iter();
        std::iter::from_fn(move || {
            let (run, ordinal) = cursor.advance()?;
            match &run.block {
                RunBlock::InMemory(block) => Some(PinnedEntry::new(Arc::clone(block), ordinal)),
                RunBlock::Cold(_) | RunBlock::Forgotten => panic!("the run is in memory"),
            }
        })
    }

    /// Roughly the bytes of a reply that holds the slice. Costs the number of blocks, and looks
    /// into none that is not in memory.
    #[must_use]
    pub fn bytes_estimate(&self) -> usize {
        self.runs().map(Run::bytes_estimate).sum()
    }

    fn runs(&self) -> impl Iterator<Item = &Run> {
        self.head.iter().chain(&self.tail)
    }

    fn run(&self, index: usize) -> Option<&Run> {
        match index.checked_sub(1) {
            None => self.head.as_ref(),
            Some(index) => self.tail.get(index),
        }
    }
}

impl Default for EntrySlice {
    /// No entries, ascending.
    fn default() -> Self {
        Self::empty(Direction::Ascending)
    }
}

impl<'a> IntoIterator for &'a EntrySlice {
    type Item = EntryRef<'a>;
    type IntoIter = EntrySliceIter<'a>;

    fn into_iter(self) -> EntrySliceIter<'a> {
        self.iter()
    }
}

/// Iterates the entries of a slice.
#[derive(Clone, Debug)]
pub struct EntrySliceIter<'a> {
    slice: &'a EntrySlice,
    next_run: usize,
    current: Option<(&'a Run, Range<u32>)>,
    remaining: usize,
}

impl<'a> EntrySliceIter<'a> {
    /// The next live ordinal and its run.
    fn advance(&mut self) -> Option<(&'a Run, u32)> {
        loop {
            if let Some((run, ordinals)) = &mut self.current {
                let next = match self.slice.direction {
                    Direction::Ascending => ordinals.find(|&ordinal| !run.is_dead(ordinal)),
                    Direction::Descending => ordinals.rfind(|&ordinal| !run.is_dead(ordinal)),
                };
                if let Some(ordinal) = next {
                    self.remaining -= 1;
                    return Some((run, ordinal));
                }
            }
            let run = self.slice.run(self.next_run)?;
            self.next_run += 1;
            self.current = Some((run, run.from..run.to));
        }
    }
}

impl<'a> Iterator for EntrySliceIter<'a> {
    type Item = EntryRef<'a>;

    fn next(&mut self) -> Option<EntryRef<'a>> {
        let (run, ordinal) = self.advance()?;
        Some(run.block().entry(ordinal))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.remaining, Some(self.remaining))
    }
}

impl ExactSizeIterator for EntrySliceIter<'_> {}

/// One entry, pinned with its block.
#[derive(Clone, Debug)]
pub struct PinnedEntry {
    block: Arc<Block>,
    ordinal: u32,
}

impl PinnedEntry {
    pub(super) fn new(block: Arc<Block>, ordinal: u32) -> Self {
        Self { block, ordinal }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.block.id(self.ordinal)
    }

    /// The entry, to be read.
    #[must_use]
    pub fn as_ref(&self) -> EntryRef<'_> {
        self.block.entry(self.ordinal)
    }
}
