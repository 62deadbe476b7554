//! Up to [`CHUNK_MAX`] blocks of the index, shared with whoever took a copy of it.
//!
//! Copied on the first change while shared, so a copy of a whole index costs its chunks. Bounds
//! stand outside, so that a search touches no body but the one it ends in.

use super::block_slot::BlockSlot;
use crate::EntryId;
use std::collections::VecDeque;
use std::sync::Arc;

/// Blocks of one chunk: 10 KB to copy at the first change after a copy was taken.
pub(super) const CHUNK_MAX: usize = if cfg!(test) { 4 } else { 128 };

/// Consecutive blocks; never none.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    body: Arc<VecDeque<BlockSlot>>,
    /// `first` of the first block and `last` of the last one.
    pub(super) first: EntryId,
    pub(super) last: EntryId,
    /// Blocks that are in memory only.
    pub(super) unwritten: u32,
}

impl Chunk {
    pub(super) fn open(slot: BlockSlot) -> Self {
        let (first, last) = (slot.first, slot.last);
        let unwritten = u32::from(slot.is_unwritten());
        Self { body: Arc::new(VecDeque::from([slot])), first, last, unwritten }
    }

    pub(super) fn slots(&self) -> &VecDeque<BlockSlot> {
        &self.body
    }

    pub(super) fn len(&self) -> usize {
        self.body.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.len() >= CHUNK_MAX
    }

    /// One block, to change its contents or its deletions; call [`Self::refresh`] afterwards if its
    /// bounds may have changed.
    #[inline]
    pub(super) fn slot_mut(&mut self, at: usize) -> &mut BlockSlot {
        &mut Arc::make_mut(&mut self.body)[at]
    }

    /// Adds a block behind all others.
    pub(super) fn push(&mut self, slot: BlockSlot) {
        self.last = slot.last;
        self.unwritten += u32::from(slot.is_unwritten());
        Arc::make_mut(&mut self.body).push_back(slot);
    }

    /// Takes a block out. May leave none.
    pub(super) fn remove(&mut self, at: usize) -> BlockSlot {
        let slot = Arc::make_mut(&mut self.body).remove(at).expect("the caller found it there");
        self.unwritten -= u32::from(slot.is_unwritten());
        self.refresh();
        slot
    }

    /// Derives the bounds again.
    #[inline]
    pub(super) fn refresh(&mut self) {
        if let (Some(first), Some(last)) = (self.body.front(), self.body.back()) {
            (self.first, self.last) = (first.first, last.last);
        }
    }

    /// The first block that may hold `id` or something above; the length if there is none.
    pub(super) fn slot_at(&self, id: EntryId) -> usize {
        match (self.body.front(), self.body.back()) {
            (Some(front), _) if id <= front.last => 0,
            (_, Some(back)) if id >= back.first => self.len() - usize::from(id <= back.last),
            _ => self.body.partition_point(|slot| slot.last < id),
        }
    }

    /// Heap bytes of the chunk itself.
    pub(super) fn heap_bytes(&self) -> usize {
        2 * size_of::<usize>() + self.body.capacity() * size_of::<BlockSlot>()
    }

    pub(super) fn check(&self) {
        assert!(self.len() > 0 && self.len() <= CHUNK_MAX, "chunk of {} blocks", self.len());
        assert_eq!(self.body.front().map(|slot| slot.first), Some(self.first), "chunk's first id");
        assert_eq!(self.body.back().map(|slot| slot.last), Some(self.last), "chunk's last id");
        let unwritten = self.body.iter().filter(|slot| slot.is_unwritten()).count();
        assert_eq!(self.unwritten as usize, unwritten, "unwritten blocks");
        self.body.iter().for_each(BlockSlot::check);
    }
}
