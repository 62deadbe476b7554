//! What is deleted of one block, and what that leaves at its ends.
//!
//! Blocks without a deletion have none of this. The ids at the ends stand here because they must be
//! known while the block is not in memory.

use super::tombstones::Tombstones;
use crate::EntryId;

/// Deletions of one block with at least one live entry. Shared with slices that pin it.
#[derive(Clone, Debug)]
pub(super) struct Dead {
    pub(super) tombstones: Tombstones,
    /// The outermost live ordinals, and their ids.
    pub(super) first_live: u32,
    pub(super) last_live: u32,
    pub(super) first_live_id: EntryId,
    pub(super) last_live_id: EntryId,
}

impl Dead {
    /// Heap bytes behind a reference to it.
    pub(super) fn heap_bytes(&self) -> usize {
        2 * size_of::<usize>() + size_of::<Self>() + self.tombstones.heap_bytes()
    }
}
