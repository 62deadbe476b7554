//! Appending blocks to files.
//!
//! Invariants:
//! 1. A file's tail is trusted only as long as every write and sync of it succeeded: after a
//!    failure the file is never added to again.
//! 2. What [`BlockWriter::sync`] returned for survives power loss, names included.
//! 3. A file of an earlier run is never added to.

use std::sync::Arc;

use super::block_files::Shared;
use super::file_format::{
    BLOCK_HEADER_BYTES, BlockHeader, Codec, FILE_HEADER_BYTES, FOLDER, FileHeader, RAW_BYTES_MAX,
    name_of,
};
use super::{BlockAddress, BlockWriteError};
use crate::StorageFile;
use crate::error::Failure;

/// What one write call gets.
const BUFFER_BYTES: usize = 1 << 20;
/// Shorter payloads are not tried to be compressed.
const COMPRESSED_BYTES_MIN: usize = 256;

/// Writes blocks; owned by one thread.
#[derive(Debug)]
pub struct BlockWriter {
    shared: Arc<Shared>,
    current: Option<Current>,
    /// Written since they were synced.
    unsynced: Vec<(u32, Arc<dyn StorageFile>)>,
    has_new_names: bool,
}

#[derive(Debug)]
struct Current {
    header: FileHeader,
    file: Arc<dyn StorageFile>,
    /// Bytes given to the operating system.
    written_bytes: u64,
    buffer: Vec<u8>,
}

impl Current {
    fn end(&self) -> u64 {
        self.written_bytes + self.buffer.len() as u64
    }
}

impl BlockWriter {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, current: None, unsynced: Vec::new(), has_new_names: false }
    }

    /// Adds a block. It can be read after the next [`Self::flush`], and survives power loss after
    /// the next [`Self::sync`].
    ///
    /// # Errors
    /// [`BlockWriteError`]: this block and those since the last sync are lost.
    ///
    /// # Panics
    /// If the payload is larger than 3 GiB.
    pub fn append(
        &mut self,
        owner: u64,
        kind: u8,
        payload: &[u8],
    ) -> Result<BlockAddress, BlockWriteError> {
        assert!(payload.len() <= RAW_BYTES_MAX as usize, "a block has at most 3 GiB");
        let compressed = compress(payload);
        let (codec, stored) = match &compressed {
            Some(compressed) => (Codec::Lz4, &compressed[..]),
            None => (Codec::Plain, payload),
        };
        let (stored_bytes, raw_bytes) = (stored.len() as u32, payload.len() as u32);
        let header = BlockHeader { stored_bytes, raw_bytes, owner, kind, codec };
        self.make_room(header.whole_bytes())?;
        let current = self.current.as_mut().expect("there is room in it");
        let offset = u32::try_from(current.end()).expect("files are far below 4 GiB");
        let head = header.encode(&current.header, offset, stored);
        current.buffer.extend_from_slice(&head);
        current.buffer.extend_from_slice(stored);
        let bytes = (BLOCK_HEADER_BYTES + stored.len()) as u32;
        let address = BlockAddress { file: current.header.number, offset, bytes };
        self.shared.note_appended(address, raw_bytes.into());
        if current.buffer.len() >= BUFFER_BYTES
            && let Err(error) = self.flush()
        {
            // Nobody else knows of it, so nobody else can free it.
            self.shared.note_lost(address);
            return Err(error);
        }
        Ok(address)
    }

    /// Gives everything to the operating system.
    ///
    /// # Errors
    /// [`BlockWriteError`]: blocks since the last sync are lost.
    pub fn flush(&mut self) -> Result<(), BlockWriteError> {
        let Some(current) = &mut self.current else { return Ok(()) };
        if current.buffer.is_empty() {
            return Ok(());
        }
        let number = current.header.number;
        if let Err(error) = current.file.write_at(current.written_bytes, &current.buffer) {
            self.fail();
            return Err(self.shared.failed("write block file", number)(error).into());
        }
        current.written_bytes = current.end();
        current.buffer.clear();
        if self.unsynced.last().is_none_or(|(last, _)| *last != number) {
            self.unsynced.push((number, Arc::clone(&current.file)));
        }
        Ok(())
    }

    /// Makes everything survive power loss.
    ///
    /// # Errors
    /// [`BlockWriteError`]: blocks since the last sync are lost.
    pub fn sync(&mut self) -> Result<(), BlockWriteError> {
        self.flush()?;
        if let Err(error) = self.sync_written() {
            self.fail();
            return Err(error);
        }
        for (number, _) in self.unsynced.drain(..) {
            self.shared.note_synced(number);
        }
        Ok(())
    }

    fn sync_written(&mut self) -> Result<(), BlockWriteError> {
        for (number, file) in &self.unsynced {
            // What was given up and removed meanwhile has nothing that must survive.
            if self.shared.is_there(*number)
                && let Err(error) = file.sync_data()
            {
                return Err(self.shared.failed("sync block file", *number)(error).into());
            }
        }
        if self.has_new_names {
            let storage = &self.shared.storage;
            let (action, path) = ("sync directory", storage.path(FOLDER));
            storage.sync_dir(FOLDER).map_err(|source| Failure { action, path, source })?;
            self.has_new_names = false;
        }
        Ok(())
    }

    /// Gives up what was appended since the last sync, whose owner frees it. Its space is given
    /// back: a full disk has better use for it. What has no synced byte goes as a whole, once its
    /// blocks are freed.
    pub fn discard(&mut self) {
        // A file that is removed takes its space as long as somebody has it open.
        for (number, file) in std::mem::take(&mut self.unsynced) {
            if self.current.as_ref().is_none_or(|current| current.header.number != number) {
                // Where it cannot be cut its end is dead weight until the file goes.
                let _ = self.cut(number, &*file);
            }
        }
        let Some(current) = &mut self.current else { return };
        current.buffer.clear();
        let (number, file) = (current.header.number, Arc::clone(&current.file));
        match self.cut(number, &*file) {
            Some(synced_bytes) => {
                let current = self.current.as_mut().expect("it is there above");
                current.written_bytes = synced_bytes;
            }
            None => self.abandon(),
        }
    }

    /// Cuts off what is not synced, and what a write that failed left behind it. Returns what is
    /// left, if anything is and it was cut.
    fn cut(&self, number: u32, file: &dyn StorageFile) -> Option<u64> {
        let synced_bytes = self.shared.synced_bytes(number).filter(|bytes| *bytes > 0)?;
        file.set_len(synced_bytes).ok()?;
        self.shared.note_cut(number, synced_bytes);
        Some(synced_bytes)
    }

    /// Ends the present file if it is sparse, so that its space can be given back. To be called
    /// after a sync: a file with anything that is not on disk goes on.
    pub fn end_sparse(&mut self) {
        let is_synced =
            self.unsynced.is_empty() && self.current.as_ref().is_some_and(|c| c.buffer.is_empty());
        if is_synced && self.shared.is_current_sparse() {
            self.abandon();
        }
    }

    /// After any failure: what was appended since the last sync is lost, and its space given back.
    fn fail(&mut self) {
        self.discard();
        self.abandon();
    }

    /// Adds nothing to the present file any more.
    fn abandon(&mut self) {
        self.current = None;
        self.shared.end_file();
    }

    fn make_room(&mut self, bytes: u64) -> Result<(), BlockWriteError> {
        if let Some(current) = &self.current {
            if current.end() + bytes <= self.shared.options.file_bytes
                || current.end() == FILE_HEADER_BYTES as u64
            {
                return Ok(());
            }
            self.flush()?;
            self.abandon();
        }
        let number = self.shared.begin_file();
        let name = name_of(number);
        let file = match self.shared.storage.create_new(&name) {
            Ok(file) => file,
            Err(error) => {
                self.fail();
                return Err(self.shared.failed("create block file", number)(error).into());
            }
        };
        self.has_new_names = true;
        let header = FileHeader { number, salt: self.shared.options.salt };
        let buffer = header.encode().to_vec();
        self.current = Some(Current { header, file, written_bytes: 0, buffer });
        Ok(())
    }
}

/// The payload compressed, where that saves an eighth or more.
fn compress(payload: &[u8]) -> Option<Vec<u8>> {
    if payload.len() < COMPRESSED_BYTES_MIN {
        return None;
    }
    let compressed = lz4_flex::block::compress(payload);
    (compressed.len() + payload.len() / 8 <= payload.len()).then_some(compressed)
}
