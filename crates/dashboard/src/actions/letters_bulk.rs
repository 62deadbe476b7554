//! What is done with all dead letters of a kind: counted first, then changed at a pace.

use std::sync::Arc;
use std::time::Duration;

use millstream::redis::{Cmd, cmd};
use millstream::{
    DeadLetter, DeadLetters, EntryId, Error, LetterFilter, Millstream, StreamManager,
};
use millstream_shown::visible;
use tokio::time::{Instant, sleep_until};

use super::letter_tally::{Tally, Verb};
use super::letters::{AT_ONCE, change_found};
use crate::failure::Failure;
use crate::letter_jobs::{LetterJob, LetterWork};
use crate::visitor::{Change, Visitor};

/// Entries that are looked at in one step.
const LOOKED_AT: usize = 1000;
/// What a count looks at, at most, 100 entries each: more steps would hold up a page.
const COUNTED_STEPS: usize = 200;
/// And no longer than that: a server may be slow.
const COUNTED_FOR: Duration = Duration::from_secs(5);
/// Between steps in which no letter was found.
const BREATH: Duration = Duration::from_millis(20);
/// Letters a second.
pub(crate) const PER_SECOND_MAX: u32 = 10_000;

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
    let begun = Instant::now();
    for _ in 0..COUNTED_STEPS {
        if begun.elapsed() > COUNTED_FOR {
            break;
        }
        let mut page = letters.oldest_like(filter, after, AT_ONCE, AT_ONCE).await?;
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

/// The newest entry there, and how many there are; `None`: there are none.
pub(crate) async fn extent(
    millstream: &Millstream,
    letters: &DeadLetters,
) -> Result<Option<(EntryId, u64)>, Error> {
    let info = StreamManager::new(millstream, letters.stream()).info().await?;
    Ok(info.and_then(|info| Some((info.last?, info.length))))
}

/// # Errors
/// [`Failure::Invalid`]: there is no such pace, or nothing would be changed.
pub(crate) fn check_pace(per_second: u32, most: u64) -> Result<(), Failure> {
    if (1..=PER_SECOND_MAX).contains(&per_second) && most > 0 {
        return Ok(());
    }
    Err(Failure::Invalid(format!(
        "a pace is from 1 to {PER_SECOND_MAX} letters a second, and one letter at least is changed"
    )))
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
    check_pace(work.per_second, work.most)?;
    let job = visitor.app.letter_jobs.begin(work, visitor.user.clone())?;
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

/// Has a job end, at the word of who began it, or of who might have.
///
/// # Errors
/// [`Failure::NotFound`]; those of the server, if the visitor may not do what the job does.
pub(crate) async fn stop(
    change: &Change<'_>,
    visitor: &Visitor,
    letters: &[u8],
    number: u64,
) -> Result<(), Failure> {
    let jobs = visitor.app.letter_jobs.of(letters);
    let found = jobs.iter().find(|job| job.number == number);
    let job = found.ok_or_else(|| Failure::NotFound("there is no such job".to_owned()))?;
    if job.by != visitor.user {
        let millstream = change.millstream();
        let harmless = of_no_letter(job.work.verb, letters, millstream.abilities().has_policies);
        millstream.query(&harmless).await?;
    }
    job.stop();
    change.audit(&format!("stops job {number} on dead letters in {}", visible(letters)));
    Ok(())
}

/// What a job sends, of a letter that is none: refused to whoever may not send it.
fn of_no_letter(verb: Verb, letters: &[u8], has_policies: bool) -> Cmd {
    const NONE: &str = "0-0";
    match verb {
        Verb::Purge => cmd("XDEL").arg(letters).arg(NONE).to_owned(),
        Verb::Requeue if has_policies => {
            let mut requeue = cmd("XDLQ");
            requeue.arg("REQUEUE").arg(letters).arg("IDS").arg(1).arg(NONE).arg("DRYRUN");
            requeue
        }
        Verb::Requeue => {
            let script = "return redis.call('XDEL', KEYS[1], ARGV[1])";
            cmd("EVAL").arg(script).arg(1).arg(letters).arg(NONE).to_owned()
        }
    }
}
