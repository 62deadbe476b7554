//! Entries of one stream that are appended later.
//!
//! Of each, an index in memory has when it is due and its sequence number; its fields lie in
//! [`Entries`] of their own, under an id made from the sequence number, and so in blocks that can
//! leave memory like those of the stream. A copy shares all of it and costs the number of chunks.
//! Firing is an append to the stream and a removal here; who decides when, and what is refused, is
//! no business of this module.
//!
//! Invariants (see [`Schedule::check`]):
//! 1. the index and the payloads name the same sequence numbers, each once;
//! 2. `next_sequence` is above all of them, and only grows, so a token never names another entry.
//!
//! Must not know clocks or wire formats. Fails by panicking, on bugs alone; what is restored is not
//! trusted. Tests: `schedule/tests.rs`, against a plain list.

mod due_index;
mod token;

#[cfg(test)]
mod tests;

use due_index::DueIndex;
pub use token::ScheduleToken;

use crate::entries::ensure;
use crate::{BlockLimits, ColdBlock, Entries, PinnedEntry, RestoreError, StoredBlock};

/// Where blocks of payloads end: as blocks of entries do by default.
const LIMITS: BlockLimits = BlockLimits { bytes_max: 4096, entries_max: 100 };

/// The delayed entries of one stream.
#[derive(Clone, Debug)]
pub struct Schedule {
    due: DueIndex,
    payloads: Entries,
    next_sequence: u64,
    failures: u64,
}

impl Default for Schedule {
    fn default() -> Self {
        let (due, payloads) = (DueIndex::default(), Entries::default());
        Self { due, payloads, next_sequence: 1, failures: 0 }
    }
}

/// Reading.
impl Schedule {
    /// How many entries wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.due.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What fires first.
    #[must_use]
    pub fn first(&self) -> Option<ScheduleToken> {
        self.due.first()
    }

    /// Whether this one waits.
    #[must_use]
    pub fn contains(&self, token: ScheduleToken) -> bool {
        self.due.contains(token)
    }

    /// Those behind one that need not be there any more, in the order of firing; without one all.
    pub fn after(&self, token: Option<ScheduleToken>) -> impl Iterator<Item = ScheduleToken> + '_ {
        self.due.after(token)
    }

    /// The sequence number of the next one to be added.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// How often the stream refused an entry that was due.
    #[must_use]
    pub fn failures(&self) -> u64 {
        self.failures
    }

    /// Where the fields are.
    #[must_use]
    pub fn payloads(&self) -> &Entries {
        &self.payloads
    }

    /// The fields of one.
    ///
    /// # Errors
    /// Their block, if it is not in memory.
    pub fn payload(&self, token: ScheduleToken) -> Result<Option<PinnedEntry>, ColdBlock> {
        self.payloads.get(token.payload_id())
    }

    /// The block that an addition would look into, if it is not in memory.
    #[must_use]
    pub fn cold_for_add(&self, sequence: u64, payload: u64) -> Option<ColdBlock> {
        self.payloads.cold_for_append(crate::EntryId::new(0, sequence), payload, LIMITS)
    }

    /// Bytes on the heap, roughly. Costs the number of blocks.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        size_of::<Self>() + self.due.heap_bytes() + self.payloads.heap_bytes()
    }

    /// Bytes of the blocks that have a place outside memory, there. Costs the number of blocks.
    #[must_use]
    pub fn stored_bytes(&self) -> u64 {
        self.payloads.stored_bytes()
    }

    /// Pieces that a copy touches, roughly.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.due.chunk_count()
    }
}

/// Transitions.
impl Schedule {
    /// Adds an entry.
    ///
    /// # Panics
    /// If its sequence number is below [`Self::next_sequence`], or its block is not in memory.
    pub(crate) fn add(&mut self, token: ScheduleToken, fields: &[&[u8]]) {
        assert!(token.sequence >= self.next_sequence, "sequence numbers only grow");
        self.payloads.append(token.payload_id(), fields, LIMITS);
        self.due.insert(token);
        self.next_sequence = token.sequence + 1;
    }

    /// Takes an entry out; whether it was there.
    ///
    /// # Panics
    /// If the block of its payload is not in memory.
    pub(crate) fn remove(&mut self, token: ScheduleToken) -> bool {
        // Whether the fields were there nobody could tell before.
        self.due.remove(token) && {
            self.payloads.delete(token.payload_id());
            true
        }
    }

    pub(crate) fn set_failures(&mut self, failures: u64) {
        self.failures = failures;
    }

    pub(crate) fn payloads_mut(&mut self) -> &mut Entries {
        &mut self.payloads
    }

    /// Gives up the entries of a block that cannot be read. Returns how many those were.
    pub(crate) fn give_up(&mut self, cold: ColdBlock) -> u64 {
        let Some((last, count)) = self.payloads.give_up(cold) else { return 0 };
        self.due.retain(|token| !(cold.first..=last).contains(&token.payload_id()));
        count
    }
}

/// Storing.
impl Schedule {
    /// A schedule as it was stored, still without entries.
    #[must_use]
    pub fn restore(next_sequence: u64, failures: u64) -> Self {
        Self { next_sequence, failures, ..Self::default() }
    }

    /// Adds a block of payloads behind all others.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn restore_block(&mut self, stored: StoredBlock<'_>) -> Result<(), RestoreError> {
        let is_below = stored.first.ms == 0 && stored.last.ms == 0;
        ensure(is_below && stored.last.seq < self.next_sequence, "sequence of a delayed entry")?;
        self.payloads.restore_block(stored)
    }

    /// Adds what fires behind all others.
    ///
    /// # Errors
    /// If it cannot be.
    pub fn restore_token(&mut self, token: ScheduleToken) -> Result<(), RestoreError> {
        ensure(token.sequence < self.next_sequence, "sequence of a delayed entry")?;
        ensure(self.due.push(token), "delayed entries do not ascend")
    }

    /// Whether it is whole by now.
    ///
    /// # Errors
    /// If it is not.
    pub fn ensure_whole(&self) -> Result<(), RestoreError> {
        ensure(self.payloads.len() == self.len() as u64, "payloads of delayed entries")
    }

    /// Re-derives what is counted and indexed. Payloads that are not in memory are counted only.
    ///
    /// # Panics
    /// If an invariant is broken.
    pub fn check(&self) {
        self.due.check();
        self.payloads.check();
        assert_eq!(self.payloads.len(), self.len() as u64, "payloads of delayed entries");
        for token in self.due.after(None) {
            assert!(token.sequence < self.next_sequence, "sequence numbers only grow");
            assert_ne!(self.payloads.contains(token.payload_id()), Ok(false), "fields of {token}");
        }
    }
}
