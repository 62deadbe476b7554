//! Changing all dead letters of a kind: counted first, then by a job at a pace.

use std::time::Duration;

use axum::Json;
use millstream::{DeadLetter, DeadLetters, LetterFilter};
use millstream_shown::{JsonBytes, visible};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::body::Body;
use super::letter_changes::LettersChanged;
use super::{Done, ErrorDocument};
use crate::actions::letter_tally::Verb;
use crate::actions::letters_bulk::{self, Counted};
use crate::failure::Failure;
use crate::letter_jobs::{LetterJob, LetterWork};
use crate::letter_trial::{TRIED_MAX, Trial};
use crate::segments::Segments;
use crate::visitor::Visitor;

/// Letters a second, if nobody says other, and letters at most.
const PER_SECOND: u32 = 100;
const MOST: u64 = 10_000;

/// Which letters, and how; with nothing said all that are there now.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AllLetters {
    /// Of entries of this stream.
    #[schema(inline)]
    stream: Option<JsonBytes>,
    /// That this group gave up.
    #[schema(inline)]
    group: Option<JsonBytes>,
    /// That this consumer had last.
    #[schema(inline)]
    consumer: Option<JsonBytes>,
    /// With this reason, such as `max-deliveries`.
    reason: Option<String>,
    /// With this in their error.
    error: Option<String>,
    /// At least so old.
    min_age_ms: Option<u64>,
    /// Only counts them: whoever may read them may do that.
    #[serde(default)]
    dry_run: bool,
    /// So many letters are changed in a second, at most.
    #[schema(minimum = 1, maximum = 10_000, default = 100)]
    per_second: Option<u32>,
    /// So many letters are changed, at most: the oldest ones.
    #[schema(minimum = 1, default = 10_000)]
    most: Option<u64>,
}

/// How many there are, or the job that changes them.
#[derive(Serialize, ToSchema)]
pub(crate) struct Begun {
    /// Of a dry run: how many pass.
    count: Option<u64>,
    /// Of a dry run: not all letters were looked at, and more may pass.
    is_part: Option<bool>,
    /// Of a dry run of giving back: what would become of the first of them.
    would: Option<WouldBecome>,
    /// It goes on while nobody waits for it.
    job: Option<JobDocument>,
}

/// What would become of letters that are given back.
#[derive(Serialize, ToSchema)]
struct WouldBecome {
    /// Of so many letters, the oldest ones.
    tried: u64,
    /// Pending in their group again.
    given_back: u64,
    /// Added as new entries, for all groups: their entries are gone.
    added_anew: u64,
    /// They would stay as they are.
    failed: u64,
    /// Why the first of those would.
    why: Option<String>,
}

/// Long work on dead letters. It ends with the dashboard.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobDocument {
    number: u64,
    /// `requeue` or `purge`.
    what: &'static str,
    /// Which letters, in words.
    which: String,
    per_second: u32,
    most: u64,
    so_far: LettersChanged,
    /// How it ended, and what is left; `null`: it goes on.
    end: Option<String>,
}

/// All that are told of, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct JobList {
    jobs: Vec<JobDocument>,
}

impl From<&LetterJob> for JobDocument {
    fn from(job: &LetterJob) -> Self {
        let (work, progress) = (&job.work, job.progress());
        Self {
            number: job.number,
            what: work.verb.word(),
            which: work.words.clone(),
            per_second: work.per_second,
            most: work.most,
            so_far: progress.tally.into(),
            end: progress.end,
        }
    }
}

impl WouldBecome {
    async fn of(letters: &DeadLetters, first: &[DeadLetter]) -> Self {
        let Trial { given_back, added_anew, failed, why } = Trial::of(letters, first).await;
        Self { tried: first.len() as u64, given_back, added_anew, failed, why }
    }
}

impl AllLetters {
    fn filter(&self) -> LetterFilter {
        let mut filter = LetterFilter::new();
        if let Some(JsonBytes(stream)) = &self.stream {
            filter = filter.stream(stream);
        }
        if let Some(JsonBytes(group)) = &self.group {
            filter = filter.group(group);
        }
        if let Some(JsonBytes(consumer)) = &self.consumer {
            filter = filter.consumer(consumer);
        }
        if let Some(reason) = &self.reason {
            filter = filter.reason(reason);
        }
        if let Some(error) = &self.error {
            filter = filter.error(error);
        }
        if let Some(ms) = self.min_age_ms {
            filter = filter.min_age(Duration::from_millis(ms));
        }
        filter
    }

    /// For people, and for the log.
    fn words(&self) -> String {
        let name = |name: &Option<JsonBytes>| name.as_ref().map(|it| visible(&it.0));
        let text = |text: &Option<String>| text.as_ref().map(|it| visible(it.as_bytes()));
        let all = [
            ("stream", name(&self.stream)),
            ("group", name(&self.group)),
            ("consumer", name(&self.consumer)),
            ("reason", text(&self.reason)),
            ("error with", text(&self.error)),
            ("for at least", self.min_age_ms.map(|ms| format!("{ms} ms"))),
        ];
        let said = all.into_iter().filter_map(|(name, value)| Some(format!("{name} {}", value?)));
        match said.collect::<Vec<_>>() {
            none if none.is_empty() => "letters of any kind".to_owned(),
            some => format!("letters of the kind: {}", some.join(", ")),
        }
    }
}

async fn begin(
    visitor: &Visitor,
    segments: &Segments,
    verb: Verb,
    which: &AllLetters,
) -> Result<Json<Begun>, Failure> {
    let letters = DeadLetters::new(&visitor.millstream, segments.after("dead-letters"));
    let filter = which.filter();
    let per_second = which.per_second.unwrap_or(PER_SECOND);
    let most = which.most.unwrap_or(MOST);
    letters_bulk::check_pace(per_second, most)?;
    let extent = letters_bulk::extent(&visitor.millstream, &letters).await?;
    if which.dry_run {
        let key = segments.after("dead-letters");
        let requeue: [&[u8]; 4] = [b"XDLQ", b"REQUEUE", &key, b"1-1"];
        // It is tried as it would be done; where XDLQ is none of the server's, by other means.
        let is_tried =
            verb == Verb::Requeue && visitor.would_be_allowed(&requeue).await?.unwrap_or(true);
        let tried_max = if is_tried { TRIED_MAX } else { 0 };
        let counted = match extent {
            Some((last, _)) => {
                letters_bulk::count(&letters, &filter, None, last, tried_max).await?
            }
            None => Counted::default(),
        };
        let would = match is_tried {
            true => Some(WouldBecome::of(&letters, &counted.first).await),
            false => None,
        };
        let (count, is_part) = (Some(counted.count), Some(counted.is_part));
        return Ok(Json(Begun { count, is_part, would, job: None }));
    }
    let change = visitor.change(None)?;
    let (last, _) = extent.ok_or_else(|| Failure::NotFound("there are no letters".to_owned()))?;
    let words = which.words();
    let work = LetterWork { letters, verb, filter, words, last, per_second, most };
    let job = letters_bulk::begin(&change, visitor, work)?;
    let job = Some(JobDocument::from(&*job));
    Ok(Json(Begun { count: None, is_part: None, would: None, job }))
}

/// Gives all dead letters of a kind back to their groups.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/requeue-all",
    params(("stream" = String, Path)),
    request_body = AllLetters,
    responses(
        (status = 200, body = Begun),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn requeue_all(
    visitor: Visitor,
    segments: Segments,
    Body(which): Body<AllLetters>,
) -> Result<Json<Begun>, Failure> {
    begin(&visitor, &segments, Verb::Requeue, &which).await
}

/// Deletes all dead letters of a kind for good.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/purge-all",
    params(("stream" = String, Path)),
    request_body = AllLetters,
    responses(
        (status = 200, body = Begun),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn purge_all(
    visitor: Visitor,
    segments: Segments,
    Body(which): Body<AllLetters>,
) -> Result<Json<Begun>, Failure> {
    begin(&visitor, &segments, Verb::Purge, &which).await
}

/// Jobs on these letters, newest first: those that go on, and some that ended.
#[utoipa::path(get, path = "/api/v1/dead-letters/{stream}/jobs",
    params(("stream" = String, Path)),
    responses(
        (status = 200, body = JobList),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn jobs(visitor: Visitor, segments: Segments) -> Result<Json<JobList>, Failure> {
    let stream = segments.after("dead-letters");
    visitor.must_read(&stream).await?;
    let jobs = visitor.app.letter_jobs.of(&stream);
    Ok(Json(JobList { jobs: jobs.iter().map(|job| JobDocument::from(&**job)).collect() }))
}

/// Which job.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Stop {
    job: u64,
}

/// Has a job end. What is done stays done.
#[utoipa::path(post, path = "/api/v1/dead-letters/{stream}/jobs/stop",
    params(("stream" = String, Path)),
    request_body = Stop,
    responses(
        (status = 200, body = Done),
        (status = "4XX", body = ErrorDocument),
        (status = "5XX", body = ErrorDocument),
    ),
)]
pub(crate) async fn stop(
    visitor: Visitor,
    segments: Segments,
    Body(Stop { job }): Body<Stop>,
) -> Result<Json<Done>, Failure> {
    let change = visitor.change(None)?;
    letters_bulk::stop(&change, &visitor, &segments.after("dead-letters"), job).await?;
    Ok(Json(Done { changed: true }))
}
