//! Connections to one server.
//!
//! Commands of all tasks share one; each reader has its own, since a blocking read occupies one. A
//! connection that broke is made anew by the next command that needs it.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Promise, Reader, Replicas};
use crate::milliseconds::milliseconds;
use crate::{Error, reply};

/// Time allowed for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time allowed for an answer, on top of the time that a read may block.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

/// A server, and a connection to it that is shared.
#[derive(Debug)]
pub(super) struct Link {
    client: Client,
    shared: Mutex<Shared>,
    /// For writes that wait for replicas: others do not wait with them.
    waiting: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that one that broke is given up once.
    number: u64,
}

/// The shared connection as it is now.
pub(super) struct Current {
    connection: MultiplexedConnection,
    number: u64,
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, Error> {
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(elapsed) => Err(Error::Connection(Box::new(elapsed))),
    }
}

impl Link {
    pub(super) fn new(client: Client) -> Self {
        Self { client, shared: Mutex::default(), waiting: Mutex::default() }
    }

    /// The shared connection, made if there is none. After an error nothing was sent.
    pub(super) async fn current(&self) -> Result<Current, Error> {
        self.current_of(&self.shared).await
    }

    /// The same for writes that wait for replicas.
    pub(super) async fn current_waiting(&self) -> Result<Current, Error> {
        self.current_of(&self.waiting).await
    }

    async fn current_of(&self, shared: &Mutex<Shared>) -> Result<Current, Error> {
        let mut shared = shared.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok(Current { connection: connection.clone(), number: shared.number });
        }
        let connection = self.connect().await?;
        shared.number += 1;
        shared.connection = Some(connection.clone());
        Ok(Current { connection, number: shared.number })
    }

    /// One more connection.
    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            // Limits are set where it is known how long an answer may take.
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        // What hangs in a handshake after connecting is cut off, too.
        within(2 * CONNECT_TIMEOUT, connecting).await
    }

    /// Runs a command on the shared connection.
    pub(super) async fn run(&self, command: &Cmd) -> Result<Value, Error> {
        let current = self.current().await?;
        self.run_on(current, command).await
    }

    pub(super) async fn run_on(&self, current: Current, command: &Cmd) -> Result<Value, Error> {
        let Current { mut connection, number } = current;
        let answer = within(RESPONSE_TIMEOUT, connection.req_packed_command(command)).await;
        let answer = answer.and_then(|value| Ok(value.extract_error()?));
        give_up(&self.shared, number, answer).await
    }

    /// Runs a command that writes, asking first if `is_asking`, and waits for replicas on the same
    /// connection, which is what WAIT is about. Returns its answer and how many have it; what WAIT
    /// says when the server is no primary any more counts as none.
    pub(super) async fn run_replicated_on(
        &self,
        current: Current,
        command: &Cmd,
        replicas: Replicas,
        is_asking: bool,
    ) -> Result<(Value, u64), Error> {
        let Current { mut connection, number } = current;
        let mut all = redis::pipe();
        if is_asking {
            all.cmd("ASKING");
        }
        all.add_command(command.clone());
        // 0 would be for ever.
        let within_ms = milliseconds(replicas.within).max(1);
        all.cmd("WAIT").arg(replicas.count).arg(within_ms);
        let limit = replicas.within.saturating_add(RESPONSE_TIMEOUT);
        let answer = within(limit, connection.req_packed_commands(&all, 0, all.len())).await;
        let mut answers = give_up(&self.waiting, number, answer).await?;
        let (count, answer) = (answers.pop(), answers.pop());
        let answer = answer.ok_or(Error::Answer("WAIT"))?.extract_error()?;
        Ok((answer, count.and_then(|it| reply::count(&it).ok()).unwrap_or(0)))
    }

    /// Runs several; what was refused is among the answers.
    pub(super) async fn run_each_on(
        &self,
        current: Current,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let Current { mut connection, number } = current;
        let answers = connection.req_packed_commands(commands, 0, commands.len());
        let answers = within(RESPONSE_TIMEOUT, answers).await;
        give_up(&self.shared, number, answers).await
    }

    pub(super) async fn run_all_on(
        &self,
        current: Current,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let Current { mut connection, number } = current;
        let answer = within(RESPONSE_TIMEOUT, commands.query_async(&mut connection)).await;
        give_up(&self.shared, number, answer).await
    }
}

/// Gives the connection up if it broke.
async fn give_up<T>(
    shared: &Mutex<Shared>,
    number: u64,
    done: Result<T, Error>,
) -> Result<T, Error> {
    if matches!(done, Err(Error::Connection(_))) {
        let mut shared = shared.lock().await;
        if shared.number == number {
            shared.connection = None;
        }
    }
    done
}

/// A connection of its own for reads that block.
pub(super) struct LinkReader {
    link: Arc<Link>,
    connection: MultiplexedConnection,
    /// The server's number for the connection.
    id: u64,
}

impl LinkReader {
    pub(super) async fn connect(link: &Arc<Link>) -> Result<Self, Error> {
        let mut connection = link.connect().await?;
        let ask = cmd("CLIENT").arg("ID").to_owned();
        let id = within(RESPONSE_TIMEOUT, ask.query_async(&mut connection)).await?;
        Ok(Self { link: Arc::clone(link), connection, id })
    }

    /// The same after ASKING: the server may only be about to get the key.
    pub(super) async fn read_asking(
        &mut self,
        command: &Cmd,
        longest: Duration,
    ) -> Result<Value, Error> {
        let mut both = redis::pipe();
        both.cmd("ASKING").ignore().add_command(command.clone());
        let limit = longest.saturating_add(RESPONSE_TIMEOUT);
        let answer: Vec<Value> = within(limit, both.query_async(&mut self.connection)).await?;
        answer.into_iter().next().ok_or(Error::Answer("ASKING"))
    }
}

/// Where a read goes on, if one does.
#[derive(Clone, Debug, Default)]
pub(super) struct Whereabouts(Arc<parking_lot::Mutex<Option<Place>>>);

/// A server, and its number for a connection.
type Place = (Arc<Link>, u64);

impl Whereabouts {
    /// A read begins there.
    pub(super) fn begins(&self, reader: &LinkReader) {
        *self.0.lock() = Some((Arc::clone(&reader.link), reader.id));
    }

    /// It is over.
    pub(super) fn ended(&self) {
        *self.0.lock() = None;
    }

    /// Makes it return.
    pub(super) fn unblock(&self) -> Promise<'static, ()> {
        let at = self.clone();
        Box::pin(async move {
            let at = at.0.lock().clone();
            match at {
                Some((link, id)) => unblock(link, id).await,
                None => Ok(()),
            }
        })
    }
}

/// Makes a read return that goes on on this connection.
async fn unblock(link: Arc<Link>, id: u64) -> Result<(), Error> {
    link.run(cmd("CLIENT").arg("UNBLOCK").arg(id)).await.map(drop)
}

impl Reader for LinkReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value> {
        let limit = longest.saturating_add(RESPONSE_TIMEOUT);
        Box::pin(async move {
            let answer = within(limit, self.connection.req_packed_command(command)).await?;
            // Not by extract_error, which goes through all of it: no read has an error inside.
            match answer {
                Value::ServerError(error) => Err(redis::RedisError::from(error).into()),
                answer => Ok(answer),
            }
        })
    }

    fn unblock(&self) -> Promise<'static, ()> {
        Box::pin(unblock(Arc::clone(&self.link), self.id))
    }
}
