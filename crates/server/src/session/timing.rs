//! How long each command runs, for INFO, SLOWLOG and LATENCY.
//!
//! The end of one command is the start of the next, so a command costs one look at the clock. The
//! wait for the engine, for the disk or for the client is in no command's time, nor is the
//! encoding of its reply, which stops nobody else.
//!
//! Where a pipelined XADD takes 300 ns, a look for each adds 37 (measured on AMD EPYC, processor
//! time of the server; the look alone is 26). So in long batches commands that are said to be fast
//! share one: up to [`STRIDE`] of the same kind in a row, and each counts with its share; that
//! adds 5 to 9. A slow one among them is found all the same: after each the coarse clock is looked
//! at, which costs 3 ns and moves within any command that takes 10 ms. Where the thresholds of
//! SLOWLOG or LATENCY are lower than that, or somebody monitors, each command is timed.

use std::time::{Duration, Instant};

use millstream_command::Reply;
use millstream_command::table::{CommandId, CommandSpec, Flag, keys};
use millstream_runtime::{TICK_MAX, Tick};

use super::Session;
use crate::latency::LatencyEvent;
use crate::slow_log::SlowEntry;
use crate::spans::CommandSpan;

/// In batches up to this length each command is timed: reading and answering costs far more.
const EACH_UP_TO: usize = 16;
/// Commands that share one look at the clock.
const STRIDE: u64 = 8;

/// A command that waits to be answered.
pub(super) struct Blocked {
    spec: &'static CommandSpec,
    /// Until it began to wait.
    took: Duration,
    slow: Option<SlowEntry>,
}

/// Where the time has been looked at last, and for whom.
pub(super) struct Stopwatch {
    since: Instant,
    tick: Tick,
    /// Commands that ended after `since`, all of one kind.
    unread: u64,
    kind: Option<&'static CommandSpec>,
    /// Kind of the command after the one that runs.
    pub(super) next: Option<&'static CommandSpec>,
    may_share: bool,
    /// What takes so long is looked at more closely.
    slow: Duration,
    is_monitored: bool,
    is_tracking: bool,
    /// Batches until one is taken as spans.
    until_spans: u32,
    is_spanned: bool,
}

impl Stopwatch {
    pub(super) fn new() -> Self {
        Self {
            since: Instant::now(),
            tick: Tick::now(),
            unread: 0,
            kind: None,
            next: None,
            may_share: false,
            slow: Duration::MAX,
            is_monitored: false,
            is_tracking: true,
            until_spans: 0,
            is_spanned: false,
        }
    }

    /// From now on each command is timed and shown.
    pub(super) fn watch_each(&mut self) {
        (self.may_share, self.is_monitored) = (false, true);
    }

    /// Whether the commands of this batch become spans: the first of a connection, then one in so
    /// many.
    fn choose(&mut self, one_in: u32) -> bool {
        if one_in == 0 {
            return false;
        }
        let is_chosen = self.until_spans == 0;
        self.until_spans = if is_chosen { one_in - 1 } else { self.until_spans - 1 };
        is_chosen
    }

    fn start(&mut self, at: Instant) {
        self.since = at;
        self.tick = Tick::now();
    }

    fn read(&mut self) -> Duration {
        let now = Instant::now();
        let took = now - self.since;
        self.since = now;
        took
    }
}

impl Session {
    /// What takes so long is looked at more closely.
    fn slow(&self) -> Duration {
        let thresholds = [self.shared.slow_log.threshold(), self.shared.latency.threshold()];
        thresholds.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    /// So many commands begin to run.
    pub(super) fn begin_timing(&mut self, started: Instant, commands: usize) {
        let slow = self.slow();
        let shared = &self.shared;
        let is_monitored = !shared.monitors.is_empty();
        let is_tracking = shared.latency.is_tracking();
        let may_share = commands > EACH_UP_TO && slow >= TICK_MAX && !is_monitored;
        let watch = &mut self.stopwatch;
        watch.is_spanned = match &shared.config.spans {
            Some(spans) => watch.choose(spans.one_in),
            None => false,
        };
        let may_share = may_share && !watch.is_spanned;
        (watch.slow, watch.is_monitored, watch.may_share) = (slow, is_monitored, may_share);
        watch.is_tracking = is_tracking;
        watch.next = None;
        watch.start(started);
    }

    /// What took time until now was not a command.
    pub(super) fn skip_time(&mut self) {
        self.end_stride();
        self.stopwatch.start(Instant::now());
    }

    /// The command just run waited for the engine for so long.
    pub(super) fn skip_wait(&mut self, waited: Duration) {
        self.stopwatch.since += waited;
    }

    /// When a command ended last; exactly so after [`Self::end_stride`].
    pub(super) fn last_end(&self) -> Instant {
        self.stopwatch.since
    }

    /// A command has run to its end.
    #[inline]
    pub(super) fn lap(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) {
        let watch = &mut self.stopwatch;
        if !watch.may_share || !spec.flags.contains(Flag::Fast) {
            let took = watch.read();
            self.count_call(spec, args, took);
            return;
        }
        let tick = Tick::now();
        let has_ticked = tick != watch.tick;
        watch.tick = tick;
        watch.unread += 1;
        watch.kind = Some(spec);
        let continues = watch.next.is_some_and(|next| next.id == spec.id);
        if has_ticked || !continues || watch.unread == STRIDE {
            self.end_stride_with(spec, args);
        }
    }

    /// The time of the commands that have ended is read now.
    pub(super) fn end_stride(&mut self) {
        let calls = std::mem::take(&mut self.stopwatch.unread);
        if let Some(kind) = self.stopwatch.kind.filter(|_| calls > 0) {
            let took = self.stopwatch.read();
            self.count_calls(kind, calls, took);
        }
    }

    fn end_stride_with(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) {
        let took = self.stopwatch.read();
        let calls = std::mem::take(&mut self.stopwatch.unread);
        if took < self.stopwatch.slow {
            self.count_calls(spec, calls, took);
            return;
        }
        // The last one did it: the coarse clock stood still while the others ran.
        let counters = self.worker.counters().of(spec.id);
        let usual = counters.nanoseconds.get() / counters.calls.get().max(1);
        let others = Duration::from_nanos(usual.saturating_mul(calls - 1)).min(took);
        if calls > 1 {
            self.count_calls(spec, calls - 1, others);
        }
        self.count_call(spec, args, took - others);
    }

    /// EXEC has ended; what it ran was counted before, each on its own.
    pub(super) fn lap_exec(&mut self, spec: &'static CommandSpec, since: Instant) {
        self.end_stride();
        self.stopwatch.since = Instant::now();
        self.count_call(spec, &[b"EXEC"], self.last_end() - since);
    }

    /// A command has begun to wait. It is counted once it is answered, without the wait.
    pub(super) fn lap_blocked(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) {
        let took = self.stopwatch.read();
        self.note_latency(spec, took);
        let slow = self.slow_entry(spec, args, took);
        self.blocked = Some(Blocked { spec, took, slow });
        self.show_if_monitored(spec, args);
    }

    /// Counts a command that waited, and its answer if that is an error.
    pub(super) fn count_blocked(&mut self, reply: &Reply) {
        let Some(blocked) = self.blocked.take() else { return };
        self.count_calls(blocked.spec, 1, blocked.took);
        if let Some(entry) = blocked.slow {
            self.shared.slow_log.push(entry);
        }
        if matches!(reply, Reply::Error(_) | Reply::ErrorBytes(_)) {
            self.count_failure(Some(blocked.spec), reply);
        }
    }

    fn count_call(&mut self, spec: &'static CommandSpec, args: &[&[u8]], took: Duration) {
        self.count_calls(spec, 1, took);
        // What it sets holds for itself.
        if spec.id == CommandId::ConfigSet {
            self.stopwatch.slow = self.slow();
        }
        let is_slow = took >= self.stopwatch.slow;
        if is_slow || self.stopwatch.is_spanned {
            self.take_span(spec, args, took);
        }
        if is_slow {
            self.note_latency(spec, took);
            if let Some(entry) = self.slow_entry(spec, args, took) {
                self.shared.slow_log.push(entry);
            }
        }
        self.show_if_monitored(spec, args);
    }

    fn count_calls(&self, spec: &CommandSpec, calls: u64, took: Duration) {
        let counters = self.worker.counters();
        counters.commands.add(calls);
        let nanoseconds = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        counters.of(spec.id).add_calls(calls, nanoseconds, self.stopwatch.is_tracking);
    }

    #[cold]
    fn note_latency(&self, spec: &CommandSpec, took: Duration) {
        let is_fast = spec.flags.contains(Flag::Fast);
        let event = if is_fast { LatencyEvent::FastCommand } else { LatencyEvent::Command };
        self.shared.latency.note(event, took);
    }

    #[cold]
    fn take_span(&self, spec: &'static CommandSpec, args: &[&[u8]], took: Duration) {
        let Some(spans) = &self.shared.config.spans else { return };
        let is_slow = self.shared.slow_log.threshold().is_some_and(|threshold| took >= threshold);
        if !is_slow && !self.stopwatch.is_spanned {
            return;
        }
        let key = keys(spec, args).ok().and_then(|mut keys| keys.next());
        let key = key.and_then(|key| args.get(key.index).copied());
        spans.sink.take(CommandSpan { name: spec.name, key, took, is_slow });
    }

    /// For the slow log, if it took long enough. EXEC is not logged, its commands are.
    #[cold]
    fn slow_entry(&self, spec: &CommandSpec, args: &[&[u8]], took: Duration) -> Option<SlowEntry> {
        let is_slow = self.shared.slow_log.threshold().is_some_and(|threshold| took >= threshold);
        let is_logged = is_slow && spec.id != CommandId::Exec;
        is_logged.then(|| SlowEntry::new(spec, args, took, &self.client))
    }

    fn show_if_monitored(&mut self, spec: &CommandSpec, args: &[&[u8]]) {
        if self.stopwatch.is_monitored {
            self.show_to_monitors(spec, args);
            self.stopwatch.start(Instant::now());
        }
    }
}
