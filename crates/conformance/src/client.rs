//! One blocking connection. Every wait has a limit, so that no test hangs.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use millstream_resp::{Decoder, encode_command};

use crate::Value;

/// How long a reply may take that has no reason to take long.
const REPLY_LIMIT: Duration = Duration::from_secs(60);

/// A connection that sends commands and hands back replies as they were on the wire.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    decoder: Decoder,
    unread: Vec<u8>,
}

impl Client {
    /// Connects to a port of 127.0.0.1.
    ///
    /// # Errors
    /// When nobody listens there.
    pub fn connect(port: u16) -> Result<Self> {
        let stream = TcpStream::connect(("127.0.0.1", port)).context("connect")?;
        stream.set_nodelay(true).context("set TCP_NODELAY")?;
        stream.set_write_timeout(Some(REPLY_LIMIT)).context("set a write limit")?;
        Ok(Self { stream, decoder: Decoder::new(), unread: Vec::new() })
    }

    /// Sends a command and waits for its reply.
    ///
    /// # Errors
    /// When the connection breaks, the reply is malformed or takes longer than 10 s.
    pub fn call<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<Value> {
        self.send(args)?;
        self.receive(REPLY_LIMIT)
    }

    /// Sends a command without waiting.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send<A: AsRef<[u8]>>(&mut self, args: &[A]) -> Result<()> {
        let mut bytes = Vec::new();
        encode_command(args, &mut bytes);
        self.stream.write_all(&bytes).context("send")
    }

    /// The next reply, waiting for at most `limit`.
    ///
    /// # Errors
    /// When the limit passes, the connection ends or the reply is malformed.
    pub fn receive(&mut self, limit: Duration) -> Result<Value> {
        let value = self.receive_or_end(limit)?;
        value.context("the server closed the connection")
    }

    /// The next reply, or `None` when the server closed the connection.
    ///
    /// # Errors
    /// When the limit passes or the reply is malformed.
    pub fn receive_or_end(&mut self, limit: Duration) -> Result<Option<Value>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(value) = self.take_decoded()? {
                return Ok(Some(value));
            }
            if !self.read_more(deadline)? {
                return Ok(None);
            }
        }
    }

    /// Whether bytes of a reply have arrived; does not wait.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn has_reply(&mut self) -> Result<bool> {
        if !self.unread.is_empty() {
            return Ok(true);
        }
        self.stream.set_nonblocking(true).context("stop blocking")?;
        let peeked = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).context("block again")?;
        match peeked {
            // Nothing to read at the end of a connection is no reply.
            Ok(n) => Ok(n > 0),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error).context("look for a reply"),
        }
    }

    fn take_decoded(&mut self) -> Result<Option<Value>> {
        let decoded = self.decoder.decode(&self.unread).context("decode a reply")?;
        Ok(decoded.map(|(value, used)| {
            self.unread.drain(..used);
            value.into()
        }))
    }

    /// Reads once; false at the end of the connection.
    fn read_more(&mut self, deadline: Instant) -> Result<bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("no reply in time");
        }
        self.stream.set_read_timeout(Some(left)).context("set a read limit")?;
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk) {
            Ok(0) => Ok(false),
            Ok(n) => {
                self.unread.extend_from_slice(&chunk[..n]);
                Ok(true)
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                bail!("no reply in time")
            }
            // A server that closes with our bytes unread resets the connection.
            Err(e) if e.kind() == ErrorKind::ConnectionReset => Ok(false),
            Err(e) => Err(e).context("receive"),
        }
    }
}
