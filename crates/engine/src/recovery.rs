//! From what is on disk to a state: the newest checkpoint, then the log behind it.

use std::error::Error;

use millstream_log::{BlockFiles, ChainPart, CheckpointChain, OpenError, Progress, Record};

use crate::blocks::read_blocks;
use crate::checkpoint::Loader;
use crate::core::Core;
use crate::record::{ReplayError, replay_with};
use crate::salvage::Loss;
use crate::state::State;

/// Blocks that were loaded leave memory again after so many records.
const ROOM_STRIDE: u64 = 256;

/// The state that a chain of checkpoints says.
pub(crate) fn load(
    chain: &CheckpointChain,
    progress: &mut dyn FnMut(Progress),
) -> Result<State, OpenError> {
    let mut loader = Loader::default();
    let mut records = 0;
    let mut on_record = |_, record: &[u8]| -> Result<(), Box<dyn Error + Send + Sync>> {
        records += 1;
        Ok(loader.record(record)?)
    };
    chain.read(&mut on_record, &mut |bytes_done, bytes_total| {
        progress(Progress { bytes_done, bytes_total, records: 0 });
    })?;
    loader.finish().map_err(|error| OpenError::Replay {
        path: chain.path(),
        position_end: chain.position(),
        source: error.into(),
    })
}

/// The same of a chain that is not intact: what is damaged is left out and listed.
pub(crate) fn load_damaged(
    chain: &CheckpointChain,
    losses: &mut Vec<Loss>,
    progress: &mut dyn FnMut(Progress),
) -> Result<State, OpenError> {
    let mut loader = Loader::default();
    let mut on_part = |part: ChainPart<'_>| -> Result<(), Box<dyn Error + Send + Sync>> {
        match part {
            ChainPart::Record(record) => loader.record_after_damage(record, losses),
            ChainPart::Damaged { reason, bytes } => {
                losses.push(Loss::Checkpoint { reason, bytes });
                loader.give_up_stream(losses);
            }
        }
        Ok(())
    };
    chain.read_damaged(&mut on_part, &mut |bytes_done, bytes_total| {
        progress(Progress { bytes_done, bytes_total, records: 0 });
    })?;
    loader.finish_after_damage(losses).map_err(|error| OpenError::Replay {
        path: chain.path(),
        position_end: chain.position(),
        source: error.into(),
    })
}

/// Applies the records of the log, loading blocks where a record changes one that is on disk only.
pub(crate) struct Replayer<'a> {
    core: &'a mut Core,
    files: &'a BlockFiles,
    records: u64,
    /// Records that cannot be applied are skipped, and counted.
    accepts_damaged: bool,
    skipped: u64,
    skipped_for: Option<String>,
}

impl<'a> Replayer<'a> {
    pub(crate) fn new(core: &'a mut Core, files: &'a BlockFiles, accepts_damaged: bool) -> Self {
        Self { core, files, records: 0, accepts_damaged, skipped: 0, skipped_for: None }
    }

    /// What was skipped.
    pub(crate) fn into_loss(self) -> Option<Loss> {
        let reason = self.skipped_for?;
        Some(Loss::Records { count: self.skipped, reason })
    }

    pub(crate) fn record(
        &mut self,
        record: Record<'_>,
    ) -> Result<(), Box<dyn Error + Send + Sync>> {
        let limits = self.core.settings.block_limits;
        let Self { core, files, .. } = self;
        let Core { state, cache, .. } = &mut **core;
        let mut load = |state: &mut State, mutation: &crate::mutation::Mutation<'_>| {
            let Some((object, cold)) = state.cold_for(mutation) else { return Ok(()) };
            let loaded = read_blocks(files, &cold)
                .map_err(|error| ReplayError::Block(error.to_string().into()))?;
            for (cold, block) in cold.into_iter().zip(loaded) {
                crate::blocks::install(state, cache, object, cold, &block);
            }
            Ok(())
        };
        match replay_with(state, record.reader(), limits, &mut load) {
            Err(error) if self.accepts_damaged => {
                self.skipped += 1;
                self.skipped_for.get_or_insert_with(|| error.to_string());
            }
            replayed => replayed?,
        }
        self.records += 1;
        if self.records.is_multiple_of(ROOM_STRIDE) {
            while self.core.make_room() {}
        }
        Ok(())
    }
}
