//! How to reach a server, beyond its address.

use std::fmt;

use crate::{Error, Millstream};

/// An address, and what does not fit into one.
///
/// | address | what is there |
/// |---|---|
/// | `redis://[user:password@]host[:port][/database]` | a server; `valkey://` is the same |
/// | `rediss://...`, `valkeys://...` | the same, by TLS |
/// | `redis+unix:///path[?db=1&user=u&pass=p]` | a server, by a Unix socket |
/// | `redis+cluster://[user:password@]host[:port][,host[:port]...]` | a Cluster, by some of its servers |
/// | `redis+sentinel://[user:password@]host[:port][,host[:port]...]/service[/database]` | a server that Sentinels watch (port 26379) |
///
/// `rediss+cluster://` and `rediss+sentinel://` are the last two by TLS, with all servers and
/// Sentinels; `valkey` may stand for `redis` everywhere. User and password are those of the
/// servers. What is special in an address (`@`, `/`, `:`) is percent-encoded in a password. With
/// `?protocol=resp3` at the end RESP3 is spoken; `#insecure` is refused, as certificates are always
/// checked.
#[derive(Clone)]
pub struct ConnectOptions {
    pub(crate) url: String,
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) sentinel: Option<Credentials>,
}

/// A certificate with its chain, and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// Who to be for the Sentinels.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl ConnectOptions {
    /// With an address alone.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), authorities: None, identity: None, sentinel: None }
    }

    /// The server's certificate must be signed by one of these, in PEM. Default: those that the
    /// operating system trusts.
    #[must_use]
    pub fn tls_authorities(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Shows the server this certificate (with those between it and its authority), both in PEM.
    #[must_use]
    pub fn tls_identity(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        let (certificate, key) = (certificate.into(), key.into());
        self.identity = Some(Identity { certificate, key });
        self
    }

    /// What the Sentinels want to hear, which may be other than what the servers do. Without a
    /// user: the default one.
    #[must_use]
    pub fn sentinel_credentials(mut self, user: Option<&str>, password: impl Into<String>) -> Self {
        let (user, password) = (user.map(str::to_owned), password.into());
        self.sentinel = Some(Credentials { user, password });
        self
    }

    /// Connects, as [`Millstream::connect`] does.
    ///
    /// # Errors
    /// Those of [`Millstream::connect`]. [`Error::Configuration`] too if certificates or a key are
    /// none, or were given for an address without TLS.
    pub async fn connect(&self) -> Result<Millstream, Error> {
        Millstream::connect_with(self).await
    }
}

impl From<&str> for ConnectOptions {
    fn from(url: &str) -> Self {
        Self::new(url)
    }
}

impl fmt::Debug for ConnectOptions {
    /// Without the address, which may have a password, and without keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("has_authorities", &self.authorities.is_some())
            .field("has_identity", &self.identity.is_some())
            .finish_non_exhaustive()
    }
}
