//! Delayed entries of a stream, and its two lists of blocks as one.
//!
//! A stream has blocks of entries and blocks of fields of delayed ones. Which of the two a block is
//! of shows by where it lies, or by being that very block: whoever stores blocks need not know.

use super::Stream;
use crate::{
    BlockPlace, ColdBlock, Entries, EntryId, Eviction, FreedBlocks, LoadedBlock, Schedule,
    ScheduleToken,
};

/// Delayed entries.
impl Stream {
    /// Delayed entries; `None` if there never was one.
    #[must_use]
    pub fn schedule(&self) -> Option<&Schedule> {
        self.schedule.as_deref()
    }

    /// The token of the next delayed entry, due at that time.
    #[must_use]
    pub fn next_token(&self, due_ms: u64) -> ScheduleToken {
        let sequence = self.schedule().map_or(1, Schedule::next_sequence);
        ScheduleToken { due_ms, sequence }
    }

    /// Adds a delayed entry, with a token from [`Self::next_token`].
    ///
    /// # Panics
    /// If the token is not above former ones.
    pub fn add_scheduled(&mut self, token: ScheduleToken, fields: &[&[u8]]) {
        self.schedule.get_or_insert_default().add(token, fields);
    }

    /// Takes a delayed entry out; whether it was there.
    pub fn remove_scheduled(&mut self, token: ScheduleToken) -> bool {
        self.schedule.as_mut().is_some_and(|schedule| schedule.remove(token))
    }

    /// Sets how often an entry that was due was refused.
    pub fn set_schedule_failures(&mut self, failures: u64) {
        self.schedule.get_or_insert_default().set_failures(failures);
    }

    /// Takes delayed entries as they were stored.
    pub fn restore_schedule(&mut self, schedule: Schedule) {
        self.schedule = Some(Box::new(schedule));
    }

    /// Gives up a block of delayed entries that cannot be read. Returns how many went.
    pub fn give_up_scheduled(&mut self, cold: ColdBlock) -> u64 {
        self.schedule.as_mut().map_or(0, |schedule| schedule.give_up(cold))
    }
}

/// Both lists of blocks. Nothing here changes what a stream holds.
impl Stream {
    fn lists(&self) -> impl Iterator<Item = &Entries> {
        std::iter::once(&self.entries).chain(self.schedule().map(Schedule::payloads))
    }

    fn lists_mut(&mut self) -> impl Iterator<Item = &mut Entries> {
        let payloads = self.schedule.as_mut().map(|schedule| schedule.payloads_mut());
        std::iter::once(&mut self.entries).chain(payloads)
    }

    /// Heap bytes of blocks in memory.
    #[must_use]
    #[inline]
    pub fn block_bytes(&self) -> usize {
        self.lists().map(Entries::block_bytes).sum()
    }

    /// Heap bytes of those of them that lie elsewhere, too.
    #[must_use]
    #[inline]
    pub fn clean_bytes(&self) -> usize {
        self.lists().map(Entries::clean_bytes).sum()
    }

    /// Whether places were freed since the last [`Self::take_freed`].
    #[must_use]
    #[inline]
    pub fn has_freed(&self) -> bool {
        self.lists().any(Entries::has_freed)
    }

    /// Places that nothing here refers to any more.
    pub fn take_freed(&mut self) -> FreedBlocks {
        let mut freed = FreedBlocks::default();
        for list in self.lists_mut().filter(|list| list.has_freed()) {
            freed.append(list.take_freed());
        }
        freed
    }

    /// All places that are referred to.
    pub fn places(&self) -> impl Iterator<Item = BlockPlace> {
        self.lists().flat_map(Entries::places)
    }

    /// How many blocks there are.
    #[must_use]
    pub fn block_count(&self) -> usize {
        self.lists().map(Entries::block_count).sum()
    }

    /// See [`Entries::is_at`].
    #[must_use]
    pub fn is_at(&self, first: EntryId, place: BlockPlace) -> bool {
        self.lists().any(|list| list.is_at(first, place))
    }

    /// See [`Entries::warm`].
    pub fn warm(&mut self, cold: ColdBlock, block: &LoadedBlock) -> bool {
        self.lists_mut().any(|list| list.warm(cold, block))
    }

    /// See [`Entries::is_clean`].
    #[must_use]
    pub fn is_clean(&self, first: EntryId) -> bool {
        self.lists().any(|list| list.is_clean(first))
    }

    /// See [`Entries::evict`]. Of two blocks that begin alike either may leave.
    pub fn evict(&mut self, first: EntryId) -> Eviction {
        let mut asked = self.lists_mut().map(|list| list.evict(first));
        asked.find(|eviction| *eviction != Eviction::Gone).unwrap_or(Eviction::Gone)
    }

    /// See [`Entries::set_place`].
    pub fn set_place(&mut self, first: EntryId, block: &LoadedBlock, place: BlockPlace) -> bool {
        self.lists_mut().any(|list| list.set_place(first, block, place))
    }

    /// See [`Entries::move_place`].
    pub fn move_place(&mut self, first: EntryId, from: BlockPlace, to: BlockPlace) -> bool {
        self.lists_mut().any(|list| list.move_place(first, from, to))
    }
}
