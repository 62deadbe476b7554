//! Opening a log: find the segments, replay the records, decide about the tail, make it safe to
//! append.
//!
//! Invariants:
//!
//! 1. Nothing that was reported durable is ever given up: recovery returns all of it, or refuses.
//! 2. What it returns is a prefix of what was logged, unaltered, in order.
//! 3. Before the first append, everything returned is on disk in pages that synced without error.
//! 4. A crash at any point of recovery leaves a log that recovers to the same records.
//!
//! The rules are in `docs/format.md`. Tests: `tests/it/{corruption,crash,model}.rs`.

use std::error::Error;
use std::sync::Arc;

use crate::error::Failure;
use crate::format::{BATCH_HEADER_BYTES, Mismatch, SEGMENT_HEADER_BYTES};
use crate::rewrite::Rewrite;
use crate::scan::{Scanned, Segment};
use crate::segments::{
    FOLDER, FileKind, Finished, Shared, State, file_kind, segment_name, spare_name,
};
use crate::{
    Committer, LogBuffer, LogOptions, LogPosition, OpenError, Preparer, Record, Room, Storage,
    StoredFile,
};

/// Applies one record to the state that is being rebuilt; an error stops recovery.
pub type Replay<'a> = dyn FnMut(Record<'_>) -> Result<(), Box<dyn Error + Send + Sync>> + 'a;

/// How far recovery has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Log bytes read.
    pub bytes_done: u64,
    /// Log bytes to read at most; the last segment is rarely full.
    pub bytes_total: u64,
    /// Records replayed.
    pub records: u64,
}

/// What recovery found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecoveryReport {
    /// Records replayed.
    pub records: u64,
    /// Log bytes that were read and found intact.
    pub bytes: u64,
    /// Bytes of batches that a crash cut short, as far as their headers survived. None of them was
    /// durable.
    pub torn_bytes_cut: u64,
    /// Segments read.
    pub segments: usize,
    /// Whether there was no log, and an empty one was created.
    pub created_new: bool,
}

/// The parts of an open log.
#[derive(Debug)]
pub struct Opened {
    /// Goes under the engine's lock.
    pub buffer: LogBuffer,
    /// Goes to the commit thread.
    pub committer: Committer,
    /// Goes to a background thread.
    pub preparer: Preparer,
    /// For admission.
    pub room: Room,
    /// For the start message.
    pub report: RecoveryReport,
}

/// Opens the log in the storage's folder `log`, creating it if there is none and `from` is
/// [`LogPosition::ZERO`].
///
/// Calls `replay` for each record that ends after `from`, in order; `from` is what the newest
/// checkpoint covers. `progress` is called about once per MiB, and once at the end.
///
/// # Errors
/// See [`OpenError`]. Whatever was replayed by then must be thrown away.
pub fn open(
    storage: Arc<dyn Storage>,
    options: LogOptions,
    from: LogPosition,
    replay: &mut Replay<'_>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Opened, OpenError> {
    let options = options.into_range();
    let files = Files::find(&*storage)?;
    let mut report = RecoveryReport::default();
    let (end, rewritten) = if files.segments.is_empty() {
        if from > LogPosition::ZERO || !files.spares.is_empty() {
            let path = storage.path(FOLDER);
            return Err(OpenError::Missing { path, position: from, first: None });
        }
        report.created_new = true;
        (LogPosition::ZERO, Rewrite::new_log(&options))
    } else {
        let mut recovery = Recovery { storage: &*storage, from, replay, progress, report };
        let (last, scanned) = recovery.read_all(&files.segments)?;
        report = recovery.report;
        (scanned.end, Rewrite::of(last, scanned, &options))
    };
    let mut spares = files.spares;
    let salt = rewritten.header.salt;
    let current = rewritten.run(&*storage, spares.pop())?;
    for excess in spares.split_off(spares.len().min(options.recycled_segments_max)) {
        // One that stays behind takes space, nothing else, and the next start tries again.
        let _ = storage.remove(&spare_name(excess));
    }
    // The last one, too, where the rewritten one begins behind what a checkpoint covers.
    let finished = files.segments.iter().filter(|&&first| first < current.first);
    let finished = finished.map(|&first| Finished { first, is_recyclable: false }).collect();
    let free = spares.into_iter().map(spare_name).collect();
    let state = State { finished, current, spare: None, free, next_spare: files.next_spare };
    let buffer = LogBuffer::new(end, options.batch_bytes);
    let shared = Arc::new(Shared::new(storage, options, state, end));
    Ok(Opened {
        buffer,
        committer: Committer::new(Arc::clone(&shared), salt, end),
        preparer: Preparer::new(Arc::clone(&shared)),
        room: Room::new(shared),
        report,
    })
}

/// Replays all records that end after `from` and up to `until`, the end of a batch, without
/// changing anything: the log may be open, and written behind `until`. Returns how many records
/// there were.
///
/// # Errors
/// See [`OpenError`]. Whatever was replayed by then must be thrown away.
pub fn replay_until(
    storage: &dyn Storage,
    from: LogPosition,
    until: LogPosition,
    replay: &mut Replay<'_>,
) -> Result<u64, OpenError> {
    let firsts = firsts_between(storage, from, until)?;
    let mut records = 0;
    for (index, &first) in firsts.iter().enumerate() {
        let segment = Segment::open(storage, first)?;
        let end = firsts.get(index + 1).copied().unwrap_or(until);
        let mut on_record = |record: Record<'_>| {
            if record.position_end <= from {
                return Ok(());
            }
            records += 1;
            let position_end = record.position_end;
            let path = segment.path.clone();
            replay(record).map_err(|source| OpenError::Replay { path, position_end, source })
        };
        let scanned = segment.scan(first, Some(end), &mut on_record, &mut |_| {})?;
        if let Some(mismatch) = scanned.mismatch {
            return Err(segment.damaged(scanned.stopped_at, mismatch));
        }
    }
    Ok(records)
}

/// Where the log ends that [`open`] would find, changing nothing but removing leftovers.
///
/// # Errors
/// See [`OpenError`].
pub fn log_end(storage: &dyn Storage, from: LogPosition) -> Result<LogPosition, OpenError> {
    let files = Files::find(storage)?;
    if files.segments.is_empty() && from == LogPosition::ZERO {
        return Ok(from);
    }
    let (replay, progress) = (&mut |_: Record<'_>| Ok(()), &mut |_| {});
    let report = RecoveryReport::default();
    let mut recovery = Recovery { storage, from, replay, progress, report };
    Ok(recovery.read_all(&files.segments)?.1.end)
}

/// The segments that hold the log from `from` on up to `until`, the end of a batch. The log may be
/// open, as long as nothing behind `from` is removed.
///
/// # Errors
/// [`OpenError`].
pub fn segments_between(
    storage: &dyn Storage,
    from: LogPosition,
    until: LogPosition,
) -> Result<Vec<StoredFile>, OpenError> {
    let firsts = firsts_between(storage, from, until)?;
    let mut stored = Vec::with_capacity(firsts.len());
    for (index, &first) in firsts.iter().enumerate() {
        let end = firsts.get(index + 1).copied().unwrap_or(until);
        let name = segment_name(first);
        let path = storage.path(&name);
        let measured = storage.open(&name).and_then(|file| file.len());
        let file_bytes =
            measured.map_err(|source| Failure { action: "measure segment", path, source })?;
        let bytes = SEGMENT_HEADER_BYTES + end.since(first);
        stored.push(StoredFile { name, bytes, file_bytes, is_final: false });
    }
    Ok(stored)
}

/// First positions of the segments that hold the log from `from` on up to `until`, ascending.
fn firsts_between(
    storage: &dyn Storage,
    from: LogPosition,
    until: LogPosition,
) -> Result<Vec<LogPosition>, OpenError> {
    let path = storage.path(FOLDER);
    let action = "list directory";
    let names = storage.list(FOLDER).map_err(|source| Failure { action, path, source })?;
    let mut firsts: Vec<_> = names
        .iter()
        .filter_map(|name| match file_kind(name) {
            FileKind::Segment(first) if first <= until => Some(first),
            _ => None,
        })
        .collect();
    firsts.sort_unstable();
    let needed = firsts.partition_point(|first| *first <= from).saturating_sub(1);
    firsts.drain(..needed);
    Ok(firsts)
}

/// What stands in the log's folder.
struct Files {
    /// First positions, ascending.
    segments: Vec<LogPosition>,
    spares: Vec<u64>,
    next_spare: u64,
}

impl Files {
    fn find(storage: &dyn Storage) -> Result<Self, OpenError> {
        let failed = |action, name: &str| {
            let path = storage.path(name);
            move |source| Failure { action, path, source }
        };
        storage.create_dir(FOLDER).map_err(failed("create directory", FOLDER))?;
        storage.sync_dir("").map_err(failed("sync directory", ""))?;
        // A rename that made a spare may have been cut short; from here on it is certain.
        storage.sync_dir(FOLDER).map_err(failed("sync directory", FOLDER))?;
        let mut files = Self { segments: Vec::new(), spares: Vec::new(), next_spare: 0 };
        let mut has_removed = false;
        for name in storage.list(FOLDER).map_err(failed("list directory", FOLDER))? {
            match file_kind(&name) {
                FileKind::Segment(first) => files.segments.push(first),
                FileKind::Spare(number) => {
                    files.spares.push(number);
                    files.next_spare = files.next_spare.max(number.saturating_add(1));
                }
                FileKind::Temporary => {
                    let name = format!("{FOLDER}/{name}");
                    storage.remove(&name).map_err(failed("remove leftover", &name))?;
                    has_removed = true;
                }
                FileKind::Foreign => {}
            }
        }
        if has_removed {
            // Else its name may come back over a file that is given the same name again.
            storage.sync_dir(FOLDER).map_err(failed("sync directory", FOLDER))?;
        }
        files.segments.sort_unstable();
        Ok(files)
    }
}

struct Recovery<'a> {
    storage: &'a dyn Storage,
    from: LogPosition,
    replay: &'a mut Replay<'a>,
    progress: &'a mut dyn FnMut(Progress),
    report: RecoveryReport,
}

impl Recovery<'_> {
    /// Replays all segments that reach beyond `from`. Returns the last one, and where it ends.
    fn read_all(&mut self, firsts: &[LogPosition]) -> Result<(Segment, Scanned), OpenError> {
        let needed = firsts.partition_point(|first| *first <= self.from);
        let Some(start) = needed.checked_sub(1) else {
            let path = self.storage.path(FOLDER);
            let first = firsts.first().copied();
            return Err(OpenError::Missing { path, position: self.from, first });
        };
        // Segments behind the checkpoint wait for removal; nothing in them is needed, so nothing is
        // read.
        let segments = firsts[start..]
            .iter()
            .map(|&first| Segment::open(self.storage, first))
            .collect::<Result<Vec<_>, _>>()?;
        self.report.segments = segments.len();
        let last_bytes = segments.last().map_or(0, |last| last.bytes - SEGMENT_HEADER_BYTES);
        let last_first = *firsts.last().expect("there is a segment up to `from`");
        let bytes_total = last_first.since(firsts[start]) + last_bytes;

        let mut segments = segments.into_iter().peekable();
        let mut bytes_before = 0;
        loop {
            let segment = segments.next().expect("the last segment ends the loop");
            let next_first = segments.peek().map(|next| next.header.first);
            let scanned = self.read(&segment, next_first, bytes_before, bytes_total)?;
            self.report.bytes += scanned.end.since(scanned.start);
            if next_first.is_some() {
                bytes_before += scanned.end.since(segment.header.first);
                continue;
            }
            self.report.torn_bytes_cut = self.judge_tail(&segment, &scanned)?;
            let records = self.report.records;
            (self.progress)(Progress { bytes_done: bytes_total, bytes_total, records });
            return Ok((segment, scanned));
        }
    }

    fn read(
        &mut self,
        segment: &Segment,
        next_first: Option<LogPosition>,
        bytes_before: u64,
        bytes_total: u64,
    ) -> Result<Scanned, OpenError> {
        let records = std::cell::Cell::new(self.report.records);
        // What a checkpoint covers is neither read nor checked, where a batch begins behind it.
        let starts_inside = self.from > segment.header.first && segment.has_header_at(self.from)?;
        let start = if starts_inside { self.from } else { segment.header.first };
        let scanned = segment.scan(
            start,
            next_first,
            &mut |record| {
                if record.position_end <= self.from {
                    return Ok(());
                }
                records.set(records.get() + 1);
                (self.replay)(record).map_err(|source| OpenError::Replay {
                    path: segment.path.clone(),
                    position_end: record.position_end,
                    source,
                })
            },
            &mut |bytes| {
                let bytes_done = bytes_total.min(bytes_before + bytes);
                (self.progress)(Progress { bytes_done, bytes_total, records: records.get() });
            },
        )?;
        self.report.records = records.get();
        if segment.bytes < scanned.file_bytes_known {
            let expected = format!("a file of at least {} bytes", scanned.file_bytes_known);
            let mismatch = Mismatch::new(expected, format!("the end after {}", segment.bytes));
            let data_bytes = segment.bytes - SEGMENT_HEADER_BYTES;
            return Err(segment.damaged(segment.header.first.plus(data_bytes), mismatch));
        }
        match (next_first, scanned.mismatch.clone()) {
            (Some(_), Some(mismatch)) => Err(segment.damaged(scanned.stopped_at, mismatch)),
            _ => Ok(scanned),
        }
    }

    /// Tells a tail that a crash cut short from damage. Returns the bytes given up.
    fn judge_tail(&self, segment: &Segment, scanned: &Scanned) -> Result<u64, OpenError> {
        let (torn_end, durable_stated) = segment.later_headers(scanned.end)?;
        let durable = durable_stated.max(self.from);
        if durable > scanned.end {
            let mut mismatch = scanned.mismatch.clone().expect("the last segment has no set end");
            mismatch.expected += &format!(" (the log was durable up to {durable})");
            return Err(segment.damaged(scanned.stopped_at, mismatch));
        }
        let cut_end = match &scanned.partial {
            Some(batch) => {
                batch.position.plus(BATCH_HEADER_BYTES + u64::from(batch.length)).max(torn_end)
            }
            None => torn_end,
        };
        // A closing header at the end is no batch that was cut.
        let cut = cut_end.since(scanned.end);
        Ok(if cut == BATCH_HEADER_BYTES { 0 } else { cut })
    }
}
