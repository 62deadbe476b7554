//! A disk in memory whose syncs wait while a gate is closed, and where no file can be opened, or a
//! sync panics, on order.

use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};

use millstream_log::{MemoryStorage, Storage, StorageFile};
use rustix::io::Errno;

use crate::client::LIMIT;

#[derive(Clone, Debug, Default)]
pub(crate) struct GatedStorage {
    pub(crate) disk: MemoryStorage,
    gate: Arc<Gate>,
    has_no_files: Arc<AtomicBool>,
}

#[derive(Debug, Default)]
struct Gate {
    is_closed: Mutex<bool>,
    moved: Condvar,
    /// The name of a thread whose syncs are wrong.
    wrong_thread: Mutex<Option<&'static str>>,
}

impl Gate {
    fn pass(&self) {
        let wrong = *self.wrong_thread.lock().expect("no test panics while it holds this");
        let is_wrong = wrong.is_some() && std::thread::current().name() == wrong;
        assert!(!is_wrong, "a panic of a test in {wrong:?}");
        let closed = self.is_closed.lock().expect("no test panics while it holds this");
        let waited = self.moved.wait_timeout_while(closed, LIMIT, |closed| *closed);
        assert!(!*waited.expect("no test panics while it holds this").0, "the gate stays closed");
    }
}

impl GatedStorage {
    pub(crate) fn close(&self) {
        *self.gate.is_closed.lock().expect("no test panics while it holds this") = true;
    }

    pub(crate) fn open_gate(&self) {
        *self.gate.is_closed.lock().expect("no test panics while it holds this") = false;
        self.gate.moved.notify_all();
    }

    /// From now on this thread panics when it syncs.
    pub(crate) fn panic_in(&self, thread: &'static str) {
        let wrong = &self.gate.wrong_thread;
        *wrong.lock().expect("no test panics while it holds this") = Some(thread);
    }

    /// As at the limit of open files.
    pub(crate) fn refuse_files(&self, refuses: bool) {
        self.has_no_files.store(refuses, Ordering::Release);
    }

    fn may_open(&self) -> io::Result<()> {
        if self.has_no_files.load(Ordering::Acquire) {
            return Err(Errno::MFILE.into());
        }
        Ok(())
    }

    fn gated(&self, file: Arc<dyn StorageFile>) -> Arc<dyn StorageFile> {
        Arc::new(GatedFile { file, gate: Arc::clone(&self.gate) })
    }
}

impl Storage for GatedStorage {
    fn create_dir(&self, folder: &str) -> io::Result<()> {
        self.disk.create_dir(folder)
    }

    fn create_new(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.may_open()?;
        Ok(self.gated(self.disk.create_new(name)?))
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn StorageFile>> {
        self.may_open()?;
        Ok(self.gated(self.disk.open(name)?))
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

#[derive(Debug)]
struct GatedFile {
    file: Arc<dyn StorageFile>,
    gate: Arc<Gate>,
}

impl StorageFile for GatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.gate.pass();
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
