//! The handle that consumers, managers and monitors are made of.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use redis::{Cmd, Pipeline, cmd};

use crate::backend::{self, Backend, Replicas};
use crate::{Abilities, ConnectOptions, EntryId, Error, Producer, ToFields, reply};

/// A place that has streams. Cheap to clone; clones share a connection.
#[derive(Clone, Debug)]
pub struct Millstream {
    backend: Arc<dyn Backend>,
    abilities: Arc<Abilities>,
    replicas: Option<Replicas>,
}

impl Millstream {
    /// Connects to Millstream, Redis or Valkey by an address: of one server, of a Cluster, or of
    /// Sentinels that watch one; [`ConnectOptions`] lists the forms. What it can do is found out
    /// here, once; all servers of a Cluster are taken to be able to do the same.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the address is none. [`Error::Connection`]: nobody answers there
    /// within 10 s, or shows a certificate that is not to be believed. [`Error::Refused`]: wrong
    /// password, for one.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        Self::connect_with(&ConnectOptions::new(url)).await
    }

    pub(crate) async fn connect_with(options: &ConnectOptions) -> Result<Self, Error> {
        let backend = backend::connect(options).await?;
        let abilities = Arc::new(Abilities::find_out(&*backend).await?);
        Ok(Self { backend, abilities, replicas: None })
    }

    /// The same handle, with an [`Self::add`] that returns only once so many replicas have the
    /// entry, for as long as `within` (1 ms at least). What one replica has outlives the failure of
    /// its primary, where it is that replica which takes over: so it is with one replica, or with
    /// as many as there are.
    ///
    /// Each such write has a connection to the server for itself while it waits: 16 at most, which
    /// are kept for later ones. More than that wait for their turn first, however long that takes.
    #[must_use]
    pub fn with_replicas(mut self, count: u32, within: Duration) -> Self {
        self.replicas = (count > 0).then_some(Replicas { count, within });
        self
    }

    #[cfg(feature = "embedded")]
    pub(crate) fn over(backend: Arc<dyn Backend>, abilities: Abilities) -> Self {
        Self { backend, abilities: Arc::new(abilities), replicas: None }
    }

    /// Lets go of what this is over. A store within this process is closed: what runs is ended
    /// first, all writes are on disk, and another may open it. From then on every clone of this
    /// handle answers [`Error::Store`]. A call that was begun and is not polled any more, but not
    /// dropped either, holds that up. Of a server nothing happens.
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

    /// The same handle, as able as another one to this server was found to be: for a user who may
    /// not ask what the server can do (`INFO`), and is refused what they may not do by the server
    /// itself.
    #[must_use]
    pub fn with_abilities(mut self, abilities: Abilities) -> Self {
        self.abilities = Arc::new(abilities.refused_as(&self.abilities));
        self
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

    /// The clock of the server, which is what times of entries go by. Of a Cluster, that of any of
    /// its servers.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn time(&self) -> Result<SystemTime, Error> {
        let not_understood = || reply::NotUnderstood::of("TIME");
        let answer = reply::array(self.backend.run(&cmd("TIME")).await?);
        let answer = answer.map_err(not_understood())?;
        let [seconds, micros] = &answer[..] else { return Err(Error::Answer("TIME")) };
        let seconds = reply::count(seconds).map_err(not_understood())?;
        let micros = reply::count(micros).map_err(not_understood())?;
        let time = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros));
        time.and_then(|time| SystemTime::UNIX_EPOCH.checked_add(time)).ok_or(Error::Answer("TIME"))
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

    /// Runs several commands in one round trip, in their order, and returns an answer for each. Not
    /// as one transaction, unless the pipeline is [`atomic`](redis::Pipeline::atomic); on a Cluster
    /// each goes to the server of its key. As [`Self::query`], not for reads that block, but on a
    /// handle that nobody else uses.
    ///
    /// # Errors
    /// Those of the server: the first command that was refused says why, the others were done
    /// nevertheless. After [`Error::Connection`] each may have been done or not. Dropped while it
    /// waits, the same.
    pub async fn query_all(&self, commands: &Pipeline) -> Result<Vec<redis::Value>, Error> {
        self.backend.run_all(commands).await
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    pub(crate) async fn run(&self, command: &Cmd) -> Result<redis::Value, Error> {
        self.backend.run(command).await
    }

    /// Runs a command that answers with the ID of an entry that it added, and waits for as many
    /// replicas as [`Self::with_replicas`] says.
    pub(crate) async fn add_by(&self, command: &Cmd) -> Result<EntryId, Error> {
        let Some(replicas) = self.replicas else {
            let answer = self.backend.run(command).await?;
            return reply::id(&answer).map_err(reply::NotUnderstood::of("XADD"));
        };
        let (answer, count) = self.backend.run_replicated(command, replicas).await?;
        let id = reply::id(&answer).map_err(reply::NotUnderstood::of("XADD"))?;
        if count < u64::from(replicas.count) {
            return Err(Error::Unreplicated { id, replicas: count });
        }
        Ok(id)
    }

    /// Runs a command that writes, which has failed unless replicas have it, where that was asked
    /// for.
    pub(crate) async fn run_surely(&self, command: &Cmd) -> Result<redis::Value, Error> {
        let Some(replicas) = self.replicas else { return self.run(command).await };
        let (answer, count) = self.backend.run_replicated(command, replicas).await?;
        if count < u64::from(replicas.count) {
            let text = format!("only {count} replicas have it");
            return Err(Error::Refused { code: "NOREPLICAS".to_owned(), text });
        }
        Ok(answer)
    }

    pub(crate) fn is_replicated(&self) -> bool {
        self.replicas.is_some()
    }

    pub(crate) fn need(&self, is_there: bool, what: &'static str) -> Result<(), Error> {
        let unsupported = || Error::Unsupported { what, server: self.abilities.server.clone() };
        if is_there { Ok(()) } else { Err(unsupported()) }
    }

    /// The same of what these commands are needed for: it may be that only this user lacks it, who
    /// may not run them.
    pub(crate) fn need_by(
        &self,
        commands: &[&str],
        is_there: bool,
        what: &'static str,
    ) -> Result<(), Error> {
        let refusal = commands.iter().find_map(|command| self.abilities.refusal(command));
        match refusal.filter(|_| !is_there) {
            Some(refusal) => Err(refusal),
            None => self.need(is_there, what),
        }
    }
}
