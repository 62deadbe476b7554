//! Everything the engine knows, and the one way in which it changes: [`State::apply`].
//!
//! Must not know logs, clocks, waiters. The live path and recovery call the same `apply`.
//!
//! Invariants (see [`State::check`]):
//! 1. every key refers to one object, and every object has one key;
//! 2. `expiries` holds exactly the keys that expire;
//! 3. an object is in the store of its key's database, in its own slot;
//! 4. `objects[s]` is the store of exactly one database.

mod apply_keys;

use std::collections::BTreeSet;
use std::sync::Arc;

use millstream_log::LogPosition;
use millstream_model::{FreedBlocks, GroupCounters, Stream};

use crate::changes::Changes;
use crate::checkpoint::{LoadedHeader, LoadedObject};
use crate::directory::{Directory, KeyEntry};
use crate::garbage::{Garbage, GarbageCount};
use crate::group_work::GroupWork;
use crate::object::{Object, ObjectData, ObjectId, ObjectRef, ObjectSlot};
use crate::objects::Objects;
use crate::retention_schedule::RetentionSchedule;
use crate::statistics::TableBytes;

/// How many databases there are, as in Redis.
pub const DATABASE_COUNT: u8 = 16;

/// (when in Unix milliseconds, key).
pub(crate) type Expiries = BTreeSet<(u64, Arc<[u8]>)>;

#[derive(Debug)]
pub(crate) struct State {
    pub(crate) databases: Vec<Database>,
    /// By the number of the store.
    objects: Vec<Objects>,
    /// Which databases have keys that expire, one bit for each: asked after every command.
    expiring: u16,
    /// Which stores may have streams with a retention, one bit for each: asked after every command.
    /// A hint: emptied lazily.
    pub(crate) retaining: u16,
    /// The same for delayed entries.
    pub(crate) delaying: u16,
    next_object_id: u64,
    hash_seed: u64,
    /// The latest delivery or creation time seen: the steady clock starts behind it.
    pub(crate) time_max_ms: u64,
    /// Streams that may remember productions. A hint: emptied lazily.
    pub(crate) producing: BTreeSet<ObjectId>,
    /// Changes since the start; INFO shows them.
    pub(crate) change_count: u64,
    /// What happened to entries in all groups since the start; INFO shows it.
    pub(crate) flow: GroupCounters,
    /// Places of blocks that were freed since a checkpoint began last: it may still refer to them.
    pub(crate) freed: FreedBlocks,
    /// What a checkpoint has to know.
    pub(crate) changes: Changes,
    /// What is to be freed with the lock free.
    pub(crate) garbage: Garbage,
    garbage_count: GarbageCount,
    /// When managed groups have something to do.
    pub(crate) group_work: GroupWork,
    /// Whether there may be managed groups: once there was one, nobody knows better.
    pub(crate) may_have_managed: bool,
}

#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) keys: Directory,
    pub(crate) expiries: Expiries,
    /// Where its objects are.
    store: u8,
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

impl Database {
    /// The number of the store with its objects.
    pub(crate) fn store(&self) -> u8 {
        self.store
    }
}

impl State {
    pub(crate) fn new(hash_seed: u64) -> Self {
        let garbage_count = GarbageCount::default();
        let mut state = Self {
            databases: Vec::new(),
            objects: Vec::new(),
            expiring: 0,
            retaining: 0,
            delaying: 0,
            next_object_id: 1,
            hash_seed,
            time_max_ms: 0,
            producing: BTreeSet::new(),
            change_count: 0,
            flow: GroupCounters::default(),
            freed: FreedBlocks::default(),
            changes: Changes::default(),
            garbage: garbage_count.place(),
            garbage_count,
            group_work: GroupWork::new(hash_seed),
            may_have_managed: false,
        };
        state.set_hash_seed(hash_seed);
        state
    }

    fn set_hash_seed(&mut self, hash_seed: u64) {
        assert_eq!(self.next_object_id, 1, "the seed is set before there are keys");
        self.hash_seed = hash_seed;
        let stores = 0..DATABASE_COUNT;
        self.objects = stores.clone().map(|store| Objects::new(store, hash_seed)).collect();
        self.databases = stores
            .map(|store| Database {
                keys: Directory::new(hash_seed),
                expiries: Expiries::new(),
                store,
                changed_at: LogPosition::default(),
                swapped_at: LogPosition::default(),
            })
            .collect();
    }

    /// The state that a checkpoint says.
    ///
    /// # Errors
    /// Why it cannot be.
    pub(crate) fn restore(
        header: &LoadedHeader,
        objects: impl IntoIterator<Item = (ObjectId, LoadedObject)>,
    ) -> Result<Self, &'static str> {
        let mut state = Self::new(header.hash_seed);
        let mut databases = [0; DATABASE_COUNT as usize];
        for (db, store) in (0..).zip(header.stores) {
            state.database_mut(db).store = store;
            databases[usize::from(store)] = db;
        }
        for (id, loaded) in objects {
            if id >= header.next_object_id {
                return Err("an object's number is above the next one");
            }
            let LoadedObject { store, key, expires_at_ms, data } = loaded;
            let db = databases[usize::from(store)];
            if state.database(db).keys.get(&key).is_some() {
                return Err("a key belongs to two objects");
            }
            state.restore_object(db, id, KeyEntry::unbound(key, expires_at_ms), data);
        }
        state.next_object_id = header.next_object_id.0;
        state.time_max_ms = header.time_max_ms;
        state.changes.begin_known(header.next_object_id);
        Ok(state)
    }

    fn restore_object(&mut self, db: u8, id: ObjectId, entry: KeyEntry, data: ObjectData) {
        if data.as_stream().is_some_and(|stream| stream.idempotence().tracked() > 0) {
            self.producing.insert(id);
        }
        let (key, changed_at) = (Arc::clone(&entry.key), LogPosition::default());
        let object = Object { id, key, epoch: 0, data, changed_at, version: 0, used_at_ms: None };
        let object = self.store_of_mut(db).add(object);
        self.list_work_of(object);
        self.note_added(object);
        self.bind(db, KeyEntry { object, ..entry });
    }

    pub(crate) fn database(&self, db: u8) -> &Database {
        &self.databases[usize::from(db)]
    }

    pub(crate) fn database_mut(&mut self, db: u8) -> &mut Database {
        &mut self.databases[usize::from(db)]
    }

    fn store_of(&self, db: u8) -> &Objects {
        &self.objects[usize::from(self.database(db).store)]
    }

    fn store_of_mut(&mut self, db: u8) -> &mut Objects {
        let store = self.database(db).store;
        &mut self.objects[usize::from(store)]
    }

    #[inline]
    pub(crate) fn object(&self, slot: ObjectSlot) -> &Object {
        self.objects[usize::from(slot.store)].get(slot.index)
    }

    #[inline]
    pub(crate) fn object_mut(&mut self, slot: ObjectSlot) -> &mut Object {
        self.objects[usize::from(slot.store)].get_mut(slot.index)
    }

    /// The objects of each store.
    pub(crate) fn stores(&self) -> &[Objects] {
        &self.objects
    }

    pub(crate) fn store_mut(&mut self, slot: ObjectSlot) -> &mut Objects {
        &mut self.objects[usize::from(slot.store)]
    }

    pub(crate) fn retention_of_store(&mut self, store: u8) -> &mut RetentionSchedule {
        self.objects[usize::from(store)].retention_mut()
    }

    pub(crate) fn try_object(&self, slot: ObjectSlot) -> Option<&Object> {
        self.objects[usize::from(slot.store)].try_get(slot.index)
    }

    /// Slots of a store, free ones included.
    pub(crate) fn slot_count(&self, store: u8) -> usize {
        self.objects[usize::from(store)].slot_count()
    }

    pub(crate) fn hash_seed(&self) -> u64 {
        self.hash_seed
    }

    pub(crate) fn try_object_mut(&mut self, slot: ObjectSlot) -> Option<&mut Object> {
        self.objects[usize::from(slot.store)].try_get_mut(slot.index)
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
        self.objects.iter().filter(|store| store.len() > 0).find_map(|store| store.find(id))
    }

    /// The database and the key of an object.
    pub(crate) fn place_of(&self, object: ObjectRef) -> (u8, Arc<[u8]>) {
        let is_its = |database: &Database| database.store == object.slot.store;
        let db = self.databases.iter().position(is_its).expect("each store has a database");
        (db as u8, Arc::clone(&self.object(object.slot).key))
    }

    pub(crate) fn next_object_id(&self) -> ObjectId {
        ObjectId(self.next_object_id)
    }

    pub(crate) fn object_count(&self) -> usize {
        self.objects.iter().map(Objects::len).sum()
    }

    /// Objects that were removed and are not freed yet.
    pub(crate) fn garbage_count(&self) -> usize {
        self.garbage_count.get()
    }

    /// Places that nothing here refers to any more; a checkpoint that was begun before may.
    pub(crate) fn take_freed(&mut self) -> FreedBlocks {
        std::mem::take(self.collect_freed())
    }

    /// The same, left here.
    pub(crate) fn collect_freed(&mut self) -> &mut FreedBlocks {
        self.freed.append(self.garbage_count.take_freed());
        &mut self.freed
    }

    /// Bytes of all strings.
    pub(crate) fn string_bytes(&self) -> usize {
        self.objects.iter().map(Objects::string_bytes).sum()
    }

    /// Bytes of a database's tables; not what the values take.
    pub(crate) fn table_bytes(&self, db: u8) -> TableBytes {
        let database = self.database(db);
        TableBytes {
            keys: database.keys.heap_bytes() + self.store_of(db).table_bytes(),
            // A B-tree is two thirds full or more.
            expiries: database.expiries.len() * (size_of::<(u64, Arc<[u8]>)>() * 3 / 2),
        }
    }

    /// Every object, in no order that means anything.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().flat_map(Objects::iter)
    }

    pub(crate) fn for_each_object_mut(&mut self, change: impl FnMut(&mut Object)) {
        self.objects.iter_mut().flat_map(Objects::iter_mut).for_each(change);
    }

    /// The key that expires first: when, database, key.
    #[inline]
    pub(crate) fn next_expiry(&self) -> Option<(u64, u8, &[u8])> {
        if self.expiring == 0 {
            return None;
        }
        let databases = (0..).zip(&self.databases);
        let firsts = databases.filter_map(|(db, database)| {
            let (at, key) = database.expiries.first()?;
            Some((*at, db, &**key))
        });
        firsts.min_by_key(|(at, ..)| *at)
    }

    /// Keys of a database whose time has come and which nobody has removed yet.
    pub(crate) fn expired_count(&self, db: u8, wall_ms: u64) -> usize {
        let expiries = &self.database(db).expiries;
        expiries.iter().take_while(|(at, _)| *at <= wall_ms).count()
    }

    fn add_object(&mut self, db: u8, id: ObjectId, key: Arc<[u8]>, data: ObjectData) -> ObjectRef {
        assert!(id.0 >= self.next_object_id, "ids of objects are used once");
        self.next_object_id = id.0 + 1;
        let changed_at = LogPosition::default();
        let epoch = self.changes.epoch();
        let object = Object { id, key, epoch, data, changed_at, version: 0, used_at_ms: None };
        let object = self.store_of_mut(db).add(object);
        self.note_added(object);
        self.changes.note_changed(object);
        object
    }

    /// The object is in a store from now on.
    fn note_added(&mut self, object: ObjectRef) {
        self.note_retaining(object);
        self.note_delaying(object);
    }

    /// Takes the value out of a state that is given up.
    pub(crate) fn take_object(mut self, object: ObjectRef) -> ObjectData {
        self.objects[usize::from(object.slot.store)].take(object).data
    }

    /// The object of a key that was taken away.
    fn drop_object(&mut self, entry: &KeyEntry) {
        let ObjectSlot { store, .. } = entry.object.slot;
        let removed = self.objects[usize::from(store)].take(entry.object);
        let data = self.note_removed(removed, entry.object.slot, entry.expires_at_ms);
        match data {
            Some(data) if data.is_slow_to_free() => self.garbage.add_value(data),
            Some(ObjectData::Stream(stream)) => self.freed.extend(stream.places()),
            Some(ObjectData::String(_)) | None => {}
        }
    }

    fn bind(&mut self, db: u8, entry: KeyEntry) {
        let expiry = entry.expires_at_ms.map(|at| (at, entry.key.clone()));
        if let Some(before) = self.database_mut(db).keys.insert(entry) {
            self.forget_expiry(db, &before);
            self.drop_object(&before);
        }
        self.database_mut(db).expiries.extend(expiry);
        self.note_expiring(db);
    }

    fn forget_expiry(&mut self, db: u8, entry: &KeyEntry) {
        if let Some(at) = entry.expires_at_ms {
            self.database_mut(db).expiries.remove(&(at, entry.key.clone()));
            self.note_expiring(db);
        }
    }

    fn note_expiring(&mut self, db: u8) {
        let bit = 1 << db;
        let has_any = !self.database(db).expiries.is_empty();
        self.expiring = if has_any { self.expiring | bit } else { self.expiring & !bit };
    }

    fn unbind(&mut self, db: u8, key: &[u8]) -> KeyEntry {
        let entry = self.database_mut(db).keys.remove(key).expect("the key exists");
        self.forget_expiry(db, &entry);
        entry
    }

    fn set_expiry(&mut self, db: u8, key: &[u8], at_ms: Option<u64>) {
        let database = self.database_mut(db);
        if let Some(at) = database.keys.set_expiry(key, at_ms) {
            database.expiries.remove(&(at, key.into()));
        }
        let key = Arc::clone(&database.keys.get(key).expect("the key exists").key);
        database.expiries.extend(at_ms.map(|at| (at, key)));
        self.note_expiring(db);
    }

    pub(crate) fn check(&self) {
        self.check_delaying();
        let mut keys = 0;
        let mut stores = BTreeSet::new();
        for (db, database) in (0..).zip(&self.databases) {
            database.keys.check();
            let mut expiring = 0;
            for entry in database.keys.iter() {
                keys += 1;
                assert_eq!(entry.object.slot.store, database.store);
                assert_eq!(self.object(entry.object.slot).id, entry.object.id);
                assert_eq!(self.object(entry.object.slot).key, entry.key);
                assert_eq!(self.find_object(entry.object.id), Some(entry.object));
                if let Some(at) = entry.expires_at_ms {
                    expiring += 1;
                    assert!(database.expiries.contains(&(at, entry.key.clone())));
                }
            }
            assert_eq!(expiring, database.expiries.len());
            assert_eq!(self.expiring & 1 << db != 0, expiring > 0);
            assert_eq!(self.store_of(db).len(), database.keys.len());
            assert!(stores.insert(database.store), "no store is used twice");
        }
        assert_eq!(keys, self.object_count());
        self.objects.iter().for_each(Objects::check);
        for object in self.objects() {
            if let ObjectData::Stream(stream) = &object.data {
                stream.check();
            }
        }
        self.check_changes();
        self.check_group_work();
    }
}
