//! Blocks that a command needs from disk: loaded on another thread, then the command is run again.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use millstream_command::{Reply, rejection_reply};
use millstream_engine::{LoadedBlocks, NeededBlocks};
use millstream_model::Rejection;
use tokio::task::JoinHandle;

use super::Session;
use super::blocking::Waiting;

/// What is being loaded.
pub(super) type Loading = JoinHandle<Result<LoadedBlocks, Rejection>>;

impl Session {
    /// Begins to load; the session waits.
    pub(super) fn load(&mut self, needed: NeededBlocks) {
        let engine = self.shared.store.engine.clone();
        self.waiting = Waiting::Blocks(tokio::task::spawn_blocking(move || engine.load(&needed)));
    }

    pub(super) fn poll_loading(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Waiting::Blocks(loading) = &mut self.waiting else { return Poll::Ready(()) };
        let loaded = ready!(Pin::new(loading).poll(context));
        self.waiting = Waiting::No;
        self.is_load_done = true;
        match loaded {
            Ok(Ok(loaded)) => self.loaded.extend(loaded),
            Ok(Err(rejection)) => {
                tracing::error!("{rejection}");
                self.load_failure = Some(rejection_reply(&rejection));
            }
            Err(error) => {
                tracing::error!("blocks could not be loaded: {error}");
                self.load_failure = Some(Reply::error("ERR blocks could not be loaded"));
            }
        }
        Poll::Ready(())
    }

    /// Whether the command that runs next has waited for blocks.
    #[inline]
    pub(super) fn has_loaded(&self) -> bool {
        self.is_load_done
    }

    /// The error for a command whose blocks cannot be read.
    pub(super) fn take_load_failure(&mut self) -> Option<Reply> {
        let failure = self.load_failure.take();
        if failure.is_some() {
            self.forget_loaded();
        }
        failure
    }

    /// The command has run: its blocks stay as long as the cache keeps them.
    #[inline]
    pub(super) fn forget_loaded(&mut self) {
        if self.is_load_done {
            self.is_load_done = false;
            self.loaded = LoadedBlocks::default();
        }
    }
}
