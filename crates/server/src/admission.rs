//! Whether a write may run now: before the lock, before anything changes.
//!
//! The log's prepared space must hold what the write will log, so that a full disk meets background
//! work only; and what is not yet on disk is bounded, so that a slow disk slows its writers.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millstream_engine::LogPosition;

use crate::shared::Shared;

/// Sessions wait while more than this is on its way to the disk.
const UNDURABLE_BYTES_MAX: u64 = 64 << 20;
/// So many checkpoints' worth of log may gather while checkpoints fail.
const OVERDUE_MAX: u64 = 4;
/// Logged besides what came with a command: headers, times, names of units.
const COMMAND_OVERHEAD_BYTES: u64 = 128;
/// Logged for entries that a batch delivers, claims or trims.
const BATCH_OVERHEAD_BYTES: u64 = 64 << 10;

/// The answer for a batch, or for one write in it.
#[derive(Debug)]
pub(crate) enum Admission {
    /// It may run. Keep the reservation until the end of the log is noted; none in memory.
    Granted(Option<Reservation>),
    /// Space is being prepared, or the disk is behind: ask again soon.
    Wait,
    /// The disk is full.
    DiskFull,
    /// Checkpoints have failed for so long that neither log nor memory may grow any more.
    Overdue,
}

/// Log space set aside for commands that were let in and may not have logged yet, so that sessions
/// on several threads do not take the same space. Given back when dropped.
#[derive(Debug)]
pub(crate) struct Reservation {
    shared: Arc<Shared>,
    bytes: u64,
    /// Where the log would end if nobody else wrote.
    pub(crate) until: LogPosition,
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.shared.reserved_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Asks for some commands of so many bytes in all. `frees_space`: they may use the reserve.
pub(crate) fn ask(
    shared: &Arc<Shared>,
    commands: usize,
    bytes: usize,
    frees_space: bool,
) -> Admission {
    let Some(room) = shared.engine.room() else { return Admission::Granted(None) };
    let end = shared.log_end();
    if end.since(shared.committed()) > UNDURABLE_BYTES_MAX {
        return Admission::Wait;
    }
    if !frees_space {
        let is_memory_full = shared.engine.is_memory_full();
        let is_stuck = is_memory_full && shared.engine.has_checkpoint_failed();
        if is_stuck || shared.engine.overdue_checkpoints() >= OVERDUE_MAX {
            return if room.is_disk_full() { Admission::DiskFull } else { Admission::Overdue };
        }
        if is_memory_full {
            return Admission::Wait;
        }
    }
    let needed = bytes as u64 + commands as u64 * COMMAND_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES;
    // Taken before the look, so that of two sessions at least one sees the other.
    let before = shared.reserved_bytes.fetch_add(needed, Ordering::Relaxed);
    let reservation =
        Reservation { shared: Arc::clone(shared), bytes: needed, until: end.plus(needed) };
    let all = before + needed;
    let is_admitted =
        if frees_space { room.admits_from_reserve(end, all) } else { room.admits(end, all) };
    if is_admitted {
        return Admission::Granted(Some(reservation));
    }
    if room.is_disk_full() {
        return Admission::DiskFull;
    }
    room.want(all);
    shared.wake_preparer();
    Admission::Wait
}
