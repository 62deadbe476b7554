//! Running a batch: the hot path.
//!
//! Arguments and command rows are found before the engine is locked, replies are encoded after it
//! is unlocked. Commands about data share one hold of the lock; others are run without it.

use std::mem;
use std::time::{Duration, Instant};

use millstream_command::table::{self, CommandId, CommandSpec};
use millstream_command::{Answer, Reply, encode, is_data_command, run};
use millstream_engine::{Engine, LogPosition, Now, Transaction};

use super::blocking::{Parked, ParkedRead, Sink, Waiting, pause};
use super::input::Input;
use super::large_reply;
use super::{OUTBOX_BYTES_MAX, Session};
use crate::admission::{self, Admission, Reservation};

/// Requests of one hold of the lock, at most.
const BATCH_REQUESTS_MAX: usize = 256;
/// The lock is given to others after about so long.
const LOCK_TIME: Duration = Duration::from_micros(100);
/// The clock is looked at after so many commands.
const CLOCK_STRIDE: usize = 16;
/// A write that has waited this long for room is refused.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);

const NOAUTH: &str = "NOAUTH Authentication required.";
const EXEC_NOAUTH: &str =
    "EXECABORT Transaction discarded because of: NOAUTH Authentication required.";
pub(super) const DISK_FULL: &str = "MISCONF the disk is full: only commands that free space are \
accepted until there is room";
pub(super) const POISONED: &str = "MISCONF the log cannot be written: no write is accepted until \
the server has been started again";

/// A request of the batch, before it runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Planned {
    /// `None`: there is no such command, or the number of arguments is wrong.
    spec: Option<&'static CommandSpec>,
    /// Where its arguments end in the list of all arguments.
    args_end: usize,
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// It is answered; the next one may run.
    Next,
    /// It was taken, and the next one must wait.
    Pause,
    /// It must be tried again later.
    Retry,
}

impl Session {
    /// Runs a batch, if there is one and it may run. Returns whether there is more to run at once.
    pub(super) fn execute(&mut self) -> bool {
        if !self.may_run() || (self.input.is_batch_done() && !self.parse()) {
            return false;
        }
        let mut input = mem::take(&mut self.input);
        self.run_batch(&mut input);
        self.input = input;
        self.may_run() && self.input.has_more()
    }

    /// Returns whether there is a request.
    fn parse(&mut self) -> bool {
        let limits = self.shared.settings.limits(!self.is_authenticated);
        // One by one until the password was given: it decides how the next one is judged.
        let count_max = if self.is_authenticated { BATCH_REQUESTS_MAX } else { 1 };
        match self.input.parse(&limits, count_max) {
            Ok(()) => !self.input.batch.is_empty(),
            Err(error) => {
                error.write_reply(self.outbox.buffer());
                self.close();
                false
            }
        }
    }

    /// Nothing more is run; what is in the outbox still leaves.
    pub(super) fn close(&mut self) {
        self.is_closing = true;
        self.input.abandon();
    }

    fn run_batch(&mut self, input: &mut Input) {
        let mut args = self.args.take();
        let mut plan = mem::take(&mut self.plan);
        plan.clear();
        let mut is_cross_protocol = false;
        for index in input.next..input.batch.len() {
            let request = input.batch.request(index, input.source());
            let start = args.len();
            args.extend(request.iter());
            let spec = match table::resolve(&args[start..]) {
                Ok(spec) => Some(spec),
                Err(_) if request.is_cross_protocol() => {
                    is_cross_protocol = true;
                    args.truncate(start);
                    break;
                }
                Err(_) => None,
            };
            plan.push(Planned { spec, args_end: args.len() });
        }
        let started = Instant::now();
        let (done, last) = self.run_plan(&plan, &args, input.batch_bytes(), started);
        self.encode_replies();
        self.account(&plan[..done], last, input, started);
        self.args.put_back(args);
        self.plan = plan;
        input.next += done;
        // A browser was tricked into speaking to this port.
        self.is_closing |= is_cross_protocol && done == self.plan.len();
        if self.is_closing {
            input.abandon();
        }
    }

    /// Returns how many requests were taken, and the last command.
    fn run_plan(
        &mut self,
        plan: &[Planned],
        args: &[&[u8]],
        batch_bytes: usize,
        started: Instant,
    ) -> (usize, Option<&'static CommandSpec>) {
        let now = self.shared.clock.at(started);
        // One question for all: room for the whole batch is room for each of it.
        let mut is_admitted = self.is_batch_admitted(plan.len(), batch_bytes);
        let shared = std::sync::Arc::clone(&self.shared);
        let mut lock: Option<Transaction<'_>> = None;
        let mut lock_since = started;
        let mut args_start = 0;
        let mut last = None;
        for (index, planned) in plan.iter().enumerate() {
            let args = &args[args_start..planned.args_end];
            args_start = planned.args_end;
            let Some(spec) = planned.spec else {
                self.refuse_unknown(args);
                continue;
            };
            last = Some(spec);
            if !self.is_plain()
                && let Some(step) = self.intercept(spec, args)
            {
                debug_assert!(step == Step::Next);
                continue;
            }
            let step = if is_data_command(spec.id) {
                let needs_no_room = is_admitted || !spec.is_write();
                let step =
                    self.run_admitted(spec, args, now, needs_no_room, &mut lock, &shared.engine);
                // A read for a group may log more than its request hints at.
                is_admitted &= self.batch_end <= self.admitted_until;
                step
            } else {
                lock = None;
                self.run_own(spec, args, now)
            };
            match step {
                Step::Next if self.is_closing || self.has_enough_replies() => {
                    return (index + 1, last);
                }
                Step::Next => {}
                Step::Pause => return (index + 1, last),
                Step::Retry => return (index, last),
            }
            if index % CLOCK_STRIDE == CLOCK_STRIDE - 1 && lock.is_some() {
                let instant = Instant::now();
                if instant - lock_since > LOCK_TIME {
                    lock = None;
                    lock_since = instant;
                }
            }
        }
        drop(lock);
        (plan.len(), last)
    }

    fn is_batch_admitted(&mut self, commands: usize, bytes: usize) -> bool {
        if self.shared.poison().is_some() {
            return false;
        }
        let admission = admission::ask(&self.shared, commands, bytes, false);
        let Admission::Granted(reservation) = admission else { return false };
        self.keep_reservation(reservation);
        true
    }

    fn keep_reservation(&mut self, reservation: Option<Reservation>) {
        self.admitted_until = reservation.as_ref().map_or(LogPosition::new(u64::MAX), |r| r.until);
        self.reservation = reservation;
    }

    /// What was let in has logged by now: what it did not take is free again.
    fn give_back_reservation(&mut self) {
        self.shared.note_log_end(self.batch_end);
        self.reservation = None;
    }

    /// Nothing stands between this session and running a command.
    #[inline]
    fn is_plain(&self) -> bool {
        self.is_authenticated && self.multi.is_none()
    }

    /// What comes before the command itself: authentication, and queueing by MULTI.
    fn intercept(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Option<Step> {
        if !self.is_authenticated && !spec.needs_no_auth() {
            // EXEC says that the transaction is gone, even here, where there can be none.
            let text = if spec.id == CommandId::Exec { EXEC_NOAUTH } else { NOAUTH };
            self.reject(spec, Reply::error(text));
            return Some(Step::Next);
        }
        self.multi.is_some().then(|| self.queue(spec, args)).flatten()
    }

    /// Runs a command about data with the engine held; a write only if there is room for it.
    #[inline]
    fn run_admitted<'e>(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        now: Now,
        is_admitted: bool,
        lock: &mut Option<Transaction<'e>>,
        engine: &'e Engine,
    ) -> Step {
        if !is_admitted {
            *lock = None;
            if let Err(step) = self.admit(spec, args) {
                return step;
            }
        }
        self.run_data(spec, args, now, lock.get_or_insert_with(|| engine.lock(now)))
    }

    #[inline]
    fn run_data(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        now: Now,
        txn: &mut Transaction<'_>,
    ) -> Step {
        txn.begin();
        let answer = run(spec.id, args, self.db, true, txn);
        let position = txn.finish();
        self.batch_end = self.batch_end.max(position);
        match answer {
            Answer::Reply(reply) => {
                self.answer(Some(spec), reply, position);
                Step::Next
            }
            Answer::Park { request, block_ms } => {
                // The clock's millisecond has begun already, and a wait must not end early.
                let deadline_ms = block_ms
                    .map(|block_ms| now.monotonic_ms.saturating_add(block_ms).saturating_add(1));
                let read = ParkedRead::new(std::sync::Arc::clone(&self.client.signal));
                let sink = Box::new(Sink(std::sync::Arc::clone(&read)));
                let ticket = txn.park(request, deadline_ms, sink);
                self.last_position = self.last_position.max(position);
                self.blocked_command = Some(spec);
                self.begin_wait(Waiting::Read(Parked::new(ticket, read)));
                Step::Pause
            }
        }
    }

    /// A write that the batch's question did not let in, on its own.
    fn admit(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Result<(), Step> {
        let bytes = args.iter().map(|argument| argument.len()).sum();
        match self.may_write(frees_space(spec), 1, bytes) {
            Ok(true) => Ok(()),
            Ok(false) => {
                self.waiting = Waiting::Room(pause());
                Err(Step::Retry)
            }
            Err(text) => {
                self.reject(spec, Reply::error(text));
                Err(Step::Next)
            }
        }
    }

    /// Whether so much may be written: `Ok(false)` says to ask again, `Err` why not.
    pub(super) fn may_write(
        &mut self,
        frees_space: bool,
        commands: usize,
        bytes: usize,
    ) -> Result<bool, &'static str> {
        if self.shared.poison().is_some() {
            return Err(POISONED);
        }
        self.give_back_reservation();
        match admission::ask(&self.shared, commands, bytes, frees_space) {
            Admission::Granted(reservation) => {
                self.keep_reservation(reservation);
                self.room_wanted_since = None;
                Ok(true)
            }
            Admission::Wait => {
                let since = *self.room_wanted_since.get_or_insert_with(Instant::now);
                if since.elapsed() < ROOM_PATIENCE {
                    return Ok(false);
                }
                self.room_wanted_since = None;
                Err(DISK_FULL)
            }
            Admission::DiskFull => {
                self.room_wanted_since = None;
                Err(DISK_FULL)
            }
        }
    }

    fn refuse_unknown(&mut self, args: &[&[u8]]) {
        let Err(error) = table::resolve(args) else { return };
        if let table::LookupError::WrongArity(spec) = &error {
            self.worker.counters().of(spec.id).rejected.add(1);
        }
        match &error {
            // As the reply says: the transaction is gone, not only doomed.
            table::LookupError::WrongArity(spec) if spec.id == CommandId::Exec => self.discard(),
            _ => self.abort_multi(),
        }
        self.answer(None, error.reply(), LogPosition::ZERO);
    }

    /// Answers a command that was refused before it ran.
    pub(super) fn reject(&mut self, spec: &'static CommandSpec, reply: Reply) {
        self.worker.counters().of(spec.id).rejected.add(1);
        self.abort_multi();
        self.answer(None, reply, LogPosition::ZERO);
    }

    #[inline]
    pub(super) fn answer(
        &mut self,
        spec: Option<&'static CommandSpec>,
        reply: Reply,
        position: LogPosition,
    ) {
        if matches!(reply, Reply::Error(_) | Reply::ErrorBytes(_)) {
            self.count_failure(spec, &reply);
        }
        self.last_reply_bytes = reply.bytes_estimate();
        self.replies_bytes += self.last_reply_bytes;
        self.replies.push((reply, position));
    }

    /// Whether what was answered must leave before more is answered: a batch of small requests may
    /// ask for gigabytes.
    fn has_enough_replies(&self) -> bool {
        self.last_reply_bytes > large_reply::WHOLE_BYTES_MAX
            || self.replies_bytes > OUTBOX_BYTES_MAX
    }

    #[cold]
    pub(super) fn count_failure(&self, spec: Option<&'static CommandSpec>, reply: &Reply) {
        let counters = self.worker.counters();
        if let Some(spec) = spec {
            counters.of(spec.id).failed.add(1);
        }
        match reply {
            Reply::Error(text) => counters.count_error(text.as_bytes()),
            Reply::ErrorBytes(text) => counters.count_error(text),
            _ => {}
        }
    }

    /// Moves the replies of a batch to the outbox. A large one can only be the last.
    pub(super) fn encode_replies(&mut self) {
        let mut replies = mem::take(&mut self.replies);
        let released = self.shared.released();
        let mut end = LogPosition::ZERO;
        let is_last_large = self.last_reply_bytes > large_reply::WHOLE_BYTES_MAX;
        let large = if is_last_large { replies.pop() } else { None };
        for (reply, position) in replies.drain(..) {
            end = end.max(position);
            self.put(&reply, position, released);
        }
        if let Some((reply, position)) = large {
            end = end.max(position);
            self.put_or_defer(reply, position);
        }
        (self.replies_bytes, self.last_reply_bytes) = (0, 0);
        self.outbox.end_batch();
        self.replies = replies;
        self.last_position = self.last_position.max(end);
        self.batch_end = self.batch_end.max(end);
        self.give_back_reservation();
    }

    #[inline]
    pub(super) fn put(&mut self, reply: &Reply, until: LogPosition, released: LogPosition) {
        let start = self.outbox.buffer().len();
        encode(reply, self.protocol, self.outbox.buffer());
        if until > released {
            self.outbox.hold(start, until);
        }
    }

    /// Counts what ran, and shows it in CLIENT LIST.
    fn account(
        &self,
        plan: &[Planned],
        last: Option<&'static CommandSpec>,
        input: &Input,
        started: Instant,
    ) {
        let ended = Instant::now();
        let nanoseconds = u64::try_from((ended - started).as_nanos()).unwrap_or(u64::MAX);
        let share = nanoseconds / plan.len().max(1) as u64;
        let counters = self.worker.counters();
        for spec in plan.iter().filter_map(|planned| planned.spec) {
            let counters = counters.of(spec.id);
            counters.calls.add(1);
            counters.nanoseconds.add(share);
        }
        counters.commands.add(plan.len() as u64);
        self.update_facts(|facts| {
            facts.last_command = last.or(facts.last_command);
            facts.last_at = ended;
            facts.commands += plan.len() as u64;
            facts.input_bytes = input.total_bytes;
            facts.output_bytes = self.outbox.total_bytes;
            facts.input_buffered = input.buffered();
            facts.queued = self.multi.as_ref().map(super::transaction::Multi::len);
            facts.watched = self.watched.len();
        });
    }
}

/// May use the reserve of a full disk: afterwards there is less to keep.
pub(super) fn frees_space(spec: &CommandSpec) -> bool {
    use millstream_command::table::CommandId as C;
    matches!(
        spec.id,
        C::Xack
            | C::Xackdel
            | C::Xdel
            | C::Xdelex
            | C::Xtrim
            | C::Del
            | C::Unlink
            | C::Flushall
            | C::Flushdb
            | C::XgroupDestroy
            | C::XgroupDelconsumer
    )
}
