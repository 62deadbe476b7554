//! A worker: one thread, one event loop, its share of the connections.
//!
//! A connection stays on its worker for life, so a command is read, run, and answered without a hop
//! between threads. A panic in a session ends that session's task only, one in anything else the
//! process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

use millstream_engine::LogPosition;
use millstream_runtime::{PanicGuard, write_inline};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;

use crate::clients::Client;
use crate::mailbox::Mailbox;
use crate::session::Session;
use crate::shared::Shared;
use crate::statistics::WorkerCounters;
use crate::stream::DetachedStream;

/// A connection on its way to its worker.
pub(crate) struct Arrival {
    pub(crate) stream: DetachedStream,
    pub(crate) client: Arc<Client>,
    /// It need not give a password.
    pub(crate) is_trusted: bool,
}

/// What the sessions of a worker share, on their thread.
pub(crate) struct Worker {
    pub(crate) shared: Arc<Shared>,
    pub(crate) mailbox: Arc<Mailbox>,
    index: usize,
    /// Sessions that wait for the log to reach a position.
    held: RefCell<Vec<(LogPosition, Waker)>>,
    /// Sessions have logged what nobody was woken for.
    wants_write: Cell<bool>,
    sessions: Cell<usize>,
    session_ended: tokio::sync::Notify,
}

impl Worker {
    fn new(shared: Arc<Shared>, index: usize) -> Self {
        let mailbox = Arc::clone(&shared.workers[index].mailbox);
        Self {
            shared,
            mailbox,
            index,
            held: RefCell::default(),
            wants_write: Cell::new(false),
            sessions: Cell::new(0),
            session_ended: tokio::sync::Notify::new(),
        }
    }

    pub(crate) fn counters(&self) -> &WorkerCounters {
        &self.shared.workers[self.index].counters
    }

    /// For INFO.
    fn show_sessions(&self) {
        let shown = &self.shared.workers[self.index].sessions;
        shown.store(self.sessions.get(), Ordering::Relaxed);
    }

    /// Wakes the task once the log has been brought to the position. Look at the position again
    /// afterwards: it may have been reached meanwhile.
    pub(crate) fn wake_at(&self, position: LogPosition, waker: &Waker) {
        self.held.borrow_mut().push((position, waker.clone()));
        self.mailbox.expect_release(true);
    }

    fn wake_released(&self) {
        let mut held = self.held.borrow_mut();
        if held.is_empty() {
            return;
        }
        let released = self.shared.store.committed();
        let is_over = self.shared.store.poison().is_some();
        let mut at = 0;
        while at < held.len() {
            if held[at].0 <= released || is_over {
                held.swap_remove(at).1.wake();
            } else {
                at += 1;
            }
        }
        if held.is_empty() {
            self.mailbox.expect_release(false);
        }
    }

    /// Has what was logged written as soon as no session can run.
    pub(crate) fn want_write(&self) {
        self.wants_write.set(true);
        self.mailbox.wake_dispatcher();
    }

    async fn dispatch(&self) {
        loop {
            self.mailbox.wait().await;
            if self.wants_write.take() {
                write_inline(&*self.shared);
            }
            self.wake_released();
            for signal in self.mailbox.take_signalled() {
                signal.wake();
            }
        }
    }
}

/// Counts a session as long as it lives, however it ends.
struct Presence {
    worker: Rc<Worker>,
    client: Arc<Client>,
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.worker.shared.clients.remove(self.client.id);
        self.worker.sessions.set(self.worker.sessions.get() - 1);
        self.worker.show_sessions();
        self.worker.session_ended.notify_one();
    }
}

/// Serves connections until the sender of arrivals is gone and all sessions have ended.
pub(crate) fn run(
    runtime: &tokio::runtime::Runtime,
    shared: Arc<Shared>,
    index: usize,
    mut arrivals: UnboundedReceiver<Arrival>,
) {
    let thread_id = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    shared.workers[index].thread_id.store(thread_id, Ordering::Relaxed);
    let tasks = LocalSet::new();
    let worker = Rc::new(Worker::new(shared, index));
    tasks.block_on(runtime, async move {
        let dispatcher = Rc::clone(&worker);
        let guard = PanicGuard::new(&worker.shared, "task dispatcher".to_owned());
        tokio::task::spawn_local(async move {
            let _guard = guard;
            dispatcher.dispatch().await;
        });
        while let Some(arrival) = arrivals.recv().await {
            start_session(&worker, arrival);
        }
        while worker.sessions.get() > 0 {
            worker.session_ended.notified().await;
        }
    });
}

fn start_session(worker: &Rc<Worker>, arrival: Arrival) {
    let Arrival { stream, client, is_trusted } = arrival;
    worker.sessions.set(worker.sessions.get() + 1);
    worker.show_sessions();
    worker.counters().connections.add(1);
    let presence = Presence { worker: Rc::clone(worker), client: Arc::clone(&client) };
    let stream = match stream.attach() {
        Ok(stream) => stream,
        Err(error) => {
            tracing::warn!("cannot serve a connection: {error}");
            return;
        }
    };
    tracing::debug!(
        "client {} from {}, certificate {:?}",
        client.id,
        client.address,
        stream.peer_common_name()
    );
    let mut session = Session::new(Rc::clone(worker), client, stream, is_trusted);
    tokio::task::spawn_local(async move {
        let _presence = presence;
        std::future::poll_fn(|context| session.poll(context)).await;
    });
}
