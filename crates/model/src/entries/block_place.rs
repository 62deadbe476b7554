//! Where blocks lie that are not in memory.

use super::loaded_block::LoadedBlock;
use crate::EntryId;

/// Where a block lies outside memory. Opaque to this crate; `file` is never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockPlace {
    /// Number of the file.
    pub file: u32,
    /// Byte in it.
    pub offset: u32,
    /// Length there.
    pub bytes: u32,
}

/// A block that an operation needs and that is not in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ColdBlock {
    /// Its first entry, deleted or not: names it within its stream.
    pub first: EntryId,
    /// Where it lies.
    pub place: BlockPlace,
    /// Entries stored in it, deleted or not.
    pub stored: u32,
}

impl ColdBlock {
    /// Whether these can be its contents: what was read is looked at before it is put in.
    #[must_use]
    pub fn fits(&self, block: &LoadedBlock) -> bool {
        block.first_id() == self.first && block.len() == self.stored
    }
}

/// Blocks that an operation needs and that are not in memory; never none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColdBlocks(pub Vec<ColdBlock>);

impl From<ColdBlock> for ColdBlocks {
    fn from(cold: ColdBlock) -> Self {
        Self(vec![cold])
    }
}

/// What became of a block that was to leave memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eviction {
    /// It is not in memory, or has no place elsewhere.
    Gone,
    /// It was used since the last call, and stays; its mark is cleared.
    Used,
    /// It left, and gave back so many bytes.
    Freed(usize),
}
