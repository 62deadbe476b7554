//! Messages that failed too often: written to a stream of their own, looked at, given back,
//! deleted.
//!
//! A letter has the fields that Millstream's own letters have (`docs/delivery.md`), whoever wrote
//! it. Letters are written and taken away in one step with what else that means, so that there is
//! exactly one of message and letter after any crash.

mod bury;
pub(crate) mod json;
mod letter_filter;
mod letter_page;
mod requeue;
mod requeue_changed;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{cmd, pipe};

use crate::message::Fields;
use crate::milliseconds::milliseconds;
use crate::reply::{Entry, NotUnderstood};
use crate::{EntryId, Error, GroupInfo, Millstream, reply};

pub(crate) use bury::{Reason, bury};
pub use letter_filter::LetterFilter;
pub use letter_page::LetterPage;
pub use requeue::Requeued;

/// Entries that are read in one round trip.
const LISTED_AT_ONCE: usize = 1000;

/// A message that failed too often, as its letter tells.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DeadLetter {
    /// Which letter.
    pub id: EntryId,
    /// The entry that it was.
    pub original_id: EntryId,
    /// Its fields.
    pub payload: Fields,
    /// The stream that it comes from; with marks in place of what is not UTF-8, as all texts here.
    pub stream: String,
    /// Its key as it is.
    pub stream_bytes: Bytes,
    /// The group that gave it up.
    pub group: String,
    /// Its name as it is.
    pub group_bytes: Bytes,
    /// Who had it last.
    pub consumer: String,
    /// Its name as it is.
    pub consumer_bytes: Bytes,
    /// How often it was delivered.
    pub deliveries: u64,
    /// `max-deliveries`, or `fatal`: no other try would have helped.
    pub reason: String,
    /// What its handler said last; empty: nothing.
    pub error: String,
    /// When it was buried, by the clock of who did; the beginning of 1970 if it does not say.
    pub failed_at: SystemTime,
}

/// The dead letters in a stream. What is changed is as safe as an entry that was added. After
/// [`Error::Connection`], or dropped while it waits, a change was made or not; each can be tried
/// again.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    millstream: Millstream,
    stream: Bytes,
}

impl DeadLetters {
    /// The letters in this stream.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = Bytes::copy_from_slice(stream.as_ref());
        Self { millstream: millstream.clone(), stream }
    }

    /// The letters of a stream's messages, if nothing else was said: in `<stream>:dlq`. On a
    /// Cluster it must be in the stream's slot: that of `orders` is `{orders}:dlq`, that of
    /// `{orders:3}` or `{eu}orders` has the name that it has everywhere.
    #[must_use]
    pub fn of(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = stream.as_ref();
        let place_of = |key: &[u8]| millstream.backend().place_of(key);
        let usual = [stream, b":dlq"].concat();
        if place_of(&usual) == place_of(stream) {
            return Self::new(millstream, usual);
        }
        Self::new(millstream, [b"{", stream, b"}:dlq"].concat())
    }

    /// The letters of what a group gave up: in the stream that its policy names, else in that of
    /// [`Self::of`].
    #[must_use]
    pub fn of_group(millstream: &Millstream, stream: impl AsRef<[u8]>, group: &GroupInfo) -> Self {
        let policy = group.managed.as_ref().map(|managed| &managed.policy);
        match policy.and_then(|policy| policy.dead_letters.as_ref()) {
            Some(letters) => Self::new(millstream, letters),
            None => Self::of(millstream, stream),
        }
    }

    /// Key of the stream that the letters are in.
    #[must_use]
    pub fn stream(&self) -> &[u8] {
        &self.stream
    }

    /// Letters after that one (`None`: from the first on), at most so many, oldest first. Entries
    /// that are no letters are passed over.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn list(
        &self,
        after: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.list_like(&LetterFilter::new(), after, count).await
    }

    /// The same of letters that pass a filter. Where few do, all are read for it, some at a time.
    ///
    /// # Errors
    /// As those of [`Self::list`].
    pub async fn list_like(
        &self,
        filter: &LetterFilter,
        after: Option<EntryId>,
        count: usize,
    ) -> Result<Vec<DeadLetter>, Error> {
        let mut letters = Vec::new();
        let mut after = after;
        let last = self.last_old_enough(filter).await?;
        while letters.len() < count {
            let wanted = match filter.is_any() {
                true => (count - letters.len()).min(LISTED_AT_ONCE),
                // Letters are of any size: those that do not pass are not to fill the memory.
                false => count.clamp(100, LISTED_AT_ONCE),
            };
            let (found, next) = self.some(after, &last, wanted).await?;
            let room = count - letters.len();
            letters.extend(found.into_iter().filter(|letter| filter.fits(letter)).take(room));
            match next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        Ok(letters)
    }

    /// Letters behind one, up to a last one, and behind which to go on; `None`: there are no
    /// others.
    ///
    /// Not by XDLQ LIST, which passes over letters that do not say where they come from.
    async fn some(
        &self,
        after: Option<EntryId>,
        last: &str,
        wanted: usize,
    ) -> Result<(Vec<DeadLetter>, Option<EntryId>), Error> {
        let from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        let mut command = cmd("XRANGE");
        command.arg(&self.stream[..]).arg(&[&*from, last]).arg("COUNT").arg(wanted);
        let answer = self.millstream.run(&command).await?;
        let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
        let next = entries.last().filter(|_| entries.len() >= wanted).map(|entry| entry.id);
        Ok((entries.into_iter().filter_map(parse_letter).collect(), next))
    }

    /// Where the letters end that are as old as they must be, as XRANGE takes it.
    async fn last_old_enough(&self, filter: &LetterFilter) -> Result<String, Error> {
        if filter.min_age.is_zero() {
            return Ok("+".to_owned());
        }
        let now = self.millstream.time().await?;
        let since_1970 = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Ok(milliseconds(since_1970.saturating_sub(filter.min_age)).to_string())
    }

    /// Those letters of these that are there, in the order in which they are named.
    ///
    /// # Errors
    /// Those of the server: `WRONGTYPE` if the key is no stream.
    pub async fn find(&self, ids: &[EntryId]) -> Result<Vec<DeadLetter>, Error> {
        let mut letters = Vec::new();
        for some in ids.chunks(LISTED_AT_ONCE) {
            let mut all = pipe();
            for id in some {
                all.cmd("XRANGE").arg(&self.stream[..]).arg(id).arg(id);
            }
            for answer in self.millstream.backend().run_all(&all).await? {
                let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
                letters.extend(entries.into_iter().filter_map(parse_letter));
            }
        }
        Ok(letters)
    }

    /// Deletes letters. Returns how many there were.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn purge(&self, ids: &[EntryId]) -> Result<u64, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let mut command = cmd("XDEL");
        command.arg(&self.stream[..]);
        ids.iter().for_each(|id| _ = command.arg(id));
        let answer = self.millstream.run(&command).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XDEL"))
    }
}

/// `None`: the entry is no letter.
fn parse_letter(entry: Entry) -> Option<DeadLetter> {
    let fields = entry.fields?;
    let bytes = |name: &str| Bytes::copy_from_slice(fields.get(name).unwrap_or_default());
    let lossy = |bytes: &Bytes| String::from_utf8_lossy(bytes).into_owned();
    let text = |name: &str| lossy(&bytes(name));
    let seconds = text("failed_at").parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    // Anybody can write a letter, and no clock has all times.
    let since_1970 = |seconds| SystemTime::UNIX_EPOCH.checked_add(seconds);
    let [stream_bytes, group_bytes, consumer_bytes] = ["stream", "group", "consumer"].map(bytes);
    Some(DeadLetter {
        id: entry.id,
        original_id: fields.text("original_id")?.parse().ok()?,
        payload: json::decode(fields.get("original_data")?)?,
        stream: lossy(&stream_bytes),
        stream_bytes,
        group: lossy(&group_bytes),
        group_bytes,
        consumer: lossy(&consumer_bytes),
        consumer_bytes,
        deliveries: text("delivery_count").parse().unwrap_or(0),
        reason: text("reason"),
        error: text("error"),
        failed_at: seconds.and_then(since_1970).unwrap_or(SystemTime::UNIX_EPOCH),
    })
}
