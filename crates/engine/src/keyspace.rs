//! Keys: whether they exist, what they are called, how long they live.
//!
//! An expired key is absent for everybody at once; `due.rs` removes it later. Whatever takes a key
//! away, or puts another object under it, signals. Tests: `tests/it/keys.rs`, `tests/it/expiry.rs`.

use bytes::Bytes;
use millstream_model::Rejection;

use crate::key_listing::KeyListing;
use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectKind, ObjectRef};
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// What a WATCH remembers of a key: changed if it differs later.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyVersion(Option<(ObjectId, u64)>);

/// A key's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// There is no such key.
    Missing,
    /// It stays.
    Unlimited,
    /// It goes at that time, Unix milliseconds.
    Until(u64),
}

/// When [`Transaction::set_expiry`] applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpiryCondition {
    /// Only if there is none.
    pub only_new: bool,
    /// Only if there is one.
    pub only_existing: bool,
    /// Only if the new one is later; none counts as never.
    pub only_later: bool,
    /// Only if the new one is earlier.
    pub only_earlier: bool,
}

/// Keys of a database in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyCounts {
    /// All of them.
    pub keys: usize,
    /// Those that expire.
    pub expiring: usize,
    /// How long they have left, in the mean of all of them, in milliseconds.
    pub mean_lifetime_ms: u64,
}

impl Transaction<'_> {
    /// The type of a key's value; `None` if the key is missing.
    /// Does not count as a use of the key.
    pub fn kind(&mut self, db: u8, key: &[u8]) -> Option<ObjectKind> {
        let object = self.look(db, key)?;
        Some(self.state().object(object.slot).kind())
    }

    /// Whether a key exists, as a command asks that would change it: a use of the key.
    pub fn is_taken(&mut self, db: u8, key: &[u8]) -> bool {
        self.find(db, key).is_some()
    }

    /// What a WATCH compares.
    pub fn version(&mut self, db: u8, key: &[u8]) -> KeyVersion {
        let found = self.look(db, key);
        KeyVersion(found.map(|object| (object.id, self.state().object(object.slot).version)))
    }

    /// Bytes that a key and its value take in memory, roughly; `None` if the key is missing.
    pub fn memory_bytes(&mut self, db: u8, key: &[u8]) -> Option<usize> {
        /// What the directory and the table of objects have for each key.
        const KEY_OVERHEAD: usize = 160;
        let object = self.look(db, key)?;
        Some(key.len() + KEY_OVERHEAD + self.state().object(object.slot).heap_bytes())
    }

    /// Bytes that a key's value takes in block files; `None` if the key is missing. What came since
    /// the last checkpoint is in the log alone, and not counted.
    pub fn disk_bytes(&mut self, db: u8, key: &[u8]) -> Option<u64> {
        let object = self.look(db, key)?;
        let stream = self.state().object(object.slot).data.as_stream();
        Some(stream.map_or(0, millstream_model::Stream::stored_bytes))
    }

    /// How a key's value is kept, in Redis' words; `None` if the key is missing.
    pub fn encoding(&mut self, db: u8, key: &[u8]) -> Option<&'static str> {
        let object = self.look(db, key)?;
        Some(self.state().object(object.slot).data.encoding(key.len()))
    }

    /// For how long nobody has used a key's value, in milliseconds; `None` if the key is missing.
    pub fn idle_ms(&mut self, db: u8, key: &[u8]) -> Option<u64> {
        let object = self.look(db, key)?;
        let used_at_ms = self.state().object(object.slot).used_at_ms;
        Some(self.steady_ms.saturating_sub(used_at_ms.unwrap_or(self.core.opened_at_ms)))
    }

    /// Marks a key as used just now; whether it exists.
    pub fn touch(&mut self, db: u8, key: &[u8]) -> bool {
        let object = self.look(db, key);
        if let Some(object) = object {
            self.core.state.object_mut(object.slot).used_at_ms = Some(self.steady_ms);
        }
        object.is_some()
    }

    /// Makes a key look as if it had been used last so long ago. Not durable.
    pub fn set_idle(&mut self, db: u8, key: &[u8], idle_ms: u64) {
        if let Some(object) = self.look(db, key) {
            let used_at_ms = self.steady_ms.saturating_sub(idle_ms);
            self.core.state.object_mut(object.slot).used_at_ms = Some(used_at_ms);
        }
    }

    /// Removes a key; whether it was there.
    pub fn remove(&mut self, db: u8, key: &[u8]) -> bool {
        if self.look(db, key).is_none() {
            return false;
        }
        self.change(&Mutation::RemoveKey { db, key });
        self.signal(db, key, Signal::Gone);
        true
    }

    /// Keys of a database.
    pub fn key_counts(&mut self, db: u8) -> KeyCounts {
        self.depend_on_keys(db);
        let keys = &self.state().database(db).keys;
        let expired = self.state().expired_count(db, self.now.wall_ms);
        let expiring = keys.expiring() - expired;
        let mean_ms = keys.mean_expiry_ms().unwrap_or(0);
        let mean_lifetime_ms = mean_ms.saturating_sub(self.now.wall_ms);
        KeyCounts { keys: keys.len() - expired, expiring, mean_lifetime_ms }
    }

    /// All keys of a database as they are now, to be looked at when the engine is free again.
    pub fn list_keys(&mut self, db: u8) -> KeyListing {
        self.depend_on_keys(db);
        KeyListing::new(self.state().database(db).keys.snapshot(), self.now.wall_ms)
    }

    /// Some key of a database; `None` if there is none.
    pub fn random_key(&mut self, db: u8) -> Option<Bytes> {
        /// Keys whose time has come are passed over, but not without end.
        const ATTEMPTS: u64 = 100;
        self.depend_on_keys(db);
        let random = self.core.dice.roll();
        let keys = &self.state().database(db).keys;
        let tries = (0..ATTEMPTS).map(|attempt| random.wrapping_add(attempt << 57));
        let mut found = tries.filter_map(|place| keys.key_near(place));
        let key = found.find(|entry| !entry.is_expired(self.now.wall_ms));
        key.map(|entry| Bytes::copy_from_slice(&entry.key))
    }

    /// Visits about `count` keys from a cursor on, of those only the ones `of_kind` where that is
    /// given, and returns the next cursor, 0 at the end. Keys that are there from the first call to
    /// the last are visited exactly once.
    pub fn scan_keys(
        &mut self,
        db: u8,
        cursor: u64,
        count: usize,
        of_kind: Option<ObjectKind>,
        mut visit: impl FnMut(&[u8]),
    ) -> u64 {
        self.depend_on_keys(db);
        let wall_ms = self.now.wall_ms;
        let state = self.state();
        // Looking at the value would cost more than all the rest.
        let is_wanted =
            |object: ObjectRef| of_kind.is_none_or(|kind| state.object(object.slot).kind() == kind);
        state.database(db).keys.scan(cursor, count, |entry| {
            if !entry.is_expired(wall_ms) && is_wanted(entry.object) {
                visit(&entry.key);
            }
        })
    }

    /// How long a key lives.
    pub fn lifetime(&mut self, db: u8, key: &[u8]) -> Lifetime {
        if self.look(db, key).is_none() {
            return Lifetime::Missing;
        }
        let entry = self.state().database(db).keys.get(key).expect("found above");
        entry.expires_at_ms.map_or(Lifetime::Unlimited, Lifetime::Until)
    }

    /// Lets a key go at a time, Unix milliseconds; one that has passed removes it at once. Returns
    /// whether that was done.
    pub fn set_expiry(
        &mut self,
        db: u8,
        key: &[u8],
        at_ms: i64,
        condition: ExpiryCondition,
    ) -> bool {
        self.find(db, key);
        let before = match self.lifetime(db, key) {
            Lifetime::Missing => return false,
            Lifetime::Unlimited => None,
            Lifetime::Until(before_ms) => Some(i64::try_from(before_ms).unwrap_or(i64::MAX)),
        };
        let refused = (condition.only_new && before.is_some())
            || (condition.only_existing && before.is_none())
            || (condition.only_later && before.is_none_or(|before_ms| at_ms <= before_ms))
            || (condition.only_earlier && before.is_some_and(|before_ms| at_ms >= before_ms));
        if refused {
            return false;
        }
        match u64::try_from(at_ms) {
            Ok(at_ms) if at_ms > self.now.wall_ms => {
                self.change(&Mutation::SetExpiry { db, key, at_ms: Some(at_ms) });
            }
            _ => {
                self.remove(db, key);
            }
        }
        true
    }

    /// Lets a key stay; whether it had an expiry.
    pub fn persist(&mut self, db: u8, key: &[u8]) -> bool {
        self.find(db, key);
        let expires = matches!(self.lifetime(db, key), Lifetime::Until(_));
        if expires {
            self.change(&Mutation::SetExpiry { db, key, at_ms: None });
        }
        expires
    }

    /// Gives a key another name, replacing what had that name unless `only_if_free`. Returns
    /// whether it did.
    ///
    /// # Errors
    /// [`Rejection::NoSuchKey`], [`Rejection::KeyForbidden`].
    pub fn rename(
        &mut self,
        db: u8,
        from: &[u8],
        to: &[u8],
        only_if_free: bool,
    ) -> Result<bool, Rejection> {
        let Some(object) = self.find(db, from) else { return Err(Rejection::NoSuchKey) };
        let data = &self.state().object(object.slot).data;
        self.refuse_foreign_letters_of(to, data, Some(from))?;
        let is_taken = self.find(db, to).is_some();
        if only_if_free && is_taken {
            return Ok(false);
        }
        if from != to {
            self.change(&Mutation::RenameKey { db, from, to });
            self.signal(db, from, Signal::Gone);
            self.signal(db, to, Signal::Gone);
            self.signal(db, to, Signal::Ready);
        }
        Ok(true)
    }

    /// Gives a key with its expiry to another database. Returns whether it did: not if the key is
    /// missing here, or exists there.
    pub fn move_key(&mut self, from: u8, to: u8, key: &[u8]) -> bool {
        assert_ne!(from, to, "the caller refuses it");
        if self.find(from, key).is_none() || self.find(to, key).is_some() {
            return false;
        }
        self.remove_expired(to, key);
        self.change(&Mutation::MoveKey { from, to, key });
        self.signal(from, key, Signal::Gone);
        self.signal(to, key, Signal::Gone);
        self.signal(to, key, Signal::Ready);
        true
    }

    /// A key whose time has come is absent, but may still stand in the way.
    pub(crate) fn remove_expired(&mut self, db: u8, key: &[u8]) {
        if self.state().database(db).keys.get(key).is_some() {
            self.change(&Mutation::RemoveKey { db, key });
            self.core.expired_keys += 1;
        }
    }

    /// Removes all keys of a database, or of all.
    pub fn flush(&mut self, db: Option<u8>) {
        self.change(&Mutation::Flush { db });
        self.signal_databases(db.map_or(0..=crate::DATABASE_COUNT - 1, |db| db..=db));
    }

    /// Exchanges the keys of two databases.
    pub fn swap_databases(&mut self, a: u8, b: u8) {
        if a != b {
            self.change(&Mutation::SwapDatabases { a, b });
            self.signal_databases(a..=a);
            self.signal_databases(b..=b);
        }
    }

    fn signal_databases(&mut self, databases: impl Iterator<Item = u8>) {
        if self.core.waiters.len() > 0 {
            self.core.group.signals.extend(databases.map(Signal::Database));
        }
    }
}
