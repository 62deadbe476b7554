//! The port and the thread's work.

use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::answers::Answers;
use crate::options::{BindError, DashboardOptions};
use crate::places::Places;
use crate::{Lifecycle, connections};

/// Connections that the operating system keeps until they are accepted.
const BACKLOG: i32 = 128;

/// A dashboard whose port is taken.
#[derive(Debug)]
pub struct Dashboard {
    socket: Socket,
    address: SocketAddr,
    options: DashboardOptions,
    places: Places,
}

impl Dashboard {
    /// Takes the port; 0: any one that is free. Nobody is answered yet.
    ///
    /// # Errors
    /// [`BindError`].
    pub fn bind(ip: IpAddr, port: u16, options: DashboardOptions) -> Result<Self, BindError> {
        let address = SocketAddr::new(ip, port);
        let take = || {
            let domain = Domain::for_address(address);
            let socket = Socket::new(domain, Type::STREAM, Some(Protocol::TCP))?;
            socket.set_reuse_address(true)?;
            socket.set_nonblocking(true)?;
            socket.bind(&address.into())?;
            socket.listen(BACKLOG)?;
            let taken = socket.local_addr()?.as_socket().unwrap_or(address);
            Ok((socket, taken))
        };
        let (socket, address) = take().map_err(|source| BindError { address, source })?;
        Ok(Self { socket, address, options, places: Places::default() })
    }

    /// With no more than so many files open, rather than [`FILES_WANTED`](crate::FILES_WANTED):
    /// fewer visitors are answered at a time, and fewer stay logged in.
    #[must_use]
    pub fn with_files(self, files: usize) -> Self {
        Self { places: Places::within(files), ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a browser wants it.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.options.https.is_some() { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// Answers, and looks at the server now and then, until it is dropped. Within a tokio runtime.
    ///
    /// # Errors
    /// The operating system does not let it listen.
    pub async fn serve(self, lifecycle: watch::Receiver<Lifecycle>) -> std::io::Result<()> {
        let listener = TcpListener::from_std(self.socket.into())?;
        let https = self.options.https.clone();
        let places = self.places;
        let answers = Answers::with_places(self.options, lifecycle, places);
        let router = answers.router.clone();
        let answering = connections::answer(listener, https, router, places.connections);
        tokio::select! {
            never = answering => match never {},
            () = answers.look() => Ok(()),
        }
    }
}
