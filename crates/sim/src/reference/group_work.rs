//! What managed groups do with nobody asking: used-up entries become dead letters, consumers that
//! are gone for good go.
//!
//! Which group has its turn when several are due is the program's choice, and how far a step goes
//! where the log is short of space; a look at what it did says so, and this judges whether it may.

use std::collections::{BTreeMap, BTreeSet};

use super::group::{Group, NEVER, Pending};
use super::policy::Refusals;
use super::{Reference, State, Stream};
use crate::command::Text;
use crate::id::Id;

/// Entries that one step moves at most.
pub(super) const LETTERS_PER_STEP: usize = 32;

/// A step moves about so much at most.
const BYTES_PER_STEP: u64 = 256 << 10;

/// Database, key, group.
pub(crate) type GroupName = (u8, Text, Text);
/// With the consumer, when it was seen, and how long it may stay; since when it is too many.
pub(super) type Lingering = BTreeMap<(GroupName, Text, u64, u64), u64>;

/// What the program has of a group, after it did something.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    pub(crate) dead_lettered: u64,
    pub(crate) dead_letter_failed: u64,
    pub(crate) pending: BTreeSet<Id>,
    pub(crate) consumers: BTreeSet<Text>,
}

/// Of all managed groups.
pub(crate) type Looks = BTreeMap<GroupName, Found>;

/// What a step of the program was.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Bury(GroupName, Vec<Id>),
    Expire(GroupName, Vec<Text>),
}

impl Group {
    /// When it has to go to the dead letters, if it is used up.
    pub(super) fn goes_at(&self, pending: &Pending) -> Option<u64> {
        if pending.available_at_ms == NEVER { Some(0) } else { self.free_from(pending) }
    }

    /// What has to go by now, the longest ago first.
    fn due_letters(&self, now_ms: u64) -> Vec<Id> {
        let due = |pending: &&Pending| {
            self.is_used_up(pending) && self.goes_at(pending).is_some_and(|at_ms| at_ms <= now_ms)
        };
        let mut due: Vec<&Pending> = self.pending.iter().filter(due).collect();
        due.sort_by_key(|pending| {
            let id = if pending.owner.is_some() { Id::MAX } else { pending.id };
            (self.goes_at(pending), id)
        });
        due.into_iter().map(|pending| pending.id).collect()
    }

    fn is_useless(&self, name: &[u8], opened_at_ms: u64, now_ms: u64) -> bool {
        let ttl_ms = self.policy.consumer_ttl_ms;
        let seen_ms = self.consumers[name].seen_ms.max(opened_at_ms);
        ttl_ms > 0 && seen_ms.saturating_add(ttl_ms) <= now_ms && self.owned(name) == 0
    }
}

impl Reference {
    /// All groups that do something by themselves.
    fn managed_groups(&self) -> impl Iterator<Item = (GroupName, &Stream, &Group)> {
        let keys = self.state.databases();
        let keys = keys.flat_map(|(db, keys)| keys.keys().map(move |key| (db, key)));
        keys.filter_map(|(db, key)| Some((db, key, self.state.stream(db, key)?))).flat_map(
            |(db, key, stream)| {
                let groups = stream.groups.iter();
                let managed = groups.filter(|(_, group)| group.policy.is_managed());
                managed.map(move |(name, group)| ((db, key.clone(), name.clone()), stream, group))
            },
        )
    }

    /// The log space that a step of any group takes at most.
    pub(crate) fn letter_bytes(&self) -> u64 {
        let now_ms = self.now.steady_ms;
        let steps =
            self.managed_groups().map(|(_, stream, group)| step_bytes(stream, group, now_ms));
        steps.max().unwrap_or(0)
    }

    /// What the program's step was, by what it has now.
    ///
    /// # Errors
    /// It did something that it may not do.
    pub(crate) fn recognise_work(
        &mut self,
        looks: &Looks,
        has_room: bool,
    ) -> Result<Option<Work>, String> {
        let now_ms = self.now.steady_ms;
        let mut works = Vec::new();
        for (name, stream, group) in self.managed_groups() {
            let Some(found) = looks.get(&name) else { continue };
            let ids = moved(stream, group, found, now_ms);
            let has_failed = found.dead_letter_failed > group.counters.dead_letter_failed;
            if has_failed || !ids.is_empty() {
                let due = group.due_letters(now_ms).into_iter().take(LETTERS_PER_STEP);
                let due: Vec<Id> = due.collect();
                if now_ms < group.refusals.earliest_ms {
                    return Err(format!("{name:?} tried again before its time"));
                }
                let is_done = |id: &Id| stream.has(*id) || !found.pending.contains(id);
                let tried = match has_failed {
                    true => due.iter().copied().take_while(is_done).collect(),
                    false => ids,
                };
                let is_whole = has_room && step_bytes(stream, group, now_ms) < BYTES_PER_STEP;
                let is_step = if is_whole { tried == due } else { due.starts_with(&tried) };
                if !is_step || tried.is_empty() {
                    return Err(format!("{name:?} moved {tried:?} of {due:?}"));
                }
                works.push(Work::Bury(name.clone(), tried));
            }
            let gone = group.consumers.keys().filter(|name| !found.consumers.contains(*name));
            let gone: Vec<Text> = gone.cloned().collect();
            if !gone.is_empty() {
                let expected = self.useless(&name, group);
                if gone != expected {
                    return Err(format!("{name:?}: {gone:?} are gone, not {expected:?}"));
                }
                works.push(Work::Expire(name, gone));
            }
        }
        match works.len() {
            0 | 1 => Ok(works.pop()),
            _ => Err(format!("more than one step: {works:?}")),
        }
    }

    /// Consumers that have been away for so long, have nothing, and wait for nothing.
    fn useless(&self, (db, key, name): &GroupName, group: &Group) -> Vec<Text> {
        let waiting: Vec<_> = self.consumers_waiting(*db, key, name).collect();
        let now_ms = self.now.steady_ms;
        let consumers = group.consumers.keys();
        let useless = consumers.filter(|consumer| {
            group.is_useless(consumer, self.opened_at_ms, now_ms) && !waiting.contains(consumer)
        });
        useless.cloned().collect()
    }

    /// Does the same.
    pub(crate) fn do_work(&mut self, work: &Work) {
        match work {
            Work::Bury((db, key, group), ids) => self.bury(*db, key, group, ids),
            Work::Expire((db, key, group), consumers) => {
                self.tally.expired += consumers.len() as u64;
                for consumer in consumers {
                    self.delete_consumer(*db, key, group, consumer);
                }
            }
        }
    }

    /// The program says that nothing is due: it must be so.
    ///
    /// # Errors
    /// What is due all the same.
    pub(crate) fn check_caught_up(&mut self) -> Result<(), String> {
        let now_ms = self.now.steady_ms;
        let mut lingering = Lingering::new();
        for (name, _, group) in self.managed_groups() {
            let due = group.due_letters(now_ms);
            if !due.is_empty() && group.refusals.latest_ms <= now_ms {
                return Err(format!("{name:?} does not move {due:?}"));
            }
            let ttl_ms = group.policy.consumer_ttl_ms;
            for consumer in self.useless(&name, group) {
                let seen_ms = group.consumers[&consumer].seen_ms;
                let place = (name.clone(), consumer.clone(), seen_ms, ttl_ms);
                let since_ms = self.lingering.get(&place).copied().unwrap_or(now_ms);
                if since_ms + ttl_ms < now_ms {
                    return Err(format!("{name:?} keeps {consumer:?}, useless since {since_ms}"));
                }
                lingering.insert(place, since_ms);
            }
        }
        self.lingering = lingering;
        self.check_dropped()?;
        self.check_fired()?;
        self.check_waiters()
    }
}

impl State {
    /// Of letters that were refused the count is right.
    ///
    /// # Errors
    /// Where it is not.
    pub(crate) fn check_refused(&self, looks: &Looks) -> Result<(), String> {
        for (name, found) in looks {
            let (db, key, group) = name;
            let group = self.stream(*db, key).and_then(|stream| stream.groups.get(group));
            let counted = group.map_or(0, |group| group.counters.dead_letter_failed);
            if counted != found.dead_letter_failed {
                let found = found.dead_letter_failed;
                return Err(format!("{name:?} counted {found} refusals, not {counted}"));
            }
        }
        Ok(())
    }

    /// After a start: how often letters were refused is as it is found, and nothing waits for it.
    pub(crate) fn adopt_refused(&mut self, looks: &Looks) {
        for (db, key, stream) in self.streams_mut() {
            for (name, group) in &mut stream.groups {
                let found = looks.get(&(db, key.clone(), name.clone()));
                group.counters.dead_letter_failed = found.map_or(0, |f| f.dead_letter_failed);
                group.refusals = Refusals::default();
            }
        }
    }
}

/// What went to the dead letters, or had no entry any more, of what is due.
fn moved(stream: &Stream, group: &Group, found: &Found, now_ms: u64) -> Vec<Id> {
    let mut letters = found.dead_lettered.saturating_sub(group.counters.dead_lettered);
    let due = group.due_letters(now_ms).into_iter();
    let is_moved = |id: &Id| {
        if !stream.has(*id) {
            return !found.pending.contains(id);
        }
        let is_letter = letters > 0;
        letters = letters.saturating_sub(1);
        is_letter
    };
    due.take_while(is_moved).collect()
}

/// More than what the group's next step logs.
fn step_bytes(stream: &Stream, group: &Group, now_ms: u64) -> u64 {
    let letter_bytes = |id: Id| {
        let said = group.failures.get(&id).map_or(0, |(_, error)| error.len() as u64);
        let payload = stream.entry(id).map_or(0, |entry| payload(&entry.fields));
        700 + said + 3 * payload
    };
    let due = group.due_letters(now_ms);
    due.into_iter().take(LETTERS_PER_STEP).map(letter_bytes).sum()
}

fn payload(fields: &[(Text, Text)]) -> u64 {
    fields.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum()
}
