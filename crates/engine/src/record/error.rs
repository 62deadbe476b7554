//! Why a record cannot be replayed.

use std::{error, fmt};

use millstream_log::RecordError;

/// A record cannot be applied: it was written by a newer program, or one of the two has a bug.
/// Its checksum was right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ReplayError {
    /// A block that it changes cannot be read back.
    Block(Box<str>),
    /// The bytes end early, or a number is too long.
    Bytes(RecordError),
    UnknownKind(u8),
    /// It names what is not there.
    Unknown {
        what: &'static str,
        id: u64,
    },
    /// It creates what is there already.
    Taken {
        what: &'static str,
        id: u64,
    },
    /// The key that it changes does not exist.
    UnknownKey {
        db: u8,
    },
    /// It treats a string as a stream, or the other way round.
    OtherType {
        object: u64,
    },
    OutOfRange {
        what: &'static str,
        value: u64,
    },
}

impl fmt::Display for ReplayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block(reason) => f.write_str(reason),
            Self::Bytes(error) => error.fmt(f),
            Self::UnknownKind(kind) => write!(f, "unknown kind of part: {kind}"),
            Self::Unknown { what, id } => write!(f, "there is no {what} {id}"),
            Self::Taken { what, id } => write!(f, "{what} {id} exists already"),
            Self::UnknownKey { db } => write!(f, "a key of database {db} does not exist"),
            Self::OtherType { object } => write!(f, "object {object} is of another type"),
            Self::OutOfRange { what, value } => write!(f, "{what} out of range: {value}"),
        }
    }
}

impl error::Error for ReplayError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Bytes(error) => Some(error),
            _ => None,
        }
    }
}

impl From<RecordError> for ReplayError {
    fn from(error: RecordError) -> Self {
        Self::Bytes(error)
    }
}
