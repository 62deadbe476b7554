//! Records written by the threads that serve, at `everysec`.
//!
//! A reply waits there for the write to the operating system alone. That takes a few microseconds;
//! waking the commit thread for it, and being woken in turn, takes longer than that
//! (`docs/performance.md`). So a thread that serves writes what was logged as soon as it has
//! nothing else to run. The commit thread lends its half of the log for that, and writes itself
//! what nobody who serves has logged, what is much, what has to wait for a sync (a segment is full,
//! or the preparer is at work in it), and everything while its own sync runs: the disk may be slow,
//! and a write that waits for it would hold up every connection of the thread.
//!
//! Nobody's records are left: whoever finds the log taken leaves them to the one who has it, who
//! looks again after having given it back.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use millstream_engine::Commit;
use parking_lot::Mutex;

use crate::commit_thread::{after_step, poison};
use crate::{Host, Work};

/// How often a thread that serves writes for others, before it leaves that to the commit thread.
const ROUNDS_MAX: usize = 4;

/// The half of the log that is lent, and whether it may be taken.
#[derive(Default)]
pub(crate) struct InlineWrites {
    lent: OnceLock<Mutex<Commit>>,
    /// Taken back before the log is locked for something that is slow, so it holds for whoever has
    /// the lock.
    is_allowed: AtomicBool,
}

impl InlineWrites {
    /// Once.
    pub(crate) fn lend(&self, commit: Commit) -> &Mutex<Commit> {
        let mut commit = Some(commit);
        let lent = self.lent.get_or_init(|| Mutex::new(commit.take().expect("it is asked once")));
        assert!(commit.is_none(), "a store has one commit thread");
        lent
    }

    pub(crate) fn allow(&self, is_allowed: bool) {
        self.is_allowed.store(is_allowed, Ordering::Release);
    }

    /// Takes back what is allowed once it is dropped.
    pub(crate) fn allowed_at_most_until_dropped(&self) -> impl Drop {
        struct End<'a>(&'a InlineWrites);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.allow(false);
            }
        }
        End(self)
    }

    pub(crate) fn is_allowed(&self) -> bool {
        self.is_allowed.load(Ordering::Acquire)
    }
}

/// Gives what was logged to the operating system, or has the commit thread do so: what is owed by
/// whoever ended a transaction that [left the commit](millstream_engine::Transaction). Where the
/// log takes no writes any more, the store is poisoned afterwards. Blocks for a write, not for a
/// sync.
pub fn write_inline<H: Host>(host: &H) {
    let store = host.store();
    for _ in 0..ROUNDS_MAX {
        let Some(mut commit) = store.inline_writes.lent.get().and_then(Mutex::try_lock) else {
            return;
        };
        if !store.inline_writes.is_allowed() {
            break;
        }
        let outcome = host.time(Work::Write, || commit.small_write_step());
        drop(commit);
        match outcome {
            Ok(is_all) => {
                after_step(host);
                if !is_all || store.saving.is_wanted(store.engine.durable()) {
                    break;
                }
            }
            Err(error) => {
                poison(host, &error);
                // It finds out and ends.
                break;
            }
        }
        if !store.engine.has_records() {
            return;
        }
    }
    store.engine.wake_commit();
}
