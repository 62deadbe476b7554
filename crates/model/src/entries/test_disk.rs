//! Plays the disk in tests: keeps stored blocks by their places, and loads what an operation asks
//! for.
//!
//! Stricter than a disk: it notices a place that is freed twice, used after that, or lost.

use super::{BlockPlace, ColdBlock, ColdBlocks, Entries, Eviction, LoadedBlock};
use std::collections::{BTreeMap, BTreeSet};

/// Stored blocks.
#[derive(Debug, Default)]
pub(crate) struct TestDisk {
    /// Of every place ever, because clones and slices may still need those that are free.
    stored: BTreeMap<BlockPlace, Vec<u8>>,
    /// Places that one index, the one under test, refers to.
    used: BTreeSet<BlockPlace>,
}

impl TestDisk {
    fn put(&mut self, stored: Vec<u8>) -> BlockPlace {
        let bytes = u32::try_from(stored.len()).expect("small");
        let offset = u32::try_from(self.stored.len()).expect("few");
        let place = BlockPlace { file: 1, offset, bytes };
        self.stored.insert(place, stored);
        place
    }

    /// Writes those unwritten blocks whose bit of 64 is set.
    pub(crate) fn write(&mut self, entries: &mut Entries, which: u64) {
        let unwritten: Vec<_> = entries.unwritten().collect();
        for (at, (first, block)) in unwritten.into_iter().enumerate() {
            assert_eq!(block.first_id(), first);
            if which >> (at % 64) & 1 == 1 {
                let mut bytes = Vec::new();
                block.encode(&mut bytes);
                let place = self.put(bytes);
                assert!(entries.set_place(first, &block, place), "nothing changed meanwhile");
                assert!(!entries.set_place(first, &block, place), "it has a place now");
                self.used.insert(place);
            }
        }
    }

    /// Evicts what of 64 blocks has its bit set and is written.
    pub(crate) fn evict(&self, entries: &mut Entries, which: u64) {
        let firsts: Vec<_> = entries.blocks().map(|block| block.first).collect();
        for (at, first) in firsts.into_iter().enumerate() {
            if which >> (at % 64) & 1 == 1 {
                let before = entries.block_bytes();
                let mut eviction = entries.evict(first);
                if eviction == Eviction::Used {
                    assert_eq!(entries.block_bytes(), before);
                    eviction = entries.evict(first);
                    assert_ne!(eviction, Eviction::Used, "the mark is cleared");
                }
                match eviction {
                    Eviction::Freed(bytes) => assert_eq!(entries.block_bytes(), before - bytes),
                    _ => assert_eq!(entries.block_bytes(), before),
                }
                assert_eq!(entries.evict(first), Eviction::Gone, "not twice");
            }
        }
    }

    /// Reads a block.
    pub(crate) fn load(&self, cold: ColdBlock) -> LoadedBlock {
        let block = LoadedBlock::decode(&self.stored[&cold.place]).expect("it was written so");
        assert!(block.first_id() == cold.first);
        block
    }

    /// Loads blocks that an operation asked for.
    pub(crate) fn warm(&self, entries: &mut Entries, cold: &ColdBlocks) {
        assert!(!cold.0.is_empty(), "somebody needs a block");
        for &cold in &cold.0 {
            let before = entries.block_bytes();
            let block = self.load(cold);
            assert!(entries.warm(cold, &block), "what is asked for is cold");
            assert_eq!(entries.block_bytes(), before + block.heap_bytes());
            assert!(!entries.warm(cold, &block), "once");
        }
    }

    /// Loads everything.
    pub(crate) fn warm_all(&self, entries: &mut Entries) {
        let cold: Vec<_> = entries.nodes().filter_map(|node| node.cold()).collect();
        if !cold.is_empty() {
            self.warm(entries, &ColdBlocks(cold));
        }
    }

    /// Asks until it has an answer, loading what that takes.
    pub(crate) fn ask<T, E: Into<ColdBlocks>>(
        &self,
        entries: &mut Entries,
        mut question: impl FnMut(&Entries) -> Result<T, E>,
    ) -> T {
        loop {
            match question(entries) {
                Ok(answer) => return answer,
                Err(cold) => self.warm(entries, &cold.into()),
            }
        }
    }

    /// Takes what was freed, and sees that no place is lost.
    pub(crate) fn take_freed(&mut self, entries: &mut Entries) {
        let has_freed = entries.has_freed();
        let freed = entries.take_freed();
        assert_eq!(has_freed, !freed.is_empty());
        assert!(!entries.has_freed());
        for place in freed.iter() {
            assert!(self.used.remove(&place), "{place:?} is freed once");
        }
        assert!(entries.places().collect::<BTreeSet<_>>() == self.used, "places in use");
    }
}

/// What a restart makes of it: blocks with a place are cold, others were stored with the index.
pub(crate) fn restarted(entries: &Entries) -> Entries {
    let blocks = entries.blocks().map(|mut block| {
        if let super::StoredContents::Block(unwritten) = &block.contents {
            let mut bytes = Vec::new();
            unwritten.encode(&mut bytes);
            let back = LoadedBlock::decode(&bytes).expect("it is a block");
            block.contents = super::StoredContents::Block(back);
        }
        block
    });
    let mut back = Entries::default();
    for block in blocks {
        back.restore_block(block).expect("they come from entries");
    }
    back
}
