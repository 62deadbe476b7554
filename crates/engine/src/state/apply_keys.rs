//! The parts that change keys and strings; those that change one stream are `apply.rs`.
//!
//! Decides nothing, and looks at nothing but the part and the state. Panics on a part that does not
//! fit: the live path checked it, and recovery asks `record/contradiction.rs` first. Tests:
//! whatever runs in `tests/it`, above all `random.rs`.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use millstream_model::Stream;

use crate::directory::{Directory, KeyEntry};
use crate::mutation::Mutation;
use crate::object::{ObjectData, ObjectId, ObjectRef, ObjectSlot, StringValue};
use crate::objects::Objects;
use crate::strings::StringForm;

use super::{DATABASE_COUNT, State, Unit};

impl State {
    /// Exchanges everything the database has for nothing, at once.
    fn flush(&mut self, db: u8) {
        let seed = self.hash_seed;
        let database = self.database_mut(db);
        if database.keys.len() == 0 {
            return;
        }
        let store = database.store;
        let keys = std::mem::replace(&mut database.keys, Directory::new(seed));
        let expiries = std::mem::take(&mut database.expiries);
        let place = &mut self.objects[usize::from(store)];
        let objects = std::mem::replace(place, Objects::new(store, seed));
        self.garbage.add_expiries(expiries);
        if let Some((keys, objects)) = self.note_emptied(keys, objects) {
            self.garbage.add_database(keys, objects);
        }
        self.note_expiring(db);
    }

    /// Makes one part true. Returns what it changed; a part that binds a key to an object returns
    /// the object.
    ///
    /// # Panics
    /// If the part does not fit the state: it was checked before it was logged.
    pub(crate) fn apply(&mut self, mutation: &Mutation<'_>) -> Unit {
        self.change_count += 1;
        let unit = match *mutation {
            Mutation::Append { object, id, fields, limits } => {
                self.append(object, id, fields, limits)
            }
            _ => self.apply_rest(mutation),
        };
        self.after_change(mutation);
        unit
    }

    fn apply_rest(&mut self, mutation: &Mutation<'_>) -> Unit {
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
                let data = ObjectData::String(value.clone().into());
                self.create(object, data, db, key, expires_at_ms)
            }
            Mutation::RemoveKey { db, key } => {
                let entry = self.unbind(db, key);
                self.drop_object(&entry);
                Unit::Directory(db)
            }
            Mutation::SetExpiry { db, key, at_ms } => {
                let object = self.database(db).keys.get(key).expect("the key exists").object;
                self.before_change(object);
                self.set_expiry(db, key, at_ms);
                self.object_mut(object.slot).version += 1;
                Unit::Object(object.slot)
            }
            Mutation::RenameKey { db, from, to } => {
                let object = self.database(db).keys.get(from).expect("the key exists").object;
                self.before_change(object);
                let entry = self.unbind(db, from);
                let key: Arc<[u8]> = to.into();
                let renamed = self.object_mut(object.slot);
                renamed.version += 1;
                renamed.key = Arc::clone(&key);
                self.bind(db, KeyEntry { key, ..entry });
                Unit::Object(object.slot)
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
            Mutation::MoveKey { from, to, key } => self.move_key(from, to, key),
            Mutation::Restore { object, db, key, ref data, expires_at_ms, .. } => {
                if let ObjectData::Stream(stream) = data
                    && stream.idempotence().tracked() > 0
                {
                    self.producing.insert(object);
                }
                let unit = self.create(object, data.clone(), db, key, expires_at_ms);
                let object = self.find_object(object).expect("created just now");
                self.list_work_of(object);
                unit
            }
            Mutation::SetString { object, ref value, form } => {
                self.replace_string(object, StringValue { bytes: Bytes::clone(value), form })
            }
            Mutation::AppendString { object, suffix } => {
                let ObjectData::String(before) = &self.object(object.slot).data else {
                    panic!("the object is a string")
                };
                let mut bytes = BytesMut::with_capacity(before.bytes.len() + suffix.len());
                bytes.extend_from_slice(&before.bytes);
                bytes.extend_from_slice(suffix);
                self.replace_string(
                    object,
                    StringValue { bytes: bytes.freeze(), form: StringForm::Buffer },
                )
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
        let key: Arc<[u8]> = key.into();
        let object = self.add_object(db, object, Arc::clone(&key), data);
        self.bind(db, KeyEntry { key, object, expires_at_ms });
        Unit::Object(object.slot)
    }

    fn replace_string(&mut self, object: ObjectRef, value: StringValue) -> Unit {
        self.before_change(object);
        let ObjectSlot { store, index } = object.slot;
        self.objects[usize::from(store)].replace(index, ObjectData::String(value));
        self.object_mut(object.slot).version += 1;
        Unit::Object(object.slot)
    }

    fn move_key(&mut self, from: u8, to: u8, key: &[u8]) -> Unit {
        let object = self.database(from).keys.get(key).expect("the key exists").object;
        self.before_change(object);
        let entry = self.unbind(from, key);
        let mut object = self.store_of_mut(from).take(entry.object);
        object.version += 1;
        let object = self.store_of_mut(to).add(object);
        self.note_added(object);
        self.changes.note_moved(object);
        self.bind(to, KeyEntry { object, ..entry });
        Unit::Object(object.slot)
    }

    fn swap(&mut self, a: u8, b: u8) -> Unit {
        self.databases.swap(usize::from(a), usize::from(b));
        self.note_expiring(a);
        self.note_expiring(b);
        Unit::Swapped(a, b)
    }
}
