//! The commit thread's half of the engine: takes records from under the lock, writes and syncs them
//! outside it, and publishes how far that went. Who syncs when is the owner's choice.
//!
//! Must not know what records mean. After the first failed write or sync every step fails until the
//! store is opened again. Tests: `tests/it/crash.rs`, and those of the log.

use std::sync::Arc;
use std::time::Duration;

use millstream_log::{AppendError, Committer, ConcurrentSync, LogPosition, Synced};

use crate::engine::Shared;

/// Makes records durable. One thread drives it.
pub struct Commit {
    shared: Arc<Shared>,
    committer: Committer,
}

impl Commit {
    pub(crate) fn new(shared: Arc<Shared>, committer: Committer) -> Self {
        Self { shared, committer }
    }

    /// Sleeps until there are records to write, until [`Engine::wake_commit`](crate::Engine), or
    /// for `at_most`. Returns whether there are.
    #[must_use]
    pub fn wait(&self, at_most: Duration) -> bool {
        let mut core = self.shared.core().lock();
        let has_records =
            |core: &crate::core::Core| core.log.as_ref().is_some_and(|log| !log.is_empty());
        let was_woken = std::mem::take(&mut core.is_committer_woken);
        if was_woken || has_records(&core) {
            return has_records(&core);
        }
        core.committer_sleeps = true;
        self.shared.commit_wanted().wait_for(&mut core, at_most);
        core.committer_sleeps = false;
        core.is_committer_woken = false;
        has_records(&core)
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
                core.log.as_mut().and_then(millstream_log::LogBuffer::take)
            };
            let Some(mut batch) = batch else { break };
            self.committer.write(&mut batch)?;
            wrote = true;
            let mut core = self.shared.core().lock();
            if let Some(log) = core.log.as_mut() {
                log.give_back(batch);
            }
        }
        if wrote {
            self.publish();
        }
        Ok(wrote)
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
