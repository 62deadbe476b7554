//! Drops chunks that are empty and joins small ones.

use super::{IDLE_ROOM_MAX, PendingList, note_stale, scale_of};
use crate::pending::bounds::Bounds;
use crate::pending::chunk::CHUNK_MAX;

impl PendingList {
    pub(super) fn drop_chunk(&mut self, index: usize) {
        let chunk = self.chunks.remove(index).expect("the caller has just used it");
        let bounds = *chunk.bounds();
        self.spare = chunk.into_spare().or(self.spare.take());
        if self.chunks.is_empty() {
            self.bounds = Bounds::NONE;
            self.sections = None;
            self.limit_idle_room();
        } else {
            self.note_chunk_removed(index, &bounds);
        }
    }

    pub(super) fn limit_idle_room(&mut self) {
        if self.chunks.is_empty() {
            self.spare = self.spare.take().filter(|spare| spare.room() <= IDLE_ROOM_MAX);
        }
    }

    /// Joins the chunk with a neighbour when the two leave a quarter of a chunk free.
    pub(super) fn merge_around(&mut self, index: usize) {
        if index + 1 < self.chunks.len() && self.merge_next(index) {
            return;
        }
        if index > 0 {
            self.merge_next(index - 1);
        }
    }

    fn merge_next(&mut self, index: usize) -> bool {
        let fits = self.chunks[index].len() + self.chunks[index + 1].len() <= CHUNK_MAX / 4 * 3;
        if fits {
            let next = self.chunks.remove(index + 1).expect("it was measured just now");
            let next_before = *next.bounds();
            note_stale(&mut self.stale_chunks, next.is_stale(), false);
            note_stale(&mut self.stale_chunks, self.chunks[index].is_stale(), false);
            let bounds_before = self.chunks[index].bounds().min(next_before, self.scale());
            self.chunks[index].absorb(next, scale_of(&self.timing, self.next_tie));
            if let Some(sections) = &mut self.sections {
                sections.lower(
                    index,
                    self.chunks[index].bounds(),
                    scale_of(&self.timing, self.next_tie),
                );
            }
            self.note_chunk_removed(index + 1, &next_before);
            self.note_raised(index, &bounds_before);
        }
        fits
    }

    /// Drops empty chunks and joins small neighbours.
    pub(super) fn pack(&mut self) {
        let chunks = std::mem::take(&mut self.chunks);
        for chunk in chunks {
            match self.chunks.back_mut() {
                _ if chunk.len() == 0 => {}
                Some(tail) if tail.len() + chunk.len() <= CHUNK_MAX / 4 * 3 => {
                    tail.absorb(chunk, scale_of(&self.timing, self.next_tie));
                }
                _ => self.chunks.push_back(chunk),
            }
        }
        self.limit_idle_room();
    }
}
