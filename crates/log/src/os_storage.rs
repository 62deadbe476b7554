//! A real directory, held by one process at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate};

use crate::storage::write_zeros;
use crate::{OpenError, Storage, StorageFile};

/// Name of the file whose lock is the directory's lock; it holds the owner's process id.
const LOCK_NAME: &str = "LOCK";

/// [`Storage`] over a directory of the operating system. Dropping it releases the directory.
#[derive(Debug)]
pub struct OsStorage {
    directory: PathBuf,
    /// Locked while it is open.
    _lock: File,
}

impl OsStorage {
    /// Opens the directory for this process alone, creating it with its parents if it is not there.
    ///
    /// # Errors
    /// [`OpenError::Locked`] while another owner (in this process or another one) has it open,
    /// [`OpenError::Io`].
    pub fn open(directory: impl AsRef<Path>) -> Result<Self, OpenError> {
        let directory = directory.as_ref();
        let io_error = |action, path: &Path| {
            let path = path.to_path_buf();
            move |source| OpenError::Io { action, path, source }
        };
        fs::create_dir_all(directory).map_err(io_error("create directory", directory))?;
        let directory =
            directory.canonicalize().map_err(io_error("resolve directory", directory))?;
        let lock_path = directory.join(LOCK_NAME);
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&lock_path)
            .map_err(io_error("open lock file", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(OpenError::Locked { directory, pid: read_pid(&mut lock) });
            }
            Err(TryLockError::Error(source)) => {
                return Err(OpenError::Io { action: "lock", path: lock_path, source });
            }
        }
        // The id is a help for people, not a part of the lock: a full disk must not keep us from
        // starting.
        let _ = write_pid(&mut lock);
        Ok(Self { directory, _lock: lock })
    }

    /// The directory's absolute path.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }
}

fn read_pid(lock: &mut File) -> Option<u32> {
    let mut text = String::new();
    lock.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn write_pid(lock: &mut File) -> io::Result<()> {
    lock.set_len(0)?;
    lock.seek(SeekFrom::Start(0))?;
    writeln!(lock, "{}", std::process::id())
}

impl Storage for OsStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        fs::create_dir_all(self.path(folder))
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(self.path(name))?;
        Ok(Arc::new(OsFile(file)))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = OpenOptions::new().read(true).write(true).open(self.path(name))?;
        Ok(Arc::new(OsFile(file)))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.path(folder))? {
            // A name that is not UTF-8 is none of ours.
            if let Ok(name) = entry?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        File::open(self.path(folder))?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.directory.clone() } else { self.directory.join(name) }
    }
}

#[derive(Debug)]
struct OsFile(File);

impl StorageFile for OsFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.0.read_at(&mut buffer[filled..], offset + filled as u64) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), offset, bytes) {
            // Some file systems cannot; zeros have space, too.
            Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(self, offset, bytes),
            other => Ok(other?),
        }
    }

    fn is_shared(&self) -> io::Result<bool> {
        Ok(self.0.metadata()?.nlink() > 1)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.0.set_len(bytes)
    }
}
