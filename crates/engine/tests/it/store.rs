//! Engines for tests: in memory, or over a disk in memory that can crash.

use std::sync::Arc;

use millstream_engine::{
    BlockOptions, CheckpointStep, Engine, LogOptions, LogPosition, Now, Opened, Options, Settings,
    Transaction,
};
use millstream_log::memory_storage::{Crash, MemoryStorage};
use millstream_model::{BlockLimits, EntryId, Rejection};

/// Unix milliseconds at monotonic time 0.
pub(crate) const START_MS: u64 = 1_000_000;

/// So long after the start, on both clocks.
pub(crate) fn at(ms: u64) -> Now {
    Now { wall_ms: START_MS + ms, monotonic_ms: ms }
}

pub(crate) fn id(ms: u64, seq: u64) -> EntryId {
    EntryId::new(ms, seq)
}

/// Sizes that make new blocks and new segments common.
pub(crate) fn small() -> Options {
    let mut log = LogOptions::default();
    log.segment_bytes = 8 << 10;
    log.batch_bytes = 1 << 10;
    log.head_bytes = 1 << 10;
    log.zero_ahead_bytes = 4 << 10;
    log.zero_step_bytes = 4 << 10;
    log.reserve_bytes = 512;
    log.salt = 0x5eed;
    let block_limits = BlockLimits { bytes_max: 4096, entries_max: 4 };
    let settings = Settings { block_limits, ..Settings::default() };
    let blocks = BlockOptions {
        cache_bytes: 400,
        checkpoint_log_bytes: 2 << 10,
        file_bytes: 1 << 10,
        reserve_bytes: 2 << 10,
    };
    Options { settings, hash_seed: 11, log, blocks, ..Options::default() }
}

pub(crate) fn in_memory() -> Engine {
    Engine::in_memory(&small(), at(0))
}

/// Runs one record group; returns what it returned and the position that its reply depends on.
pub(crate) fn run<T>(
    engine: &Engine,
    now: Now,
    work: impl FnOnce(&mut Transaction<'_>) -> T,
) -> (T, LogPosition) {
    let mut transaction = engine.lock(now);
    transaction.begin();
    let result = work(&mut transaction);
    let position = transaction.finish();
    transaction.check();
    (result, position)
}

/// Runs one record group at time 0.
pub(crate) fn now<T>(engine: &Engine, work: impl FnOnce(&mut Transaction<'_>) -> T) -> T {
    run(engine, at(0), work).0
}

/// The keys of a database, in no order that means anything.
pub(crate) fn keys(txn: &mut Transaction<'_>, db: u8) -> Vec<Vec<u8>> {
    let listing = txn.list_keys(db);
    let pieces = (0..listing.piece_count()).flat_map(|index| listing.piece(index));
    pieces.map(<[u8]>::to_vec).collect()
}

/// Lets the timer do all that is due.
pub(crate) fn run_due(engine: &Engine, now: Now) {
    let is_done = (0..10_000).any(|_| !engine.run_due(now, 4).has_more);
    assert!(is_done, "the timer never rests");
}

/// A request that is refused must leave no trace, in the state or in the log.
#[track_caller]
pub(crate) fn refused<T: std::fmt::Debug>(
    engine: &Engine,
    work: impl FnOnce(&mut Transaction<'_>) -> Result<T, Rejection>,
) -> Rejection {
    let before = crate::dump::dump(engine);
    let (result, unwritten_bytes) = {
        let mut transaction = engine.lock(at(0));
        transaction.begin();
        let unwritten_bytes = transaction.statistics().unwritten_bytes;
        let result = work(&mut transaction);
        transaction.finish();
        (result, transaction.statistics().unwritten_bytes - unwritten_bytes)
    };
    assert_eq!(unwritten_bytes, 0, "nothing is logged");
    assert_eq!(crate::dump::dump(engine), before, "nothing changes");
    result.expect_err("the request is refused")
}

/// A durable engine with the parts that its threads would drive.
pub(crate) struct Store {
    pub(crate) disk: MemoryStorage,
    pub(crate) opened: Opened,
}

impl Store {
    pub(crate) fn open(disk: MemoryStorage, now: Now) -> Self {
        let storage = Arc::new(disk.clone());
        let opened = Engine::open(storage, small(), now, &mut |_| ()).expect("opens");
        Self { disk, opened }
    }

    pub(crate) fn new() -> Self {
        let mut store = Self::open(MemoryStorage::new(), at(0));
        store.sync();
        store
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.opened.engine
    }

    /// Gives all records to the disk; returns where the log ends.
    pub(crate) fn write(&mut self) -> LogPosition {
        self.opened.commit.write_step().expect("writes");
        self.engine().written()
    }

    /// Makes all records durable.
    pub(crate) fn sync(&mut self) -> LogPosition {
        let written = self.write();
        let durable = self.opened.commit.sync_step().expect("syncs");
        assert_eq!(durable, written);
        assert_eq!(self.engine().durable(), durable);
        durable
    }

    /// One step of the checkpointer, and what its owner does then.
    pub(crate) fn checkpoint_step(&mut self, now_wanted: bool) -> CheckpointStep {
        let step = self.opened.checkpointer.step(now_wanted).expect("no fault was ordered");
        match step {
            CheckpointStep::WaitsForLog(_) => _ = self.sync(),
            CheckpointStep::Published(position) => {
                assert_eq!(self.engine().checkpointed(), position);
                self.opened.preparer.remove_before(position).expect("removes");
            }
            CheckpointStep::Idle | CheckpointStep::Working => {}
        }
        step
    }

    /// A whole checkpoint of what there is now.
    pub(crate) fn checkpoint(&mut self) {
        let is_published =
            |step| matches!(step, CheckpointStep::Published(_) | CheckpointStep::Idle);
        while self.opened.checkpointer.is_working() {
            self.checkpoint_step(false);
        }
        assert!((0..10_000).any(|_| is_published(self.checkpoint_step(true))), "it ends");
    }

    /// What a power cut now would leave, opened.
    pub(crate) fn crashed(&self, crash: Crash, now: Now) -> Self {
        Self::open(self.disk.crash(crash), now)
    }
}
