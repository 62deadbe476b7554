//! One server, by its address: Millstream, Redis or Valkey.
//!
//! Commands of all tasks share one connection; each reader has its own, since a blocking read
//! occupies one. A connection that broke is made anew by the next command that needs it.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{AsyncConnectionConfig, Client, Cmd, Pipeline, Value, cmd};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{Backend, Promise, Reader};
use crate::Error;

/// Time allowed for connecting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Time allowed for an answer, on top of the time that a read may block.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(crate) struct ServerBackend {
    client: Client,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    connection: Option<MultiplexedConnection>,
    /// Counts connections, so that one that broke is given up once.
    number: u64,
}

async fn connect(client: &Client) -> Result<MultiplexedConnection, Error> {
    let config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(CONNECT_TIMEOUT))
        // Limits are set where it is known how long an answer may take.
        .set_response_timeout(None);
    let connecting = client.get_multiplexed_async_connection_with_config(&config);
    // What hangs in a handshake after connecting is cut off, too.
    match timeout(2 * CONNECT_TIMEOUT, connecting).await {
        Ok(connected) => Ok(connected?),
        Err(elapsed) => Err(Error::Connection(Box::new(elapsed))),
    }
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

impl ServerBackend {
    /// Connects.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the address is none. [`Error::Connection`], [`Error::Refused`].
    pub(crate) async fn connect(url: &str) -> Result<Self, Error> {
        let client = Client::open(url)
            // Not the address itself, which may have a password.
            .map_err(|error| Error::Configuration(format!("the address is none: {error}")))?;
        let backend = Self { client, shared: Mutex::default() };
        backend.connection().await?;
        Ok(backend)
    }

    async fn connection(&self) -> Result<(MultiplexedConnection, u64), Error> {
        let mut shared = self.shared.lock().await;
        if let Some(connection) = &shared.connection {
            return Ok((connection.clone(), shared.number));
        }
        let connection = connect(&self.client).await?;
        shared.number += 1;
        shared.connection = Some(connection.clone());
        Ok((connection, shared.number))
    }

    /// Gives a connection up that broke.
    async fn give_up<T>(&self, number: u64, done: Result<T, Error>) -> Result<T, Error> {
        if matches!(done, Err(Error::Connection(_))) {
            let mut shared = self.shared.lock().await;
            if shared.number == number {
                shared.connection = None;
            }
        }
        done
    }
}

impl Backend for ServerBackend {
    fn run<'a>(&'a self, command: &'a Cmd) -> Promise<'a, Value> {
        Box::pin(async move {
            let (mut connection, number) = self.connection().await?;
            let answer = within(RESPONSE_TIMEOUT, connection.req_packed_command(command)).await;
            let answer = answer.and_then(|value| Ok(value.extract_error()?));
            self.give_up(number, answer).await
        })
    }

    fn run_all<'a>(&'a self, commands: &'a Pipeline) -> Promise<'a, Vec<Value>> {
        Box::pin(async move {
            let (mut connection, number) = self.connection().await?;
            let answer = within(RESPONSE_TIMEOUT, commands.query_async(&mut connection)).await;
            self.give_up(number, answer).await
        })
    }

    fn reader(&self) -> Promise<'_, Box<dyn Reader>> {
        Box::pin(async move {
            let mut connection = connect(&self.client).await?;
            let ask = cmd("CLIENT").arg("ID").to_owned();
            let id = within(RESPONSE_TIMEOUT, ask.query_async(&mut connection)).await?;
            Ok(Box::new(ServerReader { connection, id }) as Box<dyn Reader>)
        })
    }
}

struct ServerReader {
    connection: MultiplexedConnection,
    /// The server's number for the connection.
    id: u64,
}

impl Reader for ServerReader {
    fn read<'a>(&'a mut self, command: &'a Cmd, longest: Duration) -> Promise<'a, Value> {
        let limit = longest.saturating_add(RESPONSE_TIMEOUT);
        Box::pin(async move {
            let answer = within(limit, self.connection.req_packed_command(command)).await?;
            Ok(answer.extract_error()?)
        })
    }

    fn unblock(&self) -> Cmd {
        cmd("CLIENT").arg("UNBLOCK").arg(self.id).to_owned()
    }
}
