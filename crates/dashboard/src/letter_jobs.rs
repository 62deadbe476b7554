//! Long work on dead letters, which goes on while nobody waits for it. It ends with the dashboard.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use millstream::{DeadLetters, EntryId, LetterFilter};
use parking_lot::Mutex;

use crate::actions::letter_tally::{Tally, Verb};
use crate::failure::Failure;

/// Jobs that are told of, those that ended included.
const KEPT: usize = 50;
/// Jobs that run at a time: the server has other work.
const RUNNING_MAX: usize = 4;

/// All jobs, newest first.
#[derive(Debug, Default)]
pub(crate) struct LetterJobs {
    all: Mutex<VecDeque<Arc<LetterJob>>>,
    begun: AtomicU64,
}

/// What a job is to do.
#[derive(Clone, Debug)]
pub(crate) struct LetterWork {
    pub(crate) letters: DeadLetters,
    pub(crate) verb: Verb,
    pub(crate) filter: LetterFilter,
    /// The filter, for people.
    pub(crate) words: String,
    /// The newest letter of those that are meant: what is given back may come again, and would
    /// have no end.
    pub(crate) last: EntryId,
    pub(crate) per_second: u32,
    /// Letters that are changed at most.
    pub(crate) most: u64,
}

/// One of them.
#[derive(Debug)]
pub(crate) struct LetterJob {
    pub(crate) number: u64,
    pub(crate) work: LetterWork,
    /// Who began it; `None`: nobody had logged in.
    pub(crate) by: Option<String>,
    progress: Mutex<Progress>,
    is_stopped: AtomicBool,
}

/// How far it is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    pub(crate) tally: Tally,
    /// How it ended; `None`: it goes on.
    pub(crate) end: Option<String>,
}

impl LetterJobs {
    /// One more.
    ///
    /// # Errors
    /// [`Failure::Invalid`]: others must end first.
    pub(crate) fn begin(
        &self,
        work: LetterWork,
        by: Option<String>,
    ) -> Result<Arc<LetterJob>, Failure> {
        let mut all = self.all.lock();
        let running: Vec<_> = all.iter().filter(|job| job.progress().end.is_none()).collect();
        if running.iter().any(|job| job.work.letters.stream() == work.letters.stream()) {
            let text = "something is at work on these letters already: stop it, or let it end";
            return Err(Failure::Invalid(text.to_owned()));
        }
        if running.len() >= RUNNING_MAX {
            let text = format!("{RUNNING_MAX} are at work already: let one of them end first");
            return Err(Failure::Invalid(text));
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let job = Arc::new(LetterJob {
            number,
            work,
            by,
            progress: Mutex::default(),
            is_stopped: AtomicBool::new(false),
        });
        all.push_front(Arc::clone(&job));
        if all.len() > KEPT
            && let Some(at) = all.iter().rposition(|job| job.progress().end.is_some())
        {
            all.remove(at);
        }
        Ok(job)
    }

    /// Those on the letters of this stream, newest first.
    pub(crate) fn of(&self, letters: &[u8]) -> Vec<Arc<LetterJob>> {
        let all = self.all.lock();
        all.iter().filter(|job| job.work.letters.stream() == letters).cloned().collect()
    }

    /// Keys of the streams of letters that something is at work on.
    pub(crate) fn running(&self) -> Vec<Bytes> {
        let all = self.all.lock();
        let running = all.iter().filter(|job| job.progress().end.is_none());
        running.map(|job| Bytes::copy_from_slice(job.work.letters.stream())).collect()
    }
}

impl LetterJob {
    pub(crate) fn progress(&self) -> Progress {
        self.progress.lock().clone()
    }

    pub(crate) fn add(&self, tally: &Tally) {
        self.progress.lock().tally.add(tally);
    }

    pub(crate) fn end(&self, how: String) {
        self.progress.lock().end = Some(how);
    }

    /// It ends soon.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }
}
