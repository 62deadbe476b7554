//! What the engine counts, for INFO and metrics.

use millstream_log::BlockFilesStatistics;
use millstream_model::GroupCounters;

use crate::core::Settings;
use crate::queue_wait::QueueWait;
use crate::state::DATABASE_COUNT;
use crate::transaction::Transaction;

/// A reading of the engine's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Streams and strings.
    pub objects: usize,
    /// Objects that were removed and are not freed yet.
    pub garbage_objects: usize,
    /// Bytes of all strings.
    pub string_bytes: usize,
    /// Bytes of the tables of all databases.
    pub table_bytes: usize,
    /// Keys that reading commands found, since the start or the last reset.
    pub keyspace_hits: u64,
    /// Keys that they did not find.
    pub keyspace_misses: u64,
    /// Keys removed because their time had come, since the start.
    pub expired_keys: u64,
    /// Changes applied since the start, replayed ones included.
    pub changes: u64,
    /// What happened to entries in all groups since the start.
    pub flow: GroupCounters,
    /// Parked reads.
    pub waiters: usize,
    /// Keys that parked reads wait for.
    pub waited_keys: usize,
    /// Those among them that reads for groups wait for.
    pub waited_group_keys: usize,
    /// Bytes logged and not yet taken by the commit thread.
    pub unwritten_bytes: usize,
    /// Bytes of blocks of entries in memory, and of those that are not on disk yet.
    pub block_bytes: usize,
    /// Of those, what is not in a block file.
    pub unwritten_block_bytes: usize,
}

/// A reading of what is counted about blocks, block files and checkpoints. Bytes and counts are
/// since the start unless it says otherwise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StorageStatistics {
    /// Blocks in memory are to take no more than this.
    pub cache_bytes: u64,
    /// Block files now, and what was written to them.
    pub files: BlockFilesStatistics,
    /// Blocks read back from disk.
    pub blocks_read: u64,
    /// Of those, with the engine held.
    pub blocks_read_held: u64,
    /// Checkpoints published.
    pub checkpoints: u64,
    /// Attempts that failed.
    pub checkpoint_failures: u64,
    /// Whether the last attempt did.
    pub has_checkpoint_failed: bool,
    /// Bytes of all checkpoints, without blocks.
    pub checkpoint_bytes: u64,
    /// Bytes of the last one, without blocks.
    pub last_checkpoint_bytes: u64,
    /// Bytes of the checkpoints that a start would read, without blocks.
    pub kept_checkpoint_bytes: u64,
    /// How long the last one took from its beginning until it was published, in milliseconds.
    pub last_checkpoint_ms: u64,
    /// The longest time that the engine was held for a checkpoint, in microseconds.
    pub longest_hold_us: u64,
    /// The same in microseconds on a processor: without what other threads took meanwhile.
    pub longest_hold_cpu_us: u64,
    /// The longest time that the engine was held for what time demands, in microseconds.
    pub longest_timer_hold_us: u64,
    /// The same in microseconds on a processor.
    pub longest_timer_hold_cpu_us: u64,
    /// Disk space that is kept for the next one: all of it, or none.
    pub reserve_bytes: u64,
}

/// Bytes that the tables of a database take, roughly.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TableBytes {
    /// Keys, and places of their values.
    pub keys: usize,
    /// When keys expire.
    pub expiries: usize,
}

impl Transaction<'_> {
    /// The engine's counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let core = &*self.core;
        Statistics {
            objects: core.state.object_count(),
            garbage_objects: core.state.garbage_count(),
            string_bytes: core.state.string_bytes(),
            table_bytes: (0..DATABASE_COUNT)
                .map(|db| core.state.table_bytes(db))
                .map(|bytes| bytes.keys + bytes.expiries)
                .sum(),
            keyspace_hits: core.keyspace_hits,
            keyspace_misses: core.keyspace_misses,
            expired_keys: core.expired_keys,
            changes: core.state.change_count,
            flow: core.state.flow,
            waiters: core.waiters.len(),
            waited_keys: core.waiters.key_count(),
            waited_group_keys: core.waiters.group_key_count(),
            block_bytes: core.state.block_bytes(),
            unwritten_block_bytes: core.state.unwritten_bytes(),
            unwritten_bytes: core.log.as_ref().map_or(0, millstream_log::LogBuffer::pending_bytes),
        }
    }

    /// How long entries had to wait for their first delivery, since the start.
    #[must_use]
    pub fn queue_wait(&self) -> QueueWait {
        self.core.queue_wait
    }

    /// Bytes that the tables of a database take.
    #[must_use]
    pub fn table_bytes(&self, db: u8) -> TableBytes {
        self.core.state.table_bytes(db)
    }

    /// Sets the counters that CONFIG RESETSTAT resets to zero.
    pub fn reset_statistics(&mut self) {
        self.core.expired_keys = 0;
        self.core.keyspace_hits = 0;
        self.core.keyspace_misses = 0;
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core.settings
    }

    /// Changes settings; what exists keeps what it was created with.
    pub fn set_settings(&mut self, settings: Settings) {
        self.core.settings = settings;
    }
}
