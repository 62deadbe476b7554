//! Whether a write may run now: before the lock, before anything changes.
//!
//! The log's prepared space must hold what the write will log, so that a full disk meets background
//! work only; and what is not yet on disk is bounded, so that a slow disk slows its writers.

use crate::shared::Shared;

/// Sessions wait while more than this is on its way to the disk.
const UNDURABLE_BYTES_MAX: u64 = 64 << 20;
/// Logged besides what came with a command: headers, times, names of units.
const COMMAND_OVERHEAD_BYTES: u64 = 128;
/// Logged for entries that a batch delivers, claims or trims.
const BATCH_OVERHEAD_BYTES: u64 = 64 << 10;

/// The answer for a batch, or for one write in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It may run.
    Granted,
    /// Space is being prepared, or the disk is behind: ask again soon.
    Wait,
    /// The disk is full.
    DiskFull,
}

/// Asks for some commands of so many bytes in all. `frees_space`: they may use the reserve.
pub(crate) fn ask(shared: &Shared, commands: usize, bytes: usize, frees_space: bool) -> Admission {
    let Some(room) = shared.engine.room() else { return Admission::Granted };
    let end = shared.log_end();
    if end.since(shared.committed()) > UNDURABLE_BYTES_MAX {
        return Admission::Wait;
    }
    let needed = bytes as u64 + commands as u64 * COMMAND_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES;
    let is_admitted =
        if frees_space { room.admits_from_reserve(end, needed) } else { room.admits(end, needed) };
    if is_admitted {
        return Admission::Granted;
    }
    if room.is_disk_full() {
        return Admission::DiskFull;
    }
    room.want(needed);
    shared.wake_preparer();
    Admission::Wait
}
