//! Messages that are to be in the stream later.
//!
//! Millstream has them as entries of the future (`XSCHEDULE`). Elsewhere they wait in a sorted set
//! and a hash beside the stream, and the stream's consumers move what is due by a script.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::{Cmd, Value, cmd};
use tracing::Instrument as _;

use crate::milliseconds::milliseconds;
use crate::producer::entry_fields;
use crate::reply::NotUnderstood;
use crate::same_slot::beside;
use crate::{Error, Fields, Millstream, ToFields, reply, trace_context};

/// Messages that are moved in one step.
const MOVED_AT_ONCE: usize = 100;

/// Puts a message where it waits. Tokens sort as the messages were added.
const ADD: &str = "\
local time = redis.call('TIME')
local due = tonumber(ARGV[1])
if ARGV[2] == 'DELAY' then due = due + time[1] * 1000 + math.floor(time[2] / 1000) end
local token = string.format('%d-%016d', due, redis.call('HINCRBY', KEYS[2], 'added', 1))
redis.call('ZADD', KEYS[1], due, token)
redis.call('HSET', KEYS[2], token, ARGV[3])
return token";

/// Moves what is due to the stream. Returns how many those were, and how long the next one waits in
/// ms; -1: there is none.
const MOVE: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, token in ipairs(due) do
  local packed = redis.call('HGET', KEYS[2], token)
  if packed then
    local fields, at = {}, 1
    while at <= #packed do
      local colon = string.find(packed, ':', at, true)
      local length = tonumber(string.sub(packed, at, colon - 1))
      fields[#fields + 1] = string.sub(packed, colon + 1, colon + length)
      at = colon + length + 1
    end
    redis.call('XADD', KEYS[3], '*', unpack(fields))
  end
  redis.call('ZREM', KEYS[1], token)
  redis.call('HDEL', KEYS[2], token)
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
if #first == 0 then
  redis.call('DEL', KEYS[2])
  return {#due, -1}
end
return {#due, math.max(tonumber(first[2]) - now, 0)}";

const CANCEL: &str = "\
redis.call('HDEL', KEYS[2], ARGV[1])
return redis.call('ZREM', KEYS[1], ARGV[1])";

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
    stream: String,
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
    pub fn new(millstream: &Millstream, stream: impl Into<String>) -> Self {
        Self { millstream: millstream.clone(), stream: stream.into() }
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
        let span = trace_context::sending(&self.stream);
        let fields = trace_context::with_span(entry_fields(payload)?, &span);
        let command = if self.is_native() {
            let mut command = cmd("XSCHEDULE");
            command.arg(&["ADD", &self.stream, when]).arg(ms);
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
        let command = if self.is_native() {
            cmd("XSCHEDULE").arg(&["CANCEL", &self.stream, token]).to_owned()
        } else {
            self.need_scripts()?;
            self.script(CANCEL).arg(token).to_owned()
        };
        match self.millstream.run(&command).await {
            Ok(count) => Ok(reply::count(&count).map_err(NotUnderstood::of("XSCHEDULE"))? > 0),
            Err(error) if is_no_such_key(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The first messages that wait, at most so many, in the order in which they are due.
    ///
    /// # Errors
    /// [`Error::Unsupported`], and those of the server.
    pub async fn list(&self, count: usize) -> Result<Vec<DelayedMessage>, Error> {
        if self.is_native() { self.list_schedule(count).await } else { self.list_set(count).await }
    }

    async fn list_schedule(&self, count: usize) -> Result<Vec<DelayedMessage>, Error> {
        let not_understood = || NotUnderstood::of("XSCHEDULE LIST");
        let mut all = Vec::new();
        let mut cursor = "0".to_owned();
        while all.len() < count {
            let wanted = (count - all.len()).min(1000);
            let mut command = cmd("XSCHEDULE");
            command.arg(&["LIST", &self.stream, "CURSOR", &cursor]).arg("COUNT").arg(wanted);
            let answer = match self.millstream.run(&command).await {
                Ok(answer) => answer,
                Err(error) if is_no_such_key(&error) => break,
                Err(error) => return Err(error),
            };
            let parts = reply::array(answer).map_err(not_understood())?;
            let [next, some] = &parts[..] else { return Err(Error::Answer("XSCHEDULE LIST")) };
            cursor = reply::lossy_text(next).map_err(not_understood())?;
            let some = reply::array(some.clone()).map_err(not_understood())?;
            let some: Result<Vec<_>, NotUnderstood> = some.into_iter().map(scheduled).collect();
            all.extend(some.map_err(not_understood())?);
            if cursor == "0" {
                break;
            }
        }
        Ok(all)
    }

    async fn list_set(&self, count: usize) -> Result<Vec<DelayedMessage>, Error> {
        let last = i64::try_from(count).unwrap_or(i64::MAX) - 1;
        if last < 0 {
            return Ok(Vec::new());
        }
        let (set, hash) = self.keys();
        let answer = self.millstream.run(cmd("ZRANGE").arg(set).arg(0).arg(last)).await?;
        let tokens = reply::array(answer).map_err(NotUnderstood::of("ZRANGE"))?;
        let mut all = Vec::with_capacity(tokens.len());
        for token in &tokens {
            let token = reply::lossy_text(token).map_err(NotUnderstood::of("ZRANGE"))?;
            let packed = self.millstream.run(cmd("HGET").arg(&hash).arg(&token)).await?;
            // Moved or taken back just now.
            let Ok(packed) = reply::bytes(packed) else { continue };
            let due_ms = token.split('-').next().and_then(|ms| ms.parse().ok());
            let (Some(due_ms), Some(payload)) = (due_ms, unpack(&packed)) else {
                return Err(Error::Answer("HGET"));
            };
            let due = SystemTime::UNIX_EPOCH + Duration::from_millis(due_ms);
            all.push(DelayedMessage { token, due, payload });
        }
        Ok(all)
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
        self.millstream.need(self.millstream.abilities().has_scripts, "delayed messages")
    }

    fn keys(&self) -> (String, String) {
        (beside(&self.stream, "delayed"), beside(&self.stream, "delayed:payloads"))
    }

    fn script(&self, script: &str) -> Cmd {
        let (set, hash) = self.keys();
        cmd("EVAL").arg(script).arg(3).arg(set).arg(hash).arg(&self.stream).to_owned()
    }
}

fn is_no_such_key(error: &Error) -> bool {
    matches!(error, Error::Refused { code, text } if code == "ERR" && text.contains("no such key"))
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
