//! The id of an entry.

use std::fmt;
use std::str::FromStr;

use redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

/// Bytes of the longest one's text.
const TEXT_MAX: usize = 41;

/// Unix milliseconds and a number within them; ordered as in the stream. Shown as `ms-seq`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Unix milliseconds, as the server saw them when the entry was added, or as the producer said.
    pub ms: u64,
    /// Number among those of one millisecond.
    pub seq: u64,
}

impl EntryId {
    /// Before the first one that an entry can have.
    pub const ZERO: Self = Self { ms: 0, seq: 0 };

    /// The one just before; `ZERO` stays.
    #[must_use]
    pub fn before(self) -> Self {
        match (self.ms, self.seq) {
            (0, 0) => Self::ZERO,
            (ms, 0) => Self { ms: ms - 1, seq: u64::MAX },
            (ms, seq) => Self { ms, seq: seq - 1 },
        }
    }
}

/// As a command's argument, `ms-seq`. Workers write one for each message: `write!` into a string of
/// its own takes four times as many instructions.
impl ToRedisArgs for EntryId {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let (mut ms, mut seq) = (itoa::Buffer::new(), itoa::Buffer::new());
        let (ms, seq) = (ms.format(self.ms), seq.format(self.seq));
        let mut text = [b'-'; TEXT_MAX];
        text[..ms.len()].copy_from_slice(ms.as_bytes());
        let length = ms.len() + 1 + seq.len();
        text[ms.len() + 1..length].copy_from_slice(seq.as_bytes());
        out.write_arg(&text[..length]);
    }
}

impl ToSingleRedisArg for EntryId {}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

/// The text is no entry id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseEntryIdError;

impl fmt::Display for ParseEntryIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "an entry id is two whole numbers with a dash between them, like 1702301234567-0",
        )
    }
}

impl std::error::Error for ParseEntryIdError {}

impl FromStr for EntryId {
    type Err = ParseEntryIdError;

    fn from_str(text: &str) -> Result<Self, ParseEntryIdError> {
        let (ms, seq) = text.split_once('-').ok_or(ParseEntryIdError)?;
        let number = |text: &str| text.parse().map_err(|_| ParseEntryIdError);
        Ok(Self { ms: number(ms)?, seq: number(seq)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_go_to_text_and_back_in_order() {
        let id: EntryId = "1702301234567-12".parse().expect("an id");
        assert_eq!(id.to_string(), "1702301234567-12");
        for id in [EntryId::ZERO, id, EntryId { ms: u64::MAX, seq: u64::MAX }] {
            assert_eq!(id.to_redis_args(), [id.to_string().into_bytes()]);
        }
        assert!(id.before() < id);
        assert_eq!(EntryId { ms: 5, seq: 0 }.before(), EntryId { ms: 4, seq: u64::MAX });
        assert_eq!(EntryId::ZERO.before(), EntryId::ZERO);
        for wrong in ["", "1", "a-1", "1-", "-1", "1-1-1"] {
            assert_eq!(wrong.parse::<EntryId>(), Err(ParseEntryIdError), "{wrong}");
        }
    }
}
