//! Opening a store, with words for the people who watch it.

use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_engine::{
    Checkpointer, Commit, Engine, Now, OpenError, Opened, Options, OsStorage, Preparer, Progress,
    RecoveryReport, Storage,
};

use crate::SyncMode;

/// Nothing is said about progress before.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a store is and how it is opened.
#[derive(Clone, Debug)]
pub struct StoreOptions {
    /// The engine's; the hash seed, the salt and the way of the log are chosen here.
    pub engine: Options,
    /// Data directory; created if missing.
    pub directory: PathBuf,
    /// In place of the directory.
    pub storage: Option<Arc<dyn Storage>>,
    /// When replies leave.
    pub sync: SyncMode,
    /// Keep nothing: neither the directory nor the sync mode matters.
    pub is_in_memory: bool,
}

/// A store that was opened, and does not live yet.
pub struct Store {
    /// The engine.
    pub engine: Engine,
    /// `None` in memory.
    pub durable: Option<DurableParts>,
    /// Absolute; `None` in memory.
    pub path: Option<PathBuf>,
    /// What recovery found.
    pub report: RecoveryReport,
}

/// What threads of their own drive.
pub struct DurableParts {
    pub(crate) commit: Commit,
    pub(crate) preparer: Preparer,
    pub(crate) checkpointer: Checkpointer,
}

/// Opens a store; a missing one is created.
///
/// # Errors
/// [`OpenError`]: nothing was changed; somebody else may have it open.
pub fn open_store(options: StoreOptions, now: Now) -> Result<Store, OpenError> {
    let StoreOptions { engine: mut options, directory, storage, sync, is_in_memory } = options;
    options.hash_seed = random();
    options.log.salt = random();
    options.log.is_zero_filled = sync == SyncMode::Always;
    if is_in_memory {
        let engine = Engine::in_memory(&options, now);
        let report = RecoveryReport::default();
        return Ok(Store { engine, durable: None, path: None, report });
    }
    let storage = match storage {
        Some(storage) => storage,
        None => Arc::new(OsStorage::open(&directory)?),
    };
    let path = storage.path("");
    tracing::info!("data is in {}", path.display());
    let started = Instant::now();
    let mut progress = ProgressLines { started, said: started };
    let opened = Engine::open(storage, options, now, &mut |now| progress.at(now))?;
    let report = opened.report;
    if report.created_new {
        tracing::warn!("there was no store in {}: a new, empty one was created", path.display());
    } else {
        tracing::info!(
            "replayed {} records ({} bytes) in {} ms; {} torn bytes were cut off",
            report.records,
            report.bytes,
            started.elapsed().as_millis(),
            report.torn_bytes_cut
        );
    }
    let Opened { engine, commit, preparer, checkpointer, .. } = opened;
    let durable = Some(DurableParts { commit, preparer, checkpointer });
    Ok(Store { engine, durable, path: Some(path), report })
}

/// Unknown to clients: the standard library's hash keys come from the operating system.
#[must_use]
pub fn random() -> u64 {
    RandomState::new().hash_one(0)
}

struct ProgressLines {
    started: Instant,
    said: Instant,
}

impl ProgressLines {
    fn at(&mut self, progress: Progress) {
        if self.said.elapsed() < PATIENCE {
            return;
        }
        self.said = Instant::now();
        tracing::info!(
            "replaying: {} of {} MiB, {} records, {} s",
            progress.bytes_done >> 20,
            progress.bytes_total >> 20,
            progress.records,
            self.started.elapsed().as_secs()
        );
    }
}
