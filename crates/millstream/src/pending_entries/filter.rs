//! Which pending entries are meant.

use std::time::Duration;

use bytes::Bytes;

use super::PendingEntry;

/// What a pending entry must be like; without anything said, all are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PendingFilter {
    pub(super) min_idle: Duration,
    pub(super) min_deliveries: u64,
    pub(super) consumer: Option<Bytes>,
}

impl PendingFilter {
    /// All of them.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Delivered at least so long ago (whole milliseconds count), or without an owner.
    #[must_use]
    pub fn min_idle(mut self, min_idle: Duration) -> Self {
        self.min_idle = min_idle;
        self
    }

    /// Delivered at least so often.
    #[must_use]
    pub fn min_deliveries(mut self, min_deliveries: u64) -> Self {
        self.min_deliveries = min_deliveries;
        self
    }

    /// This consumer has them.
    #[must_use]
    pub fn consumer(mut self, consumer: impl AsRef<[u8]>) -> Self {
        self.consumer = Some(Bytes::copy_from_slice(consumer.as_ref()));
        self
    }

    /// Whether an entry passes.
    #[must_use]
    pub fn fits(&self, entry: &PendingEntry) -> bool {
        let is_of = |consumer: &Bytes| entry.consumer.as_ref() == Some(consumer);
        entry.deliveries >= self.min_deliveries
            && entry.idle.is_none_or(|idle| idle >= self.min_idle)
            && self.consumer.as_ref().is_none_or(is_of)
    }
}
