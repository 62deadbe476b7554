//! Making checkpoints, step by step, on whatever thread its owner chooses.
//!
//! Invariants:
//! 1. A checkpoint is published only once the log is durable up to its position; before, recovery
//!    finds the one before and all of the log behind it.
//! 2. A block's place is noted in its stream only once the block can be read there.
//! 3. A place is given up only after a checkpoint was published that was begun after the last
//!    reference to it went.
//! 4. After a failure the next checkpoint is a full one: what this one had taken is not known any
//!    more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::{error, fmt};

use millstream_log::{
    BlockReadError, BlockWriteError, BlockWriter, CheckpointChain, CheckpointKind,
    CheckpointWriter, FinishedCheckpoint, LogPosition, OpenError,
};
use millstream_model::{BlockPlace, EntryId, LoadedBlock};

use super::encode::{self, Sink};
use crate::blocks::{address, place};
use crate::cache::CachedBlock;
use crate::changes::SavedObject;
use crate::engine::Shared;
use crate::object::ObjectId;

/// Pieces copied under one hold of the engine: well below 100 us.
const SAVE_BUDGET: usize = 256;
/// Blocks that are told where they lie under one hold of the engine.
const PLACES_PER_HOLD: usize = 128;
/// Blocks are flushed, and told where they lie, each time so much was written.
const SETTLE_BYTES: u64 = 1 << 20;
/// Deltas below this do not make a full checkpoint due, however small that is.
const DELTA_BYTES_MIN: u64 = 4 << 20;
/// A chain with more files is replaced by a full checkpoint.
const DELTAS_MAX: u64 = 64;

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointStep {
    /// There is nothing to do: look again later.
    Idle,
    /// Something was done: go on.
    Working,
    /// It waits until the log is durable up to here: have it synced, and go on.
    WaitsForLog(LogPosition),
    /// A checkpoint was published; everything before this position may leave the log.
    Published(LogPosition),
}

/// A checkpoint failed. Nothing is lost: the one before and the log say everything. Try again.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Something could not be written.
    Write(BlockWriteError),
    /// Something that is not needed any more could not be removed.
    Remove(OpenError),
    /// The same, of block files.
    RemoveBlocks(BlockReadError),
    /// The state was replaced by what is on disk.
    Reloaded,
}

impl CheckpointError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Write(error) if error.is_disk_full())
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(error) => error.fmt(f),
            Self::Remove(error) => error.fmt(f),
            Self::RemoveBlocks(error) => error.fmt(f),
            Self::Reloaded => f.write_str("everything was read again from disk meanwhile"),
        }
    }
}

impl error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Write(error) => error.source(),
            Self::Remove(error) => error.source(),
            Self::RemoveBlocks(error) => error.source(),
            Self::Reloaded => None,
        }
    }
}

impl From<BlockWriteError> for CheckpointError {
    fn from(error: BlockWriteError) -> Self {
        Self::Write(error)
    }
}

/// What is known of the checkpoints on disk.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct CheckpointFacts {
    /// Number of the newest one; 0: there is none.
    pub(crate) newest: u64,
    /// Number of the full one that it builds on.
    pub(crate) full: u64,
    pub(crate) full_bytes: u64,
    pub(crate) delta_bytes: u64,
}

impl CheckpointFacts {
    pub(crate) fn of(chain: &CheckpointChain) -> Self {
        let (full_bytes, delta_bytes) = chain.bytes();
        let (newest, full) = (chain.number(), chain.full_number());
        Self { newest, full, full_bytes, delta_bytes }
    }
}

/// Makes checkpoints. One thread drives it, beside all others.
pub struct Checkpointer {
    shared: Arc<Shared>,
    blocks: BlockWriter,
    facts: CheckpointFacts,
    /// Where the last one was cut, and how large it was.
    last_position: LogPosition,
    last_bytes: u64,
    must_be_full: bool,
    work: Option<Work>,
    pace: Box<dyn FnMut(u64) + Send>,
    salt: u64,
}

enum Work {
    Saving(Making),
    Waiting(Making, FinishedCheckpoint),
}

/// A checkpoint in the making.
struct Making {
    /// `None` once it is finished.
    writer: Option<CheckpointWriter>,
    kind: CheckpointKind,
    number: u64,
    position: LogPosition,
    /// Given up when this one is published.
    freed: Vec<BlockPlace>,
    generation: u64,
    /// Of what was in memory only when it was begun, what still is.
    unwritten_bytes: usize,
}

/// Where blocks and records of a checkpoint go.
struct FileSink<'a> {
    shared: &'a Shared,
    blocks: &'a mut BlockWriter,
    records: &'a mut CheckpointWriter,
    pace: &'a mut (dyn FnMut(u64) + Send),
    /// Written, but not told where they lie.
    unsettled: Vec<(ObjectId, EntryId, LoadedBlock, BlockPlace)>,
    unsettled_bytes: u64,
    /// Bytes that the pace does not know of yet.
    unpaced: u64,
    /// Heap bytes of blocks that were told where they lie.
    settled_bytes: usize,
}

impl Sink for FileSink<'_> {
    type Error = BlockWriteError;

    fn record(&mut self, record: &[u8]) -> Result<(), BlockWriteError> {
        self.unpaced += record.len() as u64;
        self.records.put(record)
    }

    fn block(&mut self, object: u64, block: &LoadedBlock) -> Result<BlockPlace, BlockWriteError> {
        let mut bytes = Vec::with_capacity(block.byte_len() + 64);
        block.encode(&mut bytes);
        let at = place(self.blocks.append(object, 0, &bytes)?);
        self.unsettled.push((ObjectId(object), block.first_id(), block.clone(), at));
        self.unsettled_bytes += u64::from(at.bytes);
        self.unpaced += u64::from(at.bytes);
        if self.unsettled_bytes >= SETTLE_BYTES {
            self.settle()?;
        }
        Ok(at)
    }
}

impl FileSink<'_> {
    /// Makes the blocks readable, and tells their streams where they lie.
    fn settle(&mut self) -> Result<(), BlockWriteError> {
        let flushed = self.blocks.flush();
        for some in std::mem::take(&mut self.unsettled).chunks(PLACES_PER_HOLD) {
            let mut core = self.shared.lock_core();
            for (id, first, block, place) in some {
                let object = core.state.find_stream_object(*id).filter(|_| flushed.is_ok());
                let is_set = object
                    .is_some_and(|object| core.state.set_place(object, *first, block, *place));
                if is_set {
                    let (object, first, place) = (*id, *first, *place);
                    let bytes = block.heap_bytes();
                    self.settled_bytes += bytes;
                    core.cache.add_written(CachedBlock { object, first, place, bytes });
                } else {
                    // This checkpoint refers to it, and nothing later will.
                    core.state.freed.push(*place);
                }
            }
            core.make_room();
        }
        self.unsettled_bytes = 0;
        flushed?;
        (self.pace)(std::mem::take(&mut self.unpaced));
        Ok(())
    }
}

impl Checkpointer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        blocks: BlockWriter,
        facts: CheckpointFacts,
        position: LogPosition,
        salt: u64,
    ) -> Self {
        Self {
            shared,
            blocks,
            facts,
            last_position: position,
            last_bytes: facts.full_bytes.max(facts.delta_bytes),
            must_be_full: false,
            work: None,
            pace: Box::new(|_| {}),
            salt,
        }
    }

    /// Is told how many bytes were written each time it was about a MiB, with the engine free: it
    /// may sleep.
    pub fn set_pace(&mut self, pace: Box<dyn FnMut(u64) + Send>) {
        self.pace = pace;
    }

    /// Whether a checkpoint is being made.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.work.is_some()
    }

    /// Goes on with the checkpoint that is being made; begins one if it is time, or `now_wanted`
    /// and something was logged since the last one.
    ///
    /// # Errors
    /// [`CheckpointError`]: this one is given up, nothing is lost.
    pub fn step(&mut self, now_wanted: bool) -> Result<CheckpointStep, CheckpointError> {
        let done = match self.work.take() {
            None if self.is_due(now_wanted) => self.begin(),
            None => return Ok(CheckpointStep::Idle),
            Some(Work::Saving(making)) => self.save(making),
            Some(Work::Waiting(making, finished)) => self.publish(making, finished),
        };
        if done.is_err() {
            self.shared.counters.checkpoint_failures.fetch_add(1, Ordering::Relaxed);
            self.shared.counters.last_checkpoint_failed.store(true, Ordering::Relaxed);
        }
        done
    }

    fn is_due(&self, now_wanted: bool) -> bool {
        let core = self.shared.lock_core();
        let end = core.log.as_ref().map_or(self.last_position, millstream_log::LogBuffer::end);
        let logged = end.since(self.last_position);
        let goal = self.shared.checkpoint_log_bytes.max(self.last_bytes);
        let is_memory_short = core.unwritten_excess() > core.cache_bytes / 2;
        logged > 0 && (now_wanted || logged >= goal || is_memory_short)
    }

    fn begin(&mut self) -> Result<CheckpointStep, CheckpointError> {
        let facts = self.facts;
        let is_full = self.must_be_full
            || facts.newest == 0
            || facts.newest - facts.full >= DELTAS_MAX
            || facts.delta_bytes > (facts.full_bytes / 2).max(DELTA_BYTES_MIN);
        let kind = if is_full { CheckpointKind::Full } else { CheckpointKind::Delta };
        let number = facts.newest + 1;
        let (header, mut making) = {
            let mut core = self.shared.lock_core();
            let position = core.log.as_mut().expect("checkpoints are of a stored log").cut();
            let header = core.state.begin_saving(is_full);
            let making = Making {
                writer: None,
                kind,
                number,
                position,
                freed: core.state.take_freed(),
                generation: core.generation,
                unwritten_bytes: core.state.unwritten_bytes(),
            };
            (header, making)
        };
        let position = making.position;
        let storage = self.shared.storage().expect("checkpoints are of a stored log");
        let begun = CheckpointWriter::create(storage, kind, number, position, self.salt);
        let begun = begun.and_then(|mut writer| {
            let mut sink = self.shared.sink(&mut self.blocks, &mut writer, &mut *self.pace);
            encode::encode_header(&header, &mut sink)?;
            Ok(writer)
        });
        match begun {
            Ok(writer) => {
                making.writer = Some(writer);
                self.work = Some(Work::Saving(making));
                Ok(CheckpointStep::Working)
            }
            Err(error) => Err(self.give_up(making, error.into())),
        }
    }

    fn save(&mut self, mut making: Making) -> Result<CheckpointStep, CheckpointError> {
        let saved = {
            let mut core = self.shared.lock_core();
            if core.generation == making.generation {
                Ok(core.state.save_some(SAVE_BUDGET))
            } else {
                Err(CheckpointError::Reloaded)
            }
        };
        let saved = match saved {
            Ok(saved) => saved,
            Err(error) => return Err(self.give_up(making, error)),
        };
        if saved.is_empty() {
            return self.finish(making);
        }
        let writer = making.writer.as_mut().expect("it is there while objects are saved");
        let mut sink = self.shared.sink(&mut self.blocks, writer, &mut *self.pace);
        let mut written =
            saved.iter().try_for_each(|object| encode::encode_object(object, &mut sink));
        if written.is_ok() && sink.unpaced >= SETTLE_BYTES || !sink.unsettled.is_empty() {
            written = written.and(sink.settle());
        }
        let settled = sink.settled_bytes;
        making.unwritten_bytes = making.unwritten_bytes.saturating_sub(settled);
        free_removed(&self.shared, &saved);
        match written {
            Ok(()) => {
                self.work = Some(Work::Saving(making));
                Ok(CheckpointStep::Working)
            }
            Err(error) => Err(self.give_up(making, error.into())),
        }
    }

    fn finish(&mut self, mut making: Making) -> Result<CheckpointStep, CheckpointError> {
        let writer = making.writer.take().expect("it is there while objects are saved");
        let finished = self.blocks.sync().and_then(|()| writer.finish());
        match finished {
            Ok(finished) => {
                let position = making.position;
                self.work = Some(Work::Waiting(making, finished));
                Ok(CheckpointStep::WaitsForLog(position))
            }
            Err(error) => Err(self.give_up(making, error.into())),
        }
    }

    fn publish(
        &mut self,
        making: Making,
        finished: FinishedCheckpoint,
    ) -> Result<CheckpointStep, CheckpointError> {
        let position = making.position;
        if self.shared.durable() < position {
            self.work = Some(Work::Waiting(making, finished));
            return Ok(CheckpointStep::WaitsForLog(position));
        }
        if self.shared.lock_core().generation != making.generation {
            return Err(self.give_up(making, CheckpointError::Reloaded));
        }
        let bytes = finished.bytes();
        if let Err(error) = finished.publish() {
            // It may be the newest one at the next start: its number is used, and nothing that the
            // one before needs has gone.
            self.facts.newest = making.number;
            return Err(self.give_up(making, error.into()));
        }
        self.lock_end_saving(&making);
        self.note_published(&making, bytes);
        for place in making.freed {
            self.shared.free(place);
        }
        self.remove_unneeded()?;
        Ok(CheckpointStep::Published(position))
    }

    fn note_published(&mut self, making: &Making, bytes: u64) {
        self.facts.newest = making.number;
        match making.kind {
            CheckpointKind::Full => {
                self.facts.full = making.number;
                (self.facts.full_bytes, self.facts.delta_bytes) = (bytes, 0);
            }
            CheckpointKind::Delta => self.facts.delta_bytes += bytes,
        }
        (self.last_position, self.last_bytes) = (making.position, bytes);
        self.must_be_full = false;
        self.shared.checkpointed.store(making.position.get(), Ordering::Release);
        let counters = &self.shared.counters;
        counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        counters.checkpoint_bytes.fetch_add(bytes, Ordering::Relaxed);
        counters.last_checkpoint_bytes.store(bytes, Ordering::Relaxed);
        counters.last_checkpoint_failed.store(false, Ordering::Relaxed);
    }

    fn remove_unneeded(&self) -> Result<(), CheckpointError> {
        let storage = self.shared.storage().expect("checkpoints are of a stored log");
        CheckpointChain::remove_others(storage, self.facts.full, self.facts.newest)
            .map_err(CheckpointError::Remove)?;
        let files = self.shared.block_files().expect("a stored log has block files");
        files.remove_dead().map_err(CheckpointError::RemoveBlocks)?;
        Ok(())
    }

    fn lock_end_saving(&self, making: &Making) {
        let left = {
            let mut core = self.shared.lock_core();
            core.unwritten_floor = making.unwritten_bytes;
            core.state.end_saving()
        };
        free_removed(&self.shared, &left);
    }

    /// Forgets a checkpoint that failed.
    fn give_up(&mut self, making: Making, error: CheckpointError) -> CheckpointError {
        self.must_be_full = true;
        let left = {
            let mut core = self.shared.lock_core();
            if core.generation == making.generation {
                core.state.freed.extend(&making.freed);
                core.state.end_saving()
            } else {
                Vec::new()
            }
        };
        free_removed(&self.shared, &left);
        error
    }
}

/// Notes that nothing refers any more to blocks of objects that are gone: the checkpoint that had
/// to see them has.
fn free_removed(shared: &Shared, saved: &[SavedObject]) {
    let gone = saved.iter().filter(|object| object.is_removed);
    let streams = gone.filter_map(|object| object.data.as_stream());
    let places: Vec<_> = streams.flat_map(|stream| stream.entries().places()).collect();
    if !places.is_empty() {
        shared.lock_core().state.freed.extend(places);
    }
}

impl Shared {
    fn sink<'a>(
        &'a self,
        blocks: &'a mut BlockWriter,
        records: &'a mut CheckpointWriter,
        pace: &'a mut (dyn FnMut(u64) + Send),
    ) -> FileSink<'a> {
        let unsettled = Vec::new();
        FileSink {
            shared: self,
            blocks,
            records,
            pace,
            unsettled,
            unsettled_bytes: 0,
            unpaced: 0,
            settled_bytes: 0,
        }
    }

    fn free(&self, place: BlockPlace) {
        self.block_files().expect("a stored log has block files").free(address(place));
    }
}
