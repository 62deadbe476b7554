//! The thread that makes checkpoints and empties sparse files.

use std::error::Error as _;
use std::io;

use millstream_engine::{CheckpointError, CheckpointStep};
use millstream_log::PrepareError;

use crate::dice::Dice;
use crate::failure::Checked;
use crate::simulation::Simulation;

impl Simulation {
    /// Some steps of it, or all that there is to do.
    pub(crate) fn checkpoint(&mut self, dice: &mut Dice) -> Checked {
        let is_wanted = dice.once_in(3);
        for _ in 0..1 + dice.roll(8) {
            if self.checkpoint_step(is_wanted)? {
                break;
            }
        }
        if !self.store.checkpointer.is_working() && !self.has_faults && dice.once_in(8) {
            self.store.checkpointer.check();
        }
        Ok(())
    }

    /// A checkpoint of all there is, as before a clean end.
    pub(super) fn last_checkpoint(&mut self, dice: &mut Dice) -> Checked {
        for _ in 0..10_000 {
            if self.store.poison().is_some() || self.checkpoint_step(true)? {
                break;
            }
            if self.store.checkpointer.is_working() {
                self.write(dice)?;
                self.sync(dice)?;
            }
        }
        Ok(())
    }

    /// Returns whether there is nothing to do for now.
    pub(super) fn checkpoint_step(
        &mut self,
        is_wanted: bool,
    ) -> Result<bool, crate::failure::Failure> {
        match self.store.checkpointer.step(is_wanted) {
            Ok(CheckpointStep::Idle) => {
                self.keep_reserve()?;
                return Ok(true);
            }
            Ok(CheckpointStep::Working) => {}
            Ok(CheckpointStep::WaitsForLog(position)) => {
                self.note(&format!("a checkpoint waits for {position}"));
            }
            Ok(CheckpointStep::Published(position)) => {
                self.counters.checkpoints += 1;
                self.note(&format!("a checkpoint covers {position}"));
                self.remove_log()?;
            }
            Err(error) => {
                self.counters.checkpoint_failures += 1;
                self.checkpoint_failed(&error)?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn keep_reserve(&mut self) -> Checked {
        match self.store.checkpointer.keep_reserve() {
            Ok(_) => Ok(()),
            Err(error) => self.checkpoint_failed(&error),
        }
    }

    fn checkpoint_failed(&mut self, error: &CheckpointError) -> Checked {
        let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
        let kind = source.map_or(io::ErrorKind::Other, io::Error::kind);
        let text = error.to_string();
        if error.is_disk_full() && self.full_until.is_some() {
            self.note(&format!("no checkpoint: {text}"));
            return Ok(());
        }
        self.disk_failed(&text, kind)
    }

    /// What a checkpoint covers leaves the log.
    fn remove_log(&mut self) -> Checked {
        let position = self.store.engine.checkpointed();
        match self.store.preparer.remove_before(position) {
            Ok(removed) => self.note(&format!("{} segments removed", removed.segments)),
            Err(PrepareError::Io { action, source, .. }) => {
                return self.disk_failed(action, source.kind());
            }
            Err(_) => {}
        }
        Ok(())
    }
}
