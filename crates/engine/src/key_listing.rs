//! The keys of a database as they were at one moment.

use crate::directory::Snapshot;

/// All keys of a database at the moment of
/// [`Transaction::list_keys`](crate::Transaction::list_keys). Shares memory with the engine;
/// looking at it holds up nobody.
#[derive(Clone, Debug)]
pub struct KeyListing {
    snapshot: Snapshot,
    wall_ms: u64,
}

impl KeyListing {
    pub(crate) fn new(snapshot: Snapshot, wall_ms: u64) -> Self {
        Self { snapshot, wall_ms }
    }

    /// How many pieces there are, each of at most some hundred keys.
    #[must_use]
    pub fn piece_count(&self) -> usize {
        self.snapshot.piece_count()
    }

    /// The keys of one piece that had not expired at that moment.
    ///
    /// # Panics
    /// If there is no such piece.
    pub fn piece(&self, index: usize) -> impl Iterator<Item = &[u8]> {
        let entries = self.snapshot.piece(index).iter();
        entries.filter(|entry| !entry.is_expired(self.wall_ms)).map(|entry| &*entry.key)
    }
}
