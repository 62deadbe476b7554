//! How other threads wake sessions of a worker: once per burst, not once per session.
//!
//! Waking a task on another thread costs a system call. So whoever has something for sessions of a
//! worker leaves it here and wakes one task, the worker's dispatcher, which wakes the sessions on
//! their own thread.
//!
//! A session that waits for the log first says so ([`Mailbox::expect_release`]), then looks at the
//! published position once more; whoever writes the log publishes first, then looks whether anybody
//! waits. Both have a full fence in between, so one of them sees the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use std::task::Waker;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// Where a worker's sessions are woken through.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    dispatcher: Notify,
    has_held: AtomicBool,
    signalled: Mutex<Vec<Arc<Signal>>>,
}

impl Mailbox {
    /// The log has moved, or will not move any more.
    pub(crate) fn published(&self) {
        fence(Ordering::SeqCst);
        if self.has_held.load(Ordering::Relaxed) {
            self.dispatcher.notify_one();
        }
    }

    /// Says whether sessions wait for the log. After `true`, look at the position again.
    pub(crate) fn expect_release(&self, expected: bool) {
        self.has_held.store(expected, Ordering::Relaxed);
        if expected {
            fence(Ordering::SeqCst);
        }
    }

    /// On the worker's own thread: after the sessions that can run.
    pub(crate) fn wake_dispatcher(&self) {
        self.dispatcher.notify_one();
    }

    pub(crate) async fn wait(&self) {
        self.dispatcher.notified().await;
    }

    pub(crate) fn take_signalled(&self) -> Vec<Arc<Signal>> {
        std::mem::take(&mut *self.signalled.lock())
    }
}

/// What others tell a session. Bits stay until the session takes them.
#[derive(Debug)]
pub(crate) struct Signal {
    mailbox: Arc<Mailbox>,
    events: AtomicU8,
    waker: Mutex<Option<Waker>>,
}

/// The connection is to be closed at once.
pub(crate) const KILLED: u8 = 1;
/// A blocked command is to end as if its time were over.
pub(crate) const UNBLOCK_TIMEOUT: u8 = 2;
/// A blocked command is to end with an error.
pub(crate) const UNBLOCK_ERROR: u8 = 4;
/// A parked read has its result.
pub(crate) const READ_DONE: u8 = 8;
/// The server is stopping.
pub(crate) const STOPPING: u8 = 16;

/// Memory that is not needed is to be given back.
pub(crate) const GIVE_BACK: u8 = 32;
/// Lines wait for a monitor.
pub(crate) const MONITORED: u8 = 128;
/// A pause of commands is over.
pub(crate) const PAUSE_ENDED: u8 = 64;

impl Signal {
    pub(crate) fn new(mailbox: Arc<Mailbox>) -> Self {
        Self { mailbox, events: AtomicU8::new(0), waker: Mutex::new(None) }
    }

    /// Tells the session; from any thread.
    pub(crate) fn send(self: &Arc<Self>, event: u8) {
        if self.events.fetch_or(event, Ordering::AcqRel) & event != 0 {
            return;
        }
        let mut signalled = self.mailbox.signalled.lock();
        signalled.push(Arc::clone(self));
        if signalled.len() == 1 {
            drop(signalled);
            self.mailbox.dispatcher.notify_one();
        }
    }

    /// On the session's own thread.
    pub(crate) fn wake(&self) {
        if let Some(waker) = self.waker.lock().take() {
            waker.wake();
        }
    }

    /// Wakes this task from now on; look at [`Self::events`] afterwards.
    pub(crate) fn register(&self, waker: &Waker) {
        let mut kept = self.waker.lock();
        match &*kept {
            Some(kept) if kept.will_wake(waker) => {}
            _ => *kept = Some(waker.clone()),
        }
    }

    pub(crate) fn events(&self) -> u8 {
        self.events.load(Ordering::Acquire)
    }

    pub(crate) fn clear(&self, events: u8) {
        self.events.fetch_and(!events, Ordering::AcqRel);
    }
}
