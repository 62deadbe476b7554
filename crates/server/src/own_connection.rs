//! Connections of this process to its own server: for what shows it to people and to monitoring.

use std::io;
use std::os::unix::net::UnixStream;

use tokio::sync::mpsc::UnboundedSender;

/// The server's end of one.
#[derive(Debug)]
pub(crate) struct OwnConnection {
    pub(crate) stream: UnixStream,
    /// It need not give a password, and is served however many clients there are.
    pub(crate) is_trusted: bool,
}

/// Makes connections to a server within this process, without any network. They speak the
/// protocol as all others do.
#[derive(Clone, Debug)]
pub struct Connector {
    server: UnboundedSender<OwnConnection>,
}

impl Connector {
    pub(crate) fn new(server: UnboundedSender<OwnConnection>) -> Self {
        Self { server }
    }

    /// As any client: with a password where the server wants one.
    ///
    /// # Errors
    /// The server is stopping, or no more files can be open.
    pub fn connect(&self) -> io::Result<UnixStream> {
        self.make(false)
    }

    /// For this process itself: without a password, and beyond `maxclients`. Nothing that strangers
    /// say is for such a connection.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_trusted(&self) -> io::Result<UnixStream> {
        self.make(true)
    }

    /// Both ends do not block.
    fn make(&self, is_trusted: bool) -> io::Result<UnixStream> {
        let (ours, stream) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        stream.set_nonblocking(true)?;
        let sent = self.server.send(OwnConnection { stream, is_trusted });
        let stopping = |_| io::Error::new(io::ErrorKind::NotConnected, "the server is stopping");
        sent.map_err(stopping).map(|()| ours)
    }
}
