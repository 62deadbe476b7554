//! A reply too large to be encoded at once: it goes out as the client takes it.
//!
//! Its entries stay pinned in their blocks. Until the last of them is encoded the session runs
//! nothing else, so there is at most one for each connection.

use std::task::Poll;

use millstream_command::{Reply, ReplyEncoder};
use millstream_engine::LogPosition;

use super::blocking::Waiting;
use super::{Session, UNKNOWN_OUTCOME};

/// Encoded whole up to this estimate.
pub(super) const WHOLE_BYTES_MAX: usize = 256 << 10;

/// Encoded at a time once the client has taken what was before.
const STEP_BYTES: usize = 64 << 10;

pub(super) struct LargeReply {
    encoder: ReplyEncoder,
    /// Nothing of it leaves before.
    pub(super) until: LogPosition,
}

impl Session {
    /// Encodes the reply now, or lets it go out bit by bit if it is large.
    pub(super) fn put_or_defer(&mut self, reply: Reply, until: LogPosition) {
        if reply.bytes_estimate() > WHOLE_BYTES_MAX {
            let encoder = ReplyEncoder::new(reply, self.protocol);
            self.waiting = Waiting::Large(LargeReply { encoder, until });
        } else {
            self.put(&reply, until, self.shared.released());
        }
    }

    /// Encodes the next part once everything before it is sent.
    pub(super) fn poll_large_reply(&mut self) -> Poll<()> {
        if !self.outbox.is_empty() {
            return Poll::Pending;
        }
        let released = self.shared.released();
        let is_lost = self.shared.poison().is_some();
        let Waiting::Large(large) = &mut self.waiting else { return Poll::Ready(()) };
        if large.until > released {
            if !is_lost {
                return Poll::Pending;
            }
            self.outbox.buffer().extend_from_slice(UNKNOWN_OUTCOME);
        } else {
            large.encoder.step(self.outbox.buffer(), STEP_BYTES);
            if !large.encoder.is_done() {
                // It is still finding out what to say.
                self.gives_way = self.outbox.is_empty();
                return Poll::Pending;
            }
        }
        self.waiting = Waiting::No;
        Poll::Ready(())
    }
}
