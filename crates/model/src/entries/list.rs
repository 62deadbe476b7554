//! All entries of one stream: an index of blocks in id order.
//!
//! 1. Blocks and the entries in them ascend; every block has a live entry.
//! 2. `live`, `blocks`, `cold`, `block_bytes`, `clean_bytes`, `payload` and `uncounted` are sums
//!    over the blocks.
//! 3. The last block is open: it may grow.
//!
//! Blocks that are not in memory are a matter of `storage.rs`. What needs their contents says so
//! and changes nothing.

use super::block_place::{ColdBlock, ColdBlocks};
use super::block_slot::BlockSlot;
use super::chunk::Chunk;
use super::freed_blocks::FreedBlocks;
use super::node_view::NodeView;
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

/// Where a block stands in the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub(super) chunk: usize,
    pub(super) slot: usize,
}

/// The entries of one stream. A clone shares all blocks and costs the number of chunks, one for
/// some hundred blocks; it knows nothing of places that were freed before.
#[derive(Debug, Default)]
pub struct Entries {
    pub(super) chunks: VecDeque<Chunk>,
    pub(super) live: u64,
    pub(super) blocks: usize,
    /// Blocks that are not in memory.
    pub(super) cold: usize,
    /// Heap bytes of the blocks in memory, and of those of them that have a place, too.
    pub(super) block_bytes: usize,
    pub(super) clean_bytes: usize,
    /// Bytes of names and values of live entries, but for the blocks whose bytes nobody counted.
    pub(super) payload: u64,
    pub(super) uncounted: usize,
    /// Places of blocks that went or changed.
    pub(super) freed: Option<Box<FreedBlocks>>,
}

impl Clone for Entries {
    fn clone(&self) -> Self {
        Self { chunks: self.chunks.clone(), freed: None, ..*self }
    }
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

    /// Bytes of names and values of all live entries; `None` while there are blocks whose bytes
    /// nobody counted: [`Self::cold_uncounted`].
    #[must_use]
    #[inline]
    pub fn payload_bytes(&self) -> Option<u64> {
        (self.uncounted == 0).then_some(self.payload)
    }

    /// Number of blocks: `radix-tree-keys` of XINFO.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.blocks
    }

    /// Bytes on the heap, without what the allocator adds. Costs the number of blocks.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.chunks.capacity() * size_of::<Chunk>()
            + self.chunks.iter().map(Chunk::heap_bytes).sum::<usize>()
            + self.slots().map(BlockSlot::heap_bytes).sum::<usize>()
    }

    /// Bytes of the blocks that have a place outside memory, there. Costs the number of blocks.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.slots().filter_map(BlockSlot::place).map(|place| u64::from(place.bytes)).sum()
    }

    /// The lowest id.
    #[must_use]
    pub fn first_id(&self) -> Option<EntryId> {
        Some(self.chunks.front()?.slots().front()?.first_live_id())
    }

    /// The highest id.
    #[must_use]
    pub fn last_id(&self) -> Option<EntryId> {
        Some(self.back()?.last_live_id())
    }

    pub(super) fn slots(&self) -> impl Iterator<Item = &BlockSlot> {
        self.chunks.iter().flat_map(Chunk::slots)
    }

    pub(super) fn back(&self) -> Option<&BlockSlot> {
        self.chunks.back()?.slots().back()
    }

    pub(super) fn slot(&self, at: At) -> &BlockSlot {
        &self.chunks[at.chunk].slots()[at.slot]
    }

    /// Adds an entry at the end. `fields` alternates names and values.
    ///
    /// # Panics
    ///
    /// When `id` is not above the last live entry, or `fields` is empty or odd in number, or
    /// [`Self::cold_for_append`] says that a block is needed. A single entry of 3 GiB or more is
    /// too large for a block.
    pub fn append(&mut self, id: EntryId, fields: &[&[u8]], limits: BlockLimits) {
        assert!(!fields.is_empty() && fields.len().is_multiple_of(2), "names and values in pairs");
        assert!(self.last_id().is_none_or(|last| last < id), "ids ascend");
        let payload: u64 = fields.iter().map(|part| part.len() as u64).sum();
        self.live += 1;
        self.payload += payload;
        if let Some(tail) = self.back()
            && tail.is_below(id)
            && !tail.is_full(payload, limits)
        {
            return self.grow(id, fields, payload);
        }
        if self.back().is_some() {
            self.seal(id);
        }
        let slot = BlockSlot::open(id, fields, self.back());
        self.block_bytes += slot.block_bytes();
        self.blocks += 1;
        match self.chunks.back_mut() {
            Some(chunk) if !chunk.is_full() => chunk.push(slot),
            _ => self.chunks.push_back(Chunk::open(slot)),
        }
    }

    /// Adds an entry with so many bytes of names and values to the last block.
    fn grow(&mut self, id: EntryId, fields: &[&[u8]], payload: u64) {
        let chunk = self.chunks.back_mut().expect("there is a last block");
        let slot = chunk.slot_mut(chunk.len() - 1);
        let before = slot.block_bytes();
        if let Some(place) = slot.take_place() {
            self.freed.get_or_insert_default().push(place);
            self.clean_bytes -= before;
            slot.push(id, fields, payload);
            self.block_bytes += slot.block_bytes();
            chunk.unwritten += 1;
        } else {
            slot.push(id, fields, payload);
            self.block_bytes += slot.block_bytes();
        }
        self.block_bytes -= before;
        chunk.last = id;
    }

    /// Ends the last block, since one that begins with `id` follows.
    fn seal(&mut self, id: EntryId) {
        let chunk = self.chunks.back_mut().expect("there is a last block");
        let at = chunk.len() - 1;
        let is_unwritten = chunk.slots()[at].is_unwritten();
        let must_clip = chunk.slots()[at].has_dead_tail() && !chunk.slots()[at].is_below(id);
        if !is_unwritten && !must_clip {
            return;
        }
        let slot = chunk.slot_mut(at);
        let before = slot.block_bytes();
        // Possible when the last entries were deleted and the stream's last id was then set back:
        // blocks must not overlap.
        if must_clip {
            slot.clip();
        }
        if is_unwritten {
            slot.seal();
            self.block_bytes = self.block_bytes - before + slot.block_bytes();
        }
        chunk.refresh();
    }

    /// The block that [`Self::append`] would look into, if it is not in memory.
    #[must_use]
    pub fn cold_for_append(
        &self,
        id: EntryId,
        payload: u64,
        limits: BlockLimits,
    ) -> Option<ColdBlock> {
        let tail = self.back()?;
        let cold = tail.cold()?;
        let grows = tail.last < id && !tail.is_full(payload, limits);
        (grows || tail.has_dead_tail()).then_some(cold)
    }

    /// Whether `id` is there and not deleted.
    ///
    /// # Errors
    /// The block that would tell, if it is not in memory.
    pub fn contains(&self, id: EntryId) -> Result<bool, ColdBlock> {
        Ok(self.find(id)?.is_some())
    }

    /// One entry, pinned.
    ///
    /// # Errors
    /// Its block, if that is not in memory.
    pub fn get(&self, id: EntryId) -> Result<Option<PinnedEntry>, ColdBlock> {
        let found = self.find(id)?;
        Ok(found.map(|(at, ordinal)| PinnedEntry::new(self.slot(at).pin(), ordinal)))
    }

    fn find(&self, id: EntryId) -> Result<Option<(At, u32)>, ColdBlock> {
        let Some(at) = self.at(id) else { return Ok(None) };
        let slot = self.slot(at);
        if id < slot.first_live_id() || id > slot.last_live_id() {
            return Ok(None);
        }
        if let Some(cold) = slot.cold() {
            return Err(cold);
        }
        Ok(slot.find(id).map(|ordinal| (at, ordinal)))
    }

    /// The first block that may hold `id` or something above.
    pub(super) fn at(&self, id: EntryId) -> Option<At> {
        // Reads and trims are mostly at the ends.
        let chunk = match (self.chunks.front(), self.chunks.back()) {
            (Some(front), _) if id <= front.last => 0,
            (_, Some(back)) if id >= back.first && id <= back.last => self.chunks.len() - 1,
            (_, Some(back)) if id > back.last => return None,
            _ => self.chunks.partition_point(|chunk| chunk.last < id),
        };
        let slot = self.chunks.get(chunk)?.slot_at(id);
        Some(At { chunk, slot })
    }

    /// The block that begins with `first`.
    pub(super) fn at_first(&self, first: EntryId) -> Option<At> {
        // A clipped block may end below its first entry's neighbours, never below its first.
        self.at(first).filter(|at| self.slot(*at).first == first)
    }

    /// Deletes one entry; false when it was not there. A block goes with its last live entry.
    ///
    /// # Panics
    /// If its block is not in memory: [`Self::contains`] says so before.
    pub fn delete(&mut self, id: EntryId) -> bool {
        let found = self.find(id).expect("what is deleted is in memory");
        let Some((at, ordinal)) = found else { return false };
        self.live -= 1;
        let chunk = &mut self.chunks[at.chunk];
        if chunk.slots()[at.slot].live == 1 {
            self.remove(at);
        } else {
            let slot = chunk.slot_mut(at.slot);
            let before = slot.payload();
            slot.kill(ordinal);
            let after = slot.payload();
            self.note_payload(before, after);
        }
        true
    }

    /// Takes a block out of the index; `live` is the caller's business.
    pub(super) fn remove(&mut self, at: At) {
        let chunk = &mut self.chunks[at.chunk];
        let slot = chunk.remove(at.slot);
        if chunk.len() == 0 {
            self.chunks.remove(at.chunk);
        }
        self.note_removed(slot);
    }

    /// A block of so many bytes has so many now; it was in memory.
    fn note_payload(&mut self, before: Option<u64>, after: Option<u64>) {
        let counted = before.zip(after).expect("what changes is in memory");
        self.payload = self.payload - counted.0 + counted.1;
    }

    pub(super) fn note_removed(&mut self, mut slot: BlockSlot) {
        let bytes = slot.block_bytes();
        match slot.payload() {
            Some(payload) => self.payload -= payload,
            None => self.uncounted -= 1,
        }
        self.blocks -= 1;
        self.block_bytes -= bytes;
        self.cold -= usize::from(slot.cold().is_some());
        if slot.is_clean() {
            self.clean_bytes -= bytes;
        }
        if let Some(place) = slot.take_place() {
            self.freed.get_or_insert_default().push(place);
        }
    }

    /// The block that [`Self::delete_before`] would cut, if it is not in memory.
    #[must_use]
    pub fn cold_before(&self, id: EntryId) -> Option<ColdBlock> {
        let slot = self.slot(self.at(id)?);
        slot.cold().filter(|_| slot.first_live_id() < id)
    }

    /// Deletes every entry below `id`; returns how many. Whole blocks go without being read.
    ///
    /// # Panics
    /// If the block that is cut is not in memory: [`Self::cold_before`] says so before.
    pub fn delete_before(&mut self, id: EntryId) -> u64 {
        let before = self.live;
        while let Some(chunk) = self.chunks.front_mut() {
            let slot = &chunk.slots()[0];
            if slot.last < id || slot.last_live_id() < id {
                self.live -= u64::from(slot.live);
                self.remove(At { chunk: 0, slot: 0 });
                continue;
            }
            if slot.first_live_id() < id {
                let slot = chunk.slot_mut(0);
                let counted = slot.payload();
                self.live -= u64::from(slot.kill_before(id));
                let left = slot.payload();
                self.note_payload(counted, left);
            }
            break;
        }
        before - self.live
    }

    /// Pins the entries of `from..=to`, the first `count_max` in the given direction. Blocks that
    /// lie in the range as a whole need not be in memory: see [`EntrySlice::cold`].
    ///
    /// Costs the number of blocks touched, and reads no field.
    ///
    /// # Errors
    /// Blocks that the range cuts and that are not in memory.
    pub fn slice(
        &self,
        from: EntryId,
        to: EntryId,
        count_max: usize,
        direction: Direction,
    ) -> Result<EntrySlice, ColdBlocks> {
        let mut slice = EntrySlice::empty(direction);
        if from > to || count_max == 0 {
            return Ok(slice);
        }
        let Some(first) = self.at(from) else { return Ok(slice) };
        match direction {
            Direction::Ascending => {
                let here = self.chunks[first.chunk].slots().range(first.slot..);
                let behind = self.chunks.range(first.chunk + 1..).flat_map(Chunk::slots);
                let touched = here.chain(behind).take_while(|slot| slot.first <= to);
                fill(&mut slice, touched, (from, to), count_max)?;
            }
            Direction::Descending => {
                let last = self.at(to);
                let last = last.unwrap_or(At { chunk: self.chunks.len() - 1, slot: usize::MAX });
                let here = self.chunks[last.chunk].slots();
                let here = here.range(..here.len().min(last.slot.saturating_add(1))).rev();
                let before = self.chunks.range(first.chunk..last.chunk.max(first.chunk)).rev();
                let before = before.flat_map(|chunk| chunk.slots().iter().rev());
                let touched = here.chain(before).take_while(|slot| slot.last >= from);
                let touched = touched.skip_while(|slot| slot.first > to);
                fill(&mut slice, touched, (from, to), count_max)?;
            }
        }
        Ok(slice)
    }

    /// The blocks from head to tail, as approximate trimming sees them.
    pub fn nodes(&self) -> impl Iterator<Item = NodeView<'_>> {
        self.slots().map(|slot| NodeView { slot })
    }

    /// Derives every count and bound again.
    ///
    /// # Panics
    ///
    /// When one of them differs: a bug in this module. For tests; costs the number of entries.
    pub fn check(&self) {
        let mut previous = None;
        for chunk in &self.chunks {
            chunk.check();
            for slot in chunk.slots() {
                assert!(previous < Some(slot.first), "blocks do not overlap");
                previous = Some(slot.last);
            }
        }
        let sum = |of: fn(&BlockSlot) -> usize| self.slots().map(of).sum::<usize>();
        assert_eq!(self.live as usize, sum(|slot| slot.live as usize), "live entries");
        assert_eq!(self.blocks, self.slots().count(), "blocks");
        assert_eq!(self.cold, sum(|slot| usize::from(slot.cold().is_some())), "cold blocks");
        assert_eq!(self.block_bytes, sum(BlockSlot::block_bytes), "bytes of blocks");
        let clean = |slot: &BlockSlot| if slot.is_clean() { slot.block_bytes() } else { 0 };
        assert_eq!(self.clean_bytes, sum(clean), "bytes of clean blocks");
        let payload: u64 = self.slots().filter_map(BlockSlot::payload).sum();
        assert_eq!(self.payload, payload, "payload");
        assert_eq!(self.uncounted, sum(|slot| usize::from(slot.payload().is_none())), "uncounted");
    }
}

/// Adds what blocks hold of a range, in the order in which they come.
fn fill<'a>(
    slice: &mut EntrySlice,
    slots: impl Iterator<Item = &'a BlockSlot>,
    (from, to): (EntryId, EntryId),
    count_max: usize,
) -> Result<(), ColdBlocks> {
    let descending = slice.direction() == Direction::Descending;
    for slot in slots {
        if let Some(run) = slot.run(from, to, count_max - slice.len(), descending)? {
            slice.push(run);
        }
        if slice.len() == count_max {
            break;
        }
    }
    Ok(())
}
