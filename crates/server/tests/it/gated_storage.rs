//! A disk in memory whose syncs, or writes, wait while a gate is closed, and where no file can be
//! opened, or a sync panics, on order. It knows which thread did what.

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
    watched: Arc<Watched>,
    has_no_files: Arc<AtomicBool>,
}

/// What the files of a disk have in common.
#[derive(Debug, Default)]
struct Watched {
    syncs: Gate,
    writes: Gate,
    /// The name of a thread whose syncs are wrong.
    wrong_thread: Mutex<Option<&'static str>>,
    /// Kept from the first question on.
    done: Mutex<Option<Vec<Done>>>,
}

/// A write or a sync, by the name of its thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Done {
    pub(crate) thread: String,
    /// `None`: a sync.
    pub(crate) written: Option<Vec<u8>>,
}

#[derive(Debug, Default)]
struct Gate {
    closed_for: Mutex<ClosedFor>,
    moved: Condvar,
}

#[derive(Clone, Copy, Debug, Default)]
enum ClosedFor {
    #[default]
    Nobody,
    Everybody,
    Thread(&'static str),
}

impl ClosedFor {
    fn is_me(self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Everybody => true,
            Self::Thread(name) => std::thread::current().name() == Some(name),
        }
    }
}

impl Gate {
    fn set(&self, closed_for: ClosedFor) {
        *self.closed_for.lock().expect("no test panics while it holds this") = closed_for;
        self.moved.notify_all();
    }

    fn pass(&self) {
        let closed_for = self.closed_for.lock().expect("no test panics while it holds this");
        let waited = self.moved.wait_timeout_while(closed_for, LIMIT, |closed| closed.is_me());
        let waited = waited.expect("no test panics while it holds this").1;
        assert!(!waited.timed_out(), "the gate stays closed");
    }
}

impl Watched {
    fn note(&self, written: Option<&[u8]>) {
        let mut done = self.done.lock().expect("no test panics while it holds this");
        if let Some(done) = &mut *done {
            let thread = std::thread::current().name().unwrap_or_default().to_owned();
            done.push(Done { thread, written: written.map(<[u8]>::to_vec) });
        }
    }

    fn sync(&self) {
        self.note(None);
        let wrong = *self.wrong_thread.lock().expect("no test panics while it holds this");
        let is_wrong = wrong.is_some() && std::thread::current().name() == wrong;
        assert!(!is_wrong, "a panic of a test in {wrong:?}");
        self.syncs.pass();
    }
}

impl GatedStorage {
    /// Syncs wait from now on.
    pub(crate) fn close(&self) {
        self.watched.syncs.set(ClosedFor::Everybody);
    }

    pub(crate) fn open_gate(&self) {
        self.watched.syncs.set(ClosedFor::Nobody);
    }

    /// Writes of a thread wait from now on.
    pub(crate) fn hold_writes_of(&self, thread: &'static str) {
        self.watched.writes.set(ClosedFor::Thread(thread));
    }

    pub(crate) fn hold_no_writes(&self) {
        self.watched.writes.set(ClosedFor::Nobody);
    }

    /// From now on this thread panics when it syncs.
    pub(crate) fn panic_in(&self, thread: &'static str) {
        let wrong = &self.watched.wrong_thread;
        *wrong.lock().expect("no test panics while it holds this") = Some(thread);
    }

    /// Writes and syncs since the last call, those that wait among them; none the first time.
    pub(crate) fn take_done(&self) -> Vec<Done> {
        let mut done = self.watched.done.lock().expect("no test panics while it holds this");
        done.replace(Vec::new()).unwrap_or_default()
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
        Arc::new(GatedFile { file, watched: Arc::clone(&self.watched) })
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
    watched: Arc<Watched>,
}

impl StorageFile for GatedFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read_at(offset, buffer)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.watched.note(Some(bytes));
        self.watched.writes.pass();
        self.file.write_at(offset, bytes)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.watched.sync();
        self.file.sync_data()
    }

    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        self.file.set_len(bytes)
    }
}
