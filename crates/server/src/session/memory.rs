//! What a session takes of the memory, and what it does not do while there is too little.

use std::sync::atomic::Ordering;

use millstream_command::Reply;
use millstream_command::table::{CommandId, CommandSpec};
use millstream_engine::LogPosition;
use millstream_runtime::admission::frees_space;

use super::blocking::Waiting;
use super::execute::Step;
use super::large_reply::WHOLE_BYTES_MAX;
use super::{OUTBOX_BYTES_MAX, Session};
use crate::mailbox::GIVE_BACK;
use crate::memory_budget::{ABOVE_HARD, ABOVE_MAX, MemoryLevel};

const TOO_MANY_BLOCKED: &str = "ERR as many clients wait as the setting blocked-clients-max \
allows: do not wait, or raise the setting";

/// In place of [`OUTBOX_BYTES_MAX`] and [`WHOLE_BYTES_MAX`] while clients take much together.
const PRESSED_OUTBOX_BYTES: usize = 16 << 10;
const PRESSED_WHOLE_BYTES: usize = 32 << 10;

impl Session {
    /// Notes what the buffers take now.
    pub(super) fn count_memory(&mut self) {
        let queued = self.multi.as_ref().map_or(0, super::transaction::Multi::bytes);
        let waiting = match &self.waiting {
            Waiting::Large(large) => large.memory(),
            Waiting::Read(parked) => parked.memory(),
            _ => 0,
        };
        let monitored = self.monitor.as_ref().map_or(0, |monitor| monitor.memory());
        let queued = queued + self.watched.memory() + monitored;
        let now = self.input.capacity() + self.outbox.capacity() + queued + waiting;
        if now != self.counted_bytes {
            self.shared.memory.count_client(self.counted_bytes, now);
            self.client.memory.store(now, Ordering::Relaxed);
            self.counted_bytes = now;
        }
    }

    /// The session ends.
    pub(super) fn uncount_memory(&mut self) {
        self.shared.memory.count_client(self.counted_bytes, 0);
        self.counted_bytes = 0;
        self.count_as_blocked(false);
    }

    /// Lets unused buffers go.
    #[cold]
    pub(super) fn give_back_memory(&mut self) {
        self.client.signal.clear(GIVE_BACK);
        self.input.give_back_unused();
        self.outbox.give_back_unused();
        if let Some(monitor) = &self.monitor {
            monitor.give_back_unused();
        }
    }

    /// With so much on its way to the client, no command runs.
    #[inline]
    pub(super) fn outbox_bytes_max(&self) -> usize {
        if self.shared.memory.is_pressed() { PRESSED_OUTBOX_BYTES } else { OUTBOX_BYTES_MAX }
    }

    /// Says which replies are encoded at once. Once for a batch: what was not large when it was
    /// answered, so that others follow it, is not large when it is encoded.
    #[inline]
    pub(super) fn latch_whole_bytes(&mut self) {
        let is_pressed = self.shared.memory.is_pressed();
        self.whole_bytes_max = if is_pressed { PRESSED_WHOLE_BYTES } else { WHOLE_BYTES_MAX };
    }

    /// The command that was put off, for room or for blocks, does not run any more.
    pub(super) fn forget_put_off(&mut self) {
        self.room_wait.end();
        self.load_failure = None;
        self.forget_loaded();
    }

    /// Refuses the command if memory is short and it would take more of it.
    #[cold]
    pub(super) fn refuse_for_memory(&mut self, spec: &'static CommandSpec) -> Option<Step> {
        let level = self.shared.memory.level();
        let is_denied = |spec: &CommandSpec| match level {
            MemoryLevel::Fine => false,
            MemoryLevel::AboveMax => spec.is_denied_without_memory(),
            MemoryLevel::AboveHard => spec.is_write() && !frees_space(spec),
        };
        let is_exec = spec.id == CommandId::Exec;
        let has_denied = || self.multi.as_ref().is_some_and(|multi| multi.has(&is_denied));
        let is_refused = is_denied(spec) || (is_exec && has_denied());
        if !is_refused {
            return None;
        }
        let text = match level {
            MemoryLevel::AboveHard if !spec.is_denied_without_memory() => ABOVE_HARD,
            _ => ABOVE_MAX,
        };
        if is_exec {
            self.forget_put_off();
            self.discard();
            let text = format!("EXECABORT Transaction discarded because of: {text}");
            self.answer(Some(spec), Reply::Error(text.into()), LogPosition::ZERO);
        } else {
            self.reject(spec, Reply::error(text));
        }
        Some(Step::Next)
    }

    /// Answers a command that would wait.
    pub(super) fn refuse_to_block(&mut self, spec: &'static CommandSpec, position: LogPosition) {
        self.shared.refused_waits.fetch_add(1, Ordering::Relaxed);
        self.answer(Some(spec), Reply::error(TOO_MANY_BLOCKED), position);
    }

    /// Whether one more command may wait.
    pub(super) fn may_block(&self) -> bool {
        let max = self.shared.settings.blocked_max.load(Ordering::Relaxed);
        max == 0 || self.shared.blocked_clients.load(Ordering::Relaxed) < max
    }

    /// Keeps the number of blocked clients.
    pub(super) fn count_as_blocked(&mut self, is_blocked: bool) {
        let counter = &self.shared.blocked_clients;
        match (self.is_counted_blocked, is_blocked) {
            (false, true) => drop(counter.fetch_add(1, Ordering::Relaxed)),
            (true, false) => drop(counter.fetch_sub(1, Ordering::Relaxed)),
            _ => {}
        }
        self.is_counted_blocked = is_blocked;
    }
}
