//! Adding the entries of a source that can be read again, such as a file: each of them once.
//!
//! How many were added is a key beside the stream, which is set in one step with each addition. So
//! it is right whatever breaks: a run that begins anew reads it, passes over so many entries of the
//! source, and goes on.
//!
//! Two runs at the same time, or the last request of a run that was killed, which may still be on
//! its way, could add something twice. Servers with scripts compare the key in the same step.
//! Millstream, which has none, knows the numbers of the last entries (IDMP) and adds none again.

use std::time::Duration;

use redis::{Value, cmd, pipe};
use tracing::Instrument as _;

use crate::milliseconds::milliseconds;
use crate::reply::{self, NotUnderstood};
use crate::same_slot::beside;
use crate::{EntryId, Error, Fields, Producer, ToFields};

/// How long a source is remembered after its last addition.
const REMEMBERED_FOR: Duration = Duration::from_hours(30 * 24);
/// How long the numbers of single entries are, where there are no scripts: for as long as a request
/// may be on its way.
const ON_ITS_WAY: Duration = Duration::from_hours(1);
/// Entries of one addition; where there are no scripts, ten times as many are remembered.
const AT_ONCE_MAX: usize = 1000;
/// Names and values of one entry together, beyond which a script cannot take them apart.
const PARTS_MAX: usize = 7000;
/// What the script says when the key is not as it was taken to be.
const MOVED: &str = "SOURCEMOVED";

const ADD_FROM: &str = "\
local at = redis.call('GET', KEYS[2]) or ''
if at ~= ARGV[1] then return redis.error_reply('SOURCEMOVED ' .. at) end
local ids, i = {}, 4
while i <= #ARGV do
  local n = tonumber(ARGV[i])
  ids[#ids + 1] = redis.call('XADD', KEYS[1], unpack(ARGV, i + 1, i + n))
  i = i + n + 1
end
redis.call('SET', KEYS[2], ARGV[2], 'PX', ARGV[3])
return ids";

/// Adds the entries of a source to a stream, each once, by number. Made by [`Producer::source`].
///
/// A source is remembered for 30 days after its last addition.
///
/// | server | two of one name at the same time | needs |
/// |---|---|---|
/// | Redis, Valkey | the slower one fails ([`Error::SourceMoved`]) | scripts |
/// | Millstream | nothing is added twice within an hour and the last 10,000 entries | IDMP: [`Producer::remember`] says what that changes of the stream |
///
/// On a Cluster or behind Sentinels a failover may lose both what was added last and its count.
#[derive(Clone, Debug)]
pub struct SourceProducer {
    producer: Producer,
    name: String,
    /// Beside the stream.
    key: Vec<u8>,
}

/// Up to where a source was added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourcePosition {
    /// So many of its entries.
    pub count: u64,
    /// What the program wanted to know of that place: a checksum of what was read by then, or where
    /// to go on reading.
    pub mark: String,
}

impl SourceProducer {
    pub(crate) async fn new(producer: Producer, name: String) -> Result<Self, Error> {
        if name.is_empty() {
            return Err(Error::Configuration("a source has a name".to_owned()));
        }
        let key = beside(producer.stream(), &format!("source:{name}"));
        let has_scripts = producer.millstream().abilities().has_scripts;
        let producer = match has_scripts {
            true => producer,
            false => producer.remember(producer_name(&name), ON_ITS_WAY).await?,
        };
        Ok(Self { producer, name, key })
    }

    /// Name of the source.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Up to where it was added; of one that is not known, nothing was. Dropped while it waits,
    /// nothing happens.
    ///
    /// # Errors
    /// Those of the server.
    pub async fn position(&self) -> Result<SourcePosition, Error> {
        let answer = self.producer.millstream().run(cmd("GET").arg(&self.key)).await?;
        SourcePosition::parse(&answer)
    }

    /// Adds the entries of the source that come behind `from`, in their order and in one step: all
    /// are there and the position is behind them, or nothing is. `mark` is what the new position
    /// shall have; 1000 entries at most.
    ///
    /// # Errors
    /// [`Error::SourceMoved`]: it is not at `from`. [`Error::Configuration`]: there are too many,
    /// or one is no entry. Those of the server. After [`Error::Connection`], or dropped while it
    /// waits, all were added or none: [`Self::position`] tells.
    pub async fn add<P: ToFields>(
        &self,
        from: &SourcePosition,
        mark: impl Into<String>,
        payloads: impl IntoIterator<Item = P>,
    ) -> Result<(Vec<EntryId>, SourcePosition), Error> {
        let (span, all) = self.producer.entries(payloads)?;
        if all.len() > AT_ONCE_MAX {
            let text = format!("{AT_ONCE_MAX} entries of a source are added at once, at most");
            return Err(Error::Configuration(text));
        }
        if all.iter().any(|fields| fields.len() * 2 > PARTS_MAX) {
            let text = format!("an entry of a source has {} fields at most", PARTS_MAX / 2);
            return Err(Error::Configuration(text));
        }
        let to = SourcePosition { count: from.count + all.len() as u64, mark: mark.into() };
        if all.is_empty() {
            return Ok((Vec::new(), from.clone()));
        }
        let adding = async {
            match self.producer.millstream().abilities().has_scripts {
                true => self.add_by_script(from, &to, &all).await,
                false => self.add_numbered(from, &to, &all).await,
            }
        };
        let ids = adding.instrument(span).await?;
        assert_eq!(ids.len(), all.len(), "each entry has an id");
        Ok((ids, to))
    }

    async fn add_by_script(
        &self,
        from: &SourcePosition,
        to: &SourcePosition,
        all: &[Fields],
    ) -> Result<Vec<EntryId>, Error> {
        let mut script = cmd("EVAL");
        script.arg(ADD_FROM).arg(2).arg(self.producer.stream()).arg(&self.key);
        script.arg(from.to_text()).arg(to.to_text()).arg(milliseconds(REMEMBERED_FOR));
        for fields in all {
            script.arg(self.producer.arguments_count(fields));
            self.producer.arguments(&mut script, &[], fields);
        }
        match self.producer.millstream().run_surely(&script).await {
            Ok(ids) => reply::ids(ids).map_err(NotUnderstood::of("EVAL")),
            Err(Error::Refused { code, text }) if code == MOVED => Err(moved(&text)),
            Err(error) => Err(error),
        }
    }

    async fn add_numbered(
        &self,
        from: &SourcePosition,
        to: &SourcePosition,
        all: &[Fields],
    ) -> Result<Vec<EntryId>, Error> {
        let mut commands = pipe();
        commands.atomic().add_command(cmd("GET").arg(&self.key).to_owned());
        let producer = producer_name(&self.name);
        for (number, fields) in (from.count..).zip(all) {
            let number = number.to_string();
            commands.add_command(self.producer.command(&["IDMP", &producer, &number], fields));
        }
        let mut set = cmd("SET");
        set.arg(&self.key).arg(to.to_text()).arg("PX").arg(milliseconds(REMEMBERED_FOR));
        commands.add_command(set);
        let answers = self.producer.millstream().backend().run_all(&commands).await?;
        let [at, ids @ .., _] = &answers[..] else { return Err(Error::Answer("EXEC")) };
        let at = SourcePosition::parse(at)?;
        if at != *from {
            return Err(Error::SourceMoved { count: at.count });
        }
        let ids: Result<Vec<EntryId>, NotUnderstood> = ids.iter().map(reply::id).collect();
        ids.map_err(NotUnderstood::of("EXEC"))
    }
}

/// Among the producers of the stream, apart from those that programs name.
fn producer_name(source: &str) -> String {
    format!("millstream:source:{source}")
}

fn moved(text: &str) -> Error {
    match SourcePosition::from_text(text) {
        Some(at) => Error::SourceMoved { count: at.count },
        None => Error::Answer("EVAL"),
    }
}

impl SourcePosition {
    /// As the key has it: the number, and the mark behind a blank.
    fn to_text(&self) -> String {
        match self.count {
            0 => String::new(),
            count => format!("{count} {}", self.mark),
        }
    }

    fn from_text(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::default());
        }
        let (count, mark) = text.split_once(' ').unwrap_or((text, ""));
        Some(Self { count: count.parse().ok()?, mark: mark.to_owned() })
    }

    fn parse(answer: &Value) -> Result<Self, Error> {
        if *answer == Value::Nil {
            return Ok(Self::default());
        }
        let text = reply::text(answer).ok().and_then(Self::from_text);
        text.ok_or(Error::Answer("GET"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_go_to_text_and_back() {
        for (count, mark, text) in [(0, "", ""), (7, "", "7 "), (1000, "a b", "1000 a b")] {
            let position = SourcePosition { count, mark: mark.to_owned() };
            assert_eq!(position.to_text(), text);
            assert_eq!(SourcePosition::from_text(text), Some(position));
        }
        assert_eq!(SourcePosition::from_text("x 1"), None);
    }
}
