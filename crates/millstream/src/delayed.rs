//! Messages that are to be in the stream later.
//!
//! Millstream has them as entries of the future (`XSCHEDULE`). Elsewhere they wait in a sorted set
//! and a hash beside the stream, and the stream's consumers move what is due by a script.

mod scripts;

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{Cmd, Value, cmd};
use tracing::Instrument as _;

use self::scripts::{ADD, CANCEL, CANCEL_ALL, LIST, MOVE, RUN};
use crate::milliseconds::milliseconds;
use crate::producer::entry_fields;
use crate::reply::NotUnderstood;
use crate::same_slot::beside;
use crate::{Error, Fields, Millstream, StreamManager, ToFields, reply, trace_context};

/// Messages that are moved in one step.
const MOVED_AT_ONCE: usize = 100;
/// Messages that are listed in one round trip; fewer, once they have so many bytes.
const LISTED_AT_ONCE: usize = 1000;
const LISTED_BYTES_MAX: usize = 1 << 20;
/// The cursor of XSCHEDULE LIST at the beginning and at the end.
const LIST_END: &str = "0";

/// Later than any clock says, and still a whole number in a script: 2^53 - 1 less our lifetime.
const MS_MAX: u64 = 9_000_000_000_000_000;
/// More fields than a script can pass on at once.
const SCRIPT_FIELDS_MAX: usize = 3000;

/// Messages of one stream that are to come later.
///
/// On Millstream they are in the stream at the millisecond they are due, and no consumer is needed
/// for that. Elsewhere consumers of the stream move them
/// ([`ConsumerBuilder::delayed_messages`](crate::ConsumerBuilder::delayed_messages)), within a
/// second of their time; without consumers they wait.
///
/// After [`Error::Connection`], or dropped while it waits, a change was made or not. Each but
/// adding can be tried again: a message is moved, or taken back, once.
#[derive(Clone, Debug)]
pub struct DelayedMessages {
    millstream: Millstream,
    stream: Bytes,
}

/// A message that waits for its time.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DelayedMessage {
    /// Its name as long as it waits.
    pub token: String,
    /// When it is to be in the stream.
    pub due: SystemTime,
    /// Its fields.
    pub payload: Fields,
}

impl DelayedMessages {
    /// Of a stream, which need not be there yet.
    #[must_use]
    pub fn new(millstream: &Millstream, stream: impl AsRef<[u8]>) -> Self {
        let stream = Bytes::copy_from_slice(stream.as_ref());
        Self { millstream: millstream.clone(), stream }
    }

    /// Has this in the stream after so long, by the server's clock. Returns a token for
    /// [`Self::cancel`]. As safe as an entry that was added.
    ///
    /// # Errors
    /// [`Error::Configuration`]: what was given is no entry, or the time is beyond all clocks.
    /// [`Error::Unsupported`]: the server has neither schedules nor scripts. Those of the server.
    /// After [`Error::Connection`] it may wait or not. Dropped before it returns, the same.
    pub async fn add_after(
        &self,
        delay: Duration,
        payload: &impl ToFields,
    ) -> Result<String, Error> {
        self.add("DELAY", milliseconds(delay), payload).await
    }

    /// Has this in the stream at that time; at once if that is over.
    ///
    /// # Errors
    /// As those of [`Self::add_after`].
    pub async fn add_at(&self, due: SystemTime, payload: &impl ToFields) -> Result<String, Error> {
        let since_1970 = due.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.add("AT", milliseconds(since_1970), payload).await
    }

    async fn add(&self, when: &str, ms: u64, payload: &impl ToFields) -> Result<String, Error> {
        if ms > MS_MAX {
            let text = format!("a message cannot wait until {ms} ms from now or from 1970");
            return Err(Error::Configuration(text));
        }
        let span = trace_context::sending(&String::from_utf8_lossy(&self.stream));
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        let command = if self.is_native() {
            let mut command = self.command("ADD");
            command.arg(when).arg(ms);
            fields.append_to(&mut command);
            command
        } else {
            self.need_scripts()?;
            if fields.len() > SCRIPT_FIELDS_MAX {
                let text = format!("a delayed message has {SCRIPT_FIELDS_MAX} fields at most");
                return Err(Error::Configuration(text));
            }
            self.script(ADD).arg(ms).arg(when).arg(pack(&fields)).to_owned()
        };
        let answer = self.millstream.run(&command).instrument(span).await?;
        reply::lossy_text(&answer).map_err(NotUnderstood::of("XSCHEDULE"))
    }

    /// Takes a message back. Returns whether it still waited.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server.
    pub async fn cancel(&self, token: &str) -> Result<bool, Error> {
        self.change_one("CANCEL", CANCEL, token).await
    }

    /// Has a message in the stream at once, whenever it is due. Returns whether it still waited.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server, such as that the stream is full: the
    /// message waits on then.
    pub async fn run_now(&self, token: &str) -> Result<bool, Error> {
        self.change_one("RUN", RUN, token).await
    }

    /// Takes all messages back. Returns how many waited. What others add meanwhile may wait on.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server.
    pub async fn cancel_all(&self) -> Result<u64, Error> {
        if self.is_native() {
            return self.cancel_each().await;
        }
        // Where there is no message, what lies under these keys may be somebody else's.
        if self.list(1).await?.is_empty() {
            return Ok(0);
        }
        let count = self.millstream.run(&self.script(CANCEL_ALL)).await?;
        reply::count(&count).map_err(NotUnderstood::of("EVAL"))
    }

    async fn cancel_each(&self) -> Result<u64, Error> {
        let mut count = 0;
        loop {
            let some = self.list(LISTED_AT_ONCE).await?;
            if some.is_empty() {
                return Ok(count);
            }
            for message in some {
                count += u64::from(self.cancel(&message.token).await?);
            }
        }
    }

    async fn change_one(&self, action: &str, script: &str, token: &str) -> Result<bool, Error> {
        let command = if self.is_native() {
            self.command(action).arg(token).to_owned()
        } else {
            self.need_scripts()?;
            self.script(script).arg(token).to_owned()
        };
        match self.millstream.run(&command).await {
            Ok(count) => Ok(reply::count(&count).map_err(NotUnderstood::of("XSCHEDULE"))? > 0),
            Err(error) if is_no_such_key(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// How many wait, at the cost of one command.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn count(&self) -> Result<u64, Error> {
        if self.is_native() {
            let info = StreamManager::new(&self.millstream, &self.stream).info().await?;
            return Ok(info.and_then(|info| info.scheduled).unwrap_or(0));
        }
        let (set, _) = self.keys();
        let answer = self.millstream.run(cmd("ZCARD").arg(set)).await?;
        reply::count(&answer).map_err(NotUnderstood::of("ZCARD"))
    }

    /// The first messages that wait, at most so many, in the order in which they are due.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server.
    pub async fn list(&self, count: usize) -> Result<Vec<DelayedMessage>, Error> {
        self.list_after(None, count).await
    }

    /// The same of those behind the message of this token, be it gone meanwhile: so all are gone
    /// through in pieces, and each that stays is seen once.
    ///
    /// # Errors
    /// [`Error::Configuration`]: the token is none. [`Error::Unsupported`], and those of the
    /// server.
    pub async fn list_after(
        &self,
        after: Option<&str>,
        count: usize,
    ) -> Result<Vec<DelayedMessage>, Error> {
        let mut all = Vec::new();
        let mut after = after.map(str::to_owned);
        while all.len() < count {
            let wanted = (count - all.len()).min(LISTED_AT_ONCE);
            let (some, next) = if self.is_native() {
                self.some_of_schedule(after.as_deref(), wanted).await?
            } else {
                self.some_of_set(after.as_deref(), wanted).await?
            };
            all.extend(some);
            if next.is_none() {
                break;
            }
            after = next;
        }
        Ok(all)
    }

    /// Some messages, and behind which token to go on; `None`: there are no others.
    async fn some_of_schedule(
        &self,
        after: Option<&str>,
        wanted: usize,
    ) -> Result<(Vec<DelayedMessage>, Option<String>), Error> {
        let mut command = self.command("LIST");
        command.arg("CURSOR").arg(after.unwrap_or(LIST_END)).arg("COUNT").arg(wanted);
        let answer = match self.millstream.run(&command).await {
            Ok(answer) => answer,
            Err(error) if is_no_such_key(&error) => return Ok((Vec::new(), None)),
            Err(error) => return Err(error),
        };
        let parse = || {
            let [next, some] =
                <[_; 2]>::try_from(reply::array(answer)?).map_err(|_| NotUnderstood)?;
            let some = reply::array(some)?.into_iter().map(scheduled);
            let next = Some(reply::lossy_text(&next)?).filter(|next| next != LIST_END);
            Ok((some.collect::<Result<_, _>>()?, next))
        };
        parse().map_err(NotUnderstood::of("XSCHEDULE LIST"))
    }

    async fn some_of_set(
        &self,
        after: Option<&str>,
        wanted: usize,
    ) -> Result<(Vec<DelayedMessage>, Option<String>), Error> {
        self.need_scripts()?;
        let mut script = self.script(LIST);
        match after {
            None => script.arg("").arg(0),
            Some(token) => {
                let no_token = || Error::Configuration(format!("{token:?} is no token"));
                script.arg(token).arg(due_ms(token).ok_or_else(no_token)?)
            }
        };
        script.arg(wanted).arg(LISTED_BYTES_MAX);
        let answer = self.millstream.run(&script).await?;
        let parse = || {
            let mut parts = reply::array(answer)?.into_iter();
            let next = reply::lossy_text(&parts.next().ok_or(NotUnderstood)?)?;
            let mut some = Vec::with_capacity(parts.len() / 2);
            while let Some(token) = parts.next() {
                let token = reply::lossy_text(&token)?;
                let packed = reply::bytes(parts.next().ok_or(NotUnderstood)?)?;
                let due = Duration::from_millis(due_ms(&token).ok_or(NotUnderstood)?);
                let payload = unpack(&packed).ok_or(NotUnderstood)?;
                some.push(DelayedMessage { token, due: SystemTime::UNIX_EPOCH + due, payload });
            }
            Ok((some, Some(next).filter(|next| !next.is_empty())))
        };
        parse().map_err(NotUnderstood::of("EVAL"))
    }

    /// Moves what is due now, where consumers do that (see the type); for programs that have none.
    /// Returns how long the next message waits; `None`: there is none, or the server does it.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server.
    pub async fn move_due(&self) -> Result<Option<Duration>, Error> {
        if self.is_native() {
            return Ok(None);
        }
        self.need_scripts()?;
        let script = self.script(MOVE).arg(MOVED_AT_ONCE).to_owned();
        loop {
            let answer = reply::array(self.millstream.run(&script).await?);
            let answer = answer.map_err(NotUnderstood::of("EVAL"))?;
            let [Value::Int(moved), Value::Int(next_ms)] = answer[..] else {
                return Err(Error::Answer("EVAL"));
            };
            if usize::try_from(moved).is_ok_and(|moved| moved < MOVED_AT_ONCE) {
                return Ok(u64::try_from(next_ms).ok().map(Duration::from_millis));
            }
        }
    }

    fn is_native(&self) -> bool {
        self.millstream.abilities().has_schedule
    }

    fn need_scripts(&self) -> Result<(), Error> {
        let what = "schedule and no scripts, one of which delayed messages need";
        self.millstream.need_by(&["EVAL"], self.millstream.abilities().has_scripts, what)
    }

    /// XSCHEDULE, up to the key.
    fn command(&self, action: &str) -> Cmd {
        cmd("XSCHEDULE").arg(action).arg(&self.stream[..]).to_owned()
    }

    fn keys(&self) -> (Vec<u8>, Vec<u8>) {
        (beside(&self.stream, "delayed"), beside(&self.stream, "delayed:payloads"))
    }

    fn script(&self, script: &str) -> Cmd {
        let (set, hash) = self.keys();
        cmd("EVAL").arg(script).arg(3).arg(set).arg(hash).arg(&self.stream[..]).to_owned()
    }
}

fn is_no_such_key(error: &Error) -> bool {
    matches!(error, Error::Refused { code, text } if code == "ERR" && text.contains("no such key"))
}

/// When the message of a token is due; `None`: it is no token.
fn due_ms(token: &str) -> Option<u64> {
    token.split_once('-')?.0.parse().ok().filter(|ms| *ms <= 2 * MS_MAX)
}

/// Token, due time, fields.
fn scheduled(value: Value) -> Result<DelayedMessage, NotUnderstood> {
    let mut parts = reply::array(value)?.into_iter();
    let mut next = || parts.next().ok_or(NotUnderstood);
    let token = reply::lossy_text(&next()?)?;
    let due = SystemTime::UNIX_EPOCH + Duration::from_millis(reply::count(&next()?)?);
    let payload = reply::fields(next()?)?.ok_or(NotUnderstood)?;
    Ok(DelayedMessage { token, due, payload })
}

/// Names and values, each with its length: `3:abc`.
fn pack(fields: &Fields) -> Vec<u8> {
    let mut packed = Vec::new();
    for part in fields.iter().flat_map(|(name, value)| [name, value]) {
        packed.extend_from_slice(format!("{}:", part.len()).as_bytes());
        packed.extend_from_slice(part);
    }
    packed
}

/// `None`: somebody else wrote this.
fn unpack(packed: &Bytes) -> Option<Fields> {
    let mut parts = Vec::new();
    let mut rest = packed.clone();
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let end = colon.checked_add(1)?.checked_add(length).filter(|end| *end <= rest.len())?;
        parts.push(rest.slice(colon + 1..end));
        rest = rest.slice(end..);
    }
    if parts.len() % 2 == 1 {
        return None;
    }
    Some(parts.chunks(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_other_bytes_are_refused() {
        let fields = Fields::new().with("a:1", "").with("b", vec![0xff, b':', b'0']);
        assert_eq!(unpack(&pack(&fields).into()), Some(fields));
        assert_eq!(unpack(&Bytes::new()), Some(Fields::new()));
        for wrong in ["1", "1:", "2:a", "x:a", "1:a", ":", "18446744073709551615:a"] {
            assert_eq!(unpack(&Bytes::from(wrong)), None, "{wrong}");
        }
    }
}
