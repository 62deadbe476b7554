//! A disk in memory, for tests: stricter than a real one, and the same in every run.
//!
//! # Fault model
//!
//! - A write is pending until the file's next successful sync. A crash keeps, drops or tears each
//!   pending 512-byte sector on its own, in any combination; a torn one keeps a prefix of any
//!   length.
//! - Creating, renaming and removing are pending until the folder's sync. A crash keeps or drops
//!   each on its own; what no longer applies without a dropped one is dropped too.
//! - A failed write may have written its first half. After a failed sync everything pending reads
//!   well but is lost at the next crash, and a later sync that succeeds does not save it.
//! - Operations fail when told to ([`MemoryStorage::fail`]), or with `StorageFull` when the
//!   capacity is used up. Only sectors that were written count, so holes are free.
//! - Bits flip only when told to ([`MemoryStorage::flip_bit`]); synced bytes do not change by
//!   themselves.
//!
//! It knows nothing of logs. It never panics on what a storage's user may do. Tests: `tests.rs`
//! beside it.

mod disk;
#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::{Storage, StorageFile};
use disk::Disk;

/// The operations that can fail on order, and after which images are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    /// [`Storage::create_new`].
    Create,
    /// [`Storage::open`].
    Open,
    /// [`StorageFile::read_at`].
    Read,
    /// [`StorageFile::write_at`].
    Write,
    /// [`StorageFile::set_len`].
    SetLen,
    /// [`StorageFile::sync_data`].
    Sync,
    /// [`Storage::rename`].
    Rename,
    /// [`Storage::remove`].
    Remove,
    /// [`Storage::sync_dir`].
    SyncDir,
}

/// What a crash does to pending writes and names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crash {
    /// Drops all of them.
    LoseAll,
    /// Keeps all of them: the process ended, the machine did not.
    KeepAll,
    /// Decides for each of them by this seed.
    Random(u64),
}

/// [`Storage`] in memory; a clone is the same disk.
#[derive(Clone, Debug, Default)]
pub struct MemoryStorage {
    disk: Arc<Mutex<Disk>>,
}

/// The state of a disk just after one operation, pending writes included.
#[derive(Clone, Debug)]
pub struct Image {
    /// That operation.
    pub operation: Operation,
    disk: Disk,
}

impl Image {
    /// The disk that the next start finds if the crash came right then.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> MemoryStorage {
        MemoryStorage { disk: Arc::new(Mutex::new(self.disk.crash(crash))) }
    }
}

impl MemoryStorage {
    /// An empty disk without a limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The disk that the next start finds if the machine crashes now. This one goes on unharmed.
    #[must_use]
    pub fn crash(&self, crash: Crash) -> Self {
        Self { disk: Arc::new(Mutex::new(self.disk.lock().crash(crash))) }
    }

    /// Makes one operation of this kind fail: the next one for 0, the one after it for 1.
    pub fn fail(&self, operation: Operation, after: u64, kind: io::ErrorKind) {
        self.disk.lock().faults.push((operation, after, kind));
    }

    /// Forgets operations that were to fail and did not come.
    pub fn fail_no_more(&self) {
        self.disk.lock().faults.clear();
    }

    /// Sets how many bytes fit, in whole 512-byte sectors; `None` for no limit.
    pub fn set_capacity_bytes(&self, capacity_bytes: Option<u64>) {
        self.disk.lock().capacity_bytes = capacity_bytes;
    }

    /// From now on keeps an [`Image`] after each operation that changes or syncs something.
    pub fn keep_images(&self) {
        self.disk.lock().images.get_or_insert_default();
    }

    /// Images kept so far. Costs a copy of the whole disk per operation: keep files small.
    #[must_use]
    pub fn image_count(&self) -> usize {
        self.disk.lock().images.as_ref().map_or(0, Vec::len)
    }

    /// Hands over the images kept so far and stops keeping them.
    #[must_use]
    pub fn take_images(&self) -> Vec<Image> {
        let images = self.disk.lock().images.take().unwrap_or_default();
        images.into_iter().map(|(operation, disk)| Image { operation, disk }).collect()
    }

    /// Names of all files, with their folders, ascending.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.disk.lock().names()
    }

    /// What reading a whole file returns.
    #[must_use]
    pub fn contents(&self, name: &str) -> Option<Vec<u8>> {
        self.disk.lock().contents(name)
    }

    /// Replaces or creates a file, at once and durably, as somebody with an editor would.
    pub fn set_contents(&self, name: &str, bytes: Vec<u8>) {
        self.disk.lock().set_contents(name, bytes);
    }

    /// Inverts bit `bit` (0 to 7) of the byte at `offset`, durably. Returns whether there is such a
    /// byte.
    pub fn flip_bit(&self, name: &str, offset: u64, bit: u8) -> bool {
        let mut disk = self.disk.lock();
        let Some(mut bytes) = disk.contents(name) else { return false };
        let byte = usize::try_from(offset).ok().and_then(|offset| bytes.get_mut(offset));
        let Some(byte) = byte else { return false };
        *byte ^= 1 << (bit & 7);
        disk.set_contents(name, bytes);
        true
    }
}

impl Storage for MemoryStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.lock().create_dir(folder);
        Ok(())
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let id = self.disk.lock().create_new(name)?;
        Ok(Arc::new(MemoryFile { disk: Arc::clone(&self.disk), id }))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let id = self.disk.lock().open(name)?;
        Ok(Arc::new(MemoryFile { disk: Arc::clone(&self.disk), id }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.disk.lock().list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.lock().rename(from, to)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.disk.lock().remove(name)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.lock().sync_dir(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("memory").join(name)
    }
}

#[derive(Debug)]
struct MemoryFile {
    disk: Arc<Mutex<Disk>>,
    id: u64,
}

impl StorageFile for MemoryFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.disk.lock().read_at(self.id, offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.lock().write_at(self.id, offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.disk.lock().sync_data(self.id)
    }

    fn len(&self) -> io::Result<u64> {
        self.disk.lock().len(self.id)
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.disk.lock().reserve(self.id, offset, bytes)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.disk.lock().set_len(self.id, bytes)
    }
}
