//! The commit thread's half: batches into segments, and syncs.
//!
//! Must not know what records mean, nor when to sync: the caller decides. Invariants:
//!
//! 1. Batches are written in the order of their positions, without a gap; a batch lies in one
//!    segment.
//! 2. A segment is begun only after the one before is synced in full.
//! 3. `durable` moves only after a sync that followed the write, and is stated in the next header.
//! 4. After the first failure nothing is written or synced any more (poison).
//!
//! Tests: `tests/it/crash.rs` (every crash image), `tests/it/poison.rs`, `tests/it/full_disk.rs`.

use std::sync::Arc;

use crate::error::Failure;
use crate::format::{
    BATCH_HEADER_BYTES, BatchHeader, SEGMENT_HEADER_BYTES, SegmentHeader, checksum_seed,
};
use crate::segments::{Current, FOLDER, Finished, Shared, Spare, segment_name, spare_name};
use crate::{AppendError, Batch, ConcurrentSync, LogPosition, Synced};

/// Writes and syncs batches; owned by one thread.
#[derive(Debug)]
pub struct Committer {
    shared: Arc<Shared>,
    /// Checksum seed of the current segment.
    seed: u32,
    written: LogPosition,
    durable: LogPosition,
    /// Whether a closing header stands at `written`, synced.
    is_closed: bool,
}

impl Committer {
    pub(crate) fn new(shared: Arc<Shared>, salt: u64, position: LogPosition) -> Self {
        let seed = checksum_seed(salt);
        Self { shared, seed, written: position, durable: position, is_closed: true }
    }

    /// Hands a batch to the operating system: after `Ok` it survives the end of this process, after
    /// the next [`sync`](Self::sync) also power loss. Begins a new segment where the batch does not
    /// fit.
    ///
    /// # Errors
    /// [`AppendError::Io`] poisons the log, [`AppendError::Poisoned`] from then on.
    ///
    /// # Panics
    /// If the batch does not follow the one before: batches of one buffer, each once, in order.
    pub fn write(&mut self, batch: &mut Batch) -> Result<(), AppendError> {
        self.guarded(|committer| committer.write_batch(batch))
    }

    /// Returns the position up to which everything survives power loss: the end of the last batch
    /// written. Does nothing if that is so already.
    ///
    /// # Errors
    /// [`AppendError::Io`] poisons the log, [`AppendError::Poisoned`] from then on.
    pub fn sync(&mut self) -> Result<LogPosition, AppendError> {
        self.guarded(Self::sync_current)
    }

    /// Begins a sync that another thread runs while batches are written; `None` if all is durable.
    pub fn begin_sync(&self) -> Option<ConcurrentSync> {
        (self.durable < self.written)
            .then(|| ConcurrentSync::new(Arc::clone(&self.shared), self.current(), self.written))
    }

    /// Takes what a [`begin_sync`](Self::begin_sync) came to. Returns the position up to which
    /// everything survives power loss.
    pub fn end_sync(&mut self, synced: Synced) -> LogPosition {
        let mut state = self.shared.state.lock();
        if state.current.first == synced.segment {
            let synced_bytes = &mut state.current.synced_bytes;
            *synced_bytes = (*synced_bytes).max(synced.bytes);
        }
        self.durable = self.durable.max(synced.until);
        self.durable
    }

    /// Covers the last batch, so that later damage to it is told apart from a write that a crash
    /// cut short: syncs, then writes and syncs an empty header that states the durable position. To
    /// be called when nothing was written for about a second; does nothing if it stands there
    /// already, and then returns false. Takes no position: the next batch overwrites it.
    ///
    /// # Errors
    /// [`AppendError::Io`] poisons the log, [`AppendError::Poisoned`] from then on.
    pub fn write_idle_header(&mut self) -> Result<bool, AppendError> {
        self.guarded(|committer| {
            if committer.is_closed {
                return Ok(false);
            }
            committer.sync_current()?;
            let current = committer.current();
            let bytes = committer.header(&current, 0).encode(committer.seed);
            committer.write_at(&current, committer.written, &[&bytes])?;
            current
                .file
                .sync_data()
                .map_err(committer.shared.failed("sync segment", &current.name))?;
            committer.is_closed = true;
            Ok(true)
        })
    }

    /// End of the last batch written.
    #[must_use]
    pub fn written(&self) -> LogPosition {
        self.written
    }

    /// Everything up to here survives power loss.
    #[must_use]
    pub fn durable(&self) -> LogPosition {
        self.durable
    }

    /// How many bytes of batches can be written now without waiting for a sync: prepared room in
    /// the current segment, and none while the preparer is syncing more of it.
    #[must_use]
    pub fn ready_bytes(&self) -> u64 {
        if self.shared.growing.is_locked() {
            return 0;
        }
        self.shared.state.lock().current.ready_bytes(self.written)
    }

    /// Whether the log still takes writes.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`].
    pub fn check_poison(&self) -> Result<(), AppendError> {
        self.shared.check_poison()
    }

    /// Why the log accepts no writes any more, if so.
    #[must_use]
    pub fn poison_reason(&self) -> Option<String> {
        self.shared.poison_reason()
    }

    fn guarded<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, AppendError> {
        self.check_poison()?;
        work(self).map_err(|failure| {
            self.shared.set_poison(&failure);
            failure.into_append_error()
        })
    }

    fn current(&self) -> Current {
        self.shared.state.lock().current.clone()
    }

    fn header(&self, current: &Current, length: u32) -> BatchHeader {
        BatchHeader {
            position: self.written,
            durable: self.durable,
            length,
            file_bytes_synced: current.synced_bytes,
        }
    }

    fn write_batch(&mut self, batch: &mut Batch) -> Result<(), Failure> {
        assert!(!batch.is_empty(), "a buffer never hands out an empty batch");
        assert_eq!(batch.position(), self.written, "batches follow each other");
        let bytes = batch.bytes() as u64;
        let mut current = self.current();
        if !current.fits(self.written, bytes) {
            self.sync_current()?;
            current = self.begin_segment(bytes)?;
        }
        batch.seal(self.seed, self.durable, current.synced_bytes);
        self.is_closed = false;
        self.write_at(&current, self.written, &batch.parts())?;
        self.written = batch.end();
        self.shared.advance(&self.shared.state.lock(), self.written);
        Ok(())
    }

    /// Writes consecutive pieces. Beyond the end of the file it waits for a step of the preparer
    /// that is under way, so that its zeros do not land on this batch.
    fn write_at(
        &self,
        current: &Current,
        position: LogPosition,
        parts: &[&[u8]],
    ) -> Result<(), Failure> {
        let mut offset = current.offset(position);
        let end = offset + parts.iter().map(|part| part.len() as u64).sum::<u64>();
        let growing = (end > current.written_bytes).then(|| self.shared.growing.lock());
        for part in parts {
            current
                .file
                .write_at(offset, part)
                .map_err(self.shared.failed("write segment", &current.name))?;
            offset += part.len() as u64;
        }
        if growing.is_some() {
            let mut state = self.shared.state.lock();
            state.current.written_bytes = state.current.written_bytes.max(end);
        }
        Ok(())
    }

    fn sync_current(&mut self) -> Result<LogPosition, Failure> {
        match self.begin_sync() {
            Some(sync) => Ok(self.end_sync(sync.sync()?)),
            None => Ok(self.durable),
        }
    }

    /// Makes the spare the current segment. Its name appears only when its header is on disk, and
    /// its batches only when its name is.
    fn begin_segment(&mut self, batch_bytes: u64) -> Result<Current, Failure> {
        let shared = Arc::clone(&self.shared);
        let _growing = shared.growing.lock();
        let spare = take_spare(&shared)?;
        let salt = shared.options.salt;
        let first = self.written;
        let header = SegmentHeader { first, salt, file_bytes_synced: spare.bytes }.encode();
        spare
            .file
            .write_at(0, &header)
            .map_err(shared.failed("write segment header", &spare.name))?;
        spare.file.sync_data().map_err(shared.failed("sync segment header", &spare.name))?;
        let name = segment_name(first);
        shared.storage.rename(&spare.name, &name).map_err(shared.failed("name segment", &name))?;
        shared.storage.sync_dir(FOLDER).map_err(shared.failed("sync directory", FOLDER))?;

        let bytes = spare.bytes.max(SEGMENT_HEADER_BYTES);
        let needed = SEGMENT_HEADER_BYTES + batch_bytes + BATCH_HEADER_BYTES;
        let current = Current {
            name,
            file: spare.file,
            first,
            capacity_bytes: shared.options.segment_bytes.max(bytes).max(needed),
            written_bytes: bytes,
            synced_bytes: bytes,
            has_hole: false,
        };
        if bytes > shared.options.segment_bytes {
            shared.forget_wanted();
        }
        let mut state = shared.state.lock();
        let before = std::mem::replace(&mut state.current, current.clone());
        // An empty segment is replaced by the new one of the same name.
        if before.first < first {
            state.finished.push_back(Finished::new(&before, shared.options.segment_bytes));
        }
        shared.publish(&state);
        self.seed = checksum_seed(salt);
        Ok(current)
    }
}

/// The prepared spare, else a recycled file as it is, else a new one. The caller holds `growing`.
pub(crate) fn take_spare(shared: &Shared) -> Result<Spare, Failure> {
    let (ready, free, number) = {
        let mut state = shared.state.lock();
        let ready = state.spare.take();
        let free = if ready.is_none() { state.free.pop() } else { None };
        state.next_spare += 1;
        (ready, free, state.next_spare - 1)
    };
    if let Some(spare) = ready {
        return Ok(spare);
    }
    if let Some(name) = free {
        let file =
            shared.storage.open(&name).map_err(shared.failed("open spare segment", &name))?;
        let bytes = file.len().map_err(shared.failed("measure spare segment", &name))?;
        // Its length may stem from a crash in the middle of preparing it.
        file.sync_data().map_err(shared.failed("sync spare segment", &name))?;
        return Ok(Spare { name, file, bytes });
    }
    let name = spare_name(number);
    let file = shared.storage.create_new(&name).map_err(shared.failed("create segment", &name))?;
    Ok(Spare { name, file, bytes: 0 })
}
