//! The commit thread's half of the engine: takes records from under the lock, writes and syncs them
//! outside it, and publishes how far that went. Who syncs when is the owner's choice.
//!
//! Must not know what records mean. After the first failed write or sync every step fails until the
//! store is opened again. Tests: `tests/it/crash.rs`, and those of the log.

use std::sync::Arc;

use millstream_log::{
    AppendError, Batch, Committer, ConcurrentSync, LogBuffer, LogPosition, Synced,
};

use crate::engine::Shared;

/// More than this is too much for a [`Commit::small_write_step`].
pub(crate) const SMALL_WRITE_BYTES: u64 = 256 << 10;

/// Makes records durable. One thread at a time drives it.
pub struct Commit {
    shared: Arc<Shared>,
    committer: Committer,
}

impl Commit {
    pub(crate) fn new(shared: Arc<Shared>, committer: Committer) -> Self {
        Self { shared, committer }
    }

    /// Gives all records that there are to the operating system. Returns whether there were any.
    ///
    /// # Errors
    /// [`AppendError`]: nothing more is written until the store is opened again.
    pub fn write_step(&mut self) -> Result<bool, AppendError> {
        let mut wrote = false;
        loop {
            let batch = {
                let mut core = self.shared.core().lock();
                core.log.as_mut().and_then(LogBuffer::take)
            };
            let Some(batch) = batch else { break };
            self.write(batch)?;
            wrote = true;
        }
        if wrote {
            self.publish();
        }
        Ok(wrote)
    }

    /// As [`Self::write_step`], but only what can be written without waiting for a sync, and up to
    /// 256 KiB: for a thread that has more to do than that. Returns whether all records that there
    /// were when it was called are written; where not, a [`Self::write_step`] has to follow.
    ///
    /// # Errors
    /// [`AppendError`]: nothing more is written until the store is opened again.
    pub fn small_write_step(&mut self) -> Result<bool, AppendError> {
        let mut bytes_left = self.committer.ready_bytes().min(SMALL_WRITE_BYTES);
        let mut wrote = false;
        let mut is_all = true;
        loop {
            let batch = {
                let mut core = self.shared.core().lock();
                let Some(log) = core.log.as_mut() else { break };
                is_all = log.pending_bytes() as u64 <= bytes_left;
                if is_all { log.take() } else { None }
            };
            let Some(batch) = batch else { break };
            bytes_left -= batch.bytes() as u64;
            self.write(batch)?;
            wrote = true;
        }
        if wrote {
            self.publish();
        }
        Ok(is_all)
    }

    fn write(&mut self, mut batch: Batch) -> Result<(), AppendError> {
        self.committer.write(&mut batch)?;
        let mut core = self.shared.core().lock();
        if let Some(log) = core.log.as_mut() {
            log.give_back(batch);
        }
        Ok(())
    }

    /// Whether the log still takes writes.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`].
    pub fn check_poison(&self) -> Result<(), AppendError> {
        self.committer.check_poison()
    }

    /// Makes everything written durable.
    ///
    /// # Errors
    /// [`AppendError`]: nothing more is written until the store is opened again.
    pub fn sync_step(&mut self) -> Result<LogPosition, AppendError> {
        let durable = self.committer.sync()?;
        self.publish();
        Ok(durable)
    }

    /// Begins a sync that another thread runs while this one writes on; `None` if all is durable.
    pub fn begin_sync(&self) -> Option<ConcurrentSync> {
        self.committer.begin_sync()
    }

    /// Publishes what a sync begun with [`Self::begin_sync`] made durable.
    pub fn end_sync(&mut self, synced: Synced) {
        self.committer.end_sync(synced);
        self.publish();
    }

    /// After a second without records: notes on disk that the last batch is durable, so that damage
    /// to it is told from a torn end. Returns whether there was something to note.
    ///
    /// # Errors
    /// [`AppendError`]: nothing more is written until the store is opened again.
    pub fn idle_step(&mut self) -> Result<bool, AppendError> {
        let noted = self.committer.write_idle_header()?;
        if noted {
            self.publish();
        }
        Ok(noted)
    }

    pub(crate) fn publish(&self) {
        self.shared.publish(self.committer.written(), self.committer.durable());
    }
}
