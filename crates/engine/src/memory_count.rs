//! How much memory the data takes: counted, where the operating system would also count what was
//! freed and not yet given back.
//!
//! Most is counted as it changes (blocks, strings, tables). What streams take besides their blocks
//! is derived from the lengths of their lists when it is asked for, some objects at a time, so that
//! nobody waits long for the engine. Tested against the operating system's number by the
//! command line's `tests/memory.rs`.

use millstream_model::{Consumer, Group, Stream};

use crate::engine::Engine;
use crate::now::Now;

/// Objects looked at in one hold of the engine.
const OBJECTS_PER_HOLD: usize = 1024;
/// Places in the index of blocks: where a block lies, and its bounds.
const BLOCK_BYTES: usize = 128;
/// An allocation and the reference counts of a string.
const STRING_BYTES: usize = 48;
/// What an allocator's size classes add: one part in so many.
const ROUNDING: usize = 8;
/// A record of a pending list, with its share of the chunk's room.
const PENDING_BYTES: usize = 40;
/// An entry in two ordered maps.
const HELD_BYTES: usize = 160;
/// A production: its id in two places, without the bytes of it.
const PRODUCTION_BYTES: usize = 120;
/// A delayed entry, without its fields.
const TOKEN_BYTES: usize = 64;

impl Engine {
    /// Bytes that all data takes in memory, roughly. Costs the number of keys, and of each stream
    /// that of its groups; the engine is held for some objects at a time.
    #[must_use]
    pub fn count_memory(&self, now: Now) -> usize {
        let Some(txn) = self.lock_if_sound(now) else { return 0 };
        let statistics = txn.statistics();
        let stores = txn.state().stores().len();
        let strings = statistics.objects * STRING_BYTES;
        drop(txn);
        let lists: usize = (0..stores).map(|store| self.count_store(now, store)).sum();
        let data = statistics.block_bytes + statistics.string_bytes + strings + lists;
        let tables = statistics.table_bytes + statistics.unwritten_bytes;
        data + data / ROUNDING + tables
    }

    fn count_store(&self, now: Now, store: usize) -> usize {
        let mut bytes = 0;
        let mut next = 0;
        // A store may shrink meanwhile, and what is counted twice or not at all is little.
        while let Some(txn) = self.lock_if_sound(now) {
            let Some(objects) = txn.state().stores().get(store) else { break };
            let end = objects.slot_count().min(next + OBJECTS_PER_HOLD);
            if next >= end {
                break;
            }
            let found = (next..end).filter_map(|index| objects.try_get(u32::try_from(index).ok()?));
            bytes +=
                found.filter_map(|object| object.data.as_stream()).map(of_stream).sum::<usize>();
            next = end;
        }
        bytes
    }
}

fn of_stream(stream: &Stream) -> usize {
    let groups: usize = stream.groups().map(|(_, group)| of_group(group)).sum();
    let productions = stream.idempotence();
    size_of::<Stream>()
        + stream.entries().block_count() * BLOCK_BYTES
        + groups
        + productions.tracked() * PRODUCTION_BYTES
        + productions.producer_count() * PRODUCTION_BYTES
        + stream.schedule().map_or(0, |schedule| schedule.len() * TOKEN_BYTES)
}

fn of_group(group: &Group) -> usize {
    let held = group.order().map_or(0, |order| order.held_len() * HELD_BYTES);
    let consumers = group.consumer_count() * (size_of::<Consumer>() + 120);
    size_of::<Group>() + group.pending().len() * PENDING_BYTES + consumers + held
}
