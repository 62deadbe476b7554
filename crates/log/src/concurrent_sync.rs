//! A sync that runs beside further writes, on another thread than the committer's.
//!
//! The committer says what it covers ([`Committer::begin_sync`](crate::Committer::begin_sync)), any
//! thread runs it, the committer takes the result ([`end_sync`](crate::Committer::end_sync)). It
//! uses the committer's own file handle: a lost page is reported once to each, and whoever gets the
//! report poisons the log for both.

use std::sync::Arc;

use crate::error::Failure;
use crate::segments::{Current, Shared};
use crate::{AppendError, LogPosition};

/// A sync that was begun and has not run. Dropped, it never happens.
#[derive(Debug)]
#[must_use = "nothing is synced until it is run"]
pub struct ConcurrentSync {
    shared: Arc<Shared>,
    /// As it was when the sync was begun: what the preparer adds meanwhile may not be covered.
    current: Current,
    until: LogPosition,
}

/// What a [`ConcurrentSync`] made durable.
#[derive(Debug)]
#[must_use = "the committer does not know of it until it is told"]
pub struct Synced {
    pub(crate) until: LogPosition,
    /// First position of the segment.
    pub(crate) segment: LogPosition,
    /// Length of the file that is certain now.
    pub(crate) bytes: u64,
}

impl ConcurrentSync {
    pub(crate) fn new(shared: Arc<Shared>, current: Current, until: LogPosition) -> Self {
        Self { shared, current, until }
    }

    /// Returns once everything written before it was begun survives power loss.
    ///
    /// # Errors
    /// [`AppendError::Io`] poisons the log, [`AppendError::Poisoned`] if it was before.
    pub fn run(self) -> Result<Synced, AppendError> {
        self.shared.check_poison()?;
        let shared = Arc::clone(&self.shared);
        self.sync().map_err(|failure| {
            shared.set_poison(&failure);
            failure.into_append_error()
        })
    }

    /// The sync itself; poison is the caller's business.
    pub(crate) fn sync(self) -> Result<Synced, Failure> {
        let Self { shared, current, until } = self;
        current.file.sync_data().map_err(shared.failed("sync segment", &current.name))?;
        Ok(Synced { until, segment: current.first, bytes: current.written_bytes })
    }
}
