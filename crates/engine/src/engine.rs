//! The engine: one state behind one lock, made durable by one log.
//!
//! Ties the parts together and wakes the threads that drive them; it has none of its own. Sleeping
//! is on condition variables of the one lock, so no wake-up is lost between a look and the sleep.
//! Fails to open, or not at all: later failures are the log's and show as poison. Tests:
//! `tests/it`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use millstream_log::{
    BlockFiles, BlockFilesOptions, CheckpointChain, DiskReserve, LogOptions, LogPosition,
    OpenError, Preparer, Progress, RecoveryReport, Room, Storage,
};
use millstream_model::GroupCounters;
use parking_lot::{Condvar, Mutex};

use crate::backup::Backups;
use crate::blocks::{self, NeededBlocks};
use crate::cache::Cache;
use crate::checkpoint::{CheckpointFacts, Checkpointer};
use crate::commit::{Commit, SMALL_WRITE_BYTES};
use crate::core::{Core, Settings};
use crate::counters::{CoreGuard, Counters, LongestHold};
use crate::default_policy::DefaultPolicy;
use crate::dice::Dice;
use crate::garbage::Garbage;
use crate::mutation::Mutation;
use crate::now::{Now, SteadyClock};
use crate::queue_wait::QueueWait;
use crate::recovery;
use crate::salvage::Loss;
use crate::state::State;
use crate::statistics::StorageStatistics;
use crate::transaction::{RecordGroup, Transaction};
use crate::waiters::Waiters;

/// How an engine is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What may be changed later, too.
    pub settings: Settings,
    /// What new groups do by themselves.
    pub default_policy: DefaultPolicy,
    /// Orders the keys of a new store; an existing one keeps its own. Give each store another one,
    /// unknown to clients.
    pub hash_seed: u64,
    /// Sizes of the log.
    pub log: LogOptions,
    /// Sizes of blocks and checkpoints.
    pub blocks: BlockOptions,
    /// A panic in the middle of a record group ends the process: recovery is the tested way back.
    /// So does one of a thread that the store cannot do without, for whoever runs these threads.
    /// If false, the engine refuses all further work instead ([`Engine::lock_if_sound`]): records
    /// that were finished still go to disk, no checkpoint is made, and parked reads are dropped.
    pub abort_on_panic: bool,
    /// What is damaged of checkpoints and blocks is left out, and listed. For tools that look for
    /// what is left. Default false: nothing is opened that is not whole.
    pub accepts_damaged: bool,
}

/// How much is kept in memory, and how often a checkpoint is made. Sizes in bytes.
#[derive(Clone, Debug)]
pub struct BlockOptions {
    /// Blocks of entries in memory take no more than about this. Those that are not on disk yet
    /// cannot leave: above half of this, a checkpoint is made. Default 256 MiB.
    pub cache_bytes: usize,
    /// A checkpoint is made each time so much was logged, or as much as the last checkpoint was
    /// large, whichever is more. Default 64 MiB.
    pub checkpoint_log_bytes: u64,
    /// Size of a block file. Default 64 MiB.
    pub file_bytes: u64,
    /// Disk space kept for checkpoints, so that one can be made on a full disk; the log does not
    /// grow into it. More than makes a checkpoint due: what was logged meanwhile and the index of
    /// large streams have to fit, too. Default 128 MiB, 0: none.
    pub reserve_bytes: u64,
}

impl Default for BlockOptions {
    fn default() -> Self {
        Self {
            cache_bytes: 256 << 20,
            checkpoint_log_bytes: 64 << 20,
            file_bytes: BlockFilesOptions::default().file_bytes,
            reserve_bytes: 128 << 20,
        }
    }
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
    /// For the thread that makes checkpoints.
    pub checkpointer: Checkpointer,
    /// What recovery found.
    pub report: RecoveryReport,
    /// What was left out; empty unless [`Options::accepts_damaged`].
    pub losses: Vec<Loss>,
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
    reserve: Option<DiskReserve>,
    room: Option<Room>,
    /// Ends of what was given to the operating system, and of what is on disk.
    written: AtomicU64,
    durable: AtomicU64,
    commit_wanted: Condvar,
    timer_wanted: Condvar,
    abort_on_panic: bool,
    /// A panic left half a record group behind. Set with the core held.
    is_broken: AtomicBool,
    /// `None` in memory.
    block_files: Option<BlockFiles>,
    /// The newest checkpoint covers the log up to here.
    pub(crate) checkpointed: AtomicU64,
    checkpoint_log_bytes: u64,
    /// See [`Self::due_log_bytes`].
    due_log_bytes: AtomicU64,
    /// See [`Self::log_bytes_per_checkpoint`].
    expected_checkpoint_bytes: AtomicU64,
    /// As in the core, for whoever does not hold it.
    pub(crate) cache_bytes: AtomicU64,
    pub(crate) counters: Counters,
    pub(crate) backups: Mutex<Backups>,
}

impl Engine {
    /// Opens a store: its newest checkpoint, and the log behind it; `progress` is called now and
    /// then meanwhile.
    ///
    /// # Errors
    /// [`OpenError`]: nothing was changed; it says which file and where.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: Options,
        now: Now,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Opened, OpenError> {
        let mut losses = Vec::new();
        let chain = CheckpointChain::find(&storage)?;
        let state = match &chain {
            Some(chain) if options.accepts_damaged => {
                recovery::load_damaged(chain, &mut losses, progress)?
            }
            Some(chain) => recovery::load(chain, progress)?,
            None => State::new(0),
        };
        let from = chain.as_ref().map_or(LogPosition::ZERO, CheckpointChain::position);
        let files = BlockFilesOptions {
            file_bytes: options.blocks.file_bytes,
            salt: options.log.salt,
            accepts_damaged: options.accepts_damaged,
        };
        let places = state.places().map(blocks::address).collect::<Vec<_>>();
        let reserve = DiskReserve::new(Arc::clone(&storage), options.blocks.reserve_bytes);
        let files = BlockFiles::open(reserve.storage(), files, places)?;
        let mut core = Core::new(state, None, &options, now);
        let log = options.log.clone();
        let mut replay = recovery::Replayer::new(&mut core, &files, options.accepts_damaged);
        let opened = millstream_log::open(
            Arc::clone(&storage),
            log,
            from,
            &mut |record| replay.record(record),
            progress,
        )?;
        losses.extend(replay.into_loss());
        files.remove_leftovers()?;
        reserve.begin(opened.room.clone())?;
        core.begin(Some(opened.buffer), now);
        if chain.is_none() && opened.report.records == 0 {
            core.create(options.hash_seed);
        }
        let parts = DurableParts {
            storage,
            reserve: reserve.clone(),
            room: opened.room,
            files: files.clone(),
            from,
        };
        let engine = Self::from_core(core, Some(parts), &options);
        let shared = || Arc::clone(&engine.shared);
        let commit = Commit::new(shared(), opened.committer);
        commit.publish();
        let facts = chain.as_ref().map(CheckpointFacts::of).unwrap_or_default();
        engine.shared.backups.lock().published((facts.full, facts.newest), from);
        let salt = options.log.salt;
        let checkpointer = Checkpointer::new(shared(), files.writer(), facts, from, salt);
        let (mut preparer, report) = (opened.preparer, opened.report);
        preparer.set_disk_reserve(reserve);
        Ok(Opened { engine, commit, preparer, checkpointer, report, losses })
    }

    /// An engine that keeps nothing: gone with the process.
    #[must_use]
    pub fn in_memory(options: &Options, now: Now) -> Self {
        let core = Core::new(State::new(options.hash_seed), None, options, now);
        Self::from_core(core, None, options)
    }

    fn from_core(core: Core, durable: Option<DurableParts>, options: &Options) -> Self {
        let from = durable.as_ref().map_or(0, |parts| parts.from.get());
        let (mut storage, mut reserve, mut room, mut block_files) = (None, None, None, None);
        if let Some(parts) = durable {
            (storage, reserve) = (Some(parts.storage), Some(parts.reserve));
            (room, block_files) = (Some(parts.room), Some(parts.files));
        }
        let shared = Shared {
            block_files,
            reserve,
            checkpointed: AtomicU64::new(from),
            checkpoint_log_bytes: options.blocks.checkpoint_log_bytes,
            due_log_bytes: AtomicU64::new(options.blocks.checkpoint_log_bytes),
            expected_checkpoint_bytes: AtomicU64::new(0),
            cache_bytes: AtomicU64::new(options.blocks.cache_bytes as u64),
            counters: Counters::default(),
            backups: Mutex::default(),
            core: Mutex::new(core),
            storage,
            room,
            written: AtomicU64::new(0),
            durable: AtomicU64::new(0),
            commit_wanted: Condvar::new(),
            timer_wanted: Condvar::new(),
            abort_on_panic: options.abort_on_panic,
            is_broken: AtomicBool::new(false),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Takes the engine for some commands.
    ///
    /// # Panics
    /// If an earlier holder panicked in the middle of a change.
    #[must_use]
    pub fn lock(&self, now: Now) -> Transaction<'_> {
        let transaction = self.lock_if_sound(now);
        transaction.expect("an earlier panic left the engine unusable: open it again")
    }

    /// The same. `None`: an earlier holder panicked in the middle of a change, and the engine is of
    /// no use until it is opened again.
    #[must_use]
    pub fn lock_if_sound(&self, now: Now) -> Option<Transaction<'_>> {
        let core = self.shared.core.lock();
        (!self.is_broken()).then(|| Transaction::new(&self.shared, core, now))
    }

    /// Whether a panic ends the process, see [`Options::abort_on_panic`].
    #[must_use]
    pub fn aborts_on_panic(&self) -> bool {
        self.shared.abort_on_panic
    }

    /// Whether an earlier holder panicked in the middle of a change.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.shared.is_broken()
    }

    /// Does what time demands, at most about `budget` pieces of it: expired keys go, parked reads
    /// time out or claim, productions are forgotten, retention drops entries,
    /// delayed entries are appended, groups do what they do by themselves. Blocks that this
    /// takes are read with the engine free. Does nothing once a panic has left it unusable.
    pub fn run_due(&self, now: Now, budget: usize) -> Due {
        let (mut due, needed) = self.run_due_in_memory(now, budget);
        if !needed.is_empty() {
            due.has_more = self.go_on_after_loading(now, &needed, budget);
        }
        due
    }

    /// The first part of it: what takes other blocks is left for [`Self::go_on_after_loading`].
    pub fn run_due_in_memory(&self, now: Now, budget: usize) -> (Due, NeededBlocks) {
        let Some(mut transaction) = self.lock_if_sound(now) else {
            let due = Due { has_more: false, garbage: Garbage::default() };
            return (due, NeededBlocks::default());
        };
        let hold = self.timer_holds().begin();
        let has_more = transaction.run_due(budget);
        let garbage = transaction.take_garbage();
        let needed = transaction.take_needed();
        if has_more {
            transaction.give_way();
        }
        drop((transaction, hold));
        (Due { has_more, garbage }, needed)
    }

    /// Waits until something is due, until [`Self::wake_timer`], or for `at_most`.
    pub fn wait_due(&self, now: Now, at_most: Duration) {
        let mut core = self.shared.core.lock();
        if std::mem::take(&mut core.is_timer_woken) {
            return;
        }
        let wait_ms = match core.next_due(now).filter(|_| !self.is_broken()) {
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
        core.is_timer_woken = false;
    }

    /// When something is due next, in monotonic milliseconds; may be in the past. For an owner that
    /// has no thread to wait in.
    #[must_use]
    pub fn next_due(&self, now: Now) -> Option<u64> {
        self.shared.core.lock().next_due(now).filter(|_| !self.is_broken())
    }

    /// Ends a [`Self::wait_due`] early, or the next one.
    pub fn wake_timer(&self) {
        self.shared.core.lock().is_timer_woken = true;
        self.shared.timer_wanted.notify_all();
    }

    /// Whether something was logged that no [`Commit`] has taken yet.
    #[must_use]
    pub fn has_records(&self) -> bool {
        self.shared.core.lock().has_records()
    }

    /// For the thread that commits: sleeps until there are records to write, until
    /// [`Self::wake_commit`], or for `at_most`. Returns whether there are. Records of transactions
    /// that [left the commit](Transaction::leave_commit) end no sleep.
    #[must_use]
    pub fn wait_records(&self, at_most: Duration) -> bool {
        let mut core = self.shared.core.lock();
        let was_woken = std::mem::take(&mut core.is_committer_woken);
        if was_woken || core.has_records() {
            return core.has_records();
        }
        core.committer_sleeps = true;
        self.shared.commit_wanted.wait_for(&mut core, at_most);
        core.committer_sleeps = false;
        core.is_committer_woken = false;
        core.has_records()
    }

    /// Ends a [`Self::wait_records`] early, or the next one.
    pub fn wake_commit(&self) {
        self.shared.core.lock().is_committer_woken = true;
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
        self.shared.durable()
    }

    /// The newest checkpoint covers the log up to here: nothing before is needed.
    #[must_use]
    pub fn checkpointed(&self) -> LogPosition {
        LogPosition::new(self.shared.checkpointed.load(Ordering::Acquire))
    }

    /// The log before this position may be removed: neither recovery nor a backup needs it.
    #[must_use]
    pub fn log_needed_from(&self) -> LogPosition {
        self.shared.backups.lock().log_needed_from()
    }

    /// Whether so much is in memory that is not on disk that writes should wait for a checkpoint.
    #[must_use]
    pub fn is_memory_full(&self) -> bool {
        let excess = self.shared.counters.unwritten_excess.load(Ordering::Relaxed);
        excess > self.shared.cache_bytes.load(Ordering::Relaxed)
    }

    /// Whether the last attempt at a checkpoint failed.
    #[must_use]
    pub fn has_checkpoint_failed(&self) -> bool {
        self.shared.counters.last_checkpoint_failed.load(Ordering::Relaxed)
    }

    /// Whether so much is in memory that is not on disk that a checkpoint should hurry.
    #[must_use]
    pub fn is_memory_short(&self) -> bool {
        let excess = self.shared.counters.unwritten_excess.load(Ordering::Relaxed);
        excess > self.shared.cache_bytes.load(Ordering::Relaxed) / 2
    }

    /// From now on blocks in memory take no more than about so many bytes.
    pub fn set_cache_bytes(&self, bytes: usize) {
        self.shared.core.lock().cache_bytes = bytes;
        self.shared.cache_bytes.store(bytes as u64, Ordering::Relaxed);
    }

    /// Whether the log behind the last checkpoint is so long that the next one should hurry: twice
    /// what makes one due, or what it has to write if that is more.
    #[must_use]
    pub fn is_log_long(&self) -> bool {
        let behind = self.written().since(self.checkpointed());
        behind > 2 * self.shared.log_bytes_per_checkpoint()
    }

    /// How blocks, block files and checkpoints stand.
    #[must_use]
    pub fn storage_statistics(&self) -> StorageStatistics {
        let counters = &self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let files = self.shared.block_files().map(BlockFiles::statistics).unwrap_or_default();
        let (longest_hold_us, longest_hold_cpu_us) = counters.checkpoint_holds.microseconds();
        let (longest_timer_hold_us, longest_timer_hold_cpu_us) =
            counters.timer_holds.microseconds();
        StorageStatistics {
            cache_bytes: read(&self.shared.cache_bytes),
            files,
            blocks_read: read(&counters.blocks_read),
            blocks_read_held: read(&counters.blocks_read_held),
            checkpoints: read(&counters.checkpoints),
            checkpoint_failures: read(&counters.checkpoint_failures),
            has_checkpoint_failed: counters.last_checkpoint_failed.load(Ordering::Relaxed),
            checkpoint_bytes: read(&counters.checkpoint_bytes),
            last_checkpoint_bytes: read(&counters.last_checkpoint_bytes),
            kept_checkpoint_bytes: read(&counters.kept_checkpoint_bytes),
            last_checkpoint_ms: read(&counters.last_checkpoint_ms),
            reserve_bytes: self.shared.reserve().map_or(0, DiskReserve::bytes),
            longest_hold_us,
            longest_hold_cpu_us,
            longest_timer_hold_us,
            longest_timer_hold_cpu_us,
        }
    }

    /// How much of the log no checkpoint covers, as a multiple of what makes one due, if the last
    /// one failed. Above 4 the owner should take no more writes: neither disk nor restart time are
    /// bounded any more.
    #[must_use]
    pub fn overdue_checkpoints(&self) -> u64 {
        if !self.has_checkpoint_failed() {
            return 0;
        }
        self.written().since(self.checkpointed()) / self.shared.log_bytes_per_checkpoint().max(1)
    }

    pub(crate) fn timer_holds(&self) -> &LongestHold {
        &self.shared.counters.timer_holds
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(crate) fn shared_handle(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Prepared log space; `None` in memory.
    #[must_use]
    pub fn room(&self) -> Option<&Room> {
        self.shared.room.as_ref()
    }
}

/// What a stored engine has besides its core.
struct DurableParts {
    storage: Arc<dyn Storage>,
    reserve: DiskReserve,
    room: Room,
    files: BlockFiles,
    /// The newest checkpoint covers the log up to here.
    from: LogPosition,
}

impl Shared {
    pub(crate) fn core(&self) -> &Mutex<Core> {
        &self.core
    }

    /// The core, for work that is no transaction.
    pub(crate) fn lock_core(&self) -> CoreGuard<'_> {
        CoreGuard::new(self.core.lock(), &self.counters)
    }

    pub(crate) fn storage(&self) -> Option<&Arc<dyn Storage>> {
        self.storage.as_ref()
    }

    pub(crate) fn reserve(&self) -> Option<&DiskReserve> {
        self.reserve.as_ref()
    }

    pub(crate) fn has_whole_reserve(&self) -> bool {
        self.reserve.as_ref().is_none_or(DiskReserve::is_whole)
    }

    pub(crate) fn is_disk_full(&self) -> bool {
        self.room.as_ref().is_some_and(Room::is_disk_full)
    }

    /// `None` in memory.
    pub(crate) fn block_files(&self) -> Option<&BlockFiles> {
        self.block_files.as_ref()
    }

    pub(crate) fn durable(&self) -> LogPosition {
        LogPosition::new(self.durable.load(Ordering::Acquire))
    }

    pub(crate) fn written(&self) -> LogPosition {
        LogPosition::new(self.written.load(Ordering::Acquire))
    }

    pub(crate) fn room(&self) -> Option<&Room> {
        self.room.as_ref()
    }

    /// So many bytes of log make a checkpoint due: what the settings say, or as much as the last
    /// one had to write, if that was more.
    pub(crate) fn due_log_bytes(&self) -> u64 {
        self.due_log_bytes.load(Ordering::Relaxed)
    }

    /// So many bytes of log are no reason to hurry: what makes a checkpoint due, or as much as the
    /// one that is being made, or has to be made again, is expected to have.
    pub(crate) fn log_bytes_per_checkpoint(&self) -> u64 {
        self.due_log_bytes().max(self.expected_checkpoint_bytes.load(Ordering::Relaxed))
    }

    /// The newest checkpoint has so many bytes.
    pub(crate) fn made_checkpoint_of(&self, bytes: u64) {
        self.due_log_bytes.store(bytes.max(self.checkpoint_log_bytes), Ordering::Relaxed);
        self.expected_checkpoint_bytes.store(0, Ordering::Relaxed);
    }

    /// The next checkpoint will have about so many bytes.
    pub(crate) fn expect_checkpoint_of(&self, bytes: u64) {
        self.expected_checkpoint_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn publish(&self, written: LogPosition, durable: LogPosition) {
        self.written.store(written.get(), Ordering::Release);
        self.durable.store(durable.get(), Ordering::Release);
    }

    /// The end of a transaction: what has to leave memory does, and whoever sleeps and has work now
    /// is woken; the commit thread not by somebody who `leaves_commit` to others.
    pub(crate) fn end_of_transaction(&self, core: &mut Core, now: Now, leaves_commit: bool) {
        if self.block_files.is_some() {
            let excess = core.settle_room() as u64;
            self.counters.unwritten_excess.store(excess, Ordering::Relaxed);
        }
        if core.committer_sleeps && core.wants_commit(leaves_commit) {
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
        self.is_broken.store(true, Ordering::Release);
        // Whoever waits is told by the end of its sink.
        core.waiters.abandon();
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Acquire)
    }
}

impl Core {
    fn has_records(&self) -> bool {
        self.log.as_ref().is_some_and(|log| !log.is_empty())
    }

    /// Whether the commit thread has to see to what is logged.
    fn wants_commit(&self, is_left_to_others: bool) -> bool {
        if !is_left_to_others {
            return self.has_records();
        }
        self.log.as_ref().is_some_and(|log| log.pending_bytes() as u64 > SMALL_WRITE_BYTES)
    }

    fn new(
        state: State,
        log: Option<millstream_log::LogBuffer>,
        options: &Options,
        now: Now,
    ) -> Self {
        let clock = SteadyClock::anchored(now, state.time_max_ms);
        let opened_at_ms = clock.read(now);
        // The checkpoint has it within itself: another one would not make it less.
        let unwritten_floor = state.unwritten_bytes();
        Self {
            state,
            log,
            waiters: Waiters::new(options.hash_seed),
            clock,
            settings: options.settings,
            default_policy: options.default_policy.clone(),
            group: RecordGroup::default(),
            // Another sequence after each start, from what the owner chooses.
            dice: Dice::new(options.hash_seed ^ now.wall_ms),
            ids: Vec::new(),
            next_forgetting_ms: 0,
            forgetting_from: None,
            next_retention_ms: 0,
            committer_sleeps: false,
            is_committer_woken: false,
            timer_wakes_at_ms: 0,
            is_timer_woken: false,
            opened_at_ms,
            keyspace_hits: 0,
            keyspace_misses: 0,
            expired_keys: 0,
            queue_wait: QueueWait::default(),
            schedule_pause: crate::schedule::Pause::default(),
            fired_at_ms: 0,
            is_log_full: false,
            cache: Cache::default(),
            cache_bytes: options.blocks.cache_bytes,
            unwritten_floor,
            is_checkpointing: false,
        }
    }

    /// Begins to run on what recovery has brought about.
    fn begin(&mut self, log: Option<millstream_log::LogBuffer>, now: Now) {
        self.log = log;
        self.clock = SteadyClock::anchored(now, self.state.time_max_ms);
        self.opened_at_ms = self.clock.read(now);
        // What the log has told again did not happen now.
        self.state.flow = GroupCounters::default();
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
