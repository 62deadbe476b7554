//! The thread that makes checkpoints, so that the log need not be kept and blocks may leave memory.
//!
//! It writes at a measured pace, so that its bytes do not stand in the way of the log's: faster
//! only where memory or the log demand it. At the end it makes a last one, and the next start
//! replays nothing.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use millstream_engine::{CheckpointError, CheckpointStep, Checkpointer};

use crate::{Host, saving};

/// How often it looks whether a checkpoint is due.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// How often it looks whether the log is durable.
const LOG_PAUSE: Duration = Duration::from_millis(2);
/// Before it tries again after a failure.
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// Before it tries again to have disk space for the next one.
const RESERVE_PAUSE: Duration = Duration::from_millis(200);
/// Bytes a second.
const PACE: u64 = 32 << 20;

/// Runs until `stop` is set and everything is in a checkpoint, or until the log is poisoned.
pub(crate) fn run<H: Host>(mut checkpointer: Checkpointer, host: &Arc<H>, stop: &Arc<AtomicBool>) {
    let store = host.store();
    checkpointer.set_pace(pace(Arc::clone(host), Arc::clone(stop)));
    let mut has_complained = false;
    let mut reserve_tried_at = None;
    while store.poison().is_none() {
        let is_stopping = stop.load(Ordering::Acquire);
        match checkpointer.step(is_stopping) {
            Ok(CheckpointStep::Idle) if is_stopping => return,
            Ok(CheckpointStep::Idle) => {
                keep_reserve(&checkpointer, &mut reserve_tried_at);
                thread::sleep(LOOK_PAUSE);
            }
            Ok(CheckpointStep::Working) => {}
            Ok(CheckpointStep::WaitsForLog(position)) => {
                store.note_log_end(position);
                saving::ask(store, false);
                thread::sleep(LOG_PAUSE);
            }
            Ok(CheckpointStep::Published(position)) => {
                tracing::debug!("a checkpoint covers the log up to {position}");
                has_complained = false;
                reserve_tried_at = None;
                store.wake_preparer();
            }
            Err(error) => {
                complain(&error, &mut has_complained);
                if is_stopping {
                    return;
                }
                thread::sleep(RETRY_PAUSE);
            }
        }
    }
}

/// Now and then tries to have the reserve whole.
fn keep_reserve(checkpointer: &Checkpointer, tried_at: &mut Option<Instant>) {
    if tried_at.is_some_and(|at| at.elapsed() < RESERVE_PAUSE) {
        return;
    }
    match checkpointer.keep_reserve() {
        Ok(true) => *tried_at = None,
        // A full disk, which INFO and the answers to writes tell.
        Ok(false) => *tried_at = Some(Instant::now()),
        Err(error) => {
            if tried_at.replace(Instant::now()).is_none() {
                tracing::error!("{}", with_source(&error));
            }
        }
    }
}

fn with_source(error: &CheckpointError) -> String {
    let source = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{source}")
}

fn complain(error: &CheckpointError, has_complained: &mut bool) {
    if *has_complained {
        return;
    }
    *has_complained = true;
    tracing::error!(
        "cannot make a checkpoint, will try again (nothing is lost, the log grows): {}",
        with_source(error)
    );
}

/// Sleeps as long as the bytes should have taken.
fn pace<H: Host>(host: Arc<H>, stop: Arc<AtomicBool>) -> Box<dyn FnMut(u64) + Send> {
    let mut since = Instant::now();
    Box::new(move |bytes| {
        let engine = &host.store().engine;
        let is_urgent = engine.is_memory_short() || engine.is_log_long();
        if !is_urgent && !stop.load(Ordering::Acquire) {
            let due = Duration::from_micros(bytes * 1_000_000 / PACE);
            thread::sleep(due.saturating_sub(since.elapsed()));
        }
        since = Instant::now();
    })
}
