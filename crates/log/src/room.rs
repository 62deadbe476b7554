//! How much prepared space lies ahead, for whoever admits writes.
//!
//! Must not know what is written, and never waits for a disk. Tests: `tests/it/full_disk.rs`.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::LogPosition;
use crate::segments::Shared;

/// A view of the prepared space that costs one atomic read; clone it freely.
///
/// Admission: a write is let in only if [`admits`](Self::admits) says so, before it changes
/// anything. Then `ENOSPC` can hit the [`Preparer`](crate::Preparer) only, which loses nothing.
#[derive(Clone, Debug)]
pub struct Room {
    shared: Arc<Shared>,
}

impl Room {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Prepared bytes ahead of the last write.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.limit().since(self.shared.written())
    }

    /// Bytes that were logged and written since the log was opened.
    #[must_use]
    pub fn logged_bytes(&self) -> u64 {
        self.shared.written().since(self.shared.opened_at)
    }

    /// Bytes of zeros that were written ahead of them.
    #[must_use]
    pub fn zeroed_bytes(&self) -> u64 {
        self.shared.zeroed_bytes.load(Ordering::Relaxed)
    }

    /// Everything logged up to here finds prepared space.
    #[must_use]
    pub fn limit(&self) -> LogPosition {
        self.shared.limit()
    }

    /// Whether `bytes` more after `end` (the buffer's end) find prepared space and leave the
    /// reserve alone. `bytes` counts record bytes; add 40 for headers.
    #[must_use]
    pub fn admits(&self, end: LogPosition, bytes: u64) -> bool {
        end.plus(bytes).plus(self.shared.options.reserve_bytes) <= self.limit()
    }

    /// Same, for work that frees space: it may use the reserve.
    #[must_use]
    pub fn admits_from_reserve(&self, end: LogPosition, bytes: u64) -> bool {
        end.plus(bytes) <= self.limit()
    }

    /// Asks the preparer for this much space (the reserve comes on top), for a write that is larger
    /// than what usually lies ahead. At most a segment of 1 GiB. Forgotten once a segment was
    /// started with it.
    pub fn want(&self, bytes: u64) {
        self.shared.want(bytes);
    }

    /// Whether the preparer's last attempt failed because the disk is full. If not, a write that
    /// finds no room should wait for the preparer rather than fail.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        self.shared.is_disk_full()
    }

    /// Prepares no more space that takes any of the disk, but for the log's reserve, until
    /// [`Self::allow_growth`]. Returns once nobody takes any. Meanwhile the disk counts as full for
    /// whoever asks.
    pub(crate) fn hold_growth(&self) {
        let _growing = self.shared.growing.lock();
        self.shared.is_growth_held.store(true, Ordering::Release);
    }

    pub(crate) fn allow_growth(&self) {
        self.shared.is_growth_held.store(false, Ordering::Release);
    }

    /// Why the log accepts no writes any more, if so.
    #[must_use]
    pub fn poison_reason(&self) -> Option<String> {
        self.shared.poison_reason()
    }
}
