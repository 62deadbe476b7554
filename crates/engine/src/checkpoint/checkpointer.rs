//! Making checkpoints, step by step, on whatever thread its owner chooses.
//!
//! Invariants:
//! 1. A checkpoint is published only once the log is durable up to its position; before, recovery
//!    finds the one before and all of the log behind it.
//! 2. A block's place is noted in its stream only once the block is on disk there: until then it
//!    stays in memory, and a failed write or sync costs nothing but the attempt.
//! 3. A place is given up only after a checkpoint was published that was begun after the last
//!    reference to it went.
//! 4. After a failure the next checkpoint is a full one: what this one had taken is not known any
//!    more. So it is where files that it would build on are gone.
//! 5. What a failed one had written into the reserve of a full disk takes no space any more, so
//!    that the next one finds as much: blocks there are settled only once all else is written.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use millstream_log::{
    BlockWriter, CheckpointChain, CheckpointKind, CheckpointWriter, FinishedCheckpoint, LogPosition,
};
use millstream_model::{BlockPlace, FreedBlocks};

use super::CheckpointError;
use super::compaction::Compaction;
use super::encode;
use super::file_sink::Unsettled;
use crate::blocks::address;
use crate::changes::SavedObject;
use crate::engine::Shared;

/// Pieces copied under one hold of the engine: well below 100 us.
const SAVE_BUDGET: usize = 256;
/// Deltas below this do not make a full checkpoint due, however small that is.
const DELTA_BYTES_MIN: u64 = 4 << 20;
/// A chain with more files is replaced by a full checkpoint.
const DELTAS_MAX: u64 = 64;

/// So many bytes of blocks that nothing refers to any more, or so many blocks, make a checkpoint
/// due: only then their space can be given back.
const FREED_BYTES: u64 = 64 << 20;
const FREED_MAX: usize = 8 << 10;

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
    /// Where the last one was cut.
    last_position: LogPosition,
    must_be_full: bool,
    work: Option<Work>,
    compaction: Option<Compaction>,
    /// Block files that could not be emptied; tried again after the next start.
    left_alone: Vec<u32>,
    /// Blocks lie elsewhere than the last checkpoint says.
    has_moved: bool,
    pace: Box<dyn FnMut(u64) + Send>,
    salt: u64,
}

enum Work {
    Saving(Making),
    Waiting(Making, FinishedCheckpoint),
}

/// A checkpoint in the making.
struct Making {
    /// Only for how long it took.
    begun: Instant,
    /// `None` once it is finished.
    writer: Option<CheckpointWriter>,
    kind: CheckpointKind,
    number: u64,
    position: LogPosition,
    /// Given up when this one is published.
    freed: FreedBlocks,
    /// Of what was in memory only when it was begun, what still is.
    unwritten_bytes: usize,
    unsettled: Unsettled,
}

impl Checkpointer {
    pub(crate) fn new(
        shared: Arc<Shared>,
        blocks: BlockWriter,
        facts: CheckpointFacts,
        position: LogPosition,
        salt: u64,
    ) -> Self {
        let kept_bytes = facts.full_bytes + facts.delta_bytes;
        shared.counters.kept_checkpoint_bytes.store(kept_bytes, Ordering::Relaxed);
        shared.made_checkpoint_of(facts.full_bytes.max(facts.delta_bytes));
        Self {
            shared,
            blocks,
            facts,
            last_position: position,
            must_be_full: false,
            work: None,
            compaction: None,
            left_alone: Vec::new(),
            has_moved: false,
            pace: Box::new(|_| {}),
            salt,
        }
    }

    /// Is told how many bytes were written each time it was about a MiB, with the engine free: it
    /// may sleep.
    pub fn set_pace(&mut self, pace: Box<dyn FnMut(u64) + Send>) {
        self.pace = pace;
    }

    /// The next checkpoint is a full one, and is made when wanted even if nothing changed.
    pub(crate) fn make_full(&mut self) {
        self.must_be_full = true;
        self.has_moved = true;
    }

    /// Whether a checkpoint is being made.
    #[must_use]
    pub fn is_working(&self) -> bool {
        self.work.is_some()
    }

    /// Takes space for the next checkpoint on a full disk again, if a former one needed it and
    /// there is as much. To be called now and then, while none is being made and what the last one
    /// covers has left the log. Until it returns true the log does not grow.
    ///
    /// # Errors
    /// [`CheckpointError::Reserve`]: other than that the disk is full.
    pub fn keep_reserve(&self) -> Result<bool, CheckpointError> {
        let reserve = self.shared.reserve().expect("a stored engine has one");
        reserve.keep().map_err(CheckpointError::Reserve)
    }

    /// Re-derives what is counted of block files, while no checkpoint is being made.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn check(&self) {
        let mut core = self.shared.lock_core();
        let files = self.shared.block_files().expect("a stored log has block files");
        core.state.collect_freed().check();
        let freed = core.state.freed.bytes();
        let held: u64 = core.state.places().map(|place| u64::from(place.bytes)).sum();
        // What is in garbage is freed with it.
        if self.work.is_none() && core.state.garbage.is_empty() {
            assert_eq!(files.statistics().live_bytes, held + freed, "bytes that are referred to");
        }
    }

    /// Goes on with the checkpoint that is being made; begins one if it is time, or `now_wanted`
    /// and something was logged since the last one. Of an engine that a panic left unusable none is
    /// published: half of a change may be in it.
    ///
    /// # Errors
    /// [`CheckpointError`]: this one is given up, nothing is lost.
    pub fn step(&mut self, now_wanted: bool) -> Result<CheckpointStep, CheckpointError> {
        // What an earlier step took was whole: a panic since then is seen here.
        if self.shared.is_broken() {
            return Ok(CheckpointStep::Idle);
        }
        // It stays so from one step of a checkpoint to the next.
        if self.work.is_none() {
            self.shared.lock_core().is_checkpointing = true;
        }
        let mut is_compacting = false;
        let done = match self.work.take() {
            None if self.is_due(now_wanted) => self.begin(),
            None => {
                is_compacting = true;
                self.compact()
            }
            Some(Work::Saving(making)) => self.save(making),
            Some(Work::Waiting(making, finished)) => self.publish(making, finished),
        };
        if self.work.is_none() {
            self.shared.lock_core().is_checkpointing = false;
        }
        // What could not be removed is no failure of the checkpoint.
        if matches!(done, Err(CheckpointError::Write(_))) && !is_compacting {
            self.shared.counters.checkpoint_failures.fetch_add(1, Ordering::Relaxed);
            self.shared.counters.last_checkpoint_failed.store(true, Ordering::Relaxed);
        }
        done
    }

    fn is_due(&self, now_wanted: bool) -> bool {
        let mut core = self.shared.lock_core();
        let end = core.log.as_ref().map_or(self.last_position, millstream_log::LogBuffer::end);
        let logged = end.since(self.last_position);
        let goal = self.shared.due_log_bytes();
        let is_memory_short = core.unwritten_excess() > core.cache_bytes / 2;
        let freed = core.state.collect_freed();
        let is_disk_full = self.shared.is_disk_full();
        // On a full disk whatever gives some back is worth one.
        let is_space_wanted = freed.len() >= FREED_MAX
            || freed.bytes() >= FREED_BYTES
            || (is_disk_full && (freed.bytes() > 0 || logged >= goal / 4));
        let has_changed = logged > 0 || self.has_moved || is_space_wanted;
        let is_moved = self.has_moved && self.compaction.is_none();
        has_changed
            && (now_wanted || logged >= goal || is_memory_short || is_space_wanted || is_moved)
    }

    /// Empties sparse files while there is nothing else to do.
    fn compact(&mut self) -> Result<CheckpointStep, CheckpointError> {
        let files = self.shared.block_files().expect("a stored log has block files");
        if self.compaction.is_none() {
            self.compaction = Compaction::begin(files, &self.left_alone);
        }
        let Some(compaction) = &mut self.compaction else { return Ok(CheckpointStep::Idle) };
        let before = compaction.moved_bytes;
        let had_reserve = self.shared.has_whole_reserve();
        let has_more = compaction.step(&self.shared, &mut self.blocks);
        // The reserve is for the checkpoint that has to come now.
        let is_over = had_reserve && !self.shared.has_whole_reserve();
        let moved_bytes = compaction.moved_bytes - before;
        self.has_moved |= moved_bytes > 0;
        (self.pace)(moved_bytes);
        match has_more {
            Ok(true) if is_over => self.compaction = None,
            Ok(true) => {}
            // What is left of it could not be moved, or goes with the next checkpoint: either way
            // it need not be looked at again.
            Ok(false) => {
                self.left_alone.push(compaction.number());
                self.compaction = None;
            }
            Err(error) => {
                self.compaction = None;
                return Err(error.into());
            }
        }
        Ok(CheckpointStep::Working)
    }

    fn begin(&mut self) -> Result<CheckpointStep, CheckpointError> {
        let facts = self.facts;
        let storage = self.shared.storage().expect("checkpoints are of a stored log");
        let is_chain_long = facts.newest - facts.full >= DELTAS_MAX
            || facts.delta_bytes > (facts.full_bytes / 2).max(DELTA_BYTES_MIN);
        // On a full disk the smaller one has the better chance.
        let is_full = self.must_be_full
            || facts.newest == 0
            || !matches!(CheckpointChain::is_present(storage, facts.full, facts.newest), Ok(true))
            || (is_chain_long && !self.shared.is_disk_full());
        let kind = if is_full { CheckpointKind::Full } else { CheckpointKind::Delta };
        if is_full {
            self.expect_full_checkpoint();
        }
        let number = facts.newest + 1;
        let (header, mut making) = {
            let mut core = self.shared.lock_core();
            let position = core.log.as_mut().expect("checkpoints are of a stored log").cut();
            let header = core.state.begin_saving(is_full);
            let making = Making {
                begun: Instant::now(),
                writer: None,
                kind,
                number,
                position,
                freed: core.state.take_freed(),
                unwritten_bytes: core.state.unwritten_bytes(),
                unsettled: Unsettled::default(),
            };
            (header, making)
        };
        let position = making.position;
        let reserve = self.shared.reserve().expect("a stored engine has one");
        let begun = CheckpointWriter::create(&reserve.storage(), kind, number, position, self.salt);
        let begun = begun.and_then(|mut writer| {
            let unsettled = &mut making.unsettled;
            let mut sink =
                self.shared.sink(&mut self.blocks, &mut writer, &mut *self.pace, unsettled);
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
        let saved = self.shared.lock_core().state.save_some(SAVE_BUDGET);
        if saved.is_empty() {
            return self.finish(making);
        }
        let writer = making.writer.as_mut().expect("it is there while objects are saved");
        let unsettled = &mut making.unsettled;
        let mut sink = self.shared.sink(&mut self.blocks, writer, &mut *self.pace, unsettled);
        let written = saved.iter().try_for_each(|object| encode::encode_object(object, &mut sink));
        let unpaced = sink.unpaced;
        (self.pace)(unpaced);
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
        let mut writer = making.writer.take().expect("it is there while objects are saved");
        let time_max_ms = self.shared.lock_core().state.time_max_ms;
        let put = writer.put(&encode::time_record(time_max_ms));
        // Blocks are settled once nothing else can be short of space.
        let finished = put.and_then(|()| {
            let finished = writer.finish()?;
            self.shared.settle(&mut self.blocks, &mut making.unsettled)?;
            Ok(finished)
        });
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
        let bytes = finished.bytes();
        if let Err(error) = finished.publish() {
            // It may be the newest one at the next start: its number is used, and nothing that the
            // one before needs has gone.
            self.facts.newest = making.number;
            return Err(self.give_up(making, error.into()));
        }
        self.note_published(&making, bytes);
        self.lock_end_saving(&making);
        for place in making.freed.iter() {
            self.shared.free(place);
        }
        self.blocks.end_sparse();
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
        self.has_moved = false;
        self.last_position = making.position;
        self.shared.made_checkpoint_of(bytes);
        self.must_be_full = false;
        let chain = (self.facts.full, self.facts.newest);
        self.shared.backups.lock().published(chain, making.position);
        self.shared.checkpointed.store(making.position.get(), Ordering::Release);
        let counters = &self.shared.counters;
        counters.checkpoints.fetch_add(1, Ordering::Relaxed);
        counters.checkpoint_bytes.fetch_add(bytes, Ordering::Relaxed);
        counters.last_checkpoint_bytes.store(bytes, Ordering::Relaxed);
        let kept_bytes = self.facts.full_bytes + self.facts.delta_bytes;
        counters.kept_checkpoint_bytes.store(kept_bytes, Ordering::Relaxed);
        let took_ms = making.begun.elapsed().as_millis().try_into().unwrap_or(u64::MAX);
        counters.last_checkpoint_ms.store(took_ms, Ordering::Relaxed);
        counters.last_checkpoint_failed.store(false, Ordering::Relaxed);
    }

    fn remove_unneeded(&self) -> Result<(), CheckpointError> {
        let storage = self.shared.storage().expect("checkpoints are of a stored log");
        let kept = self.shared.backups.lock().chains();
        CheckpointChain::remove_others(storage, &kept).map_err(CheckpointError::Remove)?;
        let files = self.shared.block_files().expect("a stored log has block files");
        files.remove_dead().map_err(CheckpointError::RemoveBlocks)?;
        Ok(())
    }

    fn lock_end_saving(&self, making: &Making) {
        let left = {
            let mut core = self.shared.lock_core();
            core.unwritten_floor =
                making.unwritten_bytes.saturating_sub(making.unsettled.settled_bytes);
            core.state.end_saving()
        };
        free_removed(&self.shared, &left);
    }

    /// The next one says everything: the last full one and what changed since then.
    fn expect_full_checkpoint(&self) {
        self.shared.expect_checkpoint_of(self.facts.full_bytes + self.facts.delta_bytes);
    }

    /// Forgets a checkpoint that failed.
    fn give_up(&mut self, mut making: Making, error: CheckpointError) -> CheckpointError {
        self.must_be_full = true;
        self.expect_full_checkpoint();
        let (left, unsettled) = {
            let mut core = self.shared.lock_core();
            core.state.freed.append(std::mem::take(&mut making.freed));
            (core.state.end_saving(), std::mem::take(&mut making.unsettled))
        };
        free_removed(&self.shared, &left);
        // Only the draft refers to these, and it goes here.
        drop(making);
        self.blocks.discard();
        for (.., place) in unsettled.blocks {
            self.shared.free(place);
        }
        if let Some(files) = self.shared.block_files() {
            // What stays is removed later.
            let _ = files.remove_dead();
        }
        error
    }
}

/// Notes that nothing refers any more to blocks of objects that are gone: the checkpoint that had
/// to see them has.
fn free_removed(shared: &Shared, saved: &[SavedObject]) {
    let gone = saved.iter().filter(|object| object.is_removed);
    let streams = gone.filter_map(|object| object.data.as_stream());
    let mut places = FreedBlocks::default();
    places.extend(streams.flat_map(|stream| stream.places()));
    if !places.is_empty() {
        shared.lock_core().state.freed.append(places);
    }
}

impl Shared {
    fn free(&self, place: BlockPlace) {
        self.block_files().expect("a stored log has block files").free(address(place));
    }
}
