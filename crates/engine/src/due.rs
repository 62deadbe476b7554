//! What happens because time passes: expiry, timeouts of parked reads, forgetting of productions.
//!
//! All of it is logged as effects, so recovery never looks at a clock. Nobody admits this work
//! before the lock, so it asks for log space itself: where there is none, expired keys stay (absent
//! for everybody all the same) and claims wait. A full disk must not become a failed write.

use crate::core::Core;
use crate::mutation::Mutation;
use crate::now::Now;
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// How often productions past their duration are forgotten, as in Redis.
const FORGETTING_INTERVAL_MS: u64 = 1000;
/// What one piece of work logs, besides a key; what a claim logs beyond it comes out of the
/// reserve.
const RECORD_BYTES: u64 = 128;

impl Core {
    /// When something is due next, in monotonic milliseconds; may be in the past.
    pub(crate) fn next_due(&self, now: Now) -> Option<u64> {
        let from_wall =
            |at_ms: u64| now.monotonic_ms.saturating_add(at_ms.saturating_sub(now.wall_ms));
        let steady_ms = self.clock.read(now);
        let from_steady =
            |at_ms: u64| now.monotonic_ms.saturating_add(at_ms.saturating_sub(steady_ms));
        let expiry = self.state.next_expiry().map(|(at_ms, ..)| from_wall(*at_ms));
        let claim = self.waiters.next_claim().map(from_steady);
        let forgetting =
            (!self.state.producing.is_empty()).then(|| from_steady(self.next_forgetting_ms));
        // What cannot be logged waits for the next look, which its owner takes now and then.
        let logged = [expiry, claim, forgetting].into_iter().flatten().min();
        let logged = logged.filter(|_| !self.is_log_full);
        [logged, self.waiters.next_deadline()].into_iter().flatten().min()
    }
}

impl Transaction<'_> {
    pub(crate) fn run_due(&mut self, budget: usize) -> bool {
        self.core.is_log_full = !self.may_log(RECORD_BYTES);
        self.expire_keys(budget);
        if !self.core.is_log_full && self.steady_ms >= self.core.next_forgetting_ms {
            self.core.next_forgetting_ms = self.steady_ms.saturating_add(FORGETTING_INTERVAL_MS);
            self.forget_productions();
        }
        self.run_due_waiters(budget);
        self.core.next_due(self.now).is_some_and(|at_ms| at_ms <= self.now.monotonic_ms)
    }

    fn expire_keys(&mut self, budget: usize) {
        for _ in 0..budget {
            let due = self.state().next_expiry();
            let Some((_, db, key)) = due.filter(|due| due.0 <= self.now.wall_ms).cloned() else {
                break;
            };
            if self.core.is_log_full || !self.may_log(key.len() as u64 + RECORD_BYTES) {
                self.core.is_log_full = true;
                break;
            }
            self.begin();
            self.change(&Mutation::RemoveKey { db, key: &key });
            self.core.expired_keys += 1;
            self.signal(db, &key, Signal::Gone);
            self.finish();
        }
    }

    /// Whether the log has room for one more record of about so many bytes. The reserve is left to
    /// clients that free space.
    fn may_log(&self, bytes: u64) -> bool {
        let (Some(room), Some(log)) = (self.room(), &self.core.log) else { return true };
        let fits = room.admits(log.end(), bytes);
        if !fits {
            room.want(bytes);
        }
        fits && room.poison_reason().is_none()
    }

    fn forget_productions(&mut self) {
        let ids: Vec<_> = self.state().producing.iter().copied().collect();
        for id in ids {
            let due = self.state().find_object(id).map(|object| {
                let productions = self.state().stream(object.slot).idempotence();
                (object, productions.due(self.now.wall_ms), productions.tracked())
            });
            if let Some((object, Some(cutoff_ms), _)) = due {
                self.begin();
                self.change(&Mutation::ForgetProductions { object, cutoff_ms });
                self.finish();
            }
            if due.is_none_or(|(.., tracked)| tracked == 0) {
                self.core.state.producing.remove(&id);
            }
        }
    }
}
