//! Giving disk space back: what is still needed of a sparse block file is written again elsewhere,
//! and the file goes with the next checkpoint.
//!
//! One file at a time, a part of it in each step. A block that cannot be read stays where it is,
//! and its file with it: whoever needs it will be told.

use std::collections::VecDeque;

use millstream_log::{Block, BlockAddress, BlockFiles, BlockWriteError, BlockWriter};
use millstream_model::LoadedBlock;

use crate::blocks::place;
use crate::engine::Shared;
use crate::object::ObjectId;

/// What one step reads at most.
const STEP_BYTES: u64 = 1 << 20;
const STEP_BLOCKS: usize = 256;

/// A file that is being emptied.
#[derive(Debug)]
pub(super) struct Compaction {
    number: u32,
    /// Not looked at yet, in order.
    left: VecDeque<BlockAddress>,
    /// Bytes that were written again.
    pub(super) moved_bytes: u64,
}

impl Compaction {
    /// Begins with the sparsest file, if there is one worth it and not among those to be left
    /// alone.
    pub(super) fn begin(files: &BlockFiles, left_alone: &[u32]) -> Option<Self> {
        let sparse = files.sparse();
        let number = sparse.iter().map(|file| file.number).find(|n| !left_alone.contains(n))?;
        let left = files.addresses_in(number).ok()?.into();
        Some(Self { number, left, moved_bytes: 0 })
    }

    /// The file.
    pub(super) fn number(&self) -> u32 {
        self.number
    }

    /// Moves what is needed of the next part. Returns whether there is more.
    pub(super) fn step(
        &mut self,
        shared: &Shared,
        writer: &mut BlockWriter,
    ) -> Result<bool, BlockWriteError> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        while part.len() < STEP_BLOCKS
            && bytes < STEP_BYTES
            && let Some(address) = self.left.pop_front()
        {
            bytes += u64::from(address.bytes);
            part.push(address);
        }
        if part.is_empty() {
            return Ok(false);
        }
        let files = shared.block_files().expect("a stored log has block files");
        let read = part.iter().filter_map(|address| Some((*address, files.read(*address).ok()?)));
        let needed: Vec<_> = read.filter_map(|found| needed(shared, found)).collect();
        let mut moved = Vec::new();
        let appended = needed.into_iter().try_for_each(|(from, block, first)| {
            let to = writer.append(block.owner, block.kind, &block.bytes)?;
            moved.push((ObjectId(block.owner), first, from, to));
            Ok(())
        });
        // Only what is on disk counts as moved.
        if let Err(error) = appended.and_then(|()| writer.sync()) {
            moved.iter().for_each(|(.., to)| files.free(*to));
            return Err(error);
        }
        self.moved_bytes += moved.iter().map(|(.., to)| u64::from(to.bytes)).sum::<u64>();
        let mut core = shared.lock_core();
        for (id, first, from, to) in moved {
            let object = core.state.find_stream_object(id);
            let is_moved = object.is_some_and(|object| {
                core.state.before_change(object);
                core.state.move_place(object, first, place(from), place(to))
            });
            if !is_moved {
                core.state.freed.push(place(to));
            }
        }
        Ok(true)
    }
}

/// Whether the block is still that of its stream; then with its first id.
fn needed(
    shared: &Shared,
    (address, block): (BlockAddress, Block),
) -> Option<(BlockAddress, Block, millstream_model::EntryId)> {
    let first = LoadedBlock::decode(&block.bytes).ok()?.first_id();
    let core = shared.lock_core();
    let object = core.state.find_stream_object(ObjectId(block.owner))?;
    let stream = core.state.stream(object.slot);
    stream.is_at(first, place(address)).then_some((address, block, first))
}
