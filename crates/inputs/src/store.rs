//! A small store with something of everything in it: where inputs begin.

use std::sync::{Arc, OnceLock};

use millstream_command::{is_data_command, run, table};
use millstream_engine::{
    BlockOptions, CheckpointStep, Engine, LogOptions, LogPosition, Now, OpenError, Opened, Options,
    Settings, Storage,
};
use millstream_log::CheckpointChain;
use millstream_log::memory_storage::{Crash, MemoryStorage};
use millstream_model::BlockLimits;

pub(crate) const NOW: Now = Now { wall_ms: 1_700_000_000_000, monotonic_ms: 5 };

/// What makes it, and a change or two after the checkpoint.
const BEFORE: &str = "SET text value\nSET soon v PX 100000\nXADD s 1-1 f v g w\nXADD s 2-1 f v2
XADD s IDMP p i * f v\nXADD s 1700000000001-1 other field\nXGROUP CREATE s g 0\nXGROUP CREATE s h $
XREADGROUP GROUP g c COUNT 2 STREAMS s >\nXACK s g 1-1\nXDEL s 2-1
XGROUP CFGSET s g VISIBILITY 500 MAXDELIVERIES 5 BACKOFF 100 2 1000 DEADLETTER dead
XREADGROUP GROUP g d STREAMS s >\nXCFGSET s MAXLEN 100 MAXBYTES 10000\nXSCHEDULE ADD s IN 50000 f v
XGROUP CREATE o g 0 MKSTREAM\nXGROUP CFGSET o g ORDERBY key\nXADD o 1-1 key a\nXADD o 2-1 key a
XREADGROUP GROUP g c STREAMS o >";
const AFTER: &str = "XADD s * f after\nDEL soon\nXTRIM s MAXLEN 3\nXGROUP DESTROY s h\nCOPY s t";

/// Sizes that make new blocks common.
pub(crate) fn options() -> Options {
    let mut log = LogOptions::default();
    log.segment_bytes = 128 << 10;
    log.batch_bytes = 4 << 10;
    log.head_bytes = 1 << 10;
    log.zero_ahead_bytes = 96 << 10;
    log.zero_step_bytes = 96 << 10;
    log.reserve_bytes = 512;
    log.salt = 0x5eed;
    let block_limits = BlockLimits { bytes_max: 4096, entries_max: 2 };
    let settings = Settings { block_limits, ..Settings::default() };
    let blocks = BlockOptions {
        cache_bytes: 64 << 10,
        checkpoint_log_bytes: 1 << 20,
        file_bytes: 4 << 10,
        reserve_bytes: 0,
    };
    Options { settings, hash_seed: 11, log, blocks, ..Options::default() }
}

pub(crate) fn open(storage: &MemoryStorage) -> Result<Opened, OpenError> {
    Engine::open(Arc::new(storage.clone()), options(), NOW, &mut |_| ())
}

/// Runs lines of commands.
pub(crate) fn run_lines(engine: &Engine, lines: &str) {
    for line in lines.lines() {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let spec = table::resolve(&args).expect("a command");
        assert!(is_data_command(spec.id), "{line}");
        let mut txn = engine.lock(NOW);
        txn.begin();
        let _ = run(spec, &args, 0, false, &mut txn);
        txn.finish();
    }
}

/// What a real store has on disk.
#[derive(Debug)]
pub struct Seeds {
    /// The disk.
    pub(crate) storage: MemoryStorage,
    /// Bytes of its log's records.
    pub log_records: Vec<Vec<u8>>,
    /// Bytes of its checkpoint's records.
    pub checkpoint_records: Vec<Vec<u8>>,
    /// Images of its values.
    pub images: Vec<Vec<u8>>,
}

/// Made once.
///
/// # Panics
/// If a store cannot be made or read: a bug.
#[must_use]
pub fn seeds() -> &'static Seeds {
    static SEEDS: OnceLock<Seeds> = OnceLock::new();
    SEEDS.get_or_init(make)
}

fn commit(opened: &mut Opened) {
    opened.commit.write_step().expect("writes");
    opened.commit.sync_step().expect("syncs");
}

fn make() -> Seeds {
    let disk = MemoryStorage::new();
    let mut opened = open(&disk).expect("a new store");
    run_lines(&opened.engine, BEFORE);
    commit(&mut opened);
    let before = disk.crash(Crash::KeepAll);
    for _ in 0..1000 {
        match opened.checkpointer.step(true).expect("no fault was ordered") {
            CheckpointStep::Published(_) => break,
            CheckpointStep::WaitsForLog(_) => commit(&mut opened),
            CheckpointStep::Working | CheckpointStep::Idle => {}
        }
    }
    run_lines(&opened.engine, AFTER);
    commit(&mut opened);
    let mut txn = opened.engine.lock(NOW);
    let images = [&b"s"[..], b"o", b"text"]
        .map(|key| txn.dump(0, key).expect("is loaded").expect("is there"));
    drop(txn);
    let mut log_records = Vec::new();
    let storage: Arc<dyn Storage> = Arc::new(before);
    let mut keep = |record: millstream_log::Record<'_>| {
        log_records.push(record.bytes.to_vec());
        Ok(())
    };
    let from = LogPosition::ZERO;
    millstream_log::open(storage, options().log, from, &mut keep, &mut |_| ()).expect("opens");
    let disk = disk.crash(Crash::KeepAll);
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let chain = CheckpointChain::find(&storage).expect("is read").expect("one was published");
    let mut checkpoint_records = Vec::new();
    let mut keep = |_: u64, record: &[u8]| {
        checkpoint_records.push(record.to_vec());
        Ok(())
    };
    chain.read(&mut keep, &mut |_, _| ()).expect("is read");
    Seeds { storage: disk, log_records, checkpoint_records, images: images.to_vec() }
}
