//! The end of a run: once nothing goes wrong any more, everything that is due is done.

use crate::dice::Dice;
use crate::failure::Checked;
use crate::simulation::Simulation;

/// Firing and retention try again by then.
const PATIENCE_MS: u64 = 1000;
const ROUNDS: usize = 3;
const CHECKPOINT_STEPS: usize = 60;

impl Simulation {
    /// With the disk well and all of it written, what is due comes about. Where a fault was
    /// ordered, or the log is poisoned, there is no such end.
    pub(crate) fn finish(&mut self) -> Checked {
        let mut dice = Dice::of_step(self.seed, u64::MAX - 1);
        if self.has_faults || self.store.poison().is_some() {
            return Ok(());
        }
        self.full_until = None;
        self.store.disk.set_capacity_bytes(None);
        self.note("the end");
        let (mut is_idle, checkpoints) = (false, self.counters.checkpoints);
        for _ in 0..ROUNDS {
            self.clock.monotonic_ms += PATIENCE_MS;
            self.clock.wall_ms += PATIENCE_MS;
            for _ in 0..ROUNDS {
                self.write(&mut dice)?;
                self.sync(&mut dice)?;
                self.prepare(&mut dice)?;
                self.some_checkpoints(&mut dice)?;
            }
            is_idle = self.catch_up()?;
        }
        // These were no part of what was rolled.
        self.counters.checkpoints = checkpoints;
        if is_idle {
            self.counters.finished += 1;
        }
        Ok(())
    }

    /// What can leave memory does. Moving blocks may go on for longer than that.
    fn some_checkpoints(&mut self, dice: &mut Dice) -> Checked {
        for _ in 0..CHECKPOINT_STEPS {
            if self.checkpoint_step(true)? {
                break;
            }
            self.write(dice)?;
            self.sync(dice)?;
        }
        Ok(())
    }
}
