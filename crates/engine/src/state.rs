//! Everything the engine knows, and the one way in which it changes: [`State::apply`].
//!
//! Must not know logs, clocks, waiters. The live path and recovery call the same `apply`.
//!
//! Invariants (see [`State::check`]):
//! 1. every key refers to one object, and every object has one key;
//! 2. `expiries` holds exactly the keys that expire;
//! 3. an object's slot holds it, and no other slot does.

use std::collections::{BTreeSet, HashMap};

use bytes::Bytes;
use foldhash::fast::FixedState;
use millstream_log::LogPosition;
use millstream_model::Stream;

use crate::directory::{Directory, KeyEntry};
use crate::mutation::Mutation;
use crate::object::{Object, ObjectData, ObjectId, ObjectRef, ObjectSlot};

/// How many databases there are, as in Redis.
pub const DATABASE_COUNT: u8 = 16;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) databases: Vec<Database>,
    objects: Vec<Option<Object>>,
    free: Vec<u32>,
    slots: HashMap<ObjectId, u32, FixedState>,
    next_object_id: u64,
    /// (when in Unix milliseconds, database, key).
    expiries: BTreeSet<(u64, u8, Box<[u8]>)>,
    hash_seed: u64,
    /// The latest delivery or creation time seen: the steady clock starts behind it.
    pub(crate) time_max_ms: u64,
    /// Streams that may remember productions. A hint: emptied lazily.
    pub(crate) producing: BTreeSet<ObjectId>,
    /// Changes since the start; INFO shows them.
    pub(crate) changes: u64,
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) keys: Directory,
    /// End of the record of the last change of the set of keys.
    pub(crate) changed_at: LogPosition,
    /// End of the record of the last exchange with another database: since then every key here
    /// shows something else.
    pub(crate) swapped_at: LogPosition,
}

/// What a part changed, so that the live path can stamp it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Object(ObjectSlot),
    Directory(u8),
    AllDirectories,
    Swapped(u8, u8),
    Nothing,
}

impl State {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let mut state = Self {
            databases: Vec::new(),
            objects: Vec::new(),
            free: Vec::new(),
            slots: HashMap::with_hasher(FixedState::with_seed(hash_seed)),
            next_object_id: 1,
            expiries: BTreeSet::new(),
            hash_seed,
            time_max_ms: 0,
            producing: BTreeSet::new(),
            changes: 0,
        };
        state.set_hash_seed(hash_seed);
        state
    }

    fn set_hash_seed(&mut self, hash_seed: u64) {
        assert_eq!(self.next_object_id, 1, "the seed is set before there are keys");
        self.hash_seed = hash_seed;
        self.databases = (0..DATABASE_COUNT)
            .map(|_| Database {
                keys: Directory::new(hash_seed),
                changed_at: LogPosition::default(),
                swapped_at: LogPosition::default(),
            })
            .collect();
    }

    pub(crate) fn database(&self, db: u8) -> &Database {
        &self.databases[usize::from(db)]
    }

    pub(crate) fn database_mut(&mut self, db: u8) -> &mut Database {
        &mut self.databases[usize::from(db)]
    }

    pub(crate) fn object(&self, slot: ObjectSlot) -> &Object {
        self.objects[slot.0 as usize].as_ref().expect("slots are freed with their key")
    }

    pub(crate) fn object_mut(&mut self, slot: ObjectSlot) -> &mut Object {
        self.objects[slot.0 as usize].as_mut().expect("slots are freed with their key")
    }

    pub(crate) fn try_object_mut(&mut self, slot: ObjectSlot) -> Option<&mut Object> {
        self.objects[slot.0 as usize].as_mut()
    }

    pub(crate) fn stream(&self, slot: ObjectSlot) -> &Stream {
        match &self.object(slot).data {
            ObjectData::Stream(stream) => stream,
            ObjectData::String(_) => panic!("the object is a stream"),
        }
    }

    pub(crate) fn stream_mut(&mut self, slot: ObjectSlot) -> &mut Stream {
        match &mut self.object_mut(slot).data {
            ObjectData::Stream(stream) => stream,
            ObjectData::String(_) => panic!("the object is a stream"),
        }
    }

    /// The object of that identity, if there is one.
    pub(crate) fn find_object(&self, id: ObjectId) -> Option<ObjectRef> {
        self.slots.get(&id).map(|&slot| ObjectRef { id, slot: ObjectSlot(slot) })
    }

    pub(crate) fn next_object_id(&self) -> ObjectId {
        ObjectId(self.next_object_id)
    }

    pub(crate) fn object_count(&self) -> usize {
        self.slots.len()
    }

    /// The key that expires first: when, database, key.
    pub(crate) fn next_expiry(&self) -> Option<&(u64, u8, Box<[u8]>)> {
        self.expiries.first()
    }

    /// Keys of a database whose time has come and which nobody has removed yet.
    pub(crate) fn expired_count(&self, db: u8, wall_ms: u64) -> usize {
        let due = self.expiries.iter().take_while(|(at, ..)| *at <= wall_ms);
        due.filter(|(_, other, _)| *other == db).count()
    }

    fn add_object(&mut self, id: ObjectId, data: ObjectData) -> ObjectRef {
        assert!(id.0 >= self.next_object_id, "ids of objects are used once");
        self.next_object_id = id.0 + 1;
        let object = Object { id, data, changed_at: LogPosition::default(), version: 0 };
        let slot = self.free.pop().unwrap_or_else(|| {
            self.objects.push(None);
            u32::try_from(self.objects.len() - 1).expect("fewer than 2^32 objects")
        });
        self.objects[slot as usize] = Some(object);
        self.slots.insert(id, slot);
        ObjectRef { id, slot: ObjectSlot(slot) }
    }

    fn drop_object(&mut self, object: ObjectRef) {
        self.objects[object.slot.0 as usize] = None;
        self.slots.remove(&object.id);
        self.free.push(object.slot.0);
    }

    fn bind(&mut self, db: u8, entry: KeyEntry) {
        if let Some(at) = entry.expires_at_ms {
            self.expiries.insert((at, db, entry.key.clone()));
        }
        let key = entry.key.clone();
        if let Some(before) = self.database_mut(db).keys.insert(entry) {
            self.forget_expiry(db, &before);
            self.drop_object(before.object);
            // The new binding may expire at the very moment the old one would have.
            if let Some(at) = self.database(db).keys.get(&key).and_then(|e| e.expires_at_ms) {
                self.expiries.insert((at, db, key));
            }
        }
    }

    fn forget_expiry(&mut self, db: u8, entry: &KeyEntry) {
        if let Some(at) = entry.expires_at_ms {
            self.expiries.remove(&(at, db, entry.key.clone()));
        }
    }

    fn unbind(&mut self, db: u8, key: &[u8]) -> KeyEntry {
        let entry = self.database_mut(db).keys.remove(key).expect("the key exists");
        self.forget_expiry(db, &entry);
        entry
    }

    fn set_expiry(&mut self, db: u8, key: &[u8], at_ms: Option<u64>) {
        let before = self.database_mut(db).keys.set_expiry(key, at_ms);
        if let Some(at) = before {
            self.expiries.remove(&(at, db, key.into()));
        }
        if let Some(at) = at_ms {
            self.expiries.insert((at, db, key.into()));
        }
    }

    fn flush(&mut self, db: u8) {
        let seed = self.hash_seed;
        let keys = std::mem::replace(&mut self.database_mut(db).keys, Directory::new(seed));
        for entry in keys.iter() {
            self.forget_expiry(db, entry);
            self.drop_object(entry.object);
        }
    }

    /// Makes one part true. Returns what it changed; a part that binds a key to an object returns
    /// the object.
    ///
    /// # Panics
    /// If the part does not fit the state: it was checked before it was logged.
    pub(crate) fn apply(&mut self, mutation: &Mutation<'_>) -> Unit {
        self.changes += 1;
        match *mutation {
            Mutation::Created { hash_seed } => {
                self.set_hash_seed(hash_seed);
                Unit::Nothing
            }
            Mutation::CreateStream { object, db, key, limits } => {
                let data = ObjectData::Stream(Box::new(Stream::new(limits)));
                self.create(object, data, db, key, None)
            }
            Mutation::CreateString { object, db, key, ref value, expires_at_ms } => {
                let data = ObjectData::String(value.clone());
                self.create(object, data, db, key, expires_at_ms)
            }
            Mutation::RemoveKey { db, key } => {
                let entry = self.unbind(db, key);
                self.drop_object(entry.object);
                Unit::Directory(db)
            }
            Mutation::SetExpiry { db, key, at_ms } => {
                self.set_expiry(db, key, at_ms);
                let slot = self.database(db).keys.get(key).expect("the key exists").object.slot;
                self.object_mut(slot).version += 1;
                Unit::Object(slot)
            }
            Mutation::RenameKey { db, from, to } => {
                let entry = self.unbind(db, from);
                let slot = entry.object.slot;
                self.object_mut(slot).version += 1;
                self.bind(db, KeyEntry { key: to.into(), ..entry });
                Unit::Object(slot)
            }
            Mutation::Flush { db: Some(db) } => {
                self.flush(db);
                Unit::Directory(db)
            }
            Mutation::Flush { db: None } => {
                (0..DATABASE_COUNT).for_each(|db| self.flush(db));
                Unit::AllDirectories
            }
            Mutation::SwapDatabases { a, b } => self.swap(a, b),
            Mutation::SetString { object, ref value } => {
                let changed = self.object_mut(object.slot);
                changed.data = ObjectData::String(Bytes::clone(value));
                changed.version += 1;
                Unit::Object(object.slot)
            }
            _ => self.apply_to_stream(mutation),
        }
    }

    fn create(
        &mut self,
        object: ObjectId,
        data: ObjectData,
        db: u8,
        key: &[u8],
        expires_at_ms: Option<u64>,
    ) -> Unit {
        let object = self.add_object(object, data);
        self.bind(db, KeyEntry { key: key.into(), object, expires_at_ms });
        Unit::Object(object.slot)
    }

    fn swap(&mut self, a: u8, b: u8) -> Unit {
        self.databases.swap(usize::from(a), usize::from(b));
        let moved: Vec<_> =
            self.expiries.extract_if(.., |(_, db, _)| *db == a || *db == b).collect();
        for (at, db, key) in moved {
            self.expiries.insert((at, if db == a { b } else { a }, key));
        }
        Unit::Swapped(a, b)
    }

    pub(crate) fn check(&self) {
        let mut keys = 0;
        let mut expiring = 0;
        for (db, database) in (0..).zip(&self.databases) {
            database.keys.check();
            for entry in database.keys.iter() {
                keys += 1;
                assert_eq!(self.object(entry.object.slot).id, entry.object.id);
                assert_eq!(self.find_object(entry.object.id), Some(entry.object));
                if let Some(at) = entry.expires_at_ms {
                    expiring += 1;
                    assert!(self.expiries.contains(&(at, db, entry.key.clone())));
                }
            }
        }
        assert_eq!(expiring, self.expiries.len());
        assert_eq!(keys, self.slots.len());
        assert_eq!(keys + self.free.len(), self.objects.len());
        for object in self.objects.iter().flatten() {
            if let ObjectData::Stream(stream) = &object.data {
                stream.check();
            }
        }
    }
}
