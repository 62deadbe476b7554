//! ORDERBY: of the entries with one value of a field one is in work at most, in the order of the
//! stream; the others are held.
//!
//! What is handed out is checked against the fields of all that is pending, and against what was
//! handed out before. XCLAIM and XNACK with FORCE break the order; XGROUP SETID and XDLQ begin it
//! anew.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, Pending};
use super::policy::Settled;
use super::stream::{Entry, Stream};
use super::{Answer, Reference, State, reply};
use crate::command::{Reader, Text};
use crate::id::Id;

const IN_WORK: &str = "ERR a consumer is at work on this entry: acknowledge it, give it back with \
                       XNACK, or wait until its time is over";

/// What a group knows of the values of entries.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Order {
    pub(crate) held: BTreeSet<Id>,
    /// Of all that is held, and of what is pending and came in its turn.
    pub(crate) values: BTreeMap<Id, Text>,
    before: Before,
}

/// What the order is checked by. The same to everybody who compares states: nothing of it is
/// durable.
#[derive(Clone, Debug, Default)]
struct Before {
    /// Of each value the last one that was handed out.
    last: BTreeMap<Text, Id>,
    /// Values of which several may be in work, since some were taken out of their turn.
    forced: BTreeSet<Text>,
}

impl PartialEq for Before {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Order {
    /// Whether an entry of this value has to wait.
    pub(super) fn is_taken(&self, value: &Text) -> bool {
        self.values.values().any(|other| other == value)
    }

    /// It is not pending, and waits for its turn.
    pub(super) fn hold(&mut self, id: Id, value: Text) {
        self.held.insert(id);
        self.values.insert(id, value);
    }

    pub(super) fn hold_nothing(&mut self) {
        for id in std::mem::take(&mut self.held) {
            self.values.remove(&id);
        }
        self.before.last.clear();
    }

    /// It is neither held nor pending any more.
    pub(super) fn forget(&mut self, id: Id) {
        self.held.remove(&id);
        self.values.remove(&id);
    }

    /// It is pending from now on, and has its value still.
    pub(super) fn is_pending(&mut self, id: Id) {
        if !self.held.remove(&id) {
            return;
        }
        let value = self.values[&id].clone();
        let same = self.values.iter().filter(|(_, other)| **other == value);
        if same.filter(|(other, _)| !self.held.contains(other)).count() > 1 {
            self.before.forced.insert(value);
        }
    }

    /// What is held and may be handed out: the first of each value of which nothing is pending.
    fn ready(&self) -> Vec<Id> {
        let mut seen: BTreeSet<&Text> = BTreeSet::new();
        let in_work = self.values.iter().filter(|(id, _)| !self.held.contains(id));
        seen.extend(in_work.map(|(_, value)| value));
        let held = self.held.iter().copied();
        held.filter(|id| seen.insert(&self.values[id])).collect()
    }
}

impl Group {
    /// An entry comes out for the first time since it was held or new.
    ///
    /// # Errors
    /// It is not its turn.
    pub(super) fn check_turn(&self, stream: &Stream, id: Id) -> Result<(), String> {
        let Some(value) = stream.order_value(self, id) else { return Ok(()) };
        let is_same = |other: Id| stream.order_value(self, other).as_ref() == Some(&value);
        let in_work = self.pending.iter().map(|pending| pending.id);
        // What was taken by force has no value here.
        let mut in_turn = in_work.filter(|other| self.order.values.contains_key(other));
        if let Some(other) = in_turn.find(|other| is_same(*other)) {
            return Err(format!("{id} comes while {other} is in work, of the same value"));
        }
        if let Some(other) = self.order.held.iter().find(|other| **other < id && is_same(**other)) {
            return Err(format!("{id} comes while {other} is held"));
        }
        match self.order.before.last.get(&value) {
            Some(last) if *last >= id => Err(format!("{id} comes behind {last}")),
            _ => Ok(()),
        }
    }

    /// It was handed out in its turn.
    pub(super) fn note_turn(&mut self, id: Id) {
        if let Some(value) = self.order.values.get(&id) {
            self.order.before.last.insert(value.clone(), id);
        }
    }
}

impl Stream {
    /// The value that a group orders an entry by: that of the first field of the name.
    pub(super) fn order_value(&self, group: &Group, id: Id) -> Option<Text> {
        let field = group.policy.order_by.as_ref()?;
        let entry = self.entry(id)?;
        let (_, value) = entry.fields.iter().find(|(name, _)| name == field)?;
        Some(value.clone())
    }
}

impl Reference {
    /// Hands out up to so many of those that were held. One whose entry is gone lets the next of
    /// its value go.
    pub(super) fn take_held(
        &mut self,
        db: u8,
        key: &Text,
        reader: &Reader,
        count: usize,
    ) -> Vec<Entry> {
        loop {
            let stream = self.state.stream(db, key).expect("it is read");
            let group = &stream.groups[&reader.group];
            let (mut taken, mut gone) = (Vec::new(), Vec::new());
            for id in group.order.ready() {
                if taken.len() == count {
                    break;
                }
                match stream.entry(id) {
                    Some(entry) => taken.push(entry.clone()),
                    None => gone.push(id),
                }
            }
            if gone.is_empty() {
                self.hand_out(db, key, reader, &taken);
                self.tally.ordered += taken.len() as u64;
                return taken;
            }
            gone.into_iter().for_each(|id| {
                self.unhold(db, key, &reader.group, id, Settled::Vanished);
            });
        }
    }

    /// Entries that are not pending become so, for this reader.
    pub(super) fn hand_out(&mut self, db: u8, key: &Text, reader: &Reader, entries: &[Entry]) {
        let now_ms = self.now.steady_ms;
        for entry in entries {
            let stream = self.state.stream(db, key).expect("it is read");
            let turn = stream.groups[&reader.group].check_turn(stream, entry.id);
            let value = stream.order_value(&stream.groups[&reader.group], entry.id);
            let group = self.group_mut(db, key, &reader.group);
            group.order.values.extend(value.map(|value| (entry.id, value)));
            group.set(Pending::owned(entry.id, &reader.consumer, now_ms, 1));
            group.note_turn(entry.id);
            group.touch(&reader.consumer, now_ms, true);
            if let Err(complaint) = turn {
                self.complain(complaint);
            }
        }
    }

    /// Holds entries that are not pending; whoever waits for a value is told.
    pub(super) fn hold(&mut self, db: u8, key: &Text, name: &[u8], entries: Vec<(Id, Text)>) {
        if entries.is_empty() {
            return;
        }
        self.tally.held += entries.len() as u64;
        let group = self.group_mut(db, key, name);
        for (id, value) in entries {
            let last = &mut group.order.before.last;
            if last.get(&value).is_some_and(|last| *last >= id) {
                last.remove(&value);
            }
            group.order.hold(id, value);
        }
        self.free_places(db, key);
    }

    fn unhold(&mut self, db: u8, key: &Text, name: &[u8], id: Id, settled: Settled) {
        let group = self.group_mut(db, key, name);
        group.order.forget(id);
        group.counters.count(settled);
        self.free_places(db, key);
    }

    /// XGROUP SKIP.
    pub(super) fn skip(&mut self, db: u8, key: &Text, name: &[u8], id: Id) -> Answer {
        let now_ms = self.now.steady_ms;
        let group = self.group_mut(db, key, name);
        if group.order.held.contains(&id) {
            self.tally.skipped += 1;
            self.unhold(db, key, name, id, Settled::Dropped);
            return Ok(reply::int(1));
        }
        let Some(pending) = group.get(id) else { return Ok(reply::int(0)) };
        let visibility_ms = group.policy.visibility_ms;
        let is_over = visibility_ms > 0 && now_ms.saturating_sub(pending.at_ms) >= visibility_ms;
        if pending.owner.is_some() && !is_over {
            return Err(reply::error(IN_WORK));
        }
        group.remove(id, Settled::Dropped);
        self.tally.skipped += 1;
        self.free_places(db, key);
        Ok(reply::int(1))
    }
}

impl State {
    /// Nothing is held and pending at once, and of a value one is in work.
    ///
    /// # Errors
    /// Where it is not so.
    pub(crate) fn check_order(&self) -> Result<(), String> {
        let keys = self.databases().flat_map(|(db, keys)| keys.keys().map(move |key| (db, key)));
        for (db, key) in keys {
            let Some(stream) = self.stream(db, key) else { continue };
            for (name, group) in &stream.groups {
                let place = || format!("{db} {} {}", key.escape_ascii(), name.escape_ascii());
                group.check_order().map_err(|what| format!("{}: {what}", place()))?;
            }
        }
        Ok(())
    }
}

impl Group {
    fn check_order(&self) -> Result<(), String> {
        let Order { held, values, before } = &self.order;
        let mut pending: Vec<Id> = self.pending.iter().map(|pending| pending.id).collect();
        pending.sort_unstable();
        if let Some(pair) = pending.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(format!("{} is pending twice", pair[0]));
        }
        if let Some(id) = pending.iter().find(|id| held.contains(id)) {
            return Err(format!("{id} is held and pending"));
        }
        if let Some(id) = values.keys().find(|id| !held.contains(id) && !pending.contains(id)) {
            return Err(format!("{id} has a value, and is neither held nor pending"));
        }
        if self.policy.order_by.is_none() && !values.is_empty() {
            return Err("values without an order".into());
        }
        let mut in_work = BTreeMap::new();
        for (id, value) in values.iter().filter(|(id, _)| !held.contains(id)) {
            if let Some(other) = in_work.insert(value, id)
                && !before.forced.contains(value)
            {
                return Err(format!("{other} and {id} are in work, of one value"));
            }
        }
        Ok(())
    }
}
