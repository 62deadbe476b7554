//! Records found by their ids.

use super::PendingList;
use crate::EntryId;
use crate::pending::chunk::Chunk;
use crate::pending::record::{ConsumerId, PendingEntry, Record};

impl PendingList {
    /// The lowest id.
    #[must_use]
    pub fn first_id(&self) -> Option<EntryId> {
        self.chunks.front().map(Chunk::first_id)
    }

    /// The highest id.
    #[must_use]
    pub fn last_id(&self) -> Option<EntryId> {
        self.chunks.back().map(Chunk::last_id)
    }

    /// Whether `id` is pending.
    #[must_use]
    pub fn contains(&self, id: EntryId) -> bool {
        self.find(id).is_some()
    }

    /// One pending entry.
    #[must_use]
    pub fn get(&self, id: EntryId) -> Option<PendingEntry> {
        let (index, at) = self.find(id)?;
        Some(self.entry(&self.chunks[index].records()[at]))
    }

    /// Those of the ids that are pending. Little is searched for where they follow each other.
    pub fn present(&self, ids: impl Iterator<Item = EntryId>) -> impl Iterator<Item = EntryId> {
        let mut near = (0, 0);
        ids.filter(move |id| {
            let found = self.find_near(*id, near);
            near = found.map_or(near, |(index, at)| (index, at + 1));
            found.is_some()
        })
    }

    /// The entries of `from..=to`, ascending.
    pub fn range(&self, from: EntryId, to: EntryId) -> impl Iterator<Item = PendingEntry> + '_ {
        self.records_in(from, to, |_| true).map(|record| self.entry(record))
    }

    /// The entries of `owner` in `from..=to`, ascending. Passes by chunks without any.
    pub fn range_of(
        &self,
        owner: ConsumerId,
        from: EntryId,
        to: EntryId,
    ) -> impl Iterator<Item = PendingEntry> + '_ {
        self.records_in(from, to, move |chunk| chunk.may_have_owner(owner.0))
            .filter(move |record| record.owner == Some(owner))
            .map(|record| self.entry(record))
    }

    fn records_in(
        &self,
        from: EntryId,
        to: EntryId,
        wanted: impl Fn(&Chunk) -> bool,
    ) -> impl Iterator<Item = &Record> {
        self.chunks
            .range(self.chunk_at(from)..)
            .take_while(move |chunk| chunk.first_id() <= to)
            .filter(move |chunk| wanted(chunk))
            .flat_map(move |chunk| {
                let start = if from <= chunk.first_id() {
                    0
                } else {
                    chunk.find(from).unwrap_or_else(|place| place)
                };
                chunk.records().range(start..)
            })
            .take_while(move |record| record.id <= to)
    }

    /// The chunk that has `id` or would have it; 0 when there is none.
    #[inline]
    pub(super) fn chunk_at(&self, id: EntryId) -> usize {
        // Work is mostly at the ends.
        match (self.chunks.get(1), self.chunks.back()) {
            (None, _) => 0,
            (Some(second), _) if id < second.first_id() => 0,
            (_, Some(last)) if id >= last.first_id() => self.chunks.len() - 1,
            _ => self.chunks.partition_point(|chunk| chunk.first_id() <= id) - 1,
        }
    }

    #[inline]
    pub(super) fn find(&self, id: EntryId) -> Option<(usize, usize)> {
        let index = self.chunk_at(id);
        Some((index, self.chunks.get(index)?.find(id).ok()?))
    }

    /// The same, looked for at a place first.
    #[inline]
    pub(super) fn find_near(&self, id: EntryId, near: (usize, usize)) -> Option<(usize, usize)> {
        let record = self.chunks.get(near.0).and_then(|chunk| chunk.records().get(near.1));
        if record.is_some_and(|record| record.id == id) { Some(near) } else { self.find(id) }
    }
}
