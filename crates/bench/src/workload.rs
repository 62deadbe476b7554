//! What a workload is: something prepared on a fresh key, then run against the clock by clients.

use std::net::SocketAddr;
use std::time::Instant;

use crate::connection::Connection;
use crate::goal::Goal;
use crate::latency::Latencies;

/// One kind of load.
#[derive(Clone, Copy)]
pub struct Workload {
    /// Name on the command line.
    pub name: &'static str,
    /// What the clients do, in one line.
    pub summary: &'static str,
    /// What is counted as a message, in the singular.
    pub message: &'static str,
    /// Whether it is meant for servers that sync before they reply; all others run in the two
    /// modes that do not.
    pub synced: bool,
    /// Messages in a round by default: some two seconds of Redis on two cores.
    pub messages: u64,
    /// What one latency is; none where single round trips say nothing.
    pub round_trip: Option<&'static str>,
    /// What must hold beside the peer; nothing where the workload only informs.
    pub goals: &'static [Goal],
    /// Sets a round up.
    pub prepare: fn(&Round) -> anyhow::Result<Prepared>,
}

/// One visit to one server.
#[derive(Clone, Debug)]
pub struct Round {
    /// The server.
    pub address: SocketAddr,
    /// A key that does not exist; deleted after the round.
    pub key: String,
    /// Messages to come near to.
    pub messages: u64,
}

impl Round {
    /// Another connection to the server.
    pub fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(self.address)
    }

    /// Creates the stream with group `g`, which reads from its start.
    pub fn create_group(&self) -> anyhow::Result<Connection> {
        let mut connection = self.connect()?;
        connection.call(&["XGROUP", "CREATE", &self.key, "g", "0", "MKSTREAM"])?;
        Ok(connection)
    }
}

/// What one client thread does within the measured time.
pub type Client = Box<dyn FnOnce() -> anyhow::Result<Finished> + Send>;

/// Looks, after the measured time and before the key is deleted, whether all is as it must be.
pub type Check = Box<dyn FnOnce(&mut Connection) -> anyhow::Result<()>>;

/// How a client came to its end.
pub struct Finished {
    /// Its round trips.
    pub latencies: Latencies,
    /// Replies that brought it entries; 0 for whoever does not count them.
    pub reads: u64,
    /// When its work was done, which may be before the thread ends.
    pub at: Instant,
}

impl Finished {
    /// A client that is done now.
    pub fn now(latencies: Latencies) -> Self {
        Self { latencies, reads: 0, at: Instant::now() }
    }
}

/// A round that is ready to be run.
pub struct Prepared {
    /// Messages that the clients will handle together, exactly.
    pub messages: u64,
    /// Started at the same moment, one thread each.
    pub clients: Vec<Client>,
    /// What must hold afterwards.
    pub check: Check,
}

impl Prepared {
    /// `count` equal clients that run `steps` steps of `messages_per_step` each, so many that
    /// they come to about `messages` together and to one step each at least.
    pub fn alike<C>(
        count: u64,
        messages: u64,
        messages_per_step: u64,
        mut client: impl FnMut(u64) -> anyhow::Result<C>,
    ) -> anyhow::Result<Self>
    where
        C: FnMut(&mut Latencies) -> anyhow::Result<()> + Send + 'static,
    {
        let steps = (messages / messages_per_step / count).max(1);
        let mut clients: Vec<Client> = Vec::new();
        for number in 0..count {
            let mut step = client(number)?;
            clients.push(Box::new(move || {
                let mut latencies = Latencies::default();
                for _ in 0..steps {
                    step(&mut latencies)?;
                }
                Ok(Finished::now(latencies))
            }));
        }
        let messages = steps * messages_per_step * count;
        Ok(Self { messages, clients, check: Box::new(|_| Ok(())) })
    }

    /// The same with `check` to be held at the end, which is told the number of messages.
    pub fn checked(
        self,
        check: impl FnOnce(&mut Connection, u64) -> anyhow::Result<()> + 'static,
    ) -> Self {
        let messages = self.messages;
        Self { check: Box::new(move |connection| check(connection, messages)), ..self }
    }
}
