//! Delayed entries whose time has come: appended by the timer, with no client present.
//!
//! Each is one record group, so after any crash it is in the stream or in the schedule, and never
//! in both. They fire in order: while the first one of a stream cannot, those behind it wait. What
//! cannot be done now is put off and never lost:
//! * the stream refuses: counted, and asked again after 1 s, doubling up to a minute;
//! * there is no room in the log or in memory, or writes are not committed fast enough: after 2 ms,
//!   doubling up to half a second, for all streams;
//! * blocks are on disk only: they are read with the engine free, and then it goes on.
//!
//! A hold of the engine fires at most its budget of entries, and ends early behind large ones.
//! Tests: `tests/it/schedule.rs`; random operations in `tests/it/random.rs`, `tests/it/crash.rs`.

use std::sync::atomic::Ordering;

use millstream_model::{Rejection, Schedule, ScheduleToken};

use super::{PARTS_BYTES_MAX, field_bytes};
use crate::blocks::NeededBlocks;
use crate::engine::Engine;
use crate::mutation::Mutation;
use crate::now::Now;
use crate::object::{ObjectId, ObjectRef};
use crate::transaction::Transaction;
use crate::waiters::Signal;

/// One hold ends behind the entry that makes all of its fields so large.
const HOLD_BYTES_MAX: usize = 128 << 10;
/// Blocks of the next entries that are read along with that of the first.
const READ_AHEAD: usize = 64;
/// Nothing is fired while so much of the log waits to be written: replies of others wait behind it.
const UNWRITTEN_BYTES_MAX: u64 = 1 << 20;
/// As many times as much log as makes a checkpoint due, while none can be made.
const OVERDUE_MAX: u64 = 4;

/// Firing waits for what only others can bring about.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Pause {
    /// Monotonic milliseconds.
    pub(crate) until_ms: u64,
    delay_ms: u64,
}

impl Pause {
    const MIN_MS: u64 = 2;
    const MAX_MS: u64 = 500;

    fn begin(&mut self, now_ms: u64) {
        self.delay_ms = (2 * self.delay_ms).clamp(Self::MIN_MS, Self::MAX_MS);
        self.until_ms = now_ms.saturating_add(self.delay_ms);
    }
}

/// What came of the entry that is due first.
enum Fired {
    /// It is appended; its fields had so many bytes.
    Appended(usize),
    /// Its stream has to be looked at later.
    PutOff,
    /// Blocks have to be read; they were asked for.
    NeedsBlocks,
    /// Nothing can be logged now.
    NoRoom,
}

impl Engine {
    /// Goes on with what is due and needs blocks that have to be read first, with the engine free
    /// meanwhile. Whether there is more.
    pub fn go_on_after_loading(&self, now: Now, needed: &NeededBlocks, budget: usize) -> bool {
        // What cannot be read is tried again below, and refused there.
        let loaded = self.load(needed);
        let Some(mut transaction) = self.lock_if_sound(now) else { return false };
        let _hold = self.timer_holds().begin();
        if let Ok(loaded) = &loaded {
            transaction.install(loaded);
        }
        transaction.keep_loaded(&needed.objects(), loaded.is_ok());
        transaction.run_group_work(1);
        transaction.fire_due(budget, true);
        let _ = transaction.take_needed();
        transaction.is_something_due()
    }
}

impl Transaction<'_> {
    /// Fires what is due. `at_any_cost`: the first one's blocks are read with the engine held where
    /// they are missing; else what it needs is left in [`Self::take_needed`].
    pub(crate) fn fire_due(&mut self, budget: usize, mut at_any_cost: bool) {
        if self.core.schedule_pause.until_ms > self.now.monotonic_ms {
            return;
        }
        let wall_ms = self.now.wall_ms;
        if wall_ms < std::mem::replace(&mut self.core.fired_at_ms, wall_ms) {
            self.core.state.shorten_put_off(wall_ms);
        }
        let mut bytes = 0;
        for _ in 0..budget {
            let due = self.state().next_due_stream();
            let Some((_, id)) = due.filter(|(at_ms, _)| *at_ms <= self.now.wall_ms) else { return };
            match self.fire_first(id, at_any_cost) {
                Fired::Appended(more) => {
                    self.core.schedule_pause = Pause::default();
                    bytes += more;
                }
                Fired::PutOff => {}
                Fired::NeedsBlocks => return,
                Fired::NoRoom => {
                    let now_ms = self.now.monotonic_ms;
                    self.core.schedule_pause.begin(now_ms);
                    return;
                }
            }
            at_any_cost = false;
            if bytes >= HOLD_BYTES_MAX {
                return;
            }
        }
    }

    fn fire_first(&mut self, id: ObjectId, at_any_cost: bool) -> Fired {
        let object = self.state().find_object(id).expect("what is due is there");
        let (db, key) = self.state().place_of(object);
        let schedule = self.state().stream(object.slot).schedule();
        let token = schedule.and_then(Schedule::first).expect("a stream that is due has one");
        let entry = self.state().database(db).keys.get(&key).expect("every object has a key");
        if entry.is_expired(self.now.wall_ms) {
            // It is gone for everybody, and will be removed.
            self.core.state.put_off_due(object, self.now.wall_ms);
            return Fired::PutOff;
        }
        let may_put_off = std::mem::replace(&mut self.may_put_off, !at_any_cost);
        let fired = self.fire(object, token, &key);
        self.may_put_off = may_put_off;
        match fired {
            Ok(Fired::Appended(bytes)) => {
                self.core.state.forget_put_off_due(object);
                self.signal(db, &key, Signal::Ready);
                self.finish();
                Fired::Appended(bytes)
            }
            Ok(other) => other,
            Err(Rejection::BlocksNotLoaded) => {
                self.read_ahead(object);
                Fired::NeedsBlocks
            }
            Err(_) => {
                self.count_failure(object);
                self.core.state.put_off_due(object, self.now.wall_ms);
                Fired::PutOff
            }
        }
    }

    fn fire(
        &mut self,
        object: ObjectRef,
        token: ScheduleToken,
        key: &[u8],
    ) -> Result<Fired, Rejection> {
        self.need_payloads(object, &[token])?;
        let schedule = self.state().stream(object.slot).schedule().expect("it has a token");
        let payload = schedule.payload(token).expect("its block is in memory");
        let bytes = payload.as_ref().map_or(0, field_bytes);
        if !self.has_room_to_fire(bytes + key.len() + PARTS_BYTES_MAX) {
            return Ok(Fired::NoRoom);
        }
        self.begin();
        match payload {
            Some(payload) => self.append_scheduled(object, token, &payload)?,
            None => self.drop_empty(object, token),
        }
        Ok(Fired::Appended(bytes))
    }

    /// A token without fields: a fault of this program. The stream must not wait for it for ever.
    fn drop_empty(&mut self, object: ObjectRef, token: ScheduleToken) {
        let failures = self.failures_of(object) + 1;
        self.change(&Mutation::Unschedule { object, tokens: &[token] });
        self.change(&Mutation::CountScheduleFailures { object, failures });
    }

    fn failures_of(&self, object: ObjectRef) -> u64 {
        self.state().stream(object.slot).schedule().map_or(0, Schedule::failures)
    }

    fn count_failure(&mut self, object: ObjectRef) {
        if self.has_room_to_fire(PARTS_BYTES_MAX) {
            let failures = self.failures_of(object) + 1;
            self.begin();
            self.change(&Mutation::CountScheduleFailures { object, failures });
            self.finish();
        }
    }

    /// Asks for what the next entries of the stream need, too.
    fn read_ahead(&mut self, object: ObjectRef) {
        let schedule = self.state().stream(object.slot).schedule().expect("it has a token");
        let wall_ms = self.now.wall_ms;
        let due = schedule.after(None).take_while(|token| token.due_ms <= wall_ms);
        let tokens: Vec<_> = due.take(READ_AHEAD).collect();
        let mut first = self.take_needed();
        let cold = self.cold_payloads(object, tokens.into_iter());
        first.add(object.id, cold);
        self.needed = first;
    }

    /// Whether what was admitted for nobody may be written: what sessions ask before a command.
    pub(crate) fn has_room_to_fire(&self, bytes: usize) -> bool {
        if self.shared.block_files().is_none() {
            return true;
        }
        let core = &*self.core;
        if core.unwritten_excess() > core.cache_bytes {
            return false;
        }
        let written = self.shared.written();
        let end = core.log.as_ref().map_or(written, millstream_log::LogBuffer::end);
        let unwritten = end.get().saturating_sub(written.get());
        let behind = end.get().saturating_sub(self.shared.checkpointed.load(Ordering::Relaxed));
        let is_overdue = self.shared.counters.last_checkpoint_failed.load(Ordering::Relaxed)
            && behind / self.shared.log_bytes_per_checkpoint().max(1) >= OVERDUE_MAX;
        unwritten <= UNWRITTEN_BYTES_MAX && !is_overdue && self.may_log(bytes as u64)
    }
}
