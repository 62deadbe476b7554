//! Blocks that are on disk only: asking for them, loading them, and making room for them.
//!
//! An operation that needs the content of a block that is not in memory changes nothing and says
//! [`Rejection::BlocksNotLoaded`]; its caller takes the list ([`Transaction::take_needed`]), lets
//! the engine go, loads ([`Engine::load`]), takes the engine again, puts the blocks in
//! ([`Transaction::install`]) and runs the operation again, before anything can leave memory. Where
//! a part of the record group is made already, or the caller cannot come back
//! ([`Transaction::load_at_once`]), they are loaded with the engine held; INFO counts that.
//!
//! Must not know commands. Tests: `tests/it/blocks.rs`.

use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_log::{BlockAddress, BlockFiles, BlockReadError};
use millstream_model::{
    BlockPlace, ColdBlock, EntryId, Eviction, LoadedBlock, PinnedEntry, Rejection, Stream,
};

use crate::block_totals::BlockBytes;
use crate::cache::{Cache, CachedBlock};
use crate::engine::{Engine, Shared};
use crate::mutation::Mutation;
use crate::object::{ObjectId, ObjectRef};
use crate::objects::Objects;
use crate::state::State;
use crate::transaction::Transaction;

/// Blocks put in under one hold of the engine, of those that were read for a reply.
const INSTALLED_PER_HOLD: usize = 64;
/// Blocks looked at in one round of making room.
const LOOKS_MAX: usize = 256;

/// Blocks that an operation needs in memory.
#[derive(Clone, Debug, Default)]
#[must_use = "the operation waits for them"]
pub struct NeededBlocks {
    blocks: Vec<(ObjectId, ColdBlock)>,
}

impl NeededBlocks {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Adds blocks of an object, each once.
    pub(crate) fn add(&mut self, object: ObjectId, cold: impl IntoIterator<Item = ColdBlock>) {
        for cold in cold {
            if !self.blocks.contains(&(object, cold)) {
                self.blocks.push((object, cold));
            }
        }
    }

    /// Whose they are.
    pub(crate) fn objects(&self) -> Vec<ObjectId> {
        let mut objects: Vec<_> = self.blocks.iter().map(|(object, _)| *object).collect();
        objects.dedup();
        objects
    }
}

/// Blocks that were loaded for an operation.
#[derive(Clone, Debug, Default)]
pub struct LoadedBlocks {
    blocks: Vec<(ObjectId, ColdBlock, LoadedBlock)>,
}

impl LoadedBlocks {
    /// Takes others, too.
    pub fn extend(&mut self, others: Self) {
        self.blocks.extend(others.blocks);
    }
}

/// Where a block lies, in the words of the log.
pub(crate) fn address(place: BlockPlace) -> BlockAddress {
    BlockAddress { file: place.file, offset: place.offset, bytes: place.bytes }
}

/// Where a block lies, in the words of the model.
pub(crate) fn place(address: BlockAddress) -> BlockPlace {
    BlockPlace { file: address.file, offset: address.offset, bytes: address.bytes }
}

/// Reads blocks back, in the order asked for.
pub(crate) fn read_blocks(
    files: &BlockFiles,
    cold: &[ColdBlock],
) -> Result<Vec<LoadedBlock>, BlockReadError> {
    let read = read_owned_blocks(files, cold)?;
    Ok(read.into_iter().map(|(_, block)| block).collect())
}

/// The same with the objects that they were written for.
fn read_owned_blocks(
    files: &BlockFiles,
    cold: &[ColdBlock],
) -> Result<Vec<(ObjectId, LoadedBlock)>, BlockReadError> {
    let addresses: Vec<_> = cold.iter().map(|cold| address(cold.place)).collect();
    let read = files.read_many(&addresses)?;
    let decoded = read.iter().zip(cold).map(|(block, cold)| {
        let damaged = |reason: &dyn Display| files.damaged(address(cold.place), reason);
        let loaded = LoadedBlock::decode(&block.bytes).map_err(|error| damaged(&error))?;
        if !cold.fits(&loaded) {
            return Err(damaged(&"another block is there"));
        }
        Ok((ObjectId(block.owner), loaded))
    });
    decoded.collect()
}

fn unreadable(error: &BlockReadError) -> Rejection {
    Rejection::BlockUnreadable { reason: error.to_string().into() }
}

impl Engine {
    /// Reads blocks from disk. Takes as long as the disk does; the engine is not held.
    ///
    /// # Errors
    /// [`Rejection::BlockUnreadable`].
    pub fn load(&self, needed: &NeededBlocks) -> Result<LoadedBlocks, Rejection> {
        self.shared().load(&needed.blocks)
    }

    /// Reads blocks for a reply that is being written, with the engine free. Those that were read
    /// so not long ago are put in for others, too.
    ///
    /// # Errors
    /// [`Rejection::BlockUnreadable`].
    pub fn load_for_reply(&self, cold: &[ColdBlock]) -> Result<Vec<LoadedBlock>, Rejection> {
        let loaded = self.shared().load_for_reply(cold)?;
        for some in cold.iter().zip(&loaded).collect::<Vec<_>>().chunks(INSTALLED_PER_HOLD) {
            let mut core = self.shared().lock_core();
            for &(cold, (owner, block)) in some {
                let crate::core::Core { state, cache, cache_bytes, .. } = &mut *core;
                let (place, bytes) = (cold.place, block.heap_bytes());
                if cache.is_read_again(place, bytes, *cache_bytes)
                    && let Some(object) = state.find_stream_object(*owner)
                    && state.warm(object, *cold, block)
                {
                    let (object, first) = (object.id, cold.first);
                    cache.add_read_again(CachedBlock { object, first, place, bytes });
                    state.tidy(cache);
                }
            }
            core.make_room();
        }
        Ok(loaded.into_iter().map(|(_, block)| block).collect())
    }
}

impl Shared {
    fn load_for_reply(
        &self,
        cold: &[ColdBlock],
    ) -> Result<Vec<(ObjectId, LoadedBlock)>, Rejection> {
        let files = self.block_files().expect("a block on disk is in a file");
        self.counters.blocks_read.fetch_add(cold.len() as u64, Ordering::Relaxed);
        read_owned_blocks(files, cold).map_err(|error| unreadable(&error))
    }

    fn load(&self, needed: &[(ObjectId, ColdBlock)]) -> Result<LoadedBlocks, Rejection> {
        let files = self.block_files().expect("a block on disk is in a file");
        let cold: Vec<_> = needed.iter().map(|(_, cold)| *cold).collect();
        self.counters.blocks_read.fetch_add(cold.len() as u64, Ordering::Relaxed);
        let loaded = read_blocks(files, &cold).map_err(|error| unreadable(&error))?;
        let blocks = needed.iter().zip(loaded).map(|(&(id, cold), block)| (id, cold, block));
        Ok(LoadedBlocks { blocks: blocks.collect() })
    }
}

impl Transaction<'_> {
    /// From now on, until said otherwise, operations may say [`Rejection::BlocksNotLoaded`]; else
    /// what they need is loaded with the engine held.
    pub fn may_put_off(&mut self, may_put_off: bool) {
        self.may_put_off = may_put_off;
    }

    /// What the operation that was put off needs.
    pub fn take_needed(&mut self) -> NeededBlocks {
        std::mem::take(&mut self.needed)
    }

    /// Reads blocks for a reply, with the engine held: see [`Engine::load_for_reply`]. They are put
    /// in for nobody else.
    ///
    /// # Errors
    /// [`Rejection::BlockUnreadable`].
    pub fn load_for_reply(&self, cold: &[ColdBlock]) -> Result<Vec<LoadedBlock>, Rejection> {
        let loaded = self.shared.load_for_reply(cold)?;
        Ok(loaded.into_iter().map(|(_, block)| block).collect())
    }

    /// Puts loaded blocks into their streams, where they still belong there.
    pub fn install(&mut self, loaded: &LoadedBlocks) {
        for (id, cold, block) in &loaded.blocks {
            let crate::core::Core { state, cache, .. } = &mut *self.core;
            if let Some(object) = state.find_stream_object(*id) {
                install(state, cache, object, *cold, block);
            }
        }
    }

    /// Makes sure that blocks are in memory.
    pub(crate) fn need(
        &mut self,
        object: ObjectRef,
        cold: impl IntoIterator<Item = ColdBlock>,
    ) -> Result<(), Rejection> {
        let blocks: Vec<_> = cold.into_iter().map(|cold| (object.id, cold)).collect();
        if blocks.is_empty() {
            return Ok(());
        }
        if self.may_put_off && !self.has_changed() {
            self.needed.blocks.extend(blocks);
            return Err(Rejection::BlocksNotLoaded);
        }
        self.shared.counters.blocks_read_held.fetch_add(blocks.len() as u64, Ordering::Relaxed);
        let loaded = self.shared.load(&blocks)?;
        self.install(&loaded);
        Ok(())
    }

    /// Whether the stream has blocks on disk only.
    pub(crate) fn has_cold(&self, object: ObjectRef) -> bool {
        self.state().stream(object.slot).entries().has_cold()
    }

    /// Makes sure that the blocks of these entries are in memory: from then on, until the engine
    /// is let go, each can be looked at.
    pub(crate) fn need_entries(
        &mut self,
        object: ObjectRef,
        ids: impl IntoIterator<Item = EntryId>,
    ) -> Result<(), Rejection> {
        if !self.has_cold(object) {
            return Ok(());
        }
        let entries = self.state().stream(object.slot).entries();
        let mut cold: Vec<_> =
            ids.into_iter().filter_map(|id| entries.contains(id).err()).collect();
        cold.sort_unstable_by_key(|cold| cold.first);
        cold.dedup();
        self.need(object, cold)
    }

    /// An entry whose block is in memory, as [`Self::need_entries`] has seen to.
    pub(crate) fn entry(&self, object: ObjectRef, id: EntryId) -> Option<PinnedEntry> {
        let entries = self.state().stream(object.slot).entries();
        entries.get(id).expect("its block is in memory")
    }

    /// Whether an entry is there; its block is in memory.
    pub(crate) fn has_entry(&self, object: ObjectRef, id: EntryId) -> bool {
        let entries = self.state().stream(object.slot).entries();
        entries.contains(id).expect("its block is in memory")
    }
}

/// Puts a loaded block in, where it is still missing.
pub(crate) fn install(
    state: &mut State,
    cache: &mut Cache,
    object: ObjectRef,
    cold: ColdBlock,
    block: &LoadedBlock,
) {
    if state.warm(object, cold, block) {
        let ColdBlock { first, place, .. } = cold;
        let bytes = block.heap_bytes();
        cache.add_loaded(CachedBlock { object: object.id, first, place, bytes });
        state.tidy(cache);
    }
}

impl crate::core::Core {
    /// Bytes of blocks in memory only, beyond what the last checkpoint left so.
    pub(crate) fn unwritten_excess(&self) -> usize {
        self.state.unwritten_bytes().saturating_sub(self.unwritten_floor)
    }

    /// Lets blocks leave memory, and says what [`Self::unwritten_excess`] says then. After each
    /// transaction, so all is added up once.
    pub(crate) fn settle_room(&mut self) -> usize {
        let (blocks, clean) = self.state.block_and_clean_bytes();
        if blocks > self.cache_bytes {
            self.make_room();
            return self.unwritten_excess();
        }
        (blocks - clean).saturating_sub(self.unwritten_floor)
    }

    /// Lets blocks leave memory while there are more than the budget allows. Returns whether there
    /// may be more to do.
    pub(crate) fn make_room(&mut self) -> bool {
        let Self { cache, state, .. } = self;
        let budget = self.cache_bytes;
        let wanted = state.block_bytes().saturating_sub(budget);
        if wanted == 0 {
            return false;
        }
        let leave = |block: &CachedBlock| state.evict(block.object, block.first);
        let freed = cache.evict(wanted, budget, LOOKS_MAX, leave);
        freed > 0 && freed < wanted
    }
}

impl State {
    /// Counts what a change did to the blocks of a stream.
    #[inline]
    pub(crate) fn note_blocks(&mut self, object: ObjectRef, before: BlockBytes) {
        let stream = self.store_mut(object.slot).note_blocks(object.slot.index, before);
        if stream.has_freed() {
            let freed = stream.take_freed();
            self.freed.append(freed);
        }
    }

    /// Lets blocks of a stream come and go; what is stored stays the same.
    fn with_blocks<T>(&mut self, object: ObjectRef, change: impl FnOnce(&mut Stream) -> T) -> T {
        let stream = self.stream_mut(object.slot);
        let before = BlockBytes::of(stream);
        let done = change(stream);
        self.note_blocks(object, before);
        done
    }

    /// Puts a block in that was loaded, if it is still missing.
    pub(crate) fn warm(&mut self, object: ObjectRef, cold: ColdBlock, block: &LoadedBlock) -> bool {
        self.with_blocks(object, |stream| stream.warm(cold, block))
    }

    /// After a block came into the cache.
    pub(crate) fn tidy(&self, cache: &mut Cache) {
        let (_, clean) = self.block_and_clean_bytes();
        cache.tidy(clean, |block| {
            let object = self.find_stream_object(block.object);
            object.is_some_and(|object| self.stream(object.slot).is_clean(block.first))
        });
    }

    /// Lets a block leave memory.
    pub(crate) fn evict(&mut self, object: ObjectId, first: EntryId) -> Eviction {
        match self.find_stream_object(object) {
            Some(object) => self.with_blocks(object, |stream| stream.evict(first)),
            None => Eviction::Gone,
        }
    }

    /// Notes where a block lies from now on, if it still is that block.
    pub(crate) fn set_place(
        &mut self,
        object: ObjectRef,
        first: EntryId,
        block: &LoadedBlock,
        place: BlockPlace,
    ) -> bool {
        self.with_blocks(object, |stream| stream.set_place(first, block, place))
    }

    /// Notes that a block was copied elsewhere, if it still lies where it was copied from.
    pub(crate) fn move_place(
        &mut self,
        object: ObjectRef,
        first: EntryId,
        from: BlockPlace,
        to: BlockPlace,
    ) -> bool {
        self.with_blocks(object, |stream| stream.move_place(first, from, to))
    }

    /// Blocks that a part changes and that are not in memory, with their stream.
    pub(crate) fn cold_for(&self, mutation: &Mutation<'_>) -> Option<(ObjectRef, Vec<ColdBlock>)> {
        let object = mutation.stream()?;
        // A part that does not fit is refused afterwards.
        let stream = self.object(object.slot).data.as_stream()?;
        if let Some(cold) = crate::schedule::cold_for(stream, mutation) {
            return Some((object, cold));
        }
        let entries = stream.entries();
        if !entries.has_cold() {
            return None;
        }
        let cold: Vec<_> = match *mutation {
            Mutation::Append { id, fields, limits, .. } => {
                let payload = fields.iter().map(|field| field.len() as u64).sum();
                entries.cold_for_append(id, payload, limits).into_iter().collect()
            }
            Mutation::TrimBefore { id, .. } | Mutation::DropEntries { before: id, .. } => {
                entries.cold_before(id).into_iter().collect()
            }
            Mutation::RemoveEntries { ids, .. } => {
                let mut cold: Vec<_> =
                    ids.iter().filter_map(|id| entries.contains(*id).err()).collect();
                cold.dedup();
                cold
            }
            _ => return None,
        };
        Some((object, cold))
    }

    /// The stream of that identity, if there is one.
    pub(crate) fn find_stream_object(&self, id: ObjectId) -> Option<ObjectRef> {
        let object = self.find_object(id)?;
        self.object(object.slot).data.as_stream().map(|_| object)
    }

    /// Heap bytes of all blocks in memory.
    pub(crate) fn block_bytes(&self) -> usize {
        self.block_and_clean_bytes().0
    }

    /// Those of them that are not on disk.
    pub(crate) fn unwritten_bytes(&self) -> usize {
        let (blocks, clean) = self.block_and_clean_bytes();
        blocks - clean
    }

    /// All of them, and those that are on disk, too.
    fn block_and_clean_bytes(&self) -> (usize, usize) {
        let add = |(blocks, clean), store: &Objects| {
            (blocks + store.blocks().block_bytes, clean + store.blocks().clean_bytes)
        };
        self.stores().iter().fold((0, 0), add)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = BlockPlace> {
        let streams = self.objects().filter_map(|object| object.data.as_stream());
        streams.flat_map(millstream_model::Stream::places)
    }
}

/// Keeps block files on disk as long as a reply refers to them.
pub(crate) fn guard(files: &BlockFiles) -> Arc<dyn std::any::Any + Send + Sync> {
    Arc::new(files.pin())
}
