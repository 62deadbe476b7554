//! The engine, held: commands run here, one after the other, each as one record group.
//!
//! ```text
//! begin -> reads and changes -> finish: one log record, waiters served, position the reply needs
//! ```
//!
//! A change is checked before it is made: nothing is undone. A panic between `begin` and `finish`
//! may leave half a group behind, so it ends the process or poisons the engine; see
//! [`Options`](crate::Options).
//!
//! Invariants:
//! 1. What `change` applies is in the record group's bytes, in the same order.
//! 2. At `finish` everything touched is stamped with the end of the record, so a later reply that
//!    shows it depends on it.
//! 3. A reply depends on no change of what it did not look at.
//!
//! Must not know commands. Tests: `tests/it/depends.rs`, `tests/it/crash.rs`.

use std::any::Any;
use std::mem;
use std::sync::Arc;

use bytes::Bytes;
use millstream_log::LogPosition;
use millstream_model::{Direction, EntryId, EntrySlice, PinnedEntry, Rejection, Stream};
use parking_lot::MutexGuard;

use crate::blocks::NeededBlocks;
use crate::core::Core;
use crate::engine::Shared;
use crate::mutation::Mutation;
use crate::now::Now;
use crate::object::{ObjectKind, ObjectRef};
use crate::state::{State, Unit};
use crate::waiters::Signal;

/// Exclusive use of the engine. Take it, run a bounded number of commands, let it go; never hold it
/// over I/O or an await.
pub struct Transaction<'e> {
    pub(crate) core: MutexGuard<'e, Core>,
    pub(crate) shared: &'e Shared,
    pub(crate) now: Now,
    pub(crate) steady_ms: u64,
    depends_on: LogPosition,
    counts_lookups: bool,
    leaves_no_trace: bool,
    /// Taken while a panic unwinds this thread, which is none of the engine's.
    began_in_panic: bool,
    pub(crate) may_put_off: bool,
    pub(crate) needed: NeededBlocks,
    leaves_commit: bool,
    /// See [`Transaction::guard_writes`].
    pub(crate) write_guard: Option<WriteGuard>,
}

/// Says whether whoever runs a command may write to a key.
pub type WriteGuard = Box<dyn Fn(&[u8]) -> bool>;

/// The first and the last entry of a stream, if it has any.
pub type StreamEdges = (Option<PinnedEntry>, Option<PinnedEntry>);

/// A record group in the making.
#[derive(Debug, Default)]
pub(crate) struct RecordGroup {
    bytes: Vec<u8>,
    touched: Vec<Unit>,
    pub(crate) signals: Vec<Signal>,
}

impl<'e> Transaction<'e> {
    pub(crate) fn new(shared: &'e Shared, core: MutexGuard<'e, Core>, now: Now) -> Self {
        let steady_ms = core.clock.read(now);
        Self {
            core,
            shared,
            now,
            steady_ms,
            depends_on: LogPosition::ZERO,
            counts_lookups: false,
            leaves_no_trace: false,
            began_in_panic: std::thread::panicking(),
            may_put_off: false,
            needed: NeededBlocks::default(),
            leaves_commit: false,
            write_guard: None,
        }
    }

    /// What this transaction logs does not wake the commit thread, unless it is too much for a
    /// [`Commit::small_write_step`](crate::Commit::small_write_step): whoever has it sees to that
    /// afterwards.
    pub fn leave_commit(&mut self) {
        self.leaves_commit = true;
    }

    /// Starts a record group: a command, or all commands of an EXEC.
    pub fn begin(&mut self) {
        debug_assert!(self.core.group.touched.is_empty(), "groups do not nest");
        self.depends_on = LogPosition::ZERO;
        self.write_guard = None;
    }

    /// Ends the record group: logs its parts as one record and serves the waiters it made ready.
    /// Returns the position that must be released before the reply leaves.
    pub fn finish(&mut self) -> LogPosition {
        let position = self.finish_record();
        self.serve_all_signals();
        position
    }

    pub(crate) fn finish_record(&mut self) -> LogPosition {
        let core = &mut *self.core;
        if core.group.touched.is_empty() {
            return self.depends_on;
        }
        if let Some(log) = &mut core.log {
            let mut record = log.record();
            record.put_slice(&core.group.bytes);
            self.depends_on = record.finish();
        }
        core.group.bytes.clear();
        if core.group.bytes.capacity() > 1 << 20 {
            core.group.bytes = Vec::new();
        }
        for unit in core.group.touched.drain(..) {
            stamp(&mut core.state, unit, self.depends_on);
        }
        self.depends_on
    }

    /// Logs one part and makes it true.
    pub(crate) fn change(&mut self, mutation: &Mutation<'_>) {
        let replaced_use = if self.leaves_no_trace { self.replaced_use(mutation) } else { None };
        let core = &mut *self.core;
        if core.log.is_some() {
            crate::record::encode(mutation, &mut core.group.bytes);
        }
        let unit = core.state.apply(mutation);
        if core.group.touched.last() != Some(&unit) {
            core.group.touched.push(unit);
        }
        match *mutation {
            Mutation::CreateStream { db, .. }
            | Mutation::CreateString { db, .. }
            | Mutation::Restore { db, .. } => {
                if let Unit::Object(slot) = unit {
                    let used_at_ms = replaced_use.unwrap_or(Some(self.steady_ms));
                    core.state.object_mut(slot).used_at_ms = used_at_ms;
                }
                core.group.touched.push(Unit::Directory(db));
            }
            // An expiry changes the set of keys: a listing shows it by leaving the key out.
            Mutation::SetExpiry { db, .. } | Mutation::RenameKey { db, .. } => {
                core.group.touched.push(Unit::Directory(db));
            }
            Mutation::MoveKey { from, to, .. } => {
                core.group.touched.extend([Unit::Directory(from), Unit::Directory(to)]);
            }
            _ => {}
        }
        if core.waiters.len() > 0
            && core.state.may_have_managed
            && let Some(object) = mutation.frees_places()
        {
            self.signal_free_places(object);
        }
    }

    /// Tells waiters of a stream that some entries have no owner any more, where that matters.
    fn signal_free_places(&mut self, object: ObjectRef) {
        let stream = self.state().stream(object.slot);
        let mut policies = stream.groups().filter_map(|(_, group)| group.policy());
        if policies.any(|policy| policy.in_flight_max > 0 || policy.order_by.is_some()) {
            drop(policies);
            let (db, key) = self.state().place_of(object);
            self.signal(db, &key, Signal::Ready);
        }
    }

    /// When what a part replaces was used: where no trace is left, what takes its place counts as
    /// used then.
    fn replaced_use(&self, mutation: &Mutation<'_>) -> Option<Option<u64>> {
        let (Mutation::CreateStream { db, key, .. }
        | Mutation::CreateString { db, key, .. }
        | Mutation::Restore { db, key, .. }) = *mutation
        else {
            return None;
        };
        let replaced = self.state().database(db).keys.get(key)?;
        Some(self.state().object(replaced.object.slot).used_at_ms)
    }

    /// Whether a part of the record group was made.
    pub(crate) fn has_changed(&self) -> bool {
        !self.core.group.touched.is_empty()
    }

    /// Keeps block files on disk as long as somebody holds it; `None` in memory.
    pub(crate) fn file_guard(&self) -> Option<Arc<dyn Any + Send + Sync>> {
        self.shared.block_files().map(crate::blocks::guard)
    }

    /// Entries of a stream from an id to another, at most `count` in the given direction; `None` if
    /// the key is missing. Blocks in the middle may be on disk only: they are loaded as the reply
    /// is written.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn range(
        &mut self,
        db: u8,
        key: &[u8],
        from: EntryId,
        to: EntryId,
        count: usize,
        direction: Direction,
    ) -> Result<Option<EntrySlice>, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(None) };
        loop {
            let entries = self.state().stream(object.slot).entries();
            match entries.slice(from, to, count, direction) {
                Ok(mut slice) => {
                    self.hold_files(&mut slice);
                    return Ok(Some(slice));
                }
                Err(cold) => self.need(object, cold.0)?,
            }
        }
    }

    /// The first and the last entry of a stream; `None` if the key is missing.
    ///
    /// # Errors
    /// [`Rejection::WrongType`], [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn edges(&mut self, db: u8, key: &[u8]) -> Result<Option<StreamEdges>, Rejection> {
        let Some(object) = self.find_stream(db, key)? else { return Ok(None) };
        let entries = self.state().stream(object.slot).entries();
        let (first, last) = (entries.first_id(), entries.last_id());
        self.need_entries(object, first.into_iter().chain(last))?;
        let entry = |id: Option<EntryId>| id.and_then(|id| self.entry(object, id));
        Ok(Some((entry(first), entry(last))))
    }

    /// Makes sure that the whole value of a key is in memory, as long as the engine is held.
    ///
    /// # Errors
    /// [`Rejection::BlocksNotLoaded`], [`Rejection::BlockUnreadable`].
    pub fn load_value(&mut self, db: u8, key: &[u8]) -> Result<(), Rejection> {
        match self.look(db, key) {
            Some(object) => self.need_all(object),
            None => Ok(()),
        }
    }

    /// Bytes of the record group so far; a record has at most
    /// [`RECORD_BYTES_MAX`](millstream_log::format::RECORD_BYTES_MAX). 0 in memory.
    #[must_use]
    pub fn record_bytes(&self) -> usize {
        self.core.group.bytes.len()
    }

    /// What the clock says for the whole of this transaction.
    #[must_use]
    pub fn now(&self) -> Now {
        self.now
    }

    /// Unix milliseconds that never go back: delivery and idle times are in these.
    #[must_use]
    pub fn steady_ms(&self) -> u64 {
        self.steady_ms
    }

    pub(crate) fn room(&self) -> Option<&millstream_log::Room> {
        self.shared.room()
    }

    pub(crate) fn state(&self) -> &State {
        &self.core.state
    }

    /// The reply must wait for what happened to the set of keys, too.
    pub(crate) fn depend_on_keys(&mut self, db: u8) {
        let changed_at = self.core.state.database(db).changed_at;
        self.depends_on = self.depends_on.max(changed_at);
    }

    /// The key's object unless it is missing or expired; the reply then depends on it. Counts as a
    /// use of the key.
    pub(crate) fn find(&mut self, db: u8, key: &[u8]) -> Option<ObjectRef> {
        let used_at_ms = (!self.leaves_no_trace).then_some(self.steady_ms);
        self.look_up(db, key, used_at_ms)
    }

    /// The same, and nobody will know that the key was looked at.
    pub(crate) fn look(&mut self, db: u8, key: &[u8]) -> Option<ObjectRef> {
        self.look_up(db, key, None)
    }

    /// With a time, notes that the key was used then.
    #[inline]
    fn look_up(&mut self, db: u8, key: &[u8], used_at_ms: Option<u64>) -> Option<ObjectRef> {
        let core = &mut *self.core;
        let database = core.state.database(db);
        let Some(entry) = database.keys.get(key) else {
            self.depends_on = self.depends_on.max(database.changed_at);
            core.keyspace_misses += u64::from(self.counts_lookups);
            return None;
        };
        let object = entry.object;
        let is_expired = entry.is_expired(self.now.wall_ms);
        let swapped_at = database.swapped_at;
        let found = core.state.object_mut(object.slot);
        // That it is gone shows the expiry, so the reply depends on the object all the same.
        self.depends_on = self.depends_on.max(found.changed_at).max(swapped_at);
        if is_expired {
            core.keyspace_misses += u64::from(self.counts_lookups);
            return None;
        }
        found.used_at_ms = used_at_ms.or(found.used_at_ms);
        core.keyspace_hits += u64::from(self.counts_lookups);
        Some(object)
    }

    /// From now on, until said otherwise, looking keys up is counted as hits and misses. A command
    /// that looks at one key several times counts the first.
    pub fn count_lookups(&mut self, counts: bool) {
        self.counts_lookups = counts;
    }

    /// From now on, until said otherwise, reading a key does not count as a use of it.
    pub fn leave_no_trace(&mut self, leaves_no_trace: bool) {
        self.leaves_no_trace = leaves_no_trace;
    }

    /// Until the record group ends, entries go into a stream that was not named by the command
    /// (that which a dead letter came from) only if the guard says so; `None`: into any.
    pub fn guard_writes(&mut self, guard: Option<WriteGuard>) {
        self.write_guard = guard;
    }

    pub(crate) fn find_stream(
        &mut self,
        db: u8,
        key: &[u8],
    ) -> Result<Option<ObjectRef>, Rejection> {
        match self.find(db, key) {
            Some(object) if self.state().object(object.slot).kind() != ObjectKind::Stream => {
                Err(Rejection::WrongType)
            }
            found => Ok(found),
        }
    }

    /// The stream under a key; `None` if the key is missing.
    ///
    /// # Errors
    /// [`Rejection::WrongType`].
    pub fn stream(&mut self, db: u8, key: &[u8]) -> Result<Option<&Stream>, Rejection> {
        Ok(self.find_stream(db, key)?.map(|object| self.core.state.stream(object.slot)))
    }

    /// Tells waiters of the key about something, if there are any.
    pub(crate) fn signal(&mut self, db: u8, key: &[u8], signal: impl FnOnce(u8, Bytes) -> Signal) {
        let core = &mut *self.core;
        if core.waiters.is_waited(db, key) {
            let signal = signal(db, Bytes::copy_from_slice(key));
            if !core.group.signals.contains(&signal) {
                core.group.signals.push(signal);
            }
        }
    }

    /// Lends the scratch list of ids; give it back with [`Self::keep_ids`].
    pub(crate) fn take_ids(&mut self) -> Vec<EntryId> {
        let mut ids = mem::take(&mut self.core.ids);
        ids.clear();
        ids
    }

    pub(crate) fn keep_ids(&mut self, ids: Vec<EntryId>) {
        if ids.capacity() <= 4096 {
            self.core.ids = ids;
        }
    }

    /// Lets others go first who wait for the engine: whoever takes it again and again would leave
    /// them little. Between two record groups only, and only the end of this transaction follows.
    pub(crate) fn give_way(&mut self) {
        self.shared.end_of_transaction(&mut self.core, self.now, self.leaves_commit);
        MutexGuard::bump(&mut self.core);
    }

    /// Re-derives everything that is counted, cached or indexed.
    ///
    /// # Panics
    /// If something is wrong.
    pub fn check(&self) {
        self.core.state.check();
        self.core.waiters.check();
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        let is_half_done = !self.began_in_panic || self.has_changed();
        if std::thread::panicking() && is_half_done {
            self.shared.on_panic(&mut self.core);
        } else {
            debug_assert!(self.core.group.touched.is_empty(), "a record group was not finished");
            self.shared.end_of_transaction(&mut self.core, self.now, self.leaves_commit);
        }
    }
}

fn stamp(state: &mut State, unit: Unit, position: LogPosition) {
    match unit {
        // The object may be gone by the end of the group.
        Unit::Object(slot) => {
            if let Some(object) = state.try_object_mut(slot) {
                object.changed_at = position;
            }
        }
        Unit::Directory(db) => state.database_mut(db).changed_at = position,
        Unit::AllDirectories => {
            state.databases.iter_mut().for_each(|database| database.changed_at = position);
        }
        Unit::Swapped(a, b) => {
            for db in [a, b] {
                let database = state.database_mut(db);
                database.changed_at = position;
                database.swapped_at = position;
            }
        }
        Unit::Nothing => {}
    }
}
