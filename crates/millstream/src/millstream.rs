//! The handle that consumers, managers and monitors are made of.

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd};

use crate::backend::{self, Backend, Replicas};
use crate::{Abilities, EntryId, Error, Producer, ToFields, reply};

/// A place that has streams. Cheap to clone; clones share a connection.
#[derive(Clone, Debug)]
pub struct Millstream {
    backend: Arc<dyn Backend>,
    abilities: Arc<Abilities>,
    replicas: Option<Replicas>,
}

impl Millstream {
    /// Connects to Millstream, Redis or Valkey: to a server by its address,
    /// `redis://[user:password@]host:port[/database]`, or to a Cluster by that of some of its
    /// servers, `redis+cluster://[user:password@]host:port[,host:port...]`. What it can do is found
    /// out here, once; all servers of a Cluster are taken to be able to do the same.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the address is none. [`Error::Connection`]: nobody answers there
    /// within 10 s. [`Error::Refused`]: wrong password, for one.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let backend = backend::connect(url).await?;
        let abilities = Arc::new(Abilities::find_out(&*backend).await?);
        Ok(Self { backend, abilities, replicas: None })
    }

    /// The same handle, whose entries are added only once so many replicas have them: producers
    /// wait for that as long as `within` (1 ms at least). What one replica has outlives the failure
    /// of its primary, if it is that replica which takes over: where there is one, or where all are
    /// waited for.
    #[must_use]
    pub fn with_replicas(mut self, count: u32, within: Duration) -> Self {
        self.replicas = (count > 0).then_some(Replicas { count, within });
        self
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
    /// [`Error::Unreplicated`]: it was added, and too few replicas said that they have it.
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

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) async fn run(&self, command: &Cmd) -> Result<redis::Value, Error> {
        self.backend.run(command).await
    }

    /// Runs a command that adds an entry, and waits for replicas where that was asked for.
    pub(crate) async fn run_add(&self, command: &Cmd) -> Result<EntryId, Error> {
        let understand = |answer| reply::id(&answer).map_err(reply::NotUnderstood::of("XADD"));
        let Some(replicas) = self.replicas else {
            return understand(self.backend.run(command).await?);
        };
        let (answer, count) = self.backend.run_replicated(command, replicas).await?;
        let id = understand(answer)?;
        if count < u64::from(replicas.count) {
            return Err(Error::Unreplicated { id, replicas: count });
        }
        Ok(id)
    }

    pub(crate) fn waits_for_replicas(&self) -> bool {
        self.replicas.is_some()
    }

    pub(crate) fn need(&self, is_there: bool, what: &'static str) -> Result<(), Error> {
        let unsupported = || Error::Unsupported { what, server: self.abilities.server.clone() };
        if is_there { Ok(()) } else { Err(unsupported()) }
    }
}
