//! How a dashboard is to be.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;

/// How a dashboard is to be.
#[derive(Clone, Debug, Default)]
pub struct DashboardOptions {
    /// Whether visitors who need not log in may change something.
    pub can_strangers_write: bool,
    /// Names, beside addresses and `localhost`, that it may be called by in a browser. Other names
    /// are refused: a page of somebody else could make its own name lead here.
    pub hosts: Vec<String>,
    /// It is reached by HTTPS; `None`: by HTTP.
    pub https: Option<HttpsConfig>,
}

/// What each connection by HTTPS begins with. It is asked for anew each time, so that a new
/// certificate needs no new start.
#[derive(Clone)]
pub struct HttpsConfig(Arc<dyn Fn() -> Option<Arc<ServerConfig>> + Send + Sync>);

impl HttpsConfig {
    /// By what this returns at each call, which must not wait; for `None` a connection is closed.
    #[must_use]
    pub fn new(present: impl Fn() -> Option<Arc<ServerConfig>> + Send + Sync + 'static) -> Self {
        Self(Arc::new(present))
    }

    pub(crate) fn present(&self) -> Option<Arc<ServerConfig>> {
        (self.0)()
    }
}

impl fmt::Debug for HttpsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpsConfig")
    }
}

/// The address of a dashboard cannot be taken.
#[derive(Debug)]
#[non_exhaustive]
pub struct BindError {
    /// Which one.
    pub address: SocketAddr,
    /// Why.
    pub source: io::Error,
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot listen on {} for the dashboard: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {}
