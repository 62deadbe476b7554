//! What is kept of a panic: the program is wrong then, and somebody should learn where.
//!
//! A panic in a connection ends that connection. One in the middle of a change, or of anything that
//! the server cannot do without, ends the process: what is in memory may contradict itself, and
//! recovery makes it anew from what is on disk. In both cases a report lies beside the data
//! afterwards, which `millstream check` shows.

use std::backtrace::Backtrace;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::panic::{self, PanicHookInfo};
use std::path::{Path, PathBuf};
use std::thread;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Below the data directory.
const FOLDER: &str = "faults";
/// Reports that are kept; the oldest go. A process that is started again and again by whoever
/// supervises it must not fill the disk.
const KEPT: usize = 20;

/// One panic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FaultReport {
    pub(crate) version: String,
    /// RFC 3339.
    pub(crate) at: String,
    pub(crate) thread: String,
    /// File and line of the source.
    pub(crate) place: String,
    pub(crate) message: String,
    pub(crate) backtrace: String,
}

impl FaultReport {
    fn of(info: &PanicHookInfo<'_>) -> Self {
        let place = info.location().map_or_else(
            || "an unknown place".to_owned(),
            |at| format!("{}:{}", at.file(), at.line()),
        );
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: Timestamp::now().to_string(),
            thread: thread::current().name().unwrap_or("without a name").to_owned(),
            place,
            message: info.payload_as_str().unwrap_or("a value that is no text").to_owned(),
            backtrace: Backtrace::force_capture().to_string(),
        }
    }

    /// In one line.
    pub(crate) fn text(&self) -> String {
        format!("{}: {}", self.origin(), self.message)
    }

    fn origin(&self) -> String {
        let Self { version, at, thread, place, .. } = self;
        format!("{at}, version {version}, thread {thread}, {place}")
    }

    /// For the log, which more people read than a report.
    fn line(&self, written: Option<io::Result<PathBuf>>) -> String {
        match written {
            Some(Ok(path)) => format!("{}; the report is {}", self.origin(), path.display()),
            Some(Err(error)) => format!("{}; no report could be written: {error}", self.text()),
            None => self.text(),
        }
    }

    fn write(&self, folder: &Path) -> io::Result<PathBuf> {
        fs::create_dir_all(folder)?;
        let mut kept = files(folder)?;
        kept.sort_unstable();
        for old in kept.iter().take(kept.len().saturating_sub(KEPT - 1)) {
            fs::remove_file(old)?;
        }
        // Its names sort by time, and no two threads have the same.
        let name = format!("{}-{}.json", self.at.replace(':', ""), std::process::id());
        let mut path = folder.join(name);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).mode(0o600);
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                path.set_extension("2.json");
                options.open(&path)?
            }
            file => file?,
        };
        file.write_all(&serde_json::to_vec_pretty(self)?)?;
        file.sync_all()?;
        Ok(path)
    }
}

fn files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let is_report = |path: &io::Result<PathBuf>| {
        path.as_ref().map_or(true, |path| path.extension().is_some_and(|end| end == "json"))
    };
    paths.filter(is_report).collect()
}

/// From now on each panic is a line in the log, and a report below the data directory, if there is
/// one. What the panic says may hold words of the data, and is in the log only where there is no
/// report that it would be in.
pub(crate) fn keep_reports(data: Option<PathBuf>) {
    panic::set_hook(Box::new(move |info| {
        let report = FaultReport::of(info);
        let written = data.as_ref().map(|data| report.write(&data.join(FOLDER)));
        tracing::error!("a fault of the program, at {}", report.line(written));
        tracing::debug!("{}", report.backtrace);
    }));
}

/// The reports beside a store, oldest first. What cannot be read is left out.
pub(crate) fn reports(data: &Path) -> Vec<FaultReport> {
    let mut files = files(&data.join(FOLDER)).unwrap_or_default();
    files.sort_unstable();
    let read = |path: PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
    files.into_iter().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(second: usize) -> FaultReport {
        FaultReport {
            version: "1".into(),
            at: format!("2026-01-01T00:00:{second:02}Z"),
            thread: "worker".into(),
            place: "a.rs:1".into(),
            message: "left: 1".into(),
            backtrace: String::new(),
        }
    }

    /// Symptom: words of the data were in the log.
    #[test]
    fn the_log_has_what_a_panic_says_only_where_no_report_has_it() {
        let origin = "2026-01-01T00:00:05Z, version 1, thread worker, a.rs:1";
        let report = report(5);
        let line = report.line(Some(Ok(PathBuf::from("faults/1.json"))));
        assert_eq!(line, format!("{origin}; the report is faults/1.json"));
        assert_eq!(report.line(None), format!("{origin}: left: 1"));
        let line = report.line(Some(Err(io::ErrorKind::StorageFull.into())));
        assert!(line.starts_with(&format!("{origin}: left: 1; no report could be")), "{line}");
    }

    #[test]
    fn the_newest_reports_are_kept() {
        let data = tempfile::tempdir().expect("a directory");
        assert_eq!(reports(data.path()), []);
        for second in 0..KEPT + 5 {
            report(second).write(&data.path().join(FOLDER)).expect("written");
        }
        // Twice in one moment.
        report(KEPT + 4).write(&data.path().join(FOLDER)).expect("written");
        let kept = reports(data.path());
        assert_eq!(
            (kept.len(), &kept[0], kept.last()),
            (KEPT, &report(6), Some(&report(KEPT + 4)))
        );
    }
}
