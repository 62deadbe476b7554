//! Who may have the next turn.
//!
//! A background actor that joins the store (a checkpointer, a loader of cold blocks, a backup) is
//! one line in [`ACTORS`], and a method beside the others: it does one step of the program, says in
//! the trace what that was, and hands failures to `Simulation::disk_failed`.

mod checkpoint;
mod commit;
mod finish;
mod inspector;
mod restart;
mod saboteur;
mod timer;

use crate::clients::{CLIENTS, Roller};
use crate::dice::Dice;
use crate::failure::Checked;
use crate::simulation::Simulation;

type Actor = fn(&mut Simulation, &mut Dice) -> Checked;

/// How often each has its turn.
const ACTORS: &[(u64, Actor)] = &[
    (600, client),
    (80, Simulation::write),
    (60, Simulation::write_small),
    (70, Simulation::sync),
    (30, Simulation::begin_sync),
    (30, Simulation::run_sync),
    (30, Simulation::end_sync),
    (10, Simulation::close_batch),
    (70, Simulation::prepare),
    (60, Simulation::checkpoint),
    (70, Simulation::timer),
    (60, Simulation::pass_time),
    (10, |simulation, _| simulation.inspect()),
    (20, sabotage),
];

/// In some runs little goes wrong, and what takes long has the time to happen.
const CALM_SEEDS: u64 = 4;
const CALM_TIMES: u64 = 12;

/// In some runs groups mostly order by a field.
const ORDERED_SEEDS: u64 = 3;

/// A poisoned log is started again after about so many steps.
const POISON_STEPS: u64 = 10;

pub(crate) fn act(simulation: &mut Simulation, dice: &mut Dice) -> Checked {
    if simulation.store.poison().is_some() && dice.once_in(POISON_STEPS) {
        return simulation.crash(dice);
    }
    let actor = dice.weighted(ACTORS);
    actor(simulation, dice)
}

fn sabotage(simulation: &mut Simulation, dice: &mut Dice) -> Checked {
    if simulation.is_calm() && !dice.once_in(CALM_TIMES) {
        return Ok(());
    }
    simulation.sabotage(dice)
}

impl Simulation {
    fn is_calm(&self) -> bool {
        self.seed.is_multiple_of(CALM_SEEDS)
    }
}

/// One client takes its replies and sends something, if it does not wait.
fn client(simulation: &mut Simulation, dice: &mut Dice) -> Checked {
    let number = dice.index(CLIENTS);
    if simulation.clients[number].parked.is_some() {
        if dice.once_in(20) {
            simulation.vanish(number);
        }
        return Ok(());
    }
    if !simulation.clients[number].receive(simulation.store.durable()) {
        return Ok(());
    }
    let db = u8::from(dice.once_in(8));
    let mut roller = Roller {
        dice: dice.clone(),
        state: &simulation.reference.state,
        db,
        // Close enough for choosing times.
        now: simulation.reference.now,
        payloads: simulation.reference.payloads(),
        favours_order: simulation.seed % ORDERED_SEEDS == 1,
    };
    roller.now.wall_ms = simulation.clock.wall_ms;
    let commands = simulation.clients[number].next(&mut roller);
    simulation.send(number, db, &commands)
}
