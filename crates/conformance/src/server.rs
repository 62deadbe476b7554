//! A running server with a port and a directory of its own.
//!
//! 1. Only the child process that was started here is ever stopped, by its own handle.
//! 2. A server is handed out only after it answered PING.
//! 3. The directory goes with the `Server`; a restart keeps it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tempfile::TempDir;

use crate::{Client, Family, Program, Value};

/// How long a server may take to answer its first PING.
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long a server may take to end after SIGTERM.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A server process; killed when dropped.
#[derive(Debug)]
pub struct Server {
    program: Program,
    arguments: Vec<String>,
    dir: TempDir,
    child: Child,
    port: u16,
}

impl Server {
    /// Starts `program` in a new directory.
    ///
    /// # Errors
    /// When it cannot be started or does not answer within 20 s; the error holds what it wrote.
    pub fn start(program: &Program) -> Result<Self> {
        Self::start_with(program, &[])
    }

    /// Starts `program` with more arguments, which a restart repeats.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_with(program: &Program, arguments: &[&str]) -> Result<Self> {
        let dir = TempDir::new().context("create a data directory")?;
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        let (child, port) = launch(program, &arguments, &dir, None)?;
        Ok(Self { program: program.clone(), arguments, dir, child, port })
    }

    /// Starts a Sentinel with this configuration, which it will write to.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn start_sentinel(program: &Program, configuration: &Path) -> Result<Self> {
        Self::start_with(program, &[&configuration.to_string_lossy(), "--sentinel"])
    }

    /// What is running.
    pub fn program(&self) -> &Program {
        &self.program
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The password that it wants, if it was started with one.
    pub fn password(&self) -> Option<&str> {
        let at = self.arguments.iter().position(|it| it == "--requirepass")?;
        self.arguments.get(at + 1).map(String::as_str)
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        self.dir.path()
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// When the server refuses it.
    pub fn connect(&self) -> Result<Client> {
        Client::connect(self.port)
    }

    /// Ends it with SIGKILL and starts it again on the same directory.
    ///
    /// # Errors
    /// As [`Server::start`].
    pub fn restart_after_kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("wait for the server")?;
        (self.child, self.port) = launch(&self.program, &self.arguments, &self.dir, None)?;
        Ok(())
    }

    /// Ends it with SIGKILL. Clients see a server that is away until [`Self::start_again`].
    ///
    /// # Errors
    /// When it cannot be ended.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill().context("kill the server")?;
        self.child.wait().context("wait for the server")?;
        Ok(())
    }

    /// Starts it again on the same directory and port, after [`Self::kill`].
    ///
    /// # Errors
    /// As [`Server::start`]; also when somebody else has taken the port meanwhile.
    pub fn start_again(&mut self) -> Result<()> {
        let port = Some(self.port);
        (self.child, self.port) = launch(&self.program, &self.arguments, &self.dir, port)?;
        Ok(())
    }

    /// Stops it, or lets it go on, with a signal: to its clients it hangs.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn set_stalled(&self, is_stalled: bool) -> Result<()> {
        let signal = if is_stalled { "-STOP" } else { "-CONT" };
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().context("run kill")?;
        ensure!(sent.success(), "could not send SIG{}", &signal[1..]);
        Ok(())
    }

    /// Ends it with SIGTERM, expects exit code 0, and starts it again on the same directory.
    ///
    /// # Errors
    /// When it does not end in time or not with 0, and as [`Server::start`].
    pub fn restart_after_stop(&mut self) -> Result<()> {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().context("run kill")?;
        ensure!(sent.success(), "could not send SIGTERM");
        let status = wait_for_end(&mut self.child)?;
        ensure!(status.success(), "after SIGTERM the server ended with {status}");
        (self.child, self.port) = launch(&self.program, &self.arguments, &self.dir, None)?;
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // An error means that it has ended already, and there is nobody to tell.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn wait_for_end(child: &mut Child) -> Result<std::process::ExitStatus> {
    let deadline = Instant::now() + STOP_LIMIT;
    loop {
        if let Some(status) = child.try_wait().context("wait for the server")? {
            return Ok(status);
        }
        ensure!(Instant::now() < deadline, "the server did not end after SIGTERM");
        thread::sleep(Duration::from_millis(5));
    }
}

/// On that port, or on one that is free.
fn launch(
    program: &Program,
    arguments: &[String],
    dir: &TempDir,
    port: Option<u16>,
) -> Result<(Child, u16)> {
    match program.family {
        Family::Millstream => launch_millstream(program, arguments, dir, port),
        Family::Redis | Family::Valkey => launch_peer(program, arguments, dir, port),
    }
}

/// Ours chooses its port itself and says so on standard error.
fn launch_millstream(
    p: &Program,
    arguments: &[String],
    dir: &TempDir,
    port: Option<u16>,
) -> Result<(Child, u16)> {
    let mut child = Command::new(&p.path)
        .args(["serve", "--port", &port.unwrap_or(0).to_string(), "--dir"])
        .env("MILLSTREAM_ADMIN_PORT", "off")
        .arg(dir.path())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("start {}", p.path.display()))?;
    let stderr = child.stderr.take().context("take standard error")?;
    let (send, receive) = mpsc::channel();
    // Reads to the end, so that the server never blocks on a full pipe.
    thread::spawn(move || {
        for line in BufReader::new(stderr).lines().map_while(Result::ok) {
            let _ = send.send(line);
        }
    });
    let mut written = String::new();
    let deadline = Instant::now() + START_LIMIT;
    while let Ok(line) = receive.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        if let Some(port) = announced_port(&line) {
            await_ping(&mut child, port)?;
            return Ok((child, port));
        }
        written.push_str(&line);
        written.push('\n');
    }
    let _ = child.kill();
    let _ = child.wait();
    bail!("{p} did not say where it listens; it wrote:\n{written}")
}

/// The port in a line that says `listening on 127.0.0.1:PORT`.
fn announced_port(line: &str) -> Option<u16> {
    let (_, rest) = line.split_once("listening on 127.0.0.1:")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// A peer is told its port; somebody else may take it in between, hence the repetitions.
fn launch_peer(
    p: &Program,
    arguments: &[String],
    dir: &TempDir,
    wanted: Option<u16>,
) -> Result<(Child, u16)> {
    let mut last = None;
    for _ in 0..5 {
        let port = wanted.map_or_else(free_port, Ok)?;
        let log_path = dir.path().join("server.log");
        let log = File::create(&log_path).context("create the server's log")?;
        // A configuration comes before everything else.
        let options = arguments.iter().position(|it| it.starts_with("--"));
        let (configuration, options) = arguments.split_at(options.unwrap_or(0));
        let mut child = Command::new(&p.path)
            .args(configuration)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(dir.path())
            .args(options)
            .stdin(Stdio::null())
            .stderr(log.try_clone().context("share the server's log")?)
            .stdout(log)
            .spawn()
            .with_context(|| format!("start {}", p.path.display()))?;
        match await_ping(&mut child, port) {
            Ok(()) => return Ok((child, port)),
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = fs::read_to_string(&log_path).unwrap_or_default();
                last = Some(error.context(format!("{p} wrote:\n{log}")));
            }
        }
    }
    Err(last.context("start a peer")?)
}

pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("find a free port")?;
    Ok(listener.local_addr().context("find a free port")?.port())
}

/// A server that is starting offers no event to wait for, so this one asks again and again.
fn await_ping(child: &mut Child, port: u16) -> Result<()> {
    let deadline = Instant::now() + START_LIMIT;
    loop {
        if let Some(status) = child.try_wait().context("wait for the server")? {
            bail!("the server ended with {status}");
        }
        let answer = Client::connect(port).and_then(|mut client| client.call(&["PING"]));
        // With a password the answer is an error, and the server is there all the same.
        let loading = |v: &Value| matches!(v, Value::Error(text) if text.starts_with("LOADING"));
        if answer.is_ok_and(|value| !loading(&value)) {
            return Ok(());
        }
        ensure!(Instant::now() < deadline, "the server does not answer PING");
        thread::sleep(Duration::from_millis(5));
    }
}

#[cfg(test)]
mod tests {
    use super::announced_port;

    #[test]
    fn the_port_is_read_from_any_log_line() {
        assert_eq!(announced_port("INFO x: listening on 127.0.0.1:4711 (RESP)"), Some(4711));
        assert_eq!(announced_port("listening on 127.0.0.1:4711"), Some(4711));
        assert_eq!(announced_port("listening on [::1]:4711"), None);
    }
}
