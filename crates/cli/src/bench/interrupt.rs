//! Signals that end a run early: Ctrl-C, and those by which systems end programs.

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

/// Waits for the first of them.
pub(super) struct Interrupt([tokio::signal::unix::Signal; 3]);

impl Interrupt {
    /// From now on they do not end the program by themselves.
    pub(super) fn watch() -> anyhow::Result<Self> {
        let on = |kind| signal(kind).context("watch for signals");
        Ok(Self([
            on(SignalKind::interrupt())?,
            on(SignalKind::terminate())?,
            on(SignalKind::hangup())?,
        ]))
    }

    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
