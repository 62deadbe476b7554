//! Why a server does not start.

use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::{fmt, io};

use millstream_engine::OpenError;
use millstream_runtime::ThreadError;

use crate::TlsError;

/// The server did not start. No port is open, and the store is as it was.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The store cannot be opened.
    Open(OpenError),
    /// An address that others can reach was asked for, and there is no password.
    Unprotected {
        /// The address.
        ip: IpAddr,
    },
    /// The file of users cannot be read, or something in it is wrong.
    Users {
        /// The file.
        path: PathBuf,
        /// What is wrong, by line.
        why: String,
    },
    /// Listening failed.
    Bind {
        /// Where.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// A setting does not exist, or cannot be that.
    Setting {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// TLS cannot be as it was asked for.
    Tls(TlsError),
    /// There is nothing to listen on: no address was given, or none exists on this machine, and no
    /// Unix socket was asked for.
    NoAddress,
    /// The path of the Unix socket is taken by something that is no socket.
    NoSocket {
        /// The path.
        path: PathBuf,
    },
    /// Somebody listens on the Unix socket already.
    UnixSocketInUse {
        /// Its path.
        path: PathBuf,
    },
    /// Listening on the Unix socket failed.
    UnixSocket {
        /// Its path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system gives no thread or event queue.
    Thread {
        /// What for.
        purpose: &'static str,
        /// What it says.
        source: io::Error,
    },
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("cannot open the store"),
            Self::Unprotected { ip } => write!(
                f,
                "refusing to listen on {ip} without a password, because other machines may reach \
                 that address: set one with --requirepass, switch the user default off in the \
                 file of users (--aclfile), bind a loopback address only, or let clients in by \
                 certificates alone (--tls-port with --tls-auth-clients yes and --port off)"
            ),
            Self::Users { path, why } => write!(
                f,
                "the file of users {}: {why} (it must be there: an empty file is one without \
                 users)",
                path.display()
            ),
            Self::Bind { address, .. } => write!(f, "cannot listen on {address}"),
            Self::Setting { name, why } => write!(f, "{name}: {why}"),
            Self::Tls(error) => error.fmt(f),
            Self::NoAddress => f.write_str(
                "there is nothing to listen on: no port or no address that this machine has, and no \
                 Unix socket",
            ),
            Self::NoSocket { path } => write!(
                f,
                "cannot listen on {}: there is something else than a socket, which is left alone",
                path.display()
            ),
            Self::UnixSocketInUse { path } => {
                write!(f, "cannot listen on {}: another server does", path.display())
            }
            Self::UnixSocket { path, .. } => write!(f, "cannot listen on {}", path.display()),
            Self::Thread { purpose, .. } => write!(f, "cannot start a thread for {purpose}"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Open(source) => Some(source),
            Self::Bind { source, .. }
            | Self::UnixSocket { source, .. }
            | Self::Thread { source, .. } => Some(source),
            Self::Tls(_)
            | Self::Unprotected { .. }
            | Self::Users { .. }
            | Self::Setting { .. }
            | Self::NoAddress
            | Self::NoSocket { .. }
            | Self::UnixSocketInUse { .. } => None,
        }
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<TlsError> for StartError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

impl From<ThreadError> for StartError {
    fn from(error: ThreadError) -> Self {
        let ThreadError { purpose, source } = error;
        Self::Thread { purpose, source }
    }
}
