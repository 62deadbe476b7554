//! Writing one checkpoint, up to its name.

use std::sync::Arc;

use super::file_format::{
    END_BYTES, END_MARK, FOLDER, FRAME_BYTES_MAX, FRAME_HEADER_BYTES, HEADER_BYTES, Header,
    TEMPORARY_SUFFIX, name_of,
};
use crate::blocks::BlockWriteError;
use crate::error::Failure;
use crate::{LogPosition, Storage, StorageFile};

/// Small records share a frame of about this size: damage costs no more than a frame.
const FRAME_BYTES: usize = 4 << 10;
/// Synced each time so much was written: a sync of the log that comes meanwhile waits for these
/// bytes as well. (Beside a file of which 2 to 4 MiB are synced at once, at 32 MiB a second, such
/// syncs are above 1 ms for 7 to 11 % of the time, beside 512 KiB for 5 %; `docs/performance.md`.)
const SYNC_BYTES: u64 = 512 << 10;

/// Whether a checkpoint says everything, or what changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckpointKind {
    /// Everything.
    Full,
    /// What changed since the checkpoint numbered before it.
    Delta,
}

/// A checkpoint in the making. Dropped, it leaves nothing behind.
#[derive(Debug)]
pub struct CheckpointWriter {
    /// `None` once it is finished.
    draft: Option<Draft>,
    file: Arc<dyn StorageFile>,
    header: Header,
    frame: Vec<u8>,
    written_bytes: u64,
    synced_bytes: u64,
    records: u64,
}

/// A checkpoint that is complete and on disk, but not published. Dropped, it leaves nothing behind.
#[derive(Debug)]
#[must_use = "it counts once it is published"]
pub struct FinishedCheckpoint {
    draft: Option<Draft>,
    name: String,
    bytes: u64,
    position: LogPosition,
}

/// The file under its temporary name.
#[derive(Debug)]
struct Draft {
    storage: Arc<dyn Storage>,
    name: String,
    /// It has another name by now.
    is_published: bool,
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_published {
            // What stays behind is removed at the next start.
            let _ = self.storage.remove(&self.name);
        }
    }
}

fn failed(
    storage: &dyn Storage,
    action: &'static str,
    name: &str,
) -> impl FnOnce(std::io::Error) -> Failure + use<> {
    let path = storage.path(name);
    move |source| Failure { action, path, source }
}

impl CheckpointWriter {
    /// Begins a checkpoint of that number, which covers the log up to `position`. `salt` is a
    /// number that clients cannot guess.
    ///
    /// # Errors
    /// [`BlockWriteError`]: nothing is lost.
    pub fn create(
        storage: &Arc<dyn Storage>,
        kind: CheckpointKind,
        number: u64,
        position: LogPosition,
        salt: u64,
    ) -> Result<Self, BlockWriteError> {
        storage.create_dir(FOLDER).map_err(failed(&**storage, "create directory", FOLDER))?;
        storage.sync_dir("").map_err(failed(&**storage, "sync directory", ""))?;
        let is_delta = kind == CheckpointKind::Delta;
        let name = format!("{}{TEMPORARY_SUFFIX}", name_of(number, is_delta));
        // A draft of the same number that failed may still be there.
        let _ = storage.remove(&name);
        let file =
            storage.create_new(&name).map_err(failed(&**storage, "create checkpoint", &name))?;
        let draft = Draft { storage: Arc::clone(storage), name, is_published: false };
        let header = Header { is_delta, number, position, salt };
        let mut writer = Self {
            draft: Some(draft),
            file,
            header,
            frame: Vec::with_capacity(FRAME_HEADER_BYTES + FRAME_BYTES),
            written_bytes: 0,
            synced_bytes: 0,
            records: 0,
        };
        writer.write(&header.encode())?;
        writer.begin_frame();
        assert_eq!(writer.written_bytes, HEADER_BYTES as u64);
        Ok(writer)
    }

    /// Adds a record, at most 2 GiB.
    ///
    /// # Errors
    /// [`BlockWriteError`]: the checkpoint is of no use any more.
    pub fn put(&mut self, record: &[u8]) -> Result<(), BlockWriteError> {
        let mut length = record.len() as u64;
        while length >= 0x80 {
            self.frame.push(length as u8 | 0x80);
            length >>= 7;
        }
        self.frame.push(length as u8);
        self.frame.extend_from_slice(record);
        self.records += 1;
        if self.frame.len() >= FRAME_BYTES { self.end_frame() } else { Ok(()) }
    }

    /// Bytes so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written_bytes + self.frame.len() as u64
    }

    /// Completes the checkpoint, and brings it to disk.
    ///
    /// # Errors
    /// [`BlockWriteError`]: nothing is lost but this checkpoint.
    pub fn finish(mut self) -> Result<FinishedCheckpoint, BlockWriteError> {
        self.end_frame()?;
        let mut end = [0; FRAME_HEADER_BYTES + END_BYTES];
        end[8..16].copy_from_slice(&self.records.to_le_bytes());
        end[16..24].copy_from_slice(&self.written_bytes.to_le_bytes());
        let checksum = self.header.checksum(self.written_bytes, END_MARK, &end[8..]);
        end[0..4].copy_from_slice(&END_MARK.to_le_bytes());
        end[4..8].copy_from_slice(&checksum.to_le_bytes());
        self.write(&end)?;
        self.sync()?;
        let Header { is_delta, number, position, .. } = self.header;
        let name = name_of(number, is_delta);
        Ok(FinishedCheckpoint {
            draft: self.draft.take(),
            name,
            bytes: self.written_bytes,
            position,
        })
    }

    fn begin_frame(&mut self) {
        self.frame.clear();
        self.frame.extend_from_slice(&[0; FRAME_HEADER_BYTES]);
    }

    fn end_frame(&mut self) -> Result<(), BlockWriteError> {
        if self.frame.len() > FRAME_HEADER_BYTES {
            let length = u32::try_from(self.frame.len() - FRAME_HEADER_BYTES).unwrap_or(u32::MAX);
            if length > FRAME_BYTES_MAX {
                // Published, it could never be read.
                let source = std::io::Error::other("a record is too long");
                return Err(self.failed("write checkpoint")(source).into());
            }
            let bytes = &self.frame[FRAME_HEADER_BYTES..];
            let checksum = self.header.checksum(self.written_bytes, length, bytes);
            self.frame[0..4].copy_from_slice(&length.to_le_bytes());
            self.frame[4..8].copy_from_slice(&checksum.to_le_bytes());
            let frame = std::mem::take(&mut self.frame);
            self.write(&frame)?;
            self.frame = frame;
        }
        self.begin_frame();
        if self.written_bytes - self.synced_bytes >= SYNC_BYTES {
            self.sync()?;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BlockWriteError> {
        let written = self.file.write_at(self.written_bytes, bytes);
        written.map_err(self.failed("write checkpoint"))?;
        self.written_bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), BlockWriteError> {
        self.file.sync_data().map_err(self.failed("sync checkpoint"))?;
        self.synced_bytes = self.written_bytes;
        Ok(())
    }

    fn failed(&self, action: &'static str) -> impl FnOnce(std::io::Error) -> Failure + use<> {
        let draft = self.draft.as_ref().expect("it is there until the end");
        failed(&*draft.storage, action, &draft.name)
    }
}

impl FinishedCheckpoint {
    /// Bytes of the file.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The log is covered up to here, and must be durable so far before this is published.
    #[must_use]
    pub fn position(&self) -> LogPosition {
        self.position
    }

    /// Makes it the newest checkpoint, for good.
    ///
    /// # Errors
    /// [`BlockWriteError`]: it may or may not be the newest at the next start; both are right.
    pub fn publish(mut self) -> Result<(), BlockWriteError> {
        let mut draft = self.draft.take().expect("it is there until now");
        let storage = Arc::clone(&draft.storage);
        storage.rename(&draft.name, &self.name).map_err(failed(
            &*storage,
            "name checkpoint",
            &self.name,
        ))?;
        draft.is_published = true;
        storage.sync_dir(FOLDER).map_err(failed(&*storage, "sync directory", FOLDER))?;
        Ok(())
    }
}
