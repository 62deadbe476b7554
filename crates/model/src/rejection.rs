//! Why a well-formed request is refused by the state it meets.
//!
//! Closed and without texts: the wording of replies is the business of the command crate.

use std::fmt;

use crate::{StreamBound, StreamLimit};

/// A request that was understood and is refused. Nothing has changed when one is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// The key holds another type.
    WrongType,
    /// The key does not exist, and the command needs it.
    NoSuchKey,
    /// A read for a group found no such key or group.
    NoGroupToRead {
        /// Key as given.
        key: Box<[u8]>,
        /// Group as given.
        group: Box<[u8]>,
    },
    /// A command on pending entries found no such key or group.
    NoKeyOrGroup {
        /// Key as given.
        key: Box<[u8]>,
        /// Group as given.
        group: Box<[u8]>,
    },
    /// The key exists, the group does not.
    NoGroup {
        /// Key as given.
        key: Box<[u8]>,
        /// Group as given.
        group: Box<[u8]>,
    },
    /// Management of groups needs an existing key.
    GroupNeedsKey,
    /// A group of that name exists.
    GroupExists,
    /// `0-0` cannot be the id of an entry.
    IdIsZero,
    /// The id is not above the last one the stream generated.
    IdNotAboveLast,
    /// The stream has reached the largest id.
    StreamExhausted,
    /// Fields and values of an entry are too large together.
    EntryTooLarge,
    /// The stream is full, and its retention lets nothing go that would make room.
    StreamFull(StreamLimit),
    /// One entry is larger than all that the stream may hold.
    EntryAboveMaxBytes,
    /// A bound that holds for all streams of the server.
    AboveBound(StreamBound),
    /// XSETID below the stream's largest deleted id.
    LastIdBelowMaxDeleted,
    /// XSETID below an existing entry.
    LastIdBelowEntries,
    /// XSETID with fewer entries ever added than there are.
    EntriesAddedBelowLength,
    /// No entry has that id.
    NoSuchEntry,
    /// The idempotent id belongs to another entry already.
    IdempotentIdTaken,
    /// More is to be logged than was admitted, and the log has no room for it yet: try again soon.
    NoLogRoom,
    /// Only a managed group knows delays and reasons.
    GroupNotManaged,
    /// What a group orders by changes only while nothing is pending or held.
    OrderInUse,
    /// A consumer has the entry and its time is not over.
    EntryInWork,
    /// A group that counts what is in flight hands out nothing without acknowledgement.
    NoAckLimited,
    /// A group's dead letters would end in its own stream.
    DeadLettersComeBack,
    /// Whoever asks may not write to a stream that this would have written to.
    KeyForbidden,
    /// Blocks of entries have to be loaded first. Nothing has changed: load them, and try again.
    BlocksNotLoaded,
    /// A block of entries cannot be read back; the text says which file, and why.
    BlockUnreadable {
        /// For people.
        reason: Box<str>,
    },
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::WrongType => "the key holds another type",
            Self::NoSuchKey => "no such key",
            Self::NoGroupToRead { .. } | Self::NoKeyOrGroup { .. } => "no such key or group",
            Self::NoGroup { .. } => "no such group",
            Self::GroupNeedsKey => "the key must exist to manage its groups",
            Self::GroupExists => "the group exists already",
            Self::IdIsZero => "an entry cannot have the id 0-0",
            Self::IdNotAboveLast => "the id is not above the last one of the stream",
            Self::StreamExhausted => "the stream has used up its ids",
            Self::EntryTooLarge => "the entry is too large",
            Self::StreamFull(StreamLimit::Length) => {
                "the stream has as many entries as it may have"
            }
            Self::StreamFull(StreamLimit::Bytes) => "the stream has as many bytes as it may have",
            Self::EntryAboveMaxBytes => "the entry is larger than what the stream may hold",
            Self::AboveBound(bound) => match bound {
                StreamBound::Entries => "the stream has as many entries as any may have",
                StreamBound::Bytes => "the stream has as many bytes as any may have",
                StreamBound::EntryBytes => "the entry is larger than any stream may be",
                StreamBound::Groups => "the stream has as many groups as any may have",
                StreamBound::Consumers => "the group has as many consumers as any may have",
                StreamBound::Producers => "the stream has as many producers as any may have",
                StreamBound::NameBytes => "the name is longer than any may be",
            },
            Self::LastIdBelowMaxDeleted => "the id is below the largest deleted one",
            Self::LastIdBelowEntries => "the id is below an existing entry",
            Self::EntriesAddedBelowLength => "fewer entries added than the stream holds",
            Self::NoSuchEntry => "no such entry",
            Self::IdempotentIdTaken => "the idempotent id belongs to another entry",
            Self::GroupNotManaged => "the group has no policy",
            Self::OrderInUse => "something is pending or held in the order there is",
            Self::EntryInWork => "a consumer is at work on the entry",
            Self::NoAckLimited => "the group hands out nothing without acknowledgement",
            Self::DeadLettersComeBack => "dead letters would come back to their own stream",
            Self::KeyForbidden => "the stream that dead letters would go to may not be written to",
            Self::NoLogRoom => "the log has no room for it yet",
            Self::BlocksNotLoaded => "blocks of entries have to be loaded first",
            Self::BlockUnreadable { reason } => reason,
        };
        f.write_str(text)
    }
}

impl std::error::Error for Rejection {}
