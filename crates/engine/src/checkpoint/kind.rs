//! What a record of a checkpoint is about. `docs/format.md` has the payloads.

/// The first byte of each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// Facts about the whole store; the first record of each file.
    Header = 1,
    /// All objects of a store below a number went.
    Emptied = 2,
    /// These objects went.
    Gone = 3,
    /// A string.
    String = 4,
    /// A stream; what follows up to `StreamEnd` belongs to it.
    Stream = 5,
    /// Some of its blocks, in order.
    Blocks = 6,
    /// A group; what follows up to the next group belongs to it.
    Group = 7,
    /// Some of its consumers.
    Consumers = 8,
    /// Some of its pending entries, in order of their ids.
    Pending = 9,
    /// Some productions that the stream remembers.
    Productions = 10,
    /// How much of each there was.
    StreamEnd = 11,
    /// The last record of each file: no time in it is later.
    Time = 12,
    /// The policy of the group before.
    Policy = 13,
    /// How some of its pending entries failed last, in order of their ids.
    Failures = 16,
    /// What the group before has counted, behind its pending entries.
    Counters = 17,
    /// Some of the entries that it holds, in order of their ids.
    Held = 20,
    /// The values of some of its pending entries.
    Values = 21,
    /// Delayed entries of the stream begin: counts; then blocks with their fields, as `Blocks`.
    Schedule = 18,
    /// Some of their tokens, in order.
    Tokens = 19,
    /// The retention of the stream.
    Retention = 14,
    /// Bytes of names and values of its blocks, in order.
    Payloads = 15,
}

impl Kind {
    /// Whether it stands between the beginning of a stream and its end.
    pub(super) fn belongs_to_stream(self) -> bool {
        matches!(
            self,
            Self::Blocks
                | Self::Group
                | Self::Policy
                | Self::Retention
                | Self::Payloads
                | Self::Consumers
                | Self::Pending
                | Self::Failures
                | Self::Counters
                | Self::Held
                | Self::Values
                | Self::Productions
                | Self::Schedule
                | Self::Tokens
                | Self::StreamEnd
        )
    }

    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Header,
            Self::Emptied,
            Self::Gone,
            Self::String,
            Self::Stream,
            Self::Blocks,
            Self::Group,
            Self::Consumers,
            Self::Pending,
            Self::Productions,
            Self::StreamEnd,
            Self::Time,
            Self::Policy,
            Self::Failures,
            Self::Counters,
            Self::Held,
            Self::Values,
            Self::Schedule,
            Self::Tokens,
            Self::Retention,
            Self::Payloads,
        ]
        .into_iter()
        .find(|kind| *kind as u8 == byte)
    }
}
