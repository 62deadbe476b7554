//! XPENDING and XINFO.

use millstream_resp::Value;

use super::group::{Group, Pending};
use super::stream::{Entry, Stream};
use super::{Answer, Moment, Reference, reply};
use crate::command::{OnGroups, PendingList};
use crate::id::Id;

impl Reference {
    pub(super) fn listing(&mut self, command: &OnGroups, db: u8) -> Answer {
        let now = self.now;
        let (now_ms, held_max) = (now.steady_ms, self.held_max);
        match command {
            OnGroups::Pending(key, group, list) => {
                self.needs_group(db, key, group)?;
                let group = &self.state.stream(db, key).expect("found above").groups[group];
                Ok(match list {
                    None => summary(group),
                    Some(list) => listed(group, list, now_ms),
                })
            }
            OnGroups::Groups(key) => {
                let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
                let groups = stream.groups.iter().map(|(name, group)| {
                    let lag = stream.lag(group).map_or(Value::NilBulk, Value::Int);
                    let mut facts = vec![
                        ("name", reply::bulk(name)),
                        ("consumers", reply::int(group.consumers.len() as u64)),
                        ("pending", reply::int(group.pending.len() as u64)),
                        ("last-delivered-id", reply::id(group.position)),
                        ("entries-read", group.read.map_or(Value::NilBulk, reply::int)),
                        ("lag", lag),
                    ];
                    facts.extend(managed(stream, group, now, held_max));
                    reply::named(facts)
                });
                Ok(Value::Array(groups.collect()))
            }
            OnGroups::Consumers(key, group) => {
                let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
                let Some(found) = stream.groups.get(group) else {
                    return Err(reply::no_group(key, group));
                };
                let since = |at_ms: u64| reply::int(now_ms.saturating_sub(at_ms));
                let consumers = found.consumers.iter().map(|(name, consumer)| {
                    reply::named(vec![
                        ("name", reply::bulk(name)),
                        ("pending", reply::int(found.owned(name) as u64)),
                        ("idle", since(consumer.seen_ms)),
                        ("inactive", consumer.active_ms.map_or(Value::Int(-1), since)),
                    ])
                });
                Ok(Value::Array(consumers.collect()))
            }
            _ => unreachable!("no listing"),
        }
    }
}

impl Reference {
    /// XINFO STREAM, without what only blocks say.
    pub(super) fn stream_info(&mut self, db: u8, key: &[u8]) -> Answer {
        let Some(stream) = self.stream(db, key)? else { return Err(reply::no_such_key()) };
        let made = &stream.idempotence;
        let iids: usize = made.producers.values().map(Vec::len).sum();
        let pids = made.producers.values().filter(|made| !made.is_empty()).count();
        let edge = |entry: Option<&Entry>| entry.map_or(Value::NilBulk, reply::entry);
        let (first, last) = (stream.entries.first(), stream.entries.last());
        let mut facts = vec![
            ("length", reply::int(stream.entries.len() as u64)),
            ("last-generated-id", reply::id(stream.last_id)),
            ("max-deleted-entry-id", reply::id(stream.max_deleted_id)),
            ("entries-added", reply::int(stream.added)),
            ("recorded-first-entry-id", reply::id(first.map_or(Id::MIN, |entry| entry.id))),
            ("idmp-duration", reply::int(made.duration_s)),
            ("idmp-maxsize", reply::int(made.per_producer)),
            ("pids-tracked", reply::int(pids as u64)),
            ("iids-tracked", reply::int(iids as u64)),
            ("iids-added", reply::int(made.added)),
            ("iids-duplicates", reply::int(made.repeated)),
            ("groups", reply::int(stream.groups.len() as u64)),
            ("first-entry", edge(first)),
            ("last-entry", edge(last)),
        ];
        let schedule = &stream.schedule;
        if schedule.added > 0 {
            let next = schedule.waiting.keys().next();
            facts.extend([
                ("scheduled", reply::int(schedule.waiting.len() as u64)),
                ("next-due-ms", next.map_or(Value::NilBulk, |token| reply::int(token.0))),
                ("schedule-failures", reply::int(schedule.failures)),
            ]);
        }
        if stream.retention.max_bytes > 0 {
            facts.push(("bytes", reply::int(stream.payload())));
        }
        if stream.retention.is_set() {
            facts.push(("retention", reply::named(stream.retention.items())));
        }
        Ok(reply::named(facts))
    }
}

/// Of a managed group, behind all that Redis has.
fn managed(
    stream: &Stream,
    group: &Group,
    now: Moment,
    held_max: usize,
) -> Vec<(&'static str, Value)> {
    if !group.policy.is_managed() {
        return Vec::new();
    }
    let counted = &group.counters;
    let owned = group.pending.iter().filter(|pending| pending.owner.is_some());
    let oldest_ms = owned.map(|pending| pending.at_ms).min();
    let delayed = group.pending.iter().filter(|pending| pending.available_at_ms > 0).count();
    let next = stream.ids().into_iter().find(|id| *id > group.position);
    let next = group.order.held.first().copied().or(next);
    let age = |now_ms: u64, at_ms: Option<u64>| {
        at_ms.map_or(Value::NilBulk, |at_ms| reply::int(now_ms.saturating_sub(at_ms)))
    };
    let in_flight = group.in_flight() as u64;
    let held = group.order.held.len();
    let limit = group.policy.in_flight_max;
    let blocked_by = match group.policy.is_paused {
        true => "paused",
        false if limit > 0 && in_flight >= limit => "max-in-flight",
        false if held >= held_max => "held",
        false => "",
    };
    vec![
        ("policy", group.policy.shown()),
        ("delivered", reply::int(counted.delivered)),
        ("acked", reply::int(counted.acked)),
        ("nacked", reply::int(counted.nacked)),
        ("redelivered", reply::int(counted.redelivered)),
        ("dead-lettered", reply::int(counted.dead_lettered)),
        ("dead-letter-failed", reply::int(counted.dead_letter_failed)),
        ("vanished", reply::int(counted.vanished)),
        ("dropped", reply::int(counted.dropped)),
        ("in-flight", reply::int(in_flight)),
        ("held", reply::int(held as u64)),
        ("delayed", reply::int(delayed as u64)),
        ("oldest-pending-ms", age(now.steady_ms, oldest_ms)),
        ("oldest-undelivered-ms", age(now.wall_ms, next.map(|id| id.0))),
        ("blocked-by", reply::bulk(blocked_by.as_bytes())),
    ]
}

fn summary(group: &Group) -> Value {
    let pending = group.by_id();
    let (Some(first), Some(last)) = (pending.first(), pending.last()) else {
        return Value::Array(vec![Value::Int(0), Value::NilBulk, Value::NilBulk, Value::NilArray]);
    };
    let owners = group.consumers.keys().filter(|name| group.owned(name) > 0);
    let counts = owners.map(|name| {
        let count = group.owned(name).to_string();
        Value::Array(vec![reply::bulk(name), reply::bulk(count.as_bytes())])
    });
    Value::Array(vec![
        reply::int(pending.len() as u64),
        reply::id(first.id),
        reply::id(last.id),
        Value::Array(counts.collect()),
    ])
}

fn listed(group: &Group, list: &PendingList, now_ms: u64) -> Value {
    let idle_ms = |pending: &Pending| now_ms.saturating_sub(pending.at_ms);
    let is_listed = |pending: &&Pending| {
        let is_in = list.from <= pending.id && pending.id <= list.to;
        let is_idle = pending.owner.is_none() || idle_ms(pending) >= list.min_idle_ms.unwrap_or(0);
        let is_his = list.consumer.is_none() || pending.owner == list.consumer;
        is_in && is_idle && is_his
    };
    let show = |pending: &Pending| {
        let (owner, idle) = match &pending.owner {
            Some(owner) => (reply::bulk(owner), reply::int(idle_ms(pending))),
            None => (reply::bulk(b""), Value::Int(-1)),
        };
        Value::Array(vec![reply::id(pending.id), owner, idle, reply::int(pending.deliveries)])
    };
    let found = group.by_id().into_iter().filter(is_listed);
    Value::Array(found.take(list.count).map(show).collect())
}
