//! What the toolkit runs on.
//!
//! A backend carries commands to whoever has the streams, and answers back. It knows nothing of
//! workers. Closed on purpose: what is supported is what the suite in `tests/it` runs on.

mod address;
mod cluster;
#[cfg(feature = "embedded")]
mod embedded;
mod link;
mod login;
mod retrying;
mod sentinel;
mod server;
mod shared;
mod tls;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, Pipeline, Value};

use self::address::{Address, Kind};
use self::cluster::ClusterBackend;
use self::sentinel::SentinelBackend;
use self::server::ServerBackend;
use crate::{ConnectOptions, Error};

#[cfg(feature = "embedded")]
pub(crate) use embedded::{EmbeddedBackend, EngineClock, ManualClock};

/// A future without a name.
pub(crate) type Promise<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// How many replicas are to have a write, and how long they are waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Replicas {
    pub(crate) count: u32,
    pub(crate) within: Duration,
}

/// Commands and answers. Every method may be called from many tasks at once.
pub(crate) trait Backend: fmt::Debug + Send + Sync {
    /// Runs a command that does not block. Never twice: after [`Error::Connection`] it may have
    /// been done or not. Dropped while it waits, the same.
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value>;

    /// Runs several in one round trip; in one transaction, all or none, if the pipeline is atomic.
    /// One that is refused fails all that an atomic one would have done; one that an XFENCE ended
    /// did nothing, and has no answers. Keys of an atomic one are of one place
    /// ([`Self::place_of`]).
    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>>;

    /// Lets go of what it has; of a server's connections there is nothing to wait for.
    fn close(&self) -> Promise<'_, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// Runs a command that writes, and returns how many replicas have got it within that time, or
    /// as soon as so many have.
    fn run_replicated<'a>(
        &'a self,
        command: &'a Cmd,
        _replicas: Replicas,
    ) -> Promise<'a, (Value, u64)> {
        Box::pin(async move { Ok((self.run(command).await?, 0)) })
    }

    /// Another connection, of its own, for what blocks on this stream and others of its place.
    fn reader<'a>(&'a self, stream: &'a [u8]) -> Promise<'a, Box<dyn Reader>>;

    /// Keys that have the same number can be in one command or transaction.
    fn place_of(&self, _key: &[u8]) -> u16 {
        0
    }

    /// One place of each server that has keys: to go through all keys, each is gone through.
    fn places(&self) -> Promise<'_, Vec<u16>> {
        Box::pin(std::future::ready(Ok(vec![0])))
    }

    /// As [`Self::run`], by the server that has this place, whatever the command is about.
    fn run_at<'a>(&'a self, _place: u16, command: &'a Cmd) -> Promise<'a, Value> {
        self.run(command)
    }
}

/// A connection for reads that block.
pub(crate) trait Reader: Send {
    /// Runs a command that blocks for `longest` at most. After [`Error::Connection`] the reader is
    /// of no use any more; after any error, what is pending for this consumer may be other than it
    /// was. Dropped while it waits, entries may be delivered and never arrive: they
    /// are pending for this consumer, and come back as its history.
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value>;

    /// Makes a read that goes on meanwhile, or is about to begin, return at once with what it has.
    /// Asks again until it did; to be dropped once the read has returned.
    fn unblock(&self) -> Promise<'static, ()>;
}

/// Connects to whatever is at this address.
///
/// # Errors
/// [`Error::Configuration`]: the address is none. [`Error::Connection`], [`Error::Refused`].
pub(crate) async fn connect(options: &ConnectOptions) -> Result<Arc<dyn Backend>, Error> {
    let Address { kind, access, nodes } = Address::parse(options)?;
    Ok(match kind {
        Kind::Server => Arc::new(ServerBackend::connect(&access).await?),
        Kind::Cluster => Arc::new(ClusterBackend::connect(access, nodes).await?),
        Kind::Sentinel { service, access: to_sentinels } => {
            let backend = SentinelBackend::connect(access, service, &to_sentinels, &nodes);
            Arc::new(backend.await?)
        }
    })
}
