//! The handle that consumers, managers and monitors are made of.

use std::sync::Arc;

use redis::{Cmd, cmd};

use crate::backend::{Backend, ServerBackend};
use crate::{Abilities, EntryId, Error, Producer, ToFields, reply};

/// A place that has streams. Cheap to clone; clones share a connection.
#[derive(Clone, Debug)]
pub struct Millstream {
    backend: Arc<dyn Backend>,
    abilities: Arc<Abilities>,
}

impl Millstream {
    /// Connects to a server by its address, `redis://[user:password@]host:port[/database]`: to
    /// Millstream, Redis or Valkey. What it can do is found out here, once.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the address is none. [`Error::Connection`]: nobody answers there
    /// within 10 s. [`Error::Refused`]: wrong password, for one.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let backend = ServerBackend::connect(url).await?;
        let abilities = Arc::new(Abilities::find_out(&backend).await?);
        Ok(Self { backend: Arc::new(backend), abilities })
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn over(backend: Arc<dyn Backend>, abilities: Abilities) -> Self {
        Self { backend, abilities: Arc::new(abilities) }
    }

    /// Lets go of what this is over. A store within this process is closed: what runs is ended
    /// first, all writes are on disk, and another may open it. From then on every clone of this
    /// handle answers [`Error::Store`]. Of a server nothing happens.
    ///
    /// # Errors
    /// [`Error::Store`]: the disk failed, what was confirmed is on it nevertheless. Dropped while
    /// it waits, the store is closed all the same.
    pub async fn close(&self) -> Result<(), Error> {
        self.backend.close().await
    }

    /// What the server can do.
    #[must_use]
    pub fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Adds an entry at the end of a stream, which is made if it is not there. When this returns
    /// the entry is as safe as the server makes a write before it answers; on Millstream, by
    /// default, on disk.
    ///
    /// # Errors
    /// [`Error::Configuration`]: what was given is no entry. Those of the server. After
    /// [`Error::Connection`] it may have been added or not. Dropped while it waits, the same.
    pub async fn add(&self, stream: &str, payload: &impl ToFields) -> Result<EntryId, Error> {
        Producer::new(self, stream).add(payload).await
    }

    /// How many entries a stream has; 0 if it is not there.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn len(&self, stream: &str) -> Result<u64, Error> {
        let answer = self.backend.run(cmd("XLEN").arg(stream)).await?;
        reply::count(&answer).map_err(reply::NotUnderstood::of("XLEN"))
    }

    /// Runs any command, for what this crate has no method for; the crate `redis` is there as
    /// [`crate::redis`]. Not for reads that block: on a server they hold up everybody on this
    /// handle, and within the process they do not wait.
    ///
    /// # Errors
    /// Those of the server. After [`Error::Connection`] it may have been done or not. Dropped while
    /// it waits, the same.
    pub async fn query(&self, command: &Cmd) -> Result<redis::Value, Error> {
        self.run(command).await
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) async fn run(&self, command: &Cmd) -> Result<redis::Value, Error> {
        self.backend.run(command).await
    }

    pub(crate) fn need(&self, is_there: bool, what: &'static str) -> Result<(), Error> {
        let unsupported = || Error::Unsupported { what, server: self.abilities.server.clone() };
        if is_there { Ok(()) } else { Err(unsupported()) }
    }
}
