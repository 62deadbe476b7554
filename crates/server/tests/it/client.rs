//! A server in this process and a client that sees bytes.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use millstream_resp::{Decoder, Value, encode_command};
use millstream_server::{Config, RunningServer, Server};

/// Nothing in these tests takes longer.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A configuration on a free port that keeps everything in memory.
pub(crate) fn memory() -> Config {
    Config { port: Some(0), memory: true, threads: Some(2), ..Config::default() }
}

pub(crate) fn start(config: Config) -> RunningServer {
    Server::start(config).expect("the server starts")
}

/// A connection, by TCP unless it is said.
pub(crate) struct Client<S = TcpStream> {
    stream: S,
    received: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(server: &RunningServer) -> Self {
        Self::connect_to(server.addresses()[0])
    }

    pub(crate) fn connect_to(address: SocketAddr) -> Self {
        Self::over(connect_to(address))
    }

    /// Whether nothing arrives for so long.
    pub(crate) fn is_silent_for(&mut self, time: Duration) -> bool {
        assert!(self.received.is_empty(), "replies were left unread");
        self.stream.set_read_timeout(Some(time)).expect("set a limit");
        let mut byte = [0];
        let result = self.stream.read(&mut byte);
        self.stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
        if let Ok(count) = result {
            self.received.extend_from_slice(&byte[..count]);
        }
        let waited = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
        result.is_err_and(|error| waited.contains(&error.kind()))
    }

    /// The same connection, for a thread that sends.
    pub(crate) fn second_handle(&self) -> Self {
        let stream = self.stream.try_clone().expect("one more descriptor");
        Self { stream, received: Vec::new() }
    }

    /// Sends no more, but goes on reading.
    pub(crate) fn finish_sending(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("shut down one side");
    }
}

impl<S: Read + Write> Client<S> {
    pub(crate) fn over(stream: S) -> Self {
        Self { stream, received: Vec::new() }
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.stream
    }

    pub(crate) fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("send");
    }

    /// Sends a line of words without quotes.
    pub(crate) fn send(&mut self, line: &str) {
        self.send_bytes(&command(line));
    }

    pub(crate) fn call(&mut self, line: &str) -> Value {
        self.send(line);
        self.read()
    }

    /// Calls, and shows the reply as text on one line.
    pub(crate) fn shown(&mut self, line: &str) -> String {
        show(&self.call(line))
    }

    pub(crate) fn read(&mut self) -> Value {
        let mut decoder = Decoder::new();
        loop {
            if let Some((value, length)) = decoder.decode(&self.received).expect("a reply") {
                self.received.drain(..length);
                return value;
            }
            assert!(self.receive(), "the server closed the connection");
        }
    }

    /// Reads once; false at the end.
    fn receive(&mut self) -> bool {
        let mut buffer = [0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(count) => {
                self.received.extend_from_slice(&buffer[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::ConnectionReset => false,
            Err(error) => panic!("no reply: {error}"),
        }
    }

    /// Everything up to the end of the connection.
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        while self.receive() {}
        std::mem::take(&mut self.received)
    }

    pub(crate) fn id(&mut self) -> i64 {
        self.call("CLIENT ID").as_int().expect("a number")
    }

    /// A field of INFO.
    pub(crate) fn info(&mut self, field: &str) -> String {
        let info = self.call("INFO everything");
        let text = info.as_str().expect("text").to_owned();
        let value = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{field} is missing in INFO")).trim().to_owned()
    }

    /// Waits until a field of INFO has a value. There is no event for what others do.
    pub(crate) fn await_info(&mut self, field: &str, value: &str) {
        let deadline = Instant::now() + LIMIT;
        while self.info(field) != value {
            assert!(Instant::now() < deadline, "{field} is {}, not {value}", self.info(field));
        }
    }
}

/// A socket on which nothing is waited for longer than it takes.
pub(crate) fn connect_to(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&address, LIMIT).expect("connect");
    stream.set_read_timeout(Some(LIMIT)).expect("set a limit");
    stream.set_write_timeout(Some(LIMIT)).expect("set a limit");
    stream.set_nodelay(true).expect("set an option");
    stream
}

pub(crate) fn command(line: &str) -> Vec<u8> {
    let words: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
    let mut bytes = Vec::new();
    encode_command(&words, &mut bytes);
    bytes
}

/// A reply on one line: `[a, 1, nil]`.
pub(crate) fn show(value: &Value) -> String {
    match value {
        _ if value.is_nil() => "nil".to_owned(),
        _ if value.as_slice().is_some() => {
            let items = value.as_slice().unwrap_or_default();
            format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(", "))
        }
        _ => match (value.as_int(), value.as_bytes()) {
            (Some(number), _) => number.to_string(),
            (_, Some(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            _ => {
                let bytes = value.to_bytes();
                String::from_utf8_lossy(&bytes).trim_end().trim_start_matches('-').to_owned()
            }
        },
    }
}
