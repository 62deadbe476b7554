//! A connection that sends and sees bytes.

#![allow(dead_code, reason = "not all tests use all of it")]

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use millstream_resp::encode_command;

const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// One connection.
pub(crate) struct Raw {
    stream: BufReader<TcpStream>,
}

impl Raw {
    pub(crate) fn connect(address: &str) -> Self {
        Self::try_connect(address).expect("connect")
    }

    pub(crate) fn try_connect(address: &str) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(REPLY_LIMIT))?;
        stream.set_write_timeout(Some(REPLY_LIMIT))?;
        Ok(Self { stream: BufReader::new(stream) })
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).expect("send");
    }

    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.get_mut().write_all(bytes)
    }

    /// Calls, and returns the reply as it came.
    pub(crate) fn call(&mut self, words: &[&str]) -> String {
        self.send(&command(words));
        self.reply()
    }

    /// The next reply as it came.
    pub(crate) fn reply(&mut self) -> String {
        let mut reply = self.line_or_bulk();
        let elements = match reply.split_at(1) {
            ("*", count) => count.trim().parse::<i64>().expect("a count").max(0),
            _ => 0,
        };
        for _ in 0..elements {
            reply.push_str(&self.reply());
        }
        reply
    }

    /// The next line with its end, and of a bulk string all of it.
    pub(crate) fn line_or_bulk(&mut self) -> String {
        let mut line = String::new();
        let count = self.stream.read_line(&mut line).expect("a line");
        assert!(count > 0, "the server closed the connection");
        if let Some(length) = line.strip_prefix('$')
            && let Ok(length) = length.trim().parse::<usize>()
        {
            let mut bulk = vec![0; length + 2];
            self.stream.read_exact(&mut bulk).expect("a bulk string");
            line.push_str(&String::from_utf8_lossy(&bulk));
        }
        line
    }

    /// Reads up to so many bytes at once; 0 at the end.
    pub(crate) fn read_some(&mut self, most: usize) -> usize {
        let mut bytes = vec![0; most];
        self.stream.read(&mut bytes).expect("read")
    }

    /// Whether the server ends the connection; what comes before is skipped.
    pub(crate) fn is_closed_by_server(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return true,
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return true,
                Err(_) => return false,
            }
        }
    }

    /// A field of INFO.
    pub(crate) fn info(&mut self, field: &str) -> String {
        let info = self.call(&["INFO", "everything"]);
        let value = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        value.unwrap_or_else(|| panic!("{field} is missing in INFO")).trim().to_owned()
    }

    pub(crate) fn number(&mut self, field: &str) -> u64 {
        self.info(field).parse().expect("a number")
    }

    /// There is no event for what others do.
    pub(crate) fn await_info(&mut self, field: &str, value: &str, limit: Duration) {
        let deadline = Instant::now() + limit;
        while self.info(field) != value {
            assert!(Instant::now() < deadline, "{field} is {}, not {value}", self.info(field));
        }
    }
}

pub(crate) fn command(words: &[&str]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let mut bytes = Vec::new();
    encode_command(&words, &mut bytes);
    bytes
}

/// Memory of a process.
pub(crate) fn resident_bytes(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its memory");
    let kilobytes = line.split_whitespace().next().and_then(|number| number.parse::<u64>().ok());
    kilobytes.expect("a number") * 1024
}
