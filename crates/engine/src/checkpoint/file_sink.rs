//! Where blocks and records of a checkpoint go: to files, and what was written there is noted once
//! it is on disk.

use millstream_log::{BlockWriteError, BlockWriter, CheckpointWriter};
use millstream_model::{BlockPlace, EntryId, LoadedBlock};

use super::encode::Sink;
use crate::blocks::place;
use crate::cache::CachedBlock;
use crate::engine::Shared;
use crate::object::ObjectId;

/// Blocks that are told where they lie under one hold of the engine.
const PLACES_PER_HOLD: usize = 128;
/// Blocks are synced, and their streams told where they lie, each time so much was written while
/// the reserve of the disk is untouched. As little as a checkpoint syncs at once.
const SETTLE_BYTES: u64 = 512 << 10;
/// How often the pace is told of what was written. What lies in between is done in one go, and who
/// serves clients may wait for its processor meanwhile: records of 32 KiB take some 30 us, blocks
/// twice that. (With 1 MiB, and blocks alone, a list of 300,000 pending entries was encoded in
/// 3.6 ms without a pause.)
const PACE_BYTES: u64 = 32 << 10;

/// Blocks that were written and may not be on disk yet.
#[derive(Default)]
pub(super) struct Unsettled {
    pub(super) blocks: Vec<(ObjectId, EntryId, LoadedBlock, BlockPlace)>,
    bytes: u64,
    /// Heap bytes of those that have left this list.
    pub(super) settled_bytes: usize,
}

/// Where blocks and records of a checkpoint go.
pub(super) struct FileSink<'a> {
    shared: &'a Shared,
    blocks: &'a mut BlockWriter,
    records: &'a mut CheckpointWriter,
    pace: &'a mut (dyn FnMut(u64) + Send),
    unsettled: &'a mut Unsettled,
    /// Bytes that the pace does not know of yet.
    pub(super) unpaced: u64,
}

impl Sink for FileSink<'_> {
    type Error = BlockWriteError;

    fn record(&mut self, record: &[u8]) -> Result<(), BlockWriteError> {
        self.records.put(record)?;
        self.wrote(record.len() as u64);
        Ok(())
    }

    fn block(&mut self, object: u64, block: &LoadedBlock) -> Result<BlockPlace, BlockWriteError> {
        let mut bytes = Vec::with_capacity(block.byte_len() + 64);
        block.encode(&mut bytes);
        let at = place(self.blocks.append(object, 0, &bytes)?);
        self.unsettled.blocks.push((ObjectId(object), block.first_id(), block.clone(), at));
        self.unsettled.bytes += u64::from(at.bytes);
        // What goes into the disk's reserve is settled last of all: should this checkpoint fail,
        // all of it can be given back.
        if self.unsettled.bytes >= SETTLE_BYTES && self.shared.has_whole_reserve() {
            // What is in the writer's buffer may need the reserve yet.
            self.blocks.flush()?;
            if self.shared.has_whole_reserve() {
                self.shared.settle(self.blocks, self.unsettled)?;
            }
        }
        self.wrote(u64::from(at.bytes));
        Ok(at)
    }
}

impl FileSink<'_> {
    fn wrote(&mut self, bytes: u64) {
        self.unpaced += bytes;
        if self.unpaced >= PACE_BYTES {
            (self.pace)(std::mem::take(&mut self.unpaced));
        }
    }
}

impl Shared {
    /// Brings blocks to disk, and tells their streams where they lie.
    pub(super) fn settle(
        &self,
        writer: &mut BlockWriter,
        unsettled: &mut Unsettled,
    ) -> Result<(), BlockWriteError> {
        // Of a failure the owner gives up what is unsettled.
        writer.sync()?;
        unsettled.bytes = 0;
        for some in std::mem::take(&mut unsettled.blocks).chunks(PLACES_PER_HOLD) {
            let mut core = self.lock_core();
            for (id, first, block, place) in some {
                let object = core.state.find_stream_object(*id);
                let is_set = object
                    .is_some_and(|object| core.state.set_place(object, *first, block, *place));
                if is_set {
                    let (object, first, place) = (*id, *first, *place);
                    let bytes = block.heap_bytes();
                    unsettled.settled_bytes += bytes;
                    let crate::core::Core { state, cache, .. } = &mut *core;
                    cache.add_written(CachedBlock { object, first, place, bytes });
                    state.tidy(cache);
                } else {
                    // This checkpoint refers to it, and nothing later will.
                    core.state.freed.push(*place);
                }
            }
            core.make_room();
        }
        Ok(())
    }
}

impl Shared {
    pub(super) fn sink<'a>(
        &'a self,
        blocks: &'a mut BlockWriter,
        records: &'a mut CheckpointWriter,
        pace: &'a mut (dyn FnMut(u64) + Send),
        unsettled: &'a mut Unsettled,
    ) -> FileSink<'a> {
        FileSink { shared: self, blocks, records, pace, unsettled, unpaced: 0 }
    }
}
