//! What all threads of one server share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

use millstream_engine::{Engine, LogPosition, RecoveryReport};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::clients::Clients;
use crate::clock::Clock;
use crate::latency::LatencyEvents;
use crate::mailbox::Mailbox;
use crate::monitors::Monitors;
use crate::pause::Pause;
use crate::sampler::Sampler;
use crate::saving::Saving;
use crate::settings::Settings;
use crate::slow_log::SlowLog;
use crate::statistics::WorkerCounters;
use crate::{Config, SyncMode};

/// Version of Redis whose behaviour clients may expect.
pub(crate) const REDIS_VERSION: &str = "8.10.0";

pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// Absolute; `None` in memory.
    pub(crate) data_path: Option<PathBuf>,
    pub(crate) recovery: RecoveryReport,
    /// 40 hexadecimal digits, new at each start.
    pub(crate) run_id: String,
    pub(crate) settings: Settings,
    pub(crate) pause: Pause,
    pub(crate) saving: Saving,
    /// DEBUG SET-ACTIVE-EXPIRE 0: expired keys stay, absent for everybody all the same.
    pub(crate) is_expiry_stopped: AtomicBool,
    pub(crate) clients: Clients,
    pub(crate) workers: Vec<WorkerShared>,
    pub(crate) slow_log: SlowLog,
    pub(crate) latency: LatencyEvents,
    pub(crate) monitors: Monitors,
    pub(crate) sampler: Sampler,
    /// Memory of the process once it had started, without the data that recovery found.
    pub(crate) startup_bytes: AtomicU64,
    pub(crate) port: AtomicUsize,
    pub(crate) rejected_connections: AtomicU64,
    /// End of the last record that a session knows of.
    log_end: AtomicU64,
    /// Log space that admitted commands may still take; see `admission.rs`.
    pub(crate) reserved_bytes: AtomicU64,
    poison: OnceLock<String>,
    pub(crate) preparer: Mutex<Option<Thread>>,
    pub(crate) is_stopping: AtomicBool,
    /// Told once when the server shall stop.
    pub(crate) stop_wanted: Notify,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

/// A worker as other threads see it.
#[derive(Debug, Default)]
pub(crate) struct WorkerShared {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) counters: WorkerCounters,
    pub(crate) sessions: AtomicUsize,
    /// As the operating system numbers it; 0 before it runs.
    pub(crate) thread_id: AtomicU32,
}

/// What [`Shared::new`] is made of.
pub(crate) struct SharedParts {
    pub(crate) engine: Engine,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    pub(crate) data_path: Option<PathBuf>,
    pub(crate) recovery: RecoveryReport,
    pub(crate) run_id: String,
    pub(crate) workers: usize,
}

impl Shared {
    pub(crate) fn new(parts: SharedParts) -> Self {
        let SharedParts { engine, clock, config, data_path, recovery, run_id, workers } = parts;
        let changes = engine.lock(clock.now()).statistics().changes;
        let log_end = AtomicU64::new(engine.written().get());
        Self {
            engine,
            clock,
            settings: Settings::new(&config),
            slow_log: SlowLog::new(&config),
            latency: LatencyEvents::new(config.latency_threshold_ms),
            monitors: Monitors::default(),
            sampler: Sampler::default(),
            startup_bytes: AtomicU64::new(0),
            pause: Pause::default(),
            saving: Saving::new(changes),
            is_expiry_stopped: AtomicBool::new(false),
            config,
            data_path,
            recovery,
            run_id,
            clients: Clients::default(),
            workers: (0..workers).map(|_| WorkerShared::default()).collect(),
            port: AtomicUsize::new(0),
            rejected_connections: AtomicU64::new(0),
            log_end,
            reserved_bytes: AtomicU64::new(0),
            poison: OnceLock::new(),
            preparer: Mutex::new(None),
            is_stopping: AtomicBool::new(false),
            stop_wanted: Notify::new(),
        }
    }

    /// Replies that depend on nothing beyond this may leave.
    pub(crate) fn released(&self) -> LogPosition {
        if self.config.memory {
            return LogPosition::new(u64::MAX);
        }
        match self.config.sync {
            SyncMode::Always => self.engine.durable(),
            SyncMode::Everysec => self.engine.written(),
            SyncMode::No => LogPosition::new(u64::MAX),
        }
    }

    /// How far the commit thread has brought the log, in the sense of the sync mode.
    pub(crate) fn committed(&self) -> LogPosition {
        match self.config.sync {
            SyncMode::Always => self.engine.durable(),
            SyncMode::Everysec | SyncMode::No => self.engine.written(),
        }
    }

    pub(crate) fn log_end(&self) -> LogPosition {
        LogPosition::new(self.log_end.load(Ordering::Relaxed))
    }

    pub(crate) fn note_log_end(&self, position: LogPosition) {
        self.log_end.fetch_max(position.get(), Ordering::Relaxed);
    }
    /// Why no write is accepted any more, if so.
    pub(crate) fn poison(&self) -> Option<&str> {
        self.poison.get().map(String::as_str)
    }

    /// Called once, by the commit thread.
    pub(crate) fn set_poison(&self, reason: String) {
        let _ = self.poison.set(reason);
        self.wake_held();
    }

    /// The log has moved: sessions that wait for it look again.
    pub(crate) fn wake_held(&self) {
        for worker in &self.workers {
            worker.mailbox.published();
        }
    }

    pub(crate) fn wake_preparer(&self) {
        if let Some(thread) = &*self.preparer.lock() {
            thread.unpark();
        }
    }

    /// Asks the server to stop; it finishes what runs. May be called more than once.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.stop_wanted.notify_one();
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}
