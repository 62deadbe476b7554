//! The index as it is stored: each block's line in plain fields, and an index from such lines.
//!
//! What comes back is not trusted: it is refused unless it holds together as far as that can be
//! told without the contents of blocks that are not in memory.

use super::block_place::BlockPlace;
use super::block_slot::BlockSlot;
use super::chunk::Chunk;
use super::dead::Dead;
use super::list::Entries;
use super::loaded_block::LoadedBlock;
use super::tombstones::Tombstones;
use crate::EntryId;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// One block's line in the index.
#[derive(Clone, Debug)]
pub struct StoredBlock<'a> {
    /// The first entry stored, deleted or not.
    pub first: EntryId,
    /// No entry is above it.
    pub last: EntryId,
    /// Entries that are not deleted, at least 1.
    pub live: u32,
    /// Entries stored.
    pub stored: u32,
    /// What Redis would need for the node, without its counts.
    pub listpack_bytes: u32,
    /// What is deleted; `None` exactly if nothing is.
    pub tombstones: Option<StoredTombstones<'a>>,
    /// The entries.
    pub contents: StoredContents,
}

/// What is deleted of a block.
#[derive(Clone, Debug)]
pub struct StoredTombstones<'a> {
    /// The lowest entry that is not deleted.
    pub first_live: EntryId,
    /// The highest one.
    pub last_live: EntryId,
    /// A bit for each entry, lowest first; what is not there is not deleted.
    pub words: Cow<'a, [u64]>,
}

/// Where the entries of a block are.
#[derive(Clone, Debug)]
pub enum StoredContents {
    /// Outside memory, whether in memory or not.
    Place(BlockPlace),
    /// In memory only.
    Block(LoadedBlock),
}

/// Stored facts that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RestoreError {
    what: &'static str,
}

impl RestoreError {
    pub(crate) fn new(what: &'static str) -> Self {
        Self { what }
    }
}

impl fmt::Display for RestoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "what is stored of a stream does not hold together: {}", self.what)
    }
}

impl std::error::Error for RestoreError {}

/// Refuses unless something holds.
pub(crate) fn ensure(holds: bool, what: &'static str) -> Result<(), RestoreError> {
    if holds { Ok(()) } else { Err(RestoreError::new(what)) }
}

impl Entries {
    /// All blocks, in order.
    pub fn blocks(&self) -> impl Iterator<Item = StoredBlock<'_>> {
        self.slots().map(|slot| StoredBlock {
            first: slot.first,
            last: slot.last,
            live: slot.live,
            stored: slot.stored,
            listpack_bytes: slot.listpack_bytes,
            tombstones: slot.dead.as_ref().map(|dead| StoredTombstones {
                first_live: dead.first_live_id,
                last_live: dead.last_live_id,
                words: Cow::Borrowed(dead.tombstones.words()),
            }),
            contents: match (slot.place(), slot.in_memory()) {
                (Some(place), _) => StoredContents::Place(place),
                (None, block) => {
                    let block = block.expect("a block is somewhere");
                    StoredContents::Block(LoadedBlock(Arc::clone(block)))
                }
            },
        })
    }

    /// Adds a block behind all others.
    ///
    /// # Errors
    /// If it cannot be; then nothing was added.
    pub fn restore_block(&mut self, stored: StoredBlock<'_>) -> Result<(), RestoreError> {
        let is_behind = self.back().is_none_or(|before| before.last < stored.first);
        ensure(is_behind && stored.first <= stored.last, "blocks do not ascend")?;
        ensure(stored.live > 0 && stored.live <= stored.stored, "live entries of a block")?;
        let is_whole = stored.live == stored.stored;
        ensure(is_whole == stored.tombstones.is_none(), "deletions of a block")?;
        let dead =
            stored.tombstones.as_ref().map(|dead| restore_dead(&stored, dead)).transpose()?;
        let (place, block) = match stored.contents {
            StoredContents::Place(place) => (Some(place), None),
            StoredContents::Block(block) => (None, Some(block.0)),
        };
        ensure(place.is_none_or(|place| place.file > 0), "a block lies nowhere")?;
        if let Some(block) = &block {
            let fits = block.len() == stored.stored && block.base() == stored.first;
            ensure(fits, "contents of a block")?;
            let last = block.id(block.len() - 1);
            ensure(stored.last <= last && (dead.is_some() || stored.last == last), "last id")?;
            let is_live = |ordinal, id| block.id(ordinal) == id;
            let ends = dead.as_ref().is_none_or(|dead| {
                is_live(dead.first_live, dead.first_live_id)
                    && is_live(dead.last_live, dead.last_live_id)
            });
            ensure(ends, "live ends of a block")?;
        }
        self.live += u64::from(stored.live);
        let counts = (stored.live, stored.stored, stored.listpack_bytes);
        let slot = BlockSlot::restored((stored.first, stored.last), counts, dead, place, block);
        self.blocks += 1;
        self.cold += usize::from(slot.cold().is_some());
        self.block_bytes += slot.block_bytes();
        match slot.payload() {
            Some(payload) => self.payload += payload,
            None => self.uncounted += 1,
        }
        match self.chunks.back_mut() {
            Some(chunk) if !chunk.is_full() => chunk.push(slot),
            _ => self.chunks.push_back(Chunk::open(slot)),
        }
        Ok(())
    }
}

fn restore_dead(
    stored: &StoredBlock<'_>,
    dead: &StoredTombstones<'_>,
) -> Result<Arc<Dead>, RestoreError> {
    let count = stored.stored;
    let tombstones = Tombstones::from_words(&dead.words);
    let is_inside = tombstones.count_dead(0, u32::MAX) == tombstones.count_dead(0, count);
    let is_counted = tombstones.count_dead(0, count) == count - stored.live;
    ensure(is_inside && is_counted, "tombstones of a block")?;
    let (first_live, last_live) = (tombstones.next_live(0), tombstones.previous_live(count - 1));
    let last_live = last_live.expect("fewer are dead than there are");
    let (first_live_id, last_live_id) = (dead.first_live, dead.last_live);
    let ascends = stored.first <= first_live_id
        && first_live_id <= last_live_id
        && last_live_id <= stored.last
        && (first_live == 0) == (first_live_id == stored.first)
        && (first_live == last_live) == (first_live_id == last_live_id)
        && (last_live + 1 < count || last_live_id == stored.last);
    ensure(ascends, "live ends of a block")?;
    Ok(Arc::new(Dead { tombstones, first_live, last_live, first_live_id, last_live_id }))
}
