//! What a group does by itself with what is pending: its policy.
//!
//! A group without any of it behaves as in Redis; one with an item set is *managed*. Must not know
//! clocks nor words: times are numbers that callers compare. The rules are in `docs/delivery.md`.

use std::sync::Arc;

use crate::{Backoff, Timing};

/// What becomes of a consumer's pending entries when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConsumerDeletion {
    /// They stay pending without an owner, and are available at once.
    Release,
    /// They go with it, as in a group that is not managed.
    Drop,
}

/// The policy of a managed group. [`Default`]: nothing is set, the group is not managed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GroupPolicy {
    /// So many milliseconds after its delivery an entry is available to others; 0: never.
    pub visibility_ms: u64,
    /// An entry delivered so often is not handed out again but moved to the dead letters; 0: there
    /// is no such number. Below `u32::MAX`.
    pub deliveries_max: u32,
    /// The stream that dead letters go to. `None`: named after the stream, if there are any.
    pub dead_letter: Option<Arc<[u8]>>,
    /// How long what failed is not available.
    pub backoff: Option<Backoff>,
    /// By up to so many percent, at most 100, the backoff is shortened.
    pub jitter_percent: u8,
    /// So many entries have an owner at most; 0: no limit.
    pub in_flight_max: u64,
    /// Entries with one value of this field are worked off one after the other.
    pub order_by: Option<Arc<[u8]>>,
    /// A consumer without pending entries that was not seen for so long is deleted; 0: never.
    pub consumer_ttl_ms: u64,
    /// Nothing is handed out, neither for the first time nor again.
    pub is_paused: bool,
    /// `None`: as a managed group does it, [`ConsumerDeletion::Release`].
    pub consumer_deletion: Option<ConsumerDeletion>,
}

impl GroupPolicy {
    /// Whether an item is set.
    #[must_use]
    pub fn is_managed(&self) -> bool {
        *self != Self::default()
    }

    /// Whether there are dead letters.
    #[must_use]
    pub fn dead_letters(&self) -> bool {
        self.deliveries_max > 0 || self.dead_letter.is_some()
    }

    /// The key of the stream that dead letters go to, of a group of the stream with this key.
    #[must_use]
    pub fn letters_of(&self, key: &[u8]) -> Arc<[u8]> {
        match &self.dead_letter {
            Some(target) => Arc::clone(target),
            None => [key, b":dlq"].concat().into(),
        }
    }

    /// How long an entry waits that was given back after so many deliveries.
    #[must_use]
    pub fn backoff_ms(&self, id: crate::EntryId, deliveries: u64) -> u64 {
        let after =
            |backoff: Backoff| backoff.after_with_jitter(id, deliveries, self.jitter_percent);
        self.backoff.map_or(0, after)
    }

    /// What the pending list must know; `None`: the times of delivery say it all.
    #[must_use]
    pub fn timing(&self) -> Option<Timing> {
        (self.backoff.is_some() || self.dead_letters()).then(|| Timing {
            visibility_ms: self.visibility_ms,
            backoff: self.backoff,
            jitter_percent: self.jitter_percent,
            deliveries_max: (self.deliveries_max > 0).then_some(self.deliveries_max),
        })
    }

    /// Whether deleting a consumer leaves what it has pending to others.
    #[must_use]
    pub fn releases(&self) -> bool {
        self.is_managed() && self.consumer_deletion != Some(ConsumerDeletion::Drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_managed_group_releases_what_a_deleted_consumer_has() {
        let mut policy = GroupPolicy::default();
        assert!(!policy.is_managed() && !policy.releases());
        policy.visibility_ms = 1;
        assert!(policy.is_managed() && policy.releases());
        policy.consumer_deletion = Some(ConsumerDeletion::Drop);
        assert!(!policy.releases());
        policy.consumer_deletion = Some(ConsumerDeletion::Release);
        policy.visibility_ms = 0;
        assert!(policy.is_managed() && policy.releases());
    }
}
