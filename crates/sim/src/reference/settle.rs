//! XACK, XACKDEL and XNACK: what is pending is done, or given back.

use std::collections::BTreeSet;

use millstream_resp::Value;

use super::entries::delete_one;
use super::group::{DELIVERIES_MAX, Group, NEVER, Pending};
use super::group_work::LETTERS_PER_STEP;
use super::policy::{Policy, Settled};
use super::waiters::Signal;
use super::{Answer, Peek, Reference, reply};
use crate::command::{Fence, NackMode, OnGroups, References, Text};
use crate::id::Id;

/// Of what is said about a failure, so much is kept.
const ERROR_BYTES_MAX: usize = 4096;
const NOT_MANAGED: &str =
    "ERR DELAY and ERROR need a managed group: set a policy with XGROUP CFGSET first";

/// How XNACK gives entries back.
struct Nack<'a> {
    mode: NackMode,
    count: Option<u64>,
    force: bool,
    delay_ms: Option<u64>,
    error: Option<&'a Text>,
}

impl Reference {
    pub(super) fn on_pending(&mut self, command: &OnGroups, db: u8, peek: &mut dyn Peek) -> Answer {
        match command {
            OnGroups::Ack { key, group, fence, ids } => {
                if !self.has_group(db, key, group)? {
                    return Ok(reply::int(0));
                }
                let group = self.group_mut(db, key, group);
                let is_meant = |group: &Group, id| {
                    fence.as_ref().is_none_or(|fence| is_fenced(group, fence, id))
                };
                let mut acked = 0;
                for &id in ids {
                    let is_acked = is_meant(group, id) && group.remove(id, Settled::Acked);
                    acked += u64::from(is_acked);
                }
                if acked > 0 {
                    self.free_places(db, key);
                }
                Ok(reply::int(acked))
            }
            OnGroups::AckDelete(key, group, references, ids) => {
                if !self.has_group(db, key, group)? {
                    return Ok(Value::Array(vec![Value::Int(-1); ids.len()]));
                }
                let codes = ids.iter().map(|&id| self.ack_delete(db, key, group, *references, id));
                Ok(Value::Array(codes.map(Value::Int).collect()))
            }
            OnGroups::Nack { key, group, mode, count, force, delay_ms, error, ids } => {
                let (mode, count, force, delay_ms) = (*mode, *count, *force, *delay_ms);
                let nack = Nack { mode, count, force, delay_ms, error: error.as_ref() };
                let (given_back, policy) = self.nack(db, key, group, &nack, ids)?;
                if given_back.is_empty() {
                    return Ok(reply::int(0));
                }
                if matches!(mode, NackMode::Fatal) && policy.has_letters() {
                    self.bury_as_seen(db, key, group, &given_back, peek);
                }
                let is_delayed = delay_ms.is_some() || policy.backoff.is_some();
                self.signal(match is_delayed {
                    true => Signal::Rescheduled(db, key.clone()),
                    false => Signal::Released(db, key.clone()),
                });
                Ok(reply::int(given_back.len() as u64))
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

    fn ack_delete(&mut self, db: u8, key: &Text, group: &[u8], how: References, id: Id) -> i64 {
        if !self.group_mut(db, key, group).remove(id, Settled::Acked) {
            return -1;
        }
        let code = match delete_one(self.stream_mut(db, key), how, id) {
            2 => 2,
            // One that was gone already is as good as deleted.
            _ => 1,
        };
        self.free_places(db, key);
        code
    }

    /// Returns what was given back, and the policy of the group.
    fn nack(
        &mut self,
        db: u8,
        key: &Text,
        name: &Text,
        nack: &Nack<'_>,
        ids: &[Id],
    ) -> Result<(Vec<Id>, Policy), Value> {
        self.needs_group(db, key, name)?;
        let now_ms = self.now.steady_ms;
        let stream = self.stream_mut(db, key);
        let present: BTreeSet<Id> = stream.ids().into_iter().collect();
        let group = stream.groups.get_mut(name).expect("the group was found");
        let policy = group.policy.clone();
        if !policy.is_managed() && (nack.delay_ms.is_some() || nack.error.is_some()) {
            return Err(reply::error(NOT_MANAGED));
        }
        let mut given_back = Vec::new();
        for &id in ids {
            let (before, owner) = match group.get(id) {
                Some(pending) => (pending.deliveries, pending.owner.clone()),
                None if nack.force && present.contains(&id) => (0, None),
                None => continue,
            };
            group.set(nack.record(group, id, before, now_ms));
            // One that is named twice had its owner the first time.
            if policy.is_managed() && !given_back.contains(&id) {
                nack.note_failure(group, id, owner);
            }
            given_back.push(id);
        }
        if !given_back.is_empty() {
            self.free_places(db, key);
        }
        Ok((given_back, policy))
    }

    /// As many become dead letters at once as the program found room for; the others are due.
    fn bury_as_seen(&mut self, db: u8, key: &Text, name: &Text, ids: &[Id], peek: &mut dyn Peek) {
        let looks = peek.groups();
        let Some(found) = looks.get(&(db, key.clone(), name.clone())) else { return };
        let (mut named, stream) = (BTreeSet::new(), self.stream_mut(db, key));
        let has_failed = found.dead_letter_failed > stream.groups[name].counters.dead_letter_failed;
        let is_done = |id: &Id| !found.pending.contains(id) || has_failed && stream.has(*id);
        let ids = ids.iter().copied().filter(|&id| named.insert(id)).take(LETTERS_PER_STEP);
        let ids: Vec<Id> = ids.take_while(is_done).collect();
        if !ids.is_empty() {
            self.bury(db, key, name, &ids);
        }
    }
}

impl Nack<'_> {
    fn record(&self, group: &Group, id: Id, before: u64, now_ms: u64) -> Pending {
        let policy = &group.policy;
        if matches!(self.mode, NackMode::Fatal) && policy.has_letters() {
            return Pending { available_at_ms: NEVER, ..Pending::free(id, before) };
        }
        let deliveries = self.count.unwrap_or(match self.mode {
            NackMode::Silent => before.saturating_sub(1),
            NackMode::Fail => before,
            NackMode::Fatal => DELIVERIES_MAX,
        });
        let backoff_ms = match self.mode {
            NackMode::Fail => policy.backoff_ms(id, deliveries),
            NackMode::Silent | NackMode::Fatal => 0,
        };
        let available_at_ms = match self.delay_ms.unwrap_or(backoff_ms) {
            0 => 0,
            wait_ms => now_ms.saturating_add(wait_ms).min(NEVER - 1),
        };
        Pending { available_at_ms, ..Pending::free(id, deliveries) }
    }

    /// What a dead letter would say. A consumer that gave something back unasked said nothing.
    fn note_failure(&self, group: &mut Group, id: Id, owner: Option<Text>) {
        let mut error = self.error.cloned().unwrap_or_default();
        error.truncate(ERROR_BYTES_MAX);
        let is_failure = !matches!(self.mode, NackMode::Silent);
        match owner {
            Some(owner) if is_failure || self.error.is_some() => {
                group.failures.insert(id, (owner, error));
            }
            None if self.error.is_some() => {
                group.failures.insert(id, (Text::new(), error));
            }
            _ => {}
        }
    }
}

fn is_fenced(group: &Group, fence: &Fence, id: Id) -> bool {
    group.get(id).is_some_and(|pending| {
        pending.owner.as_ref() == Some(&fence.consumer)
            && fence.attempt.is_none_or(|attempt| attempt == pending.deliveries)
    })
}
