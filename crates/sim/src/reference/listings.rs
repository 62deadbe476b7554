//! XPENDING and XINFO.

use millstream_resp::Value;

use super::stream::{Group, Pending};
use super::{Answer, Reference, reply};
use crate::command::{OnGroups, PendingList};

impl Reference {
    pub(super) fn listing(&mut self, command: &OnGroups, db: u8) -> Answer {
        let now_ms = self.now.steady_ms;
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
                    facts.extend(policy(group).map(|policy| ("policy", policy)));
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

fn policy(group: &Group) -> Option<Value> {
    let policy = group.policy;
    let drops = policy.drops.map_or("NONE", |drops| if drops { "DROP" } else { "RELEASE" });
    let facts = vec![
        ("VISIBILITY", reply::int(policy.visibility_ms)),
        ("DELCONSUMER", reply::bulk(drops.as_bytes())),
        ("PAUSED", reply::int(u64::from(policy.is_paused))),
    ];
    policy.is_managed().then(|| reply::named(facts))
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
