//! What goes wrong: faults of the disk, a disk that is full for a while, ends of the program.

use std::io::ErrorKind;

use millstream_log::MemoryStorage;
use millstream_log::memory_storage::{Crash, Operation};

use crate::dice::Dice;
use crate::failure::Checked;
use crate::simulation::Simulation;

type Sabotage = fn(&mut Simulation, &mut Dice) -> Checked;

const SABOTAGE: &[(u64, Sabotage)] = &[
    (10, Simulation::crash),
    (6, Simulation::crash_within),
    (2, Simulation::stop),
    (3, Simulation::order_fault),
    (2, Simulation::fill_disk),
];

const OPERATIONS: [Operation; 9] = [
    Operation::Create,
    Operation::Open,
    Operation::Read,
    Operation::Write,
    Operation::SetLen,
    Operation::Sync,
    Operation::Rename,
    Operation::Remove,
    Operation::SyncDir,
];

/// Steps of the program after which a crash is likely to find it in the middle.
const WITHIN: &[Sabotage] = &[
    Simulation::write,
    Simulation::sync,
    Simulation::close_batch,
    Simulation::prepare,
    Simulation::checkpoint,
    Simulation::checkpoint,
];

/// What a crash leaves of what was not synced.
pub(super) fn kind_of_crash(dice: &mut Dice) -> Crash {
    match dice.roll(10) {
        0 | 1 => Crash::LoseAll,
        2..=4 => Crash::KeepAll,
        _ => Crash::Random(dice.number()),
    }
}

/// Makes a write or a sync fail most of the time, else anything.
pub(super) fn order_fault(disk: &MemoryStorage, dice: &mut Dice) -> Operation {
    let operation = match dice.roll(3) {
        0 => Operation::Write,
        1 => Operation::Sync,
        _ => dice.pick(&OPERATIONS),
    };
    disk.fail(operation, dice.roll(6), ErrorKind::Other);
    operation
}

impl Simulation {
    pub(crate) fn sabotage(&mut self, dice: &mut Dice) -> Checked {
        let sabotage = dice.weighted(SABOTAGE);
        sabotage(self, dice)
    }

    /// The machine or the process ends between two operations.
    pub(crate) fn crash(&mut self, dice: &mut Dice) -> Checked {
        let crash = kind_of_crash(dice);
        let disk = self.store.disk.crash(crash);
        self.crashed(dice, disk, crash)
    }

    /// The machine or the process ends in the middle of a step, after one of its operations.
    fn crash_within(&mut self, dice: &mut Dice) -> Checked {
        let step = dice.pick(WITHIN);
        let before = (self.store.durable(), self.store.written());
        self.store.disk.keep_images();
        let result = step(self, dice);
        let images = self.store.disk.take_images();
        result?;
        if images.is_empty() {
            return Ok(());
        }
        let crash = kind_of_crash(dice);
        let image = &images[dice.index(images.len())];
        self.note(&format!("but only up to a {:?}", image.operation));
        self.restart(dice, image.crash(crash), crash, before)
    }

    fn crashed(&mut self, dice: &mut Dice, disk: MemoryStorage, crash: Crash) -> Checked {
        let before = (self.store.durable(), self.store.written());
        self.restart(dice, disk, crash, before)
    }

    /// The program ends as it should, and is started again, perhaps with other sizes.
    fn stop(&mut self, dice: &mut Dice) -> Checked {
        if dice.once_in(2) {
            self.last_checkpoint(dice)?;
        }
        self.write(dice)?;
        self.sync(dice)?;
        self.close_batch(dice)?;
        if self.store.poison().is_some() {
            return Ok(());
        }
        self.counters.stops += 1;
        self.note("stopped");
        let end = self.history.end();
        let disk = self.store.disk.crash(Crash::LoseAll);
        self.restart(dice, disk, Crash::LoseAll, (end, end))
    }

    fn order_fault(&mut self, dice: &mut Dice) -> Checked {
        let operation = loop {
            let operation = order_fault(&self.store.disk, dice);
            // A block that cannot be read is a refused command, which the reference does not know.
            if !matches!(operation, Operation::Read | Operation::Open) {
                break operation;
            }
            self.store.disk.fail_no_more();
        };
        self.has_faults = true;
        self.note(&format!("a {operation:?} is going to fail"));
        Ok(())
    }

    fn fill_disk(&mut self, dice: &mut Dice) -> Checked {
        let disk = &self.store.disk;
        let used: usize =
            disk.names().iter().filter_map(|name| disk.contents(name)).map(|file| file.len()).sum();
        // Down to less than what is used: then nothing new fits.
        let capacity_bytes = (used as u64 + dice.roll(20 << 10)).saturating_sub(4 << 10);
        disk.set_capacity_bytes(Some(capacity_bytes));
        self.full_until = Some(self.step + 20 + dice.roll(150));
        self.counters.full_disks += 1;
        self.note(&format!("the disk has {capacity_bytes} bytes"));
        Ok(())
    }
}
