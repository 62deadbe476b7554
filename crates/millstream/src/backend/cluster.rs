//! A Cluster: many servers, each with some of the slots that keys are in.
//!
//! Commands go to whoever has the slot of their key. What a server refuses because it is not the
//! one (MOVED, ASK), or not yet or not any more (TRYAGAIN, CLUSTERDOWN, LOADING, READONLY), it did
//! not do: that is sent again, to the right one, for 10 s at most. What may have been done is never
//! sent again: a connection that broke after a command was sent is the caller's to judge
//! ([`Error::Connection`]). The client library's own Cluster connection does send again then, so
//! that an entry could be added twice; that is why routing is done here, on its plain connections.
//!
//! All servers are taken to be able to do the same. Tests: `tests/it/cluster`, and the suite.

mod key;
mod reader;
mod redirection;
mod several;
mod topology;

use std::sync::Arc;

use redis::{Cmd, Pipeline, Value};

use self::key::{slot_of, slot_of_all};
use self::reader::ClusterReader;
use self::redirection::Redirection;
use self::topology::{Node, Topology};
use super::address::{Access, HostPort};
use super::retrying::{Retrying, is_hopeless};
use super::{Backend, Promise, Reader, Replicas};
use crate::hash_slot::hash_slot;
use crate::{Error, reply};

/// Redirections in a row that are followed at once.
const AT_ONCE_MAX: u64 = 3;

#[derive(Debug)]
pub(crate) struct ClusterBackend {
    topology: Arc<Topology>,
}

/// What is sent to one server.
#[derive(Clone, Copy)]
enum Request<'a> {
    One(&'a Cmd),
    /// A transaction.
    Atomic(&'a Pipeline),
    /// A write that waits for replicas.
    Replicated(&'a Cmd, Replicas),
}

/// Whom to ask instead of the owner of the slot.
struct Heir {
    node: Arc<Node>,
    /// It is only about to get the slot, and must be told that we know.
    is_asking: bool,
}

/// Why there is no answer.
enum Failure {
    /// Nobody was reached: nothing was done.
    Unsent(Error),
    /// By this server's word, or by its silence.
    Sent(Error, Arc<Node>),
}

impl Heir {
    fn owner(node: Arc<Node>) -> Self {
        Self { node, is_asking: false }
    }
}

impl ClusterBackend {
    /// Asks these servers who the others are.
    ///
    /// # Errors
    /// [`Error::Connection`]: none of them answers. [`Error::Refused`].
    pub(super) async fn connect(access: Access, seeds: Vec<HostPort>) -> Result<Self, Error> {
        Ok(Self { topology: Arc::new(Topology::find_out(access, seeds).await?) })
    }

    async fn perform(&self, slot: Option<u16>, request: Request<'_>) -> Result<Value, Error> {
        let mut retrying = Retrying::begin();
        let mut heir = None;
        loop {
            match self.once(slot, heir.take(), request).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => heir = self.after(slot, failure, &mut retrying).await?,
            }
        }
    }

    /// Waits until there is a point in another try, and returns whom to ask then, if that is not
    /// the owner of the slot.
    ///
    /// # Errors
    /// The failure, if there is none: it may have been done, or waiting does not help, or not any
    /// more.
    async fn after(
        &self,
        asked_for: Option<u16>,
        failure: Failure,
        retrying: &mut Retrying,
    ) -> Result<Option<Heir>, Error> {
        let (error, redirection) = match failure {
            Failure::Unsent(error) if is_hopeless(&error) => return Err(error),
            Failure::Unsent(error) => (error, Redirection::Later),
            Failure::Sent(error, node) => match Redirection::of(&error, &node.address) {
                Some(redirection) => (error, redirection),
                None => {
                    if matches!(error, Error::Connection(_)) {
                        self.topology.doubt();
                    }
                    return Err(error);
                }
            },
        };
        retrying.note(error)?;
        let must_wait = redirection == Redirection::Later || retrying.tries > AT_ONCE_MAX;
        let heir = match redirection {
            Redirection::Moved { slot, to } => {
                self.topology.note(slot, &to)?;
                // Of a command that we do not know: its key is not where we looked for it.
                let is_other = asked_for != Some(slot);
                is_other.then(|| self.topology.node(&to)).transpose()?.map(Heir::owner)
            }
            Redirection::Ask { to } => {
                Some(Heir { node: self.topology.node(&to)?, is_asking: true })
            }
            Redirection::Later => {
                self.topology.doubt();
                None
            }
        };
        if must_wait {
            retrying.wait().await;
        }
        Ok(heir)
    }

    async fn whom_to_ask(&self, slot: Option<u16>, heir: Option<Heir>) -> Result<Heir, Failure> {
        match heir {
            Some(heir) => Ok(heir),
            None => self.topology.owner(slot).await.map(Heir::owner).map_err(Failure::Unsent),
        }
    }

    async fn once(
        &self,
        slot: Option<u16>,
        heir: Option<Heir>,
        request: Request<'_>,
    ) -> Result<Value, Failure> {
        let Heir { node, is_asking } = self.whom_to_ask(slot, heir).await?;
        let current = async || node.link.current().await.map_err(Failure::Unsent);
        let answer = match request {
            Request::One(command) if is_asking => {
                let mut both = redis::pipe();
                both.cmd("ASKING").ignore().add_command(command.clone());
                let answers = node.link.run_all_on(current().await?, &both).await;
                answers.and_then(|all| all.into_iter().next().ok_or(Error::Answer("ASKING")))
            }
            Request::One(command) => node.link.run_on(current().await?, command).await,
            // That a transaction is ASKING cannot be said on a connection that others use: the
            // slot's move is waited for.
            Request::Atomic(commands) => {
                node.link.run_all_on(current().await?, commands).await.map(Value::Array)
            }
            Request::Replicated(command, replicas) => {
                let waiting = node.link.waiting().await.map_err(Failure::Unsent)?;
                let done = node.link.run_replicated_on(waiting, command, replicas, is_asking).await;
                done.map(|(answer, count)| Value::Array(vec![answer, count_value(count)]))
            }
        };
        answer.map_err(|error| Failure::Sent(error, node))
    }
}

fn count_value(count: u64) -> Value {
    Value::Int(i64::try_from(count).unwrap_or(i64::MAX))
}

impl Backend for ClusterBackend {
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(self.perform(slot_of(command), Request::One(command)))
    }

    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>> {
        Box::pin(async move {
            if !commands.is_transaction() {
                return self.perform_several(commands.cmd_iter().collect()).await;
            }
            let slot = slot_of_all(commands)?;
            match self.perform(slot, Request::Atomic(commands)).await? {
                Value::Array(answers) => Ok(answers),
                _ => Err(Error::Answer("EXEC")),
            }
        })
    }

    fn run_replicated<'a>(
        &'a self,
        command: &'a Cmd,
        replicas: Replicas,
    ) -> Promise<'a, (Value, u64)> {
        Box::pin(async move {
            let request = Request::Replicated(command, replicas);
            match self.perform(slot_of(command), request).await? {
                Value::Array(both) => match <[Value; 2]>::try_from(both) {
                    Ok([answer, count]) => Ok((answer, reply::count(&count).unwrap_or(0))),
                    Err(_) => Err(Error::Answer("WAIT")),
                },
                _ => Err(Error::Answer("WAIT")),
            }
        })
    }

    fn reader<'a>(&'a self, stream: &'a [u8]) -> Promise<'a, Box<dyn Reader>> {
        Box::pin(async move {
            let slot = hash_slot(stream);
            let reader = ClusterReader::connect(Arc::clone(&self.topology), slot).await?;
            Ok(Box::new(reader) as Box<dyn Reader>)
        })
    }

    fn place_of(&self, key: &[u8]) -> u16 {
        hash_slot(key)
    }

    fn places(&self) -> Promise<'_, Vec<u16>> {
        Box::pin(self.topology.places())
    }

    fn run_at<'a>(&'a self, place: u16, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(self.perform(Some(place), Request::One(command)))
    }
}
