//! Commands on strings, and DUMP and RESTORE.

use std::rc::Rc;

use millstream_resp::Value;

use super::waiters::Signal;
use super::{Answer, Object, Reference, reply};
use crate::command::{OnKeys, Set, SetExpiry, Text};

impl Reference {
    pub(super) fn on_strings(&mut self, command: &OnKeys, db: u8) -> Answer {
        match command {
            OnKeys::Set(set) => self.set(set, db),
            OnKeys::Get(key) => Ok(bulk_or_nil(self.text(db, key)?)),
            OnKeys::GetDelete(key) => {
                let value = self.text(db, key)?;
                if value.is_some() {
                    self.remove(db, key);
                }
                Ok(bulk_or_nil(value))
            }
            OnKeys::IncrementBy(key, by) => {
                let before = self.text(db, key)?;
                let number = match &before {
                    None => 0,
                    Some(text) => number_of(text).ok_or_else(|| {
                        reply::error("ERR value is not an integer or out of range")
                    })?,
                };
                let sum = number
                    .checked_add(*by)
                    .ok_or_else(|| reply::error("ERR increment or decrement would overflow"))?;
                self.replace(db, key, sum.to_string().into_bytes(), before.is_some());
                Ok(Value::Int(sum))
            }
            OnKeys::Append(key, suffix) => {
                let before = self.text(db, key)?;
                let exists = before.is_some();
                let value = [before.unwrap_or_default(), suffix.clone()].concat();
                let length = value.len() as u64;
                self.replace(db, key, value, exists);
                Ok(reply::int(length))
            }
            // The bytes are the program's own: whoever asked keeps the value that they stand for.
            OnKeys::Dump(key) => {
                Ok(if self.is_there(db, key) { reply::bulk(b"") } else { Value::NilBulk })
            }
            _ => unreachable!("not on strings, or taken care of by `restore`"),
        }
    }

    /// RESTORE of a value that a DUMP gave; without one the payload is bad.
    pub(super) fn restore(
        &mut self,
        db: u8,
        key: &Text,
        object: Option<&Rc<Object>>,
        ttl_ms: u64,
        replaces: bool,
    ) -> Value {
        if !replaces && self.is_there(db, key) {
            return reply::error("BUSYKEY Target key name already exists.");
        }
        let Some(object) = object else {
            return reply::error("ERR DUMP payload version or checksum are wrong");
        };
        self.touched.push((db, key.clone()));
        let expires_at_ms = (ttl_ms > 0).then_some(self.now.wall_ms + ttl_ms);
        self.put_copy(db, key, object, expires_at_ms);
        reply::ok()
    }

    fn text(&mut self, db: u8, key: &[u8]) -> Result<Option<Text>, Value> {
        match self.find(db, key) {
            None => Ok(None),
            Some(Object::Text(text)) => Ok(Some(text.clone())),
            Some(Object::Stream(_)) => Err(reply::wrong_type()),
        }
    }

    /// A value in place keeps its expiry; a new one has none, and whoever waits for the key learns
    /// of it.
    fn replace(&mut self, db: u8, key: &[u8], value: Text, in_place: bool) {
        if in_place {
            *self.state.object_mut(db, key) = Object::Text(value);
        } else {
            self.put_text(db, key, value, None);
        }
    }

    fn put_text(&mut self, db: u8, key: &[u8], value: Text, expires_at_ms: Option<u64>) {
        self.state.put(db, key, Object::Text(value), expires_at_ms);
        self.signal(Signal::Gone(db, key.to_vec()));
    }

    fn set(&mut self, set: &Set, db: u8) -> Answer {
        let key = &set.key;
        let old = if set.returns_old { self.text(db, key)? } else { None };
        let exists = self.is_there(db, key);
        let is_done = set.must_exist.is_none_or(|must| must == exists);
        if is_done {
            let wall_ms = self.now.wall_ms as i64;
            let at_ms = match set.expiry {
                SetExpiry::None => None,
                SetExpiry::Keep if exists => {
                    self.state.database(db)[key].expires_at_ms.map(|at_ms| at_ms as i64)
                }
                SetExpiry::Keep => None,
                SetExpiry::In(ms) => Some(wall_ms + ms),
                SetExpiry::At(at_ms) => Some(at_ms),
            };
            if at_ms.is_some_and(|at_ms| at_ms <= wall_ms) {
                self.remove(db, key);
            } else {
                self.put_text(db, key, set.value.clone(), at_ms.map(|at_ms| at_ms as u64));
            }
        }
        Ok(match (set.returns_old, is_done) {
            (true, _) => bulk_or_nil(old),
            (false, true) => reply::ok(),
            (false, false) => Value::NilBulk,
        })
    }
}

fn bulk_or_nil(value: Option<Text>) -> Value {
    value.map_or(Value::NilBulk, Value::Bulk)
}

/// A whole number as Redis takes it: no sign but `-`, no zeros in front.
fn number_of(text: &[u8]) -> Option<i64> {
    let number: i64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == text).then_some(number)
}
