//! The thread that lets the engine do what time demands: expiry, time-outs, claims. What was
//! removed and takes long to free is given to a thread of its own.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;
use std::time::{Duration, Instant};

use millstream_engine::{Garbage, Now};

use crate::{Host, Work};

/// Looks at the clock at least this often, since the wall clock may step.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Pieces of work per hold of the lock.
const BUDGET: usize = 64;

/// Runs until `stop` is set.
pub(crate) fn run<H: Host>(host: &H, stop: &AtomicBool) {
    let mut clock = TimerClock::default();
    let engine = &host.store().engine;
    while !stop.load(Ordering::Acquire) {
        let until_resumed = host.expiry_stopped_until().map(|at| at - Instant::now().min(at));
        let longest = until_resumed.map_or(LOOK_INTERVAL, |left| left.min(LOOK_INTERVAL));
        engine.wait_due(clock.read(host), longest);
        while !stop.load(Ordering::Acquire) {
            let run_due = || engine.run_due(clock.read(host), BUDGET);
            let due = host.time(Work::Due, run_due);
            free(due.garbage);
            if !due.has_more {
                break;
            }
        }
    }
}

/// A million keys take a second to free, and nobody shall wait for it. Not joined: whatever is left
/// at the end goes with the process.
fn free(garbage: Garbage) {
    if garbage.is_empty() {
        return;
    }
    let spawned = Builder::new().name("millstream-free".to_owned()).spawn(move || drop(garbage));
    if let Err(error) = spawned {
        tracing::warn!("cannot start a thread that frees memory: {error}");
    }
}

/// The clock, whose wall time stands still while no key is to expire. Time-outs and claims go by
/// the other one.
#[derive(Debug, Default)]
struct TimerClock {
    wall_ms: u64,
}

impl TimerClock {
    fn read<H: Host>(&mut self, host: &H) -> Now {
        let now = host.now();
        let stands_still = host.is_expiry_stopped();
        // The reading before the last wait: what fell due during it is not to expire either.
        if !stands_still || self.wall_ms == 0 {
            self.wall_ms = now.wall_ms;
        }
        Now { wall_ms: self.wall_ms, ..now }
    }
}
