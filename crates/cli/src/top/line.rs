//! A group of a stream as it was last seen, or a stream that has none.

use std::time::Duration;

use bytes::Bytes;

use crate::name::Name;

/// What names a line.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LineKey {
    pub(super) stream: Bytes,
    /// `None`: the stream has no group.
    pub(super) group: Option<Bytes>,
}

/// What is not known is `None`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Line {
    pub(super) key: LineKey,
    /// Entries of the stream.
    pub(super) length: u64,
    /// Entries that were added in each second.
    pub(super) rate_in: Option<f64>,
    /// Entries that the group was done with in each second.
    pub(super) rate_out: Option<f64>,
    pub(super) lag: Option<u64>,
    pub(super) pending: Option<u64>,
    /// Age of the oldest pending entry, by its id; of a managed group: since its delivery.
    pub(super) pending_age: Option<Duration>,
    /// Age of the oldest entry that was not delivered, by its id.
    pub(super) undelivered_age: Option<Duration>,
    pub(super) consumers: Option<u64>,
    /// Entries in the stream of its dead letters.
    pub(super) dead_letters: Option<u64>,
    /// Why nothing is handed out.
    pub(super) blocked_by: Option<String>,
}

impl LineKey {
    pub(super) fn stream_name(&self) -> String {
        Name::from(self.stream.clone()).to_string()
    }

    pub(super) fn group_name(&self) -> String {
        let name = |group: &Bytes| Name::from(group.clone()).to_string();
        self.group.as_ref().map_or_else(|| "-".to_owned(), name)
    }
}

impl Line {
    /// The older of what is pending and what was not delivered.
    pub(super) fn oldest(&self) -> Option<Duration> {
        self.pending_age.max(self.undelivered_age)
    }
}
