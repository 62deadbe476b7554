//! The last commands that took long, for SLOWLOG.
//!
//! Long is what took at least `slowlog-log-slower-than` microseconds to run; the wait for the
//! engine, for the disk and for the client does not count. Secrets never come in here.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use millstream_command::Reply;
use millstream_command::table::CommandSpec;
use millstream_runtime::since_1970;
use parking_lot::Mutex;

use crate::Config;
use crate::clients::Client;
use crate::redaction;

/// Arguments kept of a command; of more, the last says how many there were.
const ARGUMENTS_MAX: usize = 32;
/// Bytes kept of an argument.
const ARGUMENT_BYTES_MAX: usize = 128;

/// The log and its two settings.
#[derive(Debug)]
pub(crate) struct SlowLog {
    /// `slowlog-log-slower-than`, in microseconds: 0 logs everything, a negative one nothing.
    slower_than_us: AtomicI64,
    /// `slowlog-max-len`.
    entries_max: AtomicU64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    /// The newest first.
    entries: VecDeque<SlowEntry>,
    /// Never reset, so that no number is given twice.
    next_id: u64,
}

/// A command that took long.
#[derive(Debug)]
pub(crate) struct SlowEntry {
    id: u64,
    at: Duration,
    took: Duration,
    args: Vec<Vec<u8>>,
    address: String,
    name: Vec<u8>,
}

impl SlowEntry {
    pub(crate) fn new(spec: &CommandSpec, args: &[&[u8]], took: Duration, client: &Client) -> Self {
        let shown = redaction::shown(spec, args);
        let whole = if shown.len() > ARGUMENTS_MAX { ARGUMENTS_MAX - 1 } else { shown.len() };
        let mut args: Vec<Vec<u8>> = shown[..whole].iter().map(|argument| cut(argument)).collect();
        if whole < shown.len() {
            let more = shown.len() - whole;
            args.push(format!("... ({more} more arguments)").into_bytes());
        }
        Self {
            id: 0,
            at: since_1970(),
            took,
            args,
            address: client.address.to_string(),
            name: client.facts.lock().name.clone(),
        }
    }

    fn reply(&self) -> Reply {
        let args = self.args.iter().map(|argument| Reply::bulk(argument.clone())).collect();
        let microseconds = u64::try_from(self.took.as_micros()).unwrap_or(u64::MAX);
        Reply::Array(vec![
            Reply::number(self.id),
            Reply::number(self.at.as_secs()),
            Reply::number(microseconds),
            Reply::Array(args),
            Reply::bulk(self.address.clone()),
            Reply::bulk(self.name.clone()),
        ])
    }
}

fn cut(argument: &[u8]) -> Vec<u8> {
    let more = argument.len().saturating_sub(ARGUMENT_BYTES_MAX);
    let mut kept = argument[..argument.len() - more].to_vec();
    if more > 0 {
        kept.extend_from_slice(format!("... ({more} more bytes)").as_bytes());
    }
    kept
}

impl SlowLog {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            slower_than_us: AtomicI64::new(config.slowlog_slower_than_us),
            entries_max: AtomicU64::new(config.slowlog_entries_max),
            kept: Mutex::default(),
        }
    }

    pub(crate) fn slower_than_us(&self) -> i64 {
        self.slower_than_us.load(Ordering::Relaxed)
    }

    pub(crate) fn set_slower_than_us(&self, microseconds: i64) {
        self.slower_than_us.store(microseconds, Ordering::Relaxed);
    }

    pub(crate) fn entries_max(&self) -> u64 {
        self.entries_max.load(Ordering::Relaxed)
    }

    pub(crate) fn set_entries_max(&self, count: u64) {
        self.entries_max.store(count, Ordering::Relaxed);
    }

    /// From how long on a command is logged; `None` if none is.
    pub(crate) fn threshold(&self) -> Option<Duration> {
        let microseconds = u64::try_from(self.slower_than_us()).ok()?;
        (self.entries_max() > 0).then(|| Duration::from_micros(microseconds))
    }

    pub(crate) fn push(&self, mut entry: SlowEntry) {
        let mut kept = self.kept.lock();
        entry.id = kept.next_id;
        kept.next_id += 1;
        kept.entries.push_front(entry);
        self.trim(&mut kept);
    }

    /// Redis drops what is too much with every command that runs, unless the log is switched off.
    fn trim(&self, kept: &mut Kept) {
        if self.threshold().is_some() {
            let max = usize::try_from(self.entries_max()).unwrap_or(usize::MAX);
            kept.entries.truncate(max);
        }
    }

    pub(crate) fn len(&self) -> usize {
        let mut kept = self.kept.lock();
        self.trim(&mut kept);
        kept.entries.len()
    }

    pub(crate) fn clear(&self) {
        self.kept.lock().entries.clear();
    }

    /// The newest entries.
    pub(crate) fn reply(&self, count: usize) -> Reply {
        let mut kept = self.kept.lock();
        self.trim(&mut kept);
        Reply::Array(kept.entries.iter().take(count).map(SlowEntry::reply).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_arguments_are_cut_and_say_so() {
        assert_eq!(cut(&[b'x'; 128]), [b'x'; 128]);
        assert_eq!(cut(&[b'x'; 130]), [&[b'x'; 128][..], b"... (2 more bytes)"].concat());
    }

    #[test]
    fn a_log_that_is_off_has_no_threshold() {
        let log = SlowLog::new(&Config::default());
        assert_eq!(log.threshold(), Some(Duration::from_millis(10)));
        log.set_entries_max(0);
        assert_eq!(log.threshold(), None);
        log.set_entries_max(1);
        log.set_slower_than_us(-1);
        assert_eq!(log.threshold(), None);
        log.set_slower_than_us(0);
        assert_eq!(log.threshold(), Some(Duration::ZERO));
    }
}
