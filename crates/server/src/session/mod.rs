//! A session: one connection, from its first byte to its last.
//!
//! ```text
//! poll: end of a wait? -> run a batch -> release held replies -> send -> read -> sleep
//! ```
//!
//! One state machine, polled as one task; every step goes as far as it can without waiting. The
//! session runs on while earlier replies are held for the log, so a client that pipelines over
//! several batches is never stopped by a sync. Must not know grammar or data: commands are run by
//! the command crate, or by the modules named `*_command` of this one.
//!
//! Invariants:
//! 1. Replies leave in the order of their commands, none before its position is released.
//! 2. The engine is locked for a bounded batch and never across I/O.
//! 3. Memory is bounded: no reading while the client does not take its replies.
//! 4. However the session ends, nothing stays parked in the engine (see `Drop`).
//!
//! Tests: `tests/it`.

mod access;
mod admitting;
mod blocking;
mod execute;
mod input;
mod large_reply;
mod loading;
mod memory;
mod monitoring;
mod outbox;
mod owed_write;
mod own;
mod postponing;
mod silence;
mod timing;
mod transaction;

use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use millstream_command::Reply;
use millstream_engine::{BackupPin, LoadedBlocks, LogPosition};
use millstream_resp::{ArgSlices, Protocol};
use millstream_runtime::admission::{OUTCOME_UNKNOWN, Reservation, RoomWait};

use self::access::Access;
use self::blocking::Waiting;
pub(crate) use self::blocking::{ReplicaWait, WaitKind};
use self::execute::Planned;
use self::input::Input;
use self::outbox::Outbox;
pub(crate) use self::own::Data;
use self::silence::Silence;
use self::timing::{Blocked, Stopwatch};
pub(crate) use self::transaction::QUEUED_BYTES_MAX;
use self::transaction::{Multi, Watched};
use crate::clients::{Client, Facts};
use crate::mailbox::{GIVE_BACK, KILLED, STOPPING};
use crate::monitors::Monitor;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::worker::Worker;

/// No command runs while more than this waits for the log or for the client.
pub(crate) const OUTBOX_BYTES_MAX: usize = 1 << 20;
/// With more commands to run at once, fewer bytes than this are not sent on their own.
const SEND_BYTES: usize = 32 << 10;
/// No reading behind a blocked command while more than this waits to be run.
const BACKLOG_BYTES_MAX: usize = 1 << 20;

/// No reading behind a wrong password while more than this waits to be run.
const PENALTY_BYTES_MAX: usize = 16 << 10;

/// One connection.
pub(crate) struct Session {
    pub(crate) shared: Arc<Shared>,
    pub(crate) client: Arc<Client>,
    pub(crate) db: u8,
    pub(crate) protocol: Protocol,
    access: Access,
    /// CLIENT NO-TOUCH: reading a key is no use of it.
    pub(crate) leaves_no_trace: bool,
    /// No command runs any more; what is in the outbox still leaves.
    pub(crate) is_closing: bool,
    worker: Rc<Worker>,
    stream: Stream,
    input: Input,
    outbox: Outbox,
    waiting: Waiting,
    /// The command that [`Self::waiting`] belongs to.
    blocked: Option<Blocked>,
    stopwatch: Stopwatch,
    /// After BACKUP PIN.
    pub(crate) backup: Option<BackupPin>,
    /// After MONITOR.
    monitor: Option<Arc<Monitor>>,
    /// Of a write that waits for room.
    room_wait: RoomWait,
    /// Blocks that were loaded for the command that runs next, or why that failed.
    is_load_done: bool,
    loaded: LoadedBlocks,
    load_failure: Option<Reply>,
    multi: Option<Multi>,
    /// Its commands are running.
    is_in_exec: bool,
    silence: Silence,
    watched: Watched,
    /// Highest position that any reply of this session depended on.
    last_position: LogPosition,
    /// The position for which a wake-up is arranged.
    arranged_for: Option<LogPosition>,
    /// There is more to do at once, but others come first.
    gives_way: bool,
    /// Scratch, kept between batches.
    args: ArgSlices,
    plan: Vec<Planned>,
    replies: Vec<(Reply, LogPosition)>,
    /// What `replies` take on the wire, roughly, and what the last of them does.
    replies_bytes: usize,
    last_reply_bytes: usize,
    /// Replies up to this are encoded at once; see `latch_whole_bytes`.
    whole_bytes_max: usize,
    /// Log space for what is being run, how far it reaches, and how far the log got.
    reservation: Option<Reservation<Shared>>,
    admitted_until: LogPosition,
    batch_end: LogPosition,
    /// What it has logged has woken nobody yet; see `owed_write.rs`.
    owes_write: bool,
    /// Bytes of buffers that were counted last, and whether it counts as blocked.
    counted_bytes: usize,
    is_counted_blocked: bool,
}

impl Session {
    pub(crate) fn new(
        worker: Rc<Worker>,
        client: Arc<Client>,
        stream: Stream,
        is_trusted: bool,
    ) -> Self {
        let shared = Arc::clone(&worker.shared);
        let named = shared.settings.tls_names_users.load(Ordering::Relaxed);
        let access = match named.then(|| stream.peer_common_name()).flatten() {
            Some(name) => Access::of_certificate(&shared.acl, &name),
            None => Access::new(&shared.acl, is_trusted),
        };
        {
            let mut facts = client.facts.lock();
            facts.is_authenticated = access.is_authenticated();
            facts.user = Arc::clone(access.user());
        }
        Self {
            shared,
            client,
            db: 0,
            protocol: Protocol::Resp2,
            access,
            leaves_no_trace: false,
            is_closing: false,
            worker,
            stream,
            input: Input::default(),
            outbox: Outbox::default(),
            waiting: Waiting::No,
            blocked: None,
            stopwatch: Stopwatch::new(),
            backup: None,
            monitor: None,
            room_wait: RoomWait::default(),
            is_load_done: false,
            loaded: LoadedBlocks::default(),
            load_failure: None,
            multi: None,
            is_in_exec: false,
            silence: Silence::None,
            watched: Watched::default(),
            last_position: LogPosition::ZERO,
            arranged_for: None,
            gives_way: false,
            args: ArgSlices::default(),
            plan: Vec::new(),
            replies: Vec::new(),
            replies_bytes: 0,
            last_reply_bytes: 0,
            whole_bytes_max: large_reply::WHOLE_BYTES_MAX,
            reservation: None,
            admitted_until: LogPosition::ZERO,
            batch_end: LogPosition::ZERO,
            owes_write: false,
            counted_bytes: 0,
            is_counted_blocked: false,
        }
    }

    /// Goes as far as possible. `Ready` when the connection is to be closed.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.client.signal.register(context.waker());
        let result = self.run(context);
        self.count_memory();
        result
    }

    fn run(&mut self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let events = self.client.signal.events();
            if events & KILLED != 0 {
                return Poll::Ready(());
            }
            if events & STOPPING != 0 {
                self.stop_running();
            }
            if events & GIVE_BACK != 0 {
                self.give_back_memory();
                continue;
            }
            let has_waited = matches!(self.waiting, Waiting::No)
                || self.poll_waiting(events, context).is_ready();
            let runs_on = has_waited && self.execute();
            self.ask_for_write();
            let begins_to_wait = has_waited && !matches!(self.waiting, Waiting::No);
            // The next batch follows at once, so a short answer can wait for it.
            let sends = !runs_on || self.outbox.len() >= SEND_BYTES;
            if sends && self.poll_output(context).is_err() {
                return Poll::Ready(());
            }
            if std::mem::take(&mut self.gives_way) {
                // Polled once, it wakes this task after the thread has looked at its sockets.
                let _ = pin!(tokio::task::yield_now()).poll(context);
                return Poll::Pending;
            }
            if runs_on {
                // Others on this thread get their turn first.
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.is_finished() {
                return Poll::Ready(());
            }
            // A new wait is looked at once, so that its timer runs.
            if begins_to_wait || self.may_go_on() || self.poll_input(context) {
                continue;
            }
            if self.is_finished() {
                return Poll::Ready(());
            }
            if self.client.signal.events() == events && !self.arrange_release(context) {
                return Poll::Pending;
            }
        }
    }

    /// Releases and sends. `Err`: the connection is broken.
    fn poll_output(&mut self, context: &mut Context<'_>) -> std::io::Result<()> {
        if self.outbox.release(self.shared.store.released()).is_some()
            && self.shared.store.poison().is_some()
        {
            self.outbox.give_up_held(&unknown_outcome());
        }
        let before = (self.outbox.total_bytes, self.outbox.total_writes);
        let sent = loop {
            let has_more = self.take_monitored();
            let sent = self.outbox.poll_send(&mut self.stream, context);
            if !has_more || !matches!(sent, Poll::Ready(Ok(()))) {
                break sent;
            }
        };
        if self.outbox.total_bytes > before.0 {
            self.worker.counters().output_bytes.add(self.outbox.total_bytes - before.0);
            self.worker.counters().writes.add(self.outbox.total_writes - before.1);
            self.note_activity();
        }
        self.note_output();
        let hard_bytes = self.shared.settings.output_hard_bytes.load(Ordering::Relaxed);
        // What is held for the log is not the client's fault.
        let waiting = if hard_bytes > 0 { self.outbox.waiting() as u64 } else { 0 };
        if waiting > hard_bytes {
            self.shared.stalled_clients.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(
                "closing the connection of {}: {waiting} bytes of replies wait for it, more than \
                 the {hard_bytes} of client-output-buffer-limit",
                self.client.address
            );
            return Err(std::io::ErrorKind::OutOfMemory.into());
        }
        match sent {
            Poll::Ready(Err(error)) => Err(error),
            _ => Ok(()),
        }
    }

    /// Shows others what waits for the client.
    fn note_output(&self) {
        self.client.output_buffered.store(self.outbox.len(), Ordering::Relaxed);
        self.client.output_waiting.store(self.outbox.waiting(), Ordering::Relaxed);
        self.client.output_taken.store(self.outbox.total_bytes, Ordering::Relaxed);
    }

    /// It is not idle; see `idle.rs`.
    fn note_activity(&self) {
        if self.shared.settings.timeout_s.load(Ordering::Relaxed) > 0 {
            self.client.is_active.store(true, Ordering::Relaxed);
        }
    }

    /// Reads if that makes sense now. Returns whether there is something new to look at.
    fn poll_input(&mut self, context: &mut Context<'_>) -> bool {
        if self.input.is_ended || self.is_closing || !self.wants_input() {
            return false;
        }
        match self.input.poll_read(&mut self.stream, context) {
            Poll::Pending => false,
            Poll::Ready(Ok(count)) if count > 0 => {
                self.worker.counters().input_bytes.add(count as u64);
                self.worker.counters().reads.add(1);
                self.note_activity();
                true
            }
            Poll::Ready(end) => {
                self.input.is_ended = true;
                if end.is_err() {
                    self.is_closing = true;
                    self.outbox = Outbox::default();
                }
                if !matches!(self.waiting, Waiting::No) {
                    // Nobody waits any more for what would come behind the blocked command.
                    self.abandon_wait();
                    self.is_closing = true;
                    self.input.abandon();
                }
                true
            }
        }
    }

    fn wants_input(&self) -> bool {
        match self.waiting {
            Waiting::No => self.outbox.len() < self.outbox_bytes_max(),
            Waiting::Read(_) | Waiting::Replicas(_) | Waiting::Postponed(_) => {
                self.input.buffered() < BACKLOG_BYTES_MAX
            }
            // Whoever goes away meanwhile takes nobody's place.
            Waiting::Penalty(..) => self.input.buffered() < PENALTY_BYTES_MAX,
            Waiting::Room(_) | Waiting::Blocks(_) | Waiting::Large(_) => false,
        }
    }

    /// Whether something became possible by sending.
    fn may_go_on(&self) -> bool {
        match self.waiting {
            Waiting::No => self.may_run() && self.input.has_more(),
            Waiting::Large(ref large) => {
                self.outbox.is_empty()
                    && large.loading.is_none()
                    && large.until <= self.shared.store.released()
            }
            _ => false,
        }
    }

    fn may_run(&self) -> bool {
        matches!(self.waiting, Waiting::No)
            && !self.is_closing
            && self.outbox.len() < self.outbox_bytes_max()
    }

    fn is_finished(&self) -> bool {
        let has_input = self.input.has_more() && !self.is_closing;
        (self.is_closing || self.input.is_ended)
            && !has_input
            && self.outbox.is_empty()
            && !self.stream.has_unsent()
            && matches!(self.waiting, Waiting::No)
    }

    /// The server stops: what ran is still answered, nothing new runs.
    fn stop_running(&mut self) {
        self.is_closing = true;
        self.input.abandon();
        if !matches!(self.waiting, Waiting::Large(_)) {
            self.abandon_wait();
        }
    }

    /// Arranges to be woken when the next held reply may leave. Returns whether it may already.
    fn arrange_release(&mut self, context: &Context<'_>) -> bool {
        let large = match &self.waiting {
            Waiting::Large(large) if self.outbox.is_empty() && large.loading.is_none() => {
                Some(large.until)
            }
            _ => None,
        };
        // Only looked at: what is let go here would not be sent.
        let Some(until) = self.outbox.next_held().or(large) else { return false };
        if self.arranged_for != Some(until) {
            self.arranged_for = Some(until);
            self.worker.wake_at(until, context.waker());
        }
        until <= self.shared.store.released() || self.shared.store.poison().is_some()
    }

    /// Changes what CLIENT LIST shows.
    pub(crate) fn update_facts(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.client.facts.lock());
    }

    /// Replies from now on are in this protocol; those before were in the one before.
    pub(crate) fn set_protocol(&mut self, protocol: Protocol) {
        self.encode_replies();
        self.protocol = protocol;
        self.update_facts(|facts| facts.resp = protocol.version());
    }

    pub(crate) fn set_db(&mut self, db: u8) {
        self.db = db;
        self.update_facts(|facts| facts.db = db);
    }

    fn is_in_multi(&self) -> bool {
        self.multi.is_some() || self.is_in_exec
    }

    pub(crate) fn last_position(&self) -> LogPosition {
        self.last_position
    }

    pub(crate) fn reset_counters(&self) {
        self.shared.workers.iter().for_each(|worker| worker.counters.reset());
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // After a panic behind a command that has logged something.
        self.ask_for_write();
        self.abandon_wait();
        self.end_monitoring();
        self.stream.say_goodbye();
        self.uncount_memory();
    }
}

/// In place of a reply whose record may or may not be on disk.
fn unknown_outcome() -> Vec<u8> {
    format!("-{OUTCOME_UNKNOWN}\r\n").into_bytes()
}
