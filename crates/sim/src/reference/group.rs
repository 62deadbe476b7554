//! A group as maps and vectors: consumers, what is pending, what was counted.

use std::collections::BTreeMap;

use super::order::Order;
use super::policy::{Counters, Policy, Refusals, Settled};
use crate::command::Text;
use crate::id::Id;

/// As large as a delivery count gets.
pub(super) const DELIVERIES_MAX: u64 = i64::MAX as u64;
/// Stands for a time that does not come: the entry failed for good and waits to be moved.
pub(super) const NEVER: u64 = u64::MAX;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) position: Id,
    pub(crate) read: Option<u64>,
    pub(crate) consumers: BTreeMap<Text, Consumer>,
    /// In the order in which they were set last.
    pub(crate) pending: Vec<Pending>,
    /// Of what is pending: who had it when it failed last, and what was said.
    pub(crate) failures: BTreeMap<Id, (Text, Text)>,
    pub(crate) order: Order,
    pub(crate) policy: Policy,
    pub(crate) counters: Counters,
    pub(crate) refusals: Refusals,
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
    /// Without an owner: not before. 0: at once. 0 with an owner.
    pub(crate) available_at_ms: u64,
    pub(crate) deliveries: u64,
}

impl Group {
    pub(super) fn new(position: Id, read: Option<u64>) -> Self {
        Self {
            position,
            read,
            consumers: BTreeMap::new(),
            pending: Vec::new(),
            failures: BTreeMap::new(),
            order: Order::default(),
            policy: Policy::default(),
            counters: Counters::default(),
            refusals: Refusals::default(),
        }
    }

    /// Whether something is pending or held.
    pub(super) fn has_open(&self) -> bool {
        !self.pending.is_empty() || !self.order.held.is_empty()
    }

    pub(super) fn get(&self, id: Id) -> Option<&Pending> {
        self.pending.iter().find(|pending| pending.id == id)
    }

    /// Whether there was such a record.
    pub(super) fn remove(&mut self, id: Id, settled: Settled) -> bool {
        let is_there = self.get(id).is_some();
        self.pending.retain(|pending| pending.id != id);
        self.failures.remove(&id);
        if is_there {
            self.order.forget(id);
        }
        if is_there && self.policy.is_managed() {
            self.counters.count(settled);
        }
        self.note_used_up();
        is_there
    }

    /// Sets a record: it stands behind all others now.
    pub(super) fn set(&mut self, pending: Pending) {
        let before = self.get(pending.id).cloned();
        if self.policy.is_managed() {
            self.count_change(before.as_ref(), &pending);
        }
        self.pending.retain(|other| other.id != pending.id);
        self.order.is_pending(pending.id);
        self.pending.push(pending);
        self.note_used_up();
    }

    fn count_change(&mut self, before: Option<&Pending>, after: &Pending) {
        let is_owned = after.owner.is_some();
        match before {
            None if is_owned => self.counters.delivered += 1,
            Some(before) if is_owned && after.deliveries > before.deliveries => {
                self.counters.redelivered += 1;
            }
            Some(before) if !is_owned && before.owner.is_some() => self.counters.nacked += 1,
            _ => {}
        }
    }

    /// A group without anything that will have to go may forget that its letters were refused.
    fn note_used_up(&mut self) {
        let goes = |pending: &Pending| self.is_used_up(pending) && self.goes_at(pending).is_some();
        if !self.pending.iter().any(goes) {
            self.refusals.may_be_forgotten();
        }
    }

    pub(super) fn set_policy(&mut self, policy: Policy) {
        if !policy.is_managed() {
            self.counters = Counters::default();
        }
        self.policy = policy;
        self.note_used_up();
    }

    pub(crate) fn by_id(&self) -> Vec<&Pending> {
        let mut pending: Vec<_> = self.pending.iter().collect();
        pending.sort_by_key(|pending| pending.id);
        pending
    }

    /// Those that are to be had at once, as they became so; what has a delay, by its end; those
    /// with an owner, by time, within one time as they were set.
    pub(crate) fn oldest_first(&self) -> Vec<&Pending> {
        let mut pending: Vec<_> = self.pending.iter().collect();
        pending.sort_by_key(|pending| match (&pending.owner, pending.available_at_ms) {
            (None, 0) => (0, 0, Id::MIN),
            (None, until_ms) => (1, until_ms, pending.id),
            (Some(_), _) => (2, pending.at_ms, Id::MIN),
        });
        pending
    }

    pub(super) fn ids_of(&self, consumer: &[u8]) -> Vec<Id> {
        let is_owner = |pending: &&Pending| pending.owner.as_deref() == Some(consumer);
        self.by_id().into_iter().filter(is_owner).map(|pending| pending.id).collect()
    }

    pub(crate) fn owned(&self, consumer: &[u8]) -> usize {
        self.ids_of(consumer).len()
    }

    /// How many have an owner.
    pub(super) fn in_flight(&self) -> usize {
        self.pending.iter().filter(|pending| pending.owner.is_some()).count()
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
    /// One that nobody has, to be had at once.
    pub(super) fn free(id: Id, deliveries: u64) -> Self {
        Self { id, owner: None, at_ms: 0, available_at_ms: 0, deliveries }
    }

    pub(super) fn owned(id: Id, owner: &[u8], at_ms: u64, deliveries: u64) -> Self {
        Self { id, owner: Some(owner.to_vec()), at_ms, available_at_ms: 0, deliveries }
    }

    /// Delivered once more.
    pub(super) fn again(&self, to: &[u8], now_ms: u64) -> Self {
        let deliveries = self.deliveries.saturating_add(1).min(DELIVERIES_MAX);
        Self::owned(self.id, to, now_ms, deliveries)
    }
}
