//! What a command answers, before it is bytes: a plan that costs little to hold.
//!
//! Protocol-neutral: one plan encodes to RESP2 and to RESP3. Must not know sessions or sockets.
//! Entries stay pinned in their blocks until the session encodes them.

use std::borrow::Cow;

use bytes::Bytes;
use millstream_engine::ReadOutcome;
use millstream_model::{EntryId, EntrySlice, PinnedEntry};

use crate::KeyMatches;

/// One reply, or one element of a reply.
#[derive(Clone, Debug)]
pub enum Reply {
    /// A status such as `OK`.
    Simple(Cow<'static, str>),
    /// An error: its text starts with an upper-case code such as `ERR`.
    Error(Cow<'static, str>),
    /// An error that repeats bytes of the client's.
    ErrorBytes(Vec<u8>),
    /// An integer.
    Int(i64),
    /// An entry's identity as a bulk string.
    Id(EntryId),
    /// A bulk string.
    Bulk(Bytes),
    /// A bulk string known at compile time: field names of maps above all.
    Text(&'static str),
    /// The nil bulk string of RESP2, `_` in RESP3.
    Nil,
    /// The nil array of RESP2, `_` in RESP3.
    NilArray,
    /// An array.
    Array(Vec<Reply>),
    /// A map; flattened to an array in RESP2.
    Map(Vec<(Reply, Reply)>),
    /// A set; an array in RESP2.
    Set(Vec<Reply>),
    /// A double; a bulk string in RESP2.
    Double(f64),
    /// One entry: its id and its fields.
    Entry(PinnedEntry),
    /// An array of entries.
    Entries(EntrySlice),
    /// What a read found: streams with their entries.
    Read(ReadOutcome),
    /// An array of the keys that match.
    Keys(Box<KeyMatches>),
    /// Text for people, marked as such in RESP3; a bulk string in RESP2.
    Verbatim(String),
    /// What goes over the wire, as it is: for kinds of replies that no command has (DEBUG
    /// PROTOCOL).
    Wire {
        /// In RESP2.
        resp2: &'static str,
        /// In RESP3.
        resp3: &'static str,
    },
}

impl Reply {
    /// The status `OK`.
    pub const OK: Self = Self::Simple(Cow::Borrowed("OK"));

    /// An error whose text is known at compile time.
    pub const fn error(text: &'static str) -> Self {
        Self::Error(Cow::Borrowed(text))
    }

    /// A count.
    pub fn count(count: usize) -> Self {
        Self::Int(i64::try_from(count).unwrap_or(i64::MAX))
    }

    /// A number that Redis counts in 64 bits with a sign.
    pub fn number(number: u64) -> Self {
        Self::Int(number.cast_signed())
    }

    /// A bulk string from anything that owns or lends bytes.
    pub fn bulk(bytes: impl Into<Bytes>) -> Self {
        Self::Bulk(bytes.into())
    }
}
