//! Disk space that is kept for checkpoints, so that one can be made on a full disk: only a
//! checkpoint gives back what was trimmed.
//!
//! Invariants:
//! 1. The log grows only while the reserve is whole: whoever takes the last of the disk meets the
//!    end of it with the reserve still there.
//! 2. The reserve is given up only for a write of a checkpoint that found no space, and for what
//!    the log keeps for commands that free some. It is taken again once there is as much, before
//!    the log gets any other.
//!
//! It is a file of its size, preallocated and never written. Tests: `tests/it/disk_reserve.rs`.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::error::Failure;
use crate::preparer::is_disk_full;
use crate::{OpenError, Room, Storage, StorageFile};

/// The file, in the data directory.
const RESERVE_NAME: &str = "reserve";

/// The reserve of one store; clones share it.
#[derive(Clone, Debug)]
pub struct DiskReserve {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    storage: Arc<dyn Storage>,
    /// Set once the log is open.
    room: OnceLock<Room>,
    bytes: u64,
    is_whole: AtomicBool,
    /// Held while the file changes.
    changing: Mutex<()>,
}

impl DiskReserve {
    /// A reserve that keeps nothing before [`Self::begin`]. 0 bytes: it never does.
    #[must_use]
    pub fn new(storage: Arc<dyn Storage>, bytes: u64) -> Self {
        let (room, is_whole) = (OnceLock::new(), AtomicBool::new(bytes == 0));
        let changing = Mutex::new(());
        Self { shared: Arc::new(Shared { storage, room, bytes, is_whole, changing }) }
    }

    /// Keeps its bytes from here on, or as soon as there is space for them. Until then the log of
    /// this `room` does not grow.
    ///
    /// # Errors
    /// [`OpenError::Io`], but not that the disk is full.
    ///
    /// # Panics
    /// If it was begun before.
    pub fn begin(&self, room: Room) -> Result<(), OpenError> {
        if !self.is_whole() {
            room.hold_growth();
        }
        self.shared.room.set(room).expect("a reserve is begun once");
        let (action, path) = ("keep disk space in", self.shared.storage.path(RESERVE_NAME));
        self.keep().map_err(|source| Failure { action, path, source })?;
        Ok(())
    }

    /// Bytes that are kept now: all or none.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        if self.is_whole() { self.shared.bytes } else { 0 }
    }

    /// Whether it is there in full.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.shared.is_whole.load(Ordering::Acquire)
    }

    /// Takes the space if there is as much; returns whether it has it.
    ///
    /// # Errors
    /// Those of the storage, but not that the disk is full.
    pub fn keep(&self) -> io::Result<bool> {
        let _changing = self.shared.changing.lock();
        if self.is_whole() {
            return Ok(true);
        }
        match self.shared.take() {
            Ok(()) => {}
            Err(error) => {
                // A part of it is of no use, and others may have one for it.
                let _ = self.shared.storage.remove(RESERVE_NAME);
                return if is_disk_full(&error) { Ok(false) } else { Err(error) };
            }
        }
        self.shared.is_whole.store(true, Ordering::Release);
        self.shared.room.get().inspect(|room| room.allow_growth());
        Ok(true)
    }

    /// Gives the space up until the next [`Self::keep`]; returns whether there was any.
    pub(crate) fn give_up(&self) -> bool {
        self.shared.give_up()
    }

    /// The same storage for whoever may use the reserve: a write that finds no space gives it up
    /// and is tried again.
    #[must_use]
    pub fn storage(&self) -> Arc<dyn Storage> {
        Arc::new(ReservingStorage { shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn take(&self) -> io::Result<()> {
        let file = match self.storage.open(RESERVE_NAME) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.storage.create_new(RESERVE_NAME)?
            }
            other => other?,
        };
        match file.len()? {
            there if there > self.bytes => file.set_len(self.bytes),
            there if there < self.bytes => file.reserve(there, self.bytes - there),
            _ => Ok(()),
        }
    }

    /// Gives the space up; returns whether there was any.
    fn give_up(&self) -> bool {
        let _changing = self.changing.lock();
        if self.bytes == 0 || !self.is_whole.load(Ordering::Acquire) {
            return false;
        }
        self.room.get().inspect(|room| room.hold_growth());
        self.is_whole.store(false, Ordering::Release);
        self.storage.remove(RESERVE_NAME).is_ok()
    }

    fn try_twice<T>(&self, work: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match work() {
            Err(error) if is_disk_full(&error) && self.give_up() => work(),
            other => other,
        }
    }
}

#[derive(Debug)]
struct ReservingStorage {
    shared: Arc<Shared>,
}

impl ReservingStorage {
    fn wrap(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(ReservingFile { shared: Arc::clone(&self.shared), file })
    }
}

impl Storage for ReservingStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.shared.try_twice(|| self.shared.storage.create_dir(folder))
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        let file = self.shared.try_twice(|| self.shared.storage.create_new(name))?;
        Ok(self.wrap(file))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        Ok(self.wrap(self.shared.storage.open(name)?))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        self.shared.storage.list(folder)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.shared.try_twice(|| self.shared.storage.rename(from, to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.shared.storage.remove(name)
    }

    fn sync_dir(&self, folder: &str) -> io::Result<()> {
        self.shared.storage.sync_dir(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.shared.storage.path(name)
    }
}

#[derive(Debug)]
struct ReservingFile {
    shared: Arc<Shared>,
    file: Arc<dyn StorageFile>,
}

impl StorageFile for ReservingFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.shared.try_twice(|| self.file.write_at(offset, bytes))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn reserve(&self, offset: u64, bytes: u64) -> io::Result<()> {
        self.shared.try_twice(|| self.file.reserve(offset, bytes))
    }

    fn is_shared(&self) -> io::Result<bool> {
        self.file.is_shared()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
