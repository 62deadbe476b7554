//! Commands that a pause holds up; see `pause.rs`.
//!
//! A command that must wait is tried again when the pause is over: it has not run, so nobody can
//! tell that it was there before. Sleeps until the deadline, and is woken if somebody ends the
//! pause.

use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};

use millstream_command::table::{CommandId, CommandSpec};
use tokio::time::Sleep;

use super::Session;
use super::blocking::Waiting;
use super::execute::Step;
use crate::mailbox::PAUSE_ENDED;

/// A command that waits for the end of a pause.
pub(super) struct Postponed {
    is_write: bool,
    /// Fires when the pause ends by itself.
    end: Pin<Box<Sleep>>,
}

impl Session {
    /// Holds the command up if there is a pause for it. It must be tried again then.
    #[cold]
    pub(super) fn postpone(&mut self, spec: &'static CommandSpec) -> Option<Step> {
        let is_write = spec.is_write()
            || (spec.id == CommandId::Exec
                && self.multi.as_ref().is_some_and(super::transaction::Multi::has_writes));
        let until = self.shared.pause.holds(is_write)?;
        // First told, then looked at once more by the poll that follows.
        self.client.signal.clear(PAUSE_ENDED);
        self.client.turn.store(self.shared.pause.draw_turn(), Ordering::Relaxed);
        self.client.is_postponed.store(true, Ordering::Release);
        self.client.is_blocked.store(true, Ordering::Release);
        let end = Box::pin(tokio::time::sleep_until(until.into()));
        self.waiting = Waiting::Postponed(Postponed { is_write, end });
        self.update_facts(|facts| facts.last_command = Some(spec));
        Some(Step::Retry)
    }

    pub(super) fn poll_postponed(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let Waiting::Postponed(postponed) = &mut self.waiting else { return Poll::Ready(()) };
        while let Some(until) = self.shared.pause.holds(postponed.is_write) {
            // It may have been made longer meanwhile.
            if postponed.end.deadline() != until.into() {
                postponed.end.as_mut().reset(until.into());
            }
            if postponed.end.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        self.end_wait();
        Poll::Ready(())
    }
}
