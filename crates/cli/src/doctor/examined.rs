//! What looking at a stream came to.

use std::collections::BTreeMap;

use bytes::Bytes;

use super::finding::Finding;

#[derive(Debug, Default)]
pub(super) struct Examined {
    pub(super) findings: Vec<Finding>,
    pub(super) counts: Counts,
    pub(super) letters: Letters,
    /// There was more than is looked at.
    pub(super) is_sampled: bool,
    /// What the server refused to tell, in its words.
    pub(super) refused: Option<String>,
}

/// Streams that dead letters go to, each with one that they come from.
pub(super) type Letters = BTreeMap<Bytes, Bytes>;

/// So many were looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Counts {
    pub(super) servers: u64,
    pub(super) streams: u64,
    pub(super) groups: u64,
    pub(super) consumers: u64,
    pub(super) pending: u64,
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        self.servers += other.servers;
        self.streams += other.streams;
        self.groups += other.groups;
        self.consumers += other.consumers;
        self.pending += other.pending;
    }
}
