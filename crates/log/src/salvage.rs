//! Giving up damaged parts of a log, so that what is before them can be opened.
//!
//! Only for tools, on a copy: what is cut off was reported as stored.

use crate::error::Failure;
use crate::rewrite::Rewrite;
use crate::scan::Segment;
use crate::segments::{FOLDER, FileKind, file_kind, segment_name};
use crate::storage::write_zeros;
use crate::{LogOptions, LogPosition, OpenError, Storage};

/// What was given up of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostLog {
    /// Everything from here on.
    pub from: LogPosition,
    /// The end of the last batch behind it whose header can still be read; at least `from`.
    pub until: LogPosition,
}

/// Gives up everything from a position on, where something is damaged.
///
/// # Errors
/// [`OpenError::Io`].
pub fn cut_log_at(storage: &dyn Storage, at: LogPosition) -> Result<LostLog, OpenError> {
    let mut lost = LostLog { from: at, until: at };
    let firsts = segments(storage)?;
    let kept = firsts.partition_point(|first| *first <= at);
    for &first in &firsts[kept..] {
        lost.until = lost.until.max(readable_end(storage, first, first));
        remove(storage, first)?;
    }
    let Some(&first) = firsts[..kept].last() else { return sync(storage).map(|()| lost) };
    let Ok(segment) = Segment::open(storage, first) else {
        lost.from = first;
        remove(storage, first)?;
        return sync(storage).map(|()| lost);
    };
    lost.until = lost.until.max(readable_end(storage, first, at));
    let failed = |action| {
        let path = segment.path.clone();
        move |source| Failure { action, path, source }
    };
    let scanned = segment.scan(first, Some(at), &mut |_| Ok(()), &mut |_| {})?;
    let offset = segment.offset(at);
    if segment.bytes > offset {
        write_zeros(&*segment.file, offset, segment.bytes - offset)
            .map_err(failed("zero segment"))?;
    }
    if segment.bytes < scanned.file_bytes_known {
        segment.file.set_len(scanned.file_bytes_known).map_err(failed("extend segment"))?;
    }
    segment.file.sync_data().map_err(failed("sync segment"))?;
    sync(storage).map(|()| lost)
}

/// Gives up the whole log, and begins a new one where the newest checkpoint ends.
///
/// # Errors
/// [`OpenError::Io`].
pub fn begin_log_at(
    storage: &dyn Storage,
    options: &LogOptions,
    at: LogPosition,
) -> Result<LostLog, OpenError> {
    let mut lost = LostLog { from: at, until: at };
    for first in segments(storage)? {
        lost.until = lost.until.max(readable_end(storage, first, first.max(at)));
        remove(storage, first)?;
    }
    sync(storage)?;
    let mut rewrite = Rewrite::new_log(&options.clone().into_range());
    (rewrite.header.first, rewrite.end) = (at, at);
    rewrite.run(storage, None)?;
    Ok(lost)
}

/// First positions of all segments, ascending.
fn segments(storage: &dyn Storage) -> Result<Vec<LogPosition>, OpenError> {
    let names = match storage.list(FOLDER) {
        Ok(names) => names,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let path = storage.path(FOLDER);
            let created = storage.create_dir(FOLDER);
            created.map_err(|source| Failure { action: "create directory", path, source })?;
            Vec::new()
        }
        Err(source) => {
            let (action, path) = ("list directory", storage.path(FOLDER));
            return Err(Failure { action, path, source }.into());
        }
    };
    let mut firsts: Vec<_> = names
        .iter()
        .filter_map(|name| match file_kind(name) {
            FileKind::Segment(first) => Some(first),
            _ => None,
        })
        .collect();
    firsts.sort_unstable();
    Ok(firsts)
}

/// How far batch headers can be read in a segment, from a position in it on.
fn readable_end(storage: &dyn Storage, first: LogPosition, from: LogPosition) -> LogPosition {
    let segment = Segment::open(storage, first);
    let end = segment.and_then(|segment| Ok(segment.later_headers(from)?.0));
    end.unwrap_or(from).max(from)
}

fn remove(storage: &dyn Storage, first: LogPosition) -> Result<(), OpenError> {
    let name = segment_name(first);
    let path = storage.path(&name);
    let removed = storage.remove(&name);
    Ok(removed.map_err(|source| Failure { action: "remove segment", path, source })?)
}

fn sync(storage: &dyn Storage) -> Result<(), OpenError> {
    let (action, path) = ("sync directory", storage.path(FOLDER));
    Ok(storage.sync_dir(FOLDER).map_err(|source| Failure { action, path, source })?)
}
