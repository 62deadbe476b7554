//! Why a command is refused, in the exact words that clients know.
//!
//! The one place where [`Rejection`]s get their texts.
//!
//! Texts are Redis', byte for byte, since clients match on them. What a client sent is echoed as it
//! came: the reply writer makes CR and LF blanks. Tests: scenarios of `millstream-conformance`.

use std::borrow::Cow;

use millstream_engine::CopyError;
use millstream_model::{Rejection, StreamBound, StreamLimit};

use crate::Reply;
use crate::id::{INVALID_ID, RangeError};

/// The text of an error reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Text(Cow<'static, str>),
    /// With bytes that came from the client.
    Bytes(Vec<u8>),
    /// No refusal for good: blocks have to be loaded first, and nothing has changed.
    NeedsBlocks,
    /// Nor this: the log needs room first, and nothing has changed.
    NeedsRoom,
}

impl From<CopyError> for Refusal {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Taken => Self::text("BUSYKEY Target key name already exists."),
            CopyError::Image(_) => Self::text("ERR Bad data format"),
            CopyError::TooLarge => Self::text(
                "ERR the value is too large: all of it has to fit into one record of the log",
            ),
            CopyError::NoRoom { .. } => Self::NeedsRoom,
            CopyError::Rejected(rejection) => rejection.into(),
        }
    }
}

/// Where nobody can load blocks, which is where none is on disk alone.
const NOT_LOADED: &str = "ERR entries of this stream are not in memory";

/// Where nobody can wait, which is where nothing is logged.
const NO_ROOM: &str = "ERR the log has no room for this yet";

/// What most commands return.
pub(crate) type Outcome = Result<Reply, Refusal>;

impl Refusal {
    pub(crate) const SYNTAX: Self = Self::text("ERR syntax error");
    pub(crate) const NOT_AN_INTEGER: Self = Self::text(crate::integer::NOT_AN_INTEGER);
    pub(crate) const INVALID_ID: Self = Self::text(INVALID_ID);
    pub(crate) const WRONG_TYPE: Self =
        Self::text("WRONGTYPE Operation against a key holding the wrong kind of value");
    pub(crate) const NO_SUCH_KEY: Self = Self::text("ERR no such key");

    pub(crate) const fn text(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    /// The arity error, for a count of arguments that only the command itself can judge.
    pub(crate) fn wrong_arity(name: &'static str) -> Self {
        Self::Text(format!("ERR wrong number of arguments for '{name}' command").into())
    }

    pub(crate) fn unknown_subcommand_form(word: &[u8], container: &str) -> Self {
        let tail = format!("'. Try {container} HELP.");
        let head = b"ERR unknown subcommand or wrong number of arguments for '";
        Self::Bytes([head, word, tail.as_bytes()].concat())
    }
}

impl Refusal {
    /// The text for people who sent no command.
    pub(crate) fn text_without_code(&self) -> String {
        let text = match self {
            Self::Text(text) => text.as_ref().into(),
            Self::Bytes(bytes) => String::from_utf8_lossy(bytes),
            Self::NeedsBlocks => Cow::Borrowed(NOT_LOADED),
            Self::NeedsRoom => Cow::Borrowed(NO_ROOM),
        };
        text.strip_prefix("ERR ").unwrap_or(&text).to_owned()
    }
}

impl From<Refusal> for Reply {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Text(text) => Self::Error(text),
            Refusal::Bytes(bytes) => Self::ErrorBytes(bytes),
            Refusal::NeedsBlocks => Self::error(NOT_LOADED),
            Refusal::NeedsRoom => Self::error(NO_ROOM),
        }
    }
}

impl From<RangeError> for Refusal {
    fn from(error: RangeError) -> Self {
        Self::text(error.reply_text())
    }
}

impl From<Rejection> for Refusal {
    fn from(rejection: Rejection) -> Self {
        let text = match rejection {
            Rejection::WrongType => return Self::WRONG_TYPE,
            Rejection::NoSuchKey => return Self::NO_SUCH_KEY,
            Rejection::NoGroupToRead { key, group } => {
                return no_group(&key, &group, b" in XREADGROUP with GROUP option");
            }
            Rejection::NoKeyOrGroup { key, group } => return no_group(&key, &group, b""),
            Rejection::NoGroup { key, group } => {
                let parts: [&[u8]; 5] =
                    [b"NOGROUP No such consumer group '", &group, b"' for key name '", &key, b"'"];
                return Self::Bytes(parts.concat());
            }
            Rejection::GroupNeedsKey => {
                "ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may \
                 want to use the MKSTREAM option to create an empty stream automatically."
            }
            Rejection::GroupExists => "BUSYGROUP Consumer Group name already exists",
            Rejection::IdIsZero => "ERR The ID specified in XADD must be greater than 0-0",
            Rejection::IdNotAboveLast => {
                "ERR The ID specified in XADD is equal or smaller than the target stream top item"
            }
            Rejection::StreamExhausted => {
                "ERR The stream has exhausted the last possible ID, unable to add more items"
            }
            Rejection::EntryTooLarge => "ERR Elements are too large to be stored",
            Rejection::StreamFull(StreamLimit::Length) => {
                "STREAMFULL the stream has as many entries as its MAXLEN allows, and keeps them: \
                 acknowledge or delete some, or raise MAXLEN with XCFGSET"
            }
            Rejection::StreamFull(StreamLimit::Bytes) => {
                "STREAMFULL the stream has as many bytes as its MAXBYTES allows, and keeps them: \
                 acknowledge or delete entries, or raise MAXBYTES with XCFGSET"
            }
            Rejection::EntryAboveMaxBytes => {
                "STREAMFULL the entry alone has more bytes than the stream's MAXBYTES: make it \
                 smaller, or raise MAXBYTES with XCFGSET"
            }
            Rejection::AboveBound(bound) => above_bound(bound),
            Rejection::LastIdBelowMaxDeleted => {
                "ERR The ID specified in XSETID is smaller than current max_deleted_entry_id"
            }
            Rejection::LastIdBelowEntries => {
                "ERR The ID specified in XSETID is smaller than the target stream top item"
            }
            Rejection::EntriesAddedBelowLength => {
                "ERR The entries_added specified in XSETID is smaller than the target stream length"
            }
            Rejection::NoSuchEntry => "ERR No such message in stream",
            Rejection::IdempotentIdTaken => {
                "ERR IID already exists for this producer with a different stream ID"
            }
            Rejection::GroupNotManaged => {
                "ERR DELAY and ERROR need a managed group: set a policy with XGROUP CFGSET first"
            }
            Rejection::OrderInUse => {
                "ERR policy item ORDERBY can be changed only while nothing is pending or held"
            }
            Rejection::EntryInWork => {
                "ERR a consumer is at work on this entry: acknowledge it, give it back with XNACK, \
                 or wait until its time is over"
            }
            Rejection::NoAckLimited => {
                "ERR NOACK is not for a group with MAXINFLIGHT or ORDERBY: it must know what is \
                 in work"
            }
            Rejection::DeadLettersComeBack => {
                "ERR policy item DEADLETTER: dead letters of this group would come back to its \
                 own stream, by way of the groups of the streams they go to"
            }
            Rejection::KeyForbidden => "NOPERM No permissions to access a key",
            Rejection::NoLogRoom => return Self::NeedsRoom,
            Rejection::BlocksNotLoaded => return Self::NeedsBlocks,
            Rejection::BlockUnreadable { reason } => {
                return Self::Text(format!("MISCONF {reason}").into());
            }
        };
        Self::text(text)
    }
}

fn above_bound(bound: StreamBound) -> &'static str {
    match bound {
        StreamBound::Entries => {
            "STREAMFULL the stream has as many entries as the setting stream-entries-max allows: \
             trim it, or raise the setting"
        }
        StreamBound::Bytes => {
            "STREAMFULL the stream has as many bytes as the setting stream-bytes-max allows: trim \
             it, or raise the setting"
        }
        StreamBound::EntryBytes => {
            "STREAMFULL the entry alone has more bytes than the setting stream-bytes-max allows: \
             make it smaller, or raise the setting"
        }
        StreamBound::Groups => {
            "ERR the stream has as many groups as the setting stream-groups-max allows"
        }
        StreamBound::Consumers => {
            "ERR the group has as many consumers as the setting group-consumers-max allows: delete \
             those that are gone with XGROUP DELCONSUMER, or raise the setting"
        }
        StreamBound::Producers => {
            "ERR the stream knows as many producers as the setting stream-idmp-producers-max \
             allows: wait until productions are forgotten, or raise the setting"
        }
        StreamBound::NameBytes => {
            "ERR a name of the stream, the group, the consumer or the producer is longer than the \
             setting name-bytes-max allows"
        }
    }
}

fn no_group(key: &[u8], group: &[u8], tail: &[u8]) -> Refusal {
    let parts: [&[u8]; 6] =
        [b"NOGROUP No such key '", key, b"' or consumer group '", group, b"'", tail];
    Refusal::Bytes(parts.concat())
}

/// The error reply for a rejection that came outside of a command: to a parked read.
#[must_use]
pub fn rejection_reply(rejection: &Rejection) -> Reply {
    Refusal::from(rejection.clone()).into()
}
