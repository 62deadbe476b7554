//! A stream as vectors.

use std::collections::BTreeMap;
use std::rc::Rc;

use crate::command::{Reader, Text};
use crate::id::Id;

/// As large as a delivery count gets.
pub(super) const DELIVERIES_MAX: u64 = i64::MAX as u64;

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
    /// COPY or RESTORE brought it, with times that need not be in the log otherwise: where time
    /// begins after a crash does not depend on them.
    pub(crate) has_foreign_times: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) position: Id,
    pub(crate) read: Option<u64>,
    pub(crate) consumers: BTreeMap<Text, Consumer>,
    /// In the order in which they were set last.
    pub(crate) pending: Vec<Pending>,
    pub(crate) policy: Policy,
}

/// What a managed group does by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// 0: never.
    pub(crate) visibility_ms: u64,
    pub(crate) drops: Option<bool>,
    pub(crate) is_paused: bool,
}

impl Policy {
    pub(super) fn is_managed(self) -> bool {
        self != Self::default()
    }
}

/// Equal if what is durable of it is.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) seen_ms: u64,
    /// The last time that a record says.
    pub(crate) seen_logged_ms: u64,
    pub(crate) active_ms: Option<u64>,
}

impl PartialEq for Consumer {
    fn eq(&self, other: &Self) -> bool {
        (self.seen_logged_ms, self.active_ms) == (other.seen_logged_ms, other.active_ms)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pending {
    pub(crate) id: Id,
    pub(crate) owner: Option<Text>,
    /// 0 without an owner.
    pub(crate) at_ms: u64,
    pub(crate) deliveries: u64,
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
            has_foreign_times: false,
        }
    }

    pub(super) fn entry(&self, id: Id) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.id == id)
    }

    pub(super) fn has(&self, id: Id) -> bool {
        self.entry(id).is_some()
    }

    pub(crate) fn ids(&self) -> Vec<Id> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    pub(super) fn bytes(&self) -> usize {
        let pair = |(name, value): &(Text, Text)| name.len() + value.len() + 8;
        let entry = |entry: &Entry| 32 + entry.fields.iter().map(pair).sum::<usize>();
        let group = |group: &Group| 64 + group.consumers.len() * 64 + group.pending.len() * 48;
        let made = self.idempotence.producers.values().map(|made| 32 + made.len() * 48);
        self.entries.iter().map(entry).sum::<usize>()
            + self.groups.values().map(group).sum::<usize>()
            + made.sum::<usize>()
    }

    /// Whether a group has still to read it or has it pending.
    pub(super) fn is_referenced(&self, id: Id) -> bool {
        self.groups.values().any(|group| group.position < id || group.get(id).is_some())
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
        self.groups.values_mut().for_each(|group| group.remove(id));
    }
}

impl Group {
    pub(super) fn new(position: Id, read: Option<u64>) -> Self {
        Self {
            position,
            read,
            consumers: BTreeMap::new(),
            pending: Vec::new(),
            policy: Policy::default(),
        }
    }

    /// How long something must have been pending for a read to take it over; nothing: it never is.
    pub(super) fn min_idle_ms(&self, reader: &Reader) -> Option<u64> {
        let is_managed = self.policy.is_managed() && !reader.noack;
        let own = match self.policy.visibility_ms {
            _ if !is_managed => None,
            0 => Some(u64::MAX),
            visibility_ms => Some(visibility_ms),
        };
        reader.claim_min_idle_ms.into_iter().chain(own).min()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.id == id)
    }

    pub(super) fn remove(&mut self, id: Id) {
        self.pending.retain(|pending| pending.id != id);
    }

    /// Sets a record: it stands behind all others now.
    pub(super) fn set(&mut self, pending: Pending) {
        self.remove(pending.id);
        self.pending.push(pending);
    }

    pub(crate) fn by_id(&self) -> Vec<&Pending> {
        let mut pending: Vec<_> = self.pending.iter().collect();
        pending.sort_by_key(|pending| pending.id);
        pending
    }

    /// Those without an owner first, then by time; within one time as they were set.
    pub(crate) fn oldest_first(&self) -> Vec<&Pending> {
        let mut pending: Vec<_> = self.pending.iter().collect();
        pending.sort_by_key(|pending| (pending.owner.is_some(), pending.at_ms));
        pending
    }

    pub(super) fn owned(&self, consumer: &[u8]) -> usize {
        let is_owner = |pending: &&Pending| pending.owner.as_deref() == Some(consumer);
        self.pending.iter().filter(is_owner).count()
    }

    pub(super) fn create_consumer(&mut self, name: &[u8], now_ms: u64) -> bool {
        let is_new = !self.consumers.contains_key(name);
        if is_new {
            let consumer = Consumer { seen_ms: now_ms, seen_logged_ms: now_ms, active_ms: None };
            self.consumers.insert(name.to_vec(), consumer);
        }
        is_new
    }

    fn consumer_mut(&mut self, name: &[u8]) -> &mut Consumer {
        self.consumers.get_mut(name).expect("the consumer was created")
    }

    /// It tried and got nothing: no record says so.
    pub(super) fn saw(&mut self, name: &[u8], now_ms: u64) {
        self.consumer_mut(name).seen_ms = now_ms;
    }

    /// It got something, and a record says so.
    pub(super) fn touch(&mut self, name: &[u8], now_ms: u64, became_active: bool) {
        let consumer = self.consumer_mut(name);
        consumer.seen_ms = now_ms;
        consumer.seen_logged_ms = now_ms;
        if became_active {
            consumer.active_ms = Some(now_ms);
        }
    }
}

impl Pending {
    /// Delivered once more.
    pub(super) fn again(&self, to: &[u8], now_ms: u64) -> Self {
        let deliveries = self.deliveries.saturating_add(1).min(DELIVERIES_MAX);
        Self { id: self.id, owner: Some(to.to_vec()), at_ms: now_ms, deliveries }
    }
}
