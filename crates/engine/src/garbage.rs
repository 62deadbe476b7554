//! What was taken out of the state and takes long to free: whole databases, large streams.
//!
//! Removed under the lock, it is handed to whoever calls
//! [`Engine::run_due`](crate::Engine::run_due) and freed where that one drops it, with the lock
//! free.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_model::{FreedBlocks, Group};
use parking_lot::Mutex;

use crate::directory::Directory;
use crate::object::ObjectData;
use crate::objects::Objects;
use crate::state::Expiries;

/// Pending entries that are worth being freed elsewhere: some 10 us.
const PENDING_MIN: usize = 16 << 10;

/// Memory that nobody refers to any more. Dropping it may take a second for a million keys: do that
/// where nobody waits.
#[derive(Debug, Default)]
pub struct Garbage {
    items: Vec<Item>,
    counted: Option<Counted>,
}

/// What is known of garbage after it was handed out: objects that wait to be freed, shown by INFO;
/// and places of blocks that were freed with them.
#[derive(Clone, Debug, Default)]
pub(crate) struct GarbageCount(Arc<AtomicUsize>, Arc<Mutex<FreedBlocks>>);

#[derive(Debug)]
struct Counted {
    all: GarbageCount,
    objects: usize,
}

#[derive(Debug)]
enum Item {
    Database { _keys: Directory, objects: Box<Objects> },
    Expiries { _expiries: Expiries },
    Value { data: ObjectData },
    Group { _group: Box<Group> },
}

impl Garbage {
    /// Whether there is nothing to free.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    pub(crate) fn add_database(&mut self, keys: Directory, objects: Objects) {
        self.count(objects.len());
        self.items.push(Item::Database { _keys: keys, objects: Box::new(objects) });
    }

    pub(crate) fn add_expiries(&mut self, expiries: Expiries) {
        if !expiries.is_empty() {
            self.items.push(Item::Expiries { _expiries: expiries });
        }
    }

    pub(crate) fn add_value(&mut self, data: ObjectData) {
        self.count(1);
        self.items.push(Item::Value { data });
    }

    /// A small group is freed at once.
    pub(crate) fn add_group(&mut self, group: Group) {
        if group.pending().len() < PENDING_MIN {
            return;
        }
        self.items.push(Item::Group { _group: Box::new(group) });
    }

    fn count(&mut self, objects: usize) {
        if let Some(counted) = &mut self.counted {
            counted.objects += objects;
            counted.all.0.fetch_add(objects, Ordering::Relaxed);
        }
    }

    /// Takes what is there; what comes later is counted in the same place.
    pub(crate) fn take(&mut self) -> Self {
        let counted = self.counted.as_mut().map(|counted| Counted {
            all: counted.all.clone(),
            objects: std::mem::take(&mut counted.objects),
        });
        Self { items: std::mem::take(&mut self.items), counted }
    }
}

impl GarbageCount {
    /// A place for garbage that is counted here.
    pub(crate) fn place(&self) -> Garbage {
        Garbage { items: Vec::new(), counted: Some(Counted { all: self.clone(), objects: 0 }) }
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    /// Places that were freed with garbage since the last call.
    pub(crate) fn take_freed(&self) -> FreedBlocks {
        std::mem::take(&mut self.1.lock())
    }

    /// An object goes: nothing refers to its blocks any more.
    pub(crate) fn free_places(&self, data: &ObjectData) {
        if let Some(stream) = data.as_stream() {
            self.1.lock().extend(stream.places());
        }
    }
}

impl Drop for Garbage {
    fn drop(&mut self) {
        let items = std::mem::take(&mut self.items);
        if let Some(counted) = &self.counted {
            for item in &items {
                match item {
                    Item::Database { objects, .. } => {
                        objects.iter().for_each(|object| counted.all.free_places(&object.data));
                    }
                    Item::Value { data } => counted.all.free_places(data),
                    Item::Group { .. } | Item::Expiries { .. } => {}
                }
            }
        }
        drop(items);
        if let Some(counted) = &self.counted {
            counted.all.0.fetch_sub(counted.objects, Ordering::Relaxed);
        }
    }
}
