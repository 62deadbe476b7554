//! One block's line in the index: its bounds, its counts, what is deleted of it, and the way to its
//! contents, in memory or elsewhere.
//!
//! 1. `live` is the number of entries without a tombstone, and never 0 between two calls on
//!    `Entries`.
//! 2. `dead` is there exactly when an entry is deleted, and says which are the outermost live ones.
//! 3. No live entry is outside `first..=last`. `last` is the id of the last entry, tombstones
//!    included, unless `clip` cut a dead tail off.
//! 4. A block is in memory, or has a place, or both; then they are equal.
//! 5. `payload` counts the live entries; in memory it is known and right.
//!
//! What needs contents asks for them with `block`, and its caller has seen to it that they are in
//! memory: everything else is answered by this line alone.

use super::block::Block;
use super::block_place::{BlockPlace, ColdBlock, Eviction};
use super::dead::Dead;
use super::list::BlockLimits;
use super::listpack_size;
use super::loaded_block::LoadedBlock;
use super::payload::{self, Payload};
use super::slice::{ColdRun, Run, RunBlock};
use super::tombstones::Tombstones;
use crate::EntryId;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Redis' own limit for `stream-node-max-bytes`, and what 0 stands for.
const BYTES_MAX_CAP: u64 = 1 << 30;

/// A new block's room follows its predecessor's size up to here, lest one large entry double.
const BYTES_GUESS_MAX: usize = 8_192;

/// No place.
const NOWHERE: BlockPlace = BlockPlace { file: 0, offset: 0, bytes: 0 };

#[derive(Debug)]
pub(super) struct BlockSlot {
    pub(super) first: EntryId,
    pub(super) last: EntryId,
    pub(super) live: u32,
    pub(super) stored: u32,
    /// What Redis would need for this node, without its two counts.
    pub(super) listpack_bytes: u32,
    place: BlockPlace,
    pub(super) payload: Payload,
    /// Looked at since it was last asked to leave memory.
    is_used: AtomicBool,
    pub(super) dead: Option<Arc<Dead>>,
    block: Option<Arc<Block>>,
}

const _: () = assert!(size_of::<BlockSlot>() <= 80);

impl Clone for BlockSlot {
    fn clone(&self) -> Self {
        Self {
            is_used: AtomicBool::new(self.is_used.load(Ordering::Relaxed)),
            dead: self.dead.clone(),
            block: self.block.clone(),
            ..*self
        }
    }
}

impl BlockSlot {
    /// A block of one entry. `before` is the block that it follows.
    pub(super) fn open(id: EntryId, fields: &[&[u8]], before: Option<&Self>) -> Self {
        let (bytes, entries) = before.map_or((0, 0), |before| {
            let bytes = before.block.as_ref().map_or(0, |block| block.byte_len());
            (bytes.min(BYTES_GUESS_MAX), before.stored as usize)
        });
        let mut block = Block::open(id, bytes, entries.min(bytes));
        block.push(id, fields);
        let listpack_bytes =
            listpack_size::empty_node(fields) + listpack_size::entry(id, id, fields, true);
        Self {
            first: id,
            last: id,
            live: 1,
            stored: 1,
            listpack_bytes: clamp_bytes(listpack_bytes),
            place: NOWHERE,
            payload: Payload::new(payload::of_fields(fields)),
            is_used: AtomicBool::new(false),
            dead: None,
            block: Some(Arc::new(block)),
        }
    }

    /// A line as it was stored. The caller has checked that it holds together.
    pub(super) fn restored(
        (first, last): (EntryId, EntryId),
        (live, stored, listpack_bytes): (u32, u32, u32),
        dead: Option<Arc<Dead>>,
        place: Option<BlockPlace>,
        block: Option<Arc<Block>>,
    ) -> Self {
        assert!(place.is_some() || block.is_some(), "a block is somewhere");
        let is_used = AtomicBool::new(false);
        let place = place.unwrap_or(NOWHERE);
        let payload = Payload::UNKNOWN;
        // What is stored is believed only where it cannot be counted.
        let counted = block.as_deref().map(|block| clamp_bytes(listpack_size::node(block)));
        let listpack_bytes = counted.unwrap_or(listpack_bytes);
        let mut slot = Self {
            first,
            last,
            live,
            stored,
            listpack_bytes,
            place,
            payload,
            is_used,
            dead,
            block,
        };
        slot.count_payload();
        slot
    }

    /// The contents, which are in memory.
    #[inline]
    pub(super) fn block(&self) -> &Block {
        if self.place.file != 0 {
            self.mark_used();
        }
        self.block.as_ref().expect("what is looked at is in memory")
    }

    #[inline]
    fn mark_used(&self) {
        self.is_used.store(true, Ordering::Relaxed);
    }

    /// The contents where they are in memory.
    pub(super) fn in_memory(&self) -> Option<&Arc<Block>> {
        self.block.as_ref()
    }

    /// Where it lies outside memory.
    pub(super) fn place(&self) -> Option<BlockPlace> {
        (self.place.file != 0).then_some(self.place)
    }

    /// Itself if it is not in memory.
    #[inline]
    pub(super) fn cold(&self) -> Option<ColdBlock> {
        match self.block {
            Some(_) => None,
            None => {
                let (first, place, stored) = (self.first, self.place, self.stored);
                Some(ColdBlock { first, place, stored })
            }
        }
    }

    /// Whether it is in memory only.
    pub(super) fn is_unwritten(&self) -> bool {
        self.place.file == 0
    }

    /// Whether it is both in memory and elsewhere.
    pub(super) fn is_clean(&self) -> bool {
        self.place.file != 0 && self.block.is_some()
    }

    /// Takes the place away, because the contents are to change or to go.
    pub(super) fn take_place(&mut self) -> Option<BlockPlace> {
        let place = self.place();
        self.place = NOWHERE;
        place
    }

    /// Notes where the contents lie, if they still are these and lie nowhere yet.
    pub(super) fn set_place(&mut self, block: &LoadedBlock, place: BlockPlace) -> bool {
        let is_same = self.block.as_ref().is_some_and(|own| Arc::ptr_eq(own, &block.0));
        if is_same && self.place.file == 0 {
            self.place = place;
            return true;
        }
        false
    }

    /// Notes that the contents were moved, if they still lay there.
    pub(super) fn move_place(&mut self, from: BlockPlace, to: BlockPlace) -> bool {
        let moves = self.place == from;
        if moves {
            self.place = to;
        }
        moves
    }

    /// Takes contents that were loaded, if they still are missing here.
    pub(super) fn warm(&mut self, place: BlockPlace, block: &LoadedBlock) -> bool {
        if self.block.is_some() || self.place != place {
            return false;
        }
        assert_eq!(block.0.len(), self.stored, "a block has the entries that its line says");
        assert_eq!(block.first_id(), self.first, "a block begins where its line says");
        self.block = Some(Arc::clone(&block.0));
        // A count that was stored is not trusted further than that.
        self.payload = Payload::UNKNOWN;
        self.count_payload();
        true
    }

    /// Lets the contents go if they lie elsewhere, too.
    pub(super) fn evict(&mut self) -> Eviction {
        if !self.is_clean() {
            return Eviction::Gone;
        }
        if std::mem::take(self.is_used.get_mut()) {
            return Eviction::Used;
        }
        let block = self.block.take().expect("a clean block is in memory");
        Eviction::Freed(block_bytes(&block))
    }

    /// Whether Redis would open a new node for an entry with `payload` bytes of names and values.
    pub(super) fn is_full(&self, payload: u64, limits: BlockLimits) -> bool {
        let bytes_max = match limits.bytes_max {
            0 => BYTES_MAX_CAP,
            max => max.min(BYTES_MAX_CAP),
        };
        let counts = listpack_size::counts(self.live, self.stored - self.live);
        u64::from(self.listpack_bytes) + counts + payload >= bytes_max
            || (limits.entries_max > 0 && u64::from(self.stored) >= limits.entries_max)
    }

    /// Adds an entry above all others, with so many bytes of names and values.
    pub(super) fn push(&mut self, id: EntryId, fields: &[&[u8]], payload: u64) {
        let block = self.block.as_mut().expect("what grows is in memory");
        // Copied when a reader has it pinned.
        let names_of_node = Arc::make_mut(block).push(id, fields);
        let bytes = listpack_size::entry(self.first, id, fields, names_of_node);
        self.listpack_bytes = clamp_bytes(u64::from(self.listpack_bytes) + bytes);
        let counted = self.payload.get().expect("what grows is in memory");
        self.payload = Payload::new(counted + payload);
        self.last = id;
        if let Some(dead) = &mut self.dead {
            let dead = Arc::make_mut(dead);
            dead.last_live = self.stored;
            dead.last_live_id = id;
        }
        self.stored += 1;
        self.live += 1;
    }

    /// Gives spare room back once no entry will follow. Not worth a copy if somebody reads it now.
    pub(super) fn seal(&mut self) {
        if let Some(block) = self.block.as_mut().and_then(Arc::get_mut) {
            block.shrink();
        }
    }

    /// Whether `id` is above everything stored here, so that the block may grow by it. Looks into
    /// the block where its tail is dead.
    pub(super) fn is_below(&self, id: EntryId) -> bool {
        self.last < id && (!self.has_dead_tail() || self.block().id(self.stored - 1) < id)
    }

    /// Whether the last entry stored is deleted.
    pub(super) fn has_dead_tail(&self) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.last_live + 1 < self.stored)
    }

    /// Makes room for ids below dead ones at the end.
    pub(super) fn clip(&mut self) {
        self.last = self.last_live_id();
    }

    /// The lowest live id.
    #[inline]
    pub(super) fn first_live_id(&self) -> EntryId {
        self.dead.as_ref().map_or(self.first, |dead| dead.first_live_id)
    }

    /// The highest live id.
    #[inline]
    pub(super) fn last_live_id(&self) -> EntryId {
        self.dead.as_ref().map_or(self.last, |dead| dead.last_live_id)
    }

    pub(super) fn first_live(&self) -> u32 {
        self.dead.as_ref().map_or(0, |dead| dead.first_live)
    }

    pub(super) fn last_live(&self) -> u32 {
        self.dead.as_ref().map_or(self.stored - 1, |dead| dead.last_live)
    }

    /// The ordinal of a live entry.
    pub(super) fn find(&self, id: EntryId) -> Option<u32> {
        self.block().find(id).filter(|&ordinal| !self.is_dead(ordinal))
    }

    pub(super) fn is_dead(&self, ordinal: u32) -> bool {
        self.dead.as_ref().is_some_and(|dead| dead.tombstones.is_dead(ordinal))
    }

    /// Puts a tombstone on a live entry.
    pub(super) fn kill(&mut self, ordinal: u32) {
        self.kill_range(ordinal, ordinal + 1);
    }

    /// Puts tombstones on every entry below `id`; returns how many were live.
    pub(super) fn kill_before(&mut self, id: EntryId) -> u32 {
        let end = self.block().lower_bound(id);
        self.kill_range(self.first_live(), end)
    }

    fn kill_range(&mut self, from: u32, to: u32) -> u32 {
        let killed = self.live_between(from, to);
        if killed == 0 {
            return 0;
        }
        let counted = self.payload.get().expect("what is deleted is in memory");
        self.payload = Payload::new(counted - self.payload_between(from, to));
        self.live -= killed;
        let before = self.dead.take();
        let mut dead = before.unwrap_or_else(|| {
            Arc::new(Dead {
                tombstones: Tombstones::default(),
                first_live: 0,
                last_live: self.stored - 1,
                first_live_id: self.first,
                last_live_id: self.last,
            })
        });
        let changed = Arc::make_mut(&mut dead);
        changed.tombstones.kill(from, to);
        if self.live > 0 {
            let block = self.block.as_ref().expect("what is deleted is in memory");
            let first = changed.tombstones.next_live(changed.first_live);
            if first != changed.first_live {
                (changed.first_live, changed.first_live_id) = (first, block.id(first));
            }
            let last = changed.tombstones.previous_live(changed.last_live);
            let last = last.expect("a live entry is left");
            if last != changed.last_live {
                (changed.last_live, changed.last_live_id) = (last, block.id(last));
            }
        }
        self.dead = Some(dead);
        killed
    }

    fn live_between(&self, from: u32, to: u32) -> u32 {
        let dead = self.dead.as_ref().map_or(0, |dead| dead.tombstones.count_dead(from, to));
        to.saturating_sub(from) - dead
    }

    /// Whether finding `from..=to` in here takes the contents.
    pub(super) fn is_cut(&self, from: EntryId, to: EntryId) -> bool {
        from > self.first_live_id() || to < self.last_live_id()
    }

    /// The ordinals that hold `from..=to`.
    fn ordinals(&self, from: EntryId, to: EntryId) -> (u32, u32) {
        let low = if from <= self.first_live_id() { 0 } else { self.block().lower_bound(from) };
        let high =
            if to >= self.last_live_id() { self.stored } else { self.block().upper_bound(to) };
        (low, high)
    }

    /// Pins the live entries of `from..=to`, the first `count_max` of them in the given direction.
    ///
    /// # Errors
    /// If it takes contents that are not in memory.
    pub(super) fn run(
        &self,
        from: EntryId,
        to: EntryId,
        count_max: usize,
        descending: bool,
    ) -> Result<Option<Run>, ColdBlock> {
        if let Some(cold) = self.cold().filter(|_| self.is_cut(from, to)) {
            return Err(cold);
        }
        let (low, high) = self.ordinals(from, to);
        let block = match (&self.block, self.cold()) {
            (Some(block), _) => RunBlock::InMemory(Arc::clone(block)),
            (None, cold) => {
                let cold = cold.expect("a block is somewhere");
                let (stored, bytes) = (self.stored, self.listpack_bytes);
                RunBlock::Cold(Box::new(ColdRun { cold, stored, bytes }))
            }
        };
        if self.place.file != 0 {
            self.mark_used();
        }
        let run = Run::new(block, self.dead.clone(), (low, high), count_max, descending);
        Ok((!run.is_empty()).then_some(run))
    }

    /// Pins one entry.
    pub(super) fn pin(&self) -> Arc<Block> {
        Arc::clone(self.block.as_ref().expect("what is looked at is in memory"))
    }

    /// The live ids, ascending.
    pub(super) fn live_ids(&self) -> impl Iterator<Item = EntryId> + '_ {
        let block = self.block();
        (self.first_live()..=self.last_live())
            .filter(|&ordinal| !self.is_dead(ordinal))
            .map(|ordinal| block.id(ordinal))
    }

    /// Heap bytes of the contents in memory.
    pub(super) fn block_bytes(&self) -> usize {
        self.block.as_ref().map_or(0, block_bytes)
    }

    /// Heap bytes behind this line.
    pub(super) fn heap_bytes(&self) -> usize {
        self.dead.as_ref().map_or(0, |dead| dead.heap_bytes()) + self.block_bytes()
    }

    /// Derives everything again that can be and panics on a difference.
    pub(super) fn check(&self) {
        assert!(self.block.is_some() || self.place.file != 0, "a block is somewhere");
        assert!(self.live > 0 && self.live <= self.stored, "live entries of {}", self.first);
        let live: Vec<u32> = (0..self.stored).filter(|&ordinal| !self.is_dead(ordinal)).collect();
        assert_eq!(self.live as usize, live.len(), "live entries of {}", self.first);
        assert_eq!(live.first(), Some(&self.first_live()), "first live of {}", self.first);
        assert_eq!(live.last(), Some(&self.last_live()), "last live of {}", self.first);
        assert_eq!(self.dead.is_some(), self.live < self.stored, "deletions of {}", self.first);
        if self.block.is_some() {
            self.check_contents();
        }
    }

    fn check_contents(&self) {
        let block = self.block();
        assert_eq!(self.stored, block.len(), "stored entries of {}", self.first);
        assert_eq!(self.payload(), Some(self.payload_between(0, self.stored)), "payload");
        assert_eq!(block.id(0), self.first, "first id");
        let mut previous = None;
        for ordinal in 0..self.stored {
            let entry = block.entry(ordinal);
            assert!(previous < Some(entry.id()), "ids ascend");
            assert_eq!(block.id(ordinal), entry.id());
            assert_eq!(block.find(entry.id()), Some(ordinal));
            previous = Some(entry.id());
        }
        let bytes = clamp_bytes(listpack_size::node(block));
        assert_eq!(self.listpack_bytes, bytes, "listpack bytes of {}", self.first);
        assert!(Some(self.last) <= previous, "last id");
        assert_eq!(self.first_live_id(), block.id(self.first_live()), "first live id");
        assert_eq!(self.last_live_id(), block.id(self.last_live()), "last live id");
        assert!(self.last >= self.last_live_id(), "no live entry above the last id");
        assert!(self.has_dead_tail() || Some(self.last) == previous);
    }
}

/// Redis' nodes end far below; an entry of its own may be larger, and is never added to.
fn clamp_bytes(bytes: u64) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

/// Heap bytes behind a reference to a block: two counts, itself, and what it holds.
pub(super) fn block_bytes(block: &Arc<Block>) -> usize {
    2 * size_of::<usize>() + size_of::<Block>() + block.heap_bytes()
}
