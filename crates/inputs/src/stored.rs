//! Arbitrary bytes where a store keeps its own: in records of the log and of a checkpoint, behind
//! checksums that are right, and anywhere in its files.

use std::sync::Arc;

use millstream_engine::{LogPosition, OpenError, Opened, Storage};
use millstream_log::memory_storage::{Crash, MemoryStorage};
use millstream_log::{CheckpointKind, CheckpointWriter};

use crate::pieces::pieces;
use crate::store::{NOW, open, options, run_lines, seeds};

/// So much fits the space that a new log prepares.
const RECORD_BYTES_MAX: usize = 32 << 10;
/// Looks at everything that a damaged value could trip over.
const READS: &str = "XINFO STREAM s FULL COUNT 0\nXRANGE s - +\nXPENDING s g\nXPENDING s g - + 10
XINFO STREAM t FULL COUNT 0\nXRANGE t - +\nXRANGE o - +\nXINFO GROUPS o\nGET text\nKEYS *";
/// Changes everything once more.
const WRITES: &str = "XADD s * f v\nXREADGROUP GROUP g c STREAMS s >\nXACK s g 1-1\nXADD o * key a
XREADGROUP GROUP g c STREAMS o >\nXTRIM s MAXLEN 1\nXSCHEDULE LIST s\nXGROUP DESTROY s g\nFLUSHALL";

/// Records of the log: refused with a reason, or a sound store.
///
/// # Panics
/// If neither.
pub fn check_log_records(data: &[u8]) -> bool {
    let disk = MemoryStorage::new();
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let log = options().log;
    let opened =
        millstream_log::open(storage, log, LogPosition::ZERO, &mut |_| Ok(()), &mut |_| ());
    let millstream_log::Opened { mut buffer, mut committer, .. } = opened.expect("a new log");
    let mut left = RECORD_BYTES_MAX;
    for piece in pieces(data).take_while(|piece| !piece.is_empty()) {
        let Some(rest) = left.checked_sub(piece.len() + 64) else { break };
        left = rest;
        let mut record = buffer.record();
        record.put_slice(piece);
        record.finish();
    }
    while let Some(mut batch) = buffer.take() {
        committer.write(&mut batch).expect("there is room");
    }
    committer.sync().expect("no fault was ordered");
    drop((buffer, committer));
    check_opened(open(&disk.crash(Crash::KeepAll)))
}

/// Records of a checkpoint: the same.
///
/// # Panics
/// If neither.
pub fn check_checkpoint_records(data: &[u8]) -> bool {
    let disk = MemoryStorage::new();
    // Blocks lie in files of their own, which a checkpoint refers to.
    let from = &seeds().storage;
    for name in from.names().iter().filter(|name| name.starts_with("blocks/")) {
        disk.set_contents(name, from.contents(name).expect("it was listed"));
    }
    let storage: Arc<dyn Storage> = Arc::new(disk.clone());
    let (kind, at) = (CheckpointKind::Full, LogPosition::ZERO);
    let mut writer = CheckpointWriter::create(&storage, kind, 1, at, 7).expect("creates");
    for piece in pieces(data) {
        writer.put(piece).expect("no fault was ordered");
    }
    let finished = writer.finish().expect("no fault was ordered");
    finished.publish().expect("no fault was ordered");
    check_opened(open(&disk))
}

/// A file of a store with some bytes replaced: the first byte says which file, the next four where.
///
/// # Panics
/// If the store is neither refused nor sound.
pub fn check_stored_file(data: &[u8]) -> bool {
    let Some((&which, rest)) = data.split_first() else { return false };
    let Some((at, bytes)) = rest.split_first_chunk::<4>() else { return false };
    let disk = seeds().storage.crash(Crash::KeepAll);
    let names = disk.names();
    let name = &names[usize::from(which) % names.len()];
    let mut contents = disk.contents(name).expect("it was listed");
    if !contents.is_empty() {
        let at = u32::from_le_bytes(*at) as usize % contents.len();
        let end = contents.len().min(at + bytes.len());
        contents[at..end].copy_from_slice(&bytes[..end - at]);
    }
    disk.set_contents(name, contents);
    check_opened(open(&disk))
}

fn check_opened(opened: Result<Opened, OpenError>) -> bool {
    match opened {
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
        Ok(opened) => {
            let engine = &opened.engine;
            engine.lock(NOW).check();
            run_lines(engine, READS);
            run_lines(engine, WRITES);
            engine.lock(NOW).check();
            true
        }
    }
}
