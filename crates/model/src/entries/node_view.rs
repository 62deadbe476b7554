//! A block as trimming looks at it: its line in the index, and its ids only if it is in memory.

use super::block_place::ColdBlock;
use super::block_slot::BlockSlot;
use crate::EntryId;

/// One block, as approximate trimming sees it.
#[derive(Clone, Copy, Debug)]
pub struct NodeView<'a> {
    pub(super) slot: &'a BlockSlot,
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

    /// The lowest live id.
    #[must_use]
    pub fn first_live_id(&self) -> EntryId {
        self.slot.first_live_id()
    }

    /// Bytes of names and values of its live entries, if they were counted.
    #[must_use]
    pub fn payload(&self) -> Option<u64> {
        self.slot.payload()
    }

    /// Itself if it is not in memory.
    #[must_use]
    pub fn cold(&self) -> Option<ColdBlock> {
        self.slot.cold()
    }

    /// The live entries, ascending, each with its bytes of names and values.
    ///
    /// # Errors
    /// The block, if it is not in memory.
    pub fn live_payloads(
        &self,
    ) -> Result<impl Iterator<Item = (EntryId, u64)> + use<'a>, ColdBlock> {
        match self.slot.cold() {
            None => Ok(self.slot.live_payloads()),
            Some(cold) => Err(cold),
        }
    }

    /// The live ids, ascending.
    ///
    /// # Errors
    /// The block, if it is not in memory.
    pub fn live_ids(&self) -> Result<impl Iterator<Item = EntryId> + use<'a>, ColdBlock> {
        match self.slot.cold() {
            None => Ok(self.slot.live_ids()),
            Some(cold) => Err(cold),
        }
    }
}
