//! From what is on disk to a state: the newest checkpoint, then the log behind it.

use std::error::Error;

use millstream_log::{BlockFiles, CheckpointChain, OpenError, Progress, Record};

use crate::blocks::read_blocks;
use crate::checkpoint::Loader;
use crate::core::Core;
use crate::record::{ReplayError, replay_with};
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

/// Applies the records of the log, loading blocks where a record changes one that is on disk only.
pub(crate) struct Replayer<'a> {
    core: &'a mut Core,
    files: &'a BlockFiles,
    records: u64,
}

impl<'a> Replayer<'a> {
    pub(crate) fn new(core: &'a mut Core, files: &'a BlockFiles) -> Self {
        Self { core, files, records: 0 }
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
            let places: Vec<_> = cold.iter().map(|cold| cold.place).collect();
            let loaded = read_blocks(files, &places)
                .map_err(|error| ReplayError::Block(error.to_string().into()))?;
            for (cold, block) in cold.into_iter().zip(loaded) {
                crate::blocks::install(state, cache, object, cold, &block);
            }
            Ok(())
        };
        replay_with(state, record.reader(), limits, &mut load)?;
        self.records += 1;
        if self.records.is_multiple_of(ROOM_STRIDE) {
            while self.core.make_room() {}
        }
        Ok(())
    }
}
