//! What was taken out of the state and takes long to free: whole databases, large streams.
//!
//! Removed under the lock, it is handed to whoever calls
//! [`Engine::run_due`](crate::Engine::run_due) and freed where that one drops it, with the lock
//! free.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use millstream_model::Group;

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

/// Objects that wait to be freed; shown by INFO.
#[derive(Clone, Debug, Default)]
pub(crate) struct GarbageCount(Arc<AtomicUsize>);

#[derive(Debug)]
struct Counted {
    all: GarbageCount,
    objects: usize,
}

#[derive(Debug)]
enum Item {
    Database { _keys: Directory, _objects: Objects },
    Expiries { _expiries: Expiries },
    Value { _data: ObjectData },
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
        self.items.push(Item::Database { _keys: keys, _objects: objects });
    }

    pub(crate) fn add_expiries(&mut self, expiries: Expiries) {
        if !expiries.is_empty() {
            self.items.push(Item::Expiries { _expiries: expiries });
        }
    }

    pub(crate) fn add_value(&mut self, data: ObjectData) {
        self.count(1);
        self.items.push(Item::Value { _data: data });
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
}

impl Drop for Garbage {
    fn drop(&mut self) {
        self.items.clear();
        if let Some(counted) = &self.counted {
            counted.all.0.fetch_sub(counted.objects, Ordering::Relaxed);
        }
    }
}
