//! The thread that makes records durable, as often as the sync mode demands.
//!
//! Group commit needs no code: while one sync runs, records of everybody pile up for the next one.
//! After the first failure the log takes no writes any more (poison); the thread then ends, and the
//! sessions refuse writes and give up the replies they hold.

use std::error::Error as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use millstream_engine::{AppendError, Commit, ConcurrentSync};

use crate::SyncMode;
use crate::latency::LatencyEvent;
use crate::saving::Moment;
use crate::shared::Shared;

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
pub(crate) fn run(mut commit: Commit, shared: &Arc<Shared>, stop: &AtomicBool) {
    let outcome = match shared.config.sync {
        SyncMode::Always => run_always(&mut commit, shared, stop),
        SyncMode::Everysec => run_everysec(&mut commit, shared, stop),
        SyncMode::No => run_no(&mut commit, shared, stop),
    };
    let outcome = outcome.and_then(|()| finish(&mut commit));
    if let Err(error) = outcome {
        let mut reason = error.to_string();
        if let Some(source) = error.source() {
            reason = format!("{reason}: {source}");
        }
        tracing::error!(
            "the log cannot be written, no write is accepted until the next start: {reason}"
        );
        shared.set_poison(reason);
    }
    shared.wake_held();
}

fn run_always(commit: &mut Commit, shared: &Shared, stop: &AtomicBool) -> Result<(), AppendError> {
    while !stop.load(Ordering::Acquire) {
        if commit.wait(IDLE) {
            let moment = Moment::now(shared, false);
            shared.latency.time(LatencyEvent::AofWrite, || commit.write_step())?;
            shared.latency.time(LatencyEvent::AofFsyncAlways, || commit.sync_step())?;
            shared.saving.note(moment);
            after_step(shared);
        } else {
            commit.idle_step()?;
        }
    }
    Ok(())
}

/// Syncs run beside the writes, on a thread of their own: a slow one holds up nobody until it is
/// [`LATE`].
fn run_everysec(
    commit: &mut Commit,
    shared: &Shared,
    stop: &AtomicBool,
) -> Result<(), AppendError> {
    let (to_sync, syncs) = mpsc::channel::<ConcurrentSync>();
    let (to_commit, synced) = mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            for sync in syncs {
                if to_commit.send(sync.run()).is_err() {
                    return;
                }
            }
        });
        // Dropped at the end of this closure, which ends the other thread.
        let to_sync = to_sync;
        let mut since: Option<Instant> = None;
        let mut syncing = Moment::now(shared, false);
        let mut next = Instant::now() + SYNC_INTERVAL;
        while !stop.load(Ordering::Acquire) {
            let has_records = commit.wait(match since {
                Some(_) => SYNC_LOOK,
                None => next.saturating_duration_since(Instant::now()),
            });
            let done = match since {
                Some(since) if since.elapsed() > LATE => synced.recv().ok(),
                Some(_) => synced.try_recv().ok(),
                None => None,
            };
            if let Some(done) = done {
                commit.end_sync(done?);
                shared.saving.note(syncing);
                since = None;
            }
            let is_time = since.is_none()
                && (Instant::now() >= next || shared.saving.is_wanted(shared.engine.durable()));
            let moment = is_time.then(|| Moment::now(shared, true));
            if has_records {
                shared.latency.time(LatencyEvent::AofWrite, || commit.write_step())?;
                after_step(shared);
            }
            if let Some(moment) = moment {
                next = Instant::now() + SYNC_INTERVAL;
                match commit.begin_sync() {
                    Some(sync) => {
                        since = to_sync.send(sync).is_ok().then(Instant::now);
                        syncing = moment;
                    }
                    None => {
                        commit.idle_step()?;
                    }
                }
            }
        }
        Ok(())
    })
}

fn run_no(commit: &mut Commit, shared: &Shared, stop: &AtomicBool) -> Result<(), AppendError> {
    while !stop.load(Ordering::Acquire) {
        if commit.wait(IDLE) {
            std::thread::sleep(GATHER);
            shared.latency.time(LatencyEvent::AofWrite, || commit.write_step())?;
            after_step(shared);
        }
        if shared.saving.is_wanted(shared.engine.durable()) {
            let moment = Moment::now(shared, true);
            commit.write_step()?;
            commit.sync_step()?;
            shared.saving.note(moment);
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

fn after_step(shared: &Shared) {
    shared.wake_held();
    if shared.engine.room().is_some_and(|room| room.bytes() < ROOM_LOW_BYTES) {
        shared.wake_preparer();
    }
}
