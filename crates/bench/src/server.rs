//! Starts a server of one of the known kinds on a free loopback port, and ends it.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use clap::ValueEnum;
use tempfile::TempDir;

use crate::connection::Connection;
use crate::process_memory::resident_bytes;
use crate::process_usage::ProcessUsage;

/// A server that is not ready by then is an error.
const START_TIMEOUT: Duration = Duration::from_secs(15);
/// As for one that does not end.
const END_TIMEOUT: Duration = Duration::from_secs(15);
/// Times that a server is started before its failure counts.
const START_ATTEMPTS: usize = 3;
/// Ports that are tried in search of a free one.
const PORT_ATTEMPTS: usize = 200;

/// How a program is told its port, directory and durability.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// `PROGRAM serve --port 0 --dir DIR --sync MODE`; says where it listens on stderr.
    Millstream,
    /// `PROGRAM --port N --dir DIR --save "" --appendonly ...`: Redis and Valkey.
    Redis,
}

/// When a write is on disk, in words that both kinds of servers know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SyncMode {
    /// Never on purpose; Redis runs without its log.
    No,
    /// Within about a second.
    Everysec,
    /// Before the reply.
    Always,
}

impl fmt::Display for SyncMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::No => "no",
            Self::Everysec => "everysec",
            Self::Always => "always",
        })
    }
}

/// A program to measure.
#[derive(Clone, Debug)]
pub struct ServerProgram<'a> {
    /// Path of the executable.
    pub path: &'a Path,
    /// How to start it.
    pub kind: ServerKind,
    /// Further arguments, added last.
    pub extra: &'a [String],
}

/// A running server with an empty directory of its own; dropping it ends both.
pub struct Server {
    child: Child,
    /// Where it listens.
    pub address: SocketAddr,
    /// Name and version as it reports them.
    pub label: String,
    _dir: TempDir,
}

impl Server {
    /// Starts `program` and waits until it answers.
    ///
    /// # Errors
    /// It cannot be started, ends early, or does not answer within 15 s.
    pub fn start(program: &ServerProgram<'_>, sync: SyncMode) -> anyhow::Result<Self> {
        let mut outcome = Self::start_once(program, sync);
        // A port that was free when it was chosen may be gone a moment later.
        for _ in 1..START_ATTEMPTS {
            if outcome.is_ok() {
                break;
            }
            outcome = Self::start_once(program, sync);
        }
        outcome
    }

    fn start_once(program: &ServerProgram<'_>, sync: SyncMode) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("make a directory for the server")?;
        let (child, address) = match program.kind {
            ServerKind::Millstream => start_millstream(program, dir.path(), sync)?,
            ServerKind::Redis => start_redis(program, dir.path(), sync)?,
        };
        let mut server = Self { child, address, label: String::new(), _dir: dir };
        server.wait_until_ready()?;
        let info = read_info(server.address)?;
        let process_id = info_field(&info, "process_id");
        ensure!(
            program.kind != ServerKind::Redis || process_id == Some(&server.child.id().to_string()),
            "another server answers at {}",
            server.address
        );
        server.label = label(&info, program.kind);
        Ok(server)
    }

    /// What the process has used so far.
    pub fn usage(&self) -> anyhow::Result<ProcessUsage> {
        ProcessUsage::of(self.child.id())
    }

    /// The number that the system knows it by.
    pub fn process_id(&self) -> u32 {
        self.child.id()
    }

    /// What it has in memory, bytes.
    pub fn resident_bytes(&self) -> anyhow::Result<u64> {
        resident_bytes(self.child.id())
    }

    /// Ends it as its operator would, so that it does what it does at its end.
    ///
    /// # Errors
    /// It is still there after 15 s, or ended with a failure.
    pub fn end(mut self) -> anyhow::Result<()> {
        Connection::open(self.address)?.send(&crate::request::encode(&["SHUTDOWN", "NOSAVE"]))?;
        let asked_at = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().context("look after the server")? {
                ensure!(status.success(), "the server ended with {status}");
                return Ok(());
            }
            ensure!(asked_at.elapsed() < END_TIMEOUT, "the server does not end");
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started_at = Instant::now();
        loop {
            let answer =
                Connection::open(self.address).and_then(|mut client| client.call(&["PING"]));
            let Err(error) = answer else { return Ok(()) };
            if let Some(status) = self.child.try_wait().context("look after the server")? {
                bail!("the server ended at its start: {status}");
            }
            if started_at.elapsed() > START_TIMEOUT {
                return Err(error.context("wait for the server"));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Its data is thrown away, so there is nothing to end in good order.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_redis(
    program: &ServerProgram<'_>,
    dir: &Path,
    sync: SyncMode,
) -> anyhow::Result<(Child, SocketAddr)> {
    // Redis cannot choose a port itself.
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?));
    let mut command = Command::new(program.path);
    command
        .args(["--bind", "127.0.0.1", "--port", &address.port().to_string(), "--save", ""])
        .arg("--dir")
        .arg(dir)
        // A rewrite of the log in the middle of a round would be noise, at the peer's expense.
        .args(["--auto-aof-rewrite-percentage", "0"]);
    match sync {
        SyncMode::No => command.args(["--appendonly", "no"]),
        SyncMode::Everysec => command.args(["--appendonly", "yes", "--appendfsync", "everysec"]),
        SyncMode::Always => command.args(["--appendonly", "yes", "--appendfsync", "always"]),
    };
    let child = command
        .args(program.extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("start the server")?;
    Ok((child, address))
}

fn start_millstream(
    program: &ServerProgram<'_>,
    dir: &Path,
    sync: SyncMode,
) -> anyhow::Result<(Child, SocketAddr)> {
    let mut child = Command::new(program.path)
        .args(["serve", "--port", "0", "--sync", &sync.to_string()])
        .arg("--dir")
        .arg(dir.join("data"))
        .args(program.extra)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start the server")?;
    let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
    let (sender, receiver) = mpsc::channel();
    // Reads to the end, so that the server never waits for a full pipe.
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            if let Some(address) = listening_address(&line) {
                let _ = sender.send(address);
            }
        }
    });
    match receiver.recv_timeout(START_TIMEOUT) {
        Ok(address) => Ok((child, address)),
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            bail!("the server did not say where it listens");
        }
    }
}

/// The loopback address behind `listening on ` in a line, if there is one.
pub(crate) fn listening_address(line: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once("listening on ")?;
    let address: SocketAddr = rest.split_whitespace().next()?.parse().ok()?;
    address.is_ipv4().then_some(address)
}

/// A port that nobody listens on. It lies below those that the system gives to clients: a client
/// that tries to reach one of those before the server listens may be connected to itself.
fn free_port() -> anyhow::Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Programs that run at the same time begin their search at different places.
    let offset = (std::process::id() % 400) as u16 * 50;
    for _ in 0..PORT_ATTEMPTS {
        let port = 10_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 20_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("none of {PORT_ATTEMPTS} ports is free")
}

/// What the server says of itself; empty where it does not know INFO.
fn read_info(address: SocketAddr) -> anyhow::Result<String> {
    let mut client = Connection::open(address)?;
    client.send(&crate::request::encode(&["INFO", "server"]))?;
    let info = client.bulk().map(|text| String::from_utf8_lossy(text).into_owned());
    Ok(info.unwrap_or_default())
}

fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(':')?.trim()))
}

/// Name and version from INFO; the name of the kind alone where the server does not tell.
fn label(info: &str, kind: ServerKind) -> String {
    // Whoever is not Redis answers redis_version too, for clients that ask: its own comes first.
    let (names, otherwise): (&[&str], _) = match kind {
        ServerKind::Millstream => (&["millstream"], "millstream"),
        ServerKind::Redis => (&["valkey", "redis"], "redis"),
    };
    names
        .iter()
        .find_map(|name| {
            let version = info_field(info, &format!("{name}_version"))?;
            Some(format!("{name} {version}"))
        })
        .unwrap_or_else(|| otherwise.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_found_in_a_log_line() {
        let address = "127.0.0.1:4711".parse().ok();
        assert_eq!(listening_address("listening on 127.0.0.1:4711"), address);
        assert_eq!(listening_address("INFO x: listening on 127.0.0.1:4711 (tcp)"), address);
        assert_eq!(listening_address("listening on [::1]:4711"), None);
        assert_eq!(listening_address("still starting"), None);
    }

    #[test]
    fn the_label_is_the_own_version_not_the_one_that_is_feigned() {
        let info = "redis_version:8.2.0\r\nvalkey_version:9.1.2\r\n";
        assert_eq!(label(info, ServerKind::Redis), "valkey 9.1.2");
        assert_eq!(label("redis_version:8.6.2\r\n", ServerKind::Redis), "redis 8.6.2");
        assert_eq!(label(info, ServerKind::Millstream), "millstream");
    }

    #[test]
    fn ports_are_not_given_twice() {
        assert_ne!(free_port().expect("a port"), free_port().expect("another"));
    }

    #[test]
    fn a_program_that_is_no_server_is_refused_quickly() {
        let path = Path::new("/bin/true");
        for kind in [ServerKind::Redis, ServerKind::Millstream] {
            let program = ServerProgram { path, kind, extra: &[] };
            assert!(Server::start(&program, SyncMode::No).is_err());
        }
    }
}
