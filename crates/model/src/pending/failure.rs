//! How an entry failed last.

use std::sync::Arc;

/// What is known of the last failed delivery of a pending entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Name of the consumer that had it; empty: none had.
    pub consumer: Arc<[u8]>,
    /// What that consumer said; empty: nothing.
    pub error: Arc<[u8]>,
}

impl Failure {
    pub(super) fn heap_bytes(&self) -> usize {
        // Of a shared one, each record is charged all. The rest is its place in a tree.
        size_of::<Self>() + self.consumer.len() + self.error.len() + 64
    }
}
