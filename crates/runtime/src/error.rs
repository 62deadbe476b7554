//! What a store's threads tell at their beginning and at their end.

use std::error::Error;
use std::{fmt, io};

/// The operating system gives no thread.
#[derive(Debug)]
pub struct ThreadError {
    /// What for.
    pub purpose: &'static str,
    /// What it says.
    pub source: io::Error,
}

impl fmt::Display for ThreadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot start a thread for {}", self.purpose)
    }
}

impl Error for ThreadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// The store was closed, and not as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopError {
    /// The log could not be written: what was not confirmed may or may not be on disk.
    Poisoned {
        /// How it failed.
        reason: String,
    },
    /// A panic in the middle of a change left the engine unusable.
    Broken,
    /// One of its threads panicked.
    Panicked {
        /// Its name.
        thread: String,
    },
}

impl fmt::Display for StopError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Poisoned { reason } => write!(f, "the log could not be written: {reason}"),
            Self::Broken => f.write_str("a panic left the engine unusable"),
            Self::Panicked { thread } => write!(f, "thread {thread} panicked"),
        }
    }
}

impl Error for StopError {}
