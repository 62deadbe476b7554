//! What the engine counts beside its lock.

use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::MutexGuard;
use rustix::time::{ClockId, clock_gettime};

use crate::core::Core;

/// Counters that any thread may raise.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) blocks_read: AtomicU64,
    /// Of those, with the engine held.
    pub(crate) blocks_read_held: AtomicU64,
    pub(crate) checkpoints: AtomicU64,
    pub(crate) checkpoint_failures: AtomicU64,
    pub(crate) checkpoint_bytes: AtomicU64,
    pub(crate) last_checkpoint_bytes: AtomicU64,
    /// Bytes of those that a start would read.
    pub(crate) kept_checkpoint_bytes: AtomicU64,
    pub(crate) last_checkpoint_ms: AtomicU64,
    pub(crate) last_checkpoint_failed: AtomicBool,
    /// Bytes of blocks in memory only, beyond what the last checkpoint left so.
    pub(crate) unwritten_excess: AtomicU64,
    /// Of holds for a checkpoint.
    pub(crate) checkpoint_holds: LongestHold,
    /// Of holds for what time demands.
    pub(crate) timer_holds: LongestHold,
}

/// The longest time that the engine was held for one purpose, in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct LongestHold {
    ns: AtomicU64,
    /// The same in time on a processor: what the work takes where nothing else wants to run.
    cpu_ns: AtomicU64,
}

impl LongestHold {
    /// What is to be dropped when the hold ends that has just begun.
    pub(crate) fn begin(&self) -> Hold<'_> {
        Hold { longest: self, since: Instant::now(), since_cpu: cpu_time() }
    }

    /// In microseconds, and in those on a processor.
    pub(crate) fn microseconds(&self) -> (u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed) / 1000;
        (read(&self.ns), read(&self.cpu_ns))
    }
}

/// A hold of the engine whose length is noted. The one use of a clock here: nothing depends on what
/// it says.
pub(crate) struct Hold<'e> {
    longest: &'e LongestHold,
    since: Instant,
    since_cpu: Duration,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.longest.ns.fetch_max(nanoseconds(self.since.elapsed()), Ordering::Relaxed);
        let cpu_ns = nanoseconds(cpu_time().saturating_sub(self.since_cpu));
        self.longest.cpu_ns.fetch_max(cpu_ns, Ordering::Relaxed);
    }
}

/// The core, held for a checkpoint.
pub(crate) struct CoreGuard<'e> {
    core: MutexGuard<'e, Core>,
    _hold: Hold<'e>,
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl<'e> CoreGuard<'e> {
    pub(crate) fn new(core: MutexGuard<'e, Core>, counters: &'e Counters) -> Self {
        Self { core, _hold: counters.checkpoint_holds.begin() }
    }
}

impl Deref for CoreGuard<'_> {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl DerefMut for CoreGuard<'_> {
    fn deref_mut(&mut self) -> &mut Core {
        &mut self.core
    }
}
