//! Which blocks leave memory first, when there are more than the budget allows.
//!
//! Two queues (the "2Q" scheme of Johnson and Shasha). A block comes to the *young* queue and
//! leaves memory from its front, however often it was read meanwhile: a consumer reads each block
//! several times in a row and never again. If it is loaded again soon after, it goes to the *old*
//! queue, and stays as long as it is used between two turns. So reading through a whole stream
//! moves no block that somebody keeps coming back to.
//!
//! Blocks that a reply read for itself are not taken in at all the first time, and go to the old
//! queue if one is read again while no more than the budget was read so since.
//!
//! Must not know streams: it names blocks, and its owner says what became of each. Blocks that went
//! otherwise (trimmed, deleted, changed) stay in the queues until their turn, or until they are
//! more than those that are there: then a pass over the queues drops them, a few for each that
//! comes. Tests: below.

use std::collections::BTreeSet;

use millstream_model::{BlockPlace, EntryId, Eviction, SteadyList};

use crate::object::ObjectId;

/// The young queue gives way first while it has more than this part of the budget.
const YOUNG_SHARE: usize = 4;
/// So many bytes of blocks that went otherwise are no reason for a pass.
const GONE_BYTES_MIN: usize = 1 << 20;
/// Looked at for each block that comes while there is one: more than come.
const PASSED_PER_BLOCK: usize = 4;
/// Places remembered after their block left from the young queue.
const REMEMBERED_MAX: usize = 64 << 10;

/// Names a block that is in memory and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CachedBlock {
    pub(crate) object: ObjectId,
    /// Its first entry.
    pub(crate) first: EntryId,
    pub(crate) place: BlockPlace,
    pub(crate) bytes: usize,
}

/// Holds up whoever waits for the engine while it changes: so its lists do not copy themselves to
/// grow, and its sets are trees, no tables.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    young: Queue,
    old: Queue,
    /// Left from the young queue lately.
    remembered: BTreeSet<BlockPlace>,
    remembered_order: SteadyList<BlockPlace>,
    /// Read by replies for themselves lately, and their bytes.
    passed: BTreeSet<BlockPlace>,
    passed_order: SteadyList<(BlockPlace, usize)>,
    passed_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    /// Found to be there by the pass that is under way. Came before all others.
    passed: SteadyList<CachedBlock>,
    blocks: SteadyList<CachedBlock>,
    /// Blocks that went otherwise are counted until their turn, or a pass.
    bytes: usize,
}

impl Queue {
    fn push(&mut self, block: CachedBlock) {
        self.bytes += block.bytes;
        self.blocks.push(block);
    }

    fn pop(&mut self) -> Option<CachedBlock> {
        let block = self.passed.pop().or_else(|| self.blocks.pop())?;
        self.bytes -= block.bytes;
        Some(block)
    }

    fn is_empty(&self) -> bool {
        self.passed.is_empty() && self.blocks.is_empty()
    }

    /// Looks at the next one, and drops it unless it is there.
    fn pass_one(&mut self, is_there: impl FnOnce(&CachedBlock) -> bool) {
        match self.blocks.pop() {
            Some(block) if is_there(&block) => self.passed.push(block),
            Some(block) => self.bytes -= block.bytes,
            None => self.blocks = std::mem::take(&mut self.passed),
        }
    }
}

impl Cache {
    /// A block that was in memory is on disk now, too.
    pub(crate) fn add_written(&mut self, block: CachedBlock) {
        self.young.push(block);
    }

    /// A block was loaded.
    pub(crate) fn add_loaded(&mut self, block: CachedBlock) {
        if self.remembered.remove(&block.place) {
            self.old.push(block);
        } else {
            self.young.push(block);
        }
    }

    /// Whether a block that a reply has read should stay in memory: it was read before, not long
    /// ago. Else that is remembered.
    pub(crate) fn is_read_again(&mut self, place: BlockPlace, bytes: usize, budget: usize) -> bool {
        if self.passed.remove(&place) {
            return true;
        }
        self.passed.insert(place);
        self.passed_order.push((place, bytes));
        self.passed_bytes += bytes;
        while self.passed_bytes > budget {
            let (oldest, bytes) = self.passed_order.pop().expect("bytes are of places");
            self.passed.remove(&oldest);
            self.passed_bytes -= bytes;
        }
        false
    }

    /// A block that [`Self::is_read_again`] was put in.
    pub(crate) fn add_read_again(&mut self, block: CachedBlock) {
        self.old.push(block);
    }

    /// After a block came: drops some that went otherwise, where they are more than the `there`
    /// bytes of blocks that are in memory and on disk.
    pub(crate) fn tidy(&mut self, there: usize, is_there: impl Fn(&CachedBlock) -> bool) {
        if self.young.bytes + self.old.bytes <= 2 * there + GONE_BYTES_MIN {
            return;
        }
        for _ in 0..PASSED_PER_BLOCK {
            self.young.pass_one(&is_there);
            self.old.pass_one(&is_there);
        }
    }

    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Asks for blocks to leave until `wanted` bytes did, or there is none left, and looks at no
    /// more than `looks` blocks. Returns how many bytes left.
    pub(crate) fn evict(
        &mut self,
        wanted: usize,
        budget: usize,
        looks: usize,
        mut leave: impl FnMut(&CachedBlock) -> Eviction,
    ) -> usize {
        let mut freed = 0;
        for _ in 0..looks {
            if freed >= wanted {
                break;
            }
            let from_young = self.young.bytes > budget / YOUNG_SHARE || self.old.is_empty();
            let queue = if from_young { &mut self.young } else { &mut self.old };
            let Some(block) = queue.pop() else { break };
            let mut eviction = leave(&block);
            if from_young && eviction == Eviction::Used {
                // The mark is cleared now.
                eviction = leave(&block);
            }
            match eviction {
                Eviction::Freed(bytes) => {
                    freed += bytes;
                    if from_young {
                        self.remember(block.place);
                    }
                }
                Eviction::Used => self.old.push(block),
                Eviction::Gone => {}
            }
        }
        freed
    }

    fn remember(&mut self, place: BlockPlace) {
        if self.remembered.insert(place) {
            self.remembered_order.push(place);
        }
        while self.remembered_order.len() > REMEMBERED_MAX {
            let oldest = self.remembered_order.pop().expect("longer than the limit");
            self.remembered.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const BUDGET: usize = 100;

    /// Blocks of one byte that are in memory, with their use marks.
    #[derive(Default)]
    struct Memory(BTreeMap<u32, bool>);

    fn block(number: u32) -> CachedBlock {
        let place = BlockPlace { file: 1, offset: number, bytes: 1 };
        let first = EntryId::new(u64::from(number), 0);
        CachedBlock { object: ObjectId(1), first, place, bytes: 1 }
    }

    /// Reads a block as the engine does: loads it if it is not there, and makes room.
    fn read(cache: &mut Cache, memory: &mut Memory, number: u32) -> bool {
        let is_loaded = !memory.0.contains_key(&number);
        if is_loaded {
            memory.0.insert(number, false);
            cache.add_loaded(block(number));
        }
        memory.0.insert(number, true);
        let wanted = memory.0.len().saturating_sub(BUDGET);
        cache.evict(wanted, BUDGET, 1000, |block| {
            let number = block.place.offset;
            match memory.0.get_mut(&number) {
                None => Eviction::Gone,
                Some(used) if *used => {
                    *used = false;
                    Eviction::Used
                }
                Some(_) => {
                    memory.0.remove(&number);
                    Eviction::Freed(1)
                }
            }
        });
        is_loaded
    }

    #[test]
    fn a_scan_larger_than_the_cache_leaves_what_is_read_again_and_again() {
        let (mut cache, mut memory) = (Cache::default(), Memory::default());
        let hot = 0..40;
        // Twice through something larger than the budget, so that the hot ones come back.
        for round in 0..3 {
            hot.clone().for_each(|number| _ = read(&mut cache, &mut memory, number));
            for number in 1000 * (round + 1)..1000 * (round + 1) + 90 {
                read(&mut cache, &mut memory, number);
            }
        }
        let mut loads = 0;
        for number in 100_000..101_000 {
            // Each block several times in a row, as a consumer with a small COUNT does.
            (0..5).for_each(|_| _ = read(&mut cache, &mut memory, number));
            if number % 10 == 0 {
                loads += hot.clone().filter(|&hot| read(&mut cache, &mut memory, hot)).count();
            }
        }
        assert_eq!(loads, 0, "hot blocks stayed");
        assert!(memory.0.len() <= BUDGET);
    }

    #[test]
    fn blocks_that_went_otherwise_are_passed_over() {
        let (mut cache, mut memory) = (Cache::default(), Memory::default());
        (0..50).for_each(|number| _ = read(&mut cache, &mut memory, number));
        memory.0.clear();
        (50..200).for_each(|number| _ = read(&mut cache, &mut memory, number));
        assert!(memory.0.len() <= BUDGET);
    }

    /// A work queue: what comes goes again soon, and the budget is never used up.
    #[test]
    fn blocks_that_went_otherwise_take_no_more_than_those_that_are_there() {
        const BYTES: usize = 4096;
        let mut cache = Cache::default();
        let (mut oldest, keeps) = (0, |number: u32| number.is_multiple_of(1000));
        for number in 0..200_000 {
            cache.add_written(CachedBlock { bytes: BYTES, ..block(number) });
            oldest = number.saturating_sub(50);
            let is_there =
                |block: &CachedBlock| block.place.offset >= oldest || keeps(block.place.offset);
            cache.tidy((50 + number as usize / 1000) * BYTES, is_there);
            let most = 2 * (50 + number as usize / 1000) * BYTES + GONE_BYTES_MIN;
            assert!(cache.young.bytes <= most + BYTES, "{number}: {}", cache.young.bytes);
        }
        // Those that are there are all known, in the order in which they came.
        let mut left = Vec::new();
        cache.evict(usize::MAX, usize::MAX, usize::MAX, |block| {
            left.push(block.place.offset);
            Eviction::Gone
        });
        assert!(left.is_sorted());
        left.retain(|&number| number >= oldest || keeps(number));
        assert_eq!(left.len(), 200 + 51);
        assert_eq!((cache.young.bytes, cache.old.bytes), (0, 0));
    }
}
