//! The keys of one database.
//!
//! Ordered by a seeded hash of the key, so that SCAN's cursor is a position in that order: keys
//! that are there during a whole scan are returned once, whatever comes and goes meanwhile.
//! The order costs a few nanoseconds over a hash table at some hundred keys and never rehashes.
//!
//! Must not know what objects are. Invariants (see [`Directory::check`]): every key stands under
//! its own hash; `len` and `expiring` count keys. Tests: `tests/it/keys.rs`.

use std::collections::BTreeMap;

use foldhash::quality::FixedState;
use std::hash::BuildHasher;

use crate::object::ObjectRef;

/// Cursors stay below 2^52, exact in any client's number type.
const HASH_SHIFT: u32 = 12;

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    pub(crate) key: Box<[u8]>,
    pub(crate) object: ObjectRef,
    /// Unix milliseconds.
    pub(crate) expires_at_ms: Option<u64>,
}

impl KeyEntry {
    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= wall_ms)
    }
}

#[derive(Debug)]
pub(crate) struct Directory {
    hasher: FixedState,
    /// Nearly always one key to a hash.
    entries: BTreeMap<u64, Chain>,
    len: usize,
    expiring: usize,
}

/// One key in place, more in a vector.
#[derive(Debug)]
enum Chain {
    One(KeyEntry),
    Many(Vec<KeyEntry>),
}

impl Chain {
    fn as_slice(&self) -> &[KeyEntry] {
        match self {
            Self::One(entry) => std::slice::from_ref(entry),
            Self::Many(entries) => entries,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [KeyEntry] {
        match self {
            Self::One(entry) => std::slice::from_mut(entry),
            Self::Many(entries) => entries,
        }
    }
}

impl Directory {
    pub(crate) fn new(seed: u64) -> Self {
        Self { hasher: FixedState::with_seed(seed), entries: BTreeMap::new(), len: 0, expiring: 0 }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key) >> HASH_SHIFT
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keys with an expiry.
    pub(crate) fn expiring(&self) -> usize {
        self.expiring
    }

    pub(crate) fn get(&self, key: &[u8]) -> Option<&KeyEntry> {
        match self.entries.get(&self.hash(key))? {
            Chain::One(entry) => (*entry.key == *key).then_some(entry),
            Chain::Many(entries) => entries.iter().find(|entry| *entry.key == *key),
        }
    }

    /// Binds a key; returns what it was bound to.
    pub(crate) fn insert(&mut self, entry: KeyEntry) -> Option<KeyEntry> {
        self.expiring += usize::from(entry.expires_at_ms.is_some());
        let hash = self.hash(&entry.key);
        let Some(chain) = self.entries.get_mut(&hash) else {
            self.entries.insert(hash, Chain::One(entry));
            self.len += 1;
            return None;
        };
        if let Some(same) = chain.as_mut_slice().iter_mut().find(|other| other.key == entry.key) {
            let before = std::mem::replace(same, entry);
            self.expiring -= usize::from(before.expires_at_ms.is_some());
            return Some(before);
        }
        let mut entries = chain.as_slice().to_vec();
        entries.push(entry);
        *chain = Chain::Many(entries);
        self.len += 1;
        None
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<KeyEntry> {
        let hash = self.hash(key);
        let chain = self.entries.get_mut(&hash)?;
        let at = chain.as_slice().iter().position(|entry| *entry.key == *key)?;
        let removed = match chain {
            Chain::Many(entries) if entries.len() > 1 => entries.remove(at),
            _ => {
                let chain = self.entries.remove(&hash).expect("found above");
                chain.as_slice()[at].clone()
            }
        };
        self.len -= 1;
        self.expiring -= usize::from(removed.expires_at_ms.is_some());
        Some(removed)
    }

    /// Sets a key's expiry; returns the one before. The key must exist.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at_ms: Option<u64>) -> Option<u64> {
        let hash = self.hash(key);
        let chain = self.entries.get_mut(&hash).expect("the key exists");
        let mut entries = chain.as_mut_slice().iter_mut();
        let entry = entries.find(|entry| *entry.key == *key).expect("the key exists");
        let before = std::mem::replace(&mut entry.expires_at_ms, at_ms);
        self.expiring += usize::from(at_ms.is_some());
        self.expiring -= usize::from(before.is_some());
        before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyEntry> {
        self.entries.values().flat_map(|chain| chain.as_slice())
    }

    /// Visits keys from a cursor on, at least `count` of them where there are so many; returns the
    /// cursor to go on from, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&KeyEntry)) -> u64 {
        let mut visited = 0;
        for (&hash, chain) in self.entries.range(cursor..) {
            if visited >= count {
                return hash;
            }
            for entry in chain.as_slice() {
                visit(entry);
                visited += 1;
            }
        }
        0
    }

    pub(crate) fn check(&self) {
        let mut len = 0;
        let mut expiring = 0;
        for (&hash, chain) in &self.entries {
            for entry in chain.as_slice() {
                assert_eq!(self.hash(&entry.key), hash);
                len += 1;
                expiring += usize::from(entry.expires_at_ms.is_some());
            }
            assert!(!chain.as_slice().is_empty());
        }
        assert_eq!((self.len, self.expiring), (len, expiring));
    }
}
