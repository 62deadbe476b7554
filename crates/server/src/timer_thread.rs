//! The thread that lets the engine do what time demands: expiry, time-outs, claims.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::shared::Shared;

/// Looks at the clock at least this often, since the wall clock may step.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Pieces of work per hold of the lock.
const BUDGET: usize = 64;

/// Runs until `stop` is set.
pub(crate) fn run(shared: &Shared, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        shared.engine.wait_due(shared.clock.now(), LOOK_INTERVAL);
        while !stop.load(Ordering::Acquire) && shared.engine.run_due(shared.clock.now(), BUDGET) {}
    }
}
