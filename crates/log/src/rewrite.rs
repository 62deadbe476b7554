//! The last segment, made fit for appending before the log opens.
//!
//! The pages of a failed sync can still be read but are on no disk, and nothing says which they
//! are; so everything that recovery returned is written again before anything is appended.
//! Invariants 3 and 4 of `recovery.rs` are kept here. Tests:
//! `tests/it/{crash,full_disk,poison}.rs`.

use crate::error::Failure;
use crate::format::{
    BATCH_HEADER_BYTES, BatchHeader, Mismatch, SEGMENT_HEADER_BYTES, SegmentHeader, checksum_seed,
};
use crate::preparer::is_disk_full;
use crate::scan::{Scanned, Segment};
use crate::segments::{Current, FOLDER, TEMPORARY_SUFFIX, segment_name, spare_name};
use crate::storage::write_zeros;
use crate::{LogOptions, LogPosition, OpenError, Storage, StorageFile};

/// The last segment's valid bytes on their way into a new file.
/// Read back, and only then given the segment's name.
pub(crate) struct Rewrite {
    source: Option<(Segment, Scanned)>,
    /// Of the new file: where recovery began to read, nothing before is needed.
    pub(crate) header: SegmentHeader,
    pub(crate) end: LogPosition,
    head_bytes: u64,
    segment_bytes: u64,
}

impl Rewrite {
    pub(crate) fn new_log(options: &LogOptions) -> Self {
        let (end, salt) = (LogPosition::ZERO, options.salt);
        Self {
            source: None,
            header: SegmentHeader { first: end, salt, file_bytes_synced: 0 },
            end,
            head_bytes: options.head_bytes,
            segment_bytes: options.segment_bytes,
        }
    }

    pub(crate) fn of(segment: Segment, scanned: Scanned, options: &LogOptions) -> Self {
        Self {
            header: SegmentHeader { first: scanned.start, ..segment.header },
            end: scanned.end,
            source: Some((segment, scanned)),
            head_bytes: options.head_bytes,
            segment_bytes: options.segment_bytes,
        }
    }

    /// Makes the last segment fit for appending: in a new file, over a spare where there is one,
    /// since that needs no disk space; on a disk that is full for both, in its own place.
    pub(crate) fn run(
        mut self,
        storage: &dyn Storage,
        spare: Option<u64>,
    ) -> Result<Current, OpenError> {
        match self.write_copy(storage, spare) {
            Err(OpenError::Io { source, .. }) if is_disk_full(&source) && self.source.is_some() => {
                // What was written of the copy is given back first: it may be what is missing.
                let name = format!("{}{TEMPORARY_SUFFIX}", segment_name(self.header.first));
                let _ = storage.remove(&name);
                self.write_in_place(storage)
            }
            other => other,
        }
    }

    fn write_copy(
        &mut self,
        storage: &dyn Storage,
        spare: Option<u64>,
    ) -> Result<Current, OpenError> {
        let name = segment_name(self.header.first);
        let temporary = format!("{name}{TEMPORARY_SUFFIX}");
        let path = storage.path(&temporary);
        let failed = |action| {
            let path = path.clone();
            move |source| Failure { action, path, source }
        };
        if let Some(number) = spare {
            storage.rename(&spare_name(number), &temporary).map_err(failed("reuse spare as"))?;
        } else {
            storage.create_new(&temporary).map_err(failed("create segment"))?;
        }
        let file = storage.open(&temporary).map_err(failed("open segment"))?;
        let spare_bytes = file.len().map_err(failed("measure segment"))?;

        let first = self.header.first;
        self.copy(&*file, first, &failed)?;
        let closed_end = self.close(&*file, first).map_err(failed("write segment"))?;
        if spare_bytes > closed_end {
            // A spare may stem from a start that was cut short, and then hold a later closing
            // header of the same log.
            write_zeros(&*file, closed_end, spare_bytes - closed_end)
                .map_err(failed("zero segment"))?;
        }
        let capacity_bytes = self.segment_bytes.max(spare_bytes).max(closed_end);
        let mut prepared = spare_bytes.max(closed_end);
        let head_end = (closed_end + self.head_bytes).min(capacity_bytes);
        if head_end > prepared {
            match write_zeros(&*file, prepared, head_end - prepared) {
                Ok(()) => prepared = head_end,
                // Then there is no room for writes, but what is stored can be read.
                Err(error) if is_disk_full(&error) => {}
                Err(error) => return Err(failed("zero segment")(error).into()),
            }
        }
        // The copied headers state the old file's length, which the new one must have too.
        let known = self.source.as_ref().map_or(0, |(_, scanned)| scanned.file_bytes_known);
        let has_hole = known > file.len().map_err(failed("measure segment"))?;
        if has_hole {
            file.set_len(known).map_err(failed("extend segment"))?;
        }
        self.header.file_bytes_synced = prepared;
        file.write_at(0, &self.header.encode()).map_err(failed("write segment header"))?;
        file.sync_data().map_err(failed("sync segment"))?;
        self.read_back(storage, &temporary, first)?;
        storage.rename(&temporary, &name).map_err(failed("name segment"))?;
        storage.sync_dir(FOLDER).map_err(|source| Failure {
            action: "sync directory",
            path: storage.path(FOLDER),
            source,
        })?;
        Ok(Current {
            name,
            file,
            first: self.header.first,
            capacity_bytes,
            written_bytes: prepared,
            synced_bytes: prepared,
            has_hole,
        })
    }

    /// Writes every byte over itself, which takes no disk space, and zeros over what was cut off,
    /// so that nothing of it can follow a later batch. A crash on the way leaves the same bytes or
    /// those of the last sync, and nothing was appended to either.
    fn write_in_place(&self, storage: &dyn Storage) -> Result<Current, OpenError> {
        let (segment, _) = self.source.as_ref().expect("there is a segment to write again");
        let first = segment.header.first;
        let name = segment_name(first);
        let failed = |action| {
            let path = segment.path.clone();
            move |source| Failure { action, path, source }
        };
        let file = std::sync::Arc::clone(&segment.file);
        self.copy(&*file, first, &failed)?;
        // The closing header vouches for all that is before it, so that must be on disk first.
        file.sync_data().map_err(failed("sync segment"))?;
        let prepared = match self.close(&*file, first) {
            Ok(closed_end) => zero_what_has_space(&*file, closed_end),
            // The file ends here, or a hole begins.
            Err(error) if is_disk_full(&error) => {
                let end = segment.offset(self.end);
                zero_what_has_space(&*file, end).map(|_| end)
            }
            Err(error) => Err(error),
        };
        let prepared = prepared.map_err(failed("write segment"))?;
        file.sync_data().map_err(failed("sync segment"))?;
        self.read_back(storage, &name, first)?;
        let bytes = file.len().map_err(failed("measure segment"))?;
        Ok(Current {
            name,
            file,
            first,
            capacity_bytes: self.segment_bytes.max(bytes),
            written_bytes: prepared,
            synced_bytes: prepared,
            has_hole: prepared < bytes,
        })
    }

    /// Writes the closing header and returns the offset behind it.
    fn close(&self, file: &dyn StorageFile, first: LogPosition) -> std::io::Result<u64> {
        let offset = SEGMENT_HEADER_BYTES + self.end.since(first);
        let closed_end = offset + BATCH_HEADER_BYTES;
        let (position, durable) = (self.end, self.end);
        let header = BatchHeader { position, durable, length: 0, file_bytes_synced: closed_end };
        file.write_at(offset, &header.encode(checksum_seed(self.header.salt)))?;
        Ok(closed_end)
    }

    fn copy<F: FnOnce(std::io::Error) -> Failure>(
        &self,
        target: &dyn StorageFile,
        first: LogPosition,
        failed: &dyn Fn(&'static str) -> F,
    ) -> Result<(), OpenError> {
        let Some((segment, scanned)) = &self.source else { return Ok(()) };
        let mut buffer = vec![0; 1 << 20];
        let mut offset = segment.offset(scanned.start);
        // How much nearer to its start a byte stands in the target.
        let shift = first.since(segment.header.first);
        let end = segment.offset(self.end);
        while offset < end {
            let count = (end - offset).min(buffer.len() as u64) as usize;
            let chunk = &mut buffer[..count];
            let read = segment.file.read_at(offset, chunk).map_err(segment.read_failed())?;
            target.write_at(offset - shift, &chunk[..read]).map_err(failed("write segment"))?;
            if read < count {
                break;
            }
            offset += count as u64;
        }
        if let Some(batch) = scanned.partial {
            let records = self.end.since(batch.position.plus(BATCH_HEADER_BYTES));
            let length = u32::try_from(records).expect("a part of a batch is shorter than it");
            let bytes = BatchHeader { length, ..batch }.encode(segment.seed());
            let at = segment.offset(batch.position) - shift;
            target.write_at(at, &bytes).map_err(failed("write segment"))?;
        }
        Ok(())
    }

    fn read_back(
        &self,
        storage: &dyn Storage,
        name: &str,
        first: LogPosition,
    ) -> Result<(), OpenError> {
        let copy = Segment::open_as(storage, name, first)?;
        let start = self.header.first.max(first);
        let scanned = copy.scan(start, None, &mut |_| Ok(()), &mut |_| {})?;
        if scanned.end == self.end {
            return Ok(());
        }
        let mismatch = Mismatch::new(
            format!("a copy that ends at {}", self.end),
            format!("one that ends at {}", scanned.end),
        );
        Err(copy.damaged(scanned.stopped_at, mismatch))
    }
}

/// Writes zeros from `from` to the end of the file, but for holes that the full disk leaves as they
/// are, since they read as zeros already. Returns where the first of them begins, else the end.
fn zero_what_has_space(file: &dyn StorageFile, from: u64) -> std::io::Result<u64> {
    /// A whole page has space on the disk, or has none.
    const PAGE_BYTES: u64 = 4 << 10;
    let end = file.len()?;
    let mut first_hole = None;
    let mut at = from;
    while at < end {
        let step = (PAGE_BYTES - at % PAGE_BYTES).min(end - at);
        match write_zeros(file, at, step) {
            Err(error) if !is_disk_full(&error) => return Err(error),
            Err(_) => first_hole = first_hole.or(Some(at)),
            Ok(()) => {}
        }
        at += step;
    }
    Ok(first_hole.unwrap_or(end).max(from))
}
