//! The thread that makes records durable, as often as the sync mode demands.
//!
//! Group commit needs no code: while one sync runs, records of everybody pile up for the next one.
//! After the first failure the log takes no writes any more (poison); the thread then ends, and its
//! users refuse writes and give up the replies they hold.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::thread::{Builder, ScopedJoinHandle};
use std::time::{Duration, Instant};

use millstream_engine::{AppendError, Commit, ConcurrentSync};
use parking_lot::Mutex;

use crate::saving::Moment;
use crate::{Host, SyncMode, Work};

/// Without records for so long, the last batch is closed on disk.
const IDLE: Duration = Duration::from_secs(1);
/// How often `everysec` syncs.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// A sync that takes longer makes replies wait for it.
const LATE: Duration = Duration::from_secs(2);
/// How often the end of a sync is looked for while nothing is written.
const SYNC_LOOK: Duration = Duration::from_millis(5);
/// How long `no` gathers records, unless there are many before.
const GATHER: Duration = Duration::from_millis(5);
/// As soon as less than this is prepared, the preparer is woken.
const ROOM_LOW_BYTES: u64 = 28 << 20;

/// Runs until `stop` is set and everything is on disk, or until the log fails.
pub(crate) fn run<H: Host>(mut commit: Commit, host: &Arc<H>, stop: &AtomicBool) {
    let host = &**host;
    let store = host.store();
    let outcome = match store.sync_mode() {
        SyncMode::Always => run_always(&mut commit, host, stop).and_then(|()| finish(&mut commit)),
        SyncMode::Everysec => {
            let commit = store.inline_writes.lend(commit);
            let outcome = {
                // Also where it panics: nothing that is written would be synced any more.
                let _end = store.inline_writes.allowed_at_most_until_dropped();
                run_everysec(commit, host, stop)
            };
            outcome.and_then(|()| finish(&mut commit.lock()))
        }
        SyncMode::No => run_no(&mut commit, host, stop).and_then(|()| finish(&mut commit)),
    };
    match outcome {
        Err(error) => poison(host, &error),
        Ok(()) => host.wake_held(),
    }
}

/// Nothing is written any more: says so, and has everybody see it.
pub(crate) fn poison<H: Host>(host: &H, error: &AppendError) {
    let mut reason = error.to_string();
    if let Some(source) = error.source() {
        reason = format!("{reason}: {source}");
    }
    if host.store().poison().is_none() {
        tracing::error!(
            "the log cannot be written, no write is accepted until the next start: {reason}"
        );
    }
    host.store().set_poison(reason);
    host.wake_held();
}

fn run_always<H: Host>(
    commit: &mut Commit,
    host: &H,
    stop: &AtomicBool,
) -> Result<(), AppendError> {
    let store = host.store();
    while !stop.load(Ordering::Acquire) {
        if store.engine.wait_records(IDLE) {
            let moment = Moment::uncounted();
            host.time(Work::Write, || commit.write_step())?;
            host.time(Work::Sync, || commit.sync_step())?;
            store.saving.note(moment);
            after_step(host);
        } else {
            commit.idle_step()?;
        }
    }
    Ok(())
}

/// Syncs run beside the writes, on a thread of their own: a slow one holds up nobody until it is
/// [`LATE`]. Between them those who serve write, see `inline_write.rs`.
fn run_everysec<H: Host>(
    commit: &Mutex<Commit>,
    host: &H,
    stop: &AtomicBool,
) -> Result<(), AppendError> {
    let store = host.store();
    let (to_sync, syncs) = mpsc::channel::<ConcurrentSync>();
    let (to_commit, synced) = mpsc::channel();
    std::thread::scope(|scope| {
        let run_syncs = move || {
            for sync in syncs {
                if to_commit.send(host.time(Work::LaterSync, || sync.run())).is_err() {
                    return;
                }
            }
        };
        let syncer = Builder::new()
            .name("millstream-sync".to_owned())
            .spawn_scoped(scope, run_syncs)
            .expect("there is room for one more thread at the start");
        // Dropped at the end of this closure, which ends the other thread.
        let to_sync = to_sync;
        let mut since: Option<Instant> = None;
        let mut syncing = Moment::uncounted();
        let mut next = Instant::now() + SYNC_INTERVAL;
        store.inline_writes.allow(true);
        while !stop.load(Ordering::Acquire) {
            let has_records = store.engine.wait_records(match since {
                Some(_) => SYNC_LOOK,
                None => next.saturating_duration_since(Instant::now()),
            });
            let done = match since {
                Some(since) if since.elapsed() > LATE => {
                    synced.recv().map_err(|_| TryRecvError::Disconnected)
                }
                Some(_) => synced.try_recv(),
                None => Err(TryRecvError::Empty),
            };
            match done {
                Ok(done) => {
                    commit.lock().end_sync(done?);
                    store.saving.note(syncing);
                    since = None;
                    store.inline_writes.allow(true);
                }
                Err(TryRecvError::Empty) => {}
                Err(TryRecvError::Disconnected) => return panic_like(syncer),
            }
            // Somebody else's write may have failed. A sync says above why.
            commit.lock().check_poison()?;
            let is_time = since.is_none()
                && (Instant::now() >= next || store.saving.is_wanted(store.engine.durable()));
            if !is_time {
                if has_records {
                    host.time(Work::Write, || commit.lock().write_step())?;
                    after_step(host);
                }
                continue;
            }
            let moment = Moment::counted(host);
            next = Instant::now() + SYNC_INTERVAL;
            store.inline_writes.allow(false);
            let mut own = commit.lock();
            // All that the moment has counted, whenever it was logged.
            host.time(Work::Write, || own.write_step())?;
            match own.begin_sync() {
                Some(sync) => {
                    if to_sync.send(sync).is_err() {
                        return panic_like(syncer);
                    }
                    since = Some(Instant::now());
                    syncing = moment;
                }
                None => {
                    own.idle_step()?;
                    store.inline_writes.allow(true);
                }
            }
            drop(own);
            after_step(host);
        }
        Ok(())
    })
}

/// Nothing is synced any more: the other thread panicked, and this one does now. Its report has
/// been made.
fn panic_like<T>(thread: ScopedJoinHandle<'_, ()>) -> T {
    let panicked = thread.join().expect_err("it ends while there is work only by a panic");
    std::panic::resume_unwind(panicked)
}

fn run_no<H: Host>(commit: &mut Commit, host: &H, stop: &AtomicBool) -> Result<(), AppendError> {
    let store = host.store();
    while !stop.load(Ordering::Acquire) {
        if store.engine.wait_records(IDLE) {
            std::thread::sleep(GATHER);
            host.time(Work::Write, || commit.write_step())?;
            after_step(host);
        }
        if store.saving.is_wanted(store.engine.durable()) {
            let moment = Moment::counted(host);
            commit.write_step()?;
            host.time(Work::LaterSync, || commit.sync_step())?;
            store.saving.note(moment);
        }
    }
    Ok(())
}

fn finish(commit: &mut Commit) -> Result<(), AppendError> {
    commit.write_step()?;
    commit.sync_step()?;
    commit.idle_step()?;
    Ok(())
}

pub(crate) fn after_step<H: Host>(host: &H) {
    let store = host.store();
    host.wake_held();
    if store.engine.room().is_some_and(|room| room.bytes() < ROOM_LOW_BYTES) {
        store.wake_preparer();
    }
}
