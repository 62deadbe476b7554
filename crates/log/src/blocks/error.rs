//! What can go wrong with a block.

use std::error::Error;
use std::path::PathBuf;
use std::{fmt, io};

use crate::error::Failure;
use crate::format::Mismatch;
use crate::preparer::is_disk_full;

/// A block cannot be read back.
#[derive(Debug)]
#[non_exhaustive]
pub enum BlockReadError {
    /// The operating system refused.
    Io {
        /// Verb and object.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Its error.
        source: io::Error,
    },
    /// What stands there is not what was written.
    Damaged {
        /// The file.
        path: PathBuf,
        /// Byte in it.
        offset: u64,
        /// What was expected, and what was found.
        mismatch: Mismatch,
    },
}

impl fmt::Display for BlockReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io { action, path, source } => {
                write!(f, "cannot {action} {}: {source}", path.display())
            }
            Self::Damaged { path, offset, mismatch } => write!(
                f,
                "{} is damaged at byte {offset}: expected {}, found {}",
                path.display(),
                mismatch.expected,
                mismatch.found
            ),
        }
    }
}

impl Error for BlockReadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { .. } => None,
        }
    }
}

impl From<Failure> for BlockReadError {
    fn from(failure: Failure) -> Self {
        let Failure { action, path, source } = failure;
        Self::Io { action, path, source }
    }
}

/// Blocks could not be written. Nothing that was synced before is affected; blocks since the last
/// flush are lost, and their addresses mean nothing.
#[derive(Debug)]
pub struct BlockWriteError {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl BlockWriteError {
    /// Whether there was no space: try again when there is.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        is_disk_full(&self.source)
    }
}

impl fmt::Display for BlockWriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}", self.action, self.path.display())
    }
}

impl Error for BlockWriteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

impl From<Failure> for BlockWriteError {
    fn from(failure: Failure) -> Self {
        let Failure { action, path, source } = failure;
        Self { action, path, source }
    }
}
