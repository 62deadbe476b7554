//! Replies on their way out: encoded, held until what they report is safe, then sent.
//!
//! Invariants: (1) bytes leave in the order in which they were put; (2) no byte of a held range
//! leaves before its position is released; (3) a reply that depends on nothing unsafe is never part
//! of a held range, so if the log fails exactly the uncertain replies are replaced.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use millstream_engine::LogPosition;
use tokio::io::AsyncWrite;

use crate::stream::Stream;

/// Sent bytes are dropped from the front only when there are this many.
const KEPT_BYTES: usize = 16 << 10;
/// A buffer that grew beyond this goes back to the allocator once it is empty.
const CAPACITY_MAX: usize = 256 << 10;

/// A range of bytes that waits for the log.
#[derive(Debug)]
struct Held {
    /// In [`Outbox::bytes`].
    start: usize,
    end: usize,
    until: LogPosition,
    replies: usize,
}

#[derive(Debug, Default)]
pub(super) struct Outbox {
    bytes: Vec<u8>,
    sent: usize,
    held: VecDeque<Held>,
    /// The last held range is of this batch, and may grow.
    is_open: bool,
    pub(super) total_bytes: u64,
    pub(super) total_writes: u64,
}

impl Outbox {
    /// Bytes not yet sent.
    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of those, what waits for nothing but the client.
    pub(super) fn waiting(&self) -> usize {
        self.sendable().len()
    }

    /// Bytes of the buffer, used or not.
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Lets an unused buffer go.
    pub(super) fn give_back_unused(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = Vec::new();
            self.held = VecDeque::new();
        }
    }

    /// Where replies are encoded to; say [`Self::hold`] after each that must wait.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Holds what was put since `start`, one reply, until the position is released.
    pub(super) fn hold(&mut self, start: usize, until: LogPosition) {
        let end = self.bytes.len();
        match self.held.back_mut() {
            Some(last) if self.is_open && last.end == start => {
                last.end = end;
                last.until = last.until.max(until);
                last.replies += 1;
            }
            _ => self.held.push_back(Held { start, end, until, replies: 1 }),
        }
        self.is_open = true;
    }

    /// Ends a batch: what is held from now on does not hold back what is held already. Otherwise a
    /// client that never stops sending would never see its first reply.
    pub(super) fn end_batch(&mut self) {
        self.is_open = false;
    }

    /// Lets go what is safe by now. Returns the position that the next reply waits for.
    pub(super) fn release(&mut self, released: LogPosition) -> Option<LogPosition> {
        while let Some(first) = self.held.front() {
            if first.until > released {
                return Some(first.until);
            }
            self.held.pop_front();
        }
        None
    }

    /// The position that the first held reply waits for, released or not.
    pub(super) fn next_held(&self) -> Option<LogPosition> {
        self.held.front().map(|held| held.until)
    }

    /// The log has failed: what is still held will never be known to be safe, and says so.
    pub(super) fn give_up_held(&mut self, error: &[u8]) {
        if self.held.is_empty() {
            return;
        }
        let mut bytes = Vec::new();
        let mut at = self.sent;
        for held in self.held.drain(..) {
            bytes.extend_from_slice(&self.bytes[at..held.start]);
            for _ in 0..held.replies {
                bytes.extend_from_slice(error);
            }
            at = held.end;
        }
        bytes.extend_from_slice(&self.bytes[at..]);
        self.bytes = bytes;
        self.sent = 0;
    }

    fn sendable(&self) -> &[u8] {
        let end = self.held.front().map_or(self.bytes.len(), |held| held.start);
        &self.bytes[self.sent..end]
    }

    /// Sends what may leave. `Ready` once nothing of that is left.
    pub(super) fn poll_send(
        &mut self,
        stream: &mut Stream,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.sendable().is_empty() {
            let written = ready!(Pin::new(&mut *stream).poll_write(context, self.sendable()))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
            self.total_bytes += written as u64;
            self.total_writes += 1;
            self.give_back();
        }
        stream.poll_sent(context)
    }

    fn give_back(&mut self) {
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            if self.bytes.capacity() > CAPACITY_MAX {
                self.bytes = Vec::new();
            }
            self.sent = 0;
        } else if self.sent > KEPT_BYTES && self.sent > self.bytes.len() / 2 {
            self.bytes.drain(..self.sent);
            for held in &mut self.held {
                held.start -= self.sent;
                held.end -= self.sent;
            }
            self.sent = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(outbox: &mut Outbox, bytes: &[u8], until: Option<u64>) {
        let start = outbox.buffer().len();
        outbox.buffer().extend_from_slice(bytes);
        if let Some(until) = until {
            outbox.hold(start, LogPosition::new(until));
        }
    }

    #[test]
    fn nothing_passes_a_held_reply() {
        let mut outbox = Outbox::default();
        put(&mut outbox, b"a", None);
        put(&mut outbox, b"b", Some(10));
        put(&mut outbox, b"c", Some(20));
        put(&mut outbox, b"d", None);
        put(&mut outbox, b"e", Some(30));
        assert_eq!(outbox.sendable(), b"a");
        assert_eq!(outbox.release(LogPosition::new(10)), Some(LogPosition::new(20)));
        assert_eq!(outbox.release(LogPosition::new(20)), Some(LogPosition::new(30)));
        assert_eq!(outbox.sendable(), b"abcd");
        assert_eq!(outbox.release(LogPosition::new(30)), None);
        assert_eq!(outbox.sendable(), b"abcde");
    }

    #[test]
    fn looking_at_the_next_held_reply_lets_nothing_go() {
        let mut outbox = Outbox::default();
        put(&mut outbox, b"a", Some(10));
        assert_eq!(outbox.next_held(), Some(LogPosition::new(10)));
        assert_eq!(outbox.next_held(), Some(LogPosition::new(10)));
        assert!(outbox.sendable().is_empty());
    }

    #[test]
    fn a_reply_is_not_held_back_by_later_batches() {
        let mut outbox = Outbox::default();
        put(&mut outbox, b"a", Some(10));
        put(&mut outbox, b"b", Some(11));
        outbox.end_batch();
        put(&mut outbox, b"c", Some(20));
        outbox.release(LogPosition::new(11));
        assert_eq!(outbox.sendable(), b"ab");
    }

    #[test]
    fn only_uncertain_replies_are_replaced() {
        let mut outbox = Outbox::default();
        put(&mut outbox, b"a", None);
        put(&mut outbox, b"b", Some(10));
        put(&mut outbox, b"c", Some(20));
        put(&mut outbox, b"d", None);
        outbox.sent = 1;
        outbox.give_up_held(b"!");
        assert_eq!(outbox.sendable(), b"!!d");
    }

    #[test]
    fn what_was_sent_is_given_back_without_moving_held_ranges() {
        let mut outbox = Outbox::default();
        put(&mut outbox, &vec![b'x'; 3 * KEPT_BYTES], None);
        put(&mut outbox, b"held", Some(1));
        outbox.sent = 3 * KEPT_BYTES - 1;
        outbox.give_back();
        assert_eq!(outbox.sendable(), b"x");
        assert_eq!(outbox.release(LogPosition::new(1)), None);
        assert_eq!(outbox.sendable(), b"xheld");
    }
}
