//! Starting again after an end, and what must be there then.
//!
//! On the way recovery itself may be interrupted, and bits are flipped in copies of the disk: the
//! store must refuse those, or show a state that it was in.

use millstream_engine::OpenError;
use millstream_log::MemoryStorage;
use millstream_log::memory_storage::Crash;

use super::saboteur::{kind_of_crash, order_fault};
use crate::config;
use crate::dice::Dice;
use crate::failure::{Checked, Failure, ensure};
use crate::simulation::Simulation;
use crate::store::Store;

/// Recoveries that are interrupted in a row, at most.
const INTERRUPTIONS_MAX: u64 = 3;
const FLIPS_MAX: u64 = 3;

impl Simulation {
    /// Opens what an end left. Before it, so much was durable, and so much written.
    pub(super) fn restart(
        &mut self,
        dice: &mut Dice,
        disk: MemoryStorage,
        crash: Crash,
        (durable, written): (u64, u64),
    ) -> Checked {
        self.note(&format!("{crash:?} with {durable} durable, {written} written"));
        self.counters.crashes += 1;
        self.has_faults = false;
        // What the process wrote survives its end; what was not synced does not survive the
        // machine's.
        let mut at_least = if crash == Crash::KeepAll { written } else { durable };
        self.pass_time_while_down(dice);
        if dice.once_in(4) {
            self.flip_bits(dice, &disk, durable)?;
        }
        let mut disk = disk;
        let mut interruptions = dice.roll(4 * INTERRUPTIONS_MAX);
        while interruptions < INTERRUPTIONS_MAX {
            interruptions += 1;
            let crash;
            (disk, crash) = self.interrupt(dice, &disk, at_least)?;
            if crash != Crash::KeepAll {
                at_least = at_least.min(durable);
            }
        }
        let now = self.clock.now();
        let store = Store::open(disk, config::options(dice), now).map_err(refused("a crash"))?;
        let (state, opened_ms) = self.recognise(&store, at_least, &format!("after {crash:?}"))?;
        let end = store.recovered;
        for (number, client) in self.clients.iter().enumerate() {
            ensure(client.acknowledged <= end, || {
                format!("client {number} has a reply of {}, {end} is left", client.acknowledged)
            })?;
        }
        self.history.reopened(end, state.clone());
        self.reference.reopened(state, opened_ms, store.held_max(now));
        self.clients.iter_mut().for_each(crate::clients::Client::reset);
        self.store = store;
        self.note(&format!("open again, recovered up to {end}"));
        self.note_creation();
        Ok(())
    }

    fn is_readable(&self, store: &Store) -> bool {
        let mut txn = store.engine.lock(self.timeless());
        txn.begin();
        let is_readable = crate::store::is_readable(&mut txn);
        txn.finish();
        is_readable
    }

    /// The machine may have been started again, too, and its clock may have been set.
    fn pass_time_while_down(&mut self, dice: &mut Dice) {
        self.clock.wall_ms += dice.roll(2000);
        if dice.once_in(8) {
            self.clock.wall_ms -= dice.roll(5000);
        }
        self.clock.monotonic_ms = dice.roll(1000);
    }

    /// A start that is cut short by a crash or a fault; returns the disk after it.
    fn interrupt(
        &mut self,
        dice: &mut Dice,
        disk: &MemoryStorage,
        at_least: u64,
    ) -> Result<(MemoryStorage, Crash), Failure> {
        self.counters.interrupted += 1;
        let crash = kind_of_crash(dice);
        let now = self.clock.now();
        let disk = disk.crash(Crash::KeepAll);
        if dice.once_in(2) {
            let operation = order_fault(&disk, dice);
            self.note(&format!("starting: a {operation:?} fails, then {crash:?}"));
            match Store::open(disk.clone(), config::options(dice), now) {
                Ok(store) => drop(self.recognise(&store, at_least, "with a fault to come")?),
                // A block may be read in the middle of a record.
                Err(error) if is_fault(&error) => {}
                Err(error) => return Err(refused("a fault")(error)),
            }
            return Ok((disk.crash(crash), crash));
        }
        disk.keep_images();
        let opened = Store::open(disk.clone(), config::options(dice), now);
        let store = opened.map_err(refused("a crash"))?;
        drop(self.recognise(&store, at_least, "before it is interrupted")?);
        let images = disk.take_images();
        let image = &images[dice.index(images.len())];
        self.note(&format!("starting, up to a {:?}, then {crash:?}", image.operation));
        Ok((image.crash(crash), crash))
    }

    /// Flips a bit in copies of the disk. All but the end of the log, which no later header vouches
    /// for, is either as it was or the store does not open.
    fn flip_bits(&mut self, dice: &mut Dice, disk: &MemoryStorage, durable: u64) -> Checked {
        let certain = self.history.certain(durable);
        for _ in 0..1 + dice.roll(FLIPS_MAX) {
            let copy = disk.crash(Crash::KeepAll);
            let names = copy.names();
            if names.is_empty() {
                return Ok(());
            }
            let name = &names[dice.index(names.len())];
            let contents = copy.contents(name).unwrap_or_default();
            let used: Vec<usize> = (0..contents.len()).filter(|at| contents[*at] != 0).collect();
            let offset = match used.len() {
                0 => 0,
                length if dice.once_in(8) => used[length - 1] + dice.index(64),
                length => used[dice.index(length)],
            };
            let bit = dice.roll(8) as u8;
            if !copy.flip_bit(name, offset as u64, bit) {
                continue;
            }
            let what = format!("bit {bit} of byte {offset} of {name} flipped");
            match Store::open(copy, config::options(dice), self.clock.now()) {
                Ok(store) if name.starts_with("blocks/") && !self.is_readable(&store) => {
                    self.counters.flips_refused += 1;
                }
                Ok(store) => {
                    self.recognise(&store, certain, &what)?;
                    self.counters.flips_harmless += 1;
                }
                Err(error @ OpenError::Io { .. }) => return Err(refused(&what)(error)),
                Err(_) => self.counters.flips_refused += 1,
            }
        }
        Ok(())
    }
}

/// Whether a fault that was ordered is behind it.
fn is_fault(error: &OpenError) -> bool {
    let error: &(dyn std::error::Error + 'static) = error;
    std::iter::successors(Some(error), |error| error.source())
        .any(|error| error.to_string().contains("failed on order"))
}

fn refused(what: &str) -> impl FnOnce(OpenError) -> Failure {
    let what = what.to_owned();
    move |error| {
        let source = std::error::Error::source(&error).map(ToString::to_string);
        let error = format!("{error}: {}", source.unwrap_or_default());
        Failure::Refused { what, error }
    }
}
