//! Starting and stopping: which threads there are, and in which order they go.
//!
//! Stop: no new connections; sessions finish what runs and get their replies; then the workers end,
//! then the timer, then a last checkpoint is made, then the commit thread writes and syncs what is
//! left, last the preparer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use millstream_engine::Options;
use millstream_runtime::{
    Clock, DurableParts, PanicGuard, Store, StoreOptions, open_store, random, spawn,
};
use tokio::net::UnixListener;
use tokio::runtime::{Builder as RuntimeBuilder, Runtime};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle as TaskHandle;

use crate::acl::users_at_start;
use crate::default_policy::default_policy;
use crate::info::ProcessFacts;
use crate::listener::BoundPort;
use crate::mailbox::{KILLED, STOPPING};
use crate::own_connection::{Connector, OwnConnection};
use crate::shared::{Shared, SharedParts};
use crate::tls::HandshakeThread;
use crate::unix_socket::SocketFile;
use crate::worker::{self, Arrival};
use crate::{
    Config, DebugAccess, StartError, StopError, TlsError, config_command, debug_command, listener,
    open_files, unix_socket,
};

/// After this, connections that do not take their replies are cut.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Of each worker, for blocks on disk: each may have half a megabyte of them in its hands.
const LOADING_THREADS_MAX: usize = 32;

/// The server as a whole.
#[derive(Debug)]
pub struct Server;

/// A server that runs. Dropping it stops it, and waits.
#[derive(Debug)]
pub struct RunningServer {
    addresses: Vec<SocketAddr>,
    tls_addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
    connector: Connector,
    /// Ends when all other threads have ended.
    control: Option<JoinHandle<Result<(), StopError>>>,
}

/// Asks a server to stop, from anywhere.
#[derive(Clone, Debug)]
pub struct ShutdownHandle {
    shared: Arc<Shared>,
}

impl ShutdownHandle {
    /// Asks the server to finish what runs, to sync, and to end. Returns at once.
    pub fn shutdown(&self) {
        self.shared.stop();
    }
}

impl Server {
    /// Looks for what [`Self::start`] would refuse whatever the machine and the directory are like:
    /// an unprotected address, no address, a setting, a policy or a file of users that is wrong.
    /// Changes nothing.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(config: &Config) -> Result<(), StartError> {
        listener::check_protection(config, &users_at_start(config)?)?;
        let has_port = config.port.is_some() || config.tls_port.is_some();
        if (config.bind.is_empty() || !has_port) && config.unix_socket.is_none() {
            return Err(StartError::NoAddress);
        }
        if config.tls_port.is_some() && !config.tls.is_on() {
            return Err(TlsError::Missing { setting: "tls-cert-file" }.into());
        }
        config_command::check_at_start(&config.settings)?;
        default_policy(config).map(|_| ())
    }

    /// Whether everybody who reaches such a server may come in without saying who they are.
    ///
    /// # Errors
    /// [`StartError::Users`]: the file of users cannot be read, or is wrong.
    pub fn lets_strangers_in(config: &Config) -> Result<bool, StartError> {
        Ok(users_at_start(config)?.default_user().is_open())
    }

    /// Opens the store, starts all threads and listens.
    ///
    /// # Errors
    /// [`StartError`]: nothing runs then.
    pub fn start(mut config: Config) -> Result<RunningServer, StartError> {
        Self::check(&config)?;
        let connections = open_files::make_room_for(config.maxclients, &config);
        if connections < config.maxclients {
            tracing::warn!(
                "the limit of open files leaves room for {connections} clients, not {}",
                config.maxclients
            );
            config.maxclients = connections;
        }
        // Taken first, so that a port in use is told before a long recovery.
        let ports = listener::bind_all(&config, config.port)?;
        let tls_ports = listener::bind_all(&config, config.tls_port)?;
        if ports.is_empty() && tls_ports.is_empty() && config.unix_socket.is_none() {
            return Err(StartError::NoAddress);
        }
        config.unix_socket.as_deref().map_or(Ok(()), unix_socket::check)?;
        let (addresses, tls_addresses) = (addresses(&ports), addresses(&tls_ports));
        let settings = config_command::check_at_start(&config.settings)?;
        let users = users_at_start(&config)?;
        let clock = Clock::start();
        let mut startup_memory = StartupMemory::before_recovery();
        let store = open(&config, clock)?;
        startup_memory.leave_out_recovery(store.report.records);
        let workers = config.threads.unwrap_or_else(default_workers).max(1);
        let shared = Arc::new(Shared::new(SharedParts {
            engine: store.engine,
            clock,
            config,
            data_path: store.path,
            recovery: store.report,
            run_id: run_id(),
            workers,
            users,
        }));
        config_command::apply_at_start(&shared, settings);
        let port = |addresses: &[SocketAddr]| addresses.first().map_or(0, |it| it.port().into());
        shared.port.store(port(&addresses), Ordering::Relaxed);
        shared.tls_port.store(port(&tls_addresses), Ordering::Relaxed);

        let mut threads = Threads::default();
        let (connect, own) = unbounded_channel();
        let started = threads
            .start(&shared, store.durable)
            .and_then(|senders| start_control(&shared, Ports { ports, tls_ports }, senders, own));
        let (control, control_runtime) = match started {
            Ok(started) => started,
            Err(error) => {
                let _ = threads.stop(&shared);
                return Err(error);
            }
        };
        shared.startup_bytes.store(startup_memory.bytes(), Ordering::Relaxed);
        let control_shared = Arc::clone(&shared);
        let control = spawn("control", move || {
            let _guard = PanicGuard::new(&control_shared, "thread control".to_owned());
            control_runtime.block_on(control);
            threads.stop(&control_shared)
        })?;
        let connector = Connector::new(connect);
        Ok(RunningServer { addresses, tls_addresses, shared, connector, control: Some(control) })
    }
}

impl RunningServer {
    /// Where it listens without TLS; empty if it does not do so by TCP.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where it listens for TLS; empty without it.
    #[must_use]
    pub fn tls_addresses(&self) -> &[SocketAddr] {
        &self.tls_addresses
    }

    /// Says in the log where it listens.
    pub fn tell_addresses(&self) {
        for address in &self.tls_addresses {
            tracing::info!("listening for TLS on {address}");
        }
        for address in &self.addresses {
            tracing::info!("listening on {address}");
        }
        if let Some(path) = &self.shared.config.unix_socket {
            tracing::info!("listening on {}", path.display());
        }
    }

    /// A handle that can stop it.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        ShutdownHandle { shared: Arc::clone(&self.shared) }
    }

    /// What makes connections to it from within this process.
    #[must_use]
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Stops it and waits for its end.
    ///
    /// # Errors
    /// As [`Self::wait`].
    pub fn shutdown(self) -> Result<(), StopError> {
        self.shared.stop();
        self.wait()
    }

    /// Waits until it has ended: by a [`ShutdownHandle`], or because a client said SHUTDOWN.
    ///
    /// # Errors
    /// [`StopError`] if it ended badly. All confirmed writes are on disk nevertheless.
    pub fn wait(mut self) -> Result<(), StopError> {
        self.join()
    }

    fn join(&mut self) -> Result<(), StopError> {
        let Some(control) = self.control.take() else { return Ok(()) };
        control.join().unwrap_or_else(|_| Err(StopError::Panicked { thread: "control".into() }))
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.shared.stop();
        let _ = self.join();
    }
}

/// What a server takes before there is data: what recovery adds is the data's.
struct StartupMemory {
    data_bytes: u64,
    before: u64,
}

impl StartupMemory {
    fn before_recovery() -> Self {
        Self { data_bytes: 0, before: ProcessFacts::read().resident_bytes }
    }

    /// Opening an empty store makes buffers only.
    fn leave_out_recovery(&mut self, records: u64) {
        if records > 0 {
            let now = ProcessFacts::read().resident_bytes;
            self.data_bytes = now.saturating_sub(self.before);
        }
    }

    fn bytes(&self) -> u64 {
        ProcessFacts::read().resident_bytes.saturating_sub(self.data_bytes)
    }
}

fn open(config: &Config, clock: Clock) -> Result<Store, StartError> {
    if config.memory {
        tracing::warn!("nothing is stored: all data is gone when this process ends");
    }
    let mut engine = Options {
        abort_on_panic: config.abort_on_panic,
        log: config.log.clone(),
        blocks: config.blocks.clone(),
        default_policy: default_policy(config)?,
        ..Options::default()
    };
    engine.blocks.cache_bytes =
        usize::try_from(config.cache_mb).unwrap_or(usize::MAX).saturating_mul(1 << 20);
    let options = StoreOptions {
        engine,
        directory: config.directory.clone(),
        storage: config.storage.clone(),
        sync: config.sync,
        is_in_memory: config.memory,
    };
    Ok(open_store(options, clock.now())?)
}

/// The threads below the control thread.
#[derive(Default)]
struct Threads {
    workers: Vec<JoinHandle<()>>,
    store: millstream_runtime::Threads,
}

impl Threads {
    fn start(
        &mut self,
        shared: &Arc<Shared>,
        durable: Option<DurableParts>,
    ) -> Result<Vec<UnboundedSender<Arrival>>, StartError> {
        self.store.start_disk(shared, durable)?;
        self.store.start_timer(shared)?;
        let mut senders = Vec::new();
        for index in 0..shared.workers.len() {
            let runtime = runtime()?;
            let (sender, receiver) = unbounded_channel();
            let own = Arc::clone(shared);
            self.workers.push(spawn("worker", move || {
                let _guard = PanicGuard::new(&own, "thread worker".to_owned());
                worker::run(&runtime, Arc::clone(&own), index, receiver);
            })?);
            senders.push(sender);
        }
        Ok(senders)
    }

    /// In the order of the module's header. The workers end when their senders are gone.
    fn stop(&mut self, shared: &Shared) -> Result<(), StopError> {
        let mut result = Ok(());
        for worker in self.workers.drain(..) {
            if worker.join().is_err() {
                result = Err(StopError::Panicked { thread: "worker".to_owned() });
            }
        }
        self.store.stop(shared)?;
        if result.is_ok() && !shared.config.memory {
            tracing::info!("stopped; everything is on disk");
        }
        result
    }
}

/// What is to be listened on.
struct Ports {
    ports: Vec<BoundPort>,
    tls_ports: Vec<BoundPort>,
}

fn addresses(ports: &[BoundPort]) -> Vec<SocketAddr> {
    ports.iter().map(|port| port.address).collect()
}

/// Makes the future that accepts connections until the server is to stop, then drains.
fn start_control(
    shared: &Arc<Shared>,
    ports: Ports,
    senders: Vec<UnboundedSender<Arrival>>,
    own: UnboundedReceiver<OwnConnection>,
) -> Result<(impl Future<Output = ()> + Send + use<>, Runtime), StartError> {
    let runtime = runtime()?;
    let Ports { ports, tls_ports } = ports;
    let listeners = listener::listen_all(ports, &runtime)?;
    let unix = listen_on_unix_socket(&shared.config, &runtime)?;
    let handshakes = match tls_ports {
        ports if ports.is_empty() => None,
        // The last that may fail: it has a thread.
        ports => Some(HandshakeThread::start(self::runtime()?, shared, ports, senders.clone())?),
    };
    let shared = Arc::clone(shared);
    let control = async move {
        let idle = spawn_task(&shared, "idle", crate::idle::close_idle(Arc::clone(&shared)));
        let mut accepting: Vec<_> = listeners
            .into_iter()
            .map(|listener| {
                let senders = senders.clone();
                let accept = listener::accept_tcp(listener, Arc::clone(&shared), senders);
                spawn_task(&shared, "accept", accept)
            })
            .collect();
        let own = listener::accept_own(own, Arc::clone(&shared), senders.clone());
        accepting.push(spawn_task(&shared, "accept-own", own));
        let sampling = spawn_task(&shared, "sampler", crate::sampler::run(Arc::clone(&shared)));
        let watch = crate::memory_watch::run(Arc::clone(&shared));
        let watching = spawn_task(&shared, "memory-watch", watch);
        if shared.config.debug != DebugAccess::No {
            let panic = debug_command::panic_on_demand(Arc::clone(&shared));
            accepting.push(spawn_task(&shared, "debug", panic));
        }
        let mut socket_file = None;
        if let Some((listener, file)) = unix {
            let path = file.shown_path();
            socket_file = Some(file);
            let accept =
                listener::accept_unix(listener, path, Arc::clone(&shared), senders.clone());
            accepting.push(spawn_task(&shared, "accept-unix", accept));
        }
        while !shared.is_stopping() {
            shared.stop_wanted.notified().await;
        }
        tracing::info!("stopping");
        if let Some(handshakes) = handshakes {
            handshakes.stop();
        }
        sampling.abort();
        watching.abort();
        for task in accepting.into_iter().chain([idle]) {
            task.abort();
            let _ = task.await;
        }
        drop(socket_file);
        drop(senders);
        drain(&shared).await;
    };
    Ok((control, runtime))
}

/// A task that the server cannot do without: a panic in it is not only its own end.
fn spawn_task(
    shared: &Arc<Shared>,
    name: &str,
    task: impl Future<Output = ()> + Send + 'static,
) -> TaskHandle<()> {
    let guard = PanicGuard::new(shared, format!("task {name}"));
    tokio::spawn(async move {
        let _guard = guard;
        task.await;
    })
}

fn listen_on_unix_socket(
    config: &Config,
    runtime: &Runtime,
) -> Result<Option<(UnixListener, SocketFile)>, StartError> {
    let Some(path) = &config.unix_socket else { return Ok(None) };
    let permissions = config.unix_socket_permissions;
    let (listener, file) = unix_socket::listen(path, permissions, listener::BACKLOG)?;
    let _context = runtime.enter();
    let listener = UnixListener::from_std(listener)
        .map_err(|source| StartError::Thread { purpose: "listening", source })?;
    Ok(Some((listener, file)))
}

/// Lets sessions finish, and cuts those that do not.
async fn drain(shared: &Shared) {
    shared.clients.tell_all(STOPPING);
    let all_gone = async {
        while shared.clients.len() > 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    if tokio::time::timeout(DRAIN_LIMIT, all_gone).await.is_err() {
        shared.clients.tell_all(KILLED);
    }
}

fn runtime() -> Result<Runtime, StartError> {
    RuntimeBuilder::new_current_thread()
        .enable_all()
        .max_blocking_threads(LOADING_THREADS_MAX)
        .build()
        .map_err(|source| StartError::Thread { purpose: "an event loop", source })
}

/// Half the cores, and no more than eight: the other half is for the commit thread, the kernel's
/// share of the network and whoever else is on the machine, and one lock is behind them all.
/// Measured on two cores, one worker takes 0.36 us of processor time for a pipelined XADD where two
/// take 0.69 (docs/benchmarks.md).
fn default_workers() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    (cores / 2).clamp(1, 8)
}

/// 40 hexadecimal digits.
fn run_id() -> String {
    let digits = format!("{:016x}{:016x}{:016x}", random(), random(), random());
    digits[..40].to_owned()
}
