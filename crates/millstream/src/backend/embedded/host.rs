//! The middle of an embedded store: engine, clock, and who waits for the log.

use millstream_engine::{LogPosition, Now};
use millstream_runtime::{Host, LiveStore};
use tokio::sync::Notify;

use super::clock::EngineClock;
use super::parked::Readers;
use crate::Error;

/// Pieces of work per hold of the engine.
const BUDGET: usize = 64;

/// What the threads of the store and everybody who has a handle on it share.
#[derive(Debug)]
pub(crate) struct EmbeddedHost {
    pub(super) store: LiveStore,
    pub(super) clock: EngineClock,
    pub(super) readers: Readers,
    /// Told whenever the log has moved.
    moved: Notify,
    /// Told when something may be due earlier than before; only where no thread waits for it.
    due_changed: Notify,
}

impl Host for EmbeddedHost {
    fn store(&self) -> &LiveStore {
        &self.store
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    fn wake_held(&self) {
        self.moved.notify_waiters();
    }
}

impl EmbeddedHost {
    pub(super) fn new(store: LiveStore, clock: EngineClock) -> Self {
        Self {
            store,
            clock,
            readers: Readers::default(),
            moved: Notify::new(),
            due_changed: Notify::new(),
        }
    }

    /// The log has failed: nothing runs any more.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.store.poison() {
            None => Ok(()),
            Some(reason) => Err(Error::store(format!(
                "the log cannot be written, open the store again: {reason}"
            ))),
        }
    }

    /// Until a reply that depends on this position may be given.
    ///
    /// # Errors
    /// [`Error::Store`]: what the reply says may or may not be on disk.
    pub(super) async fn released(&self, until: LogPosition) -> Result<(), Error> {
        loop {
            if until <= self.store.released() {
                return Ok(());
            }
            let mut moved = std::pin::pin!(self.moved.notified());
            // Looked at once more from now on nothing is missed.
            moved.as_mut().enable();
            if until <= self.store.released() {
                return Ok(());
            }
            if let Some(reason) = self.store.poison() {
                return Err(Error::store(format!(
                    "the log cannot be written, what became of this command is unknown until the \
                     store was opened again: {reason}"
                )));
            }
            moved.await;
        }
    }

    /// Commands ran. Where no thread waits for what is due, somebody else is told.
    pub(super) fn ran(&self) {
        match &self.clock {
            EngineClock::System(_) => {}
            EngineClock::Manual(_) => self.run_due(),
            EngineClock::Tokio(_) => self.due_changed.notify_one(),
        }
    }

    /// Does what is due by now.
    pub(super) fn run_due(&self) {
        while self.next_due().is_some_and(|at_ms| at_ms <= self.now().monotonic_ms) {
            let due = self.store.engine.run_due(self.now(), BUDGET);
            drop(due.garbage);
            if !due.has_more {
                return;
            }
        }
    }

    /// Monotonic milliseconds.
    pub(super) fn next_due(&self) -> Option<u64> {
        self.store.engine.next_due(self.now())
    }

    pub(super) async fn due_changed(&self) {
        self.due_changed.notified().await;
    }
}
