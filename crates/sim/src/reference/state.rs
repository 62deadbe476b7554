//! Databases of keys. A clone shares all objects, so one is kept for every record group.

use std::collections::BTreeMap;
use std::rc::Rc;

use super::stream::Stream;
use crate::command::Text;
use crate::history::WHOLE;

const DATABASES: usize = 16;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Object {
    Text(Text),
    Stream(Stream),
}

#[derive(Clone, Debug)]
pub(crate) struct Slot {
    pub(crate) object: Rc<Object>,
    pub(crate) expires_at_ms: Option<u64>,
}

pub(crate) type Database = BTreeMap<Text, Slot>;

#[derive(Clone, Debug)]
pub(crate) struct State {
    databases: Vec<Database>,
}

impl Slot {
    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at_ms| at_ms <= wall_ms)
    }

    fn is_same(&self, other: &Self) -> bool {
        self.expires_at_ms == other.expires_at_ms
            && (Rc::ptr_eq(&self.object, &other.object) || self.object == other.object)
    }
}

impl Default for State {
    fn default() -> Self {
        Self { databases: vec![Database::new(); DATABASES] }
    }
}

impl State {
    pub(crate) fn databases(&self) -> impl Iterator<Item = (u8, &Database)> {
        (0..).zip(&self.databases)
    }

    pub(crate) fn database(&self, db: u8) -> &Database {
        &self.databases[usize::from(db)]
    }

    pub(super) fn database_mut(&mut self, db: u8) -> &mut Database {
        &mut self.databases[usize::from(db)]
    }

    pub(super) fn swap(&mut self, a: u8, b: u8) {
        self.databases.swap(usize::from(a), usize::from(b));
    }

    pub(super) fn object_mut(&mut self, db: u8, key: &[u8]) -> &mut Object {
        let slot = self.database_mut(db).get_mut(key).expect("the key was found");
        Rc::make_mut(&mut slot.object)
    }

    pub(super) fn put(&mut self, db: u8, key: &[u8], object: Object, expires_at_ms: Option<u64>) {
        let slot = Slot { object: Rc::new(object), expires_at_ms };
        self.database_mut(db).insert(key.to_vec(), slot);
    }

    pub(crate) fn stream(&self, db: u8, key: &[u8]) -> Option<&Stream> {
        match &*self.database(db).get(key)?.object {
            Object::Stream(stream) => Some(stream),
            Object::Text(_) => None,
        }
    }

    /// What the value under a key takes, roughly and at most.
    pub(crate) fn bytes(&self, db: u8, key: &[u8]) -> u64 {
        let Some(slot) = self.database(db).get(key) else { return 0 };
        let bytes = match &*slot.object {
            Object::Text(text) => text.len(),
            Object::Stream(stream) => stream.bytes(),
        };
        bytes as u64
    }

    pub(crate) fn streams_mut(&mut self) -> impl Iterator<Item = (u8, &Text, &mut Stream)> {
        let slots = (0..)
            .zip(&mut self.databases)
            .flat_map(|(db, database)| database.iter_mut().map(move |(key, slot)| (db, key, slot)));
        slots.filter_map(|(db, key, slot)| match Rc::make_mut(&mut slot.object) {
            Object::Stream(stream) => Some((db, key, stream)),
            Object::Text(_) => None,
        })
    }

    /// Keys that show something else than before, as far as it is durable.
    pub(crate) fn changes_since(&self, before: &Self) -> Vec<(u8, Text)> {
        let mut changed = Vec::new();
        for ((db, now), before) in (0..).zip(&self.databases).zip(&before.databases) {
            for (key, slot) in now {
                if !before.get(key).is_some_and(|before| slot.is_same(before)) {
                    changed.push((db, key.clone()));
                }
            }
            let gone = before.keys().filter(|key| !now.contains_key(*key));
            changed.extend(gone.map(|key| (db, key.clone())));
            let lives = |(key, slot): (&Text, &Slot)| (key.clone(), slot.expires_at_ms);
            if !now.iter().map(lives).eq(before.iter().map(lives)) {
                changed.push((db, WHOLE.to_vec()));
            }
        }
        changed
    }
}
