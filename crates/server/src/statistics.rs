//! What the server counts, for INFO.
//!
//! Each worker counts for itself, so counting is a plain addition to memory of its own; INFO adds
//! the workers up.

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use millstream_command::table::CommandId;
use parking_lot::Mutex;

use crate::histogram::{Distribution, Histogram};

/// A counter with one writing thread and any number of readers.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    /// On the worker's own thread only.
    pub(crate) fn add(&self, more: u64) {
        self.0.store(self.0.load(Ordering::Relaxed).wrapping_add(more), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

/// What one command cost so far.
#[derive(Debug, Default)]
pub(crate) struct CommandCounters {
    pub(crate) calls: Counter,
    pub(crate) nanoseconds: Counter,
    /// Refused before it ran.
    pub(crate) rejected: Counter,
    /// Ran and answered with an error.
    pub(crate) failed: Counter,
    /// Two KiB, so only what is called has one.
    histogram: OnceLock<Box<Histogram>>,
}

impl CommandCounters {
    /// Some calls that took so long together; in the histogram, too, if it is kept.
    pub(crate) fn add_calls(&self, calls: u64, nanoseconds: u64, is_tracked: bool) {
        self.calls.add(calls);
        self.nanoseconds.add(nanoseconds);
        if is_tracked {
            self.histogram.get_or_init(Box::default).add(nanoseconds / calls.max(1), calls);
        }
    }

    fn reset(&self) {
        [&self.calls, &self.nanoseconds, &self.rejected, &self.failed]
            .into_iter()
            .for_each(Counter::reset);
        if let Some(histogram) = self.histogram.get() {
            histogram.reset();
        }
    }
}

/// The counters of one worker.
#[derive(Debug)]
pub(crate) struct WorkerCounters {
    pub(crate) connections: Counter,
    pub(crate) input_bytes: Counter,
    pub(crate) output_bytes: Counter,
    /// Reads and writes of sockets.
    pub(crate) reads: Counter,
    pub(crate) writes: Counter,
    pub(crate) error_replies: Counter,
    /// Connections closed because a request went over `client-query-buffer-limit`.
    pub(crate) too_large_requests: Counter,
    /// That ran; those inside EXEC each, and EXEC.
    pub(crate) commands: Counter,
    pub(crate) by_command: Vec<CommandCounters>,
    /// By the first word of the error.
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Default for WorkerCounters {
    fn default() -> Self {
        Self {
            connections: Counter::default(),
            input_bytes: Counter::default(),
            output_bytes: Counter::default(),
            reads: Counter::default(),
            writes: Counter::default(),
            error_replies: Counter::default(),
            too_large_requests: Counter::default(),
            commands: Counter::default(),
            by_command: (0..CommandId::COUNT).map(|_| CommandCounters::default()).collect(),
            errors: Mutex::default(),
        }
    }
}

impl WorkerCounters {
    pub(crate) fn of(&self, id: CommandId) -> &CommandCounters {
        &self.by_command[id.index()]
    }

    pub(crate) fn count_error(&self, text: &[u8]) {
        /// Clients choose no error codes, so this is more than there are.
        const CODES_MAX: usize = 128;
        self.error_replies.add(1);
        let code = text.split(|byte| *byte == b' ').next().unwrap_or_default();
        let code = String::from_utf8_lossy(code);
        let mut errors = self.errors.lock();
        if let Some(count) = errors.get_mut(&*code) {
            *count += 1;
        } else if errors.len() < CODES_MAX {
            errors.insert(code.into_owned(), 1);
        }
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().clone()
    }

    /// CONFIG RESETSTAT. A worker that counts at this moment may keep its old count.
    pub(crate) fn reset(&self) {
        let traffic = [&self.input_bytes, &self.output_bytes, &self.reads, &self.writes];
        let events =
            [&self.connections, &self.commands, &self.error_replies, &self.too_large_requests];
        traffic.into_iter().chain(events).for_each(Counter::reset);
        self.by_command.iter().for_each(CommandCounters::reset);
        self.errors.lock().clear();
    }
}

/// How long the calls of one command took, on all workers.
pub(crate) fn distribution<'a>(
    workers: impl Iterator<Item = &'a WorkerCounters>,
    id: CommandId,
) -> Distribution {
    Distribution::of(workers.filter_map(|worker| worker.of(id).histogram.get().map(|own| &**own)))
}
