//! Where a block stands.

/// A block's place. Never used twice in the life of a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BlockAddress {
    /// Number of the file, from 1 on.
    pub file: u32,
    /// Byte of the block's header in it.
    pub offset: u32,
    /// Bytes on disk, header included.
    pub bytes: u32,
}
