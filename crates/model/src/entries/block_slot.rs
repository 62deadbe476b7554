//! One block's line in the index: its bounds, its counts, its tombstones and the way to its
//! contents.
//!
//! 1. `live` is the number of entries without a tombstone, and never 0 between two calls on
//!    `Entries`.
//! 2. `first_live` and `last_live` are the outermost ordinals without a tombstone.
//! 3. No live entry is outside `first..=last`. `last` is the id of the last entry, tombstones
//!    included, unless `clip` cut a dead tail off.
//! 4. Contents are reached through `block` and `block_mut` alone, so that a block may one day be
//!    elsewhere than in memory.

use super::block::Block;
use super::list::BlockLimits;
use super::listpack_size;
use super::slice::Run;
use super::tombstones::Tombstones;
use crate::EntryId;
use std::sync::Arc;

/// Redis' own limit for `stream-node-max-bytes`, and what 0 stands for.
const BYTES_MAX_CAP: u64 = 1 << 30;

/// A new block's room follows its predecessor's size up to here, lest one large entry double.
const BYTES_GUESS_MAX: usize = 8_192;

#[derive(Clone, Debug)]
pub(super) struct BlockSlot {
    pub(super) first: EntryId,
    pub(super) last: EntryId,
    pub(super) live: u32,
    stored: u32,
    first_live: u32,
    last_live: u32,
    /// What Redis would need for this node, without its two counts.
    listpack_bytes: u64,
    tombstones: Option<Arc<Tombstones>>,
    block: Arc<Block>,
}

impl BlockSlot {
    /// A block of one entry. `before` is the block that it follows.
    pub(super) fn open(id: EntryId, fields: &[&[u8]], before: Option<&Self>) -> Self {
        let (bytes, entries) = before.map_or((0, 0), |before| {
            (before.block().byte_len().min(BYTES_GUESS_MAX), before.stored as usize)
        });
        let mut block = Block::open(id, bytes, entries.min(bytes));
        block.push(id, fields);
        Self {
            first: id,
            last: id,
            live: 1,
            stored: 1,
            first_live: 0,
            last_live: 0,
            listpack_bytes: listpack_size::empty_node(fields)
                + listpack_size::entry(id, id, fields, true),
            tombstones: None,
            block: Arc::new(block),
        }
    }

    /// The contents.
    #[inline]
    pub(super) fn block(&self) -> &Block {
        &self.block
    }

    /// The contents, to be appended to; copied when a reader has them pinned.
    fn block_mut(&mut self) -> &mut Block {
        Arc::make_mut(&mut self.block)
    }

    /// Whether Redis would open a new node for an entry with `payload` bytes of names and values.
    pub(super) fn is_full(&self, payload: u64, limits: BlockLimits) -> bool {
        let bytes_max = match limits.bytes_max {
            0 => BYTES_MAX_CAP,
            max => max.min(BYTES_MAX_CAP),
        };
        let counts = listpack_size::counts(self.live, self.stored - self.live);
        self.listpack_bytes + counts + payload >= bytes_max
            || (limits.entries_max > 0 && u64::from(self.stored) >= limits.entries_max)
    }

    /// Adds an entry above all others.
    pub(super) fn push(&mut self, id: EntryId, fields: &[&[u8]]) {
        let names_of_node = self.block_mut().push(id, fields);
        self.listpack_bytes += listpack_size::entry(self.first, id, fields, names_of_node);
        self.last = id;
        self.last_live = self.stored;
        self.stored += 1;
        self.live += 1;
    }

    /// Gives spare room back once no entry will follow. Not worth a copy if somebody reads it now.
    pub(super) fn seal(&mut self) {
        if let Some(block) = Arc::get_mut(&mut self.block) {
            block.shrink();
        }
    }

    /// Whether `id` is above everything stored here, so that the block may grow by it.
    pub(super) fn is_below(&self, id: EntryId) -> bool {
        let is_clipped = || self.block().id(self.stored - 1) >= id;
        self.last < id && (self.last_live + 1 == self.stored || !is_clipped())
    }

    /// Makes room for ids below dead ones at the end.
    pub(super) fn clip(&mut self) {
        self.last = self.last_live_id();
    }

    /// The lowest live id.
    #[inline]
    pub(super) fn first_live_id(&self) -> EntryId {
        if self.first_live == 0 { self.first } else { self.block().id(self.first_live) }
    }

    /// The highest live id.
    #[inline]
    pub(super) fn last_live_id(&self) -> EntryId {
        if self.last_live + 1 == self.stored { self.last } else { self.block().id(self.last_live) }
    }

    /// The ordinal of a live entry.
    pub(super) fn find(&self, id: EntryId) -> Option<u32> {
        self.block().find(id).filter(|&ordinal| !self.is_dead(ordinal))
    }

    fn is_dead(&self, ordinal: u32) -> bool {
        self.tombstones.as_ref().is_some_and(|dead| dead.is_dead(ordinal))
    }

    /// Puts a tombstone on a live entry.
    pub(super) fn kill(&mut self, ordinal: u32) {
        self.kill_range(ordinal, ordinal + 1);
    }

    /// Puts tombstones on every entry below `id`; returns how many were live.
    pub(super) fn kill_before(&mut self, id: EntryId) -> u32 {
        let end = self.block().lower_bound(id);
        self.kill_range(self.first_live, end)
    }

    fn kill_range(&mut self, from: u32, to: u32) -> u32 {
        let killed = self.live_between(from, to);
        if killed == 0 {
            return 0;
        }
        let dead = Arc::make_mut(self.tombstones.get_or_insert_default());
        dead.kill(from, to);
        self.live -= killed;
        if self.live > 0 {
            self.first_live = dead.next_live(self.first_live);
            self.last_live = dead.previous_live(self.last_live).expect("a live entry is left");
        }
        killed
    }

    fn live_between(&self, from: u32, to: u32) -> u32 {
        let dead = self.tombstones.as_ref().map_or(0, |dead| dead.count_dead(from, to));
        to.saturating_sub(from) - dead
    }

    /// The ordinals that hold `from..=to`.
    fn ordinals(&self, from: EntryId, to: EntryId) -> (u32, u32) {
        let low = if from <= self.first { 0 } else { self.block().lower_bound(from) };
        let high = if to >= self.last { self.stored } else { self.block().upper_bound(to) };
        (low, high)
    }

    /// Pins the live entries of `from..=to`, the first `count_max` of them in the given direction.
    pub(super) fn run(
        &self,
        from: EntryId,
        to: EntryId,
        count_max: usize,
        descending: bool,
    ) -> Option<Run> {
        let (low, high) = self.ordinals(from, to);
        let run = Run::new(
            Arc::clone(&self.block),
            self.tombstones.clone(),
            low,
            high,
            count_max,
            descending,
        );
        (!run.is_empty()).then_some(run)
    }

    /// Pins one entry.
    pub(super) fn pin(&self) -> Arc<Block> {
        Arc::clone(&self.block)
    }

    /// The live ids at or above `from`, ascending.
    pub(super) fn live_ids(&self, from: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        let low = if from <= self.first { 0 } else { self.block().lower_bound(from) };
        let block = self.block();
        (low.max(self.first_live)..=self.last_live)
            .filter(|&ordinal| !self.is_dead(ordinal))
            .map(|ordinal| block.id(ordinal))
    }

    /// Heap bytes behind this line.
    pub(super) fn heap_bytes(&self) -> usize {
        // Behind an Arc stand two reference counts before the value.
        let counts = 2 * size_of::<usize>();
        let dead = self
            .tombstones
            .as_ref()
            .map_or(0, |dead| counts + size_of::<Tombstones>() + dead.heap_bytes());
        dead + counts + size_of::<Block>() + self.block.heap_bytes()
    }

    /// Derives everything again and panics on a difference.
    pub(super) fn check(&self) {
        let block = self.block();
        assert_eq!(self.stored, block.len(), "stored entries of {}", self.first);
        let mut bytes = 0;
        let mut first_fields: Vec<Vec<u8>> = Vec::new();
        let mut previous = None;
        let mut live = Vec::new();
        for ordinal in 0..self.stored {
            let entry = block.entry(ordinal);
            let fields: Vec<&[u8]> =
                entry.pairs().flat_map(|(name, value)| [name, value]).collect();
            let names: Vec<Vec<u8>> = entry.pairs().map(|(name, _)| name.to_vec()).collect();
            if ordinal == 0 {
                assert_eq!(entry.id(), self.first, "first id");
                bytes += listpack_size::empty_node(&fields);
                first_fields.clone_from(&names);
            }
            bytes += listpack_size::entry(self.first, entry.id(), &fields, names == first_fields);
            assert!(previous < Some(entry.id()), "ids ascend");
            assert_eq!(block.id(ordinal), entry.id());
            assert_eq!(block.find(entry.id()), Some(ordinal));
            previous = Some(entry.id());
            if !self.is_dead(ordinal) {
                live.push(ordinal);
            }
        }
        assert_eq!(self.listpack_bytes, bytes, "listpack bytes of {}", self.first);
        assert_eq!(self.live as usize, live.len(), "live entries of {}", self.first);
        assert_eq!(live.first(), Some(&self.first_live), "first live of {}", self.first);
        assert_eq!(live.last(), Some(&self.last_live), "last live of {}", self.first);
        assert!(Some(self.last) <= previous, "last id");
        assert!(self.last >= block.id(self.last_live), "no live entry above the last id");
        assert!(self.last_live + 1 < self.stored || Some(self.last) == previous);
    }
}
