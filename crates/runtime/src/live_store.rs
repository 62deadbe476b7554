//! A store while its threads run: the engine, how far its log got, and whether it still may.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::thread::Thread;

use millstream_engine::{Engine, LogPosition, Now};
use parking_lot::Mutex;

use crate::SyncMode;
use crate::inline_write::InlineWrites;
use crate::saving::Saving;

/// What the threads of a store and everybody who uses it share. It lies in its
/// [`Host`](crate::Host), so that reaching it costs no pointer more.
pub struct LiveStore {
    /// The engine.
    pub engine: Engine,
    /// How far everything is on disk.
    pub saving: Saving,
    sync: SyncMode,
    is_in_memory: bool,
    /// End of the last record that anybody knows of.
    log_end: AtomicU64,
    /// Log space that admitted commands may still take; see `admission.rs`.
    pub(crate) reserved_bytes: AtomicU64,
    poison: OnceLock<String>,
    pub(crate) inline_writes: InlineWrites,
    pub(crate) preparer: Mutex<Option<Thread>>,
    prepare_failure: AtomicU8,
}

/// Why no log space could be prepared the last time, other than that the disk is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrepareFailure {
    /// The limit of open files, of the process or of the machine, is reached.
    TooManyFiles,
    /// The operating system refused for some other reason.
    Other,
}

impl std::fmt::Debug for LiveStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LiveStore").field("sync", &self.sync).finish_non_exhaustive()
    }
}

impl LiveStore {
    /// Around an engine that was just opened. In memory the sync mode does not matter.
    #[must_use]
    pub fn new(engine: Engine, sync: SyncMode, is_in_memory: bool, now: Now) -> Self {
        let changes = engine.lock(now).statistics().changes;
        let log_end = AtomicU64::new(engine.written().get());
        Self {
            engine,
            saving: Saving::new(changes),
            sync,
            is_in_memory,
            log_end,
            reserved_bytes: AtomicU64::new(0),
            poison: OnceLock::new(),
            inline_writes: InlineWrites::default(),
            preparer: Mutex::new(None),
            prepare_failure: AtomicU8::new(0),
        }
    }

    /// When replies leave.
    #[must_use]
    #[inline]
    pub fn sync_mode(&self) -> SyncMode {
        self.sync
    }

    /// Whether whoever serves should write what it logs, by [`write_inline`](crate::write_inline):
    /// then its transactions [leave the commit](millstream_engine::Transaction::leave_commit).
    #[must_use]
    #[inline]
    pub fn writes_inline(&self) -> bool {
        self.inline_writes.is_allowed()
    }

    /// Whether nothing is kept.
    #[must_use]
    #[inline]
    pub fn is_in_memory(&self) -> bool {
        self.is_in_memory
    }

    /// Replies that depend on nothing beyond this may leave.
    #[must_use]
    #[inline]
    pub fn released(&self) -> LogPosition {
        if self.is_in_memory {
            return LogPosition::new(u64::MAX);
        }
        match self.sync {
            SyncMode::Always => self.engine.durable(),
            SyncMode::Everysec => self.engine.written(),
            SyncMode::No => LogPosition::new(u64::MAX),
        }
    }

    /// How far the log was brought, in the sense of the sync mode.
    #[must_use]
    #[inline]
    pub fn committed(&self) -> LogPosition {
        match self.sync {
            SyncMode::Always => self.engine.durable(),
            SyncMode::Everysec | SyncMode::No => self.engine.written(),
        }
    }

    /// The end of the log, as far as anybody has said.
    #[must_use]
    #[inline]
    pub fn log_end(&self) -> LogPosition {
        LogPosition::new(self.log_end.load(Ordering::Relaxed))
    }

    /// The log goes at least up to here.
    #[inline]
    pub fn note_log_end(&self, position: LogPosition) {
        self.log_end.fetch_max(position.get(), Ordering::Relaxed);
    }

    /// Why no write is accepted any more, if so.
    #[must_use]
    #[inline]
    pub fn poison(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// The first reason stays: of the commit thread, or of any that panics.
    pub(crate) fn set_poison(&self, reason: String) {
        let _ = self.poison.set(reason);
    }

    /// Why no log space can be prepared, unless the disk is full.
    #[must_use]
    pub fn prepare_failure(&self) -> Option<PrepareFailure> {
        match self.prepare_failure.load(Ordering::Relaxed) {
            0 => None,
            1 => Some(PrepareFailure::TooManyFiles),
            _ => Some(PrepareFailure::Other),
        }
    }

    pub(crate) fn set_prepare_failure(&self, failure: Option<PrepareFailure>) {
        let number = match failure {
            None => 0,
            Some(PrepareFailure::TooManyFiles) => 1,
            Some(PrepareFailure::Other) => 2,
        };
        self.prepare_failure.store(number, Ordering::Relaxed);
    }

    /// Has log space prepared.
    pub fn wake_preparer(&self) {
        if let Some(thread) = &*self.preparer.lock() {
            thread.unpark();
        }
    }
}
