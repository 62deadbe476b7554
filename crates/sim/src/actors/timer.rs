//! The clock, and the timer thread: expiry, timeouts, claims of parked reads, forgetting of
//! productions.

use std::collections::BTreeMap;

use crate::command::Text;
use crate::dice::Dice;
use crate::failure::{Checked, ensure};
use crate::id::Id;
use crate::reference::State;
use crate::simulation::Simulation;
use millstream_engine::Transaction;
use millstream_resp::Value;

/// Logged for one piece of work besides a key, as the engine has it.
const PIECE_BYTES: u64 = 128;
/// More than anything that one turn of the timer logs.
const ROOM_BYTES: u64 = 2 << 10;

/// Of each stream, what its producers made: producer, its id for it, the entry.
type Productions = BTreeMap<(u8, Text), Vec<(Text, Text, Id)>>;

impl Simulation {
    pub(crate) fn pass_time(&mut self, dice: &mut Dice) -> Checked {
        let passed_ms = match dice.roll(40) {
            0 => 1000 + dice.roll(4000),
            1..=8 => 40 + dice.roll(300),
            _ => dice.roll(20),
        };
        self.clock.monotonic_ms += passed_ms;
        self.clock.wall_ms += passed_ms;
        match dice.roll(30) {
            0 => self.clock.wall_ms -= dice.roll(3000),
            1 => self.clock.wall_ms += dice.roll(3000),
            _ => {}
        }
        let (wall_ms, monotonic_ms) = (self.clock.wall_ms, self.clock.monotonic_ms);
        self.note(&format!("it is {wall_ms}, and {monotonic_ms} since the start"));
        Ok(())
    }

    /// One turn of the timer thread, one piece of each kind of work.
    pub(crate) fn timer(&mut self, _: &mut Dice) -> Checked {
        let end_before = self.history.end();
        let may_log = self.store.poison().is_none();
        let has_room = may_log && self.store.admits(end_before, ROOM_BYTES, false);
        let is_full = !may_log || !self.store.admits(end_before, PIECE_BYTES, false);
        // In between it depends on sizes that only the engine knows.
        if has_room == is_full {
            return Ok(());
        }
        let now = self.clock.now();
        let (steady_ms, expired_before) = {
            let txn = self.store.engine.lock(now);
            (txn.steady_ms(), txn.statistics().expired_keys)
        };
        // What it left to be freed is freed here.
        drop(self.store.engine.run_due(now, 1));
        let txn = self.store.engine.lock(now);
        let expired = txn.statistics().expired_keys - expired_before;
        let end = self.store.end(&txn);
        drop(txn);
        self.note(&format!("timer: {expired} expired, the log ends at {end}"));

        let moment = self.moment(steady_ms);
        self.reference.begin(moment);
        // Without log space an expired key stays, absent for everybody all the same.
        let due = if has_room { self.reference.expire_first() } else { None };
        ensure(expired == u64::from(due.is_some()), || {
            format!("{expired} keys expired, {due:?} should have")
        })?;
        if due.is_some() {
            let state = self.reference.state.clone();
            self.history.push(None, &state);
            let attempts = self.reference.serve();
            self.take_attempts(attempts)?;
        }
        let mut txn = self.store.engine.lock(self.timeless());
        let productions = productions(&mut txn, &self.reference.state);
        drop(txn);
        self.forget_productions(&productions)?;
        if let Some(client) = self.reference.time_out(moment) {
            self.complete(client, Value::NilArray)?;
        }
        if has_room {
            let attempts = self.reference.claim_due(moment);
            self.take_attempts(attempts)?;
        }
        ensure(has_room || end == end_before, || "logged without room".into())?;
        self.end_of_log(end)
    }

    /// What was forgotten must have been due; when a round comes is the engine's choice.
    fn forget_productions(&mut self, found: &Productions) -> Checked {
        let wall_ms = self.clock.wall_ms;
        let mut forgotten = Vec::new();
        for (db, keys) in self.reference.state.databases() {
            for key in keys.keys() {
                let Some(stream) = self.reference.state.stream(db, key) else { continue };
                let made = &stream.idempotence;
                let found = found.get(&(db, key.clone())).map_or(&[][..], Vec::as_slice);
                if listed(&made.producers) == found {
                    continue;
                }
                let duration_ms = u64::from(made.duration_s) * 1000;
                let left = made.without(wall_ms.saturating_sub(duration_ms));
                ensure(listed(&left) == found, || format!("{key:?} remembers {found:?}"))?;
                forgotten.push((db, key.clone(), left));
            }
        }
        ensure(forgotten.len() <= 1, || format!("forgotten at once: {forgotten:?}"))?;
        for (db, key, left) in forgotten {
            self.reference.set_productions(db, &key, left);
            let state = self.reference.state.clone();
            self.history.push(None, &state);
        }
        Ok(())
    }
}

fn listed(made: &BTreeMap<Text, Vec<(Text, Id)>>) -> Vec<(Text, Text, Id)> {
    let mut listed = Vec::new();
    for (producer, made) in made {
        listed.extend(made.iter().map(|(iid, id)| (producer.clone(), iid.clone(), *id)));
    }
    listed
}

/// As of wall time 0: streams that are absent already forget, too.
fn productions(txn: &mut Transaction<'_>, state: &State) -> Productions {
    let mut found = Productions::new();
    for (db, keys) in state.databases() {
        for key in keys.keys() {
            let Ok(Some(stream)) = txn.stream(db, key) else { continue };
            let made = stream
                .idempotence()
                .productions()
                .map(|(producer, iid, id)| (producer.to_vec(), iid.to_vec(), Id(id.ms, id.seq)));
            found.insert((db, key.clone()), made.collect());
        }
    }
    found
}
