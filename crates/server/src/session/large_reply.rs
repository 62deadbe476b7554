//! A reply too large to be encoded at once: it goes out as the client takes it.
//!
//! Its entries stay pinned in their blocks; blocks that are on disk only are loaded as their turn
//! comes, on another thread. Until the last entry is encoded the session runs nothing else, so
//! there is at most one for each connection.
//!
//! A reply that needs blocks from disk is held back up to a limit, so that a block that cannot be
//! read is an error reply; beyond the limit it can only end the connection.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use millstream_command::{Reply, ReplyEncoder, encode, rejection_reply};
use millstream_engine::LogPosition;
use millstream_model::{LoadedBlock, Rejection};
use tokio::task::{JoinError, JoinHandle};

use super::blocking::Waiting;
use super::{Session, unknown_outcome};

/// Encoded whole up to this estimate.
pub(super) const WHOLE_BYTES_MAX: usize = 256 << 10;

/// Encoded at a time once the client has taken what was before.
const STEP_BYTES: usize = 64 << 10;

/// Bytes of blocks that are loaded at once.
const LOADED_BYTES_MAX: usize = 512 << 10;

/// Held back at most while blocks are loaded: a usual page of entries is shorter.
const HELD_BYTES_MAX: usize = 2 << 20;

pub(super) struct LargeReply {
    encoder: ReplyEncoder,
    /// Nothing of it leaves before.
    pub(super) until: LogPosition,
    /// What is encoded while nothing of it has left; `None` once some has, or may as it comes.
    held: Option<Vec<u8>>,
    /// Blocks that it goes on with.
    pub(super) loading: Option<JoinHandle<Result<Vec<LoadedBlock>, Rejection>>>,
    /// What it took before anything of it was encoded, without pinned blocks.
    own_bytes: usize,
    /// Blocks that were loaded for it.
    loaded_bytes: usize,
}

impl Session {
    /// Encodes the reply now, or lets it go out bit by bit if it is large.
    pub(super) fn put_or_defer(&mut self, reply: Reply, until: LogPosition) {
        if reply.bytes_estimate() > self.whole_bytes_max || reply.has_cold() {
            assert!(matches!(self.waiting, Waiting::No), "nothing ran behind a large reply");
            // An error in place of what EXEC answers would say that nothing was done.
            let is_read = matches!(reply, Reply::Entries(_) | Reply::Read(_));
            let held = (is_read && reply.has_cold()).then(Vec::new);
            let own_bytes = reply.memory_estimate();
            let encoder = ReplyEncoder::new(reply, self.protocol);
            let large =
                LargeReply { encoder, until, held, loading: None, own_bytes, loaded_bytes: 0 };
            self.waiting = Waiting::Large(large);
        } else {
            self.put(&reply, until, self.shared.store.released());
        }
    }

    /// Encodes the next part once everything before it is sent.
    pub(super) fn poll_large_reply(&mut self, context: &mut Context<'_>) -> Poll<()> {
        if let Waiting::Large(LargeReply { loading: Some(loading), .. }) = &mut self.waiting {
            let loaded = ready!(Pin::new(loading).poll(context));
            self.take_loaded_for_reply(loaded);
        }
        if !matches!(self.waiting, Waiting::Large(_)) {
            return Poll::Ready(());
        }
        if !self.outbox.is_empty() {
            return Poll::Pending;
        }
        let released = self.shared.store.released();
        let is_lost = self.shared.store.poison().is_some();
        let (held_max, loaded_max) = match self.shared.memory.is_pressed() {
            true => (STEP_BYTES, STEP_BYTES),
            false => (HELD_BYTES_MAX, LOADED_BYTES_MAX),
        };
        let Waiting::Large(large) = &mut self.waiting else { return Poll::Ready(()) };
        if large.until > released {
            if !is_lost {
                return Poll::Pending;
            }
            self.outbox.buffer().extend_from_slice(&unknown_outcome());
        } else {
            large.step(self.outbox.buffer(), held_max);
            if !large.encoder.is_done() {
                let (missing, bytes) = large.encoder.missing(loaded_max);
                large.loaded_bytes = bytes;
                if missing.is_empty() {
                    // It is still finding out what to say.
                    self.gives_way = self.outbox.is_empty();
                } else {
                    let engine = self.shared.store.engine.clone();
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

    /// What cannot be read is the reply, or ends the connection where a part has left already.
    fn take_loaded_for_reply(
        &mut self,
        loaded: Result<Result<Vec<LoadedBlock>, Rejection>, JoinError>,
    ) {
        let Waiting::Large(large) = &mut self.waiting else { return };
        large.loading = None;
        let (reason, reply) = match loaded {
            Ok(Ok(blocks)) => return large.encoder.supply(&blocks),
            Ok(Err(rejection)) => (rejection.to_string(), rejection_reply(&rejection)),
            Err(error) => (error.to_string(), Reply::error("ERR blocks could not be loaded")),
        };
        if large.held.is_some() {
            tracing::error!("{reason}");
            self.waiting = Waiting::No;
            self.count_failure(None, &reply);
            encode(&reply, self.protocol, self.outbox.buffer());
        } else {
            tracing::error!("a reply is cut off, and its connection closed: {reason}");
            self.waiting = Waiting::No;
            self.close();
        }
    }
}

impl LargeReply {
    /// Bytes that it takes, without pinned blocks.
    pub(super) fn memory(&self) -> usize {
        self.own_bytes + self.loaded_bytes + self.held.as_ref().map_or(0, Vec::capacity)
    }

    /// Encodes the next part.
    fn step(&mut self, outbox: &mut Vec<u8>, held_max: usize) {
        let Some(held) = &mut self.held else {
            return self.encoder.step(outbox, STEP_BYTES);
        };
        self.encoder.step(held, held_max);
        if self.encoder.is_done() || held.len() >= held_max {
            outbox.append(held);
            self.held = None;
        }
    }
}
