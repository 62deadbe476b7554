//! The byte stream of a connection: TCP, TLS or a Unix socket, told apart without allocation.

use std::io::{self, Write as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};

use crate::tls::TlsStream;

/// A stream that belongs to an event loop.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Tls(Box<TlsStream>),
    Unix(UnixStream),
}

impl Stream {
    /// Takes it out of this thread's event loop.
    pub(crate) fn detach(self) -> io::Result<DetachedStream> {
        Ok(match self {
            Self::Tcp(stream) => DetachedStream::Tcp(stream.into_std()?),
            Self::Tls(mut stream) => {
                stream.detach()?;
                DetachedStream::Tls(stream)
            }
            Self::Unix(stream) => DetachedStream::Unix(stream.into_std()?),
        })
    }

    /// Goes on with what was written and did not leave yet; only TLS keeps such. `Ready` once all
    /// of it is the operating system's.
    pub(crate) fn poll_sent(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            Self::Tcp(_) | Self::Unix(_) => Poll::Ready(Ok(())),
        }
    }

    /// Whether something was written that did not leave yet.
    pub(crate) fn has_unsent(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.has_unsent(),
            Self::Tcp(_) | Self::Unix(_) => false,
        }
    }

    /// The name (CN) in the certificate that the client has shown, which was verified.
    pub(crate) fn peer_common_name(&self) -> Option<String> {
        match self {
            Self::Tls(stream) => stream.peer_common_name(),
            Self::Tcp(_) | Self::Unix(_) => None,
        }
    }

    /// To be called before it is dropped, wherever the client may still be there.
    pub(crate) fn say_goodbye(&mut self) {
        if let Self::Tls(stream) = self {
            stream.say_goodbye();
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, buffer),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            Self::Unix(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A stream on its way from one event loop to another.
#[derive(Debug)]
pub(crate) enum DetachedStream {
    Tcp(std::net::TcpStream),
    Tls(Box<TlsStream>),
    Unix(std::os::unix::net::UnixStream),
}

impl DetachedStream {
    /// Tells a client that is not served why. A new socket has room for one line; if not, the
    /// client learns it by the close. Not through an event loop, which does not know yet that there
    /// is room.
    pub(crate) fn try_tell(&mut self, line: &[u8]) {
        let _ = match self {
            Self::Tcp(stream) => stream.write(line),
            Self::Unix(stream) => stream.write(line),
            Self::Tls(stream) => return stream.try_tell(line),
        };
    }

    /// Gives it to this thread's event loop.
    pub(crate) fn attach(self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(stream) => Stream::Tcp(TcpStream::from_std(stream)?),
            Self::Tls(mut stream) => {
                stream.attach()?;
                Stream::Tls(stream)
            }
            Self::Unix(stream) => Stream::Unix(UnixStream::from_std(stream)?),
        })
    }
}
