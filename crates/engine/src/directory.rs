//! The keys of one database.
//!
//! Ordered by a seeded hash of the key, so that SCAN's cursor is a position in that order: keys
//! that are there during a whole scan are returned once, whatever comes and goes meanwhile. The
//! order lies in buckets that a [`Snapshot`] shares: it costs one reference for each bucket, and a
//! bucket is copied on its first change while somebody still looks at it. So a listing of a million
//! keys holds the lock for a fraction of a millisecond.
//!
//! Must not know what objects are. Invariants (see [`Directory::check`]): every key stands under
//! its own hash, hashes ascend, keys of one hash are in one bucket; `lowest[i]` bounds bucket `i`
//! from below and bucket `i - 1` from above; `len` and `expiring` count keys.
//! Tests: `directory/tests.rs`, `tests/it/keys.rs`.

use std::hash::BuildHasher;
use std::sync::Arc;

use foldhash::quality::FixedState;

use crate::object::{ObjectId, ObjectRef, ObjectSlot};

#[cfg(test)]
mod tests;

/// Cursors stay below 2^52, exact in any client's number type.
const HASH_SHIFT: u32 = 12;
const HASH_MAX: u64 = u64::MAX >> HASH_SHIFT;
/// A bucket is split beyond this: 128 keys move 3 KiB at an insertion, and a snapshot of a million
/// keys has about 11,000 references.
const BUCKET_MAX: usize = if cfg!(test) { 4 } else { 128 };
/// Neighbours that have no more than this together become one.
const MERGED_MAX: usize = BUCKET_MAX / 2;

/// One key.
#[derive(Clone, Debug)]
pub(crate) struct KeyEntry {
    /// Shared with the object, and with the table of expiries.
    pub(crate) key: Arc<[u8]>,
    pub(crate) object: ObjectRef,
    /// Unix milliseconds.
    pub(crate) expires_at_ms: Option<u64>,
}

impl KeyEntry {
    /// A key before it is known where its object is.
    pub(crate) fn unbound(key: Arc<[u8]>, expires_at_ms: Option<u64>) -> Self {
        let slot = ObjectSlot { store: u8::MAX, index: u32::MAX };
        Self { key, object: ObjectRef { id: ObjectId(0), slot }, expires_at_ms }
    }

    pub(crate) fn is_expired(&self, wall_ms: u64) -> bool {
        self.expires_at_ms.is_some_and(|at| at <= wall_ms)
    }
}

#[derive(Debug)]
pub(crate) struct Directory {
    hasher: FixedState,
    lowest: Vec<u64>,
    /// Never empty; only the first may be without keys.
    buckets: Vec<Arc<Bucket>>,
    len: usize,
    expiring: usize,
    /// Of all expiries, Unix milliseconds.
    expiry_sum_ms: u128,
    key_bytes: usize,
}

/// Keys of neighbouring hashes.
#[derive(Clone, Debug, Default)]
struct Bucket {
    /// Of the entry with the same index.
    hashes: Vec<u64>,
    entries: Vec<KeyEntry>,
}

/// All keys as they were at one moment, for as long as somebody wants to look.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    buckets: Vec<Arc<Bucket>>,
}

impl Bucket {
    #[inline]
    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let mut at = self.hashes.partition_point(|&other| other < hash);
        while self.hashes.get(at) == Some(&hash) {
            if *self.entries[at].key == *key {
                return Some(at);
            }
            at += 1;
        }
        None
    }

    fn insert(&mut self, hash: u64, entry: KeyEntry) {
        let at = self.hashes.partition_point(|&other| other <= hash);
        self.hashes.insert(at, hash);
        self.entries.insert(at, entry);
    }

    fn remove(&mut self, at: usize) -> KeyEntry {
        self.hashes.remove(at);
        self.entries.remove(at)
    }

    /// Where the upper half starts, so that no hash is in both; `None` if all are the same.
    fn split_point(&self) -> Option<usize> {
        let middle = self.hashes[self.hashes.len() / 2];
        let at = self.hashes.partition_point(|&hash| hash < middle);
        let at = if at == 0 { self.hashes.partition_point(|&hash| hash <= middle) } else { at };
        (at < self.hashes.len()).then_some(at)
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self { hashes: self.hashes.split_off(at), entries: self.entries.split_off(at) }
    }

    fn append(&mut self, mut upper: Self) {
        self.hashes.append(&mut upper.hashes);
        self.entries.append(&mut upper.entries);
    }
}

impl Snapshot {
    /// How many pieces [`Self::piece`] knows.
    pub(crate) fn piece_count(&self) -> usize {
        self.buckets.len()
    }

    /// The keys of one piece; all pieces together are all keys.
    pub(crate) fn piece(&self, index: usize) -> &[KeyEntry] {
        &self.buckets[index].entries
    }
}

impl Directory {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            hasher: FixedState::with_seed(seed),
            lowest: vec![0],
            buckets: vec![Arc::default()],
            len: 0,
            expiring: 0,
            expiry_sum_ms: 0,
            key_bytes: 0,
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash_one(key) >> HASH_SHIFT
    }

    /// The bucket that has the hash, or would.
    #[inline]
    fn bucket_at(&self, hash: u64) -> usize {
        match self.lowest.len() {
            // Few keys are the common case.
            1 => 0,
            _ => self.lowest.partition_point(|&lowest| lowest <= hash) - 1,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keys with an expiry.
    pub(crate) fn expiring(&self) -> usize {
        self.expiring
    }

    fn count_expiry(&mut self, at_ms: Option<u64>) {
        self.expiring += usize::from(at_ms.is_some());
        self.expiry_sum_ms += u128::from(at_ms.unwrap_or(0));
    }

    fn discount_expiry(&mut self, at_ms: Option<u64>) {
        self.expiring -= usize::from(at_ms.is_some());
        self.expiry_sum_ms -= u128::from(at_ms.unwrap_or(0));
    }

    /// When keys expire, in the mean of those that do, Unix milliseconds.
    pub(crate) fn mean_expiry_ms(&self) -> Option<u64> {
        let mean = self.expiry_sum_ms.checked_div(self.expiring as u128)?;
        u64::try_from(mean).ok()
    }

    /// Bytes on the heap, roughly.
    pub(crate) fn heap_bytes(&self) -> usize {
        // Vectors that double and buckets that were split are about three quarters full.
        let per_key = (size_of::<KeyEntry>() + size_of::<u64>()) * 4 / 3;
        self.len * per_key + self.key_bytes + self.buckets.len() * (size_of::<Bucket>() + 24)
    }

    #[inline]
    pub(crate) fn get(&self, key: &[u8]) -> Option<&KeyEntry> {
        let hash = self.hash(key);
        let bucket = &self.buckets[self.bucket_at(hash)];
        Some(&bucket.entries[bucket.position(hash, key)?])
    }

    /// Binds a key; returns what it was bound to.
    pub(crate) fn insert(&mut self, entry: KeyEntry) -> Option<KeyEntry> {
        self.count_expiry(entry.expires_at_ms);
        let hash = self.hash(&entry.key);
        let index = self.bucket_at(hash);
        let bucket = Arc::make_mut(&mut self.buckets[index]);
        if let Some(at) = bucket.position(hash, &entry.key) {
            let before = std::mem::replace(&mut bucket.entries[at], entry);
            self.discount_expiry(before.expires_at_ms);
            return Some(before);
        }
        self.len += 1;
        self.key_bytes += entry.key.len();
        bucket.insert(hash, entry);
        if bucket.hashes.len() > BUCKET_MAX
            && let Some(at) = bucket.split_point()
        {
            let upper = bucket.split_off(at);
            self.lowest.insert(index + 1, upper.hashes[0]);
            self.buckets.insert(index + 1, Arc::new(upper));
        }
        None
    }

    pub(crate) fn remove(&mut self, key: &[u8]) -> Option<KeyEntry> {
        let hash = self.hash(key);
        let index = self.bucket_at(hash);
        let at = self.buckets[index].position(hash, key)?;
        let removed = Arc::make_mut(&mut self.buckets[index]).remove(at);
        self.len -= 1;
        self.key_bytes -= removed.key.len();
        self.discount_expiry(removed.expires_at_ms);
        self.merge_sparse(index);
        Some(removed)
    }

    /// Joins a bucket that has become small with a neighbour that is small, too.
    fn merge_sparse(&mut self, index: usize) {
        let len_of = |index: usize| self.buckets.get(index).map(|bucket| bucket.hashes.len());
        let len = len_of(index).expect("the bucket is there");
        if len > MERGED_MAX / 2 {
            return;
        }
        let fits = |other: Option<usize>| other.is_some_and(|other| other + len <= MERGED_MAX);
        let upper = if fits(len_of(index + 1)) {
            index + 1
        } else if index > 0 && (len == 0 || fits(len_of(index - 1))) {
            index
        } else {
            return;
        };
        self.lowest.remove(upper);
        let moved = self.buckets.remove(upper);
        let lower = Arc::make_mut(&mut self.buckets[upper - 1]);
        lower.append(Arc::unwrap_or_clone(moved));
    }

    /// Sets a key's expiry; returns the one before. The key must exist.
    pub(crate) fn set_expiry(&mut self, key: &[u8], at_ms: Option<u64>) -> Option<u64> {
        let hash = self.hash(key);
        let index = self.bucket_at(hash);
        let at = self.buckets[index].position(hash, key).expect("the key exists");
        let entry = &mut Arc::make_mut(&mut self.buckets[index]).entries[at];
        let before = std::mem::replace(&mut entry.expires_at_ms, at_ms);
        self.count_expiry(at_ms);
        self.discount_expiry(before);
        before
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &KeyEntry> {
        self.buckets.iter().flat_map(|bucket| &bucket.entries)
    }

    /// All keys, to be looked at later.
    pub(crate) fn snapshot(&self) -> Snapshot {
        Snapshot { buckets: self.buckets.clone() }
    }

    /// Visits keys from a cursor on, at least `count` of them where there are so many; returns the
    /// cursor to go on from, 0 at the end.
    pub(crate) fn scan(&self, cursor: u64, count: usize, mut visit: impl FnMut(&KeyEntry)) -> u64 {
        let mut visited = 0;
        let mut last = None;
        let first = self.bucket_at(cursor.min(HASH_MAX));
        for bucket in &self.buckets[first..] {
            let start = bucket.hashes.partition_point(|&hash| hash < cursor);
            for (&hash, entry) in bucket.hashes.iter().zip(&bucket.entries).skip(start) {
                // Keys of one hash go together: a cursor cannot stand between them.
                if visited >= count && last != Some(hash) {
                    return hash;
                }
                last = Some(hash);
                visit(entry);
                visited += 1;
            }
        }
        0
    }

    /// The first key at or behind a place in the order, beginning again at its end. `place` is any
    /// number: each is as likely to hit a key as the gap before that is wide.
    pub(crate) fn key_near(&self, place: u64) -> Option<&KeyEntry> {
        let hash = place >> HASH_SHIFT;
        let index = self.bucket_at(hash);
        let here = &self.buckets[index];
        let at = here.hashes.partition_point(|&other| other < hash);
        let behind = self.buckets[index + 1..].iter().chain(&self.buckets);
        here.entries.get(at).or_else(|| behind.flat_map(|bucket| bucket.entries.first()).next())
    }

    pub(crate) fn check(&self) {
        let (mut len, mut expiring, mut key_bytes) = (0, 0, 0);
        let mut expiry_sum_ms = 0;
        assert_eq!(self.lowest.len(), self.buckets.len());
        assert_eq!(self.lowest[0], 0);
        for (index, bucket) in self.buckets.iter().enumerate() {
            assert_eq!(bucket.hashes.len(), bucket.entries.len());
            assert!(index == 0 || !bucket.hashes.is_empty(), "only the first may be empty");
            assert!(bucket.hashes.is_sorted());
            let above = self.lowest.get(index + 1).copied().unwrap_or(HASH_MAX + 1);
            for (&hash, entry) in bucket.hashes.iter().zip(&bucket.entries) {
                assert_eq!(self.hash(&entry.key), hash);
                assert!((self.lowest[index]..above).contains(&hash));
                len += 1;
                expiring += usize::from(entry.expires_at_ms.is_some());
                expiry_sum_ms += u128::from(entry.expires_at_ms.unwrap_or(0));
                key_bytes += entry.key.len();
            }
        }
        assert_eq!((self.len, self.expiring, self.key_bytes), (len, expiring, key_bytes));
        assert_eq!(self.expiry_sum_ms, expiry_sum_ms);
    }
}
