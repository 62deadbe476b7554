//! Giving up what is in memory for what is on disk, while everything else goes on.
//!
//! For tests: it shows that the log alone holds everything. Parked reads, settings and counters of
//! INFO stay. Tests: `tests/it/reload.rs`.

use std::{error, fmt};

use millstream_log::{CheckpointChain, LogPosition, OpenError};

use crate::blocks::address;
use crate::engine::Engine;
use crate::now::Now;
use crate::recovery::{self, Replayer};
use crate::state::State;

/// Why nothing was reloaded.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReloadError {
    /// There is no log (in memory).
    NotStored,
    /// Records are on their way to the log, or a checkpoint is being made: try again soon.
    Busy,
    /// What is on disk cannot be read; the state in memory is as it was.
    Open(OpenError),
}

impl fmt::Display for ReloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotStored => f.write_str("nothing is stored"),
            Self::Busy => f.write_str("the log is being written, or a checkpoint"),
            Self::Open(error) => error.fmt(f),
        }
    }
}

impl error::Error for ReloadError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Open(error) => error.source(),
            Self::NotStored | Self::Busy => None,
        }
    }
}

impl Engine {
    /// Replaces the state by what the log says, holding the engine all the while. Returns the
    /// number of records replayed.
    ///
    /// # Errors
    /// [`ReloadError`]: nothing has changed.
    pub fn reload(&self, now: Now) -> Result<u64, ReloadError> {
        let shared = self.shared();
        let storage = shared.storage().ok_or(ReloadError::NotStored)?;
        let files = shared.block_files().ok_or(ReloadError::NotStored)?;
        let mut transaction = self.lock(now);
        let core = &mut *transaction.core;
        let end = core.log.as_ref().ok_or(ReloadError::NotStored)?.end();
        if end > self.written() || core.is_checkpointing {
            drop(transaction);
            self.wake_commit();
            return Err(ReloadError::Busy);
        }
        let chain = CheckpointChain::find(storage).map_err(ReloadError::Open)?;
        let state = match &chain {
            Some(chain) => recovery::load(chain, &mut |_| {}).map_err(ReloadError::Open)?,
            None => State::new(0),
        };
        let from = chain.as_ref().map_or(LogPosition::ZERO, CheckpointChain::position);
        let before = std::mem::replace(&mut core.state, state);
        core.cache.clear();
        let mut replayer = Replayer::new(core, files, false);
        let mut replay = |record: millstream_log::Record<'_>| replayer.record(record);
        let replayed = millstream_log::replay_until(&**storage, from, end, &mut replay);
        let records = match replayed {
            Ok(records) => records,
            Err(error) => {
                core.state = before;
                return Err(ReloadError::Open(error));
            }
        };
        // Written is not durable: whoever looks at anything waits for the end of the log.
        core.state.depend_on(end);
        let freed = core.state.freed.iter();
        files.recount(core.state.places().chain(freed).map(address));
        drop(transaction);
        // Takes as long as the state was large, and nobody shall wait for it.
        drop(before);
        Ok(records)
    }
}

impl State {
    /// Makes everything depend on a position.
    fn depend_on(&mut self, position: LogPosition) {
        for database in &mut self.databases {
            database.changed_at = position;
            database.swapped_at = position;
        }
        self.for_each_object_mut(|object| object.changed_at = position);
    }
}
