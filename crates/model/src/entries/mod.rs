//! The entries of one stream.
//!
//! Entries live in [`mod@block`]s: compact, append-only runs of a few kilobytes, each behind an
//! `Arc`. A [`list`] indexes them by id, in [`chunk`]s that a copy of the whole shares. A block is
//! cut exactly where Redis would cut a node of its stream ([`listpack_size`]), because approximate
//! trimming and XINFO show those cuts. Deletion puts [`tombstones`] beside a block and never
//! changes it; only the last block grows, and is copied first when a [`mod@slice`] of it is being
//! read. A block may have a place outside memory ([`mod@block_place`], [`storage`]) and leave
//! memory then; its line in the index stays.
//!
//! Must not know: groups, trimming policies, the wire. Fails by panicking, on bugs alone. Tests: in
//! `tests.rs` against a plain list of entries, and beside the small parts.

mod block;
mod block_place;
mod block_slot;
mod chunk;
mod dead;
mod entry_ref;
mod freed_blocks;
mod list;
mod listpack_size;
mod loaded_block;
mod node_view;
mod payload;
mod slice;
mod storage;
mod stored_block;
mod tombstones;
mod varint;

pub use block_place::{BlockPlace, ColdBlock, ColdBlocks, Eviction};
pub use entry_ref::{EntryRef, Pairs};
pub use freed_blocks::FreedBlocks;
pub use list::{BlockLimits, Direction, Entries};
pub use loaded_block::{BlockError, LoadedBlock};
pub use node_view::NodeView;
pub use slice::{EntrySlice, EntrySliceIter, PinnedEntry};
pub(crate) use stored_block::ensure;
pub use stored_block::{RestoreError, StoredBlock, StoredContents, StoredTombstones};

#[cfg(test)]
pub(crate) mod test_disk;
#[cfg(test)]
mod test_restoring;

#[cfg(test)]
mod tests;
