//! A stream as vectors.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::group::Group;
use super::policy::Settled;
use super::retention::Retention;
use super::schedule::Schedule;
use crate::command::Text;
use crate::id::Id;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) id: Id,
    pub(crate) fields: Rc<Vec<(Text, Text)>>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Stream {
    pub(crate) entries: Vec<Entry>,
    pub(crate) last_id: Id,
    pub(crate) added: u64,
    pub(crate) max_deleted_id: Id,
    pub(crate) groups: BTreeMap<Text, Group>,
    pub(crate) idempotence: Idempotence,
    pub(crate) retention: Retention,
    pub(crate) schedule: Schedule,
    /// COPY or RESTORE brought it, with times that need not be in the log otherwise: where time
    /// begins after a crash does not depend on them.
    pub(crate) has_foreign_times: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Idempotence {
    pub(crate) duration_s: u32,
    pub(crate) per_producer: u32,
    /// Of each producer oldest first.
    pub(crate) producers: BTreeMap<Text, Vec<(Text, Id)>>,
    pub(crate) added: u64,
    pub(crate) repeated: u64,
}

impl Default for Idempotence {
    /// Redis' defaults.
    fn default() -> Self {
        let producers = BTreeMap::new();
        Self { duration_s: 100, per_producer: 100, producers, added: 0, repeated: 0 }
    }
}

impl Idempotence {
    pub(super) fn find(&self, producer: &[u8], iid: &[u8]) -> Option<Id> {
        let made = self.producers.get(producer)?;
        made.iter().find(|(other, _)| other == iid).map(|(_, id)| *id)
    }

    pub(super) fn remember(&mut self, producer: &[u8], iid: &[u8], id: Id) {
        let made = self.producers.entry(producer.to_vec()).or_default();
        made.push((iid.to_vec(), id));
        let surplus = made.len().saturating_sub(self.per_producer as usize);
        made.drain(..surplus);
        self.added += 1;
    }

    /// What is left once everything up to that millisecond is forgotten.
    pub(crate) fn without(&self, cutoff_ms: u64) -> BTreeMap<Text, Vec<(Text, Id)>> {
        let mut left = self.producers.clone();
        left.values_mut().for_each(|made| made.retain(|(_, id)| id.0 > cutoff_ms));
        left.retain(|_, made| !made.is_empty());
        left
    }
}

impl Stream {
    pub(super) fn new() -> Self {
        Self {
            entries: Vec::new(),
            last_id: Id::MIN,
            added: 0,
            max_deleted_id: Id::MIN,
            groups: BTreeMap::new(),
            idempotence: Idempotence::default(),
            retention: Retention::default(),
            schedule: Schedule::default(),
            has_foreign_times: false,
        }
    }

    pub(super) fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.entry(id).is_some()
    }

    pub(crate) fn is_managed(&self, group: &[u8]) -> bool {
        self.groups.get(group).is_some_and(|group| group.policy.is_managed())
    }

    pub(crate) fn ids(&self) -> Vec<Id> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    pub(super) fn bytes(&self) -> usize {
        let pair = |(name, value): &(Text, Text)| name.len() + value.len() + 8;
        let entry = |entry: &Entry| 32 + entry.fields.iter().map(pair).sum::<usize>();
        let group = |group: &Group| {
            64 + group.consumers.len() * 64 + (group.pending.len() + group.order.held.len()) * 64
        };
        let made = self.idempotence.producers.values().map(|made| 32 + made.len() * 48);
        let waiting = self.schedule.waiting.values();
        let waiting = waiting.map(|fields| 160 + fields.iter().map(pair).sum::<usize>());
        self.entries.iter().map(entry).sum::<usize>()
            + waiting.sum::<usize>()
            + self.groups.values().map(group).sum::<usize>()
            + made.sum::<usize>()
    }

    /// Whether a group has still to read it or has it pending.
    pub(super) fn is_referenced(&self, id: Id) -> bool {
        self.groups.values().any(|group| {
            group.position < id || group.get(id).is_some() || group.order.held.contains(&id)
        })
    }

    pub(super) fn delete(&mut self, id: Id) -> bool {
        let is_there = self.has(id);
        if is_there {
            self.entries.retain(|entry| entry.id != id);
            self.max_deleted_id = self.max_deleted_id.max(id);
        }
        is_there
    }

    pub(super) fn remove_references(&mut self, id: Id) {
        for group in self.groups.values_mut() {
            group.remove(id, Settled::Dropped);
        }
    }
}
