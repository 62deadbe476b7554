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
//! otherwise (trimmed, deleted, changed) stay in the queues until their turn. Tests: below.

use std::collections::BTreeSet;

use millstream_model::{BlockPlace, EntryId, Eviction, SteadyList};

use crate::object::ObjectId;

/// The young queue gives way first while it has more than this part of the budget.
const YOUNG_SHARE: usize = 4;
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
    blocks: SteadyList<CachedBlock>,
    /// Blocks that went otherwise are counted until their turn.
    bytes: usize,
}

impl Queue {
    fn push(&mut self, block: CachedBlock) {
        self.bytes += block.bytes;
        self.blocks.push(block);
    }

    fn pop(&mut self) -> Option<CachedBlock> {
        let block = self.blocks.pop()?;
        self.bytes -= block.bytes;
        Some(block)
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
            let from_young = self.young.bytes > budget / YOUNG_SHARE || self.old.blocks.is_empty();
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
}
