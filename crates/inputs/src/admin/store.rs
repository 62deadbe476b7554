//! The server behind a dashboard, and what is in it: something of everything, with names and
//! values that are markup, lines and no text. Nothing in it changes by itself within a day.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use millstream::ConnectOptions;
use millstream_dashboard::Target;
use millstream_resp::{Decoder, Value, encode_command, split_args};
use millstream_server::{Config, Connector, RunningServer, Server};

/// Connections of a dashboard that is gone are gone as soon as that.
const END_MAX: Duration = Duration::from_secs(30);
pub(super) const PASSWORD: &str = "pass-4711-word";

/// As requests of Redis are typed: with quotes and escapes.
const CONTENTS: &str = include_str!("contents.txt");
/// For as long as the server lives.
const USERS: &str = r#"
ACL SETUSER reader on >reader-pass ~orders +@read +@connection +info
ACL SETUSER <x-millstream> on >x-pass ~* +@all
ACL SETUSER nobody on >nobody-pass
"#;
/// All of them.
const KEYS: [&[u8]; 8] = [
    b"failed",
    b"orders",
    b"<x-millstream>\n\"'&\\",
    b"",
    b"\xff\xfe",
    b"orders:dlq",
    b"lanes",
    b"text",
];
/// Of these, those that are streams.
pub(super) const STREAMS: u64 = 7;

/// A server, and the way into it that no dashboard has.
#[derive(Debug)]
pub(super) struct Store {
    server: RunningServer,
    control: Control,
    /// What is in it when it was just filled.
    contents: Vec<Value>,
}

impl Store {
    /// With a password and users, or with nothing of the kind.
    pub(super) fn start(is_locked: bool) -> Self {
        let config = Config {
            port: Some(0),
            memory: true,
            threads: Some(1),
            requirepass: is_locked.then(|| PASSWORD.to_owned()),
            // Something is to be seen on the pages about what took long.
            slowlog_slower_than_us: 0,
            latency_threshold_ms: 1,
            ..Config::default()
        };
        let server = Server::start(config).expect("a server in memory starts");
        let mut control = Control::connect(server.connector());
        if is_locked {
            control.lines(USERS);
        }
        let mut store = Self { server, control, contents: Vec::new() };
        store.fill();
        store
    }

    /// As in the command line's own process.
    pub(super) fn target(&self) -> Target {
        let (trusted, anonymous) = (self.server.connector(), self.server.connector());
        Target {
            address: "127.0.0.1:6379".to_owned(),
            trusted: ConnectOptions::dialled(move || trusted.connect_trusted()),
            anonymous: ConnectOptions::dialled(move || anonymous.connect()),
        }
    }

    /// Everything is as it was at the start.
    ///
    /// # Panics
    /// Connections of a dashboard are still there, though it is gone.
    pub(super) fn fill(&mut self) {
        self.control.lines("CLIENT SETNAME <x-millstream>");
        let begun = Instant::now();
        while self.control.clients() > 1 {
            assert!(begun.elapsed() < END_MAX, "connections of a dashboard that is gone stay");
            std::thread::yield_now();
        }
        self.control.lines("FLUSHALL\nSLOWLOG RESET");
        self.control.lines(CONTENTS);
        self.contents = self.control.contents();
    }

    /// Whether all is as it was filled.
    pub(super) fn is_unchanged(&mut self) -> bool {
        self.control.contents() == self.contents
    }
}

/// A connection to a server, which may cut it off: then there is another.
#[derive(Debug)]
struct Control {
    connector: Connector,
    stream: UnixStream,
}

impl Control {
    fn connect(connector: Connector) -> Self {
        let stream = connector.connect_trusted().expect("the server runs");
        stream.set_nonblocking(false).expect("a socket may block");
        Self { connector, stream }
    }

    /// Runs lines of commands, none of which is refused.
    fn lines(&mut self, lines: &str) {
        let lines = lines.lines().filter(|line| !line.is_empty());
        let commands: Vec<Vec<Vec<u8>>> =
            lines.map(|line| split_args(line.as_bytes()).expect("quotes are closed")).collect();
        for (answer, command) in self.ask(&commands).iter().zip(&commands) {
            let shown = command.iter().map(|word| word.escape_ascii().to_string());
            let shown = shown.collect::<Vec<_>>().join(" ");
            assert!(!matches!(answer, Value::Error(_)), "{shown}: {answer:?}");
        }
    }

    /// Every value with all that belongs to it, and how many there are.
    fn contents(&mut self) -> Vec<Value> {
        let dump = |key: &&[u8]| vec![b"DUMP".to_vec(), key.to_vec()];
        let mut commands: Vec<_> = KEYS.iter().map(dump).collect();
        commands.push(vec![b"DBSIZE".to_vec()]);
        self.ask(&commands)
    }

    /// How many connections there are, this one included.
    fn clients(&mut self) -> usize {
        let list = self.ask(&[vec![b"CLIENT".to_vec(), b"LIST".to_vec()]]);
        match &list[0] {
            Value::Bulk(text) | Value::Verbatim { text, .. } => {
                text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count()
            }
            other => panic!("CLIENT LIST is answered by {other:?}"),
        }
    }

    fn ask(&mut self, commands: &[Vec<Vec<u8>>]) -> Vec<Value> {
        if let Ok(answers) = self.try_ask(commands) {
            return answers;
        }
        *self = Self::connect(self.connector.clone());
        self.try_ask(commands).expect("the server answers")
    }

    fn try_ask(&mut self, commands: &[Vec<Vec<u8>>]) -> std::io::Result<Vec<Value>> {
        let mut bytes = Vec::new();
        commands.iter().for_each(|command| encode_command(command, &mut bytes));
        self.stream.write_all(&bytes)?;
        let (mut answers, mut bytes, mut decoder) = (Vec::new(), Vec::new(), Decoder::new());
        while answers.len() < commands.len() {
            while let Some((value, length)) = decoder.decode(&bytes).expect("a reply") {
                bytes.drain(..length);
                answers.push(value);
            }
            if answers.len() < commands.len() {
                let mut some = [0; 16 << 10];
                let length = self.stream.read(&mut some)?;
                if length == 0 {
                    return Err(std::io::ErrorKind::UnexpectedEof.into());
                }
                bytes.extend_from_slice(&some[..length]);
            }
        }
        Ok(answers)
    }
}
