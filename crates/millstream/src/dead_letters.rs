//! Messages that failed too often: written to a stream of their own, looked at, given back,
//! deleted.
//!
//! A letter has the fields that Millstream's own letters have (`docs/delivery.md`), whoever wrote
//! it. Letters are written and taken away in one step with what else that means, so that there is
//! exactly one of message and letter after any crash.

pub(crate) mod json;

use std::time::{Duration, SystemTime};

use redis::{Cmd, Value, cmd, pipe};

use crate::message::Fields;
use crate::reply::{Entry, NotUnderstood};
use crate::{EntryId, Error, GroupInfo, Message, Millstream, reply};

/// Buries what this consumer still has: the letter first, since a script that fails does not take
/// back what it did before.
const BURY: &str = "\
if #redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[2], ARGV[2], 1, ARGV[3]) == 0 then return 0 end
local letter = redis.call('XADD', KEYS[2], '*', unpack(ARGV, 4))
redis.call('XACK', KEYS[1], ARGV[1], ARGV[2])
return letter";

/// Gives an entry back to its group: pending, with nothing counted, and idle for longer than
/// anybody waits; where it is gone, as a new entry.
const REQUEUE: &str = "\
if #redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1]) == 0 then return 0 end
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])
local is_there = #redis.call('XRANGE', KEYS[2], ARGV[2], ARGV[2]) == 1
if is_there then
  redis.call('XCLAIM', KEYS[2], ARGV[3], ARGV[4], 0, ARGV[2], 'IDLE', ARGV[5], 'RETRYCOUNT', 0, \
'FORCE', 'JUSTID')
else
  redis.call('XADD', KEYS[2], '*', unpack(ARGV, 6))
end
redis.call('XDEL', KEYS[1], ARGV[1])
return is_there and 1 or 2";

/// Entries that are read in one round trip.
const LISTED_AT_ONCE: usize = 1000;
/// Who has what was given back until somebody claims it.
const REQUEUED: &str = "requeued";
/// Longer than any worker waits, and no overflow of the server's clock.
const LONG_IDLE_MS: u64 = 365 * 24 * 3_600_000;

/// Why a message became a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reason {
    MaxDeliveries,
    Fatal,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::MaxDeliveries => "max-deliveries",
            Self::Fatal => "fatal",
        }
    }
}

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
    /// The stream and the group that it comes from.
    pub stream: String,
    /// See `stream`.
    pub group: String,
    /// Who had it last.
    pub consumer: String,
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
    stream: String,
}

/// Writes a letter and acknowledges the message; false: the message is not this consumer's any
/// more, and nothing was done.
pub(crate) async fn bury(
    millstream: &Millstream,
    letters: &str,
    message: &Message,
    reason: Reason,
    error: &str,
) -> Result<bool, Error> {
    let id = message.id.to_string();
    let failed_at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let fields: [(&str, Vec<u8>); 9] = [
        ("original_id", id.clone().into()),
        ("original_data", json::encode(&message.payload).into()),
        ("failed_at", format!("{:.3}", failed_at.as_secs_f64()).into()),
        ("consumer", message.consumer().into()),
        ("stream", message.stream().into()),
        ("group", message.group().into()),
        ("delivery_count", message.deliveries.to_string().into()),
        ("reason", reason.word().into()),
        ("error", error.into()),
    ];
    if millstream.abilities().has_scripts {
        let mut script = cmd("EVAL");
        script.arg(BURY).arg(2).arg(message.stream()).arg(letters);
        script.arg(message.group()).arg(&id).arg(message.consumer());
        fields.iter().for_each(|(name, value)| _ = script.arg(*name).arg(value));
        return Ok(millstream.run(&script).await? != Value::Int(0));
    }
    let mut add = cmd("XADD");
    add.arg(letters).arg("*");
    fields.iter().for_each(|(name, value)| _ = add.arg(*name).arg(value));
    let acknowledge = cmd("XACK").arg(&[message.stream(), message.group(), &id]).to_owned();
    let mut all = pipe();
    all.atomic();
    if millstream.abilities().has_fence {
        all.cmd("XFENCE").arg(&[message.stream(), message.group(), message.consumer(), &id]);
    }
    all.add_command(add).add_command(acknowledge);
    // A fence that does not hold leaves EXEC without answers.
    millstream.backend().run_all(&all).await.map(|answers| !answers.is_empty())
}

impl DeadLetters {
    /// The letters in this stream.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl Into<String>) -> Self {
        Self { millstream: millstream.clone(), stream: stream.into() }
    }

    /// The letters of a stream's messages, if nothing else was said: in `<stream>:dlq`. On a
    /// Cluster it must be in the stream's slot: that of `orders` is `{orders}:dlq`, that of
    /// `{orders:3}` or `{eu}orders` has the name that it has everywhere.
    #[must_use]
    pub fn of(millstream: &Millstream, stream: &str) -> Self {
        let place_of = |key: &str| millstream.backend().place_of(key);
        let usual = format!("{stream}:dlq");
        if place_of(&usual) == place_of(stream) {
            return Self::new(millstream, usual);
        }
        Self::new(millstream, format!("{{{stream}}}:dlq"))
    }

    /// The letters of what a group gave up: in the stream that its policy names, else in that of
    /// [`Self::of`]. `None`: the key of the stream is no text, so there is no such place.
    #[must_use]
    pub fn of_group(
        millstream: &Millstream,
        stream: impl AsRef<[u8]>,
        group: &GroupInfo,
    ) -> Option<Self> {
        let policy = group.managed.as_ref().map(|managed| &managed.policy);
        if let Some(letters) = policy.and_then(|policy| policy.dead_letters.as_ref()) {
            return Some(Self::new(millstream, letters));
        }
        let stream = std::str::from_utf8(stream.as_ref()).ok()?;
        Some(Self::of(millstream, stream))
    }

    /// Key of the stream that the letters are in.
    #[must_use]
    pub fn stream(&self) -> &str {
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
        let mut letters = Vec::new();
        let mut from = after.map_or_else(|| "-".to_owned(), |id| format!("({id}"));
        while letters.len() < count {
            let wanted = (count - letters.len()).min(LISTED_AT_ONCE);
            let mut command = cmd("XRANGE");
            command.arg(&[&*self.stream, &*from, "+"]).arg("COUNT").arg(wanted);
            let answer = self.millstream.run(&command).await?;
            let entries = reply::entries(answer).map_err(NotUnderstood::of("XRANGE"))?;
            let Some(last) = entries.last() else { break };
            from = format!("({}", last.id);
            let is_all = entries.len() < wanted;
            letters.extend(entries.into_iter().filter_map(parse));
            if is_all {
                break;
            }
        }
        Ok(letters)
    }

    /// Gives a message back to the group that gave it up, with nothing counted, and takes the
    /// letter away, in one step. Where its entry is gone from the stream it is added anew, for all
    /// groups. Returns false if there is no such letter any more.
    ///
    /// # Errors
    /// [`Error::NoGroup`], [`Error::Unsupported`], and those of the server; nothing was done then.
    pub async fn requeue(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let abilities = self.millstream.abilities();
        let id = letter.id.to_string();
        if abilities.has_policies {
            let mut command = self.letter_command("REQUEUE", &id);
            // Should its stream be gone, too.
            command.arg("MKSTREAM");
            return self.first_count(&command).await.map(|count| count > 0);
        }
        self.millstream.need(abilities.has_scripts, "scripts, which giving letters back needs")?;
        let mut script = cmd("EVAL");
        script.arg(REQUEUE).arg(2).arg(&self.stream).arg(&letter.stream);
        script.arg(&id).arg(letter.original_id);
        script.arg(&letter.group).arg(REQUEUED).arg(LONG_IDLE_MS);
        letter.payload.append_to(&mut script);
        Ok(self.millstream.run(&script).await? != Value::Int(0))
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
        command.arg(&self.stream);
        ids.iter().for_each(|id| _ = command.arg(id));
        let answer = self.millstream.run(&command).await?;
        reply::count(&answer).map_err(NotUnderstood::of("XDEL"))
    }

    fn letter_command(&self, action: &str, id: &str) -> Cmd {
        cmd("XDLQ").arg(&[action, &self.stream, "IDS", "1", id]).to_owned()
    }

    async fn first_count(&self, command: &Cmd) -> Result<u64, Error> {
        let answer = self.millstream.run(command).await?;
        let counts = reply::array(answer).map_err(NotUnderstood::of("XDLQ"))?;
        let first = counts.first().ok_or(Error::Answer("XDLQ"))?;
        reply::count(first).map_err(NotUnderstood::of("XDLQ"))
    }
}

/// `None`: the entry is no letter.
fn parse(entry: Entry) -> Option<DeadLetter> {
    let fields = entry.fields?;
    let text = |name: &str| fields.text(name).unwrap_or_default().to_owned();
    let seconds = text("failed_at").parse().ok().and_then(|s| Duration::try_from_secs_f64(s).ok());
    // Anybody can write a letter, and no clock has all times.
    let since_1970 = |seconds| SystemTime::UNIX_EPOCH.checked_add(seconds);
    Some(DeadLetter {
        id: entry.id,
        original_id: fields.text("original_id")?.parse().ok()?,
        payload: json::decode(fields.get("original_data")?)?,
        stream: text("stream"),
        group: text("group"),
        consumer: text("consumer"),
        deliveries: text("delivery_count").parse().unwrap_or(0),
        reason: text("reason"),
        error: text("error"),
        failed_at: seconds.and_then(since_1970).unwrap_or(SystemTime::UNIX_EPOCH),
    })
}

#[cfg(all(test, feature = "embedded"))]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::message::Origin;

    #[tokio::test]
    async fn without_scripts_too_nobody_buries_what_somebody_else_has_by_now() {
        let (millstream, _clock) = crate::testing::in_memory();
        let run = async |line: &str| {
            let mut words = line.split(' ');
            let mut command = cmd(words.next().expect("a command"));
            words.for_each(|word| _ = command.arg(word));
            millstream.run(&command).await.expect("an answer")
        };
        for line in [
            "XADD s 1-1 f v",
            "XGROUP CREATE s g 0",
            "XREADGROUP GROUP g late STREAMS s >",
            "XCLAIM s g other 0 1-1",
        ] {
            run(line).await;
        }
        let message_of = |consumer: &str| {
            let (stream, group, consumer) = ("s".to_owned(), "g".to_owned(), consumer.to_owned());
            let origin = Arc::new(Origin { stream, group, consumer, fence: None });
            let id = EntryId { ms: 1, seq: 1 };
            Message { origin, id, payload: Fields::new().with("f", "v"), deliveries: 1 }
        };
        let buried = bury(&millstream, "s:dlq", &message_of("late"), Reason::Fatal, "").await;
        assert_eq!((buried.expect("done"), run("XLEN s:dlq").await), (false, Value::Int(0)));
        let buried = bury(&millstream, "s:dlq", &message_of("other"), Reason::Fatal, "").await;
        assert_eq!((buried.expect("done"), run("XLEN s:dlq").await), (true, Value::Int(1)));
    }
}
