//! The engine: one state behind one lock, made durable by one log.
//!
//! Ties the parts together and wakes the threads that drive them; it has none of its own. Sleeping
//! is on condition variables of the one lock, so no wake-up is lost between a look and the sleep.
//! Fails to open, or not at all: later failures are the log's and show as poison. Tests:
//! `tests/it`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millstream_log::{
    LogOptions, LogPosition, OpenError, Preparer, Progress, RecoveryReport, Room, Storage,
};
use parking_lot::{Condvar, Mutex};

use crate::commit::Commit;
use crate::core::{Core, Settings};
use crate::dice::Dice;
use crate::garbage::Garbage;
use crate::mutation::Mutation;
use crate::now::{Now, SteadyClock};
use crate::state::State;
use crate::transaction::{RecordGroup, Transaction};
use crate::waiters::Waiters;

/// How an engine is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What may be changed later, too.
    pub settings: Settings,
    /// Orders the keys of a new store; an existing one keeps its own. Give each store another one,
    /// unknown to clients.
    pub hash_seed: u64,
    /// Sizes of the log.
    pub log: LogOptions,
    /// A panic in the middle of a record group ends the process: recovery is the tested way back.
    /// If false, the engine refuses all further work instead ([`Engine::lock`] panics).
    pub abort_on_panic: bool,
}

/// A handle on the engine; clones share it.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

/// An engine with the parts that its owner's threads drive.
pub struct Opened {
    /// The engine.
    pub engine: Engine,
    /// For the thread that makes records durable.
    pub commit: Commit,
    /// For the thread that prepares log space ahead.
    pub preparer: Preparer,
    /// What recovery found.
    pub report: RecoveryReport,
}

/// What [`Engine::run_due`] leaves to its caller.
#[derive(Debug)]
#[must_use = "garbage is freed where it is dropped"]
pub struct Due {
    /// There may be more to do at once.
    pub has_more: bool,
    /// What was removed since the last time and takes long to free.
    pub garbage: Garbage,
}

pub(crate) struct Shared {
    core: Mutex<Core>,
    /// `None` in memory.
    storage: Option<Arc<dyn Storage>>,
    room: Option<Room>,
    /// Ends of what was given to the operating system, and of what is on disk.
    written: AtomicU64,
    durable: AtomicU64,
    commit_wanted: Condvar,
    timer_wanted: Condvar,
    abort_on_panic: bool,
}

impl Engine {
    /// Opens a store, replaying its log; `progress` is called now and then meanwhile.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed; it says which file and where.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: Options,
        now: Now,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Opened, OpenError> {
        let mut state = State::new(0);
        let limits = options.settings.block_limits;
        let mut replay = |record: millstream_log::Record<'_>| {
            Ok(crate::record::replay(&mut state, record.reader(), limits)?)
        };
        let log = options.log.clone();
        let opened = millstream_log::open(
            Arc::clone(&storage),
            log,
            LogPosition::ZERO,
            &mut replay,
            progress,
        )?;
        let mut core = Core::new(state, Some(opened.buffer), &options, now);
        if opened.report.records == 0 {
            core.create(options.hash_seed);
        }
        let engine = Self::from_core(core, Some((storage, opened.room)), &options);
        let commit = Commit::new(Arc::clone(&engine.shared), opened.committer);
        commit.publish();
        Ok(Opened { engine, commit, preparer: opened.preparer, report: opened.report })
    }

    /// An engine that keeps nothing: gone with the process.
    #[must_use]
    pub fn in_memory(options: &Options, now: Now) -> Self {
        let core = Core::new(State::new(options.hash_seed), None, options, now);
        Self::from_core(core, None, options)
    }

    fn from_core(core: Core, durable: Option<(Arc<dyn Storage>, Room)>, options: &Options) -> Self {
        let (storage, room) = durable.unzip();
        let shared = Shared {
            core: Mutex::new(core),
            storage,
            room,
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            commit_wanted: Condvar::new(),
            timer_wanted: Condvar::new(),
            abort_on_panic: options.abort_on_panic,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the engine for some commands.
    ///
    /// # Panics
    /// If an earlier holder panicked in the middle of a change.
    #[must_use]
    pub fn lock(&self, now: Now) -> Transaction<'_> {
        let core = self.shared.core.lock();
        assert!(!core.is_broken, "an earlier panic left the engine unusable: open it again");
        Transaction::new(&self.shared, core, now)
    }

    /// Does what time demands, at most about `budget` pieces of it: expired keys go, parked reads
    /// time out or claim, productions are forgotten.
    pub fn run_due(&self, now: Now, budget: usize) -> Due {
        let mut transaction = self.lock(now);
        let has_more = transaction.run_due(budget);
        Due { has_more, garbage: transaction.take_garbage() }
    }

    /// Waits until something is due, until [`Self::wake_timer`], or for `at_most`.
    pub fn wait_due(&self, now: Now, at_most: Duration) {
        let mut core = self.shared.core.lock();
        let wait_ms = match core.next_due(now) {
            Some(at_ms) => at_ms.saturating_sub(now.monotonic_ms),
            None => u64::MAX,
        };
        let wait = Duration::from_millis(wait_ms).min(at_most);
        if wait.is_zero() {
            return;
        }
        core.timer_wakes_at_ms = now.monotonic_ms.saturating_add(wait_ms);
        self.shared.timer_wanted.wait_for(&mut core, wait);
        core.timer_wakes_at_ms = 0;
    }

    /// Ends a [`Self::wait_due`] early.
    pub fn wake_timer(&self) {
        let _core = self.shared.core.lock();
        self.shared.timer_wanted.notify_all();
    }

    /// Ends a [`Commit::wait`] early.
    pub fn wake_commit(&self) {
        let _core = self.shared.core.lock();
        self.shared.commit_wanted.notify_all();
    }

    /// Everything logged up to here was given to the operating system.
    #[must_use]
    pub fn written(&self) -> LogPosition {
        LogPosition::new(self.shared.written.load(Ordering::Acquire))
    }

    /// Everything logged up to here is on disk.
    #[must_use]
    pub fn durable(&self) -> LogPosition {
        LogPosition::new(self.shared.durable.load(Ordering::Acquire))
    }

    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.shared.storage.as_ref()
    }

    /// Prepared log space; `None` in memory.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.shared.room.as_ref()
    }
}

impl Shared {
    pub(crate) fn core(&self) -> &Mutex<Core> {
        &self.core
    }

    pub(crate) fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    pub(crate) fn commit_wanted(&self) -> &Condvar {
        &self.commit_wanted
    }

    pub(crate) fn publish(&self, written: LogPosition, durable: LogPosition) {
        self.written.store(written.get(), Ordering::Release);
        self.durable.store(durable.get(), Ordering::Release);
    }

    /// The end of a transaction: whoever sleeps and has work now is woken.
    pub(crate) fn end_of_transaction(&self, core: &mut Core, now: Now) {
        if core.committer_sleeps && core.log.as_ref().is_some_and(|log| !log.is_empty()) {
            core.committer_sleeps = false;
            self.commit_wanted.notify_one();
        }
        if core.timer_wakes_at_ms > now.monotonic_ms
            && core.next_due(now).is_some_and(|at_ms| at_ms < core.timer_wakes_at_ms)
        {
            core.timer_wakes_at_ms = 0;
            self.timer_wanted.notify_one();
        }
    }

    pub(crate) fn on_panic(&self, core: &mut Core) {
        if self.abort_on_panic {
            std::process::abort();
        }
        core.is_broken = true;
    }
}

impl Core {
    fn new(
        state: State,
        log: Option<millstream_log::LogBuffer>,
        options: &Options,
        now: Now,
    ) -> Self {
        let clock = SteadyClock::anchored(now, state.time_max_ms);
        let opened_at_ms = clock.read(now);
        Self {
            state,
            log,
            waiters: Waiters::new(options.hash_seed),
            clock,
            settings: options.settings,
            group: RecordGroup::default(),
            // Another sequence after each start, from what the owner chooses.
            dice: Dice::new(options.hash_seed ^ now.wall_ms),
            ids: Vec::new(),
            next_forgetting_ms: 0,
            forgetting_from: None,
            committer_sleeps: false,
            timer_wakes_at_ms: 0,
            opened_at_ms,
            keyspace_hits: 0,
            keyspace_misses: 0,
            expired_keys: 0,
            is_log_full: false,
            is_broken: false,
        }
    }

    /// Logs the first record of a new store.
    fn create(&mut self, hash_seed: u64) {
        let mutation = Mutation::Created { hash_seed };
        let mut bytes = Vec::new();
        crate::record::encode(&mutation, &mut bytes);
        self.state.apply(&mutation);
        let mut record = self.log.as_mut().expect("a new store has a log").record();
        record.put_slice(&bytes);
        record.finish();
    }
}
