//! Why no checkpoint was made.

use std::{error, fmt, io};

use millstream_log::{BlockReadError, BlockWriteError, OpenError};

/// A checkpoint failed. Nothing is lost: the one before and the log say everything. Try again.
#[derive(Debug)]
#[non_exhaustive]
pub enum CheckpointError {
    /// Something could not be written.
    Write(BlockWriteError),
    /// Something that is not needed any more could not be removed.
    Remove(OpenError),
    /// The same, of block files.
    RemoveBlocks(BlockReadError),
    /// The reserve of disk space could not be taken.
    Reserve(io::Error),
}

impl CheckpointError {
    /// Whether the disk is full.
    #[must_use]
    pub fn is_disk_full(&self) -> bool {
        matches!(self, Self::Write(error) if error.is_disk_full())
    }
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Write(error) => error.fmt(f),
            Self::Remove(error) => error.fmt(f),
            Self::RemoveBlocks(error) => error.fmt(f),
            Self::Reserve(_) => f.write_str("cannot keep disk space for the next one"),
        }
    }
}

impl error::Error for CheckpointError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Write(error) => error.source(),
            Self::Remove(error) => error.source(),
            Self::RemoveBlocks(error) => error.source(),
            Self::Reserve(error) => Some(error),
        }
    }
}

impl From<BlockWriteError> for CheckpointError {
    fn from(error: BlockWriteError) -> Self {
        Self::Write(error)
    }
}
