//! The objects of one database, each in a slot.
//!
//! Apart for each database, so that emptying one is an exchange of everything it has, whatever
//! others have. Must not know keys. Invariants (see [`Objects::check`]): `slots` maps identities to
//! the slots that hold them; `free` has the other slots; `string_bytes` is the sum over all
//! strings.

use std::collections::HashMap;

use foldhash::fast::FixedState;
use millstream_model::Stream;

use crate::block_totals::{BlockBytes, BlockTotals};
use crate::due_streams::DueStreams;
use crate::object::{Object, ObjectData, ObjectId, ObjectRef, ObjectSlot};
use crate::retention_schedule::RetentionSchedule;

#[derive(Debug)]
pub(crate) struct Objects {
    store: u8,
    objects: Vec<Option<Object>>,
    free: Vec<u32>,
    slots: HashMap<ObjectId, u32, FixedState>,
    string_bytes: usize,
    blocks: BlockTotals,
    /// Its streams with delayed entries.
    pub(crate) due: DueStreams,
    /// Apart, since most stores have none.
    retention: Box<RetentionSchedule>,
}

impl Objects {
    pub(crate) fn new(store: u8, hash_seed: u64) -> Self {
        Self {
            store,
            objects: Vec::new(),
            free: Vec::new(),
            slots: HashMap::with_hasher(FixedState::with_seed(hash_seed)),
            string_bytes: 0,
            blocks: BlockTotals::default(),
            due: DueStreams::default(),
            retention: Box::default(),
        }
    }

    /// The number of this store.
    pub(crate) fn store(&self) -> u8 {
        self.store
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// Slots, free ones included.
    pub(crate) fn slot_count(&self) -> usize {
        self.objects.len()
    }

    /// Bytes of all strings.
    pub(crate) fn string_bytes(&self) -> usize {
        self.string_bytes
    }

    /// Blocks of all streams.
    pub(crate) fn blocks(&self) -> &BlockTotals {
        &self.blocks
    }

    /// When retention has to look at which streams.
    pub(crate) fn retention(&self) -> &RetentionSchedule {
        &self.retention
    }

    pub(crate) fn retention_mut(&mut self) -> &mut RetentionSchedule {
        &mut self.retention
    }

    /// A stream with a retention changed; `is_marked`: others of its entries may go now.
    pub(crate) fn note_retention(&mut self, object: ObjectRef, is_marked: bool) {
        let known = self.objects[object.slot.index as usize].as_ref();
        let stream = known.and_then(|known| known.data.as_stream()).expect("it is a stream");
        self.retention.note(object.id, stream, is_marked);
    }

    /// Counts what a change did to the blocks of a stream. Returns it.
    #[inline]
    pub(crate) fn note_blocks(&mut self, index: u32, before: BlockBytes) -> &mut Stream {
        let object = self.objects[index as usize].as_mut().expect("slots are freed with their key");
        let ObjectData::Stream(stream) = &mut object.data else { panic!("the object is a stream") };
        self.blocks.replace(before, stream);
        stream
    }

    /// Bytes of the table itself.
    pub(crate) fn table_bytes(&self) -> usize {
        self.objects.capacity() * size_of::<Option<Object>>()
            + self.free.capacity() * size_of::<u32>()
            + self.slots.capacity() * (size_of::<(ObjectId, u32)>() + 1)
    }

    #[inline]
    pub(crate) fn get(&self, index: u32) -> &Object {
        self.objects[index as usize].as_ref().expect("slots are freed with their key")
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, index: u32) -> &mut Object {
        self.objects[index as usize].as_mut().expect("slots are freed with their key")
    }

    /// The object in the slot, if there is one.
    pub(crate) fn try_get(&self, index: u32) -> Option<&Object> {
        self.objects.get(index as usize)?.as_ref()
    }

    /// The object in the slot, which may be gone with its whole database.
    pub(crate) fn try_get_mut(&mut self, index: u32) -> Option<&mut Object> {
        self.objects.get_mut(index as usize)?.as_mut()
    }

    pub(crate) fn find(&self, id: ObjectId) -> Option<ObjectRef> {
        let index = *self.slots.get(&id)?;
        Some(ObjectRef { id, slot: ObjectSlot { store: self.store, index } })
    }

    pub(crate) fn add(&mut self, object: Object) -> ObjectRef {
        let id = object.id;
        self.string_bytes += object.data.string_bytes();
        if let Some(stream) = object.data.as_stream() {
            self.blocks.add(stream);
            self.due.add(id, stream);
            self.retention.note(id, stream, true);
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.objects.push(None);
            u32::try_from(self.objects.len() - 1).expect("fewer than 2^32 objects")
        });
        self.objects[index as usize] = Some(object);
        self.slots.insert(id, index);
        ObjectRef { id, slot: ObjectSlot { store: self.store, index } }
    }

    pub(crate) fn take(&mut self, object: ObjectRef) -> Object {
        let index = object.slot.index;
        let taken = self.objects[index as usize].take().expect("slots are freed with their key");
        self.slots.remove(&object.id);
        self.free.push(index);
        self.string_bytes -= taken.data.string_bytes();
        if let Some(stream) = taken.data.as_stream() {
            self.blocks.subtract(stream);
            self.due.remove(object.id, stream);
            self.retention.forget(object.id);
        }
        taken
    }

    /// Gives an object another value; its identity stays.
    pub(crate) fn replace(&mut self, index: u32, data: ObjectData) {
        let added = data.string_bytes();
        let object = self.get_mut(index);
        let before = std::mem::replace(&mut object.data, data);
        self.string_bytes = self.string_bytes + added - before.string_bytes();
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Object> {
        self.objects.iter().flatten()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Object> {
        self.objects.iter_mut().flatten()
    }

    pub(crate) fn check(&self) {
        assert_eq!(self.slots.len() + self.free.len(), self.objects.len());
        let mut string_bytes = 0;
        for object in self.iter() {
            let index = self.slots[&object.id];
            assert_eq!(self.get(index).id, object.id);
            string_bytes += object.data.string_bytes();
        }
        assert_eq!(self.slots.len(), self.iter().count());
        assert_eq!(self.string_bytes, string_bytes);
        self.due.check(self.iter());
        self.retention
            .check(self.iter().filter_map(|object| Some((object.id, object.data.as_stream()?))));
        self.blocks.check(self.iter().filter_map(|object| object.data.as_stream()));
        assert!(self.free.iter().all(|&index| self.objects[index as usize].is_none()));
    }
}
