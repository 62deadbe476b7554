//! TLS on a connection that changes its event loop once: shaken hands in one, served in another.

use std::io::{self, IoSlice, Write as _};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::common_name;

/// A TCP socket that may change its event loop, of which TLS on it knows nothing.
#[derive(Debug)]
pub(crate) enum Socket {
    Attached(TcpStream),
    /// Between two event loops.
    Detached(std::net::TcpStream),
    /// It could not change.
    Gone,
}

impl Socket {
    fn detach(&mut self) -> io::Result<()> {
        if let Self::Attached(stream) = mem::replace(self, Self::Gone) {
            *self = Self::Detached(stream.into_std()?);
        }
        Ok(())
    }

    fn attach(&mut self) -> io::Result<()> {
        if let Self::Detached(stream) = mem::replace(self, Self::Gone) {
            *self = Self::Attached(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    fn attached(self: Pin<&mut Self>) -> io::Result<Pin<&mut TcpStream>> {
        match self.get_mut() {
            Self::Attached(stream) => Ok(Pin::new(stream)),
            Self::Detached(_) | Self::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.attached()?.poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.attached()?.poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.attached()?.poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attached()?.poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.attached()?.poll_shutdown(context)
    }
}

/// Writes what there is room for at once.
struct AtOnce<'a>(&'a Socket);

impl io::Write for AtOnce<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0 {
            Socket::Attached(stream) => stream.try_write(bytes),
            Socket::Detached(stream) => (&*stream).write(bytes),
            Socket::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A connection by TLS whose handshake is done.
#[derive(Debug)]
pub(crate) struct TlsStream(tokio_rustls::server::TlsStream<Socket>);

impl TlsStream {
    pub(super) fn new(stream: tokio_rustls::server::TlsStream<Socket>) -> Self {
        Self(stream)
    }

    /// Takes it out of this thread's event loop.
    pub(crate) fn detach(&mut self) -> io::Result<()> {
        self.0.get_mut().0.detach()
    }

    /// Gives it to this thread's event loop.
    pub(crate) fn attach(&mut self) -> io::Result<()> {
        self.0.get_mut().0.attach()
    }

    /// Of the certificate that the client has shown, which was verified; `None`: it has shown none,
    /// or one without such a name.
    pub(crate) fn peer_common_name(&self) -> Option<String> {
        let (_, connection) = self.0.get_ref();
        common_name(connection.peer_certificates()?.first()?)
    }

    /// Whether encrypted bytes wait for the socket.
    pub(crate) fn has_unsent(&self) -> bool {
        self.0.get_ref().1.wants_write()
    }

    /// Sends a line, as far as there is room for it at once.
    pub(crate) fn try_tell(&mut self, line: &[u8]) {
        let _ = self.0.get_mut().1.writer().write(line);
        self.say_goodbye();
    }

    /// Says that nothing follows, as far as there is room for it at once: without it the client
    /// could not tell this end from a connection that somebody cut.
    pub(crate) fn say_goodbye(&mut self) {
        let (socket, connection) = self.0.get_mut();
        connection.send_close_notify();
        while connection.wants_write() {
            match connection.write_tls(&mut AtOnce(socket)) {
                Ok(count) if count > 0 => {}
                _ => return,
            }
        }
    }
}

impl AsyncRead for TlsStream {
    /// An end that the client did not announce is an end like any other: what is run is what came
    /// as a whole, as over TCP.
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.get_mut().0).poll_read(context, buffer) {
            Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for TlsStream {
    /// What was taken may still wait for the socket: see [`Self::has_unsent`].
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().0).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().0).poll_shutdown(context)
    }
}
