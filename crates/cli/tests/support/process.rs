//! A `millstream serve` process, killed when it goes out of scope.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Listens on a free port of 127.0.0.1.
pub(crate) struct Process {
    pub(crate) child: Child,
    /// Host and port; the path of its socket if it listens on nothing else.
    pub(crate) address: String,
    /// What it said until it listened.
    pub(crate) first_lines: Vec<String>,
    later_lines: mpsc::Receiver<String>,
}

impl Process {
    /// Runs `serve` with these arguments and returns once it listens.
    pub(crate) fn start(configure: impl FnOnce(&mut Command)) -> Self {
        Self::start_at("0", configure)
    }

    /// The same at another port, or none: then it has to have a socket.
    pub(crate) fn start_at(port: &str, configure: impl FnOnce(&mut Command)) -> Self {
        Self::start_with(env!("CARGO_BIN_EXE_millstream"), |command| {
            command.args(["serve", "--port", port]);
            configure(command);
        })
    }

    /// The same with a program that becomes the server in the end.
    pub(crate) fn start_with(program: &str, configure: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new(program);
        command.env("MILLSTREAM_ADMIN_PORT", "off").stdout(Stdio::null()).stderr(Stdio::piped());
        configure(&mut command);
        let mut child = command.spawn().expect("the binary of this package starts");
        let stderr = child.stderr.take().expect("stderr was asked to be a pipe");
        let (sender, later_lines) = mpsc::channel();
        let (address, first_lines) = (String::new(), Vec::new());
        let mut process = Self { child, address, first_lines, later_lines };
        // Reads on until the end, because a server whose pipe is full would stall.
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        while process.address.is_empty() {
            // On failure `process` is dropped by the panic, and with it the child.
            let line = process.later_lines.recv_timeout(START_LIMIT).unwrap_or_else(|_| {
                panic!("the server does not say where it listens: {:?}", process.first_lines)
            });
            if let Some((_, address)) = line.split_once("listening on 127.0.0.1:") {
                // Where lines are JSON something follows.
                let port = address.split(|it: char| !it.is_ascii_digit()).next();
                let port: u16 = port.unwrap_or_default().parse().expect("a port");
                process.address = format!("127.0.0.1:{port}");
            } else if let Some((_, path)) = line.split_once("listening on /") {
                process.address = format!("/{}", path.trim());
            }
            process.first_lines.push(line);
        }
        process
    }

    /// One that nobody listens to; where it listens is to be found out in another way.
    #[allow(dead_code, reason = "most tests that start one listen to it")]
    pub(crate) fn unheard(child: Child) -> Self {
        let (address, first_lines) = (String::new(), Vec::new());
        Self { child, address, first_lines, later_lines: mpsc::channel().1 }
    }

    /// What it said since it listens, or since the last call.
    #[allow(dead_code, reason = "not all tests that start one ask")]
    pub(crate) fn said(&self) -> Vec<String> {
        self.later_lines.try_iter().collect()
    }

    #[allow(dead_code, reason = "not all tests that start one send it signals")]
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }

    /// How it ended; fails if it goes on.
    #[allow(dead_code, reason = "not all tests that start one wait for its end")]
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("look after the server") {
                return status;
            }
            assert!(begun.elapsed() < STOP_LIMIT, "the server goes on for {STOP_LIMIT:?}");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Ends it in order.
    #[allow(dead_code, reason = "most tests that start one have no use for an end in order")]
    pub(crate) fn stop(&mut self) {
        self.signal(Signal::TERM);
        let status = self.ended();
        assert!(status.success(), "{status}: {:?}", self.said());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
