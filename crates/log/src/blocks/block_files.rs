//! All block files of a store: which there are, what of them is referred to, and when they go.
//!
//! Invariants:
//! 1. A file's `live` bytes are those of its blocks that were written or counted at the start, and
//!    not freed since.
//! 2. Only [`BlockFiles::remove_dead`] takes a file away: not the one being written, none with live
//!    bytes, and none that somebody may still read ([`FilesPin`]).
//! 3. The lock is never held over I/O, except while files are removed.
//!
//! Must not know what refers to a block: its owner says what it frees, once that is certain for
//! good. Tests: `tests/it/blocks.rs`.

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::file_format::{
    FILE_HEADER_BYTES, FOLDER, FileHeader, FileHeaderError, VERSION, name_of, number_of,
};
use super::pins::Pins;
use super::{BlockAddress, BlockReadError, BlockWriter, FilesPin};
use crate::error::Failure;
use crate::format::Mismatch;
use crate::{LogPosition, OpenError, Storage, StorageFile, StoredFile};

/// Files kept open for reading.
const OPEN_FILES_MAX: usize = 128;
/// The file being written is given up as sparse only above this part of a full file's size.
const SPARSE_SHARE: u64 = 16;

/// What the owner of block files may choose.
#[derive(Clone, Debug)]
pub struct BlockFilesOptions {
    /// A file is full at this size, in bytes; a larger block gets a file of its own. Default
    /// 64 MiB, at most 1 GiB.
    pub file_bytes: u64,
    /// Goes into every checksum of new files: a number that clients cannot guess. Default 0.
    pub salt: u64,
    /// Files that are missing or damaged do not keep the others from being opened; reading from
    /// them fails. For tools that look for what is left. Default false.
    pub accepts_damaged: bool,
}

impl Default for BlockFilesOptions {
    fn default() -> Self {
        Self { file_bytes: 64 << 20, salt: 0, accepts_damaged: false }
    }
}

/// Block files in numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockFilesStatistics {
    /// Files.
    pub files: usize,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes of blocks that are referred to.
    pub live_bytes: u64,
    /// Bytes written since the start, headers included.
    pub written_bytes: u64,
    /// Payload of what was written, before it was compressed.
    pub raw_bytes: u64,
}

/// A file of which much is not referred to any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SparseFile {
    /// Its number.
    pub number: u32,
    /// Bytes of its blocks that are referred to.
    pub live_bytes: u64,
    /// All bytes.
    pub bytes: u64,
}

/// A file that is open for reading.
#[derive(Debug)]
pub(super) struct OpenFile {
    pub(super) header: FileHeader,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
}

#[derive(Debug, Default)]
struct Known {
    live_bytes: u64,
    bytes: u64,
    /// Of those, certain to stay: what comes after them may be cut off again.
    synced_bytes: u64,
    /// Where the last block ends that was referred to at the start.
    referred_end: u64,
    open: Option<Arc<OpenFile>>,
    /// Nothing refers to it since this generation of pins.
    given_up: Option<u64>,
}

impl Known {
    /// Whether less than half of its blocks is referred to. The file's header is in every file:
    /// with it, a small block on its own would be worth moving for ever.
    fn is_sparse(&self) -> bool {
        self.live_bytes < self.bytes.saturating_sub(FILE_HEADER_BYTES as u64) / 2
    }
}

#[derive(Debug, Default)]
struct Inner {
    files: BTreeMap<u32, Known>,
    /// Open ones, least recently opened first.
    open_order: VecDeque<u32>,
    /// Being written.
    current: Option<u32>,
    next: u32,
    pins: Pins,
    /// Nothing referred to them when they were found.
    leftovers: Vec<u32>,
}

/// The block files of one store; clones share them.
#[derive(Clone, Debug)]
pub struct BlockFiles {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) options: BlockFilesOptions,
    inner: Mutex<Inner>,
    written_bytes: AtomicU64,
    raw_bytes: AtomicU64,
}

impl BlockFiles {
    /// Opens the files in the storage's folder `blocks`, of which these blocks are referred to.
    /// Others stay until [`Self::remove_leftovers`].
    ///
    /// # Errors
    /// [`OpenError`] if one that is referred to is missing, too short, or not a block file, unless
    /// the options say that damaged ones are wanted.
    pub fn open(
        storage: Arc<dyn Storage>,
        options: BlockFilesOptions,
        referred: impl IntoIterator<Item = BlockAddress>,
    ) -> Result<Self, OpenError> {
        let failed = |action, name: &str| {
            let path = storage.path(name);
            move |source| Failure { action, path, source }
        };
        storage.create_dir(FOLDER).map_err(failed("create directory", FOLDER))?;
        storage.sync_dir("").map_err(failed("sync directory", ""))?;
        let mut inner = Inner { next: 1, ..Inner::default() };
        let mut ends: BTreeMap<u32, u64> = BTreeMap::new();
        for address in referred {
            inner.files.entry(address.file).or_default().live_bytes += u64::from(address.bytes);
            // A damaged store may refer to files that are not there.
            inner.next = inner.next.max(address.file.saturating_add(1));
            let end = ends.entry(address.file).or_default();
            *end = (*end).max(address.end());
        }
        let names = storage.list(FOLDER).map_err(failed("list directory", FOLDER))?;
        for number in names.iter().filter_map(|name| number_of(name)) {
            inner.next = inner.next.max(number.saturating_add(1));
            if !inner.files.contains_key(&number) {
                inner.leftovers.push(number);
            }
        }
        let options = BlockFilesOptions {
            file_bytes: options.file_bytes.clamp(FILE_HEADER_BYTES as u64 + 1, 1 << 30),
            ..options
        };
        let (written_bytes, raw_bytes) = (AtomicU64::new(0), AtomicU64::new(0));
        let inner = Mutex::new(inner);
        let shared = Shared { storage, options, inner, written_bytes, raw_bytes };
        let files = Self { shared: Arc::new(shared) };
        for (number, end) in ends {
            match files.check_present(number, end) {
                Err(_) if files.shared.options.accepts_damaged => {}
                checked => checked?,
            }
        }
        Ok(files)
    }

    /// Removes the files that an interrupted checkpoint left, and the ends of files. Only once
    /// everything else was opened: where the checkpoint that refers to a file is not found, the
    /// file is all there is of it.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn remove_leftovers(&self) -> Result<(), OpenError> {
        let leftovers = std::mem::take(&mut self.shared.inner.lock().leftovers);
        for &number in &leftovers {
            let removed = self.shared.storage.remove(&name_of(number));
            removed.map_err(self.shared.failed("remove leftover", number))?;
        }
        if !leftovers.is_empty() {
            let synced = self.shared.storage.sync_dir(FOLDER);
            let path = self.shared.storage.path(FOLDER);
            synced.map_err(|source| Failure { action: "sync directory", path, source })?;
        }
        self.cut_ends()?;
        Ok(())
    }

    /// Gives back what an interrupted checkpoint had added to files: on a full disk the next one
    /// needs the space. Not where a backup has the file too: it may refer to more than we do.
    fn cut_ends(&self) -> Result<(), OpenError> {
        let longer: Vec<_> = {
            let inner = self.shared.inner.lock();
            let longer = inner.files.iter().filter(|(_, known)| known.bytes > known.referred_end);
            longer.map(|(&number, known)| (number, known.referred_end)).collect()
        };
        for (number, end) in longer {
            let file = self.shared.open_known(number)?;
            let failed = |action| {
                let path = file.path.clone();
                move |source| Failure { action, path, source }
            };
            if file.file.is_shared().map_err(failed("count names of block file"))? {
                continue;
            }
            file.file.set_len(end).map_err(failed("cut block file"))?;
            self.shared.note_cut(number, end);
        }
        Ok(())
    }

    /// The files that live blocks are in, ascending.
    #[must_use]
    pub fn live_files(&self) -> Vec<StoredFile> {
        let inner = self.shared.inner.lock();
        let live = inner.files.iter().filter(|(_, known)| known.live_bytes > 0);
        let stored = live.map(|(&number, known)| {
            let is_final = inner.current != Some(number) && known.synced_bytes == known.bytes;
            let bytes = known.synced_bytes;
            StoredFile { name: name_of(number), bytes, file_bytes: bytes, is_final }
        });
        stored.collect()
    }

    fn check_present(&self, number: u32, end: u64) -> Result<(), OpenError> {
        let file = self.shared.open_known(number)?;
        let bytes = file.file.len().map_err(|source| Failure {
            action: "measure block file",
            path: file.path.clone(),
            source,
        })?;
        if bytes < end {
            let expected = format!("a file of at least {end} bytes");
            let mismatch = Mismatch::new(expected, format!("the end after {bytes}"));
            let position = LogPosition::ZERO;
            let path = file.path.clone();
            return Err(OpenError::Damaged { path, offset: bytes, position, mismatch });
        }
        if let Some(known) = self.shared.inner.lock().files.get_mut(&number) {
            (known.bytes, known.synced_bytes, known.referred_end) = (bytes, bytes, end);
        }
        Ok(())
    }

    /// A writer for new blocks; there is one at a time.
    #[must_use]
    pub fn writer(&self) -> BlockWriter {
        BlockWriter::new(Arc::clone(&self.shared))
    }

    /// Keeps all files on disk that are there now.
    #[must_use]
    pub fn pin(&self) -> FilesPin {
        self.shared.inner.lock().pins.pin()
    }

    /// Nothing refers to this block any more, for good.
    pub fn free(&self, address: BlockAddress) {
        self.shared.note_lost(address);
    }

    /// Counts anew what is referred to; for an owner that gave up its state for an older one.
    pub fn recount(&self, referred: impl IntoIterator<Item = BlockAddress>) {
        let mut inner = self.shared.inner.lock();
        inner.files.values_mut().for_each(|known| known.live_bytes = 0);
        for address in referred {
            let known = inner.files.get_mut(&address.file).expect("it was written");
            known.live_bytes += u64::from(address.bytes);
        }
    }

    /// Files, but the one being written, of which less than half is referred to, sparsest first.
    #[must_use]
    pub fn sparse(&self) -> Vec<SparseFile> {
        let inner = self.shared.inner.lock();
        let others = inner.files.iter().filter(|(number, _)| Some(**number) != inner.current);
        let mut sparse: Vec<_> = others
            .filter(|(_, known)| known.live_bytes > 0 && known.is_sparse())
            .map(|(&number, known)| SparseFile {
                number,
                live_bytes: known.live_bytes,
                bytes: known.bytes,
            })
            .collect();
        sparse.sort_unstable_by_key(|file| (file.live_bytes, file.number));
        sparse
    }

    /// Takes files away that nothing refers to and nobody reads. Returns how many; what failed or
    /// is still read is taken away by a later call.
    ///
    /// # Errors
    /// [`BlockReadError::Io`]: nothing is lost.
    pub fn remove_dead(&self) -> Result<usize, BlockReadError> {
        let mut inner = self.shared.inner.lock();
        let current = inner.current;
        let is_dead = |number: u32, known: &Known| known.live_bytes == 0 && Some(number) != current;
        if inner.files.iter().any(|(number, k)| is_dead(*number, k) && k.given_up.is_none()) {
            let generation = inner.pins.advance();
            for (number, known) in &mut inner.files {
                if is_dead(*number, known) {
                    known.given_up.get_or_insert(generation);
                }
            }
        }
        let oldest = inner.pins.oldest();
        let over = |known: &Known| known.given_up.is_some_and(|generation| generation < oldest);
        let gone: Vec<u32> = inner
            .files
            .iter()
            .filter(|(_, known)| over(known))
            .map(|(number, _)| *number)
            .collect();
        let storage = &self.shared.storage;
        for &number in &gone {
            let name = name_of(number);
            match storage.remove(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(self.shared.failed("remove block file", number)(error).into());
                }
                _ => {}
            }
            inner.files.remove(&number);
            inner.open_order.retain(|open| *open != number);
        }
        drop(inner);
        if !gone.is_empty() {
            let path = storage.path(FOLDER);
            let action = "sync directory";
            storage.sync_dir(FOLDER).map_err(|source| Failure { action, path, source })?;
        }
        Ok(gone.len())
    }

    /// Block files in numbers.
    #[must_use]
    pub fn statistics(&self) -> BlockFilesStatistics {
        let inner = self.shared.inner.lock();
        BlockFilesStatistics {
            files: inner.files.len(),
            bytes: inner.files.values().map(|known| known.bytes).sum(),
            live_bytes: inner.files.values().map(|known| known.live_bytes).sum(),
            written_bytes: self.shared.written_bytes.load(Ordering::Relaxed),
            raw_bytes: self.shared.raw_bytes.load(Ordering::Relaxed),
        }
    }

    pub(super) fn path_of(&self, number: u32) -> PathBuf {
        self.shared.storage.path(&name_of(number))
    }

    pub(super) fn open_file(&self, number: u32) -> Result<Arc<OpenFile>, BlockReadError> {
        self.shared.open_known(number).map_err(|error| match error {
            OpenError::Io { action, path, source } => BlockReadError::Io { action, path, source },
            OpenError::Damaged { path, offset, mismatch, .. } => {
                BlockReadError::Damaged { path, offset, mismatch }
            }
            other => {
                let mismatch = Mismatch::new("a block file", other.to_string());
                BlockReadError::Damaged { path: self.path_of(number), offset: 0, mismatch }
            }
        })
    }
}

impl Shared {
    pub(super) fn failed(
        &self,
        action: &'static str,
        number: u32,
    ) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        let path = self.storage.path(&name_of(number));
        move |source| Failure { action, path, source }
    }

    /// The file, open; its header was checked.
    fn open_known(&self, number: u32) -> Result<Arc<OpenFile>, OpenError> {
        if let Some(open) =
            self.inner.lock().files.get(&number).and_then(|known| known.open.clone())
        {
            return Ok(open);
        }
        let open = Arc::new(OpenFile::open(&*self.storage, number)?);
        let mut inner = self.inner.lock();
        if let Some(known) = inner.files.get_mut(&number) {
            known.open = Some(Arc::clone(&open));
            inner.open_order.push_back(number);
        }
        if inner.open_order.len() > OPEN_FILES_MAX
            && let Some(oldest) = inner.open_order.pop_front()
            && let Some(known) = inner.files.get_mut(&oldest)
        {
            known.open = None;
        }
        Ok(open)
    }

    /// Whether the file has not been removed.
    pub(super) fn is_there(&self, number: u32) -> bool {
        self.inner.lock().files.contains_key(&number)
    }

    /// Whether the file being written is large, and less than half of it is referred to.
    pub(super) fn is_current_sparse(&self) -> bool {
        let inner = self.inner.lock();
        let known = inner.current.and_then(|current| inner.files.get(&current));
        known.is_some_and(|known| {
            known.bytes >= self.options.file_bytes / SPARSE_SHARE && known.is_sparse()
        })
    }

    /// A block that was appended is not referred to.
    pub(super) fn note_lost(&self, address: BlockAddress) {
        let mut inner = self.inner.lock();
        let known = inner.files.get_mut(&address.file).expect("what is freed was written");
        let left = known.live_bytes.checked_sub(u64::from(address.bytes));
        known.live_bytes = left.expect("a block is freed once");
    }

    /// Takes the number of a file that is to be written from now on.
    pub(super) fn begin_file(&self) -> u32 {
        let mut inner = self.inner.lock();
        let number = inner.next;
        inner.next += 1;
        inner.current = Some(number);
        inner.files.insert(number, Known::default());
        number
    }

    /// All that was appended to a file is on disk.
    pub(super) fn note_synced(&self, number: u32) {
        if let Some(known) = self.inner.lock().files.get_mut(&number) {
            known.synced_bytes = known.bytes;
        }
    }

    /// How much of a file is certain to stay, if it is there.
    pub(super) fn synced_bytes(&self, number: u32) -> Option<u64> {
        self.inner.lock().files.get(&number).map(|known| known.synced_bytes)
    }

    /// A file was cut to what is certain to stay.
    pub(super) fn note_cut(&self, number: u32, bytes: u64) {
        if let Some(known) = self.inner.lock().files.get_mut(&number) {
            (known.bytes, known.synced_bytes) = (bytes, bytes);
        }
    }

    /// Nothing is added to the file being written any more.
    pub(super) fn end_file(&self) {
        self.inner.lock().current = None;
    }

    pub(super) fn note_appended(&self, address: BlockAddress, raw_bytes: u64) {
        let mut inner = self.inner.lock();
        let known = inner.files.get_mut(&address.file).expect("it was begun");
        known.live_bytes += u64::from(address.bytes);
        known.bytes = address.end();
        self.written_bytes.fetch_add(address.bytes.into(), Ordering::Relaxed);
        self.raw_bytes.fetch_add(raw_bytes, Ordering::Relaxed);
    }
}

impl OpenFile {
    fn open(storage: &dyn Storage, number: u32) -> Result<Self, OpenError> {
        let name = name_of(number);
        let path = storage.path(&name);
        let failed = |action| {
            let path = path.clone();
            move |source| Failure { action, path, source }
        };
        let file = storage.open(&name).map_err(failed("open block file"))?;
        let mut bytes = [0; FILE_HEADER_BYTES];
        let count = file.read_at(0, &mut bytes).map_err(failed("read block file"))?;
        let damaged = |path: PathBuf, mismatch| OpenError::Damaged {
            path,
            offset: 0,
            position: LogPosition::ZERO,
            mismatch,
        };
        if count < bytes.len() {
            let mismatch = Mismatch::new("a header of a block file", "the end of the file");
            return Err(damaged(path, mismatch));
        }
        match FileHeader::decode(&bytes, number) {
            Ok(header) => Ok(Self { header, path, file }),
            Err(FileHeaderError::Newer { version: found }) => {
                Err(OpenError::NewerFormat { path, found, supported: VERSION })
            }
            Err(FileHeaderError::Bad(mismatch)) => Err(damaged(path, mismatch)),
        }
    }

    /// Bytes from an offset on; fewer only at the end of the file.
    pub(super) fn read(&self, offset: u64, count: usize) -> Result<Vec<u8>, BlockReadError> {
        let mut bytes = vec![0; count];
        let read = self.file.read_at(offset, &mut bytes).map_err(|source| {
            let (action, path) = ("read block file", self.path.clone());
            Failure { action, path, source }
        })?;
        bytes.truncate(read);
        Ok(bytes)
    }

    pub(super) fn len(&self) -> Result<u64, BlockReadError> {
        let path = self.path.clone();
        let action = "measure block file";
        Ok(self.file.len().map_err(|source| Failure { action, path, source })?)
    }

    pub(super) fn damaged(&self, offset: u64, mismatch: Mismatch) -> BlockReadError {
        BlockReadError::Damaged { path: self.path.clone(), offset, mismatch }
    }
}
