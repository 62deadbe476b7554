//! Records on their way to disk: what one write puts into a segment.

use bytes::Bytes;

use crate::LogPosition;
use crate::format::{
    BATCH_HEADER_BYTES, BatchHeader, FRAME_HEADER_BYTES, frame_checksum_start, u32_at,
};

/// Buffers above this size are given back to the allocator instead of being kept for the next
/// batch.
const KEPT_CAPACITY_BYTES_MAX: usize = 8 << 20;

/// Whole records under one batch header, taken from a [`LogBuffer`](crate::LogBuffer) and given
/// back to it after the write.
#[derive(Debug)]
pub struct Batch {
    position: LogPosition,
    /// Room for the header, then frames; bytes that are kept by reference are missing here.
    pub(crate) inline: Vec<u8>,
    /// In ascending `at`.
    pub(crate) shared: Vec<SharedPart>,
    pub(crate) shared_bytes: usize,
}

/// Bytes that belong before `inline[at..]`.
#[derive(Clone, Debug)]
pub(crate) struct SharedPart {
    pub(crate) at: usize,
    pub(crate) bytes: Bytes,
}

impl Batch {
    pub(crate) fn new(position: LogPosition, mut inline: Vec<u8>) -> Self {
        inline.clear();
        if inline.capacity() > KEPT_CAPACITY_BYTES_MAX {
            inline = Vec::new();
        }
        inline.resize(BATCH_HEADER_BYTES as usize, 0);
        Self { position, inline, shared: Vec::new(), shared_bytes: 0 }
    }

    /// Where its header goes.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// Just behind its last record.
    #[must_use]
    pub fn end(&self) -> LogPosition {
        self.position.plus(if self.is_empty() { 0 } else { self.bytes() as u64 })
    }

    /// Bytes on disk, header included.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.inline.len() + self.shared_bytes
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inline.len() == BATCH_HEADER_BYTES as usize
    }

    /// Fills in the header and the checksum of each record. Runs outside the engine's lock.
    pub(crate) fn seal(&mut self, seed: u32, durable: LogPosition, file_bytes_synced: u64) {
        self.fill_frame_checksums(seed);
        let length = u32::try_from(self.bytes() - BATCH_HEADER_BYTES as usize)
            .expect("the buffer closes a batch far below 4 GiB");
        let header = BatchHeader { position: self.position, durable, length, file_bytes_synced };
        self.inline[..BATCH_HEADER_BYTES as usize].copy_from_slice(&header.encode(seed));
    }

    fn fill_frame_checksums(&mut self, seed: u32) {
        let mut shared = self.shared.iter().peekable();
        let mut shared_before = 0;
        let mut at = BATCH_HEADER_BYTES as usize;
        while at < self.inline.len() {
            let length = u32_at(&self.inline, at);
            let position = self.position.plus((at + shared_before) as u64);
            let mut checksum = frame_checksum_start(seed, position, length);
            let mut from = at + FRAME_HEADER_BYTES as usize;
            let mut left = length as usize;
            // A part at this frame's end belongs to it as long as its length says so.
            while let Some(part) = shared.next_if(|part| part.at - from + part.bytes.len() <= left)
            {
                checksum = crc32c::crc32c_append(checksum, &self.inline[from..part.at]);
                checksum = crc32c::crc32c_append(checksum, &part.bytes);
                left -= part.at - from + part.bytes.len();
                from = part.at;
                shared_before += part.bytes.len();
            }
            checksum = crc32c::crc32c_append(checksum, &self.inline[from..from + left]);
            self.inline[at + 4..at + 8].copy_from_slice(&checksum.to_le_bytes());
            at = from + left;
        }
        assert!(at == self.inline.len() && shared.next().is_none(), "frames cover the batch");
    }

    /// The batch's bytes, in consecutive pieces.
    pub(crate) fn parts(&self) -> Vec<&[u8]> {
        let mut parts = Vec::with_capacity(1 + 2 * self.shared.len());
        let mut from = 0;
        for part in &self.shared {
            parts.push(&self.inline[from..part.at]);
            parts.push(&part.bytes);
            from = part.at;
        }
        parts.push(&self.inline[from..]);
        parts.retain(|part| !part.is_empty());
        parts
    }
}
