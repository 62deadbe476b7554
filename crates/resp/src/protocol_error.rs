//! Why a client's bytes are no requests, in the words Redis uses.
//!
//! Every variant ends the connection: after a wrong length nobody can tell where the next request
//! begins. Must not know commands or sessions. Exact texts are under test in
//! `tests/it/requests.rs`.

use std::fmt;

/// The client's bytes break the protocol; reply (see [`ProtocolError::write_reply`]) and close.
///
/// `Display` is the text after the leading `ERR `.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProtocolError {
    /// An inline command longer than `inline_bytes_max`.
    TooBigInlineRequest,
    /// A `*` line longer than `inline_bytes_max`.
    TooBigMultibulkCountString,
    /// A `$` line longer than `inline_bytes_max`.
    TooBigBulkCountString,
    /// The number after `*` is none, or above `args_max`.
    InvalidMultibulkLength,
    /// The number after `$` is none, negative, or above `bulk_bytes_max`.
    InvalidBulkLength,
    /// An argument begins with this byte in place of `$`.
    ExpectedDollar(u8),
    /// An inline command with an open quote, or text right after a closing one.
    UnbalancedQuotes,
    /// More arguments than a client may send before it has logged in.
    UnauthenticatedMultibulkLength,
    /// A longer argument than a client may send before it has logged in.
    UnauthenticatedBulkLength,
    /// One request larger than `request_bytes_max`. Redis closes without a word, and so do we.
    RequestTooBig,
}

impl ProtocolError {
    /// True if the connection is to be closed without a reply.
    #[must_use]
    pub fn closes_silently(&self) -> bool {
        matches!(self, ProtocolError::RequestTooBig)
    }

    /// Appends the error reply, `-ERR Protocol error: ...\r\n`; nothing if it closes silently.
    ///
    /// The offending byte of [`ProtocolError::ExpectedDollar`] goes out as it came in, but for CR
    /// and LF, which become blanks.
    pub fn write_reply(&self, out: &mut Vec<u8>) {
        match *self {
            ProtocolError::RequestTooBig => {}
            ProtocolError::ExpectedDollar(byte) => {
                let shown = if byte == b'\r' || byte == b'\n' { b' ' } else { byte };
                out.extend_from_slice(b"-ERR Protocol error: expected '$', got '");
                out.extend_from_slice(&[shown, b'\'', b'\r', b'\n']);
            }
            _ => out.extend_from_slice(format!("-ERR {self}\r\n").as_bytes()),
        }
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            ProtocolError::TooBigInlineRequest => "too big inline request",
            ProtocolError::TooBigMultibulkCountString => "too big mbulk count string",
            ProtocolError::TooBigBulkCountString => "too big bulk count string",
            ProtocolError::InvalidMultibulkLength => "invalid multibulk length",
            ProtocolError::InvalidBulkLength => "invalid bulk length",
            ProtocolError::UnbalancedQuotes => "unbalanced quotes in request",
            ProtocolError::UnauthenticatedMultibulkLength => "unauthenticated multibulk length",
            ProtocolError::UnauthenticatedBulkLength => "unauthenticated bulk length",
            ProtocolError::RequestTooBig => "too big request",
            ProtocolError::ExpectedDollar(byte) => {
                // Logs get the escaped form; the wire gets the raw byte from `write_reply`.
                let shown = byte.escape_ascii();
                return write!(f, "Protocol error: expected '$', got '{shown}'");
            }
        };
        write!(f, "Protocol error: {text}")
    }
}

impl std::error::Error for ProtocolError {}
