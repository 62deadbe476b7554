//! One reply as a client sees it: every type of RESP2 and RESP3.
//!
//! The three spellings of nothing are kept apart, so that a decoded reply encodes to the bytes it
//! came from. Text is bytes, because nothing on the wire promises UTF-8.

use crate::reply_writer::{format_double, write_header};

/// A reply, or part of one.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `+text`.
    Simple(Vec<u8>),
    /// `-text`, or the length-prefixed form `!` (encoded as the latter if it holds CR or LF).
    Error(Vec<u8>),
    /// `:number`.
    Int(i64),
    /// `$length` and bytes.
    Bulk(Vec<u8>),
    /// `$-1`.
    NilBulk,
    /// `*-1`.
    NilArray,
    /// `_`.
    Null,
    /// `*n`.
    Array(Vec<Value>),
    /// `%n`: pairs in the order received; keys may repeat.
    Map(Vec<(Value, Value)>),
    /// `~n`: in the order received.
    Set(Vec<Value>),
    /// `>n`: out-of-band data.
    Push(Vec<Value>),
    /// `,number`.
    Double(f64),
    /// `#t` or `#f`.
    Boolean(bool),
    /// `(digits`: a number of any length, kept as text.
    BigNumber(Vec<u8>),
    /// `=length`, three bytes of format, a colon, text.
    Verbatim {
        /// `txt` or `mkd`.
        format: [u8; 3],
        /// What follows the colon.
        text: Vec<u8>,
    },
    /// `|n`: pairs that describe the value behind them.
    Attributed {
        /// The describing pairs.
        attributes: Vec<(Value, Value)>,
        /// The value itself.
        value: Box<Value>,
    },
}

impl Value {
    /// A bulk string.
    pub fn bulk(bytes: impl AsRef<[u8]>) -> Self {
        Value::Bulk(bytes.as_ref().to_vec())
    }

    /// True for all spellings of nothing.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::NilBulk | Value::NilArray | Value::Null)
    }

    /// True for an error reply.
    #[must_use]
    pub fn is_error(&self) -> bool {
        matches!(self, Value::Error(_))
    }

    /// The number, for an integer reply.
    #[must_use]
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The bytes of a text of any kind, errors and big numbers included.
    #[must_use]
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Value::Simple(text)
            | Value::Error(text)
            | Value::Bulk(text)
            | Value::BigNumber(text)
            | Value::Verbatim { text, .. } => Some(text),
            _ => None,
        }
    }

    /// The bytes of a text of any kind, if they are UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        self.as_bytes().and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// The elements of an array, set or push.
    #[must_use]
    pub fn as_slice(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) | Value::Set(items) | Value::Push(items) => Some(items),
            _ => None,
        }
    }

    /// The value of `key` in a map, or in an array of alternating keys and values as RESP2 has it.
    #[must_use]
    pub fn field(&self, key: &str) -> Option<&Value> {
        let matches = |candidate: &Value| candidate.as_bytes() == Some(key.as_bytes());
        match self {
            Value::Map(pairs) => pairs.iter().find(|(name, _)| matches(name)).map(|pair| &pair.1),
            Value::Array(items) => {
                items.chunks_exact(2).find(|pair| matches(&pair[0])).map(|pair| &pair[1])
            }
            _ => None,
        }
    }

    /// Appends the value as it stands on the wire.
    ///
    /// `Simple` and `BigNumber` must hold neither CR nor LF. Nesting costs stack, and so does
    /// dropping a value: values from a [`crate::Decoder`] are bounded by its `depth_max`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Value::Simple(text) => write_line(out, b'+', text),
            Value::Error(text) if memchr::memchr2(b'\r', b'\n', text).is_some() => {
                write_blob(out, b'!', text);
            }
            Value::Error(text) => write_line(out, b'-', text),
            Value::Int(number) => {
                write_line(out, b':', itoa::Buffer::new().format(*number).as_bytes());
            }
            Value::Bulk(bytes) => write_blob(out, b'$', bytes),
            Value::NilBulk => out.extend_from_slice(b"$-1\r\n"),
            Value::NilArray => out.extend_from_slice(b"*-1\r\n"),
            Value::Null => out.extend_from_slice(b"_\r\n"),
            Value::Array(items) => write_items(out, b'*', items),
            Value::Set(items) => write_items(out, b'~', items),
            Value::Push(items) => write_items(out, b'>', items),
            Value::Map(pairs) => write_pairs(out, b'%', pairs),
            Value::Double(number) => write_line(out, b',', format_double(*number).as_bytes()),
            Value::Boolean(value) => write_line(out, b'#', if *value { b"t" } else { b"f" }),
            Value::BigNumber(digits) => write_line(out, b'(', digits),
            Value::Verbatim { format, text } => {
                write_header(out, b'=', text.len() + 4);
                out.extend_from_slice(format);
                out.push(b':');
                out.extend_from_slice(text);
                out.extend_from_slice(b"\r\n");
            }
            Value::Attributed { attributes, value } => {
                write_pairs(out, b'|', attributes);
                value.encode(out);
            }
        }
    }

    /// The value as it stands on the wire; see [`Value::encode`].
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.encode(&mut out);
        out
    }
}

fn write_line(out: &mut Vec<u8>, kind: u8, text: &[u8]) {
    out.push(kind);
    out.extend_from_slice(text);
    out.extend_from_slice(b"\r\n");
}

fn write_blob(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    write_header(out, kind, bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn write_items(out: &mut Vec<u8>, kind: u8, items: &[Value]) {
    write_header(out, kind, items.len());
    for item in items {
        item.encode(out);
    }
}

fn write_pairs(out: &mut Vec<u8>, kind: u8, pairs: &[(Value, Value)]) {
    write_header(out, kind, pairs.len());
    for (key, value) in pairs {
        key.encode(out);
        value.encode(out);
    }
}
