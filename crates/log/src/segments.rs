//! The segment files of an open log: what committer, preparer and room know together.
//!
//! Must not know records. Invariants:
//!
//! 1. Only the current segment (the last one) is written; every earlier one is synced in full.
//! 2. A batch inside `written_bytes` of the current segment may be written without the `growing`
//!    lock; only its holder changes bytes beyond, so zeros never land on a batch.
//! 3. A spare holds nothing but zeros and frames of positions before every later segment. It is
//!    used only after the rename that made it a spare is synced.
//! 4. Lock order: `growing`, then `state`. `state` is never held across I/O, so `room` never
//!    waits for a disk.
//!
//! Tests: `tests/it/crash.rs`, `tests/it/full_disk.rs`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::error::Failure;
use crate::format::{BATCH_HEADER_BYTES, SEGMENT_BYTES_MAX, SEGMENT_HEADER_BYTES};
use crate::{AppendError, LogOptions, LogPosition, Storage, StorageFile};

/// Folder of all log files.
pub(crate) const FOLDER: &str = "log";
const SEGMENT_SUFFIX: &str = ".log";
const SPARE_SUFFIX: &str = ".spare";
/// A segment that recovery was writing when it was interrupted.
pub(crate) const TEMPORARY_SUFFIX: &str = ".tmp";

pub(crate) fn segment_name(first: LogPosition) -> String {
    format!("{FOLDER}/{:020}{SEGMENT_SUFFIX}", first.get())
}

pub(crate) fn spare_name(number: u64) -> String {
    format!("{FOLDER}/{number:020}{SPARE_SUFFIX}")
}

/// What a file in the log's folder is, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum FileKind {
    Segment(LogPosition),
    Spare(u64),
    Temporary,
    /// Not ours; left alone.
    Foreign,
}

pub(crate) fn file_kind(name: &str) -> FileKind {
    let number = |suffix| {
        let digits = name.strip_suffix(suffix)?;
        let is_ours = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
        if is_ours { digits.parse().ok() } else { None }
    };
    if let Some(first) = number(SEGMENT_SUFFIX) {
        FileKind::Segment(LogPosition::new(first))
    } else if let Some(spare) = number(SPARE_SUFFIX) {
        FileKind::Spare(spare)
    } else if name.ends_with(TEMPORARY_SUFFIX) {
        FileKind::Temporary
    } else {
        FileKind::Foreign
    }
}

/// The segment that is being written.
#[derive(Clone, Debug)]
pub(crate) struct Current {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) first: LogPosition,
    /// File size at which the next segment is begun.
    pub(crate) capacity_bytes: u64,
    /// Length of the file.
    pub(crate) written_bytes: u64,
    /// Length of the file known to survive power loss; up to `written_bytes`.
    pub(crate) synced_bytes: u64,
    /// Whether the file is longer than `written_bytes`, by a hole: those bytes may not find disk
    /// space.
    pub(crate) has_hole: bool,
}

impl Current {
    pub(crate) fn offset(&self, position: LogPosition) -> u64 {
        SEGMENT_HEADER_BYTES + position.since(self.first)
    }

    /// Whether a batch of this size at `position` leaves room for a closing header.
    pub(crate) fn fits(&self, position: LogPosition, bytes: u64) -> bool {
        self.offset(position) + bytes + BATCH_HEADER_BYTES <= self.capacity_bytes
    }

    /// Bytes at `position` that can be written in place, durable length or not.
    pub(crate) fn ready_bytes(&self, position: LogPosition) -> u64 {
        let usable = self.written_bytes.min(self.capacity_bytes - BATCH_HEADER_BYTES);
        usable.saturating_sub(self.offset(position))
    }

    fn ahead_bytes(&self, position: LogPosition) -> u64 {
        let usable = self.synced_bytes.min(self.capacity_bytes - BATCH_HEADER_BYTES);
        usable.saturating_sub(self.offset(position))
    }

    pub(crate) fn is_grown(&self) -> bool {
        self.synced_bytes >= self.capacity_bytes
    }

    fn is_recyclable(&self, segment_bytes: u64) -> bool {
        self.written_bytes <= segment_bytes && (self.is_grown() || !self.has_hole)
    }
}

/// The next segment in the making.
#[derive(Clone, Debug)]
pub(crate) struct Spare {
    pub(crate) name: String,
    pub(crate) file: Arc<dyn StorageFile>,
    /// Length of the file, synced.
    pub(crate) bytes: u64,
}

impl Spare {
    fn ahead_bytes(&self) -> u64 {
        self.bytes.saturating_sub(SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES)
    }
}

/// A segment that is written no more.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Finished {
    pub(crate) first: LogPosition,
    /// Whether all of its bytes have disk space. Not known of segments of an earlier run.
    pub(crate) is_recyclable: bool,
}

impl Finished {
    pub(crate) fn new(segment: &Current, segment_bytes: u64) -> Self {
        Self { first: segment.first, is_recyclable: segment.is_recyclable(segment_bytes) }
    }
}

#[derive(Debug)]
pub(crate) struct State {
    /// Oldest first.
    pub(crate) finished: VecDeque<Finished>,
    pub(crate) current: Current,
    /// Being prepared, or ready.
    pub(crate) spare: Option<Spare>,
    /// Names of further spares, their renames synced.
    pub(crate) free: Vec<String>,
    /// Number of the next spare; never used twice in one run.
    pub(crate) next_spare: u64,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) options: LogOptions,
    pub(crate) state: Mutex<State>,
    /// Held while bytes beyond the end of the current segment, or of the spare, are written.
    pub(crate) growing: Mutex<()>,
    written: AtomicU64,
    limit: AtomicU64,
    wanted_bytes: AtomicU64,
    /// Where the log ended when it was opened, and zeros written ahead since.
    pub(crate) opened_at: LogPosition,
    pub(crate) zeroed_bytes: AtomicU64,
    disk_full: AtomicBool,
    /// Set and read with `growing` held, but for who only cleans up.
    pub(crate) is_growth_held: AtomicBool,
    poison: Mutex<Option<String>>,
}

impl Shared {
    pub(crate) fn new(
        storage: Arc<dyn Storage>,
        options: LogOptions,
        state: State,
        written: LogPosition,
    ) -> Self {
        let shared = Self {
            storage,
            options,
            state: Mutex::new(state),
            growing: Mutex::new(()),
            written: AtomicU64::new(written.get()),
            opened_at: written,
            zeroed_bytes: AtomicU64::new(0),
            limit: AtomicU64::new(written.get()),
            wanted_bytes: AtomicU64::new(0),
            disk_full: AtomicBool::new(false),
            is_growth_held: AtomicBool::new(false),
            poison: Mutex::new(None),
        };
        shared.publish(&shared.state.lock());
        shared
    }

    /// End of the last batch written.
    pub(crate) fn written(&self) -> LogPosition {
        LogPosition::new(self.written.load(Ordering::Acquire))
    }

    pub(crate) fn limit(&self) -> LogPosition {
        LogPosition::new(self.limit.load(Ordering::Acquire))
    }

    pub(crate) fn want(&self, bytes: u64) {
        self.wanted_bytes.fetch_max(bytes.min(SEGMENT_BYTES_MAX), Ordering::AcqRel);
    }

    pub(crate) fn forget_wanted(&self) {
        self.wanted_bytes.store(0, Ordering::Release);
    }

    /// How far the prepared space shall reach.
    pub(crate) fn ahead_bytes_goal(&self) -> u64 {
        let wanted = match self.wanted_bytes.load(Ordering::Acquire) {
            0 => 0,
            bytes => bytes + self.options.reserve_bytes,
        };
        wanted.max(self.options.zero_ahead_bytes)
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.disk_full.load(Ordering::Acquire)
    }

    pub(crate) fn set_disk_full(&self, is_full: bool) {
        self.disk_full.store(is_full, Ordering::Release);
    }

    /// Whether batches and syncs are still taken.
    pub(crate) fn check_poison(&self) -> Result<(), AppendError> {
        match self.poison_reason() {
            Some(reason) => Err(AppendError::Poisoned { reason }),
            None => Ok(()),
        }
    }

    pub(crate) fn poison_reason(&self) -> Option<String> {
        self.poison.lock().clone()
    }

    pub(crate) fn set_poison(&self, failure: &Failure) {
        let Failure { action, path, source } = failure;
        let reason = format!("cannot {action} {}: {source}", path.display());
        self.poison.lock().get_or_insert(reason);
    }

    /// Adds what was being done to what to an operating system error.
    pub(crate) fn failed(
        &self,
        action: &'static str,
        name: &str,
    ) -> impl FnOnce(io::Error) -> Failure + use<> {
        let path = self.storage.path(name);
        move |source| Failure { action, path, source }
    }

    /// Records a finished write and what it leaves ahead.
    pub(crate) fn advance(&self, state: &State, written: LogPosition) {
        self.written.store(written.get(), Ordering::Release);
        self.publish(state);
    }

    /// Recomputes the limit. The longer of both runs counts, not their sum: what remains of the
    /// current segment is given up when a batch does not fit, and then everything goes to the
    /// spare. The spare counts only once the current segment is prepared to its end, because it is
    /// used only after that.
    pub(crate) fn publish(&self, state: &State) {
        let written = self.written();
        let mut ahead = state.current.ahead_bytes(written);
        if let (true, Some(spare)) = (state.current.is_grown(), &state.spare) {
            ahead = ahead.max(spare.ahead_bytes());
        }
        self.limit.store(written.plus(ahead).get(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back_and_foreign_ones_left_alone() {
        let base = |name: String| name.strip_prefix("log/").map(str::to_owned).expect("in log/");
        let first = LogPosition::new(u64::MAX);
        assert_eq!(file_kind(&base(segment_name(first))), FileKind::Segment(first));
        assert_eq!(file_kind(&base(spare_name(7))), FileKind::Spare(7));
        assert_eq!(file_kind("00000000000000000000.log.tmp"), FileKind::Temporary);
        for foreign in ["0.log", "99999999999999999999.log", "+0000000000000000000.log", "x", ""] {
            assert_eq!(file_kind(foreign), FileKind::Foreign, "{foreign}");
        }
    }
}
