//! All entries of one stream: an index of blocks in id order.
//!
//! 1. Blocks and the entries in them ascend; every block has a live entry.
//! 2. `live` is the sum over the blocks.

use super::block_slot::BlockSlot;
use super::slice::{EntrySlice, PinnedEntry};
use crate::EntryId;
use std::collections::VecDeque;

/// When a block is full, as in Redis' `stream-node-max-bytes` and `stream-node-max-entries`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockLimits {
    /// Bytes the block would take in Redis; 0, and anything larger, stands for 1 GiB.
    pub bytes_max: u64,
    /// Entries, deleted ones included; 0 is no limit.
    pub entries_max: u64,
}

impl Default for BlockLimits {
    fn default() -> Self {
        Self { bytes_max: 4_096, entries_max: 100 }
    }
}

/// Order of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Oldest first.
    Ascending,
    /// Newest first.
    Descending,
}

/// The entries of one stream. A clone shares all blocks.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    slots: VecDeque<BlockSlot>,
    live: u64,
}

impl Entries {
    /// Number of entries, without deleted ones.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.live
    }

    /// Whether there is no entry.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live == 0
    }

    /// Number of blocks: `radix-tree-keys` of XINFO.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.slots.len()
    }

    /// Bytes on the heap, without what the allocator adds. Costs the number of blocks.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.slots.capacity() * size_of::<BlockSlot>()
            + self.slots.iter().map(BlockSlot::heap_bytes).sum::<usize>()
    }

    /// The lowest id.
    #[must_use]
    pub fn first_id(&self) -> Option<EntryId> {
        self.slots.front().map(BlockSlot::first_live_id)
    }

    /// The highest id.
    #[must_use]
    pub fn last_id(&self) -> Option<EntryId> {
        self.slots.back().map(BlockSlot::last_live_id)
    }

    /// Adds an entry at the end. `fields` alternates names and values.
    ///
    /// # Panics
    ///
    /// When `id` is not above the last live entry, or `fields` is empty or odd in number. A single
    /// entry of 3 GiB or more is too large for a block.
    pub fn append(&mut self, id: EntryId, fields: &[&[u8]], limits: BlockLimits) {
        assert!(!fields.is_empty() && fields.len().is_multiple_of(2), "names and values in pairs");
        assert!(self.last_id().is_none_or(|last| last < id), "ids ascend");
        let payload: u64 = fields.iter().map(|part| part.len() as u64).sum();
        match self.slots.back_mut() {
            Some(tail) if tail.is_below(id) && !tail.is_full(payload, limits) => {
                tail.push(id, fields)
            }
            tail => {
                if let Some(tail) = tail {
                    // Possible when the last entries were deleted and the stream's last id
                    // was then set back: blocks must not overlap.
                    if !tail.is_below(id) {
                        tail.clip();
                    }
                    tail.seal();
                }
                let slot = BlockSlot::open(id, fields, self.slots.back());
                self.slots.push_back(slot);
            }
        }
        self.live += 1;
    }

    /// Whether `id` is there and not deleted.
    #[must_use]
    pub fn contains(&self, id: EntryId) -> bool {
        self.find(id).is_some()
    }

    /// One entry, pinned.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<PinnedEntry> {
        let (index, ordinal) = self.find(id)?;
        Some(PinnedEntry::new(self.slots[index].pin(), ordinal))
    }

    fn find(&self, id: EntryId) -> Option<(usize, u32)> {
        let index = self.slot_at(id);
        let slot = self.slots.get(index)?;
        if id < slot.first {
            return None;
        }
        Some((index, slot.find(id)?))
    }

    /// The first block that may hold `id` or something above.
    fn slot_at(&self, id: EntryId) -> usize {
        // Reads and trims are mostly at the ends.
        match (self.slots.front(), self.slots.back()) {
            (Some(front), _) if id <= front.last => 0,
            (_, Some(back)) if id >= back.first => self.slots.len() - usize::from(id <= back.last),
            _ => self.slots.partition_point(|slot| slot.last < id),
        }
    }

    /// Deletes one entry; false when it was not there. A block goes with its last live entry.
    pub fn delete(&mut self, id: EntryId) -> bool {
        let Some((index, ordinal)) = self.find(id) else { return false };
        let slot = &mut self.slots[index];
        slot.kill(ordinal);
        if slot.live == 0 {
            self.slots.remove(index);
        }
        self.live -= 1;
        true
    }

    /// Deletes every entry below `id`; returns how many. Whole blocks go without being read.
    pub fn delete_before(&mut self, id: EntryId) -> u64 {
        let before = self.live;
        while let Some(slot) = self.slots.front_mut() {
            if slot.last < id {
                self.live -= u64::from(slot.live);
                self.slots.pop_front();
                continue;
            }
            if slot.first < id {
                self.live -= u64::from(slot.kill_before(id));
                if slot.live == 0 {
                    self.slots.pop_front();
                }
            }
            break;
        }
        before - self.live
    }

    /// The ids at or above `from`, ascending.
    pub fn ids_from(&self, from: EntryId) -> impl Iterator<Item = EntryId> + '_ {
        self.slots.range(self.slot_at(from)..).flat_map(move |slot| slot.live_ids(from))
    }

    /// Pins the entries of `from..=to`, the first `count_max` in the given direction.
    ///
    /// Costs the number of blocks touched, and reads no field.
    #[must_use]
    pub fn slice(
        &self,
        from: EntryId,
        to: EntryId,
        count_max: usize,
        direction: Direction,
    ) -> EntrySlice {
        let mut slice = EntrySlice::empty(direction);
        if from > to || count_max == 0 {
            return slice;
        }
        let first = self.slot_at(from);
        match direction {
            Direction::Ascending => {
                for slot in self.slots.range(first..).take_while(|slot| slot.first <= to) {
                    slot.run(from, to, count_max - slice.len(), false)
                        .into_iter()
                        .for_each(|run| slice.push(run));
                    if slice.len() == count_max {
                        break;
                    }
                }
            }
            Direction::Descending => {
                let end = self.slots.len().min(self.slot_at(to) + 1);
                for slot in self.slots.range(first.min(end)..end).rev() {
                    if slot.first > to {
                        continue;
                    }
                    slot.run(from, to, count_max - slice.len(), true)
                        .into_iter()
                        .for_each(|run| slice.push(run));
                    if slice.len() == count_max {
                        break;
                    }
                }
            }
        }
        slice
    }

    /// The blocks from head to tail, as approximate trimming sees them.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.slots.iter().map(|slot| NodeView { slot })
    }

    /// Derives every count and bound again.
    ///
    /// # Panics
    ///
    /// When one of them differs: a bug in this module. For tests; costs the number of entries.
    pub fn check(&self) {
        let mut live = 0;
        let mut previous = None;
        for slot in &self.slots {
            slot.check();
            assert!(previous < Some(slot.first), "blocks do not overlap");
            previous = Some(slot.last);
            live += u64::from(slot.live);
        }
        assert_eq!(self.live, live, "live entries");
    }
}

/// One block, as approximate trimming sees it.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    slot: &'a BlockSlot,
}

impl<'a> NodeView<'a> {
    /// Number of live entries, at least 1.
    #[must_use]
    pub fn live(&self) -> u64 {
        u64::from(self.slot.live)
    }

    /// The highest id, deleted ones included.
    #[must_use]
    pub fn last_stored_id(&self) -> EntryId {
        self.slot.last
    }

    /// The live ids, ascending.
    pub fn live_ids(&self) -> impl Iterator<Item = EntryId> + use<'a> {
        self.slot.live_ids(EntryId::MIN)
    }
}
