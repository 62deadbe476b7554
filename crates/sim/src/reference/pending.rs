//! Commands that settle pending entries or take them over.

use millstream_resp::Value;

use super::entries::delete_one;
use super::group::{DELIVERIES_MAX, Group, Pending};
use super::policy::Settled;
use super::waiters::Signal;
use super::{Answer, Reference, reply};
use crate::command::{AutoClaim, Claim, DeliveredAt, NackMode, OnGroups, References, Text};
use crate::id::Id;

/// XAUTOCLAIM looks at so many records for each that it may return.
const ATTEMPTS: usize = 10;

impl Reference {
    pub(super) fn on_pending(&mut self, command: &OnGroups, db: u8) -> Answer {
        match command {
            OnGroups::Ack(key, group, ids) => {
                if !self.has_group(db, key, group)? {
                    return Ok(reply::int(0));
                }
                let group = self.group_mut(db, key, group);
                let acked = ids.iter().filter(|&&id| group.remove(id, Settled::Acked)).count();
                Ok(reply::int(acked as u64))
            }
            OnGroups::AckDelete(key, group, references, ids) => {
                if !self.has_group(db, key, group)? {
                    return Ok(Value::Array(vec![Value::Int(-1); ids.len()]));
                }
                let codes = ids.iter().map(|&id| self.ack_delete(db, key, group, *references, id));
                Ok(Value::Array(codes.map(Value::Int).collect()))
            }
            OnGroups::Nack { key, group, mode, count, force, ids } => {
                self.needs_group(db, key, group)?;
                let mut processed = 0;
                for &id in ids {
                    let nacked = self.nack(db, key, group, *mode, *count, *force, id);
                    processed += u64::from(nacked);
                }
                if processed > 0 {
                    self.signal(Signal::Released(db, key.clone()));
                }
                Ok(reply::int(processed))
            }
            OnGroups::Claim(claim) => self.claim(claim, db),
            OnGroups::AutoClaim(claim) => self.autoclaim(claim, db),
            _ => unreachable!("not on pending entries"),
        }
    }

    fn has_group(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<bool, Value> {
        Ok(self.stream(db, key)?.is_some_and(|stream| stream.groups.contains_key(group)))
    }

    pub(super) fn needs_group(&mut self, db: u8, key: &[u8], group: &[u8]) -> Result<(), Value> {
        match self.has_group(db, key, group)? {
            true => Ok(()),
            false => Err(reply::no_key_or_group(key, group)),
        }
    }

    fn ack_delete(&mut self, db: u8, key: &[u8], group: &[u8], how: References, id: Id) -> i64 {
        let group = self.group_mut(db, key, group);
        if !group.remove(id, Settled::Acked) {
            return -1;
        }
        match delete_one(self.stream_mut(db, key), how, id) {
            2 => 2,
            // One that was gone already is as good as deleted.
            _ => 1,
        }
    }

    #[expect(clippy::too_many_arguments, reason = "they are XNACK's")]
    fn nack(
        &mut self,
        db: u8,
        key: &Text,
        group: &Text,
        mode: NackMode,
        count: Option<u64>,
        force: bool,
        id: Id,
    ) -> bool {
        let exists = self.state.stream(db, key).is_some_and(|stream| stream.has(id));
        let group = self.group_mut(db, key, group);
        let before = match group.get(id) {
            Some(pending) => pending.deliveries,
            None if force && exists => 0,
            None => return false,
        };
        let deliveries = count.unwrap_or(match mode {
            NackMode::Silent => before.saturating_sub(1),
            NackMode::Fail => before,
            NackMode::Fatal => DELIVERIES_MAX,
        });
        group.set(Pending { id, owner: None, at_ms: 0, deliveries });
        true
    }

    fn claim(&mut self, claim: &Claim, db: u8) -> Answer {
        let (key, name, to) = (&claim.key, &claim.group, &claim.consumer);
        self.needs_group(db, key, name)?;
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let entries = stream.entries.clone();
        let group = stream.groups.get_mut(name).expect("the group was found");
        group.position = group.position.max(claim.last_id.unwrap_or(Id::MIN));
        group.create_consumer(to, now_ms);
        let mut claimed = Vec::new();
        for &id in &claim.ids {
            let before = group.get(id).cloned();
            let Some(entry) = entries.iter().find(|entry| entry.id == id) else {
                group.remove(id, Settled::Vanished);
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
            group.set(Pending { id, owner: Some(to.clone()), at_ms, deliveries });
            claimed.push(if claim.just_ids { reply::id(id) } else { reply::entry(entry) });
        }
        match claimed.is_empty() {
            true => group.saw(to, now_ms),
            false => {
                group.touch(to, now_ms, true);
                if group.policy.is_managed() {
                    self.signal(Signal::Rescheduled(db, key.clone()));
                }
            }
        }
        Ok(Value::Array(claimed))
    }

    fn autoclaim(&mut self, claim: &AutoClaim, db: u8) -> Answer {
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
        Ok(Value::Array(vec![reply::id(cursor), Value::Array(claimed), Value::Array(deleted)]))
    }
}

/// Whether XAUTOCLAIM takes it: in a managed group, what is past its deadline is as good as idle.
fn may_scan(group: &Group, pending: &Pending, now_ms: u64, min_idle_ms: u64) -> bool {
    let visibility_ms = group.policy.visibility_ms;
    pending.owner.is_none()
        || is_idle(pending, now_ms, min_idle_ms)
        || visibility_ms > 0 && is_idle(pending, now_ms, visibility_ms)
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
