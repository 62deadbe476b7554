//! ACL LOG: what was refused lately. Much of the same is one entry with a count.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

/// As in Redis: the same again within this time is no new entry.
const SAME_MS: u64 = 60_000;
/// And only the newest entries are looked at for it.
const LOOKED_AT: usize = 10;
/// A name or a key is cut here.
const TEXT_BYTES_MAX: usize = 1024;

/// Where a command was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Context {
    /// On its own.
    Toplevel,
    /// While it was queued, or within EXEC.
    Multi,
}

impl Context {
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Toplevel => "toplevel",
            Self::Multi => "multi",
        }
    }
}

/// Something that was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    /// `auth`, `command`, `key` or `database`.
    pub(crate) reason: &'static str,
    pub(crate) context: Context,
    /// The command, the key, or the number of the database.
    pub(crate) object: Vec<u8>,
    pub(crate) user: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct LogEntry {
    pub(crate) refused: Refused,
    pub(crate) count: u64,
    pub(crate) id: u64,
    /// Unix milliseconds.
    pub(crate) first_ms: u64,
    pub(crate) last_ms: u64,
    /// The connection, as CLIENT LIST shows it.
    pub(crate) client: String,
}

#[derive(Debug, Default)]
struct Entries {
    /// Newest first.
    list: VecDeque<LogEntry>,
    next_id: u64,
}

/// The newest refusals.
#[derive(Debug)]
pub(crate) struct AclLog {
    entries: Mutex<Entries>,
    entries_max: AtomicUsize,
}

impl Default for AclLog {
    fn default() -> Self {
        Self { entries: Mutex::default(), entries_max: AtomicUsize::new(128) }
    }
}

impl AclLog {
    pub(crate) fn entries_max(&self) -> usize {
        self.entries_max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_entries_max(&self, max: usize) {
        self.entries_max.store(max, Ordering::Relaxed);
        self.entries.lock().list.truncate(max);
    }

    pub(crate) fn add(&self, mut refused: Refused, client: String, now_ms: u64) {
        refused.object.truncate(TEXT_BYTES_MAX);
        refused.user.truncate(TEXT_BYTES_MAX);
        let max = self.entries_max();
        let mut entries = self.entries.lock();
        let is_same = |entry: &LogEntry| {
            entry.refused == refused && now_ms.abs_diff(entry.last_ms) <= SAME_MS
        };
        let found = entries.list.iter().take(LOOKED_AT).position(is_same);
        let entry = match found.and_then(|at| entries.list.remove(at)) {
            Some(entry) => LogEntry { count: entry.count + 1, last_ms: now_ms, client, ..entry },
            None => {
                let id = entries.next_id;
                entries.next_id += 1;
                LogEntry { refused, count: 1, id, first_ms: now_ms, last_ms: now_ms, client }
            }
        };
        entries.list.push_front(entry);
        entries.list.truncate(max);
    }

    /// The newest so many.
    pub(crate) fn newest(&self, count: usize) -> Vec<LogEntry> {
        self.entries.lock().list.iter().take(count).cloned().collect()
    }

    pub(crate) fn reset(&self) {
        self.entries.lock().list.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(object: &str) -> Refused {
        Refused {
            reason: "key",
            context: Context::Toplevel,
            object: object.into(),
            user: b"u".to_vec(),
        }
    }

    #[test]
    fn the_same_within_a_minute_is_counted() {
        let log = AclLog::default();
        log.add(refused("a"), "one".into(), 1000);
        log.add(refused("b"), "two".into(), 2000);
        log.add(refused("a"), "three".into(), 61_000);
        let shown = |log: &AclLog| {
            let entries = log.newest(usize::MAX).into_iter();
            entries.map(|it| (it.refused.object[0], it.count, it.id, it.client)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&log), [(b'a', 2, 0, "three".into()), (b'b', 1, 1, "two".into())]);
        log.add(refused("a"), "four".into(), 121_001);
        assert_eq!(shown(&log)[0], (b'a', 1, 2, "four".into()));
        log.set_entries_max(1);
        assert_eq!(shown(&log).len(), 1);
        log.reset();
        assert!(shown(&log).is_empty());
    }
}
