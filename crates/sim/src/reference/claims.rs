//! XCLAIM and XAUTOCLAIM: taking over what is pending.

use millstream_resp::Value;

use super::group::{DELIVERIES_MAX, Group, Pending};
use super::policy::Settled;
use super::waiters::Signal;
use super::{Answer, Reference, reply};
use crate::command::{AutoClaim, Claim, DeliveredAt};
use crate::id::Id;

/// XAUTOCLAIM looks at so many records for each that it may return.
const ATTEMPTS: usize = 10;

impl Reference {
    pub(super) fn claim(&mut self, claim: &Claim, db: u8) -> Answer {
        let (key, name, to) = (&claim.key, &claim.group, &claim.consumer);
        self.needs_group(db, key, name)?;
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let entries = stream.entries.clone();
        let group = stream.groups.get_mut(name).expect("the group was found");
        if claim.is_fenced && !group.consumers.contains_key(to) {
            return Ok(Value::Array(Vec::new()));
        }
        group.position = group.position.max(claim.last_id.unwrap_or(Id::MIN));
        group.create_consumer(to, now_ms);
        let (mut claimed, mut has_removed) = (Vec::new(), false);
        for &id in &claim.ids {
            let before = group.get(id).cloned();
            let is_own = before.as_ref().is_some_and(|pending| pending.owner.as_ref() == Some(to));
            if claim.is_fenced && !is_own {
                continue;
            }
            let Some(entry) = entries.iter().find(|entry| entry.id == id) else {
                has_removed |= group.remove(id, Settled::Vanished);
                continue;
            };
            let may_claim = before.as_ref().map_or(claim.force, |pending| {
                pending.owner.is_none() || is_idle(pending, now_ms, claim.min_idle_ms)
            });
            if !may_claim {
                continue;
            }
            let count = before.map_or(1, |pending| pending.deliveries);
            let counted =
                if claim.just_ids { count } else { count.saturating_add(1).min(DELIVERIES_MAX) };
            let deliveries = claim.retry_count.unwrap_or(counted);
            let at_ms = delivery_time(claim.delivered_at, now_ms);
            group.set(Pending::owned(id, to, at_ms, deliveries));
            claimed.push(if claim.just_ids { reply::id(id) } else { reply::entry(entry) });
        }
        match claimed.is_empty() {
            true => group.saw(to, now_ms),
            false => group.touch(to, now_ms, true),
        }
        let is_rescheduled = group.policy.is_managed() && !claimed.is_empty();
        if has_removed {
            self.free_places(db, key);
        }
        if is_rescheduled {
            self.signal(Signal::Rescheduled(db, key.clone()));
        }
        Ok(Value::Array(claimed))
    }

    pub(super) fn autoclaim(&mut self, claim: &AutoClaim, db: u8) -> Answer {
        let (key, name, to) = (&claim.key, &claim.group, &claim.consumer);
        self.needs_group(db, key, name)?;
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let entries = stream.entries.clone();
        let group = stream.groups.get_mut(name).expect("the group was found");
        group.create_consumer(to, now_ms);
        let (mut cursor, mut claimed, mut deleted) = (Id::MIN, Vec::new(), Vec::new());
        let records: Vec<Pending> = group.by_id().into_iter().cloned().collect();
        let records = records.into_iter().filter(|pending| pending.id >= claim.start);
        for (looks, pending) in records.enumerate() {
            if looks == claim.count * ATTEMPTS || claimed.len() + deleted.len() >= claim.count {
                cursor = pending.id;
                break;
            }
            let Some(entry) = entries.iter().find(|entry| entry.id == pending.id) else {
                group.remove(pending.id, Settled::Vanished);
                deleted.push(reply::id(pending.id));
                continue;
            };
            if !may_scan(group, &pending, now_ms, claim.min_idle_ms) {
                continue;
            }
            let mut again = pending.again(to, now_ms);
            if claim.just_ids {
                again.deliveries = pending.deliveries;
            }
            group.set(again);
            let shown = if claim.just_ids { reply::id(entry.id) } else { reply::entry(entry) };
            claimed.push(shown);
        }
        match claimed.is_empty() {
            true => group.saw(to, now_ms),
            false => group.touch(to, now_ms, true),
        }
        if !deleted.is_empty() {
            self.free_places(db, key);
        }
        Ok(Value::Array(vec![reply::id(cursor), Value::Array(claimed), Value::Array(deleted)]))
    }
}

/// Whether XAUTOCLAIM takes it: in a managed group, what is past its deadline is as good as idle,
/// and what is delayed or used up is passed over.
fn may_scan(group: &Group, pending: &Pending, now_ms: u64, min_idle_ms: u64) -> bool {
    let is_due = group.free_from(pending).is_some_and(|at_ms| at_ms <= now_ms);
    let is_delayed = pending.owner.is_none() && !is_due;
    if group.is_used_up(pending) || is_delayed {
        return false;
    }
    is_due || is_idle(pending, now_ms, min_idle_ms)
}

fn is_idle(pending: &Pending, now_ms: u64, min_idle_ms: u64) -> bool {
    now_ms.saturating_sub(pending.at_ms) >= min_idle_ms
}

/// A time in the future, or before the epoch, counts as now.
fn delivery_time(wanted: Option<DeliveredAt>, now_ms: u64) -> u64 {
    let at_ms = match wanted {
        None => return now_ms,
        Some(DeliveredAt::Idle(idle_ms)) => now_ms as i64 - idle_ms,
        Some(DeliveredAt::Time(at_ms)) => at_ms,
    };
    u64::try_from(at_ms).ok().filter(|at_ms| *at_ms <= now_ms).unwrap_or(now_ms)
}
