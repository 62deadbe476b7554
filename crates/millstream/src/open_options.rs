//! Opening a store within this process.

use std::path::PathBuf;
use std::sync::Arc;

use millstream_engine::Options;
use millstream_runtime::{StoreOptions, SyncMode};
use tokio::task::spawn_blocking;

use crate::backend::EmbeddedBackend;
use crate::{Abilities, Error, Millstream};

/// How a store within this process is opened.
///
/// ```no_run
/// use millstream::{OpenOptions, SyncMode};
///
/// # async fn work() -> Result<(), millstream::Error> {
/// let options = OpenOptions::new().sync(SyncMode::Everysec).cache_bytes(64 << 20);
/// let millstream = options.open("data").await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OpenOptions {
    sync: SyncMode,
    cache_bytes: usize,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { sync: SyncMode::Always, cache_bytes: Options::default().blocks.cache_bytes }
    }
}

impl OpenOptions {
    /// [`SyncMode::Always`], and a cache of 256 MiB.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// When a write is confirmed, and with it what a power failure can take back. A crash of this
    /// process alone takes back nothing that was confirmed, except with [`SyncMode::No`], which may
    /// lose its last few milliseconds.
    #[must_use]
    pub fn sync(mut self, sync: SyncMode) -> Self {
        self.sync = sync;
        self
    }

    /// Memory for entries. Those that are on disk leave it when it is full, and are read again when
    /// they are asked for. What is not on disk yet cannot leave, so writes wait where this is less
    /// than what is written between two checkpoints.
    #[must_use]
    pub fn cache_bytes(mut self, bytes: usize) -> Self {
        self.cache_bytes = bytes;
        self
    }

    /// Opens the data directory, which is made if it is missing. Its format is that of the server:
    /// each may open what the other has left, `millstream check` and `millstream backup` too; only
    /// one at a time. Returns when everything was read that is needed to go on. Needs a runtime
    /// of tokio with its timer, and so does every call; they may be of several runtimes. Dropped
    /// while it waits, the store is opened and closed again, and until then in use.
    ///
    /// # Errors
    /// [`Error::Store`]: another process has it open, it is damaged, or the disk fails. Nothing was
    /// changed.
    pub async fn open(&self, directory: impl Into<PathBuf>) -> Result<Millstream, Error> {
        let (options, directory) = (self.clone(), directory.into());
        let opening = spawn_blocking(move || options.open_with(directory, false));
        opening.await.map_err(Error::store)?
    }

    fn open_with(&self, directory: PathBuf, is_in_memory: bool) -> Result<Millstream, Error> {
        let mut engine = Options::default();
        engine.blocks.cache_bytes = self.cache_bytes;
        let (sync, storage) = (self.sync, None);
        let options = StoreOptions { engine, directory, storage, sync, is_in_memory };
        let backend = EmbeddedBackend::open(options)?;
        Ok(Millstream::over(Arc::new(backend), Abilities::embedded()))
    }
}

impl Millstream {
    /// Opens a data directory within this process, without a server: the defaults of
    /// [`OpenOptions`]. The directory is made if it is missing. A write is on disk when it is
    /// confirmed.
    ///
    /// Clones of the handle share the store. It is closed when the last one is gone, and whoever
    /// drops that waits for the disk; [`Self::close`] waits without blocking and says what failed.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub async fn open(directory: impl Into<PathBuf>) -> Result<Self, Error> {
        OpenOptions::new().open(directory).await
    }

    /// Streams that are gone when the last clone of this handle is: nothing is written anywhere.
    ///
    /// # Errors
    /// [`Error::Store`]: the operating system gives no thread.
    pub fn in_memory() -> Result<Self, Error> {
        OpenOptions::new().open_with(PathBuf::new(), true)
    }
}
