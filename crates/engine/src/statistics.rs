//! What the engine counts, for INFO and metrics.

use crate::core::Settings;
use crate::transaction::Transaction;

/// A reading of the engine's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Streams and strings.
    pub objects: usize,
    /// Keys removed because their time had come, since the start.
    pub expired_keys: u64,
    /// Changes applied since the start, replayed ones included.
    pub changes: u64,
    /// Parked reads.
    pub waiters: usize,
    /// Keys that parked reads wait for.
    pub waited_keys: usize,
    /// Those among them that reads for groups wait for.
    pub waited_group_keys: usize,
    /// Bytes logged and not yet taken by the commit thread.
    pub unwritten_bytes: usize,
}

impl Transaction<'_> {
    /// The engine's counters.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let core = &*self.core;
        Statistics {
            objects: core.state.object_count(),
            expired_keys: core.expired_keys,
            changes: core.state.changes,
            waiters: core.waiters.len(),
            waited_keys: core.waiters.key_count(),
            waited_group_keys: core.waiters.group_key_count(),
            unwritten_bytes: core.log.as_ref().map_or(0, millstream_log::LogBuffer::pending_bytes),
        }
    }

    /// Sets the counters that CONFIG RESETSTAT resets to zero.
    pub fn reset_statistics(&mut self) {
        self.core.expired_keys = 0;
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.core.settings
    }

    /// Changes settings; what exists keeps what it was created with.
    pub fn set_settings(&mut self, settings: Settings) {
        self.core.settings = settings;
    }
}
