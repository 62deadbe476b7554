//! What is done with dead letters: given back, changed and given back, deleted.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use millstream::{
    DeadLetter, DeadLetters, EntryId, Error, Fields, LetterFilter, Requeued, StreamManager,
};
use millstream_shown::{plural, visible};
use serde::Deserialize;
use tokio::time::{Instant, sleep_until};

use crate::failure::Failure;
use crate::letter_jobs::{LetterJob, LetterWork};
use crate::visitor::{Change, Visitor};

/// Letters that a request names at most.
const NAMED_MAX: usize = 1000;
/// Letters that are changed at the same time.
const AT_ONCE: usize = 100;
/// Entries that are looked at in one step.
const LOOKED_AT: usize = 1000;
/// What a count looks at, at most: more steps would hold up a page.
const COUNTED_STEPS: usize = 20;
/// Between steps in which no letter was found.
const BREATH: Duration = Duration::from_millis(20);
/// Reasons that are told of those that failed.
const REASONS_MAX: usize = 5;
pub(crate) const PER_SECOND_MAX: u32 = 10_000;

/// What is done with letters.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verb {
    Requeue,
    Purge,
}

impl Verb {
    pub(crate) fn of(word: &str) -> Result<Self, Failure> {
        match word {
            "requeue" => Ok(Self::Requeue),
            "purge" => Ok(Self::Purge),
            _ => Err(Failure::Invalid("letters are given back (requeue), or purged".to_owned())),
        }
    }

    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Requeue => "requeue",
            Self::Purge => "purge",
        }
    }

    /// As in "3 letters were ...".
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Requeue => "given back",
            Self::Purge => "deleted",
        }
    }
}

/// What became of letters.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) changed: u64,
    /// Of those, how many entries were added to their stream once more.
    pub(crate) added_anew: u64,
    /// Gone before.
    pub(crate) not_there: u64,
    /// They stay as they are.
    pub(crate) failed: u64,
    /// Why, the first of them.
    pub(crate) reasons: Vec<String>,
}

impl Tally {
    pub(crate) fn add(&mut self, other: &Self) {
        self.changed += other.changed;
        self.added_anew += other.added_anew;
        self.not_there += other.not_there;
        self.failed += other.failed;
        let room = REASONS_MAX.saturating_sub(self.reasons.len());
        self.reasons.extend(other.reasons.iter().take(room).cloned());
    }

    fn note(&mut self, id: EntryId, became: Result<Requeued, Error>) -> Result<(), Error> {
        match became {
            Ok(Requeued::GivenBack) => self.changed += 1,
            Ok(Requeued::AddedAnew) => {
                self.changed += 1;
                self.added_anew += 1;
            }
            Ok(Requeued::NotThere) => self.not_there += 1,
            Err(error) if concerns_all(&error) => return Err(error),
            Err(error) => {
                self.failed += 1;
                if self.reasons.len() < REASONS_MAX {
                    let why = visible(error.to_string().as_bytes());
                    self.reasons.push(format!("{id}: {why}"));
                }
            }
        }
        Ok(())
    }

    /// For people: `3 letters were given back, 1 of them as a new entry for all groups.`
    pub(crate) fn words(&self, verb: Verb) -> String {
        let were = if self.changed == 1 { "was" } else { "were" };
        let mut text = format!("{} {were} {}", plural(self.changed, "letter"), verb.done());
        match self.added_anew {
            0 => {}
            1 => text.push_str(", 1 of them as a new entry for all groups"),
            anew => text.push_str(&format!(", {anew} of them as new entries for all groups")),
        }
        text.push('.');
        if self.not_there > 0 {
            text.push_str(&format!(" {} gone before.", self.not_there));
        }
        if self.failed > 0 {
            text.push_str(&format!(" {} stay: {}", self.failed, self.reasons.join("; ")));
        }
        text
    }
}

/// Whether it says something of the server, and nothing of the one letter.
fn concerns_all(error: &Error) -> bool {
    match error {
        Error::Connection(_) | Error::Unsupported { .. } => true,
        Error::Refused { code, .. } => {
            matches!(&**code, "NOAUTH" | "NOPERM" | "OOM" | "MISCONF") || error.is_temporary()
        }
        _ => error.is_temporary(),
    }
}

/// Changes those that are named.
///
/// # Errors
/// Those of the server that concern all; what was done before stays done.
pub(crate) async fn change_some(
    change: &Change<'_>,
    letters: &DeadLetters,
    verb: Verb,
    ids: &[EntryId],
) -> Result<Tally, Failure> {
    if ids.is_empty() {
        return Err(Failure::Invalid("no letter is ticked".to_owned()));
    }
    if ids.len() > NAMED_MAX {
        return Err(Failure::Invalid(format!("at most {NAMED_MAX} letters are named at a time")));
    }
    let mut tally = Tally::default();
    let done = async {
        for some in ids.chunks(AT_ONCE) {
            let found = letters.find(some).await?;
            tally.not_there += (some.len() - found.len()) as u64;
            change_found(letters, verb, &found, &mut tally).await?;
        }
        Ok::<_, Error>(())
    };
    let done = done.await;
    let key = visible(letters.stream());
    let first = ids[0];
    change.audit(&format!(
        "dead letters in {key}, {} named, first {first}: {}",
        ids.len(),
        tally.words(verb)
    ));
    done?;
    Ok(tally)
}

async fn change_found(
    letters: &DeadLetters,
    verb: Verb,
    found: &[DeadLetter],
    tally: &mut Tally,
) -> Result<(), Error> {
    if verb == Verb::Purge {
        let ids: Vec<EntryId> = found.iter().map(|letter| letter.id).collect();
        let gone = letters.purge(&ids).await?;
        tally.changed += gone;
        tally.not_there += ids.len() as u64 - gone;
        return Ok(());
    }
    let each = join_all(found.iter().map(|letter| letters.requeue(letter))).await;
    let mut first_error = None;
    for (letter, became) in found.iter().zip(each) {
        if let Err(error) = tally.note(letter.id, became) {
            _ = first_error.get_or_insert(error);
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// Adds the changed entry in place of the letter.
///
/// # Errors
/// [`Failure::NotFound`]: it is gone. Those of the server.
pub(crate) async fn requeue_changed(
    change: &Change<'_>,
    letters: &DeadLetters,
    letter: &DeadLetter,
    fields: &Fields,
) -> Result<EntryId, Failure> {
    let added = letters.requeue_changed(letter, fields).await;
    let (key, stream) = (visible(letters.stream()), visible(&letter.stream_bytes));
    match added {
        Ok(Some(id)) => {
            change.audit(&format!(
                "dead letter {} in {key} was changed, and given back as {id} of stream {stream}",
                letter.id
            ));
            Ok(id)
        }
        Ok(None) => Err(Failure::NotFound(format!("letter {} is gone", letter.id))),
        Err(error) => {
            change
                .audit(&format!("dead letter {} in {key} was not given back: {error}", letter.id));
            Err(error.into())
        }
    }
}

/// How many letters pass a filter.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted {
    pub(crate) count: u64,
    /// There are entries that were not looked at.
    pub(crate) is_part: bool,
    /// The first of them.
    pub(crate) first: Vec<DeadLetter>,
}

/// Counts those up to a last one, as far as a page may take.
pub(crate) async fn count(
    letters: &DeadLetters,
    filter: &LetterFilter,
    after: Option<EntryId>,
    last: EntryId,
    kept: usize,
) -> Result<Counted, Error> {
    let (mut counted, mut after) = (Counted::default(), after);
    for _ in 0..COUNTED_STEPS {
        let mut page = letters.oldest_like(filter, after, AT_ONCE, LOOKED_AT).await?;
        let found = page.letters.len();
        page.letters.retain(|letter| letter.id <= last);
        counted.count += page.letters.len() as u64;
        let is_behind = page.letters.len() < found;
        let room = kept - counted.first.len();
        counted.first.extend(page.letters.into_iter().take(room));
        after = page.next;
        if is_behind || after.is_none_or(|after| after >= last) {
            return Ok(counted);
        }
    }
    counted.is_part = true;
    Ok(counted)
}

/// The newest entry there; `None`: there are none.
pub(crate) async fn newest(
    change: &millstream::Millstream,
    letters: &DeadLetters,
) -> Result<Option<EntryId>, Error> {
    let info = StreamManager::new(change, letters.stream()).info().await?;
    Ok(info.and_then(|info| info.last))
}

/// Begins to change all that pass the filter, and returns at once.
///
/// # Errors
/// [`Failure::Invalid`]: the pace is none, or others must end first.
pub(crate) fn begin(
    change: &Change<'_>,
    visitor: &Visitor,
    work: LetterWork,
) -> Result<Arc<LetterJob>, Failure> {
    if !(1..=PER_SECOND_MAX).contains(&work.per_second) || work.most == 0 {
        return Err(Failure::Invalid(format!(
            "a pace is from 1 to {PER_SECOND_MAX} letters a second, and one letter at least is \
             changed"
        )));
    }
    let job = visitor.app.letter_jobs.begin(work)?;
    let work = &job.work;
    let (key, word) = (visible(work.letters.stream()), work.verb.word());
    change.audit(&format!(
        "begins to {word} dead letters in {key} ({}), {} at most, {} a second (job {})",
        work.words, work.most, work.per_second, job.number
    ));
    let (running, visitor) = (Arc::clone(&job), visitor.clone());
    tokio::spawn(async move {
        let how = match run(&running).await {
            Ok(how) => how,
            Err(error) => format!("It ended early: {error}"),
        };
        let words = running.progress().tally.words(running.work.verb);
        // It was allowed when it began.
        if let Ok(change) = visitor.change(None) {
            let (number, key) = (running.number, visible(running.work.letters.stream()));
            change.audit(&format!("job {number} on dead letters in {key} ended: {words} {how}"));
        }
        running.end(how);
    });
    Ok(job)
}

/// Returns how it ended.
async fn run(job: &LetterJob) -> Result<String, Error> {
    let LetterWork { letters, verb, filter, last, per_second, most, .. } = &job.work;
    let per_step = (per_second / 10).clamp(1, AT_ONCE as u32);
    let (mut after, mut left, mut next) = (None, *most, Instant::now());
    loop {
        if job.is_stopped() {
            return Ok("It was stopped.".to_owned());
        }
        if left == 0 {
            let others = count(letters, filter, after, *last, 0).await?;
            return Ok(match (others.count, others.is_part) {
                (0, false) => "None of that kind are left.".to_owned(),
                (count, false) => format!("{} of that kind are left: go on.", count),
                (count, true) => format!("{count} or more of that kind are left: go on."),
            });
        }
        sleep_until(next).await;
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(per_step as usize);
        let mut page = letters.oldest_like(filter, after, wanted, LOOKED_AT).await?;
        page.letters.retain(|letter| letter.id <= *last);
        left -= page.letters.len() as u64;
        let pause = match page.letters.len() {
            0 => BREATH,
            some => Duration::from_secs_f64(some as f64 / f64::from(*per_second)),
        };
        next = Instant::now().max(next + pause);
        let mut tally = Tally::default();
        let done = change_found(letters, *verb, &page.letters, &mut tally).await;
        job.add(&tally);
        done?;
        after = page.next;
        if after.is_none_or(|after| after >= *last) {
            return Ok("None of that kind are left of those that were there.".to_owned());
        }
    }
}

/// Has a job end.
///
/// # Errors
/// [`Failure::NotFound`].
pub(crate) fn stop(
    change: &Change<'_>,
    visitor: &Visitor,
    letters: &[u8],
    number: u64,
) -> Result<(), Failure> {
    let jobs = visitor.app.letter_jobs.of(letters);
    let found = jobs.iter().find(|job| job.number == number);
    let job = found.ok_or_else(|| Failure::NotFound("there is no such job".to_owned()))?;
    job.stop();
    change.audit(&format!("stops job {number} on dead letters in {}", visible(letters)));
    Ok(())
}
