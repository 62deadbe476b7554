//! What the owner of a server may bound for all streams alike.

/// A bound that an operation would have exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamBound {
    /// Entries of a stream without a retention of its own by number.
    Entries,
    /// Bytes of names and values of a stream without a retention of its own by size.
    Bytes,
    /// The same, by one entry alone.
    EntryBytes,
    /// Groups of a stream.
    Groups,
    /// Consumers of a group.
    Consumers,
    /// Producers of which a stream remembers productions.
    Producers,
    /// Bytes of the name of a stream, a group, a consumer or a producer.
    NameBytes,
}
