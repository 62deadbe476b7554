//! Where a connection comes from or goes to, as CLIENT LIST shows it.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

/// One end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    Tcp(SocketAddr),
    /// The path of the server's socket: clients of it have no address of their own.
    Unix(Arc<str>),
    /// This process.
    Own,
}

impl Address {
    pub(crate) fn is_unix(&self) -> bool {
        matches!(self, Self::Unix(_) | Self::Own)
    }

    /// Whether nobody but this machine can be there.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) | Self::Own => true,
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "{path}:0"),
            Self::Own => f.write_str("millstream:0"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unix_socket_has_port_zero() {
        let unix = Address::Unix("/run/m.sock".into());
        assert_eq!(unix.to_string(), "/run/m.sock:0");
        assert!(unix.is_unix() && unix.is_local());
        let tcp = |text: &str| Address::Tcp(text.parse().expect("an address"));
        assert_eq!(tcp("[::1]:7").to_string(), "[::1]:7");
        assert!(tcp("127.0.0.1:1").is_local() && tcp("[::ffff:127.0.0.1]:1").is_local());
        assert!(!tcp("10.0.0.1:1").is_local());
    }
}
