//! MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//!
//! EXEC is one record group and one hold of the lock: nobody sees a part of it, a crash keeps all
//! of it or nothing, and the clock stands still. Whatever can refuse a write refuses before the
//! first command runs.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use bytes::Bytes;
use millstream_acl::Request;
use millstream_command::table::{CommandId, CommandSpec};
use millstream_command::{Answer, Reply, broken_fence, is_data_command, run};
use millstream_engine::{KeyVersion, LogPosition, Now, Transaction};
use millstream_runtime::admission::frees_space;

use super::Session;
use super::blocking::{Waiting, pause};
use super::execute::Step;
use crate::debug_command;

/// A transaction is one record of the log, which holds up to 1 GiB; this leaves room for what its
/// commands log besides their arguments.
pub(crate) const QUEUED_BYTES_MAX: usize = 512 << 20;
const TOO_LARGE: &str = "ERR the transaction is too large: at most 512 MiB can be queued";
const NO_ROOM: &str = "MISCONF the log has no room prepared for so large a value: copy it outside of \
MULTI";

/// A transaction that is being queued.
#[derive(Debug, Default)]
pub(super) struct Multi {
    queued: Vec<Queued>,
    bytes: usize,
    /// A command was refused: EXEC will be, too.
    is_aborted: bool,
}

impl Multi {
    pub(super) fn len(&self) -> usize {
        self.queued.len()
    }

    pub(super) fn has_writes(&self) -> bool {
        self.has(&CommandSpec::is_write)
    }

    /// Whether one of the queued commands is such.
    pub(super) fn has(&self, is_such: &dyn Fn(&CommandSpec) -> bool) -> bool {
        self.queued.iter().any(|queued| is_such(queued.spec))
    }

    /// Bytes of what is queued, roughly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[derive(Debug)]
struct Queued {
    spec: &'static CommandSpec,
    args: Vec<Box<[u8]>>,
}

/// Keys under WATCH by database, and what they were.
#[derive(Debug, Default)]
pub(super) struct Watched {
    versions: HashMap<(u8, Bytes), KeyVersion>,
    key_bytes: usize,
}

impl Watched {
    pub(super) fn len(&self) -> usize {
        self.versions.len()
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        self.versions.capacity() * size_of::<((u8, Bytes), KeyVersion)>() + self.key_bytes
    }

    /// Notes what a key is, unless it was noted before.
    fn add(&mut self, db: u8, key: &[u8], version: impl FnOnce() -> KeyVersion) {
        if let Entry::Vacant(place) = self.versions.entry((db, Bytes::copy_from_slice(key))) {
            place.insert(version());
            self.key_bytes += key.len();
        }
    }

    /// Whether any of them is another one now.
    fn has_changed(&self, mut version: impl FnMut(u8, &[u8]) -> KeyVersion) -> bool {
        self.versions.iter().any(|((db, key), before)| version(*db, key) != *before)
    }
}

impl Session {
    /// Within MULTI: queues the command, or `None` if it is run at once.
    pub(super) fn queue(&mut self, spec: &'static CommandSpec, args: &[&[u8]]) -> Option<Step> {
        use CommandId as C;
        if matches!(spec.id, C::Exec | C::Discard | C::Multi | C::Watch | C::Quit | C::Reset) {
            return None;
        }
        if spec.id == C::Debug && !debug_command::is_allowed(self) {
            self.reject(spec, Reply::error(debug_command::NOT_ALLOWED));
            return Some(Step::Next);
        }
        if !spec.is_allowed_in_multi() {
            self.reject(spec, Reply::error("ERR Command not allowed inside a transaction"));
            return Some(Step::Next);
        }
        let multi = self.multi.as_mut()?;
        let bytes = args.iter().map(|argument| argument.len() + 64).sum::<usize>();
        if multi.bytes + bytes > QUEUED_BYTES_MAX {
            multi.queued.clear();
            self.reject(spec, Reply::error(TOO_LARGE));
            return Some(Step::Next);
        }
        multi.bytes += bytes;
        multi.queued.push(Queued { spec, args: args.iter().map(|&a| a.into()).collect() });
        self.answer(Some(spec), Reply::Simple("QUEUED".into()), LogPosition::ZERO);
        Some(Step::Next)
    }

    /// A command was refused while it was to be queued.
    pub(super) fn abort_multi(&mut self) {
        if let Some(multi) = &mut self.multi {
            multi.is_aborted = true;
        }
    }

    /// Leaves MULTI and forgets all watched keys.
    pub(crate) fn discard(&mut self) {
        self.multi = None;
        self.watched = Watched::default();
    }

    pub(super) fn begin_multi(&mut self) -> Reply {
        if self.multi.is_some() {
            return Reply::error("ERR MULTI calls can not be nested");
        }
        self.multi = Some(Multi::default());
        Reply::OK
    }

    pub(super) fn discard_multi(&mut self) -> Reply {
        if self.multi.is_none() {
            return Reply::error("ERR DISCARD without MULTI");
        }
        self.discard();
        Reply::OK
    }

    pub(super) fn unwatch(&mut self) -> Reply {
        self.watched = Watched::default();
        Reply::OK
    }

    pub(super) fn watch(&mut self, args: &[&[u8]], now: Now) -> (Reply, LogPosition) {
        if self.multi.is_some() {
            let reply = Reply::error("ERR WATCH inside MULTI is not allowed");
            return (reply, LogPosition::ZERO);
        }
        let shared = std::sync::Arc::clone(&self.shared);
        let mut txn = shared.store.engine.lock(now);
        self.skip_time();
        txn.begin();
        for &key in &args[1..] {
            self.watched.add(self.db, key, || txn.version(self.db, key));
        }
        (Reply::OK, txn.finish())
    }

    pub(super) fn exec(&mut self, spec: &'static CommandSpec, now: Now) -> Step {
        let since = self.last_end();
        let Some(multi) = self.multi.take() else {
            let reply = Reply::error("ERR EXEC without MULTI");
            self.answer(Some(spec), reply, LogPosition::ZERO);
            self.lap_exec(spec, since);
            return Step::Next;
        };
        if multi.is_aborted {
            self.discard();
            let reply = Reply::error("EXECABORT Transaction discarded because of previous errors.");
            self.answer(Some(spec), reply, LogPosition::ZERO);
            self.lap_exec(spec, since);
            return Step::Next;
        }
        let writes = || multi.queued.iter().filter(|queued| queued.spec.is_write());
        if writes().next().is_some() {
            let frees = writes().all(|queued| frees_space(queued.spec));
            match self.may_write(frees, multi.len(), multi.bytes) {
                Ok(true) => {}
                Ok(false) => {
                    self.multi = Some(multi);
                    self.waiting = Waiting::Room(pause());
                    return Step::Retry;
                }
                Err(text) => {
                    self.discard();
                    let text = format!("EXECABORT Transaction discarded because of: {text}");
                    self.answer(Some(spec), Reply::Error(text.into()), LogPosition::ZERO);
                    self.lap_exec(spec, since);
                    return Step::Next;
                }
            }
        }
        let shared = std::sync::Arc::clone(&self.shared);
        let txn = shared.store.engine.lock(now);
        // Whoever has changed rules took the engine before it said so.
        self.refresh_user();
        // Whoever has begun a pause meanwhile takes the engine before it says so.
        self.multi = Some(multi);
        if shared.pause.is_on()
            && let Some(step) = self.postpone(spec)
        {
            return step;
        }
        let multi = self.multi.take().unwrap_or_default();
        if self.has_loaded()
            && let Some(reply) = self.take_load_failure()
        {
            self.discard();
            self.answer(Some(spec), reply, LogPosition::ZERO);
            self.lap_exec(spec, since);
            return Step::Next;
        }
        self.update_facts(|facts| {
            facts.last_command = Some(spec);
            facts.watched = 0;
            facts.queued = Some(multi.len());
        });
        let silence = self.silence;
        let Some((reply, position)) = self.run_queued(spec, &multi.queued, txn) else {
            self.silence = silence;
            self.multi = Some(multi);
            return Step::Retry;
        };
        self.forget_loaded();
        // EXEC's reply is a whole: what CLIENT REPLY says in it counts from the next one on.
        let next_silence = std::mem::replace(&mut self.silence, silence);
        self.answer(Some(spec), reply, position);
        if next_silence != silence {
            self.silence = next_silence;
        }
        Step::Next
    }

    fn may_run_queued(&self, Queued { spec, args }: &Queued) -> bool {
        let args: Vec<&[u8]> = args.iter().map(|argument| &**argument).collect();
        self.user().check(&Request { spec, args: &args, db: self.db }).is_ok()
    }

    /// `None`: nothing has run, since blocks are needed first, which are being loaded now.
    fn run_queued(
        &mut self,
        exec: &'static CommandSpec,
        queued: &[Queued],
        mut txn: Transaction<'_>,
    ) -> Option<(Reply, LogPosition)> {
        let watched = std::mem::take(&mut self.watched);
        self.skip_time();
        let since = self.last_end();
        txn.install(&self.loaded);
        txn.begin();
        txn.may_put_off(true);
        txn.leave_no_trace(self.leaves_no_trace);
        if watched.has_changed(|db, key| txn.version(db, key)) {
            let position = txn.finish();
            self.lap_exec(exec, since);
            return Some((Reply::NilArray, position));
        }
        // One that is refused below says nothing here either.
        let is_fence = |queued: &&Queued| queued.spec.id == CommandId::Xfence;
        let fences = queued.iter().filter(is_fence).filter(|queued| self.may_run_queued(queued));
        let mut broken = fences.filter_map(|Queued { args, .. }| {
            let args: Vec<&[u8]> = args.iter().map(|argument| &**argument).collect();
            broken_fence(&args, self.db, &mut txn)
        });
        if let Some(reply) = broken.next() {
            let position = txn.finish();
            self.lap_exec(exec, since);
            return Some((reply, position));
        }
        let mut replies = Vec::with_capacity(queued.len());
        self.is_in_exec = true;
        for (index, Queued { spec, args }) in queued.iter().enumerate() {
            self.stopwatch.next = queued.get(index + 1).map(|queued| queued.spec);
            let args: Vec<&[u8]> = args.iter().map(|argument| &**argument).collect();
            let reply = if let Some(reply) = self.refusal_in_exec(spec, &args) {
                reply
            } else if is_data_command(spec.id) {
                self.guard_writes(spec, &args, &mut txn);
                match run(spec, &args, self.db, false, &mut txn) {
                    Answer::Reply(reply) => reply,
                    // A part of a transaction cannot be put off.
                    Answer::NeedsRoom => Reply::error(NO_ROOM),
                    // Nothing has changed yet: what ran before only looked.
                    Answer::NeedsBlocks => {
                        self.is_in_exec = false;
                        txn.finish();
                        self.watched = watched;
                        self.load(txn.take_needed());
                        return None;
                    }
                    // Only without `may_block` false.
                    Answer::Park { .. } => Reply::NilArray,
                }
            } else {
                // What it changes is no data: nothing before it may be run again.
                txn.may_put_off(false);
                self.run_own_queued(spec, &args, &mut txn)
            };
            self.lap(spec, &args);
            if matches!(reply, Reply::Error(_) | Reply::ErrorBytes(_)) {
                self.count_failure(Some(spec), &reply);
            }
            replies.push(reply);
        }
        self.is_in_exec = false;
        let position = txn.finish();
        self.lap_exec(exec, since);
        Some((Reply::Array(replies), position))
    }
}
