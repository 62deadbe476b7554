//! How to reach a server, beyond its address.

use std::fmt;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

use crate::{Error, Millstream};

/// Time allowed for an answer, unless other is said.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

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
    pub(crate) password: Option<String>,
    pub(crate) response_timeout: Duration,
    pub(crate) authorities: Option<Vec<u8>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) sentinel: Option<Credentials>,
    pub(crate) who: Who,
    pub(crate) dial: Option<Dial>,
}

/// A certificate with its chain, and its key, in PEM.
#[derive(Clone)]
pub(crate) struct Identity {
    pub(crate) certificate: Vec<u8>,
    pub(crate) key: Vec<u8>,
}

/// What makes connections.
#[derive(Clone)]
pub(crate) struct Dial(pub(crate) Arc<dyn Fn() -> io::Result<UnixStream> + Send + Sync>);

/// Who to be for the servers.
#[derive(Clone)]
pub(crate) enum Who {
    /// As the address and the password say.
    OfAddress,
    Nobody,
    Other(Credentials),
}

/// Who to be.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) user: Option<String>,
    pub(crate) password: String,
}

impl ConnectOptions {
    /// With an address alone.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            password: None,
            response_timeout: RESPONSE_TIMEOUT,
            authorities: None,
            identity: None,
            sentinel: None,
            who: Who::OfAddress,
            dial: None,
        }
    }

    /// To the one server that such connections lead to, which need not have an address: each is
    /// made by calling `dial`, which must not wait.
    #[must_use]
    pub fn dialled(dial: impl Fn() -> io::Result<UnixStream> + Send + Sync + 'static) -> Self {
        Self { dial: Some(Dial(Arc::new(dial))), ..Self::new("redis+unix:///dialled") }
    }

    /// Who to be for the servers, whatever the address says. Without a user: the default one.
    #[must_use]
    pub fn credentials(mut self, user: Option<&str>, password: impl Into<String>) -> Self {
        let (user, password) = (user.map(str::to_owned), password.into());
        self.who = Who::Other(Credentials { user, password });
        self
    }

    /// Nobody for the servers, whatever the address and [`Self::password`] say: as whom they take
    /// strangers for. With [`Self::tls_identity`], by which a server may know a user, each
    /// connection begins with RESET, which servers know since Redis 6.2.
    #[must_use]
    pub fn without_credentials(mut self) -> Self {
        self.who = Who::Nobody;
        self
    }

    /// The address without its password, to be shown to people and written to logs.
    #[must_use]
    pub fn address(&self) -> String {
        let (scheme, rest) = match self.url.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), &*self.url),
        };
        // What is behind the last one is no password, even where one was not encoded.
        let (user, rest) = match rest.rsplit_once('@') {
            Some((user, rest)) => (user.split(':').next().unwrap_or_default(), rest),
            None => ("", rest),
        };
        let at = if user.is_empty() { "" } else { "@" };
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let is_open = |item: &&str| !item.is_empty() && !item.starts_with("pass=");
        let query: Vec<&str> = query.split('&').filter(is_open).collect();
        let mark = if query.is_empty() { "" } else { "?" };
        format!("{scheme}{user}{at}{rest}{mark}{}", query.join("&"))
    }

    /// A password for the servers, where the address has none.
    #[must_use]
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.password = Some(password.into());
        self
    }

    /// How long an answer may take, on top of the time that a read may block; 10 s by default.
    /// Where it is less than 10 s, connecting may not take longer either. What has no answer by
    /// then is [`Error::Connection`].
    #[must_use]
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.response_timeout = timeout;
        self
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
            .field("is_dialled", &self.dial.is_some())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://a:1/2", "redis://a:1/2"),
            ("redis://:hunter2@a:1/2", "redis://a:1/2"),
            ("rediss://ada:hunter2@a:1?protocol=resp3", "rediss://ada@a:1?protocol=resp3"),
            ("redis+cluster://ada:hun/ter@2@a:1,b", "redis+cluster://ada@a:1,b"),
            ("redis+unix:///s?db=1&user=u&pass=hunter2", "redis+unix:///s?db=1&user=u"),
            ("redis+unix:///s?pass=hunter2", "redis+unix:///s"),
            ("ada:hunter2@a:1", "ada@a:1"),
            ("nonsense", "nonsense"),
        ] {
            assert_eq!(ConnectOptions::new(url).address(), shown);
        }
    }
}
