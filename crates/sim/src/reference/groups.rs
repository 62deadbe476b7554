//! Commands that manage groups and consumers.

use super::group::{Group, NEVER, Pending};
use super::policy::{Policy, Settled};
use super::stream::Stream;
use super::waiters::Signal;
use super::{Answer, Peek, Reference, reply};
use crate::command::{OnGroups, PolicyChange, Text};
use crate::id::Id;
use millstream_resp::Value;

const COMES_BACK: &str = "ERR policy item DEADLETTER: dead letters of this group would come back to \
                          its own stream, by way of the groups of the streams they go to";

const ORDER_IN_USE: &str =
    "ERR policy item ORDERBY can be changed only while nothing is pending or held";

impl Reference {
    pub(super) fn on_groups(&mut self, command: &OnGroups, db: u8, peek: &mut dyn Peek) -> Answer {
        let now_ms = self.now.steady_ms;
        match command {
            OnGroups::Create { key, group, at, make_stream, read, policy } => {
                let start = (*at, *read);
                self.create_group(db, key, group, start, *make_stream, policy.as_ref())
            }
            OnGroups::SetPosition { key, group, at, read } => {
                let stream = self.managed(db, key, group)?;
                let (position, added) = (at.unwrap_or(stream.last_id), stream.added);
                self.set_back.insert((db, key.clone(), group.clone()));
                let group = self.group_mut(db, key, group);
                group.order.hold_nothing();
                group.position = position;
                group.read = read.map(|read| read.min(added));
                Ok(reply::ok())
            }
            OnGroups::Destroy(key, group) => {
                if self.stream(db, key)?.is_none() {
                    return Err(reply::group_needs_key());
                }
                let removed = self.stream_mut(db, key).groups.remove(group).is_some();
                if removed {
                    self.signal(Signal::Gone(db, key.clone()));
                }
                Ok(reply::int(u64::from(removed)))
            }
            OnGroups::CreateConsumer(key, group, consumer) => {
                self.managed(db, key, group)?;
                let is_new = self.group_mut(db, key, group).create_consumer(consumer, now_ms);
                Ok(reply::int(u64::from(is_new)))
            }
            OnGroups::DeleteConsumer(key, name, consumer) => {
                self.managed(db, key, name)?;
                Ok(reply::int(self.delete_consumer(db, key, name, consumer) as u64))
            }
            OnGroups::SetPolicy(key, group, change) => {
                let policy = self.managed(db, key, group)?.groups[group].policy.clone();
                self.set_policy(db, key, group, change.applied_to(policy))
            }
            OnGroups::Policy(key, group) => {
                Ok(self.managed(db, key, group)?.groups[group].policy.shown())
            }
            OnGroups::Skip(key, group, id) => {
                self.managed(db, key, group)?;
                self.skip(db, key, group, *id)
            }
            OnGroups::Pending(..) | OnGroups::Groups(_) | OnGroups::Consumers(..) => {
                self.listing(command, db)
            }
            OnGroups::Ack { .. }
            | OnGroups::AckDelete(..)
            | OnGroups::Nack { .. }
            | OnGroups::Claim(_)
            | OnGroups::AutoClaim(_) => self.on_pending(command, db, peek),
        }
    }

    /// The group of a stream that was found to have it.
    pub(super) fn group_mut(&mut self, db: u8, key: &[u8], group: &[u8]) -> &mut Group {
        self.stream_mut(db, key).groups.get_mut(group).expect("the group was found")
    }

    fn managed(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<&Stream, Value> {
        match self.stream(db, key)? {
            None => Err(reply::group_needs_key()),
            Some(stream) if stream.groups.contains_key(group) => Ok(stream),
            Some(_) => Err(reply::no_group(key, group)),
        }
    }

    fn create_group(
        &mut self,
        db: u8,
        key: &Text,
        name: &Text,
        (at, read): (Option<Id>, Option<u64>),
        make_stream: bool,
        policy: Option<&PolicyChange>,
    ) -> Answer {
        let is_there = self.stream(db, key)?.is_some();
        if !is_there && !make_stream {
            return Err(reply::group_needs_key());
        }
        let has_group = |stream: &Stream| stream.groups.contains_key(name);
        if self.stream(db, key)?.is_some_and(has_group) {
            return Err(reply::error("BUSYGROUP Consumer Group name already exists"));
        }
        let policy = policy.map(|change| change.applied_to(Policy::default()));
        if let Some(policy) = &policy {
            self.refuse_circle(db, key, policy)?;
        }
        if !is_there {
            self.create_stream(db, key);
        }
        let stream = self.stream_mut(db, key);
        let position = at.unwrap_or(stream.last_id);
        let read = read.map(|read| read.min(stream.added));
        stream.groups.insert(name.to_vec(), Group::new(position, read));
        if let Some(policy) = policy {
            // Nobody waits for a group that was not there.
            self.group_mut(db, key, name).set_policy(policy);
        }
        Ok(reply::ok())
    }

    fn refuse_circle(&mut self, db: u8, key: &[u8], policy: &Policy) -> Result<(), Value> {
        let is_circle = policy.has_letters() && self.leads_back(db, key, policy.letters_of(key));
        if is_circle { Err(reply::error(COMES_BACK)) } else { Ok(()) }
    }

    fn set_policy(&mut self, db: u8, key: &Text, name: &[u8], policy: Policy) -> Answer {
        if self.group_mut(db, key, name).policy == policy {
            return Ok(reply::ok());
        }
        let group = self.group_mut(db, key, name);
        if group.policy.order_by != policy.order_by && group.has_open() {
            return Err(reply::error(ORDER_IN_USE));
        }
        self.refuse_circle(db, key, &policy)?;
        let group = self.group_mut(db, key, name);
        let mut is_ended = false;
        if !policy.has_letters() {
            let delayed: Vec<Pending> = group.by_id().into_iter().cloned().collect();
            for pending in delayed {
                let at_ms = pending.available_at_ms;
                if at_ms == NEVER || at_ms > 0 && !policy.is_managed() {
                    group.set(Pending::free(pending.id, pending.deliveries));
                    is_ended = true;
                }
            }
        }
        if is_ended {
            self.free_places(db, key);
        }
        if !policy.is_managed() {
            self.signal(Signal::Ready(db, key.clone()));
        }
        self.group_mut(db, key, name).set_policy(policy);
        self.signal(Signal::Rescheduled(db, key.clone()));
        Ok(reply::ok())
    }

    /// Returns how many entries it had.
    pub(super) fn delete_consumer(
        &mut self,
        db: u8,
        key: &Text,
        name: &[u8],
        consumer: &Text,
    ) -> usize {
        let group = self.group_mut(db, key, name);
        if !group.consumers.contains_key(consumer) {
            return 0;
        }
        let owned = group.ids_of(consumer);
        if group.policy.is_managed() && group.policy.drops != Some(true) && !owned.is_empty() {
            for &id in &owned {
                if group.policy.has_letters() {
                    group.failures.entry(id).or_default().0.clone_from(consumer);
                }
                let deliveries = group.get(id).expect("it owns it").deliveries;
                group.set(Pending::free(id, deliveries));
            }
            self.free_places(db, key);
            self.signal(Signal::Released(db, key.clone()));
        }
        let group = self.group_mut(db, key, name);
        for id in group.ids_of(consumer) {
            group.remove(id, Settled::Dropped);
        }
        group.consumers.remove(consumer);
        self.free_places(db, key);
        owned.len()
    }
}

impl PolicyChange {
    fn applied_to(&self, before: Policy) -> Policy {
        let change = self.clone();
        Policy {
            visibility_ms: change.visibility_ms.unwrap_or(before.visibility_ms),
            deliveries_max: change.deliveries_max.unwrap_or(before.deliveries_max),
            dead_letter: change.dead_letter.unwrap_or(before.dead_letter),
            backoff: change.backoff.unwrap_or(before.backoff),
            jitter_percent: change.jitter_percent.unwrap_or(before.jitter_percent),
            in_flight_max: change.in_flight_max.unwrap_or(before.in_flight_max),
            order_by: change.order_by.unwrap_or(before.order_by),
            consumer_ttl_ms: change.consumer_ttl_ms.unwrap_or(before.consumer_ttl_ms),
            drops: change.drops.unwrap_or(before.drops),
            is_paused: change.is_paused.unwrap_or(before.is_paused),
        }
    }
}
