//! Block files: blobs of bytes in shared files, found again by address.
//!
//! ```text
//! blocks/<number, 10 digits>.blk    a header, then blocks one behind the other
//! ```
//!
//! What a block means is its owner's business. Blocks are written once and never changed; a file
//! goes as a whole, once nothing refers to any of its blocks ([`BlockFiles::free`]). Bytes of the
//! format: `docs/format.md`. Tests: `tests/it/blocks.rs`.

mod address;
mod block_files;
mod block_writer;
mod error;
mod file_format;
mod pins;
mod read;

pub use address::BlockAddress;
pub use block_files::{BlockFiles, BlockFilesOptions, BlockFilesStatistics, SparseFile};
pub use block_writer::BlockWriter;
pub use error::{BlockReadError, BlockWriteError};
pub use pins::FilesPin;
pub use read::{Block, FoundBlock};
