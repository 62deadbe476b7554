//! Ports and who may open one; handing connections to workers.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use millstream_acl::Users;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Runtime;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use crate::accept_errors::AcceptErrors;
use crate::address::Address;
use crate::own_connection::OwnConnection;
use crate::settings::Settings;
use crate::shared::Shared;
use crate::stream::Stream;
use crate::worker::Arrival;
use crate::{BindAddress, Config, StartError};

/// Connections that the operating system keeps until they are accepted.
pub(crate) const BACKLOG: i32 = 1024;
/// Refuses addresses that strangers may reach while nobody has to say who they are, and not all
/// must show a certificate.
pub(crate) fn check_protection(config: &Config, users: &Users) -> Result<(), StartError> {
    let has_password = !users.default_user().is_open();
    let requires_certificates = config.tls.requires_certificates();
    match open_to_strangers(config, has_password, requires_certificates) {
        Some(ip) => Err(StartError::Unprotected { ip }),
        None => Ok(()),
    }
}

/// The first address where anybody may come in from another machine.
pub(crate) fn open_to_strangers(
    config: &Config,
    has_password: bool,
    requires_certificates: bool,
) -> Option<IpAddr> {
    let is_tls_open = config.tls_port.is_some() && !requires_certificates;
    let is_open = !has_password && (config.port.is_some() || is_tls_open);
    let mut addresses = config.bind.iter().map(|address| address.ip);
    addresses.find(|ip| is_open && !ip.is_loopback())
}

/// A port that is ours; nobody can connect yet.
pub(crate) struct BoundPort {
    socket: Socket,
    pub(crate) address: SocketAddr,
}

impl BoundPort {
    /// From now on clients can connect. Within the event loop that is to serve them.
    fn listen(self) -> Result<TcpListener, StartError> {
        let address = self.address;
        let outcome = self.socket.listen(BACKLOG);
        outcome.map_err(|source| StartError::Bind { address, source })?;
        TcpListener::from_std(self.socket.into())
            .map_err(|source| StartError::Thread { purpose: "listening", source })
    }
}

/// From now on clients can connect.
pub(crate) fn listen_all(
    ports: Vec<BoundPort>,
    runtime: &Runtime,
) -> Result<Vec<TcpListener>, StartError> {
    let _context = runtime.enter();
    ports.into_iter().map(BoundPort::listen).collect()
}

/// Takes the port on all addresses; `None`: nothing. With port 0 the first address chooses it for
/// all.
pub(crate) fn bind_all(config: &Config, wanted: Option<u16>) -> Result<Vec<BoundPort>, StartError> {
    let mut ports: Vec<BoundPort> = Vec::new();
    let Some(wanted) = wanted else { return Ok(ports) };
    let mut port = wanted;
    for bind in &config.bind {
        let address = SocketAddr::new(bind.ip, port);
        match bind_one(address) {
            Ok(bound) => {
                port = bound.address.port();
                ports.push(bound);
            }
            Err(source) if may_be_missing(bind, wanted, &source) => {
                tracing::debug!("not listening on {address}: {source}");
            }
            Err(source) => return Err(StartError::Bind { address, source }),
        }
    }
    Ok(ports)
}

fn may_be_missing(bind: &BindAddress, wanted: u16, error: &io::Error) -> bool {
    let is_taken = error.kind() == io::ErrorKind::AddrInUse;
    // A chosen port that happens to be taken on the second address is nobody's mistake.
    bind.is_optional && (!is_taken || wanted == 0)
}

fn bind_one(wanted: SocketAddr) -> io::Result<BoundPort> {
    let socket = Socket::new(Domain::for_address(wanted), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if wanted.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&wanted.into())?;
    let address = socket.local_addr()?.as_socket().unwrap_or(wanted);
    Ok(BoundPort { socket, address })
}

/// Hands connections to the workers, which take turns.
pub(crate) struct Distributor {
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Arrival>>,
    turn: usize,
}

impl Distributor {
    pub(crate) fn new(shared: Arc<Shared>, workers: Vec<UnboundedSender<Arrival>>) -> Self {
        Self { shared, workers, turn: 0 }
    }

    pub(crate) fn hand_over(&mut self, stream: Stream, address: Address, local_address: Address) {
        self.hand_over_as(stream, address, local_address, false);
    }

    /// Unless there are as many as there may be.
    fn hand_over_as(
        &mut self,
        stream: Stream,
        address: Address,
        local_address: Address,
        is_trusted: bool,
    ) {
        // Out of this thread's event queue, into the worker's.
        let mut stream = match stream.detach() {
            Ok(stream) => stream,
            Err(error) => return tracing::debug!("lost a connection from {address}: {error}"),
        };
        self.turn = (self.turn + 1) % self.workers.len();
        let shared = &self.shared;
        let mailbox = Arc::clone(&shared.workers[self.turn].mailbox);
        let signal = Arc::new(crate::mailbox::Signal::new(mailbox));
        // Who is to say that there are too many clients must get in.
        let max = (!is_trusted).then(|| shared.settings.maxclients.load(Ordering::Relaxed));
        let user = if is_trusted { shared.acl.process() } else { shared.acl.default_user() };
        let Some(client) = shared.clients.add(address, local_address, signal, max, user) else {
            shared.rejected_connections.fetch_add(1, Ordering::Relaxed);
            stream.try_tell(b"-ERR max number of clients reached\r\n");
            return;
        };
        let id = client.id;
        if self.workers[self.turn].send(Arrival { stream, client, is_trusted }).is_err() {
            shared.clients.remove(id);
        }
    }
}

/// Accepts TCP connections until the task is dropped.
pub(crate) async fn accept_tcp(
    listener: TcpListener,
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Arrival>>,
) {
    let mut distributor = Distributor::new(shared, workers);
    let mut errors = AcceptErrors::default();
    loop {
        match listener.accept().await {
            Ok((stream, address)) => match prepare(&stream, &distributor.shared.settings) {
                Ok(local) => {
                    let (address, local) = (Address::Tcp(address), Address::Tcp(local));
                    distributor.hand_over(Stream::Tcp(stream), address, local);
                }
                Err(error) => tracing::debug!("lost a connection from {address}: {error}"),
            },
            Err(error) => errors.pause(&error).await,
        }
    }
}

/// Accepts connections of the Unix socket at `path` until the task is dropped.
pub(crate) async fn accept_unix(
    listener: UnixListener,
    path: Arc<str>,
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Arrival>>,
) {
    let mut distributor = Distributor::new(shared, workers);
    let mut errors = AcceptErrors::default();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let address = Address::Unix(Arc::clone(&path));
                distributor.hand_over(Stream::Unix(stream), address.clone(), address);
            }
            Err(error) => errors.pause(&error).await,
        }
    }
}

/// Serves connections of this process until the task is dropped.
pub(crate) async fn accept_own(
    mut connections: UnboundedReceiver<OwnConnection>,
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Arrival>>,
) {
    let mut distributor = Distributor::new(shared, workers);
    let mut errors = AcceptErrors::default();
    while let Some(OwnConnection { stream, is_trusted }) = connections.recv().await {
        match UnixStream::from_std(stream) {
            Ok(stream) => {
                let stream = Stream::Unix(stream);
                distributor.hand_over_as(stream, Address::Own, Address::Own, is_trusted);
            }
            Err(error) => errors.pause(&error).await,
        }
    }
}

/// Sets the options of a new connection. Returns its local address.
pub(crate) fn prepare(stream: &TcpStream, settings: &Settings) -> io::Result<SocketAddr> {
    stream.set_nodelay(true)?;
    let seconds = settings.tcp_keepalive_s.load(Ordering::Relaxed);
    if seconds > 0 {
        // As in Redis: a peer that answers none of three questions is gone.
        let keepalive = TcpKeepalive::new()
            .with_time(Duration::from_secs(seconds.into()))
            .with_interval(Duration::from_secs((seconds / 3).max(1).into()))
            .with_retries(3);
        SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
    }
    stream.local_addr()
}
