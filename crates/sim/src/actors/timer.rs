//! The clock, and the timer thread: expiry, timeouts, claims of parked reads, forgetting of
//! productions, what managed groups do by themselves.

use std::collections::BTreeMap;

use crate::command::Text;
use crate::dice::Dice;
use crate::failure::{Checked, Failure, ensure};
use crate::id::Id;
use crate::picture::{kept, looks, scheduled};
use crate::reference::{Looks, State};
use crate::simulation::Simulation;
use millstream_engine::{Lifetime, Transaction};
use millstream_resp::Value;

/// Logged for one piece of work besides a key, as the engine has it.
const PIECE_BYTES: u64 = 128;
/// More than anything that one turn of the timer logs.
const ROOM_BYTES: u64 = 2 << 10;

/// A timer that is behind has so many turns in a row, and should come to an end.
const CATCH_UP_TURNS_MAX: usize = 500;

/// Log space for dead letters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Room {
    Enough,
    /// The program says for how many.
    ForSome,
}

enum Turn {
    /// It was not had, or had to stop somewhere.
    None,
    Done {
        has_more: bool,
    },
}

/// Of each stream, what its producers made: producer, its id for it, the entry.
type Productions = BTreeMap<(u8, Text), Vec<(Text, Text, Id)>>;

impl Simulation {
    pub(crate) fn pass_time(&mut self, dice: &mut Dice) -> Checked {
        let passed_ms = match dice.roll(if self.is_calm() { 15 } else { 40 }) {
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

    /// Some turns of the timer thread, often until nothing is due.
    pub(crate) fn timer(&mut self, dice: &mut Dice) -> Checked {
        let turns = if dice.once_in(3) { CATCH_UP_TURNS_MAX } else { 1 };
        self.turns(turns).map(|_| ())
    }

    /// Turns until nothing is due; whether it came to that.
    pub(super) fn catch_up(&mut self) -> Result<bool, Failure> {
        self.turns(CATCH_UP_TURNS_MAX)
    }

    fn turns(&mut self, turns: usize) -> Result<bool, Failure> {
        for _ in 0..turns {
            match self.turn()? {
                Turn::None => return Ok(false),
                Turn::Done { has_more: true } => {}
                Turn::Done { has_more: false } => {
                    self.caught_up()?;
                    return Ok(true);
                }
            }
        }
        ensure(turns == 1, || "the timer does not come to an end".into())?;
        Ok(false)
    }

    /// Before firing and after what comes before it in a turn, and takes memory and log, too.
    fn excuse_if_held_up(&mut self, end: u64) {
        if !self.store.may_fire(end) {
            self.reference.excuse_firing();
        }
    }

    /// One piece of each kind of work.
    fn turn(&mut self) -> Result<Turn, Failure> {
        let Some(has_room) = self.has_room_for_timer() else { return Ok(Turn::None) };
        let end_before = self.history.end();
        self.excuse_if_held_up(end_before);
        let now = self.clock.now();
        let (steady_ms, expired_before) = {
            let txn = self.store.engine.lock(now);
            (txn.steady_ms(), txn.statistics().expired_keys)
        };
        let (due, needed) = self.store.engine.run_due_in_memory(now, 1);
        // What it left to be freed is freed here.
        let mut has_more = due.has_more;
        drop(due.garbage);
        let txn = self.store.engine.lock(now);
        let expired = txn.statistics().expired_keys - expired_before;
        let end = self.store.end(&txn);
        drop(txn);
        self.excuse_if_held_up(end);
        self.note(&format!("timer: {expired} expired, the log ends at {end}"));

        let moment = self.moment(steady_ms);
        self.reference.begin(moment);
        // Without log space an expired key stays, absent for everybody all the same.
        let due = if has_room.is_some() { self.reference.expire_first() } else { None };
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
        self.streams_work(has_room)?;
        if let Some(client) = self.reference.time_out(moment) {
            self.complete(client, Value::NilArray)?;
        }
        if has_room.is_some() {
            let attempts = self.reference.claim_due(moment);
            self.take_attempts(attempts)?;
        }
        self.firing(has_room)?;
        ensure(has_room.is_some() || end == end_before, || "logged without room".into())?;
        self.end_of_log(end)?;
        if !needed.is_empty() {
            has_more = self.store.engine.go_on_after_loading(now, &needed, 1);
            let end = self.store.end(&self.store.engine.lock(now));
            self.excuse_if_held_up(end);
            self.note(&format!("timer: blocks are loaded, the log ends at {end}"));
            self.reference.begin(moment);
            self.streams_work(has_room)?;
            self.firing(has_room)?;
            ensure(has_room.is_some() || end == end_before, || "logged without room".into())?;
            self.end_of_log(end)?;
        }
        // Nothing is due to an engine that has no room for it.
        Ok(if has_room == Some(Room::Enough) { Turn::Done { has_more } } else { Turn::None })
    }

    /// How much log space there is for what time demands; `Some(None)`: none at all. Nothing: what
    /// comes of a turn depends on sizes that only the engine knows.
    #[expect(clippy::option_option, reason = "three answers, used in one place")]
    fn has_room_for_timer(&mut self) -> Option<Option<Room>> {
        let end = self.history.end();
        if self.store.poison().is_some() || !self.store.admits(end, PIECE_BYTES, false) {
            return Some(None);
        }
        let steady_ms = self.store.engine.lock(self.clock.now()).steady_ms();
        self.reference.begin(self.moment(steady_ms));
        let letter_bytes = self.reference.letter_bytes();
        if self.store.admits(end, ROOM_BYTES + letter_bytes, false) {
            return Some(Some(Room::Enough));
        }
        if self.store.admits(end, ROOM_BYTES, false) && !self.reference.is_claim_due() {
            return Some(Some(Room::ForSome));
        }
        if let Some(room) = self.store.engine.room() {
            room.want(ROOM_BYTES + letter_bytes);
        }
        None
    }

    /// What streams and groups did by themselves.
    fn streams_work(&mut self, room: Option<Room>) -> Checked {
        let mut txn = self.store.engine.lock(self.timeless());
        let looks = looks(&mut txn);
        self.reference.kept = kept(&mut txn);
        drop(txn);
        for (db, key, ids) in self.reference.recognise_drops() {
            ensure(room.is_some(), || format!("without room: {ids:?}"))?;
            self.note(&format!("timer: {db} {} drops {ids:?}", key.escape_ascii()));
            self.reference.begin_work();
            self.reference.drop_due(db, &key, &ids);
            self.done_by_itself()?;
        }
        self.group_work(&looks, room)
    }

    /// A delayed entry whose time has come, at most.
    fn firing(&mut self, room: Option<Room>) -> Checked {
        let found = scheduled(&mut self.store.engine.lock(self.timeless()));
        let firing = self.reference.recognise_firing(&found).map_err(Failure::Broken)?;
        let Some(firing) = firing else { return Ok(()) };
        ensure(room.is_some(), || format!("without room: {firing:?}"))?;
        self.note(&format!("timer: {firing:?}"));
        self.reference.begin_work();
        self.reference.do_firing(&firing).map_err(Failure::Broken)?;
        self.done_by_itself()
    }

    /// Whoever waits for what the timer did is served.
    fn done_by_itself(&mut self) -> Checked {
        let state = self.reference.state.clone();
        if !state.changes_since(self.history.last()).is_empty() {
            self.history.push(None, &state);
        }
        let attempts = self.reference.serve();
        self.take_attempts(attempts)
    }

    /// Dead letters and consumers: what the program did must have been due.
    fn group_work(&mut self, looks: &Looks, room: Option<Room>) -> Checked {
        let is_enough = room == Some(Room::Enough);
        let work = self.reference.recognise_work(looks, is_enough).map_err(Failure::Broken)?;
        let Some(work) = work else { return Ok(()) };
        ensure(room.is_some(), || format!("without room: {work:?}"))?;
        self.note(&format!("timer: {work:?}"));
        self.reference.begin_work();
        self.reference.do_work(&work);
        self.done_by_itself()
    }

    /// Nothing is due, says the program.
    fn caught_up(&mut self) -> Checked {
        self.note("timer: nothing is due");
        self.counters.catch_ups += 1;
        self.reference.check_caught_up().map_err(Failure::Broken)
    }

    /// What was forgotten must have been due; when a round comes is the engine's choice.
    fn forget_productions(&mut self, found: &Productions) -> Checked {
        let wall_ms = self.clock.wall_ms;
        let mut forgotten = Vec::new();
        for (db, keys) in self.reference.state.databases() {
            for key in keys.keys() {
                let Some(stream) = self.reference.state.stream(db, key) else { continue };
                let made = &stream.idempotence;
                let Some(found) = found.get(&(db, key.clone())) else { continue };
                if listed(&made.producers) == *found {
                    continue;
                }
                let duration_ms = u64::from(made.duration_s) * 1000;
                let left = made.without(wall_ms.saturating_sub(duration_ms));
                ensure(listed(&left) == *found, || format!("{key:?} remembers {found:?}"))?;
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
            // An expired stream may have made room for one of dead letters.
            let expires = state.database(db)[key].expires_at_ms.is_some();
            if expires && txn.lifetime(db, key) == Lifetime::Unlimited {
                continue;
            }
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
