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

use millstream_command::table::CommandSpec;
use millstream_command::{Reply, read_reply, rejection_reply};
use millstream_engine::{LogPosition, ReadRequest, ReadSink, Ticket, WaitResult};
use millstream_runtime::admission::POISONED;
use parking_lot::Mutex;
use tokio::time::Sleep;

use super::Session;
use super::access::may_wait;
use crate::clients::Client;
use crate::mailbox::{READ_DONE, UNBLOCK_ERROR, UNBLOCK_TIMEOUT};
use crate::shared::Shared;

/// How often conditions without an event of their own are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(5);
/// An argument of a read that waits takes so much besides its own bytes.
const ARGUMENT_BYTES: usize = 64;
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
    /// A pause holds the next command up.
    Postponed(super::postponing::Postponed),
    /// Blocks that the next command needs are being loaded.
    Blocks(super::loading::Loading),
    /// The answer to a wrong password is held back.
    Penalty(Pin<Box<Sleep>>, Option<(Reply, LogPosition)>),
    /// A large reply goes out bit by bit.
    Large(super::large_reply::LargeReply),
}

pub(super) struct Parked {
    ticket: Ticket,
    read: Arc<ParkedRead>,
    /// What its names take in the engine, roughly.
    bytes: usize,
}

impl Parked {
    pub(super) fn new(ticket: Ticket, read: Arc<ParkedRead>, args: &[&[u8]]) -> Self {
        let bytes = args.iter().map(|argument| argument.len() + ARGUMENT_BYTES).sum();
        Self { ticket, read, bytes }
    }

    pub(super) fn memory(&self) -> usize {
        self.bytes
    }
}

/// Where the engine leaves the result of a parked read.
pub(super) struct ParkedRead {
    pub(super) client: Arc<Client>,
    pub(super) spec: &'static CommandSpec,
    /// The first option's name, which rules may be about.
    pub(super) first_argument: Box<[u8]>,
    is_closed: AtomicBool,
    result: Mutex<Option<WaitEnd>>,
}

/// How a parked read ended.
enum WaitEnd {
    Result(WaitResult, LogPosition),
    /// Rules were changed, and it may not go on.
    Forbidden(Box<ReadRequest>),
}

impl ParkedRead {
    pub(super) fn new(
        client: Arc<Client>,
        spec: &'static CommandSpec,
        args: &[&[u8]],
    ) -> Arc<Self> {
        let (is_closed, result) = (AtomicBool::new(false), Mutex::new(None));
        let first_argument = args[1].into();
        Arc::new(Self { client, spec, first_argument, is_closed, result })
    }

    fn end(&self, end: WaitEnd) {
        *self.result.lock() = Some(end);
        self.client.signal.send(READ_DONE);
    }
}

/// The engine's end of a [`ParkedRead`].
pub(super) struct Sink {
    pub(super) read: Arc<ParkedRead>,
    pub(super) shared: Arc<Shared>,
}

impl ReadSink for Sink {
    fn is_closed(&self) -> bool {
        self.read.is_closed.load(Ordering::Acquire)
    }

    fn complete(&mut self, result: WaitResult, depends_on: LogPosition) {
        self.read.end(WaitEnd::Result(result, depends_on));
    }

    fn ends_if_forbidden(&mut self, request: &ReadRequest) -> bool {
        let is_forbidden = !may_wait(&self.shared, &self.read, request);
        if is_forbidden {
            self.read.end(WaitEnd::Forbidden(Box::new(request.clone())));
        }
        is_forbidden
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
    kind: WaitKind,
}

/// What is answered at the end of a [`ReplicaWait`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitKind {
    /// How many replicas have it.
    Wait,
    /// The same, and before it whether the local disk has it.
    Waitaof,
    /// That it is on disk; nobody can end this wait.
    Save,
}

impl ReplicaWait {
    pub(crate) fn new(
        local: Option<LogPosition>,
        replicas_wanted: bool,
        deadline: Option<Instant>,
        kind: WaitKind,
    ) -> Self {
        Self { local, replicas_wanted, deadline, pause: pause(), kind }
    }

    pub(super) fn has_deadline(&self) -> bool {
        self.deadline.is_some()
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
            Waiting::Postponed(_) => self.poll_postponed(context),
            Waiting::Blocks(_) => self.poll_loading(context),
            Waiting::Penalty(sleep, held) => {
                std::task::ready!(sleep.as_mut().poll(context));
                let held = held.take();
                self.waiting = Waiting::No;
                if let Some((reply, position)) = held {
                    self.put_or_defer(reply, position);
                }
                Poll::Ready(())
            }
            Waiting::Large(_) => self.poll_large_reply(context),
        }
    }

    fn poll_parked(&mut self, events: u8) -> Poll<()> {
        let Waiting::Read(parked) = &self.waiting else { return Poll::Ready(()) };
        let unblock = events & (UNBLOCK_ERROR | UNBLOCK_TIMEOUT);
        let mut result = parked.read.result.lock().take();
        if result.is_none() && unblock != 0 {
            let ticket = parked.ticket;
            let was_parked = self.shared.store.engine.lock(self.shared.clock.now()).unpark(ticket);
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
        let Some(end) = result else { return Poll::Pending };
        let read = Arc::clone(&parked.read);
        self.end_wait();
        let (result, depends_on) = match end {
            WaitEnd::Result(result, depends_on) => (result, depends_on),
            WaitEnd::Forbidden(request) => {
                let reply = self.refusal_of_wait(&read, &request);
                self.answer_waiting(reply, LogPosition::ZERO);
                return Poll::Ready(());
            }
        };
        let reply = match result {
            WaitResult::Read(outcome) => read_reply(outcome),
            WaitResult::Rejected(rejection) => rejection_reply(&rejection),
            WaitResult::TimedOut => Reply::NilArray,
        };
        self.ask_for_write_of_others(depends_on);
        self.answer_waiting(reply, depends_on);
        Poll::Ready(())
    }

    fn poll_replicas(&mut self, events: u8, context: &mut Context<'_>) -> Poll<()> {
        let durable = self.shared.store.engine.durable();
        let last_position = self.last_position;
        let Waiting::Replicas(wait) = &mut self.waiting else { return Poll::Ready(()) };
        let is_local = wait.local.unwrap_or(last_position) <= durable;
        let is_over = wait.deadline.is_some_and(|deadline| deadline <= Instant::now());
        let is_save = wait.kind == WaitKind::Save;
        let unblock = if is_save { 0 } else { events & (UNBLOCK_ERROR | UNBLOCK_TIMEOUT) };
        let is_failed = is_save && self.shared.store.poison().is_some();
        let is_done = (is_local || wait.local.is_none()) && !wait.replicas_wanted;
        if !is_done && !is_over && !is_failed && unblock == 0 {
            // Polled again at once if it has fired already, so that it is always armed.
            while wait.pause.as_mut().poll(context).is_ready() {
                wait.pause = pause();
            }
            return Poll::Pending;
        }
        let local = i64::from(is_local && !self.shared.config.memory);
        let reply = match wait.kind {
            _ if unblock & UNBLOCK_ERROR != 0 => Reply::error(UNBLOCKED),
            WaitKind::Save if is_done => Reply::OK,
            WaitKind::Save => Reply::error(POISONED),
            WaitKind::Waitaof => Reply::Array(vec![Reply::Int(local), Reply::Int(0)]),
            WaitKind::Wait => Reply::Int(0),
        };
        self.end_wait();
        self.answer_waiting(reply, LogPosition::ZERO);
        Poll::Ready(())
    }

    /// Notes that a command blocks; a stale UNBLOCK does not reach it.
    pub(super) fn begin_wait(&mut self, waiting: Waiting, has_deadline: bool) {
        self.client.signal.clear(UNBLOCK_ERROR | UNBLOCK_TIMEOUT | READ_DONE);
        self.client.has_deadline.store(has_deadline, Ordering::Relaxed);
        self.client.is_blocked.store(true, Ordering::Release);
        self.waiting = waiting;
        self.count_as_blocked(true);
    }

    pub(super) fn end_wait(&mut self) {
        self.client.is_postponed.store(false, Ordering::Release);
        self.client.is_blocked.store(false, Ordering::Release);
        self.client.has_deadline.store(false, Ordering::Relaxed);
        self.waiting = Waiting::No;
        self.count_as_blocked(false);
    }

    /// Takes a parked read back: from now on nothing is delivered to this session.
    pub(super) fn abandon_wait(&mut self) {
        if let Waiting::Read(parked) = std::mem::take(&mut self.waiting) {
            parked.read.is_closed.store(true, Ordering::Release);
            // While a panic unwinds the engine may be unusable; then it passes the waiter over.
            if !std::thread::panicking() {
                self.shared.store.engine.lock(self.shared.clock.now()).unpark(parked.ticket);
            }
        }
        self.client.is_blocked.store(false, Ordering::Release);
        self.client.has_deadline.store(false, Ordering::Relaxed);
        self.count_as_blocked(false);
    }

    fn answer_waiting(&mut self, reply: Reply, depends_on: LogPosition) {
        self.count_blocked(&reply);
        if self.is_silenced() {
            self.drop_reply(depends_on);
        } else {
            self.latch_whole_bytes();
            self.put_or_defer(reply, depends_on);
        }
    }
}
