//! What two streams have in common if they are equal: counts and hashes.

use xxhash_rust::xxh3::Xxh3;

use super::cut::Cut;
use super::entry_pages::bytes_of;
use super::pending_pages::Row;
use super::pieces::{NOBODY, Piece};
use crate::{EntryId, StreamEntry};

/// A list: how long it is, and the hash of all that is in it, in its order.
#[derive(Clone)]
pub(super) struct Digest {
    pub(super) count: u64,
    pub(super) bytes: u64,
    hash: Box<Xxh3>,
}

/// Of entries, and of the pending list of each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Digests {
    pub(super) entries: Digest,
    pub(super) groups: Vec<Digest>,
    /// Entries that are pending and not there.
    pub(super) without_entry: u64,
    /// Of each group: what was nobody's, and is somebody's at the target.
    pub(super) given: Vec<u64>,
}

impl Digest {
    fn new() -> Self {
        Self { count: 0, bytes: 0, hash: Box::new(Xxh3::new()) }
    }

    /// In hexadecimal digits.
    pub(super) fn text(&self) -> String {
        format!("{:032x}", self.hash.digest128())
    }

    fn id(&mut self, id: EntryId) {
        self.number(id.ms);
        self.number(id.seq);
    }

    fn number(&mut self, number: u64) {
        self.hash.update(&number.to_le_bytes());
    }

    /// With its length, so that no two lists of texts are the same bytes.
    fn text_of(&mut self, text: &[u8]) {
        self.number(text.len() as u64);
        self.hash.update(text);
    }

    fn entry(&mut self, entry: &StreamEntry) {
        self.count += 1;
        self.bytes += bytes_of(entry);
        self.id(entry.id);
        self.number(entry.fields.len() as u64);
        for (name, value) in entry.fields.iter() {
            self.text_of(name);
            self.text_of(value);
        }
    }

    fn row(&mut self, row: &Row) {
        self.count += 1;
        self.id(row.id);
        self.number(u64::from(row.consumer.is_some()));
        self.text_of(row.consumer.as_deref().unwrap_or_default());
        self.number(row.delivered_at_ms);
        self.number(row.deliveries);
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let all = |it: &Self| (it.count, it.bytes, it.hash.digest128());
        all(self) == all(other)
    }
}

impl Eq for Digest {}

impl std::fmt::Debug for Digest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {}", self.count, self.text())
    }
}

impl Digests {
    /// Of nothing yet.
    pub(super) fn new(cut: &Cut) -> Self {
        let groups = cut.groups.len();
        Self {
            entries: Digest::new(),
            groups: vec![Digest::new(); groups],
            without_entry: 0,
            given: vec![0; groups],
        }
    }

    pub(super) fn note(&mut self, piece: &Piece) {
        piece.entries.iter().for_each(|entry| self.entries.entry(entry));
        for (group, rows) in piece.pending.iter().enumerate() {
            for row in rows {
                self.groups[group].row(row);
                self.given[group] += u64::from(row.consumer.as_deref() == Some(NOBODY));
                self.without_entry += u64::from(piece.gone.contains(&row.id));
            }
        }
    }
}
