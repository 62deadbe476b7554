//! Handshakes of TLS: on a thread of their own, so that their arithmetic delays nobody who is
//! connected already.
//!
//! They are bounded in number and in time. When all places are taken, whoever connects next waits
//! in the operating system's queue, and handshakes that took longer than a moment end: so clients
//! that connect and stay silent hold up others for a moment at most, and a thousand that all come
//! back at once are not turned away.

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use millstream_runtime::{PanicGuard, spawn};
use rustls::{Error as RustlsError, InvalidMessage};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio_rustls::TlsAcceptor;

use super::{Socket, TlsStream};
use crate::accept_errors::AcceptErrors;
use crate::address::Address;
use crate::listener::{self, BoundPort, Distributor};
use crate::shared::Shared;
use crate::stream::Stream;
use crate::worker::Arrival;
use crate::{StartError, open_files};

/// What each has for its own, however many others wait.
const CROWDED_PATIENCE: Duration = Duration::from_secs(1);
/// Failures are warned of that often at most.
const WARNING_INTERVAL: Duration = Duration::from_secs(60);

/// For INFO.
#[derive(Debug, Default)]
pub(crate) struct HandshakeCounters {
    pub(crate) done: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) running: AtomicUsize,
}

/// The thread of all ports with TLS.
#[derive(Debug)]
pub(crate) struct HandshakeThread {
    stop: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

impl HandshakeThread {
    /// Accepts connections at these ports, and hands them to the workers once hands are shaken.
    pub(crate) fn start(
        runtime: Runtime,
        shared: &Arc<Shared>,
        ports: Vec<BoundPort>,
        workers: Vec<UnboundedSender<Arrival>>,
    ) -> Result<Self, StartError> {
        let listeners = listener::listen_all(ports, &runtime)?;
        let shared = Arc::clone(shared);
        let (stop, stopped) = oneshot::channel();
        let thread = spawn("tls", move || {
            let _guard = PanicGuard::new(&shared, "thread tls".to_owned());
            let handshakes = Handshakes::new(Arc::clone(&shared), workers);
            LocalSet::new().block_on(&runtime, async {
                for listener in listeners {
                    spawn_local(Rc::clone(&handshakes).accept(listener));
                }
                let _ = stopped.await;
            });
        })?;
        Ok(Self { stop, thread })
    }

    /// Ends all that are not done.
    pub(crate) fn stop(self) {
        drop(self.stop);
        if self.thread.join().is_err() {
            tracing::error!("the thread of TLS panicked");
        }
    }
}

struct Handshakes {
    shared: Arc<Shared>,
    distributor: RefCell<Distributor>,
    room: Arc<Semaphore>,
    /// How many wait for a place: one for each port and address at most.
    waiting: watch::Sender<usize>,
    failures: RefCell<Failures>,
}

impl Handshakes {
    fn new(shared: Arc<Shared>, workers: Vec<UnboundedSender<Arrival>>) -> Rc<Self> {
        Rc::new(Self {
            distributor: RefCell::new(Distributor::new(Arc::clone(&shared), workers)),
            room: Arc::new(Semaphore::new(open_files::handshakes_max(&shared.config))),
            shared,
            waiting: watch::Sender::new(0),
            failures: RefCell::default(),
        })
    }

    /// Until the task is dropped.
    async fn accept(self: Rc<Self>, listener: TcpListener) {
        let _guard = PanicGuard::new(&self.shared, "task accept-tls".to_owned());
        let mut errors = AcceptErrors::default();
        loop {
            let place = self.place().await;
            match listener.accept().await {
                Ok((stream, address)) => self.begin(stream, address, place),
                Err(error) => errors.pause(&error).await,
            }
        }
    }

    async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.room).try_acquire_owned() {
            return Some(place);
        }
        self.waiting.send_modify(|waiting| *waiting += 1);
        let place = Arc::clone(&self.room).acquire_owned().await;
        self.waiting.send_modify(|waiting| *waiting -= 1);
        // It is never closed.
        place.ok()
    }

    fn begin(
        self: &Rc<Self>,
        stream: TcpStream,
        address: SocketAddr,
        place: Option<OwnedSemaphorePermit>,
    ) {
        let local = match listener::prepare(&stream, &self.shared.settings) {
            Ok(local) => local,
            Err(error) => return tracing::debug!("lost a connection from {address}: {error}"),
        };
        // No handshake for whom there is no room afterwards; as in Redis, they are told nothing.
        if self.shared.is_full() {
            self.shared.rejected_connections.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let own = Rc::clone(self);
        spawn_local(async move {
            let running = &own.shared.handshakes.running;
            running.fetch_add(1, Ordering::Relaxed);
            let outcome = own.shake(stream).await;
            running.fetch_sub(1, Ordering::Relaxed);
            drop(place);
            match outcome {
                Ok(stream) => own.hand_over(stream, address, local),
                Err(failure) => own.note_failure(address, &failure),
            }
        });
    }

    async fn shake(&self, stream: TcpStream) -> Result<TlsStream, Failure> {
        // The port is there because TLS is on.
        let loaded = self.shared.config.tls.current().ok_or(Failure::Off)?;
        let acceptor = TlsAcceptor::from(Arc::clone(&loaded.redis));
        let patience = self.shared.config.tls_handshake_timeout;
        tokio::select! {
            shaken = acceptor.accept(Socket::Attached(stream)) => {
                shaken.map(TlsStream::new).map_err(Failure::of)
            }
            () = tokio::time::sleep(patience) => Err(Failure::TooLong),
            () = self.has_to_make_room() => Err(Failure::Crowded),
        }
    }

    async fn has_to_make_room(&self) {
        tokio::time::sleep(CROWDED_PATIENCE).await;
        let mut waiting = self.waiting.subscribe();
        // Its sender lives as long as this does.
        let _ = waiting.wait_for(|waiting| *waiting > 0).await;
    }

    fn hand_over(&self, stream: TlsStream, address: SocketAddr, local: SocketAddr) {
        self.shared.handshakes.done.fetch_add(1, Ordering::Relaxed);
        let (address, local) = (Address::Tcp(address), Address::Tcp(local));
        let stream = Stream::Tls(Box::new(stream));
        self.distributor.borrow_mut().hand_over(stream, address, local);
    }

    fn note_failure(&self, address: SocketAddr, failure: &Failure) {
        self.shared.handshakes.failed.fetch_add(1, Ordering::Relaxed);
        tracing::debug!("TLS with {address} failed: {failure}");
        self.failures.borrow_mut().note(address, failure);
    }
}

/// Why hands were not shaken.
#[derive(Debug)]
enum Failure {
    NoTls,
    WentAway,
    TooLong,
    Crowded,
    Off,
    Other(io::Error),
}

impl Failure {
    fn of(error: io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<RustlsError>());
        match cause {
            Some(RustlsError::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::NoTls,
            None if error.kind() != io::ErrorKind::InvalidData => Self::WentAway,
            _ => Self::Other(error),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("it does not speak TLS"),
            Self::WentAway => f.write_str("it went away"),
            Self::TooLong => f.write_str("it took too long"),
            Self::Crowded => f.write_str("it took long while others waited"),
            Self::Off => f.write_str("TLS is off"),
            Self::Other(error) => error.fmt(f),
        }
    }
}

/// Warns of them without a line for each.
#[derive(Debug, Default)]
struct Failures {
    warned_at: Option<Instant>,
    since: u64,
}

impl Failures {
    fn note(&mut self, address: SocketAddr, failure: &Failure) {
        // Whoever looks whether the port is open does that; it is nobody's mistake.
        if matches!(failure, Failure::WentAway) {
            return;
        }
        self.since += 1;
        if self.warned_at.is_some_and(|at| at.elapsed() < WARNING_INTERVAL) {
            return;
        }
        match std::mem::take(&mut self.since) {
            1 => tracing::warn!("TLS with {address} failed: {failure}"),
            count => tracing::warn!(
                "TLS failed {count} times since the last such line, the last time with {address}: \
                 {failure}"
            ),
        }
        self.warned_at = Some(Instant::now());
    }
}
