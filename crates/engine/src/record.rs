//! Parts of record groups as bytes, and back. `docs/format.md`, section "Records", is this page in
//! words.
//!
//! A record is a list of parts, each a kind byte and its payload: numbers as varints, byte strings
//! with a varint length, ids as differences to the one before. Kinds are never given a new meaning:
//! a changed payload gets a new kind.
//!
//! Must not know logs, positions or commands. A record that does not fit is refused with its reason
//! ([`ReplayError`]), never guessed at. Tests: `record/tests.rs`.

mod contradiction;
pub(crate) mod counters;
mod decode;
mod encode;
mod error;
pub(crate) mod fields;
pub(crate) mod policy;
pub(crate) mod retention;
mod schedule;

#[cfg(test)]
mod tests;

pub(crate) use decode::{pending_entry, replay_image, replay_with};
pub(crate) use encode::encode;
pub(crate) use error::ReplayError;
pub(crate) use schedule::encode_token;

/// The kind byte of each part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Kind {
    Created = 1,
    CreateStream = 2,
    CreateString = 3,
    RemoveKey = 4,
    SetExpiry = 5,
    RenameKey = 6,
    Flush = 7,
    SetString = 8,
    SwapDatabases = 9,
    AppendString = 10,
    MoveKey = 11,
    Restore = 12,
    Append = 16,
    TrimBefore = 17,
    RemoveEntries = 18,
    SetCounters = 19,
    CreateGroup = 32,
    SetGroupPosition = 33,
    DestroyGroup = 34,
    CreateConsumer = 35,
    DeleteConsumer = 36,
    Deliver = 37,
    SetPending = 38,
    RemovePending = 39,
    SetPolicy = 40,
    NoteFailure = 41,
    SettlePending = 42,
    SetGroupCounters = 43,
    Hold = 44,
    SetValues = 45,
    Unhold = 46,
    UnholdAll = 47,
    SetIdempotence = 48,
    Produced = 49,
    CountDuplicate = 50,
    ForgetProductions = 51,
    SetProductionCounts = 52,
    SetRetention = 53,
    DropEntries = 54,
    Schedule = 57,
    Unschedule = 58,
    CountScheduleFailures = 59,
}

impl Kind {
    const ALL: [Self; 42] = [
        Self::Created,
        Self::CreateStream,
        Self::CreateString,
        Self::RemoveKey,
        Self::SetExpiry,
        Self::RenameKey,
        Self::Flush,
        Self::SetString,
        Self::SwapDatabases,
        Self::AppendString,
        Self::MoveKey,
        Self::Restore,
        Self::Append,
        Self::TrimBefore,
        Self::RemoveEntries,
        Self::SetCounters,
        Self::CreateGroup,
        Self::SetGroupPosition,
        Self::DestroyGroup,
        Self::CreateConsumer,
        Self::DeleteConsumer,
        Self::Deliver,
        Self::SetPending,
        Self::RemovePending,
        Self::SetPolicy,
        Self::NoteFailure,
        Self::SettlePending,
        Self::SetGroupCounters,
        Self::Hold,
        Self::SetValues,
        Self::Unhold,
        Self::UnholdAll,
        Self::SetIdempotence,
        Self::Produced,
        Self::CountDuplicate,
        Self::ForgetProductions,
        Self::SetProductionCounts,
        Self::SetRetention,
        Self::DropEntries,
        Self::Schedule,
        Self::Unschedule,
        Self::CountScheduleFailures,
    ];

    /// Whether an image may have it: those that build one object from nothing.
    fn is_of_image(self) -> bool {
        matches!(
            self,
            Self::CreateStream
                | Self::CreateString
                | Self::Append
                | Self::SetCounters
                | Self::CreateGroup
                | Self::CreateConsumer
                | Self::SetPending
                | Self::SetPolicy
                | Self::NoteFailure
                | Self::SetGroupCounters
                | Self::Hold
                | Self::SetValues
                | Self::Produced
                | Self::SetProductionCounts
                | Self::SetRetention
        )
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// All databases, in the payload of a flush.
const ALL_DATABASES: u8 = u8::MAX;

/// Why pending records went that were not acknowledged.
const DEAD_LETTERED: u8 = 1;
const VANISHED: u8 = 2;
const DROPPED: u8 = 3;

const IS_DELETION: u8 = 1;
const WITH_REFERENCES: u8 = 2;
