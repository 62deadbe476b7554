//! Reading one segment from its start: which records stand in it, and where they end.
//!
//! Must not decide what a bad frame means (cut or refuse): that is `recovery.rs`. Every length is
//! checked against the batch and the file before it is used, so foreign bytes cost no more memory
//! than the file is long. Tests: `tests/it/corruption.rs`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::error::Failure;
use crate::format::{
    BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, FORMAT_VERSION, FRAME_HEADER_BYTES, Mismatch,
    SEGMENT_HEADER_BYTES, SEGMENT_HEADER_USED_BYTES, SegmentHeader, SegmentHeaderError,
    checksum_seed, frame_checksum_start, u32_at,
};
use crate::segments::segment_name;
use crate::{LogPosition, OpenError, Record, Storage, StorageFile};

/// What one read call asks for.
const READ_BYTES: usize = 1 << 20;
const HEADER: usize = BATCH_HEADER_BYTES as usize;

/// A segment file with an intact header.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) header: SegmentHeader,
    /// Length of the file.
    pub(crate) bytes: u64,
    seed: u32,
}

/// Where a scan ended, and why.
#[derive(Debug)]
pub(crate) struct Scanned {
    /// Where the scan began.
    pub(crate) start: LogPosition,
    /// End of the last intact record; everything before it is intact.
    pub(crate) end: LogPosition,
    /// Header of the batch that ends in the middle, after at least one intact record.
    pub(crate) partial: Option<BatchHeader>,
    /// Where the first bad frame, or the end that was asked for, stands.
    pub(crate) stopped_at: LogPosition,
    /// Why that frame was not accepted; nothing where the scan reached the end that was asked for.
    pub(crate) mismatch: Option<Mismatch>,
    /// Least length of the file, as stated by its headers.
    pub(crate) file_bytes_known: u64,
}

impl Segment {
    /// Opens the segment of that first position, and checks its header.
    pub(crate) fn open(storage: &dyn Storage, first: LogPosition) -> Result<Self, OpenError> {
        Self::open_as(storage, &segment_name(first), first)
    }

    /// Same, under another name.
    pub(crate) fn open_as(
        storage: &dyn Storage,
        name: &str,
        first: LogPosition,
    ) -> Result<Self, OpenError> {
        let path = storage.path(name);
        let failed = |action| {
            let path = path.clone();
            move |source| Failure { action, path, source }
        };
        let file = storage.open(name).map_err(failed("open segment"))?;
        let bytes = file.len().map_err(failed("measure segment"))?;
        let mut used = [0; SEGMENT_HEADER_USED_BYTES];
        let count = file.read_at(0, &mut used).map_err(failed("read segment header"))?;
        let damaged = |offset, mismatch| {
            Err(OpenError::Damaged { path: path.clone(), offset, position: first, mismatch })
        };
        if count < used.len() || bytes < SEGMENT_HEADER_BYTES {
            let expected = format!("a header of {SEGMENT_HEADER_BYTES} bytes");
            return damaged(bytes, Mismatch::new(expected, "the end of the file"));
        }
        let header = match SegmentHeader::decode(&used) {
            Ok(header) => header,
            Err(SegmentHeaderError::Newer { version: found }) => {
                return Err(OpenError::NewerFormat { path, found, supported: FORMAT_VERSION });
            }
            Err(SegmentHeaderError::Bad(mismatch)) => return damaged(0, mismatch),
        };
        if header.first != first {
            let expected = format!("first position {first}, as in the file's name");
            return damaged(16, Mismatch::new(expected, header.first.to_string()));
        }
        Ok(Self { path, file, header, bytes, seed: checksum_seed(header.salt) })
    }

    /// Byte in the file where this position stands.
    pub(crate) fn offset(&self, position: LogPosition) -> u64 {
        SEGMENT_HEADER_BYTES + position.since(self.header.first)
    }

    pub(crate) fn seed(&self) -> u32 {
        self.seed
    }

    pub(crate) fn damaged(&self, position: LogPosition, mismatch: Mismatch) -> OpenError {
        let offset = self.offset(position);
        OpenError::Damaged { path: self.path.clone(), offset, position, mismatch }
    }

    pub(crate) fn read_failed(&self) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        let path = self.path.clone();
        move |source| Failure { action: "read segment", path, source }
    }

    /// Whether a batch, or a closing header, begins there.
    pub(crate) fn has_header_at(&self, position: LogPosition) -> Result<bool, OpenError> {
        let mut bytes = [0; HEADER];
        let count = self.file.read_at(self.offset(position), &mut bytes);
        let is_whole = count.map_err(self.read_failed())? == HEADER;
        Ok(is_whole && BatchHeader::decode(&bytes, self.seed, position).is_ok())
    }

    /// Reads batches from `start`, where one begins, until `until`, or until a frame is not intact.
    ///
    /// `on_record` gets every intact record, `on_bytes` how far reading has come in this segment.
    pub(crate) fn scan(
        &self,
        start: LogPosition,
        until: Option<LogPosition>,
        on_record: &mut dyn FnMut(Record<'_>) -> Result<(), OpenError>,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<Scanned, OpenError> {
        let mut reader = Reader::new(self, start, on_bytes);
        let file_bytes_known = self.header.file_bytes_synced;
        let mut scanned = Scanned {
            start,
            end: start,
            partial: None,
            stopped_at: start,
            mismatch: None,
            file_bytes_known,
        };
        loop {
            scanned.stopped_at = scanned.end;
            if until == Some(scanned.end) {
                return Ok(scanned);
            }
            let header = match read_header(&mut reader, self.seed, scanned.end)? {
                Ok(header) => header,
                Err(mismatch) => {
                    scanned.mismatch = Some(mismatch);
                    return Ok(scanned);
                }
            };
            scanned.file_bytes_known = scanned.file_bytes_known.max(header.file_bytes_synced);
            if let Some(mismatch) = self.check_header(&header, until) {
                scanned.mismatch = Some(mismatch);
                return Ok(scanned);
            }
            let start = header.position.plus(BATCH_HEADER_BYTES);
            scanned.stopped_at = start;
            let batch_end = start.plus(u64::from(header.length));
            while scanned.stopped_at < batch_end {
                let at = scanned.stopped_at;
                let left = batch_end.since(at);
                match read_record(&mut reader, self.seed, at, left)? {
                    Ok(bytes) => {
                        let position_end = at.plus(FRAME_HEADER_BYTES + bytes.len() as u64);
                        on_record(Record { position_end, bytes })?;
                        (scanned.end, scanned.stopped_at) = (position_end, position_end);
                    }
                    Err(mismatch) => {
                        scanned.partial = (scanned.end >= start).then_some(header);
                        scanned.mismatch = Some(mismatch);
                        return Ok(scanned);
                    }
                }
            }
        }
    }

    fn check_header(&self, header: &BatchHeader, until: Option<LogPosition>) -> Option<Mismatch> {
        if header.length == 0 {
            return Some(Mismatch::new("a batch", "the closing header of an idle log"));
        }
        let end = header.position.plus(BATCH_HEADER_BYTES + u64::from(header.length));
        let limit = until?;
        (end > limit).then(|| {
            let expected = format!("a batch that ends by {limit}, where the next segment begins");
            Mismatch::new(expected, format!("one that ends at {end}"))
        })
    }

    /// Looks for intact batch headers anywhere from `from` on. Returns the end of the last one's
    /// batch, and the highest durable position that one of them states.
    pub(crate) fn later_headers(
        &self,
        from: LogPosition,
    ) -> Result<(LogPosition, LogPosition), OpenError> {
        let (mut end, mut durable) = (LogPosition::ZERO, LogPosition::ZERO);
        // A window is a header longer than it advances, so that a header across its end is seen.
        let mut window = vec![0; READ_BYTES + HEADER];
        let mut offset = self.offset(from);
        while offset + BATCH_HEADER_BYTES <= self.bytes {
            let count = self.file.read_at(offset, &mut window).map_err(self.read_failed())?;
            for at in candidates(&window[..count]) {
                let bytes = window[at..at + HEADER].try_into().expect("candidates fit the window");
                let distance = offset + at as u64 - SEGMENT_HEADER_BYTES;
                let position = self.header.first.plus(distance);
                if let Ok(header) = BatchHeader::decode(bytes, self.seed, position) {
                    end = end.max(position.plus(BATCH_HEADER_BYTES + u64::from(header.length)));
                    durable = durable.max(header.durable);
                }
            }
            if count < window.len() {
                break;
            }
            offset += READ_BYTES as u64;
        }
        Ok((end, durable))
    }
}

/// Places where a whole batch header could stand.
fn candidates(window: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    let last = window.len().saturating_sub(HEADER - 1);
    for (page, bytes) in window[..last].chunks(4096).enumerate() {
        // Most of a segment is zeros, which compare faster than they are searched.
        if *bytes == [0; 4096][..bytes.len()] {
            continue;
        }
        for (at, &byte) in bytes.iter().enumerate() {
            let at = page * 4096 + at;
            if byte == BATCH_MAGIC[0] && window[at..at + 4] == BATCH_MAGIC {
                found.push(at);
            }
        }
    }
    found
}

fn read_header(
    reader: &mut Reader<'_>,
    seed: u32,
    position: LogPosition,
) -> Result<Result<BatchHeader, Mismatch>, OpenError> {
    let Some(bytes) = reader.take(HEADER)? else {
        return Ok(Err(Mismatch::new("a batch header", "the end of the file")));
    };
    let bytes = bytes.try_into().expect("the reader returned a header's length");
    Ok(BatchHeader::decode(bytes, seed, position))
}

fn read_record<'r>(
    reader: &'r mut Reader<'_>,
    seed: u32,
    position: LogPosition,
    left: u64,
) -> Result<Result<&'r [u8], Mismatch>, OpenError> {
    let head = reader.take(FRAME_HEADER_BYTES as usize)?;
    let Some(head) = head.filter(|_| left >= FRAME_HEADER_BYTES) else {
        return Ok(Err(Mismatch::new("a record", format!("{left} bytes before the batch's end"))));
    };
    let (length, stored) = (u32_at(head, 0), u32_at(head, 4));
    if u64::from(length) > left - FRAME_HEADER_BYTES {
        let expected = format!("a record of at most {} bytes", left - FRAME_HEADER_BYTES);
        return Ok(Err(Mismatch::new(expected, format!("one of {length} bytes"))));
    }
    let Some(bytes) = reader.take(length as usize)? else {
        let expected = format!("a record of {length} bytes");
        return Ok(Err(Mismatch::new(expected, "the end of the file")));
    };
    let computed = crc32c::crc32c_append(frame_checksum_start(seed, position, length), bytes);
    if computed != stored {
        let expected = format!("record checksum {computed:08x}");
        return Ok(Err(Mismatch::new(expected, format!("{stored:08x}"))));
    }
    Ok(Ok(bytes))
}

/// Consecutive reads over a file, through one buffer.
struct Reader<'a> {
    segment: &'a Segment,
    on_bytes: &'a mut dyn FnMut(u64),
    buffer: Vec<u8>,
    /// First byte of `buffer` that was not taken.
    from: usize,
    /// Offset in the file just behind `buffer`.
    offset: u64,
}

impl<'a> Reader<'a> {
    fn new(segment: &'a Segment, start: LogPosition, on_bytes: &'a mut dyn FnMut(u64)) -> Self {
        let offset = segment.offset(start);
        Self { segment, on_bytes, buffer: Vec::new(), from: 0, offset }
    }

    /// The next `count` bytes, nothing if the file has fewer.
    fn take(&mut self, count: usize) -> Result<Option<&[u8]>, OpenError> {
        let buffered = self.buffer.len() - self.from;
        if buffered < count {
            let left = self.segment.bytes.saturating_sub(self.offset);
            if ((count - buffered) as u64) > left {
                return Ok(None);
            }
            self.buffer.drain(..self.from);
            self.from = 0;
            let wanted = (count - buffered).max(READ_BYTES).min(left as usize);
            self.buffer.resize(buffered + wanted, 0);
            let target = &mut self.buffer[buffered..];
            let read = self.segment.file.read_at(self.offset, target);
            let read = read.map_err(self.segment.read_failed())?;
            self.buffer.truncate(buffered + read);
            self.offset += read as u64;
            (self.on_bytes)(self.offset - SEGMENT_HEADER_BYTES);
            if self.buffer.len() < count {
                return Ok(None);
            }
        }
        let start = self.from;
        self.from += count;
        Ok(Some(&self.buffer[start..start + count]))
    }
}
