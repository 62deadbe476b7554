//! The background half: prepared space ahead of the committer, used segments behind the checkpoint.
//!
//! Overwriting a synced page makes a sync about half as dear as extending a file, because no
//! metadata changes (measured in `docs/decisions/0003-log-segments.md`). Must not know records. One
//! step does bounded work. Invariants: those of `segments.rs`.
//!
//! A full disk only stops the growth of [`Room`](crate::Room). A failed sync of the current segment
//! poisons the log: the page that was lost may have been a batch's.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::committer::take_spare;
use crate::disk_reserve::DiskReserve;
use crate::error::Failure;
use crate::format::SEGMENT_HEADER_BYTES;
use crate::segments::{FOLDER, Finished, Shared, Spare, segment_name, spare_name};
use crate::storage::write_zeros;
use crate::{LogPosition, PrepareError, StorageFile};

/// Prepares and recycles segments; may live on another thread than the committer.
#[derive(Debug)]
pub struct Preparer {
    shared: Arc<Shared>,
    /// Renamed to spares, but the directory is not synced yet.
    unsynced: Vec<String>,
    disk_reserve: Option<DiskReserve>,
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The prepared space grew; call again.
    Grew,
    /// Enough lies ahead; call again after the next write.
    Enough,
    /// The disk is full; call again after a while.
    DiskFull,
}

/// What became of segments behind a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Segments that left the log.
    pub segments: usize,
    /// Those among them that are kept to be used again.
    pub recycled: usize,
}

impl Preparer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, unsynced: Vec::new(), disk_reserve: None }
    }

    /// On a full disk the log's reserve is prepared in space that was kept for checkpoints.
    pub fn set_disk_reserve(&mut self, reserve: DiskReserve) {
        self.disk_reserve = Some(reserve);
    }

    /// Extends the prepared space by one step (at most `zero_step_bytes` written and synced), first
    /// in the current segment, then in the next one.
    ///
    /// # Errors
    /// [`PrepareError::Io`]: nothing is lost, try again later. [`PrepareError::Poisoned`].
    pub fn step(&mut self) -> Result<Prepared, PrepareError> {
        self.check_poison()?;
        let mut result = self.try_grow();
        if matches!(result, Ok(Prepared::DiskFull))
            && self.is_reserve_short()
            && self.disk_reserve.as_ref().is_some_and(DiskReserve::give_up)
        {
            result = self.try_grow();
        }
        self.shared.set_disk_full(matches!(result, Ok(Prepared::DiskFull)));
        self.check_poison()?;
        Ok(result?)
    }

    /// Takes all segments that lie wholly before `position` out of the log. Some are kept to be
    /// used again, the others are deleted. The segment being written always stays.
    ///
    /// The caller makes sure, with a durable checkpoint, that no recovery will start before
    /// `position`.
    ///
    /// # Errors
    /// [`PrepareError::Io`]: segments not yet removed are removed by a later call.
    pub fn remove_before(&mut self, position: LogPosition) -> Result<Removed, PrepareError> {
        let mut removed = Removed::default();
        while let Some(segment) = self.removable(position) {
            // Held: the reserve of the disk needs the space first.
            let recycles =
                segment.is_recyclable && self.may_keep_one_more() && !self.is_growth_held();
            self.remove_segment(segment.first, recycles)?;
            removed.segments += 1;
            removed.recycled += usize::from(recycles);
        }
        if removed.segments > 0 || !self.unsynced.is_empty() {
            let synced = self.shared.storage.sync_dir(FOLDER);
            synced.map_err(self.shared.failed("sync directory", FOLDER))?;
            self.shared.state.lock().free.append(&mut self.unsynced);
        }
        Ok(removed)
    }

    fn check_poison(&self) -> Result<(), PrepareError> {
        match self.shared.poison_reason() {
            Some(reason) => Err(PrepareError::Poisoned { reason }),
            None => Ok(()),
        }
    }

    fn try_grow(&self) -> Result<Prepared, Failure> {
        let _growing = self.shared.growing.lock();
        match self.grow() {
            Err(failure) if is_disk_full(&failure.source) => Ok(Prepared::DiskFull),
            other => other,
        }
    }

    /// Whether less is prepared than is kept for commands that free space.
    fn is_reserve_short(&self) -> bool {
        self.ahead_bytes() < self.shared.options.reserve_bytes
    }

    /// The caller holds `growing`.
    fn grow(&self) -> Result<Prepared, Failure> {
        let goal = self.shared.ahead_bytes_goal();
        if self.ahead_bytes() >= goal {
            return Ok(Prepared::Enough);
        }
        let current = self.shared.state.lock().current.clone();
        if current.is_grown() { self.grow_spare(goal) } else { self.grow_current() }
    }

    fn grow_current(&self) -> Result<Prepared, Failure> {
        // `growing` is held, so neither a new segment nor a longer file can come in between.
        let current = self.shared.state.lock().current.clone();
        let from = current.written_bytes;
        let bytes = self.step_bytes(current.capacity_bytes.saturating_sub(from));
        // The operating system reports a lost page once to each open file. With a handle of its own
        // this sync cannot take a report that the committer's sync, running at the same time, must
        // see.
        let file = self.shared.storage.open(&current.name);
        let file = file.map_err(self.shared.failed("open segment", &current.name))?;
        self.extend(&*file, from, bytes)
            .map_err(self.shared.failed("zero segment", &current.name))?;
        if let Err(error) = file.sync_data() {
            let failure = self.shared.failed("sync zeroed segment", &current.name)(error);
            self.shared.set_poison(&failure);
            return Err(failure);
        }
        let mut state = self.shared.state.lock();
        state.current.written_bytes = from + bytes;
        state.current.synced_bytes = from + bytes;
        self.shared.publish(&state);
        Ok(Prepared::Grew)
    }

    fn grow_spare(&self, goal: u64) -> Result<Prepared, Failure> {
        let options = &self.shared.options;
        // A goal beyond a segment comes from a wanted batch, which gets a segment of its size.
        let target = options.segment_bytes.max(goal + 2 * SEGMENT_HEADER_BYTES);
        let mut spare = take_spare(&self.shared)?;
        let bytes = self.step_bytes(target.saturating_sub(spare.bytes));
        let written = self
            .extend(&*spare.file, spare.bytes, bytes)
            .map_err(self.shared.failed("zero spare segment", &spare.name));
        if written.is_err() {
            self.keep_spare(spare);
            return written.map(|()| Prepared::Grew);
        }
        if let Err(error) = spare.file.sync_data() {
            // Its pages are in doubt now, so it must never be taken for prepared.
            let _ = self.shared.storage.remove(&spare.name);
            self.shared.publish(&self.shared.state.lock());
            return Err(self.shared.failed("sync spare segment", &spare.name)(error));
        }
        spare.bytes += bytes;
        self.keep_spare(spare);
        Ok(if bytes > 0 { Prepared::Grew } else { Prepared::Enough })
    }

    /// How much of what is left one step prepares.
    fn step_bytes(&self, left: u64) -> u64 {
        let options = &self.shared.options;
        let step = if options.is_zero_filled { options.zero_step_bytes.min(left) } else { left };
        // What is held is for others: no more than the log's own reserve may be taken.
        if self.is_growth_held() && self.is_reserve_short() {
            step.min(options.reserve_bytes + 2 * SEGMENT_HEADER_BYTES - self.ahead_bytes())
        } else {
            step
        }
    }

    fn ahead_bytes(&self) -> u64 {
        self.shared.limit().since(self.shared.written())
    }

    fn extend(&self, file: &dyn StorageFile, from: u64, bytes: u64) -> io::Result<()> {
        match self.shared.options.is_zero_filled {
            _ if bytes > 0 && self.is_growth_held() && !self.is_reserve_short() => {
                Err(ErrorKind::StorageFull.into())
            }
            true => {
                self.shared.zeroed_bytes.fetch_add(bytes, Ordering::Relaxed);
                write_zeros(file, from, bytes)
            }
            false if bytes == 0 => Ok(()),
            false => file.reserve(from, bytes),
        }
    }

    fn is_growth_held(&self) -> bool {
        self.shared.is_growth_held.load(Ordering::Acquire)
    }

    fn keep_spare(&self, spare: Spare) {
        let mut state = self.shared.state.lock();
        state.spare = Some(spare);
        self.shared.publish(&state);
    }

    fn removable(&self, position: LogPosition) -> Option<Finished> {
        let state = self.shared.state.lock();
        let next_first = state.finished.get(1).map_or(state.current.first, |next| next.first);
        state.finished.front().copied().filter(|_| next_first <= position)
    }

    fn may_keep_one_more(&self) -> bool {
        let state = self.shared.state.lock();
        let kept = state.free.len() + usize::from(state.spare.is_some()) + self.unsynced.len();
        kept < self.shared.options.recycled_segments_max
    }

    fn remove_segment(&mut self, first: LogPosition, recycles: bool) -> Result<(), Failure> {
        let name = segment_name(first);
        let storage = &self.shared.storage;
        if recycles {
            let number = {
                let mut state = self.shared.state.lock();
                state.next_spare += 1;
                state.next_spare - 1
            };
            let spare = spare_name(number);
            storage.rename(&name, &spare).map_err(self.shared.failed("recycle segment", &name))?;
            self.unsynced.push(spare);
        } else {
            storage.remove(&name).map_err(self.shared.failed("remove segment", &name))?;
        }
        self.shared.state.lock().finished.pop_front();
        Ok(())
    }
}

pub(crate) fn is_disk_full(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded)
}
