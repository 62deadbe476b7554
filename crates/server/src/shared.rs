//! What all threads of one server share.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Instant;

use millstream_acl::Users;
use millstream_engine::{Engine, Now, RecoveryReport};
use millstream_runtime::{Clock, Host, LiveStore, Work};
use tokio::sync::Notify;

use crate::Config;
use crate::acl::Acl;
use crate::clients::Clients;
use crate::fsync_times::FsyncTimes;
use crate::latency::{LatencyEvent, LatencyEvents};
use crate::mailbox::Mailbox;
use crate::memory_budget::MemoryBudget;
use crate::monitors::Monitors;
use crate::pause::Pause;
use crate::sampler::Sampler;
use crate::settings::Settings;
use crate::slow_log::SlowLog;
use crate::statistics::WorkerCounters;
use crate::tls::HandshakeCounters;

/// Version of Redis whose behaviour clients may expect.
pub(crate) const REDIS_VERSION: &str = "8.10.0";

pub(crate) struct Shared {
    pub(crate) store: LiveStore,
    pub(crate) clock: Clock,
    pub(crate) config: Config,
    /// Absolute; `None` in memory.
    pub(crate) data_path: Option<PathBuf>,
    pub(crate) recovery: RecoveryReport,
    /// 40 hexadecimal digits, new at each start.
    pub(crate) run_id: String,
    pub(crate) settings: Settings,
    pub(crate) acl: Acl,
    pub(crate) pause: Pause,
    /// DEBUG SET-ACTIVE-EXPIRE 0: expired keys stay, absent for everybody all the same.
    pub(crate) is_expiry_stopped: AtomicBool,
    pub(crate) clients: Clients,
    pub(crate) memory: MemoryBudget,
    /// Closed because they did not take their replies.
    pub(crate) stalled_clients: AtomicU64,
    /// Closed because they said nothing for so long as `timeout` allows.
    pub(crate) idle_clients: AtomicU64,
    /// Commands that did not wait, as there were as many as `blocked-clients-max` allows.
    pub(crate) refused_waits: AtomicU64,
    /// Clients whose command waits.
    pub(crate) blocked_clients: AtomicUsize,
    pub(crate) workers: Vec<WorkerShared>,
    pub(crate) slow_log: SlowLog,
    pub(crate) latency: LatencyEvents,
    pub(crate) fsync: FsyncTimes,
    pub(crate) monitors: Monitors,
    pub(crate) sampler: Sampler,
    /// Memory of the process once it had started, without the data that recovery found.
    pub(crate) startup_bytes: AtomicU64,
    /// 0: there is none.
    pub(crate) port: AtomicUsize,
    pub(crate) tls_port: AtomicUsize,
    pub(crate) handshakes: HandshakeCounters,
    pub(crate) rejected_connections: AtomicU64,
    pub(crate) is_stopping: AtomicBool,
    /// Told once when the server shall stop.
    pub(crate) stop_wanted: Notify,
    /// DEBUG PANIC CONTROL: a task of the control thread shall panic.
    pub(crate) panic_wanted: Notify,
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
    pub(crate) users: Users,
}

impl Shared {
    pub(crate) fn new(parts: SharedParts) -> Self {
        let SharedParts { engine, clock, config, data_path, recovery, run_id, workers, users } =
            parts;
        Self {
            store: LiveStore::new(engine, config.sync, config.memory, clock.now()),
            clock,
            settings: Settings::new(&config),
            acl: Acl::new(users, config.acl_file.clone()),
            slow_log: SlowLog::new(&config),
            latency: LatencyEvents::new(config.latency_threshold_ms),
            fsync: FsyncTimes::new(),
            monitors: Monitors::default(),
            sampler: Sampler::default(),
            startup_bytes: AtomicU64::new(0),
            pause: Pause::default(),
            is_expiry_stopped: AtomicBool::new(false),
            config,
            data_path,
            recovery,
            run_id,
            clients: Clients::default(),
            memory: MemoryBudget::default(),
            stalled_clients: AtomicU64::new(0),
            idle_clients: AtomicU64::new(0),
            refused_waits: AtomicU64::new(0),
            blocked_clients: AtomicUsize::new(0),
            workers: (0..workers).map(|_| WorkerShared::default()).collect(),
            port: AtomicUsize::new(0),
            tls_port: AtomicUsize::new(0),
            handshakes: HandshakeCounters::default(),
            rejected_connections: AtomicU64::new(0),
            is_stopping: AtomicBool::new(false),
            stop_wanted: Notify::new(),
            panic_wanted: Notify::new(),
        }
    }

    /// Asks the server to stop; it finishes what runs. May be called more than once.
    pub(crate) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.stop_wanted.notify_one();
    }

    /// Whether there are as many clients as there may be.
    pub(crate) fn is_full(&self) -> bool {
        self.clients.strangers() >= self.settings.maxclients.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }
}

impl Host for Shared {
    fn store(&self) -> &LiveStore {
        &self.store
    }

    fn now(&self) -> Now {
        self.clock.now()
    }

    /// Sessions that wait for the log look again.
    fn wake_held(&self) {
        for worker in &self.workers {
            worker.mailbox.published();
        }
    }

    fn time<T>(&self, work: Work, run: impl FnOnce() -> T) -> T {
        let event = match work {
            Work::Write => LatencyEvent::AofWrite,
            Work::Due => LatencyEvent::ExpireCycle,
            Work::Sync | Work::LaterSync => {
                let begun = Instant::now();
                let result = run();
                let took = begun.elapsed();
                self.fsync.add(took);
                if work == Work::Sync {
                    self.latency.note(LatencyEvent::AofFsyncAlways, took);
                }
                return result;
            }
        };
        self.latency.time(event, run)
    }

    fn is_expiry_stopped(&self) -> bool {
        self.pause.until().is_some() || self.is_expiry_stopped.load(Ordering::Acquire)
    }

    fn expiry_stopped_until(&self) -> Option<Instant> {
        self.pause.until()
    }
}
