//! The log's in-memory end, under the engine's lock: no I/O, no checksums, one copy of small
//! values.
//!
//! 1. Positions are final the moment a record is finished: each batch starts with room for its
//!    header.
//! 2. A record is in the buffer whole or not at all.
//! 3. Batches are taken in the order of their positions.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

use crate::LogPosition;
use crate::batch::{Batch, SharedPart};
use crate::format::{BATCH_HEADER_BYTES, FRAME_HEADER_BYTES, RECORD_BYTES_MAX};

/// From this size on, [`RecordWriter::put_shared`] keeps a reference instead of copying.
pub const SHARED_BYTES_MIN: usize = 64 << 10;

/// Records that wait for the commit thread.
#[derive(Debug)]
pub struct LogBuffer {
    /// Full batches, oldest first.
    closed: VecDeque<Batch>,
    open: Batch,
    batch_bytes: usize,
    /// Inline vector of a batch that was given back.
    kept: Vec<u8>,
}

impl LogBuffer {
    pub(crate) fn new(position: LogPosition, batch_bytes: u64) -> Self {
        let batch_bytes = usize::try_from(batch_bytes).unwrap_or(usize::MAX);
        let open = Batch::new(position, Vec::new());
        Self { closed: VecDeque::new(), open, batch_bytes, kept: Vec::new() }
    }

    /// Starts a record. Until the writer is finished nothing is logged.
    pub fn record(&mut self) -> RecordWriter<'_> {
        let start = self.open.inline.len();
        self.open.inline.extend_from_slice(&[0; FRAME_HEADER_BYTES as usize]);
        let (shared_count, shared_bytes) = (self.open.shared.len(), self.open.shared_bytes);
        RecordWriter { buffer: self, start, shared_count, shared_bytes, finished: false }
    }

    /// End of the last finished record, taken or not: wait for this to be durable and everything
    /// logged so far is.
    #[must_use]
    pub fn end(&self) -> LogPosition {
        self.open.end()
    }

    /// Bytes that no [`take`](Self::take) has returned yet, headers included; 0 if there is no
    /// record.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        let open = if self.open.is_empty() { 0 } else { self.open.bytes() };
        self.closed.iter().map(Batch::bytes).sum::<usize>() + open
    }

    /// Whether [`take`](Self::take) would return nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.closed.is_empty() && self.open.is_empty()
    }

    /// Takes the oldest batch. There may be more than one: call until `None`, or come back after
    /// the write.
    pub fn take(&mut self) -> Option<Batch> {
        if let Some(batch) = self.closed.pop_front() {
            return Some(batch);
        }
        if self.open.is_empty() { None } else { Some(self.close()) }
    }

    /// Ends the batch in the making, so that whatever is logged from now on stands in another one.
    /// Returns where that will begin: recovery can start there without reading what is before.
    pub fn cut(&mut self) -> LogPosition {
        if !self.open.is_empty() {
            let full = self.close();
            self.closed.push_back(full);
        }
        self.end()
    }

    /// Returns a written batch so that its memory is used again.
    pub fn give_back(&mut self, batch: Batch) {
        if batch.inline.capacity() > self.kept.capacity() {
            self.kept = batch.inline;
        }
    }

    fn close(&mut self) -> Batch {
        let next = Batch::new(self.open.end(), mem::take(&mut self.kept));
        mem::replace(&mut self.open, next)
    }

    /// Moves the record that starts at `start` from the open batch to a new one.
    fn move_to_new_batch(&mut self, start: usize, shared_count: usize, shared_bytes: usize) {
        let inline = self.open.inline.split_off(start);
        let shared = self.open.shared.split_off(shared_count);
        let moved_bytes = self.open.shared_bytes - shared_bytes;
        self.open.shared_bytes = shared_bytes;
        let full = self.close();
        self.closed.push_back(full);
        self.open.inline.extend_from_slice(&inline);
        self.open.shared_bytes = moved_bytes;
        let shift = start - BATCH_HEADER_BYTES as usize;
        self.open.shared =
            shared.into_iter().map(|part| SharedPart { at: part.at - shift, ..part }).collect();
    }
}

/// Writes one record in place. Dropped without [`finish`](Self::finish), it leaves nothing behind.
#[derive(Debug)]
#[must_use = "a record is logged by finish only"]
pub struct RecordWriter<'a> {
    buffer: &'a mut LogBuffer,
    start: usize,
    shared_count: usize,
    shared_bytes: usize,
    finished: bool,
}

impl RecordWriter<'_> {
    /// Appends bytes as they are.
    pub fn put_slice(&mut self, bytes: &[u8]) {
        self.buffer.open.inline.extend_from_slice(bytes);
    }

    /// Appends one byte.
    pub fn put_u8(&mut self, value: u8) {
        self.buffer.open.inline.push(value);
    }

    /// Appends eight bytes, little-endian.
    pub fn put_u64(&mut self, value: u64) {
        self.put_slice(&value.to_le_bytes());
    }

    /// Appends a number in 1 to 10 bytes, 7 bits each, lowest first, bit 7 set on all but the last.
    pub fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.put_u8(value as u8);
    }

    /// Appends the length as a varint, then the bytes.
    pub fn put_bytes(&mut self, bytes: &[u8]) {
        self.put_varint(bytes.len() as u64);
        self.put_slice(bytes);
    }

    /// The same bytes on disk as [`put_bytes`](Self::put_bytes); a value of [`SHARED_BYTES_MIN`] or
    /// more is kept by reference instead of being copied under the lock.
    pub fn put_shared(&mut self, bytes: Bytes) {
        if bytes.len() < SHARED_BYTES_MIN {
            return self.put_bytes(&bytes);
        }
        self.put_varint(bytes.len() as u64);
        let open = &mut self.buffer.open;
        open.shared_bytes += bytes.len();
        open.shared.push(SharedPart { at: open.inline.len(), bytes });
    }

    /// Bytes put so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        let open = &self.buffer.open;
        (open.bytes() - self.start - self.shared_bytes) as u64 - FRAME_HEADER_BYTES
    }

    /// Logs the record and returns its end: it is durable once the durable position reaches that.
    ///
    /// # Panics
    /// If the record is larger than [`RECORD_BYTES_MAX`]; refuse such a command before it changes
    /// anything.
    pub fn finish(mut self) -> LogPosition {
        let bytes = self.bytes();
        assert!(bytes <= RECORD_BYTES_MAX, "a record has at most {RECORD_BYTES_MAX} bytes");
        let length = (bytes as u32).to_le_bytes();
        self.buffer.open.inline[self.start..self.start + 4].copy_from_slice(&length);
        self.finished = true;
        let is_first = self.start == BATCH_HEADER_BYTES as usize;
        if !is_first && self.buffer.open.bytes() > self.buffer.batch_bytes {
            self.buffer.move_to_new_batch(self.start, self.shared_count, self.shared_bytes);
        }
        self.buffer.end()
    }
}

impl Drop for RecordWriter<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let open = &mut self.buffer.open;
            open.inline.truncate(self.start);
            open.shared.truncate(self.shared_count);
            open.shared_bytes = self.shared_bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RecordReader;

    fn put(buffer: &mut LogBuffer, bytes: &[u8]) -> LogPosition {
        let mut record = buffer.record();
        record.put_slice(bytes);
        record.finish()
    }

    #[test]
    fn positions_count_headers_and_follow_each_other_over_batches() {
        let mut buffer = LogBuffer::new(LogPosition::new(1000), 64);
        assert_eq!(
            (buffer.end().get(), buffer.pending_bytes(), buffer.is_empty()),
            (1000, 0, true)
        );
        assert_eq!(put(&mut buffer, b"ten bytes.").get(), 1000 + 32 + 8 + 10);
        assert_eq!(buffer.pending_bytes(), 50);
        // 50 + 18 exceeds 64, so this record begins a batch of its own, with its own header.
        assert_eq!(put(&mut buffer, b"ten bytes.").get(), 1050 + 50);
        let first = buffer.take().expect("closed");
        assert_eq!((first.position().get(), first.end().get()), (1000, 1050));
        let second = buffer.take().expect("open");
        assert_eq!((second.position().get(), second.end().get()), (1050, 1100));
        assert!(buffer.take().is_none());
        buffer.give_back(first);
        assert_eq!(put(&mut buffer, b"").get(), 1100 + 40);
    }

    #[test]
    fn a_cut_is_where_the_next_batch_begins() {
        let mut buffer = LogBuffer::new(LogPosition::new(1000), 1 << 20);
        assert_eq!(buffer.cut().get(), 1000);
        put(&mut buffer, b"ten bytes.");
        assert_eq!(buffer.cut().get(), 1050);
        assert_eq!(buffer.cut().get(), 1050);
        put(&mut buffer, b"ten bytes.");
        let ends = [buffer.take(), buffer.take()].map(|batch| batch.expect("two").end().get());
        assert_eq!(ends, [1050, 1100]);
        assert!(buffer.take().is_none());
    }

    #[test]
    fn an_unfinished_record_leaves_nothing() {
        let mut buffer = LogBuffer::new(LogPosition::ZERO, 1 << 20);
        put(&mut buffer, b"kept");
        let before = (buffer.end(), buffer.pending_bytes());
        let mut record = buffer.record();
        record.put_shared(Bytes::from(vec![1; SHARED_BYTES_MIN]));
        record.put_u64(7);
        drop(record);
        assert_eq!((buffer.end(), buffer.pending_bytes()), before);
    }

    #[test]
    fn a_shared_value_moves_with_its_record_and_reads_like_a_copied_one() {
        let value = vec![7; SHARED_BYTES_MIN + 3];
        let mut buffer = LogBuffer::new(LogPosition::ZERO, 64);
        put(&mut buffer, b"first");
        let mut record = buffer.record();
        record.put_u8(1);
        record.put_shared(Bytes::from(value.clone()));
        record.put_varint(u64::MAX);
        record.put_bytes(b"end");
        let bytes = record.bytes();
        let end = record.finish();
        let first = buffer.take().expect("closed");
        let second = buffer.take().expect("open");
        assert_eq!(end, second.end());
        assert_eq!(second.position(), first.end());
        let whole = second.parts().concat();
        assert_eq!(whole.len(), second.bytes());
        let body = &whole[(BATCH_HEADER_BYTES + FRAME_HEADER_BYTES) as usize..];
        assert_eq!(body.len() as u64, bytes);
        let mut reader = RecordReader::new(body);
        assert_eq!(reader.u8(), Ok(1));
        assert_eq!(reader.bytes(), Ok(&value[..]));
        assert_eq!(reader.varint(), Ok(u64::MAX));
        assert_eq!(reader.bytes(), Ok(&b"end"[..]));
        assert_eq!(reader.left(), 0);
        assert!(reader.u8().is_err());
    }
}
