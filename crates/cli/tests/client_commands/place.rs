//! A server, and the commands that are run against it.

use std::ffi::OsStr;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use millstream_conformance::{Family, Program, Server, Value};
use serde_json::Value as Json;

/// A server of the test's own.
pub(crate) struct Place {
    pub(crate) server: Server,
}

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("all that is printed is UTF-8");
        let Output { status, stdout, stderr } = output;
        Self { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
    }

    /// What it printed, if it succeeded and had nothing else to say.
    #[track_caller]
    pub(crate) fn success(self) -> String {
        assert_eq!((self.code, &*self.stderr), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// Its one document.
    #[track_caller]
    pub(crate) fn json(self) -> Json {
        let stdout = self.success();
        assert_eq!(stdout.matches('\n').count(), 1, "{stdout}");
        serde_json::from_str(&stdout).expect("it is JSON")
    }

    /// What it complained of, if it failed with this code and printed nothing.
    #[track_caller]
    pub(crate) fn failure(self, code: i32) -> String {
        assert_eq!((self.code, &*self.stdout), (Some(code), ""), "{self:?}");
        self.stderr
    }
}

/// The binary of this package, with nothing of the environment that it looks at.
pub(crate) fn millstream() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_millstream"));
    command.env_remove("REDIS_URL").env_remove("REDISCLI_AUTH").stdin(Stdio::null());
    for other in ["MILLSTREAM_FROM", "MILLSTREAM_TO"] {
        command.env_remove(other).env_remove(format!("{other}_AUTH"));
    }
    command
}

pub(crate) fn own_program() -> Program {
    let path = PathBuf::from(env!("CARGO_BIN_EXE_millstream"));
    Program { family: Family::Millstream, version: (8, 10), path }
}

/// Runs a command of words with blanks between them against the server at this URL.
pub(crate) fn run_at(url: &str, line: &str) -> Outcome {
    let mut command = millstream();
    command.env("REDIS_URL", url).args(line.split(' '));
    Outcome::of(command.output().expect("the binary of this package starts"))
}

impl Place {
    /// `None`: there is no such server here, which was said.
    pub(crate) fn start(name: &str) -> Option<Self> {
        if name == "millstream" {
            let server = Server::start_with(&own_program(), &["--memory"]);
            return Some(Self { server: server.expect("it starts") });
        }
        let program = Program::peer(name).expect("a peer")?;
        Some(Self { server: Server::start(&program).expect("it starts") })
    }

    pub(crate) fn is_millstream(&self) -> bool {
        self.server.program().family == Family::Millstream
    }

    /// As the server calls itself.
    pub(crate) fn called(&self) -> &'static str {
        match self.server.program().family {
            Family::Millstream => "Millstream",
            Family::Redis => "Redis",
            Family::Valkey => "Valkey",
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.server.port())
    }

    pub(crate) fn command(&self, words: &[&[u8]]) -> Command {
        let mut command = millstream();
        command.env("REDIS_URL", self.url()).args(words.iter().map(|it| OsStr::from_bytes(it)));
        command
    }

    /// Runs a command of words with blanks between them.
    pub(crate) fn run(&self, line: &str) -> Outcome {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.run_words(&words)
    }

    /// Runs a command of any words.
    pub(crate) fn run_words(&self, words: &[&[u8]]) -> Outcome {
        Outcome::of(self.command(words).output().expect("the binary of this package starts"))
    }

    /// Begins a command whose output is read meanwhile.
    pub(crate) fn begin(&self, line: &str) -> Child {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut command = self.command(&words);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the binary of this package starts")
    }

    /// Has the server do something.
    #[track_caller]
    pub(crate) fn redis(&self, line: &str) -> Value {
        let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        self.redis_words(&words)
    }

    #[track_caller]
    pub(crate) fn redis_words(&self, words: &[&[u8]]) -> Value {
        let mut client = self.server.connect().expect("it accepts");
        let answer = client.call(words).expect("it answers");
        assert!(!matches!(answer, Value::Error(_)), "{answer:?}");
        answer
    }

    /// Many commands, words with blanks between them, in one go; what they answer is not looked at.
    pub(crate) fn feed(&self, lines: impl Iterator<Item = String>) {
        let stream = std::net::TcpStream::connect(("127.0.0.1", self.server.port()));
        let mut stream = stream.expect("it accepts");
        let mut answers = stream.try_clone().expect("a second handle");
        let drain = std::thread::spawn(move || std::io::copy(&mut answers, &mut std::io::sink()));
        let mut text = lines.fold(String::new(), |text, line| text + &line + "\r\n");
        text.push_str("QUIT\r\n");
        stream.write_all(text.as_bytes()).expect("it reads");
        drain.join().expect("it does not panic").expect("it answers all");
    }
}

/// Waits until something is so.
#[track_caller]
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "still not: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let pid = child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status().expect("kill starts");
    assert!(sent.success(), "kill {name} {pid}");
}
