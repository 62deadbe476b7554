//! Puts records into the list and takes them out, and keeps what is counted.

use super::{PendingList, note_stale, scale_of};
use crate::EntryId;
use crate::pending::bounds::Times;
use crate::pending::chunk::{CHUNK_MAX, Chunk};
use crate::pending::record::{ConsumerId, DELAYED, LARGE_COUNT, PendingEntry, Record};

impl PendingList {
    /// Inserts or replaces; returns what was there.
    ///
    /// The entry goes to the end of those with its delivery time, and without an owner to the end
    /// of the unowned ones, also when it replaces itself.
    pub fn upsert(&mut self, entry: PendingEntry) -> Option<PendingEntry> {
        if self.last_id().is_none_or(|last| last < entry.id) {
            self.append_record(entry);
            return None;
        }
        self.upsert_within(entry, &mut (0, 0))
    }

    /// The same with many, and calls with each and what was there. Little is searched for where
    /// they follow each other.
    pub fn upsert_all(
        &mut self,
        entries: &[PendingEntry],
        mut each: impl FnMut(Option<PendingEntry>, PendingEntry),
    ) {
        let mut near = (0, 0);
        for &entry in entries {
            let before = if self.last_id().is_none_or(|last| last < entry.id) {
                self.append_record(entry);
                None
            } else {
                self.upsert_within(entry, &mut near)
            };
            each(before, entry);
        }
    }

    /// The same where some are above it.
    #[inline]
    fn upsert_within(
        &mut self,
        entry: PendingEntry,
        near: &mut (usize, usize),
    ) -> Option<PendingEntry> {
        if let Some((index, at)) = self.find_near(entry.id, *near) {
            *near = (index, at + 1);
            return Some(self.replace_record(index, at, entry));
        }
        let index = self.chunk_at(entry.id);
        let at = self.chunks[index].find(entry.id).expect_err("it was looked for above");
        let record = self.record(entry);
        self.insert_record(index, at, record);
        None
    }

    /// Adds entries that a consumer gets for the first time: ascending, above all others.
    pub fn append_delivered(&mut self, owner: ConsumerId, now_ms: u64, mut ids: &[EntryId]) {
        while let Some((&id, rest)) = ids.split_first() {
            let (delivered_at_ms, owner) = (now_ms, Some(owner));
            let of_first =
                PendingEntry { id, owner, delivered_at_ms, available_at_ms: 0, delivery_count: 1 };
            self.append_record(of_first);
            let is_alike = scale_of(&self.timing, self.next_tie).is_without_ids();
            let tail = self.chunks.back_mut().expect("it has the record");
            let fits = if is_alike { rest.len().min(CHUNK_MAX - tail.len()) } else { 0 };
            let (alike, above) = rest.split_at(fits);
            if fits > 0 {
                tail.push_alike(alike);
                self.len += fits;
                self.next_tie = self.next_tie.wrapping_add(fits as u32);
            }
            ids = above;
        }
    }

    fn append_record(&mut self, entry: PendingEntry) {
        let record = self.record(entry);
        self.push_record(record);
    }

    fn replace_record(&mut self, index: usize, at: usize, entry: PendingEntry) -> PendingEntry {
        let before = self.entry(&self.chunks[index].records()[at]);
        if !self.large_counts.is_empty() {
            self.large_counts.remove(&entry.id);
        }
        let record = self.record(entry);
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        let chunk = &mut self.chunks[index];
        let was_stale = chunk.is_stale();
        let replaced = chunk.replace(at, (record, times), scale);
        note_stale(&mut self.stale_chunks, was_stale, chunk.is_stale());
        self.counts.add(&record);
        self.counts.take_away(&replaced.old);
        if replaced.is_lower {
            self.note_lower(index, times);
        }
        if let Some(bounds_before) = &replaced.before {
            self.note_raised(index, bounds_before);
        }
        before
    }

    /// Adds a record above all others.
    pub(super) fn push_record(&mut self, record: Record) {
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        match self.chunks.back_mut() {
            Some(tail) if !tail.is_full() => {
                if tail.push_back(record, times, scale) {
                    self.note_lower(self.chunks.len() - 1, times);
                }
            }
            tail => {
                let full_size = tail.is_some();
                let spare = self.spare.take();
                self.chunks.push_back(Chunk::open(record, times, full_size, spare, scale));
                self.bounds.add(times, scale_of(&self.timing, self.next_tie));
                self.note_chunk_inserted(self.chunks.len() - 1);
            }
        }
        self.len += 1;
        self.counts.add(&record);
    }

    fn insert_record(&mut self, index: usize, at: usize, record: Record) {
        let scale = scale_of(&self.timing, self.next_tie);
        let times = Times::of(&record, scale);
        let chunk = &mut self.chunks[index];
        if chunk.is_full() {
            let bounds_before = *chunk.bounds();
            note_stale(&mut self.stale_chunks, chunk.is_stale(), false);
            let mut upper = chunk.split(scale);
            match at.checked_sub(chunk.len()) {
                Some(above) if above > 0 => upper.insert(above, record, times, scale),
                _ => chunk.insert(at, record, times, scale),
            };
            self.chunks.insert(index + 1, upper);
            self.bounds.add(times, scale_of(&self.timing, self.next_tie));
            self.note_chunk_inserted(index + 1);
            // Each half has its own bounds now.
            if let Some(sections) = &mut self.sections {
                sections.lower(
                    index,
                    self.chunks[index].bounds(),
                    scale_of(&self.timing, self.next_tie),
                );
            }
            self.note_raised(index, &bounds_before);
        } else if chunk.insert(at, record, times, scale) {
            self.note_lower(index, times);
        }
        self.len += 1;
        self.counts.add(&record);
    }

    /// The record to store, with a fresh place among those of its time.
    fn record(&mut self, entry: PendingEntry) -> Record {
        let count = self.stored_count(entry);
        let (id, owner) = (entry.id, entry.owner);
        let (time, tie) = if owner.is_some() {
            let tie = self.next_tie;
            self.next_tie = self.next_tie.wrapping_add(1);
            (entry.delivered_at_ms, tie)
        } else if entry.available_at_ms > 0 {
            (entry.available_at_ms, DELAYED)
        } else {
            let place = self.next_queue_place;
            self.next_queue_place += 1;
            (place, 0)
        };
        Record { id, time, owner, count, tie }
    }

    /// Takes an entry out; returns it.
    pub fn remove(&mut self, id: EntryId) -> Option<PendingEntry> {
        let (index, at) = self.find(id)?;
        Some(self.remove_at(index, at))
    }

    /// Takes entries out, and calls with each that was there. Little is searched for where they
    /// follow each other.
    pub fn remove_all(&mut self, ids: &[EntryId], mut each: impl FnMut(PendingEntry)) {
        let mut near = (0, 0);
        for &id in ids {
            if let Some((index, at)) = self.find_near(id, near) {
                each(self.remove_at(index, at));
                near = (index, at);
            }
        }
    }

    fn remove_at(&mut self, index: usize, at: usize) -> PendingEntry {
        let chunk = &mut self.chunks[index];
        let was_stale = chunk.is_stale();
        let (record, bounds_before) = chunk.remove(at, scale_of(&self.timing, self.next_tie));
        let len = chunk.len();
        note_stale(&mut self.stale_chunks, was_stale, chunk.is_stale() && len > 0);
        let entry = self.entry(&record);
        self.note_removed(&record);
        if len == 0 {
            self.drop_chunk(index);
        } else if let Some(bounds_before) = &bounds_before {
            self.note_raised(index, bounds_before);
        }
        if len > 0 && len <= CHUNK_MAX / 2 && self.chunks.len() > 1 {
            self.merge_around(index);
        }
        entry
    }

    fn note_removed(&mut self, record: &Record) {
        self.len -= 1;
        self.counts.take_away(record);
        if record.count == LARGE_COUNT {
            self.large_counts.remove(&record.id);
        }
    }

    /// Takes out every entry of `owner`; returns how many.
    pub fn remove_owner(&mut self, owner: ConsumerId) -> usize {
        let mut large = Vec::new();
        let before = self.len;
        for chunk in &mut self.chunks {
            if chunk.may_have_owner(owner.0) {
                self.len -= chunk.len();
                chunk.remove_if(scale_of(&self.timing, self.next_tie), |record| {
                    let is_gone = record.owner == Some(owner);
                    if is_gone && record.count == LARGE_COUNT {
                        large.push(record.id);
                    }
                    is_gone
                });
                self.len += chunk.len();
            }
        }
        for id in large {
            self.large_counts.remove(&id);
        }
        if self.len < before {
            self.pack();
        }
        // Of other owners' chunks, too, they may be derived again.
        self.refresh_bounds();
        before - self.len
    }
}
