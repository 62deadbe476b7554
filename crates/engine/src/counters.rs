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
    pub(crate) last_checkpoint_failed: AtomicBool,
    /// Bytes of blocks in memory only, beyond what the last checkpoint left so.
    pub(crate) unwritten_excess: AtomicU64,
    /// The longest time that the engine was held for a checkpoint, in nanoseconds.
    pub(crate) longest_hold_ns: AtomicU64,
    /// The same in time on a processor: what the work takes where nothing else wants to run.
    pub(crate) longest_hold_cpu_ns: AtomicU64,
}

/// The core, held for work that is no transaction; how long is counted. The one use of a clock
/// here: nothing depends on what it says.
pub(crate) struct CoreGuard<'e> {
    core: MutexGuard<'e, Core>,
    counters: &'e Counters,
    since: Instant,
    since_cpu: Duration,
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
        Self { core, counters, since: Instant::now(), since_cpu: cpu_time() }
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

impl Drop for CoreGuard<'_> {
    fn drop(&mut self) {
        let held_ns = nanoseconds(self.since.elapsed());
        self.counters.longest_hold_ns.fetch_max(held_ns, Ordering::Relaxed);
        let cpu_ns = nanoseconds(cpu_time().saturating_sub(self.since_cpu));
        self.counters.longest_hold_cpu_ns.fetch_max(cpu_ns, Ordering::Relaxed);
    }
}
