//! What a stream of Millstream keeps by itself. The rules are in `docs/delivery.md`.

use std::time::Duration;

use redis::{Cmd, Value};

use crate::milliseconds::milliseconds;
use crate::reply::{Facts, NotUnderstood};

/// The retention of a stream; [`Default`]: it keeps everything. Only Millstream has it; elsewhere
/// asking for one is [`Error::Unsupported`](crate::Error::Unsupported).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retention {
    /// At most so many entries.
    pub max_length: Option<u64>,
    /// An entry goes so long after the time in its id.
    pub max_age: Option<Duration>,
    /// At most so many bytes in names and values of the entries.
    pub max_bytes: Option<u64>,
    /// What may go.
    pub retain: Retain,
    /// What becomes of an entry for which there is no room; `None`: as the server has it for this
    /// `retain`.
    pub overflow: Option<Overflow>,
}

/// What a retention may let go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retain {
    /// Whatever the limits demand.
    #[default]
    All,
    /// Only what every group has acknowledged.
    Unacked,
}

/// What becomes of an entry for which there is no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The oldest give way.
    Drop,
    /// It is refused.
    Reject,
}

/// One item of a [`Retention`] and the value that it gets; `None` switches it off. The server
/// checks the values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetentionItem {
    /// [`Retention::max_length`]; at least 1.
    MaxLength(Option<u64>),
    /// [`Retention::max_age`]; at least 1 ms.
    MaxAge(Option<Duration>),
    /// [`Retention::max_bytes`]; at least 1.
    MaxBytes(Option<u64>),
    /// [`Retention::retain`].
    Retain(Retain),
    /// [`Retention::overflow`].
    Overflow(Option<Overflow>),
}

impl Retention {
    /// Of XCFGGET, or of the fact `retention` of XINFO.
    pub(crate) fn parse(answer: Value) -> Result<Self, NotUnderstood> {
        let facts = Facts::parse(answer)?;
        let limit = |name: &str| Ok(Some(facts.count(name)?).filter(|limit| *limit > 0));
        let retain = match &*facts.text("RETAIN")? {
            "ALL" => Retain::All,
            "UNACKED" => Retain::Unacked,
            _ => return Err(NotUnderstood),
        };
        let overflow = match &*facts.text("OVERFLOW")? {
            "DROP" => Overflow::Drop,
            "REJECT" => Overflow::Reject,
            _ => return Err(NotUnderstood),
        };
        Ok(Self {
            max_length: limit("MAXLEN")?,
            max_age: limit("MAXAGE")?.map(Duration::from_millis),
            max_bytes: limit("MAXBYTES")?,
            retain,
            overflow: Some(overflow),
        })
    }

    /// Every item.
    pub(crate) fn items(&self) -> [RetentionItem; 5] {
        [
            RetentionItem::MaxLength(self.max_length),
            RetentionItem::MaxAge(self.max_age),
            RetentionItem::MaxBytes(self.max_bytes),
            RetentionItem::Retain(self.retain),
            RetentionItem::Overflow(self.overflow),
        ]
    }
}

impl RetentionItem {
    /// Refuses what the server would take for the opposite: that the item is switched off.
    pub(crate) fn check(&self) -> Result<(), String> {
        let is_off = match self {
            Self::MaxLength(limit) | Self::MaxBytes(limit) => *limit == Some(0),
            Self::MaxAge(age) => age.is_some_and(|age| milliseconds(age) == 0),
            _ => false,
        };
        if is_off { Err("limits of a stream are at least 1 (ms)".to_owned()) } else { Ok(()) }
    }

    /// Its word and its value, as XCFGSET takes them.
    pub(crate) fn append_to(&self, command: &mut Cmd) {
        match self {
            Self::MaxLength(limit) => command.arg("MAXLEN").arg(limit.unwrap_or(0)),
            Self::MaxAge(age) => command.arg("MAXAGE").arg(age.map_or(0, milliseconds)),
            Self::MaxBytes(limit) => command.arg("MAXBYTES").arg(limit.unwrap_or(0)),
            Self::Retain(Retain::All) => command.arg("RETAIN").arg("ALL"),
            Self::Retain(Retain::Unacked) => command.arg("RETAIN").arg("UNACKED"),
            Self::Overflow(None) => command.arg("OVERFLOW").arg("NONE"),
            Self::Overflow(Some(Overflow::Drop)) => command.arg("OVERFLOW").arg("DROP"),
            Self::Overflow(Some(Overflow::Reject)) => command.arg("OVERFLOW").arg("REJECT"),
        };
    }
}
