//! Where the server is in its life, and how to get to it.

use millstream::ConnectOptions;

/// What [`Dashboard::serve`](crate::Dashboard::serve) is told of the server.
#[derive(Clone, Debug)]
pub enum Lifecycle {
    /// It reads its data, and answers nobody yet.
    Starting,
    /// It is there, as far as anybody knows.
    Running(Box<Target>),
    /// It ends.
    Stopping,
}

/// How to get to a server.
#[derive(Clone, Debug)]
pub struct Target {
    /// What people know it by, without a password: its address.
    pub address: String,
    /// For what the dashboard itself has to know, such as numbers for monitoring.
    pub trusted: ConnectOptions,
    /// For visitors, with the credentials that they give; without any, as whoever the server takes
    /// a stranger for.
    pub anonymous: ConnectOptions,
}
