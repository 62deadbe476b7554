//! The server under test: a process on a free port and an empty directory.
//!
//! With `MILLSTREAM_TEST_ADDRESS=127.0.0.1:PORT` the tests use the server that runs there instead,
//! which proves them against a real Redis.

pub(crate) mod process;

use std::time::Duration;

use process::Process;
use redis::{Client, Connection};
use tempfile::TempDir;

/// Longer than every blocking read of the tests.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// The server under test.
pub(crate) struct TestServer {
    address: String,
    process: Option<Process>,
    /// Removed after the process has ended.
    _directory: TempDir,
}

impl TestServer {
    /// Starts a server, or points at the one that the environment names.
    pub(crate) fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        if let Ok(address) = std::env::var("MILLSTREAM_TEST_ADDRESS") {
            return Self { address, process: None, _directory: directory };
        }
        let process = Process::start(|command| {
            command.arg("--dir").arg(directory.path());
        });
        let address = process.address.clone();
        Self { address, process: Some(process), _directory: directory }
    }

    /// Whether this is a Redis that lacks the commands of its later versions.
    pub(crate) fn is_redis(&self) -> bool {
        self.process.is_none()
    }

    /// A connection in RESP2 or RESP3.
    pub(crate) fn connect(&self, protocol: u8) -> Connection {
        let url = format!("redis://{}/?protocol=resp{protocol}", self.address);
        let client = Client::open(url).expect("a well-formed URL");
        let connection =
            client.get_connection_with_timeout(REPLY_LIMIT).expect("the server accepts");
        connection.set_read_timeout(Some(REPLY_LIMIT)).expect("a limit above zero");
        connection
    }
}
