//! What a client sent and what of it is still to be run.
//!
//! A batch may be left half-way (a parked read, a large reply): its bytes stay where they are until
//! its last request has run, while more may be read behind them.

use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use millstream_resp::{ProtocolError, RequestBatch, RequestLimits, RequestParser};
use tokio::io::AsyncReadExt;

use crate::stream::Stream;

/// Read at once from a client that sends little.
const READ_BYTES_MIN: usize = 4 << 10;
/// Read at once from a client that sends much.
const READ_BYTES_MAX: usize = 128 << 10;

#[derive(Debug)]
pub(super) struct Input {
    buffer: Vec<u8>,
    /// Bytes before it belong to earlier batches.
    start: usize,
    /// Bytes of the present batch from `start` on.
    batch_bytes: usize,
    parser: RequestParser,
    pub(super) batch: RequestBatch,
    /// The next request of the batch to run.
    pub(super) next: usize,
    /// The parser may find something without more input.
    is_fresh: bool,
    read_bytes: usize,
    hint: usize,
    pub(super) is_ended: bool,
    pub(super) total_bytes: u64,
}

impl Default for Input {
    fn default() -> Self {
        Self {
            buffer: Vec::new(),
            start: 0,
            batch_bytes: 0,
            parser: RequestParser::new(),
            batch: RequestBatch::new(),
            next: 0,
            is_fresh: false,
            read_bytes: READ_BYTES_MIN,
            hint: 0,
            is_ended: false,
            total_bytes: 0,
        }
    }
}

impl Input {
    /// The buffer that the present batch was parsed from.
    pub(super) fn source(&self) -> &[u8] {
        &self.buffer[self.start..]
    }

    pub(super) fn is_batch_done(&self) -> bool {
        self.next >= self.batch.len()
    }

    /// Whether there may be something to run without reading.
    pub(super) fn has_more(&self) -> bool {
        !self.is_batch_done() || self.is_fresh
    }

    /// Bytes read and not yet run.
    pub(super) fn buffered(&self) -> usize {
        let done = if self.is_batch_done() { self.batch_bytes } else { 0 };
        self.buffer.len() - self.start - done
    }

    /// Bytes of the buffer, used or not.
    pub(super) fn capacity(&self) -> usize {
        self.buffer.capacity()
    }

    /// Lets an unused buffer go.
    pub(super) fn give_back_unused(&mut self) {
        if self.is_batch_done() {
            self.give_up_batch();
        }
        if self.buffer.is_empty() {
            self.buffer = Vec::new();
            self.read_bytes = READ_BYTES_MIN;
        }
    }

    pub(super) fn batch_bytes(&self) -> usize {
        self.batch_bytes
    }

    /// Gives the finished batch up and looks for the next one, which may be empty.
    pub(super) fn parse(
        &mut self,
        limits: &RequestLimits,
        count_max: usize,
    ) -> Result<(), ProtocolError> {
        self.give_up_batch();
        if !self.is_fresh {
            return Ok(());
        }
        let source = &self.buffer[self.start..];
        let status = self.parser.parse(source, limits, count_max, &mut self.batch)?;
        self.batch_bytes = status.consumed;
        self.is_fresh = status.more;
        self.hint = status.needed_hint;
        Ok(())
    }

    fn give_up_batch(&mut self) {
        self.start += self.batch_bytes;
        self.batch_bytes = 0;
        self.next = 0;
        self.batch.clear();
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            if self.buffer.capacity() > 2 * READ_BYTES_MAX {
                self.buffer = Vec::new();
            }
        }
    }

    /// Reads once. `Ready(Ok(0))` is the end of the input.
    pub(super) fn poll_read(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<usize>> {
        if self.is_batch_done() {
            self.give_up_batch();
        }
        if self.start > 0 && self.batch.is_empty() {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        // A length that was only announced reserves no more than what has come of it.
        let wanted = self.read_bytes.max(self.hint.min(self.buffer.len()));
        if self.buffer.capacity() - self.buffer.len() < wanted / 2 {
            // Not doubled: the largest argument would take twice its bytes.
            self.buffer.reserve_exact(wanted.max(self.buffer.len() / 4));
        }
        let room = self.buffer.capacity() - self.buffer.len();
        let read: Pin<&mut _> = pin!(stream.read_buf(&mut self.buffer));
        let result = read.poll(context);
        if let Poll::Ready(Ok(count)) = result {
            self.is_fresh |= count > 0;
            self.total_bytes += count as u64;
            if count == room {
                self.read_bytes = (self.read_bytes * 2).min(READ_BYTES_MAX);
            }
        }
        result
    }

    /// Nothing that came so far, and nothing that comes, is run.
    pub(super) fn abandon(&mut self) {
        self.next = self.batch.len();
        self.is_fresh = false;
    }
}
