//! A `millstream serve` process of a test: started on a free port and an empty directory, killed
//! when it goes out of scope.
//!
//! With `MILLSTREAM_TEST_ADDRESS=127.0.0.1:PORT` the tests use the server that runs there instead,
//! which proves them against a real Redis.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use redis::{Client, Connection};
use tempfile::TempDir;

const START_LIMIT: Duration = Duration::from_secs(20);
/// Longer than every blocking read of the tests.
const REPLY_LIMIT: Duration = Duration::from_secs(10);

/// The server under test.
pub(crate) struct TestServer {
    address: String,
    process: Option<Child>,
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
        let mut process = Command::new(env!("CARGO_BIN_EXE_millstream"))
            .args(["serve", "--port", "0", "--dir"])
            .arg(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary of this package starts");
        let stderr = process.stderr.take().expect("stderr was asked to be a pipe");
        let (sender, receiver) = mpsc::channel();
        // Reads on until the end, because a server whose pipe is full would stall.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("listening on 127.0.0.1:") {
                    let digits = address.split(|c: char| !c.is_ascii_digit()).next();
                    let _ = sender.send(format!("127.0.0.1:{}", digits.unwrap_or_default()));
                }
            }
        });
        let mut server =
            Self { address: String::new(), process: Some(process), _directory: directory };
        // On failure `server` is dropped by the panic, and with it the process.
        server.address =
            receiver.recv_timeout(START_LIMIT).expect("the server says where it listens");
        server
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

impl Drop for TestServer {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
