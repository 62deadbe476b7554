//! Finding the newest checkpoint with what it builds on, and reading it.
//!
//! A checkpoint that was published is there, whole: what is missing or damaged of the chain is
//! refused and never replaced by something older, because the log behind it is gone.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::file_format::{
    END_BYTES, END_MARK, FOLDER, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES, Header,
    HeaderError, TEMPORARY_SUFFIX, VERSION, name_of, parse_name,
};
use crate::error::Failure;
use crate::format::{Mismatch, u32_at, u64_at};
use crate::{LogPosition, OpenError, RecordReader, Storage, StorageFile, StoredFile};

/// What one read call asks for.
const READ_BYTES: usize = 1 << 20;

/// Gets each record of a chain; the number says which file it is from, ascending.
pub type ReadCheckpoint<'a> =
    dyn FnMut(u64, &[u8]) -> Result<(), Box<dyn std::error::Error + Send + Sync>> + 'a;

/// Gets what [`CheckpointChain::read_damaged`] finds.
pub type ReadDamaged<'a> =
    dyn FnMut(ChainPart<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + 'a;

/// What [`CheckpointChain::read_damaged`] finds.
#[derive(Debug)]
pub enum ChainPart<'a> {
    /// A record.
    Record(&'a [u8]),
    /// Something that is not intact.
    Damaged {
        /// File, byte, and what is wrong.
        reason: String,
        /// Bytes left out.
        bytes: u64,
    },
}

/// The newest checkpoint and those that it builds on.
#[derive(Debug)]
pub struct CheckpointChain {
    storage: Arc<dyn Storage>,
    /// Oldest first: a full one, then deltas.
    files: Vec<ChainFile>,
}

#[derive(Debug)]
struct ChainFile {
    number: u64,
    name: String,
    path: PathBuf,
    file: Arc<dyn StorageFile>,
    bytes: u64,
    header: Header,
}

impl CheckpointChain {
    /// Finds the newest checkpoint; `None` if there is none. Removes drafts that were left behind.
    ///
    /// # Errors
    /// [`OpenError`] if a file of the chain is missing, or its header is not intact.
    pub fn find(storage: &Arc<dyn Storage>) -> Result<Option<Self>, OpenError> {
        let failed = |action, name: &str| {
            let path = storage.path(name);
            move |source| Failure { action, path, source }
        };
        storage.create_dir(FOLDER).map_err(failed("create directory", FOLDER))?;
        storage.sync_dir("").map_err(failed("sync directory", ""))?;
        let names = storage.list(FOLDER).map_err(failed("list directory", FOLDER))?;
        for name in names.iter().filter(|name| name.ends_with(TEMPORARY_SUFFIX)) {
            let name = format!("{FOLDER}/{name}");
            storage.remove(&name).map_err(failed("remove leftover", &name))?;
        }
        // A name that was given just before a crash is certain from here on.
        storage.sync_dir(FOLDER).map_err(failed("sync directory", FOLDER))?;
        let mut known: Vec<_> = names.iter().filter_map(|name| parse_name(name)).collect();
        known.sort_unstable();
        let Some(&(newest, _)) = known.last() else { return Ok(None) };
        let mut files = Vec::new();
        let mut wanted = newest;
        loop {
            // A full one of the number wins over a delta, since it needs no other.
            let kind = known.iter().find(|(number, _)| *number == wanted);
            let Some(&(number, is_delta)) = kind else {
                let path = storage.path(&name_of(wanted, true));
                return Err(OpenError::MissingCheckpoint { path });
            };
            files.push(ChainFile::open(&**storage, number, is_delta)?);
            if !is_delta {
                break;
            }
            wanted = number.checked_sub(1).ok_or_else(|| OpenError::MissingCheckpoint {
                path: storage.path(&name_of(0, false)),
            })?;
        }
        files.reverse();
        Ok(Some(Self { storage: Arc::clone(storage), files }))
    }

    fn newest(&self) -> &ChainFile {
        self.files.last().expect("a chain has a file")
    }

    /// The log is covered up to here.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.newest().header.position
    }

    /// How messages name the newest file.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.newest().path.clone()
    }

    /// Number of the newest file.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.newest().number
    }

    /// Bytes of the full file, and of all deltas together.
    #[must_use]
    pub fn bytes(&self) -> (u64, u64) {
        let deltas = self.files[1..].iter().map(|file| file.bytes).sum();
        (self.files[0].bytes, deltas)
    }

    /// Removes the checkpoint of that path, whose header cannot be read or which is not there, with
    /// all that build on it, and what cannot be found without them. Returns how many files went.
    /// For tools, on a copy.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn give_up_from(storage: &dyn Storage, path: &Path) -> Result<usize, OpenError> {
        let failed = |action, name: &str| {
            let path = storage.path(name);
            move |source| Failure { action, path, source }
        };
        let given_up = path.file_name().and_then(|name| parse_name(name.to_str()?));
        let from = given_up.map_or(0, |(number, _)| number);
        let mut count = 0;
        for name in storage.list(FOLDER).map_err(failed("list directory", FOLDER))? {
            if parse_name(&name).is_some_and(|(number, _)| number >= from) {
                let name = format!("{FOLDER}/{name}");
                storage.remove(&name).map_err(failed("remove checkpoint", &name))?;
                count += 1;
            }
        }
        storage.sync_dir(FOLDER).map_err(failed("sync directory", FOLDER))?;
        Ok(count)
    }

    /// The files of a chain, oldest first, given by the number of its full one and of its newest.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn stored_files(
        storage: &dyn Storage,
        (full, newest): (u64, u64),
    ) -> Result<Vec<StoredFile>, OpenError> {
        let stored = (full..=newest).map(|number| {
            let name = name_of(number, number > full);
            let path = storage.path(&name);
            let failed = |source| Failure { action: "measure checkpoint", path, source };
            let bytes = storage.open(&name).and_then(|file| file.len()).map_err(failed)?;
            Ok(StoredFile { name, bytes, file_bytes: bytes, is_final: true })
        });
        stored.collect()
    }

    /// Names of its files, oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }

    /// Reads all records, oldest file first. `progress` gets the bytes done of all bytes.
    ///
    /// # Errors
    /// [`OpenError`]: whatever was read by then must be thrown away.
    pub fn read(
        &self,
        on_record: &mut ReadCheckpoint<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), OpenError> {
        let total = self.files.iter().map(|file| file.bytes).sum();
        let mut before = 0;
        for file in &self.files {
            file.read(on_record, &mut |bytes| progress(before + bytes, total))?;
            before += file.bytes;
        }
        Ok(())
    }

    /// Reads all records that are intact, oldest file first, and says in between where some are
    /// not. For tools that look for what is left.
    ///
    /// # Errors
    /// [`OpenError::Io`], [`OpenError::Replay`].
    pub fn read_damaged(
        &self,
        on_part: &mut ReadDamaged<'_>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<(), OpenError> {
        let total = self.files.iter().map(|file| file.bytes).sum();
        let mut before = 0;
        for file in &self.files {
            let mut from = HEADER_BYTES as u64;
            loop {
                let on_part = std::cell::RefCell::new(&mut *on_part);
                let mut on_record =
                    |_, record: &[u8]| on_part.borrow_mut()(ChainPart::Record(record));
                let on_bytes = &mut |bytes| progress(before + bytes, total);
                let error = match file.read_from(from, None, &mut on_record, on_bytes) {
                    Ok(()) => break,
                    Err(error @ OpenError::Damaged { .. }) => error,
                    Err(error) => return Err(error),
                };
                let OpenError::Damaged { offset, .. } = error else {
                    unreachable!("matched above")
                };
                let next = file.find_frame(offset)?;
                let bytes = next.unwrap_or(file.bytes).saturating_sub(offset);
                let reason = error.to_string();
                let part = ChainPart::Damaged { reason, bytes };
                on_part.borrow_mut()(part).map_err(|source| OpenError::Replay {
                    path: file.path.clone(),
                    position_end: file.header.position,
                    source,
                })?;
                match next {
                    Some(next) => from = next,
                    None => break,
                }
            }
            before += file.bytes;
        }
        Ok(())
    }

    /// Removes published checkpoints but those of these chains, each given by the number of its
    /// full one and of its newest.
    ///
    /// # Errors
    /// [`OpenError::Io`]: what stays is removed by a later call.
    pub fn remove_others(storage: &Arc<dyn Storage>, kept: &[(u64, u64)]) -> Result<(), OpenError> {
        let failed = |action, name: &str| {
            let path = storage.path(name);
            move |source| Failure { action, path, source }
        };
        let mut is_changed = false;
        for name in storage.list(FOLDER).map_err(failed("list directory", FOLDER))? {
            let Some((number, is_delta)) = parse_name(&name) else { continue };
            let is_needed = kept.iter().any(|&(full, newest)| {
                (number == full && !is_delta) || (number > full && number <= newest)
            });
            if !is_needed {
                let name = format!("{FOLDER}/{name}");
                storage.remove(&name).map_err(failed("remove checkpoint", &name))?;
                is_changed = true;
            }
        }
        if is_changed {
            storage.sync_dir(FOLDER).map_err(failed("sync directory", FOLDER))?;
        }
        Ok(())
    }

    /// Whether all files from the full one of this number to the newest are there.
    ///
    /// # Errors
    /// [`OpenError::Io`].
    pub fn is_present(
        storage: &Arc<dyn Storage>,
        full: u64,
        newest: u64,
    ) -> Result<bool, OpenError> {
        let (action, path) = ("list directory", storage.path(FOLDER));
        let names = storage.list(FOLDER).map_err(|source| Failure { action, path, source })?;
        let known: Vec<_> = names.iter().filter_map(|name| parse_name(name)).collect();
        Ok((full..=newest).all(|number| known.contains(&(number, number > full))))
    }

    /// Number of the full file that the chain begins with.
    #[must_use]
    pub fn full_number(&self) -> u64 {
        self.files[0].number
    }

    /// The storage that it lies in.
    #[must_use]
    pub fn storage(&self) -> &Arc<dyn Storage> {
        &self.storage
    }
}

impl ChainFile {
    fn open(storage: &dyn Storage, number: u64, is_delta: bool) -> Result<Self, OpenError> {
        let name = name_of(number, is_delta);
        let path = storage.path(&name);
        let failed = |action| {
            let path = path.clone();
            move |source| Failure { action, path, source }
        };
        let file = storage.open(&name).map_err(failed("open checkpoint"))?;
        let bytes = file.len().map_err(failed("measure checkpoint"))?;
        let mut head = [0; HEADER_BYTES];
        let count = file.read_at(0, &mut head).map_err(failed("read checkpoint"))?;
        let damaged = |mismatch| {
            let (path, position) = (path.clone(), LogPosition::ZERO);
            Err(OpenError::Damaged { path, offset: 0, position, mismatch })
        };
        if count < head.len() {
            return damaged(Mismatch::new("a checkpoint's header", "the end of the file"));
        }
        match Header::decode(&head, number, is_delta) {
            Ok(header) => Ok(Self { number, name, path, file, bytes, header }),
            Err(HeaderError::Newer { version: found }) => {
                Err(OpenError::NewerFormat { path, found, supported: VERSION })
            }
            Err(HeaderError::Bad(mismatch)) => damaged(mismatch),
        }
    }

    fn damaged(
        &self,
        offset: u64,
        expected: impl Into<String>,
        found: impl Into<String>,
    ) -> OpenError {
        OpenError::Damaged {
            path: self.path.clone(),
            offset,
            position: self.header.position,
            mismatch: Mismatch::new(expected, found),
        }
    }

    fn read(
        &self,
        on_record: &mut ReadCheckpoint<'_>,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), OpenError> {
        self.read_from(HEADER_BYTES as u64, Some(0), on_record, on_bytes)
    }

    /// Reads from the frame at `offset` on; `records` were read before, where that is known.
    fn read_from(
        &self,
        offset: u64,
        mut records: Option<u64>,
        on_record: &mut ReadCheckpoint<'_>,
        on_bytes: &mut dyn FnMut(u64),
    ) -> Result<(), OpenError> {
        let mut reader = FrameReader { file: self, buffer: Vec::new(), from: 0, offset };
        loop {
            let start = reader.position();
            let head = reader.take(FRAME_HEADER_BYTES)?;
            let (length, stored) = (u32_at(head, 0), u32_at(head, 4));
            let count = if length == END_MARK { END_BYTES } else { length as usize };
            if length != END_MARK && length > FRAME_BYTES_MAX {
                let expected = format!("a frame of at most {FRAME_BYTES_MAX} bytes");
                return Err(self.damaged(start, expected, format!("one of {length}")));
            }
            let bytes = reader.take(count)?;
            let computed = self.header.checksum(start, length, bytes);
            if computed != stored {
                let expected = format!("frame checksum {computed:08x}");
                return Err(self.damaged(start, expected, format!("{stored:08x}")));
            }
            if length == END_MARK {
                let (stated, end) = (u64_at(bytes, 0), u64_at(bytes, 8));
                if end != start || records.is_some_and(|records| records != stated) {
                    let expected = format!("an end after {} records", records.unwrap_or(stated));
                    return Err(self.damaged(start, expected, format!("one after {stated}")));
                }
                return Ok(());
            }
            let mut frame = RecordReader::new(bytes);
            while frame.left() > 0 {
                let record = frame.bytes().map_err(|error| {
                    self.damaged(start, "records in a frame", error.to_string())
                })?;
                records = records.map(|records| records + 1);
                on_record(self.number, record).map_err(|source| OpenError::Replay {
                    path: self.path.clone(),
                    position_end: self.header.position,
                    source,
                })?;
            }
            on_bytes(reader.position());
        }
    }
}

impl ChainFile {
    /// Where the next intact frame begins behind the one at `damaged`, which is not.
    fn find_frame(&self, damaged: u64) -> Result<Option<u64>, OpenError> {
        /// Frames are far shorter, but for a single large string; what claims to be longer is not
        /// looked into unless it is where the damaged one says that it ends.
        const LIKELY_BYTES_MAX: u32 = 1 << 20;
        let is_intact = |at: u64, bytes_max: u32| -> Result<bool, OpenError> {
            let mut reader = FrameReader { file: self, buffer: Vec::new(), from: 0, offset: at };
            let Ok(head) = reader.take(FRAME_HEADER_BYTES) else { return Ok(false) };
            let (length, stored) = (u32_at(head, 0), u32_at(head, 4));
            let count = if length == END_MARK { END_BYTES } else { length as usize };
            if length != END_MARK && length > bytes_max {
                return Ok(false);
            }
            match reader.take(count) {
                Ok(bytes) => Ok(self.header.checksum(at, length, bytes) == stored),
                Err(OpenError::Damaged { .. }) => Ok(false),
                Err(error) => Err(error),
            }
        };
        let mut head = [0; FRAME_HEADER_BYTES];
        let failed = |source| {
            let (action, path) = ("read checkpoint", self.path.clone());
            Failure { action, path, source }
        };
        let read = self.file.read_at(damaged, &mut head).map_err(failed)?;
        if read == head.len() {
            let next = damaged + FRAME_HEADER_BYTES as u64 + u64::from(u32_at(&head, 0));
            if is_intact(next, FRAME_BYTES_MAX)? {
                return Ok(Some(next));
            }
        }
        let mut window = vec![0; READ_BYTES + FRAME_HEADER_BYTES];
        let mut offset = damaged + 1;
        while offset < self.bytes {
            let count = self.file.read_at(offset, &mut window).map_err(failed)?;
            for at in 0..count.saturating_sub(FRAME_HEADER_BYTES - 1).min(READ_BYTES) {
                let length = u32_at(&window, at);
                let is_likely = length == END_MARK || length <= LIKELY_BYTES_MAX;
                if is_likely && is_intact(offset + at as u64, LIKELY_BYTES_MAX)? {
                    return Ok(Some(offset + at as u64));
                }
            }
            offset += READ_BYTES as u64;
        }
        Ok(None)
    }
}

/// Consecutive reads over a file, through one buffer.
struct FrameReader<'a> {
    file: &'a ChainFile,
    buffer: Vec<u8>,
    /// First byte of `buffer` that was not taken.
    from: usize,
    /// Offset in the file just behind `buffer`.
    offset: u64,
}

impl FrameReader<'_> {
    /// Offset of the next byte to be taken.
    fn position(&self) -> u64 {
        self.offset - (self.buffer.len() - self.from) as u64
    }

    fn take(&mut self, count: usize) -> Result<&[u8], OpenError> {
        let buffered = self.buffer.len() - self.from;
        if buffered < count {
            let start = self.position();
            let left = self.file.bytes.saturating_sub(self.offset);
            if (count - buffered) as u64 > left {
                let expected = format!("{count} bytes more");
                return Err(self.file.damaged(start, expected, "the end of the file"));
            }
            self.buffer.drain(..self.from);
            self.from = 0;
            let wanted = (count - buffered).max(READ_BYTES).min(left as usize);
            self.buffer.resize(buffered + wanted, 0);
            let read = self.file.file.read_at(self.offset, &mut self.buffer[buffered..]);
            let read = read.map_err(|source| {
                let (action, path) = ("read checkpoint", self.file.path.clone());
                Failure { action, path, source }
            })?;
            self.buffer.truncate(buffered + read);
            self.offset += read as u64;
            if self.buffer.len() < count {
                return Err(self.file.damaged(start, "more bytes", "the end of the file"));
            }
        }
        let start = self.from;
        self.from += count;
        Ok(&self.buffer[start..start + count])
    }
}
