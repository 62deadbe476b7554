//! How far everything is on disk, in the words of SAVE and LASTSAVE; and asking for more.
//!
//! Whatever the sync mode, a position can be asked for ([`Saving::ask`]); the commit thread then
//! syncs as soon as it can, and says how far back that reached.

use std::sync::atomic::{AtomicU64, Ordering};

use millstream_engine::LogPosition;

use crate::clock::since_1970;
use crate::shared::Shared;

/// What was saved, and what is to be.
#[derive(Debug)]
pub(crate) struct Saving {
    /// Asked for: everything up to here.
    wanted: AtomicU64,
    /// Everything logged until this Unix time is on disk.
    saved_at_s: AtomicU64,
    /// How many changes there had been then.
    saved_changes: AtomicU64,
}

/// A moment before records are written: once they are synced, everything until then is saved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    at_s: u64,
    /// `None`: not counted.
    changes: Option<u64>,
}

impl Saving {
    /// `changes`: those that recovery has read.
    pub(crate) fn new(changes: u64) -> Self {
        Self {
            wanted: AtomicU64::new(0),
            saved_at_s: AtomicU64::new(since_1970().as_secs()),
            saved_changes: AtomicU64::new(changes),
        }
    }

    /// Whether what was asked for is not on disk yet.
    pub(crate) fn is_wanted(&self, durable: LogPosition) -> bool {
        self.wanted.load(Ordering::Acquire) > durable.get()
    }

    /// Everything logged until this moment is on disk.
    pub(crate) fn note(&self, moment: Moment) {
        self.saved_at_s.fetch_max(moment.at_s, Ordering::Relaxed);
        if let Some(changes) = moment.changes {
            self.saved_changes.fetch_max(changes, Ordering::Relaxed);
        }
    }
}

impl Moment {
    /// With `counted`, the engine is asked how many changes there were.
    pub(crate) fn now(shared: &Shared, counted: bool) -> Self {
        let changes = counted.then(|| shared.engine.lock(shared.clock.now()).statistics().changes);
        Self { at_s: since_1970().as_secs(), changes }
    }
}

/// Asks for everything logged so far to be brought to disk. Returns up to where that is. With the
/// engine held, the commit thread finds out at its next look.
pub(crate) fn ask(shared: &Shared, is_engine_held: bool) -> LogPosition {
    let end = shared.log_end();
    if end <= shared.engine.durable() {
        shared.saving.note(Moment::now(shared, false));
    } else {
        shared.saving.wanted.fetch_max(end.get(), Ordering::AcqRel);
        if !is_engine_held {
            shared.engine.wake_commit();
        }
    }
    end
}

/// LASTSAVE and the INFO field `rdb_last_save_time`: everything logged until this Unix time is on
/// disk.
pub(crate) fn last_save_s(shared: &Shared) -> u64 {
    shared.saving.saved_at_s.load(Ordering::Relaxed)
}

/// The INFO field `rdb_changes_since_last_save`, given how many changes there were in all: those
/// that are not known to be on disk.
pub(crate) fn unsaved_changes(shared: &Shared, changes: u64) -> u64 {
    if !shared.config.memory && shared.log_end() <= shared.engine.durable() {
        return 0;
    }
    // What is acknowledged is on disk already.
    if !shared.config.memory && shared.config.sync == crate::SyncMode::Always {
        return 0;
    }
    changes.saturating_sub(shared.saving.saved_changes.load(Ordering::Relaxed))
}

/// The INFO field `rdb_bgsave_in_progress`: whether a sync that was asked for has not ended.
pub(crate) fn is_in_progress(shared: &Shared) -> bool {
    !shared.config.memory && shared.saving.is_wanted(shared.engine.durable())
}
