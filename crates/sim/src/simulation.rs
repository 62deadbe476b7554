//! One run: a program, a reference, clients and a saboteur on one thread, and dice that say whose
//! turn it is.
//!
//! Invariants that every step keeps or reports: replies are the reference's; a change is logged; a
//! reply depends on the last change of all that it shows; after a crash the store is in exactly one
//! of the states it was in, at or behind everything that was durable. How it fails: with a
//! [`Failure`], or by a panic of the program, which [`crate::run`] catches.

use crate::actors;
use crate::clients::{self, Client};
use crate::config::{self, Config};
use crate::dice::Dice;
use crate::failure::{Checked, Failure};
use crate::history::History;
use crate::reference::{Moment, Reference, State};
use crate::store::Store;
use crate::trace::Trace;
use millstream_engine::Now;
use millstream_log::MemoryStorage;

/// Unix milliseconds at the start.
const START_MS: u64 = 1_700_000_000_000;

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Steps that were done.
    pub steps: u64,
    /// Commands whose replies were compared.
    pub replies: u64,
    /// Parked reads that were served.
    pub served: u64,
    /// Ends of the program that were no clean stop.
    pub crashes: u64,
    /// Clean stops.
    pub stops: u64,
    /// Recoveries that were interrupted, by a crash or a fault.
    pub interrupted: u64,
    /// Logs that were poisoned.
    pub poisons: u64,
    /// Disks that were filled.
    pub full_disks: u64,
    /// Checkpoints that were published.
    pub checkpoints: u64,
    /// Checkpoints that failed.
    pub checkpoint_failures: u64,
    /// Writes that were refused because the disk was full.
    pub refused_writes: u64,
    /// Flipped bits: the store refused to open.
    pub flips_refused: u64,
    /// Flipped bits that changed nothing, or only what may go.
    pub flips_harmless: u64,
    /// Entries that became dead letters.
    pub letters: u64,
    /// Times that dead letters were refused.
    pub refused_letters: u64,
    /// Entries that were given back by XDLQ.
    pub requeued: u64,
    /// Consumers that went because they were away for so long.
    pub expired_consumers: u64,
    /// Reads that stopped since their group was full.
    pub full_groups: u64,
    /// Entries that had to wait for others of their value.
    pub held: u64,
    /// Of those, how many were handed out.
    pub ordered: u64,
    /// Reads that stopped since their group held so many.
    pub full_of_held: u64,
    /// Entries that streams dropped by themselves.
    pub retained: u64,
    /// Entries that made room for new ones.
    pub displaced: u64,
    /// Entries that a full stream refused.
    pub full_streams: u64,
    /// Delayed entries that were appended at their time.
    pub fired: u64,
    /// Delayed entries that were appended at once, by XSCHEDULE RUN.
    pub run: u64,
    /// Delayed entries that were cancelled.
    pub cancelled: u64,
    /// Times that a stream refused a delayed entry that was due.
    pub refused_firings: u64,
    /// Runs that ended with everything done that was due.
    pub finished: u64,
    /// Entries that were given up by XGROUP SKIP.
    pub skipped: u64,
    /// Times that the timer found nothing due, and that was right.
    pub catch_ups: u64,
}

/// A run in progress.
pub(crate) struct Simulation {
    pub(crate) seed: u64,
    pub(crate) config: Config,
    pub(crate) step: u64,
    pub(crate) store: Store,
    pub(crate) reference: Reference,
    pub(crate) history: History,
    pub(crate) clients: Vec<Client>,
    pub(crate) clock: Clock,
    pub(crate) trace: Trace,
    pub(crate) counters: Counters,
    /// The disk has a limit until that step.
    pub(crate) full_until: Option<u64>,
    /// Faults that were ordered and may come at any time.
    pub(crate) has_faults: bool,
}

/// The time, as the simulation says it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) wall_ms: u64,
    pub(crate) monotonic_ms: u64,
}

impl Clock {
    pub(crate) fn now(self) -> Now {
        Now { wall_ms: self.wall_ms, monotonic_ms: self.monotonic_ms }
    }
}

impl Simulation {
    pub(crate) fn new(seed: u64, config: Config) -> Result<Self, Failure> {
        let mut dice = Dice::of_step(seed, u64::MAX);
        let clock = Clock { wall_ms: START_MS, monotonic_ms: dice.roll(1000) };
        let options = config::options(&mut dice);
        let store = Store::open(MemoryStorage::new(), options, clock.now()).map_err(|error| {
            Failure::Refused { what: "a new store".into(), error: error.to_string() }
        })?;
        let mut simulation = Self {
            seed,
            trace: Trace::new(config.prints),
            config,
            step: 0,
            history: History::new(),
            reference: Reference::new(State::default(), clock.wall_ms, store.held_max(clock.now())),
            store,
            clients: clients::all(),
            clock,
            counters: Counters::default(),
            full_until: None,
            has_faults: false,
        };
        simulation.note_creation();
        Ok(simulation)
    }

    /// A new store has a first record, which changes nothing that anybody sees.
    pub(crate) fn note_creation(&mut self) {
        let txn = self.store.engine.lock(self.clock.now());
        let end = self.store.end(&txn);
        drop(txn);
        if end > self.history.end() {
            self.history.settle(end);
        }
    }

    pub(crate) fn run(&mut self) -> Checked {
        while self.step < self.config.steps {
            self.end_of_full_disk();
            if !self.config.skipped.contains(&self.step) {
                let mut dice = Dice::of_step(self.seed, self.step);
                self.counters.steps += 1;
                actors::act(self, &mut dice)?;
            }
            self.step += 1;
        }
        self.finish()?;
        let tally = self.reference.tally;
        self.counters.letters = tally.letters;
        self.counters.refused_letters = tally.refusals;
        self.counters.requeued = tally.requeued;
        self.counters.expired_consumers = tally.expired;
        self.counters.full_groups = tally.full;
        self.counters.held = tally.held;
        self.counters.ordered = tally.ordered;
        self.counters.full_of_held = tally.held_full;
        self.counters.skipped = tally.skipped;
        self.counters.fired = tally.fired;
        self.counters.run = tally.run;
        self.counters.cancelled = tally.cancelled;
        self.counters.refused_firings = tally.refused_firings;
        self.counters.retained = tally.retained;
        self.counters.displaced = tally.displaced;
        self.counters.full_streams = tally.full_streams;
        self.inspect()
    }

    fn end_of_full_disk(&mut self) {
        if self.full_until.is_some_and(|until| until <= self.step) {
            self.full_until = None;
            self.store.disk.set_capacity_bytes(None);
            self.note("the disk has space again");
        }
    }

    pub(crate) fn note(&mut self, what: &str) {
        self.trace.note(self.step, what);
    }

    /// The time of a transaction that is held.
    pub(crate) fn moment(&self, steady_ms: u64) -> Moment {
        let Clock { wall_ms, monotonic_ms } = self.clock;
        Moment { wall_ms, monotonic_ms, steady_ms }
    }
}

impl Counters {
    /// Adds what another run did.
    pub fn add(&mut self, other: &Self) {
        self.steps += other.steps;
        self.replies += other.replies;
        self.served += other.served;
        self.crashes += other.crashes;
        self.stops += other.stops;
        self.interrupted += other.interrupted;
        self.poisons += other.poisons;
        self.full_disks += other.full_disks;
        self.refused_writes += other.refused_writes;
        self.checkpoints += other.checkpoints;
        self.checkpoint_failures += other.checkpoint_failures;
        self.flips_refused += other.flips_refused;
        self.flips_harmless += other.flips_harmless;
        self.letters += other.letters;
        self.refused_letters += other.refused_letters;
        self.requeued += other.requeued;
        self.expired_consumers += other.expired_consumers;
        self.full_groups += other.full_groups;
        self.held += other.held;
        self.ordered += other.ordered;
        self.full_of_held += other.full_of_held;
        self.skipped += other.skipped;
        self.fired += other.fired;
        self.run += other.run;
        self.cancelled += other.cancelled;
        self.refused_firings += other.refused_firings;
        self.finished += other.finished;
        self.retained += other.retained;
        self.displaced += other.displaced;
        self.full_streams += other.full_streams;
        self.catch_ups += other.catch_ups;
    }
}
