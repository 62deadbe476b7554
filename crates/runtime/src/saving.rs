//! How far everything is on disk, in the words of SAVE and LASTSAVE; and asking for more.
//!
//! Whatever the sync mode, a position can be asked for ([`ask`]); the commit thread then
//! syncs as soon as it can, and says how far back that reached.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use millstream_engine::LogPosition;
use parking_lot::Mutex;

use crate::clock::since_1970;
use crate::{Host, LiveStore, SyncMode};

/// What was saved, and what is to be.
#[derive(Debug)]
pub struct Saving {
    /// Asked for: everything up to here.
    wanted: AtomicU64,
    /// Everything logged until this moment is on disk.
    saved_at: Mutex<At>,
    /// How many changes there had been then.
    saved_changes: AtomicU64,
}

/// One moment by both clocks. Which of two is later says the first: the other may be set back.
#[derive(Clone, Copy, Debug)]
struct At {
    instant: Instant,
    /// Unix time.
    wall_s: u64,
}

impl At {
    fn now() -> Self {
        Self { instant: Instant::now(), wall_s: since_1970().as_secs() }
    }
}

/// A moment before records are written: once they are synced, everything until then is saved.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    at: At,
    /// `None`: not counted.
    changes: Option<u64>,
}

impl Saving {
    /// `changes`: those that recovery has read.
    pub(crate) fn new(changes: u64) -> Self {
        Self {
            wanted: AtomicU64::new(0),
            saved_at: Mutex::new(At::now()),
            saved_changes: AtomicU64::new(changes),
        }
    }

    /// Whether what was asked for is not on disk yet.
    pub(crate) fn is_wanted(&self, durable: LogPosition) -> bool {
        self.wanted.load(Ordering::Acquire) > durable.get()
    }

    /// Everything logged until this moment is on disk.
    pub(crate) fn note(&self, moment: Moment) {
        let mut saved_at = self.saved_at.lock();
        if moment.at.instant >= saved_at.instant {
            *saved_at = moment.at;
        }
        drop(saved_at);
        if let Some(changes) = moment.changes {
            self.saved_changes.fetch_max(changes, Ordering::Relaxed);
        }
    }
}

impl Moment {
    pub(crate) fn uncounted() -> Self {
        Self { at: At::now(), changes: None }
    }

    /// The engine is asked how many changes there were.
    pub(crate) fn counted<H: Host>(host: &H) -> Self {
        let engine = host.store().engine.lock_if_sound(host.now());
        let changes = engine.map(|engine| engine.statistics().changes);
        Self { at: At::now(), changes }
    }
}

/// Asks for everything logged so far to be brought to disk. Returns up to where that is. With the
/// engine held, the commit thread finds out at its next look.
pub fn ask(store: &LiveStore, is_engine_held: bool) -> LogPosition {
    let end = store.log_end();
    if end <= store.engine.durable() {
        store.saving.note(Moment::uncounted());
    } else {
        store.saving.wanted.fetch_max(end.get(), Ordering::AcqRel);
        if !is_engine_held {
            store.engine.wake_commit();
        }
    }
    end
}

/// LASTSAVE and the INFO field `rdb_last_save_time`: everything logged until this Unix time is on
/// disk.
#[must_use]
pub fn last_save_s(store: &LiveStore) -> u64 {
    store.saving.saved_at.lock().wall_s
}

/// The INFO field `rdb_changes_since_last_save`, given how many changes there were in all: those
/// that are not known to be on disk.
#[must_use]
pub fn unsaved_changes(store: &LiveStore, changes: u64) -> u64 {
    if !store.is_in_memory() && store.log_end() <= store.engine.durable() {
        return 0;
    }
    // What is acknowledged is on disk already.
    if !store.is_in_memory() && store.sync_mode() == SyncMode::Always {
        return 0;
    }
    changes.saturating_sub(store.saving.saved_changes.load(Ordering::Relaxed))
}

/// The INFO field `rdb_bgsave_in_progress`: whether a sync that was asked for has not ended.
#[must_use]
pub fn is_in_progress(store: &LiveStore) -> bool {
    !store.is_in_memory() && store.saving.is_wanted(store.engine.durable())
}
