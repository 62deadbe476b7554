//! What those send who keep strings, and keys of any type.

use super::Roller;
use super::roller::DATABASES;
use crate::command::{Command, ExpiryCondition, OnKeys, Set, SetExpiry, Text};

impl Roller<'_> {
    pub(super) fn keep(&mut self) -> Command {
        let key = self.string_key();
        Command::Keys(match self.dice.roll(40) {
            0..=5 => self.set(key),
            6..=8 => OnKeys::Get(key),
            9 => OnKeys::GetDelete(key),
            10..=13 => OnKeys::IncrementBy(key, self.dice.roll(9) as i64 - 3),
            14..=16 => {
                let suffix = self.value();
                OnKeys::Append(key, suffix)
            }
            _ => self.whole_key(),
        })
    }

    fn set(&mut self, key: Text) -> OnKeys {
        let number = self.dice.roll(100).to_string().into_bytes();
        let value = if self.dice.once_in(2) { number } else { self.value() };
        let wall_ms = self.now.wall_ms as i64;
        let expiry = match self.dice.roll(6) {
            0 => SetExpiry::Keep,
            1 => SetExpiry::In(1 + self.dice.roll(300) as i64),
            2 => SetExpiry::At(wall_ms + self.dice.roll(300) as i64 - 20),
            _ => SetExpiry::None,
        };
        let must_exist = self.dice.sometimes(4, |dice| dice.once_in(2));
        OnKeys::Set(Set { key, value, must_exist, returns_old: self.dice.once_in(5), expiry })
    }

    fn whole_key(&mut self) -> OnKeys {
        let (key, other) = self.related_keys();
        let wall_ms = self.now.wall_ms as i64;
        match self.dice.roll(40) {
            0 | 1 => OnKeys::Delete(vec![key]),
            2 => OnKeys::Delete(vec![key, other]),
            3 => OnKeys::Exists(vec![key, other]),
            4 => OnKeys::Type(key),
            5 | 6 => OnKeys::Size,
            7..=11 => OnKeys::Expire(key, self.dice.roll(800) as i64 - 5, self.condition()),
            12..=14 => {
                let at_ms = wall_ms + self.dice.roll(500) as i64 - 10;
                OnKeys::ExpireAt(key, at_ms, self.condition())
            }
            15..=19 => OnKeys::Persist(key),
            20..=22 => OnKeys::Lifetime(key),
            23..=26 => OnKeys::Rename { from: key, to: other, only_if_free: self.dice.once_in(3) },
            27..=29 => {
                let to_db = self.dice.sometimes(3, |dice| dice.roll(DATABASES.into()) as u8);
                OnKeys::Copy { from: key, to: other, to_db, replaces: self.dice.once_in(2) }
            }
            30 | 31 => OnKeys::Move(key, self.dice.roll(DATABASES.into()) as u8),
            32 => OnKeys::Swap(0, self.dice.roll(DATABASES.into()) as u8),
            33 if self.dice.once_in(3) => OnKeys::Flush,
            34 if self.dice.once_in(6) => OnKeys::FlushAll,
            35..=37 => {
                let payloads = self.payloads.len();
                let payload = match payloads {
                    0 => b"no payload".to_vec(),
                    _ => self.payloads[self.dice.index(payloads)].clone(),
                };
                let ttl = if self.dice.once_in(3) { 1 + self.dice.roll(400) } else { 0 };
                OnKeys::Restore { key, ttl, payload, replaces: self.dice.once_in(2) }
            }
            _ => OnKeys::Dump(key),
        }
    }

    /// None, most of the time; never those that exclude each other.
    fn condition(&mut self) -> ExpiryCondition {
        let none = ExpiryCondition::default();
        match self.dice.roll(8) {
            0 => ExpiryCondition { only_new: true, ..none },
            1 => ExpiryCondition { only_existing: true, ..none },
            2 => ExpiryCondition { only_later: true, ..none },
            3 => ExpiryCondition { only_earlier: true, ..none },
            _ => none,
        }
    }
}
