//! The append-only log: opaque records, stored in order, found again after any crash.
//!
//! Principal types, in reading order: [`open`] recovers a log and hands out a [`LogBuffer`]
//! (records are written into it under the engine's lock, without I/O), a [`Committer`] (the commit
//! thread's half: writes and syncs batches) and a [`Preparer`] (the background half: zero-fills
//! space ahead and recycles segments). [`Room`] tells anybody how much prepared space is left.
//!
//! ```text
//! lock { buffer.record() .. finish() -> LogPosition;  buffer.take() -> Batch }
//! committer.write(&mut batch)   -> in the page cache
//! committer.sync()              -> LogPosition: everything up to it survives power loss
//! lock { buffer.give_back(batch) }
//! ```
//!
//! The crate knows nothing of streams, clocks, threads or async: every call does its own bounded
//! piece of work on the caller's thread. The format, the assumptions about the medium and the rules
//! of recovery are in `docs/format.md`; [`format`](mod@format) is that page in code.
//!
//! It fails in three ways, never mixed: [`OpenError`] (refuse to start), [`AppendError`] (poison:
//! no write is accepted until the log is opened again) and [`PrepareError`] (nothing lost, try
//! again). Tests: beside the modules, and in `tests/it` on the public interface.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod batch;
mod blocks;
mod buffer;
mod checkpoint;
mod committer;
mod concurrent_sync;
mod disk_reserve;
mod error;
pub mod format;
pub mod memory_storage;
mod options;
mod os_storage;
mod overlay_storage;
mod position;
mod preparer;
mod record;
mod recovery;
mod rewrite;
mod room;
mod salvage;
mod scan;
mod segments;
mod storage;
mod stored_file;

pub use batch::Batch;
pub use blocks::{
    Block, BlockAddress, BlockFiles, BlockFilesOptions, BlockFilesStatistics, BlockReadError,
    BlockWriteError, BlockWriter, FilesPin, FoundBlock, SparseFile,
};
pub use buffer::{LogBuffer, RecordWriter, SHARED_BYTES_MIN};
pub use checkpoint::{
    ChainPart, CheckpointChain, CheckpointKind, CheckpointWriter, FinishedCheckpoint,
    ReadCheckpoint, ReadDamaged,
};
pub use committer::Committer;
pub use concurrent_sync::{ConcurrentSync, Synced};
pub use disk_reserve::DiskReserve;
pub use error::{AppendError, OpenError, PrepareError};
pub use memory_storage::MemoryStorage;
pub use options::LogOptions;
pub use os_storage::OsStorage;
pub use overlay_storage::OverlayStorage;
pub use position::LogPosition;
pub use preparer::{Prepared, Preparer, Removed};
pub use record::{Record, RecordError, RecordReader};
pub use recovery::{
    Opened, Progress, RecoveryReport, Replay, log_end, open, replay_until, segments_between,
};
pub use room::Room;
pub use salvage::{LostLog, begin_log_at, cut_log_at};
pub use storage::{Storage, StorageFile};
pub use stored_file::StoredFile;
