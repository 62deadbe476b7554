//! `maxmemory` and `maxmemory-hard`, and how far the memory is from them.
//!
//! What the operating system says is resident is never less than what is used, so as long as that
//! is below `maxmemory` nothing else is asked. Above it counts what is known to be in use
//! ([`Engine::count_memory`](millstream_engine::Engine::count_memory), and buffers of clients):
//! the allocator keeps for a while what was freed, and whoever has trimmed must be able to write.
//!
//! Looked at ten times a second by `memory_watch.rs`, and by whoever brings more bytes than were
//! free at the last look. Commands ask for the level only, which is one read.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::info::resident_bytes;

/// The reply to a command that takes memory, in Redis' words.
pub(crate) const ABOVE_MAX: &str = "OOM command not allowed when used memory > 'maxmemory'.";
/// The reply to any other write.
pub(crate) const ABOVE_HARD: &str = "OOM command not allowed when used memory > \
'maxmemory-hard': only commands that free memory are accepted";

/// Without `maxmemory-hard`: so much of `maxmemory` on top of it.
const HARD_SHARE: u64 = 4;
/// Buffers of clients above this are kept small; less where `maxmemory-clients` says so.
const PRESSED_BYTES: usize = 64 << 20;

/// How much memory there is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemoryLevel {
    /// Enough.
    Fine,
    /// What takes memory is refused.
    AboveMax,
    /// Only what gives memory back runs.
    AboveHard,
}

/// How much memory clients may take together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientsMax {
    Bytes(u64),
    /// Of `maxmemory`; without that, no limit.
    Percent(u64),
}

#[derive(Debug)]
pub(crate) struct MemoryBudget {
    /// Bytes; 0: no limit.
    max: AtomicU64,
    /// As it was set; 0: derived.
    hard: AtomicU64,
    /// At the last look, and what came since.
    used: AtomicU64,
    grown: AtomicU64,
    level: AtomicU8,
    /// Somebody cannot wait for the next look.
    pub(crate) look_wanted: Notify,
    /// Commands are refused by a guess.
    is_guessed: AtomicBool,
    /// Buffers of all clients, and whether they are so much that each has to do with little.
    clients: AtomicUsize,
    is_pressed: AtomicBool,
    /// `maxmemory-clients`: percent above [`PERCENT`].
    clients_max: AtomicU64,
    pub(crate) evicted_clients: AtomicU64,
}

/// Marks a share of `maxmemory` among numbers of bytes.
const PERCENT: u64 = 1 << 63;

impl Default for MemoryBudget {
    fn default() -> Self {
        Self {
            max: AtomicU64::new(0),
            hard: AtomicU64::new(0),
            used: AtomicU64::new(0),
            grown: AtomicU64::new(0),
            level: AtomicU8::new(0),
            look_wanted: Notify::new(),
            is_guessed: AtomicBool::new(false),
            clients: AtomicUsize::new(0),
            is_pressed: AtomicBool::new(false),
            clients_max: AtomicU64::new(CLIENTS_MAX_BYTES),
            evicted_clients: AtomicU64::new(0),
        }
    }
}

/// `maxmemory-clients` unless it is said: a thousand clients with a megabyte each, and the largest
/// argument while its buffer grows.
const CLIENTS_MAX_BYTES: u64 = 1 << 30;

impl MemoryBudget {
    pub(crate) fn max(&self) -> u64 {
        self.max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_max(&self, bytes: u64) {
        self.max.store(bytes, Ordering::Relaxed);
        self.judge(resident_bytes());
        self.look_wanted.notify_one();
    }

    /// As it was set.
    pub(crate) fn hard_setting(&self) -> u64 {
        self.hard.load(Ordering::Relaxed)
    }

    pub(crate) fn set_hard(&self, bytes: u64) {
        self.hard.store(bytes, Ordering::Relaxed);
        self.judge(self.used.load(Ordering::Relaxed));
        self.look_wanted.notify_one();
    }

    /// What is in use, where so much is resident.
    pub(crate) fn used(&self, resident: u64) -> u64 {
        match self.max() {
            max if max > 0 && resident > max => resident.min(self.used.load(Ordering::Relaxed)),
            _ => resident,
        }
    }

    /// Above it only what frees memory runs; 0: no limit.
    pub(crate) fn hard(&self) -> u64 {
        let max = self.max();
        match self.hard_setting() {
            _ if max == 0 => 0,
            0 => max.saturating_add(max / HARD_SHARE),
            hard => hard.max(max),
        }
    }

    pub(crate) fn clients_setting(&self) -> ClientsMax {
        match self.clients_max.load(Ordering::Relaxed) {
            percent if percent & PERCENT != 0 => ClientsMax::Percent(percent & !PERCENT),
            bytes => ClientsMax::Bytes(bytes),
        }
    }

    pub(crate) fn set_clients_max(&self, max: ClientsMax) {
        let stored = match max {
            ClientsMax::Bytes(bytes) => bytes.min(PERCENT - 1),
            ClientsMax::Percent(percent) => PERCENT | percent,
        };
        self.clients_max.store(stored, Ordering::Relaxed);
        self.look_wanted.notify_one();
    }

    /// In bytes; `None`: no limit.
    pub(crate) fn clients_max(&self) -> Option<usize> {
        let bytes = match self.clients_setting() {
            ClientsMax::Bytes(bytes) => bytes,
            ClientsMax::Percent(percent) => {
                let share = u128::from(self.max()) * u128::from(percent) / 100;
                u64::try_from(share).unwrap_or(u64::MAX)
            }
        };
        (bytes > 0).then(|| usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// What all clients have sent that did not run yet, and have not taken.
    pub(crate) fn clients(&self) -> usize {
        self.clients.load(Ordering::Relaxed)
    }

    /// The buffers of a client have changed.
    pub(crate) fn count_client(&self, before: usize, now: usize) {
        let all = if now >= before {
            self.clients.fetch_add(now - before, Ordering::Relaxed) + (now - before)
        } else {
            self.clients.fetch_sub(before - now, Ordering::Relaxed) - (before - now)
        };
        let max = self.clients_max();
        let limit = max.map_or(PRESSED_BYTES, |max| PRESSED_BYTES.min(max / 2));
        self.is_pressed.store(all > limit, Ordering::Relaxed);
        if max.is_some_and(|max| all > max) {
            self.look_wanted.notify_one();
        }
    }

    /// Clients have so much in their buffers that each has to do with little.
    #[inline]
    pub(crate) fn is_pressed(&self) -> bool {
        self.is_pressed.load(Ordering::Relaxed)
    }

    #[inline]
    pub(crate) fn level(&self) -> MemoryLevel {
        match self.level.load(Ordering::Relaxed) {
            0 => MemoryLevel::Fine,
            1 => MemoryLevel::AboveMax,
            _ => MemoryLevel::AboveHard,
        }
    }

    #[inline]
    pub(crate) fn is_short(&self) -> bool {
        self.level.load(Ordering::Relaxed) != 0
    }

    /// Commands of so many bytes are about to run, and may leave them in memory. Only with a
    /// `maxmemory`.
    pub(crate) fn grow(&self, bytes: u64) {
        let grown = self.grown.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let expected = self.used.load(Ordering::Relaxed).saturating_add(grown);
        let next = match self.level() {
            MemoryLevel::Fine => self.max(),
            MemoryLevel::AboveMax => self.hard(),
            MemoryLevel::AboveHard => return,
        };
        if expected <= next {
            return;
        }
        // Most of what came did not stay, or was counted twice: one look says so.
        let resident = resident_bytes();
        self.judge(resident.min(expected));
        if self.is_short() {
            self.is_guessed.store(true, Ordering::Relaxed);
            self.look_wanted.notify_one();
        }
    }

    /// Whether commands are refused by a guess, which is to be made good.
    pub(crate) fn take_guess(&self) -> bool {
        self.is_guessed.swap(false, Ordering::Relaxed)
    }

    /// Takes the result of a look.
    pub(crate) fn judge(&self, used: u64) {
        self.used.store(used, Ordering::Relaxed);
        self.grown.store(0, Ordering::Relaxed);
        let max = self.max();
        let level = match () {
            () if max == 0 || used <= max => MemoryLevel::Fine,
            () if used <= self.hard() => MemoryLevel::AboveMax,
            () => MemoryLevel::AboveHard,
        };
        self.level.store(level as u8, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hard_limit_is_never_below_the_first() {
        let budget = MemoryBudget::default();
        assert_eq!(budget.hard(), 0);
        budget.max.store(100, Ordering::Relaxed);
        assert_eq!(budget.hard(), 125);
        budget.hard.store(50, Ordering::Relaxed);
        assert_eq!(budget.hard(), 100);
        budget.hard.store(400, Ordering::Relaxed);
        assert_eq!(budget.hard(), 400);
        for (used, level) in [
            (100, MemoryLevel::Fine),
            (101, MemoryLevel::AboveMax),
            (401, MemoryLevel::AboveHard),
            (7, MemoryLevel::Fine),
        ] {
            budget.judge(used);
            assert_eq!(budget.level(), level, "{used}");
        }
    }

    /// Symptom: commands were refused for a second, since the count that would have let them in
    /// was not due.
    #[test]
    fn who_refuses_by_a_guess_asks_for_a_count_once() {
        let budget = MemoryBudget::default();
        budget.max.store(1, Ordering::Relaxed);
        assert!(!budget.take_guess());
        budget.grow(2);
        assert_eq!(budget.level(), MemoryLevel::AboveHard);
        assert!(budget.take_guess());
        assert!(!budget.take_guess());
    }

    #[test]
    fn a_share_for_clients_needs_a_maxmemory() {
        let budget = MemoryBudget::default();
        assert_eq!(budget.clients_max(), Some(1 << 30));
        budget.set_clients_max(ClientsMax::Percent(5));
        assert_eq!(budget.clients_max(), None);
        budget.max.store(1000, Ordering::Relaxed);
        assert_eq!(budget.clients_max(), Some(50));
        assert_eq!(budget.clients_setting(), ClientsMax::Percent(5));
        budget.set_clients_max(ClientsMax::Bytes(0));
        assert_eq!(budget.clients_max(), None);
    }
}
