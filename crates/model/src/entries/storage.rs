//! Blocks between memory and elsewhere: which are where, and how they come and go.
//!
//! Nothing here changes what a stream holds. Must not know files: a place is opaque.

use super::block_place::{BlockPlace, ColdBlock, Eviction};
use super::freed_blocks::FreedBlocks;
use super::list::{At, Entries};
use super::loaded_block::LoadedBlock;
use super::stored_block::{RestoreError, ensure};
use crate::EntryId;
use std::sync::Arc;

impl Entries {
    /// Whether some block is not in memory.
    #[must_use]
    #[inline]
    pub fn has_cold(&self) -> bool {
        self.cold > 0
    }

    /// Heap bytes of all blocks in memory.
    #[must_use]
    #[inline]
    pub fn block_bytes(&self) -> usize {
        self.block_bytes
    }

    /// Heap bytes of those of them that lie elsewhere, too: they could leave.
    #[must_use]
    #[inline]
    pub fn clean_bytes(&self) -> usize {
        self.clean_bytes
    }

    /// Whether places were freed since the last [`Self::take_freed`].
    #[must_use]
    #[inline]
    pub fn has_freed(&self) -> bool {
        self.freed.is_some()
    }

    /// Places that nothing here refers to any more.
    pub fn take_freed(&mut self) -> FreedBlocks {
        self.freed.take().map(|freed| *freed).unwrap_or_default()
    }

    /// All places that are referred to.
    pub fn places(&self) -> impl Iterator<Item = BlockPlace> {
        self.slots().filter_map(|slot| slot.place())
    }

    /// All blocks that are not in memory.
    pub fn cold_blocks(&self) -> impl Iterator<Item = ColdBlock> {
        self.slots().filter_map(|slot| slot.cold())
    }

    /// Blocks that are in memory only, the last one included, with their first ids. Costs the
    /// number of chunks, and of blocks in those that have one.
    pub fn unwritten(&self) -> impl Iterator<Item = (EntryId, LoadedBlock)> {
        let chunks = self.chunks.iter().filter(|chunk| chunk.unwritten > 0);
        let slots = chunks.flat_map(|chunk| chunk.slots()).filter(|slot| slot.is_unwritten());
        slots.filter_map(|slot| {
            let block = Arc::clone(slot.in_memory()?);
            Some((slot.first, LoadedBlock(block)))
        })
    }

    /// Takes a block that was loaded. Returns whether it was still missing.
    ///
    /// # Panics
    /// If the contents are not those of that block.
    pub fn warm(&mut self, cold: ColdBlock, block: &LoadedBlock) -> bool {
        let Some(At { chunk, slot }) = self.at_first(cold.first) else { return false };
        if self.chunks[chunk].slots()[slot].cold() != Some(cold) {
            return false;
        }
        let slot = self.chunks[chunk].slot_mut(slot);
        let counted = slot.payload();
        let is_warm = slot.warm(cold.place, block);
        self.uncounted -= usize::from(counted.is_none());
        let payload = slot.payload().expect("what is in memory is counted");
        self.payload = self.payload - counted.unwrap_or(0) + payload;
        assert!(is_warm, "it was cold");
        self.cold -= 1;
        self.block_bytes += block.heap_bytes();
        self.clean_bytes += block.heap_bytes();
        true
    }

    /// Whether the block that begins with `first` is in memory and lies elsewhere, too.
    #[must_use]
    pub fn is_clean(&self, first: EntryId) -> bool {
        let at = self.at_first(first);
        at.is_some_and(|At { chunk, slot }| self.chunks[chunk].slots()[slot].is_clean())
    }

    /// Lets the block that begins with `first` leave memory, unless it was used since it was asked
    /// last.
    pub fn evict(&mut self, first: EntryId) -> Eviction {
        let Some(At { chunk, slot }) = self.at_first(first) else { return Eviction::Gone };
        if !self.chunks[chunk].slots()[slot].is_clean() {
            return Eviction::Gone;
        }
        let eviction = self.chunks[chunk].slot_mut(slot).evict();
        if let Eviction::Freed(bytes) = eviction {
            self.cold += 1;
            self.block_bytes -= bytes;
            self.clean_bytes -= bytes;
        }
        eviction
    }

    /// Notes where a block lies from now on, if it still has these contents and lies nowhere yet.
    pub fn set_place(&mut self, first: EntryId, block: &LoadedBlock, place: BlockPlace) -> bool {
        let Some(At { chunk, slot }) = self.at_first(first) else { return false };
        if !self.chunks[chunk].slots()[slot].is_unwritten() {
            return false;
        }
        let chunk = &mut self.chunks[chunk];
        let is_set = chunk.slot_mut(slot).set_place(block, place);
        if is_set {
            chunk.unwritten -= 1;
            self.clean_bytes += block.heap_bytes();
        }
        is_set
    }

    /// Notes that a block was copied to another place, if it still lies where it was copied from;
    /// that one is freed.
    pub fn move_place(&mut self, first: EntryId, from: BlockPlace, to: BlockPlace) -> bool {
        let Some(At { chunk, slot }) = self.at_first(first) else { return false };
        if self.chunks[chunk].slots()[slot].place() != Some(from) {
            return false;
        }
        let is_moved = self.chunks[chunk].slot_mut(slot).move_place(from, to);
        if is_moved {
            self.freed.get_or_insert_default().push(from);
        }
        is_moved
    }

    /// Gives up a block that is not in memory and cannot be read: its entries are gone. Returns its
    /// last entry and how many there were, `None` if there is no such block.
    pub fn give_up(&mut self, cold: ColdBlock) -> Option<(EntryId, u64)> {
        let at = self.at_first(cold.first)?;
        let slot = self.slot(at);
        if slot.cold() != Some(cold) {
            return None;
        }
        let (last, live) = (slot.last_live_id(), u64::from(slot.live));
        self.live -= live;
        self.remove(at);
        Some((last, live))
    }

    /// Blocks whose bytes of names and values nobody counted, at most so many: they are counted
    /// when they are in memory. Costs the number of blocks if there is one.
    #[must_use]
    pub fn cold_uncounted(&self, count_max: usize) -> Vec<ColdBlock> {
        if self.uncounted == 0 {
            return Vec::new();
        }
        let uncounted = self.slots().filter(|slot| slot.payload().is_none());
        uncounted.filter_map(|slot| slot.cold()).take(count_max).collect()
    }

    /// Bytes of names and values of each block, in order; `None` where nobody counted.
    pub fn payloads(&self) -> impl Iterator<Item = Option<u64>> {
        self.slots().map(|slot| slot.payload())
    }

    /// Takes what [`Self::payloads`] said, of each block; what is in memory was counted again.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn restore_payloads(
        &mut self,
        payloads: impl ExactSizeIterator<Item = Option<u64>>,
    ) -> Result<(), RestoreError> {
        ensure(payloads.len() == self.blocks, "bytes of blocks that are not there")?;
        let mut payloads = payloads;
        for chunk in &mut self.chunks {
            for at in 0..chunk.len() {
                let Some(payload) = payloads.next().flatten() else { continue };
                let slot = chunk.slot_mut(at);
                let was_counted = slot.payload().is_some();
                ensure(slot.restore_payload(payload), "bytes of a block")?;
                if !was_counted {
                    let sum = self.payload.checked_add(payload);
                    self.payload = sum.ok_or(RestoreError::new("bytes of all blocks"))?;
                    self.uncounted -= 1;
                }
            }
        }
        Ok(())
    }

    /// Whether a block still lies there.
    #[must_use]
    pub fn is_at(&self, first: EntryId, place: BlockPlace) -> bool {
        self.at_first(first).is_some_and(|at| self.slot(at).place() == Some(place))
    }
}
