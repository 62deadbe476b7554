//! Running a batch: the hot path.
//!
//! Arguments and command rows are found before the engine is locked, replies are encoded after it
//! is unlocked. Commands about data share one hold of the lock; others are run without it.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use millstream_command::table::{self, CommandId, CommandSpec, Flag};
use millstream_command::{Answer, Reply, encode, is_data_command, run};
use millstream_engine::{Engine, LogPosition, Now, Transaction};
use millstream_resp::ProtocolError;
use millstream_runtime::admission::no_room;

use super::Session;
use super::blocking::{Parked, ParkedRead, Sink, Waiting, pause};
use super::input::Input;
use super::large_reply;
use super::silence::Silence;
use crate::debug_command;

/// Requests of one hold of the lock, at most.
const BATCH_REQUESTS_MAX: usize = 256;
/// The lock is given to others after about so long.
const LOCK_TIME: Duration = Duration::from_micros(100);
/// The clock is looked at after so many commands.
const CLOCK_STRIDE: usize = 16;

/// Every reply with a block in it that is not in memory is larger.
const COLD_BYTES_MIN: usize = 64;

const NOAUTH: &str = "NOAUTH Authentication required.";
const EXEC_NOAUTH: &str =
    "EXECABORT Transaction discarded because of: NOAUTH Authentication required.";

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
        let limits = self.shared.settings.limits(!self.is_authenticated());
        // One by one until the password was given: it decides how the next one is judged.
        // A monitor sees its own commands, too, each after its reply.
        let is_alone = !self.is_authenticated() || self.monitor.is_some();
        let count_max = if is_alone { 1 } else { BATCH_REQUESTS_MAX };
        match self.input.parse(&limits, count_max) {
            Ok(()) => !self.input.batch.is_empty(),
            Err(error) => {
                if error == ProtocolError::RequestTooBig {
                    self.worker.counters().too_large_requests.add(1);
                }
                if !self.is_silenced() {
                    error.write_reply(self.outbox.buffer());
                }
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
        self.refresh_user();
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
        self.latch_whole_bytes();
        let specs = || plan.iter().filter_map(|planned| planned.spec);
        if self.shared.memory.max() > 0 && specs().any(CommandSpec::is_denied_without_memory) {
            self.shared.memory.grow(input.batch_bytes() as u64);
        }
        let started = Instant::now();
        self.begin_timing(started, plan.len());
        let (done, last) = self.run_plan(&plan, &args, input.batch_bytes(), started);
        self.end_stride();
        if !self.shared.monitors.is_empty() {
            self.shared.monitors.wake(self.shared.settings.monitor_bytes_max());
        }
        self.encode_replies();
        self.account(done, last, input);
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
        let shared = Arc::clone(&self.shared);
        let mut lock: Option<Transaction<'_>> = None;
        let mut lock_since = started;
        let mut args_start = 0;
        let mut last = None;
        for (index, planned) in plan.iter().enumerate() {
            let args = &args[args_start..planned.args_end];
            args_start = planned.args_end;
            self.stopwatch.next = plan.get(index + 1).and_then(|planned| planned.spec);
            let Some(spec) = planned.spec else {
                self.refuse_unknown(args);
                self.skip_time();
                last = None;
                continue;
            };
            last = Some(spec);
            if !self.is_plain()
                && let Some(step) = self.intercept(spec, args)
            {
                if step != Step::Next {
                    return (index, last);
                }
                self.skip_time();
                if self.has_enough_replies() {
                    return (index + 1, last);
                }
                continue;
            }
            let step = if is_data_command(spec.id) {
                let needs_no_room = is_admitted || !spec.is_write();
                let step = self.run_admitted(
                    spec,
                    args,
                    now,
                    needs_no_room,
                    &mut lock,
                    &shared.store.engine,
                );
                // A read for a group may log more than its request hints at.
                is_admitted &= self.batch_end <= self.admitted_until;
                step
            } else if self.access.epoch() != shared.acl.epoch() {
                // What ran before it in this batch may have taken long.
                Step::Retry
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
                self.end_stride();
                if self.last_end() - lock_since > LOCK_TIME {
                    lock = None;
                    lock_since = self.last_end();
                }
            }
        }
        drop(lock);
        (plan.len(), last)
    }

    /// Nothing stands between this session and running a command.
    #[inline]
    fn is_plain(&self) -> bool {
        self.access.is_free()
            && self.multi.is_none()
            && self.monitor.is_none()
            && !self.shared.pause.is_on()
            && !self.shared.memory.is_short()
    }

    /// What comes before the command itself: authentication, a pause, and queueing by MULTI.
    fn intercept(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Option<Step> {
        if !self.is_authenticated() && !spec.needs_no_auth() {
            // EXEC says that the transaction is gone, even here, where there can be none.
            let text = if spec.id == CommandId::Exec { EXEC_NOAUTH } else { NOAUTH };
            self.reject(spec, Reply::error(text));
            return Some(Step::Next);
        }
        if !self.access.is_free()
            && let Some((_, reply)) = self.refusal(spec, args)
        {
            self.reject(spec, reply);
            return Some(Step::Next);
        }
        if self.monitor.is_some() && (spec.is_write() || spec.flags.contains(Flag::Readonly)) {
            self.reject(spec, Reply::error("ERR Replica can't interact with the keyspace"));
            return Some(Step::Next);
        }
        if self.shared.memory.is_short()
            && let Some(step) = self.refuse_for_memory(spec)
        {
            return Some(step);
        }
        if self.shared.pause.is_on()
            && let Some(step) = self.postpone(spec)
        {
            return Some(step);
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
            self.end_stride();
            *lock = None;
            if let Err(step) = self.admit(spec, args) {
                return step;
            }
        }
        if lock.is_none() {
            *lock = Some(self.lock_engine(engine, now));
            // Whoever begins a pause then takes the engine once: nothing that was let in before
            // that runs after it.
            if self.shared.pause.is_on()
                && let Some(step) = self.postpone(spec)
            {
                *lock = None;
                return step;
            }
            // Whoever has changed rules meanwhile took the engine before it said so.
            if self.access.epoch() != self.shared.acl.epoch() {
                *lock = None;
                return Step::Retry;
            }
            self.skip_time();
        }
        let txn = lock.as_mut().expect("taken above");
        self.run_data(spec, args, now, txn)
    }

    #[inline]
    fn run_data(
        &mut self,
        spec: &'static CommandSpec,
        args: &[&[u8]],
        now: Now,
        txn: &mut Transaction<'_>,
    ) -> Step {
        if self.has_loaded() {
            if let Some(reply) = self.take_load_failure() {
                self.room_wait.end();
                self.answer(Some(spec), reply, LogPosition::ZERO);
                self.lap(spec, args);
                return Step::Next;
            }
            txn.install(&self.loaded);
        }
        txn.begin();
        txn.may_put_off(true);
        txn.leave_no_trace(self.leaves_no_trace);
        self.guard_writes(spec, args, txn);
        let answer = run(spec, args, self.db, true, txn);
        let position = txn.finish();
        self.batch_end = self.batch_end.max(position);
        match answer {
            Answer::Reply(reply) => {
                self.room_wait.end();
                self.forget_loaded();
                self.answer(Some(spec), reply, position);
                self.lap(spec, args);
                Step::Next
            }
            Answer::NeedsBlocks => {
                self.load(txn.take_needed());
                Step::Retry
            }
            Answer::NeedsRoom => {
                self.shared.store.wake_preparer();
                if self.room_wait.is_more_in_vain(&self.shared.store.engine) {
                    self.forget_loaded();
                    self.answer(Some(spec), Reply::error(no_room(&self.shared.store)), position);
                    self.lap(spec, args);
                    return Step::Next;
                }
                self.waiting = Waiting::Room(pause());
                Step::Retry
            }
            Answer::Park { .. } if !self.may_block() => {
                self.room_wait.end();
                self.forget_loaded();
                self.refuse_to_block(spec, position);
                self.lap(spec, args);
                Step::Next
            }
            Answer::Park { request, block_ms } => {
                // The clock's millisecond has begun already, and a wait must not end early.
                let deadline_ms = block_ms
                    .map(|block_ms| now.monotonic_ms.saturating_add(block_ms).saturating_add(1));
                if self.access.epoch() != self.shared.acl.epoch() {
                    // Whoever changed the rules may have looked at all that wait already.
                    return Step::Retry;
                }
                let read = ParkedRead::new(Arc::clone(&self.client), spec, args);
                let shared = Arc::clone(&self.shared);
                let sink = Box::new(Sink { read: Arc::clone(&read), shared });
                self.forget_loaded();
                let ticket = txn.park(*request, deadline_ms, sink);
                self.last_position = self.last_position.max(position);
                self.lap_blocked(spec, args);
                let waiting = Waiting::Read(Parked::new(ticket, read, args));
                self.begin_wait(waiting, deadline_ms.is_some());
                Step::Pause
            }
        }
    }

    fn refuse_unknown(&mut self, args: &[&[u8]]) {
        if self.is_plain()
            && debug_command::is_allowed(self)
            && debug_command::flushes_scripts(args)
        {
            self.answer(None, Reply::OK, LogPosition::ZERO);
            return;
        }
        let Err(error) = table::resolve(args) else { return };
        let known = match &error {
            table::LookupError::WrongArity(spec) => Some(*spec),
            _ => None,
        };
        self.update_facts(|facts| facts.last_command = known);
        if let Some(spec) = known {
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
        self.forget_put_off();
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
        if self.silence != Silence::None && self.is_silenced() {
            self.drop_reply(position);
            return;
        }
        self.last_reply_bytes = reply.bytes_estimate();
        if self.last_reply_bytes > COLD_BYTES_MIN && reply.has_cold() {
            // Its blocks are loaded as it is written.
            self.last_reply_bytes = self.last_reply_bytes.max(large_reply::WHOLE_BYTES_MAX + 1);
        }
        self.replies_bytes += self.last_reply_bytes;
        self.replies.push((reply, position));
    }

    /// Whether what was answered must leave before more is answered: a batch of small requests may
    /// ask for gigabytes.
    fn has_enough_replies(&self) -> bool {
        self.last_reply_bytes > self.whole_bytes_max || self.replies_bytes > self.outbox_bytes_max()
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
        let released = self.shared.store.released();
        let mut end = LogPosition::ZERO;
        let is_last_large = self.last_reply_bytes > self.whole_bytes_max;
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

    /// Shows in CLIENT LIST what ran.
    fn account(&self, commands: usize, last: Option<&'static CommandSpec>, input: &Input) {
        self.update_facts(|facts| {
            facts.last_command = last.or(facts.last_command);
            facts.last_at = self.last_end();
            facts.commands += commands as u64;
            facts.input_bytes = input.total_bytes;
            facts.output_bytes = self.outbox.total_bytes;
            facts.input_buffered = input.buffered();
            facts.queued = self.multi.as_ref().map(super::transaction::Multi::len);
            facts.watched = self.watched.len();
        });
    }
}
