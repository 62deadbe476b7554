//! Whether a write may run now: before the lock, before anything changes.
//!
//! The log's prepared space must hold what the write will log, so that a full disk meets background
//! work only; and what is not yet on disk is bounded, so that a slow disk slows its writers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use millstream_command::table::CommandSpec;
use millstream_engine::{Engine, LogPosition, Room};

use crate::{Host, LiveStore, PrepareFailure};

/// Writers wait while more than this is on its way to the disk.
const UNDURABLE_BYTES_MAX: u64 = 64 << 20;
/// So many checkpoints' worth of log may gather while checkpoints fail.
const OVERDUE_MAX: u64 = 4;
/// Logged besides what came with a command: headers, times, names of units.
const COMMAND_OVERHEAD_BYTES: u64 = 128;
/// Logged for entries that a batch delivers, claims or trims.
const BATCH_OVERHEAD_BYTES: u64 = 64 << 10;

/// A write that has waited this long for room is refused.
const ROOM_PATIENCE: Duration = Duration::from_secs(5);

/// The reply to a write on a full disk.
pub const DISK_FULL: &str = "MISCONF the disk is full: only commands that free space are \
accepted until there is room";
/// The reply to a write where no file can be opened for the log.
pub const TOO_MANY_FILES: &str = "MISCONF too many open files, the log cannot grow: only commands \
that free space are accepted; raise the limit of open files (ulimit -n), or lower maxclients";
/// The reply to a write where the log cannot grow for any other reason.
pub const NOT_PREPARED: &str = "MISCONF the log cannot grow: only commands that free space are \
accepted until it can; the server's log says why";
/// The reply to a write that has waited for long, though nothing has failed.
pub const TOO_SLOW: &str =
    "MISCONF the disk does not keep up with what is written: try again later";
/// The reply to a write while no checkpoint can be made.
pub const OVERDUE: &str = "MISCONF no checkpoint can be made, and too much was written \
without: only commands that free space are accepted; the server's log says why";
/// The reply to a write after the log failed.
pub const POISONED: &str = "MISCONF the log cannot be written: no write is accepted until \
the server has been started again";
/// In place of a reply whose record may or may not be on disk.
pub const OUTCOME_UNKNOWN: &str = "MISCONF the log cannot be written: the outcome of this \
command is unknown until the server has been started again";

/// The answer for a batch, or for one write in it.
#[derive(Debug)]
pub enum Admission<H: Host> {
    /// It may run. Keep the reservation until the end of the log is noted; none in memory.
    Granted(Option<Reservation<H>>),
    /// Space is being prepared, or the disk is behind: ask again soon.
    Wait,
    /// The disk is full.
    DiskFull,
    /// Checkpoints have failed for so long that neither log nor memory may grow any more.
    Overdue,
}

/// Log space set aside for commands that were let in and may not have logged yet, so that writers
/// on several threads do not take the same space. Given back when dropped.
#[derive(Debug)]
pub struct Reservation<H: Host> {
    host: Arc<H>,
    bytes: u64,
    /// Where the log would end if nobody else wrote.
    pub until: LogPosition,
}

impl<H: Host> Drop for Reservation<H> {
    fn drop(&mut self) {
        self.host.store().reserved_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Whether writes that take space are refused until a checkpoint succeeds.
#[inline]
pub fn is_overdue(engine: &Engine) -> bool {
    let is_stuck = engine.is_memory_full() && engine.has_checkpoint_failed();
    is_stuck || engine.overdue_checkpoints() >= OVERDUE_MAX
}

/// Asks for some commands of so many bytes in all. `frees_space`: they may use the reserve.
#[inline]
pub fn ask<H: Host>(
    host: &Arc<H>,
    commands: usize,
    bytes: usize,
    frees_space: bool,
) -> Admission<H> {
    let store = host.store();
    let Some(room) = store.engine.room() else { return Admission::Granted(None) };
    let end = store.log_end();
    if end.since(store.committed()) > UNDURABLE_BYTES_MAX {
        return Admission::Wait;
    }
    if !frees_space {
        if is_overdue(&store.engine) {
            return if room.is_disk_full() { Admission::DiskFull } else { Admission::Overdue };
        }
        if store.engine.is_memory_full() {
            return Admission::Wait;
        }
    }
    let needed = bytes as u64 + commands as u64 * COMMAND_OVERHEAD_BYTES + BATCH_OVERHEAD_BYTES;
    // Taken before the look, so that of two writers at least one sees the other.
    let before = store.reserved_bytes.fetch_add(needed, Ordering::Relaxed);
    let reservation =
        Reservation { host: Arc::clone(host), bytes: needed, until: end.plus(needed) };
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
    store.wake_preparer();
    Admission::Wait
}

/// Since when a write has asked for room.
#[derive(Debug, Default)]
pub struct RoomWait {
    since: Option<Instant>,
    /// Since when it was let in again and again, and needed more than that.
    more_since: Option<Instant>,
}

impl RoomWait {
    /// The write ran, or is refused.
    #[inline]
    pub fn end(&mut self) {
        *self = Self::default();
    }

    /// Whether a write has asked for room again and again, and long enough: then it is refused, and
    /// the wait is over.
    pub fn is_in_vain(&mut self, engine: &Engine) -> bool {
        let since = *self.since.get_or_insert_with(Instant::now);
        self.is_over(since, engine)
    }

    /// The same of a write that is let in, and finds each time that it needs more.
    pub fn is_more_in_vain(&mut self, engine: &Engine) -> bool {
        let since = *self.more_since.get_or_insert_with(Instant::now);
        self.is_over(since, engine)
    }

    fn is_over(&mut self, since: Instant, engine: &Engine) -> bool {
        if engine.room().is_some_and(Room::is_disk_full) {
            self.end();
            return true;
        }
        let in_vain = since.elapsed() >= ROOM_PATIENCE;
        if in_vain {
            self.end();
        }
        in_vain
    }
}

/// The reply to a write for which there is no room.
#[cold]
pub fn no_room(store: &LiveStore) -> &'static str {
    match store.prepare_failure() {
        _ if store.engine.room().is_some_and(Room::is_disk_full) => DISK_FULL,
        Some(PrepareFailure::TooManyFiles) => TOO_MANY_FILES,
        Some(PrepareFailure::Other) => NOT_PREPARED,
        None => TOO_SLOW,
    }
}

/// What becomes of a write that is not refused.
#[derive(Debug)]
pub enum Admitted<H: Host> {
    /// It may run; see [`Admission::Granted`].
    Now(Option<Reservation<H>>),
    /// Ask again after a pause.
    NotYet,
}

/// Whether so much may be written.
///
/// # Errors
/// The reply to the write.
pub fn may_write<H: Host>(
    host: &Arc<H>,
    wait: &mut RoomWait,
    frees_space: bool,
    commands: usize,
    bytes: usize,
) -> Result<Admitted<H>, &'static str> {
    let store = host.store();
    if store.poison().is_some() {
        return Err(POISONED);
    }
    match ask(host, commands, bytes, frees_space) {
        Admission::Granted(reservation) => {
            wait.since = None;
            Ok(Admitted::Now(reservation))
        }
        Admission::Wait if wait.is_in_vain(&store.engine) => Err(no_room(store)),
        Admission::Wait => Ok(Admitted::NotYet),
        Admission::DiskFull => {
            wait.end();
            Err(DISK_FULL)
        }
        Admission::Overdue => {
            wait.end();
            Err(OVERDUE)
        }
    }
}

/// May use the reserve of a full disk: afterwards there is less to keep.
#[must_use]
pub fn frees_space(spec: &CommandSpec) -> bool {
    use millstream_command::table::CommandId as C;
    matches!(
        spec.id,
        C::Xack
            | C::Xackdel
            | C::Xdel
            | C::Xdelex
            | C::Xtrim
            | C::Del
            | C::Unlink
            | C::Flushall
            | C::Flushdb
            | C::XgroupDestroy
            | C::XgroupDelconsumer
            | C::XdlqPurge
            | C::XscheduleCancel
    )
}
