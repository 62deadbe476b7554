//! Who runs a store, as the store's threads see it.

use std::time::Instant;

use millstream_engine::Now;

use crate::LiveStore;

/// Work of the threads that a host may want to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Writing a batch of records.
    Write,
    /// Syncing it before replies leave.
    Sync,
    /// Syncing what was written some time before: replies do not wait for it.
    LaterSync,
    /// Expiry and other work of the timer.
    Due,
}

/// Has a live store in its middle. Compiled into the threads for each host, so that a hook that
/// does nothing costs nothing.
pub trait Host: Send + Sync + 'static {
    /// The store.
    fn store(&self) -> &LiveStore;

    /// What the clock says.
    fn now(&self) -> Now;

    /// The log has moved, or will not move any more: replies that wait for it are to be looked at
    /// again. Called after each batch, by whoever wrote it.
    fn wake_held(&self);

    /// Does some work of a thread; may look how long it takes. Each kind is done by one thread at
    /// a time, and of the two kinds of syncing a store does one.
    fn time<T>(&self, _: Work, work: impl FnOnce() -> T) -> T {
        work()
    }

    /// Whether expired keys stay where they are for now.
    fn is_expiry_stopped(&self) -> bool {
        false
    }

    /// When [`Self::is_expiry_stopped`] ends by itself, if it does.
    fn expiry_stopped_until(&self) -> Option<Instant> {
        None
    }
}
