//! The entries of one stream.
//!
//! Entries live in [`mod@block`]s: compact, append-only runs of a few kilobytes, each behind an
//! `Arc`. A [`list`] indexes them by id. A block is cut exactly where Redis would cut a node
//! of its stream ([`listpack_size`]), because approximate trimming and XINFO show those cuts.
//! Deletion puts [`tombstones`] beside a block and never changes it; only the last block grows, and
//! is copied first when a [`mod@slice`] of it is being read.
//!
//! Must not know: groups, trimming policies, the wire. Fails by panicking, on bugs alone. Tests: in
//! `tests.rs` against a plain list of entries, and beside the small parts.

mod block;
mod block_slot;
mod entry_ref;
mod list;
mod listpack_size;
mod slice;
mod tombstones;
mod varint;

pub use entry_ref::{EntryRef, Pairs};
pub use list::{BlockLimits, Direction, Entries, NodeView};
pub use slice::{EntrySlice, EntrySliceIter, PinnedEntry};

#[cfg(test)]
mod tests;
