//! What keeps a session from running its next command: a parked read, WAIT, a large reply, room.
//!
//! A read is parked in the engine with a [`ParkedRead`] as its sink. While it waits the session
//! goes on reading, so that it sees the client go: a waiter whose connection is known to be closed
//! is not served. What was delivered to a connection that breaks later stays pending.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use millstream_command::{Reply, read_reply, rejection_reply};
use millstream_engine::{LogPosition, ReadSink, Ticket, WaitResult};
use parking_lot::Mutex;
use tokio::time::Sleep;

use super::Session;
use crate::mailbox::{READ_DONE, Signal, UNBLOCK_ERROR, UNBLOCK_TIMEOUT};

/// How often conditions without an event of their own are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
const UNBLOCKED: &str = "UNBLOCKED client unblocked via CLIENT UNBLOCK";

/// Why the next command does not run.
#[derive(Default)]
pub(super) enum Waiting {
    /// It may run.
    #[default]
    No,
    /// A read is parked.
    Read(Parked),
    /// WAIT or WAITAOF.
    Replicas(ReplicaWait),
    /// A write needs room in the log; asked again after a pause.
    Room(Pin<Box<Sleep>>),
    /// A large reply goes out bit by bit.
    Large(super::large_reply::LargeReply),
}

pub(super) struct Parked {
    ticket: Ticket,
    read: Arc<ParkedRead>,
}

impl Parked {
    pub(super) fn new(ticket: Ticket, read: Arc<ParkedRead>) -> Self {
        Self { ticket, read }
    }
}

/// Where the engine leaves the result of a parked read.
pub(super) struct ParkedRead {
    signal: Arc<Signal>,
    is_closed: AtomicBool,
    result: Mutex<Option<(WaitResult, LogPosition)>>,
}

impl ParkedRead {
    pub(super) fn new(signal: Arc<Signal>) -> Arc<Self> {
        Arc::new(Self { signal, is_closed: AtomicBool::new(false), result: Mutex::new(None) })
    }
}

/// The engine's end of a [`ParkedRead`].
pub(super) struct Sink(pub(super) Arc<ParkedRead>);

impl ReadSink for Sink {
    fn is_closed(&self) -> bool {
        self.0.is_closed.load(Ordering::Acquire)
    }

    fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
        *self.0.result.lock() = Some((result, depends_on));
        self.0.signal.send(READ_DONE);
    }
}

/// A wait for copies, of which there are none but the one on this disk.
pub(crate) struct ReplicaWait {
    /// The local copy is asked for up to here.
    local: Option<LogPosition>,
    replicas_wanted: bool,
    /// `None`: for ever.
    deadline: Option<Instant>,
    pause: Pin<Box<Sleep>>,
    /// WAITAOF answers with two numbers.
    with_local: bool,
}

impl ReplicaWait {
    pub(crate) fn new(
        local: Option<LogPosition>,
        replicas_wanted: bool,
        deadline: Option<Instant>,
        with_local: bool,
    ) -> Self {
        Self { local, replicas_wanted, deadline, pause: pause(), with_local }
    }
}

pub(super) fn pause() -> Pin<Box<Sleep>> {
    Box::pin(tokio::time::sleep(LOOK_INTERVAL))
}

impl Session {
    /// Looks whether the wait is over, and answers if so. `Pending` if it goes on.
    pub(super) fn poll_waiting(&mut self, events: u8, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.waiting {
            Waiting::No => Poll::Ready(()),
            Waiting::Read(_) => self.poll_parked(events),
            Waiting::Replicas(_) => self.poll_replicas(events, context),
            Waiting::Room(pause) => {
                std::task::ready!(pause.as_mut().poll(context));
                self.waiting = Waiting::No;
                Poll::Ready(())
            }
            Waiting::Large(_) => self.poll_large_reply(),
        }
    }

    fn poll_parked(&mut self, events: u8) -> Poll<()> {
        let Waiting::Read(parked) = &self.waiting else { return Poll::Ready(()) };
        let unblock = events & (UNBLOCK_ERROR | UNBLOCK_TIMEOUT);
        let mut result = parked.read.result.lock().take();
        if result.is_none() && unblock != 0 {
            let ticket = parked.ticket;
            let was_parked = self.shared.engine.lock(self.shared.clock.now()).unpark(ticket);
            if was_parked {
                self.end_wait();
                let reply = if unblock & UNBLOCK_ERROR != 0 {
                    Reply::error(UNBLOCKED)
                } else {
                    Reply::NilArray
                };
                self.answer_waiting(reply, LogPosition::ZERO);
                return Poll::Ready(());
            }
            // It was served in this very moment.
            result = parked.read.result.lock().take();
        }
        let Some((result, depends_on)) = result else { return Poll::Pending };
        self.end_wait();
        let reply = match result {
            WaitResult::Read(outcome) => read_reply(outcome),
            WaitResult::Rejected(rejection) => rejection_reply(&rejection),
            WaitResult::TimedOut => Reply::NilArray,
        };
        self.answer_waiting(reply, depends_on);
        Poll::Ready(())
    }

    fn poll_replicas(&mut self, events: u8, context: &mut Context<'_>) -> Poll<()> {
        let durable = self.shared.engine.durable();
        let last_position = self.last_position;
        let Waiting::Replicas(wait) = &mut self.waiting else { return Poll::Ready(()) };
        let is_local = wait.local.unwrap_or(last_position) <= durable;
        let is_over = wait.deadline.is_some_and(|deadline| deadline <= Instant::now());
        let unblock = events & (UNBLOCK_ERROR | UNBLOCK_TIMEOUT);
        let is_done = (is_local || wait.local.is_none()) && !wait.replicas_wanted;
        if !is_done && !is_over && unblock == 0 {
            // Polled again at once if it has fired already, so that it is always armed.
            while wait.pause.as_mut().poll(context).is_ready() {
                wait.pause = pause();
            }
            return Poll::Pending;
        }
        let local = i64::from(is_local && wait.with_local && !self.shared.config.memory);
        let reply = match (unblock & UNBLOCK_ERROR != 0, wait.with_local) {
            (true, _) => Reply::error(UNBLOCKED),
            (false, true) => Reply::Array(vec![Reply::Int(local), Reply::Int(0)]),
            (false, false) => Reply::Int(0),
        };
        self.end_wait();
        self.answer_waiting(reply, LogPosition::ZERO);
        Poll::Ready(())
    }

    /// Notes that a command blocks; a stale UNBLOCK does not reach it.
    pub(super) fn begin_wait(&mut self, waiting: Waiting) {
        self.client.signal.clear(UNBLOCK_ERROR | UNBLOCK_TIMEOUT | READ_DONE);
        self.client.is_blocked.store(true, Ordering::Release);
        self.waiting = waiting;
    }

    fn end_wait(&mut self) {
        self.client.is_blocked.store(false, Ordering::Release);
        self.waiting = Waiting::No;
    }

    /// Takes a parked read back: from now on nothing is delivered to this session.
    pub(super) fn abandon_wait(&mut self) {
        if let Waiting::Read(parked) = std::mem::take(&mut self.waiting) {
            parked.read.is_closed.store(true, Ordering::Release);
            // While a panic unwinds the engine may be unusable; then it passes the waiter over.
            if !std::thread::panicking() {
                self.shared.engine.lock(self.shared.clock.now()).unpark(parked.ticket);
            }
        }
        self.client.is_blocked.store(false, Ordering::Release);
    }

    fn answer_waiting(&mut self, reply: Reply, depends_on: LogPosition) {
        if matches!(reply, Reply::Error(_) | Reply::ErrorBytes(_)) {
            self.count_failure(self.blocked_command, &reply);
        }
        self.put_or_defer(reply, depends_on);
    }
}
