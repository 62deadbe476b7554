//! Compares everything that is visible, in the middle of a run and after each start.

use crate::failure::{Checked, Failure, ensure};
use crate::picture::{Seen, looks, picture};
use crate::reference;
use crate::reference::{Object, State};
use crate::simulation::Simulation;
use crate::store::Store;
use millstream_engine::Now;

impl Simulation {
    /// As of wall time 0, so that keys show whose time has come but that are there.
    pub(crate) fn timeless(&self) -> Now {
        Now { wall_ms: 0, monotonic_ms: self.clock.monotonic_ms }
    }

    /// The program must be in the reference's state.
    pub(crate) fn inspect(&mut self) -> Checked {
        let mut txn = self.store.engine.lock(self.timeless());
        txn.check();
        txn.begin();
        let (found, seen) = picture(&mut txn);
        let looks = looks(&mut txn);
        txn.finish();
        drop(txn);
        self.reference.state.check_order().map_err(Failure::Broken)?;
        let expected = reference::picture(&self.reference.state);
        if found != expected {
            let what = format!("in step {}", self.step);
            return Err(Failure::State { what, expected: vec![expected], found });
        }
        let expected = when_seen(&self.reference.state);
        ensure(seen == expected, || format!("consumers seen {seen:?}, not {expected:?}"))?;
        self.reference.state.check_refused(&looks).map_err(Failure::Broken)?;
        let (durable, written) = (self.store.durable(), self.store.written());
        let in_order = durable <= written && written <= self.history.end();
        ensure(in_order, || format!("durable {durable}, written {written}"))
    }

    /// A store that was just opened must be in one of the states it was in, at or behind
    /// `at_least`; returns that state, with what is not durable of it as it is now, and the time.
    pub(crate) fn recognise(
        &self,
        store: &Store,
        at_least: u64,
        what: &str,
    ) -> Result<(State, u64), Failure> {
        let end = store.recovered;
        ensure(end >= at_least, || format!("{what}: {at_least} was durable, {end} is left"))?;
        ensure(store.durable() == end, || format!("{what}: durable is {}", store.durable()))?;
        let mut txn = store.engine.lock(self.timeless());
        txn.check();
        let steady_ms = txn.steady_ms();
        txn.begin();
        let (found, seen) = picture(&mut txn);
        let looks = looks(&mut txn);
        txn.finish();
        drop(txn);
        let candidates = self.history.candidates(end);
        let pictures: Vec<_> = candidates.iter().map(|state| reference::picture(state)).collect();
        let Some(place) = pictures.iter().position(|expected| *expected == found) else {
            let what = format!("{what}, recovered up to {end}");
            return Err(Failure::State { what, expected: pictures, found });
        };
        let mut state = candidates[place].clone();
        adopt(&mut state, &seen, steady_ms)?;
        state.adopt_refused(&looks);
        Ok((state, steady_ms))
    }
}

/// When consumers were seen last, in the order of [`picture`].
fn when_seen(state: &State) -> Vec<Seen> {
    let mut seen = Vec::new();
    for (db, keys) in state.databases() {
        for (key, slot) in keys {
            let Object::Stream(stream) = &*slot.object else { continue };
            for (group, model) in &stream.groups {
                seen.extend(model.consumers.iter().map(|(name, consumer)| {
                    (db, key.clone(), group.clone(), name.clone(), consumer.seen_ms)
                }));
            }
        }
    }
    seen
}

/// A consumer counts as seen when the last record says so, or later: attempts need not be logged.
fn adopt(state: &mut State, seen: &[Seen], now_ms: u64) -> Checked {
    let mut seen = seen.iter();
    for (_, key, stream) in state.streams_mut() {
        for group in stream.groups.values_mut() {
            for (name, consumer) in &mut group.consumers {
                let (.., found_ms) = seen.next().expect("the pictures are the same");
                let earliest_ms = consumer.seen_logged_ms;
                let is_right = match stream.has_foreign_times {
                    // Seen at a time that is yet to come, then now.
                    true => *found_ms <= now_ms.max(earliest_ms),
                    false => (earliest_ms..=now_ms).contains(found_ms),
                };
                ensure(is_right, || {
                    format!("{key:?} {name:?}: seen {earliest_ms}, recovered {found_ms}")
                })?;
                consumer.seen_ms = *found_ms;
                consumer.seen_logged_ms = *found_ms;
            }
        }
        let active = stream.groups.values().flat_map(|group| group.consumers.values());
        let latest_ms = active.filter_map(|consumer| consumer.active_ms).max();
        let is_past = stream.has_foreign_times || latest_ms.is_none_or(|ms| ms <= now_ms);
        ensure(is_past, || "time went back".into())?;
    }
    Ok(())
}
