//! Connections to one server.
//!
//! Commands of all tasks share one; each reader has its own, since a blocking read occupies one,
//! and so has each write that waits for replicas while it does. A connection that broke is made
//! anew by the next command that needs it, as is one to a server that only takes reads any more:
//! the same address may lead to another one by then.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, RedisConnectionInfo, Value, cmd};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::login::Login;
use super::shared::{Current, Shared, Waiting, WaitingOnes, is_read_only};
use super::{Promise, Reader, Replicas};
use crate::connect_options::Dial;
use crate::milliseconds::milliseconds;
use crate::{Error, reply};

/// Time allowed for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A read that is to return may not have arrived yet: after so long it is asked again.
const UNBLOCK_INTERVAL: Duration = Duration::from_millis(20);

/// A server, and connections to it.
pub(super) struct Link {
    client: Client,
    /// What makes connections, in place of the client.
    dial: Option<Dial>,
    login: Login,
    shared: Shared,
    waiting: WaitingOnes,
    /// Time allowed for an answer, on top of the time that a read may block.
    response_timeout: Duration,
}

async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = redis::RedisResult<T>>,
) -> Result<T, Error> {
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(no_answer(limit)),
    }
}

fn no_answer(within: Duration) -> Error {
    Error::Connection(format!("there was no answer within {within:?}").into())
}

impl Link {
    /// `begins_anew`: who we are by our certificate is to be forgotten.
    pub(super) fn new(
        client: Client,
        dial: Option<Dial>,
        response_timeout: Duration,
        begins_anew: bool,
    ) -> Self {
        let (client, login) = Login::take_from(client, begins_anew);
        let (shared, waiting) = (Shared::default(), WaitingOnes::default());
        Self { client, dial, login, shared, waiting, response_timeout }
    }

    /// The shared connection, made if there is none. After an error nothing was sent.
    pub(super) async fn current(&self) -> Result<Current, Error> {
        self.shared.current(|| self.connect()).await
    }

    /// One for a write that waits for replicas. After an error nothing was sent.
    pub(super) async fn waiting(&self) -> Result<Waiting<'_>, Error> {
        self.waiting.take(|| self.connect()).await
    }

    /// One more connection.
    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            // Limits are set where it is known how long an answer may take.
            .set_response_timeout(None);
        let connecting = async {
            let mut connection = match &self.dial {
                None => self.client.get_multiplexed_async_connection_with_config(&config).await?,
                Some(dial) => dialled(dial, config).await?,
            };
            self.login.log_in(&mut connection).await?;
            Ok(connection)
        };
        // What hangs in a handshake after connecting is cut off, too.
        within(self.response_timeout.min(2 * CONNECT_TIMEOUT), connecting).await
    }

    /// Runs a command on the shared connection.
    pub(super) async fn run(&self, command: &Cmd) -> Result<Value, Error> {
        let current = self.current().await?;
        self.run_on(current, command).await
    }

    /// The same within this time, connecting included. A connection on which there is no answer by
    /// then is given up: it may be dead, and nobody else may find that out.
    pub(super) async fn run_within(&self, limit: Duration, command: &Cmd) -> Result<Value, Error> {
        let until = Instant::now() + limit;
        let current = match timeout(limit, self.current()).await {
            Ok(current) => current?,
            Err(_) => return Err(no_answer(limit)),
        };
        self.run_until(until, limit, current, command).await
    }

    pub(super) async fn run_on(&self, current: Current, command: &Cmd) -> Result<Value, Error> {
        let limit = self.response_timeout;
        self.run_until(Instant::now() + limit, limit, current, command).await
    }

    /// `limit` is how long all of it may take, as it is told.
    async fn run_until(
        &self,
        until: Instant,
        limit: Duration,
        Current { mut connection, number }: Current,
        command: &Cmd,
    ) -> Result<Value, Error> {
        let answer = timeout_at(until, connection.req_packed_command(command)).await;
        let answer = match answer {
            Ok(answer) => answer.and_then(Value::extract_error).map_err(Error::from),
            Err(_) => Err(no_answer(limit)),
        };
        self.shared.note(number, answer)
    }

    /// Runs a command that writes, asking first if `is_asking`, and waits for replicas on the same
    /// connection, which is what WAIT is about. Returns its answer and how many have it; what WAIT
    /// says when the server is no primary any more counts as none.
    pub(super) async fn run_replicated_on(
        &self,
        mut waiting: Waiting<'_>,
        command: &Cmd,
        replicas: Replicas,
        is_asking: bool,
    ) -> Result<(Value, u64), Error> {
        let mut all = redis::pipe();
        if is_asking {
            all.cmd("ASKING");
        }
        all.add_command(command.clone());
        // 0 would be for ever.
        let within_ms = milliseconds(replicas.within).max(1);
        all.cmd("WAIT").arg(replicas.count).arg(within_ms);
        let limit = replicas.within.saturating_add(self.response_timeout);
        let answers = waiting.connection.req_packed_commands(&all, 0, all.len());
        let answers = within(limit, answers).await.and_then(|mut answers| {
            let (count, answer) = (answers.pop(), answers.pop());
            let answer = answer.ok_or(Error::Answer("WAIT"))?.extract_error()?;
            Ok((answer, count.and_then(|it| reply::count(&it).ok()).unwrap_or(0)))
        });
        self.waiting.give_back(waiting, answers)
    }

    /// Runs several; what was refused is among the answers.
    pub(super) async fn run_each_on(
        &self,
        current: Current,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let Current { mut connection, number } = current;
        let answers = connection.req_packed_commands(commands, 0, commands.len());
        let answers = within(self.response_timeout, answers).await;
        self.shared.note(number, answers)
    }

    pub(super) async fn run_all_on(
        &self,
        current: Current,
        commands: &Pipeline,
    ) -> Result<Vec<Value>, Error> {
        let Current { mut connection, number } = current;
        let answer = within(self.response_timeout, commands.query_async(&mut connection)).await;
        self.shared.note(number, answer)
    }
}

async fn dialled(
    Dial(dial): &Dial,
    config: AsyncConnectionConfig,
) -> redis::RedisResult<MultiplexedConnection> {
    let stream = UnixStream::from_std(dial()?)?;
    let nobody = RedisConnectionInfo::default();
    let connecting = MultiplexedConnection::new_with_config(&nobody, stream, config);
    let (connection, driver) = connecting.await?;
    // It ends with the last clone of the connection.
    tokio::spawn(driver);
    Ok(connection)
}

impl fmt::Debug for Link {
    /// Without the address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").field("login", &self.login).finish_non_exhaustive()
    }
}

/// A connection of its own for reads that block.
pub(super) struct LinkReader {
    link: Arc<Link>,
    connection: MultiplexedConnection,
    /// The server's number for the connection, if it tells.
    id: Option<u64>,
}

impl LinkReader {
    pub(super) async fn connect(link: &Arc<Link>) -> Result<Self, Error> {
        let mut connection = link.connect().await?;
        let ask = cmd("CLIENT").arg("ID").to_owned();
        let id = match within(link.response_timeout, ask.query_async(&mut connection)).await {
            Ok(id) => Some(id),
            // Who may not ask (ACL) can read; only the end of a read is waited for.
            Err(Error::Refused { .. }) => None,
            Err(error) => return Err(error),
        };
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
        let limit = longest.saturating_add(self.link.response_timeout);
        let answer: Vec<Value> = within(limit, both.query_async(&mut self.connection)).await?;
        answer.into_iter().next().ok_or(Error::Answer("ASKING"))
    }
}

/// Where a read goes on, if one does.
#[derive(Clone, Debug, Default)]
pub(super) struct Whereabouts(Arc<parking_lot::Mutex<Option<Place>>>);

/// A server, and its number for a connection.
type Place = (Arc<Link>, Option<u64>);

impl Whereabouts {
    /// A read begins there.
    pub(super) fn begins(&self, reader: &LinkReader) {
        *self.0.lock() = Some((Arc::clone(&reader.link), reader.id));
    }

    /// It is over.
    pub(super) fn ended(&self) {
        *self.0.lock() = None;
    }

    /// Makes it return, once it goes on.
    pub(super) fn unblock(&self) -> Promise<'static, ()> {
        let at = self.clone();
        Box::pin(async move {
            loop {
                let place = at.0.lock().clone();
                match place {
                    Some((link, id)) => return unblock(link, id).await,
                    None => sleep(UNBLOCK_INTERVAL).await,
                }
            }
        })
    }
}

/// Makes a read return that goes on on this connection, or is on its way there.
async fn unblock(link: Arc<Link>, id: Option<u64>) -> Result<(), Error> {
    let Some(id) = id else { return Ok(()) };
    while link.run(cmd("CLIENT").arg("UNBLOCK").arg(id)).await? == Value::Int(0) {
        sleep(UNBLOCK_INTERVAL).await;
    }
    Ok(())
}

impl Reader for LinkReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value> {
        let limit = longest.saturating_add(self.link.response_timeout);
        Box::pin(async move {
            let answer = within(limit, self.connection.req_packed_command(command)).await?;
            // Not by extract_error, which goes through all of it: no read has an error inside.
            match answer {
                Value::ServerError(error) => match redis::RedisError::from(error).into() {
                    // Whoever is at this address now may be another one.
                    error if is_read_only(&error) => Err(Error::Connection(Box::new(error))),
                    error => Err(error),
                },
                answer => Ok(answer),
            }
        })
    }

    fn unblock(&self) -> Promise<'static, ()> {
        Box::pin(unblock(Arc::clone(&self.link), self.id))
    }
}
