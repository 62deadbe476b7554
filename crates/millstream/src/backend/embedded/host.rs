//! The middle of an embedded store: engine, clock, and who waits for the log.

use std::convert::Infallible;
use std::sync::{Arc, mpsc};

use millstream_engine::{LogPosition, Now, Transaction};
use millstream_runtime::{Host, LiveStore};
use parking_lot::Mutex;
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
    /// Tells [`Absence`]: the last field, so that it goes last.
    _presence: mpsc::Sender<Infallible>,
}

/// Dropped, it waits until nobody has the host any more, and with it the directory. Not in memory:
/// there is nothing to be had.
#[derive(Debug)]
pub(super) struct Absence(Option<Mutex<mpsc::Receiver<Infallible>>>);

impl Drop for Absence {
    fn drop(&mut self) {
        if let Some(gone) = &mut self.0 {
            // It fails when the other end is gone.
            _ = gone.get_mut().recv();
        }
    }
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
        if self.store.poison().is_some() {
            // What they wait for cannot come.
            self.readers.unblock_all();
        }
    }
}

impl EmbeddedHost {
    pub(super) fn new(store: LiveStore, clock: EngineClock) -> (Arc<Self>, Absence) {
        let (presence, gone) = mpsc::channel();
        let absence = Absence((!store.is_in_memory()).then(|| Mutex::new(gone)));
        let host = Self {
            store,
            clock,
            readers: Readers::default(),
            moved: Notify::new(),
            due_changed: Notify::new(),
            _presence: presence,
        };
        (Arc::new(host), absence)
    }

    /// `None`: see [`broken`].
    pub(super) fn lock(&self) -> Option<Transaction<'_>> {
        self.store.engine.lock_if_sound(self.clock.now())
    }

    /// The log has failed, or the engine: nothing runs any more.
    pub(super) fn check(&self) -> Result<(), Error> {
        match self.store.poison() {
            None if self.store.engine.is_broken() => Err(broken()),
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

/// After a panic in the middle of a change.
pub(super) fn broken() -> Error {
    Error::store(
        "a panic has left half a change in memory, open the store again: none of it is on disk",
    )
}
