//! How a dashboard is to be.

use std::io;
use std::net::SocketAddr;

/// How a dashboard is to be.
#[derive(Clone, Debug, Default)]
pub struct DashboardOptions {
    /// Whether visitors who need not log in may change something.
    pub can_strangers_write: bool,
    /// Names, beside addresses and `localhost`, that it may be called by in a browser. Other names
    /// are refused: a page of somebody else could make its own name lead here.
    pub hosts: Vec<String>,
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

impl std::fmt::Display for BindError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "cannot listen on {} for the dashboard: {}", self.address, self.source)
    }
}

impl std::error::Error for BindError {}
