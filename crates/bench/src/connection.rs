//! A blocking client that pipelines: writes prepared bytes, reads replies without copying them.
//!
//! It must not know any command. It reads RESP2 only, since it never sends HELLO. A reply that is
//! an error, or of another kind than the caller expects, is an error here; nothing is skipped
//! unseen. Arrays may nest 8 deep, bulk strings may have 64 MiB.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

/// Longest wait for an answer, unless the caller sets another.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// How long a read of the socket waits before somebody looks whether there is still a reason to.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);
/// A reply of 100 entries of the usual size fits in. It is memory only once it is used.
const BUFFER_BYTES: usize = 32 << 10;
const BULK_BYTES_MAX: i64 = 64 << 20;
const DEPTH_MAX: usize = 8;

/// One connection to a server.
pub struct Connection {
    socket: TcpStream,
    buffer: Vec<u8>,
    /// The unread bytes are `buffer[start..end]`.
    start: usize,
    end: usize,
}

impl Connection {
    /// Connects to `address`.
    ///
    /// # Errors
    /// Nobody listens, or the system refuses another socket.
    pub fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect(address).context("connect to the server")?;
        socket.set_nodelay(true).context("set TCP_NODELAY")?;
        socket.set_read_timeout(Some(LOOK_INTERVAL)).context("set the read timeout")?;
        socket.set_write_timeout(Some(ANSWER_TIMEOUT)).context("set the write timeout")?;
        Ok(Self { socket, buffer: vec![0; BUFFER_BYTES], start: 0, end: 0 })
    }

    /// Sends bytes made by [`crate::request`].
    pub fn send(&mut self, requests: &[u8]) -> anyhow::Result<()> {
        self.socket.write_all(requests).context("send requests")
    }

    /// The way to the server alone, for another thread than the one that reads answers.
    pub fn sender(&self) -> anyhow::Result<impl Write + Send + use<>> {
        self.socket.try_clone().context("share the socket")
    }

    /// Sends one request and reads a reply that is not an error.
    pub fn call(&mut self, arguments: &[&str]) -> anyhow::Result<()> {
        self.send(&crate::request::encode(arguments))?;
        self.skip_reply().with_context(|| format!("run {}", arguments[0]))
    }

    /// Reads one reply of any kind.
    pub fn skip_reply(&mut self) -> anyhow::Result<()> {
        self.skip_value(0)
    }

    /// Reads a simple string and compares it.
    pub fn expect_status(&mut self, expected: &[u8]) -> anyhow::Result<()> {
        let (start, end) = self.line(b'+')?;
        ensure!(&self.buffer[start..end] == expected, "the server answered with another status");
        Ok(())
    }

    /// Reads an integer.
    pub fn integer(&mut self) -> anyhow::Result<i64> {
        let (start, end) = self.line(b':')?;
        parse_integer(&self.buffer[start..end])
    }

    /// Reads the head of an array; none for the nil array.
    pub fn array(&mut self) -> anyhow::Result<Option<usize>> {
        let (start, end) = self.line(b'*')?;
        let length = parse_integer(&self.buffer[start..end])?;
        Ok(usize::try_from(length).ok())
    }

    /// Reads a bulk string, valid until the next read; the nil string is an error.
    pub fn bulk(&mut self) -> anyhow::Result<&[u8]> {
        let (start, end) = self.line(b'$')?;
        let length = parse_integer(&self.buffer[start..end])?;
        ensure!((0..=BULK_BYTES_MAX).contains(&length), "bulk string of {length} bytes");
        let length = usize::try_from(length).expect("checked to be in range");
        while self.end - self.start < length + 2 {
            self.fill()?;
        }
        let start = self.start;
        self.start += length + 2;
        Ok(&self.buffer[start..start + length])
    }

    /// Reads the reply to XADD and appends the ID to `ids` as an argument of a request.
    pub fn added_id(&mut self, ids: &mut Vec<u8>) -> anyhow::Result<()> {
        let id = self.bulk()?;
        ensure!(id.len() >= 3 && id.contains(&b'-'), "XADD answered with something but an ID");
        crate::request::append_argument(ids, id);
        Ok(())
    }

    /// Reads the reply to XADD.
    pub fn entry_id(&mut self) -> anyhow::Result<()> {
        let id = self.bulk()?;
        ensure!(id.len() >= 3 && id.contains(&b'-'), "XADD answered with something but an ID");
        Ok(())
    }

    /// Reads `[id, [field, value, ...]]` and appends the ID to `ids` as an argument of a request.
    pub fn entry(&mut self, ids: &mut Vec<u8>) -> anyhow::Result<()> {
        self.entry_with(ids, &mut |_, _| {})
    }

    /// The same; `see` is shown each field and value with its place from 0.
    fn entry_with(
        &mut self,
        ids: &mut Vec<u8>,
        see: &mut impl FnMut(usize, &[u8]),
    ) -> anyhow::Result<()> {
        ensure!(self.array()? == Some(2), "an entry is an array of two");
        crate::request::append_argument(ids, self.bulk()?);
        let length = self.array()?.context("an entry has fields")?;
        for at in 0..length {
            see(at, self.bulk()?);
        }
        Ok(())
    }

    /// Reads the reply to a read from one stream; returns the number of entries, 0 for nil.
    pub fn stream_entries(&mut self, ids: &mut Vec<u8>) -> anyhow::Result<usize> {
        self.stream_entries_with(ids, |_, _| {})
    }

    /// The same; `see` is shown each field and value with its place in its entry, from 0.
    pub fn stream_entries_with(
        &mut self,
        ids: &mut Vec<u8>,
        mut see: impl FnMut(usize, &[u8]),
    ) -> anyhow::Result<usize> {
        let Some(streams) = self.array()? else { return Ok(0) };
        ensure!(streams == 1, "one stream was read, {streams} came back");
        ensure!(self.array()? == Some(2), "a stream is an array of name and entries");
        self.bulk()?;
        let count = self.array()?.context("a stream that is sent has entries")?;
        for _ in 0..count {
            self.entry_with(ids, &mut see)?;
        }
        Ok(count)
    }

    /// Reads an array of entries; returns their number.
    pub fn entries(&mut self, ids: &mut Vec<u8>) -> anyhow::Result<usize> {
        let count = self.array()?.context("there is a list of entries")?;
        for _ in 0..count {
            self.entry(ids)?;
        }
        Ok(count)
    }

    /// Reads the reply to XAUTOCLAIM: the next `cursor` and the claimed entries, none of which
    /// may have been deleted; returns their number.
    pub fn claimed(&mut self, cursor: &mut Vec<u8>, ids: &mut Vec<u8>) -> anyhow::Result<usize> {
        ensure!(self.array()? == Some(3), "XAUTOCLAIM answers with three parts");
        cursor.clear();
        cursor.extend_from_slice(self.bulk()?);
        let count = self.entries(ids)?;
        ensure!(self.array()? == Some(0), "no entry was deleted");
        Ok(count)
    }

    /// Waits up to `timeout` for the first byte of an answer; true if one is there.
    ///
    /// # Errors
    /// The server closed the connection.
    pub fn has_answer_within(&mut self, timeout: Duration) -> anyhow::Result<bool> {
        if self.start < self.end {
            return Ok(true);
        }
        self.socket.set_read_timeout(Some(timeout)).context("set the read timeout")?;
        let received = self.receive();
        self.socket.set_read_timeout(Some(LOOK_INTERVAL)).context("set the read timeout")?;
        match received {
            Ok(()) => Ok(true),
            Err(error) if is_timeout(&error) => Ok(false),
            Err(error) => Err(error).context("wait for an answer"),
        }
    }

    /// Waits for the first byte of an answer; false as soon as `is_over` is seen to be true, which
    /// is looked at now and then.
    ///
    /// # Errors
    /// The server closed the connection, or it is not over and nothing comes.
    pub fn has_answer_unless(&mut self, is_over: impl Fn() -> bool) -> anyhow::Result<bool> {
        let started_at = Instant::now();
        while self.start == self.end {
            match self.receive() {
                Ok(()) => {}
                Err(error) if !is_timeout(&error) => {
                    return Err(error).context("wait for an answer");
                }
                Err(_) if is_over() => return Ok(false),
                Err(_) => ensure!(started_at.elapsed() < ANSWER_TIMEOUT, "nothing comes any more"),
            }
        }
        Ok(true)
    }

    fn skip_value(&mut self, depth: usize) -> anyhow::Result<()> {
        ensure!(depth < DEPTH_MAX, "reply nested too deep");
        while self.start == self.end {
            self.fill()?;
        }
        match self.buffer[self.start] {
            b'+' => self.line(b'+').map(|_| ()),
            b':' => self.line(b':').map(|_| ()),
            b'$' if self.buffer[self.start..self.end].starts_with(b"$-") => {
                self.line(b'$').map(|_| ())
            }
            b'$' => self.bulk().map(|_| ()),
            _ => {
                for _ in 0..self.array()?.unwrap_or(0) {
                    self.skip_value(depth + 1)?;
                }
                Ok(())
            }
        }
    }

    /// Reads one line that starts with `kind`; returns where the rest of it stands in the buffer.
    fn line(&mut self, kind: u8) -> anyhow::Result<(usize, usize)> {
        let mut searched = 0;
        loop {
            let unread = &self.buffer[self.start..self.end];
            if let Some(found) = unread[searched..].iter().position(|byte| *byte == b'\n') {
                let length = searched + found + 1;
                let line = (self.start, self.start + length);
                self.start += length;
                ensure!(length >= 3, "line without a carriage return");
                let first = self.buffer[line.0];
                if first != kind {
                    let text = String::from_utf8_lossy(&self.buffer[line.0..line.1]);
                    bail!("expected a reply of kind {:?}, got {:?}", kind as char, text.trim_end());
                }
                return Ok((line.0 + 1, line.1 - 2));
            }
            searched = unread.len();
            self.fill()?;
        }
    }

    fn fill(&mut self) -> anyhow::Result<()> {
        let started_at = Instant::now();
        loop {
            match self.receive() {
                Err(error) if is_timeout(&error) && started_at.elapsed() < ANSWER_TIMEOUT => {}
                outcome => return outcome.context("read an answer"),
            }
        }
    }

    /// Receives at least one byte. Bytes that were handed out may move.
    fn receive(&mut self) -> std::io::Result<()> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
        } else if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            (self.start, self.end) = (0, self.end - self.start);
            if self.end == self.buffer.len() {
                self.buffer.resize(self.buffer.len() * 2, 0);
            }
        }
        match self.socket.read(&mut self.buffer[self.end..])? {
            0 => Err(ErrorKind::UnexpectedEof.into()),
            count => {
                self.end += count;
                Ok(())
            }
        }
    }
}

fn is_timeout(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn parse_integer(digits: &[u8]) -> anyhow::Result<i64> {
    let (negative, digits) = match digits {
        [b'-', rest @ ..] => (true, rest),
        all => (false, all),
    };
    ensure!((1..=18).contains(&digits.len()), "an integer of {} digits", digits.len());
    let mut value = 0;
    for digit in digits {
        ensure!(digit.is_ascii_digit(), "an integer with a byte that is no digit");
        value = value * 10 + i64::from(digit - b'0');
    }
    Ok(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// A connection whose server sends `chunks`, one write each, and hangs up.
    fn answered(chunks: &'static [&'static str]) -> Connection {
        let listener = TcpListener::bind("127.0.0.1:0").expect("listen");
        let address = listener.local_addr().expect("a bound listener has an address");
        let connection = Connection::open(address).expect("connect");
        std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("accept");
            socket.set_nodelay(true).expect("set TCP_NODELAY");
            for chunk in chunks {
                socket.write_all(chunk.as_bytes()).expect("send");
            }
        });
        connection
    }

    #[test]
    fn replies_are_read_whole_however_they_are_cut() {
        let mut connection = answered(&[
            "*1\r\n*2\r\n$1\r\ns\r\n*1\r",
            "\n*2\r\n$3\r\n1-0\r\n*2\r\n",
            "$1\r\nf\r\n$1\r\nv\r",
            "\n:7\r\n*-1\r\n*2\r\n$-1\r\n+OK\r\n",
        ]);
        let mut ids = Vec::new();
        assert_eq!(connection.stream_entries(&mut ids).expect("entries"), 1);
        assert_eq!(ids, b"$3\r\n1-0\r\n");
        assert_eq!(connection.integer().expect("integer"), 7);
        assert_eq!(connection.stream_entries(&mut ids).expect("nil"), 0);
        connection.skip_reply().expect("array with nil");
        let error = connection.skip_reply().expect_err("the server hung up");
        assert!(error.to_string().contains("read an answer"));
    }

    #[test]
    fn a_reply_larger_than_the_buffer_makes_it_grow() {
        let body: &'static str = Box::leak("x".repeat(100_000).into_boxed_str());
        let chunks = Box::leak(Box::new(["$100000\r\n", body, "\r\n"]));
        assert_eq!(answered(chunks).bulk().expect("bulk").len(), 100_000);
    }

    #[test]
    fn an_error_reply_is_an_error_with_its_text() {
        let error = answered(&["-NOGROUP no such\r\n"]).entry_id().expect_err("an error came");
        assert!(format!("{error:#}").contains("NOGROUP"), "{error:#}");
        assert!(answered(&["-ERR x\r\n"]).skip_reply().is_err());
    }
}
