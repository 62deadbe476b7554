//! A reply too large to be encoded at once: it goes out as the client takes it.
//!
//! Its entries stay pinned in their blocks; blocks that are on disk only are loaded as their turn
//! comes, on another thread. Until the last entry is encoded the session runs nothing else, so
//! there is at most one for each connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use millstream_command::{Reply, ReplyEncoder};
use millstream_engine::LogPosition;
use millstream_model::{LoadedBlock, Rejection};
use tokio::task::{JoinError, JoinHandle};

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
    /// Blocks that it goes on with.
    pub(super) loading: Option<JoinHandle<Result<Vec<LoadedBlock>, Rejection>>>,
}

impl Session {
    /// Encodes the reply now, or lets it go out bit by bit if it is large.
    pub(super) fn put_or_defer(&mut self, reply: Reply, until: LogPosition) {
        if reply.bytes_estimate() > WHOLE_BYTES_MAX || reply.has_cold() {
            let encoder = ReplyEncoder::new(reply, self.protocol);
            self.waiting = Waiting::Large(LargeReply { encoder, until, loading: None });
        } else {
            self.put(&reply, until, self.shared.released());
        }
    }

    /// Encodes the next part once everything before it is sent.
    pub(super) fn poll_large_reply(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Waiting::Large(LargeReply { loading: Some(loading), .. }) = &mut self.waiting {
            let loaded = ready!(Pin::new(loading).poll(context));
            self.take_loaded_for_reply(loaded);
        }
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
                let missing = large.encoder.missing();
                if missing.is_empty() {
                    // It is still finding out what to say.
                    self.gives_way = self.outbox.is_empty();
                } else {
                    let engine = self.shared.engine.clone();
                    large.loading =
                        Some(tokio::task::spawn_blocking(move || engine.load_for_reply(&missing)));
                    context.waker().wake_by_ref();
                }
                return Poll::Pending;
            }
        }
        self.waiting = Waiting::No;
        Poll::Ready(())
    }

    /// A part of the reply has left already: what cannot be read ends the connection.
    fn take_loaded_for_reply(
        &mut self,
        loaded: Result<Result<Vec<LoadedBlock>, Rejection>, JoinError>,
    ) {
        let Waiting::Large(large) = &mut self.waiting else { return };
        large.loading = None;
        match loaded {
            Ok(Ok(blocks)) => large.encoder.supply(&blocks),
            Ok(Err(rejection)) => {
                tracing::error!("a reply is cut off, and its connection closed: {rejection}");
                self.waiting = Waiting::No;
                self.close();
            }
            Err(error) => {
                tracing::error!("a reply is cut off, and its connection closed: {error}");
                self.waiting = Waiting::No;
                self.close();
            }
        }
    }
}
