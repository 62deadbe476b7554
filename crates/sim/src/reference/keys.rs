//! Commands on whole keys.

use std::rc::Rc;

use millstream_resp::Value;

use super::policy::Refusals;
use super::schedule::Schedule;
use super::state::{Database, Slot};
use super::waiters::Signal;
use super::{Answer, Object, Reference, reply};
use crate::command::{ExpiryCondition, OnKeys, Text};
use crate::history::WHOLE;

impl Reference {
    pub(super) fn on_keys(&mut self, command: &OnKeys, db: u8) -> Answer {
        let wall_ms = self.now.wall_ms;
        match command {
            OnKeys::Delete(keys) => {
                let removed = keys.iter().filter(|key| self.remove(db, key)).count();
                Ok(reply::int(removed as u64))
            }
            OnKeys::Exists(keys) => {
                let found = keys.iter().filter(|key| self.is_there(db, key)).count();
                Ok(reply::int(found as u64))
            }
            OnKeys::Type(key) => Ok(Value::Simple(self.type_of(db, key).to_vec())),
            OnKeys::Size => {
                self.touched.push((db, WHOLE.to_vec()));
                let slots = self.state.database(db).values();
                Ok(reply::int(slots.filter(|slot| !slot.is_expired(wall_ms)).count() as u64))
            }
            OnKeys::Expire(key, ms, condition) => {
                Ok(self.expire(db, key, wall_ms as i64 + ms, *condition))
            }
            OnKeys::ExpireAt(key, at_ms, condition) => Ok(self.expire(db, key, *at_ms, *condition)),
            OnKeys::Persist(key) => {
                let expires = self.is_there(db, key) && self.slot(db, key).expires_at_ms.is_some();
                if expires {
                    self.slot(db, key).expires_at_ms = None;
                }
                Ok(reply::int(u64::from(expires)))
            }
            OnKeys::Lifetime(key) => {
                if !self.is_there(db, key) {
                    return Ok(Value::Int(-2));
                }
                let left = |at_ms: u64| reply::int(at_ms.saturating_sub(wall_ms));
                Ok(self.slot(db, key).expires_at_ms.map_or(Value::Int(-1), left))
            }
            OnKeys::Rename { from, to, only_if_free } => self.rename(db, from, to, *only_if_free),
            OnKeys::Copy { from, to, to_db, replaces } => {
                self.copy((db, from), (to_db.unwrap_or(db), to), *replaces)
            }
            OnKeys::Move(key, to_db) => self.move_key(db, *to_db, key),
            OnKeys::Swap(a, b) => {
                if a != b {
                    self.state.swap(*a, *b);
                    self.signal(Signal::Database(*a));
                    self.signal(Signal::Database(*b));
                }
                Ok(reply::ok())
            }
            OnKeys::Flush => {
                *self.state.database_mut(db) = Database::new();
                self.signal(Signal::Database(db));
                Ok(reply::ok())
            }
            OnKeys::FlushAll => {
                for db in 0..16 {
                    *self.state.database_mut(db) = Database::new();
                    self.signal(Signal::Database(db));
                }
                Ok(reply::ok())
            }
            _ => self.on_strings(command, db),
        }
    }

    fn type_of(&mut self, db: u8, key: &[u8]) -> &'static [u8] {
        match self.find(db, key) {
            None => b"none",
            Some(Object::Text(_)) => b"string",
            Some(Object::Stream(_)) => b"stream",
        }
    }

    fn slot(&mut self, db: u8, key: &[u8]) -> &mut Slot {
        self.state.database_mut(db).get_mut(key).expect("the key was found")
    }

    pub(super) fn remove(&mut self, db: u8, key: &[u8]) -> bool {
        if !self.is_there(db, key) {
            return false;
        }
        self.state.database_mut(db).remove(key);
        self.signal(Signal::Gone(db, key.to_vec()));
        true
    }

    fn expire(&mut self, db: u8, key: &[u8], at_ms: i64, condition: ExpiryCondition) -> Value {
        if !self.is_there(db, key) {
            return reply::int(0);
        }
        let before = self.slot(db, key).expires_at_ms.map(|at_ms| at_ms as i64);
        let refused = (condition.only_new && before.is_some())
            || (condition.only_existing && before.is_none())
            // No expiry counts as never.
            || (condition.only_later && before.is_none_or(|before| at_ms <= before))
            || (condition.only_earlier && before.is_some_and(|before| at_ms >= before));
        if refused {
            return reply::int(0);
        }
        if at_ms > self.now.wall_ms as i64 {
            self.slot(db, key).expires_at_ms = Some(at_ms as u64);
        } else {
            self.remove(db, key);
        }
        reply::int(1)
    }

    fn rename(&mut self, db: u8, from: &Text, to: &Text, only_if_free: bool) -> Answer {
        if !self.is_there(db, from) {
            return Err(reply::no_such_key());
        }
        if self.is_there(db, to) && only_if_free {
            return Ok(reply::int(0));
        }
        if from != to {
            let slot = self.state.database_mut(db).remove(from).expect("the key was found");
            self.state.database_mut(db).insert(to.clone(), slot);
            self.signal(Signal::Gone(db, from.clone()));
            self.signal(Signal::Gone(db, to.clone()));
            self.signal(Signal::Ready(db, to.clone()));
        }
        Ok(if only_if_free { reply::int(1) } else { reply::ok() })
    }

    fn copy(&mut self, from: (u8, &Text), to: (u8, &Text), replaces: bool) -> Answer {
        if from == to {
            return Err(reply::error("ERR source and destination objects are the same"));
        }
        if !self.is_there(from.0, from.1) {
            return Ok(reply::int(0));
        }
        if !replaces && self.is_there(to.0, to.1) {
            return Ok(reply::int(0));
        }
        let slot = self.slot(from.0, from.1).clone();
        self.put_copy(to.0, to.1, &slot.object, slot.expires_at_ms);
        Ok(reply::int(1))
    }

    /// A copy says in its record what the original only remembers: when consumers were seen.
    pub(super) fn put_copy(
        &mut self,
        db: u8,
        key: &Text,
        object: &Rc<Object>,
        expires_at_ms: Option<u64>,
    ) {
        let mut copy = Object::clone(object);
        if let Object::Stream(stream) = &mut copy {
            stream.has_foreign_times = true;
            // Else it would fire twice.
            stream.schedule = Schedule::default();
            for group in stream.groups.values_mut() {
                group.refusals = Refusals::default();
            }
            let consumers = stream.groups.values_mut().flat_map(|g| g.consumers.values_mut());
            consumers.for_each(|consumer| consumer.seen_logged_ms = consumer.seen_ms);
        }
        self.state.put(db, key, copy, expires_at_ms);
        self.signal(Signal::Gone(db, key.clone()));
        self.signal(Signal::Ready(db, key.clone()));
    }

    fn move_key(&mut self, db: u8, to_db: u8, key: &Text) -> Answer {
        if db == to_db {
            return Err(reply::error("ERR source and destination objects are the same"));
        }
        if !self.is_there(db, key) || self.is_there(to_db, key) {
            return Ok(reply::int(0));
        }
        let slot = self.state.database_mut(db).remove(key).expect("the key was found");
        self.state.database_mut(to_db).insert(key.clone(), slot);
        self.signal(Signal::Gone(db, key.clone()));
        self.signal(Signal::Gone(to_db, key.clone()));
        self.signal(Signal::Ready(to_db, key.clone()));
        Ok(reply::int(1))
    }
}
