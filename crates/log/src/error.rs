//! Everything that can go wrong, by the operation that fails.
//!
//! `Display` says where (file, offset), what was expected and what was found; the wording is not
//! stable.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::LogPosition;
use crate::format::Mismatch;

/// An operating system error with what was being done to what.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) action: &'static str,
    pub(crate) path: PathBuf,
    pub(crate) source: io::Error,
}

impl Failure {
    pub(crate) fn into_append_error(self) -> AppendError {
        let Self { action, path, source } = self;
        AppendError::Io { action, path, source }
    }
}

impl From<Failure> for OpenError {
    fn from(failure: Failure) -> Self {
        let Failure { action, path, source } = failure;
        Self::Io { action, path, source }
    }
}

impl From<Failure> for PrepareError {
    fn from(failure: Failure) -> Self {
        let Failure { action, path, source } = failure;
        Self::Io { action, path, source }
    }
}

/// The log cannot be opened. Nothing was changed on disk, except that leftovers of an interrupted
/// earlier recovery may have been removed.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// The operating system refused.
    Io {
        /// Verb and object, as in "read segment".
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// Another process has the directory open.
    Locked {
        /// The data directory.
        directory: PathBuf,
        /// The other process, where it could be read.
        pid: Option<u32>,
    },
    /// Written by a newer version of this program.
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// Its format version.
        found: u32,
        /// The newest that this program reads.
        supported: u32,
    },
    /// Bytes that were known to be on disk are not what was written.
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Byte in that file.
        offset: u64,
        /// The same place in the log.
        position: LogPosition,
        /// What a valid log has there, and what was found.
        mismatch: Mismatch,
    },
    /// A segment that recovery needs is not there.
    Missing {
        /// The log's directory.
        path: PathBuf,
        /// The position that a segment should contain.
        position: LogPosition,
        /// First position of the log; nothing if there is no segment at all.
        first: Option<LogPosition>,
    },
    /// A file that the newest checkpoint builds on is not there.
    MissingCheckpoint {
        /// The file.
        path: PathBuf,
    },
    /// The replay function refused a record.
    Replay {
        /// The segment.
        path: PathBuf,
        /// End of the record.
        position_end: LogPosition,
        /// What it said.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::Locked { directory, pid } => {
                write!(f, "directory {} is in use by ", directory.display())?;
                match pid {
                    Some(pid) => write!(f, "process {pid}"),
                    None => f.write_str("another process"),
                }
            }
            Self::NewerFormat { path, found, supported } => write!(
                f,
                "{} was written by a newer version of this program: its format is {found}, \
                 this version reads formats up to {supported}",
                path.display()
            ),
            Self::Damaged { path, offset, position, mismatch } => write!(
                f,
                "{} is damaged at byte {offset} (log position {position}): expected {}, found {}",
                path.display(),
                mismatch.expected,
                mismatch.found
            ),
            Self::Missing { path, position, first } => {
                write!(f, "log {} must contain position {position} but ", path.display())?;
                match first {
                    Some(first) => write!(f, "begins at {first}"),
                    None => f.write_str("has no segment"),
                }
            }
            Self::MissingCheckpoint { path } => {
                write!(f, "{} is missing: the newest checkpoint builds on it", path.display())
            }
            Self::Replay { path, position_end, .. } => write!(
                f,
                "cannot apply the record that ends at log position {position_end} in {}",
                path.display()
            ),
        }
    }
}

impl Error for OpenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Replay { source, .. } => Some(&**source),
            _ => None,
        }
    }
}

/// A batch may or may not have reached the disk. The log is poisoned: it accepts nothing more until
/// it is opened again, because a second sync can succeed without the pages of the first.
#[derive(Debug)]
#[non_exhaustive]
pub enum AppendError {
    /// This call failed, and poisoned the log.
    Io {
        /// Verb and object, as in "sync segment".
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// An earlier call failed.
    Poisoned {
        /// How it failed.
        reason: String,
    },
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::Poisoned { reason } => {
                write!(f, "the log accepts no writes until restart: {reason}")
            }
        }
    }
}

impl Error for AppendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Poisoned { .. } => None,
        }
    }
}

/// Background work failed. What is stored is not affected; try again later.
#[derive(Debug)]
#[non_exhaustive]
pub enum PrepareError {
    /// The operating system refused.
    Io {
        /// Verb and object, as in "zero segment".
        action: &'static str,
        /// File or directory.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// The log is poisoned (by this call, or before): there is nothing to prepare for.
    Poisoned {
        /// How it failed.
        reason: String,
    },
}

impl fmt::Display for PrepareError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, .. } => write!(f, "cannot {action} {}", path.display()),
            Self::Poisoned { reason } => write!(f, "the log is poisoned: {reason}"),
        }
    }
}

impl Error for PrepareError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Poisoned { .. } => None,
        }
    }
}
