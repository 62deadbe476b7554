//! The threads of a store: starting them, and ending them in order.
//!
//! Nobody may use the store any more when it stops. Then the timer ends, then a last checkpoint is
//! made, then the commit thread writes and syncs what is left, last the preparer.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, JoinHandle};

use crate::{
    DurableParts, Host, StopError, ThreadError, checkpoint_thread, commit_thread, preparer_thread,
    timer_thread,
};

/// The threads that run. Dropping this leaves them running: say [`Self::stop`].
#[derive(Debug, Default)]
pub struct Threads {
    timer: Option<JoinHandle<()>>,
    commit: Option<JoinHandle<()>>,
    preparer: Option<JoinHandle<()>>,
    checkpoints: Option<JoinHandle<()>>,
    stop_checkpoints: Arc<AtomicBool>,
    stop_timer: Arc<AtomicBool>,
    stop_disk: Arc<AtomicBool>,
}

impl Threads {
    /// Starts those of the disk, if there is one.
    ///
    /// # Errors
    /// [`ThreadError`]. What was started already runs until [`Self::stop`].
    pub fn start_disk<H: Host>(
        &mut self,
        host: &Arc<H>,
        durable: Option<DurableParts>,
    ) -> Result<(), ThreadError> {
        let Some(DurableParts { commit, preparer, checkpointer }) = durable else { return Ok(()) };
        let stop = Arc::clone(&self.stop_disk);
        let run = move |own: &Arc<H>| preparer_thread::run(preparer, own.store(), &stop);
        self.preparer = Some(spawn_own("preparer", host, run)?);
        let stop = Arc::clone(&self.stop_disk);
        let run = move |own: &Arc<H>| commit_thread::run(commit, own, &stop);
        self.commit = Some(spawn_own("commit", host, run)?);
        let stop = Arc::clone(&self.stop_checkpoints);
        let run = move |own: &Arc<H>| checkpoint_thread::run(checkpointer, own, &stop);
        self.checkpoints = Some(spawn_own("checkpoint", host, run)?);
        Ok(())
    }

    /// Starts the one that lets time pass.
    ///
    /// # Errors
    /// [`ThreadError`].
    pub fn start_timer<H: Host>(&mut self, host: &Arc<H>) -> Result<(), ThreadError> {
        let stop = Arc::clone(&self.stop_timer);
        let run = move |own: &Arc<H>| timer_thread::run(&**own, &stop);
        self.timer = Some(spawn_own("timer", host, run)?);
        Ok(())
    }

    /// In the order of the module's header. Blocks until all have ended.
    ///
    /// # Errors
    /// [`StopError`]: what was confirmed is on disk nevertheless.
    pub fn stop<H: Host>(&mut self, host: &H) -> Result<(), StopError> {
        let store = host.store();
        let mut result = Ok(());
        let mut join = |thread: Option<JoinHandle<()>>, name: &str| {
            if thread.is_some_and(|thread| thread.join().is_err()) {
                result = Err(StopError::Panicked { thread: name.to_owned() });
            }
        };
        self.stop_timer.store(true, Ordering::Release);
        store.engine.wake_timer();
        join(self.timer.take(), "timer");
        self.stop_checkpoints.store(true, Ordering::Release);
        join(self.checkpoints.take(), "checkpoint");
        self.stop_disk.store(true, Ordering::Release);
        store.engine.wake_commit();
        join(self.commit.take(), "commit");
        store.wake_preparer();
        join(self.preparer.take(), "preparer");
        if let Some(reason) = store.poison() {
            return Err(StopError::Poisoned { reason: reason.to_owned() });
        }
        if store.engine.is_broken() { Err(StopError::Broken) } else { result }
    }
}

/// Starts a thread of the store.
fn spawn_own<H: Host>(
    name: &'static str,
    host: &Arc<H>,
    work: impl FnOnce(&Arc<H>) + Send + 'static,
) -> Result<JoinHandle<()>, ThreadError> {
    let guard = PanicGuard::new(host, format!("thread {name}"));
    spawn(name, move || work(&guard.host))
}

/// Held by a thread or a task that the store, or its host, cannot do without. A panic that unwinds
/// it ends the process where the engine's [`abort_on_panic`] says so: without its work nobody knows
/// whether what is in memory is right. Elsewhere it is poison, so that nobody waits for its work.
///
/// [`abort_on_panic`]: millstream_engine::Options::abort_on_panic
pub struct PanicGuard<H: Host> {
    host: Arc<H>,
    name: String,
}

impl<H: Host> PanicGuard<H> {
    /// `name`: such as `thread timer`, for people.
    #[must_use]
    pub fn new(host: &Arc<H>, name: String) -> Self {
        Self { host: Arc::clone(host), name }
    }
}

impl<H: Host> std::fmt::Debug for PanicGuard<H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PanicGuard").field("name", &self.name).finish_non_exhaustive()
    }
}

impl<H: Host> Drop for PanicGuard<H> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // The hook for panics has run: its report is written.
        if self.host.store().engine.aborts_on_panic() {
            std::process::abort();
        }
        self.host.store().set_poison(format!("{} panicked", self.name));
        self.host.wake_held();
    }
}

/// Starts a thread under a name that tools show.
///
/// # Errors
/// [`ThreadError`].
pub fn spawn<T: Send + 'static>(
    name: &'static str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, ThreadError> {
    Builder::new()
        .name(format!("millstream-{name}"))
        .spawn(work)
        .map_err(|source| ThreadError { purpose: name, source })
}
