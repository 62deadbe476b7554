//! Ports and who may open one; handing connections to workers.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;

use crate::shared::Shared;
use crate::worker::Arrival;
use crate::{BindAddress, Config, StartError};

/// Connections that the operating system keeps until they are accepted.
const BACKLOG: i32 = 1024;
/// After an error of accept, such as too many open files.
const ERROR_PAUSE: Duration = Duration::from_millis(100);

/// Refuses addresses that strangers may reach while there is no password.
pub(crate) fn check_protection(config: &Config) -> Result<(), StartError> {
    if config.requirepass.as_ref().is_some_and(|password| !password.is_empty()) {
        return Ok(());
    }
    match config.bind.iter().find(|address| !address.ip.is_loopback()) {
        Some(address) => Err(StartError::Unprotected { ip: address.ip }),
        None => Ok(()),
    }
}

/// A port that is ours; nobody can connect yet.
pub(crate) struct BoundPort {
    socket: Socket,
    pub(crate) address: SocketAddr,
}

impl BoundPort {
    /// From now on clients can connect.
    pub(crate) fn listen(self) -> Result<StdListener, StartError> {
        let address = self.address;
        let outcome = self.socket.listen(BACKLOG);
        outcome.map_err(|source| StartError::Bind { address, source })?;
        Ok(self.socket.into())
    }
}

/// Takes all ports. With port 0 the first address chooses it for all.
pub(crate) fn bind_all(config: &Config) -> Result<Vec<BoundPort>, StartError> {
    let mut ports: Vec<BoundPort> = Vec::new();
    let mut port = config.port;
    for bind in &config.bind {
        let address = SocketAddr::new(bind.ip, port);
        match bind_one(address) {
            Ok(bound) => {
                port = bound.address.port();
                ports.push(bound);
            }
            Err(source) if may_be_missing(bind, config, &source) => {
                tracing::debug!("not listening on {address}: {source}");
            }
            Err(source) => return Err(StartError::Bind { address, source }),
        }
    }
    if ports.is_empty() { Err(StartError::NoAddress) } else { Ok(ports) }
}

fn may_be_missing(bind: &BindAddress, config: &Config, error: &io::Error) -> bool {
    let is_taken = error.kind() == io::ErrorKind::AddrInUse;
    // A chosen port that happens to be taken on the second address is nobody's mistake.
    bind.is_optional && (!is_taken || config.port == 0)
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

/// Accepts until the task is dropped; workers take turns.
pub(crate) async fn accept_loop(
    listener: TcpListener,
    shared: Arc<Shared>,
    workers: Vec<UnboundedSender<Arrival>>,
) {
    let mut turn = 0;
    loop {
        match listener.accept().await {
            Ok((stream, address)) => {
                turn = (turn + 1) % workers.len();
                if let Err(error) = hand_over(stream, address, &shared, &workers[turn], turn) {
                    tracing::debug!("lost a connection from {address}: {error}");
                }
            }
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                tokio::time::sleep(ERROR_PAUSE).await;
            }
        }
    }
}

fn hand_over(
    stream: TcpStream,
    address: SocketAddr,
    shared: &Shared,
    worker: &UnboundedSender<Arrival>,
    worker_index: usize,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let local_address = stream.local_addr()?;
    let max = shared.settings.maxclients.load(Ordering::Relaxed);
    let mailbox = Arc::clone(&shared.workers[worker_index].mailbox);
    let signal = Arc::new(crate::mailbox::Signal::new(mailbox));
    let Some(client) = shared.clients.add(address, local_address, signal, max) else {
        shared.rejected_connections.fetch_add(1, Ordering::Relaxed);
        // A new socket has room for one line; if not, the client learns it by the close.
        let _ = stream.try_write(b"-ERR max number of clients reached\r\n");
        return Ok(());
    };
    let id = client.id;
    // Out of this thread's event queue, into the worker's.
    let sent = stream.into_std().map(|stream| worker.send(Arrival { stream, client }));
    if !matches!(sent, Ok(Ok(()))) {
        shared.clients.remove(id);
    }
    Ok(())
}
