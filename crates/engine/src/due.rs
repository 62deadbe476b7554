//! What happens because time passes: expiry, timeouts of parked reads, forgetting of productions,
//! retention (`retention.rs`), delayed entries (`schedule/fire.rs`), what groups do
//! (`group_work.rs`).
//!
//! All of it is logged as effects, so recovery never looks at a clock. Nobody admits this work
//! before the lock, so it asks for log space itself: where there is none, expired keys stay (absent
//! for everybody all the same) and claims wait. A full disk must not become a failed write.
//!
//! Each run does a bounded number of pieces and says whether there is more, so nobody waits long
//! for the lock. Tests: `tests/it/expiry.rs`, `tests/it/parked_claims.rs`.

use crate::core::Core;
use crate::garbage::Garbage;
use crate::mutation::Mutation;
use crate::now::Now;
use crate::object::ObjectId;
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
        if !self.state.garbage.is_empty() {
            return Some(now.monotonic_ms);
        }
        let expiry = self.state.next_expiry().map(|(at_ms, ..)| from_wall(at_ms));
        let claim = self.waiters.next_claim().map(from_steady);
        let round_ms = self.forgetting_from.map_or(self.next_forgetting_ms, |_| steady_ms);
        let forgetting = (!self.state.producing.is_empty()).then(|| from_steady(round_ms));
        // What cannot be logged waits for the next look, which its owner takes now and then.
        let group_work = self.state.group_work.next_at().map(from_steady);
        let aging = self.state.next_aging().map(|(at_ms, _)| from_wall(at_ms));
        let round = self.next_retention_round(steady_ms).map(from_steady);
        let logged = first_of([expiry, claim, forgetting, group_work, aging, round]);
        let logged = logged.filter(|_| !self.is_log_full);
        let schedule = self.state.next_due_stream().map(|(at_ms, _)| from_wall(at_ms));
        let schedule = schedule.map(|at_ms| at_ms.max(self.schedule_pause.until_ms));
        first_of([logged, schedule, self.waiters.next_deadline()])
    }
}

/// The earliest time. Asked after every command, so without a branch for each; the last
/// millisecond there is never comes.
fn first_of<const N: usize>(times: [Option<u64>; N]) -> Option<u64> {
    let first = times.into_iter().map(|at_ms| at_ms.unwrap_or(u64::MAX)).fold(u64::MAX, u64::min);
    (first < u64::MAX).then_some(first)
}

impl Transaction<'_> {
    pub(crate) fn run_due(&mut self, budget: usize) -> bool {
        self.core.is_log_full = !self.may_log(RECORD_BYTES);
        self.expire_keys(budget);
        self.forget_productions(budget);
        self.keep_retention(budget);
        self.run_due_group_work(budget);
        self.run_due_waiters(budget);
        self.fire_due(budget, false);
        self.is_something_due()
    }

    pub(crate) fn is_something_due(&self) -> bool {
        self.core.next_due(self.now).is_some_and(|at_ms| at_ms <= self.now.monotonic_ms)
    }

    /// What needs blocks that are on disk is put off: the caller loads them and comes back.
    pub(crate) fn run_due_group_work(&mut self, budget: usize) {
        let may_put_off = std::mem::replace(&mut self.may_put_off, true);
        self.run_group_work(budget);
        self.may_put_off = may_put_off;
    }

    pub(crate) fn take_garbage(&mut self) -> Garbage {
        self.core.state.garbage.take()
    }

    fn expire_keys(&mut self, budget: usize) {
        for _ in 0..budget {
            let due = self.state().next_expiry().filter(|due| due.0 <= self.now.wall_ms);
            let Some((_, db, key)) = due else { break };
            let key: Box<[u8]> = key.into();
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
    pub(crate) fn may_log(&self, bytes: u64) -> bool {
        let (Some(room), Some(log)) = (self.room(), &self.core.log) else { return true };
        let fits = room.admits(log.end(), bytes);
        if !fits {
            room.want(bytes);
        }
        fits && room.poison_reason().is_none()
    }

    /// Goes on with the round that was left unfinished, or starts one when it is time.
    fn forget_productions(&mut self, budget: usize) {
        let from = match self.core.forgetting_from.take() {
            Some(from) => from,
            None if self.steady_ms < self.core.next_forgetting_ms => return,
            None => {
                let next_ms = self.steady_ms.saturating_add(FORGETTING_INTERVAL_MS);
                self.core.next_forgetting_ms = next_ms;
                ObjectId(0)
            }
        };
        // One more than there is budget for: where to go on.
        let ids = self.state().producing.range(from..).take(budget.saturating_add(1));
        let ids: Vec<_> = ids.copied().collect();
        for (done, id) in ids.into_iter().enumerate() {
            self.core.is_log_full |= !self.may_log(RECORD_BYTES);
            if done == budget || self.core.is_log_full {
                self.core.forgetting_from = Some(id);
                return;
            }
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
