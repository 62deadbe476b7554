//! What changed since the last checkpoint began, and what the present one has still to see.
//!
//! A checkpoint is the state at one moment, written while the state goes on changing. So the moment
//! begins a new *epoch*, and an object that the checkpoint has to see is copied before its first
//! change in that epoch, unless the checkpoint has been there already. A copy shares all blocks and
//! chunks: it costs their number, not their size.
//!
//! Must not know files or the log. Invariants:
//! 1. `changed` names every object whose `epoch` is the present one;
//! 2. `gone` names every object that went in this epoch and that the checkpoint before may have;
//! 3. while a checkpoint is made, each object that it has to see is in the state as it was, or in
//!    `saved`, or in `flushed_stores`, or was handed over.
//!
//! Tests: `tests/it/checkpoint.rs`; random operations with checkpoints in `tests/it/random.rs`.

use std::sync::Arc;

use millstream_model::Stream;

use crate::directory::Directory;
use crate::object::{Object, ObjectData, ObjectId, ObjectRef, ObjectSlot};
use crate::objects::Objects;
use crate::state::{DATABASE_COUNT, State};

/// Changes of this epoch, and the checkpoint that is being made.
#[derive(Debug)]
pub(crate) struct Changes {
    /// From 1 on; 0 in an object: not since it was last saved.
    epoch: u32,
    changed: Vec<ObjectRef>,
    gone: Vec<ObjectId>,
    emptied: Vec<Emptied>,
    /// Objects below this were there when the epoch began.
    known_before: ObjectId,
    saving: Option<Saving>,
}

/// All objects of a store up to a number went at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Emptied {
    pub(crate) store: u8,
    pub(crate) before: ObjectId,
}

/// An object as a checkpoint has to see it.
#[derive(Debug)]
pub(crate) struct SavedObject {
    pub(crate) id: ObjectId,
    pub(crate) store: u8,
    pub(crate) key: Arc<[u8]>,
    pub(crate) expires_at_ms: Option<u64>,
    pub(crate) data: ObjectData,
    /// It is not in the state any more: this is all there is of it.
    pub(crate) is_removed: bool,
}

/// What a checkpoint says besides objects.
#[derive(Debug)]
pub(crate) struct SavedHeader {
    pub(crate) hash_seed: u64,
    pub(crate) next_object_id: ObjectId,
    pub(crate) time_max_ms: u64,
    /// The store of each database.
    pub(crate) stores: Vec<u8>,
    pub(crate) emptied: Vec<Emptied>,
    pub(crate) gone: Vec<ObjectId>,
}

/// Which objects a checkpoint has still to see.
#[derive(Debug)]
struct Saving {
    /// Objects from this on were created later.
    ids_end: ObjectId,
    walk: Walk,
    saved: Vec<SavedObject>,
    flushed_stores: Vec<FlushedStore>,
}

#[derive(Debug)]
enum Walk {
    /// All objects: those of earlier stores, and of this store below the index, were seen.
    All { store: u8, index: u32 },
    /// Those changed in the epoch before.
    Changed(std::vec::IntoIter<ObjectRef>),
}

/// A database that was emptied before the checkpoint had seen all of it.
#[derive(Debug)]
struct FlushedStore {
    store: u8,
    keys: Directory,
    objects: Objects,
    /// Next to be looked at.
    index: u32,
}

impl Default for Changes {
    fn default() -> Self {
        Self {
            epoch: 1,
            changed: Vec::new(),
            gone: Vec::new(),
            emptied: Vec::new(),
            known_before: ObjectId(0),
            saving: None,
        }
    }
}

impl Changes {
    pub(crate) fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The state is that of a checkpoint, with objects below this.
    pub(crate) fn begin_known(&mut self, before: ObjectId) {
        self.known_before = before;
    }

    pub(crate) fn note_changed(&mut self, object: ObjectRef) {
        self.changed.push(object);
    }

    /// An object that is in another store now. It is called gone, too: if it goes with all of that
    /// store, what earlier checkpoints say of it must not come back.
    pub(crate) fn note_moved(&mut self, object: ObjectRef) {
        self.note_gone(object.id);
        self.changed.push(object);
    }

    fn note_gone(&mut self, id: ObjectId) {
        if id < self.known_before {
            self.gone.push(id);
        }
    }
}

impl Saving {
    /// Whether the object as it is now has to be seen, and was not.
    fn misses(&self, object: &Object, slot: ObjectSlot, epoch: u32) -> bool {
        if object.epoch == epoch || object.id >= self.ids_end {
            return false;
        }
        match &self.walk {
            Walk::All { store, index } => (slot.store, slot.index) >= (*store, *index),
            Walk::Changed(_) => object.epoch + 1 == epoch,
        }
    }
}

impl State {
    /// To be called before any change of an object that a checkpoint would show.
    #[inline]
    pub(crate) fn before_change(&mut self, object: ObjectRef) {
        if self.object(object.slot).epoch != self.changes.epoch {
            self.before_first_change(object);
        }
    }

    #[cold]
    fn before_first_change(&mut self, object: ObjectRef) {
        let epoch = self.changes.epoch;
        if self.is_missed(object) {
            let saved = self.save(object);
            self.changes.saving.as_mut().expect("it misses something").saved.push(saved);
        }
        self.object_mut(object.slot).epoch = epoch;
        self.changes.note_changed(object);
    }

    fn is_missed(&self, object: ObjectRef) -> bool {
        let known = self.object(object.slot);
        let saving = self.changes.saving.as_ref();
        saving.is_some_and(|saving| saving.misses(known, object.slot, self.changes.epoch))
    }

    fn save(&self, object: ObjectRef) -> SavedObject {
        let ObjectRef { id, slot } = object;
        let Object { key, data, .. } = self.object(slot);
        let expires_at_ms = self.expiry_of(slot.store, key);
        let (key, data) = (Arc::clone(key), data.clone());
        let is_removed = false;
        SavedObject { id, store: slot.store, key, expires_at_ms, data, is_removed }
    }

    fn expiry_of(&self, store: u8, key: &[u8]) -> Option<u64> {
        let database = self.databases.iter().find(|database| database.store() == store);
        let keys = &database.expect("every store has a database").keys;
        keys.get(key).expect("every object has a key").expires_at_ms
    }

    /// An object that was taken out of the state, with its key. Returns the value unless a
    /// checkpoint has to see it.
    pub(crate) fn note_removed(
        &mut self,
        object: Object,
        slot: ObjectSlot,
        expires_at_ms: Option<u64>,
    ) -> Option<ObjectData> {
        self.changes.note_gone(object.id);
        let epoch = self.changes.epoch;
        let saving = self.changes.saving.as_mut();
        let Some(saving) = saving.filter(|saving| saving.misses(&object, slot, epoch)) else {
            return Some(object.data);
        };
        let Object { id, key, data, .. } = object;
        let (store, is_removed) = (slot.store, true);
        saving.saved.push(SavedObject { id, store, key, expires_at_ms, data, is_removed });
        None
    }

    /// Everything a database had. Returns it unless a checkpoint has to see it.
    pub(crate) fn note_emptied(
        &mut self,
        keys: Directory,
        objects: Objects,
    ) -> Option<(Directory, Objects)> {
        let store = objects.store();
        self.changes.emptied.push(Emptied { store, before: self.next_object_id() });
        let Some(saving) = &mut self.changes.saving else { return Some((keys, objects)) };
        let index = match saving.walk {
            Walk::All { store: seen, .. } if store < seen => return Some((keys, objects)),
            Walk::All { store: seen, index } if store == seen => index,
            _ => 0,
        };
        saving.flushed_stores.push(FlushedStore { store, keys, objects, index });
        None
    }

    /// Begins a checkpoint of the state as it is now; `is_full`: of everything, else of what
    /// changed.
    pub(crate) fn begin_saving(&mut self, is_full: bool) -> SavedHeader {
        assert!(self.changes.saving.is_none(), "one checkpoint at a time");
        let next_object_id = self.next_object_id();
        let changes = &mut self.changes;
        let changed = std::mem::take(&mut changes.changed);
        let walk = match is_full {
            true => Walk::All { store: 0, index: 0 },
            false => Walk::Changed(changed.into_iter()),
        };
        changes.epoch += 1;
        changes.known_before = next_object_id;
        let (saved, flushed_stores) = (Vec::new(), Vec::new());
        changes.saving = Some(Saving { ids_end: next_object_id, walk, saved, flushed_stores });
        let (emptied, gone) =
            (std::mem::take(&mut changes.emptied), std::mem::take(&mut changes.gone));
        SavedHeader {
            hash_seed: self.hash_seed(),
            next_object_id,
            time_max_ms: self.time_max_ms,
            stores: self.databases.iter().map(|database| database.store()).collect(),
            // A full checkpoint has nothing to take back.
            emptied: if is_full { Vec::new() } else { emptied },
            gone: if is_full { Vec::new() } else { gone },
        }
    }

    /// Hands over objects that the checkpoint has still to see, until about `budget` pieces were
    /// copied. Empty at the end.
    pub(crate) fn save_some(&mut self, budget: usize) -> Vec<SavedObject> {
        let epoch = self.changes.epoch;
        let Some(mut saving) = self.changes.saving.take() else { return Vec::new() };
        let mut saved = std::mem::take(&mut saving.saved);
        let mut cost = saved.len();
        while cost < budget
            && let Some(flushed) = saving.flushed_stores.last_mut()
        {
            cost += 1;
            if flushed.index as usize >= flushed.objects.slot_count() {
                let flushed = saving.flushed_stores.pop().expect("it is the last");
                self.garbage.add_database(flushed.keys, flushed.objects);
            } else {
                saved.extend(saving.take_flushed(epoch));
            }
        }
        while cost < budget
            && let Some(object) = self.next_to_save(&mut saving.walk, epoch)
        {
            cost += self.object(object.slot).data.copy_cost();
            saved.push(self.save(object));
            self.object_mut(object.slot).epoch = 0;
        }
        self.changes.saving = Some(saving);
        saved
    }

    /// The next object that is as it was when the checkpoint was begun.
    fn next_to_save(&self, walk: &mut Walk, epoch: u32) -> Option<ObjectRef> {
        match walk {
            Walk::Changed(objects) => objects.find(|object| {
                let found = self.try_object(object.slot).filter(|found| found.id == object.id);
                found.is_some_and(|found| found.epoch + 1 == epoch)
            }),
            Walk::All { store, index } => loop {
                let place = ObjectSlot { store: *store, index: *index };
                if place.store >= DATABASE_COUNT {
                    return None;
                }
                if place.index as usize >= self.slot_count(place.store) {
                    (*store, *index) = (place.store + 1, 0);
                    continue;
                }
                *index += 1;
                let found = self.try_object(place).filter(|found| found.epoch != epoch);
                if let Some(found) = found {
                    return Some(ObjectRef { id: found.id, slot: place });
                }
            },
        }
    }

    /// Ends the checkpoint, whatever became of it. Returns what it has not taken.
    pub(crate) fn end_saving(&mut self) -> Vec<SavedObject> {
        let Some(saving) = self.changes.saving.take() else { return Vec::new() };
        for flushed in saving.flushed_stores {
            self.garbage.add_database(flushed.keys, flushed.objects);
        }
        saving.saved
    }

    pub(crate) fn check_changes(&self) {
        let epoch = self.changes.epoch;
        let mut changed: Vec<_> = self.changes.changed.iter().map(|object| object.id).collect();
        changed.sort_unstable();
        for object in self.objects() {
            assert!(object.epoch <= epoch);
            if object.epoch == epoch {
                assert!(changed.binary_search(&object.id).is_ok(), "a change is noted");
            }
        }
    }
}

impl Saving {
    /// Looks at one more object of an emptied database: is it to be seen?
    fn take_flushed(&mut self, epoch: u32) -> Option<SavedObject> {
        let is_full = matches!(self.walk, Walk::All { .. });
        let flushed = self.flushed_stores.last_mut()?;
        let index = flushed.index;
        flushed.index += 1;
        let object = flushed.objects.try_get(index)?;
        let is_wanted = object.id < self.ids_end
            && object.epoch != epoch
            && (is_full || object.epoch + 1 == epoch);
        if !is_wanted {
            return None;
        }
        let key = Arc::clone(&object.key);
        let entry = flushed.keys.get(&key).expect("every object has a key");
        let expires_at_ms = entry.expires_at_ms;
        let (id, data) = (object.id, object.data.clone());
        let (store, is_removed) = (flushed.store, false);
        Some(SavedObject { id, store, key, expires_at_ms, data, is_removed })
    }
}

impl ObjectData {
    /// How many pieces a copy of it touches.
    fn copy_cost(&self) -> usize {
        match self {
            Self::Stream(stream) => stream_copy_cost(stream),
            Self::String(_) => 1,
        }
    }
}

fn stream_copy_cost(stream: &Stream) -> usize {
    /// Blocks and pending records that share one reference.
    const PER_CHUNK: usize = 64;
    let groups = stream
        .groups()
        .map(|(_, group)| 1 + 2 * group.consumer_count() + group.pending().len() / PER_CHUNK);
    4 + stream.block_count() / PER_CHUNK
        + stream.schedule().map_or(0, millstream_model::Schedule::chunk_count)
        + groups.sum::<usize>()
        + 2 * stream.idempotence().tracked()
}
