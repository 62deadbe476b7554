//! The embeddable engine: streams and strings under keys, durable in a log, behind one lock.
//!
//! [`Engine::open`] recovers a store. [`Engine::lock`] gives a [`Transaction`]: its methods are the
//! operations, each between [`Transaction::begin`] and [`Transaction::finish`], which says what
//! must be on disk before the reply may leave. The engine has no threads and reads no clock: its
//! owner drives [`Commit`] (makes records durable), the log's preparer, and [`Engine::run_due`]
//! (expiry, timeouts), and passes [`Now`] in. It knows no wire format and no command grammar.
//!
//! How it works: `docs/decisions/`, `docs/format.md`. Tests: `tests/` (random operations with
//! reopening, a crash after every write) and beside the modules.

// `println!` and `eprintln!` panic where nothing can be written any more.
#![warn(clippy::print_stderr, clippy::print_stdout)]

mod acknowledge;
mod apply;
mod backup;
mod block_totals;
mod blocks;
mod cache;
mod changes;
mod checkpoint;
mod claim;
mod commit;
mod copy;
mod core;
mod counters;
mod dead_letters;
mod default_policy;
mod dice;
mod directory;
mod due;
mod due_streams;
mod engine;
mod entries;
mod garbage;
mod group_work;
mod groups;
mod image;
mod key_listing;
mod keyspace;
mod memory_count;
mod mutation;
mod now;
mod object;
mod objects;
mod queue_wait;
mod read;
mod record;
mod recovery;
mod reload;
mod retention;
mod retention_schedule;
mod salvage;
mod schedule;
mod serve;
mod state;
mod statistics;
mod stream_bounds;
mod strings;
mod transaction;
mod waiters;

pub use acknowledge::{ERROR_BYTES_MAX, Fence, Nack, NackMode};
pub use backup::{BackupPin, stored_files};
pub use blocks::{LoadedBlocks, NeededBlocks};
pub use checkpoint::{CheckpointError, CheckpointStep, Checkpointer};
pub use claim::{AutoClaim, ClaimOptions, DeliveredAt};
pub use commit::Commit;
pub use copy::CopyError;
pub use core::Settings;
pub use dead_letters::{LETTERS_MAX, LetterAction, LetterFilter, LettersDone};
pub use default_policy::DefaultPolicy;
pub use engine::{BlockOptions, Due, Engine, Opened, Options};
pub use entries::{AddRequest, CounterOptions, Deletion, ENTRY_BYTES_MAX, NewId, Production};
pub use garbage::Garbage;
pub use groups::GroupPosition;
pub use image::ImageError;
pub use key_listing::KeyListing;
pub use keyspace::{ExpiryCondition, KeyCounts, KeyVersion, Lifetime};
pub use millstream_log::{
    AppendError, BlockFilesStatistics, ConcurrentSync, LogOptions, LogPosition, OpenError,
    OsStorage, OverlayStorage, Prepared, Preparer, Progress, RecoveryReport, Room, Storage,
    StoredFile, Synced,
};
pub use now::Now;
pub use object::{ObjectId, ObjectKind};
pub use queue_wait::QueueWait;
pub use read::{
    ClaimedEntry, GroupReader, REPLY_BYTES_MAX, ReadEntries, ReadFrom, ReadOutcome, ReadRequest,
    StreamPosition, StreamRead,
};
pub use reload::ReloadError;
pub use salvage::{Loss, SalvageProgress, SalvageStage, Salvaged, StoreCounts, salvage};
pub use schedule::{RunError, ScheduleListing};
pub use state::DATABASE_COUNT;
pub use statistics::{Statistics, StorageStatistics, TableBytes};
pub use stream_bounds::StreamBounds;
pub use strings::{StringExpiry, StringForm};
pub use transaction::{StreamEdges, Transaction, WriteGuard};
pub use waiters::{ReadSink, Ticket, WaitResult};
