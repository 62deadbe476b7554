//! A disk in memory that tells a test what is about to happen to it, so that it may wait, or panic.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use millstream_log::memory_storage::Operation;
use millstream_log::{MemoryStorage, Storage, StorageFile};

/// Called before a file is read, written or synced.
type Hook = dyn Fn(Operation) + Send + Sync;

pub(super) struct HookedStorage {
    disk: MemoryStorage,
    hook: Arc<Hook>,
}

impl HookedStorage {
    pub(super) fn new(
        disk: &MemoryStorage,
        hook: impl Fn(Operation) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { disk: disk.clone(), hook: Arc::new(hook) })
    }

    fn hooked(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(HookedFile { file, hook: Arc::clone(&self.hook) })
    }
}

impl fmt::Debug for HookedStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.disk.fmt(f)
    }
}

impl Storage for HookedStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.create_dir(folder)
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.hooked(self.disk.create_new(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.hooked(self.disk.open(name)?))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.remove(name)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.sync_dir(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.disk.path(name)
    }
}

struct HookedFile {
    file: Arc<dyn StorageFile>,
    hook: Arc<Hook>,
}

impl fmt::Debug for HookedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.file.fmt(f)
    }
}

impl StorageFile for HookedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        (self.hook)(Operation::Read);
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        (self.hook)(Operation::Write);
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        (self.hook)(Operation::Sync);
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
