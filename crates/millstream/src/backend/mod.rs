//! What the toolkit runs on.
//!
//! A backend carries commands to whoever has the streams, and answers back. It knows nothing of
//! workers. Closed on purpose: what is supported is what the suite in `tests/it` runs on.

#[cfg(feature = "embedded")]
mod embedded;
mod server;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use crate::Error;

#[cfg(feature = "embedded")]
pub(crate) use embedded::{EmbeddedBackend, EngineClock, ManualClock};
pub(crate) use server::ServerBackend;

/// A future without a name.
pub(crate) type Promise<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// Commands and answers. Every method may be called from many tasks at once.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Runs a command that does not block. Never twice: after [`Error::Connection`] it may have
    /// been done or not. Dropped while it waits, the same.
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value>;

    /// Runs several in one round trip; in one transaction, all or none, if the pipeline is atomic.
    /// One that is refused fails all that an atomic one would have done.
    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>>;

    /// Another connection, of its own, for what blocks.
    fn reader(&self) -> Promise<'_, Box<dyn Reader>>;

    /// Lets go of what it has; of a server's connections there is nothing to wait for.
    fn close(&self) -> Promise<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// A connection for reads that block.
pub(crate) trait Reader: Send {
    /// Runs a command that blocks for `longest` at most. After an error the reader is of no use any
    /// more. Dropped while it waits, entries may be delivered and never arrive: they are pending
    /// for this consumer, and come back as its history.
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value>;

    /// A command that, run by the backend, makes a read return at once with what it has.
    fn unblock(&self) -> Cmd;
}
