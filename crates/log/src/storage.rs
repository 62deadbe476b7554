//! The few disk operations that the store needs, behind a trait so that tests can be the disk.
//!
//! Must not know the log's format. Two implementations: `os_storage.rs`, and for tests
//! `memory_storage/`, which is stricter than any disk.

use std::fmt::Debug;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// One data directory. Names are relative, `folder/file` with `/`, or `file`.
///
/// Nothing that happens to names (creating, renaming, removing) is certain to survive a crash
/// before [`sync_dir`](Self::sync_dir) has returned for their folder.
///
/// # Errors
/// Every method passes on the error of the operating system, `StorageFull` when the disk is full.
pub trait Storage: Send + Sync + Debug {
    /// Creates `folder` unless it exists.
    fn create_dir(&self, folder: &str) -> io::Result<()>;
    /// Creates an empty file; `AlreadyExists` if there is one of that name.
    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Opens a file for reading and writing; `NotFound` if there is none.
    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>>;
    /// Names of the files in `folder`, without the folder, in ascending order.
    fn list(&self, folder: &str) -> io::Result<Vec<String>>;
    /// Gives a file another name in the same folder, atomically replacing a file of that name.
    /// Files that are open stay open.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes all names in `folder` survive a crash; `""` is the data directory itself.
    fn sync_dir(&self, folder: &str) -> io::Result<()>;
    /// How messages name this file or folder.
    fn path(&self, name: &str) -> PathBuf;
}

/// An open file. All methods may be called from several threads at a time.
///
/// # Errors
/// Every method passes on the error of the operating system. After a failed write or sync it is
/// unknown what is on disk.
pub trait StorageFile: Send + Sync + Debug {
    /// Fills `buffer` from `offset` on and returns how many bytes there were: fewer than asked for
    /// only at the end of the file.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// Writes all of `bytes` at `offset`, extending the file where needed. An error may leave any
    /// part of them written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Returns once everything written to this file survives power loss, its length included.
    fn sync_data(&self) -> io::Result<()>;
    /// Bytes in the file.
    fn len(&self) -> io::Result<u64>;
    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Extends the file by `bytes` zero bytes from `offset`, its end, on. They have space on the
    /// disk; whether they were written there is the storage's choice.
    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        write_zeros(self, offset, bytes)
    }
    /// Whether the file has another name too, as one that a backup took over: then its bytes are
    /// not ours alone.
    fn is_shared(&self) -> io::Result<bool> {
        Ok(false)
    }
    /// Cuts the file, or extends it with zero bytes that take no space.
    fn set_len(&self, bytes: u64) -> io::Result<()>;
}

/// Zeros for one write call.
static ZEROS: [u8; 256 << 10] = [0; 256 << 10];

/// Writes zeros into `file` from `from` on.
pub(crate) fn write_zeros<F: StorageFile + ?Sized>(
    file: &F,
    from: u64,
    bytes: u64,
) -> io::Result<()> {
    let mut offset = from;
    let end = from + bytes;
    while offset < end {
        let count = (end - offset).min(ZEROS.len() as u64);
        file.write_at(offset, &ZEROS[..count as usize])?;
        offset += count;
    }
    Ok(())
}
